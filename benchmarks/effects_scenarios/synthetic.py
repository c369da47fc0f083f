"""Synthetic control: units that load on two common factors, one of them treated.

Loadings are drawn alike for all units, so that the treated one stands out by its treatment alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from effects_scenarios.base import Scenario

_UNITS, _BEFORE, _AFTER, _EFFECT = 40, 20, 10, -3.0


def _panel(
    generator: np.random.Generator, outside: float = 0.0, drift: float = 0.0
) -> dict[str, Any]:
    periods = _BEFORE + _AFTER
    factors = np.cumsum(generator.normal(size=(periods, 2)), axis=0)
    loadings = generator.uniform(0, 1, (_UNITS, 2))
    loadings[0] += outside
    outcome = 20 + factors @ loadings.T + 0.25 * generator.normal(size=(periods, _UNITS))
    outcome[_BEFORE * 2 // 3 :, 0] += drift  # long before the treatment
    outcome[_BEFORE:, 0] += _EFFECT
    unit, time = np.meshgrid(np.arange(_UNITS), np.arange(periods))
    treated = (unit == 0) & (time >= _BEFORE)
    return {
        "unit": unit.ravel(),
        "time": time.ravel(),
        "treat": treated.ravel().astype(int),
        "y": outcome.ravel(),
    }


_ASK = {
    "treatment": "treat", "outcome": "y", "method": "synthetic_control", "unit": "unit",
    "time": "time",
}  # fmt: skip

SCENARIOS = (
    Scenario("synthetic.factors", _panel, _EFFECT, _ASK, alarms=0.05),
    # Where it must not be believed.
    Scenario(
        "synthetic.outside_the_hull", lambda g: _panel(g, outside=3.0), _EFFECT, _ASK,
        holds=False, fires="pre_fit",
    ),
    Scenario(
        "synthetic.left_before", lambda g: _panel(g, drift=10.0), _EFFECT, _ASK,
        holds=False, fires="placebo_in_time",
    ),
)  # fmt: skip
