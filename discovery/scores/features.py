"""Columns as features: rank-normal scores with hinges for numbers, indicators for categories."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import ndtri

from whydrift.discovery.arrays import FloatArray, IntArray, read_only

__all__ = [
    "HINGES",
    "Features",
    "ascending",
    "category_features",
    "number_features",
    "plain_features",
    "rank_normal",
]

# Knots on the scale of a standard normal: about its 12th, 27th, 50th, 73rd and 88th percentiles.
HINGES = (-1.2, -0.6, 0.0, 0.6, 1.2)
# More levels than this are pooled into one: their indicators would cost more than they tell.
_MOST_LEVELS = 12


@dataclass(frozen=True, slots=True)
class Features:
    """One column as numbers that a linear model can use.

    Parameters
    ----------
    linear : ndarray of shape (n_rows, n_linear)
        The rank-normal score of a number (one column), or indicators of all levels but the
        commonest.
    basis : ndarray of shape (n_rows, n_basis)
        ``linear`` and, for numbers, the hinges. Rows where the value is missing hold NaN.
    levels : tuple of int
        Codes of the levels that the indicators stand for (empty for a number); −1 is the pool
        of rare levels.
    """

    linear: FloatArray
    basis: FloatArray
    levels: tuple[int, ...] = ()

    @property
    def is_discrete(self) -> bool:
        """Whether the column is categorical."""
        return bool(self.levels)


def ascending(values: FloatArray) -> IntArray:
    """Return the rows of a column that have a value, from the smallest to the largest."""
    present = np.isfinite(values)
    if present.all():
        return np.argsort(values)
    rows = np.flatnonzero(present)
    return rows[np.argsort(values[rows])]


def rank_normal(values: FloatArray, order: IntArray | None = None) -> FloatArray:
    """Return Φ⁻¹(rank / (n + 1)) of a column; ties share their mean rank, NaN stays NaN.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
    order : ndarray of int, optional
        The column's rows as `ascending` returns them, where they are known.

    Returns
    -------
    ndarray of shape (n_rows,)
        Scores that hardly differ from a standard normal where there are no ties.

    References
    ----------
    van der Waerden (1952), Order tests for the two-sample problem and their power.
    """
    if order is None:
        order = ascending(values)
    out = np.full(values.shape, np.nan)
    count = order.size
    if count == 0:
        return out
    ordered = values[order]  # in which order ties come means nothing: they share their rank
    differs = ordered[1:] != ordered[:-1]
    if differs.all():
        out[order] = _scores_of_ranks(count)
    else:
        first = np.flatnonzero(np.r_[True, differs])
        last = np.r_[first[1:], count]
        out[order] = np.repeat(ndtri((first + last + 1) / 2 / (count + 1)), last - first)
    return out


@lru_cache(maxsize=8)
def _scores_of_ranks(count: int) -> FloatArray:
    """Return Φ⁻¹(rank / (n + 1)) of the ranks 1 … n: columns of one length share it."""
    return read_only(ndtri(np.arange(1.0, count + 1) / (count + 1)))


def number_features(values: FloatArray, order: IntArray | None = None) -> Features:
    """Return the features of a number, NaN where missing; parameters are `rank_normal`'s."""
    score = rank_normal(values, order)
    hinges = [np.maximum(score - knot, 0.0) for knot in HINGES]
    linear = score[:, None]
    return Features(linear, np.column_stack([score, *hinges]))


def plain_features(values: FloatArray) -> Features:
    """Return a number, shape (n_rows,), as it is: one linear feature, NaN where missing."""
    column = values[:, None]
    return Features(column, column)


def category_features(codes: FloatArray) -> Features:
    """Return the features of category codes, shape (n_rows,), NaN where missing.

    The commonest level is the base; all beyond the eleven next are pooled (code −1).
    """
    present = np.isfinite(codes)
    found, counts = np.unique(codes[present], return_counts=True)
    by_count = found[np.argsort(-counts, kind="stable")]
    own, rare = by_count[1:_MOST_LEVELS], by_count[_MOST_LEVELS:]
    indicators = (codes[:, None] == own[None, :]).astype(np.float64)
    levels = tuple(int(c) for c in own)
    if rare.size:
        pooled = np.isin(codes, rare).astype(np.float64)
        indicators = np.column_stack([indicators, pooled])
        levels = (*levels, -1)
    indicators[~present] = np.nan
    return Features(indicators, indicators, levels)
