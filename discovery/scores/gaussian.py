"""BIC and EBIC of linear Gaussian columns, from correlations and the number of rows alone.

References
----------
Schwarz (1978), Estimating the dimension of a model.
Chen & Chen (2008), Extended Bayesian information criteria for model selection with large model
spaces.
"""

from __future__ import annotations

from itertools import groupby

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.scores.base import NumberArrays
from whydrift.discovery.scores.cache import CachedScore
from whydrift.discovery.scores.choices import log_choices

__all__ = ["GaussianScore", "residual_variances"]

# Share of a column's variance below which it counts as determined by its parents: the score of a
# sum of other columns is large, and finite.
_LEAST_VARIANCE = 1e-9
_ROWS_PER_PARENT = 5  # with fewer the fit begins to interpolate, and BIC no longer holds
_MOST_PARENTS = 40


class GaussianScore(CachedScore):
    """``−rows/2 · log(residual variance) − cost(number of parents)``.

    The same in all graphs of a Markov equivalence class.

    Parameters
    ----------
    correlation : ndarray of shape (n_columns, n_columns)
        Positive semidefinite, with a unit diagonal.
    rows : float
        Rows that count.
    names : tuple of str
        The columns.
    penalty : float
        Multiplies the BIC penalty.
    gamma : float
        Of the extended BIC, in [0, 1]: how much more a parent costs where there are many columns
        to choose from; 0 is plain BIC.
    """

    def __init__(
        self,
        correlation: FloatArray,
        rows: float,
        names: tuple[str, ...],
        *,
        penalty: float = 1.0,
        gamma: float = 0.0,
    ) -> None:
        most = min(_MOST_PARENTS, len(names) - 1, max(1, int(rows) // _ROWS_PER_PARENT))
        super().__init__(names, most)
        self.correlation = correlation
        self.rows = rows
        parameters = np.arange(len(names) + 1) + 1
        self.cost: FloatArray = penalty * (
            0.5 * np.log(max(rows, 2.0)) * parameters + gamma * log_choices(len(names))
        )

    def _evaluate(self, column: int, parent_sets: list[tuple[int, ...]]) -> FloatArray:
        out = np.empty(len(parent_sets))
        by_size = sorted(range(len(parent_sets)), key=lambda i: len(parent_sets[i]))
        for size, group in groupby(by_size, key=lambda i: len(parent_sets[i])):
            places = list(group)
            index = np.array(
                [[*parent_sets[i], column] for i in places], dtype=np.int64
            )  # (n_sets, size + 1)
            blocks = self.correlation[index[:, :, None], index[:, None, :]]
            left = np.maximum(residual_variances(blocks), _LEAST_VARIANCE)
            out[places] = -self.rows / 2 * np.log(left) - self.cost[size]
        return out

    def arrays(self) -> NumberArrays:
        """Return what a compiled search reads."""
        return NumberArrays(np.ascontiguousarray(self.correlation), float(self.rows), self.cost)


def residual_variances(blocks: FloatArray) -> FloatArray:
    """Return the variance of the last column given those before it, batched.

    Elimination on the diagonal; a column that those before it determine is passed over, so that
    copies and sums among the parents raise no error.

    Parameters
    ----------
    blocks : ndarray of shape (n_sets, n_columns, n_columns)
        Correlation matrices.

    Returns
    -------
    ndarray of shape (n_sets,)
    """
    while blocks.shape[1] > 1:
        pivot = blocks[:, 0, 0]
        used = pivot > _LEAST_VARIANCE
        slope = blocks[:, 1:, 0] * np.where(used, 1 / np.where(used, pivot, 1.0), 0.0)[:, None]
        blocks = blocks[:, 1:, 1:] - slope[:, :, None] * blocks[:, None, 0, 1:]
    out: FloatArray = blocks[:, 0, 0]
    return out
