"""Adjusting: two covariates behind treatment and outcome, an effect that differs between rows.

The treatment is logistic and the outcome linear in x and w, the effect is 2 + x. The mean of x is
0, so that the average effect is 2; on the treated it is 2 + E[x | treated], found by quadrature.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from effects_scenarios.base import Scenario

_ROWS, _EFFECT, _SLOPE, _RARE = 500, 2.0, 0.5, -2.0
_TERMS = ("x", "w")


def _chance(x: Any, w: Any, slope: float, start: float = 0.0) -> Any:
    return 1 / (1 + np.exp(-(start + slope * x + 0.4 * w)))


def _world(
    generator: np.random.Generator,
    rows: int = _ROWS,
    slope: float = _SLOPE,
    varies: float = 1.0,
    start: float = 0.0,
) -> dict[str, Any]:
    x, w = generator.normal(size=rows), generator.integers(-1, 2, rows)
    treat = (generator.random(rows) < _chance(x, w, slope, start)).astype(int)
    outcome = 1 + x + 0.5 * w + treat * (_EFFECT + varies * x) + generator.normal(size=rows)
    return {"x": x, "w": w, "treat": treat, "y": outcome}


def _effect_on_treated(slope: float = _SLOPE, start: float = 0.0) -> float:
    points, weights = np.polynomial.hermite_e.hermegauss(80)
    chance = np.mean([_chance(points, w, slope, start) for w in (-1, 0, 1)], axis=0)
    return _EFFECT + float((weights * points * chance).sum() / (weights * chance).sum())


def _few_treated(generator: np.random.Generator) -> Mapping[str, Any]:
    return _world(generator, rows=1000, start=_RARE)


def _no_overlap(generator: np.random.Generator) -> Mapping[str, Any]:
    return _world(generator, slope=5.0)


def _randomised(generator: np.random.Generator) -> dict[str, Any]:
    x = generator.normal(size=_ROWS)
    treat = (generator.random(_ROWS) < 0.4).astype(int)
    outcome = np.exp(0.5 * x) + treat * (_EFFECT + x) + generator.normal(size=_ROWS)
    return {"x": x, "treat": treat, "y": outcome}


def _clustered(generator: np.random.Generator) -> dict[str, Any]:
    groups, size = 60, 10
    group = np.repeat(np.arange(groups), size)
    shared = generator.normal(size=groups)[group]
    x = generator.normal(size=len(group))
    arm = (generator.random(groups) < 0.5)[group]  # whole groups are treated
    outcome = _EFFECT * arm + x + shared + generator.normal(size=len(group))
    return {"x": x, "treat": arm.astype(int), "y": outcome, "group": group}


def _amounts(generator: np.random.Generator) -> dict[str, Any]:
    x, w = generator.normal(size=_ROWS), generator.normal(size=_ROWS)
    dose = x + 0.5 * w + generator.normal(size=_ROWS)
    spread = np.exp(0.3 * x)
    outcome = _EFFECT * dose + x + w + spread * generator.normal(size=_ROWS)
    return {"x": x, "w": w, "dose": dose, "y": outcome}


def _binary(generator: np.random.Generator) -> dict[str, Any]:
    x = generator.normal(size=_ROWS)
    treat = (generator.random(_ROWS) < 1 / (1 + np.exp(-0.5 * x))).astype(int)
    chance = 1 / (1 + np.exp(-(-0.5 + x + treat)))
    return {"x": x, "treat": treat, "y": (generator.random(_ROWS) < chance).astype(int)}


def _binary_truth() -> float:
    points, weights = np.polynomial.hermite_e.hermegauss(80)
    gap = 1 / (1 + np.exp(-(0.5 + points))) - 1 / (1 + np.exp(-(-0.5 + points)))
    return float((weights * gap).sum() / weights.sum())


def _front_door(generator: np.random.Generator) -> dict[str, Any]:
    hidden = generator.normal(size=_ROWS)
    treat = (hidden + generator.normal(size=_ROWS) > 0).astype(int)
    between = 2 * treat + generator.normal(size=_ROWS)
    outcome = between + 2 * hidden + generator.normal(size=_ROWS)
    return {"treat": treat, "m": between, "y": outcome}


def _ask(method: str, **given: Any) -> dict[str, Any]:
    return {"treatment": "treat", "outcome": "y", "method": method, **given}


_ADJUSTED = {"adjustment": _TERMS}
_ATT = _effect_on_treated()
_ATT_OF_FEW = _effect_on_treated(start=_RARE)

SCENARIOS = (
    Scenario("adjustment.difference_in_means", _randomised, _EFFECT, _ask("difference_in_means")),
    Scenario(
        "adjustment.regression_in_experiment", _randomised, _EFFECT,
        _ask("regression_adjustment", adjustment=("x",)),
    ),
    Scenario(
        "adjustment.difference_in_means_clusters", _clustered, _EFFECT,
        _ask("difference_in_means", cluster="group"),
    ),
    Scenario(
        "adjustment.regression_clusters", _clustered, _EFFECT,
        _ask("regression_adjustment", adjustment=("x",), cluster="group"),
    ),
    Scenario(
        "adjustment.regression_ate", _world, _EFFECT, _ask("regression_adjustment", **_ADJUSTED)
    ),
    Scenario(
        "adjustment.regression_att", _world, _ATT,
        _ask("regression_adjustment", estimand="att", **_ADJUSTED),
    ),
    Scenario(
        "adjustment.regression_logistic", _binary, _binary_truth(),
        _ask("regression_adjustment", adjustment=("x",), model="logistic"),
    ),
    Scenario(
        "adjustment.regression_slope", _amounts, _EFFECT,
        {"treatment": "dose", "outcome": "y", "method": "regression_adjustment", **_ADJUSTED},
    ),
    Scenario("adjustment.ipw_ate", _world, _EFFECT, _ask("ipw", **_ADJUSTED)),
    Scenario("adjustment.ipw_att", _world, _ATT, _ask("ipw", estimand="att", **_ADJUSTED)),
    Scenario(
        "adjustment.matching_att", _world, _ATT, _ask("matching", estimand="att", **_ADJUSTED)
    ),
    Scenario(
        "adjustment.matching_ate", _world, _EFFECT, _ask("matching", estimand="ate", **_ADJUSTED)
    ),
    Scenario(
        "adjustment.matching_4_neighbours", _world, _ATT,
        _ask("matching", estimand="att", neighbours=4, **_ADJUSTED),
    ),
    Scenario(
        "adjustment.matching_propensity", _world, _ATT,
        _ask("matching", estimand="att", on="propensity", **_ADJUSTED),
    ),
    Scenario(
        "adjustment.matching_no_replacement", _few_treated, _ATT_OF_FEW,
        _ask("matching", estimand="att", on="propensity", replacement=False, caliper=0.2,
             **_ADJUSTED),
    ),
    Scenario("adjustment.doubly_robust_ate", _world, _EFFECT, _ask("doubly_robust", **_ADJUSTED)),
    Scenario(
        "adjustment.doubly_robust_att", _world, _ATT,
        _ask("doubly_robust", estimand="att", **_ADJUSTED),
    ),
    Scenario(
        "adjustment.doubly_robust_cross_fitted", _world, _EFFECT,
        _ask("doubly_robust", folds=5, **_ADJUSTED),
    ),
    Scenario(
        "adjustment.doubly_robust_wrong_outcome_model", _randomised, _EFFECT,
        _ask("doubly_robust", adjustment=("x",)),
    ),
    Scenario(
        "adjustment.dml_slope", _amounts, _EFFECT,
        {"treatment": "dose", "outcome": "y", "method": "dml", **_ADJUSTED},
    ),
    Scenario(
        "adjustment.dml_arms", lambda g: _world(g, varies=0.0), _EFFECT, _ask("dml", **_ADJUSTED)
    ),
    Scenario(
        "adjustment.front_door", _front_door, 2.0, _ask("front_door", mediators="m")
    ),
    # Where it must not be believed.
    Scenario(
        "adjustment.no_overlap_ipw", _no_overlap, _EFFECT, _ask("ipw", **_ADJUSTED),
        holds=False, fires="overlap",
    ),
    Scenario(
        "adjustment.no_overlap_doubly_robust", _no_overlap, _EFFECT,
        _ask("doubly_robust", **_ADJUSTED), holds=False, fires="overlap",
    ),
    Scenario(
        "adjustment.no_overlap_regression", _no_overlap, _EFFECT,
        _ask("regression_adjustment", **_ADJUSTED), holds=False, fires="overlap",
    ),
    Scenario(
        "adjustment.no_overlap_matching", _no_overlap, _EFFECT,
        _ask("matching", estimand="ate", **_ADJUSTED), holds=False, fires="overlap",
    ),
    Scenario(
        "adjustment.not_randomised", _world, _EFFECT,
        _ask("difference_in_means", balance=_TERMS), holds=False, fires="balance",
    ),
)  # fmt: skip
