"""Counts, means and cross-products of all rows of a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final

import numpy as np

from whydrift.discovery.arrays import FloatArray

__all__ = ["Moments"]

_MOST_IN_PAIRS: Final = 200  # columns; of more only complete rows are counted
_ROWS_AT_ONCE = 65_536


@dataclass(frozen=True)
class Moments:
    """Counts, means and cross-products of numbers, for each pair over the rows that have both.

    Of more than 200 columns over the rows that have all: three matrices would take more room than
    the sample. Then ``count`` is of shape (1, 1) and ``mean`` of shape (n_columns, 1).

    Parameters
    ----------
    names : tuple of str
        The columns.
    count : ndarray of shape (n_columns, n_columns)
        Rows with a number in both.
    shift : ndarray of shape (n_columns,)
        A value in the middle of each column: means are taken from there, so that an offset of 1e9
        costs no digits.
    mean : ndarray of shape (n_columns, n_columns)
        ``shift[i] + mean[i, j]`` is that of column i over the rows that have column j too.
    cross : ndarray of shape (n_columns, n_columns)
        Sums of products of deviations from these means.
    """

    names: tuple[str, ...]
    count: FloatArray
    shift: FloatArray
    mean: FloatArray
    cross: FloatArray

    @classmethod
    def none(cls, names: tuple[str, ...]) -> Moments:
        """Return the moments of no rows."""
        size = len(names)
        inner = size if size <= _MOST_IN_PAIRS else 1
        return cls(
            names,
            np.zeros((inner, inner)),
            np.zeros(size),
            np.zeros((size, inner)),
            np.zeros((size, size)),
        )

    @classmethod
    def of(cls, names: tuple[str, ...], columns: Sequence[FloatArray]) -> Moments:
        """Sum up columns, each of shape (n_rows,) with NaN where missing."""
        out = cls.none(names)
        rows = len(columns[0]) if columns else 0
        for start in range(0, rows, _ROWS_AT_ONCE):
            part = np.column_stack([c[start : start + _ROWS_AT_ONCE] for c in columns])
            out = out.merge(cls._of_part(names, part))
        return out

    @classmethod
    def _of_part(cls, names: tuple[str, ...], values: FloatArray) -> Moments:
        present = np.isfinite(values)
        if len(names) > _MOST_IN_PAIRS:
            values = values[present.all(axis=1)]
            present = np.ones_like(values, dtype=bool)
        counts = present.sum(axis=0)
        shift = np.where(present, values, 0.0).sum(axis=0) / np.maximum(counts, 1)
        centred = np.where(present, values - shift, 0.0)
        products = centred.T @ centred
        if present.all():
            count = np.full((len(names), len(names)), float(len(values)))
            sums = np.repeat(centred.sum(axis=0)[:, None], len(names), axis=1)
        else:
            mask = present.astype(np.float64)
            count = mask.T @ mask
            sums = centred.T @ mask
        if len(names) > _MOST_IN_PAIRS:
            count, sums = count[:1, :1], sums[:, :1]
        some = np.maximum(count, 1.0)
        return cls(names, count, shift, sums / some, products - sums * sums.T / some)

    @classmethod
    def merged(cls, parts: Sequence[Moments]) -> Moments:
        """Return the moments of the rows of all."""
        return reduce(cls.merge, parts)

    def merge(self, other: Moments) -> Moments:
        """Return the moments of the rows of both.

        References
        ----------
        Chan, Golub & LeVeque (1983), Algorithms for computing the sample variance, American
        Statistician 37, 242-247.
        """
        assert self.names == other.names
        count = self.count + other.count
        some = np.maximum(count, 1.0)
        shift = np.where(self.count.max(axis=1, initial=0.0) > 0, self.shift, other.shift)
        mine = self.mean + (self.shift - shift)[:, None]
        theirs = other.mean + (other.shift - shift)[:, None]
        # The mean of no rows is no number to start from.
        mine = np.where(self.count == 0, theirs, mine)
        gap = np.where(other.count == 0, 0.0, theirs - mine)
        mean = mine + gap * (other.count / some)
        cross = self.cross + other.cross + gap * gap.T * (self.count * other.count / some)
        return Moments(self.names, count, shift, mean, cross)

    def covariance(self) -> FloatArray:
        """Return the covariance matrix, NaN where fewer than two rows have both columns.

        With values missing it need not be positive definite, since each entry has rows of its own.
        """
        freedom = np.where(self.count > 1, self.count - 1, np.nan)
        out: FloatArray = self.cross / freedom
        return out

    def correlation(self) -> FloatArray:
        """Return the correlation matrix; NaN where a column does not vary."""
        spread = np.sqrt(np.diag(self.covariance()))
        spread = np.where(spread > 0, spread, np.nan)
        out: FloatArray = self.covariance() / np.outer(spread, spread)
        return out
