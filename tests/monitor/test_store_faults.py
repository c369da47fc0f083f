"""A full disk, a lock that is held, a server that goes away: told, nothing half, then it works."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.monitor.conftest import NOW, diagnosis, key, window
from tests.monitor.test_store_memory import everything, settlement
from whydrift.discovery.errors import StoreError
from whydrift.monitor.store import engine, open_store, settle
from whydrift.monitor.store.check import check
from whydrift.monitor.store.statements import lock_monitor

ROOT = Path(__file__).parent.parent.parent

# The disk has no room, or files may not grow beyond a limit; then it has, or they may.
FULL = """
import json, os, resource, sys
from pathlib import Path
from tests.monitor.conftest import NOW, diagnosis, key, window
from tests.monitor.test_store_memory import everything, settlement
from whydrift.discovery.errors import StoreError
from whydrift.monitor.store import open_store
from whydrift.monitor.store.check import check

folder, how = Path(sys.argv[1]), sys.argv[2]
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

def fill():
    if how == "limit":
        largest = max(p.stat().st_size for p in folder.glob("w.db*"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest + 20_000, hard))
        return
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_bsize
    (folder / "ballast").write_bytes(bytes(free - 20_000))

def make_room():
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    (folder / "ballast").unlink(missing_ok=True)

with open_store(f"sqlite:///{folder}/w.db", clock=lambda: NOW) as store:
    store.settle(settlement(store, 0), None)
    found = settlement(store, 1, results={"": diagnosis("d") | {"summary": "x" * 200_000}})
    writes = (
        lambda: store.settle(found, None),
        lambda: store.put_snapshot(key(1), window(1, rows=2000, columns=80)),
    )
    before, told = everything(store), []
    fill()
    for write in (*writes, *writes):
        try:
            write()
        except StoreError as error:
            told.append([error.what, error.remedy])
    is_as_before = everything(store) == before
    make_room()
    for write in writes:
        write()
    problems = [p.to_dict() for p in check(store)]
    print(json.dumps({"told": told, "is_as_before": is_as_before, "problems": problems,
                      "visits": len(store.list_visits("m"))}))
"""


@pytest.mark.parametrize("how", ["limit", "tmpfs"])
def test_a_full_disk_is_told_and_the_next_try_works(tmp_path, how):
    command = [sys.executable, "-c", FULL, str(tmp_path), how]
    if how == "tmpfs":
        mounted = f"mount -t tmpfs -o size=6m none {tmp_path} && "
        inside = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
        if subprocess.run([*inside, f"{mounted} true"], check=False).returncode:
            pytest.skip("a small disk cannot be mounted here")
        command = [*inside, f'{mounted} exec "$@"', "sh", *command]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found["told"]) == 4 and found["is_as_before"]
    for what, remedy in found["told"]:
        assert "disk" in what or "file too large" in what or "no space left" in what
        assert "room" in remedy
    assert found["visits"] == 2 and found["problems"] == []


def test_a_file_that_another_program_holds_is_told_and_the_next_try_works(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "_BUSY_SECONDS", 0.2)
    with open_store(f"sqlite:///{tmp_path}/w.db", clock=lambda: NOW) as store:
        found = settlement(store)
        before = everything(store)
        other = sqlite3.connect(tmp_path / "w.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"locked.*Another process is writing"):
            store.settle(found, None)
        assert everything(store) == before  # nobody who only reads waits
        other.execute("ROLLBACK")
        other.close()
        store.settle(found, None)
        assert len(store.list_visits("m")) == 1


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_a_file_that_is_no_longer_the_one_that_was_opened_is_told(tmp_path, how):
    path, aside = tmp_path / "w.db", tmp_path / "aside.db"
    with open_store(f"sqlite:///{path}", clock=lambda: NOW) as store:
        found = settlement(store)
        store.settle(found, None)
        path.rename(aside)
        if how == "replaced":
            open_store(f"sqlite:///{path}").close()
        for ask in (lambda: store.settle(found, None), lambda: store.list_visits("m")):
            with pytest.raises(StoreError, match=rf"was {how} while it was open.*start it again"):
                ask()
            # A thread of its own has a connection of its own, that sees it too.
            with ThreadPoolExecutor(1) as other, pytest.raises(StoreError, match=how):
                other.submit(ask).result()
        if how == "deleted":
            assert not path.exists()  # nor was an empty one made
            aside.rename(path)
            assert len(store.list_visits("m")) == 1


def test_a_row_that_another_process_holds_is_told_and_the_next_try_works(postgres):
    url = f"{postgres.new_schema()}%20-c%20lock_timeout%3D100ms"
    with open_store(url, clock=lambda: NOW) as store, open_store(url) as other:
        found = settlement(store)
        with other.database.writing() as connection:
            lock_monitor(connection, "m")
            with pytest.raises(StoreError, match=r"lock timeout.*Another process is writing"):
                store.settle(found, None)
        store.settle(found, None)
        assert len(store.list_visits("m")) == 1


@pytest.mark.parametrize("moment", ["before", "amid", "away"])
def test_a_server_restarted_under_a_settlement_is_told_and_the_next_try_works(
    postgres, monkeypatch, moment
):
    with open_store(postgres.new_schema(), clock=lambda: NOW) as store:
        found = settlement(store)
        before = everything(store)
        lease = store.take_lease("m", "a", seconds=600)
        if moment == "before":  # a connection of the pool that is dead is replaced unnoticed
            postgres.restart()
            store.settle(found, lease)
        if moment == "amid":
            real = settle.outbox.put

            def put(*arguments, **named):
                real(*arguments, **named)
                postgres.restart()

            with monkeypatch.context() as patched:
                patched.setattr(settle.outbox, "put", put)
                with pytest.raises(StoreError, match="See that the server runs"):
                    store.settle(found, lease)
            assert everything(store) == before
            store.settle(found, lease)
        if moment == "away":
            postgres.stop()
            try:
                for _ in range(2):
                    with pytest.raises(StoreError, match="See that the server runs"):
                        store.settle(found, lease)
            finally:
                postgres.start()
            assert everything(store) == before
            store.settle(found, lease)
        assert len(store.list_visits("m")) == 1 and store.outbox_pending() == {"hook": 1}
        assert check(store) == []


def test_threads_that_settle_at_once_count_each_check_once(store):
    found = [settlement(store, hour, rows=10) for hour in range(6)]
    errors: list[BaseException] = []

    def work(mine) -> None:
        try:
            for one in mine:
                store.settle(one, None)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(found,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    state = store.get_state("m")
    assert state.source_rows == 60 and len(store.list_results(current=None)) == 6
    assert store.outbox_pending() == {"hook": 6} and len(store.list_alerts()) == 1


def test_a_check_whose_window_was_kept_but_not_settled_is_settled_at_the_next_try(store):
    # What kill -9 leaves between the two transactions.
    store.put_snapshot(key(), window(1))
    assert store.list_visits("m") == ()
    store.put_snapshot(key(), window(1))
    store.settle(settlement(store, results={"": diagnosis("d")}), None)
    assert len(store.list_snapshots(current=None)) == 1 and len(store.list_visits("m")) == 1
