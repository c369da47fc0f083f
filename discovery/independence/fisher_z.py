"""Fisher's z: partial correlations of numbers, as they are or as rank-normal scores."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.independence.dependence import row_factors
from whydrift.discovery.independence.moments import Moments, eliminate
from whydrift.discovery.scores.features import rank_normal
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["FisherZ", "fisher_z", "rank_fisher_z"]

_LARGEST_R = 1 - 1e-12  # arctanh(±1) is infinite; near copies of a column reach it
_DETERMINED = 1e-9  # remaining variance, of 1, that is rounding and no signal


class FisherZ:
    """Partial correlation by Fisher's z, from one correlation matrix.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
        NaN where missing; each test uses the rows that have all its columns.

    References
    ----------
    Fisher (1924), The distribution of the partial correlation coefficient, Metron 3, 329-332.
    """

    def __init__(self, values: FloatArray) -> None:
        blocks = [values[:, [i]] for i in range(values.shape[1])]
        self._moments = Moments(blocks)
        self._factors = row_factors(blocks)

    def whole(self) -> tuple[FloatArray, FloatArray] | None:
        """Return all that the test needs where no value is missing, else None.

        Returns
        -------
        correlation : ndarray of shape (n_columns, n_columns)
        rows : ndarray of shape (n_columns, n_columns)
            Rows that count for each pair.
        """
        correlation = self._moments.whole()
        return None if correlation is None else (correlation, self._moments.rows * self._factors)

    def __call__(self, x: IntArray, y: IntArray, given: IntArray) -> FloatArray:
        """Return two-sided p-values; see `IndependenceTest`."""
        index = np.column_stack([given, x, y])  # (n_tests, n_given + 2)
        blocks, rows = self._moments.correlations(index, index)
        rest, _ = eliminate(blocks, given.shape[1], _DETERMINED)
        variance = rest[:, 0, 0], rest[:, 1, 1]
        # What the given columns determine has nothing left to test: a column and its parts, or a
        # sum, must not take each other's true edges away.
        open_ = (variance[0] > _DETERMINED) & (variance[1] > _DETERMINED)
        scale = np.sqrt(np.where(open_, variance[0] * variance[1], 1.0))
        r = np.where(open_, rest[:, 0, 1] / scale, 0.0)
        freedom = rows * self._factors[x, y] - given.shape[1] - 3
        z = np.arctanh(np.clip(r, -_LARGEST_R, _LARGEST_R)) * np.sqrt(np.maximum(freedom, 0.0))
        # The lower tail keeps 5e-89 at z = 20; 2 * (1 - cdf) is exactly 0 from z ≈ 8.3.
        p_values: FloatArray = 2 * ndtr(-np.abs(z))
        answered = (freedom >= 1) & (open_ | (given.shape[1] == 0))
        return np.where(answered, p_values, np.nan)


def fisher_z(snapshot: Snapshot, names: tuple[str, ...]) -> FisherZ:
    """Build the test on the values as they are: right for linear relations and normal noise."""
    return FisherZ(snapshot.columns(names))


def rank_fisher_z(snapshot: Snapshot, names: tuple[str, ...]) -> FisherZ:
    """Build the test on rank-normal scores: deaf to outliers and monotone rescaling.

    References
    ----------
    Harris & Drton (2013), PC algorithm for nonparanormal graphical models.
    """
    return FisherZ(np.column_stack([rank_normal(snapshot.column(n)) for n in names]))
