"""Connections to the database: what each engine needs, so that nothing that was told is lost."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from whydrift.discovery.errors import StoreError, nearest
from whydrift.monitor.store.file_system import file_system, is_network

__all__ = ["Database", "database_url", "make_private", "pragma"]

_BUSY_SECONDS: Final = 30.0  # how long a write waits for another one
_WRITES: Final = "whydrift_writes"
# A server that is gone is noticed, where the system would wait for minutes, or for hours.
_CONNECTION: Final = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
_SESSION: Final = (
    f"-c lock_timeout={_BUSY_SECONDS:.0f}s",
    # A process that was stopped, or whose machine is gone, would hold its locks for good.
    "-c idle_in_transaction_session_timeout=30s",
)
_DRIVERS: Final = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}


def database_url(text: str) -> URL:
    """Return the address of a store.

    Raises
    ------
    StoreError
        If it is none, or of a kind of database in which no store can be.
    """
    remedy = "Write sqlite:///whydrift.db or postgresql+psycopg://user:password@host/database"
    try:
        url = sa.make_url(text)
    except ArgumentError as error:
        raise StoreError("this is no database URL", where="store.url", remedy=remedy) from error
    backend = url.get_backend_name()
    if backend == "postgres":  # as some hosts still write it; SQLAlchemy does not read it
        backend = "postgresql"
        url = url.set(drivername=backend)
    if backend not in _DRIVERS:
        guess = nearest(backend, _DRIVERS)
        raise StoreError(
            f"a store cannot be kept in {backend!r}",
            where=_shown(url),
            remedy=f"{f'Did you mean {guess!r}? ' if guess else ''}{remedy}",
        )
    if backend == "sqlite" and url.database in {None, "", ":memory:"}:
        raise StoreError(
            "a store in memory is gone when the process ends",
            where=_shown(url),
            remedy="Name a file: sqlite:///whydrift.db",
        )
    return url.set(drivername=_DRIVERS[backend])


def _sqlite_path(url: URL) -> Path | None:
    """Return the file of a store in SQLite, None of another."""
    if url.get_backend_name() != "sqlite":
        return None
    return Path(url.database or "").absolute()


def _shown(url: URL) -> str:
    return url.render_as_string(hide_password=True)


class Database:
    """A database, and transactions on it.

    Reads see one state throughout. Writes of one SQLite file follow each other from their first
    statement on (``BEGIN IMMEDIATE``): a transaction that reads and then writes would fail at once
    where another has written in between, whatever it is told to wait.

    Parameters
    ----------
    url : URL
        As `database_url` gives it.
    """

    def __init__(self, url: URL) -> None:
        self.url = url
        self.path = _sqlite_path(url)
        self.where = _shown(url)
        self._engine = _sqlite(url, self.path) if self.path is not None else _postgresql(url)
        self._writer = self._engine.execution_options(**{_WRITES: True})

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of SQLite's."""
        return self.path is not None

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Open a transaction that only reads.

        Raises
        ------
        StoreError
            If the database cannot be reached or read.
        """
        with self._told(), self._engine.begin() as connection:
            if not self.is_sqlite:
                connection.exec_driver_sql(
                    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
                )
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Open a transaction that writes: at its end all of it is there, else nothing of it.

        Raises
        ------
        StoreError
            If the database cannot be reached or written.
        """
        with self._told(), self._writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            if isinstance(error.orig, (TypeError, ValueError)):
                raise  # a bug of ours, not a matter of the database's
            raise StoreError(
                _first_line(error), where=self.where, remedy=_remedy(error, self.is_sqlite)
            ) from error
        except PoolTimeout as error:
            raise StoreError(
                "all connections are busy", where=self.where, remedy="Use fewer threads at once"
            ) from error


def _first_line(error: DBAPIError) -> str:
    text = str(error.orig or error).strip().splitlines()
    return (text[0] if text else type(error).__name__).rstrip(".")


def _remedy(error: DBAPIError, is_sqlite: bool) -> str:
    text = str(error.orig).lower()
    if "locked" in text or "busy" in text or "lock timeout" in text:
        return "Another process is writing: try again when it has finished"
    if "full" in text or "no space" in text:
        return "Make room on the disk"
    if "disk i/o" in text:
        return "See that the disk has room and is whole; `whydrift store check` reads all of it"
    if "readonly" in text or "unable to open" in text or "permission denied" in text:
        return "See that you may write the file and its folder"
    if "malformed" in text or "not a database" in text:
        return "The file is damaged or is none of SQLite's: restore it from a backup"
    if is_sqlite:
        return "`whydrift store check` tells what is wrong"
    return "See that the server runs, and that user, password and database are right"


def _postgresql(url: URL) -> sa.Engine:
    asked: dict[str, Any] = {
        name: value for name, value in _CONNECTION.items() if name not in url.query
    }
    asked["options"] = _options(url)
    try:
        return sa.create_engine(url, pool_pre_ping=True, connect_args=asked)
    except (ImportError, NoSuchModuleError) as error:
        raise StoreError(
            "a store in PostgreSQL needs psycopg",
            where=_shown(url),
            remedy="Install it with: pip install 'whydrift[postgres]'",
        ) from error


def _options(url: URL) -> str:
    """Return the settings of a session: ours, those of the address, and what has to be so."""
    own = url.query.get("options", ())
    return " ".join((*_SESSION, *((own,) if isinstance(own, str) else own), "-c timezone=UTC"))


def _sqlite(url: URL, path: Path) -> sa.Engine:
    kind = file_system(path)
    if is_network(kind):
        raise StoreError(
            f"SQLite's locks do not hold on a network file system ({kind})",
            where=str(path),
            remedy="Put the store on a local disk, or in PostgreSQL",
        )
    engine = sa.create_engine(url.set(database=str(path)), connect_args={"timeout": _BUSY_SECONDS})
    same_file = _SameFile(path)

    @sa.event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _record: object) -> None:
        # Python's own transactions begin late; ours begin where the listener below says.
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys = ON")  # off by default, for old programs
        # NORMAL may lose the last commits when the power fails.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")  # what is forgotten is overwritten
        # Before the first table, or never: without it deletes do not make the file smaller.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        _keep_log(connection)
        same_file.note()

    @sa.event.listens_for(engine, "do_connect")  # which would make an empty file
    @sa.event.listens_for(engine, "checkout")
    def _to_be_used(*_: object) -> None:
        same_file.require()

    @sa.event.listens_for(engine, "begin")
    def _begun(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


class _SameFile:
    """Sees that a file is still the one that was opened first.

    SQLite goes on in a file that was deleted, or replaced by a backup, and all that is written
    there is lost without a word.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: tuple[int, int] | None = None

    def note(self) -> None:
        """Note which file it is, when it was opened first."""
        self._opened = self._opened or self._found()

    def require(self) -> None:
        """See that it is still there, where it was opened.

        Raises
        ------
        StoreError
            If it was moved, deleted or replaced.
        """
        found = self._found()
        if self._opened is not None and found != self._opened:
            raise StoreError(
                f"the file was {'deleted' if found is None else 'replaced'} while it was open",
                where=str(self._path),
                remedy="Stop whydrift, put the store in its place, and start it again",
            )

    def _found(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino


def _keep_log(connection: sqlite3.Connection) -> None:
    """Let readers read while one writes; set once for a file, and kept in it."""
    if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
        return
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            # For this statement SQLite does not wait, whatever it is told.
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def make_private(path: Path) -> None:
    """Make an empty file that only its owner may read, where there is none yet.

    Raises
    ------
    StoreError
        If it cannot be made.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise StoreError(
            f"it cannot be made ({(error.strerror or str(error)).lower()})",
            where=str(path),
            remedy="Name a file in a folder that exists and that you may write",
        ) from error


def pragma(connection: sa.Connection, name: str) -> Any:
    """Return what a pragma of SQLite's answers."""
    return connection.exec_driver_sql(f"PRAGMA {name}").scalar()
