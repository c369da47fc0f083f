"""Opens a store for those who check its windows: alone where it is a file, and up to date."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Literal

from whydrift.monitor.store.backup import copy_database
from whydrift.monitor.store.engine import Database
from whydrift.monitor.store.lock import only_one
from whydrift.monitor.store.memory import Clock, utc_now
from whydrift.monitor.store.store import Store, open_database, open_store
from whydrift.monitor.store.version import is_older, version
from whydrift.monitor.store.version import migrate as bring

__all__ = ["bring_up_to_date", "open_for_checks"]

Migrate = Literal["auto", "manual"]


@contextmanager
def open_for_checks(
    url: str, *, migrate: Migrate | None = None, clock: Clock = utc_now
) -> Iterator[Store]:
    """Open a store as ``serve`` and ``run`` do; make one where there is none.

    Parameters
    ----------
    url : str
        As for :func:`open_store`.
    migrate : str, optional
        Whether older tables become those of this whydrift (``auto``), or are refused (``manual``);
        by default those of SQLite do. A copy of SQLite's file is made before.
    clock : callable
        Tells when rows were written.

    Raises
    ------
    StoreError
        If another process works on the file, the database cannot be reached, or its tables are
        newer than this whydrift, or older and are to stay so.
    """
    with ExitStack() as stack:
        database = open_database(url, create=True)
        try:
            if database.path is not None:
                stack.enter_context(only_one(database.path))
            if migrate == "auto" or (migrate is None and database.is_sqlite):
                bring_up_to_date(database)
        finally:
            database.close()
        yield stack.enter_context(open_store(url, clock=clock))


def bring_up_to_date(database: Database) -> tuple[str | None, str]:
    """Bring the tables to this version, after a copy of SQLite's file was made; or make them.

    The copy is named like the store and the version that its tables have.

    Returns
    -------
    tuple of str
        The version before (None: there were no tables) and after.

    Raises
    ------
    StoreError
        If the copy cannot be made, or the tables are newer; then nothing has changed.
    """
    found = version(database)
    if found is not None and is_older(found) and database.path is not None:
        copy_database(database, database.path.with_name(f"{database.path.name}-{found}.backup"))
    return bring(database)
