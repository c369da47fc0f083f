"""Copies of a store: of SQLite's made here, while it is in use; of PostgreSQL's by its own tool."""

from __future__ import annotations

import os
import shlex
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy.engine import URL

from whydrift.discovery.errors import StoreError
from whydrift.monitor.store.content import Content, fsync_folder
from whydrift.monitor.store.engine import Database, make_private

__all__ = ["Copied", "back_up", "copy_database", "default_path"]

_TRIES: Final = 5
_DRAFT: Final = ".tmp"


@dataclass(frozen=True, slots=True)
class Copied:
    """A backup that was made.

    Parameters
    ----------
    path : Path
        The database; large contents lie in the folder ``PATH-snapshots`` beside it.
    bytes, files : int
        Size of all; how many files of large contents.
    """

    path: Path
    bytes: int
    files: int


def default_path(database: Database, now: datetime) -> Path:
    """Return where a backup goes that no place is named for: beside the store.

    Raises
    ------
    StoreError
        If the store is in PostgreSQL; the remedy is the command that backs it up.
    """
    if database.path is None:
        raise _use_pg_dump(database, now)
    return database.path.with_stem(f"{database.path.stem}-{now:%Y%m%dT%H%M%SZ}")


def back_up(database: Database, to: Path, *, now: datetime) -> Copied:
    """Copy a store in SQLite as it is at one moment, while others go on writing.

    The database gets its name last: what has it is whole.

    Parameters
    ----------
    database : Database
    to : Path
        A file that is not there yet. It is opened as ``sqlite:///TO``, or moved, with its folder,
        to where the store was.
    now : datetime

    Raises
    ------
    StoreError
        If the store is in PostgreSQL, something is there, or it cannot be written; then nothing
        is left.
    """
    if database.path is None:
        raise _use_pg_dump(database, now)
    folder = to.with_name(f"{to.name}-snapshots")
    for path in (to, folder):
        if path.exists():
            raise StoreError(
                "there is something already",
                where=str(path),
                remedy="Name a file that is not there yet: -o FILE",
            )
    source = Content(database.path.with_name(f"{database.path.name}-snapshots"))
    draft = to.with_name(f"{to.name}.part")
    with _told(to):
        try:
            files = _copy_all(database, draft, source, folder)
            draft.replace(to)
            fsync_folder(to.parent)
        except BaseException:
            draft.unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            raise
    size = to.stat().st_size + sum((folder / name).stat().st_size for name in files)
    return Copied(to, size, len(files))


def copy_database(database: Database, to: Path) -> None:
    """Copy the file of SQLite's as it is at one moment, to one that only its owner may read.

    Raises
    ------
    StoreError
        If it cannot be written; what was there is there still.
    """
    assert database.path is not None
    draft = to.with_name(f"{to.name}{_DRAFT}")
    with _told(to):
        try:
            draft.unlink(missing_ok=True)
            make_private(draft)
            with (
                closing(sqlite3.connect(database.path)) as source,
                closing(sqlite3.connect(draft)) as target,
            ):
                source.backup(target)  # in one step: one that pauses begins anew at each write
                target.execute("PRAGMA journal_mode = DELETE")  # the copy is one file
            _fsync(draft)
            draft.replace(to)
            fsync_folder(to.parent)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise


def _copy_all(database: Database, draft: Path, source: Content, folder: Path) -> list[str]:
    """Copy the database, and the files that its rows name; return these."""
    assert source.folder is not None
    for _ in range(_TRIES):
        copy_database(database, draft)
        names = _named(draft)
        if names:
            folder.mkdir(mode=0o700, exist_ok=True)
        if all(_copy_file(source.folder / name, folder / name) for name in names):
            for path in folder.iterdir() if folder.exists() else ():
                if path.name not in names:
                    path.unlink()
            if names:
                fsync_folder(folder)
            return names
        # One was collected since: the rows that named it are gone by now too.
    raise StoreError(
        "a file that the store names is gone",
        where=str(source.folder),
        remedy="`whydrift store check` tells which",
    )


def _copy_file(source: Path, target: Path) -> bool:
    """Copy a file, unless it is there; return whether there was one. They never change."""
    if target.exists():
        return True
    draft = target.with_name(f"{target.name}{_DRAFT}")
    try:
        make_private(draft)
        with source.open("rb") as read, draft.open("wb") as write:
            shutil.copyfileobj(read, write)
            write.flush()
            os.fsync(write.fileno())
    except FileNotFoundError:
        draft.unlink(missing_ok=True)
        return False
    draft.replace(target)
    return True


def _named(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT DISTINCT file FROM snapshot WHERE file IS NOT NULL ORDER BY file"
        return [row[0] for row in connection.execute(query)]


def _use_pg_dump(database: Database, now: datetime) -> StoreError:
    # The password is asked for, or taken from PGPASSWORD: not among the processes.
    own = database.url
    url = URL.create("postgresql", own.username, None, own.host, own.port, own.database, own.query)
    address = shlex.quote(url.render_as_string(hide_password=False))
    file = shlex.quote(f"{url.database}-{now:%Y%m%dT%H%M%SZ}.dump")
    return StoreError(
        "a store in PostgreSQL is backed up by the tool of its own",
        where=database.where,
        remedy=f"pg_dump --format=custom --file={file} --dbname={address}",
    )


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _told(to: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise StoreError(
            f"it cannot be written ({text.lower()})",
            where=str(to),
            remedy="See that the folder is there, has room, and that you may write it",
        ) from error
