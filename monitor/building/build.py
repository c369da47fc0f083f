"""Builds the Snapshot of a window from its parts, wherever the work is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from whydrift.discovery.errors import SchemaError
from whydrift.discovery.progress import Progress, silent
from whydrift.discovery.snapshot.arrow import to_table
from whydrift.discovery.snapshot.schema import ColumnKind, Role, Schema
from whydrift.discovery.snapshot.segment_counts import SegmentCounts
from whydrift.discovery.snapshot.segments import (
    SegmentChoice,
    SegmentedSnapshots,
    Segments,
    count_segments,
)
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.discovery.snapshot.stream import infer_schema, joined_tables
from whydrift.monitor.building.cluster import Cancel, Cluster, Recipe, Told, W, never
from whydrift.monitor.building.one_process import OneProcess
from whydrift.monitor.building.recipe import OfSegments, OfWhole, named_part
from whydrift.monitor.source.base import Part

__all__ = ["build", "build_segments", "choose_segments", "head_schema"]

_HEAD_ROWS = 65_536


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
    total_rows: int = 0,
    cancel: Cancel = never,
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
        Told the rows that were read so far.
    total_rows : int
        What to expect; 0 where it is not known.
    cancel : callable
        Asked between batches (here) or between parts (elsewhere) whether to stop.
    where : str
        Names the window in messages.

    Returns
    -------
    Snapshot
        The same on every kind of cluster: counts and sample identical, moments to 1e-9.

    Raises
    ------
    SchemaError
        If there are no rows, or parts do not fit together.
    SourceError, ClusterError, Cancelled
        If a part cannot be read, workers are lost, or ``cancel`` said so.
    """
    on = on or OneProcess()
    if schema is None:
        schema = head_schema(parts, kinds=kinds, roles=roles, on=on, where=where)
    else:
        schema = schema.with_kinds(kinds or {}).with_roles(roles or {})
    recipe = OfWhole(schema, sample_rows, random_state)
    return _reduced(recipe, parts, on, progress, total_rows, cancel, where)


def build_segments(
    parts: Sequence[Part],
    choice: SegmentChoice,
    *,
    schema: Schema,
    sample_rows: int | None = None,
    random_state: int = 0,
    on: Cluster | None = None,
    progress: Progress = silent,
    total_rows: int = 0,
    cancel: Cancel = never,
    where: str = "data",
) -> SegmentedSnapshots:
    """Summarise a window as a whole and by segments, in one pass.

    Parameters
    ----------
    choice : SegmentChoice
        Of :func:`choose_segments` on the reference.
    parts, schema, sample_rows, random_state, on, progress, total_rows, cancel, where
        As in :func:`build`; ``head_schema`` gives the schema of a reference.

    Raises
    ------
    SchemaError, SourceError, ClusterError, Cancelled
        As in :func:`build`.
    """
    recipe = OfSegments(schema, choice, sample_rows, random_state)
    return _reduced(recipe, parts, on or OneProcess(), progress, total_rows, cancel, where)


def choose_segments(
    parts: Sequence[Part],
    segments: Segments,
    *,
    on: Cluster | None = None,
    cancel: Cancel = never,
) -> SegmentChoice:
    """Return which values are segments of their own, by the rows of a reference.

    Parameters
    ----------
    parts : sequence of Part
        Of the segment columns alone where the source can give these.
    segments : Segments
        The rule.
    on, cancel
        As in :func:`build`.

    Raises
    ------
    SchemaError, SourceError, ClusterError, Cancelled
        As in :func:`build`; also if there is no such column.
    """
    counts = (on or OneProcess()).map(_Count(segments), parts, cancel=cancel)
    return segments.choose(SegmentCounts.merged(counts))


def head_schema(
    parts: Sequence[Part],
    *,
    kinds: Mapping[str, ColumnKind | str] | None = None,
    roles: Mapping[str, Role | str] | None = None,
    on: Cluster | None = None,
    where: str = "data",
) -> Schema:
    """Return the schema of a window, read off the first rows that its parts have.

    Raises
    ------
    SchemaError
        If there are no rows, or ``kinds`` or ``roles`` do not fit.
    """
    on = on or OneProcess()
    task = _Head(dict(kinds or {}), dict(roles or {}))
    for part in parts:  # nearly always the first has rows
        for found in on.map(task, [part]):
            if found is not None:
                return Schema.from_dict(found)
    raise _no_rows(where)


def _reduced(
    recipe: Recipe[W],
    parts: Sequence[Part],
    on: Cluster,
    progress: Progress,
    total_rows: int,
    cancel: Cancel,
    where: str,
) -> W:
    window = on.reduce(recipe, parts, told=_telling(progress, total_rows), cancel=cancel)
    if window is None:
        raise _no_rows(where)
    return window


def _no_rows(where: str) -> SchemaError:
    return SchemaError("there are no rows", where=where, remedy="Give a window that has data")


def _telling(progress: Progress, total_rows: int) -> Told:
    done = 0

    def told(rows: int) -> None:
        nonlocal done
        done += rows
        progress("rows read", done, total_rows)

    return told


@dataclass(frozen=True)
class _Count:
    """Counts the rows of each value in a part."""

    segments: Segments

    def __call__(self, part: Part) -> SegmentCounts:
        with named_part(part):
            return count_segments(part.batches(), self.segments, part.where)


@dataclass(frozen=True)
class _Head:
    """Reads the schema off the first rows of a part; None where it has none."""

    kinds: Mapping[str, ColumnKind | str]
    roles: Mapping[str, Role | str]

    def __call__(self, part: Part) -> dict[str, object] | None:
        rows = 0
        head = []
        with named_part(part):
            for batch in part.batches():
                if batch.num_rows:
                    head.append(batch.slice(0, _HEAD_ROWS - rows))
                    rows += head[-1].num_rows
                if rows >= _HEAD_ROWS:
                    break
            if not head:
                return None
            rows = joined_tables([to_table(b, where=part.where)[0] for b in head], part.where)
            return infer_schema(
                rows, kinds=self.kinds, roles=self.roles, where=part.where
            ).to_dict()
