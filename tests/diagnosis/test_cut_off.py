"""Numbers that end at a limit now."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import whydrift as wd
from whydrift.monitor.diagnosis.cut_off import limit_of


@pytest.mark.parametrize("is_upper", [True, False])
def test_a_limit_has_the_rows_that_lay_beyond_it(is_upper):
    rng = np.random.default_rng(0)
    before, after = rng.normal(size=2_000), rng.normal(size=1_500)
    sign = 1.0 if is_upper else -1.0
    cut = sign * np.minimum(sign * after, 0.5)
    found = limit_of(before, cut)
    assert found is not None
    assert (found.value, found.is_upper) == (sign * 0.5, is_upper)
    assert found.share == pytest.approx(0.31, abs=0.04)
    assert limit_of(before, after) is None
    assert limit_of(before, np.zeros(1_500)) is None  # it stands still
    assert limit_of(before, after[sign * after < 0.5]) is None  # rows are gone, not cut off
    assert limit_of(before, np.where(rng.random(1_500) < 0.3, 0.5, after)) is None  # others beyond
    assert limit_of(sign * np.minimum(sign * before, 0.5), cut) is None  # as before
    moved = sign * np.minimum(sign * (after - 3 * sign), 0.5)
    assert limit_of(before, moved) is None


def stays(seed: int, end: float) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    age, stage = rng.normal(60, 10, 3_000).round(), rng.choice(["I", "II"], 3_000)
    days = np.exp(5.6 - 0.6 * (stage == "II") - 0.01 * (age - 60)) * rng.weibull(1.3, 3_000)
    expected = np.minimum(np.exp(5.6 - 0.6 * (stage == "II") - 0.01 * (age - 60)), 365)
    return pd.DataFrame(
        {
            "age": age,
            "stage": stage,
            "days": np.minimum(days, end).round(),
            "event": (days < end).astype(int),
            "p": expected.round(1),
        }
    )


def test_observation_that_ended_earlier_is_no_placeholder():
    # About the mean, where a value in many rows looks like one that was filled in.
    end = float(stays(0, 365)["days"].mean().round())
    for seed in range(3):
        found = wd.compare(
            stays(2 * seed, 365), stays(2 * seed + 1, end), target="days", prediction="p"
        )
        assert not found.faults
        assert "days" in found.ranking
        assert ("cut_off", "days") in {(w.code, w.column) for w in found.warnings}
        assert found.remedy.action == "investigate"
        assert "learns the limit" in found.remedy.text
