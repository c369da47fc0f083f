"""Two real daemons on one real PostgreSQL, which is restarted under them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.postgres import Postgres
from tests.service.served import Served, served, until
from tests.service.world import (
    FINAL,
    HOUR,
    assert_whole,
    configuration,
    done,
    lately,
    slow,
    written,
)  # fmt: skip
from whydrift.monitor.store import Store, open_store

NAMES = ["m0", "m1", "m2"]
HOURS = 6


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


def test_a_check_in_the_midst_of_which_the_database_restarts_is_done_once(
    tmp_path: Path, postgres: Postgres
):
    url, begin = postgres.new_schema(), lately(HOURS)
    path = tmp_path / "whydrift.yaml"
    path.write_text(
        configuration(url, slow("m0", tmp_path, begin=begin), more="checks: {workers: 1}\n")
    )
    with open_store(url) as store, served(path) as daemon:
        daemon.ready()
        until(lambda: daemon.lines("check_finished"), of=daemon.log.read_text)
        until(lambda: daemon.metric("whydrift_workers_busy") == 1, of=daemon.log.read_text)
        postgres.restart()
        # It goes on by a connection of its own, or is done again after half a minute.
        last = begin + HOURS * HOUR
        until(
            lambda: [v.outcome.value in FINAL for v in store.list_visits("m0", end=last)]
            == [True] * (HOURS - 2),
            300, of=daemon.log.read_text,
        )  # fmt: skip
        results = store.list_results(monitor="m0", end=last, current=None)
        assert len(results) == len({r.key.interval for r in results}) == HOURS - 4
        assert daemon.end() == 0
