"""Tables are made by migrations alone, and a store of another version is refused."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext

from tests.monitor.conftest import key, window
from whydrift.discovery.errors import StoreError
from whydrift.monitor.store import open_store
from whydrift.monitor.store.store import open_database
from whydrift.monitor.store.tables import METADATA
from whydrift.monitor.store.version import VERSION_TABLE, head, migrate, version


def set_version(store, found):
    with store.database.writing() as connection:
        connection.execute(sa.text(f"update {VERSION_TABLE} set version_num = :v"), {"v": found})


def test_the_migrations_make_the_tables_that_the_code_knows(store):
    with store.database.reading() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"version_table": VERSION_TABLE, "compare_type": True},
        )
        assert compare_metadata(context, METADATA) == []
        inspector = sa.inspect(connection)
        for table in METADATA.sorted_tables:
            checks = {c["name"] for c in inspector.get_check_constraints(table.name)}
            assert checks == {
                c.name for c in table.constraints if isinstance(c, sa.CheckConstraint)
            }
            unique = {i["name"]: i["unique"] for i in inspector.get_indexes(table.name)}
            for index in table.indexes:
                assert bool(unique[index.name]) == index.unique


def test_one_row_of_a_window_is_current_by_a_partial_index(store):
    with store.database.reading() as connection:
        inspector = sa.inspect(connection)
        for table in ("snapshot", "result"):
            (index,) = [
                i for i in inspector.get_indexes(table) if i["name"] == f"uq_{table}_current"
            ]
            where = index["dialect_options"][f"{connection.dialect.name}_where"]
            assert "current" in str(where)


def test_an_empty_database_gets_its_tables_and_keeps_them(url, store):
    assert version(store.database) == head()
    store.put_snapshot(key(), window(1))
    with open_store(url) as again:
        assert len(again.list_snapshots()) == 1
    assert migrate(store.database) == (head(), head())


def test_a_store_is_not_made_where_one_should_be(url):
    with pytest.raises(StoreError, match="whydrift store migrate"):
        open_store(url, create=False)


def test_a_store_of_a_newer_whydrift_is_refused(url, store):
    set_version(store, "9999")
    with pytest.raises(StoreError, match="Upgrade whydrift"):
        open_store(url)
    with pytest.raises(StoreError, match="Upgrade whydrift"):
        migrate(store.database)


def test_a_store_of_an_older_whydrift_is_refused_with_the_command(url, store, monkeypatch):
    from whydrift.monitor.store import version as module

    monkeypatch.setattr(module, "head", lambda: "0003")
    with pytest.raises(StoreError, match="whydrift store migrate"):
        open_store(url)


def test_tables_of_another_program_are_left_alone(url):
    database = open_database(url, create=True)
    with database.writing() as connection:
        connection.execute(sa.text("create table monitor (id integer)"))
    with pytest.raises(StoreError, match="another program"):
        open_store(url)
    database.close()


def test_a_migration_that_fails_leaves_nothing(url, monkeypatch):
    database = open_database(url, create=True)

    def fail(*_arguments, **_named):
        raise StoreError("the disk is full", where="test", remedy="-")

    with monkeypatch.context() as patched:
        patched.setattr(Operations, "create_index", fail, raising=False)
        with pytest.raises(StoreError, match="disk is full"):
            migrate(database)
    assert version(database) is None
    assert migrate(database) == (None, head())
    database.close()


def test_the_migrations_are_one_line_without_branches():
    from whydrift.monitor.store.version import _scripts

    scripts = _scripts()
    assert len(scripts.get_heads()) == 1 and len(scripts.get_bases()) == 1
