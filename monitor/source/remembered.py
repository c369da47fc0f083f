"""What a process knows of files that it looked into, as long as they are the same.

A check of one window asks which of all past files hold rows of it. What a file's beginning and end
say of that is remembered, so that thousands of old ones are not opened for each check.
"""

from __future__ import annotations

import stat
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from whydrift.discovery.snapshot.note import Note
from whydrift.monitor.source.delimited import Delimited
from whydrift.monitor.source.formats import Format
from whydrift.monitor.source.parquet import RowGroup
from whydrift.monitor.source.storage import Stored, file_system, is_local

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["KnownFile", "KnownFiles", "Mark"]

_MOST: Final = 200_000  # files and row groups, in some 100 MB
# A file that is written again within one tick of the kernel's clock looks the same: what changed
# just now is not trusted to stay.
_SECONDS_AT_REST: Final = 2.0

Mark = tuple[Any, ...]  # equal as long as a file is the same


@dataclass(frozen=True, slots=True)
class KnownFile:
    """What a file says of itself.

    Parameters
    ----------
    form : Format
    codec : str, optional
    schema : pyarrow.Schema
        Of its own columns.
    kept : tuple of int
        Places of the columns that are data.
    groups : tuple of RowGroup, optional
        All of Parquet.
    delimited : Delimited, optional
    notes : tuple of Note
        What had to be mended; it is told each time.
    """

    form: Format
    codec: str | None
    schema: pa.Schema
    kept: tuple[int, ...]
    groups: tuple[RowGroup, ...] | None
    delimited: Delimited | None
    notes: tuple[Note, ...]


class KnownFiles:
    """Files that were looked into, by their names.

    When it is full nothing more is remembered: all files are asked for in turn, so that to forget
    the oldest would be to forget each just before it is asked for.

    Parameters
    ----------
    most : int
        Files and row groups.
    clock : callable
        Seconds since 1970, of the machine.
    """

    def __init__(self, most: int = _MOST, clock: Callable[[], float] = time.time) -> None:
        self._most, self._clock = most, clock
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str, str | None], tuple[Mark, KnownFile]] = {}
        self._schemas: dict[bytes, pa.Schema] = {}
        self._size = 0

    def mark(self, stored: Stored) -> Mark | None:
        """Return what tells whether a file is still the same; None where nothing does."""
        if not is_local(stored.address):
            return _mark_in_store(stored)
        try:
            found = Path(stored.address).stat()
        except OSError:  # told when it is opened
            return None
        is_at_rest = found.st_ctime < self._clock() - _SECONDS_AT_REST
        if not stat.S_ISREG(found.st_mode) or not is_at_rest:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def get(self, stored: Stored, mark: Mark | None, time_column: str | None) -> KnownFile | None:
        """Return what is known of a file, if it is the same."""
        with self._lock:
            found = self._known.get(_key(stored, time_column))
        return found[1] if found is not None and found[0] == mark else None

    def put(
        self, stored: Stored, mark: Mark | None, time_column: str | None, known: KnownFile
    ) -> None:
        """Remember a file; ``mark`` is from before it was looked into."""
        if mark is None:
            return
        key = _key(stored, time_column)
        written = known.schema.serialize().to_pybytes()
        with self._lock:
            before = self._known.pop(key, None)
            self._size -= 0 if before is None else _size(before[1])
            # Most files of a source have the same columns, which take more memory than the rest.
            known = replace(known, schema=self._schemas.setdefault(written, known.schema))
            if self._size + _size(known) <= self._most:
                self._known[key] = mark, known
                self._size += _size(known)


def _key(stored: Stored, time_column: str | None) -> tuple[str, str, str | None]:
    return stored.address, repr(sorted(stored.options.items())), time_column


def _size(known: KnownFile) -> int:
    return 1 + len(known.groups or ())


def _mark_in_store(stored: Stored) -> Mark | None:
    """Return the store's own mark of a version; one question, or none after a listing."""
    if stored.is_whole:
        return None
    system, path = file_system(stored.address, stored.options)
    told = system.info(path)
    version = next((told[name] for name in ("ETag", "etag") if told.get(name)), None)
    return None if version is None else (told.get("size"), str(version))
