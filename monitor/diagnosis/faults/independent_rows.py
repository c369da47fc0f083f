"""How many independent rows there are in rows that resemble their neighbours, or their cluster."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.independence.dependence import lag_one
from whydrift.discovery.steps import without_steps

__all__ = ["independent_of_clusters", "independent_rows"]


def independent_rows(block: FloatArray) -> float:
    """Return how many independent rows each row counts for, by the largest autocorrelation.

    Of what is left beside a few clear steps in the level: a fault that begins within the window
    makes rows alike, and no series of them.

    Parameters
    ----------
    block : ndarray of shape (n_rows, n_features)
        In the order of the rows, without NaN.
    """
    r = max(0.0, lag_one(np.column_stack([without_steps(column) for column in block.T])))
    return (1 - r) / (1 + r)


def independent_of_clusters(block: FloatArray, group: IntArray) -> float:
    """Return how many independent rows each row counts for, by the sums of rows that are alike.

    Parameters
    ----------
    block : ndarray of shape (n_rows, n_features)
        Each about its mean, without NaN.
    group : ndarray of int, shape (n_rows,)
        Equal values mark rows that may be alike.

    References
    ----------
    Kish (1965), Survey sampling, §5.4: the design effect.
    """
    _, number = np.unique(group, return_inverse=True)
    squares = (block**2).sum(axis=0)
    sums = np.column_stack([np.bincount(number, column) for column in block.T])
    effect = (sums**2).sum(axis=0)[squares > 0] / squares[squares > 0]
    return 1 / max(1.0, float(effect.max(initial=1.0)))
