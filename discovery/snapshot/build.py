"""Reads one table, or one piece of a stream, into a Snapshot, column by column."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray, read_only
from whydrift.discovery.snapshot.blocks import (
    BlockKind,
    Blocks,
    block_seconds,
    dependence_unknown,
    thinned_share,
)
from whydrift.discovery.snapshot.copies import Copies
from whydrift.discovery.snapshot.draw import Draw
from whydrift.discovery.snapshot.infer import (
    Content,
    as_categories,
    as_numbers,
    infer_column,
    read_content,
)
from whydrift.discovery.snapshot.moments import Moments
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.quantiles import QuantileSketch
from whydrift.discovery.snapshot.row_hash import (
    HashArray,
    content_hashes,
    mixed,
    repeated_rows,
    row_hashes,
)
from whydrift.discovery.snapshot.schema import Column, ColumnKind, Role, Schema
from whydrift.discovery.snapshot.snapshot import OTHER, Snapshot, sample_limit
from whydrift.discovery.snapshot.summary import ColumnSummary
from whydrift.discovery.snapshot.timeline import Timeline
from whydrift.discovery.snapshot.totals import CoMissing, Totals

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["MOST_CATEGORIES", "MOST_NEW_CATEGORIES", "Piece", "read_window"]

MOST_CATEGORIES = 1_000
MOST_NEW_CATEGORIES = 50
_ROWS_OF_A_CHOICE = 65_536  # rows that the length of a block of time is chosen on
_MOST_REPEATS = 0.01  # share; above, rows are not known by their values
_ROWS_OF_A_NAME = 64  # rows at the beginning of a table, whose values stand for it


@dataclass(frozen=True)
class Piece:
    """Where a table stands in the stream that it is a piece of.

    Parameters
    ----------
    run : int, optional
        Stands for the stream; taken from the first rows where this is None.
    place : int
        Rows of the stream before these.
    new_categories : int
        Categories that may be added to those of the schema, if there are any.
    places : ndarray of int, shape (n_rows,), optional
        Where each row stands, of rows that do not follow each other.
    """

    run: int | None = None
    place: int = 0
    new_categories: int = MOST_NEW_CATEGORIES
    places: IntArray | None = None


def read_window(
    table: pa.Table,
    notes: list[Note],
    *,
    schema: Schema | None,
    kinds: Mapping[str, ColumnKind | str],
    roles: Mapping[str, Role | str],
    sample_rows: int | None,
    salt: int,
    piece: Piece | None = None,
) -> Snapshot:
    """Summarise a table that has rows and columns.

    Parameters
    ----------
    table : pyarrow.Table
        With unique column names.
    notes : list of Note
        What had to be mended so far.
    schema, kinds, roles
        As in :meth:`Snapshot.from_frame`.
    sample_rows : int, optional
        Most rows of the sample; by the number of columns where this is None.
    salt : int
        Another one samples other rows.
    piece : Piece, optional
        Where the table stands in a stream; by default it is one by itself.
    """
    return _Builder(table, notes, sample_rows, salt, piece or Piece()).build(schema, kinds, roles)


class _Builder:
    def __init__(
        self, table: pa.Table, notes: list[Note], sample_rows: int | None, salt: int, piece: Piece
    ) -> None:
        self.table = table
        self.notes = notes
        self.rows = table.num_rows
        self.sample_rows = sample_rows
        self.salt = salt
        self.piece = piece
        self.summaries: dict[str, ColumnSummary] = {}
        self.whole: dict[str, FloatArray] = {}  # the columns of the sample, over all rows
        self.missing: dict[str, BoolArray] = {}
        self.columns: list[Column] = []

    def build(
        self,
        schema: Schema | None,
        kinds: Mapping[str, ColumnKind | str],
        roles: Mapping[str, Role | str],
    ) -> Snapshot:
        schema, contents, absent = self._schema(schema, kinds, roles)
        for column in schema:
            if column.name in contents:
                self._add(column, contents[column.name])
            else:
                self.columns.append(column)
        hashes = row_hashes(contents, self.rows)
        copies = Copies() if hashes is None else Copies.of(hashes)
        repeats = copies.repeats(self.rows)
        found = schema.blocks or self._choose(contents, repeats)
        schema = Schema(tuple(self.columns), found)
        draw = self._draw(found, contents, hashes)
        kept, threshold = draw.kept()
        times = self._times()
        if threshold < 1.0 and found.kind is BlockKind.ROW:
            self.notes.append(dependence_unknown(self.rows, len(kept)))
        kept = kept[draw.taken(kept).order(None if times is None else times[kept])]
        sampled = tuple(self.whole)
        sample = np.empty((len(kept), len(sampled)), order="F")
        for position, values in enumerate(self.whole.values()):
            sample[:, position] = values[kept]
        time = schema.with_role(Role.TIME)
        span = self.summaries.get(time) if time and times is not None else None
        known = None if times is None else times[np.isfinite(times)]
        return Snapshot(
            schema,
            self.rows,
            self.summaries,
            read_only(sample),
            sampled,
            absent,
            None if span is None else span.low,
            None if span is None else span.high,
            tuple(self.notes),
            repeats,
            repeated_rows(hashes, self.rows)[kept] if repeats else None,
            None if known is None or not known.size else Timeline.of(known),
            draw.taken(kept, threshold),
            self._totals(copies, is_whole=threshold >= 1.0),
        )

    def _schema(
        self,
        schema: Schema | None,
        kinds: Mapping[str, ColumnKind | str],
        roles: Mapping[str, Role | str],
    ) -> tuple[Schema, dict[str, Content], tuple[str, ...]]:
        """Return the schema, the decoded columns, and which columns of the schema are not here."""
        names = self.table.column_names
        if schema is None:
            contents = {name: read_content(self.table.column(name)) for name in names}
            found = []
            for name in names:
                column, notes = infer_column(name, contents[name])
                if name not in kinds:
                    self.notes += notes
                found.append(column)
            return Schema(tuple(found)).with_kinds(kinds).with_roles(roles), contents, ()
        schema = schema.with_kinds(kinds).with_roles(roles)
        contents = {n: read_content(self.table.column(n)) for n in names if n in schema}
        for name in names:
            if name not in schema:
                self.notes.append(
                    Note(
                        "unknown_column",
                        name,
                        f"column {name!r} is not in the reference; it is left out",
                    )
                )
        return schema, contents, tuple(n for n in schema.names if n not in contents)

    # ---- columns -------------------------------------------------------------------------------
    def _add(self, column: Column, content: Content) -> None:
        if column.role is Role.WEIGHT and not column.kind.is_numeric:
            column = replace(column, kind=ColumnKind.CONTINUOUS, why="its role is weight")
        if column.kind.is_discrete:
            column = self._add_categories(column, content)
        elif column.kind.is_numeric or column.kind is ColumnKind.TIMESTAMP:
            self._add_numbers(column, content)
        else:
            self.summaries[column.name] = ColumnSummary(
                content.storage,
                missing=self.rows
                if content.storage == "empty"
                else self.table.column(column.name).null_count,
            )
        self.columns.append(column)
        if column.role is Role.CLUSTER:
            # The keys of clusters themselves: categories would pool the rare ones.
            self.whole[column.name] = _keys(content, self.rows)

    def _add_numbers(self, column: Column, content: Content) -> None:
        name = column.name
        if column.kind is ColumnKind.TIMESTAMP and content.texts is not None:
            numbers, misfit = _parse_times(content.texts), None
        else:
            found, misfit = as_numbers(content)
            numbers = np.full(self.rows, np.nan) if found is None else found
        is_missing = ~np.isfinite(numbers)
        present = numbers[~is_missing]
        mean = sd = low = high = None
        rest = 0.0
        if present.size:
            # The mean is taken around the first value, so that an offset of 1e9 costs no digits.
            shift = present[0]
            centre = (present - shift).mean()
            mean = float(shift + centre)
            rest = float(centre - (mean - shift))
            sd = float((present - shift).std())
            low, high = float(present.min()), float(present.max())
        self.summaries[name] = ColumnSummary(
            content.storage,
            missing=self.rows - present.size,
            misfit=0 if misfit is None else int(misfit.sum()),
            infinite=content.infinite,
            count=present.size,
            mean=mean,
            sd=sd,
            low=low,
            high=high,
            mean_rest=rest,
        )
        self.whole[name] = numbers
        if present.size < self.rows:
            self.missing[name] = is_missing

    def _add_categories(self, column: Column, content: Content) -> Column:
        labels = as_categories(content)
        codes, categories = _encode(labels, column.categories, self.rows, self.piece.new_categories)
        counts = np.bincount(codes[codes >= 0], minlength=len(categories))
        is_missing = codes < 0
        self.summaries[column.name] = ColumnSummary(
            content.storage,
            missing=int(is_missing.sum()),
            infinite=content.infinite,
            count=int((~is_missing).sum()),
            category_counts=tuple(int(c) for c in counts),
        )
        self.whole[column.name] = np.where(is_missing, np.nan, codes)
        if is_missing.any():
            self.missing[column.name] = is_missing
        return replace(column, categories=categories)

    # ---- the sample ----------------------------------------------------------------------------
    def _times(self) -> FloatArray | None:
        """Return the times of the rows, shape (n_rows,), where a column of them has that role."""
        for column in self.columns:
            if column.role is Role.TIME and column.kind is ColumnKind.TIMESTAMP:
                return self.whole.get(column.name)
        return None

    def _choose(self, contents: Mapping[str, Content], repeats: int) -> Blocks:
        """Choose how rows fall into blocks: by cluster, by time, else each row by itself."""
        rows_differ = repeats <= _MOST_REPEATS * self.rows
        times = self._times()
        if any(c.role is Role.CLUSTER and c.name in contents for c in self.columns):
            blocks = Blocks(BlockKind.CLUSTER, rows_differ=rows_differ)
        elif times is not None and np.isfinite(times).any():
            first = slice(_ROWS_OF_A_CHOICE)
            numbers = [self.whole[c.name][first] for c in self.columns if c.name in self.whole
                       and c.kind.is_numeric]  # fmt: skip
            seconds = block_seconds(times[first], numbers)
            blocks = Blocks(BlockKind.TIME, seconds, rows_differ=rows_differ)
        else:
            return Blocks(rows_differ=rows_differ)
        numbers_of_blocks = self._blocks(blocks, contents, np.arange(self.rows, dtype=np.uint64))
        assert numbers_of_blocks is not None
        return replace(blocks, share=thinned_share(blocks.kind, numbers_of_blocks))

    def _draw(
        self, rule: Blocks, contents: Mapping[str, Content], hashes: HashArray | None
    ) -> Draw:
        """Return all rows with the priorities that decide which of them are kept."""
        place = self.piece.places
        if place is None:
            place = np.arange(self.piece.place, self.piece.place + self.rows, dtype=np.int64)
        values = np.zeros(self.rows, dtype=np.uint64) if hashes is None else hashes
        places = place.astype(np.uint64)
        run = self.piece.run
        if run is None:
            first = mixed(values[:_ROWS_OF_A_NAME] ^ places[:_ROWS_OF_A_NAME])
            run = int(first.sum(dtype=np.uint64))
        rows = values
        if hashes is None or not rule.rows_differ:
            rows = mixed(values ^ mixed(places ^ np.uint64(run)))
        most = sample_limit(len(self.columns)) if self.sample_rows is None else self.sample_rows
        return Draw(
            rule.priorities(rows, self._blocks(rule, contents, rows), self.salt),
            values,
            np.full(self.rows, run, dtype=np.uint64),
            place,
            1.0,
            most,
            self.salt,
        )

    def _blocks(
        self, rule: Blocks, contents: Mapping[str, Content], rows: HashArray
    ) -> HashArray | None:
        """Return the hash of each row's block; a row without key or time is one by itself."""
        if rule.kind is BlockKind.TIME and rule.seconds is not None:
            times = self._times()
            if times is None:
                return None
            known = np.isfinite(times)
            spans = np.floor_divide(np.where(known, times, 0.0), rule.seconds).astype(np.int64)
            return np.where(known, mixed(spans.view(np.uint64)), rows)
        if rule.kind is BlockKind.CLUSTER:
            for column in self.columns:
                content = contents.get(column.name)
                if column.role is Role.CLUSTER and content is not None:
                    keys = content_hashes(content)
                    lone = ~np.isfinite(self.whole[column.name])
                    return None if keys is None else np.where(lone, rows, mixed(keys))
        return None

    def _totals(self, copies: Copies, *, is_whole: bool) -> Totals:
        none = np.full(self.rows, np.nan)
        numbers = tuple(c.name for c in self.columns if c.kind.is_numeric)
        sampled = [c.name for c in self.columns if c.kind.is_modelled
                   or c.kind is ColumnKind.TIMESTAMP]  # fmt: skip
        absent = dict.fromkeys((n for n in sampled if n not in self.whole), np.isnan(none))
        sketches = {}
        if not is_whole:
            sketches = {
                c.name: QuantileSketch.of(self.whole[c.name])
                for c in self.columns
                if c.name in self.whole and (c.kind.is_numeric or c.kind is ColumnKind.TIMESTAMP)
            }
        return Totals(
            Moments.of(numbers, [self.whole.get(n, none) for n in numbers]),
            CoMissing.of(sampled, {**self.missing, **absent}),
            copies,
            sketches,
        )


def _keys(content: Content, rows: int) -> FloatArray:
    """Return a number for each key, NaN where missing: numbers as they are, a hash of a text."""
    if content.numbers is not None:
        return content.numbers
    if content.texts is None:
        return np.full(rows, np.nan)
    coded = content.texts.dictionary_encode()
    numbers = np.array(
        [
            # Below 2**53: exact.
            float(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest(), "big"))
            for text in coded.dictionary.to_pylist()
        ]
    )
    codes = coded.indices.fill_null(0).to_numpy(zero_copy_only=False)
    return np.where(np.asarray(coded.indices.is_null()), np.nan, numbers[codes])


def _encode(
    labels: pa.Array | None, known: tuple[str, ...], rows: int, most_new: int
) -> tuple[IntArray, tuple[str, ...]]:
    """Return codes (−1 where missing) and the categories: the known ones, then new ones."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if labels is None:
        return np.full(rows, -1, dtype=np.int64), known
    new_limit = most_new if known else MOST_CATEGORIES
    outside = labels
    if known:
        outside = labels.filter(pc.invert(pc.is_in(labels, pa.array(known, type=labels.type))))
    counted = sorted(
        (
            (int(row["counts"]), str(row["values"]))
            for row in pc.value_counts(outside.drop_null()).to_pylist()
        ),
        key=lambda pair: (-pair[0], pair[1]),
    )
    new = [name for _, name in counted]
    if len(new) > new_limit:
        new = [*(n for n in new[:new_limit] if n != OTHER), OTHER]
        if OTHER in known:
            new.remove(OTHER)
    categories = (*known, *new)
    found = pc.index_in(labels, value_set=pa.array(categories, type=labels.type))
    codes = np.array(pc.fill_null(found, -1).to_numpy(zero_copy_only=False), dtype=np.int64)
    if OTHER in categories:
        overflow = (codes < 0) & ~np.asarray(labels.is_null())
        codes[overflow] = categories.index(OTHER)
    return codes, categories


def _parse_times(texts: pa.Array) -> FloatArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    # Minutes and time zones are optional in ISO dates; numpy reads all lengths, without a zone.
    bare = pc.replace_substring_regex(texts, r"(Z|[+-]\d{2}:?\d{2})$", "")
    is_date = pc.match_substring_regex(
        bare, r"^\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?$"
    )
    usable = pc.if_else(is_date, bare, pa.scalar(None, bare.type))
    out = np.full(len(texts), np.nan)
    present = np.asarray(usable.is_valid())
    try:
        stamps = np.array(usable.drop_null().to_pylist(), dtype="datetime64[us]")
    except ValueError:  # such as a thirteenth month: no usable time in this column
        return out
    out[present] = stamps.astype(np.int64) / 1e6
    return out
