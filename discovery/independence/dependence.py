"""How much a row tells where neighbouring rows are alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from whydrift.discovery.arrays import FloatArray

__all__ = ["lag_one", "row_factors"]

_LEAST_ROWS = 30
# Independent rows show an autocorrelation this many standard errors large once in a million.
_NOTABLE = 5.0
_MOST = 0.99  # a sorted column still counts its rows a little


def lag_one(block: FloatArray) -> float:
    """Return the largest lag-one autocorrelation of a column's features, 0 where it is noise.

    Parameters
    ----------
    block : ndarray of shape (n_rows, n_features)
        In the order of the rows; rows with NaN are left out.

    Returns
    -------
    float
        In [-0.99, 0.99].
    """
    complete = np.isfinite(block).all(axis=1)
    present = block if complete.all() else block[complete]
    if len(present) < _LEAST_ROWS or not present.shape[1]:
        return 0.0
    centred = present - present.mean(axis=0)
    peak = np.abs(centred).max(axis=0)
    centred = centred / np.where(peak > 0, peak, 1.0)  # squares of values like 1e200 overflow
    spread = np.einsum("ij,ij->j", centred, centred)
    cross = np.einsum("ij,ij->j", centred[1:], centred[:-1])
    r = np.divide(cross, spread, out=np.zeros_like(cross), where=spread > 0)
    largest = float(r[np.argmax(np.abs(r))])
    if abs(largest) * np.sqrt(len(present)) < _NOTABLE:
        return 0.0
    return float(np.clip(largest, -_MOST, _MOST))


def row_factors(blocks: Sequence[FloatArray]) -> FloatArray:
    """Return, for each pair of columns, the share of rows that a test of the two may count.

    Parameters
    ----------
    blocks : sequence of ndarray of shape (n_rows, n_features)
        Features of each column, in the order of the rows.

    Returns
    -------
    ndarray of shape (n_columns, n_columns)
        In (0, 1]; 1 where rows look independent in either column.

    References
    ----------
    Bartlett (1935), Some aspects of the time-correlation problem in regard to tests of
    significance: the variance of a correlation of two first-order autoregressions.
    """
    r = np.array([lag_one(block) for block in blocks])
    product = np.clip(np.outer(r, r), 0.0, None)
    factors: FloatArray = (1 - product) / (1 + product)
    return factors
