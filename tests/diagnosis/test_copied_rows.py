"""Every row several times over, in both windows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

import whydrift as wd
from tests.diagnosis.worlds import EDGES, houses
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.copied_rows import each_row_once
from whydrift.monitor.diagnosis.diagnosis import Diagnosis


def fivefold(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    return pd.concat([frame] * 5).sample(frac=1, random_state=seed).reset_index(drop=True)


def compared(seed: int, **shifts: float) -> Diagnosis:
    frames = houses(400, seed), houses(400, 1_000 + seed, **shifts)
    return wd.compare(*(fivefold(f, seed) for f in frames), graph=EDGES, target="price")


def test_rows_five_times_over_name_no_column_by_chance():
    trials, alarms = 40, 0
    for seed in range(trials):
        found = compared(seed)
        assert "rows_copied" in {w.code for w in found.warnings}
        alarms += bool(found.ranking) or found.verdict != "none"
    assert alarms <= binom.isf(1e-4, trials, 0.05)


def test_a_change_is_still_found_and_the_windows_keep_the_rows_that_they_had():
    found = compared(2, income_shift=1.0)
    assert found.ranking == ("income",)
    assert not found.fault
    assert (found.reference.rows, found.current.rows) == (2_000, 2_000)


def test_it_is_as_if_each_row_had_come_once():
    frames = houses(400, 1), houses(400, 2)
    once = wd.compare(*frames, graph=EDGES).columns
    many = wd.compare(*(pd.concat([f] * 5) for f in frames), graph=EDGES).columns
    assert many == once


def test_of_a_window_longer_than_its_sample_the_different_rows_are_kept():
    long = Snapshot.from_frame(fivefold(houses(6_000, 1), 1))
    other = Snapshot.from_frame(fivefold(houses(6_000, 2), 2), schema=long.schema)
    counted = each_row_once([long], other)
    assert counted.current.rows == 6_000
    income = counted.current.column("income")
    assert len(np.unique(income)) == len(income) > 2_500
    assert counted.current.summaries["region"].count == 6_000


@pytest.mark.parametrize("kind", ["grades", "zeros", "drawn again"])
def test_rows_that_are_equal_by_chance_are_left_as_they_are(kind):
    rng = np.random.default_rng(0)

    def window() -> pd.DataFrame:
        if kind == "grades":
            return pd.DataFrame(rng.integers(0, 4, (2_000, 4)), columns=list("abcd")) / 2
        if kind == "drawn again":
            return houses(500, 1).sample(1_000, replace=True, random_state=int(rng.integers(99)))
        values = rng.normal(size=(2_000, 3)) * (rng.random((2_000, 3)) < 0.2)
        return pd.DataFrame(values, columns=list("abc"))

    reference = Snapshot.from_frame(window())
    current = Snapshot.from_frame(window(), schema=reference.schema)
    assert reference.repeats > 300
    assert each_row_once([reference], current).current is current
