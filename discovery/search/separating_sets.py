"""Finds sets of columns that separate pairs: by any test, or fast from a correlation matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, combinations, islice
from math import comb
from typing import Protocol

import numpy as np
from scipy.special import ndtr, ndtri

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.independence.base import IndependenceTest
from whydrift.discovery.independence.fisher_z import FisherZ
from whydrift.discovery.progress import Progress

__all__ = ["UNTESTED", "Found", "SetSearch", "Told", "count_tests", "set_search"]

UNTESTED = 2.0  # stands for a p-value where a pair's rows never meet
_CHUNK = 32_768  # tests asked at once; some tens of megabytes at usual depths
_FEW_COLUMNS = 20  # up to here numba is not worth its start
_LARGEST_R = 1 - 1e-12
_CALLS = 50  # of the kernel for one level, so that progress can be told

Told = Callable[[int, int], None]  # tests done, tests in all


@dataclass(frozen=True, slots=True)
class Found:
    """What one level of tests found.

    Parameters
    ----------
    apart : ndarray of bool, shape (n_columns, n_columns)
        Pairs that a set separates; symmetric.
    p_values : ndarray of shape (n_columns, n_columns)
        Largest p-value of each pair, −1 where none was asked or answered; symmetric.
    sets : ndarray of int, shape (n_columns, n_columns, level), optional
        The set it belongs to; None where the search stopped at the first set that separates.
    answered : bool
        Whether any test had an answer.
    """

    apart: BoolArray
    p_values: FloatArray
    sets: IntArray | None
    answered: bool


class SetSearch(Protocol):
    """Asks pairs of columns about sets of their candidates, all of one size at a time.

    ``asked[x, y]`` stands for: look among the candidates of x for sets that separate it from y.
    """

    most_tests: int  # a level that would need more is not begun
    most_votes: int  # a level of sets that tell colliders, likewise

    def first(
        self,
        asked: BoolArray,
        candidates: BoolArray,
        level: int,
        told: Told,
        old: BoolArray | None = None,
    ) -> Found:
        """Return which pairs some set separates; sets within ``old[x]`` may be passed over."""
        ...

    def largest(self, asked: BoolArray, candidates: BoolArray, level: int, told: Told) -> Found:
        """Return, for each pair, the set with the largest p-value."""
        ...

    def votes(
        self, asked: BoolArray, candidates: BoolArray, level: int, number: IntArray, votes: IntArray
    ) -> None:
        """Add to ``votes[number[x, y]]`` in how many separating sets each column stands.

        ``votes`` has shape (n_pairs, n_columns + 1); the last place counts the sets.
        """
        ...


def set_search(test: IndependenceTest, alpha: float, count: int, progress: Progress) -> SetSearch:
    """Return the fastest search that gives the answers of this test.

    Parameters
    ----------
    test : IndependenceTest
    alpha : float
        A set separates where the p-value exceeds it.
    count : int
        Columns of the test.
    progress : Progress
        Told when code has to be compiled or loaded first.
    """
    if isinstance(test, FisherZ) and count > _FEW_COLUMNS:
        whole = test.whole()
        if whole is not None and whole[1] >= 4:
            correlation, rows = whole
            progress("loading compiled code", 0, 1)
            return _Correlations(correlation, np.full(correlation.shape, rows), alpha)
    return _Tests(test, alpha)


# ---- by any test ------------------------------------------------------------------------------
class _Tests:
    """Asks an independence test in chunks; every set of a level is asked."""

    most_tests = most_votes = 5_000_000

    def __init__(self, test: IndependenceTest, alpha: float) -> None:
        self._test, self._alpha = test, alpha

    def first(
        self,
        asked: BoolArray,
        candidates: BoolArray,
        level: int,
        told: Told,
        old: BoolArray | None = None,
    ) -> Found:
        del old  # asked again: what a test of old sets says has not changed
        return self.largest(asked, candidates, level, told)

    def largest(self, asked: BoolArray, candidates: BoolArray, level: int, told: Told) -> Found:
        count = len(asked)
        total = count_tests(asked, candidates, level)
        best: FloatArray = np.full(count * count, -1.0)
        chosen: IntArray = np.zeros((count * count, level), dtype=np.int64)
        answered, done = False, 0
        for x, y, given in _tests(asked, candidates, level):
            p_values = self._test(x, y, given)
            missing = np.isnan(p_values)
            answered = answered or not missing.all()
            # Nothing speaks for an edge between columns that are never seen together; but an
            # edge once found is not given up for want of rows.
            p_values = np.where(missing, UNTESTED if level == 0 else -1.0, p_values)
            pair = np.minimum(x, y) * count + np.maximum(x, y)
            order = np.lexsort((p_values, pair))
            last = order[np.r_[pair[order][1:] != pair[order][:-1], True]]
            better = last[p_values[last] > best[pair[last]]]
            best[pair[better]] = p_values[better]
            chosen[pair[better]] = given[better]
            done += len(x)
            told(min(done, total), total)
        p_values, sets = best.reshape(count, count), chosen.reshape(count, count, level)
        below = np.tril_indices(count, -1)
        p_values[below], sets[below] = p_values.T[below], sets.transpose(1, 0, 2)[below]
        return Found(p_values > self._alpha, p_values, sets, answered)

    def votes(
        self, asked: BoolArray, candidates: BoolArray, level: int, number: IntArray, votes: IntArray
    ) -> None:
        for x, y, given in _tests(asked, candidates, level):
            apart = self._test(x, y, given) > self._alpha  # NaN: no vote
            rows = number[x[apart], y[apart]]
            np.add.at(votes[:, -1], rows, 1)
            np.add.at(votes, (rows[:, None], given[apart]), 1)


def count_tests(asked: BoolArray, candidates: BoolArray, level: int) -> int:
    """Return about how many tests a level takes, sets seen from both sides counted twice."""
    if level == 0:
        return int((asked | asked.T).sum()) // 2
    sizes = candidates.sum(axis=1).tolist()
    return sum(
        int(partners) * comb(size, level)
        for partners, size in zip(asked.sum(axis=1).tolist(), sizes, strict=True)
    )


def _tests(
    asked: BoolArray, candidates: BoolArray, level: int
) -> Iterator[tuple[IntArray, IntArray, IntArray]]:
    """Yield the tests of a level in chunks: x, y and given, shape (n_tests, level)."""
    waiting: list[tuple[IntArray, IntArray, IntArray]] = []
    size = 0
    for part in _tests_by_column(asked, candidates, level):
        waiting.append(part)
        size += len(part[0])
        if size >= _CHUNK:
            yield _joined(waiting)
            waiting, size = [], 0
    if size:
        yield _joined(waiting)


def _joined(
    parts: list[tuple[IntArray, IntArray, IntArray]],
) -> tuple[IntArray, IntArray, IntArray]:
    x, y, given = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return x, y, given


def _tests_by_column(
    asked: BoolArray, candidates: BoolArray, level: int
) -> Iterator[tuple[IntArray, IntArray, IntArray]]:
    if level == 0:
        pairs = np.argwhere(np.triu(asked | asked.T))
        for start in range(0, len(pairs), _CHUNK):
            x, y = pairs[start : start + _CHUNK].T
            yield x, y, np.empty((len(x), 0), dtype=np.int64)
        return
    for x in range(len(asked)):
        partners = np.flatnonzero(asked[x])
        if not partners.size:
            continue
        for sets in _subsets(np.flatnonzero(candidates[x]), level, _CHUNK // len(partners)):
            fits = (sets[None, :, :] != partners[:, None, None]).all(axis=2)
            # A set that the partner's side offers as well is asked there, if it comes first.
            shared = candidates[partners][:, sets].all(axis=2) & asked[partners, x][:, None]
            fits &= ~(shared & (partners < x)[:, None])
            row, column = np.nonzero(fits)
            yield np.full(len(row), x), partners[row], sets[column]


def _subsets(members: IntArray, size: int, at_once: int) -> Iterator[IntArray]:
    """Yield all subsets of a size, shape (n_subsets, size), at most so many at once."""
    rest = combinations(members.tolist(), size)
    while True:
        flat = np.fromiter(chain.from_iterable(islice(rest, max(1, at_once))), dtype=np.int64)
        if not flat.size:
            return
        yield flat.reshape(-1, size)


# ---- from correlations ------------------------------------------------------------------------
class _Correlations:
    """Fisher's z from one correlation matrix, in compiled code.

    Parameters
    ----------
    correlation : ndarray of shape (n_columns, n_columns)
        Of complete rows.
    rows : ndarray of shape (n_columns, n_columns)
        Rows that count for each pair; at least 4.
    alpha : float
    """

    most_tests = 10_000_000_000  # a minute or two
    most_votes = 30_000_000  # a second or two: larger sets seldom separate, and say little more

    def __init__(self, correlation: FloatArray, rows: FloatArray, alpha: float) -> None:
        self._correlation = np.ascontiguousarray(correlation)
        self._rows = rows
        self._critical = -float(ndtri(alpha / 2))
        self._no_votes = np.zeros((1, len(correlation) + 1), dtype=np.int64)
        self._no_number = np.zeros((1, 1), dtype=np.int64)

    def first(
        self,
        asked: BoolArray,
        candidates: BoolArray,
        level: int,
        told: Told,
        old: BoolArray | None = None,
    ) -> Found:
        from whydrift.discovery.search._skeleton_kernel import FIRST

        return self._find(FIRST, asked, candidates, level, told, old)

    def largest(self, asked: BoolArray, candidates: BoolArray, level: int, told: Told) -> Found:
        from whydrift.discovery.search._skeleton_kernel import SMALLEST

        return self._find(SMALLEST, asked, candidates, level, told, None)

    def _find(
        self,
        mode: int,
        asked: BoolArray,
        candidates: BoolArray,
        level: int,
        told: Told,
        old: BoolArray | None,
    ) -> Found:
        from whydrift.discovery.search._skeleton_kernel import SMALLEST

        count = len(asked)
        limits = self._limits(level)
        sets: IntArray | None = None
        if level == 0:
            either = asked | asked.T
            squares = np.where(either, self._correlation**2, 2.0)
            sets = np.zeros((count, count, 0), dtype=np.int64)
            told(int(either.sum()) // 2, int(either.sum()) // 2)
        else:
            squares = np.full((count, count), 2.0)
            sets = np.zeros((count, count, level if mode == SMALLEST else 0), dtype=np.int64)
            self._scan(mode, asked, candidates, old, limits, level, told, squares, sets)
            if mode != SMALLEST:
                sets = None
        answered = squares < 2.0
        r = np.minimum(np.sqrt(squares), _LARGEST_R)
        z = np.arctanh(r) * np.sqrt(np.maximum(self._rows - level - 3, 0.0))
        p_values = np.where(answered, 2 * ndtr(-z), -1.0)
        return Found(squares < limits, p_values, sets, bool(answered.any()))

    def votes(
        self, asked: BoolArray, candidates: BoolArray, level: int, number: IntArray, votes: IntArray
    ) -> None:
        from whydrift.discovery.search._skeleton_kernel import TALLY

        limits = self._limits(level)
        if level == 0:
            x, y = np.nonzero(np.triu(asked | asked.T) & (self._correlation**2 < limits))
            votes[number[x, y], -1] += 1
            return
        squares, sets = np.full(asked.shape, 2.0), np.zeros((*asked.shape, 0), dtype=np.int64)
        self._scan(
            TALLY, asked, candidates, None, limits, level, _untold, squares, sets, number, votes
        )

    def _limits(self, level: int) -> FloatArray:
        """Return the squared partial correlation below which a pair counts as independent."""
        freedom = self._rows - level - 3
        enough = freedom >= 1
        limits = np.tanh(self._critical / np.sqrt(np.where(enough, freedom, 1.0))) ** 2
        return np.where(enough, limits, -1.0)

    def _scan(
        self,
        mode: int,
        asked: BoolArray,
        candidates: BoolArray,
        old: BoolArray | None,
        limits: FloatArray,
        level: int,
        told: Told,
        squares: FloatArray,
        sets: IntArray,
        number: IntArray | None = None,
        votes: IntArray | None = None,
    ) -> None:
        from whydrift.discovery.search._skeleton_kernel import scan_columns

        partners, sizes = asked.sum(axis=1).tolist(), candidates.sum(axis=1).tolist()
        work = np.cumsum([n * comb(size, level) for n, size in zip(partners, sizes, strict=True)])
        total = int(work[-1])
        goals = np.searchsorted(work, np.linspace(0, total, _CALLS + 1)[1:-1])
        ends = sorted({*goals.tolist(), len(asked)}) if total > _CHUNK * _CALLS else [len(asked)]
        begin = 0
        for end in ends:
            scan_columns(
                self._correlation,
                candidates,
                asked,
                np.zeros_like(asked) if old is None else old,
                limits,
                level,
                mode,
                begin,
                end,
                squares,
                sets,
                self._no_number if number is None else number,
                self._no_votes if votes is None else votes,
            )
            told(int(work[end - 1]) if end else 0, total)
            begin = end


def _untold(done: int, total: int) -> None:
    """Report nothing."""
