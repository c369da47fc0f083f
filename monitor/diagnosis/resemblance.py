"""Whether neighbouring rows resemble each other: seen in the windows, never declared.

A break within the current window makes its rows resemble each other too, each side its own level.
Counted as a series, which wanders by itself, the current window would be excused from just the
change that is looked for, the more so the larger that is. So a few clear steps are taken from it
first: a series resembles itself between them as well. The reference is left as it is. Steps that it
has are ordinary.
"""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.steps import without_steps

__all__ = ["SEEN", "SUSPECTED", "lag_one", "resemblance"]

_LEAST_ROWS = 30  # of a window of which something can be said
# In standard errors. Where neighbours of a thousand rows share less than that, a mean varies by at
# most a tenth more than independent rows tell.
SEEN = 3.3
SUSPECTED = 2.0  # as much as one in ten columns of rows in no order shows
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


def resemblance(residual: FloatArray, split: int, parts: IntArray | None = None) -> float:
    """Return how clearly rows resemble those before in what their parents do not tell.

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

    Returns
    -------
    float
        In standard errors: the largest of either window's and of both together, of all columns.
    """
    if min(split, len(residual) - split) < _LEAST_ROWS:
        return 0.0
    largest = 0.0
    for column in residual.T:
        reference, current = column[:split], without_steps(column[split:])
        level = reference.mean()
        if parts is not None:
            level = (np.bincount(parts, reference) / np.maximum(np.bincount(parts), 1))[parts]
        alone = np.array([_alike(part) for part in (reference - level, current)])
        total, square = np.moveaxis(np.vstack([alone, alone.sum(axis=0, keepdims=True)]), 1, 0)
        z = np.divide(total, np.sqrt(square), out=np.zeros_like(total), where=square > 0)
        largest = max(largest, float(z.max()))
    return largest


def _alike(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the sums, of rows × the one before and × the sum of some, and of their squares.

    Where rows are in no order the second is the variance of the first, whatever their spread.
    """
    limit = _FAR * float(np.sqrt(values @ values / len(values)))
    near = np.clip(values, -limit, limit)
    near -= near.mean()  # the clip takes more from one side: of a rare flag nearly all it has
    sums = np.cumsum(near)[:-1]
    sums[_SOME:] -= sums[:-_SOME].copy()
    products = near[1:] * near[:-1], near[1:] * sums
    return np.array([p.sum() for p in products]), np.array([p @ p for p in products])
