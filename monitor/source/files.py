"""Windows in files: Parquet, CSV and its relatives, Arrow and Feather, here or in a store."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import uuid4

from whydrift.discovery.errors import SourceError
from whydrift.discovery.snapshot.note import Note
from whydrift.monitor.source.address import expanded, masked
from whydrift.monitor.source.arrow_file import arrow_schema, read_arrow
from whydrift.monitor.source.base import BATCH_ROWS, Rows, Tell, untold
from whydrift.monitor.source.delimited import Delimited, delimited_head, read_delimited
from whydrift.monitor.source.formats import Format, Formatted, formatted
from whydrift.monitor.source.joining import fitted, joined_schema, kept_columns
from whydrift.monitor.source.listing import Listed, list_files, partition_types, partition_value
from whydrift.monitor.source.parquet import RowGroup, parquet_groups, read_parquet
from whydrift.monitor.source.paths import HeaderOnly, NothingThere
from whydrift.monitor.source.remembered import KnownFile, KnownFiles
from whydrift.monitor.source.selected import require_columns, timed, with_column
from whydrift.monitor.source.storage import is_local
from whydrift.monitor.source.template import is_template
from whydrift.monitor.source.times import Times, within
from whydrift.monitor.source.trouble import reading

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FilePart", "Files", "FilesSource"]

T = TypeVar("T")

_KNOWN: Final = KnownFiles()
_ASKED_AT_ONCE: Final = 8
_PART_ROWS: Final = 262_144  # row groups are read together until they have as many rows


@dataclass(frozen=True)
class Files:
    """Settings of windows in files.

    Parameters
    ----------
    files : str
        A file, glob, folder, address or template (``s3://bucket/dt={date}/*.parquet``: {date}, or
        {year}, {month}, {day} and {hour}, in UTC) of Parquet, CSV or TSV (plain, .gz, .zst, .bz2),
        Arrow or Feather. ``${NAME}`` stands for a variable of the environment.
    time_column : str, optional
        By which rows belong to windows.
    options : mapping
        Of the store, as its fsspec package takes them: ``{"anon": True}``.
    """

    files: str
    time_column: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class _Head:
    """What is known of a file before its rows are read.

    ``schema`` is that of its own columns, ``kept`` the places of those that are data; ``groups``
    are the row groups of Parquet, None of other formats.
    """

    listed: Listed
    file: Formatted
    schema: pa.Schema
    kept: tuple[int, ...]
    groups: tuple[RowGroup, ...] | None = None
    delimited: Delimited | None = None

    @property
    def where(self) -> str:
        return self.listed.stored.where

    @property
    def has_rows(self) -> bool:
        """Whether there may be rows in the window."""
        if self.groups is not None:
            return bool(sum(group.rows for group in self.groups))
        return self.delimited is None or self.delimited.has_rows

    def columns(self) -> pa.Schema:
        """Return the columns that are data, without those of folders."""
        import pyarrow as pa

        return pa.schema([self.schema.field(place).remove_metadata() for place in self.kept])


class FilesSource:
    """Windows in files.

    Parameters
    ----------
    settings : Files
        Which.
    """

    def __init__(self, settings: Files) -> None:
        self._files = os.fspath(settings.files)
        self._path = expanded(self._files, where=masked(self._files))
        self._settings = settings
        self.time_column = settings.time_column
        self._occasion = uuid4().hex

    @property
    def where(self) -> str:
        """Names it in messages."""
        return masked(self._path)

    def schema(self) -> pa.Schema:
        """Return the columns of all files; of a template, of the newest one."""
        listed = self._listed(None, None)
        if is_template(self._path):
            listed = listed[-1:]
        heads = _heads(listed, untold, Rows(time_column=self.time_column))
        return self._joined(heads, listed, untold)

    def parts(self, rows: Rows, tell: Tell = untold) -> Sequence[FilePart]:
        """Return the shares of the files that may hold rows of the window.

        A file is one, or as many as its row groups make of about 262,144 rows each.

        Raises
        ------
        SourceError
            If there is no such file or column, or no file has any rows.
        """
        bounded = rows.start is not None or rows.end is not None
        listed = self._listed(rows.start, rows.end)
        self._occasion = uuid4().hex
        if bounded and rows.time_column is None:
            raise SourceError(
                "a window is asked for, but no column says when a row was",
                where=self.where,
                remedy="Name the time column",
            )
        kinds = partition_types(listed)
        if rows.time_column in kinds:
            near = tuple(f for f in listed if _may_hold(f, rows, kinds[rows.time_column]))
            if not _has_own((near or listed)[0], rows.time_column):
                listed = near
        if not listed and bounded:
            return ()
        heads = _heads(listed, tell, rows)
        schema = self._joined(heads, listed, tell)
        require_columns(rows.columns, schema.names, self.where)
        if rows.time_column is not None:
            require_columns((rows.time_column,), schema.names, self.where)
        if not any(head.has_rows for head in heads) and not bounded:
            raise HeaderOnly(
                "the file has a header but no rows" if len(heads) == 1 else "no file has any rows",
                where=self.where,
                remedy="Give a window that has data",
            )
        return [
            FilePart(head, groups, schema, rows)
            for head in heads
            if head.has_rows
            for groups in _shares(head.groups)
        ]

    def _listed(self, start: datetime | None, end: datetime | None) -> tuple[Listed, ...]:
        listed = list_files(self._path, self._settings.options, start, end)
        return tuple(
            replace(file, stored=replace(file.stored, occasion=self._occasion)) for file in listed
        )

    def _joined(self, heads: Sequence[_Head], listed: Sequence[Listed], tell: Tell) -> pa.Schema:
        """Return the columns of all files and folders."""
        import pyarrow as pa

        # Thousands of files mostly have the same columns: each set of them is worked out once.
        columns = {(id(head.schema), head.kept): head for head in heads}
        worked_out = {key: head.columns() for key, head in columns.items()}
        own = [(head.where, worked_out[id(head.schema), head.kept]) for head in heads]
        if not any(len(schema) for _, schema in own):
            raise SourceError(
                "the file has no columns" if len(heads) == 1 else "no file has any columns",
                where=self.where,
                remedy="Give a window that has data",
            )
        schema = own[0][1] if len(own) == 1 else joined_schema(own, tell)
        for name, kind in partition_types(listed).items():
            if name not in schema.names:  # what a file says of a row counts
                schema = schema.append(pa.field(name, kind))
        return schema


@dataclass(frozen=True)
class FilePart:
    """A file, or some row groups of it.

    Parameters
    ----------
    head : _Head
        The file and what is known of it.
    groups : tuple of RowGroup, optional
        Of Parquet: those that are read.
    schema : pyarrow.Schema
        The columns of all files.
    wanted : Rows
        Which rows and columns are wanted.
    """

    head: _Head
    groups: tuple[RowGroup, ...] | None
    schema: pa.Schema
    wanted: Rows

    @property
    def where(self) -> str:
        """Names it in messages."""
        if self.groups is None or len(self.groups) == len(self.head.groups or ()):
            return self.head.where
        return f"{self.head.where}, from row group {self.groups[0].number}"

    @property
    def rows(self) -> int | None:
        """Most rows it may have, where the file says how many."""
        return None if self.groups is None else sum(group.rows for group in self.groups)

    @property
    def repeats(self) -> bool:
        """A file gives the same rows again, in the same order."""
        return True

    def batches(self, tell: Tell = untold) -> Iterator[pa.RecordBatch]:
        """Read the rows of the window."""
        columns = list(self.wanted.columns or self.schema.names)
        read = list(columns)
        time = self.wanted.time_column
        if time is not None and time not in read:
            read.append(time)
        times = None if time is None else Times(time, self.where)
        with reading(self.head.where, self.head.listed.stored.address):
            for raw in self._raw(read, tell):
                for start in range(0, raw.num_rows, BATCH_ROWS):
                    batch = self._with_folders(raw.slice(start, BATCH_ROWS))
                    batch = fitted(batch, self.schema, read)
                    if times is not None:
                        batch = timed(batch, times, self.wanted)
                    if batch.num_rows:
                        yield batch if len(read) == len(columns) else batch.select(columns)

    def _raw(self, wanted: Sequence[str], tell: Tell) -> Iterator[pa.RecordBatch]:
        """Yield batches of the file's own columns among those that are wanted."""
        head, names = self.head, self.head.schema.names
        places = [place for place in head.kept if names[place] in wanted]
        file = head.file
        if file.form is Format.DELIMITED:
            assert head.delimited is not None
            # The rows still count where only columns of folders are wanted.
            some = places or head.kept[:1]
            yield from read_delimited(
                file.open, head.delimited, where=head.where, columns=some, tell=tell
            )
            return
        with file.open() as stream:
            if file.form is not Format.PARQUET:
                yield from read_arrow(stream, file.form, places)
                return
            assert self.groups is not None
            numbers = [group.number for group in self.groups]
            columns = [names[place] for place in places]
            for batch in read_parquet(stream, numbers, columns):
                yield _firsts(batch, columns)

    def _with_folders(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the batch with the columns that its folders stand for."""
        import pyarrow as pa

        for name, text in self.head.listed.partition:
            if name not in batch.schema.names and name in self.schema.names:
                if name in self.head.schema.names:
                    continue
                value = partition_value(text, self.schema.field(name).type)
                batch = with_column(batch, name, pa.repeat(value, batch.num_rows))
        return batch


def _heads(listed: Sequence[Listed], tell: Tell, rows: Rows | None = None) -> list[_Head]:
    """Return what is known of each file; of several, empty ones are left out."""
    wanted = rows or Rows()

    def look(found: Listed) -> tuple[_Head | None, tuple[Note, ...]]:
        known = _known(found, wanted.time_column)
        return (None, ()) if known is None else (_head(found, known, wanted), known.notes)

    heads = []
    for found, (head, notes) in zip(listed, _each(look, listed), strict=True):
        where = found.stored.where
        if head is not None:
            heads.append(head)
        elif len(listed) == 1:
            raise SourceError("the file is empty", where=where, remedy="Give a file that has data")
        else:
            tell(Note("empty_file", None, f"{where} is empty; it is left out"))
        for note in notes:
            tell(note)
    if not heads:
        raise NothingThere(
            "all files are empty" if listed else "there is no file",
            where=listed[0].stored.where if listed else "files",
            remedy="Give a window that has data",
        )
    return heads


def _each(look: Callable[[Listed], T], listed: Sequence[Listed]) -> Iterable[T]:
    """Return what ``look`` tells of each file; a store is asked about several at once."""
    if len(listed) == 1 or all(is_local(found.stored.address) for found in listed):
        return map(look, listed)
    with ThreadPoolExecutor(_ASKED_AT_ONCE) as askers:
        return list(askers.map(look, listed))


def _known(listed: Listed, time_column: str | None) -> KnownFile | None:
    """Return what a file says of itself, None of an empty one; of many it is remembered."""
    stored = listed.stored
    with reading(stored.where, stored.address):
        mark = _KNOWN.mark(stored)
        known = _KNOWN.get(stored, mark, time_column)
        if known is None:
            file = formatted(stored)
            if file is None:
                return None
            known = _looked_into(file, time_column)
            _KNOWN.put(stored, mark, time_column, known)
    return known


def _looked_into(file: Formatted, time_column: str | None) -> KnownFile:
    where, notes = file.stored.where, list[Note]()
    delimited = groups = None
    if file.form is Format.DELIMITED:
        delimited = delimited_head(
            file.open, where=where, prefer_tab=file.prefers_tab, tell=notes.append
        )
        schema = delimited.schema
    else:
        with file.open() as stream:
            if file.form is Format.PARQUET:
                schema, groups = parquet_groups(stream, time_column)
            else:
                schema = arrow_schema(stream, file.form)
    kept = kept_columns(schema, where, notes.append)
    return KnownFile(file.form, file.codec, schema, kept, groups, delimited, tuple(notes))


def _head(listed: Listed, known: KnownFile, rows: Rows) -> _Head:
    groups = known.groups
    if groups is not None:
        groups = tuple(group for group in groups if group.may_hold(rows.start, rows.end))
    file = Formatted(listed.stored, known.form, known.codec)
    return _Head(listed, file, known.schema, known.kept, groups, known.delimited)


def _firsts(batch: pa.RecordBatch, names: Sequence[str]) -> pa.RecordBatch:
    """Return the first column of each name: by a name Parquet gives all that have it."""
    found = batch.schema.names
    return batch if found == list(names) else batch.select([found.index(name) for name in names])


def _shares(
    groups: tuple[RowGroup, ...] | None,
) -> Iterator[tuple[RowGroup, ...] | None]:
    """Yield row groups together, until they have about a million rows."""
    if groups is None:
        yield None
        return
    share: list[RowGroup] = []
    for group in groups:
        if share and sum(g.rows for g in share) + group.rows > _PART_ROWS:
            yield tuple(share)
            share = []
        share.append(group)
    if share:
        yield tuple(share)


def _has_own(listed: Listed, name: str) -> bool:
    """Whether a file has a column itself: that counts, and says more than its folder's name."""
    known = _known(listed, None)
    return known is not None and name in known.schema.names


def _may_hold(file: Listed, rows: Rows, kind: pa.DataType) -> bool:
    """Whether a folder's own time lies in the window."""
    import pyarrow as pa

    text = dict(file.partition).get(rows.time_column or "")
    column = pa.chunked_array([pa.array([partition_value(text, kind).as_py()], kind)])
    times = Times(rows.time_column or "", file.stored.where).read(column)
    if rows.start is None and rows.end is None:
        return True
    return bool(within(times, rows.start, rows.end)[0].as_py())
