"""Difference-in-differences: the numbers, the comparisons that are made, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, ttest_ind

import whydrift as wd
from tests.effects.worlds import real
from whydrift.effects import Outcome
from whydrift.effects.panel.absorber import Absorber, slopes
from whydrift.effects.panel.wild_bootstrap import WEIGHTS, wild_bootstrap

PERIODS = 6
HOUSES = {"treatment": "nearinc", "outcome": "rprice", "method": "did", "time": "year"}
ASKED = {"treatment": "treat", "outcome": "y", "method": "did", "unit": "unit", "time": "time"}


def panel(seed: int, start: np.ndarray, *, trend: float = 0.0, growth: float = 0.0):
    """Effect 1 in the first period and ``growth`` more in each; the treated drift by ``trend``."""
    rng = np.random.default_rng(seed)
    units, time = len(start), np.arange(PERIODS)
    began = start[:, None]
    y = rng.normal(size=(units, 1)) + 0.3 * time + 0.5 * rng.normal(size=(units, PERIODS))
    y = y + (began < PERIODS) * trend * time
    y = y + (time >= began) * (1 + growth * (time - began))
    unit = np.repeat(np.arange(units), PERIODS)
    when = np.tile(time, units)
    return {"unit": unit, "time": when, "treat": (when >= start[unit]).astype(int), "y": y.ravel()}


def at_once(seed: int, units: int = 40, treated: int = 20, **more: float):
    return panel(seed, np.where(np.arange(units) < treated, 3, PERIODS), **more)


def staggered(seed: int, units: int = 60, **more: float):
    return panel(seed, np.array([2, 4, PERIODS])[np.arange(units) % 3], **more)


# ---- numbers ----------------------------------------------------------------------------------
def test_the_incinerator_took_11863_dollars_off_the_houses_nearby():
    # Kiel & McClain (1995) / Wooldridge, example 13.3: -11,863.9 (7,456.6).
    effect = wd.estimate(real("kielmc"), **HOUSES, errors="classical")
    assert f"{effect.value:,.1f} {effect.standard_error:,.1f}" == "-11,863.9 7,456.6"
    assert effect.n == 321


def test_with_all_controls_it_is_14178_dollars():
    # Wooldridge, table 13.2, column 3: -14,177.93 (4,987.27).
    terms = ["age", "agesq", "intst", "land", "area", "rooms", "baths"]
    effect = wd.estimate(real("kielmc"), **HOUSES, errors="classical", adjustment=terms)
    assert f"{effect.value:,.2f} {effect.standard_error:,.2f}" == "-14,177.93 4,987.27"


def test_two_periods_are_four_means():
    effect = wd.estimate(real("kielmc"), **HOUSES)
    change = effect.details["means"]["mean"][-2:]
    assert change[0] - change[1] == pytest.approx(effect.value, rel=1e-12)
    assert effect.check("parallel_trends").outcome is Outcome.WARN
    assert effect.chart("means").rules[0].label == "from 1981"


@pytest.mark.parametrize("cluster", [False, True])
def test_the_fixed_effects_slope_is_that_of_linearmodels(cluster):
    from linearmodels.panel import PanelOLS

    data = staggered(1)
    frame = pd.DataFrame(data).set_index(["unit", "time"])
    frame["region"] = frame.index.get_level_values("unit") // 3
    model = PanelOLS(frame["y"], frame[["treat"]], entity_effects=True, time_effects=True)
    spec = {"clusters": frame[["region"]]} if cluster else {"cluster_entity": True}
    # The units' levels lie within clusters and cost no freedom, as in Stata's xtreg.
    fit = model.fit(
        cov_type="clustered", group_debias=True, auto_df=False, count_effects=False, **spec
    )
    given = {"cluster": "region"} if cluster else {}
    effect = wd.estimate(
        {**data, "region": frame["region"].to_numpy()}, **ASKED, estimator="fixed_effects",
        bootstrap="none", **given,
    )  # fmt: skip
    assert effect.value == pytest.approx(fit.params.iloc[0], rel=1e-9)
    assert effect.standard_error == pytest.approx(fit.std_errors.iloc[0], rel=0.02)


def test_a_cell_by_cohort_and_period_is_a_difference_of_two_changes():
    data = staggered(2)
    effect = wd.estimate(data, **ASKED)
    table = effect.details["cells"]
    y = data["y"].reshape(-1, PERIODS)
    start = np.array([2, 4, PERIODS])[np.arange(60) % 3]
    for began, period, value in zip(table["began"], table["period"], table["effect"], strict=True):
        g, t = int(began), int(period)
        change = y[:, t] - y[:, g - 1]
        gap = change[start == g].mean() - change[start == PERIODS].mean()
        assert value == pytest.approx(gap, rel=1e-10)
    assert effect.estimand.name == "att"


def test_with_two_periods_all_ways_agree():
    rng = np.random.default_rng(3)
    unit, time = np.repeat(np.arange(50), 2), np.tile([0, 1], 50)
    marks = (unit < 20).astype(int)
    data = {"unit": unit, "time": time, "treat": marks, "y": rng.normal(size=100) + marks * time}
    answers = [
        wd.estimate(data, **ASKED, estimator=e).value
        for e in ("two_groups", "fixed_effects", "group_time")
    ]
    assert answers == pytest.approx([answers[0]] * 3, rel=1e-9)


@pytest.mark.parametrize("model", ["doubly_robust", "outcome_regression"])
def test_adjusting_finds_the_effect_where_trends_follow_a_covariate(model):
    rng = np.random.default_rng(4)
    units, time = 400, np.arange(PERIODS)
    x = rng.normal(size=units)
    start = np.where(rng.random(units) < 1 / (1 + np.exp(-x)), 3, PERIODS)
    y = rng.normal(size=(units, PERIODS)) + x[:, None] * time + (time >= start[:, None])
    unit = np.repeat(np.arange(units), PERIODS)
    when = np.tile(time, units)
    data = {
        "unit": unit, "time": when, "treat": (when >= start[unit]).astype(int), "y": y.ravel(),
        "x": x[unit],
    }  # fmt: skip
    plain = wd.estimate(data, **ASKED)
    assert plain.value > 2 and plain.check("parallel_trends").outcome is Outcome.FAIL
    effect = wd.estimate(data, **ASKED, adjustment="x", model=model)
    assert effect.low < 1 < effect.high and effect.standard_error < 0.2
    assert effect.check("parallel_trends").outcome is not Outcome.FAIL


def test_castle_doctrine_laws_by_cohort_and_by_slope():
    # Homicide and stand-your-ground laws (Cheng & Hoekstra 2013), unweighted: the slope with state
    # and year effects is that of linearmodels.
    asked = {"method": "did", "unit": "state", "time": "year"}
    effect = wd.estimate(real("castle"), "castle", "l_homicide", **asked)
    assert round(effect.value, 4) == 0.0194
    assert effect.details["cohorts"]["units"] == (1, 13, 4, 2, 1)
    slope = wd.estimate(real("castle"), "castle", "l_homicide", **asked, estimator="fixed_effects")
    assert round(slope.value, 4) == 0.0694
    assert effect.details["cohorts"]["standard error"][0] is None  # of one state there is none


# ---- comparisons ------------------------------------------------------------------------------
def test_the_two_by_two_comparisons_add_up_to_the_slope():
    # Goodman-Bacon (2021), theorem 1.
    effect = wd.estimate(staggered(5, growth=0.4), **ASKED, estimator="fixed_effects")
    table = effect.details["comparisons"]
    assert table["controls"] == ("never treated", "treated later", "treated already")
    assert sum(table["weight"]) == pytest.approx(1)
    mean = np.dot(table["weight"], table["effect by them"])
    assert mean == pytest.approx(effect.value, rel=1e-9)


def test_a_slope_over_growing_effects_is_off_and_warned_of_and_cohorts_are_not():
    # The mean effect over treated cells: 4 periods of one cohort, 2 of the other.
    truth = np.mean([1 + 0.8 * e for e in (0, 1, 2, 3, 0, 1)])
    data = staggered(6, units=150, growth=0.8)
    slope = wd.estimate(data, **ASKED, estimator="fixed_effects")
    assert slope.high < truth
    assert slope.check("forbidden_comparisons").outcome is Outcome.WARN
    effect = wd.estimate(data, **ASKED)
    assert effect.low < truth < effect.high
    assert "no treated unit serves as a control" in effect.check("forbidden_comparisons").sentence


def test_effects_at_each_distance_are_found_and_before_there_are_none():
    effect = wd.estimate(staggered(7, units=240, growth=0.5), **ASKED)
    table = effect.details["event_study"]
    truth = [max(0.0, (1 + 0.5 * e) * (e >= 0)) for e in table["periods since"]]
    for low, value, high in zip(table["low"], truth, table["high"], strict=True):
        assert low - 0.1 < value < high + 0.1
    assert effect.check("parallel_trends").outcome is Outcome.PASS
    assert effect.charts[0].name == "event_study"


def test_groups_of_one_row_are_the_units_of_a_panel():
    data = staggered(23)
    panel = wd.estimate(data, "treat", "y", method="did", time="time", unit="unit")
    groups = wd.estimate(data, "treat", "y", method="did", time="time", cluster="unit")
    assert groups.value == pytest.approx(panel.value)
    assert groups.standard_error == pytest.approx(panel.standard_error)
    for column in ("effect", "standard error"):
        assert groups.details["cells"][column] == pytest.approx(panel.details["cells"][column])


def regions(seed, rows=4000, count=50, trend=0.0):
    """Regions that begin in 3, in 5, or never, with other people in them each time."""
    rng = np.random.default_rng(seed)
    start = np.array([3, 5, 8])[np.arange(count) % 3]
    region, time = rng.integers(0, count, rows), rng.integers(0, 8, rows)
    x = rng.normal(size=rows) + (start[region] == 3)
    treat = (time >= start[region]).astype(int)
    shocks = 0.2 * rng.normal(size=(count, 8))
    outcome = 2.0 * treat + region / 50 + time / 4 + shocks[region, time] + rng.normal(size=rows)
    return {"region": region, "time": time, "treat": treat, "x": x, "y": outcome + trend * x * time}


def test_other_people_each_time_are_compared_by_group_and_period():
    data = regions(24)
    effect = wd.estimate(data, "treat", "y", method="did", time="time", cluster="region")
    assert abs(effect.value - 2.0) < 3 * effect.standard_error < 0.4
    means = {}
    early, never = data["region"] % 3 == 0, data["region"] % 3 == 2
    for side, chosen in (("early", early), ("never", never)):
        for when in (2, 4):
            means[side, when] = data["y"][chosen & (data["time"] == when)].mean()
    by_hand = means["early", 4] - means["early", 2] - means["never", 4] + means["never", 2]
    cells = effect.details["cells"]
    place = list(zip(cells["began"], cells["period"], strict=True)).index(("3", "4"))
    assert cells["effect"][place] == pytest.approx(by_hand)
    assert "samples of the same groups" in " ".join(effect.assumptions)
    assert "all 50 groups are seen" in effect.check("balanced_panel").sentence


@pytest.mark.parametrize("model", ["doubly_robust", "outcome_regression"])
def test_groups_whose_people_differ_are_adjusted_row_by_row(model):
    data = regions(25, trend=0.5)
    asked = {"method": "did", "time": "time", "cluster": "region"}
    plain = wd.estimate(data, "treat", "y", **asked)
    effect = wd.estimate(data, "treat", "y", adjustment=["x"], model=model, **asked)
    assert abs(effect.value - 2.0) < 3 * effect.standard_error < 1.0
    assert abs(plain.value - 2.0) > 0.5


def test_everybody_treated_some_time_are_controls_for_each_other_until_then():
    start = np.array([2, 3, 5])[np.arange(90) % 3]
    effect = wd.estimate(panel(8, start), **ASKED)
    assert effect.low < 1 < effect.high
    assert "cells_without_controls" in {note.code for note in effect.warnings}
    with pytest.raises(wd.SchemaError, match="every unit is treated some time"):
        wd.estimate(panel(8, start), **ASKED, controls="never")


@pytest.mark.parametrize("how", ["simple", "dynamic", "group"])
def test_ways_to_average_agree_where_the_effect_is_the_same_for_all(how):
    effect = wd.estimate(staggered(9, units=120), **ASKED, aggregate=how)
    assert effect.low < 1 < effect.high
    place = effect.details["averages"]["average"].index(how)
    assert effect.details["averages"]["effect"][place] == effect.value


# ---- pre-trends -------------------------------------------------------------------------------
def test_sides_that_drift_apart_fail_and_the_power_is_said():
    effect = wd.estimate(at_once(10, trend=0.5), **ASKED)
    assert effect.check("parallel_trends").outcome is Outcome.FAIL and not effect.is_credible
    good = wd.estimate(at_once(10), **ASKED)
    assert good.check("parallel_trends").outcome is Outcome.PASS
    assert "straight trend of" in good.check("pre_trend_power").sentence


def test_the_pre_trend_test_rejects_as_often_as_it_says():
    trials = 200
    below = sum(
        wd.estimate(at_once(seed), **ASKED, bootstrap="none").check("parallel_trends").value < 0.05
        for seed in range(trials)
    )
    assert binom.ppf(1e-5, trials, 0.05) <= below <= binom.isf(1e-5, trials, 0.05)


# ---- few clusters -----------------------------------------------------------------------------
def test_the_fast_bootstrap_is_the_slow_one():
    data = at_once(11, units=9, treated=4)
    unit, y = data["unit"], data["y"]
    now = data["treat"].astype(float)
    periods = (data["time"][:, None] == np.arange(1, PERIODS)).astype(float)
    absorber = Absorber.build(periods, unit)
    found = wild_bootstrap(
        absorber, now, y, unit, level=0.95, weights="webb", draws=400,
        generator=np.random.default_rng(1),
    )  # fmt: skip
    drawn = np.random.default_rng(1).choice(WEIGHTS["webb"], (9, 400))
    for null, expected in ((0.0, found.p_value), (found.high, 0.05)):
        left = absorber.residual(y - null * now)
        fitted = y - left  # the null imposed
        fit = slopes(absorber, now[:, None], y, cluster=unit, robust=True)
        seen = abs(fit.values[0] - null) / fit.errors[0]
        larger = 0
        for weights in drawn.T:
            again = slopes(
                absorber, now[:, None], fitted + left * weights[unit], cluster=unit, robust=True
            )
            larger += abs(again.values[0] - null) / again.errors[0] >= seen - 1e-9
        assert larger / 400 == pytest.approx(expected, abs=0.006)


def test_few_units_all_seen_give_the_t_test_of_their_changes():
    data = at_once(12, units=10, treated=5)
    effect = wd.estimate(data, **ASKED)
    table = pd.DataFrame(data)
    table["after"] = table["time"] >= table.loc[table["treat"] == 1, "time"].min()
    means = table.pivot_table(index="unit", columns="after", values="y")
    ever = table.groupby("unit")["treat"].max() == 1
    change = means[True] - means[False]
    by_hand = ttest_ind(change[ever], change[~ever])  # five each: the error is Welch's too
    assert effect.value == pytest.approx(change[ever].mean() - change[~ever].mean())
    assert (effect.low, effect.high) == pytest.approx(tuple(by_hand.confidence_interval()))
    assert effect.p_value == pytest.approx(by_hand.pvalue)
    assert effect.check("clusters").outcome is Outcome.WARN


def test_the_bootstrap_is_drawn_where_it_is_asked_for_and_repeats():
    few = at_once(12, units=10, treated=5)
    effect = wd.estimate(few, **ASKED, bootstrap="webb")
    assert "webb" in next(n.text for n in effect.warnings if n.code == "wild_bootstrap")
    assert wd.estimate(few, **ASKED, bootstrap="webb").to_dict() == effect.to_dict()


def test_one_treated_unit_fails_and_names_synthetic_control():
    effect = wd.estimate(at_once(13, treated=1), **ASKED)
    check = effect.check("treated_clusters")
    assert check.outcome is Outcome.FAIL and "synthetic_control" in check.sentence


def test_a_covariate_that_tells_the_treated_apart_leaves_nobody_to_compare_with():
    data = at_once(20)
    effect = wd.estimate({**data, "x": 1.0 * (data["unit"] < 20)}, **ASKED, adjustment="x")
    assert effect.check("overlap").outcome is Outcome.FAIL


# ---- panels as they come ----------------------------------------------------------------------
def test_an_unbalanced_panel_is_used_and_said():
    data = staggered(14)
    kept = np.random.default_rng(0).random(len(data["y"])) > 0.1
    effect = wd.estimate({k: v[kept] for k, v in data.items()}, **ASKED)
    check = effect.check("balanced_panel")
    assert check.outcome is Outcome.WARN and "unit-periods are not there" in check.sentence
    assert effect.low < 1 < effect.high


def test_units_treated_from_the_first_period_on_are_left_out():
    start = np.array([0, 3, PERIODS])[np.arange(60) % 3]
    effect = wd.estimate(panel(15, start), **ASKED)
    assert "20 of 60 units" in next(n.text for n in effect.warnings if n.code == "always_treated")
    assert effect.n == 40 * PERIODS


def test_a_mark_with_a_start_is_a_treatment_that_begins_then():
    data = at_once(16)
    marks = (data["unit"] < 20).astype(int)
    effect = wd.estimate({**data, "treat": marks}, **ASKED, start=3)
    assert effect.value == wd.estimate(data, **ASKED).value
    by_groups = wd.estimate({**data, "treat": marks}, **{**ASKED, "unit": None}, start=3)
    assert by_groups.value == pytest.approx(effect.value, rel=1e-9)


def test_days_are_periods():
    data = at_once(17)
    days = np.array("2026-03-01", dtype="datetime64[D]") + data["time"]
    marks = (data["unit"] < 20).astype(int)
    effect = wd.estimate({**data, "time": days, "treat": marks}, **ASKED, start="2026-03-04")
    assert effect.value == wd.estimate(data, **ASKED).value


def test_auto_takes_it_for_a_unit_seen_over_time():
    data = staggered(18)
    effect = wd.estimate(data, "treat", "y", unit="unit", time="time")
    assert effect.method == "did" and "unit is seen again over time" in effect.reason
    assert type(effect).from_dict(effect.to_dict()) == effect


def test_auto_takes_it_for_groups_that_begin_over_time():
    effect = wd.estimate(regions(26), "treat", "y", cluster="region", time="time")
    assert effect.method == "did" and "region" in effect.reason


def test_auto_asks_a_mix_of_the_others_where_one_unit_is_treated():
    data = at_once(27)
    one = {**data, "treat": data["treat"] * (data["unit"] == 0)}
    effect = wd.estimate(one, "treat", "y", unit="unit", time="time")
    assert effect.method == "synthetic_control" and "one unit of 40" in effect.reason
    # What the mix cannot do is asked of did, whose check fails.
    known = {**one, "x": np.random.default_rng(1).normal(size=len(one["y"]))}
    asked = {"unit": "unit", "time": "time"}
    adjusted = wd.estimate(known, "treat", "y", adjustment=["x"], **asked)
    assert adjusted.method == "did" and not adjusted.is_credible
    assert wd.estimate(one, "treat", "y", estimator="fixed_effects", **asked).method == "did"


def test_auto_compares_units_that_were_treated_all_along_and_warns():
    data = at_once(28)
    drawn = {**data, "treat": (data["unit"] % 2 == 0).astype(int)}
    asked = {"unit": "unit", "time": "time"}
    effect = wd.estimate(drawn, "treat", "y", **asked)
    assert effect.method == "ab_test" and "from the first period on" in effect.reason
    assert [note.code for note in effect.warnings] == ["assumes_randomised"]
    by_unit = wd.estimate(drawn, "treat", "y", method="ab_test", cluster="unit")
    assert effect.standard_error == by_unit.standard_error
    apart = {**drawn, "y": drawn["y"] + 5 * np.random.default_rng(2).normal(size=40)[drawn["unit"]]}
    broken = wd.estimate(apart, "treat", "y", refute=True, **asked)
    assert broken.check("bootstrap").value == pytest.approx(1, abs=0.35)  # units, not rows
    assert wd.estimate(drawn, "treat", "y", start=3, **asked).method == "did"


def test_auto_takes_on_and_off_for_a_switchback():
    data = at_once(29)
    rng = np.random.default_rng(29)
    longer = {name: np.tile(values, 4) for name, values in data.items()}
    longer["time"] = longer["time"] + np.repeat(np.arange(4) * 6, len(data["y"]))
    blocks = rng.integers(0, 2, (40, 24))
    longer["treat"] = blocks[longer["unit"], longer["time"]]
    effect = wd.estimate(longer, "treat", "y", unit="unit", time="time")
    assert effect.method == "switchback" and "on and off" in effect.reason


# ---- what is refused --------------------------------------------------------------------------
PANEL = at_once(19)
MARKS = {"treat": (PANEL["unit"] < 20).astype(int)}


@pytest.mark.parametrize(
    ("columns", "arguments", "says"),
    [
        ({}, {"time": None}, "needs 'time'"),
        ({"time": np.zeros(240)}, {}, "one value in all"),
        ({"unit": np.zeros(240)}, {}, "is seen 40 times"),
        (MARKS, {}, "Give start="),
        (MARKS, {"start": 9}, "unknown period '9'"),
        (MARKS, {"start": 0}, "is the first period"),
        ({}, {"start": 3}, "start is given too"),
        ({}, {"unit": None, "start": 3}, "must mark the same group"),
        ({"treat": (PANEL["time"] >= 3).astype(int)}, {}, "nobody stays untreated"),
        ({"treat": (PANEL["time"] == 3) * (PANEL["unit"] < 20)}, {}, "untreated again"),
        ({"g": PANEL["time"]}, {"cluster": "g"}, "lies in several clusters"),
        ({"g": np.zeros(240)}, {"cluster": "g"}, "one cluster"),
        ({}, {"estimator": "twfe"}, "unknown estimator 'twfe'"),
        ({}, {"draws": 10}, "10 is no whole number"),
        (MARKS, {"unit": None, "start": 3, "estimator": "fixed_effects"}, "none is named"),
        ({}, {"aggregat": "group"}, "Did you mean 'aggregate'?"),
        ({"treat": np.arange(240) % 3}, {}, "takes a treatment that is binary"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_sentence(columns, arguments, says):
    with pytest.raises(wd.WhydriftError) as caught:
        wd.estimate({**PANEL, **columns}, **{**ASKED, **arguments})
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_treatment_that_ends_is_estimated_by_a_slope_alone():
    treat = ((PANEL["time"] == 3) * (PANEL["unit"] < 20)).astype(int)
    effect = wd.estimate({**PANEL, "treat": treat}, **ASKED, estimator="fixed_effects")
    assert effect.value is not None
    assert effect.check("parallel_trends").outcome is Outcome.WARN
