"""Adjusting: beside other people's code, where the effect is known, and where it must fail."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

import whydrift as wd
from tests.effects.worlds import NHEFS_TERMS, confounded, real
from whydrift.effects import Outcome, estimate
from whydrift.effects.adjustment.nuisance import folds
from whydrift.effects.e_value import e_value

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from effects_scenarios import scenarios

SCENARIOS = [s for s in scenarios() if s.name.startswith("adjustment.")]
SAMPLES = 40


# ---- worlds whose effect is known -------------------------------------------------------------
@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if s.holds], ids=lambda s: s.name)
def test_intervals_hold_the_truth_and_no_check_fails_where_the_assumptions_hold(scenario):
    held, off, failed = 0, [], 0
    for generator in np.random.default_rng(1).spawn(SAMPLES):
        data = scenario.draw(generator)
        effect = estimate(data, **scenario.arguments)
        truth = scenario.true_effect(data)
        held += effect.low <= truth <= effect.high
        off.append((effect.value - truth) / effect.standard_error)
        failed += bool(effect.failed)
    # benchmarks/effects.py measures coverage closely; here only what is badly wrong shows.
    assert held >= binom.ppf(1e-5, SAMPLES, 0.94)
    assert abs(np.mean(off)) < 4.5 / np.sqrt(SAMPLES)
    assert failed <= 0.1 * SAMPLES


@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if not s.holds], ids=lambda s: s.name)
def test_the_check_fires_where_the_assumptions_do_not_hold(scenario):
    fired = 0
    for generator in np.random.default_rng(1).spawn(10):
        effect = estimate(scenario.draw(generator), **scenario.arguments)
        fired += effect.check(scenario.fires).outcome is Outcome.FAIL
    assert fired >= 9


# ---- beside other people's code ---------------------------------------------------------------
def _frame(terms: tuple[str, ...]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the NHEFS data and their design with these terms, made without our code."""
    table = real("nhefs").to_pandas()
    parts = {}
    for term in terms:
        if term.startswith("C("):
            name = term[2:-1]
            for level in sorted(table[name].unique())[1:]:
                parts[f"{name}={level}"] = (table[name] == level).astype(float)
        elif term.endswith("^2"):
            parts[term] = table[term[:-2]].astype(float) ** 2
        else:
            parts[term] = table[term].astype(float)
    return table, pd.DataFrame(parts)


@pytest.mark.parametrize("cluster", [None, "age"])
def test_one_slope_is_that_of_statsmodels_with_its_robust_errors(cluster):
    sm = pytest.importorskip("statsmodels.api")
    table, design = _frame(NHEFS_TERMS)
    inputs = sm.add_constant(pd.concat([table["qsmk"].astype(float), design], axis=1))
    model = sm.OLS(table["wt82_71"], inputs)
    ours = wd.estimate(
        table, "qsmk", "wt82_71", method="regression_adjustment", adjustment=NHEFS_TERMS,
        interactions=False, cluster=cluster,
    )  # fmt: skip
    if cluster is None:
        theirs = model.fit(cov_type="HC2")
        assert ours.standard_error == pytest.approx(theirs.bse["qsmk"], rel=2e-3)
    else:
        theirs = model.fit(cov_type="cluster", cov_kwds={"groups": table[cluster]})
        # Ours also lifts residuals by their leverage (CR2's diagonal), theirs counts parameters.
        assert ours.standard_error == pytest.approx(theirs.bse["qsmk"], rel=0.02)
    assert ours.value == pytest.approx(theirs.params["qsmk"], rel=1e-9)


@pytest.mark.parametrize("estimand", ["ate", "att"])
def test_standardisation_weighting_and_both_are_those_of_statsmodels(estimand):
    # statsmodels.treatment: regression adjustment, IPW and AIPW with stacked errors (GMM).
    effects = pytest.importorskip("statsmodels.treatment.treatment_effects")
    sm = pytest.importorskip("statsmodels.api")
    table, design = _frame(NHEFS_TERMS)
    scaled = sm.add_constant((design - design.mean()) / design.std())
    treat = table["qsmk"].to_numpy().astype(int)
    chance = sm.Logit(treat, scaled).fit(disp=0)
    theirs = effects.TreatmentEffect(sm.OLS(table["wt82_71"], scaled), treat, results_select=chance)
    group = {"ate": "all", "att": 1}[estimand]
    for method, answer in (("regression_adjustment", theirs.ra), ("ipw", theirs.ipw)):
        expected = answer(effect_group=group, return_results=False)[0]
        ours = wd.estimate(
            table, "qsmk", "wt82_71", method=method, adjustment=NHEFS_TERMS, estimand=estimand
        )
        assert ours.value == pytest.approx(expected, rel=1e-4)
    if estimand == "ate":
        stacked = theirs.ipw(return_results=True)
        ours = wd.estimate(table, "qsmk", "wt82_71", method="ipw", adjustment=NHEFS_TERMS)
        assert ours.standard_error == pytest.approx(stacked.results_gmm.bse[0], rel=0.02)


def test_matching_is_brute_force():
    data = confounded(120, 4)
    data["x"] = np.round(data["x"], 1)  # with ties
    effect = wd.estimate(
        data, "treat", "y", method="matching", adjustment=["x"], estimand="att",
        bias_adjusted=False,
    )  # fmt: skip
    treated = data["treat"] == 1
    gaps = []
    for x, y in zip(data["x"][treated], data["y"][treated], strict=True):
        distance = np.abs(data["x"][~treated] - x)
        gaps.append(y - data["y"][~treated][np.isclose(distance, distance.min())].mean())
    assert effect.value == pytest.approx(np.mean(gaps), rel=1e-12)


def test_dml_without_folds_is_least_squares():
    data = confounded(300, 4)
    ours = wd.estimate(data, "treat", "y", method="regression_adjustment",
                       adjustment=["x", "w"], interactions=False)  # fmt: skip
    dose = {**data, "treat": data["treat"] + 0.1 * np.random.default_rng(0).normal(size=300)}
    slope = wd.estimate(dose, "treat", "y", method="dml", adjustment=["x", "w"])
    least = wd.estimate(dose, "treat", "y", method="regression_adjustment", adjustment=["x", "w"])
    assert slope.value == pytest.approx(least.value, rel=1e-5)
    assert ours.details["model"]["coefficient"][0] == pytest.approx(ours.value, rel=1e-12)


@pytest.mark.parametrize(("method", "learner"), [("doubly_robust", "boosting"), ("dml", "forest")])
def test_flexible_learners_find_the_effect_behind_a_curve(method, learner):
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(2)
    x = rng.uniform(-2, 2, 500)
    treat = (rng.random(500) < np.where(np.abs(x) > 1, 0.7, 0.3)).astype(int)
    data = {"x": x, "treat": treat, "y": 3 * np.abs(x) + treat + rng.normal(size=500)}
    given = {"method": method, "adjustment": ["x"]}
    straight = wd.estimate(data, "treat", "y", **given)
    effect = wd.estimate(data, "treat", "y", **given, learner=learner, folds=2, random_state=1)
    assert abs(effect.value - 1) < 0.5 < abs(straight.value - 1)


# ---- parts ------------------------------------------------------------------------------------
def test_trimming_leaves_rows_out_and_says_who_is_asked_about():
    data = confounded(800, 6, strength=3.0)
    effect = wd.estimate(data, "treat", "y", method="ipw", adjustment=["x", "w"], trim=0.1)
    note = next(note for note in effect.warnings if note.code == "rows_trimmed")
    gone = int(note.text.split()[0].replace(",", ""))
    assert effect.n == 800 - gone and gone > 100
    assert effect.estimand.words.endswith("among rows with overlap")
    assert "overlap" not in {check.name for check in effect.failed}


def test_a_caliper_leaves_rows_without_a_match_out_and_counts_them():
    data = confounded(300, 6, strength=3.0)
    given = {"method": "matching", "adjustment": ["x", "w"], "on": "propensity"}
    effect = wd.estimate(data, "treat", "y", **given, caliper=0.05)
    assert effect.check("unmatched").outcome is not Outcome.PASS
    assert effect.estimand.words.endswith("among rows with a match")
    with pytest.raises(wd.TooFewRows, match="no row has a match"):
        far = {**data, "x": data["x"] + 1000 * data["treat"]}
        wd.estimate(far, "treat", "y", **given, caliper=1e-6)


def test_separated_arms_fail_and_do_not_crash():
    data = confounded(300, 6)
    apart = {**data, "x": data["x"] + 100 * data["treat"]}
    for method in ("regression_adjustment", "ipw", "doubly_robust", "matching"):
        effect = wd.estimate(apart, "treat", "y", method=method, adjustment=["x"], estimand="ate")
        assert "overlap" in {check.name for check in effect.failed}, method


def test_few_clusters_are_a_warning_and_very_few_a_failure():
    data = confounded(300, 6)
    for groups, outcome in ((50, Outcome.PASS), (10, Outcome.WARN), (3, Outcome.FAIL)):
        given = {**data, "group": np.arange(300) % groups}
        assert (
            wd.estimate(given, "treat", "y", cluster="group").check("clusters").outcome is outcome
        )


def test_rows_of_one_cluster_are_held_out_together():
    cluster = np.repeat(np.arange(20), 5)
    seen_at_all = np.zeros(100)
    for fitted, judged in folds(None, 100, 4, cluster, 0):
        assert not set(cluster[fitted]) & set(cluster[judged]) and (fitted ^ judged).all()
        seen_at_all += judged
    assert (seen_at_all == 1).all()


def test_repeated_rows_with_their_cluster_give_the_error_of_the_rows_alone():
    data = confounded(250, 9)
    four = {name: np.repeat(values, 4) for name, values in data.items()}
    four["id"] = np.repeat(np.arange(250), 4)
    for method in ("regression_adjustment", "ipw", "doubly_robust", "dml"):
        given = {"method": method, "adjustment": ["x", "w"]}
        once = wd.estimate(data, "treat", "y", **given)
        often = wd.estimate(four, "treat", "y", **given, cluster="id")
        assert often.value == pytest.approx(once.value, rel=1e-3)
        assert often.standard_error == pytest.approx(once.standard_error, rel=0.03)


def test_the_e_value_of_the_paper():
    # VanderWeele & Ding (2017): a risk ratio of 3.9 has an E-value of 7.26, 0.8 the one of 1.25.
    assert round(e_value(3.9), 2) == 7.26
    assert e_value(0.8) == pytest.approx(e_value(1.25))
    assert e_value(1.0) == 1.0


# ---- bounds -----------------------------------------------------------------------------------
def test_bounds_have_the_width_that_manski_says_and_no_number_between_them():
    rng = np.random.default_rng(1)
    treat = (rng.random(5000) < 0.3).astype(int)
    data = {"treat": treat, "y": (rng.random(5000) < 0.2 + 0.3 * treat).astype(int)}
    effect = wd.estimate(data, "treat", "y", method="bounds")
    low, high, *_ = effect.details["bounds"]["value"]
    assert high - low == pytest.approx(1.0)  # of a 0/1 outcome, whatever the data
    assert effect.value is None and effect.low < low < 0.3 < high < effect.high
    assert "between" in str(effect).splitlines()[0] and not effect.is_credible
    with pytest.raises(wd.OptionError, match="lowest= and highest="):
        wd.estimate({**data, "y": rng.normal(size=5000)}, "treat", "y", method="bounds")
    with pytest.raises(wd.SchemaError, match="runs from"):
        wd.estimate(data, "treat", "y", method="bounds", lowest=0.5, highest=1)


def test_the_interval_of_bounds_holds_an_effect_that_lies_on_one_of_them():
    held, samples = 0, 200
    for rng in np.random.default_rng(4).spawn(samples):
        treat = rng.random(400) < 0.5
        # Had the untreated been treated: 0, the treated untreated: 1. The worst there can be.
        outcome = np.where(treat, rng.random(400) < 0.6, rng.random(400) < 0.4)
        effect = estimate({"treat": treat, "y": outcome}, "treat", "y", method="bounds")
        held += effect.low <= 0.5 * 0.6 - 0.5 * 0.4 - 0.5 <= effect.high
    assert binom.ppf(1e-5, samples, 0.95) <= held < samples
