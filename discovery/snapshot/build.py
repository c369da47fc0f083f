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
from whydrift.discovery.snapshot.frequent import FrequentValues
from whydrift.discovery.snapshot.infer import (
    Coded,
    Content,
    as_numbers,
    infer_column,
    read_content,
)
from whydrift.discovery.snapshot.large_numbers import LARGEST_EXACT, are_rounded
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
from whydrift.discovery.snapshot.timeline import Timeline, bins
from whydrift.discovery.snapshot.totals import CoMissing, Totals
from whydrift.discovery.snapshot.truth import in_words, truth_words

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Piece", "category_room", "read_window"]

_MOST_CATEGORIES = 1_000
_LEAST_ROOM = 50  # for new categories beside as many known ones
_ROWS_OF_A_CHOICE = 65_536  # rows that the length of a block of time is chosen on
_LATE = (Role.TARGET, Role.LOSS)
_MOST_REPEATS = 0.01  # share; above, rows are not known by their values
_ROWS_LOOKED_AT = 32_768  # by a sketch, before it passes over neighbours
_LONGEST_EXAMPLE = 30  # letters
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
    places : ndarray of int, shape (n_rows,), optional
        Where each row stands, of some that do not follow each other; ``place`` counts only those.
    threshold : float
        Rows of a higher priority are no longer wanted in the sample.
    limit : int, optional
        Rows whose hash is as large are no longer counted as copies of each other.
    """

    run: int | None = None
    place: int = 0
    threshold: float = 1.0
    limit: int | None = None
    places: IntArray | None = None


def category_room(known: int) -> int:
    """Return how many categories are told apart beside so many that are known."""
    return max(_LEAST_ROOM, _MOST_CATEGORIES - known)


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
        self.frequent: dict[str, FrequentValues] = {}
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
        # A part that lacks a column is one in which it has no values.
        hashes = row_hashes({**contents, **dict.fromkeys(absent, Content("empty"))}, self.rows)
        copies = Copies() if hashes is None else Copies.of(hashes, limit=self.piece.limit)
        repeats = copies.repeats(self.rows)
        # Labels come late, and must not change which rows are sampled.
        early = {c.name: contents[c.name] for c in self.columns
                 if c.name in contents and c.role not in _LATE}  # fmt: skip
        identity = hashes if len(early) == len(contents) else row_hashes(early, self.rows)
        found = schema.blocks or self._choose(contents, self._repeats(hashes, identity, repeats))
        schema = Schema(tuple(self.columns), found)
        wanted, draw = self._draw(found, contents, hashes, identity)
        chosen, threshold = draw.kept()
        times = self._times()
        if threshold < 1.0 and found.kind is BlockKind.ROW:
            self.notes.append(dependence_unknown(self.rows, len(chosen)))
        draw = draw.taken(chosen, threshold)
        kept = wanted[chosen]
        order = draw.order(None if times is None else times[kept])
        kept, draw = kept[order], draw.taken(order)
        sampled = tuple(self.whole)
        sample = np.empty((len(kept), len(sampled)), order="F")
        for position, values in enumerate(self.whole.values()):
            sample[:, position] = values[kept]
        time = schema.with_role(Role.TIME)
        span = self.summaries.get(time) if time and times is not None else None
        known = times
        if known is not None and time in self.missing:
            known = known[~self.missing[time]]
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
            self._repeated(found, hashes, kept) if repeats else None,
            None if known is None or not known.size else Timeline.of(known),
            draw,
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
        contents = {
            n: read_content(self.table.column(n), repeats=schema[n].kind.is_discrete)
            for n in names
            if n in schema
        }
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
        missing, misfit = content.missing, None
        if content.numbers is not None:
            numbers = content.numbers
        else:
            if column.kind is ColumnKind.TIMESTAMP and content.texts is not None:
                found: FloatArray | None = _parse_times(content.texts)
            else:
                found, misfit = as_numbers(content)
            numbers = np.full(self.rows, np.nan) if found is None else found
            missing = np.isnan(numbers)
        written = content.texts if content.digits is None else content.digits
        if column.kind.is_numeric and written is not None and are_rounded(written, numbers):
            self.notes.append(
                Note(
                    "large_numbers",
                    name,
                    f"whole numbers of {name!r} beyond 2**53 are rounded: those next to each other "
                    "cannot be told apart",
                )
            )
        present = numbers if missing is None else numbers[~missing]
        mean = sd = low = high = None
        rest = 0.0
        if present.size:
            low, high = float(present.min()), float(present.max())
            mean, rest, sd = _moments(present) if low < high else (low, 0.0, 0.0)
        self.summaries[name] = ColumnSummary(
            content.storage,
            missing=self.rows - present.size,
            misfit=self._unread(name, content) if misfit is None else int(misfit.sum()),
            infinite=content.infinite,
            count=present.size,
            mean=mean,
            sd=sd,
            low=low,
            high=high,
            mean_rest=rest,
            example="" if misfit is None else _example(content, misfit),
        )
        self.whole[name] = numbers
        if missing is not None and present.size < self.rows:
            self.missing[name] = missing

    def _add_categories(self, column: Column, content: Content) -> Column:
        labels = content.labels
        if labels is None:
            labels = Coded(_no_names(), np.full(self.rows, -1, dtype=np.int64))
        rows_of = np.bincount(labels.codes + 1, minlength=len(labels.names) + 1)
        names = _as_known(labels.names, column.categories)
        places, categories = _places(names, rows_of[1:], column.categories)
        if OTHER in categories:
            self.frequent[column.name] = FrequentValues.of(names, rows_of[1:])
        counts = np.bincount(places, rows_of[1:], minlength=len(categories)).astype(np.int64)
        missing = int(rows_of[0])
        self.summaries[column.name] = ColumnSummary(
            content.storage,
            missing=missing,
            misfit=self._unread(column.name, content),
            infinite=content.infinite,
            count=self.rows - missing,
            category_counts=tuple(counts.tolist()),
        )
        self.whole[column.name] = np.append(places.astype(np.float64), np.nan)[labels.codes]
        if missing:
            self.missing[column.name] = labels.codes < 0
        known = len(column.categories) or None
        return replace(column, categories=categories, known=known)

    def _unread(self, name: str, content: Content) -> int:
        """Return how many values there are of a type that nothing can be read from."""
        if content.storage != "other":
            return 0
        present: int = self.rows - self.table.column(name).null_count
        return present

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

    def _repeats(self, hashes: HashArray | None, identity: HashArray | None, repeats: int) -> int:
        """Return how many rows are like one before them in all but what comes late."""
        if identity is None or identity is hashes:
            return repeats
        return Copies.of(identity).repeats(self.rows)

    def _draw(
        self,
        rule: Blocks,
        contents: Mapping[str, Content],
        hashes: HashArray | None,
        identity: HashArray | None,
    ) -> tuple[IntArray, Draw]:
        """Return the rows that may be kept, with the priorities that decide on it."""
        place = self.piece.places
        if place is None:
            place = np.arange(self.piece.place, self.piece.place + self.rows, dtype=np.int64)
        values = np.zeros(self.rows, dtype=np.uint64) if hashes is None else hashes
        known = np.zeros(self.rows, dtype=np.uint64) if identity is None else identity
        places = place.astype(np.uint64)
        run = self.piece.run
        if run is None:
            first = mixed(known[:_ROWS_OF_A_NAME] ^ places[:_ROWS_OF_A_NAME])
            run = int(first.sum(dtype=np.uint64))
        rows = known
        if identity is None or not rule.rows_differ:
            rows = mixed(known ^ mixed(places ^ np.uint64(run)))
        most = sample_limit(len(self.columns)) if self.sample_rows is None else self.sample_rows
        priority = rule.priorities(rows, self._blocks(rule, contents, rows), self.salt)
        wanted = np.flatnonzero(priority <= self.piece.threshold)
        return wanted, Draw(
            priority[wanted],
            values[wanted],
            np.full(len(wanted), run, dtype=np.uint64),
            place[wanted],
            self.piece.threshold,
            most,
            self.salt,
        )

    def _repeated(self, rule: Blocks, hashes: HashArray | None, kept: IntArray) -> BoolArray | None:
        """Return which rows of the sample repeat one before them."""
        if hashes is None:
            return None
        if not rule.rows_differ:
            return repeated_rows(hashes, self.rows)[kept]
        # Rows that equal each other are all in the sample, or none is.
        return repeated_rows(hashes[kept], len(kept))

    def _blocks(
        self, rule: Blocks, contents: Mapping[str, Content], rows: HashArray
    ) -> HashArray | None:
        """Return the hash of each row's block; a row without key or time is one by itself."""
        if rule.kind is BlockKind.TIME and rule.seconds is not None:
            times = self._times()
            if times is None:
                return rows
            known = np.isfinite(times)
            if known.all():
                return mixed(bins(times, rule.seconds).view(np.uint64))
            spans = bins(np.where(known, times, 0.0), rule.seconds)
            return np.where(known, mixed(spans.view(np.uint64)), rows)
        if rule.kind is BlockKind.CLUSTER:
            for column in self.columns:
                content = contents.get(column.name)
                if column.role is Role.CLUSTER and content is not None:
                    keys = content_hashes(content)
                    lone = ~np.isfinite(self.whole[column.name])
                    return rows if keys is None else np.where(lone, rows, mixed(keys))
            return rows
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
                c.name: QuantileSketch.of(
                    self.whole[c.name], one_of=_one_of(self.piece.place + self.rows)
                )
                for c in self.columns
                if c.name in self.whole and (c.kind.is_numeric or c.kind is ColumnKind.TIMESTAMP)
            }
        return Totals(
            Moments.of(numbers, [self.whole.get(n, none) for n in numbers]),
            CoMissing.of(sampled, {**self.missing, **absent}),
            copies,
            sketches,
            self.frequent,
        )


def _keys(content: Content, rows: int) -> FloatArray:
    """Return a number for each key, NaN where missing: numbers as they are, a hash of a text."""
    if content.numbers is not None and content.digits is None:
        return content.numbers
    if content.labels is None:
        return np.full(rows, np.nan)
    hashed = [
        # Below 2**53: exact.
        float(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest(), "big"))
        for text in content.labels.names.to_pylist()
    ]
    out: FloatArray = np.array([*hashed, np.nan])[content.labels.codes]
    if content.numbers is None:
        return out
    # Of numbers those that a float does not hold.
    return np.where(np.abs(content.numbers) > LARGEST_EXACT, out, content.numbers)


def _example(content: Content, misfit: BoolArray) -> str:
    """Return how the first by the alphabet of the texts that are no numbers begins."""
    import pyarrow as pa
    import pyarrow.compute as pc

    assert content.texts is not None
    text: str = pc.min(content.texts.filter(pa.array(misfit))).as_py()
    return text[:_LONGEST_EXAMPLE]


def _moments(values: FloatArray) -> tuple[float, float, float]:
    """Return mean, what the mean is larger than that number, and standard deviation."""
    # The deviations are taken around a value in the middle, so that an offset of 1e9 costs no
    # digits.
    shift = float(values.mean())
    centred = values - shift
    centre = float(centred.mean())
    mean = shift + centre
    variance = float(centred @ centred) / len(values) - centre**2
    return mean, centre - (mean - shift), float(np.sqrt(max(variance, 0.0)))


def _one_of(rows: int) -> int:
    """Return of how many neighbours a sketch looks at one, so far into a window.

    The standard error of a rank is 0.25 % at most, beside that of the sketch itself.
    """
    return 1 << max(0, (rows // _ROWS_LOOKED_AT).bit_length() - 1)


def _no_names() -> pa.Array:
    import pyarrow as pa

    return pa.array([], type=pa.large_string())


def _as_known(names: pa.Array, known: tuple[str, ...]) -> pa.Array:
    """Return the names of true and false as the known categories write them; others as they are."""
    import pyarrow as pa

    words = truth_words(known)
    return names if words is None else pa.array(in_words(names.to_pylist(), words), names.type)


def _places(
    names: pa.Array, rows_of: IntArray, known: tuple[str, ...]
) -> tuple[IntArray, tuple[str, ...]]:
    """Return the code of each name, and the categories: the known ones, then new ones.

    Parameters
    ----------
    names : pyarrow.Array of large_string, length n_names
    rows_of : ndarray of int, shape (n_names,)
        Rows that have each name; where it is 0 the name is passed over.
    known : tuple of str
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    categories = known
    is_new = pc.invert(pc.is_in(names, value_set=pa.array(known, type=names.type)))
    is_new = pc.and_(is_new, pa.array(rows_of > 0))
    if pc.any(is_new, min_count=0).as_py():
        table = pa.table({"name": names, "rows": rows_of}).filter(is_new)
        order = pc.sort_indices(table, sort_keys=[("rows", "descending"), ("name", "ascending")])
        new = table["name"].take(order).to_pylist()
        room = category_room(len(known))
        if len(new) > room:
            new = [*(n for n in new[:room] if n != OTHER), OTHER]
            if OTHER in known:
                new.remove(OTHER)
        categories = (*known, *new)
    found = pc.index_in(names, value_set=pa.array(categories, type=names.type))
    other = categories.index(OTHER) if OTHER in categories else 0
    places = found.fill_null(other).to_numpy(zero_copy_only=False).astype(np.int64)
    return places, categories


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
