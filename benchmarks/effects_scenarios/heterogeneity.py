"""Who benefits: the average effect of every learner, and whether differences are seen or made up.

How well learners predict and rank the effects of single rows is measured by
``benchmarks/effects_learners.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from effects_scenarios.base import Scenario

_ROWS, _EFFECT = 500, 1.0
_TERMS = ("x", "w", "v")


def _world(
    generator: np.random.Generator, varies: float = 1.0, slope: float = 0.5, rows: int = _ROWS
) -> dict[str, Any]:
    x, w, v = generator.normal(size=(3, rows))
    treat = (generator.random(rows) < 1 / (1 + np.exp(-slope * (x + w)))).astype(int)
    outcome = x + w + treat * (_EFFECT + varies * x) + generator.normal(size=rows)
    return {"x": x, "w": w, "v": v, "treat": treat, "y": outcome}


def _draw(generator: np.random.Generator) -> Mapping[str, Any]:
    return _world(generator, slope=0.0)


def _ask(method: str, **given: Any) -> dict[str, Any]:
    # Linear models of outcome and treatment: they are right here, and a thousand samples quick.
    return {
        "treatment": "treat", "outcome": "y", "method": method, "adjustment": _TERMS,
        "learner": "linear", **given,
    }  # fmt: skip


_LEARNERS = ("s_learner", "t_learner", "x_learner", "r_learner", "dr_learner")
_FOREST: dict[str, Any] = {"trees": 100}

SCENARIOS = (
    *(Scenario(f"heterogeneity.{name}", _world, _EFFECT, _ask(name)) for name in _LEARNERS),
    Scenario(
        "heterogeneity.causal_forest", _world, _EFFECT, _ask("causal_forest", **_FOREST)
    ),
    Scenario(
        "heterogeneity.causal_forest_in_experiment", _draw, _EFFECT,
        _ask("causal_forest", randomised=True, **_FOREST),
    ),
    # Nobody gains more than others: the average still holds.
    Scenario(
        "heterogeneity.alike", lambda g: _world(g, varies=0.0), _EFFECT, _ask("t_learner")
    ),
    # Where rankings must not be believed, or nothing at all.
    Scenario(
        "heterogeneity.made_up_differences", lambda g: _world(g, varies=0.0), _EFFECT,
        _ask("r_learner"), holds=False, fires="heterogeneity",
    ),
    Scenario(
        "heterogeneity.no_draw", _world, _EFFECT, _ask("r_learner", randomised=True),
        holds=False, fires="randomised",
    ),
    Scenario(
        "heterogeneity.no_overlap", lambda g: _world(g, slope=4.0), _EFFECT, _ask("dr_learner"),
        holds=False, fires="overlap",
    ),
)  # fmt: skip
