"""One process works on a file; older tables are brought up to date after a copy was made."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext

from tests.monitor.conftest import NOW, diagnosis, key, window
from whydrift.discovery.errors import StoreError
from whydrift.monitor.store import open_store
from whydrift.monitor.store.check import check
from whydrift.monitor.store.opening import open_for_checks
from whydrift.monitor.store.store import open_database
from whydrift.monitor.store.version import VERSION_TABLE, _scripts, head, version

ROOT = Path(__file__).parent.parent.parent

HOLDER = """
import sys
from whydrift.monitor.store.opening import open_for_checks
with open_for_checks(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.readline()
"""


def old_store(url: str) -> None:
    """Make a store of version 0001 with a window and three results."""
    database = open_database(url, create=True)
    scripts = _scripts()
    with database.writing() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": VERSION_TABLE,
                "fn": lambda revision, _context: scripts._upgrade_revs("0001", revision),
            },
        )
        with Operations.context(context):
            context.run_migrations()
        connection.execute(
            sa.text("INSERT INTO config VALUES ('h', 'floor: 0.1', :at)"), {"at": NOW}
        )
        connection.execute(sa.text("INSERT INTO monitor VALUES ('m', 'h')"))
        for number, text in enumerate(('{"fault":true}', '{"fault":false}', "damaged")):
            interval = key(number).interval
            connection.execute(
                sa.text(
                    "INSERT INTO result VALUES (:id, 'm', '', 'features', :start, :end, 'h', 1,"
                    " true, 'none', :text, 'x', '0.1.0', :at)"
                ).bindparams(
                    sa.bindparam("start", type_=sa.DateTime(timezone=True)),
                    sa.bindparam("end", type_=sa.DateTime(timezone=True)),
                    sa.bindparam("at", type_=sa.DateTime(timezone=True)),
                ),
                {
                    "id": f"d{number}", "start": interval.start, "end": interval.end,
                    "text": text, "at": NOW,
                },
            )  # fmt: skip
    database.close()


def test_tables_of_the_first_version_become_those_of_now_with_all_they_hold(url):
    old_store(url)
    with open_for_checks(url, migrate="auto", clock=lambda: NOW) as store:
        assert version(store.database) == head()
        assert [(r.id, r.fault, r.key) for r in store.list_results()] == [
            ("d0", True, key(0)), ("d1", False, key(1)), ("d2", False, key(2)),
        ]  # fmt: skip
        store.put_snapshot(key(), window(1))
        store.put_result(key(), diagnosis("d9"), config_hash=store.put_config("m", "floor: 0.2"))
        assert [r.id for r in store.latest_results()] == ["d2"]


def test_sqlite_is_copied_before_and_brought_up_to_date_unless_that_is_left_to_people(tmp_path):
    url = f"sqlite:///{tmp_path}/w.db"
    old_store(url)
    with (
        pytest.raises(StoreError, match="whydrift store migrate"),
        open_for_checks(url, migrate="manual"),
    ):
        pass
    with open_for_checks(url):
        pass
    copy = tmp_path / "w.db-0001.backup"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    before = open_database(f"sqlite:///{copy}", create=False)
    assert version(before) == "0001"
    before.close()


def test_postgresql_is_brought_up_to_date_only_where_that_is_said(postgres):
    url = postgres.new_schema()
    old_store(url)
    with pytest.raises(StoreError, match="whydrift store migrate"), open_for_checks(url):
        pass


def test_a_copy_that_cannot_be_made_leaves_the_tables_as_they_were(tmp_path):
    url = f"sqlite:///{tmp_path}/w.db"
    old_store(url)
    (tmp_path / "w.db-0001.backup").mkdir()
    with pytest.raises(StoreError, match=r"0001\.backup"), open_for_checks(url):
        pass
    database = open_database(url, create=False)
    assert version(database) == "0001"
    database.close()


def test_a_second_process_on_a_file_is_refused_until_the_first_is_dead(tmp_path):
    url = f"sqlite:///{tmp_path}/w.db"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, url],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    with pytest.raises(StoreError, match=rf"process {holder.pid}\) works on this store"):
        open_for_checks(url).__enter__()
    with open_store(url) as store:  # what only asks is not refused
        assert check(store) == []
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    with open_for_checks(url), pytest.raises(StoreError, match=f"process {os.getpid()}"):
        open_for_checks(url).__enter__()
    with open_for_checks(url):
        pass


def test_several_processes_share_a_store_in_postgresql(postgres):
    url = postgres.new_schema()
    with open_for_checks(url) as one, open_for_checks(url) as two:
        assert one.take_lease("m", "a", seconds=60)
        assert two.take_lease("m", "b", seconds=60) is None
