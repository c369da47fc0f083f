"""How much rows tell that resemble those before them.

A likelihood adds up rows as if each were news. Of a series it is too sure, and by chance two series
seem to depend on each other. Both are allowed for without spoiling what makes directions
comparable: a graph's likelihood is the same whichever way an edge between two columns is told, and
so must be what a row counts for (were it the child's own, iid columns would seem to follow from
series, since their likelihood counts in full) and what an edge costs.

References
----------
Bartlett (1935), Some aspects of the time-correlation problem in regard to tests of significance.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.scores.features import Features
from whydrift.discovery.steps import without_steps

__all__ = ["common_worth", "memory_costs", "pair_worths"]

_LEAST_SERIES = 30  # rows
_MOST_LAGS = 25
_LEAST_MEMORY = 5.0  # a correlation × √n


def pair_worths(
    features: Sequence[Features], bounds: IntArray, carries: Sequence[float]
) -> FloatArray:
    """Return how much a row tells of the dependence of two columns: 1/(1 + 2 Σ r·r'), else 1.

    The sum is over lags: by so much the variance of a correlation between two such series grows.
    The diagonal has what a row tells of a column by itself.

    Parameters
    ----------
    features : sequence of Features
        One per column, over the rows of all windows, one window after the other.
    bounds : ndarray of int, shape (n_windows + 1,)
        The rows at which each window begins, and the end of the last.
    carries : sequence of float
        Of each row of a column, this times the row before it is taken off first.

    Returns
    -------
    ndarray of shape (n_columns, n_columns)
        Symmetric; 1 where one of the two is no series.
    """
    most = np.zeros((len(features), len(features)))
    for start, stop in pairwise(bounds.tolist()):
        lags = np.array(
            [
                _autocorrelations(f, slice(start, stop), carry)
                for f, carry in zip(features, carries, strict=True)
            ]
        )
        series = np.flatnonzero(lags.any(axis=1))
        pairs = np.ix_(series, series)
        total = np.zeros((len(series), len(series)))
        for lag in lags[series].T:  # one by one: there may be a thousand columns
            total += np.maximum(np.outer(lag, lag) - 1 / max(1, stop - start), 0.0)
        most[pairs] = np.maximum(most[pairs], total)
    out: FloatArray = 1 / (1 + 2 * most)
    return out


def common_worth(worths: FloatArray) -> float:
    """Return what a row of every column counts for: the geometric mean of what they tell."""
    return float(np.exp(np.log(np.diagonal(worths)).mean())) if len(worths) else 1.0


def memory_costs(worths: FloatArray, price: float, sizes: Sequence[int]) -> FloatArray:
    """Return what an edge costs beside its parameters, for each pair of columns.

    Two series that remember longer than most columns do gain that much more by chance than rows
    that count alike suppose.

    Parameters
    ----------
    worths : ndarray of shape (n_columns, n_columns)
        From `pair_worths`.
    price : float
        What a parameter costs.
    sizes : sequence of int
        How many features each column has.

    Returns
    -------
    ndarray of shape (n_columns, n_columns)
        Symmetric, and 0 where a pair tells as much as all columns do.
    """
    excess = np.maximum(common_worth(worths) / worths - 1, 0.0)
    np.fill_diagonal(excess, 0.0)
    return price * excess * np.outer(sizes, sizes)


def _autocorrelations(features: Features, rows: slice, carry: float) -> FloatArray:
    """Return the correlations with the rows 1, 2, … before; 0 where they are nothing notable."""
    if not features.linear.shape[1]:
        return np.zeros(_MOST_LAGS - 1)
    part = features.linear[rows, 0]
    part = part[1:] - carry * part[:-1] if carry else part
    part = part[np.isfinite(part)]
    if part.size < _LEAST_SERIES:
        return np.zeros(_MOST_LAGS - 1)
    found = _correlations(part - part.mean())
    # Of a break within the window nothing is left once its steps are out, of a series much.
    if _is_notable(found, part.size) and _is_notable(_correlations(without_steps(part)), part.size):
        return found
    return np.zeros_like(found)


def _correlations(centred: FloatArray) -> FloatArray:
    spread = float(centred @ centred)
    products = np.array([centred[k:] @ centred[:-k] for k in range(1, _MOST_LAGS)])
    return products / spread if spread > 0 else np.zeros(_MOST_LAGS - 1)


def _is_notable(correlations: FloatArray, rows: int) -> bool:
    return bool(np.abs(correlations).max() * np.sqrt(rows) > _LEAST_MEMORY)
