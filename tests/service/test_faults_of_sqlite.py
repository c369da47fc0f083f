"""One real daemon on a file of SQLite's: what can happen to file, disk and clock."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.served import served, until
from tests.service.world import HOUR, assert_whole, done, lately, written
from whydrift.monitor.store import open_store

HOURS = 6

# The same daemon on a clock that can jump: it is as many seconds ahead as a file says.
JUMPING = """
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from whydrift.monitor.cli.entry import run
from whydrift.monitor.service import serve

def clock():
    return datetime.now(UTC) + timedelta(seconds=float(Path(ahead).read_text()))

ahead, *words = sys.argv[1:]
serve.begin = partial(serve.begin, clock=clock)
sys.exit(run(words))
"""


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


def test_files_that_may_not_grow_are_an_error_until_they_may(tmp_path: Path):
    """As on a full disk, or beyond a quota; no right is needed to bring it about."""
    url = f"sqlite:///{tmp_path}/whydrift.db"
    path = written(tmp_path, url, ["m0"])
    with served(path) as daemon:
        daemon.ready()
        processes = [daemon.process.pid, *daemon.workers()]
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        largest = max(file.stat().st_size for file in tmp_path.glob("whydrift.db*"))
        for pid in processes:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest + 20_000, before[1]))
        until(
            lambda: "See that the disk has room" in daemon.log.read_text(), of=daemon.log.read_text
        )
        assert daemon.get("/metrics")[0] == 200 and daemon.get("/-/healthy")[0] == 200
        for pid in {*processes, *daemon.workers()}:
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
        with open_store(url, create=False) as store:
            until(lambda: done(store, ["m0"]) == HOURS - 2, of=daemon.log.read_text)
            assert_whole(store, ["m0"])
        assert daemon.end() == 0


def test_a_store_that_was_moved_away_is_told_and_judged_on_where_it_comes_back(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/whydrift.db"
    path = written(tmp_path, url, ["m0"])
    with served(path) as daemon:
        daemon.ready()
        (tmp_path / "whydrift.db").rename(tmp_path / "aside")
        until(lambda: daemon.lines("tick_failed"), of=daemon.log.read_text)
        assert "was deleted while it was open" in daemon.log.read_text()
        until(lambda: daemon.metric("whydrift_store_up") == 0, of=daemon.log.read_text)
        assert not (tmp_path / "whydrift.db").exists()
        (tmp_path / "aside").rename(tmp_path / "whydrift.db")
        with open_store(url, create=False) as store:
            until(lambda: done(store, ["m0"]) == HOURS - 2, of=daemon.log.read_text)
            assert_whole(store, ["m0"])
        until(lambda: daemon.metric("whydrift_store_up") == 1, of=daemon.log.read_text)
        assert daemon.end() == 0


def test_with_its_lock_deleted_two_daemons_share_a_file_and_judge_nothing_twice(tmp_path: Path):
    url, names = f"sqlite:///{tmp_path}/whydrift.db", ["m0", "m1", "m2"]
    path = written(tmp_path, url, names)
    with served(path) as first, open_store(url) as store:
        first.ready()
        (tmp_path / "whydrift.db-lock").unlink()
        with served(path) as second:
            second.ready()
            first.said("leases_lost")  # the second took what it thought was a dead one's
            until(lambda: done(store, names) == 3 * (HOURS - 2), of=second.log.read_text)
            assert_whole(store, names)
            assert second.end() == 0
        until(lambda: first.metric('whydrift_lease_held{monitor="m0"}') == 1)
        assert first.end() == 0


def test_a_signal_that_another_thread_gets_ends_the_daemon_too(tmp_path: Path):
    """The kernel chooses the thread; Python calls handlers on the main one, once that runs."""
    path = written(tmp_path, f"sqlite:///{tmp_path}/whydrift.db", ["m0"])
    with served(path) as daemon:
        daemon.ready()
        pid = daemon.process.pid
        threads = [int(one.name) for one in Path(f"/proc/{pid}/task").iterdir()]
        os.kill(max(threads), signal.SIGTERM)
        assert daemon.process.wait(30) == 0
        assert daemon.lines("stopped")


def test_a_clock_that_jumps_back_and_forth_judges_each_window_once(tmp_path: Path):
    url, ahead = f"sqlite:///{tmp_path}/whydrift.db", tmp_path / "ahead"
    path = written(tmp_path, url, ["m0"])
    ahead.write_text("0")

    def jump(hours: int) -> None:
        whole = tmp_path / "jump"
        whole.write_text(str(hours * 3600))
        whole.rename(ahead)

    with served(path, program=("-c", JUMPING, str(ahead))) as daemon, open_store(url) as store:
        daemon.ready()
        last = lately(0)
        until(lambda: done(store, ["m0"]) == HOURS - 2, of=daemon.log.read_text)
        before = store.list_visits("m0", end=last)
        jump(-5)
        until(
            lambda: (
                (daemon.metric("whydrift_scheduler_heartbeat_timestamp_seconds") or 0)
                < (last - 4 * HOUR).timestamp()
            ),
            of=daemon.log.read_text,
        )
        jump(2)  # windows of hours that have no files yet come due
        until(lambda: len(store.list_visits("m0", start=last)) >= 2, of=daemon.log.read_text)
        jump(-3)
        jump(0)
        assert store.list_visits("m0", end=last)[: len(before)] == before
        assert daemon.get("/-/healthy")[0] == 200
        assert daemon.end() == 0
