"""``whydrift demo``: real data that ships with it, from end to end."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whydrift.monitor.cli.options import Debug, Quiet, path_given

__all__ = ["demo"]


def demo(
    out: Annotated[
        Path,
        typer.Option(
            parser=path_given, metavar="DIR", help="Folder for the data, the graph and the report."
        ),
    ] = Path("whydrift-demo"),
    serve: Annotated[
        bool, typer.Option("--serve", help="Show the report in a browser at a local address.")
    ] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> int:
    """See it at work on real data that ships with it: discover, compare, report.

    Try:
      whydrift demo
      whydrift demo --out /tmp/demo --serve
    """
    import io

    from whydrift.monitor.cli.progress import shown_progress
    from whydrift.monitor.cli.terminal import console
    from whydrift.monitor.demo import run_demo

    screen = console(io.StringIO() if quiet else None, markup=True)
    with shown_progress(quiet) as progress:
        return int(run_demo(out, console=screen, serve=serve, progress=progress))
