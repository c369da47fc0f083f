"""Second moments of the columns of many tests at once, each over the rows that have them all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray

__all__ = ["Moments", "eliminate"]

_FLAT = 1e-12  # variance of a standardised feature below which it is constant
_SMALLEST = 1e-150  # variance whose digits can be trusted
_MOST_NUMBERS = 1_000_000  # gathered at once: 8 MB, about a processor's cache


class Moments:
    """Correlations of features, with the rows that are incomplete handled test by test.

    Where no column of a test has missing values, its block is cut from one matrix. Elsewhere it
    is the block of the complete rows plus that of the incomplete rows that have this test's
    columns (test-wise deletion).

    Parameters
    ----------
    blocks : sequence of ndarray of shape (n_rows, n_features of the column)
        One per column; all features of a column are NaN in the same rows.
    """

    def __init__(self, blocks: Sequence[FloatArray]) -> None:
        wide = np.concatenate([block.T for block in blocks])  # (n_features, n_rows)
        if np.isfinite(wide).all():
            self._start_complete(wide, len(blocks))
        else:
            self._start_incomplete(blocks)

    def _start_complete(self, wide: FloatArray, columns: int) -> None:
        self.pad, self.rows = wide.shape  # the number after the last feature is padding
        wide -= wide[:, :1]  # an offset of 1e9 costs no digits
        wide -= wide.mean(axis=1, keepdims=True)
        with np.errstate(over="ignore", invalid="ignore"):
            matrix = wide @ wide.T / max(1, self.rows)
        odd = ~((np.diagonal(matrix) > _SMALLEST) & (np.diagonal(matrix) < 1 / _SMALLEST))
        if odd.any():  # squares of values like 1e-200 are lost
            peak = np.abs(wide[odd]).max(axis=1, keepdims=True)
            wide[odd] /= np.where(peak > 0, peak, 1.0)
            matrix = wide @ wide.T / max(1, self.rows)
        spread = np.sqrt(np.diagonal(matrix))
        scale = np.where(spread > 0, 1 / np.where(spread > 0, spread, 1.0), 0.0)
        matrix *= scale[:, None] * scale
        # Then the feature that stands for padding, and the constant.
        self._matrix: FloatArray = np.zeros((self.pad + 2, self.pad + 2))
        self._matrix[: self.pad, : self.pad] = matrix
        self._matrix[-1, -1] = 1.0
        self._complete: FloatArray = self._matrix * self.rows
        self._whole = np.ones(columns, dtype=bool)
        self._filled: FloatArray = np.empty((self.pad + 2, 0))
        self._seen = np.empty((columns, 0), dtype=bool)

    def _start_incomplete(self, blocks: Sequence[FloatArray]) -> None:
        stacked = np.column_stack(blocks)
        self.rows, self.pad = stacked.shape
        seen = np.column_stack([np.isfinite(block).all(axis=1) for block in blocks])
        observed = np.isfinite(stacked)
        counts = np.maximum(observed.sum(axis=0), 1)
        # Around the first value, so that an offset of 1e9 costs no digits.
        first = stacked[observed.argmax(axis=0), np.arange(self.pad)]
        filled = np.where(observed, stacked - np.where(np.isfinite(first), first, 0.0), 0.0)
        filled -= np.where(observed, filled.sum(axis=0) / counts, 0.0)
        spread = np.sqrt((filled**2).sum(axis=0) / counts)
        filled /= np.where(spread > 0, spread, 1.0)
        filled = np.column_stack([filled, np.zeros(self.rows), np.ones(self.rows)])
        self._whole = np.asarray(seen.all(axis=0))
        self._matrix = filled.T @ filled / max(1, self.rows)
        complete = seen.all(axis=1)
        self._complete = filled[complete].T @ filled[complete]
        # By column, so that each test gathers runs of memory.
        self._filled = np.ascontiguousarray(filled[~complete].T)
        self._seen = np.ascontiguousarray(seen[~complete].T)

    def whole(self) -> FloatArray | None:
        """Return the correlation matrix of all features, or None where values are missing."""
        return self._matrix[: self.pad, : self.pad] if self._whole.all() else None

    def correlations(self, index: IntArray, columns: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return the correlation matrix of each test's features, and its number of rows.

        Parameters
        ----------
        index : ndarray of int, shape (n_tests, n_features)
            Feature numbers; ``self.pad`` stands for a feature uncorrelated with all others.
        columns : ndarray of int, shape (n_tests, n_columns)
            The columns that these features belong to.

        Returns
        -------
        blocks : ndarray of shape (n_tests, n_features, n_features)
            A feature that is constant in these rows has zeros, on the diagonal too.
        rows : ndarray of shape (n_tests,)
        """
        easy = self._whole[columns].all(axis=1)
        if easy.all():
            return self._cut(index), np.full(len(index), float(self.rows))
        size = index.shape[1]
        blocks = np.empty((len(index), size, size))
        rows = np.full(len(index), float(self.rows))
        blocks[easy] = self._cut(index[easy])
        blocks[~easy], rows[~easy] = self._each_set_once(index[~easy], columns[~easy])
        return blocks, rows

    def _each_set_once(self, index: IntArray, columns: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return blocks and rows; X ⊥ Y | Z and X ⊥ Z | Y share their moments."""
        order = np.argsort(index, axis=1, kind="stable")
        features = np.take_along_axis(index, order, axis=1)
        _, first, inverse = np.unique(features, axis=0, return_index=True, return_inverse=True)
        inverse = inverse.ravel()
        size = index.shape[1]
        blocks, rows = np.empty((len(first), size, size)), np.empty(len(first))
        step = max(1, _MOST_NUMBERS // ((self._filled.shape[1] + size) * (size + 1)))
        for start in range(0, len(first), step):
            part = slice(start, start + step)
            own = first[part]
            blocks[part], rows[part] = self._test_wise(features[own], columns[own])
        place = np.argsort(order, axis=1)
        turned = blocks[inverse[:, None, None], place[:, :, None], place[:, None, :]]
        return turned, rows[inverse]

    def _cut(self, index: IntArray) -> FloatArray:
        blocks: FloatArray = self._matrix[index[:, :, None], index[:, None, :]]
        test, place = np.nonzero(index == self.pad)
        blocks[test, place, place] = 1.0
        return blocks

    def _test_wise(self, index: IntArray, columns: IntArray) -> tuple[FloatArray, FloatArray]:
        one = np.full((len(index), 1), self.pad + 1)
        wide = np.column_stack([index, one])
        usable = np.asarray(self._seen[columns].all(axis=1))  # (n_tests, n_incomplete_rows)
        part = self._filled[wide] * usable[:, None, :]  # (n_tests, n_features + 1, n_rows)
        sums = self._complete[wide[:, :, None], wide[:, None, :]]
        sums = sums + part @ np.swapaxes(part, 1, 2)
        rows = sums[:, -1, -1].copy()
        sums /= np.maximum(rows, 1.0)[:, None, None]
        mean = sums[:, :-1, -1]
        blocks = sums[:, :-1, :-1] - mean[:, :, None] * mean[:, None, :]
        variance = np.diagonal(blocks, axis1=1, axis2=2)
        flat = variance <= _FLAT
        scale = np.where(flat, 0.0, 1 / np.sqrt(np.where(flat, 1.0, variance)))
        blocks = blocks * scale[:, :, None] * scale[:, None, :]
        test, place = np.nonzero(index == self.pad)
        blocks[test, place, place] = 1.0
        return blocks, rows


def eliminate(blocks: FloatArray, count: int, tolerance: float) -> tuple[FloatArray, FloatArray]:
    """Return the covariance of the later features given the first ``count``, batched.

    Gaussian elimination on the diagonal: a feature whose remaining variance is within
    ``tolerance`` is determined by those before it and is passed over, so that singular matrices
    need no exception and no ridge.

    Parameters
    ----------
    blocks : ndarray of shape (n_tests, n_features, n_features)
        Positive semidefinite, with unit or zero diagonal.
    count : int
        Features to eliminate.
    tolerance : float
        Remaining variance that counts as none.

    Returns
    -------
    rest : ndarray of shape (n_tests, n_features - count, n_features - count)
    pivots : ndarray of shape (n_tests, count)
        Remaining variance of each eliminated feature; 0 where it was passed over.
    """
    pivots = np.zeros((len(blocks), count))
    for step in range(count):
        pivot = blocks[:, 0, 0]
        used = pivot > tolerance
        pivots[:, step] = np.where(used, pivot, 0.0)
        slope = blocks[:, 1:, 0] * np.where(used, 1 / np.where(used, pivot, 1.0), 0.0)[:, None]
        blocks = blocks[:, 1:, 1:] - slope[:, :, None] * blocks[:, None, 0, 1:]
    return blocks, pivots
