"""A test for numbers and categories in any place: Wilks' lambda between blocks of features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import fdtrc

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.independence.dependence import row_factors
from whydrift.discovery.independence.moments import Moments, eliminate
from whydrift.discovery.scores.features import category_features, rank_normal
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["Mixed", "mixed"]

_RIDGE = 1e-9
_DETERMINED = 1e-6  # remaining variance, of 1, that is the ridge and no signal
_LEAST_FREEDOM = 5.0  # residual degrees of freedom below which there is no answer
_MOST_NUMBERS = 2_000_000  # of matrices held at once: 16 MB
# Blocks are padded to one of these widths, so that few shapes cover all tests.
_WIDTHS = np.array([0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512])


class Mixed:
    """Tests whether features of X and of Y are linearly unrelated given those of Z.

    The likelihood-ratio statistic of multivariate regression, by Rao's F. For two numbers it is
    the exact t test of the partial correlation; for two categories it is close to Pearson's χ².

    Parameters
    ----------
    blocks : sequence of ndarray of shape (n_rows, n_features of the column)
        All features of a column are NaN where it is missing.

    References
    ----------
    Wilks (1932), Certain generalizations in the analysis of variance.
    Rao (1951), An asymptotic expansion of the distribution of Wilks' criterion.
    """

    def __init__(self, blocks: Sequence[FloatArray]) -> None:
        self._moments = Moments(blocks)
        self._factors = row_factors(blocks)
        self._widths = np.array([block.shape[1] for block in blocks])
        starts = np.concatenate([[0], np.cumsum(self._widths)[:-1]])
        self._table = np.full((len(blocks), int(self._widths.max())), self._moments.pad)
        for row, start, width in zip(self._table, starts, self._widths, strict=True):
            row[:width] = np.arange(start, start + width)

    def __call__(self, x: IntArray, y: IntArray, given: IntArray) -> FloatArray:
        """Return upper-tail p-values; see `IndependenceTest`."""
        sizes = np.column_stack([self._widths[given].sum(axis=1), self._widths[x], self._widths[y]])
        shapes = np.maximum(_WIDTHS[np.searchsorted(_WIDTHS[:-1], sizes)], sizes)
        found, group = np.unique(shapes, axis=0, return_inverse=True)
        group = group.ravel()
        out = np.empty(len(x))
        for number, (of_given, of_x, of_y) in enumerate(found.tolist()):
            members = np.flatnonzero(group == number)
            step = max(1, _MOST_NUMBERS // max(1, (of_given + of_x + of_y) ** 2))
            for start in range(0, len(members), step):
                part = members[start : start + step]
                out[part] = self._same_shape(x[part], y[part], given[part], of_given, of_x, of_y)
        return out

    def _same_shape(
        self, x: IntArray, y: IntArray, given: IntArray, of_given: int, of_x: int, of_y: int
    ) -> FloatArray:
        index = np.column_stack(
            [
                _packed(self._table[given].reshape(len(x), -1), self._moments.pad, of_given),
                _packed(self._table[x], self._moments.pad, of_x),
                _packed(self._table[y], self._moments.pad, of_y),
            ]
        )
        blocks, rows = self._moments.correlations(index, np.column_stack([x, y, given]))
        spare = index == self._moments.pad
        diagonal = np.arange(index.shape[1])
        blocks[:, diagonal, diagonal] += _RIDGE
        root: FloatArray = np.linalg.cholesky(blocks).astype(np.float64, copy=False)
        used = np.diagonal(root, axis1=1, axis2=2)[:, :of_given] ** 2 > _DETERMINED
        slopes = (used & ~spare[:, :of_given]).sum(axis=1)
        left = root[:, of_given:, of_given:]
        rest = left @ np.swapaxes(left, 1, 2)  # covariance of X and Y given Z
        log_lambda, q_x, q_y = _wilks(rest, of_x)
        q_x = q_x - spare[:, of_given : of_given + of_x].sum(axis=1)
        q_y = q_y - spare[:, of_given + of_x :].sum(axis=1)
        return _rao(log_lambda, q_x, q_y, rows * self._factors[x, y] - 1 - slopes)


def _packed(index: IntArray, pad: int, width: int) -> IntArray:
    """Return each row's features first, then padding, ``width`` in all."""
    order = np.argsort(index == pad, axis=1, kind="stable")
    packed = np.take_along_axis(index, order, axis=1)[:, :width]
    return np.pad(packed, ((0, 0), (0, width - packed.shape[1])), constant_values=pad)


def _wilks(covariance: FloatArray, of_x: int) -> tuple[FloatArray, IntArray, IntArray]:
    """Return log Λ and the features of X and of Y that are not determined, padding included."""
    of_y = covariance.shape[1] - of_x
    _, alone = eliminate(covariance[:, of_x:, of_x:], of_y, _DETERMINED)
    rest, pivots = eliminate(covariance, of_x, _DETERMINED)
    _, left = eliminate(rest, of_y, 0.0)
    free = alone > 0
    ratio = np.maximum(left, _RIDGE) / np.where(free, alone, 1.0)
    log_lambda = np.minimum(np.where(free, np.log(ratio), 0.0).sum(axis=1), 0.0)
    return log_lambda, (pivots > 0).sum(axis=1), free.sum(axis=1)


def _rao(log_lambda: FloatArray, q_x: IntArray, q_y: IntArray, freedom: FloatArray) -> FloatArray:
    """Return the p-value of Wilks' Λ; ``freedom`` is rows less 1 less the slopes of Z."""
    product = (q_x * q_y).astype(np.float64)
    below = q_x**2 + q_y**2 - 5.0
    power = np.sqrt(np.where(below > 0, (product**2 - 4) / np.where(below > 0, below, 1.0), 1.0))
    weight = freedom - (q_x + q_y + 1) / 2
    denominator = weight * power - (product - 2) / 2
    usable = (freedom - q_x - q_y >= _LEAST_FREEDOM) & (denominator > 0)
    safe = np.where(usable & (product > 0), denominator, 1.0)
    # expm1 keeps the digits of a statistic that is nearly nothing.
    statistic = np.expm1(np.minimum(-log_lambda / power, 700.0)) * safe / np.maximum(product, 1.0)
    p_values = np.where(product > 0, fdtrc(np.maximum(product, 1.0), safe, statistic), 1.0)
    return np.where(usable, p_values, np.nan)


def mixed(snapshot: Snapshot, names: tuple[str, ...]) -> Mixed:
    """Build the test: numbers as rank-normal scores, categories as indicators."""
    blocks = []
    for name in names:
        values = snapshot.column(name)
        if snapshot.schema[name].kind.is_discrete:
            blocks.append(category_features(values).linear)
        else:
            blocks.append(rank_normal(values)[:, None])
    return Mixed(blocks)
