"""Builds the Snapshot of a window from its parts, wherever the work is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from whydrift.discovery.errors import NoRows
from whydrift.discovery.progress import Progress, silent
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.schema import ColumnKind, Role, Schema
from whydrift.discovery.snapshot.segment_counts import SegmentCounts
from whydrift.discovery.snapshot.segments import (
    SegmentChoice,
    SegmentedSnapshots,
    Segments,
    count_segments,
)
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.discovery.snapshot.stream import infer_schema
from whydrift.monitor.building.cluster import Cancel, Cluster, Recipe, Told
from whydrift.monitor.building.one_process import OneProcess
from whydrift.monitor.building.recipe import OfSegments, OfWhole, read_share
from whydrift.monitor.building.share import Share, shares_of
from whydrift.monitor.source.base import Part, Rows, Source
from whydrift.monitor.source.reading import never
from whydrift.monitor.source.retry import Retry

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["build", "build_segments", "choose_segments", "count_values", "snapshot_on"]

W = TypeVar("W")


def snapshot_on(
    source: Source,
    rows: Rows,
    *,
    on: Cluster,
    schema: Schema | None = None,
    kinds: Mapping[str, ColumnKind | str] | None = None,
    roles: Mapping[str, Role | str] | None = None,
    progress: Progress = silent,
    cancel: Cancel = never,
    retry: Retry | None = None,
) -> Snapshot:
    """Summarise the rows of a source on a cluster.

    Parameters
    ----------
    source : Source
        The workers must be able to reach it too: as it is named, they read it.
    on : Cluster
        Where the work is done.
    rows, schema, kinds, roles, progress, cancel, retry
        As in `snapshot_of`.

    Returns
    -------
    Snapshot
        What ``snapshot_of`` gives here: counts and sample are the same, moments to 1e-9.

    Raises
    ------
    SourceError, SchemaError, ClusterError, Cancelled
        As in :func:`build`.
    """
    retry = retry or Retry()
    notes: list[Note] = []
    parts = retry.call(lambda: source.parts(rows, notes.append))
    window = build(
        parts, schema=schema, kinds=kinds, roles=roles, on=on, progress=progress, cancel=cancel,
        retry=retry, where=source.where,
    )  # fmt: skip
    return replace(window, notes=tuple(dict.fromkeys((*notes, *window.notes))))


def build(
    parts: Sequence[Part],
    *,
    schema: Schema | None = None,
    kinds: Mapping[str, ColumnKind | str] | None = None,
    roles: Mapping[str, Role | str] | None = None,
    sample_rows: int | None = None,
    random_state: int = 0,
    on: Cluster | None = None,
    progress: Progress = silent,
    cancel: Cancel = never,
    retry: Retry | None = None,
    clock: Callable[[], float] = time.monotonic,
    where: str = "data",
) -> Snapshot:
    """Summarise a window whose rows come in parts.

    Parameters
    ----------
    parts : sequence of Part
        In their order.
    schema : Schema, optional
        That of the reference; else it is read off the head of the first part that has rows, once,
        so that all parts are read alike.
    kinds, roles : mapping, optional
        Override what would be inferred, or the schema, for some columns.
    sample_rows, random_state
        As in :meth:`Snapshot.from_batches`.
    on : Cluster, optional
        Where the work is done: in this process by default.
    progress : Progress
        Told the rows so far, those there are at most (0 where nobody knows) and the speed.
    cancel : callable
        Asked between tables (here) or between parts (elsewhere) whether to stop.
    retry : Retry, optional
        How often what failed is tried again.
    clock : callable
        Seconds, for the speed.
    where : str
        Names the window in messages.

    Returns
    -------
    Snapshot
        The same on every kind of cluster: counts and sample identical, moments to 1e-9.

    Raises
    ------
    NoRows
        If there are none.
    SchemaError
        If parts do not fit together.
    SourceError, ClusterError, Cancelled
        If a part cannot be read, workers are lost, or ``cancel`` said so.
    """
    on = on or OneProcess()
    shares = shares_of(parts, retry)
    head = _head(shares, schema, kinds or {}, roles or {}, on, cancel, where)
    recipe = OfWhole(head.schema, head.run, sample_rows, random_state)
    return _reduced(recipe, shares, on, _telling(progress, parts, where, clock), cancel, where)


def build_segments(
    parts: Sequence[Part],
    choice: SegmentChoice,
    *,
    schema: Schema | None = None,
    kinds: Mapping[str, ColumnKind | str] | None = None,
    roles: Mapping[str, Role | str] | None = None,
    sample_rows: int | None = None,
    random_state: int = 0,
    on: Cluster | None = None,
    progress: Progress = silent,
    cancel: Cancel = never,
    retry: Retry | None = None,
    clock: Callable[[], float] = time.monotonic,
    where: str = "data",
) -> SegmentedSnapshots:
    """Summarise a window as a whole and by segments, in one pass.

    Parameters
    ----------
    choice : SegmentChoice
        Of :func:`choose_segments` on the reference.
    parts, schema, kinds, roles, sample_rows, random_state
        As in :func:`build`.
    on, progress, cancel, retry, clock, where
        As in :func:`build`.

    Raises
    ------
    SchemaError, SourceError, ClusterError, Cancelled
        As in :func:`build`.
    """
    on = on or OneProcess()
    shares = shares_of(parts, retry)
    head = _head(shares, schema, kinds or {}, roles or {}, on, cancel, where)
    recipe = OfSegments(head.schema, choice, head.run, sample_rows, random_state)
    return _reduced(recipe, shares, on, _telling(progress, parts, where, clock), cancel, where)


def choose_segments(
    parts: Sequence[Part],
    segments: Segments,
    *,
    on: Cluster | None = None,
    cancel: Cancel = never,
    retry: Retry | None = None,
) -> SegmentChoice:
    """Return which values are segments of their own, by the rows of a reference.

    Parameters
    ----------
    parts : sequence of Part
        Of the segment columns alone where the source can give these.
    segments : Segments
        The rule.
    on, cancel, retry
        As in :func:`build`.

    Raises
    ------
    SchemaError, SourceError, ClusterError, Cancelled
        As in :func:`build`; also if there is no such column.
    """
    return segments.choose(count_values(parts, segments.by, on=on, cancel=cancel, retry=retry))


def count_values(
    parts: Sequence[Part],
    by: tuple[str, ...],
    *,
    on: Cluster | None = None,
    cancel: Cancel = never,
    retry: Retry | None = None,
) -> SegmentCounts:
    """Return the rows of each value of some columns.

    Parameters
    ----------
    by : tuple of str
        The columns; of several each combination of values counts.
    parts, on, cancel, retry
        As in :func:`choose_segments`.
    """
    counts = (on or OneProcess()).map(_Count(by), shares_of(parts, retry), cancel=cancel)
    return SegmentCounts.merged(counts)


def _reduced(
    recipe: Recipe[W], shares: Sequence[Share], on: Cluster, told: Told, cancel: Cancel, where: str
) -> W:
    window = on.reduce(recipe, shares, told=told, cancel=cancel)
    if window is None:
        raise _no_rows(where)
    return window


def _no_rows(where: str) -> NoRows:
    return NoRows("there are no rows", where=where, remedy="Give a window that has data")


def _telling(
    progress: Progress, parts: Sequence[Part], where: str, clock: Callable[[], float]
) -> Told:
    known = [part.rows for part in parts]
    total = 0 if None in known else sum(rows for rows in known if rows is not None)
    started, done = clock(), 0

    def told(rows: int) -> None:
        nonlocal done
        done += rows
        speed = done / max(clock() - started, 1e-9)
        progress(f"reading {where}: {speed:,.0f} rows/s", done, total)

    return told


# ---- what is read first -----------------------------------------------------------------------
@dataclass(frozen=True)
class _Head:
    """What all parts are read with."""

    schema: Schema
    run: int  # stands for the window


def _head(
    shares: Sequence[Share],
    schema: Schema | None,
    kinds: Mapping[str, ColumnKind | str],
    roles: Mapping[str, Role | str],
    on: Cluster,
    cancel: Cancel,
    where: str,
) -> _Head:
    """Read the first rows where the work is done: perhaps they can be reached from there only."""
    if not shares:
        raise _no_rows(where)
    # The first table may need rows of several parts; of those after it none is opened.
    start = replace(shares[0], parts=tuple(part for share in shares for part in share.parts))
    (found,) = on.map(_ReadHead(schema, kinds, roles), [start], cancel=cancel)
    if found is None:
        raise _no_rows(where)
    return _Head(Schema.from_dict(found["schema"]), found["run"])


@dataclass(frozen=True)
class _ReadHead:
    """Reads the schema off the first rows; None where there are none."""

    schema: Schema | None
    kinds: Mapping[str, ColumnKind | str]
    roles: Mapping[str, Role | str]

    def __call__(self, share: Share) -> dict[str, Any] | None:
        def read(tables: Iterator[pa.Table]) -> dict[str, Any]:
            head = next(tables)
            schema = self.schema
            if schema is None:
                schema = infer_schema(head, kinds=self.kinds, roles=self.roles, where=share.where)
            else:
                schema = schema.with_kinds(self.kinds).with_roles(self.roles)
            window = Snapshot.from_frame(head, schema=schema, where=share.where)
            assert window.draw is not None
            return {"schema": schema.to_dict(), "run": int(window.draw.run[0])}

        return read_share(share, read)


@dataclass(frozen=True)
class _Count:
    """Counts the rows of each value in a share."""

    by: tuple[str, ...]

    def __call__(self, share: Share) -> SegmentCounts:
        def read(tables: Iterator[pa.Table]) -> SegmentCounts:
            return count_segments(tables, self.by, share.where)

        return read_share(share, read) or SegmentCounts()
