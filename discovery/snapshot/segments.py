"""Segments of a window (the rows of one country): a Snapshot of each, from one pass.

Which values are segments of their own is *chosen* on the reference and then kept, so that the set
is stable and a segment always has its past to be compared with. The choice needs the counts of all
rows of the reference (a segment that is taken up late has lost its first rows), so it is a pass of
its own; it reads the segment columns alone, which costs little beside reading all. Counts of parts
merge, and their memory is bounded whatever the number of values (`segment_counts.py`).

The rows of a segment keep their places in the stream, so the segments and the rest merged are the
Snapshot of the whole, as if it had been read by itself: no row is summarised twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from whydrift.discovery.arrays import IntArray
from whydrift.discovery.errors import OptionError, SchemaError
from whydrift.discovery.snapshot.arrow import to_table
from whydrift.discovery.snapshot.build import Piece, read_window
from whydrift.discovery.snapshot.merge import merge
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.recode import recoded
from whydrift.discovery.snapshot.schema import Schema
from whydrift.discovery.snapshot.segment_counts import SegmentCounts, segment_keys
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.discovery.snapshot.stream import joined_tables

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["REST", "SegmentChoice", "SegmentedSnapshots", "Segments", "count_segments",
           "merge_segments", "read_segments"]  # fmt: skip

REST: Final = r"\rest"  # stands for the pooled rows; no value reads so, its backslash is doubled
_ROWS_AT_ONCE: Final = 65_536
# Rows that wait for others of their segment, in all, so that few small pieces are summarised: of 50
# columns or more 52 MB of numbers.
_MOST_WAITING: Final = 131_072
_MOST_WAITING_VALUES: Final = 50 * _MOST_WAITING
_LEAST_WAITING: Final = 16_384
_MOST_PIECES: Final = 8  # of a segment, before they are joined
_ROWS_OF_A_NAME: Final = 64  # more than decide on the number of a stream
_MOST_KNOWN: Final = 1_000  # values of the rest that are remembered, to tell new ones
_MOST_NAMED: Final = 5


@dataclass(frozen=True)
class Segments:
    """The rule by which a monitor's rows fall into segments.

    Parameters
    ----------
    by : tuple of str
        Columns; of several each combination of values is a segment.
    top : int
        Most segments: the values with the most rows over the reference.
    min_rows : int
        Values of fewer rows over the reference are pooled in the rest.

    Raises
    ------
    OptionError
        If no column is named, one is named twice, or a number is below 1.
    """

    by: tuple[str, ...]
    top: int = 20
    min_rows: int = 500

    def __post_init__(self) -> None:
        if not self.by or len(set(self.by)) < len(self.by):
            raise OptionError(
                f"{list(self.by)} is no list of different columns",
                where="segments.by",
                remedy="Name one column or more, such as [country]",
            )
        for name, number in (("top", self.top), ("min_rows", self.min_rows)):
            if number < 1:
                raise OptionError(
                    f"{number} is below 1", where=f"segments.{name}", remedy="Give 1 or more"
                )

    def choose(self, counts: SegmentCounts) -> SegmentChoice:
        """Return which values become segments.

        Parameters
        ----------
        counts : SegmentCounts
            Over all rows of the reference. Where they are not exact, a value counts with the least
            number of rows that it can have.
        """
        ranked = counts.commonest()
        large = [key for key, rows in ranked if rows >= self.min_rows][: self.top]
        others = [key for key, _ in ranked if key not in set(large)]
        is_complete = len(others) <= _MOST_KNOWN and not counts.error
        return SegmentChoice(
            self.by, tuple(large), tuple(others[:_MOST_KNOWN]) if is_complete else None
        )


@dataclass(frozen=True)
class SegmentChoice:
    """The values that are segments of their own, chosen on a reference and kept.

    Parameters
    ----------
    by : tuple of str
        Columns.
    chosen : tuple of str
        Values as text, most rows first (`segment_keys` says how they are written).
    pooled : tuple of str, optional
        The other values that the reference had; None where they were too many to remember.
    """

    by: tuple[str, ...]
    chosen: tuple[str, ...]
    pooled: tuple[str, ...] | None = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "by": list(self.by),
            "chosen": list(self.chosen),
            "pooled": None if self.pooled is None else list(self.pooled),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> SegmentChoice:
        """Read what :meth:`to_dict` writes."""
        pooled = value["pooled"]
        return cls(
            tuple(value["by"]), tuple(value["chosen"]), None if pooled is None else tuple(pooled)
        )


@dataclass(frozen=True)
class SegmentedSnapshots:
    """A window as a whole, by segments, and the rest that is in none of them.

    Parameters
    ----------
    choice : SegmentChoice
        Which values are segments.
    schema : Schema
        With which the rows were read.
    parts : mapping of str to Snapshot
        As they were read, of those segments (and of ``REST``) that have rows; ``segments`` and
        ``rest`` give them with one schema.
    outside : SegmentCounts
        Rows per value of the rest.
    """

    choice: SegmentChoice
    schema: Schema
    parts: Mapping[str, Snapshot] = field(default_factory=dict)
    outside: SegmentCounts = field(default_factory=SegmentCounts)

    @cached_property
    def whole(self) -> Snapshot:
        """The window of all rows."""
        order = (*self.choice.chosen, REST)
        return merge(
            [Snapshot.empty(self.schema), *(self.parts[k] for k in order if k in self.parts)]
        )

    @cached_property
    def segments(self) -> dict[str, Snapshot]:
        """A window of each value that was chosen, without rows where it did not come."""
        return {key: self._part(key) for key in self.choice.chosen}

    @cached_property
    def rest(self) -> Snapshot:
        """The window of all rows that are in no segment."""
        return self._part(REST)

    @property
    def new_values(self) -> dict[str, int] | None:
        """Rows of values that the reference did not have; they are in the rest.

        None where the reference had too many values to remember.
        """
        if self.choice.pooled is None:
            return None
        known = set(self.choice.pooled)
        return {key: rows for key, rows in self.outside.commonest() if key not in known}

    @property
    def notes(self) -> tuple[Note, ...]:
        """What to know about the segments."""
        new = self.new_values
        if not new:
            return ()
        by = " and ".join(repr(name) for name in self.choice.by)
        named = ", ".join(f"{key} ({rows:,})" for key, rows in list(new.items())[:_MOST_NAMED])
        text = (
            f"{sum(new.values()):,} rows have values of {by} that the reference did not: {named}"
            f"{' …' if len(new) > _MOST_NAMED else ''}; they are judged with the rest"
        )
        return (Note("segment_values_new", self.choice.by[0], text),)

    def merge(self, other: SegmentedSnapshots) -> SegmentedSnapshots:
        """Return the segments of the rows of both, as :meth:`Snapshot.merge` joins each.

        Raises
        ------
        SchemaError
            If they have other segments, or their Snapshots do not fit together.
        """
        return merge_segments([self, other])

    def _part(self, key: str) -> Snapshot:
        part = self.parts.get(key)
        schema = self.whole.schema
        return Snapshot.empty(schema) if part is None else recoded(part, schema)


def merge_segments(windows: Sequence[SegmentedSnapshots]) -> SegmentedSnapshots:
    """Join parts of a window that were read with the same segments: at least one part.

    Raises
    ------
    SchemaError
        If they have other segments, or their Snapshots do not fit together.
    """
    if any(window.choice != windows[0].choice for window in windows):
        raise SchemaError(
            "the windows have other segments",
            where="merge",
            remedy="Read all with the segments that were chosen on the reference",
        )
    pieces: dict[str, list[Snapshot]] = {}
    for window in windows:
        for key, part in window.parts.items():
            pieces.setdefault(key, []).append(part)
    return SegmentedSnapshots(
        windows[0].choice,
        windows[0].schema,
        {key: merge(parts) for key, parts in pieces.items()},
        SegmentCounts.merged(window.outside for window in windows),
    )


def count_segments(batches: Iterable[Any], by: tuple[str, ...], where: str) -> SegmentCounts:
    """Count the rows of each value, for :meth:`Segments.choose`.

    Parameters
    ----------
    batches : iterable of frames
        They need hold the columns of the segments only.
    by : tuple of str
        Their columns.
    where : str
        Names the data in messages.

    Raises
    ------
    SchemaError
        If a column is not there.
    """
    counts = SegmentCounts()
    for batch in batches:
        table, _ = to_table(batch, where=where)
        for name in by:
            if name not in table.column_names:
                raise SchemaError(
                    f"the segment column {name!r} is not in the data",
                    where=where,
                    remedy=f"Columns are: {', '.join(table.column_names[:20])}",
                )
        counts = counts.merge(SegmentCounts.of(table, by))
    return counts


def read_segments(
    batches: Iterable[Any],
    choice: SegmentChoice,
    *,
    schema: Schema,
    sample_rows: int | None = None,
    random_state: int = 0,
    where: str = "data",
    run: int | None = None,
    first: int = 0,
) -> SegmentedSnapshots:
    """Summarise a window by segments, in memory that does not grow with its rows.

    Parameters
    ----------
    batches : iterable of frames
        As in :meth:`Snapshot.from_batches`; where a segment column is missing altogether, all rows
        are in the rest.
    choice : SegmentChoice
        Chosen on the reference.
    schema : Schema
        That of the reference, with its rule of blocks.
    sample_rows, random_state, where
        As in :meth:`Snapshot.from_batches`; every segment has a sample of its own.
    run, first : int
        As in `stream.py`, of rows that are a part of a longer stream.

    Raises
    ------
    SchemaError
        If a batch is no table, or types do not fit together.
    """
    reader = _Reader(choice, schema, sample_rows, random_state, where)
    reader.run, reader.rows = run, first
    for table, notes in _tables(batches, where):
        reader.add(table, notes)
    return reader.finish()


def _tables(batches: Iterable[Any], where: str) -> Iterator[tuple[pa.Table, tuple[Note, ...]]]:
    for number, batch in enumerate(batches, start=1):
        table, notes = to_table(batch, where=f"{where}, batch {number}")
        while table.num_rows:
            yield table.slice(0, _ROWS_AT_ONCE), notes
            table = table.slice(_ROWS_AT_ONCE)


@dataclass
class _Waiting:
    """Rows of one segment that are not summarised yet."""

    tables: list[pa.Table] = field(default_factory=list)
    places: list[IntArray] = field(default_factory=list)
    rows: int = 0


class _Reader:
    """Shares out the rows of a stream, and summarises those of a segment some thousand at once."""

    def __init__(
        self, choice: SegmentChoice, schema: Schema, sample_rows: int | None, salt: int, where: str
    ) -> None:
        self.choice = choice
        self.schema = schema
        self.sample_rows = sample_rows
        self.salt = salt
        self.where = where
        self.chosen = frozenset(choice.chosen)
        self.waiting: dict[str, _Waiting] = {}
        self.pieces: dict[str, list[Snapshot]] = {}  # the segment so far, and what is to join it
        self.outside = SegmentCounts()
        self.notes: dict[Note, None] = {}
        self.run: int | None = None
        self.rows = 0  # places up to here are taken

    def add(self, table: pa.Table, notes: tuple[Note, ...]) -> None:
        self.notes.update(dict.fromkeys(notes))
        if self.run is None:
            head = self._read(table.slice(0, _ROWS_OF_A_NAME), Piece())
            assert head.draw is not None
            self.run = int(head.draw.run[0])
        for key, rows in self._shared_out(table):
            waiting = self.waiting.setdefault(key, _Waiting())
            # Rows are copied: a view would keep the whole table alive while few of it wait.
            waiting.tables.append(table.take(rows))
            waiting.places.append(rows + self.rows)
            waiting.rows += len(rows)
        self.rows += table.num_rows
        most = min(_MOST_WAITING, _MOST_WAITING_VALUES // max(1, table.num_columns))
        while sum(w.rows for w in self.waiting.values()) > max(most, _LEAST_WAITING):
            self._summarise(max(self.waiting, key=lambda key: self.waiting[key].rows))

    def finish(self) -> SegmentedSnapshots:
        for key in list(self.waiting):
            self._summarise(key)
        parts = {key: merge(pieces) for key, pieces in self.pieces.items()}
        return SegmentedSnapshots(self.choice, self.schema, parts, self.outside)

    def _shared_out(self, table: pa.Table) -> Iterator[tuple[str, IntArray]]:
        """Yield each segment of the table, and its rows."""
        absent = [name for name in self.choice.by if name not in table.column_names]
        if absent:
            text = f"column {absent[0]!r} is not there, so no row is in a segment of its own"
            self.notes[Note("segment_column_missing", absent[0], text)] = None
            yield REST, np.arange(table.num_rows)
            return
        codes, keys = segment_keys(table, self.choice.by)
        counts = np.bincount(codes, minlength=len(keys)).tolist()
        others = {k: n for k, n in zip(keys, counts, strict=True) if k not in self.chosen}
        self.outside = self.outside.merge(SegmentCounts(others))
        names = [key for key in keys if key in self.chosen] + [REST]
        number = {key: place for place, key in enumerate(names)}
        # Sixteen bits: sorted in no time.
        of_rows = np.array([number.get(key, len(names) - 1) for key in keys], dtype=np.int16)[codes]
        order = np.argsort(of_rows, kind="stable")
        starts = np.searchsorted(of_rows[order], np.arange(len(names) + 1))
        for place, name in enumerate(names):
            rows = order[starts[place] : starts[place + 1]]
            if len(rows):
                yield name, rows

    def _summarise(self, key: str) -> None:
        waiting = self.waiting.pop(key)
        table = joined_tables(waiting.tables, self.where)
        places = np.concatenate(waiting.places)
        pieces = self.pieces.setdefault(key, [])
        draws = [p.draw for p in pieces if p.draw is not None]
        limits = [p.totals.copies.limit for p in pieces if p.totals is not None]
        piece = Piece(
            self.run,
            sum(p.rows for p in pieces),
            threshold=min((draw.threshold for draw in draws), default=1.0),
            limit=min((limit for limit in limits if limit is not None), default=None),
            places=places,
        )
        pieces.append(self._read(table, piece))
        waiting_rows = sum(len(p.sample) for p in pieces[1:])
        if len(pieces) > _MOST_PIECES or waiting_rows > len(pieces[0].sample) // 2:
            self.pieces[key] = [merge(pieces)]

    def _read(self, table: pa.Table, piece: Piece) -> Snapshot:
        part = read_window(
            table, list(self.notes), schema=self.schema, kinds={}, roles={},
            sample_rows=self.sample_rows, salt=self.salt, piece=piece,
        )  # fmt: skip
        return replace(part, notes=tuple(dict.fromkeys(part.notes)))
