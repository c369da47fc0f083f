"""Leases of several daemons on one real database, on a clock of their own for what is local."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.postgres import Postgres
from whydrift.monitor.service.holdings import Changed, Holdings
from whydrift.monitor.store import Store, open_store

MONITORS = [f"m{i}" for i in range(5)]
NOBODY: frozenset[str] = frozenset()


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def shared(postgres: Postgres):
    with open_store(postgres.new_schema()) as store:
        yield store


def holdings(store: Store, name: str, *, alone: bool = False, seconds: float = 60) -> Holdings:
    return Holdings(store, name, seconds=seconds, is_alone=alone)


def test_one_that_is_alone_takes_all_at_once_even_what_a_dead_one_held(tmp_path: Path):
    with open_store(f"sqlite:///{tmp_path}/whydrift.db") as store:
        dead = holdings(store, "dead", alone=True)
        dead.turn(MONITORS, NOBODY)
        tokens = {name: dead.get(name).token for name in MONITORS}
        heir = holdings(store, "heir", alone=True)
        assert heir.turn(MONITORS, NOBODY) == Changed(taken=(*MONITORS,))
        assert all(heir.get(name).token > tokens[name] for name in MONITORS)
        assert dead.turn(MONITORS, NOBODY).lost == (*MONITORS,)


def test_daemons_share_the_monitors_and_each_is_held_by_one(shared: Store):
    first, second = holdings(shared, "first"), holdings(shared, "second")
    assert first.turn(MONITORS, NOBODY).taken == (*MONITORS,)
    second.turn(MONITORS, NOBODY)  # from now on the first knows of it
    assert second.monitors == NOBODY
    # What is being judged is kept, whatever the share.
    given = first.turn(MONITORS, {"m4"}).released
    assert given == ("m3", "m2")
    assert set(second.turn(MONITORS, NOBODY).taken) == {"m2", "m3"}
    assert first.turn(MONITORS, NOBODY) == second.turn(MONITORS, NOBODY) == Changed()
    assert first.monitors | second.monitors == {*MONITORS}
    assert not first.monitors & second.monitors


def test_what_one_gives_up_at_its_end_the_other_takes_at_its_next_turn(shared: Store):
    first, second = holdings(shared, "first"), holdings(shared, "second")
    for one in (first, second, first, second):
        one.turn(MONITORS, NOBODY)
    first.release_all()
    assert first.monitors == NOBODY
    second.turn(MONITORS, NOBODY)
    assert second.monitors == {*MONITORS}


def test_monitors_that_the_configuration_lost_are_given_up_when_they_are_idle(shared: Store):
    one = holdings(shared, "one")
    one.turn(MONITORS, NOBODY)
    assert one.turn(MONITORS[:3], {"m4"}).released == ("m3",)
    assert one.turn(MONITORS[:3], NOBODY).released == ("m4",)


def test_what_nobody_else_takes_is_taken_beyond_the_share(shared: Store):
    seconds = Seconds()
    one = Holdings(shared, "one", seconds=60, is_alone=False, monotonic=seconds)
    # It knows none of these monitors, as in the midst of a rolling upgrade.
    other = holdings(shared, "other")
    one.turn(MONITORS, NOBODY)
    other.turn(["another"], NOBODY)
    one.turn(MONITORS, NOBODY)
    assert len(one.monitors) == 3
    seconds.now = 59
    one.turn(MONITORS, NOBODY)
    seconds.now = 61
    one.turn(MONITORS, NOBODY)
    assert len(one.monitors) == 5


def test_a_lease_that_cannot_be_renewed_is_lost_when_its_time_is_up(tmp_path: Path):
    from whydrift.discovery.errors import StoreError

    seconds = Seconds()
    path = tmp_path / "whydrift.db"
    with open_store(f"sqlite:///{path}") as store:
        one = Holdings(store, "one", seconds=60, is_alone=True, monotonic=seconds)
        one.turn(MONITORS, NOBODY)
        with store.database.writing() as connection:
            connection.exec_driver_sql("ALTER TABLE lease RENAME TO gone")
        seconds.now = 30
        with pytest.raises(StoreError):
            one.turn(MONITORS, NOBODY)
        assert one.get("m0") is not None
        seconds.now = 61
        assert one.get("m0") is None
        assert one.expire() == (*MONITORS,) and not one.monitors
