"""A score of a column's parents over one or several windows, from Gram matrices alone.

A column may pay for a changed mechanism: the same fit in all windows, its own intercept and spread
in each, or its own everything. The simplest explanation of the windows wins, and with it the
direction of edges that one window alone leaves open.

References
----------
Schwarz (1978), Estimating the dimension of a model.
Mooij, Magliacane & Claassen (2020), Joint causal inference from multiple contexts.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.scores.features import Features, category_features, number_features
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["EnvironmentScore"]

_RIDGE = 1e-6
_LEAST_COMPLETE = 0.8  # share of complete rows above which incomplete ones are left out


class EnvironmentScore:
    """Local scores ``score(column | parents)``, higher is better, many parent sets at once.

    Parameters
    ----------
    windows : sequence of Snapshot
        One or more, with the same meaning of category codes.
    names : tuple of str
        Columns; their positions are the numbers used below.
    penalty : float
        Multiplies the BIC penalty.
    """

    def __init__(
        self, windows: Sequence[Snapshot], names: tuple[str, ...], *, penalty: float = 1.0
    ) -> None:
        self.names = names
        self.penalty = penalty
        features = [_features(windows, name) for name in names]
        sizes = [f.basis.shape[1] for f in features]
        starts = np.concatenate([[1], 1 + np.cumsum(sizes)])[:-1]
        self.basis = [np.arange(s, s + n) for s, n in zip(starts, sizes, strict=True)]
        self.linear = [b[: f.linear.shape[1]] for b, f in zip(self.basis, features, strict=True)]
        bounds = np.cumsum([0, *(len(w.sample) for w in windows)])
        self._factor = np.array([_dependence(f, bounds) for f in features])
        self.width = 1 + sum(sizes)
        self._grams, self._rows = _grams(features, bounds)
        self._cache: dict[tuple[int, int], float] = {}
        self.evaluations = 0

    def local(self, column: int, parent_sets: Sequence[tuple[int, ...]]) -> FloatArray:
        """Return the local scores of a column for several parent sets.

        Parameters
        ----------
        column : int
            Position of the column.
        parent_sets : sequence of tuple of int
            Positions of its parents, in any order.

        Returns
        -------
        ndarray of shape (n_sets,)
        """
        masks = [sum(1 << p for p in parents) for parents in parent_sets]
        fresh = {
            mask: parents
            for mask, parents in zip(masks, parent_sets, strict=True)
            if (column, mask) not in self._cache
        }
        if fresh:
            scores = self._evaluate(column, list(fresh.values()))
            self.evaluations += len(fresh)
            for mask, score in zip(fresh, scores.tolist(), strict=True):
                self._cache[column, mask] = score
        return np.array([self._cache[column, mask] for mask in masks])

    def _evaluate(self, column: int, parent_sets: list[tuple[int, ...]]) -> FloatArray:
        response = self.linear[column]
        best = np.full(len(parent_sets), -np.inf)
        for blocks in (self.basis, self.linear):
            if blocks is self.linear and all(
                len(self.basis[p]) == len(self.linear[p]) for s in parent_sets for p in s
            ):
                continue  # categories only: both bases are the same
            index, sizes = self._padded([[blocks[p] for p in s] for s in parent_sets], response)
            best = np.maximum(best, self._best_environment(column, index, sizes))
        return best

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

    def _best_environment(self, column: int, index: IntArray, sizes: FloatArray) -> FloatArray:
        q = len(self.linear[column])
        factor = self._factor[column]
        rows = factor * self._rows
        total = float(rows.sum())
        unit = 0.5 * self.penalty * np.log(max(total, 2.0))
        spread = q * (q + 1) / 2
        blocks = [_submatrices(_extended(g, index), index) for g in self._grams]
        pooled: FloatArray = np.average(blocks, axis=0, weights=rows)
        same: FloatArray = -total / 2 * _residual_logdet(pooled, q) - unit * (sizes * q + spread)
        if len(blocks) == 1:
            return same
        count = len(blocks)
        # Own intercept and spread: centred within each window, slopes shared.
        centred = [_centred(b) for b in blocks]
        slopes: FloatArray = np.average(centred, axis=0, weights=rows)
        shared = -unit * ((sizes - 1) * q + count * (q + spread) + 1)
        own = -unit * (count * (sizes * q + spread) + 1)
        residuals = _residuals(slopes, centred, q)
        for r, block, residual in zip(rows, blocks, residuals, strict=True):
            shared = shared - r / 2 * np.linalg.slogdet(residual)[1]
            own = own - r / 2 * _residual_logdet(block, q)
        out: FloatArray = np.maximum(same, np.maximum(shared, own))
        return out


def _features(windows: Sequence[Snapshot], name: str) -> Features:
    values = np.concatenate([w.column(name) for w in windows])
    if windows[0].schema[name].kind.is_discrete:
        return category_features(values)
    return number_features(values)


def _dependence(features: Features, bounds: IntArray) -> float:
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


def _grams(features: list[Features], bounds: IntArray) -> tuple[list[FloatArray], FloatArray]:
    """Return second moments of [1, standardised features] per window, and rows per window.

    Where many rows are incomplete every pair of columns uses the rows that have both.
    """
    stacked = np.column_stack([f.basis for f in features])
    seen: BoolArray = np.isfinite(stacked)
    complete: BoolArray = np.asarray(seen.all(axis=1))
    filled = np.where(seen, stacked, 0.0)
    counts = np.maximum(seen.sum(axis=0), 1)
    mean = filled.sum(axis=0) / counts
    spread = np.sqrt(np.where(seen, (stacked - mean) ** 2, 0.0).sum(axis=0) / counts)
    scaled = np.where(seen, (stacked - mean) / np.where(spread > 1e-12, spread, 1.0), 0.0)
    scaled = np.column_stack([np.ones(len(scaled)), scaled])
    seen = np.column_stack([np.ones(len(seen), dtype=bool), seen])
    grams, rows = [], []
    by_pairs = complete.mean() < _LEAST_COMPLETE
    for start, stop in pairwise(bounds.tolist()):
        part, mask = scaled[start:stop], seen[start:stop].astype(np.float64)
        if by_pairs:
            both = np.maximum(mask.T @ mask, 1.0)
            gram = (part.T @ part) / both
            # Pairwise moments need not be positive definite; the nearest that are, are.
            values, vectors = np.linalg.eigh(gram)
            gram = (vectors * np.maximum(values, 1e-3)) @ vectors.T
            rows.append(float(mask.mean() * (stop - start)))
        else:
            part = part[complete[start:stop]]
            gram = part.T @ part / max(1, len(part))
            rows.append(float(max(1, len(part))))
        grams.append(gram)
    return grams, np.array(rows)


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
