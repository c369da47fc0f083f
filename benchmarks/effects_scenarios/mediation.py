"""Mediation: a mediator between treatment and outcome, with and without a hidden cause of both."""

from __future__ import annotations

from typing import Any

import numpy as np

from effects_scenarios.base import Scenario

_ROWS, _MOVED, _PASSED, _DIRECT = 500, 0.8, 1.5, 1.0


def _world(generator: np.random.Generator, moved: float = _MOVED) -> dict[str, Any]:
    x = generator.normal(size=_ROWS)
    treat = (generator.random(_ROWS) < 1 / (1 + np.exp(-x))).astype(int)
    between = moved * treat + 0.5 * x + generator.normal(size=_ROWS)
    outcome = _DIRECT * treat + _PASSED * between + x + generator.normal(size=_ROWS)
    return {"x": x, "treat": treat, "m": between, "y": outcome}


def _unmoved(generator: np.random.Generator) -> dict[str, Any]:
    return _world(generator, moved=0.0)


def _binary(generator: np.random.Generator) -> dict[str, Any]:
    treat = generator.integers(0, 2, _ROWS)
    between = (generator.random(_ROWS) < 0.3 + 0.4 * treat).astype(int)
    outcome = _DIRECT * treat + _PASSED * between + generator.normal(size=_ROWS)
    return {"x": generator.normal(size=_ROWS), "treat": treat, "m": between, "y": outcome}


def _ask(estimand: str, **given: Any) -> dict[str, Any]:
    return {
        "treatment": "treat", "outcome": "y", "method": "mediation", "mediator": "m",
        "adjustment": ("x",), "estimand": estimand, "draws": 200, **given,
    }  # fmt: skip


SCENARIOS = (
    Scenario("mediation.indirect", _world, _MOVED * _PASSED, _ask("indirect")),
    Scenario("mediation.direct", _world, _DIRECT, _ask("direct")),
    Scenario("mediation.binary_mediator", _binary, 0.4 * _PASSED, _ask("indirect")),
    Scenario(
        "mediation.unmoved", _unmoved, 0.0, _ask("indirect"), holds=False, fires="mediator_moves"
    ),
)
