"""Counts, means and cross-products of all rows of a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray

__all__ = ["Moments"]

_MOST_IN_PAIRS: Final = 200  # columns; of more only complete rows are counted
_CELLS_AT_ONCE: Final = 1 << 22
_LEAST_AT_ONCE: Final = 1_024  # rows


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
        rows = len(columns[0]) if columns else 0
        at_once = max(_LEAST_AT_ONCE, _CELLS_AT_ONCE // max(1, len(columns)))
        return cls.merged(
            [
                cls.none(names),
                *(
                    cls._of_part(names, [c[start : start + at_once] for c in columns])
                    for start in range(0, rows, at_once)
                ),
            ]
        )

    @classmethod
    def _of_part(cls, names: tuple[str, ...], columns: Sequence[FloatArray]) -> Moments:
        size, rows = len(names), len(columns[0])
        centred = np.empty((rows, size), order="F")
        shift = np.zeros(size)
        missing: dict[int, BoolArray] = {}  # of the columns that lack values
        for place, values in enumerate(columns):
            own = centred[:, place]
            total = values.sum()
            if np.isfinite(total):
                shift[place] = total / rows
                np.subtract(values, shift[place], out=own)
                continue
            gone = missing[place] = ~np.isfinite(values)
            if not gone.all():
                shift[place] = values[~gone].mean()
            np.subtract(values, shift[place], out=own)
            own[gone] = 0.0
        if size > _MOST_IN_PAIRS:
            if missing:
                complete = ~np.logical_or.reduce(list(missing.values()))
                centred = centred[complete]
            count = np.full((1, 1), float(len(centred)))
            sums = centred.sum(axis=0)[:, None]
        else:
            count = np.full((size, size), float(rows))
            sums = np.repeat(centred.sum(axis=0)[:, None], size, axis=1)
            if missing:
                some = list(missing)
                present = 1.0 - np.column_stack(list(missing.values()))
                own_counts = np.full(size, float(rows))
                own_counts[some] = present.sum(axis=0)
                count = np.minimum(own_counts[:, None], own_counts)  # right where one is complete
                count[np.ix_(some, some)] = present.T @ present
                sums[:, some] = centred.T @ present
        mean = sums / np.maximum(count, 1.0)
        products = centred.T @ centred
        products -= sums * mean.T if size <= _MOST_IN_PAIRS else sums * mean[:, 0]
        return cls(names, count, shift, mean, products)

    @classmethod
    def merged(cls, parts: Sequence[Moments]) -> Moments:
        """Return the moments of the rows of all.

        References
        ----------
        Chan, Golub & LeVeque (1983), Algorithms for computing the sample variance, American
        Statistician 37, 242-247.
        """
        assert len({p.names for p in parts}) == 1
        counted = [p for p in parts if p.count.any()]
        if len(counted) <= 1:
            return counted[0] if counted else parts[0]
        count = np.sum([p.count for p in counted], axis=0)
        some = np.maximum(count, 1.0)
        shift = np.zeros(len(parts[0].names))
        for part in reversed(counted):  # the first that has rows of a column gives its shift
            shift = np.where(part.count.max(axis=1) > 0, part.shift, shift)
        means = [p.mean + (p.shift - shift)[:, None] for p in counted]
        mean = np.zeros_like(means[0])
        for part, own in zip(counted, means, strict=True):
            mean += np.where(part.count > 0, own, 0.0) * (part.count / some)
        cross = counted[0].cross.copy()
        for place, (part, own) in enumerate(zip(counted, means, strict=True)):
            if place:
                cross += part.cross
            gap = np.where(part.count > 0, own - mean, 0.0)
            if len(part.names) > _MOST_IN_PAIRS:
                gap = gap[:, :1]
            cross += (gap * part.count) * gap.T
        return cls(parts[0].names, count, shift, mean, cross)

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
