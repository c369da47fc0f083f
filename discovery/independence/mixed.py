"""A test for numbers and categories in any place: Wilks' lambda between blocks of features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import fdtrc

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.independence.base import Built
from whydrift.discovery.independence.dependence import Dependence
from whydrift.discovery.independence.evidence import ALIKE, Evidence, row_evidence
from whydrift.discovery.independence.gcm import Gcm, category_sight, number_sight
from whydrift.discovery.independence.moments import Moments, eliminate
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["Mixed", "mixed"]

_WAVES = 60  # random features for two categories
_RIDGE = 1e-9
_DETERMINED = 1e-6  # remaining variance, of 1, that is the ridge and no signal
_LEAST_FREEDOM = 5.0  # residual degrees of freedom below which there is no answer
_MOST_NUMBERS = 2_000_000  # of matrices held at once: 16 MB
# A given number bends at these places of its rank-normal score, the first ones first: as many as
# leave this many rows for each slope.
_HINGES = (0.0, -0.6, 0.6, -1.2, 1.2)
_ROWS_PER_SLOPE = 12.0
# Blocks are padded to one of these widths, so that few shapes cover all tests.
_WIDTHS = np.array([0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512])


class Mixed:
    """Tests whether features of X and of Y are linearly unrelated given those of Z.

    The likelihood-ratio statistic of multivariate regression, by Rao's F. For two numbers it is
    the exact t test of the partial correlation; for two categories it is close to Pearson's χ².
    What is given may act on X and Y in a bent line: its features are a linear spline, with as
    many bends as there are rows for.

    Two categories given anything go to residual products (`Gcm`): how far an indicator varies
    follows its mean and so Z, which the pooled variance of this statistic would take for
    dependence.

    A column that never varies is independent of all others (1). Where the given columns determine
    X or Y, or one of them does not vary in the rows that have all columns, there is no answer
    (NaN).

    Parameters
    ----------
    blocks : sequence of ndarray of shape (n_rows, n_features of the column)
        Features in which X and Y are compared, then those of a bent line; all features of a
        column are NaN where it is missing.
    straight : sequence of int
        How many of each column's features X and Y are compared in.
    evidence : Evidence
        Weights enter the moments; weights and clusters lower the number of rows.
    categories : tuple of ndarray of bool, shape (n_columns,), and Gcm, optional
        Which columns are categories, and the test for pairs of them.

    References
    ----------
    Wilks (1932), Certain generalizations in the analysis of variance.
    Rao (1951), An asymptotic expansion of the distribution of Wilks' criterion.
    """

    def __init__(
        self,
        blocks: Sequence[FloatArray],
        straight: Sequence[int],
        evidence: Evidence = ALIKE,
        categories: tuple[BoolArray, Gcm] | None = None,
    ) -> None:
        self._categories = categories
        self._moments = Moments(blocks, evidence)
        self._dependence = Dependence(blocks, evidence, compared=straight)
        self._straight = np.array(straight)
        self._all = np.array([block.shape[1] for block in blocks])
        starts = np.concatenate([[0], np.cumsum(self._all)[:-1]])
        self._table = np.full((len(blocks), int(self._all.max())), self._moments.pad)
        for row, start, width in zip(self._table, starts, self._all, strict=True):
            row[:width] = np.arange(start, start + width)
        self._is_constant = np.array(
            [
                self._moments.is_constant[row[:width]].all()
                for row, width in zip(self._table, self._straight, strict=True)
            ]
        )

    def __call__(self, x: IntArray, y: IntArray, given: IntArray) -> FloatArray:
        """Return upper-tail p-values; see `IndependenceTest`."""
        if self._categories is None or not given.shape[1]:
            return self._by_moments(x, y, given)
        is_category, of_categories = self._categories
        both = is_category[x] & is_category[y]
        out = np.empty(len(x))
        out[both] = of_categories(x[both], y[both], given[both])
        out[~both] = self._by_moments(x[~both], y[~both], given[~both])
        return out

    def _by_moments(self, x: IntArray, y: IntArray, given: IntArray) -> FloatArray:
        widths = self._given_widths(given)
        sizes = np.column_stack([widths.sum(axis=1), self._straight[x], self._straight[y]])
        shapes = np.maximum(_WIDTHS[np.searchsorted(_WIDTHS[:-1], sizes)], sizes)
        found, group = np.unique(shapes, axis=0, return_inverse=True)
        group = group.ravel()
        out = np.empty(len(x))
        for number, shape in enumerate(found):
            members = np.flatnonzero(group == number)
            step = max(1, _MOST_NUMBERS // max(1, int(shape.sum()) ** 2))
            for start in range(0, len(members), step):
                part = members[start : start + step]
                index = np.column_stack(
                    [
                        self._features(given[part], widths[part], int(shape[0])),
                        self._features(x[part, None], self._straight[x[part], None], int(shape[1])),
                        self._features(y[part, None], self._straight[y[part], None], int(shape[2])),
                    ]
                )
                out[part] = self._same_shape(
                    x[part], y[part], given[part], widths[part], index, shape.tolist()
                )
        return np.where(self._is_constant[x] | self._is_constant[y], 1.0, out)

    def _given_widths(self, given: IntArray) -> IntArray:
        """Return the features used of each given column: as many bends as there are rows for."""
        out: IntArray = self._straight[given]
        for bends in (len(_HINGES), 3, 1):
            wide = np.minimum(self._all[given], self._straight[given] + bends)
            fits = wide.sum(axis=1) * _ROWS_PER_SLOPE <= self._moments.effective_rows
            out = np.maximum(out, np.where(fits[:, None], wide, 0))
        return out

    def _features(self, columns: IntArray, widths: IntArray, width: int) -> IntArray:
        """Return each row's feature numbers first, then padding, ``width`` in all."""
        place = np.arange(self._table.shape[1])
        index = np.where(place < widths[:, :, None], self._table[columns], self._moments.pad)
        return _packed(index.reshape(len(columns), -1), self._moments.pad, width)

    def _same_shape(
        self,
        x: IntArray,
        y: IntArray,
        given: IntArray,
        widths: IntArray,
        index: IntArray,
        shape: list[int],
    ) -> FloatArray:
        of_given, of_x, _ = shape
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
        counted = rows * self._dependence.shares(x, y, given, widths)
        return _rao(log_lambda, q_x, q_y, counted - 1 - slopes)


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
    usable = (freedom - q_x - q_y >= _LEAST_FREEDOM) & (denominator > 0) & (product > 0)
    safe = np.where(usable, denominator, 1.0)
    # expm1 keeps the digits of a statistic that is nearly nothing.
    statistic = np.expm1(np.minimum(-log_lambda / power, 700.0)) * safe / np.maximum(product, 1.0)
    return np.where(usable, fdtrc(np.maximum(product, 1.0), safe, statistic), np.nan)


def mixed(snapshot: Snapshot, names: tuple[str, ...]) -> Built:
    """Build the test: numbers as rank-normal scores, categories as indicators."""
    evidence, notes = row_evidence(snapshot)
    is_category = np.array([snapshot.schema[name].kind.is_discrete for name in names])
    blocks, straight = [], []
    for name, discrete in zip(names, is_category, strict=True):
        if discrete:
            sight = category_sight(name, snapshot.column(name))
            blocks.append(sight.given)
            straight.append(sight.compared.shape[1])
        else:
            score = snapshot.rank_scores(name)
            bent = np.maximum(score - np.array(_HINGES)[:, None], 0.0)
            blocks.append(
                np.concatenate([score[None], bent]).T
            )  # loops run over rows, which are many
            straight.append(1)
    categories = None
    if is_category.sum() > 1:
        sights = [
            (category_sight if discrete else number_sight)(name, snapshot.column(name))
            for name, discrete in zip(names, is_category, strict=True)
        ]
        categories = is_category, Gcm(sights, evidence, waves=_WAVES)
    return Mixed(blocks, straight, evidence, categories), notes
