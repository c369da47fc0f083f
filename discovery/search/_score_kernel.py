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
    is_one = isinstance(s, BlockArrays) and len(s.covs) == 1
    return pointer(_improve_block if is_one else _IMPROVE[type(s)], signature)


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
def _room(s: BlockArrays, column: int, parents: IntArray, count: int) -> int:
    room = s.linear[column]
    for i in range(count):
        room += s.start[parents[i] + 1] - s.start[parents[i]]
    return int(room)


@inner
def _has_hinges(s: BlockArrays, parents: IntArray, count: int) -> bool:
    for i in range(count):
        if s.start[parents[i] + 1] - s.start[parents[i]] > s.linear[parents[i]]:
            return True
    return False


@inner
def _list_features(
    s: BlockArrays, column: int, parents: IntArray, count: int, plain: bool, index: IntArray
) -> int:
    """List the features of the parents, then of the column, and return how many the parents have.

    With ``plain`` those are the parents' linear features alone, else their whole bases.
    """
    size = 0
    for i in range(count):
        start = s.start[parents[i]]
        stop = start + s.linear[parents[i]] if plain else s.start[parents[i] + 1]
        for feature in range(start, stop):
            index[size] = feature
            size += 1
    for i in range(s.linear[column]):
        index[size + i] = s.start[column] + i
    return size


@inner
def _block_fit(
    s: BlockArrays,
    column: int,
    index: IntArray,
    known: int,
    size: int,
    work: FloatArray,
    several: bool | None,
) -> float:
    """Return the score with the first ``size`` features listed as those of the parents.

    Of the blocks in ``work`` (all windows together, within them, each window) the first ``known``
    rows are there from a call with the same first features. Where ``several`` is None there is one
    window, and the rest is not compiled.
    """
    q = s.linear[column]
    width = size + q
    windows = s.covs.shape[0]
    spread = 0.5 * q * (q + 1)
    own_size = (size + 1) * q + spread
    all_rows = 0.0
    for k in range(windows):
        all_rows += s.rows[column, k]
    unit = 0.5 * s.penalty * math.log(max(all_rows, 2.0))
    _gather(s.total, index, known, width, work[0])
    best = -0.5 * all_rows * _eliminate(work[0], known, width, q) - unit * own_size
    if several is None:
        return float(best)
    none = width - width
    own, shared = 0.0, 0.0
    logdets = np.empty(windows)
    for k in range(windows):
        _gather(s.covs[k], index, known, width, work[2 + k])
        logdets[k] = _eliminate(work[2 + k], known, width, q)
        own -= 0.5 * s.rows[column, k] * logdets[k]
    _gather(s.within, index, known, width, work[1])
    _eliminate(work[1], known, width, q)
    slopes = _slopes(work[1], size, q)
    residuals = np.empty((windows, q, q))
    middles = np.empty((windows, q))
    spreads = np.empty(windows)
    for k in range(windows):
        _residual_spread(s.covs[k], index, slopes, size, q, residuals[k])
        for b in range(q):
            middles[k, b] = s.means[k, index[size + b]]
            for i in range(size):
                middles[k, b] -= slopes[i, b] * s.means[k, index[i]]
        spreads[k] = _logdet(residuals[k], q)
        shared -= 0.5 * s.rows[column, k] * spreads[k]
    best = max(best, own - unit * (windows * own_size + 1))
    best = max(best, shared - unit * (size * q + windows * (q + spread) + 1))
    if windows == 2:
        return float(best)
    rows = s.rows[column]
    unit_apart = unit * (q + spread)
    order, most = _set_apart(s, rows, residuals, middles, spreads, unit_apart)
    rest, pooled = work[windows + 2], work[windows + 3]
    residual = np.empty((q, q))
    apart = np.zeros(windows, dtype=np.bool_)
    for count in range(1, most + 1):
        apart[order[count - 1]] = True
        price = s.penalty * s.choices[count] + unit
        own_price = price + unit * (count + 1) * own_size
        shared_price = price + unit * (size * q + (count + 1) * (q + spread))
        # No set of windows apart fits better than all of them apart.
        if max(own - own_price, shared - shared_price) <= best:
            continue
        left = _gather_rest(s, rows, apart, index, width, rest, pooled)
        _eliminate(pooled, none, width, q)
        slopes = _slopes(pooled, size, q)
        for k in range(windows):
            if apart[k]:
                own_price += 0.5 * rows[k] * logdets[k]
                _residual_spread(s.covs[k], index, slopes, size, q, residual)
                shared_price += 0.5 * rows[k] * _logdet(residual, q)
        _residual_spread_of(rest, slopes, size, q, residual)
        shared_price += 0.5 * left * _logdet(residual, q)
        own_price += 0.5 * left * _eliminate(rest, none, width, q)
        best = max(best, -own_price, -shared_price)
    return float(best)


@inner
def _set_apart(
    s: BlockArrays, rows: FloatArray, residuals: FloatArray, middles: FloatArray,
    spreads: FloatArray, unit: float,
) -> tuple[IntArray, int]:  # fmt: skip
    """Return the windows whose residuals are unlike the others', the most unlike first; how many.

    All windows but two at most; as many of them as gain by a mean and a spread of their own.
    """
    windows, q = middles.shape
    apart = np.zeros(windows, dtype=np.bool_)
    order = np.empty(windows, dtype=np.int64)
    middle, moments = np.empty(q), np.empty((q, q))
    best, found, fit = -np.inf, 0, 0.0
    for count in range(1, windows - 1):
        top, top_value = -1, -np.inf
        for k in range(windows):
            if apart[k]:
                continue
            left = 0.0
            for a in range(q):
                middle[a] = 0.0
                for b in range(q):
                    moments[a, b] = 0.0
            for other in range(windows):
                if other == k or apart[other]:
                    continue
                left += rows[other]
                for a in range(q):
                    middle[a] += rows[other] * middles[other, a]
                    for b in range(q):
                        moments[a, b] += rows[other] * (
                            residuals[other, a, b] + middles[other, a] * middles[other, b]
                        )
            for a in range(q):
                for b in range(q):
                    moments[a, b] = moments[a, b] / left - middle[a] * middle[b] / left**2
            value = -0.5 * rows[k] * spreads[k] - 0.5 * left * _logdet(moments, q)
            if value > top_value:
                top, top_value = k, value
        apart[top] = True
        order[count - 1] = top
        value = fit + top_value - unit * count - s.penalty * s.choices[count]
        fit -= 0.5 * rows[top] * spreads[top]
        if value > best:
            best, found = value, count
    return order, found


@inner
def _gather(cov: FloatArray, index: IntArray, start: int, stop: int, out: FloatArray) -> None:
    """Put rows of the covariance of some features, ridged, into the lower half of ``out``."""
    for i in range(start, stop):
        row = cov[index[i]]
        for j in range(i + 1):
            out[i, j] = row[index[j]]
        out[i, i] += _RIDGE


@inner
def _gather_rest(
    s: BlockArrays, rows: FloatArray, apart: BoolArray, index: IntArray, width: int,
    rest: FloatArray, within: FloatArray,
) -> float:  # fmt: skip
    """Fill the covariance over the windows not set apart, and within the groups; return its rows.

    Both are whole and ridged.
    """
    total = 0.0
    left = 0.0
    for k in range(len(rows)):
        total += rows[k]
        if not apart[k]:
            left += rows[k]
    middle = np.zeros(width)
    for i in range(width):
        for k in range(len(rows)):
            if apart[k]:
                middle[i] -= rows[k] / left * s.means[k, index[i]]
    for i in range(width):
        a = index[i]
        for j in range(i + 1):
            b = index[j]
            value, alone = total * s.total[a, b], 0.0
            for k in range(len(rows)):
                if apart[k]:
                    own = s.covs[k, a, b]
                    alone += rows[k] * own
                    value -= rows[k] * (own + s.means[k, a] * s.means[k, b])
            value = value / left - middle[i] * middle[j]
            ridge = _RIDGE if i == j else 0.0
            rest[i, j] = rest[j, i] = value + ridge
            within[i, j] = within[j, i] = (alone + left * value) / total + ridge
    return left


@inner
def _eliminate(block: FloatArray, start: int, width: int, q: int) -> float:
    """Turn rows of a lower half into its Cholesky factor, those before ``start`` are; return log
    det of the last q features given the others.
    """
    out = 0.0
    for i in range(start, width):
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
def _slopes(factor: FloatArray, size: int, q: int) -> FloatArray:
    """Return the slopes of the last q features on the first ``size``, from a Cholesky factor."""
    slopes = np.empty((size, q))
    for b in range(q):
        for i in range(size):
            slopes[i, b] = factor[size + b, i]
        for i in range(size - 1, -1, -1):
            slopes[i, b] /= factor[i, i]
            for m in range(i):
                slopes[m, b] -= factor[i, m] * slopes[i, b]
    return slopes


@inner
def _residual_spread(
    cov: FloatArray, index: IntArray, slopes: FloatArray, size: int, q: int, out: FloatArray
) -> None:
    """Put the covariance of the last q features less their fit into ``out``, ridged."""
    for b in range(q):
        for a in range(b + 1):
            out[a, b] = cov[index[size + a], index[size + b]]
    for i in range(size):
        row = cov[index[i]]
        for b in range(q):
            inner = (0.5 * row[index[i]] + 0.5 * _RIDGE) * slopes[i, b]
            for j in range(i):
                inner += row[index[j]] * slopes[j, b]
            along = row[index[size + b]]
            for a in range(q):
                both = slopes[i, a] * (inner - along)
                out[min(a, b), max(a, b)] += 2.0 * both if a == b else both
    for b in range(q):
        out[b, b] += _RIDGE
        for a in range(b):
            out[b, a] = out[a, b]


@inner
def _residual_spread_of(
    block: FloatArray, slopes: FloatArray, size: int, q: int, out: FloatArray
) -> None:
    """Do the same from a whole block that is ridged already."""
    for a in range(q):
        for b in range(q):
            value = block[size + a, size + b]
            for i in range(size):
                inner = -block[i, size + b]
                for j in range(size):
                    inner += block[i, j] * slopes[j, b]
                value += slopes[i, a] * inner - slopes[i, b] * block[i, size + a]
            out[a, b] = value


@inner
def _logdet(matrix: FloatArray, q: int) -> float:
    """Return log det of a small covariance."""
    if q == 1:
        return math.log(max(matrix[0, 0], _LEAST_PIVOT))
    factor = matrix.copy()
    return _eliminate(factor, q - q, q, q)


@inner
def _improve_fits(
    s: BlockArrays,
    column: int,
    parents: IntArray,
    count: int,
    offered: BoolArray,
    out: FloatArray,
    several: bool | None,
) -> float:
    wider = np.empty(count + 1, dtype=np.int64)
    widest, none = 0, count - count
    for i in range(count):
        wider[i] = parents[i]
    for j in range(len(out)):
        out[j] = -np.inf
        widest = max(widest, s.start[j + 1] - s.start[j])
    index = np.empty(_room(s, column, parents, count) + widest, dtype=np.int64)
    work = np.empty((s.covs.shape[0] + 4, len(index), len(index)))
    base = -np.inf
    with_hinges = _has_hinges(s, parents, count)
    for plain in range(2):
        size = _list_features(s, column, parents, count, plain == 1, index)
        base = max(base, _block_fit(s, column, index, none, size, work, several))
        for j in range(len(out)):
            if not offered[j]:
                continue
            wider[count] = j
            has_own = s.start[j + 1] - s.start[j] > s.linear[j]
            if plain == 0 and not (with_hinges or has_own):
                continue
            wide = _list_features(s, column, wider, count + 1, plain == 1, index)
            out[j] = max(out[j], _block_fit(s, column, index, size, wide, work, several))
    base -= s.extra[count]
    for j in range(len(out)):
        price = s.extra[count + 1] + s.rare[column, j]
        gain = out[j] - price - base if offered[j] else 0.0
        out[j] = gain if gain > TIE else 0.0
    for i in range(count):
        base -= s.rare[column, parents[i]]
    return float(base)


def _improve_block(
    s: BlockArrays,
    column: int,
    parents: IntArray,
    count: int,
    offered: BoolArray,
    out: FloatArray,
) -> float:
    return _improve_fits(s, column, parents, count, offered, out, None)


def _improve_blocks(
    s: BlockArrays,
    column: int,
    parents: IntArray,
    count: int,
    offered: BoolArray,
    out: FloatArray,
) -> float:
    return _improve_fits(s, column, parents, count, offered, out, True)


# ---- counts -----------------------------------------------------------------------------------
@inner
def _score_counts(s: CountArrays, column: int, parents: IntArray, count: int) -> float:
    rows = s.codes.shape[1]
    stratum = _filled(rows, 0)
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
def _filled(size: int, value: int) -> IntArray:
    """Return so many times a number; compiled in less time than what numpy has for this."""
    out = np.empty(size, dtype=np.int64)
    for i in range(size):
        out[i] = value
    return out


@inner
def _renumber(codes: IntArray) -> int:
    """Number the different codes 0, 1, … in place, and return how many there are."""
    size = 1
    while size < 2 * len(codes):
        size *= 2
    keys = _filled(size, -1)
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
    in_cell, in_stratum = _filled(cells, 0), _filled(found, 0)
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
