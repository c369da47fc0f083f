"""Local scores for compiled searches: what the classes in ``scores/`` compute."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numba
import numpy as np

from whydrift.discovery._compiled import compiled, inner, pointer
from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.scores.base import (
    BlockArrays,
    CountArrays,
    NumberArrays,
    ScoreArrays,
)

__all__ = ["TIE", "Improve", "improvements", "improver"]

# The constants of GaussianScore and EnvironmentScore.
_LEAST_VARIANCE = 1e-9
_RIDGE = 1e-6
_LEAST_PIVOT = 1e-12
# A gain smaller than this is rounding: equivalent graphs score alike up to it.
TIE = 1e-7
_DENSE = 4  # cells per row up to which counts stand in a table


Improve = Callable[[Any, int, IntArray, int, BoolArray, FloatArray], float]


def improver(s: ScoreArrays) -> Improve:
    """Return the function for `improvements` that belongs to the arrays of a score.

    It is handed to the kernels of searches, which are compiled apart from it.
    """
    one, arrays = numba.types, numba.typeof(s)  # type: ignore[no-untyped-call]
    signature = one.float64(
        arrays, one.int64, one.int64[::1], one.int64, one.boolean[::1], one.float64[::1]
    )
    return pointer(_IMPROVE[type(s)], signature)


@compiled
def improvements(
    improve: Improve,
    s: ScoreArrays,
    column: int,
    parents: IntArray,
    count: int,
    offered: BoolArray,
    out: FloatArray,
) -> float:
    """Return a column's score given ``parents[:count]``, and what each parent more would gain.

    Parameters
    ----------
    improve : callable
        From `improver`.
    s : ScoreArrays
    column : int
    parents : ndarray of int
        Its first ``count`` are the column's parents.
    count : int
    offered : ndarray of bool, shape (n_columns,)
        The columns to look at.
    out : ndarray of shape (n_columns,) or (0,)
        Gains on return, 0 for a column that is not offered or gains nothing. If empty, the score
        alone is wanted.
    """
    return improve(s, column, parents, count, offered, out)


# ---- one number per column --------------------------------------------------------------------
@inner
def _residual(matrix: FloatArray, column: int, parents: IntArray, count: int) -> float:
    """Return a column's variance given others, by a Cholesky factor that passes over copies."""
    factor = np.empty((count + 1, count + 1))
    for i in range(count + 1):
        a = column if i == count else parents[i]
        for j in range(i + 1):
            b = column if j == count else parents[j]
            value = matrix[a, b]
            for m in range(j):
                value -= factor[i, m] * factor[j, m]
            if i == count and j == count:
                return float(max(value, _LEAST_VARIANCE))
            if i == j:
                factor[i, i] = math.sqrt(value) if value > _LEAST_VARIANCE else 0.0
            else:
                factor[i, j] = value / factor[j, j] if factor[j, j] > 0.0 else 0.0
    return _LEAST_VARIANCE


def _improve_numbers(
    s: NumberArrays,
    column: int,
    parents: IntArray,
    count: int,
    offered: BoolArray,
    out: FloatArray,
) -> float:
    matrix = s.correlation
    size = len(out)
    if size == 0:
        left = _residual(matrix, column, parents, count)
        return float(-0.5 * s.rows * math.log(left) - s.cost[count])
    # Row i: what the i-th parent adds to the earlier ones, against every column.
    rows = np.empty((count, size))
    variance = np.empty(size)
    cross = np.empty(size)
    for j in range(size):
        variance[j] = matrix[j, j]
        cross[j] = matrix[column, j]
    left = matrix[column, column]
    for i in range(count):
        parent = parents[i]
        pivot = variance[parent]
        if pivot <= _LEAST_VARIANCE:
            for j in range(size):
                rows[i, j] = 0.0
            continue
        scale = 1.0 / math.sqrt(pivot)
        for j in range(size):
            rows[i, j] = matrix[parent, j]
        for m in range(i):
            slope = rows[m, parent]
            for j in range(size):
                rows[i, j] -= slope * rows[m, j]
        own = rows[i, column] * scale
        for j in range(size):
            value = rows[i, j] * scale
            rows[i, j] = value
            variance[j] -= value * value
            cross[j] -= own * value
        left -= own * own
    left = max(left, _LEAST_VARIANCE)
    price = s.cost[count + 1] - s.cost[count]
    half = 0.5 * s.rows
    # Most columns gain nothing; they are told apart without a logarithm.
    enough = left * (1.0 - math.exp(-(price + TIE) / half))
    for j in range(size):
        out[j] = 0.0
        if offered[j] and variance[j] > _LEAST_VARIANCE:
            fall = cross[j] * cross[j] / variance[j]
            if fall > enough:
                after = max(left - fall, _LEAST_VARIANCE)
                out[j] = max(0.0, half * math.log(left / after) - price)
    return float(-half * math.log(left) - s.cost[count])


# ---- blocks of features -----------------------------------------------------------------------
@inner
def _block_fit(s: BlockArrays, column: int, parents: IntArray, count: int, plain: bool) -> float:
    """Return the score with the parents' whole bases, or with their linear features alone."""
    q = s.linear[column]
    most = 1 + q
    for i in range(count):
        most += s.start[parents[i] + 1] - s.start[parents[i]]
    index = np.empty(most, dtype=np.int64)
    index[0] = 0  # the intercept
    size = 1
    for i in range(count):
        start = s.start[parents[i]]
        stop = start + s.linear[parents[i]] if plain else s.start[parents[i] + 1]
        for feature in range(start, stop):
            index[size] = feature
            size += 1
    for i in range(q):
        index[size + i] = s.start[column] + i
    windows = s.grams.shape[0]
    total = 0.0
    for k in range(windows):
        total += s.rows[column, k]
    unit = 0.5 * s.penalty * math.log(max(total, 2.0))
    weights = np.empty((windows, windows))
    rows = np.empty(windows)
    best = -np.inf
    # All windows alike; every window apart; with three or more, one apart from the others.
    for way in range(-1, windows + 1 if windows > 2 else windows - 1):
        groups = 1 if way < 0 else (windows if way == 0 else 2)
        for g in range(groups):
            rows[g] = 0.0
            for k in range(windows):
                member = way < 0 or (g == k if way == 0 else (k == way - 1) == (g == 0))
                weights[g, k] = s.rows[column, k] if member else 0.0
                rows[g] += weights[g, k]
            for k in range(windows):
                weights[g, k] /= rows[g]
        price = s.penalty * math.log(windows) if way > 0 else 0.0
        fit = _grouped_fit(s.grams, weights, rows, int(groups), index, int(size), q, unit)
        best = max(best, fit - price)
    return float(best)


@inner
def _gather(
    grams: FloatArray,
    weights: FloatArray,
    group: int,
    index: IntArray,
    width: int,
    out: FloatArray,
) -> None:
    """Put a group's weighted second moments of some features, and the ridge, into ``out``."""
    for i in range(width):
        for j in range(i + 1):
            value = 0.0
            for k in range(grams.shape[0]):
                if weights[group, k] != 0.0:
                    value += weights[group, k] * grams[k, index[i], index[j]]
            out[i, j] = value
            out[j, i] = value
        out[i, i] += _RIDGE


@inner
def _log_pivots(block: FloatArray, width: int, q: int) -> float:
    """Return log det of the last q features given the others; the lower half is overwritten."""
    out = 0.0
    for i in range(width):
        for j in range(i + 1):
            value = block[i, j]
            for m in range(j):
                value -= block[i, m] * block[j, m]
            if i == j:
                value = max(value, _LEAST_PIVOT)
                block[i, i] = math.sqrt(value)
                if i >= width - q:
                    out += math.log(value)
            else:
                block[i, j] = value / block[j, j]
    return out


@inner
def _grouped_fit(
    grams: FloatArray,
    weights: FloatArray,
    rows: FloatArray,
    groups: int,
    index: IntArray,
    size: int,
    q: int,
    unit: float,
) -> float:
    """Return the better of own intercept and spread in each group of windows, and own all."""
    width = size + q
    spread = 0.5 * q * (q + 1)
    differ = 1 if groups > 1 else 0
    centred = np.empty((differ * groups, width, width))
    pooled = np.empty((width, width))
    block = np.empty((width, width))
    total = 0.0
    own = -unit * (groups * (size * q + spread) + differ)
    for g in range(groups):
        total += rows[g]
    for i in range(width):
        for j in range(width):
            pooled[i, j] = 0.0
    for g in range(groups):
        _gather(grams, weights, g, index, width, block)
        for i in range(width * differ):
            for j in range(width):
                value = block[i, j] - block[i, 0] * block[0, j] / block[0, 0]
                if i == 0 and j == 0:
                    value = 1.0
                if i == j:
                    value += _RIDGE
                centred[g, i, j] = value
                pooled[i, j] += rows[g] / total * value
        own -= 0.5 * rows[g] * _log_pivots(block, width, q)
    if groups == 1:
        return own
    slopes = _solve(pooled, size, q)
    shared = -unit * ((size - 1) * q + groups * (q + spread) + 1)
    residual = np.empty((q, q))
    for g in range(groups):
        for a in range(q):
            for b in range(a + 1):
                value = centred[g, size + a, size + b]
                for i in range(size):
                    inner = 0.0
                    for j in range(size):
                        inner += centred[g, i, j] * slopes[j, b]
                    value += slopes[i, a] * (inner - centred[g, i, size + b])
                    value -= slopes[i, b] * centred[g, i, size + a]
                residual[a, b] = value
                residual[b, a] = value
            residual[a, a] += _RIDGE
        shared -= 0.5 * rows[g] * _log_pivots(residual, q, q)
    return max(own, shared)


@inner
def _solve(matrix: FloatArray, size: int, q: int) -> FloatArray:
    """Return the slopes of the last q features on the first ``size``."""
    slopes = np.empty((size, q))
    for b in range(q):
        for i in range(size):
            slopes[i, b] = matrix[i, size + b]
    _log_pivots(matrix, size, int(0 * q))
    for b in range(q):
        for i in range(size):
            for m in range(i):
                slopes[i, b] -= matrix[i, m] * slopes[m, b]
            slopes[i, b] /= matrix[i, i]
        for i in range(size - 1, -1, -1):
            for m in range(i + 1, size):
                slopes[i, b] -= matrix[m, i] * slopes[m, b]
            slopes[i, b] /= matrix[i, i]
    return slopes


def _improve_blocks(
    s: BlockArrays,
    column: int,
    parents: IntArray,
    count: int,
    offered: BoolArray,
    out: FloatArray,
) -> float:
    wider = np.empty(count + 1, dtype=np.int64)
    for i in range(count):
        wider[i] = parents[i]
    base = 0.0
    for j in range(-1, len(out)):  # −1: the parents as they are
        if j >= 0:
            out[j] = 0.0
            wider[count] = j
        if j < 0 or offered[j]:
            size = count + (j >= 0)
            has_hinges = 0
            for i in range(size):
                if s.start[wider[i] + 1] - s.start[wider[i]] > s.linear[wider[i]]:
                    has_hinges = 1
            score = -np.inf
            for hinges in range(has_hinges + 1):
                score = max(score, _block_fit(s, column, wider, size, hinges == 0))
            score -= s.extra[size]
            if j < 0:
                base = score
            elif score > base + TIE:
                out[j] = score - base
    return base


# ---- counts -----------------------------------------------------------------------------------
@inner
def _score_counts(s: CountArrays, column: int, parents: IntArray, count: int) -> float:
    rows = s.codes.shape[1]
    stratum = np.zeros(rows, dtype=np.int64)
    strata = 1.0  # all combinations of levels; ``found`` of them occur or are kept apart
    found = 1
    for i in range(count):
        parent = parents[i]
        for r in range(rows):
            stratum[r] = stratum[r] * s.levels[parent] + s.codes[parent, r]
        strata *= s.levels[parent]
        found *= s.levels[parent]
        if found > _DENSE * rows:
            found = _renumber(stratum)
    windows = len(s.bounds) - 1
    same, own = 0.0, 0.0
    for k in range(-1 if windows > 1 else 0, windows):  # −1: all windows together
        start = 0 if k < 0 else s.bounds[k]
        stop = rows if k < 0 else s.bounds[k + 1]
        value = _likelihood(s, column, stratum, found, strata, start, stop)
        if k < 0:
            same = value
        else:
            own += value
    best = max(same, own) if windows > 1 else own
    extra = (s.penalty - 1.0) * 0.5 * math.log(max(2, rows))
    return float(best - extra * count * (s.levels[column] - 1))


@inner
def _renumber(codes: IntArray) -> int:
    """Number the different codes 0, 1, … in place, and return how many there are."""
    size = 1
    while size < 2 * len(codes):
        size *= 2
    keys = np.full(size, -1, dtype=np.int64)
    numbers = np.empty(size, dtype=np.int64)
    found = 0
    for r in range(len(codes)):
        place = (codes[r] * 40503 + (codes[r] >> 7)) & (size - 1)
        while keys[place] >= 0 and keys[place] != codes[r]:
            place = (place + 1) & (size - 1)
        if keys[place] < 0:
            keys[place] = codes[r]
            numbers[place] = found
            found += 1
        codes[r] = numbers[place]
    return found


@inner
def _likelihood(
    s: CountArrays,
    column: int,
    stratum: IntArray,
    found: int,
    strata: float,
    start: int,
    stop: int,
) -> float:
    levels = s.levels[column]
    cell = np.empty(stop - start, dtype=np.int64)
    for r in range(start, stop):
        cell[r - start] = stratum[r] * levels + s.codes[column, r]
    cells = found * levels
    if cells > _DENSE * len(stratum):
        cells = _renumber(cell)
    in_cell = np.zeros(cells, dtype=np.int64)
    in_stratum = np.zeros(found, dtype=np.int64)
    for r in range(stop - start):
        in_cell[cell[r]] += 1
        in_stratum[stratum[start + r]] += 1
    for_cell = s.prior / (strata * levels)
    for_stratum = s.prior / strata
    out = 0.0
    at_cell, at_stratum = math.lgamma(for_cell), math.lgamma(for_stratum)
    for c in range(cells):
        if in_cell[c] > 0:
            out += math.lgamma(in_cell[c] + for_cell) - at_cell
    for c in range(found):
        if in_stratum[c] > 0:
            out -= math.lgamma(in_stratum[c] + for_stratum) - at_stratum
    return out


def _improve_counts(
    s: CountArrays,
    column: int,
    parents: IntArray,
    count: int,
    offered: BoolArray,
    out: FloatArray,
) -> float:
    wider = np.empty(count + 1, dtype=np.int64)
    for i in range(count):
        wider[i] = parents[i]
    base = 0.0
    for j in range(-1, len(out)):  # −1: the parents as they are
        if j >= 0:
            out[j] = 0.0
            wider[count] = j
        if j < 0 or offered[j]:
            score = _score_counts(s, column, wider, count + (j >= 0))
            if j < 0:
                base = score
            elif score > base + TIE:
                out[j] = score - base
    return base


_IMPROVE: Final[dict[type, Improve]] = {
    NumberArrays: _improve_numbers,
    BlockArrays: _improve_blocks,
    CountArrays: _improve_counts,
}
