"""Parts of one window as one: the same as if their rows had been read together.

Counts, extremes, the category tables and the rows of the sample are the same however the rows were
split into parts and in whatever order these are joined; moments agree to 1e-9 of their scale,
sketches within their error. Two limits: where rows repeat each other (``Blocks.rows_differ``) or
more categories came than are told apart, which rows are sampled and which rare categories are
pooled depends on the parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray, read_only
from whydrift.discovery.errors import SchemaError
from whydrift.discovery.snapshot.blocks import BlockKind, dependence_unknown
from whydrift.discovery.snapshot.build import category_room
from whydrift.discovery.snapshot.copies import Copies
from whydrift.discovery.snapshot.draw import Draw
from whydrift.discovery.snapshot.frequent import FrequentValues
from whydrift.discovery.snapshot.moments import Moments
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.quantiles import QuantileSketch
from whydrift.discovery.snapshot.row_hash import repeated_rows
from whydrift.discovery.snapshot.schema import Column, ColumnKind, Role, Schema
from whydrift.discovery.snapshot.snapshot import OTHER, Snapshot
from whydrift.discovery.snapshot.summary import ColumnSummary, merged_summary
from whydrift.discovery.snapshot.timeline import Timeline
from whydrift.discovery.snapshot.totals import CoMissing, Totals

__all__ = ["merge"]


def merge(windows: Sequence[Snapshot]) -> Snapshot:
    """Join parts of a window, read with one schema: at least one part.

    Raises
    ------
    SchemaError
        If they have other columns or kinds, their samples were chosen by other rules, or rows of a
        sample were replaced or chosen again.
    """
    for other in windows[1:]:
        _check_columns(windows[0], other)
    windows = [w for w in windows if w.rows] or windows[:1]
    if len(windows) == 1:
        return windows[0]
    for other in windows[1:]:
        _check_draws(windows[0], other)
    schema, codes = _joined_schema(windows)
    parts = [_Part.of(window, own) for window, own in zip(windows, codes, strict=True)]
    rows = sum(w.rows for w in windows)
    sampled = tuple(n for n in schema.names if any(w.has(n) for w in windows))
    joined = Draw.joined([p.draw for p in parts])
    kept, threshold = joined.kept()
    columns = {n: np.concatenate([p.values(n) for p in parts])[kept] for n in sampled}
    order = joined.taken(kept).order(_times(schema, columns))
    draw = joined.taken(kept[order], threshold)
    sample = np.empty((len(draw), len(sampled)), order="F")
    for place, name in enumerate(sampled):
        sample[:, place] = columns[name][order]
    copies = Copies.merged([p.totals.copies for p in parts])
    repeats = copies.repeats(rows)
    return Snapshot(
        schema,
        rows,
        {
            n: merged_summary([p.summary(n) for p in parts])
            for n in schema.names
            if any(n in w.summaries for w in windows)
        },
        read_only(sample),
        sampled,
        tuple(n for n in windows[0].absent if all(n in w.absent for w in windows)),
        min((w.start for w in windows if w.start is not None), default=None),
        max((w.end for w in windows if w.end is not None), default=None),
        _notes(windows, rows, draw),
        repeats,
        _repeated(parts, kept[order], draw) if repeats else None,
        Timeline.merged([w.timeline for w in windows if w.timeline is not None]),
        draw,
        _joined_totals(parts, schema, copies, draw),
    )


def _check_columns(one: Snapshot, other: Snapshot) -> None:
    mine, theirs = ({c.name: c.kind for c in s.schema} for s in (one, other))
    for name in (*mine, *theirs):
        if mine.get(name) is not theirs.get(name):
            raise SchemaError(
                f"column {name!r} is not of the same kind in both parts",
                where="merge",
                remedy="Build each part with the schema of the first: "
                "Snapshot.from_frame(…, schema=first.schema)",
            )


def _check_draws(one: Snapshot, other: Snapshot) -> None:
    if one.draw is None or other.draw is None or one.totals is None or other.totals is None:
        raise SchemaError(
            "rows of the sample were replaced or chosen again",
            where="merge",
            remedy="Join Snapshots as from_frame, from_batches and from_bytes give them",
        )
    if one.schema.blocks != other.schema.blocks or one.draw.salt != other.draw.salt:
        raise SchemaError(
            "the rows of the two samples were chosen by different rules",
            where="merge",
            remedy="Build both with the same schema= and random_state=",
        )


@dataclass(frozen=True)
class _Part:
    """A part, and what its category codes become."""

    window: Snapshot
    draw: Draw
    totals: Totals
    codes: Mapping[str, FloatArray]  # new code by old one

    @classmethod
    def of(cls, window: Snapshot, codes: Mapping[str, FloatArray]) -> _Part:
        assert window.draw is not None
        assert window.totals is not None
        return cls(window, window.draw, window.totals, codes)

    def values(self, name: str) -> FloatArray:
        """Return a column of the sample by the new codes; NaN where the part lacks it."""
        if not self.window.has(name):
            return np.full(len(self.draw), np.nan)
        values = self.window.column(name)
        if name not in self.codes or self.window.schema[name].role is Role.CLUSTER:
            return values
        out = np.full(len(values), np.nan)
        present = np.isfinite(values)
        out[present] = self.codes[name][values[present].astype(np.int64)]
        return out

    def summary(self, name: str) -> ColumnSummary:
        """Return the counts of a column by the new codes."""
        found = self.window.summaries.get(name)
        if found is None:
            return ColumnSummary("empty", missing=self.window.rows)
        if name not in self.codes or not found.category_counts:
            return found
        codes = self.codes[name].astype(np.int64)[: len(found.category_counts)]
        counts = np.zeros(int(self.codes[name].max(initial=-1)) + 1, dtype=np.int64)
        np.add.at(counts, codes, found.category_counts)
        return replace(found, category_counts=tuple(counts.tolist()))


def _joined_schema(
    windows: Sequence[Snapshot],
) -> tuple[Schema, list[dict[str, FloatArray]]]:
    """Return the schema with the categories of all, and by column what codes become in each."""
    columns: list[Column] = []
    codes: list[dict[str, FloatArray]] = [{} for _ in windows]
    for column in windows[0].schema:
        own = [w.schema[column.name] for w in windows]
        base = _base(own)
        if any(len(c.categories) > base for c in own):
            counts = [
                w.summaries[column.name].category_counts if column.name in w.summaries else ()
                for w in windows
            ]
            names = _joined_categories([c.categories for c in own], counts, base)
            place = {name: float(code) for code, name in enumerate(names)}
            for new, old in zip(codes, own, strict=True):
                if old.categories != names:
                    new[column.name] = np.array(
                        [place.get(c, place.get(OTHER, -1.0)) for c in old.categories]
                    )
            column = replace(column, categories=names)
        columns.append(replace(column, known=base) if column.categories else column)
    return replace(windows[0].schema, columns=tuple(columns)), codes


def _base(own: Sequence[Column]) -> int:
    """Return how many categories all parts begin with, of those that they were read with."""
    first = own[0].categories
    base = min(len(c.categories) if c.known is None else c.known for c in own)
    for column in own[1:]:
        if column.categories[:base] != first[:base]:
            pairs = enumerate(zip(first, column.categories, strict=False))
            base = next(place for place, (a, b) in pairs if a != b)
    return base


def _joined_categories(
    own: Sequence[tuple[str, ...]], counts: Sequence[Sequence[int]], base: int
) -> tuple[str, ...]:
    """Return the categories that all begin with, then the others, commonest first."""
    known = own[0][:base]
    total: dict[str, int] = {}
    for names, rows in zip(own, counts, strict=True):
        for place, name in enumerate(names[base:], start=base):
            total[name] = total.get(name, 0) + (rows[place] if place < len(rows) else 0)
    has_other = total.pop(OTHER, None) is not None
    rest = sorted(total, key=lambda name: (-total[name], name))
    room = category_room(base)
    has_other = (has_other or len(rest) > room) and OTHER not in known
    return (*known, *rest[:room], *([OTHER] if has_other else []))


def _notes(windows: Sequence[Snapshot], rows: int, draw: Draw) -> tuple[Note, ...]:
    """Return the notes of all, what is said of the sample anew."""
    blocks = windows[0].schema.blocks
    alone = blocks is None or blocks.kind is BlockKind.ROW
    about = dependence_unknown(rows, len(draw))
    told = [note for w in windows for note in w.notes if note.code != about.code]
    return tuple(dict.fromkeys([*told, about] if alone and not draw.is_whole else told))


def _times(schema: Schema, columns: Mapping[str, FloatArray]) -> FloatArray | None:
    name = schema.with_role(Role.TIME)
    if name is None or schema[name].kind is not ColumnKind.TIMESTAMP:
        return None
    return columns.get(name)


def _repeated(parts: Sequence[_Part], kept: IntArray, draw: Draw) -> BoolArray:
    """Return which sampled rows repeat one before them: in their part, or in this sample."""
    flags = [
        np.zeros(len(p.draw), dtype=bool) if p.window.repeated is None else p.window.repeated
        for p in parts
    ]
    out: BoolArray = np.concatenate(flags)[kept] | repeated_rows(draw.row, len(draw))
    return out


def _joined_totals(parts: Sequence[_Part], schema: Schema, copies: Copies, draw: Draw) -> Totals:
    sketches: dict[str, QuantileSketch] = {}
    if not draw.is_whole:
        found = [_sketches(p) for p in parts]
        for name in dict.fromkeys(n for f in found for n in f):
            sketches[name] = QuantileSketch.merged([f[name] for f in found if name in f])
    return Totals(
        Moments.merged([p.totals.moments for p in parts]),
        CoMissing.merged([p.totals.co_missing for p in parts]),
        copies,
        sketches,
        {
            column.name: FrequentValues.merged([_frequent(p, column.name) for p in parts])
            for column in schema
            if OTHER in column.categories
        },
    )


def _frequent(part: _Part, name: str) -> FrequentValues:
    """Return the frequent values of a part; of one that tells all values apart its counts."""
    if name in part.totals.frequent:
        return part.totals.frequent[name]
    return part.window.frequent_values(name) if part.window.has(name) else FrequentValues()


def _sketches(part: _Part) -> Mapping[str, QuantileSketch]:
    """Return the sketches of a part; of one whose sample holds all rows they are made now."""
    if not part.draw.is_whole:
        return part.totals.sketches
    schema = part.window.schema
    return {
        name: QuantileSketch.of(part.window.column(name))
        for name in part.window.sampled
        if schema[name].kind.is_numeric or schema[name].kind is ColumnKind.TIMESTAMP
    }
