"""Ticks: nothing is dropped for being late, and nothing waits for another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from whydrift.discovery.errors import StoreError
from whydrift.monitor.service.ticks import Tick, ticking


def until(is_so: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_tick_that_hangs_or_fails_keeps_no_other_from_its_turns():
    turns: list[str] = []
    let_go = threading.Event()

    def hang() -> None:
        turns.append("hangs")
        let_go.wait(60)

    def fail() -> None:
        turns.append("fails")
        raise StoreError("it is locked", where="store", remedy="Wait")

    with ticking(
        [
            Tick("hangs", 0.05, hang),
            Tick("fails", 0.05, fail),
            Tick("works", 0.05, lambda: turns.append("works")),
        ]
    ):
        until(lambda: min(turns.count("works"), turns.count("fails")) >= 4)
        assert turns.count("hangs") == 1
        let_go.set()
        until(lambda: turns.count("hangs") >= 3)


def test_a_failure_is_told_once_and_so_is_its_end(caplog):
    is_broken = [True]

    def work() -> None:
        if is_broken[0]:
            raise StoreError("it is locked", where="store", remedy="Wait")

    tick = Tick("look", 1, work)
    with caplog.at_level("INFO", logger="whydrift"):
        for is_broken[0] in (True, True, True, False, False):
            tick.turn()
    assert [r.getMessage() for r in caplog.records] == ["tick_failed", "tick_works_again"]


def test_a_clock_put_back_by_an_hour_keeps_no_tick_waiting_for_an_hour():
    turns: list[float] = []
    started = time.monotonic()

    def wall() -> datetime:
        back = timedelta(hours=1) if time.monotonic() - started > 0.5 else timedelta(0)
        return datetime.now(UTC) - back

    # An hour from one turn to the next stands for a turn that the clock has put an hour away.
    with ticking([Tick("look", 3600, lambda: turns.append(1))], wall=wall):
        until(lambda: len(turns) == 2, 5)
