"""What an edge between two columns of rare values costs: chance lets such values meet."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.scores.features import Features

__all__ = ["rare_pair_costs", "rare_share"]

# Overlaps, in units of those expected, at which Bennett's bound is laid out.
_EXCESS = np.concatenate([[0.0], np.geomspace(1e-3, 1e9, 600)])


def rare_share(features: Features) -> float:
    """Return the share of rows off a column's commonest value, or 0.5 where that is more."""
    if not features.linear.shape[1]:  # a category with one level
        return 0.5
    first = features.linear[:, 0]
    present = np.isfinite(first)
    if not present.any():
        return 0.5
    if features.is_discrete:  # indicators of all levels but the commonest
        return min(0.5, float(features.linear[present].any(axis=1).mean()))
    _, counts = np.unique(first[present], return_counts=True)
    return min(0.5, 1.0 - float(counts.max()) / float(present.sum()))


def rare_pair_costs(shares: FloatArray, rows: float, price: float) -> FloatArray:
    """Return what an edge costs beside its parameters, for each pair of columns.

    A correlation gains like one of normal columns. Where both are 0 in 97 rows of 100, and 9 of
    300 rows are expected to differ from 0 in each, four that differ in both are met by chance once
    in 5,000 pairs and gain like what is met once in a hundred million. The cost is what such an
    overlap gains beyond the price of a parameter when Bennett's bound makes it as unlikely as that
    price supposes. It is the same in both directions, nothing where a column has no value that
    half of the rows share, and vanishes as rows grow.

    Parameters
    ----------
    shares : ndarray of shape (n_columns,)
        From `rare_share`.
    rows : float
        Rows in all windows.
    price : float
        What one parent of one parameter costs.

    Returns
    -------
    ndarray of shape (n_columns, n_columns)

    References
    ----------
    Bennett (1962), Probability inequalities for the sum of independent random variables.
    """
    shares = np.where((shares > 0) & (shares < 1), shares, 0.5)  # of one value nothing overlaps
    skewness = (1 - 2 * shares) / np.sqrt(shares * (1 - shares))
    # The overlaps expected are those of a Poisson number as skewed as the sum of products is.
    asked = price / rows * np.outer(skewness**2, skewness**2)  # log chance per overlap expected
    bennett = (1 + _EXCESS) * np.log1p(_EXCESS) - _EXCESS
    normal = _EXCESS**2 / 2
    beyond = np.divide(normal, bennett, out=np.ones_like(normal), where=normal > 0) - 1
    out: FloatArray = price * np.interp(asked, bennett, beyond)
    return out
