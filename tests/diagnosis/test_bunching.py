"""Missing values that come in runs, by cluster or by day are no alarm; more of them are."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

import whydrift as wd
from whydrift.monitor.diagnosis.bunching import Bunching, share_rises_by_itself, sum_by_itself
from whydrift.monitor.diagnosis.faults.base import share_rises

GRAPH = [("x", "z"), ("z", "y")]
ROWS, RUN = 3000, 20


def frame(rng, gone):
    x = rng.normal(size=len(gone))
    z = x + rng.normal(size=len(gone))
    y = z + rng.normal(size=len(gone))
    return pd.DataFrame({"x": x, "z": np.where(gone, np.nan, z), "y": y})


def in_runs(rng, share, rows=ROWS, run=RUN):
    return np.repeat(rng.random(rows // run) < share, run)


def days(rng, *, last=0.0, count=21, rows=400):
    """Return days of which each misses about a tenth, some days half as much, some twice."""
    shares = 0.1 * np.exp(0.4 * rng.normal(size=count))
    shares[-1] += last
    return [frame(rng, rng.random(rows) < share) for share in shares]


def test_independent_rows_count_as_they_are():
    rng = np.random.default_rng(0)
    usual = Bunching.of(rng.random(ROWS) < 0.1)
    assert usual.is_none
    counts = (90, 1000, 120, 1000)
    assert share_rises_by_itself(counts, usual) == share_rises(*counts)


@pytest.mark.parametrize("cases", [np.zeros(0, bool), np.zeros(50, bool), np.ones(50, bool)])
def test_a_window_without_gaps_or_without_values_tells_nothing_of_how_they_come(cases):
    assert Bunching.of(cases).is_none


def test_runs_and_clusters_raise_the_variance_by_their_length():
    rng = np.random.default_rng(1)
    gone = in_runs(rng, 0.2, rows=40_000)
    assert Bunching.of(gone).near == pytest.approx(RUN, rel=0.15)
    mixed = rng.permutation(len(gone))
    who = np.repeat(np.arange(len(gone) // RUN), RUN).astype(float)
    assert Bunching.of(gone[mixed]).is_none
    assert Bunching.of(gone[mixed], who[mixed]).near == pytest.approx(RUN, rel=0.15)


def test_rows_without_a_key_are_clusters_of_their_own():
    rng = np.random.default_rng(2)
    gone = rng.random(2000) < 0.2
    assert Bunching.of(gone, np.full(2000, np.nan)).near == pytest.approx(1.0, abs=0.01)


def test_days_that_differ_are_told_from_days_that_do_not():
    rng = np.random.default_rng(3)
    parts = np.repeat(np.arange(20), 500)
    even = rng.random(10_000) < 0.2
    shares = np.repeat(np.clip(0.2 + 0.08 * rng.normal(size=20), 0, 1), 500)
    uneven = Bunching.of(rng.random(10_000) < shares, None, parts)
    assert uneven.between == pytest.approx(0.08**2 / (0.2 * 0.8), rel=0.6)
    assert uneven.windows == 20
    assert Bunching.of(even, None, parts).between == 0.0
    assert Bunching.of(even[:6500], None, parts[:6500]).windows == 13  # too few to tell


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_shares_of_runs_keep_their_level(share):
    trials, rises, sums = 200, 0, 0
    rng = np.random.default_rng(4)
    for _ in range(trials):
        one, two = in_runs(rng, share), in_runs(rng, share)
        usual, now = Bunching.of(one), Bunching.of(two)
        rises += share_rises_by_itself((one.sum(), ROWS, two.sum(), ROWS), usual, now) <= 0.05
        rest = np.r_[one, two] - (one.mean() + two.mean()) / 2
        squares = float(rest[:ROWS] @ rest[:ROWS]), float(rest[ROWS:] @ rest[ROWS:])
        total = float(rest[ROWS:].sum() - rest[:ROWS].sum())
        sums += sum_by_itself(total, squares, (ROWS, ROWS), usual, now) <= 0.05
    assert max(rises, sums) <= binom.isf(1e-4, trials, 0.05)


def test_many_short_runs_are_found_where_there_was_one_long_one():
    rng = np.random.default_rng(5)
    usual = Bunching.of(np.r_[np.zeros(1500, bool), np.ones(30, bool), np.zeros(1470, bool)])
    now = Bunching.of(rng.random(ROWS) < 0.3)
    counts = (30, ROWS, 900, ROWS)
    assert share_rises_by_itself(counts, usual, now) < 1e-6
    assert share_rises_by_itself(counts, usual) > 1e-6


def test_an_answer_with_few_runs_is_weaker_than_one_with_many():
    few, many = (Bunching(10.0, 0.0, freedom, 1) for freedom in (11.0, math.inf))
    counts = (300, ROWS, 900, ROWS)
    assert share_rises_by_itself(counts, few) > 10 * share_rises(30, 300, 90, 300)
    assert many.is_none


def test_gaps_in_runs_that_are_as_usual_are_no_alarm():
    told = 0
    for seed in range(20):
        rng = np.random.default_rng([6, seed])
        past, now = (frame(rng, in_runs(rng, 0.1)) for _ in range(2))
        told += wd.compare(past, now, graph=GRAPH, target="y").columns["z"].verdict != "stable"
    assert told <= 1  # nine of twenty where every row counted


def test_days_whose_gaps_differ_as_usual_are_no_alarm():
    told = 0
    for seed in range(20):
        *past, now = days(np.random.default_rng([7, seed]))
        told += wd.compare(past, now, graph=GRAPH, target="y").columns["z"].verdict != "stable"
    assert told <= 1


def test_more_gaps_than_any_day_has_are_a_null_spike():
    *past, now = days(np.random.default_rng(8), last=0.7)
    result = wd.compare(past, now, graph=GRAPH, target="y").columns["z"]
    assert result.verdict == "fault"


def test_four_times_as_many_runs_are_told():
    rng = np.random.default_rng(9)
    past, now = (frame(rng, in_runs(rng, share)) for share in (0.1, 0.45))
    assert wd.compare(past, now, graph=GRAPH, target="y").columns["z"].verdict == "fault"


def test_an_outage_is_a_null_spike_where_gaps_come_in_short_runs():
    rng = np.random.default_rng(10)
    past = frame(rng, in_runs(rng, 0.05, run=5))
    outage = in_runs(rng, 0.05, run=5)
    outage[1000:2200] = True
    result = wd.compare(past, frame(rng, outage), graph=GRAPH, target="y").columns["z"]
    assert result.verdict == "fault"
