"""What the references of running monitors still read is kept."""

from __future__ import annotations

from datetime import UTC, timedelta

from tests.monitor.conftest import START
from tests.monitor.test_store_retention import hours, record
from whydrift.monitor.store.live import needed, oldest_judged
from whydrift.monitor.window.by_rows import RowWindows
from whydrift.monitor.window.calendar import TimeWindows
from whydrift.monitor.window.duration import Duration
from whydrift.monitor.window.interval import Interval
from whydrift.monitor.window.reference import (
    FixedReference,
    LastWindows,
    PastWindow,
    PreviousVersion,
    Same,
    choose_reference,
)

NOW = START + timedelta(days=60)


def test_a_window_that_waits_for_labels_and_late_rows_can_still_be_judged():
    windows = TimeWindows(
        Duration(1, "d"), UTC, delay=Duration(2, "h"), label_delay=Duration(7, "d")
    )
    since = oldest_judged(windows, now=NOW, late=Duration(3, "d"), zone=UTC)
    for age in range(20):
        for window in windows.between(NOW - timedelta(days=age + 1), NOW - timedelta(days=age)):
            judged_last = window.end + timedelta(days=7 + 3, hours=2)
            assert judged_last < NOW or window.start >= since
    assert oldest_judged(RowWindows(5), now=NOW, late=Duration(3, "d"), zone=UTC) == NOW - (
        timedelta(days=3)
    )


def test_every_window_that_a_rule_chooses_lies_in_what_is_needed():
    kept = hours(START, 24 * 60)
    past = [PastWindow(w.key.interval, 10, has_drift=i % 5 == 0) for i, w in enumerate(kept)]
    since = NOW - timedelta(days=2)
    rules = [
        LastWindows(28),
        LastWindows(Duration(3, "d")),
        LastWindows(3, Same.WEEKDAY),
        LastWindows(5, Same.HOUR),
        LastWindows(2, Same.WEEKDAY_AND_HOUR),
        FixedReference(Interval(START, START + timedelta(days=2))),
    ]
    for rule in rules:
        stretch = needed(rule, kept, since=since, now=NOW, zone=UTC)
        for back in range(0, 48, 7):
            current = Interval(since + timedelta(hours=back), since + timedelta(hours=back + 1))
            chosen = choose_reference(rule, current, past, zone=UTC).windows
            assert chosen
            assert all(stretch.overlaps(w.interval) for w in chosen), rule
    newest = needed(rules[1], kept, since=since, now=NOW, zone=UTC)
    assert newest.start == since - timedelta(days=3)  # and no more than that


def test_windows_of_the_version_before_are_needed():
    kept = [
        record(i, Interval(START + timedelta(days=i), START + timedelta(days=i + 1)), part=part)
        for i, part in enumerate("aaabbbcccdd")
    ]
    found = needed(PreviousVersion(), kept, since=NOW, now=NOW, zone=UTC)
    assert found.start == START + timedelta(days=3)
    assert needed(PreviousVersion(), [], since=NOW, now=NOW, zone=UTC).start == NOW


def test_a_monitor_without_windows_needs_what_may_come():
    rule = LastWindows(28)
    found = needed(rule, [], since=NOW - timedelta(days=1), now=NOW, zone=UTC)
    assert found.start == NOW - timedelta(days=1) and found.end > NOW
