"""Which tables a database has, and how they become those that this whydrift knows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from whydrift.discovery.errors import StoreError
from whydrift.monitor.store.engine import Database
from whydrift.monitor.store.tables import METADATA

__all__ = ["head", "is_older", "migrate", "require_head", "version"]

_FOLDER: Final = Path(__file__).parent / "migrations"
# Not alembic's own name: another program may keep its tables in the same database.
VERSION_TABLE: Final = "whydrift_version"
_LOCK: Final = 7_446_201_853  # one migration at a time; any number, the same for all


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(_FOLDER))


def head() -> str:
    """Return the version that this whydrift reads and writes."""
    found = _scripts().get_current_head()
    assert found is not None
    return found


def is_older(found: str) -> bool:
    """Whether a version is one that this whydrift can bring to its own."""
    return found != head() and found in {s.revision for s in _scripts().walk_revisions()}


def version(database: Database) -> str | None:
    """Return the version of a database's tables, None where it has none of ours.

    Raises
    ------
    StoreError
        If it cannot be read, or tables of our names are there that we did not make.
    """
    with database.reading() as connection:
        return _version(connection, database.where)


def _version(connection: sa.Connection, where: str) -> str | None:
    found = MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE}
    ).get_current_revision()
    if found is not None:
        return found
    taken = sorted(set(METADATA.tables) & set(sa.inspect(connection).get_table_names()))
    if taken:
        raise StoreError(
            f"the database has tables of another program ({', '.join(taken)})",
            where=where,
            remedy="Give whydrift a database, or a file, of its own",
        )
    return None


def require_head(database: Database, *, create: bool) -> None:
    """See that the tables are those of this whydrift; in an empty database make them.

    Raises
    ------
    StoreError
        If they are older or newer, or are not there and shall not be made.
    """
    found = version(database)
    if found == head():
        return
    if found is None:
        if not create:
            raise StoreError(
                "there is no store yet",
                where=database.where,
                remedy="`whydrift store migrate -c FILE` makes one",
            )
        migrate(database)
        return
    raise _newer_or_older(found, database.where)


def _newer_or_older(found: str, where: str) -> StoreError:
    if is_older(found):
        return StoreError(
            f"the store's tables are of version {found}, this whydrift needs {head()}",
            where=where,
            remedy="Back the store up, then run `whydrift store migrate -c FILE`",
        )
    return StoreError(
        f"the store was made by a newer whydrift (tables of version {found}, here {head()})",
        where=where,
        remedy="Upgrade whydrift: pip install --upgrade whydrift",
    )


def migrate(database: Database) -> tuple[str | None, str]:
    """Bring the tables to the version of this whydrift, all steps or none.

    Returns
    -------
    tuple of str
        The version before (None: there were no tables) and after.

    Raises
    ------
    StoreError
        If the tables are newer than this whydrift.
    """
    scripts, wanted = _scripts(), head()
    with database.writing() as connection:
        if not database.is_sqlite:  # there BEGIN IMMEDIATE is the lock
            connection.exec_driver_sql("SET LOCAL lock_timeout = 0")  # however long the other takes
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        before = _version(connection, database.where)
        if before == wanted:
            return before, wanted
        if before is not None and not is_older(before):
            raise _newer_or_older(before, database.where)
        # What alembic.command.upgrade does, on our own connection: it runs in its transaction.
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": VERSION_TABLE,
                "fn": lambda revision, _context: scripts._upgrade_revs(wanted, revision),
            },
        )
        with _checked_later(connection, database.is_sqlite), Operations.context(context):
            context.run_migrations()
    return before, wanted


@contextmanager
def _checked_later(connection: sa.Connection, is_sqlite: bool) -> Iterator[None]:
    """Let SQLite check references at the end, as tables may be copied in between."""
    if is_sqlite:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
    yield
