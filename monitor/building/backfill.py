"""Reads many windows of a source, each as one piece of work: past days of a new monitor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from whydrift.discovery.errors import NoRows
from whydrift.discovery.snapshot.schema import ColumnKind, Role, Schema
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.building.build import build
from whydrift.monitor.building.cluster import Cancel, Cluster
from whydrift.monitor.building.one_process import OneProcess
from whydrift.monitor.source.base import Rows, Source
from whydrift.monitor.source.reading import never

__all__ = ["snapshots_of_each"]


def snapshots_of_each(
    source: Source,
    windows: Sequence[Rows],
    *,
    schema: Schema,
    kinds: Mapping[str, ColumnKind | str] | None = None,
    roles: Mapping[str, Role | str] | None = None,
    on: Cluster | None = None,
    cancel: Cancel = never,
) -> Iterator[Snapshot]:
    """Yield the Snapshot of each window, in their order; one without rows is empty.

    A window is read by one worker, many windows by many: where each has few parts that is faster
    than one window after the other, each by all workers.

    Parameters
    ----------
    source : Source
        The workers must be able to reach it too.
    windows : sequence of Rows
    schema : Schema
        That of the first window, so that all can be compared and joined.
    kinds, roles, on, cancel
        As in :func:`whydrift.monitor.building.build`.

    Raises
    ------
    SourceError, SchemaError, ClusterError, Cancelled
        As in :func:`whydrift.monitor.building.build`.
    """
    task = _ReadWindow(source, schema.with_kinds(kinds or {}).with_roles(roles or {}))
    for stored in (on or OneProcess()).map(task, windows, cancel=cancel):
        yield Snapshot.empty(task.schema) if stored is None else Snapshot.from_bytes(stored)


@dataclass(frozen=True)
class _ReadWindow:
    """Reads one window into what travels; None where it has no rows."""

    source: Source
    schema: Schema

    def __call__(self, rows: Rows) -> bytes | None:
        where = f"{self.source.where}, from {rows.start} to {rows.end}"
        try:
            return build(self.source.parts(rows), schema=self.schema, where=where).to_bytes()
        except NoRows:
            return None
