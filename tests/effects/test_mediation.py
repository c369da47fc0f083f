"""Mediation: the parts of an effect, against closed forms and what R's mediation printed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import whydrift as wd
from whydrift.effects import Outcome


def world(rows=800, seed=0, *, confounding=0.0):
    rng = np.random.default_rng(seed)
    x, hidden = rng.normal(size=(2, rows))
    treat = (rng.random(rows) < 1 / (1 + np.exp(-x))).astype(int)
    between = 0.8 * treat + 0.5 * x + confounding * hidden + rng.normal(size=rows)
    outcome = 1.0 * treat + 1.5 * between + x + confounding * hidden + rng.normal(size=rows)
    return {"x": x, "treat": treat, "m": between, "y": outcome}


def ask(data, estimand="indirect", **options):
    return wd.estimate(
        data, "treat", "y", method="mediation", mediator="m", adjustment="x", estimand=estimand,
        **{"draws": 200, **options},
    )  # fmt: skip


def test_indirect_and_direct_parts_are_those_of_the_world():
    data = world(seed=1)
    indirect, direct, total = (ask(data, name) for name in ("indirect", "direct", "total"))
    assert indirect.low < 1.2 < indirect.high
    assert direct.low < 1.0 < direct.high
    assert indirect.value + direct.value == pytest.approx(total.value)
    assert indirect.check("mediator_moves").outcome is Outcome.PASS


def test_the_linear_parts_are_products_of_coefficients():
    data = world()
    ones = np.ones(len(data["x"]))
    first = np.linalg.lstsq(np.column_stack([ones, data["x"], data["treat"]]), data["m"])[0]
    second = np.linalg.lstsq(
        np.column_stack([ones, data["x"], data["treat"], data["m"]]), data["y"]
    )[0]
    assert ask(data).value == pytest.approx(first[2] * second[3])
    assert ask(data, "direct").value == pytest.approx(second[2])


def test_the_framing_experiment_is_mediated_as_r_s_mediation_says():
    # Tingley et al. (2014), mediation: R package for causal mediation analysis. Their probit by
    # bootstrap of 100: ACME 0.0854, ADE 0.0172, total 0.1026, each with simulation noise; ours is
    # logistic. The data ship with statsmodels' tests.
    pd = pytest.importorskip("pandas")
    import statsmodels.stats.tests as home

    path = Path(home.__file__).parent / "results" / "framing.csv"
    if not path.exists():
        pytest.skip("this build of statsmodels comes without its test data")
    found = wd.estimate(
        pd.read_csv(path), "treat", "cong_mesg", method="mediation", mediator="emo",
        adjustment=("age", "educ", "gender", "income"), draws=300,
    )  # fmt: skip
    parts = dict(zip(found.details["parts"]["part"], found.details["parts"]["value"], strict=True))
    assert parts["indirect"] == pytest.approx(0.0854, abs=0.01)
    assert parts["direct"] == pytest.approx(0.0172, abs=0.01)
    assert parts["total"] == pytest.approx(0.1026, abs=0.01)
    assert found.low == pytest.approx(0.03, abs=0.015)
    assert found.high == pytest.approx(0.14, abs=0.02)


def test_a_binary_mediator_is_summed_over_exactly():
    rng = np.random.default_rng(1)
    treat = rng.integers(0, 2, 4000)
    between = (rng.random(4000) < 0.3 + 0.4 * treat).astype(int)
    data = {"treat": treat, "m": between, "y": treat + 2.0 * between + rng.normal(size=4000)}
    found = wd.estimate(
        data, "treat", "y", method="mediation", mediator="m", adjustment=(), draws=100
    )
    moved = between[treat == 1].mean() - between[treat == 0].mean()
    slope = np.linalg.lstsq(np.column_stack([np.ones(4000), treat, between]), data["y"])[0][2]
    assert found.value == pytest.approx(moved * slope, rel=1e-3)


def test_the_correlation_that_explains_all_is_told():
    # Without an effect of m on y, a hidden cause makes one up; at its own ρ it is gone.
    data = world(4000, 2, confounding=1.0)
    found = ask(data)
    chart = found.chart("mediation_sensitivity")
    curve = chart.series[0]
    at_truth = np.interp(0.5, curve.x, curve.y)  # the errors share half of their variance
    assert at_truth == pytest.approx(1.2, abs=0.1)
    assert np.interp(0.0, curve.x, curve.y) == pytest.approx(found.value, rel=1e-6)


def test_a_treatment_that_does_not_move_the_mediator_is_told():
    data = world()
    data["m"] = np.random.default_rng(9).normal(size=800)
    assert ask(data).check("mediator_moves").outcome is not Outcome.PASS


def test_bad_mediators_are_refused_in_words():
    with pytest.raises(wd.SchemaError, match="same in all rows"):
        ask({**world(), "m": np.ones(800)})
    with pytest.raises(wd.SchemaError, match="3 different words"):
        ask({**world(), "m": np.array(["a", "b", "c", "a"] * 200)})
    with pytest.raises(wd.OptionError, match="draws"):
        ask(world(), draws=5)
