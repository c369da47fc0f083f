"""The daemon's turns, on a clock of the test's, with real workers, stores and files."""

from __future__ import annotations

import logging
import queue
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.building.parts import workers
from tests.service.crafts import Odd
from tests.service.world import BEGIN, HOUR, configuration, hanging, monitor, write_hours
from whydrift.discovery.errors import ConfigError, OptionError
from whydrift.monitor.service import daemon as daemon_module
from whydrift.monitor.service.board import Board
from whydrift.monitor.service.busy import Busy
from whydrift.monitor.service.checking import Checking
from whydrift.monitor.service.counters import Counters
from whydrift.monitor.service.daemon import Daemon, limits_of, write_configuration
from whydrift.monitor.service.holdings import Holdings
from whydrift.monitor.service.logs import PlainLines, Secrets, with_context
from whydrift.monitor.service.pool import Limits, Pool
from whydrift.monitor.service.reload import read_whole
from whydrift.monitor.service.run import run_checks
from whydrift.monitor.service.serve import _Began, _clean, _obey
from whydrift.monitor.service.systemd import Manager
from whydrift.monitor.store import open_store
from whydrift.monitor.store.state import CheckOutcome, VisitKind
from whydrift.monitor.window.interval import Interval


class Run:
    """A daemon, and what time it is."""

    def __init__(self, path: Path, pool: Pool[Any, Any]) -> None:
        self.path, self.pool = path, pool
        self.now: datetime = BEGIN + 6 * HOUR
        config = read_whole(path)
        url = config.store.url.get_secret_value()
        self.store = open_store(url, clock=lambda: self.now)
        write_configuration(self.store, config)
        self.counters, self.board = Counters(), Board("me")
        self.holdings = Holdings(
            self.store, "me", seconds=3600, is_alone=True
        )  # renewed by no test
        pool.equip(Checking(config), config.checks.workers, limits_of(config))
        self.daemon = Daemon(
            config,
            read_config=lambda: read_whole(path),
            store=self.store,
            holdings=self.holdings,
            pool=pool,
            clock=lambda: self.now,
            counters=self.counters,
            board=self.board,
            secrets=Secrets(),
        )
        self.daemon.keep_leases()

    def settle(self, seconds: float = 300) -> None:
        """Turn until nothing is due."""
        until = time.monotonic() + seconds
        while True:
            self.daemon.look()
            if not (self.daemon.running or self.daemon.waiting):
                self.daemon.look()
                return
            assert time.monotonic() < until
            self.daemon.drive(0.2)

    def done(self, name: str) -> list[tuple[int, VisitKind, CheckOutcome]]:
        return [
            (round((v.interval.start - BEGIN) / HOUR), v.kind, v.outcome)
            for v in self.store.list_visits(name)
        ]

    def close(self) -> None:
        self.daemon.close()
        self.store.close()


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool[Any, Any]]:
    """Workers that all tests share: each takes seconds to load what a check needs."""
    shared: Pool[Any, Any] = Pool(Odd(), 1, Limits(60, 2 << 30, 1000))
    yield shared
    shared.close()


@pytest.fixture
def started(tmp_path: Path, pool: Pool[Any, Any]) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def start(monitors: str, more: str = "checks: {workers: 1}\n") -> Run:
        path = tmp_path / "whydrift.yaml"
        path.write_text(configuration(f"sqlite:///{tmp_path}/whydrift.db", monitors, more=more))
        runs.append(Run(path, pool))
        return runs[-1]

    yield start
    for run in runs:
        run.close()


@pytest.fixture(autouse=True)
def log_lines() -> Iterator[None]:
    """Show lines as they are written, where a test fails."""
    handler = logging.StreamHandler()
    handler.setFormatter(PlainLines(Secrets()))
    handler.addFilter(with_context)
    logger = logging.getLogger("whydrift")
    logger.addHandler(handler)
    yield
    logger.removeHandler(handler)


def test_what_is_due_is_done_once_and_more_when_its_time_has_come(tmp_path: Path, started: Any):
    write_hours(tmp_path / "a", 2, 8)
    run = started(monitor("a", tmp_path / "a"))
    run.settle()
    record, features = VisitKind.RECORD, VisitKind.FEATURES
    kinds = [(hour, kind) for hour, kind, outcome in run.done("a") if outcome.is_final]
    assert kinds == [(2, record), (3, record), (4, features), (5, features)]
    run.now += 1.5 * HOUR
    run.settle()
    assert [(h, k) for h, k, _ in run.done("a")][4:] == [(6, features)]
    counted = run.counters.read()
    assert sum(counted.checks["a"].outcomes) == 5 and counted.busy == 0
    run.daemon.refresh()
    assert run.board.view.monitors["a"].newest() is not None
    assert run.daemon.why_not_ready() is None and run.daemon.is_alive()


def test_a_source_that_is_gone_is_an_error_of_its_monitor_alone(tmp_path: Path, started: Any):
    write_hours(tmp_path / "a", 2, 8)
    run = started(monitor("a", tmp_path / "a") + monitor("gone", tmp_path / "gone"))
    run.settle()
    assert len(run.done("a")) == 4
    assert {outcome for _, _, outcome in run.done("gone")} == {CheckOutcome.ERROR}
    failures = run.store.get_state("gone").consecutive_failures
    assert failures >= 1 and run.counters.read().checks["gone"].outcomes[-1] == failures
    # It comes back: what failed is done after its pause.
    write_hours(tmp_path / "gone", 2, 8)
    run.now += HOUR / 2
    run.settle()
    assert all(outcome.is_final for _, _, outcome in run.done("gone"))


def test_who_is_told_directly_hears_of_checks_that_fail_and_that_they_do_no_longer(
    tmp_path: Path, started: Any
):
    hook = "notify: [{webhook: {url: 'http://127.0.0.1:9/hook'}}]\n"
    run = started(monitor("gone", tmp_path / "gone"), f"checks: {{workers: 1}}\n{hook}")
    for _ in range(2):
        run.settle()
        run.now += HOUR / 2
    assert run.store.get_state("gone").consecutive_failures >= 3
    run.daemon.refresh()
    write_hours(tmp_path / "gone", 2, 8)
    run.settle()
    run.daemon.refresh()
    found = run.store.outbox_due(run.now + HOUR) + run.store.outbox_due(run.now + HOUR)
    assert [r.message.body["alert"] for r in found[:1]] == ["WhydriftCheckFailing"]
    (lapse,) = [lapse for lapse in run.store.list_lapses("gone") if lapse.kind == "check_failing"]
    assert lapse.until == run.now


def test_windows_are_read_by_the_dask_workers_that_the_configuration_names(
    tmp_path: Path, started: Any
):
    pytest.importorskip("distributed", reason="Dask is not installed")
    write_hours(tmp_path / "a", 2, 8)
    with workers(1) as address:
        run = started(
            monitor("a", tmp_path / "a"),
            f"checks: {{workers: 1}}\ndask: {{address: '{address}'}}\n",
        )
        run.settle()
        assert len(run.done("a")) == 4
        config = run.daemon.config().model_copy(update={"dask": None})
        with open_store(f"sqlite:///{tmp_path}/here.db", clock=lambda: run.now) as here:
            run_checks(config, here, clock=lambda: run.now)
            alone = [(r.key, r.rows, r.sha256) for r in here.list_snapshots()]
        kept = run.store.list_snapshots()
        assert [(r.key, r.rows, r.sha256) for r in kept] == alone
    # Nobody is there any more, and nothing is read in another place instead.
    run.now += HOUR
    run.settle(300)
    assert run.done("a")[-1][2] is CheckOutcome.ERROR
    assert "the Dask scheduler does not answer" in str(run.store.get_state("a").last_error)


def test_a_reload_begins_what_came_ends_what_went_and_refuses_what_is_broken(
    tmp_path: Path, started: Any
):
    for name in ("a", "b"):
        write_hours(tmp_path / name, 2, 8)
    run = started(monitor("a", tmp_path / "a"))
    run.settle()
    whole = run.path.read_text()
    run.path.write_text(whole + "  - nonsense\n")
    with pytest.raises(ConfigError):
        run.daemon.reload()
    assert "monitors[1]" in str(run.daemon.reload_error())
    assert not run.counters.read().is_reloaded and len(run.daemon.config().monitors) == 1

    text = whole.replace(monitor("a", tmp_path / "a"), monitor("b", tmp_path / "b"))
    run.path.write_text(text.replace("9464", "9470"))
    run.daemon.reload()
    assert run.daemon.reload_error() is None and run.counters.read().is_reloaded
    assert run.daemon.config().web.listen.endswith(":9464")  # until it is started again
    run.daemon.keep_leases()
    assert run.holdings.monitors == {"b"}
    run.settle()
    assert len(run.done("b")) == 4 and "a" not in run.counters.read().checks
    run.daemon.refresh()
    assert list(run.board.view.monitors) == ["b"]


def test_a_monitor_that_cannot_be_looked_at_keeps_no_other_from_its_turn(
    tmp_path: Path, started: Any, monkeypatch: pytest.MonkeyPatch
):
    write_hours(tmp_path / "b", 2, 8)
    run = started(monitor("a", tmp_path / "a") + monitor("b", tmp_path / "b"))
    asked = daemon_module.due_checks

    def broken(of: Any, *rest: Any, **more: Any) -> Any:
        if of.name == "a":
            raise ZeroDivisionError("by zero")
        return asked(of, *rest, **more)

    monkeypatch.setattr(daemon_module, "due_checks", broken)
    run.settle()
    assert run.done("b") and not run.done("a")


def test_a_reload_that_hits_a_bug_keeps_the_old_configuration_and_is_told(
    tmp_path: Path, started: Any, monkeypatch: pytest.MonkeyPatch
):
    write_hours(tmp_path / "a", 2, 8)
    run = started(monitor("a", tmp_path / "a"))
    before = run.daemon.config()

    def broken() -> None:
        raise KeyError("hush-hush")

    monkeypatch.setattr(run.daemon, "_read_config", broken)
    with pytest.raises(KeyError):
        run.daemon.reload()
    assert run.daemon.config() is before and not run.counters.read().is_reloaded
    assert run.daemon.reload_error() == "This is a bug in whydrift; its log tells more."


def test_a_reload_that_fails_in_any_way_does_not_end_the_daemon():
    class Broken:
        def reload(self) -> None:
            raise KeyError("a bug")

        def config(self) -> Any:
            return SimpleNamespace(monitors=())

    signals: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in (signal.SIGHUP, signal.SIGTERM):
        signals.put(number)
    _obey(signals, cast(Daemon, Broken()), Manager({}))
    assert signals.empty()


def test_all_of_time_can_be_asked_for_and_is_refused_or_cut_to_what_there_is(
    tmp_path: Path, started: Any
):
    write_hours(tmp_path / "a", 2, 8)
    run = started(monitor("a", tmp_path / "a"))
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    began = time.monotonic()
    with pytest.raises(OptionError, match="windows are asked for at once"):
        run.daemon.submit_check("a", Interval(first, last), recompute=True)
    run.daemon.submit_check("a", Interval(first, first + HOUR), recompute=True)
    run.daemon.submit_check("a", Interval(last - HOUR, last), recompute=True)
    assert run.daemon.waiting == 0
    run.daemon.submit_check("a", Interval(BEGIN + 2 * HOUR, last), recompute=True)
    assert 0 < run.daemon.waiting < 20
    assert time.monotonic() - began < 30


def test_a_clock_put_back_by_hours_keeps_no_monitor_waiting_for_hours(tmp_path: Path, started: Any):
    run = started(monitor("a", tmp_path / "a"))
    run.now += 3 * HOUR
    run.settle()
    assert {outcome for _, _, outcome in run.done("a")} == {CheckOutcome.ERROR}
    run.now -= 3 * HOUR
    write_hours(tmp_path / "a", 2, 8)
    run.settle()
    assert sum(outcome.is_final for _, _, outcome in run.done("a")) == 4


def test_windows_that_a_clock_ahead_found_empty_are_judged_when_they_come(
    tmp_path: Path, started: Any
):
    write_hours(tmp_path / "a", 2, 6)
    run = started(monitor("a", tmp_path / "a"))
    run.now += 3 * HOUR
    run.settle()
    outcomes = {hour: outcome for hour, _, outcome in run.done("a")}
    assert [outcomes[hour] for hour in (6, 7, 8)] == [CheckOutcome.NO_DATA] * 3
    write_hours(tmp_path / "a", 6, 8)
    for hour in (6, 7):
        run.now = BEGIN + (hour + 1) * HOUR
        run.settle()
        outcomes = {hour: outcome for hour, _, outcome in run.done("a")}
        assert outcomes[hour] not in {CheckOutcome.NO_DATA, CheckOutcome.ERROR}
    before = run.store.list_visits("a")
    run.now += HOUR / 2
    run.settle()
    assert run.store.list_visits("a") == before


def test_a_window_that_somebody_asks_for_is_judged_again(tmp_path: Path, started: Any):
    write_hours(tmp_path / "a", 2, 8)
    run = started(monitor("a", tmp_path / "a"))
    run.settle()
    before = run.counters.read().checks["a"]
    newest = run.store.list_visits("a")[-1].interval
    run.daemon.submit_check("a", newest, recompute=True)
    run.settle()
    after = run.counters.read().checks["a"]
    assert sum(after.outcomes) == sum(before.outcomes) + 1
    with pytest.raises(ConfigError):
        run.daemon.submit_check("b", None, recompute=False)
    run.holdings.release_all()
    with pytest.raises(Busy):
        run.daemon.submit_check("a", None, recompute=False)


def test_a_check_that_takes_too_long_is_an_error_with_a_pause(tmp_path: Path, started: Any):
    run = started(hanging("hangs", tmp_path), more="checks: {timeout: 1s, workers: 1}\n")
    run.settle()
    errors = run.store.list_visits("hangs")
    assert errors and all(v.outcome is CheckOutcome.ERROR for v in errors)
    assert all("checks.timeout" in str(v.error) for v in errors)
    assert all(v.next_at is not None and v.next_at > run.now for v in errors)


def test_cleaning_is_done_by_a_worker(tmp_path: Path, started: Any, caplog: Any):
    write_hours(tmp_path / "a", 2, 8)
    run = started(monitor("a", tmp_path / "a"))
    with caplog.at_level("INFO", logger="whydrift"):
        run.daemon.clean()
        run.settle()
    assert "cleaned" in [r.getMessage() for r in caplog.records]


def test_a_clock_far_ahead_makes_nothing_old(tmp_path: Path, started: Any, caplog: Any):
    run = started(monitor("a", tmp_path / "a"))
    right = _Began.now()
    far = _Began(right.wall - timedelta(days=400), right.seconds)  # 400 days passed in a moment
    _clean(run.daemon, far)
    assert run.daemon.waiting == 0
    assert [r.getMessage() for r in caplog.records] == ["not_cleaned"]
    _clean(run.daemon, right)
    assert run.daemon.waiting == 1
