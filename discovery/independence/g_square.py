"""The G² test of categories: a likelihood ratio over contingency tables."""

from __future__ import annotations

import numpy as np
from scipy.special import chdtrc

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.independence.dependence import row_factors
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["GSquare", "g_square"]

# With fewer rows per cell on average the χ² limit is too far away (Cochran 1954 asks for 5).
_ROWS_PER_CELL = 5.0
_MOST_CODES = 1_000_000  # rows of all tests counted at once
_MOST_CELLS = 8_000_000  # beyond this many possible cells, only those that exist are kept
_MOST_LEVELS_SHOWN = 12  # levels that the autocorrelation of rows is looked for in


class GSquare:
    """G² over the strata of the given columns.

    Degrees of freedom are counted from the levels that occur in each stratum. A test with fewer
    than five rows for each of these cells has no answer (NaN).

    Parameters
    ----------
    codes : ndarray of int, shape (n_rows, n_columns)
        Levels 0, 1, …; −1 where missing.

    References
    ----------
    Spirtes, Glymour & Scheines (2000), Causation, Prediction, and Search, section 5.5.
    """

    def __init__(self, codes: IntArray) -> None:
        self._missing = np.ascontiguousarray(codes.T < 0)
        self._codes = np.ascontiguousarray(np.maximum(codes, 0).T)  # (n_columns, n_rows)
        self._whole = np.asarray(~self._missing.any(axis=1))
        self._levels = codes.max(axis=0, initial=0) + 1
        self._factors = row_factors([_indicators(column) for column in codes.T])

    def __call__(self, x: IntArray, y: IntArray, given: IntArray) -> FloatArray:
        """Return upper-tail p-values; see `IndependenceTest`."""
        step = max(1, _MOST_CODES // max(1, self._codes.shape[1]))
        parts = [
            self._chunk(x[i : i + step], y[i : i + step], given[i : i + step])
            for i in range(0, len(x), step)
        ]
        return np.concatenate(parts) if parts else np.empty(0)

    def _chunk(self, x: IntArray, y: IntArray, given: IntArray) -> FloatArray:
        tests = len(x)
        # A stratum's number belongs to the test owner[number // width].
        stratum = np.broadcast_to(np.arange(tests)[:, None], (tests, self._codes.shape[1]))
        owner, width = np.arange(tests), 1
        for place in range(given.shape[1]):
            levels = int(self._levels[given[:, place]].max())
            stratum = stratum * levels + self._codes[given[:, place]]
            width *= levels
            if len(owner) * width > _MOST_CELLS:  # keep the numbers small: only strata that occur
                found, inverse = np.unique(stratum, return_inverse=True)
                stratum = inverse.reshape(stratum.shape)
                owner, width = owner[found // width], 1
        of_x, of_y = int(self._levels[x].max()), int(self._levels[y].max())
        cell = ((stratum * of_x + self._codes[x]) * of_y + self._codes[y]).ravel()
        columns = np.column_stack([x, y, given])
        if not self._whole[columns].all():
            lacking = np.asarray(self._missing[columns].any(axis=1))
            cell = cell[~lacking.ravel()]
        cells, counts = _tally(cell, len(owner) * width * of_x * of_y)
        owner = owner[cells // (of_x * of_y) // width]
        rows_x, rows_y = cells // of_y, cells // (of_x * of_y) * of_y + cells % of_y
        in_x, levels_x = _margin(rows_x, counts)
        in_y, levels_y = _margin(rows_y, counts)
        in_stratum, stratum_of = _margin(cells // (of_x * of_y), counts)
        terms = 2 * counts * np.log(counts * in_stratum / (in_x * in_y))
        statistic = np.maximum(np.bincount(owner, terms, minlength=tests), 0.0)
        # Levels of x and of y that occur in each stratum.
        first = np.unique(stratum_of, return_index=True)[1]
        a = np.bincount(stratum_of[np.unique(levels_x, return_index=True)[1]], minlength=len(first))
        b = np.bincount(stratum_of[np.unique(levels_y, return_index=True)[1]], minlength=len(first))
        freedom = np.bincount(owner[first], (a - 1.0) * (b - 1.0), minlength=tests)
        existing = np.bincount(owner[first], a * b * 1.0, minlength=tests)
        factor = self._factors[x, y]
        rows = factor * np.bincount(owner, counts, minlength=tests)
        p_values = chdtrc(np.maximum(freedom, 1.0), factor * statistic)
        p_values = np.where(freedom > 0, p_values, 1.0)
        enough = (rows >= _ROWS_PER_CELL * existing) & (existing > 0)
        return np.where(enough, p_values, np.nan)


def _tally(cell: IntArray, possible: int) -> tuple[IntArray, FloatArray]:
    """Return the cells that occur, and their counts."""
    if possible <= _MOST_CELLS:
        table = np.bincount(cell, minlength=1)
        occurs = np.flatnonzero(table)
        return occurs, table[occurs].astype(np.float64)
    cells, counted = np.unique(cell, return_counts=True)
    return cells, counted.astype(np.float64)


def _margin(key: IntArray, counts: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return, for each cell, the count of its margin and the margin's number."""
    inverse: IntArray = np.unique(key, return_inverse=True)[1]
    sums = np.bincount(inverse, counts, minlength=1).astype(np.float64)
    return sums[inverse], inverse


def _indicators(codes: IntArray) -> FloatArray:
    levels = np.argsort(-np.bincount(codes[codes >= 0], minlength=1))[:_MOST_LEVELS_SHOWN]
    shown: FloatArray = (codes[:, None] == levels[None, :]).astype(np.float64)
    shown[codes < 0] = np.nan
    return shown


def g_square(snapshot: Snapshot, names: tuple[str, ...]) -> GSquare:
    """Build the test on the categories (or grades) of these columns."""
    values = snapshot.columns(names)
    codes = np.full(values.shape, -1, dtype=np.int64)
    for place in range(len(names)):
        present = np.isfinite(values[:, place])
        codes[present, place] = np.unique(values[present, place], return_inverse=True)[1]
    return GSquare(codes)
