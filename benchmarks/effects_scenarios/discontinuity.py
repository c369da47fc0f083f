"""Thresholds: the curves of Calonico, Cattaneo & Titiunik (2014), and what must not be believed.

The running variable is 2 Beta(2, 4) − 1. Model 1 (elections) jumps by 0.04, model 3 has as much
curvature as the bandwidth can bear; the jump at 0 is known exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from effects_scenarios.base import Scenario

_ROWS, _NOISE = 1000, 0.1295
_JUMP, _EFFECT = 0.04, 1.0
_BELOW = (0.48, 1.27, 7.18, 20.21, 21.54, 7.33)
_ABOVE = (0.52, 0.84, -3.00, 7.99, -9.01, 3.56)
_CURVED_BELOW = (0.48, 1.27, 3.59, 14.147, 23.694, 10.995)
_CURVED_ABOVE = (0.52, 0.84, -0.30, 2.397, -0.901, 3.56)


def _running(generator: np.random.Generator, rows: int = _ROWS) -> np.ndarray:
    return 2 * generator.beta(2, 4, rows) - 1


def _mean(x: np.ndarray, below: tuple[float, ...], above: tuple[float, ...]) -> np.ndarray:
    powers = x[:, None] ** np.arange(6)
    return np.where(x < 0, powers @ below, powers @ above)


def _sharp(
    below: tuple[float, ...] = _BELOW, above: tuple[float, ...] = _ABOVE
) -> Callable[[np.random.Generator], dict[str, Any]]:
    def draw(generator: np.random.Generator) -> dict[str, Any]:
        x = _running(generator)
        outcome = _mean(x, below, above) + _NOISE * generator.normal(size=_ROWS)
        return {"x": x, "treat": (x >= 0).astype(int), "y": outcome}

    return draw


def _fuzzy(generator: np.random.Generator) -> dict[str, Any]:
    x, hidden = _running(generator, 2000), generator.normal(size=2000)
    treat = (hidden + np.where(x >= 0, 1.2, -1.2) > 0).astype(int)
    smooth = 0.5 + x + x**2
    outcome = smooth + _EFFECT * treat + 0.3 * hidden + 0.3 * generator.normal(size=2000)
    return {"x": x, "treat": treat, "y": outcome}


def _weak(generator: np.random.Generator) -> dict[str, Any]:
    x, hidden = _running(generator), generator.normal(size=_ROWS)
    treat = (hidden + np.where(x >= 0, 0.1, 0.0) > 0).astype(int)
    return {"x": x, "treat": treat, "y": treat + hidden + generator.normal(size=_ROWS)}


def _kink(generator: np.random.Generator) -> dict[str, Any]:
    x = generator.uniform(-1, 1, 4000)
    benefit = np.minimum(x, 0.0) * 2  # rises up to a cap
    outcome = 1 + 0.5 * x + 0.4 * x**2 + _EFFECT * benefit + 0.2 * generator.normal(size=4000)
    return {"x": x, "treat": benefit, "y": outcome}


def _covariate(generator: np.random.Generator) -> dict[str, Any]:
    data = _sharp()(generator)
    z = generator.normal(size=_ROWS)
    return {**data, "y": data["y"] + 0.2 * z, "z": z}


def _clustered(generator: np.random.Generator) -> dict[str, Any]:
    groups = np.repeat(np.arange(200), 10)
    x = _running(generator, 2000)
    shared = 0.1 * generator.normal(size=200)[groups]
    outcome = _mean(x, _CURVED_BELOW, _CURVED_ABOVE) + shared + 0.1 * generator.normal(size=2000)
    return {"x": x, "treat": (x >= 0).astype(int), "y": outcome, "group": groups}


def _sorted(generator: np.random.Generator) -> dict[str, Any]:
    x = _running(generator, 2000)
    # Half of those who just miss the cutoff see to it that they do not; they do better anyhow.
    moves = (x > -0.1) & (x < 0) & (generator.random(2000) < 0.5)
    x = np.where(moves, -x, x)
    outcome = _mean(x, _BELOW, _ABOVE) + 0.2 * moves + _NOISE * generator.normal(size=2000)
    return {"x": x, "treat": (x >= 0).astype(int), "y": outcome}


def _other_jump(generator: np.random.Generator) -> dict[str, Any]:
    x = _running(generator)
    z = (x >= 0) + generator.normal(size=_ROWS) * 0.5
    return {"x": x, "treat": (x >= 0).astype(int), "y": z + x, "z": z}


def _steps(generator: np.random.Generator) -> dict[str, Any]:
    x = generator.uniform(-1, 1, 2000)
    # A second jump, half way from the lowest value to the cutoff.
    outcome = 2.0 * (x >= np.median(x[x < 0.25])) + 0.2 * generator.normal(size=2000)
    return {"x": x, "treat": (x >= 0.25).astype(int), "y": outcome}


def _ask(**given: Any) -> dict[str, Any]:
    asked = {"treatment": "treat", "outcome": "y", "method": "rdd", "running": "x", "cutoff": 0.0}
    return {**asked, **given}


SCENARIOS = (
    Scenario("discontinuity.sharp_model_1", _sharp(), _JUMP, _ask()),
    Scenario(
        "discontinuity.sharp_model_3", _sharp(_CURVED_BELOW, _CURVED_ABOVE), _JUMP, _ask()
    ),
    Scenario(
        "discontinuity.epanechnikov_hc2", _sharp(_CURVED_BELOW, _CURVED_ABOVE), _JUMP,
        _ask(kernel="epanechnikov", errors="hc2"),
    ),
    Scenario("discontinuity.covariate", _covariate, _JUMP, _ask(adjustment="z")),
    Scenario("discontinuity.clusters", _clustered, _JUMP, _ask(cluster="group")),
    Scenario("discontinuity.fuzzy", _fuzzy, _EFFECT, _ask()),
    Scenario("discontinuity.kink", _kink, _EFFECT, _ask(estimand="kink")),
    # Where it must not be believed.
    Scenario("discontinuity.sorted", _sorted, _JUMP, _ask(), holds=False, fires="density"),
    Scenario(
        "discontinuity.covariate_jumps", _other_jump, 0.0, _ask(balance="z"), holds=False,
        fires="covariate_continuity",
    ),
    Scenario("discontinuity.weak", _weak, 1.0, _ask(), holds=False, fires="first_stage"),
    Scenario(
        "discontinuity.jumps_elsewhere", _steps, 0.0, _ask(cutoff=0.25), holds=False,
        fires="placebo_cutoffs",
    ),
)  # fmt: skip
