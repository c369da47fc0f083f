"""Reads tables from files: Parquet, CSV and its relatives, Arrow and Feather."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whydrift.discovery.errors import SourceError, nearest
from whydrift.discovery.snapshot.note import Note
from whydrift.monitor.source.paths import COMPRESSED, READABLE, resolve

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["read_noted", "read_table", "resolve"]

_PARQUET, _IPC_FILE, _IPC_STREAM, _FEATHER_1 = "parquet", "arrow", "arrow stream", "feather 1"
_DELIMITED = "delimited"
_MAGIC = (
    (b"PAR1", _PARQUET),
    (b"ARROW1", _IPC_FILE),
    (b"\xff\xff\xff\xff", _IPC_STREAM),
    (b"FEA1", _FEATHER_1),
)
_COMPRESSION_MAGIC = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"BZh", "bz2"))
_NAMED = {
    **dict.fromkeys((".parquet", ".pq", ".parq"), _PARQUET),
    **dict.fromkeys((".arrow", ".feather", ".ipc"), _IPC_FILE),
    ".arrows": _IPC_STREAM,
}
_FOREIGN = {
    **dict.fromkeys((".xlsx", ".xls", ".ods"), "a spreadsheet"),
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), "JSON"),
    **dict.fromkeys((".pkl", ".pickle", ".joblib"), "a pickle"),
    **dict.fromkeys((".db", ".sqlite", ".sqlite3", ".duckdb"), "a database file"),
    **dict.fromkeys((".zip", ".tar", ".7z", ".tgz"), "an archive"),
    **dict.fromkeys((".orc", ".avro", ".npy", ".npz", ".h5", ".hdf5"), "a format not read yet"),
}


def read_table(path: str | os.PathLike[str], *, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a file, glob or folder as one Arrow table.

    Parameters
    ----------
    path : str or path
        A file, glob or folder of Parquet, CSV or TSV (plain, .gz, .zst, .bz2), Arrow or Feather.
        Several files are joined by the names of their columns.
    columns : sequence of str, optional
        Read these columns only.

    Returns
    -------
    pyarrow.Table

    Raises
    ------
    SourceError
        If the files cannot be read, or have no rows.
    """
    return read_noted(path, columns=columns)[0]


def read_noted(
    path: str | os.PathLike[str], *, columns: Sequence[str] | None = None
) -> tuple[pa.Table, tuple[Note, ...]]:
    """Read as :func:`read_table` does, and tell what had to be mended on the way."""
    files = resolve(path)
    notes: list[Note] = []
    parts: list[tuple[Path, pa.Table]] = []
    for file in files:
        if len(files) > 1 and file.stat().st_size == 0:
            notes.append(Note("empty_file", None, f"{file} is empty; it is left out"))
            continue
        table, told = _read_file(file, columns)
        notes += told
        parts.append((file, _without_row_numbers(table)))
    if not any(table.num_columns for _, table in parts):
        raise SourceError(
            "the file has no columns" if len(files) == 1 else "no file has any columns",
            where=os.fspath(path),
            remedy="Give a window that has data",
        )
    if not any(table.num_rows for _, table in parts):
        raise SourceError(
            "the file has a header but no rows" if len(files) == 1 else "no file has any rows",
            where=os.fspath(path),
            remedy="Give a window that has data",
        )
    if len(parts) == 1:
        return parts[0][1], tuple(notes)
    from whydrift.monitor.source.joining import join_files

    table, told = join_files(parts)
    return table, (*notes, *told)


def _read_file(path: Path, columns: Sequence[str] | None) -> tuple[pa.Table, tuple[Note, ...]]:
    import pyarrow as pa

    try:
        source = _Bytes.of(path)
        form = _format(path, source.head(16))
        if form == _DELIMITED:
            from whydrift.monitor.source.delimited import read_delimited

            is_tab = any(s.lower() in {".tsv", ".tab"} for s in path.suffixes)
            table, notes = read_delimited(source.open, where=str(path), prefer_tab=is_tab)
            return _select(table, columns, path), notes
        return _read_binary(source, form, columns, path), ()
    except PermissionError as error:
        raise SourceError(
            "permission denied", where=str(path), remedy="Ask for the right to read this file"
        ) from error
    except (pa.ArrowException, OSError, EOFError) as error:
        first = str(error).strip().splitlines()
        raise SourceError(
            f"the file is damaged or cut short ({first[0] if first else type(error).__name__})",
            where=str(path),
            remedy="Write or copy it again",
        ) from error


def _read_binary(source: _Bytes, form: str, columns: Sequence[str] | None, path: Path) -> pa.Table:
    import pyarrow as pa
    from pyarrow import feather, ipc, parquet

    with source.open() as stream:
        if form == _PARQUET:
            file = parquet.ParquetFile(stream)
            _require(columns, file.schema_arrow.names, path)
            return file.read(columns=None if columns is None else list(columns))
        if form == _FEATHER_1:
            table = feather.read_table(stream)
        elif form == _IPC_STREAM:
            table = ipc.open_stream(stream).read_all()
        else:
            table = ipc.open_file(stream).read_all()
    assert isinstance(table, pa.Table)
    return _select(table, columns, path)


class _Bytes:
    """The plain bytes of a file, decompressed once where they are compressed."""

    def __init__(self, path: Path, held: Any = None) -> None:
        self._path, self._held = path, held

    @classmethod
    def of(cls, path: Path) -> _Bytes:
        import pyarrow as pa

        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise SourceError(
                "this is a device, not a file", where=str(path), remedy=f"Give {READABLE}"
            )
        # A pipe, as of <(zcat …), can be read only once.
        held = pa.py_buffer(path.read_bytes()) if stat.S_ISFIFO(mode) else None
        raw = cls(path, held)
        head = raw.head(8)
        if not head:
            raise SourceError(
                "the file is empty", where=str(path), remedy="Give a file that has data"
            )
        codec = next((name for magic, name in _COMPRESSION_MAGIC if head.startswith(magic)), None)
        if codec is None:
            return raw
        with raw.open() as stream, pa.CompressedInputStream(stream, codec) as plain:
            held = plain.read_buffer()
        if held.size == 0:
            raise SourceError(
                "the file is empty once decompressed",
                where=str(path),
                remedy="Give a file that has data",
            )
        return cls(path, held)

    def open(self) -> Any:
        """Return a fresh stream over the bytes."""
        import pyarrow as pa

        return pa.OSFile(str(self._path)) if self._held is None else pa.BufferReader(self._held)

    def head(self, count: int) -> bytes:
        """Return the first bytes."""
        with self.open() as stream:
            return bytes(stream.read(count))


def _format(path: Path, head: bytes) -> str:
    """Tell the format by the first bytes where they are a signature, by the name otherwise."""
    for magic, form in _MAGIC:
        if head.startswith(magic):
            return form
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    suffix = suffixes[-1] if suffixes else ""
    named = _NAMED.get(suffix)
    if named is not None:
        raise SourceError(
            f"the name says {named}, but the contents are not: the file is damaged or misnamed",
            where=str(path),
            remedy=f"Write or copy it again, as {READABLE}",
        )
    if suffix in _FOREIGN:
        raise SourceError(
            f"this is {_FOREIGN[suffix]}, which is not read",
            where=str(path),
            remedy=f"Save the table as {READABLE}",
        )
    return _DELIMITED


def _select(table: pa.Table, columns: Sequence[str] | None, path: Path) -> pa.Table:
    if columns is None:
        return table
    _require(columns, table.column_names, path)
    return table.select([table.column_names.index(name) for name in columns])


def _require(columns: Iterable[str] | None, there: Sequence[str], path: Path) -> None:
    for name in columns or ():
        if name not in there:
            guess = nearest(name, there)
            listed = ", ".join(there[:20]) + (" …" if len(there) > 20 else "")
            raise SourceError(
                f"there is no column {name!r}",
                where=str(path),
                remedy=f"{f'Did you mean {guess!r}? ' if guess else ''}Columns are: {listed}",
            )


def _without_row_numbers(table: pa.Table) -> pa.Table:
    # pandas writes a nameless index as a column of this name; it is no part of the data.
    kept = [i for i, name in enumerate(table.column_names) if not name.startswith("__index_level_")]
    return table if len(kept) == table.num_columns else table.select(kept)
