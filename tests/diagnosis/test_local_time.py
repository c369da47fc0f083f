"""Hours and days are those of the clocks on the wall."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

import whydrift as wd
from whydrift.discovery.errors import OptionError
from whydrift.monitor.diagnosis.local_time import LocalTime
from whydrift.monitor.window.local_time import local_time


@pytest.mark.parametrize("name", ["Europe/Paris", "America/Los_Angeles", "Asia/Kolkata", "UTC"])
def test_the_clocks_are_those_of_the_zone_database(name: str):
    zone, rng = ZoneInfo(name), np.random.default_rng(0)
    seconds = np.append(rng.uniform(0, 2e9, 300), np.nan)
    shown = local_time(zone)(seconds)
    for moment, here in zip(seconds[:-1], shown[:-1], strict=True):
        offset = datetime.fromtimestamp(moment, UTC).astimezone(zone).utcoffset()
        assert offset is not None
        assert here - moment == pytest.approx(offset.total_seconds(), abs=1e-5)
    assert np.isnan(shown[-1])


def test_the_second_of_a_change_is_known():
    paris = local_time(ZoneInfo("Europe/Paris"))
    spring = datetime(2026, 3, 29, 1, tzinfo=UTC).timestamp()
    assert paris(np.array([spring - 1, spring])) - spring == pytest.approx([3599, 7200])


def test_clocks_that_never_change_are_ahead_by_one_amount():
    assert LocalTime((), (3600.0,))(np.array([0.0, 5.0])) == pytest.approx([3600, 3605])


def weekends(seed: int) -> list[pd.DataFrame]:
    """Days of Los Angeles, times in UTC; x is higher on Saturdays and Sundays there."""
    rng = np.random.default_rng(seed)
    days = []
    for start in pd.date_range("2026-05-01", periods=29, tz="America/Los_Angeles"):
        time = start + pd.to_timedelta(np.sort(rng.random(400)) * 86400, unit="s")
        x = rng.normal(4.0 * (time.day_of_week.to_numpy() >= 5), 1)
        y = x + rng.normal(0, 1, 400)
        days.append(pd.DataFrame({"x": x, "y": y, "t": time.tz_convert("UTC")}))
    return days


def test_a_weekend_is_one_by_local_clocks():
    """29 May is a Friday there, and by the clocks of UTC it ends as a Saturday."""
    alarms = {"UTC": 0, "America/Los_Angeles": 0}
    for seed in range(4):
        days = weekends(seed)
        for zone in alarms:
            found = wd.compare(
                days[:-1], days[-1], target="y", graph=[("x", "y")], time_column="t",
                level=0.004, timezone=zone,
            )  # fmt: skip
            alarms[zone] += bool(found.ranking)
    assert alarms["America/Los_Angeles"] == 0
    assert alarms["UTC"] >= 1


def test_a_zone_that_is_none_is_named_with_the_nearest():
    frame = pd.DataFrame({"x": [1.0, 2.0], "y": [1.0, 2.0]})
    with pytest.raises(OptionError, match=r"Europe/Pari'.*Did you mean 'Europe/Paris'"):
        wd.compare(frame, frame, timezone="Europe/Pari")
