"""Where the bytes of a window lie: in the row, or of large ones in a file beside SQLite's."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from whydrift.discovery.errors import StoreError
from whydrift.monitor.store import tables
from whydrift.monitor.store.records import SnapshotRecord

__all__ = ["Content", "Kept", "fsync_folder", "sha256"]

_LARGE: Final = 1 << 20  # bytes; SQLite reads and copies larger values slower than files
_PIECE: Final = 1 << 20
_SUFFIX: Final = ".parquet"
_DRAFT: Final = ".tmp"


def sha256(content: bytes) -> str:
    """Return what tells this content from any other."""
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True, slots=True)
class Kept:
    """What a row says of its content: the bytes themselves, or the file that holds them."""

    content: bytes | None
    file: str | None


@dataclass(frozen=True, slots=True)
class Content:
    """Writes, reads and removes contents.

    Parameters
    ----------
    folder : Path, optional
        Beside the database, for large contents; None where all lies in the database.
    """

    folder: Path | None

    def write(self, content: bytes) -> Kept:
        """Keep a content; call it inside the transaction that writes the row.

        A file is on the disk, with its name, before the row can be: what an interrupted write
        leaves is a file without a row, which ``gc`` removes, never a row without its file.

        Raises
        ------
        StoreError
            If the file cannot be written.
        """
        if self.folder is None or len(content) <= _LARGE:
            return Kept(content, None)
        name = sha256(content) + _SUFFIX
        final = self.folder / name
        draft = self.folder / f"{name}.{os.getpid()}{_DRAFT}"
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            # Equal contents share a file; one that was damaged meanwhile is written again.
            if not (final.exists() and sha256(final.read_bytes()) == sha256(content)):
                descriptor = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
                with os.fdopen(descriptor, "wb") as stream:
                    stream.write(content)
                    stream.flush()
                    os.fsync(stream.fileno())
                draft.replace(final)
            fsync_folder(self.folder)
            fsync_folder(self.folder.parent)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise StoreError(
                f"it cannot be written ({(error.strerror or str(error)).lower()})",
                where=str(final),
                remedy="See that the disk has room and that you may write the folder",
            ) from error
        return Kept(None, name)

    def read(self, connection: sa.Connection, record: SnapshotRecord) -> bytes:
        """Return the content of a row, as it was written.

        Raises
        ------
        StoreError
            If it is gone or is not what was written.
        """
        content = self._bytes(connection, record)
        if content is None or sha256(content) != record.sha256:
            raise StoreError(
                "its content is gone" if content is None else "its content was changed",
                where=f"snapshot {record.key}" + (f", file {record.file}" if record.file else ""),
                remedy="Restore it from a backup, or build the window again from the data",
            )
        return content

    def _bytes(self, connection: sa.Connection, record: SnapshotRecord) -> bytes | None:
        if record.file is not None:
            assert self.folder is not None
            try:
                return (self.folder / record.file).read_bytes()
            except FileNotFoundError:
                return None
            except OSError as error:
                raise StoreError(
                    f"it cannot be read ({(error.strerror or str(error)).lower()})",
                    where=str(self.folder / record.file),
                    remedy="See that you may read it",
                ) from error
        # In pieces: a driver holds what it is sent several times over.
        column = tables.snapshot.c.content
        pieces: list[bytes] = []
        for first in range(1, record.bytes + 1, _PIECE):
            piece = connection.execute(
                sa.select(sa.func.substr(column, first, _PIECE, type_=sa.LargeBinary)).where(
                    tables.snapshot.c.id == record.id
                )
            ).scalar()
            if not piece:
                return None
            pieces.append(bytes(piece))
        return b"".join(pieces)

    def remove_unused(self, connection: sa.Connection, names: Iterable[str]) -> int:
        """Remove files that no row names, and return how many there were.

        Call it in a transaction that writes: no other process can then be about to name them.
        """
        removed = 0
        for name in names:
            assert self.folder is not None
            used = connection.execute(
                sa.select(sa.literal(1)).where(tables.snapshot.c.file == name).limit(1)
            ).scalar()
            if used is None and (self.folder / name).exists():
                (self.folder / name).unlink(missing_ok=True)
                removed += 1
        return removed

    def files(self) -> list[str]:
        """Return the names of all files, drafts of interrupted writes too."""
        if self.folder is None or not self.folder.is_dir():
            return []
        return sorted(
            path.name for path in self.folder.iterdir() if path.suffix in {_SUFFIX, _DRAFT}
        )


def fsync_folder(folder: Path) -> None:
    """Put a folder's names on the disk; a file's own fsync does not."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
