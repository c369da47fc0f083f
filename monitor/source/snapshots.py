"""Reads a window as a Snapshot."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from whydrift.discovery.errors import OptionError
from whydrift.discovery.progress import Progress, silent
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.schema import ColumnKind, Role, Schema
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.source.base import Rows, Source
from whydrift.monitor.source.opening import as_source
from whydrift.monitor.source.reading import never, stream
from whydrift.monitor.source.retry import Retry, StartAgain

if TYPE_CHECKING:
    from whydrift.monitor.building.cluster import Cluster

__all__ = ["read_snapshot", "snapshot_of"]


def read_snapshot(
    data: str | os.PathLike[str] | Source | Any,
    *,
    schema: Schema | None = None,
    kinds: Mapping[str, ColumnKind | str] | None = None,
    roles: Mapping[str, Role | str] | None = None,
    columns: Sequence[str] | None = None,
    query: str | None = None,
    time_column: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    progress: Progress = silent,
    workers: Cluster | None = None,
) -> Snapshot:
    """Summarise one window, in memory that does not grow with its rows.

    Parameters
    ----------
    data : str, path, Source or settings
        A file, glob, folder, address (s3://, gs://, abfs://, https://) or date template of
        Parquet, CSV or TSV (plain, .gz, .zst, .bz2), Arrow or Feather; the address of a database,
        with ``query``; a source, or its settings.
    schema : Schema, optional
        That of the reference, for a current window; read off the first 65,536 rows otherwise.
    kinds, roles : mapping, optional
        Override what would be inferred, or the schema, for some columns.
    columns : sequence of str, optional
        Read these columns only.
    query : str, optional
        What to select from a database.
    time_column : str, optional
        By which rows belong to the window, and are put in order.
    start, end : datetime, optional
        The window: rows with ``start <= time < end``. A time without a zone counts as UTC.
    progress : callable, optional
        Called with the stage in words, the rows done and the rows in all.
    workers : Cluster, optional
        Where the rows are read, such as ``whydrift.monitor.building.processes(2)`` gives; here by
        default.

    Returns
    -------
    Snapshot

    Raises
    ------
    SourceError
        If it cannot be read, or there are no rows.
    SchemaError
        If ``kinds`` or ``roles`` name a column that is not there.
    """
    source = as_source(data, query=query)
    wanted = None if columns is None else tuple(columns)
    start, end = _aware(start, "start"), _aware(end, "end")
    roles, kinds = dict(roles or {}), dict(kinds or {})
    time_column = time_column or source.time_column
    if time_column is not None and (wanted is None or time_column in wanted):
        roles.setdefault(time_column, Role.TIME)
        kinds.setdefault(time_column, ColumnKind.TIMESTAMP)
    return snapshot_of(
        source, Rows(wanted, time_column, start, end), schema=schema, kinds=kinds, roles=roles,
        progress=progress, workers=workers,
    )  # fmt: skip


def _aware(moment: datetime | None, name: str) -> datetime | None:
    """Return a moment with its time zone, UTC where it has none."""
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        raise OptionError(
            f"{moment!r} is no moment",
            where=name,
            remedy="Give a datetime, such as datetime(2026, 5, 4, tzinfo=UTC)",
        )
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def snapshot_of(
    source: Source,
    rows: Rows,
    *,
    schema: Schema | None = None,
    kinds: Mapping[str, ColumnKind | str] | None = None,
    roles: Mapping[str, Role | str] | None = None,
    progress: Progress = silent,
    cancel: Callable[[], bool] = never,
    retry: Retry | None = None,
    workers: Cluster | None = None,
) -> Snapshot:
    """Summarise the rows of a source; the arguments are those of ``read_snapshot`` and ``stream``.

    Raises
    ------
    SourceError
        If they cannot be read, or there are none.
    Cancelled
        If it was asked to: nothing of the window is kept.
    """
    retry = retry or Retry()
    if workers is not None:
        from whydrift.monitor.building import snapshot_on

        return snapshot_on(
            source, rows, on=workers, schema=schema, kinds=kinds, roles=roles, progress=progress,
            cancel=cancel, retry=retry,
        )  # fmt: skip

    def read() -> Snapshot:
        notes: list[Note] = []
        tables = stream(
            source, rows, tell=notes.append, progress=progress, cancel=cancel, retry=retry
        )
        snapshot = Snapshot.from_batches(
            tables, schema=schema, kinds=kinds, roles=roles, where=source.where
        )
        return replace(snapshot, notes=(*dict.fromkeys(notes), *snapshot.notes))

    # Of what broke off and comes in another order the next time, nothing is kept.
    return retry.call(read, of=StartAgain)
