from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whydrift.discovery.errors import ConfigError, OptionError
from whydrift.monitor.window.calendar import Stage, TimeWindows
from whydrift.monitor.window.duration import Duration
from whydrift.monitor.window.interval import Interval

# Apia skipped 30 December 2011; Sao Paulo's clocks skipped midnight, Havana's show it twice.
ZONES = [
    "UTC", "Europe/Paris", "America/New_York", "America/Sao_Paulo", "America/Havana",
    "Pacific/Apia", "Asia/Kolkata", "Australia/Lord_Howe",
]  # fmt: skip
PARIS = ZoneInfo("Europe/Paris")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def windows(every: str, zone: str = "Europe/Paris", **settings: str) -> TimeWindows:
    durations = {name: Duration.parse(text) for name, text in settings.items()}
    return TimeWindows(Duration.parse(every), ZoneInfo(zone), **durations)


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)]
)
def test_a_day_has_the_hours_that_its_clocks_show(day: str, hours: int) -> None:
    noon = datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=PARIS)
    (window,) = windows("1d").containing(noon)
    assert window.length == timedelta(hours=hours)
    assert window.start.astimezone(PARIS).isoformat().startswith(f"{day}T00:00")


def test_hours_are_equally_long_whatever_clocks_do() -> None:
    found = list(windows("6h").between(at("2026-03-28T00:00Z"), at("2026-03-31T00:00Z")))
    assert len(found) == 12
    assert {w.length for w in found} == {timedelta(hours=6)}


def test_weeks_begin_on_monday() -> None:
    (window,) = windows("1w").containing(at("2026-11-26T03:00Z"))
    assert window.start.astimezone(PARIS) == datetime(2026, 11, 23, tzinfo=PARIS)


def test_the_first_moment_of_a_day_whose_midnight_is_skipped_begins_it() -> None:
    zone = ZoneInfo("America/Sao_Paulo")
    (window,) = windows("1d", "America/Sao_Paulo").containing(at("2018-11-04T12:00Z"))
    assert window.start.astimezone(zone).strftime("%d %H:%M") == "04 01:00"
    assert window.length == timedelta(hours=23)


def test_a_day_that_a_zone_skips_is_no_window() -> None:
    days = windows("1d", "Pacific/Apia")
    found = list(days.between(at("2011-12-28T00:00Z"), at("2012-01-02T12:00Z")))
    local = [w.start.astimezone(ZoneInfo("Pacific/Apia")).day for w in found]
    assert local == [28, 29, 31, 1, 2]


@given(
    zone=st.sampled_from(ZONES),
    every=st.sampled_from(["1d", "2d", "3d", "1w", "1h", "6h", "15m", "90s"]),
    instant=st.datetimes(datetime(2005, 1, 1), datetime(2030, 1, 1)),
)
def test_windows_tile_the_time_line(zone: str, every: str, instant: datetime) -> None:
    instant = instant.replace(tzinfo=UTC)
    plan = windows(every, zone)
    (window,) = plan.containing(instant)
    assert instant in window
    assert plan.ending(window.end) == window
    following = [window]
    for _ in range(6):
        following.append(plan.ending(plan.next_end(following[-1].end)))
    assert all(a.end == b.start for a, b in pairwise(following))
    assert plan.last_end(window.end) == window.end
    assert plan.last_end(window.end - timedelta(microseconds=1)) == window.start


@given(
    zone=st.sampled_from(ZONES),
    instant=st.datetimes(datetime(2005, 1, 1), datetime(2030, 1, 1)),
)
def test_a_row_is_in_each_window_that_slides_over_it(zone: str, instant: datetime) -> None:
    instant = instant.replace(tzinfo=UTC)
    found = windows("1d", zone, length="7d").containing(instant)
    assert all(instant in w for w in found)
    assert 6 <= len(found) <= 8
    assert [w.end for w in found] == sorted({w.end for w in found})


def test_a_window_is_due_after_its_delay_oldest_first() -> None:
    plan = windows("1d", "UTC", delay="2h", label_delay="3d")
    since = at("2026-05-01T00:00Z")
    due = list(plan.due(since, at("2026-05-04T01:59Z"), Stage.FEATURES))
    assert [w.end.day for w in due] == [2, 3]
    assert [w.end.day for w in plan.due(since, at("2026-05-04T02:00Z"), Stage.FEATURES)] == [
        2,
        3,
        4,
    ]
    assert [w.end.day for w in plan.due(since, at("2026-05-05T02:00Z"), Stage.LABELS)] == [2]


def test_a_window_is_not_due_twice() -> None:
    plan = windows("1h", "UTC", delay="10m")
    now = at("2026-05-04T12:30Z")
    due = list(plan.due(at("2026-05-04T09:00Z"), now, Stage.FEATURES))
    assert [w.end.hour for w in due] == [10, 11, 12]
    assert not list(plan.due(due[-1].end, now, Stage.FEATURES))


@pytest.mark.parametrize("every", ["0d", "1y"])
def test_a_window_that_cannot_be_is_refused(every: str) -> None:
    with pytest.raises(ConfigError, match=f"a window of {every}"):
        windows(every)


def test_windows_with_rows_between_them_are_refused() -> None:
    with pytest.raises(ConfigError, match="leave rows between them out"):
        windows("1d", length="6h")


def test_an_interval_needs_zones_and_room() -> None:
    with pytest.raises(OptionError, match="has no time zone"):
        Interval(datetime(2026, 5, 4), datetime(2026, 5, 5, tzinfo=UTC))
    with pytest.raises(OptionError, match="is empty"):
        Interval(at("2026-05-04T00:00Z"), at("2026-05-04T02:00+02:00"))


def test_an_interval_is_kept_in_utc_and_half_open() -> None:
    interval = Interval(at("2026-05-04T02:00+02:00"), at("2026-05-05T00:00Z"))
    assert str(interval) == "2026-05-04T00:00:00Z/2026-05-05T00:00:00Z"
    assert at("2026-05-04T00:00Z") in interval
    assert at("2026-05-05T00:00Z") not in interval
