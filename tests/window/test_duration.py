from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from whydrift.discovery.errors import ConfigError
from whydrift.monitor.window.duration import Duration

PARIS = ZoneInfo("Europe/Paris")


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS)


@pytest.mark.parametrize("text", ["30s", "10m", "2h", "28d", "8w", "3y"])
def test_a_duration_reads_as_it_is_written(text: str) -> None:
    assert str(Duration.parse(text)) == text


@pytest.mark.parametrize("text", ["", "d", "1.5h", "-1d", "1month", "1 d d", "9999999y", "１d0"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match=r"28d|shorter"):
        Duration.parse(text)


def test_a_day_leads_to_the_same_clock_time_an_hour_does_not() -> None:
    before = local("2026-03-28T12:00")
    assert Duration.parse("1d").after(before, PARIS) == local("2026-03-29T12:00")
    assert Duration.parse("24h").after(before, PARIS) == local("2026-03-29T13:00")
    assert Duration.parse("1d").before(local("2026-03-29T12:00"), PARIS) == before


def test_a_clock_time_that_is_skipped_is_as_late_as_it_would_have_been() -> None:
    # 02:30 does not exist on that day; an hour after 01:30 clocks show 03:30.
    found = Duration.parse("1d").after(local("2026-03-28T02:30"), PARIS)
    assert found.astimezone(PARIS).strftime("%d %H:%M") == "29 03:30"


def test_a_year_from_a_leap_day_ends_in_february() -> None:
    found = Duration.parse("1y").after(datetime(2024, 2, 29, tzinfo=UTC), UTC)
    assert (found.year, found.month, found.day) == (2025, 2, 28)
