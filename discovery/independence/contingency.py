"""Contingency tables of many tests at once, each over the strata of its given columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import chdtrc

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.independence.dependence import Dependence
from whydrift.discovery.independence.evidence import ALIKE, Evidence, row_evidence
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["ContingencyTest", "Statistic", "common_levels", "contingency"]

# With fewer rows per cell on average the χ² limit is too far away (Cochran 1954 asks for 5).
_ROWS_PER_CELL = 5.0
_MOST_CODES = 1_000_000  # rows of all tests counted at once
_MOST_CELLS = 8_000_000  # beyond this many possible cells, only those that exist are kept
_MOST_LEVELS_SHOWN = 12  # levels that the alikeness of rows is looked for in


class Statistic(NamedTuple):
    """G² or Pearson's χ².

    Parameters
    ----------
    terms : callable
        Contribution of each cell that occurs, from its count and the count expected there.
    least_expected : float
        Rows that two levels must share by chance; rarer levels are pooled.
    """

    terms: Callable[[FloatArray, FloatArray], FloatArray]
    least_expected: float


class _Table(NamedTuple):
    """The cells of all tests that occur."""

    counts: FloatArray
    expected: FloatArray
    owner: IntArray  # the test a cell belongs to
    stratum: IntArray  # number of its stratum, 0, 1, … over all tests
    levels_x: IntArray  # number of its level of x within the stratum
    levels_y: IntArray


class ContingencyTest:
    """A χ² statistic over the strata of the given columns.

    Degrees of freedom are counted from the levels that occur in each stratum. Strata with fewer
    than five rows for each of these cells are left out: what they add is far from its limit. Where
    less than half of the rows is left, or where X or Y varies in no stratum (Z determines it),
    there is no answer (NaN). Weighted counts, and rows that are alike, scale the statistic to the
    effective number of rows (Rao & Scott's first-order correction).

    Parameters
    ----------
    compared : ndarray of int, shape (n_rows, n_columns)
        Levels 0, 1, … of X and Y; −1 where missing.
    given : ndarray of int, shape (n_rows, n_columns)
        Levels of Z, which may be finer.
    statistic : Statistic
    evidence : Evidence
        Weights and clusters of the rows.

    References
    ----------
    Cochran (1954), Some methods for strengthening the common χ² tests.
    Rao & Scott (1981), The analysis of categorical data from complex sample surveys.
    """

    def __init__(
        self,
        compared: IntArray,
        given: IntArray,
        statistic: Statistic,
        evidence: Evidence = ALIKE,
    ) -> None:
        self._statistic = statistic
        self._missing = np.ascontiguousarray(compared.T < 0)
        self._compared = np.ascontiguousarray(np.maximum(compared, 0).T)  # (n_columns, n_rows)
        self._given = np.ascontiguousarray(np.maximum(given, 0).T)
        self._whole = np.asarray(~self._missing.any(axis=1))
        self._levels = compared.max(axis=0, initial=0) + 1
        self._strata = given.max(axis=0, initial=0) + 1
        self._is_constant = np.array([_is_constant(column) for column in given.T], dtype=bool)
        self._weights = evidence.weights
        self._dependence = Dependence([_indicators(column) for column in compared.T], evidence)

    def __call__(self, x: IntArray, y: IntArray, given: IntArray) -> FloatArray:
        """Return upper-tail p-values; see `IndependenceTest`."""
        step = max(1, _MOST_CODES // max(1, self._compared.shape[1]))
        parts = [
            self._chunk(x[i : i + step], y[i : i + step], given[i : i + step])
            for i in range(0, len(x), step)
        ]
        return np.concatenate(parts) if parts else np.empty(0)

    def _chunk(self, x: IntArray, y: IntArray, given: IntArray) -> FloatArray:
        tests = len(x)
        table, rows, share = self._table(x, y, given)
        # Levels of x and of y that occur in each stratum.
        first = np.unique(table.stratum, return_index=True)[1]
        owner = table.owner[first]
        a = _distinct(table.levels_x, table.stratum, len(first))
        b = _distinct(table.levels_y, table.stratum, len(first))
        of_stratum = np.bincount(table.stratum, table.counts, minlength=len(first))
        kept = share[owner] * of_stratum >= _ROWS_PER_CELL * a * b
        terms = np.where(
            kept[table.stratum], self._statistic.terms(table.counts, table.expected), 0.0
        )
        statistic = np.maximum(np.bincount(table.owner, terms, minlength=tests), 0.0)
        freedom = np.bincount(owner, kept * (a - 1.0) * (b - 1.0), minlength=tests)
        used = np.bincount(owner, kept * of_stratum, minlength=tests)
        p_values = chdtrc(np.maximum(freedom, 1.0), share * statistic)
        p_values = np.where((freedom > 0) & (used >= rows / 2), p_values, np.nan)
        constant = self._is_constant[x] | self._is_constant[y]
        return np.where(constant, 1.0, p_values)

    def _table(
        self, x: IntArray, y: IntArray, given: IntArray
    ) -> tuple[_Table, FloatArray, FloatArray]:
        """Return the cells, and per test the rows and the share of them that it may count."""
        tests = len(x)
        # A stratum's number belongs to the test owner[number // width].
        stratum = np.broadcast_to(np.arange(tests)[:, None], (tests, self._compared.shape[1]))
        owner, width = np.arange(tests), 1
        for place in range(given.shape[1]):
            levels = int(self._strata[given[:, place]].max())
            stratum = stratum * levels + self._given[given[:, place]]
            width *= levels
            if len(owner) * width > _MOST_CELLS:  # keep the numbers small: only strata that occur
                found, inverse = np.unique(stratum, return_inverse=True)
                stratum = inverse.reshape(stratum.shape)
                owner, width = owner[found // width], 1
        of_x, of_y = int(self._levels[x].max()), int(self._levels[y].max())
        cell = ((stratum * of_x + self._compared[x]) * of_y + self._compared[y]).ravel()
        columns = np.column_stack([x, y, given])
        kept: BoolArray | None = None
        if not self._whole[columns].all():
            kept = ~np.asarray(self._missing[columns].any(axis=1)).ravel()
            cell = cell[kept]
        weights = None
        share = self._dependence.shares(x, y, given)
        if self._weights is not None:
            weights = np.broadcast_to(self._weights, (tests, len(self._weights))).ravel()
            weights = weights if kept is None else weights[kept]
            share = share * _kish_share(weights, kept, tests)
        cells, counts = _tally(cell, len(owner) * width * of_x * of_y, weights)
        number = cells // (of_x * of_y)
        owner = owner[number // width]
        in_x, levels_x = _margin(cells // of_y, counts)
        in_y, levels_y = _margin(number * of_y + cells % of_y, counts)
        in_stratum, stratum_of = _margin(number, counts)
        rows = np.bincount(owner, counts, minlength=tests).astype(np.float64)
        expected = in_x * in_y / in_stratum
        table = _Table(counts, expected, owner, stratum_of, levels_x, levels_y)
        return table, rows, share


def _level_codes(values: FloatArray) -> IntArray:
    """Return a column's levels as codes, the commonest 0; −1 where missing."""
    codes = np.full(values.shape, -1, dtype=np.int64)
    present = np.isfinite(values)
    _, own, counts = np.unique(values[present], return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), dtype=np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    codes[present] = rank[own]
    return codes


def common_levels(counts: IntArray, least_expected: float) -> int:
    """Return how many levels, the commonest first, can be compared with those of another column.

    At least √(``least_expected`` · n) of the n rows have each, so that two such levels of two
    unrelated columns meet in ``least_expected`` rows or more; two levels always can.
    """
    enough = counts >= np.sqrt(least_expected * counts.sum())
    return min(max(2, int(enough.sum())), max(1, len(counts)))


def _pooled(codes: IntArray, name: str, least_expected: float) -> tuple[IntArray, tuple[Note, ...]]:
    """Return codes of `_level_codes` with rare levels made one, and a note if that made one."""
    counts = np.bincount(codes[codes >= 0], minlength=1)
    kept = common_levels(counts, least_expected)
    if counts[:kept].min() < np.sqrt(least_expected * counts.sum()):
        kept -= 1  # even the second is rare: the commonest against all others
    if len(counts) <= kept + 1:
        return codes, ()
    text = (
        f"levels of {name!r} that few rows have are pooled where it is compared with another "
        f"column: all but {kept} of {len(counts)}"
    )
    return np.minimum(codes, kept), (Note("pooled_levels", name, text),)


def contingency(
    snapshot: Snapshot, names: tuple[str, ...], statistic: Statistic
) -> tuple[ContingencyTest, tuple[Note, ...]]:
    """Build a test on the categories (or grades) of these columns."""
    evidence, notes = row_evidence(snapshot)
    given = [_level_codes(snapshot.column(name)) for name in names]
    compared = []
    for name, codes in zip(names, given, strict=True):
        fewer, told = _pooled(codes, name, statistic.least_expected)
        compared.append(fewer)
        notes += told
    test = ContingencyTest(np.column_stack(compared), np.column_stack(given), statistic, evidence)
    return test, notes


def _kish_share(weights: FloatArray, kept: BoolArray | None, tests: int) -> FloatArray:
    """Return each test's Kish rows over its sum of weights."""
    count = (len(weights) if kept is None else len(kept)) // max(1, tests)
    owner = np.repeat(np.arange(tests), count)
    owner = owner if kept is None else owner[kept]
    total = np.bincount(owner, weights, minlength=tests)
    squares = np.bincount(owner, weights**2, minlength=tests)
    share: FloatArray = total / np.where(squares > 0, squares, 1.0)
    return share


def _tally(
    cell: IntArray, possible: int, weights: FloatArray | None
) -> tuple[IntArray, FloatArray]:
    """Return the cells that occur, and their (weighted) counts."""
    if possible <= _MOST_CELLS:
        table = np.bincount(cell, weights, minlength=1).astype(np.float64)
        occurs = np.flatnonzero(table)
        return occurs, table[occurs]
    cells, inverse = np.unique(cell, return_inverse=True)
    table = np.bincount(inverse, weights, minlength=len(cells)).astype(np.float64)
    occurs = np.flatnonzero(table)
    return cells[occurs], table[occurs]


def _margin(key: IntArray, counts: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return, for each cell, the count of its margin and the margin's number."""
    inverse: IntArray = np.unique(key, return_inverse=True)[1]
    sums = np.bincount(inverse, counts, minlength=1).astype(np.float64)
    return sums[inverse], inverse


def _distinct(levels: IntArray, stratum: IntArray, strata: int) -> IntArray:
    """Return how many levels occur in each stratum; each level belongs to one stratum."""
    out: IntArray = np.bincount(stratum[np.unique(levels, return_index=True)[1]], minlength=strata)
    return out


def _is_constant(codes: IntArray) -> bool:
    present = codes[codes >= 0]
    return bool(present.size) and bool((present == present[0]).all())


def _indicators(codes: IntArray) -> FloatArray:
    levels = np.argsort(-np.bincount(codes[codes >= 0], minlength=1))[:_MOST_LEVELS_SHOWN]
    shown: FloatArray = (codes[:, None] == levels[None, :]).astype(np.float64)
    shown[codes < 0] = np.nan
    return shown
