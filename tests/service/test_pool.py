"""Workers are real processes here: whatever one of them does, the others go on."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import subprocess
import sys
import termios
import time
from array import array
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from tests.service.crafts import Odd
from tests.service.served import until as wait_until
from whydrift.monitor.service import pool as pool_module
from whydrift.monitor.service.pool import Ended, Limits, Pool, TroubleKind

LIMITS = Limits(seconds=60, memory=400 << 20, tasks=1000)
Started = Callable[..., Pool[Any, Any]]


@pytest.fixture
def started() -> Iterator[Started]:
    pools: list[Pool[Any, Any]] = []

    def start(workers: int = 1, limits: Limits = LIMITS, craft: Odd | None = None) -> Any:
        pools.append(Pool(craft or Odd(), workers, limits))
        return pools[-1]

    yield start
    for pool in pools:
        pool.close()


def ended(pool: Pool[Any, Any], count: int = 1, seconds: float = 300) -> list[Ended[Any, Any]]:
    found: list[Ended[Any, Any]] = []
    until = time.monotonic() + seconds
    while len(found) < count:
        assert time.monotonic() < until, found
        found += pool.wait(0.5)
    return found


def one(pool: Pool[Any, Any], *task: Any) -> Ended[Any, Any]:
    until = time.monotonic() + 300
    while not pool.idle:
        assert time.monotonic() < until
        assert not pool.wait(0.1)
    pool.begin(task)
    (over,) = ended(pool)
    assert over.task == task
    return over


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    except FileNotFoundError:
        return True


def test_a_worker_lives_on_from_task_to_task_and_computes_in_one_thread(started: Started):
    pool = started()
    pids = {one(pool, "pid", i).result for i in range(5)}
    assert pids == {*pool.processes} and pids != {os.getpid()}
    assert one(pool, "environment", "OPENBLAS_NUM_THREADS").result == "1"


def test_a_task_that_hangs_is_ended_and_its_neighbour_never_notices(started: Started):
    pool = started(2, Limits(seconds=2.0, memory=1 << 30, tasks=1000))
    one(pool, "pid")
    pool.begin(("sleep", 100))
    pids = [one(pool, "pid", i).result for i in range(3)]  # while the other hangs
    assert len({*pids}) == 1
    (over,) = ended(pool)
    assert over.trouble is not None and over.trouble.kind is TroubleKind.TIMEOUT
    assert "checks.timeout" in str(over.trouble)
    assert one(pool, "pid").trouble is None
    assert pool.idle == 2


def test_a_task_that_eats_all_memory_is_ended_before_it_hurts_the_machine(started: Started):
    pool = started(1, Limits(seconds=60, memory=200 << 20, tasks=1000))
    over = one(pool, "eat")
    assert over.trouble is not None and over.trouble.kind is TroubleKind.MEMORY
    assert "200 MiB" in over.trouble.text and "checks.memory" in over.trouble.remedy
    # One allocation that could never fit fails at once, and its process is replaced too.
    over = one(pool, "eat at once")
    assert over.trouble is not None and over.trouble.kind is TroubleKind.MEMORY
    assert one(pool, "pid").trouble is None


@pytest.mark.parametrize(
    ("task", "says"),
    [(("exit", 3), "left with status 3"), (("kill",), "ended by SIGKILL")],
)
def test_a_worker_that_is_gone_is_replaced(started: Started, task: Any, says: str):
    pool = started()
    first = one(pool, "pid").result
    over = one(pool, *task)
    assert over.trouble is not None and over.trouble.kind is TroubleKind.DIED
    assert says in over.trouble.text and over.trouble.took_the_worker
    assert one(pool, "pid").result != first


@pytest.mark.parametrize(
    ("task", "says"),
    [
        (("refuse",), "a.parquet: the file is gone. Bring it back"),
        (("bug",), "ZeroDivisionError: by zero. This is a bug in whydrift: please report it"),
        (("unpicklable",), "lambda"),
        (("unreadable",), "its result cannot be read (ValueError"),
    ],
)
def test_what_a_task_raises_is_told_and_its_worker_works_on(started: Started, task: Any, says: str):
    pool = started()
    first = one(pool, "pid").result
    over = one(pool, *task)
    assert over.trouble is not None and over.trouble.kind is TroubleKind.FAILED
    assert says in str(over.trouble)
    assert one(pool, "pid").result == first


def test_a_worker_idle_and_killed_from_outside_is_replaced_without_a_task_lost(started: Started):
    pool = started()
    first = one(pool, "pid").result
    os.kill(first, signal.SIGKILL)
    pool.wait(0.2)
    assert one(pool, "pid").result != first


def test_where_no_process_can_be_had_the_workers_there_are_go_on(
    started: Started, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    pool = started()
    first = one(pool, "pid").result

    def none_left() -> Any:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    with monkeypatch.context() as patched:
        patched.setattr(pool, "_started", none_left)
        pool.equip(Odd(), 2, LIMITS)
        assert one(pool, "pid").result == first
    assert [r.getMessage() for r in caplog.records] == ["worker_not_started"]
    monkeypatch.setattr(pool, "_not_before", 0.0)
    one(pool, "pid")
    assert len(pool.processes) == 2


def test_a_process_that_cannot_even_be_killed_keeps_nobody_waiting(
    started: Started, monkeypatch: pytest.MonkeyPatch
):
    pool = started(1, Limits(seconds=1.0, memory=1 << 30, tasks=1000))
    first = one(pool, "pid").result
    (worker,) = pool._at_work
    kill = worker.process.kill
    monkeypatch.setattr(worker.process, "kill", lambda: None)  # as in an uninterruptible sleep
    try:
        over = one(pool, "sleep", 100)
        assert over.trouble is not None and over.trouble.kind is TroubleKind.TIMEOUT
        assert one(pool, "pid").result != first
    finally:
        kill()


def test_a_worker_that_was_stopped_keeps_nobody_waiting_with_a_craft_it_does_not_read(
    started: Started, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pool_module, "_SECONDS_TO_PASS", 0.5)
    pool = started()
    first = one(pool, "pid").result
    os.kill(first, signal.SIGSTOP)
    pool.equip(Odd("many monitors" * 1_000_000), 1, LIMITS)
    over = one(pool, "pid")
    assert over.trouble is not None and over.trouble.kind is TroubleKind.DIED
    monkeypatch.setattr(pool_module, "_SECONDS_TO_PASS", 60.0)
    assert one(pool, "pid").result != first


def test_a_worker_that_was_stopped_amid_its_answer_keeps_nobody_waiting(
    started: Started, monkeypatch: pytest.MonkeyPatch
):
    pool = started()
    one(pool, "pid")
    (worker,) = pool._at_work
    pool.begin(("much", 10_000_000))
    wait_until(lambda: _waiting(worker.pipe) > 50_000)  # more than a pipe holds: it waits for us
    os.kill(pool.processes[0], signal.SIGSTOP)
    monkeypatch.setattr(pool_module, "_SECONDS_TO_PASS", 0.5)
    (over,) = ended(pool)
    assert over.trouble is not None and over.trouble.kind is TroubleKind.DIED
    monkeypatch.setattr(pool_module, "_SECONDS_TO_PASS", 60.0)
    assert len(one(pool, "much", 10_000_000).result) == 10_000_000


def _waiting(pipe: Connection) -> int:
    """Return how many bytes wait to be read."""
    found = array("i", [0])
    fcntl.ioctl(pipe.fileno(), termios.FIONREAD, found)
    return found[0]


def test_a_worker_is_replaced_after_its_number_of_tasks(started: Started):
    pool = started(1, Limits(seconds=20, memory=1 << 30, tasks=2))
    pids = [one(pool, "pid", i).result for i in range(4)]
    assert pids[0] == pids[1] != pids[2] == pids[3]


def test_a_new_craft_holds_for_tasks_that_begin_after_it(started: Started):
    pool = started(2)
    one(pool, "name")
    pool.begin(("sleep", 0.3))
    pool.equip(Odd("second"), 1, LIMITS)
    (over,) = ended(pool)
    assert over.result == 0.3
    assert one(pool, "name").result == "second"
    assert len(pool.processes) == 1
    pool.equip(Odd("third"), 2, LIMITS)
    assert {one(pool, "name", i).result for i in range(3)} == {"third"}
    assert len(pool.processes) == 2
    pool.equip(Odd("fourth"), 1, Limits(seconds=0.5, memory=LIMITS.memory, tasks=1000))
    over = one(pool, "sleep", 100)
    assert over.trouble is not None and over.trouble.kind is TroubleKind.TIMEOUT


def test_what_cannot_be_opened_fails_the_task_and_is_tried_again(started: Started):
    pool = started(craft=Odd("locked"))
    over = one(pool, "name")
    assert over.trouble is not None and "it is locked" in str(over.trouble)
    pool.equip(Odd("free"), 1, LIMITS)
    assert one(pool, "name").result == "free"


def test_a_task_nobody_wants_any_more_is_given_up_or_ended(started: Started):
    pool = started(2)
    for _ in range(2):  # a process that is still starting cannot heed anything in time
        pool.begin(("sleep", 0.1))
    ended(pool, 2)
    pool.begin(("until cancelled",))
    pool.begin(("sleep", 100))
    pool.wait(0.2)
    pool.cancel(lambda task: True)
    heeded, killed = ended(pool, 2)
    assert heeded.result == "heeded"
    assert killed.trouble is not None and killed.trouble.kind is TroubleKind.CANCELLED


def test_lines_of_workers_reach_the_log_of_the_parent_and_know_what_they_are_about(
    started: Started, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.INFO, logger="whydrift"):
        one(started(), "log", "hello")
    spoke, library = caplog.records
    assert spoke.getMessage() == "spoke" and library.getMessage() == "careful: hello"
    assert spoke.whydrift_about == library.whydrift_about == {"monitor": "m", "window": "w"}  # type: ignore[attr-defined]


def test_a_wait_ends_when_another_thread_says_so(started: Started):
    import threading

    pool = started()
    threading.Timer(0.2, pool.wake).start()
    began = time.monotonic()
    assert pool.wait(20) == []
    assert time.monotonic() - began < 10


def test_workers_ignore_signals_meant_for_the_parent_and_die_with_it(tmp_path: Path):
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys, time\n"
        "from tests.service.crafts import Odd\n"
        "from whydrift.monitor.service.pool import Limits, Pool\n"
        "if __name__ == '__main__':\n"
        "    pool = Pool(Odd(), 1, Limits(60, 1 << 30, 100))\n"
        "    pool.begin(('pid',))\n"
        "    print(pool.wait(90)[0].result, flush=True)\n"
        "    pool.begin(('sleep', 60))\n"
        "    pool.wait(60)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    parent = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(worker, name)
        time.sleep(0.2)
        assert not is_gone(worker)
    finally:
        parent.kill()
        parent.communicate()
    until = time.monotonic() + 60
    while not is_gone(worker):
        assert time.monotonic() < until
        time.sleep(0.02)
