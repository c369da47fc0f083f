"""One process works on a file of SQLite's: a second one is refused, with one sentence."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from whydrift.discovery.errors import StoreError

__all__ = ["only_one"]


@contextmanager
def only_one(database: Path) -> Iterator[None]:
    """Hold the right to check the windows of a store, until the end or the process's death.

    The lock is the system's (``flock``), on a file beside the database that holds the process's
    number; the file stays when it is given up. Processes started meanwhile do not inherit it.

    Raises
    ------
    StoreError
        If another process holds it, or the file cannot be made.
    """
    path = database.with_name(f"{database.name}-lock")
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise StoreError(
            f"it cannot be made ({(error.strerror or str(error)).lower()})",
            where=str(path),
            remedy="See that you may write the folder of the store",
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _taken(database, os.read(descriptor, 32)) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _taken(database: Path, said: bytes) -> StoreError:
    number = said.decode("ascii", "replace").strip()
    return StoreError(
        f"another whydrift{f' (process {number})' if number.isdigit() else ''} works on this store",
        where=str(database),
        remedy="Stop it first, or keep the store in PostgreSQL, which several may share",
    )
