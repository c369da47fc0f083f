"""Whether neighbouring rows resemble each other: seen in the windows, never declared.

A break within the current window makes its rows resemble each other too, each side its own level.
Counted as a series, which wanders by itself, the current window would be excused from just the
change that is looked for, the more so the larger that is. So a few clear steps are taken from it
first: a series resembles itself between them as well. The reference is left as it is. Steps that it
has are ordinary.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray

__all__ = ["lag_one", "resemble", "without_steps"]

_LEAST_ROWS = 30  # of a window of which something can be said
_STEPS, _SHORTEST = 3, 20  # steps at most, and rows between them at least
_CLEAR = 25.0  # chi-square of a step with one degree of freedom; the largest of 10^6 places is 22
# In standard errors. Where neighbours of a thousand rows share less than that, a mean varies by at
# most a tenth more than independent rows tell.
_RESEMBLES = 3.3
_SOME = 16  # rows before each one whose sum is looked at
_FAR = 3.0  # standard deviations beyond which one row would decide


def lag_one(values: FloatArray) -> float:
    """Return |lag-1 correlation| · √n of one window's values, shape (n,), NaN where missing.

    It is 0 with few rows or one value.
    """
    both = values[np.isfinite(values)]
    if both.size < _LEAST_ROWS:
        return 0.0
    centred = both - both.mean()
    spread = float(centred @ centred)
    if spread <= 1e-12 * both.size:  # constant here, but for rounding
        return 0.0
    return float(abs(float(centred[1:] @ centred[:-1]) / spread) * np.sqrt(both.size))


def resemble(residual: FloatArray, split: int, parts: IntArray | None = None) -> bool:
    """Return whether rows resemble those before in what their parents do not tell.

    In the column itself, what its parents explain may hide that the rest is a series. Beside the
    row before, the sum of some more is looked at: what stays alike for hundreds of rows, however
    little of a row it is, moves a mean farther than what two neighbours share.

    Parameters
    ----------
    residual : ndarray of shape (n_rows, n_columns)
        Rows of the reference first.
    split : int
        Rows of the reference.
    parts : ndarray of int, shape (split,), optional
        Which past window each row of the reference came from: each may have its own level.
    """
    if min(split, len(residual) - split) < _LEAST_ROWS:
        return False
    for column in residual.T:
        reference, current = column[:split], without_steps(column[split:])
        level = reference.mean()
        if parts is not None:
            level = (np.bincount(parts, reference) / np.maximum(np.bincount(parts), 1))[parts]
        found = np.array([_alike(part) for part in (reference - level, current)])
        total, square = found.sum(axis=0)
        together = np.divide(total, np.sqrt(square), out=np.zeros(2), where=square > 0)
        alone = np.divide(
            found[:, 0], np.sqrt(found[:, 1]), out=np.zeros((2, 2)), where=found[:, 1] > 0
        )
        if max(together.max(), alone.max()) > _RESEMBLES:
            return True
    return False


def _alike(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the sums, of rows × the one before and × the sum of some, and of their squares.

    Where rows are in no order the second is the variance of the first, whatever their spread.
    """
    limit = _FAR * float(np.sqrt(values @ values / len(values)))
    near = np.clip(values, -limit, limit)
    sums = np.cumsum(near)[:-1]
    sums[_SOME:] -= sums[:-_SOME].copy()
    products = near[1:] * near[:-1], near[1:] * sums
    return np.array([p.sum() for p in products]), np.array([p @ p for p in products])


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
