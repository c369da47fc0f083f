"""What choosing parents among many columns costs: the extended part of an extended BIC."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln

from whydrift.discovery.arrays import FloatArray

__all__ = ["log_choices"]


def log_choices(columns: int) -> FloatArray:
    """Return the log of the number of sets of 0, 1, … parents that a column can have.

    Parameters
    ----------
    columns : int
        Columns in all, the one with the parents too.

    Returns
    -------
    ndarray of shape (columns + 1,)
        ``log C(columns − 1, k)``; the last entry repeats the one before it.

    References
    ----------
    Chen & Chen (2008), Extended Bayesian information criteria for model selection with large
    model spaces.
    """
    others = columns - 1
    k = np.minimum(np.arange(columns + 1), others)
    out: FloatArray = gammaln(others + 1) - gammaln(k + 1) - gammaln(others - k + 1)
    return out
