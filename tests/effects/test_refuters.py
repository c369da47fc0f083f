"""Refuters: they pass what is right, and catch what is wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import whydrift as wd
from tests.effects.worlds import confounded, real
from whydrift.effects import Outcome
from whydrift.effects.api import prepare
from whydrift.effects.refuters import falsify_graph, refute, refuted, refuter_names, sensitivity
from whydrift.effects.refuters.omitted_variable import (
    adjusted,
    benchmark_bound,
    partial_r2,
    robustness_value,
)
from whydrift.effects.refuters.registry import refuter_rows

WORLD = confounded(600, 3)


def outcomes(checks):
    return {check.name: check.outcome for check in checks}


# ---- Cinelli & Hazlett's example: being harmed in Darfur, and attitudes towards peace ---------
@pytest.fixture(scope="module")
def darfur():
    table = real("darfur").to_pandas()
    village = table.pop("village")
    data = {name: table[name].to_numpy() for name in table}
    villages = sorted(village.unique())[1:]
    dummies = {f"village {i}": (village == v).to_numpy(float) for i, v in enumerate(villages)}
    terms = ("age", "farmer_dar", "herder_dar", "pastvoted", "hhsize_darfur", "female", *dummies)
    study = prepare(
        {**data, **dummies}, "directlyharmed", "peacefactor",
        method="regression_adjustment", adjustment=terms, interactions=False,
    ).study  # fmt: skip
    return sensitivity(study, benchmarks={"female": ["female"]})


def test_darfur_robustness_values_are_those_of_sensemakr(darfur):
    assert round(darfur.value, 4) == 0.0973
    assert round(darfur.standard_error, 4) == 0.0233
    assert darfur.freedom == 783
    assert round(darfur.statistic, 3) == 4.184
    assert round(darfur.partial_r2, 3) == 0.022
    assert round(darfur.robustness_value, 3) == 0.139
    assert round(darfur.robustness_value_of_interval, 3) == 0.076


def test_darfur_benchmarks_against_female_are_those_of_sensemakr(darfur):
    table = darfur.table()
    rounded = [tuple(round(cell, 3) for cell in row[1:]) for row in table.rows]
    assert table["hidden cause"] == ("1 x female", "2 x female", "3 x female")
    assert rounded == [
        (0.009, 0.125, 0.075, 0.022, 0.032, 0.118),
        (0.018, 0.249, 0.053, 0.02, 0.013, 0.093),
        (0.027, 0.374, 0.03, 0.019, -0.006, 0.067),
    ]
    assert darfur.check().outcome is Outcome.PASS


def test_the_contour_of_nothing_left_passes_through_the_robustness_value(darfur):
    line = darfur.chart().series[0]
    value = np.interp(darfur.robustness_value, line.x, line.y)
    assert value == pytest.approx(darfur.robustness_value, rel=0.02)
    left, _ = adjusted(
        darfur.value, darfur.standard_error, darfur.freedom,
        darfur.robustness_value, darfur.robustness_value,
    )  # fmt: skip
    assert left == pytest.approx(0.0, abs=1e-12)


def test_formulas_meet_their_limits():
    assert robustness_value(0.5, 100, alpha=0.05) == 0.0
    assert robustness_value(1e6, 100) == pytest.approx(1.0, abs=1e-6)
    assert partial_r2(0.0, 10) == 0.0
    assert benchmark_bound(0.7, 0.1) == (1.0, 1.0)


# ---- what is right passes, what is wrong is caught ---------------------------------------------
def test_a_right_analysis_survives_all_refuters():
    effect = wd.estimate(WORLD, "treat", "y", method="doubly_robust", adjustment=("x", "w"))
    checks = refute(effect, WORLD, repeats=60)
    assert set(outcomes(checks)) == set(refuter_names()) - {"negative_controls", "graph"}
    assert set(outcomes(checks).values()) == {Outcome.PASS}


def test_standard_errors_that_forget_clusters_are_caught():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(40), 15)
    treat = (rng.random(40) < 0.5).astype(int)[group]
    outcome = 2 * rng.normal(size=40)[group] + rng.normal(size=600)
    data = {"treat": treat, "y": outcome, "group": group}
    right = wd.estimate(data, "treat", "y", cluster="group")
    checks = outcomes(refute(right, data, cluster="group", refuters=("placebo_treatment",)))
    assert checks["placebo_treatment"] is Outcome.PASS
    # The same estimate, with the errors of rows that are taken for independent.
    wrong = replace(right, standard_error=right.standard_error / 4)
    checks = outcomes(refute(wrong, data, cluster="group", refuters=("bootstrap",)))
    assert checks["bootstrap"] is Outcome.FAIL


def test_an_effect_that_is_not_there_is_caught_where_arms_hardly_overlap():
    wild = confounded(400, 1, strength=3.0)
    effect = wd.estimate(wild, "treat", "y", method="ipw", adjustment=("x", "w"))
    found = outcomes(refute(effect, wild, refuters="dummy_outcome"))
    assert found["dummy_outcome"] is Outcome.FAIL


@pytest.mark.parametrize("seed", [6, 9, 11])
def test_what_chance_left_uneven_and_the_error_covers_is_no_fault(seed):
    sound = confounded(400, seed, strength=1.0)
    effect = wd.estimate(sound, "treat", "y", method="ipw", adjustment=("x", "w"))
    (check,) = refute(effect, sound, refuters="dummy_outcome", repeats=50)
    assert check.outcome is Outcome.PASS, check.sentence


def test_a_negative_outcome_shows_the_hidden_cause():
    rng = np.random.default_rng(2)
    hidden, x = rng.normal(size=(2, 800))
    treat = (hidden + x + rng.normal(size=800) > 0).astype(int)
    data = {
        "x": x, "treat": treat, "y": hidden + x + rng.normal(size=800),
        "before": hidden + x + rng.normal(size=800), "unrelated": rng.normal(size=800),
    }  # fmt: skip
    effect = wd.estimate(data, "treat", "y", adjustment="x")
    checks = refute(
        effect, data, refuters="negative_controls", negative_outcomes=("before", "unrelated"),
        negative_treatments="unrelated",
    )  # fmt: skip
    assert [check.outcome for check in checks] == [Outcome.FAIL, Outcome.PASS, Outcome.PASS]
    assert "hidden cause" in checks[0].sentence


def test_a_weak_effect_does_not_survive_a_cause_as_strong_as_one_seen():
    rng = np.random.default_rng(3)
    x = rng.normal(size=500)
    treat = (x + rng.normal(size=500) > 0).astype(int)
    data = {"x": x, "treat": treat, "y": 0.5 * treat + 3 * x + rng.normal(size=500)}
    effect = wd.estimate(data, "treat", "y", adjustment="x")
    assert outcomes(refute(effect, data, refuters="hidden_cause"))["hidden_cause"] is Outcome.FAIL


# ---- the graph ----------------------------------------------------------------------------------
def chain(rows=800, seed=4):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=rows)
    b = a + rng.normal(size=rows)
    c = b + rng.normal(size=rows)
    d = c + rng.normal(size=rows)
    return {"a": a, "b": b, "c": c, "d": d, "e": d - b + rng.normal(size=rows)}


TRUE = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "e"), ("b", "e")]


def test_the_true_graph_is_kept_and_a_wrong_one_rejected():
    data = chain()
    good = falsify_graph(wd.Graph.from_pairs(TRUE), data)
    assert good.check().outcome is Outcome.PASS and good.p_value <= 0.05
    wrong = [("c", "a"), ("a", "e"), ("e", "b"), ("d", "b"), ("c", "d")]
    bad = falsify_graph(wd.Graph.from_pairs(wrong), data)
    assert bad.check().outcome is Outcome.FAIL
    assert bad.violations and bad.sure_violations[0].p_value < 1e-6


def test_a_complete_graph_says_nothing_that_data_could_reject():
    full = [("a", "b"), ("a", "c"), ("b", "c")]
    found = falsify_graph(wd.Graph.from_pairs(full), chain())
    assert found.check().outcome is Outcome.WARN and not found.implied


def test_an_edge_without_direction_cannot_be_held_against_data():
    graph = wd.Graph(("a", "b"), (wd.Edge.of("a", "---", "b"),))
    with pytest.raises(wd.GraphError, match="not directed"):
        falsify_graph(graph, chain())


# ---- bad input ----------------------------------------------------------------------------------
def test_other_data_are_refused():
    effect = wd.estimate(WORLD, "treat", "y", adjustment=("x", "w"))
    with pytest.raises(wd.OptionError, match="does not come out again"):
        refute(effect, confounded(600, 4))


def test_bounds_hold_no_number_to_refute():
    data = {"t": [0, 1] * 50, "y": [0, 1, 1, 1] * 25}
    effect = wd.estimate(data, "t", "y", method="bounds")
    with pytest.raises(wd.OptionError, match="no number to refute"):
        refute(effect, data)


def test_unknown_and_unfit_refuters_are_named():
    effect = wd.estimate(WORLD, "treat", "y", method="difference_in_means")
    with pytest.raises(wd.OptionError, match="placebo_treatment"):
        refute(effect, WORLD, refuters="placebo_treatmnt")
    with pytest.raises(wd.OptionError, match="adjusts for nothing"):
        refute(effect, WORLD, refuters="random_common_cause")


@pytest.mark.parametrize("row", refuter_rows(), ids=lambda row: row.name)
def test_every_row_loads(row):
    assert callable(row.load()) and row.summary


def test_the_effect_keeps_what_was_found_through_json():
    graph = [("x", "treat"), ("w", "treat"), ("x", "y"), ("w", "y"), ("treat", "y")]
    effect = wd.estimate(WORLD, "treat", "y", graph=graph)
    found = refuted(effect, WORLD, graph=graph, repeats=20)
    assert found.check("graph").outcome is not Outcome.FAIL
    assert wd.Effect.from_dict(found.to_dict()) == found
    assert {"hidden_cause", "independences"} <= set(found.details)


def test_the_front_door_refutes_on_request():
    found = wd.estimate(WORLD, "treat", "y", adjustment=("x", "w"), refute=True)
    assert {"placebo_treatment", "hidden_cause"} <= {check.name for check in found.checks}
    assert found.is_credible
