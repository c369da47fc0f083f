"""``whydrift init``: what is in a table, a first verdict, and a configuration from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whydrift.monitor.cli.exits import Status
from whydrift.monitor.cli.options import DATA_HELP, Debug, Quiet, path_given

if TYPE_CHECKING:
    import pyarrow as pa

    from whydrift.discovery.progress import Progress
    from whydrift.discovery.snapshot.snapshot import Snapshot
    from whydrift.monitor.cli.suspects import Suspects
    from whydrift.monitor.diagnosis.diagnosis import Diagnosis

__all__ = ["init"]

_LEAST_ROWS = 100  # fewer than 50 rows in each half tell nothing


def init(
    data: Annotated[str, typer.Argument(metavar="DATA", help=DATA_HELP)],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            parser=path_given,
            metavar="FILE|-",
            help="Write a commented configuration there (YAML); - is standard output alone.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> int:
    """Look at DATA: the kind of each column, what stands out, and whether it drifted within.

    Try:
      whydrift init may.parquet
      whydrift init 'data/2026-05-*.csv' -o whydrift.yaml
    """
    from whydrift.discovery.errors import OptionError
    from whydrift.discovery.snapshot.snapshot import Snapshot as Taken
    from whydrift.monitor.cli.outputs import check_outputs, is_standard_output, write_text
    from whydrift.monitor.cli.progress import shown_progress
    from whydrift.monitor.cli.suspects import suspect_roles
    from whydrift.monitor.source.files import read_noted

    check_outputs({"-o": output}, inputs=(data,))
    on_stdout = output is not None and is_standard_output(output)
    if output is not None and not on_stdout and output.exists() and not force:
        raise OptionError(
            "this file exists already",
            where=f"-o {output}",
            remedy="Name another file, or overwrite it with --force",
        )
    with shown_progress(quiet) as progress:
        table, notes = read_noted(data)
        snapshot = Taken.from_frame(table, where=data)
        suspects = suspect_roles(snapshot)
        verdict = None if quiet or on_stdout else _first_verdict(table, suspects, progress)
    if output is not None:
        from whydrift.monitor.cli.configuration import configuration

        write_text(output, configuration(snapshot, suspects, data), "-o")
    if not quiet and not on_stdout:
        _show(replace(snapshot, notes=(*notes, *snapshot.notes)), suspects, verdict, output)
    return Status.NOTHING


def _first_verdict(table: pa.Table, suspects: Suspects, progress: Progress) -> Diagnosis | str:
    """Compare the first half of the rows with the second, or say why that tells nothing."""
    from whydrift.discovery.errors import WhydriftError
    from whydrift.discovery.snapshot.arrow import to_table
    from whydrift.monitor.api import compare
    from whydrift.monitor.windows import in_time_order

    if table.num_rows < _LEAST_ROWS:
        return f"fewer than {_LEAST_ROWS} rows: too few to compare two halves"
    table = to_table(table)[0]
    time, target, prediction = suspects.time, suspects.target, suspects.prediction
    try:
        if time is not None:
            table = in_time_order(table, time, "data")
        half = table.num_rows // 2
        return compare(
            table.slice(0, half), table.slice(half), target=target,
            prediction=prediction if target is not None else None, time_column=time,
            progress=progress,
        )  # fmt: skip
    except WhydriftError as error:
        # Roles were guessed: what does not fit them is no mistake of the user's.
        return str(error)


def _show(
    snapshot: Snapshot, suspects: Suspects, verdict: Diagnosis | str | None, output: Path | None
) -> None:
    from whydrift.discovery.plain_text import clean
    from whydrift.monitor.cli.first_look import show_first_look
    from whydrift.monitor.cli.table import headline
    from whydrift.monitor.cli.terminal import console, reader_may_leave

    halves = "first half of the rows against the second"
    if suspects.time is not None:
        halves += f", by {clean(suspects.time, 40)}"
    with reader_may_leave():
        screen = console()
        show_first_look(snapshot, suspects, screen)
        screen.print()
        if isinstance(verdict, str):
            screen.print(f"no first verdict: {clean(verdict)}")
        elif verdict is not None:
            screen.print(f"A first verdict ({halves}):")
            screen.print(headline(verdict))
        if output is not None:
            screen.print(f"written: {clean(str(output))}")
        else:
            screen.print("Add `-o whydrift.yaml` to write a configuration from this.")
