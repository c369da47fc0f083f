"""Synthetic control: Proposition 99, known worlds, and where it must not be believed."""

from __future__ import annotations

import numpy as np
import pytest

import whydrift as wd
from tests.effects.worlds import real
from whydrift.discovery.errors import OptionError, SchemaError, TooFewRows
from whydrift.effects import Outcome
from whydrift.effects.synthetic.simplex import simplex_weights

PROP_99 = {
    "method": "synthetic_control", "unit": "state", "time": "year", "start": 1989, "units": "packs",
}  # fmt: skip


def test_proposition_99_took_19_5_packs_a_head():
    # Facure, Causal inference for the brave and true, chapter 15: 19.5 fewer on average 1989-2000,
    # matched on all years before.
    effect = wd.estimate(real("smoking"), "california", "cigsale", **PROP_99)
    assert round(effect.value, 1) == -19.5
    assert effect.is_credible
    assert round(effect.details["gaps"]["gap"][-1]) == -27
    assert sum(effect.details["weights"]["weight"]) == pytest.approx(1, abs=1e-3)


def test_proposition_99_took_19_packs_with_the_paper_s_predictors():
    # Abadie, Diamond & Hainmueller (2010): about 19 to 20 packs a head and year on average
    # 1989-2000, and California stands out most of all 39 states: p = 1/39 = 0.026.
    effect = wd.estimate(
        real("smoking"), "california", "cigsale", **PROP_99,
        predictors=("lnincome", "retprice", "age15to24", "beer"), matched=(1975, 1980, 1988),
    )  # fmt: skip
    assert round(effect.value) == -19
    assert effect.p_value == pytest.approx(1 / 39)
    assert effect.is_credible


def small_panel(seed=0, effect=-3.0, outside=0.0, units=12, periods=20, before=12):
    rng = np.random.default_rng(seed)
    factor = np.cumsum(rng.normal(size=(periods, 2)), axis=0)
    loads = rng.uniform(0, 1, (units, 2))
    loads[0] = loads[1:4].mean(axis=0) + outside
    y = 20 + factor @ loads.T + 0.1 * rng.normal(size=(periods, units))
    y[before:, 0] += effect
    unit, time = np.meshgrid(np.arange(units), np.arange(periods))
    treat = ((unit == 0) & (time >= before)).astype(int)
    return {"unit": unit.ravel(), "time": time.ravel(), "treat": treat.ravel(), "y": y.ravel()}


def control(data, **options):
    return wd.estimate(
        data, "treat", "y", method="synthetic_control", unit="unit", time="time", **options
    )


def test_the_effect_of_a_known_world_is_found():
    effect = control(small_panel(), level=0.8)
    assert effect.value == pytest.approx(-3, abs=0.3)
    assert effect.low < -3 < effect.high
    assert type(effect).from_dict(effect.to_dict()) == effect


def test_too_few_donors_for_the_level_leave_no_bounds_and_say_so():
    effect = control(small_panel())
    assert effect.low is None and effect.high is None
    assert effect.check("donors").outcome is Outcome.WARN


def test_a_unit_unlike_all_donors_fails_the_fit():
    effect = control(small_panel(outside=5.0))
    assert effect.check("pre_fit").outcome is Outcome.FAIL
    assert not effect.is_credible


def test_predictors_and_chosen_periods_are_matched():
    data = small_panel()
    data["size"] = np.where(data["unit"] == 0, 1.5, data["unit"].astype(float))
    effect = control(data, predictors="size", matched=(3, 11))
    assert effect.details["predictors"]["matched"] == ("size", "y in 3", "y in 11")


def test_weights_on_the_simplex_are_the_best_there_are():
    rng = np.random.default_rng(1)
    donors, target = rng.normal(size=(8, 5)), rng.normal(size=8)
    found = simplex_weights(donors, target)
    assert found.min() >= 0 and found.sum() == pytest.approx(1)
    best = np.sum((target - donors @ found) ** 2)
    for other in rng.dirichlet(np.ones(5) * 0.5, 500):
        assert np.sum((target - donors @ other) ** 2) >= best - 1e-10


def test_what_cannot_be_estimated_says_why():
    data = small_panel()
    twice = {name: np.append(column, column[:1]) for name, column in data.items()}
    with pytest.raises(SchemaError, match="has 2 rows in period 0"):
        control(twice)
    hole = {name: np.delete(column, 0) for name, column in data.items()}
    with pytest.raises(SchemaError, match="treated unit 0 has no row in 0"):
        control(hole)
    with pytest.raises(OptionError, match="nothing says when it began"):
        control({**data, "treat": (data["unit"] == 0).astype(int)})
    with pytest.raises(OptionError, match="no period '99'"):
        control({**data, "treat": (data["unit"] == 0).astype(int)}, start=99)
    with pytest.raises(TooFewRows, match="1 untreated units"):
        control({name: column[data["unit"] < 2] for name, column in data.items()})
    with pytest.raises(TooFewRows, match="2 periods before"):
        control({name: column[data["time"] >= 10] for name, column in data.items()})


def test_a_donor_with_a_gap_is_left_out_and_named():
    data = small_panel()
    gap = ~((data["unit"] == 5) & (data["time"] == 3))
    effect = control({name: column[gap] for name, column in data.items()})
    assert "unbalanced_panel" in {note.code for note in effect.warnings}
