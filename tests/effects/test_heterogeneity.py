"""Who benefits: six learners, and whether what they say of rows is real."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, kstest

import whydrift as wd
from tests.effects.worlds import real
from whydrift.effects import Outcome

LEARNERS = ("s_learner", "t_learner", "x_learner", "r_learner", "dr_learner", "causal_forest")
NSW = ("age", "educ", "black", "hisp", "marr", "nodegree", "re74", "re75")


def world(rows: int = 400, seed: int = 0, *, varies: float = 1.0, slope: float = 0.5) -> dict:
    """The effect is 1 + ``varies`` · x; x and w are behind treatment and outcome."""
    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=(2, rows))
    treat = (rng.random(rows) < 1 / (1 + np.exp(-slope * (x + w)))).astype(int)
    y = x + w + treat * (1 + varies * x) + rng.normal(size=rows)
    region = np.array(["north", "south"])[rng.integers(0, 2, rows)]
    return {"x": x, "w": w, "region": region, "treat": treat, "y": y}


def who(data: dict, method: str = "t_learner", **given) -> wd.Effect:
    given = {"learner": "linear", "adjustment": ["x", "w", "region"], **given}
    if method == "causal_forest":
        given.setdefault("trees", 60)
    return wd.estimate(data, "treat", "y", method=method, **given)


@pytest.fixture(scope="module")
def effects() -> dict[str, wd.Effect]:
    at = {"x": [-1.0, 0.0, 1.0], "w": [0.0] * 3, "region": ["north", "north", "south"]}
    return {name: who(world(), name, at=at) for name in LEARNERS}


@pytest.mark.parametrize("name", LEARNERS)
def test_every_learner_gives_the_average_and_what_it_rests_on(effects, name):
    effect = effects[name]
    assert effect.low < 1 < effect.high and effect.is_credible
    assert {"tree", "groups", "calibration", "policies", "qini", "targeting", "cate", "at"} <= set(
        effect.details
    )
    assert [chart.name for chart in effect.charts][:4] == ["qini", "tree", "groups", "cate"]
    assert wd.Effect.from_dict(effect.to_dict()).to_dict() == effect.to_dict()


@pytest.mark.parametrize("name", LEARNERS[1:])
def test_rows_are_told_apart_and_shown_to_be(effects, name):
    effect = effects[name]
    assert effect.check("heterogeneity").outcome is Outcome.PASS
    low, middle, high = effect.details["at"]["effect"]
    assert low < middle < high and high == pytest.approx(2, abs=0.7)
    top, bottom = (effect.details["tree"]["effect"][i] for i in (0, -1))
    assert top > bottom + 1 and "x >" in effect.details["tree"]["who"][0]
    assert effect.details["targeting"]["low"][0] > 0
    policies = dict(
        zip(effect.details["policies"]["treat"], effect.details["policies"]["value"], strict=True)
    )
    # With few rows, predictions may be worth a little less than treating everybody.
    assert policies["nobody"] == 0 < policies["everybody"] - 0.1
    assert policies["those predicted to gain"] > policies["everybody"] - 0.1


def test_a_linear_model_with_the_treatment_as_a_column_tells_nobody_apart(effects):
    found = effects["s_learner"].check("heterogeneity")
    assert found.outcome is Outcome.WARN and "same effect for all" in found.sentence


@pytest.mark.parametrize("name", ["r_learner", "dr_learner", "causal_forest"])
def test_rows_have_intervals_where_theory_gives_them(effects, name):
    table = effects[name].details["at"]
    for truth, low, high in zip((0, 1, 2), table["low"], table["high"], strict=True):
        assert low - 0.3 < truth < high + 0.3
    assert "low" not in effects["t_learner"].details["at"].columns
    assert "no_row_intervals" in {note.code for note in effects["t_learner"].warnings}


def test_intervals_of_single_rows_hold_the_truth():
    trials, at = 50, {"x": [0.5], "w": [0.0], "region": ["north"]}
    for name in ("r_learner", "dr_learner"):
        held = 0
        for seed in range(trials):
            table = who(world(300, seed), name, at=at, folds=2).details["at"]
            held += table["low"][0] <= 1.5 <= table["high"][0]
        assert binom.ppf(1e-4, trials, 0.93) <= held <= binom.isf(1e-4, trials, 0.97)


def test_the_average_holds_and_equal_effects_are_seldom_called_different():
    trials, held, p_values = 120, 0, []
    for seed in range(trials):
        effect = who(world(300, seed, varies=0.0))
        held += effect.low <= 1 <= effect.high
        p_values.append(effect.check("heterogeneity").value)
    assert binom.ppf(1e-5, trials, 0.95) <= held <= binom.isf(1e-5, trials, 0.95)
    # Not only at 5 %: from folds that come earlier alone, p-values are uniform.
    assert kstest(p_values, "uniform").pvalue > 1e-4
    called = sum(p < 0.05 for p in p_values)
    assert called <= binom.isf(1e-4, trials, 0.05)


def test_the_area_of_the_qini_curve_is_found_as_often_as_its_interval_says():
    # x decides the effect, so that ranking by x is right: E[(1 + x)(1/2 − rank)] = 1/(2 √π).
    trials, truth, held = 60, 1 / (2 * np.sqrt(np.pi)), 0
    for seed in range(trials):
        found = who(world(500, seed), "r_learner", folds=2, adjustment=["x", "w"])
        table = found.details["targeting"]
        held += table["low"][0] <= truth <= table["high"][0]
    assert held >= binom.ppf(1e-4, trials, 0.93)  # short of truth by what ranks get wrong


def test_a_cost_makes_fewer_worth_treating():
    free, dear = who(world()), who(world(), cost=1.5)
    shares = [e.details["policies"]["share treated"][2] for e in (free, dear)]
    assert shares[0] > shares[1]
    assert dear.details["policies"]["value"][1] < 0
    assert "cost of 1.5" in dear.details["policies"].title


def test_a_draw_that_was_none_is_found():
    effect = who(world(), randomised=True)
    assert effect.check("randomised").outcome is Outcome.FAIL and not effect.is_credible
    drawn = who(world(slope=0.0), randomised=True)
    assert drawn.check("randomised").outcome is Outcome.PASS
    assert "overlap" not in {check.name for check in drawn.checks}


def test_no_overlap_is_not_believed():
    assert not who(world(slope=6.0)).is_credible


def test_clusters_are_held_out_together_and_widen_the_interval():
    data = world(400)
    rng = np.random.default_rng(1)
    data["group"] = np.repeat(np.arange(50), 8)
    data["treat"] = np.repeat(rng.permutation(50) % 2, 8)
    data["y"] = data["y"] + np.repeat(2 * rng.normal(size=50), 8)
    assert who(data, cluster="group").standard_error > 1.3 * who(data).standard_error


def test_a_rule_names_words_as_the_data_do():
    data = world(800, varies=0.0)
    data["y"] = data["y"] + 3 * data["treat"] * (data["region"] == "south")
    said = who(data).details["tree"]["who"]
    assert said[0].startswith("region is south") and "region is not south" in said[-1]


def test_training_helped_and_nsw_is_too_small_to_say_whom():
    effect = wd.estimate(
        real("nsw"), "treat", "re78", method="dr_learner", adjustment=NSW, learner="linear",
        randomised=True,
    )  # fmt: skip
    assert effect.low > 0 and abs(effect.value - 1794) < 300


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"adjustment": ["nothing"]}, "no column to tell rows apart"),
        ({"folds": 1}, "folds"),
        ({"depth": 7}, "more nobody reads"),
        ({"learner": "lasso"}, "learner"),
        ({"at": {"x": [0.0], "w": [0.0]}}, "region"),
        ({"at": {"x": [0.0], "w": [0.0], "region": ["east"]}}, "what no row of the data has"),
        ({"at": {"x": [None], "w": [0.0], "region": ["north"]}}, "missing"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(given, said):
    with pytest.raises(wd.WhydriftError, match=said):
        who({**world(), "nothing": np.ones(400)}, **given)


def test_a_final_stage_that_is_not_there_names_those_that_are():
    with pytest.raises(wd.WhydriftError, match="linear"):
        who(world(), "r_learner", final="linea")
