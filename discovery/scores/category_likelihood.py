"""The likelihood of a category given features of its parents: multinomial logistic regression.

Beside the density of a number's residuals it makes both directions of an edge between a number and
a category cost what they explain, in the same unit: second moments of indicators do not.

References
----------
McCullagh & Nelder (1989), Generalized linear models, chapter 5.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray

__all__ = ["MOST_LEVELS", "CategoryLikelihood", "fit_logistic"]

MOST_LEVELS = 6  # a step's cost grows with their square
_RIDGE = 0.01
_STEPS, _HALVINGS = 10, 5
_ENOUGH = 0.05  # log-likelihood that a further step would gain


class CategoryLikelihood:
    """``log P(category | features) − parameters · log(rows)/2``, best of a few fits.

    The windows share all coefficients, or each group of them has its own, or its own intercepts.

    Parameters
    ----------
    features : ndarray of shape (n_rows, n_features)
        Of all columns; the first is 1. All windows' rows, one window after the other.
    codes : ndarray of int, shape (n_rows,)
        The category's levels, from 0 on; at most `MOST_LEVELS`.
    bounds : ndarray of int, shape (n_windows + 1,)
        The rows at which each window begins, and the end of the last.
    groupings : tuple of tuples of tuples of int
        The ways in which windows may differ, as groups of windows that are alike; the first has
        one group.
    unit : float
        The price of a parameter.
    worth : float
        What a row counts for.
    """

    def __init__(
        self,
        features: FloatArray,
        codes: IntArray,
        bounds: IntArray,
        groupings: tuple[tuple[tuple[int, ...], ...], ...],
        unit: float,
        worth: float,
    ) -> None:
        self._features = features
        self._is_level: FloatArray = (codes[:, None] == np.arange(1, codes.max() + 1)).astype(
            np.float64
        )
        window = np.zeros(len(codes), dtype=np.int64)
        for number, (start, stop) in enumerate(pairwise(bounds.tolist())):
            window[start:stop] = number
        self._groupings = [
            [np.flatnonzero(np.isin(window, group)) for group in groups] for groups in groupings
        ]
        self._unit = unit
        self._worth = worth

    def local(self, blocks: list[IntArray]) -> float:
        """Return the score given parents.

        Parameters
        ----------
        blocks : list of ndarray of int
            Numbers of the features to explain by, in one way or several (bent, straight); the
            best counts.
        """
        return max(self._explained(np.concatenate([[0], own]).astype(np.int64)) for own in blocks)

    def _explained(self, index: IntArray) -> float:
        design, levels = self._features[:, index], self._is_level.shape[1]
        size = len(index)
        total, slopes = fit_logistic(design, self._is_level)
        best: float = self._worth * total - self._unit * levels * size
        for groups in self._groupings[1:]:
            count = len(groups)
            # No coefficients of their own explain more than all of a group's.
            own = math.fsum(fit_logistic(design[g], self._is_level[g], slopes)[0] for g in groups)
            best = max(best, self._worth * own - self._unit * (levels * size * count + 1))
            price = self._unit * (levels * (size + count - 1) + 1)
            if size > 1 and self._worth * own - price > best:
                shared = self._with_own_intercepts(design, groups, slopes)
                best = max(best, self._worth * shared - price)
        return best

    def _with_own_intercepts(
        self, design: FloatArray, groups: list[IntArray], slopes: FloatArray
    ) -> float:
        apart = np.zeros((len(design), len(groups) - 1))
        for number, group in enumerate(groups[1:]):
            apart[group, number] = 1.0
        start = np.vstack([slopes, np.zeros((apart.shape[1], slopes.shape[1]))])
        return fit_logistic(np.column_stack([design, apart]), self._is_level, start)[0]


def fit_logistic(
    design: FloatArray, is_level: FloatArray, start: FloatArray | None = None
) -> tuple[float, FloatArray]:
    """Fit by Newton's method, with a slight ridge.

    Parameters
    ----------
    design : ndarray of shape (n_rows, n_features)
    is_level : ndarray of shape (n_rows, n_levels - 1)
        Indicators of all levels but the first.
    start : ndarray of shape (n_features, n_levels - 1), optional

    Returns
    -------
    log_likelihood : float
        Of the rows, without the ridge.
    slopes : ndarray of shape (n_features, n_levels - 1)
    """
    size, levels = design.shape[1], is_level.shape[1]
    slopes = np.zeros((size, levels)) if start is None else start
    value, chance = _log_likelihood(design @ slopes, is_level)
    for _ in range(_STEPS):
        gradient = design.T @ (is_level - chance) - _RIDGE * slopes
        hessian = np.empty((levels, size, levels, size))
        for a in range(levels):
            for b in range(a, levels):
                weight = chance[:, a] * (float(a == b) - chance[:, b])
                block = design.T @ (design * weight[:, None])
                hessian[a, :, b, :] = block
                hessian[b, :, a, :] = block.T
        flat = hessian.reshape(levels * size, levels * size)
        flat[np.diag_indices(levels * size)] += _RIDGE
        step = np.linalg.solve(flat, gradient.T.ravel()).reshape(levels, size).T
        for _ in range(_HALVINGS):
            found, moved = _log_likelihood(design @ (slopes + step), is_level)
            if found >= value - _ENOUGH:
                break
            step = step / 2
        else:
            break
        gain = found - value
        slopes, value, chance = slopes + step, found, moved
        if gain < _ENOUGH:
            break
    return value, slopes


def _log_likelihood(logits: FloatArray, is_level: FloatArray) -> tuple[float, FloatArray]:
    """Return the log-likelihood, and the chance of each level but the first in each row."""
    largest = np.maximum(logits.max(axis=1, initial=0.0), 0.0)
    odds = np.exp(logits - largest[:, None])
    total = np.exp(-largest) + odds.sum(axis=1)
    value = float((logits * is_level).sum() - largest.sum() - np.log(total).sum())
    chance: FloatArray = odds / total[:, None]
    return value, chance
