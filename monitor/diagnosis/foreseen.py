"""What a monitor would see, before it has seen anything: for planning, not for verdicts."""

from __future__ import annotations

import math
from typing import Final

from whydrift.monitor.diagnosis.judgement import detectable_effect
from whydrift.monitor.diagnosis.mechanism.base import Component, MechanismTestResult, Power
from whydrift.monitor.diagnosis.mechanism.between_windows import LEAST_WINDOWS

__all__ = ["foreseen_effect"]

_MOST_ROWS: Final = 16_384  # of a window's sample, and of the reference's
# The test of a column that depends on others, as `residual_scores` counts its ways to look.
_RANK: Final = 2
_LOOKS: Final = 2.8
_PRIOR_WINDOWS: Final = 10  # as `between_windows` adds to what windows tell of their differences


def foreseen_effect(rows: int, windows: int, *, level: float, tests: int) -> float | None:
    """Return the change in level that one window would show with 80 % power, in reference sd.

    For rows that do not depend on each other and windows that are alike but for chance: where they
    are not, more is needed.

    Parameters
    ----------
    rows : int
        Of a window.
    windows : int
        Past ones in the reference.
    level : float
        Of the whole family of tests.
    tests : int
        In the family: about one a column.

    Returns
    -------
    float or None
        None where no change would be seen for certain.
    """
    if rows < 2 or windows < 1:
        return None
    seen, past = min(rows, _MOST_ROWS), min(rows * windows, _MOST_ROWS)
    freedom = float(seen + past - 2)
    if windows >= LEAST_WINDOWS:
        freedom = min(freedom, windows - 1.0 + _PRIOR_WINDOWS)
    error = math.sqrt(1 / seen + 1 / past)
    change = Component("level", 0.0, error, "sd", 0.0)
    power = Power(_RANK, freedom, _LOOKS)
    result = MechanismTestResult(None, None, 1.0, seen + past, level=change, power=power)
    return detectable_effect(result, level, tests)
