"""Fisher's z: partial correlations of numbers, as they are or as rank-normal scores."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.independence.base import Built
from whydrift.discovery.independence.dependence import Dependence
from whydrift.discovery.independence.evidence import ALIKE, Evidence, row_evidence
from whydrift.discovery.independence.moments import Moments, eliminate
from whydrift.discovery.scores.features import rank_normal
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["FisherZ", "fisher_z", "rank_fisher_z"]

_LARGEST_R = 1 - 1e-12  # arctanh(±1) is infinite; near copies of a column reach it
_DETERMINED = 1e-9  # remaining variance, of 1, that is rounding and no signal


class FisherZ:
    """Partial correlation by Fisher's z, from one correlation matrix.

    A column that never varies is independent of all others (1). Where the given columns determine
    X or Y, or one of them does not vary in the rows that have all columns, there is no answer
    (NaN).

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
        NaN where missing; each test uses the rows that have all its columns.
    evidence : Evidence
        Weights enter the moments; weights and clusters lower the number of rows.

    References
    ----------
    Fisher (1924), The distribution of the partial correlation coefficient, Metron 3, 329-332.
    """

    def __init__(self, values: FloatArray, evidence: Evidence = ALIKE) -> None:
        blocks = [values[:, [i]] for i in range(values.shape[1])]
        self._moments = Moments(blocks, evidence)
        self._dependence = Dependence(blocks, evidence)

    @classmethod
    def of_correlations(cls, matrix: FloatArray, rows: float) -> FisherZ:
        """Return the test of columns that vary, from their correlations and number of rows."""
        self = cls.__new__(cls)
        self._moments = Moments.of_correlations(matrix, rows)
        self._dependence = Dependence([np.empty((0, 1))])  # no rows are alike
        return self

    def whole(self) -> tuple[FloatArray, float] | None:
        """Return all that every test needs, where one matrix answers them, else None.

        That is so where no value is missing, no column constant, and no rows alike.

        Returns
        -------
        correlation : ndarray of shape (n_columns, n_columns)
        rows : float
            Rows, or with weights their effective number.
        """
        moments = self._moments
        if not moments.is_whole or self._dependence.is_present or moments.is_constant[:-1].any():
            return None
        return moments.matrix, moments.effective_rows

    def __call__(self, x: IntArray, y: IntArray, given: IntArray) -> FloatArray:
        """Return two-sided p-values; see `IndependenceTest`."""
        index = np.column_stack([given, x, y])  # (n_tests, n_given + 2)
        blocks, rows = self._moments.correlations(index, index)
        rest, _ = eliminate(blocks, given.shape[1], _DETERMINED)
        variance = rest[:, 0, 0], rest[:, 1, 1]
        open_ = (variance[0] > _DETERMINED) & (variance[1] > _DETERMINED)
        scale = np.sqrt(np.where(open_, variance[0] * variance[1], 1.0))
        r = np.where(open_, rest[:, 0, 1] / scale, 0.0)
        freedom = rows * self._dependence.shares(x, y, given) - given.shape[1] - 3
        z = np.arctanh(np.clip(r, -_LARGEST_R, _LARGEST_R)) * np.sqrt(np.maximum(freedom, 0.0))
        # The lower tail keeps 5e-89 at z = 20; 2 * (1 - cdf) is exactly 0 from z ≈ 8.3.
        p_values: FloatArray = 2 * ndtr(-np.abs(z))
        p_values = np.where(open_ & (freedom >= 1), p_values, np.nan)
        constant = self._moments.is_constant[x] | self._moments.is_constant[y]
        return np.where(constant, 1.0, p_values)


def fisher_z(snapshot: Snapshot, names: tuple[str, ...]) -> Built:
    """Build the test on the values as they are: right for linear relations and normal noise."""
    evidence, notes = row_evidence(snapshot)
    return FisherZ(snapshot.columns(names), evidence), notes


def rank_fisher_z(snapshot: Snapshot, names: tuple[str, ...]) -> Built:
    """Build the test on rank-normal scores: deaf to outliers and monotone rescaling.

    References
    ----------
    Harris & Drton (2013), PC algorithm for nonparanormal graphical models.
    """
    evidence, notes = row_evidence(snapshot)
    scores = np.column_stack([rank_normal(snapshot.column(n)) for n in names])
    return FisherZ(scores, evidence), notes
