"""Instruments: a hidden cause moves treatment and outcome, the instrument the treatment alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from effects_scenarios.base import Scenario

_ROWS, _EFFECT = 500, 1.0


def _amounts(
    generator: np.random.Generator, strength: float, count: int = 1, direct: float = 0.0
) -> dict[str, Any]:
    """Instruments of equal strength; unequal spread; the last one may reach the outcome too."""
    x, hidden = generator.normal(size=_ROWS), generator.normal(size=_ROWS)
    z = generator.normal(size=(_ROWS, count)) + 0.3 * x[:, None]
    dose = strength * z.sum(axis=1) + x + hidden + generator.normal(size=_ROWS)
    noise = np.exp(0.3 * z[:, 0]) * generator.normal(size=_ROWS)
    outcome = _EFFECT * dose + x + hidden + direct * z[:, -1] + noise
    return {"x": x, "dose": dose, "y": outcome, **{f"z{i}": z[:, i] for i in range(count)}}


def _compliers(generator: np.random.Generator) -> dict[str, Any]:
    """Always-takers (effect 3), never-takers and compliers (effect 1), who differ without it."""
    rows = 1000
    kind = generator.choice(3, rows, p=(0.2, 0.3, 0.5))
    z = generator.integers(0, 2, rows)
    treat = np.where(kind == 0, 1, np.where(kind == 1, 0, z))
    effect = np.where(kind == 0, 3.0, _EFFECT)
    outcome = kind + effect * treat + generator.normal(size=rows)
    return {"z0": z, "dose": treat, "y": outcome}


def _clustered(generator: np.random.Generator) -> dict[str, Any]:
    groups, size = 80, 10
    group = np.repeat(np.arange(groups), size)
    z = generator.normal(size=groups)[group]
    shared = generator.normal(size=groups)[group]
    hidden = generator.normal(size=len(group))
    dose = z + 0.5 * shared + hidden + generator.normal(size=len(group))
    outcome = _EFFECT * dose + shared + hidden + generator.normal(size=len(group))
    return {"z0": z, "dose": dose, "y": outcome, "group": group}


def _ask(count: int = 1, **given: Any) -> dict[str, Any]:
    named = tuple(f"z{i}" for i in range(count))
    asked = {"treatment": "dose", "outcome": "y", "method": "iv", "instrument": named}
    return {**asked, "adjustment": ("x",), **given}


SCENARIOS = (
    Scenario("instruments.one", lambda g: _amounts(g, 0.5), _EFFECT, _ask()),
    Scenario("instruments.three_2sls", lambda g: _amounts(g, 0.5, 3), _EFFECT, _ask(3)),
    Scenario(
        "instruments.ten_liml", lambda g: _amounts(g, 0.25, 10), _EFFECT,
        _ask(10, estimator="liml"),
    ),
    Scenario("instruments.compliers", _compliers, _EFFECT, _ask(adjustment=None)),
    Scenario(
        "instruments.clusters", _clustered, _EFFECT, _ask(adjustment=None, cluster="group")
    ),
    # The Anderson–Rubin interval stands in the place of the usual one, and the check fails. Weaker
    # still, it mostly has no bound and holds the truth more often than it says.
    Scenario(
        "instruments.weak_interval", lambda g: _amounts(g, 0.15), _EFFECT, _ask(), alarms=1.0
    ),
    # Where it must not be believed.
    Scenario(
        "instruments.weak", lambda g: _amounts(g, 0.1), _EFFECT, _ask(), holds=False,
        fires="weak_instrument",
    ),
    Scenario(
        "instruments.one_of_three_reaches_the_outcome",
        lambda g: _amounts(g, 0.5, 3, direct=0.5), _EFFECT, _ask(3), holds=False,
        fires="over_identification",
    ),
)  # fmt: skip
