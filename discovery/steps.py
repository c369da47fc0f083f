"""Clear steps in the level of values in order: a break, as a series that wanders has none."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from whydrift.discovery.arrays import FloatArray

__all__ = ["without_steps"]

_STEPS, _SHORTEST = 3, 20  # steps at most, and rows between them at least
_CLEAR = 25.0  # chi-square of a step with one degree of freedom; the largest of 10^6 places is 22


def without_steps(values: FloatArray, variance: float = 1.0) -> FloatArray:
    """Return values less the level of each stretch between a few clear steps.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
    variance : float
        Of a mean of these, in that of as many independent ones.

    References
    ----------
    Vostrikova (1981), Detecting "disorder" in multidimensional random processes: one step after
    the other, each where it tells most.
    """
    out: FloatArray = values - values.mean()
    ends = [0, len(out)]
    for _ in range(_STEPS):
        best, gain = 0, 0.0
        for start, end in pairwise(ends):
            at, found = _step(out[start:end])
            if found > gain:
                best, gain = start + at, found
        if gain * (len(out) - 2) <= _CLEAR * variance * (float(out @ out) - gain):
            break
        ends = sorted([*ends, best])
        place = ends.index(best)
        for start, end in ((ends[place - 1], best), (best, ends[place + 1])):
            out[start:end] -= out[start:end].mean()
    return out


def _step(values: FloatArray) -> tuple[int, float]:
    """Return where two levels explain most of centred values, and how much of their squares."""
    rows = len(values)
    if rows < 2 * _SHORTEST:
        return 0, 0.0
    before = np.arange(_SHORTEST, rows - _SHORTEST + 1)
    explained = np.cumsum(values)[before - 1] ** 2 * (rows / (before * (rows - before)))
    best = int(explained.argmax())
    return int(before[best]), float(explained[best])
