"""Tells in which format a file is, by its first bytes where they are a signature."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath
from typing import Any, Final

from whydrift.discovery.errors import SourceError
from whydrift.monitor.source.paths import COMPRESSED, READABLE
from whydrift.monitor.source.storage import Stored

__all__ = ["Format", "Formatted", "formatted"]


class Format(Enum):
    """How a table is written; the value is its name in messages."""

    PARQUET = "parquet"
    IPC_FILE = "arrow"
    IPC_STREAM = "arrow stream"
    FEATHER_1 = "feather 1"
    DELIMITED = "delimited"


_MAGIC: Final = (
    (b"PAR1", Format.PARQUET),
    (b"ARROW1", Format.IPC_FILE),
    (b"\xff\xff\xff\xff", Format.IPC_STREAM),
    (b"FEA1", Format.FEATHER_1),
)
_COMPRESSION_MAGIC: Final = (
    (b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"BZh", "bz2"),
)  # fmt: skip
_NAMED: Final = {
    **dict.fromkeys((".parquet", ".pq", ".parq"), Format.PARQUET),
    **dict.fromkeys((".arrow", ".feather", ".ipc"), Format.IPC_FILE),
    ".arrows": Format.IPC_STREAM,
}
_FOREIGN: Final = {
    **dict.fromkeys((".xlsx", ".xls", ".ods"), "a spreadsheet"),
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), "JSON"),
    **dict.fromkeys((".pkl", ".pickle", ".joblib"), "a pickle"),
    **dict.fromkeys((".db", ".sqlite", ".sqlite3", ".duckdb"), "a database file"),
    **dict.fromkeys((".zip", ".tar", ".7z", ".tgz"), "an archive"),
    **dict.fromkeys((".orc", ".avro", ".npy", ".npz", ".h5", ".hdf5"), "a format not read yet"),
}
_HEAD_BYTES = 16


@dataclass(frozen=True)
class Formatted:
    """A file of which it is known how to read it.

    Parameters
    ----------
    stored : Stored
        The file.
    form : Format
        Its format, once decompressed.
    codec : str, optional
        How it is compressed as a whole.
    """

    stored: Stored
    form: Format
    codec: str | None

    @property
    def prefers_tab(self) -> bool:
        """Whether the name says that tabs delimit."""
        return any(s in {".tsv", ".tab"} for s in _suffixes(self.stored.address))

    def open(self) -> Any:
        """Return a fresh stream over the plain bytes; compressed text can be read forwards only."""
        import pyarrow as pa

        raw = self.stored.open()
        if self.codec is None:
            return raw
        plain = pa.CompressedInputStream(raw, self.codec)
        if self.form is Format.DELIMITED:
            return plain
        with raw, plain:
            return pa.BufferReader(plain.read_buffer())


def formatted(stored: Stored) -> Formatted | None:
    """Return how to read a file; None of an empty one.

    Raises
    ------
    SourceError
        If it is empty once decompressed, in a format that is not read, or misnamed.
    """
    import pyarrow as pa

    with stored.open() as stream:
        head = bytes(stream.read(_HEAD_BYTES))
    if not head:
        return None
    codec = next((name for magic, name in _COMPRESSION_MAGIC if head.startswith(magic)), None)
    if codec is not None:
        with stored.open() as raw, pa.CompressedInputStream(raw, codec) as plain:
            head = bytes(plain.read(_HEAD_BYTES))
        if not head:
            raise SourceError(
                "the file is empty once decompressed",
                where=stored.where,
                remedy="Give a file that has data",
            )
    return Formatted(stored, _format(stored, head), codec)


def _format(stored: Stored, head: bytes) -> Format:
    for magic, form in _MAGIC:
        if head.startswith(magic):
            return form
    suffixes = _suffixes(stored.address)
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    suffix = suffixes[-1] if suffixes else ""
    named = _NAMED.get(suffix)
    if named is not None:
        raise SourceError(
            f"the name says {named.value}, but the contents are not: the file is damaged or "
            "misnamed",
            where=stored.where,
            remedy=f"Write or copy it again, as {READABLE}",
        )
    if suffix in _FOREIGN:
        raise SourceError(
            f"this is {_FOREIGN[suffix]}, which is not read",
            where=stored.where,
            remedy=f"Save the table as {READABLE}",
        )
    return Format.DELIMITED


def _suffixes(address: str) -> list[str]:
    return [suffix.lower() for suffix in PurePosixPath(address.partition("?")[0]).suffixes]
