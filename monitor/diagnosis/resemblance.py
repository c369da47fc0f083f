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

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray

__all__ = ["lag_one", "resemble", "without_steps"]

_LEAST_ROWS = 30  # of a window of which something can be said
_STEPS, _SHORTEST = 3, 20  # steps at most, and rows between them at least
_CLEAR = 25.0  # chi-square of a step with one degree of freedom; the largest of 10^6 places is 22
# In standard errors. Where neighbours of a thousand rows share less than that, a mean varies by at
# most a tenth more than independent rows tell.
_RESEMBLES = 3.3
_BEFORE = (1, 16)  # rows before each one whose sum is looked at
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


def resemble(
    residual: FloatArray, split: int, beside: BoolArray, parts: IntArray | None = None
) -> bool:
    """Return whether rows resemble the one before in what their parents do not tell.

    In the column itself, what its parents explain may hide that the rest is a series. Beside the
    row before, the sum of some more is looked at: what stays alike for hundreds of rows, however
    little of a row it is, moves a mean farther than what two neighbours share.

    Parameters
    ----------
    residual : ndarray of shape (n_rows, n_columns)
        Rows of the reference first.
    split : int
        Rows of the reference.
    beside : ndarray of bool, shape (n_rows,)
        Which rows have one before them.
    parts : ndarray of int, shape (split,), optional
        Which past window each row of the reference came from: each may have its own level.
    """
    if min(split, len(residual) - split) < _LEAST_ROWS:
        return False
    for column in residual.T:
        reference = column[:split]
        own = np.zeros(split, dtype=np.int64) if parts is None else parts
        levels = np.bincount(own, reference) / np.maximum(np.bincount(own), 1)
        centred = np.concatenate([reference - levels[own], without_steps(column[split:])])
        limit = _FAR * float(np.sqrt(centred @ centred / len(centred)))
        if not limit:
            continue
        np.clip(centred, -limit, limit, out=centred)
        for count in _BEFORE:
            before = _sums_before(centred, split, count)
            product = centred * np.where(beside, before, 0.0)
            windows = product[:split], product[split:]
            total = np.array([part.sum() for part in windows])
            square = np.array([part @ part for part in windows])
            together = total.sum() / np.sqrt(square.sum()) if square.any() else 0.0
            alone = np.divide(total, np.sqrt(square), out=np.zeros(2), where=square > 0)
            if max(together, *alone) > _RESEMBLES:
                return True
    return False


def _sums_before(values: FloatArray, split: int, count: int) -> FloatArray:
    """Return the sum of up to so many rows before each one in its window."""
    out = np.empty_like(values)
    for some in (slice(0, split), slice(split, None)):
        sums = np.append(0.0, np.cumsum(values[some]))[:-1]
        lagged = np.zeros_like(sums)
        lagged[count:] = sums[:-count]
        out[some] = sums - lagged
    return out


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
