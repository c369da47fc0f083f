"""Contingency tables of many tests at once, each over the strata of its given columns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import chdtrc

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.independence.dependence import Dependence
from whydrift.discovery.independence.evidence import ALIKE, Evidence, row_evidence
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["ContingencyTest", "Statistic", "common_levels", "contingency", "pearson_moments"]

_LEAST_ROWS = 5.0  # of a stratum; fewer say next to nothing
_ROWS_PER_CELL = 1.0  # where most rows have fewer, hardly any dependence would be seen
_DENSE = 5.0  # rows expected in each cell where G² is near its limit (Cochran 1954)
_MOST_CODES = 1_000_000  # rows of all tests counted at once
_MOST_CELLS = 8_000_000  # beyond this many possible cells, only those that exist are kept
_MOST_LEVELS_SHOWN = 12  # levels that the alikeness of rows is looked for in


class Statistic(NamedTuple):
    """G² or Pearson's χ².

    Parameters
    ----------
    is_ratio : bool
        G² in strata where each cell has enough rows for it, Pearson's χ² in the others; else
        Pearson's χ² in all.
    least_expected : float
        Rows that two levels must share by chance; rarer levels are pooled.
    """

    is_ratio: bool
    least_expected: float


class _Table(NamedTuple):
    """The cells of all tests that occur."""

    counts: FloatArray
    expected: FloatArray
    owner: IntArray  # the test a cell belongs to
    stratum: IntArray  # number of its stratum, 0, 1, … over all tests, rising
    levels_x: IntArray  # number of its level of x within the stratum
    levels_y: IntArray
    in_x: FloatArray  # rows of the stratum that have this level
    in_y: FloatArray


class _Levels(NamedTuple):
    """The levels of x, or of y, in each stratum."""

    number: IntArray  # that occur
    sparsity: FloatArray  # Σ rows of the stratum / rows of the level: the larger, the rarer
    fewest: FloatArray  # share of the rows that the rarest has


class ContingencyTest:
    """A χ² statistic over the strata of the given columns.

    Given how often each level occurs in a stratum, the mean and the variance of Pearson's χ² are
    known exactly however few the rows (Haldane 1940, Dawson 1954). The sum over strata is
    compared with the gamma distribution of its mean and variance; in large tables that is the
    usual χ². A stratum in which rare levels make the statistic vary more than in a large table
    counts for less, in proportion. G² is taken where five rows or more are expected in each
    cell, with its mean to the next order (Williams 1976).

    Strata of fewer than five rows are left out. Where less than half of the rows are in strata
    with a row for each cell, or where X or Y varies in no stratum (Z determines it), there is no
    answer (NaN). Weighted counts, and rows that are alike, scale the counts to the effective
    number of rows (Rao & Scott's first-order correction).

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
    Williams (1976), Improved likelihood ratio tests for complete contingency tables.
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
        table, share = self._table(x, y, given)
        starts = np.flatnonzero(np.diff(table.stratum, prepend=-1))
        owner = table.owner[starts]
        rows = share[owner] * np.add.reduceat(table.counts, starts)  # effective ones, per stratum
        of_x = _levels_in(table.levels_x, table.in_x, table)
        of_y = _levels_in(table.levels_y, table.in_y, table)
        statistic, mean, variance = self._statistics(table, starts, rows, of_x, of_y)
        statistic *= share[owner]

        # Weights that the margins alone decide, so that they leave the level as it is.
        weight = np.minimum(1.0, 2 * mean / np.where(variance > 0, variance, 1.0))
        weight[(rows < _LEAST_ROWS) | (variance <= 0)] = 0.0
        total, centre, spread = (
            np.bincount(owner, values, minlength=tests)
            for values in (weight * statistic, weight * mean, weight**2 * variance)
        )
        full = (rows >= _LEAST_ROWS) & (rows >= _ROWS_PER_CELL * of_x.number * of_y.number)
        of_test, used = (np.bincount(owner, own, minlength=tests) for own in (rows, full * rows))
        answered = (spread > 0) & (2 * used >= of_test)
        centre, spread = np.where(answered, centre, 1.0), np.where(answered, spread, 2.0)
        # The gamma distribution with this mean and variance is that of a multiple of χ².
        p_values = chdtrc(2 * centre**2 / spread, 2 * centre / spread * np.maximum(total, 0.0))
        p_values = np.where(answered, p_values, np.nan)
        constant = self._is_constant[x] | self._is_constant[y]
        return np.where(constant, 1.0, p_values)

    def _statistics(
        self, table: _Table, starts: IntArray, rows: FloatArray, of_x: _Levels, of_y: _Levels
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return each stratum's statistic (of all rows), its mean and its variance."""
        ratio = table.counts / table.expected
        # Summed over a stratum, empty cells included, (count − expected)² / expected is this.
        statistic = np.add.reduceat(table.counts * (ratio - 1), starts)
        mean, variance = pearson_moments(
            rows, of_x.number, of_y.number, of_x.sparsity, of_y.sparsity
        )
        freedom = (of_x.number - 1.0) * (of_y.number - 1.0)
        dense = self._statistic.is_ratio & (freedom > 0)
        dense &= rows * of_x.fewest * of_y.fewest >= _DENSE
        if dense.any():
            deviance = np.add.reduceat(2 * table.counts * np.log(ratio), starts)
            rarity = (of_x.sparsity - 1) * (of_y.sparsity - 1)
            growth = 1 + rarity / (6 * np.maximum(rows * freedom, 1.0))
            statistic = np.where(dense, deviance, statistic)
            mean = np.where(dense, growth * freedom, mean)
            variance = np.where(dense, 2 * growth**2 * freedom, variance)
        return statistic, mean, variance

    def _table(self, x: IntArray, y: IntArray, given: IntArray) -> tuple[_Table, FloatArray]:
        """Return the cells, and the share of its rows that each test may count."""
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
        expected = in_x * in_y / in_stratum
        table = _Table(counts, expected, owner, stratum_of, levels_x, levels_y, in_x, in_y)
        return table, share


def pearson_moments(
    rows: FloatArray,
    levels_x: IntArray,
    levels_y: IntArray,
    sparsity_x: FloatArray,
    sparsity_y: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Return mean and variance of Pearson's χ² over all tables with these margins.

    Parameters
    ----------
    rows : ndarray of shape (n_tables,)
    levels_x, levels_y : ndarray of int, shape (n_tables,)
        Levels that occur.
    sparsity_x, sparsity_y : ndarray of shape (n_tables,)
        Sums over these levels of the table's rows by the level's rows.

    Returns
    -------
    mean, variance : ndarray of shape (n_tables,)

    References
    ----------
    Haldane (1940), The mean and variance of χ², when used as a test of homogeneity, when
    expectations are small.
    Dawson (1954), A simplified expression for the variance of the χ²-function on a contingency
    table.
    """
    # Of two or three rows the terms below are zero; effective rows may lie between.
    less_one, less_two, less_three = (np.maximum(rows - k, 1.0) for k in (1, 2, 3))
    even_x, even_y = ((levels - 1) * (rows - levels) / less_one for levels in (levels_x, levels_y))
    uneven_x = (sparsity_x - levels_x**2) / less_two
    uneven_y = (sparsity_y - levels_y**2) / less_two
    mean = rows * (levels_x - 1.0) * (levels_y - 1.0) / less_one
    variance = 2 * rows / less_three * (even_x - uneven_x) * (even_y - uneven_y)
    variance += rows**2 / less_one * uneven_x * uneven_y
    return mean, np.maximum(variance, 0.0)


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


def _levels_in(levels: IntArray, in_level: FloatArray, table: _Table) -> _Levels:
    """Return the levels of each stratum; the numbers of levels rise with those of strata."""
    first = np.unique(levels, return_index=True)[1]
    starts = np.flatnonzero(np.diff(table.stratum[first], prepend=-1))
    own = in_level[first]
    number = np.diff(np.append(starts, len(first)))
    rows = np.add.reduceat(own, starts)
    return _Levels(
        number, rows * np.add.reduceat(1 / own, starts), np.minimum.reduceat(own, starts) / rows
    )


def _is_constant(codes: IntArray) -> bool:
    present = codes[codes >= 0]
    return bool(present.size) and bool((present == present[0]).all())


def _indicators(codes: IntArray) -> FloatArray:
    levels = np.argsort(-np.bincount(codes[codes >= 0], minlength=1))[:_MOST_LEVELS_SHOWN]
    shown: FloatArray = (codes[:, None] == levels[None, :]).astype(np.float64)
    shown[codes < 0] = np.nan
    return shown
