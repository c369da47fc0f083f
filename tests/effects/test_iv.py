"""Instruments: the numbers, the set that stands in for a weak one, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

import whydrift as wd
from tests.effects.worlds import CARD_TERMS, real
from whydrift.effects import Outcome
from whydrift.effects.instrument.anderson_rubin import anderson_rubin
from whydrift.effects.instrument.reduced_form import ReducedForm, reduced_form

CARD = {"treatment": "educ", "outcome": "lwage", "adjustment": CARD_TERMS}


def world(seed: int, strength: float = 0.5, count: int = 1, rows: int = 500, direct: float = 0.0):
    rng = np.random.default_rng(seed)
    z, hidden = rng.normal(size=(rows, count)), rng.normal(size=rows)
    dose = strength * z.sum(axis=1) + hidden + rng.normal(size=rows)
    outcome = dose + hidden + direct * z[:, -1] + rng.normal(size=rows)
    return {"dose": dose, "y": outcome, **{f"z{i}": z[:, i] for i in range(count)}}


# ---- numbers ----------------------------------------------------------------------------------
def test_a_year_of_schooling_is_worth_0_1315_by_the_college_nearby():
    # Card (1995) / Wooldridge, example 15.4: 0.1315 (0.0550).
    effect = wd.estimate(real("card"), **CARD, instrument="nearc4", errors="classical")
    assert effect.method == "iv"
    assert f"{effect.value:.4f} {effect.standard_error:.4f}" == "0.1315 0.0550"
    rows = dict(zip(*(effect.details["estimates"][c] for c in ("estimator", "value")), strict=True))
    assert round(rows["least squares"], 4) == 0.0747


def test_the_first_stage_and_the_anderson_rubin_set_of_card():
    # Wooldridge (first stage t = 3.64, so F = 13.26); Stata's condivreg gives [.0248, .2848].
    effect = wd.estimate(real("card"), **CARD, instrument="nearc4", errors="classical")
    weak = effect.check("weak_instrument")
    assert round(weak.value, 2) == 13.26 and round(weak.threshold, 1) == 23.1
    assert weak.outcome is Outcome.WARN
    held = effect.details["anderson_rubin"]
    assert round(held["low"][0], 4) == 0.0248 and round(held["high"][0], 4) == 0.2848


def test_two_instruments_for_schooling_agree():
    # Wooldridge, computer exercise 15.3: 2SLS with nearc2 and nearc4 is 0.157 (0.053).
    effect = wd.estimate(real("card"), **CARD, instrument=["nearc2", "nearc4"], errors="classical")
    assert round(effect.value, 3) == 0.157
    assert effect.check("over_identification").outcome is Outcome.PASS
    # Their F is 7.9: the number has no standard error, and the set stands in for the interval.
    assert effect.check("weak_instrument").outcome is Outcome.FAIL and not effect.is_credible
    assert effect.standard_error is None
    held = effect.details["anderson_rubin"]
    assert (effect.low, effect.high) == (held["low"][0], held["high"][0])


@pytest.mark.parametrize("spread", ["classical", "robust", "cluster"])
def test_the_statistics_are_those_of_linearmodels(spread):
    from linearmodels.iv import IV2SLS

    data = world(1, count=3)
    group = np.arange(500) % 40
    options = {"errors": spread} if spread != "cluster" else {"cluster": "group"}
    effect = wd.estimate(
        {**data, "group": group}, "dose", "y", instrument=["z0", "z1", "z2"], **options
    )
    z = np.column_stack([data[f"z{i}"] for i in range(3)])
    spec = {
        "classical": {"cov_type": "unadjusted"},
        "robust": {"cov_type": "robust"},
        "cluster": {"cov_type": "clustered", "clusters": group},
    }[spread]
    fit = IV2SLS(data["y"], np.ones((500, 1)), data["dose"], z).fit(debiased=True, **spec)
    assert effect.value == pytest.approx(fit.params.iloc[-1], rel=1e-9)
    assert effect.standard_error == pytest.approx(fit.std_errors.iloc[-1], rel=1e-9)
    form = reduced_form(
        z, data["dose"], data["y"], np.ones((500, 1)), robust=spread != "classical",
        cluster=group if spread == "cluster" else None,
    )  # fmt: skip
    first = IV2SLS(data["dose"], np.column_stack([np.ones(500), z]), None, None).fit(
        debiased=True, **spec
    )
    moved = first.params.to_numpy()[1:]
    wald = moved @ np.linalg.solve(first.cov.to_numpy()[1:, 1:], moved) / 3
    assert form.first_stage_f == pytest.approx(wald, rel=1e-9)
    if spread == "classical":
        assert form.effective_f == pytest.approx(wald, rel=1e-9)
        wu = fit.wu_hausman().pval
        assert effect.check("endogeneity").value == pytest.approx(wu, rel=1e-6)


def test_the_anderson_rubin_set_of_one_instrument_is_a_quadratic_s():
    for seed, strength in ((0, 0.5), (1, 0.1), (2, 0.02), (3, 0.0)):
        data = world(seed, strength)
        form = reduced_form(
            data["z0"][:, None], data["dose"], data["y"], np.ones((500, 1)), robust=True,
            cluster=None,
        )  # fmt: skip
        held = anderson_rubin(form, 0.95)
        from scipy.stats import f

        limit = f.isf(0.05, 1, form.freedom)
        a, b = form.with_outcome[0], form.with_treatment[0]
        square = b**2 - limit * form.spread_treatment[0, 0]
        linear = -2 * (a * b - limit * form.spread_both[0, 0])
        level = a**2 - limit * form.spread_outcome[0, 0]
        roots = np.roots([square, linear, level])
        ends = [end for piece in held.pieces for end in piece if end is not None]
        expected = sorted(roots.real) if np.isreal(roots).all() else []
        assert sorted(ends) == pytest.approx(expected, rel=1e-5)
        assert held.is_bounded == (square > 0)


def test_the_critical_effective_f_is_that_of_the_paper():
    # Montiel Olea & Pflueger (2013), table 1, one instrument: 37.4, 23.1, 15.1, 12.0.
    form = ReducedForm(*(np.eye(1),), *(np.ones(1),) * 2, *(np.eye(1),) * 3, 100.0)
    found = [round(form.critical_f(bias), 1) for bias in (0.05, 0.1, 0.2, 0.3)]
    assert found == [37.4, 23.1, 15.1, 12.0]


# ---- checks -----------------------------------------------------------------------------------
def test_a_weak_instrument_fails_and_an_interval_without_bounds_says_so():
    effect = wd.estimate(world(4, 0.0), "dose", "y", instrument="z0")
    weak = effect.check("weak_instrument")
    assert weak.outcome is Outcome.FAIL and "without a bound" in weak.sentence
    assert effect.low is None and effect.high is None and effect.standard_error is None
    assert "−∞" in str(effect) and "Do not rely on this number" in str(effect)


def test_the_anderson_rubin_interval_holds_the_truth_however_weak():
    trials, held = 150, 0
    for seed in range(trials):
        effect = wd.estimate(world(seed, 0.08), "dose", "y", instrument="z0")
        low = -np.inf if effect.low is None else effect.low
        high = np.inf if effect.high is None else effect.high
        held += low <= 1.0 <= high
    assert held >= binom.ppf(1e-6, trials, 0.95)


def test_the_anderson_rubin_test_of_three_weak_instruments_rejects_as_often_as_it_says():
    from scipy.stats import f

    trials, below = 500, 0
    for seed in range(trials):
        data = world(seed, 0.06, count=3)
        z = np.column_stack([data[f"z{i}"] for i in range(3)])
        form = reduced_form(
            z, data["dose"], data["y"], np.ones((500, 1)), robust=True, cluster=None
        )
        below += form.anderson_rubin(np.ones(1))[0] > f.isf(0.05, 3, form.freedom)
    assert binom.ppf(1e-5, trials, 0.05) <= below <= binom.isf(1e-5, trials, 0.05)


def test_an_instrument_that_reaches_the_outcome_by_itself_is_found_out_by_the_others():
    effect = wd.estimate(world(5, count=3, direct=0.5), "dose", "y", instrument=["z0", "z1", "z2"])
    assert effect.check("over_identification").outcome is Outcome.FAIL


def test_liml_and_two_stages_are_the_same_with_one_instrument_and_near_with_three():
    one = world(6)
    answers = [
        wd.estimate(one, "dose", "y", instrument="z0", estimator=e) for e in ("2sls", "liml")
    ]
    assert answers[0].value == answers[1].value
    three = world(6, count=3)
    names = ["z0", "z1", "z2"]
    liml = wd.estimate(three, "dose", "y", instrument=names, estimator="liml")
    both = liml.details["estimates"]
    assert both["estimator"] == (
        "least squares", "two-stage least squares", "LIML", "Anderson–Rubin",
    )  # fmt: skip
    assert liml.value == both["value"][2] == pytest.approx(both["value"][1], abs=0.05)
    assert liml.chart("estimators").rows[-1] == "Anderson–Rubin"


def test_the_effect_on_compliers_is_named_so():
    rng = np.random.default_rng(7)
    z = rng.integers(0, 2, 2000)
    kind = rng.choice(3, 2000, p=(0.2, 0.3, 0.5))
    treat = np.where(kind == 0, 1, np.where(kind == 1, 0, z))
    y = kind + np.where(kind == 2, 1.0, 3.0) * treat + rng.normal(size=2000)
    effect = wd.estimate({"z": z, "treat": treat, "y": y}, "treat", "y", instrument="z")
    assert "compliers" in effect.estimand.words and effect.low < 1.0 < effect.high
    wald = (y[z == 1].mean() - y[z == 0].mean()) / (treat[z == 1].mean() - treat[z == 0].mean())
    assert effect.value == pytest.approx(wald, rel=1e-9)


# ---- the graph --------------------------------------------------------------------------------
def test_an_instrument_is_found_in_the_graph_or_held_against_it():
    data = {**world(8), "x": np.random.default_rng(0).normal(size=500)}
    graph = [("z0", "dose"), ("dose", "y"), ("u", "dose"), ("u", "y"), ("x", "y")]
    effect = wd.estimate(data, "dose", "y", graph=graph)
    assert effect.method == "iv" and "z0 is an instrument" in effect.reason
    named = wd.estimate(data, "dose", "y", graph=graph, instrument="z0")
    assert named.value == effect.value
    assert named.check("identification").outcome is Outcome.PASS
    with pytest.raises(wd.NotIdentified, match=r"x does not move dose|another way"):
        wd.estimate(data, "dose", "y", graph=graph, instrument="x")
    forced = wd.estimate(data, "dose", "y", graph=graph, instrument="x", force=True)
    assert forced.check("identification").outcome is Outcome.FAIL


# ---- what is refused --------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("columns", "arguments", "says"),
    [
        ({}, {"instrument": "z9"}, "no column 'z9'"),
        ({}, {"method": "iv"}, "needs 'instrument'"),
        ({}, {"instrument": "z0", "adjustment": ["z0"]}, "as instrument and adjusted for"),
        ({"c": np.ones(500)}, {"instrument": "c"}, "instrument c does not vary"),
        ({"c": 2 * world(0)["z0"]}, {"instrument": "c", "adjustment": ["z0"]}, "does not vary"),
        ({"y": 2 * world(0)["dose"] + 1}, {"instrument": "z0"}, "follows from treatment 'dose'"),
        ({"c": 3 * world(0)["dose"]}, {"instrument": "c"}, "follows from c without an error"),
        ({}, {"instrument": "z0", "estimator": "gmm"}, "unknown estimator 'gmm'"),
        ({}, {"instrument": "z0", "errors": "hac"}, "unknown errors 'hac'"),
        ({}, {"instrument": "dose"}, "as treatment and as instrument"),
        ({"g": np.arange(500) % 2}, {"instrument": "z0", "cluster": "g"}, "2 clusters"),
        ({"g": np.zeros(500)}, {"instrument": "z0", "cluster": "g"}, "one cluster"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_sentence(columns, arguments, says):
    with pytest.raises(wd.WhydriftError) as caught:
        wd.estimate({**world(0), **columns}, "dose", "y", **arguments)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_without_linearmodels_one_sentence_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "linearmodels.iv", None)
    with pytest.raises(wd.OptionError, match=r"pip install 'whydrift\[effects\]'"):
        wd.estimate(world(0), "dose", "y", instrument="z0")


def test_the_result_travels_and_scales():
    data = world(9)
    effect = wd.estimate(data, "dose", "y", instrument="z0")
    assert type(effect).from_dict(effect.to_dict()) == effect
    scaled = wd.estimate(
        {**data, "y": 1000 * data["y"] + 1e6, "z0": 1e-3 * data["z0"] + 5}, "dose", "y",
        instrument="z0",
    )  # fmt: skip
    for name in ("value", "standard_error"):
        assert getattr(scaled, name) == pytest.approx(1000 * getattr(effect, name), rel=1e-6)
    weak = effect.check("weak_instrument").value
    assert scaled.check("weak_instrument").value == pytest.approx(weak, rel=1e-6)
