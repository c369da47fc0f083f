"""How many independent rows there are in rows that resemble their neighbours."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.independence.dependence import lag_one
from whydrift.discovery.steps import without_steps

__all__ = ["independent_rows"]


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
