from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from whydrift.discovery.errors import ConfigError
from whydrift.monitor.window.duration import Duration
from whydrift.monitor.window.interval import Interval
from whydrift.monitor.window.reference import (
    Exclusion,
    FixedReference,
    LastWindows,
    PastWindow,
    PreviousVersion,
    ReferenceRule,
    Same,
    choose_reference,
)

PARIS = ZoneInfo("Europe/Paris")
FIRST = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def past(days: int, **settings: object) -> list[PastWindow]:
    return [
        PastWindow(Interval(FIRST + k * DAY, FIRST + (k + 1) * DAY), 100, **settings)  # type: ignore[arg-type]
        for k in range(days)
    ]


def now(day: int) -> Interval:
    return Interval(FIRST + day * DAY, FIRST + (day + 1) * DAY)


def chosen(
    rule: ReferenceRule, windows: list[PastWindow], day: int, **settings: object
) -> list[int]:
    found = choose_reference(rule, now(day), windows, zone=UTC, **settings)  # type: ignore[arg-type]
    return [(w.interval.start - FIRST).days for w in found.windows]


def test_a_fixed_range_stays() -> None:
    rule = FixedReference(Interval(FIRST + 2 * DAY, FIRST + 5 * DAY))
    assert chosen(rule, past(30), 20) == [2, 3, 4]


def test_the_last_days_end_where_the_window_begins() -> None:
    assert chosen(LastWindows(Duration.parse("3d")), past(30), 20) == [17, 18, 19]


def test_windows_in_an_open_episode_or_with_a_fault_are_no_reference() -> None:
    windows = past(30)
    windows[18] = replace(windows[18], has_drift=True)
    windows[17] = replace(windows[17], has_fault=True)
    found = choose_reference(LastWindows(Duration.parse("4d")), now(20), windows, zone=UTC)
    assert [(w.interval.start - FIRST).days for w in found.windows] == [16, 19]
    assert [reason for _, reason in found.left_out] == [
        "its values were broken",
        "it shows a drift that nobody accepted",
    ]


def test_an_alert_keeps_windows_out_as_what_it_is_about_does() -> None:
    windows = past(30)
    windows[18] = replace(windows[18], alerts=("mechanism",))
    windows[19] = replace(windows[19], alerts=("fault",))
    last = Duration.parse("3d")
    assert chosen(LastWindows(last), windows, 20) == [17]
    assert chosen(LastWindows(last, exclude=frozenset({Exclusion.FAULT})), windows, 20) == [17, 18]
    assert chosen(LastWindows(last, exclude=frozenset({Exclusion.DRIFT})), windows, 20) == [17, 19]


def test_of_the_last_good_windows_those_left_out_are_made_up_for() -> None:
    windows = past(30)
    windows[18] = replace(windows[18], has_drift=True)
    assert chosen(LastWindows(3), windows, 20) == [16, 17, 19]
    assert chosen(LastWindows(3, exclude=frozenset()), windows, 20) == [17, 18, 19]


def test_the_same_weekday_is_that_of_local_time() -> None:
    assert chosen(LastWindows(Duration.parse("8w"), Same.WEEKDAY), past(30), 28) == [0, 7, 14, 21]


def test_the_same_hour_is_that_of_clocks_through_the_change_to_summer_time() -> None:
    hour = timedelta(hours=1)
    windows = [
        PastWindow(Interval(FIRST + k * hour, FIRST + (k + 1) * hour), 9) for k in range(900)
    ]
    start = datetime(2026, 3, 30, 9, tzinfo=PARIS)
    rule = LastWindows(Duration.parse("2d"), Same.HOUR)
    found = choose_reference(rule, Interval(start, start + hour), windows, zone=PARIS)
    shown = [w.interval.start.astimezone(PARIS).strftime("%d %H") for w in found.windows]
    assert shown == ["28 09", "29 09"]


def test_windows_that_slide_do_not_overlap_in_a_reference() -> None:
    windows = [PastWindow(Interval(FIRST + k * DAY, FIRST + (k + 7) * DAY), 100) for k in range(30)]
    assert chosen(LastWindows(Duration.parse("4w")), windows, 30) == [2, 9, 16, 23]


def test_what_was_accepted_is_the_new_normal_and_what_came_before_it_is_not() -> None:
    accepted = FIRST + 15 * DAY
    assert chosen(LastWindows(Duration.parse("8d")), past(30), 20, accepted_from=accepted) == [
        15, 16, 17, 18, 19,
    ]  # fmt: skip


def test_the_version_before_is_the_latest_other_one() -> None:
    windows = [replace(w, version=f"v{k // 4}") for k, w in enumerate(past(12))]
    assert chosen(PreviousVersion(), windows, 12, version="v2") == [4, 5, 6, 7]
    assert chosen(PreviousVersion(), windows, 12, version="v3") == [8, 9, 10, 11]


def test_windows_without_rows_and_later_ones_do_not_count() -> None:
    windows = past(30)
    windows[19] = replace(windows[19], rows=0)
    assert chosen(LastWindows(Duration.parse("3d")), windows, 20) == [17, 18]


def test_an_empty_rule_is_refused() -> None:
    with pytest.raises(ConfigError, match="is empty"):
        LastWindows(0)
