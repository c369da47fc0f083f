"""Interrupted time series: a real law, known worlds, and where it must not be believed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

import whydrift as wd
from tests.effects.worlds import real
from whydrift.discovery.errors import OptionError, SchemaError, TooFewRows
from whydrift.effects import Outcome


def release(seed=0, points=120, before=80, level=-1.5, memory=0.4, earlier=0.0):
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=points + 50)
    for t in range(1, len(noise)):
        noise[t] += memory * noise[t - 1]
    time = np.arange(points)
    y = 10 + 0.02 * time + 2.0 * (time % 7 >= 5) + noise[50:] + level * (time >= before)
    y = y + earlier * (time >= before // 2)
    day = (np.datetime64("2026-01-05") + time).astype("datetime64[D]")
    return {"day": day, "after": (time >= before).astype(int), "y": y}


def series(data, **options):
    return wd.estimate(data, "after", "y", method="interrupted_time_series", time="day", **options)


def test_the_line_and_the_laws_of_traffic_are_those_of_the_textbook():
    # Wooldridge, Introductory Econometrics, computer exercise C11 of chapter 10: least squares of
    # the fatal share on a trend, months, weekend days, unemployment and both laws gives 0.0671 for
    # the speed law. Newey-West leaves the coefficient as it is.
    effect = wd.estimate(
        real("traffic"), "spdlaw", "prcfat", method="interrupted_time_series", time="month",
        adjustment=("wkends", "unem", "beltlaw"), season="month", trend_change=False,
        errors="newey_west",
    )  # fmt: skip
    assert round(effect.value, 4) == 0.0671


def test_intervals_of_a_series_that_remembers_hold_the_truth():
    samples = 150
    held = 0
    for seed in range(samples):
        effect = series(release(seed), estimand="level")
        held += effect.low <= -1.5 <= effect.high
    assert binom.ppf(1e-4, samples, 0.93) <= held


def test_weekdays_are_seen_in_daily_data_and_average_to_nothing():
    effect = series(release(level=0.0, memory=0.0))
    assert "weekday 5" in effect.details["coefficients"]["term"]
    assert effect.low < 0 < effect.high
    assert type(effect).from_dict(effect.to_dict()) == effect


def test_a_break_before_the_event_fails():
    effect = series(release(earlier=8.0))
    assert effect.check("placebo_dates").outcome is Outcome.FAIL


def test_a_series_that_wanders_is_not_believed():
    assert series(release(memory=1.0)).check("memory").outcome is not Outcome.PASS


def test_an_event_on_the_same_day_fails_and_an_early_one_does_not():
    data = release()
    data["retrain"] = data["after"]
    assert series(data, events="retrain").check("concurrent_events").outcome is Outcome.FAIL
    data["retrain"] = (np.arange(120) >= 20).astype(int)
    assert series(data, events="retrain").check("concurrent_events").outcome is Outcome.PASS


def test_several_rows_a_day_are_averaged():
    data = release()
    double = {name: np.concatenate([column, column]) for name, column in data.items()}
    one, two = series(data), series(double)
    assert two.value == pytest.approx(one.value) and two.n == 120
    assert "rows_averaged" in {note.code for note in two.warnings}


def test_what_cannot_be_estimated_says_why():
    data = release()
    with pytest.raises(SchemaError, match="does not begin once and last"):
        series({**data, "after": 1 - data["after"]})
    with pytest.raises(TooFewRows, match="2 points of time from the event on"):
        series({name: column[:82] for name, column in data.items()})
    with pytest.raises(OptionError, match="weekday"):
        series(data, season="weekdays")
    with pytest.raises(OptionError, match="kind of errors"):
        series(data, errors="hac")
    mixed = {name: np.concatenate([column, column[-1:]]) for name, column in data.items()}
    mixed["after"][-1] = 0
    with pytest.raises(SchemaError, match="differs between rows of 2026-05-04"):
        series(mixed)
