"""``whydrift serve``: the daemon."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from whydrift.discovery.errors import OptionError, unknown_name
from whydrift.monitor.cli.exits import Status
from whydrift.monitor.cli.options import Debug, path_given

__all__ = ["serve"]

_LEVELS = ("debug", "info", "warning", "error")
_FORMATS = ("text", "json")


def serve(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            parser=path_given,
            metavar="FILE",
            help="The configuration, or a folder of them.",
        ),
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Where to listen, instead of web.listen."),
    ] = None,
    log_format: Annotated[
        str, typer.Option(metavar="|".join(_FORMATS), help="Lines for people, or JSON.")
    ] = "text",
    log_level: Annotated[
        str, typer.Option(metavar="|".join(_LEVELS), help="How much is told.")
    ] = "info",
    debug: Debug = False,
) -> int:
    """Watch: check each window when it is due, tell of what it finds, answer on the web.

    It runs until SIGTERM or Ctrl-C and then ends within 10 seconds (a second time: at once); what
    was not finished is done at the next start. SIGHUP takes a changed configuration, if it is
    whole. The log goes to standard error.

    Try:
      whydrift serve -c whydrift.yaml
      whydrift serve -c /etc/whydrift/ --listen 127.0.0.1:9465 --log-format json

    Exit status: 0 ended by a signal, 2 it cannot begin: the configuration is wrong, the port
    taken, the store in use.
    """
    if config is None:
        raise OptionError(
            "no configuration is named",
            where="whydrift serve",
            remedy="Add -c whydrift.yaml (`whydrift init DATA -o whydrift.yaml` writes one)",
        )
    for value, known, what in (
        (log_format, _FORMATS, "--log-format"), (log_level, _LEVELS, "--log-level"),
    ):  # fmt: skip
        if value not in known:
            raise unknown_name("word", value, known=known, where=what)

    from whydrift.monitor.cli.terminal import has_colours
    from whydrift.monitor.service.logs import LogFormat
    from whydrift.monitor.service.serve import serve as run

    run(
        config,
        listen=listen,
        style=LogFormat(log_format),
        level="debug" if debug else log_level,
        colours=sys.stderr is not None and has_colours(sys.stderr),
        say=lambda text: print(text, flush=True),
    )
    return Status.NOTHING
