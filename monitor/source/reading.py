"""Reads a source batch by batch: each row once, whatever breaks on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from whydrift.discovery.errors import SourceError
from whydrift.discovery.progress import Progress, silent
from whydrift.discovery.snapshot.stream import joined_tables
from whydrift.monitor.source.base import Part, Rows, Source, Tell, rows_at_once, untold
from whydrift.monitor.source.retry import Retry

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Cancelled", "batches_of", "in_tables", "never", "stream"]


class Cancelled(Exception):  # noqa: N818 - what happened, and no mistake of anybody's
    """Reading was given up on request; nothing of it counts."""


def never() -> bool:
    """Go on."""
    return False


def batches_of(
    source: Source, rows: Rows, *, tell: Tell = untold, retry: Retry
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a window as they come, each once; none where there are none.

    Raises
    ------
    SourceError
        If it cannot be read.
    """
    for part in retry.call(lambda: source.parts(rows, tell)):
        yield from retry.batches(part, tell)


def stream(
    source: Source,
    rows: Rows,
    *,
    tell: Tell = untold,
    progress: Progress = silent,
    cancel: Callable[[], bool] = never,
    retry: Retry | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[pa.Table]:
    """Yield the rows of a window as tables of 65,536 (of many columns: fewer), the last of fewer.

    Parameters
    ----------
    source : Source
        Where the window lies.
    rows : Rows
        Which rows and columns are wanted.
    tell : callable
        Takes what had to be mended.
    progress : callable
        Told the rows so far, those there are at most (0 where nobody knows) and the speed.
    cancel : callable
        Asked between batches whether to give up.
    retry : Retry, optional
        How often what failed is tried again.
    clock : callable
        Seconds, for the speed.

    Raises
    ------
    SourceError
        If it cannot be read, or there are no rows.
    Cancelled
        If it was asked to.
    """
    retry = retry or Retry()
    parts = retry.call(lambda: source.parts(rows, tell))
    total = _total(parts)
    started, done = clock(), 0

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal done
        for part in parts:
            for batch in retry.batches(part, tell):
                if cancel():
                    raise Cancelled(source.where)
                done += batch.num_rows
                speed = done / max(clock() - started, 1e-9)
                progress(f"reading {source.where}: {speed:,.0f} rows/s", done, total or 0)
                yield batch

    yield from in_tables(batches(), source.where)
    if not done:
        raise SourceError(
            "there are no rows" if rows.start is None and rows.end is None
            else f"no row lies between {rows.start} and {rows.end}",
            where=source.where,
            remedy="Give a window that has data",
        )  # fmt: skip


def in_tables(batches: Iterable[pa.RecordBatch], where: str = "data") -> Iterator[pa.Table]:
    """Yield the rows of batches as tables of 65,536 (of many columns: fewer), the last of fewer."""
    import pyarrow as pa

    waiting: list[pa.Table] = []
    held = 0
    for batch in batches:
        most = rows_at_once(batch.num_columns)
        table = pa.Table.from_batches([batch])
        while held + len(table) >= most:
            fits = most - held
            yield joined_tables([*waiting, table.slice(0, fits)], where)
            table = table.slice(fits)
            waiting, held = [], 0
        if len(table):
            waiting.append(table)
            held += len(table)
    if waiting:
        yield joined_tables(waiting, where)


def _total(parts: Sequence[Part]) -> int | None:
    """Return the rows of all parts, where each says how many it has."""
    known = [part.rows for part in parts]
    return None if None in known else sum(rows for rows in known if rows is not None)
