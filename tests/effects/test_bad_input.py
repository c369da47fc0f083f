"""Bad input: one clear sentence or a failed check, never a confident number."""

from __future__ import annotations

import numpy as np
import pytest

import whydrift as wd
from tests.effects.worlds import confounded
from whydrift.discovery.errors import NotIdentified, SchemaError, TooFewRows, WhydriftError
from whydrift.effects import Outcome

ROWS = 400
ADJUSTING = ("regression_adjustment", "ipw", "matching", "doubly_robust", "dml")
GRAPH = [("x", "treat"), ("x", "y"), ("treat", "m"), ("m", "y"), ("treat", "c"), ("y", "c")]


def study(**more: np.ndarray) -> dict[str, np.ndarray]:
    return {**confounded(ROWS, 0), **more}


def noise(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=ROWS)


def sentence(error: WhydriftError) -> str:
    """The message, which is one line and says the way out."""
    assert "\n" not in str(error) and error.remedy
    return str(error)


@pytest.mark.parametrize("method", [m for m in ADJUSTING if m != "dml"])
def test_without_overlap_the_check_fails(method):
    data = confounded(ROWS, 0, strength=8)
    effect = wd.estimate(data, "treat", "y", method=method, adjustment=["x", "w"])
    assert effect.check("overlap").outcome is Outcome.FAIL
    assert "next to no counterpart in the other arm" in effect.check("overlap").sentence
    assert not effect.is_credible


def test_an_arm_without_an_outcome_is_named():
    data = study()
    data["y"] = np.where(data["treat"] == 1, np.nan, data["y"])
    with pytest.raises(SchemaError, match=r"treatment 'treat' has one value \(0\)") as caught:
        wd.estimate(data, "treat", "y")
    assert "nothing to compare with" in sentence(caught.value)


@pytest.mark.parametrize("method", ADJUSTING)
def test_a_constant_treatment_is_refused(method):
    data = study(treat=np.ones(ROWS, dtype=int))
    with pytest.raises(SchemaError, match="has one value") as caught:
        wd.estimate(data, "treat", "y", method=method, adjustment=["x"])
    assert "nothing to compare with" in sentence(caught.value)


@pytest.mark.parametrize("method", ADJUSTING)
def test_a_treatment_that_equals_a_covariate_is_refused_and_both_named(method):
    data = study()
    with pytest.raises(SchemaError, match="'treat' and the covariate 'copy'") as caught:
        wd.estimate(
            {**data, "copy": data["treat"]}, "treat", "y", method=method, adjustment=["x", "copy"]
        )
    assert "leave 'copy' out" in sentence(caught.value)


def test_an_amount_that_is_a_covariate_in_another_unit_is_refused():
    data = study()
    with pytest.raises(SchemaError, match="'dose' and the covariate 'x'"):
        wd.estimate({**data, "dose": 2 * data["x"]}, "dose", "y", adjustment=["x"])


@pytest.mark.parametrize(
    ("column", "why"), [("m", r"\(a mediator\)"), ("c", "selects on what is asked about")]
)
def test_a_mediator_or_collider_is_named_and_refused_unless_forced(column, why):
    data = study()
    data |= {"m": data["treat"] + noise(), "c": data["y"] + data["treat"]}
    with pytest.raises(NotIdentified, match=f"{column} .*{why}") as caught:
        wd.estimate(data, "treat", "y", adjustment=["x", column], graph=GRAPH)
    assert "force=True" in sentence(caught.value)
    forced = wd.estimate(data, "treat", "y", adjustment=["x", column], graph=GRAPH, force=True)
    assert forced.check("identification").outcome is Outcome.FAIL
    assert not forced.is_credible


def test_an_instrument_that_moves_nothing_leaves_no_standard_error():
    effect = wd.estimate(study(z=noise()), "treat", "y", instrument="z")
    assert effect.check("weak_instrument").outcome is Outcome.FAIL
    assert effect.standard_error is None and not effect.is_credible


def test_a_running_variable_without_variation_is_refused():
    with pytest.raises(SchemaError, match="running variable 'r' has the value 1 in all") as caught:
        wd.estimate(study(r=np.ones(ROWS)), "treat", "y", running="r", cutoff=1.0)
    sentence(caught.value)


def test_a_running_variable_of_two_values_is_refused():
    data = study()
    with pytest.raises(TooFewRows, match="1 different values of r") as caught:
        wd.estimate({**data, "r": data["treat"]}, "treat", "y", running="r", cutoff=1.0)
    sentence(caught.value)


@pytest.mark.parametrize("method", ["difference_in_means", "ab_test", *ADJUSTING])
def test_one_cluster_is_refused(method):
    data = study(g=np.zeros(ROWS, dtype=int))
    adjusted = {"adjustment": ["x"]} if method in ADJUSTING else {}
    with pytest.raises(SchemaError, match="all rows are in one cluster") as caught:
        wd.estimate(data, "treat", "y", method=method, cluster="g", **adjusted)
    sentence(caught.value)


def test_an_unbalanced_panel_is_told_and_one_half_empty_fails():
    rng = np.random.default_rng(0)
    unit, time = np.repeat(np.arange(60), 6), np.tile(np.arange(6), 60)
    data = {
        "unit": unit, "time": time, "treat": ((unit < 30) & (time >= 3)).astype(int),
        "y": rng.normal(size=360) + unit,
    }  # fmt: skip

    def did(kept):
        part = {name: values[kept] for name, values in data.items()}
        return wd.estimate(part, "treat", "y", method="did", unit="unit", time="time")

    found = did(np.arange(360) % 17 != 0).check("balanced_panel")
    assert found.outcome is Outcome.WARN and "unit-periods are not there" in found.sentence
    assert did(rng.random(360) < 0.4).check("balanced_panel").outcome is Outcome.FAIL


def test_missing_outcomes_are_counted_and_what_they_may_mean_is_said():
    data = study()
    data["y"] = np.where(np.arange(ROWS) % 4 == 0, np.nan, data["y"])
    effect = wd.estimate(data, "treat", "y")
    found = effect.check("missing_rows")
    assert effect.n == 300 and found.outcome is Outcome.WARN
    assert "25% of the rows have gaps" in found.sentence and "selection" in found.sentence


def test_an_outcome_that_is_missing_throughout_is_named():
    with pytest.raises(WhydriftError, match="y missing in all") as caught:
        wd.estimate(study(y=np.full(ROWS, np.nan)), "treat", "y")
    sentence(caught.value)
