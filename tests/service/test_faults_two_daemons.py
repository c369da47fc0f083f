"""Two real daemons on one real PostgreSQL, which is restarted under them, and one on SQLite."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.postgres import Postgres
from tests.service.served import Served, served, until
from tests.service.world import configuration, lately, monitor, write_hours
from whydrift.monitor.store import Store, open_store

NAMES = ["m0", "m1", "m2"]
HOURS = 6
FINAL = {"ok", "drift", "undetermined"}
CHECKS = "checks: {workers: 1, timeout: 60s, lease: 5s}\n"


def written(folder: Path, url: str, names: list[str], hours: int = HOURS) -> Path:
    begin = lately(hours)
    for name in names:
        write_hours(folder / name, 2, hours, begin=begin)
    monitors = "".join(monitor(name, folder / name, begin=begin) for name in names)
    path = folder / "whydrift.yaml"
    path.write_text(configuration(url, monitors, more=CHECKS))
    return path


def done(store: Store, names: list[str]) -> int:
    return sum(v.outcome.value in FINAL for name in names for v in store.list_visits(name))


def assert_whole(store: Store, names: list[str], hours: int = HOURS) -> None:
    """Each window was visited, and judged once."""
    for name in names:
        visits = store.list_visits(name)
        assert len(visits) >= hours - 2 and all(v.outcome.value in FINAL for v in visits), visits
        results = store.list_results(monitor=name, current=None)
        judged = [(r.key.interval, r.key.segment, r.stage) for r in results]
        assert len(judged) == len({*judged}), judged


@pytest.fixture
def pair(tmp_path: Path, postgres: Postgres) -> Iterator[tuple[Served, Served, Store]]:
    url = postgres.new_schema()
    path = written(tmp_path, url, NAMES)
    with ExitStack() as stack:
        store = stack.enter_context(open_store(url))
        first, second = (stack.enter_context(served(path)) for _ in range(2))
        yield first.ready(), second.ready(), store


def test_one_takes_over_from_one_that_was_killed_and_nothing_is_judged_twice(
    pair: tuple[Served, Served, Store],
):
    first, second, store = pair
    until(lambda: len({lease.holder for lease in store.list_leases()}) == 2)
    until(lambda: done(store, NAMES) >= 3, of=lambda: first.log.read_text())
    first.process.kill()
    first.process.wait()
    killed = time.monotonic()

    def held() -> float:
        return sum(second.metric(f'whydrift_lease_held{{monitor="{n}"}}') or 0 for n in NAMES)

    def holders() -> list[str]:
        return [lease.holder for lease in store.list_leases() if lease.monitor in NAMES]

    until(lambda: len(holders()) == len(NAMES) and len({*holders()}) == 1)
    # The lease's 5 s, a turn of the one who takes over, and what a busy machine adds.
    assert time.monotonic() - killed < 30
    until(lambda: held() == len(NAMES))
    until(lambda: done(store, NAMES) == len(NAMES) * (HOURS - 2), of=second.log.read_text)
    assert_whole(store, NAMES)
    assert second.end() == 0
    assert not store.list_leases()  # given up at once


def test_a_database_restarted_in_the_midst_loses_nothing(
    pair: tuple[Served, Served, Store], postgres: Postgres
):
    first, second, store = pair
    until(lambda: done(store, NAMES) >= 2, of=lambda: first.log.read_text())
    postgres.stop()
    until(lambda: first.lines("tick_failed") or second.lines("tick_failed"))
    # Metrics and pages go on with what was last read.
    for one in (first, second):
        assert one.get("/metrics")[0] == 200 and one.get("/-/healthy")[0] == 200
    until(lambda: first.metric("whydrift_store_up") == 0)
    postgres.start()
    until(lambda: first.metric("whydrift_store_up") == 1)
    # What failed is done again after a pause of half a minute; it is not waited for here.
    until(lambda: done(store, NAMES) >= 4, of=lambda: first.log.read_text())
    assert first.get("/-/ready")[0] == 200


def test_a_store_that_another_process_has_locked_is_waited_for(tmp_path: Path):
    path = written(tmp_path, f"sqlite:///{tmp_path}/whydrift.db", ["m0"])
    with served(path) as daemon:
        daemon.ready()
        with open_store(f"sqlite:///{tmp_path}/whydrift.db", create=False) as store:
            locker = sqlite3.connect(tmp_path / "whydrift.db", isolation_level=None)
            locker.execute("BEGIN IMMEDIATE")
            began = time.monotonic()
            while time.monotonic() - began < 3:
                assert daemon.get("/metrics")[0] == 200
                time.sleep(0.1)
            locker.execute("ROLLBACK")
            locker.close()
            until(lambda: done(store, ["m0"]) == HOURS - 2, of=lambda: daemon.log.read_text())
            assert_whole(store, ["m0"])
        assert not daemon.lines("check_failed") and not daemon.lines("tick_failed")


def test_killed_and_started_again_it_goes_on_where_it_was(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/whydrift.db"
    path = written(tmp_path, url, ["m0", "m1"])
    for kills in range(2):
        with served(path) as daemon, open_store(url) as store:
            daemon.ready()
            # Its leases are free at once: the lock tells that whoever held them is dead.
            until(lambda kills=kills, store=store: done(store, ["m0", "m1"]) > 3 * kills)
            daemon.process.kill()
            daemon.process.wait()
    with served(path) as daemon, open_store(url) as store:
        until(lambda: done(store, ["m0", "m1"]) == 2 * (HOURS - 2), of=daemon.log.read_text)
        assert_whole(store, ["m0", "m1"])
        assert daemon.end() == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small file system takes root, and a kernel that lets it mount one")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_is_an_error_until_there_is_room(tmp_path: Path, small_disk: Path):
    url = f"sqlite:///{small_disk}/whydrift.db"
    path = written(tmp_path, url, ["m0"])
    with served(path) as daemon:
        daemon.ready()
        filler = small_disk / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as rest:
            while True:
                rest.write(bytes(4096))
        # Of a check, or of what keeps the leases: whoever writes first.
        until(lambda: "disk is full" in daemon.log.read_text(), of=lambda: daemon.log.read_text())
        assert "Make room on the disk" in daemon.log.read_text()
        assert daemon.get("/metrics")[0] == 200
        filler.unlink(missing_ok=True)
        with open_store(url, create=False) as store:
            until(lambda: done(store, ["m0"]) == HOURS - 2, of=daemon.log.read_text)
        assert daemon.end(signal.SIGTERM) == 0
