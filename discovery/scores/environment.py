"""A score of a column's parents over one or several windows, from Gram matrices alone.

A column may pay for a changed mechanism: the same fit in all windows, its own intercept and spread
in each, or its own everything; with three windows or more also in one of them alone. The simplest
explanation of the windows wins, and with it the direction of edges that one window alone leaves
open.

References
----------
Schwarz (1978), Estimating the dimension of a model.
Mooij, Magliacane & Claassen (2020), Joint causal inference from multiple contexts.
Andrews, Ramsey & Cooper (2019), Learning high-dimensional directed acyclic graphs with mixed
data-types: the degenerate Gaussian, whose features are indicators of categories.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.scores.base import BlockArrays
from whydrift.discovery.scores.cache import CachedScore
from whydrift.discovery.scores.choices import log_choices
from whydrift.discovery.scores.features import Features
from whydrift.discovery.scores.moments import gram_matrices

__all__ = ["EnvironmentScore", "row_worth"]

_RIDGE = 1e-6
_TIE = 1e-9
# Each parent may bring six features. Hubs of more parents are met among many columns, where the
# search is compiled and can afford them.
_MOST_PARENTS, _MOST_PARENTS_OF_MANY, _MANY_COLUMNS = 6, 8, 20


@dataclass(frozen=True, slots=True)
class _Grouping:
    """One way in which windows may differ.

    Parameters
    ----------
    groups : tuple of tuple of int
        Windows that share a mechanism.
    choices : int
        Among how many ways alike it was chosen.
    apart : tuple of int
        The windows that have a mechanism of their own.
    """

    groups: tuple[tuple[int, ...], ...]
    choices: int
    apart: tuple[int, ...]


class EnvironmentScore(CachedScore):
    """``−rows/2 · log det(residual covariance) − parameters · log(rows)/2``, best of a few fits.

    Parameters
    ----------
    features : sequence of Features
        One per column, over the rows of all windows, one window after the other. Parents enter
        by their basis or by their linear features alone, whichever explains more cheaply.
    bounds : ndarray of int, shape (n_windows + 1,)
        The rows at which each window begins, and the end of the last.
    names : tuple of str
        The columns.
    penalty : float
        Multiplies the BIC penalty.
    gamma : float
        Of the extended BIC, in [0, 1]; 0 is plain BIC.
    """

    def __init__(
        self,
        features: Sequence[Features],
        bounds: IntArray,
        names: tuple[str, ...],
        *,
        penalty: float = 1.0,
        gamma: float = 0.0,
    ) -> None:
        most = _MOST_PARENTS if len(names) <= _MANY_COLUMNS else _MOST_PARENTS_OF_MANY
        super().__init__(names, min(most, len(names) - 1))
        self.penalty = penalty
        self.extra: FloatArray = penalty * gamma * log_choices(len(names))
        sizes = [f.basis.shape[1] for f in features]
        self.start: IntArray = np.concatenate([[1], 1 + np.cumsum(sizes)]).astype(np.int64)
        self.basis = [np.arange(start, stop) for start, stop in pairwise(self.start.tolist())]
        self.linear = [b[: f.linear.shape[1]] for b, f in zip(self.basis, features, strict=True)]
        self._factor = np.array([row_worth(f, bounds) for f in features])
        self.width = 1 + sum(sizes)
        self._groupings = _groupings(len(bounds) - 1)
        stacked = np.column_stack([f.basis for f in features])
        self._grams, self._rows, self.by_pairs = gram_matrices(stacked, bounds)

    def arrays(self) -> BlockArrays:
        """Return what a compiled search reads."""
        return BlockArrays(
            np.stack(self._grams),
            self._factor[:, None] * self._rows[None, :],
            self.start,
            np.array([len(linear) for linear in self.linear], dtype=np.int64),
            float(self.penalty),
            self.extra,
        )

    def moved(self, column: int, parents: tuple[int, ...]) -> tuple[int, ...]:
        """Return the windows in which a column pays for a mechanism of its own; see `Score`."""
        best = float(self._fitted(column, [parents], ())[0])
        found: tuple[int, ...] = ()
        for grouping in self._groupings:
            value = float(self._fitted(column, [parents], (grouping,))[0])
            if value > best + _TIE:
                best, found = value, grouping.apart
        return found

    def _evaluate(self, column: int, parent_sets: list[tuple[int, ...]]) -> FloatArray:
        return self._fitted(column, parent_sets, self._groupings)

    def _fitted(
        self, column: int, parent_sets: list[tuple[int, ...]], groupings: tuple[_Grouping, ...]
    ) -> FloatArray:
        response = self.linear[column]
        best = np.full(len(parent_sets), -np.inf)
        for blocks in (self.basis, self.linear):
            if blocks is self.linear and all(
                len(self.basis[p]) == len(self.linear[p]) for s in parent_sets for p in s
            ):
                continue  # categories only: both bases are the same
            index, sizes = self._padded([[blocks[p] for p in s] for s in parent_sets], response)
            best = np.maximum(best, self._best_fit(column, index, sizes, groupings))
        return best - self.extra[[len(parents) for parents in parent_sets]]

    def _padded(
        self, parents: list[list[IntArray]], response: IntArray
    ) -> tuple[IntArray, FloatArray]:
        """Return feature numbers (intercept, parents, padding, response) and model sizes.

        Padding points at features that are uncorrelated with everything, which changes no
        determinant.
        """
        flat = [np.concatenate([[0], *blocks]).astype(np.int64) for blocks in parents]
        sizes = np.array([len(f) for f in flat], dtype=np.float64)
        longest = int(sizes.max())
        index = np.empty((len(flat), longest + len(response)), dtype=np.int64)
        for row, own in enumerate(flat):
            pad = self.width + np.arange(longest - len(own))
            index[row] = np.concatenate([own, pad, response])
        return index, sizes

    def _best_fit(
        self, column: int, index: IntArray, sizes: FloatArray, groupings: tuple[_Grouping, ...]
    ) -> FloatArray:
        q = len(self.linear[column])
        factor = self._factor[column]
        rows = factor * self._rows
        total = float(rows.sum())
        unit = 0.5 * self.penalty * np.log(max(total, 2.0))
        spread = q * (q + 1) / 2
        blocks = [_submatrices(_extended(g, index), index) for g in self._grams]
        pooled: FloatArray = np.average(blocks, axis=0, weights=rows)
        same: FloatArray = -total / 2 * _residual_logdet(pooled, q) - unit * (sizes * q + spread)
        best = same
        for grouping in groupings:
            groups = [list(group) for group in grouping.groups]
            sizes_of = np.array([rows[group].sum() for group in groups])
            pooled_by = [
                blocks[group[0]]
                if len(group) == 1
                else np.average([blocks[k] for k in group], axis=0, weights=rows[group])
                for group in groups
            ]
            price = self.penalty * np.log(grouping.choices)
            best = np.maximum(best, self._moved(pooled_by, sizes_of, q, sizes, unit) - price)
        return best

    @staticmethod
    def _moved(
        blocks: list[FloatArray], rows: FloatArray, q: int, sizes: FloatArray, unit: float
    ) -> FloatArray:
        """Return the better of own intercept and spread in each group, and own everything."""
        count = len(blocks)
        spread = q * (q + 1) / 2
        # Own intercept and spread: centred within each group of windows, slopes shared.
        centred = [_centred(b) for b in blocks]
        slopes: FloatArray = np.average(centred, axis=0, weights=rows)
        shared: FloatArray = -unit * ((sizes - 1) * q + count * (q + spread) + 1)
        own: FloatArray = -unit * (count * (sizes * q + spread) + 1)
        residuals = _residuals(slopes, centred, q)
        for r, block, residual in zip(rows, blocks, residuals, strict=True):
            shared = shared - r / 2 * np.linalg.slogdet(residual)[1]
            own = own - r / 2 * _residual_logdet(block, q)
        out: FloatArray = np.maximum(shared, own)
        return out


def _groupings(count: int) -> tuple[_Grouping, ...]:
    """Return the ways in which windows may differ: each from all others, or one alone."""
    if count == 1:
        return ()
    windows = tuple(range(count))
    each = _Grouping(tuple((k,) for k in windows), 1, windows)
    if count == 2:
        return (each,)
    return (
        each,
        *(_Grouping(((k,), (*windows[:k], *windows[k + 1 :])), count, (k,)) for k in windows),
    )


def row_worth(features: Features, bounds: IntArray) -> float:
    """Return (1 − r²)/(1 + r²) for autocorrelated rows: how much a row tells; else 1."""
    worst = 0.0
    score = features.linear[:, 0] if features.linear.shape[1] else np.zeros(int(bounds[-1]))
    for start, stop in pairwise(bounds.tolist()):
        part = score[start:stop]
        part = part[np.isfinite(part)]
        if part.size < 30:
            continue
        centred = part - part.mean()
        spread = float(centred @ centred)
        if spread > 0:
            r = float(centred[1:] @ centred[:-1]) / spread
            if abs(r) * np.sqrt(part.size) > 5:
                worst = max(worst, abs(r))
    return (1 - worst**2) / (1 + worst**2)


def _extended(gram: FloatArray, index: IntArray) -> FloatArray:
    """Return the Gram matrix with as many uncorrelated unit features as the padding needs."""
    width = len(gram)
    extra = int(index.max()) + 1 - width
    out = np.eye(width + max(0, extra))
    out[:width, :width] = gram
    return out


def _submatrices(gram: FloatArray, index: IntArray) -> FloatArray:
    blocks: FloatArray = gram[index[:, :, None], index[:, None, :]].copy()
    size = index.shape[1]
    blocks[:, np.arange(size), np.arange(size)] += _RIDGE
    return blocks


def _residual_logdet(blocks: FloatArray, q: int) -> FloatArray:
    """Return log det of the residual covariance of the last q features given the others."""
    diagonal = np.diagonal(np.linalg.cholesky(blocks), axis1=1, axis2=2)[:, -q:]
    out: FloatArray = 2 * np.log(diagonal).sum(axis=1)
    return out


def _centred(blocks: FloatArray) -> FloatArray:
    """Return second moments about the window's mean (the intercept, feature 0, is left as 1)."""
    out = blocks - blocks[:, :, :1] * blocks[:, :1, :] / blocks[:, :1, :1]
    out[:, 0, 0] = 1.0
    size = blocks.shape[1]
    out[:, np.arange(size), np.arange(size)] += _RIDGE
    return out


def _residuals(shared: FloatArray, centred: list[FloatArray], q: int) -> list[FloatArray]:
    """Return each window's residual covariance of the response under the shared slopes."""
    slopes = np.linalg.solve(shared[:, :-q, :-q], shared[:, :-q, -q:])
    out = []
    for block in centred:
        cross = block[:, :-q, -q:]
        moved = np.swapaxes(slopes, 1, 2) @ cross
        residual = (
            block[:, -q:, -q:]
            - moved
            - np.swapaxes(moved, 1, 2)
            + np.swapaxes(slopes, 1, 2) @ block[:, :-q, :-q] @ slopes
        )
        residual[:, np.arange(q), np.arange(q)] += _RIDGE
        out.append(residual)
    return out
