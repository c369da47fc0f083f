"""How much a row tells where rows of one cluster, or neighbouring rows, are alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.independence.evidence import ALIKE, Evidence

__all__ = ["Dependence", "lag_one"]

_LEAST_ROWS = 30
# Independent rows show an autocorrelation this many standard errors large once in a million.
_NOTABLE = 5.0
_MOST = 0.99  # a sorted column still counts its rows a little
_RIDGE = 1e-6
_MOST_NUMBERS = 2_000_000  # of matrices held at once: 16 MB


def lag_one(block: FloatArray) -> float:
    """Return the largest lag-one autocorrelation of a column's features, 0 where it is noise.

    Parameters
    ----------
    block : ndarray of shape (n_rows, n_features)
        In the order of the rows; rows with NaN are left out.

    Returns
    -------
    float
        In [-0.99, 0.99].
    """
    complete = np.isfinite(block).all(axis=1)
    present = block if complete.all() else block[complete]
    if len(present) < _LEAST_ROWS or not present.shape[1]:
        return 0.0
    centred = present - present.mean(axis=0)
    peak = np.abs(centred).max(axis=0)
    centred = centred / np.where(peak > 0, peak, 1.0)  # squares of values like 1e200 overflow
    spread = np.einsum("ij,ij->j", centred, centred)
    cross = np.einsum("ij,ij->j", centred[1:], centred[:-1])
    r = np.divide(cross, spread, out=np.zeros_like(cross), where=spread > 0)
    largest = float(r[np.argmax(np.abs(r))])
    if abs(largest) * np.sqrt(len(present)) < _NOTABLE:
        return 0.0
    return float(np.clip(largest, -_MOST, _MOST))


class _Alikeness(NamedTuple):
    """Second moments of features within rows, and between rows that may be alike."""

    within: FloatArray  # (n_features + 1, n_features + 1), the last feature is padding
    between: FloatArray  # the same shape
    size: float  # rows of a cluster, as a design effect sees them; 0 for neighbours in time
    rows: float


class Dependence:
    """The share of its rows that a test may count.

    What matters is how alike *what is left of X and of Y given Z* are in two rows of a cluster
    (intra-class correlation), or in neighbouring rows (autocorrelation). Both follow from second
    moments within rows and between rows, so that no residual is formed.

    Parameters
    ----------
    blocks : sequence of ndarray of shape (n_rows, n_features of the column)
        Features of each column, in the order of the rows; NaN where missing.
    compared : sequence of int, optional
        How many of each column's features X and Y are compared in; by default all.
    evidence : Evidence
        With clusters declared these are used; else autocorrelation, where some column shows it.

    References
    ----------
    Bartlett (1935), Some aspects of the time-correlation problem in regard to tests of
    significance: the variance of a correlation of two first-order autoregressions.
    Moulton (1986), Random group effects and the precision of regression estimates.
    Rao & Scott (1981), The analysis of categorical data from complex sample surveys: in
    clusters, of several features the mean design effect.
    """

    def __init__(
        self,
        blocks: Sequence[FloatArray],
        evidence: Evidence = ALIKE,
        *,
        compared: Sequence[int] | None = None,
    ) -> None:
        self._alikeness: _Alikeness | None = None
        if evidence.clusters is not None:
            if evidence.clusters.size > evidence.clusters.max(initial=0) + 1:
                self._alikeness = _clustered(blocks, evidence)
        elif any(lag_one(block) for block in blocks):
            self._alikeness = _neighbouring(blocks)
        widths = [block.shape[1] for block in blocks]
        self._table = np.full((len(blocks), max(widths, default=0)), sum(widths))
        for row, start, width in zip(
            self._table, np.cumsum([0, *widths[:-1]]), widths, strict=True
        ):
            row[:width] = np.arange(start, start + width)
        own = np.array(widths if compared is None else compared, dtype=np.int64)
        place = np.arange(own.max(initial=0))
        self._own = np.where(place < own[:, None], self._table[:, : len(place)], sum(widths))

    @property
    def is_present(self) -> bool:
        """Whether rows are alike at all; if not, every share is 1."""
        return self._alikeness is not None

    def shares(
        self, x: IntArray, y: IntArray, given: IntArray, widths: IntArray | None = None
    ) -> FloatArray:
        """Return the share of rows that each test may count.

        Parameters
        ----------
        x, y, given : ndarray of int, shapes (n_tests,), (n_tests,), (n_tests, n_given)
            Column numbers.
        widths : ndarray of int, shape (n_tests, n_given), optional
            How many features of each given column the test uses; by default all.

        Returns
        -------
        ndarray of shape (n_tests,)
            In (0, 1].
        """
        if self._alikeness is None:
            return np.ones(len(x))
        conditions = self._table[given]
        if widths is not None:
            place = np.arange(conditions.shape[2])
            conditions = np.where(
                place < widths[:, :, None], conditions, len(self._alikeness[0]) - 1
            )
        conditions = conditions.reshape(len(x), given.shape[1] * self._table.shape[1])
        left_x, left_y = self._left(x, conditions), self._left(y, conditions)
        if self._alikeness.size:
            return self._clustered_shares(left_x, left_y, conditions)
        product = np.clip(left_x * left_y, 0.0, None)
        return np.asarray((1 - product) / (1 + product))

    def _clustered_shares(
        self, left_x: FloatArray, left_y: FloatArray, conditions: IntArray
    ) -> FloatArray:
        """Return shares that allow for what the slopes of Z take away.

        With B the matrix that joins each row to the others of its cluster and M that which leaves
        residuals, e'Be / e'e is expected to be (ρ tr MBMB − tr HB) / (n − r − ρ tr HB), where
        H = I − M has rank r: it is solved for ρ. The variance of e_x'e_y then follows.
        """
        assert self._alikeness is not None
        _, _, size, count = self._alikeness
        joined, squared, rank = self._taken(conditions)  # tr HB, tr HBHB, r
        others = size - 1
        rank = np.minimum(rank, count / 2)
        all_ = count * others - 2 * ((others - 1) * joined + others * rank) + squared
        all_ = np.maximum(all_, 0.1 * count * others)
        r_x, r_y = (
            np.clip((others * r * (count - rank) + joined) / (all_ + others * r * joined), 0, _MOST)
            for r in (left_x, left_y)
        )
        varies = count - rank - (r_x + r_y) * joined + r_x * r_y * all_
        lengths = (count - rank - r_x * joined) * (count - rank - r_y * joined)
        told = np.clip(lengths / np.maximum(varies, 1e-9) + rank, 0.0, count)
        return np.asarray(np.minimum(told / count, 1.0))

    def _taken(self, conditions: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the traces of HB and HBHB, and the rank of H, of each set of features."""
        assert self._alikeness is not None
        within, between, size, _ = self._alikeness
        joined = np.full(len(conditions), size - 1)  # of the constant
        squared, rank = joined**2, np.ones(len(conditions))
        step = max(1, _MOST_NUMBERS // max(1, conditions.shape[1] ** 2))
        for start in range(0, len(conditions) if conditions.shape[1] else 0, step):
            own = conditions[start : start + step]
            values, vectors = np.linalg.eigh(within[own[:, :, None], own[:, None, :]])
            used = values > _RIDGE
            scale = np.where(used, 1 / np.sqrt(np.where(used, values, 1.0)), 0.0)
            turned = vectors * scale[:, None, :]
            white = np.swapaxes(turned, 1, 2) @ between[own[:, :, None], own[:, None, :]] @ turned
            white *= size - 1
            part = slice(start, start + step)
            joined[part] += np.trace(white, axis1=1, axis2=2)
            squared[part] += (white**2).sum(axis=(1, 2))
            rank[part] += used.sum(axis=1)
        return joined, squared, rank

    def _left(self, column: IntArray, conditions: IntArray) -> FloatArray:
        """Return how alike what is left of a column is between rows."""
        width = conditions.shape[1] + self._own.shape[1]
        step = max(1, _MOST_NUMBERS // max(1, width**2))
        parts = [
            self._left_of_chunk(column[i : i + step], conditions[i : i + step])
            for i in range(0, len(column), step)
        ]
        return np.concatenate(parts) if parts else np.empty(0)

    def _left_of_chunk(self, column: IntArray, conditions: IntArray) -> FloatArray:
        assert self._alikeness is not None
        within, between, *_ = self._alikeness
        own = self._own[column]  # (n_tests, n_own)
        inside = within[conditions[:, :, None], conditions[:, None, :]]
        diagonal = np.arange(conditions.shape[1])
        inside[:, diagonal, diagonal] += _RIDGE + (conditions == len(within) - 1)
        cross = within[conditions[:, :, None], own[:, None, :]]
        slopes: FloatArray = np.linalg.solve(inside, cross).astype(np.float64, copy=False)
        spread = _own_variance(within, own, conditions, slopes)
        alike = _own_variance(between, own, conditions, slopes)
        usable = (spread > _RIDGE) & (own < len(within) - 1)
        ratio = np.where(usable, alike / np.where(usable, spread, 1.0), 0.0)
        if self._alikeness.size:
            mean = ratio.sum(axis=1) / np.maximum(usable.sum(axis=1), 1)
            return np.asarray(np.clip(mean, -_MOST, _MOST))
        # The variance grows faster than the product of autocorrelations: a mean would be too low.
        largest = np.take_along_axis(ratio, np.abs(ratio).argmax(axis=1)[:, None], axis=1)[:, 0]
        return np.asarray(np.clip(largest, -_MOST, _MOST))


def _own_variance(
    moments: FloatArray, own: IntArray, conditions: IntArray, slopes: FloatArray
) -> FloatArray:
    """Return the moments of own − slopes'conditions with themselves: (n_tests, n_own)."""
    alone = moments[own, own]
    cross = moments[conditions[:, :, None], own[:, None, :]]
    inside = moments[conditions[:, :, None], conditions[:, None, :]]
    explained = (slopes * (2 * cross - inside @ slopes)).sum(axis=1)
    return np.asarray(alone - explained)


def _neighbouring(blocks: Sequence[FloatArray]) -> _Alikeness:
    values, seen = _standardised(blocks)
    return _Alikeness(
        _mean_products(values, values, seen, seen),
        _symmetric(_mean_products(values[1:], values[:-1], seen[1:], seen[:-1])),
        0.0,
        float(len(values)),
    )


def _clustered(blocks: Sequence[FloatArray], evidence: Evidence) -> _Alikeness:
    assert evidence.clusters is not None
    values, seen = _standardised(blocks)
    counts = seen.astype(np.float64)
    order = np.argsort(evidence.clusters, kind="stable")
    starts = np.flatnonzero(np.diff(evidence.clusters[order], prepend=-1))
    sums, members = (np.add.reduceat(a[order], starts, axis=0) for a in (values, counts))
    pairs = members.T @ members - counts.T @ counts
    products = sums.T @ sums - values.T @ values
    between = np.divide(products, pairs, out=np.zeros_like(products), where=pairs > 0)
    weights = np.ones(len(values)) if evidence.weights is None else evidence.weights
    size = float((np.bincount(evidence.clusters, weights) ** 2).sum() / (weights**2).sum())
    return _Alikeness(
        _mean_products(values, values, seen, seen), between, max(size, 1.0), float(len(values))
    )


def _standardised(blocks: Sequence[FloatArray]) -> tuple[FloatArray, BoolArray]:
    """Return all features with mean 0 and deviation 1 (missing: 0), padding last; what is seen."""
    stacked = np.column_stack([*blocks, np.zeros(len(blocks[0]))])
    seen = np.isfinite(stacked)
    counts = np.maximum(seen.sum(axis=0), 1)
    first = stacked[seen.argmax(axis=0), np.arange(stacked.shape[1])]
    values = np.where(seen, stacked - np.where(np.isfinite(first), first, 0.0), 0.0)
    largest = np.abs(values).max(axis=0, initial=0.0)
    values /= np.where(largest > 0, largest, 1.0)
    values -= np.where(seen, values.sum(axis=0) / counts, 0.0)
    spread = np.sqrt((values**2).sum(axis=0) / counts)
    return values / np.where(spread > 0, spread, 1.0), seen


def _mean_products(
    a: FloatArray, b: FloatArray, seen_a: BoolArray, seen_b: BoolArray
) -> FloatArray:
    both = seen_a.astype(np.float64).T @ seen_b.astype(np.float64)
    out: FloatArray = a.T @ b / np.maximum(both, 1.0)
    return out


def _symmetric(matrix: FloatArray) -> FloatArray:
    return (matrix + matrix.T) / 2
