"""What is due, by values alone: whatever happens, no window is lost, and none looked at twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whydrift.monitor.config.load import parse_config
from whydrift.monitor.service.schedule import (
    LATE,
    Plan,
    back_off,
    backfill_checks,
    due,
    due_checks,
    left_behind,
    next_due,
    reference_windows,
    stages_of,
)
from whydrift.monitor.store import Store, open_store
from whydrift.monitor.store.state import CheckOutcome, Visit, VisitKind
from whydrift.monitor.window.calendar import TimeWindows
from whydrift.monitor.window.duration import Duration
from whydrift.monitor.window.interval import Interval
from whydrift.monitor.window.reference import FixedReference, LastWindows, PreviousVersion

BEGAN = datetime(2026, 3, 20, tzinfo=UTC)
FINAL = (CheckOutcome.OK, CheckOutcome.DRIFT, CheckOutcome.UNDETERMINED, CheckOutcome.NO_DATA)
JUDGING = (VisitKind.FEATURES, VisitKind.LABELS)
ZONES = ("UTC", "Europe/Paris", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe")


def plan(
    every: str = "1d", zone: str = "UTC", length: str | None = None, delay: str = "2h",
    label_delay: str | None = "3d", late: str = "0s", most: int = 100, last: str | int = 5,
) -> Plan:  # fmt: skip
    windows = TimeWindows(
        Duration.parse(every),
        ZoneInfo(zone),
        None if length is None else Duration.parse(length),
        Duration.parse(delay),
        Duration.parse(label_delay or delay),
    )
    stages = JUDGING if label_delay else (VisitKind.FEATURES,)
    rule = LastWindows(last if isinstance(last, int) else Duration.parse(last))
    return Plan("m", windows, stages, rule, Duration.parse(late), most)


class Daemon:
    """Does what is due, and remembers its visits."""

    def __init__(self, of: Plan, began: datetime = BEGAN) -> None:
        self.plan, self.began = of, began
        self.visits: dict[tuple[Interval, VisitKind], Visit] = {}
        self.done: list[tuple[Interval, VisitKind]] = []

    def due(self, now: datetime):
        return due(self.plan, self.visits.values(), self.began, now)

    def step(self, now: datetime, outcomes, most: int = 1000) -> int:
        """Do at most so many checks; return how many were due."""
        found = self.due(now)
        for check in found.skipped:
            self._put(check.interval, check.kind, CheckOutcome.SKIPPED, now)
        for check in found.checks[:most]:
            outcome = outcomes()
            assert self.plan.ready(check.interval, check.kind) <= now, "looked at too early"
            before = self.visits.get((check.interval, check.kind))
            assert before is None or not before.outcome.is_final, "looked at twice"
            self._put(check.interval, check.kind, outcome, now)
            if outcome.is_final:
                self.done.append((check.interval, check.kind))
        return len(found.checks)

    def _put(self, window, kind, outcome, now) -> None:
        known = self.visits.get((window, kind))
        failures = 0 if known is None else known.failures
        visit = Visit("m", window, kind, outcome, now, failures)
        if outcome is CheckOutcome.ERROR:
            wait = back_off("m", window, kind, failures + 1)
            visit = replace(visit, failures=failures + 1, next_at=now + wait)
        self.visits[window, kind] = visit


def well() -> CheckOutcome:
    return CheckOutcome.OK


@settings(max_examples=25, deadline=None)
@given(
    every=st.sampled_from(["6h", "1d", "2d", "1w"]),
    zone=st.sampled_from(ZONES),
    slides=st.booleans(),
    has_labels=st.booleans(),
    moves=st.lists(
        st.tuples(st.integers(-30, 60), st.integers(0, 12), st.integers(0, 10**6)), max_size=8
    ),
)
def test_every_window_is_looked_at_once_at_each_stage_whatever_happens(
    every: str, zone: str, slides: bool, has_labels: bool, moves: list[tuple[int, int, int]]
) -> None:
    """Hours pass or are put back, the daemon is killed after some checks, checks fail."""
    length = {"6h": "12h", "1d": "3d", "2d": "4d", "1w": "2w"}[every] if slides else None
    daemon = Daemon(plan(every, zone, length, label_delay="50h" if has_labels else None, most=1000))
    now = BEGAN + timedelta(days=1)
    for hours, most, seed in moves:
        now = max(BEGAN, now + timedelta(hours=hours))
        odds = iter([(seed >> k) & 3 for k in range(20)] * 60)
        daemon.step(now, lambda o=odds: FINAL[0] if next(o) else CheckOutcome.ERROR, most)
    end = max(now, BEGAN + timedelta(days=1)) + timedelta(days=32)
    daemon.step(end, well)
    assert daemon.step(end, well) == 0
    first = min(w for w, _ in daemon.done if w.start >= BEGAN)
    for kind in daemon.plan.stages:
        grid = [w for w in daemon.plan.windows.between(BEGAN, end)
                if daemon.plan.ready(w, kind) <= end]  # fmt: skip
        looked = Counter(w for w, k in daemon.done if k is kind and w.start >= BEGAN)
        assert looked == Counter(grid)
    recorded = [w for w, kind in daemon.done if kind is VisitKind.RECORD]
    assert sorted(recorded) == sorted(reference_windows(daemon.plan, first))


@pytest.mark.parametrize("zone", ZONES)
def test_local_days_meet_each_other_where_clocks_change(zone: str) -> None:
    daemon = Daemon(plan(zone=zone, label_delay=None), began=datetime(2026, 3, 1, tzinfo=UTC))
    end = datetime(2026, 11, 3, tzinfo=UTC)
    daemon.plan = replace(daemon.plan, most=1000)
    daemon.step(end, well)
    windows = sorted(w for w, kind in daemon.done if kind is VisitKind.FEATURES)
    assert all(a.end == b.start for a, b in pairwise(windows))
    hours = {w.length / timedelta(hours=1) for w in windows}
    clocks = {"UTC": {24}, "Asia/Kolkata": {24}, "Australia/Lord_Howe": {23.5, 24, 24.5}}
    assert hours == clocks.get(zone, {23, 24, 25})
    assert {w.start.astimezone(ZoneInfo(zone)).hour for w in windows} == {0}


def test_what_is_usual_is_recorded_first_and_the_rest_comes_oldest_first() -> None:
    daemon = Daemon(plan())
    daemon.step(BEGAN + timedelta(days=10), well)
    kinds = [kind for _, kind in daemon.done]
    assert kinds[:5] == [VisitKind.RECORD] * 5
    assert VisitKind.RECORD not in kinds[5:]
    for kind in JUDGING:
        windows = [w for w, k in daemon.done if k is kind and w.start >= BEGAN]
        assert windows == sorted(windows)
    moments = [daemon.plan.ready(w, k) for w, k in daemon.done[5:]]
    assert moments == sorted(moments)  # as if it had never been down


def test_reference_windows_are_read_again_when_their_labels_are_in() -> None:
    daemon = Daemon(plan(delay="2h", label_delay="3d"))
    daemon.step(BEGAN + timedelta(days=9), well)
    again = {w.start for w, k in daemon.done if k is VisitKind.LABELS and w.start < BEGAN}
    # Judging begins a day and two hours after BEGAN: of the windows that ended less than three
    # days before that, labels were not in.
    assert again == {BEGAN - timedelta(days=2), BEGAN - timedelta(days=1)}


def test_windows_too_far_behind_are_skipped_and_the_reference_of_the_next_is_read() -> None:
    daemon = Daemon(plan(label_delay=None, most=10))
    daemon.step(BEGAN + timedelta(days=3, hours=3), well)
    now = BEGAN + timedelta(days=40, hours=3)
    found = daemon.due(now)
    judged = [c.interval for c in found.checks if c.kind is VisitKind.FEATURES]
    assert [w.start for w in judged] == [BEGAN + timedelta(days=d) for d in range(30, 40)]
    skipped = [c.interval.start for c in found.skipped]
    assert skipped == [BEGAN + timedelta(days=d) for d in range(3, 30)]
    read = [c.interval.start for c in found.checks if c.kind is VisitKind.RECORD]
    assert read == [BEGAN + timedelta(days=d) for d in range(25, 30)]
    daemon.step(now, well)
    assert daemon.due(now).checks == daemon.due(now).skipped == ()


def test_windows_whose_labels_come_after_a_hundred_others_are_judged_on_them() -> None:
    """The limit counts windows that are behind at their own stage."""
    daemon = Daemon(plan("1h", delay="0s", label_delay="7d", most=20), began=BEGAN)
    now = BEGAN
    while now < BEGAN + timedelta(days=9):
        now += timedelta(hours=5)
        daemon.step(now, well)
    labelled = [w for w, k in daemon.done if k is VisitKind.LABELS and w.start >= BEGAN]
    assert len(labelled) == (now - timedelta(days=7) - BEGAN) // timedelta(hours=1)
    assert not any(v.outcome is CheckOutcome.SKIPPED for v in daemon.visits.values())


def test_late_rows_are_looked_for_three_times_and_after_a_downtime_once() -> None:
    daemon = Daemon(plan(label_delay=None, late="4d"), began=BEGAN)
    (window, *_) = daemon.plan.windows.between(BEGAN, BEGAN + timedelta(days=1))
    ready = daemon.plan.ready(window, VisitKind.FEATURES)
    looks = {}
    for hours in range(0, 120, 3):
        now = ready + timedelta(hours=hours)
        daemon.step(now, well)
        for kind in LATE:
            if (window, kind) in daemon.visits:
                looks.setdefault(kind, hours)
    assert looks == {LATE[0]: 24, LATE[1]: 48, LATE[2]: 96}
    other = Daemon(daemon.plan)
    other.step(ready, well)
    other.step(ready + timedelta(days=30), well)
    assert [k for w, k in other.done if w == window and k in LATE] == [LATE[2]]


def test_an_error_is_tried_again_later_and_later_and_does_not_hold_others_up() -> None:
    waits = [back_off("m", Interval(BEGAN, BEGAN + timedelta(days=1)), VisitKind.FEATURES, n)
             for n in range(1, 12)]  # fmt: skip
    assert timedelta(seconds=24) <= waits[0] <= timedelta(seconds=36)
    assert max(waits) <= timedelta(hours=1.2)
    assert waits[4] > 3 * waits[1]
    daemon = Daemon(plan(label_delay=None))
    now = BEGAN + timedelta(days=2, hours=3)
    daemon.step(now, lambda: CheckOutcome.ERROR)
    assert daemon.due(now).checks == ()
    later = now + timedelta(days=1)
    assert len(daemon.due(later).checks) == 5 + 3


def test_a_clock_that_was_put_back_by_months_holds_no_retry_up() -> None:
    daemon = Daemon(plan(label_delay=None))
    wrong = BEGAN + timedelta(days=4, hours=3)
    daemon.step(wrong, lambda: CheckOutcome.ERROR, most=6)
    right = wrong - timedelta(days=2)
    assert len([c for c in daemon.due(right).checks if c.kind is VisitKind.FEATURES]) == 2


def test_references_of_other_kinds_are_recorded_too() -> None:
    of = plan(label_delay=None)
    (first, *_) = of.windows.between(BEGAN, BEGAN + timedelta(days=2))
    stretch = Interval(BEGAN - timedelta(days=60), BEGAN - timedelta(days=50))
    fixed = replace(of, reference=FixedReference(stretch))
    assert len(reference_windows(fixed, first)) == 10
    assert len(reference_windows(replace(of, reference=PreviousVersion()), first)) == 28
    of = plan(label_delay=None, last="28d", every="1d", zone="Europe/Paris")
    (first, *_) = of.windows.between(BEGAN, BEGAN + timedelta(days=2))
    assert len(reference_windows(of, first)) == 28
    slides = plan("1d", length="3d", label_delay=None, last=4)
    (first, *_) = slides.windows.between(BEGAN, BEGAN + timedelta(days=5))
    assert all(w.end <= first.start for w in reference_windows(slides, first))


# ---- with a store -------------------------------------------------------------------------------
MONITOR = """
version: 1
sources: {rows: {files: "/nowhere/*.parquet", time_column: at}}
monitors:
  - {name: m, source: rows, since: 2026-03-20, window: {every: 1d, delay: 2h}, reference: {last: 3}}
"""


@pytest.fixture
def store(tmp_path) -> Store:
    with open_store(f"sqlite:///{tmp_path}/w.db") as opened:
        yield opened


def test_a_store_and_the_clock_tell_what_is_due_and_when_the_next_result_is(store: Store) -> None:
    monitor = parse_config(MONITOR).monitors[0]
    now = BEGAN + timedelta(days=1, hours=1)
    assert [c.kind for c in due_checks(monitor, store, now)] == [VisitKind.RECORD] * 3
    assert next_due(monitor, store, now) == BEGAN + timedelta(days=1, hours=2)
    later = now + timedelta(days=2)
    checks = due_checks(monitor, store, later)
    assert [c.kind for c in checks] == [VisitKind.RECORD] * 3 + [VisitKind.FEATURES] * 2
    assert next_due(monitor, store, later) == BEGAN + timedelta(days=1, hours=2)  # overdue
    store.put_visits(Visit("m", c.interval, c.kind, CheckOutcome.OK, later) for c in checks)
    assert due_checks(monitor, store, later) == ()
    assert next_due(monitor, store, later) == BEGAN + timedelta(days=3, hours=2)


def test_a_paused_monitor_has_nothing_to_do(store: Store) -> None:
    monitor = parse_config(MONITOR).monitors[0]
    store.set_paused("m", True)
    now = BEGAN + timedelta(days=9)
    assert due_checks(monitor, store, now) == left_behind(monitor, store, now) == ()
    assert next_due(monitor, store, now) is None


def test_after_months_of_silence_all_but_the_newest_are_left_behind(store: Store) -> None:
    monitor = parse_config(MONITOR).monitors[0]
    first = due_checks(monitor, store, BEGAN + timedelta(days=2, hours=3))
    store.put_visits(Visit("m", c.interval, c.kind, CheckOutcome.OK, BEGAN) for c in first)
    now = BEGAN + timedelta(days=900, hours=3)
    checks = due_checks(monitor, store, now, most=50)
    behind = left_behind(monitor, store, now, most=50)
    assert len([c for c in checks if c.kind is VisitKind.FEATURES]) == 50
    assert len(behind) == 900 - 2 - 50


def test_a_backfill_looks_at_a_stretch_whenever_judging_began(store: Store) -> None:
    monitor = parse_config(MONITOR).monitors[0]
    start, end = BEGAN - timedelta(days=50), BEGAN - timedelta(days=46)
    checks = backfill_checks(monitor, store, start, end, BEGAN)
    assert [c.kind for c in checks] == [VisitKind.RECORD] * 3 + [VisitKind.FEATURES] * 4
    store.put_visits(Visit("m", c.interval, c.kind, CheckOutcome.OK, BEGAN) for c in checks)
    assert backfill_checks(monitor, store, start, end, BEGAN) == ()
    again = backfill_checks(monitor, store, start, end, BEGAN, recompute=True)
    assert [c.is_recomputed for c in again] == [True] * 4


@pytest.mark.parametrize(
    ("columns", "window", "labels", "expected"),
    [
        ("", "", "", (VisitKind.FEATURES,)),
        ("target: y", "", "", (VisitKind.LABELS,)),
        ("target: y", "label_delay: 7d", "", JUDGING),
        ("target: y", "", "labels: {source: rows, join: [id]},", JUDGING),
    ],
)
def test_stages_follow_from_target_and_labels(columns, window, labels, expected) -> None:
    text = MONITOR.replace("window: {every: 1d, delay: 2h}", f"window: {{delay: 2h, {window}}}")
    text = text.replace("since:", f"columns: {{{columns}}}, {labels} since:")
    assert stages_of(parse_config(text).monitors[0]) == expected
