"""Predictions in one place, their labels in another: joined by a key, labels may come late."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from whydrift.discovery.errors import SourceError
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.row_hash import content_hashes
from whydrift.monitor.source.base import Rows, Source, Tell, untold
from whydrift.monitor.source.paths import HeaderOnly
from whydrift.monitor.source.reading import batches_of
from whydrift.monitor.source.retry import Retry
from whydrift.monitor.source.selected import require_columns

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Joined", "JoinedPart", "JoinedSource"]

_HELD_BYTES: Final = 128 * 1024 * 1024  # labels held in memory; more are put on disk in shares
_SHARES: Final = 64
_PLACE: Final = "__whydrift_place"
_KEY: Final = "__whydrift_key"


@dataclass(frozen=True)
class Joined:
    """Settings of rows whose labels lie elsewhere.

    Every row of the window comes once, with its label or, where none is there yet, without. Of
    several labels of one key the last counts: by ``labels``' time column where it names one, else
    in the order that they are read in.

    Parameters
    ----------
    rows, labels : settings of a source
        The rows, and their labels.
    keys : tuple of str
        The columns by which they belong together; they are in both.
    label_columns : tuple of str, optional
        What is taken from the labels: by default all that the rows do not have, but for the
        labels' time column.
    label_delay : timedelta
        How long after the end of a window labels of it are looked for, where ``labels`` has a time
        column, or a query with ``:start`` and ``:end``.
    """

    rows: Any
    labels: Any
    keys: tuple[str, ...]
    label_columns: tuple[str, ...] | None = None
    label_delay: timedelta = field(default_factory=timedelta)


class JoinedSource:
    """Rows joined with labels.

    Parameters
    ----------
    settings : Joined
        Which.
    open_source : callable
        Makes a source of settings.
    """

    def __init__(self, settings: Joined, open_source: Callable[[Any], Source]) -> None:
        self._part = JoinedPart(settings, open_source, Rows())
        self._rows, self._labels = open_source(settings.rows), open_source(settings.labels)
        self.time_column = self._rows.time_column

    @property
    def where(self) -> str:
        """Names it in messages."""
        return self._part.where

    def schema(self) -> pa.Schema:
        """Return the columns of the rows, then those of the labels."""
        rows, labels = self._rows.schema(), self._labels.schema()
        for name in self._part.taken(rows.names, labels.names):
            rows = rows.append(labels.field(name))
        return rows

    def parts(self, rows: Rows, tell: Tell = untold) -> Sequence[JoinedPart]:
        """Return the window as one part: each share of the rows would need all labels."""
        require_columns(rows.columns, self.schema().names, self.where)
        return [replace(self._part, wanted=rows)]


@dataclass(frozen=True)
class JoinedPart:
    """The rows of a window with their labels.

    Parameters
    ----------
    settings : Joined
        The two places, and the key.
    open_source : callable
        Makes a source of settings.
    wanted : Rows
        Which rows and columns are wanted.
    """

    settings: Joined
    open_source: Callable[[Any], Source]
    wanted: Rows

    @property
    def where(self) -> str:
        """Names it in messages."""
        rows, labels = (self.open_source(s) for s in (self.settings.rows, self.settings.labels))
        return f"{rows.where} with labels of {labels.where}"

    @property
    def rows(self) -> None:
        """Told by the rows' own parts, once they are read."""
        return

    @property
    def repeats(self) -> bool:
        """Labels may have come in between."""
        return False

    def taken(self, of_rows: Sequence[str], of_labels: Sequence[str]) -> tuple[str, ...]:
        """Return the columns that are taken from the labels.

        Raises
        ------
        SourceError
            If the key, or a column named, is not there, or a column is in both places.
        """
        settings = self.settings
        require_columns(settings.keys, of_rows, self.open_source(settings.rows).where)
        where = self.open_source(settings.labels).where
        named = settings.label_columns
        require_columns((*settings.keys, *(named or ())), of_labels, where)
        for name in named or ():
            if name in of_rows:
                raise SourceError(
                    f"column {name!r} is in the rows and in the labels",
                    where=where,
                    remedy="Rename it in one of them",
                )
        at = self.open_source(settings.labels).time_column
        return tuple(n for n in named or of_labels if n not in of_rows and (named or n != at))

    def batches(self, tell: Tell = untold) -> Iterator[pa.RecordBatch]:
        """Read the labels, then the rows, and put them together."""
        settings, retry = self.settings, Retry()
        source, labels = self.open_source(settings.rows), self.open_source(settings.labels)
        of_rows = source.schema()
        of_labels = labels.schema()
        taken = self.taken(of_rows.names, of_labels.names)
        wanted = self.wanted.columns or (*of_rows.names, *taken)
        counted = _Counted()
        with contextlib.ExitStack() as stack:
            at = labels.time_column
            held = _Labels(_Key(settings.keys, of_rows, labels.where), at, stack)
            read = self._of_labels(labels, taken)
            # A table of labels may be there before the first label is.
            with contextlib.suppress(HeaderOnly):
                for batch in batches_of(labels, read, tell=tell, retry=retry):
                    held.add(batch)
            rows = batches_of(source, self._of_rows(of_rows.names), tell=tell, retry=retry)
            for joined in held.joined(
                rows, [of_labels.field(n) for n in taken if n in wanted], counted
            ):
                yield joined.select(list(wanted))
        counted.tell(", ".join(settings.keys), self.where, tell)

    def _of_rows(self, names: Sequence[str] = ()) -> Rows:
        """Return which rows are read: the key always is."""
        if self.wanted.columns is None:
            return self.wanted
        own = [name for name in self.wanted.columns if name in names]
        return replace(self.wanted, columns=tuple(dict.fromkeys((*own, *self.settings.keys))))

    def _of_labels(self, labels: Source, taken: Sequence[str]) -> Rows:
        """Return which labels are read: those of the window's time, and of the delay after it."""
        at = labels.time_column
        columns = tuple(dict.fromkeys((*self.settings.keys, *taken, *([at] if at else []))))
        start, end = self.wanted.start, self.wanted.end
        has_bounds = at is not None or bool(getattr(labels, "binds_window", False))
        if not has_bounds:
            start = end = None
        return Rows(columns, at, start, None if end is None else end + self.settings.label_delay)


class _Counted:
    """How many rows have a label, and how many keys several."""

    def __init__(self) -> None:
        self.rows = self.labelled = self.without_key = self.several = 0

    def tell(self, key: str, where: str, tell: Tell) -> None:
        if self.labelled < self.rows:
            text = (
                f"{where}: labels are in for {self.labelled:,} of {self.rows:,} rows "
                f"({self.labelled / self.rows:.1%}); the others have none yet"
            )
            tell(Note("labels_partly", None, text))
        if self.without_key:
            text = f"{where}: {self.without_key:,} rows have no {key}, and so no label"
            tell(Note("labels_without_key", None, text))
        if self.several:
            text = f"{where}: {self.several:,} values of {key} have several labels; the last counts"
            tell(Note("labels_repeated", None, text))


class _Labels:
    """Labels by key: in memory while they fit, else in shares on disk, by a hash of the key."""

    def __init__(self, key: _Key, at: str | None, stack: contextlib.ExitStack) -> None:
        self._key, self._at, self._stack = key, at, stack
        self._held: list[pa.Table] = []
        self._shares: _Shares | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        """Take more labels."""
        table = self._key.of(batch)
        if self._shares is not None:
            self._shares.add(table)
            return
        self._held.append(table)
        if sum(held.nbytes for held in self._held) > _HELD_BYTES:
            self._shares = _Shares(self._stack)
            for held in self._held:
                self._shares.add(held)
            self._held = []

    def joined(
        self, rows: Iterator[pa.RecordBatch], taken: Sequence[pa.Field], counted: _Counted
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows in their order, with the labels' columns ``taken``."""
        if self._shares is None:
            last = self._last(self._held, counted)
            for batch in rows:
                table = self._key.of(batch)
                yield from _matched(table, last, taken, counted).to_batches()
            return
        yield from self._through_shares(self._shares, rows, taken, counted)

    def _through_shares(
        self,
        labels: _Shares,
        rows: Iterator[pa.RecordBatch],
        taken: Sequence[pa.Field],
        counted: _Counted,
    ) -> Iterator[pa.RecordBatch]:
        """Divide the rows as the labels were, join share by share, and restore the rows' order."""
        import pyarrow as pa

        place = 0
        waiting = _Shares(self._stack)
        for batch in rows:
            table = self._key.of(batch)
            places = pa.array(np.arange(place, place + len(table)))
            waiting.add(table.append_column(_PLACE, places))
            place += len(table)
        done = _Shares(self._stack)
        for number in range(_SHARES):
            last = self._last(list(labels.read(number)), counted)
            for table in waiting.read(number):
                done.put(number, _matched(table, last, taken, counted))
        yield from done.in_order()

    def _last(self, tables: Sequence[pa.Table], counted: _Counted) -> pa.Table | None:
        """Return the last label of each key."""
        import pyarrow as pa

        if not tables:
            return None
        table = pa.concat_tables(tables, promote_options="permissive").combine_chunks()
        if self._at is not None:
            table = table.sort_by(self._at)  # stable: of one time the last read counts
        table = table.filter(table.column(_KEY).is_valid())
        table = table.append_column(_PLACE, pa.array(np.arange(len(table))))
        last = table.group_by(_KEY).aggregate([(_PLACE, "max"), (_PLACE, "count")])
        counts = last.column(f"{_PLACE}_count").to_numpy()
        counted.several += int((counts > 1).sum())
        return table.take(last.column(f"{_PLACE}_max")).drop_columns(_PLACE)


class _Shares:
    """Rows on disk, divided by a hash of their key so that each share fits into memory."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="whydrift-")))
        self._writers: dict[int, Any] = {}
        self._schemas: dict[int, pa.Schema] = {}
        self._stack = stack

    def add(self, table: pa.Table) -> None:
        """Put each row into its share."""
        from whydrift.discovery.snapshot.infer import read_content

        hashes = content_hashes(read_content(table.column(_KEY)))
        if hashes is None:
            self.put(0, table)
            return
        shares = (hashes >> np.uint64(7)) % np.uint64(_SHARES)
        for number in np.unique(shares):
            self.put(int(number), table.take(np.flatnonzero(shares == number)))

    def put(self, number: int, table: pa.Table) -> None:
        """Write rows into a share."""
        from pyarrow import ipc

        if number not in self._writers:
            path = self._folder / f"{number}.arrows"
            self._schemas[number] = table.schema
            self._writers[number] = self._stack.enter_context(ipc.new_stream(path, table.schema))
        self._writers[number].write_table(table.cast(self._schemas[number]))

    def read(self, number: int) -> Iterator[pa.Table]:
        """Yield the rows of a share."""
        import pyarrow as pa
        from pyarrow import ipc

        if number not in self._writers:
            return
        self._writers[number].close()
        with pa.OSFile(str(self._folder / f"{number}.arrows")) as stream:
            for batch in ipc.open_stream(stream):
                yield pa.Table.from_batches([batch])

    def in_order(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows of all shares in the order of their places; each share is in it."""
        import pyarrow as pa

        ahead = [_Ahead(self.read(number)) for number in sorted(self._writers)]
        upto = 0
        while any(share.has_more() for share in ahead):
            upto += 65_536
            tables = [table for share in ahead for table in share.below(upto)]
            if tables:
                joined = pa.concat_tables(tables).sort_by(_PLACE).drop_columns(_PLACE)
                yield from joined.combine_chunks().to_batches()


class _Ahead:
    """A share that is read as far as its rows are wanted."""

    def __init__(self, tables: Iterator[pa.Table]) -> None:
        self._tables = tables
        self._next: pa.Table | None = next(tables, None)

    def has_more(self) -> bool:
        return self._next is not None

    def below(self, upto: int) -> Iterator[pa.Table]:
        """Yield the rows whose place is less."""
        while self._next is not None:
            places = self._next.column(_PLACE).to_numpy()
            count = int(np.searchsorted(places, upto))
            if count:
                yield self._next.slice(0, count)
            if count < len(self._next):
                self._next = self._next.slice(count)
                return
            self._next = next(self._tables, None)


class _Key:
    """What makes a label a row's: one column, or the texts of several."""

    def __init__(self, names: tuple[str, ...], rows: pa.Schema, where: str) -> None:
        kinds = [rows.field(name).type for name in names]
        self._names, self._where = names, where
        self._kinds = [getattr(kind, "value_type", kind) for kind in kinds]

    def of(self, batch: pa.RecordBatch) -> pa.Table:
        """Return rows or labels with their key beside them, in the rows' own type.

        Raises
        ------
        SourceError
            If the labels write it in another way.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        table = pa.Table.from_batches([batch])
        columns = []
        for name, kind in zip(self._names, self._kinds, strict=True):
            try:
                columns.append(table.column(name).cast(kind))
            except pa.ArrowException as error:
                raise SourceError(
                    f"the key {name!r} is {kind} in the rows and {table.column(name).type} in "
                    "the labels",
                    where=self._where,
                    remedy="Write it with one type in both places",
                ) from error
        if len(columns) == 1:
            return table.append_column(_KEY, columns[0])
        texts = [column.cast(pa.string()) for column in columns]
        # A missing part makes the whole key missing.
        return table.append_column(_KEY, pc.binary_join_element_wise(*texts, "\x1f"))


def _matched(
    rows: pa.Table,
    labels: pa.Table | None,
    taken: Sequence[pa.Field],
    counted: _Counted,
) -> pa.Table:
    """Return rows with the columns of their labels, null where there is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    keys = rows.column(_KEY)
    counted.rows += len(rows)
    counted.without_key += keys.null_count
    if labels is None:
        for column in taken:
            rows = rows.append_column(column.name, pa.nulls(len(rows), column.type))
        return rows
    known = labels.column(_KEY)
    place = pc.index_in(keys, value_set=known.combine_chunks())
    place = pc.if_else(keys.is_valid(), place, pa.scalar(None, place.type))
    counted.labelled += len(rows) - place.null_count
    for column in taken:
        rows = rows.append_column(column.name, labels.column(column.name).take(place))
    return rows
