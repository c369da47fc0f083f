"""A fast test for any dependence: products of residuals of several functions of X and of Y.

A number is seen through its rank-normal score (its level) and that score's square (its spread), a
category through the indicators of its levels. Each is regressed on Z by a smooth function of all
given columns at once; under independence each product of a residual of X with one of Y has mean
zero, whatever the noise and however its spread follows Z.

References
----------
Shah & Peters (2020), The hardness of conditional independence testing and the generalised
covariance measure.
Rahimi & Recht (2007), Random features for large-scale kernel machines.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, fdtrc

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.independence.base import Built
from whydrift.discovery.independence.contingency import common_levels
from whydrift.discovery.independence.dependence import lag_one
from whydrift.discovery.independence.evidence import ALIKE, Evidence, row_evidence
from whydrift.discovery.scores.features import category_features, rank_normal
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["Gcm", "Sight", "category_sight", "gcm", "number_sight"]

_LEAST_EXPECTED = 2.0  # rows that two levels share by chance; rarer ones are not compared
_WAVES = 200  # random features of Z; half of them bend over its whole width, half over 2/5 of it
_NARROW = 0.4
_ROWS_PER_WAVE = 3
_PENALTIES = 10.0 ** np.arange(-7.0, 1.1, 0.5)  # per row
# Of the penalty with the best prediction: what the regressions of X and of Y miss alike passes
# for dependence, what they fit too closely costs a little power.
_UNDERSMOOTHED = 0.1
_MOST_FREEDOM = 0.5  # of the rows, spent on a regression
_UNITS_PER_PRODUCT = 10  # independent rows (or clusters) for each product of residuals
_LEAST_UNITS = 20
_DETERMINED = 1e-6  # share of a feature's variance that is left and counts as none
_MOST_CACHED = 16_000_000  # residuals kept: 128 MB
_LEAST_BLOCKS = 20


@dataclass(frozen=True)
class Sight:
    """One column as the test sees it.

    Parameters
    ----------
    compared : ndarray of shape (n_rows, n_features)
        Functions in which X and Y are compared; NaN where missing.
    given : ndarray of shape (n_rows, n_given_features)
        Scores that a regression on the column starts from.
    frequencies : ndarray of shape (n_given_features, n_waves)
        What the column contributes to each wave, standard normal.
    first_tells_all : bool
        Whether the first function fixes the column's value: nothing is left of a number once its
        score is known.
    """

    compared: FloatArray
    given: FloatArray
    frequencies: FloatArray
    first_tells_all: bool


@dataclass(frozen=True)
class _Residuals:
    """What is left of one column's functions given Z; zero in rows not observed."""

    values: FloatArray  # (n_rows, n_features)
    rows: BoolArray  # observed, with all of Z
    is_marginal: bool  # nothing was given
    left: FloatArray  # (n_features, n_directions): share left in each direction of the regression
    untouched: float  # rows less the directions of the regression
    is_open: bool  # whether anything varies that Z does not determine


class Gcm:
    """The test, with the regressions made so far.

    A column that never varies is independent of all others (1). Where the given columns determine
    X or Y, or fewer than twenty independent rows (or clusters) have all columns, there is no
    answer (NaN).

    Parameters
    ----------
    sights : sequence of Sight
        One per column.
    evidence : Evidence
        Weights and clusters enter the variance of the products. Without clusters, rows that are
        alike their neighbours are taken in blocks.
    waves : int
        Random features of a regression, at most 200: fewer are faster and stiffer.
    """

    def __init__(
        self, sights: Sequence[Sight], evidence: Evidence = ALIKE, *, waves: int = _WAVES
    ) -> None:
        count = len(sights[0].compared)
        groups = evidence.clusters
        if groups is None:
            length = _block_length([sight.compared for sight in sights])
            groups = np.arange(count) // length
        order = np.argsort(groups, kind="stable")
        self._starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
        self._root = np.ones(count)
        if evidence.weights is not None:
            self._root = np.sqrt(evidence.weights[order])
        self._weighted = evidence.weights is not None
        self._first_tells_all = [sight.first_tells_all for sight in sights]
        self._compared = [sight.compared[order] for sight in sights]
        self._given = [sight.given[order] for sight in sights]
        self._frequencies = [sight.frequencies for sight in sights]
        self._seen = [
            np.isfinite(sight.given[order]).all(axis=1) & (self._root > 0) for sight in sights
        ]
        self._is_constant = np.array(
            [
                bool(seen.any()) and bool((values[seen] == values[seen][0]).all())
                for values, seen in zip(self._compared, self._seen, strict=True)
            ]
        )
        self._waves = waves
        self._phases = np.random.default_rng(0).uniform(0, 2 * np.pi, size=_WAVES)
        self._cache: dict[tuple[int, tuple[int, ...]], _Residuals] = {}
        self._cached = 0

    def __call__(self, x: IntArray, y: IntArray, given: IntArray) -> FloatArray:
        """Return upper-tail p-values; see `IndependenceTest`."""
        out = np.full(len(x), np.nan)
        sets, number = np.unique(np.sort(given, axis=1), axis=0, return_inverse=True)
        number = number.ravel()
        for place, conditions in enumerate(sets.tolist()):
            members = np.flatnonzero(number == place)
            wanted = np.unique(np.concatenate([x[members], y[members]])).tolist()
            found = self._regressed(wanted, tuple(conditions))
            for member in members.tolist():
                one, other = int(x[member]), int(y[member])
                out[member] = self._p_value(one, other, found[one], found[other])
        return np.where(self._is_constant[x] | self._is_constant[y], 1.0, out)

    # ---- one pair ----------------------------------------------------------------------------
    def _p_value(self, x: int, y: int, of_x: _Residuals, of_y: _Residuals) -> float:
        if not (of_x.is_open and of_y.is_open):
            return float("nan")
        both = of_x.rows & of_y.rows
        alone = len(self._starts) == len(both)  # no row belongs with another
        units = both if alone else np.add.reduceat(both.astype(np.int64), self._starts) > 0
        count = int(units.sum())
        if count < _LEAST_UNITS:
            return float("nan")
        q_x, q_y = _fewer(of_x.values.shape[1], of_y.values.shape[1], count // _UNITS_PER_PRODUCT)
        r, s = of_x.values[both, :q_x], of_y.values[both, :q_y]
        if of_x.is_marginal and alone and not self._weighted:
            return _by_permutation_variance(r, s)
        products = (r[:, :, None] * s[:, None, :]).reshape(len(r), -1)
        products = products * (self._root[both] ** 2)[:, None]
        if not alone:
            spread_out = np.zeros((len(both), products.shape[1]))
            spread_out[both] = products
            products = np.add.reduceat(spread_out, self._starts, axis=0)
        inflation = _inflation(of_x, of_y)[:q_x, :q_y].ravel()
        return _hotelling(products, inflation, count, alone)

    # ---- regressions -------------------------------------------------------------------------
    def _regressed(self, columns: list[int], given: tuple[int, ...]) -> dict[int, _Residuals]:
        found = {}
        missing: dict[bytes, list[int]] = {}
        for column in columns:
            hit = self._cache.get((column, given))
            if hit is not None:
                found[column] = hit
                continue
            rows = self._rows(column, given)
            missing.setdefault(np.packbits(rows).tobytes(), []).append(column)
        for alike in missing.values():
            for column, residuals in zip(alike, self._regress(alike, given), strict=True):
                if self._cached > _MOST_CACHED:
                    self._cache.clear()
                    self._cached = 0
                self._cache[column, given] = found[column] = residuals
                self._cached += residuals.values.size
        return found

    def _rows(self, column: int, given: tuple[int, ...]) -> BoolArray:
        rows = self._seen[column].copy()
        for condition in given:
            rows &= self._seen[condition]
        return rows

    def _regress(self, columns: list[int], given: tuple[int, ...]) -> list[_Residuals]:
        """Return the residuals of columns that are seen in the same rows."""
        rows = self._rows(columns[0], given)
        count = int(rows.sum())
        widths = [self._compared[column].shape[1] for column in columns]
        responses = np.column_stack([self._compared[column][rows] for column in columns])
        if count < _LEAST_UNITS:
            return [_closed(rows, width) for width in widths]
        root = self._root[rows, None]
        responses = responses - np.average(responses, axis=0, weights=root[:, 0] ** 2)
        responses *= root
        before = (responses**2).sum(axis=0)
        straight, waves = self._design(rows, given)
        basis = _orthonormal(straight * root)
        responses = responses - basis @ (basis.T @ responses)
        touched = basis.shape[1]
        left = np.zeros((responses.shape[1], 0))
        if waves.shape[1]:
            waves = waves * root
            waves -= basis @ (basis.T @ waves)
            strength, turned = np.linalg.eigh(waves.T @ waves)
            strength = np.maximum(strength, 0.0)
            waves = waves @ turned
            along = waves.T @ responses  # (n_waves, n_responses)
            penalty = _penalties(strength, along, responses, touched) * _UNDERSMOOTHED
            shrunken = strength[:, None] + penalty
            responses = responses - waves @ (along / shrunken)
            left = (penalty / shrunken).T
        after = (responses**2).sum(axis=0)
        # In its own scale: the root of the weight came in through the regression.
        responses = responses / np.where(root > 0, root, 1.0)
        out, start = [], 0
        for column, width in zip(columns, widths, strict=True):
            part = slice(start, start + width)
            start += width
            values = np.zeros((len(rows), width))
            values[rows] = responses[:, part]
            open_ = (after[part] > _DETERMINED * before[part]) & (before[part] > 0)
            values[:, ~open_] = 0.0
            is_open = bool(open_[:1].all() if self._first_tells_all[column] else open_.any())
            untouched = float(count - touched - left.shape[1])
            out.append(_Residuals(values, rows, not given, left[part], untouched, is_open))
        return out

    def _design(self, rows: BoolArray, given: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
        """Return the straight part, unpenalised, and waves in all given columns at once."""
        ones = np.ones((int(rows.sum()), 1))
        if not given:
            return ones, ones[:, :0]
        scores = np.column_stack([self._given[column][rows] for column in given])
        # Each of the frequencies of a column belongs to its name, so that no order matters.
        frequencies = np.concatenate([self._frequencies[column] for column in given])
        waves = min(self._waves, len(ones) // _ROWS_PER_WAVE)
        narrow = np.where(np.arange(waves) % 2, 1.0, _NARROW)
        # About the median distance of two rows of standard normal columns.
        width = np.sqrt(2.0 * len(given)) * narrow
        angles = scores @ frequencies[:, :waves] / width + self._phases[:waves]
        return np.column_stack([ones, scores]), np.cos(angles) * np.sqrt(2.0 / waves)


def _by_permutation_variance(r: FloatArray, s: FloatArray) -> float:
    """Return the p-value with the variance that products have over all pairings of r and s.

    It is known exactly and so better calibrated than an estimate, but right only where nothing is
    given and rows are alike and stand alone.
    """
    r, s = r - r.mean(axis=0), s - s.mean(axis=0)
    total = (r.T @ s).ravel()
    variance = np.kron(r.T @ r, s.T @ s) / (len(r) - 1)
    statistic, directions = _quadratic(total, variance)
    return float(chdtrc(directions, statistic)) if directions else float("nan")


def _hotelling(products: FloatArray, inflation: FloatArray, units: int, alone: bool) -> float:
    """Return the p-value of products with mean zero and any variance (Hotelling 1931)."""
    scale = np.sqrt((products**2).sum(axis=0))
    used = scale > 0
    products, grown = products[:, used] / scale[used], np.sqrt(inflation[used])
    total = products.sum(axis=0)
    variance = products.T @ products - np.outer(total, total) / units
    statistic, directions = _quadratic(total, variance * np.outer(grown, grown))
    rows = units / float(inflation.max()) if alone else float(units)
    freedom = rows - directions
    if not directions or freedom < 1:
        return float("nan")
    return float(fdtrc(directions, freedom, statistic * freedom / (directions * rows)))


def _quadratic(total: FloatArray, variance: FloatArray) -> tuple[float, int]:
    """Return total'variance⁻¹total and its rank."""
    scale = np.sqrt(np.diagonal(variance))
    scale = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(variance / np.outer(scale, scale))
    kept = values > _DETERMINED * max(float(values[-1]), 1e-300)
    along = (vectors.T @ (total / scale))[kept]
    return float((along**2 / values[kept]).sum()), int(kept.sum())


def _penalties(
    strength: FloatArray, along: FloatArray, responses: FloatArray, touched: int
) -> FloatArray:
    """Return the ridge penalty with the best generalised cross-validation for each response.

    References
    ----------
    Golub, Heath & Wahba (1979), Generalized cross-validation as a method for choosing a good
    ridge parameter.
    """
    count = len(responses)
    penalties = count * _PENALTIES
    inverse = 1 / (strength + penalties[:, None])  # (n_penalties, n_waves)
    freedom = (strength * inverse).sum(axis=1) + touched
    squares = along**2
    rest = (responses**2).sum(axis=0) - (2 * inverse - strength * inverse**2) @ squares
    worst = np.maximum(rest, 0.0) / np.maximum(count - freedom, 1.0)[:, None] ** 2
    worst[freedom > _MOST_FREEDOM * count] = np.inf
    worst[-1] = np.where(np.isfinite(worst[-1]), worst[-1], np.finfo(float).max)
    best: FloatArray = penalties[worst.argmin(axis=0)]
    return best


def _inflation(of_x: _Residuals, of_y: _Residuals) -> FloatArray:
    """Return how much larger the variance of a sum of products is than it looks.

    Residuals of a regression are smaller than the noise, and alike in the directions that it
    left: tr(AB) rows / (tr A · tr B), A and B being the squares of what it leaves.
    """
    if of_x.left.shape[1] != of_y.left.shape[1] or of_x.untouched != of_y.untouched:
        # Seen in other rows: their own parts, as if alike.
        width = min(of_x.left.shape[1], of_y.left.shape[1])
        a, b = of_x.left[:, :width] ** 2, of_y.left[:, :width] ** 2
        untouched = min(of_x.untouched, of_y.untouched)
    else:
        a, b, untouched = of_x.left**2, of_y.left**2, of_x.untouched
    together = a @ b.T + untouched
    apart = np.outer(a.sum(axis=1) + untouched, b.sum(axis=1) + untouched)
    out: FloatArray = together * (untouched + a.shape[1] + 1) / apart
    return np.maximum(out, 1.0)


def _fewer(q_x: int, q_y: int, most: int) -> tuple[int, int]:
    """Return how many features of each to compare, so that their products are few enough."""
    while q_x * q_y > max(1, most):
        if q_x >= q_y:
            q_x -= 1
        else:
            q_y -= 1
    return q_x, q_y


def _orthonormal(design: FloatArray) -> FloatArray:
    """Return an orthonormal basis of the columns' span, whatever their rank."""
    scale = np.sqrt((design**2).sum(axis=0))
    left, values, _ = np.linalg.svd(design / np.where(scale > 0, scale, 1.0), full_matrices=False)
    out: FloatArray = left[:, values > 1e-7 * values[0]]
    return out


def _closed(rows: BoolArray, width: int) -> _Residuals:
    nothing = np.zeros((len(rows), width))
    return _Residuals(nothing, rows, False, np.zeros((width, 0)), 0.0, False)


def _block_length(blocks: Sequence[FloatArray]) -> int:
    """Return how many neighbouring rows to take together: 1 where rows look independent.

    References
    ----------
    Carlstein (1986), The use of subseries values for estimating the variance of a general
    statistic.
    """
    r = max((abs(lag_one(block)) for block in blocks), default=0.0)
    if r == 0:
        return 1
    rows = len(blocks[0])
    best = (2 * r / (1 - r**2)) ** (2 / 3) * rows ** (1 / 3)
    return int(np.clip(np.ceil(best), 1, max(1, rows // _LEAST_BLOCKS)))


def number_sight(name: str, values: FloatArray) -> Sight:
    """Return a number's level and spread; NaN where missing."""
    score = rank_normal(values)
    # Clipped, so that no tail outweighs the rest.
    spread = np.clip(score**2 - 1.0, -1.0, 4.0)
    return Sight(np.column_stack([score, spread]), score[:, None], _frequencies(name, 1), True)


def category_sight(name: str, values: FloatArray) -> Sight:
    """Return indicators of a category's levels, those of rare ones as a given column only."""
    levels = category_features(values).linear
    counts = np.unique(values[np.isfinite(values)], return_counts=True)[1]
    compared = common_levels(np.sort(counts)[::-1], _LEAST_EXPECTED) - 1
    return Sight(levels[:, :compared], levels, _frequencies(name, levels.shape[1]), False)


def _frequencies(name: str, count: int) -> FloatArray:
    seed = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")
    return np.random.default_rng(seed).normal(size=(count, _WAVES))


def gcm(snapshot: Snapshot, names: tuple[str, ...]) -> Built:
    """Build the test; see `Gcm`."""
    evidence, notes = row_evidence(snapshot)
    sights = [
        category_sight(name, snapshot.column(name))
        if snapshot.schema[name].kind.is_discrete
        else number_sight(name, snapshot.column(name))
        for name in names
    ]
    return Gcm(sights, evidence), notes
