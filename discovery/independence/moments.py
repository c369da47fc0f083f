"""Second moments of the columns of many tests at once, each over the rows that have them all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.independence.evidence import ALIKE, Evidence

__all__ = ["Moments", "eliminate"]

_HUGE = 1e100  # values beyond are scaled down before they are squared
_SMALL = 1e-150  # variance below which its digits cannot be trusted
_FLAT = 1e-12  # variance of a standardised feature below which it is constant
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
    evidence : Evidence
        Weights enter the moments, and make of the rows their effective number (Kish).

    Attributes
    ----------
    effective_rows : float
        Equally weighted rows that would tell as much.
    is_constant : ndarray of bool, shape (n_features + 1,)
        Features with one value only; the last is padding, which counts as one.

    References
    ----------
    Kish (1965), Survey Sampling: (Σw)² / Σw².
    """

    def __init__(self, blocks: Sequence[FloatArray], evidence: Evidence = ALIKE) -> None:
        wide = np.concatenate([block.T for block in blocks])  # (n_features, n_rows)
        if evidence.weights is None and np.isfinite(wide).all():
            self._start_complete(wide, len(blocks))
        else:
            self._start(blocks, evidence)

    def _start_complete(self, wide: FloatArray, columns: int) -> None:
        """Pass over the data as few times as can be: wide tables cost little else."""
        self.pad, count = wide.shape  # the number after the last feature is padding
        peak = np.abs(wide).max(axis=1, initial=0.0)
        if (peak > _HUGE).any():
            wide /= np.where(peak > _HUGE, peak, 1.0)[:, None]
        wide -= wide[:, :1]  # an offset of 1e9 costs no digits
        wide -= wide.mean(axis=1, keepdims=True)
        matrix = wide @ wide.T / max(1, count)
        odd = np.diagonal(matrix) <= _SMALL
        if odd.any():  # squares of values like 1e-200 are lost
            peak = np.abs(wide[odd]).max(axis=1, keepdims=True)
            wide[odd] /= np.where(peak > 0, peak, 1.0)
            matrix = wide @ wide.T / max(1, count)
        spread = np.sqrt(np.diagonal(matrix))
        scale = np.where(spread > 0, 1 / np.where(spread > 0, spread, 1.0), 0.0)
        matrix *= scale[:, None] * scale
        self._take(matrix, spread <= 0, float(count), columns)

    @classmethod
    def of_correlations(cls, matrix: FloatArray, rows: float) -> Moments:
        """Return the moments of columns of one feature each, from their correlations alone.

        Parameters
        ----------
        matrix : ndarray of shape (n_columns, n_columns)
            Correlations of columns that vary and have no missing values.
        rows : float
            Equally weighted rows that would tell as much.
        """
        self = cls.__new__(cls)
        self.pad = len(matrix)
        self._take(matrix, np.zeros(len(matrix), dtype=bool), rows, len(matrix))
        return self

    def _take(self, matrix: FloatArray, is_constant: BoolArray, rows: float, columns: int) -> None:
        """Take correlations of features that miss no value; no rows are kept."""
        # Then the feature that stands for padding, and the constant.
        self._matrix: FloatArray = np.zeros((self.pad + 2, self.pad + 2))
        self._matrix[: self.pad, : self.pad] = matrix
        self._matrix[-1, -1] = 1.0
        self.is_constant = np.append(is_constant, True)
        self.effective_rows = rows
        self._complete: FloatArray = self._matrix * rows
        self._complete_squares = rows
        self._whole = np.ones(columns, dtype=bool)
        self._filled: FloatArray = np.empty((self.pad + 2, 0))
        self._seen = np.empty((columns, 0), dtype=bool)
        self._squares = np.empty(0)

    def _start(self, blocks: Sequence[FloatArray], evidence: Evidence) -> None:
        stacked = np.column_stack(blocks)
        count, self.pad = stacked.shape  # the number after the last feature is padding
        weights = np.ones(count) if evidence.weights is None else evidence.weights
        seen = np.column_stack([np.isfinite(block).all(axis=1) for block in blocks])
        filled, self.is_constant = _standardised(stacked, weights)
        filled = np.column_stack([filled, np.zeros(count), np.ones(count)])
        filled *= np.sqrt(weights)[:, None]
        self.effective_rows = _kish(float(weights.sum()), float((weights**2).sum()))
        self._whole = np.asarray(seen.all(axis=0))
        self._matrix = filled.T @ filled / max(1.0, float(weights.sum()))
        complete = seen.all(axis=1)
        self._complete = filled[complete].T @ filled[complete]
        self._complete_squares = float((weights[complete] ** 2).sum())
        # By column, so that each test gathers runs of memory.
        self._filled = np.ascontiguousarray(filled[~complete].T)
        self._seen = np.ascontiguousarray(seen[~complete].T)
        self._squares = weights[~complete] ** 2

    @property
    def is_whole(self) -> bool:
        """Whether no column has missing values."""
        return bool(self._whole.all())

    @property
    def matrix(self) -> FloatArray:
        """Correlations of all features, right where no value is missing."""
        return self._matrix[: self.pad, : self.pad]

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
            Effective rows.
        """
        easy = self._whole[columns].all(axis=1)
        if easy.all():
            return self._cut(index), np.full(len(index), self.effective_rows)
        size = index.shape[1]
        blocks = np.empty((len(index), size, size))
        rows = np.full(len(index), self.effective_rows)
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
        total = sums[:, -1, -1].copy()
        rows = total**2 / np.maximum(self._complete_squares + usable @ self._squares, 1e-300)
        sums /= np.where(total > 0, total, 1.0)[:, None, None]
        mean = sums[:, :-1, -1]
        blocks = sums[:, :-1, :-1] - mean[:, :, None] * mean[:, None, :]
        variance = np.diagonal(blocks, axis1=1, axis2=2)
        flat = variance <= _FLAT
        scale = np.where(flat, 0.0, 1 / np.sqrt(np.where(flat, 1.0, variance)))
        blocks = blocks * scale[:, :, None] * scale[:, None, :]
        test, place = np.nonzero(index == self.pad)
        blocks[test, place, place] = 1.0
        return blocks, rows


def _standardised(stacked: FloatArray, weights: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Return features with mean 0 and deviation 1 (missing: 0), and which are constant."""
    observed = np.isfinite(stacked)
    counts = observed * weights[:, None]
    totals = counts.sum(axis=0)
    totals[totals <= 0] = 1.0
    # Squares of what is huge would overflow.
    huge = np.abs(np.where(observed, stacked, 0.0)).max(axis=0, initial=0.0)
    if (huge > _HUGE).any():
        stacked = stacked / np.where(huge > _HUGE, huge, 1.0)
    # Around the first value, so that an offset of 1e9 costs no digits.
    first = stacked[observed.argmax(axis=0), np.arange(stacked.shape[1])]
    filled = np.where(observed, stacked - np.where(np.isfinite(first), first, 0.0), 0.0)
    largest = np.abs(filled).max(axis=0, initial=0.0)
    filled /= np.where(largest > 0, largest, 1.0)
    filled -= np.where(observed, (counts * filled).sum(axis=0) / totals, 0.0)
    spread = np.sqrt((counts * filled**2).sum(axis=0) / totals)
    varies = (largest > 0) & (spread > 0)
    filled = np.where(varies, filled / np.where(varies, spread, 1.0), 0.0)
    return filled, np.append(~varies & observed.any(axis=0), True)


def _kish(total: float, squares: float) -> float:
    return total**2 / squares if squares > 0 else 0.0


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
