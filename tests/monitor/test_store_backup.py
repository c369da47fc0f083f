"""A copy of a store is a store, however much goes on meanwhile."""

from __future__ import annotations

import shlex
import stat
import subprocess
import threading

import pytest

from tests.monitor.conftest import NOW, key, window
from tests.monitor.test_store_memory import settlement
from tests.postgres import _program
from tests.servers import absent
from whydrift.discovery.errors import StoreError
from whydrift.monitor.store import open_store
from whydrift.monitor.store.backup import back_up, default_path
from whydrift.monitor.store.check import check
from whydrift.monitor.store.collect import collect
from whydrift.monitor.store.digest import digest
from whydrift.monitor.store.retention import Keep
from whydrift.monitor.window.duration import Duration

LARGE = {"rows": 2000, "columns": 80}


@pytest.fixture
def filled(tmp_path):
    with open_store(f"sqlite:///{tmp_path}/w.db", clock=lambda: NOW) as store:
        for hour in range(3):
            store.put_snapshot(key(hour), window(hour, **LARGE))
        store.settle(settlement(store), None)
        yield store


def test_a_copy_opens_as_a_store_of_the_same_history_and_only_its_owner_reads_it(filled, tmp_path):
    done = back_up(filled.database, tmp_path / "copy.db", now=NOW)
    assert done.files == 3 and done.bytes > 3 << 20
    folder = tmp_path / "copy.db-snapshots"
    assert [stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "copy.db", folder)] == [
        0o600, 0o700,
    ]  # fmt: skip
    assert {stat.S_IMODE(p.stat().st_mode) for p in folder.iterdir()} == {0o600}
    with open_store(f"sqlite:///{tmp_path}/copy.db", create=False) as copy:
        assert check(copy) == [] and digest(copy) == digest(filled)
        assert copy.get_snapshot(copy.find_snapshot(key(2))).rows == 2000


def test_a_copy_put_in_the_place_of_a_store_is_that_store(filled, tmp_path):
    back_up(filled.database, tmp_path / "copy.db", now=NOW)
    before = digest(filled)
    filled.put_snapshot(key(9), window(9))
    filled.close()
    for left in tmp_path.glob("w.db*"):
        if left.is_dir():
            for file in left.iterdir():
                file.unlink()
            left.rmdir()
        else:
            left.unlink()
    (tmp_path / "copy.db").rename(tmp_path / "w.db")
    (tmp_path / "copy.db-snapshots").rename(tmp_path / "w.db-snapshots")
    with open_store(f"sqlite:///{tmp_path}/w.db", create=False) as restored:
        assert check(restored) == [] and digest(restored) == before


def test_a_copy_made_while_others_write_and_delete_is_whole(filled, tmp_path):
    stop = threading.Event()
    none = Duration(0, "d")

    def write() -> None:
        with open_store(f"sqlite:///{tmp_path}/w.db", clock=lambda: NOW) as other:
            turn = 0
            while not stop.is_set():
                other.put_snapshot(key(turn % 3), window(turn, **LARGE))
                collect(other, Keep(none, none, none), now=NOW)
                turn += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            back_up(filled.database, tmp_path / f"copy{number}.db", now=NOW)
    finally:
        stop.set()
        writer.join()
    for number in range(5):
        with open_store(f"sqlite:///{tmp_path}/copy{number}.db", create=False) as copy:
            assert check(copy) == []


def test_a_copy_overwrites_nothing_and_one_that_fails_leaves_nothing(filled, tmp_path, monkeypatch):
    (tmp_path / "there.db").write_text("mine")
    with pytest.raises(StoreError, match="something already"):
        back_up(filled.database, tmp_path / "there.db", now=NOW)
    with pytest.raises(StoreError, match="no such file"):
        back_up(filled.database, tmp_path / "nowhere" / "copy.db", now=NOW)
    (name, *_) = filled.content.files()
    (filled.content.folder / name).unlink()
    before = sorted(p.name for p in tmp_path.iterdir())
    with pytest.raises(StoreError, match="store check"):
        back_up(filled.database, tmp_path / "copy.db", now=NOW)
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_the_command_that_is_told_for_postgresql_makes_a_dump_that_restores(postgres, tmp_path):
    names = [postgres.new_database() for _ in range(2)]
    tools = {name: _program(name) for name in ("pg_dump", "pg_restore")}
    if None in tools.values():
        absent("pg_dump is not installed (on Debian: apt-get install postgresql-client)")
    with open_store(postgres.url(names[0]), clock=lambda: NOW) as store:
        store.put_snapshot(key(), window(1, **LARGE))
        store.settle(settlement(store), None)
        with pytest.raises(StoreError) as told:
            back_up(store.database, tmp_path / "copy.dump", now=NOW)
        command = shlex.split(told.value.remedy)
        assert command[0] == "pg_dump"
        subprocess.run([tools["pg_dump"], *command[1:]], cwd=tmp_path, check=True)
        (dump,) = tmp_path.glob("*.dump")
        address = postgres.url(names[1], driver="postgresql")
        subprocess.run([tools["pg_restore"], f"--dbname={address}", dump], check=True)
        with open_store(postgres.url(names[1]), create=False) as restored:
            assert check(restored) == [] and digest(restored) == digest(store)


def test_for_postgresql_the_command_is_told_without_the_password(postgres):
    with open_store(postgres.url(postgres.new_database())) as store:
        with pytest.raises(StoreError, match=r"pg_dump --format=custom") as told:
            default_path(store.database, NOW)
        assert "secret" not in str(told.value)
        assert f"postgresql://postgres@127.0.0.1:{postgres.port}/" in str(told.value)
