"""``whydrift init``: what is in a table, a first verdict, and a configuration from it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whydrift.monitor.cli.exits import Status
from whydrift.monitor.cli.options import DATA_HELP, Debug, Query, Quiet, path_given

if TYPE_CHECKING:
    import pyarrow as pa

    from whydrift.discovery.progress import Progress
    from whydrift.discovery.snapshot.snapshot import Snapshot
    from whydrift.monitor.cli.suspects import Suspects
    from whydrift.monitor.diagnosis.diagnosis import Diagnosis
    from whydrift.monitor.source.base import Source

__all__ = ["init"]

_LEAST_ROWS = 100  # fewer than 50 rows in each half tell nothing
_DAY = 86_400.0  # seconds
_LEAST_DAYS = 13.5  # two weeks, nearly: each half has all weekdays


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
    query: Query = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> int:
    """Look at DATA: the kind of each column, what stands out, and whether it drifted within.

    Try:
      whydrift init may.parquet
      whydrift init 'data/2026-05-*.csv' -o whydrift.yaml
      whydrift init '${DB}' --query 'select * from prices' -o whydrift.yaml
    """
    from whydrift.discovery.errors import OptionError
    from whydrift.monitor.cli.data import data_given, query_given
    from whydrift.monitor.cli.outputs import check_outputs, is_standard_output, write_text
    from whydrift.monitor.cli.progress import shown_progress
    from whydrift.monitor.cli.suspects import suspect_roles
    from whydrift.monitor.source.base import Rows
    from whydrift.monitor.source.snapshots import snapshot_of

    check_outputs({"-o": output}, inputs=(data,))
    on_stdout = output is not None and is_standard_output(output)
    if output is not None and not on_stdout and output.exists() and not force:
        raise OptionError(
            "this file exists already",
            where=f"-o {output}",
            remedy="Name another file, or overwrite it with --force",
        )
    with shown_progress(quiet) as progress:
        source = data_given(data, query)
        snapshot = snapshot_of(source, Rows(), progress=progress)
        suspects = suspect_roles(snapshot)
        verdict = None
        if not quiet and not on_stdout:
            verdict = _first_verdict(source, snapshot, suspects, progress)
    if output is not None:
        from whydrift.monitor.cli.configuration import configuration

        write_text(output, configuration(snapshot, suspects, data, query_given(query)), "-o")
    if not quiet and not on_stdout:
        _show(snapshot, suspects, verdict, output)
    return Status.NOTHING


def _first_verdict(
    source: Source, whole: Snapshot, suspects: Suspects, progress: Progress
) -> Diagnosis | str:
    """Compare the first half of the rows with the second, or say why that tells nothing."""
    from whydrift.discovery.errors import WhydriftError
    from whydrift.monitor.api import compare

    if whole.rows < _LEAST_ROWS:
        return f"fewer than {_LEAST_ROWS} rows: too few to compare two halves"
    target, prediction = suspects.target, suspects.prediction
    try:
        first, second = _halves(source, whole, suspects, progress)
        found = compare(
            first, second, target=target, prediction=prediction if target is not None else None,
            time_column=suspects.time, progress=progress,
        )  # fmt: skip
    except WhydriftError as error:
        # Roles were guessed: what does not fit them is no mistake of the user's.
        return str(error)
    return _calendar_instead(found, whole, suspects.time) or found


def _calendar_instead(found: Diagnosis, whole: Snapshot, time: str | None) -> str | None:
    """Return why a shift between halves tells nothing: they are of other weekdays or hours."""
    from whydrift.monitor.diagnosis.words import joined

    told = found.ranking or [
        name for name, c in found.columns.items() if c.verdict == "mechanism"
    ]  # the prediction, which never is ranked
    if time is None or found.faults or not told:
        return None
    start, end = whole.quantiles(time, [0.0, 1.0])
    days = float(end - start) / _DAY
    if days >= _LEAST_DAYS:
        return None
    span = f"{24 * days:.0f} hours" if days < 2 else f"{days:.0f} days"
    return (
        f"{joined(told)} differed between the two halves, but of {span} each half has "
        "other weekdays or hours: what any week does would look like a change. Two weeks or more "
        "would tell, or windows of your own: whydrift compare"
    )


def _halves(
    source: Source, whole: Snapshot, suspects: Suspects, progress: Progress
) -> tuple[Snapshot, Snapshot]:
    """Read the source once more for each half, so that it is never held whole."""
    from whydrift.discovery.snapshot.snapshot import Snapshot as Taken
    from whydrift.monitor.source.base import Rows
    from whydrift.monitor.source.reading import stream
    from whydrift.monitor.source.snapshots import snapshot_of

    # A version that another one followed is no change of the data.
    kinds = {} if suspects.version is None else {suspects.version: "ignored"}
    time, middle = suspects.time, whole.rows // 2
    if time is None:
        first = Taken.from_batches(
            _cut(stream(source, Rows(), progress=progress), 0, middle), kinds=kinds
        )
        rest = _cut(stream(source, Rows(), progress=progress), middle, whole.rows)
        return first, Taken.from_batches(rest, schema=first.schema)
    seconds = float(whole.quantiles(time, [0.5])[0])
    at = datetime.fromtimestamp(seconds, UTC)
    first = snapshot_of(
        source, Rows(None, time, None, at), kinds=kinds | {time: "timestamp"},
        roles={time: "time"}, progress=progress,
    )  # fmt: skip
    return first, snapshot_of(
        source, Rows(None, time, at, None), schema=first.schema, progress=progress
    )


def _cut(tables: Iterator[pa.Table], start: int, end: int) -> Iterator[pa.Table]:
    """Yield the rows from one place to another."""
    place = 0
    for table in tables:
        low, high = max(start - place, 0), min(end - place, table.num_rows)
        if low < high:
            yield table.slice(low, high - low)
        place += table.num_rows


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
            written = clean(str(output))
            screen.print(f"written: {written}; next: whydrift check-config {written} --connect")
        else:
            screen.print("Add `-o whydrift.yaml` to write a configuration from this.")
