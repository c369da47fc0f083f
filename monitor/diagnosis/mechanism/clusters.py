"""How far sums of scores over clusters of rows vary when nothing moved.

As with rows: under no change the window of a cluster that lies in one alone is as good as drawn by
chance, whatever its outcomes, so that a window of few clusters learns their spread from the other
one. The chance follows from the cluster's parents and its size: where sizes do not overlap, each
window is left with its own clusters. The sums of clusters that lie in both vary as they are seen
to.

References
----------
Kish (1965), Survey sampling: the sum over a cluster of m rows varies as m(1 + ρ(m − 1)) does, with
ρ the correlation inside clusters.
Satterthwaite (1946), An approximate distribution of estimates of variance components: for the
degrees of freedom.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.effects.propensity import fit_propensity

__all__ = ["VariedByCluster", "varied_by_cluster"]


@dataclass(frozen=True)
class VariedByCluster:
    """How sums of score columns vary under no change.

    Parameters
    ----------
    variance : ndarray of shape (n_scores, n_scores)
    skewness : ndarray of shape (n_scores,)
    freedom : float
        Degrees of freedom of the variances.
    """

    variance: FloatArray
    skewness: FloatArray
    freedom: float


def varied_by_cluster(
    columns: FloatArray,
    window: FloatArray,
    chance: FloatArray,
    clusters: IntArray,
    split: int,
    fitted: int,
) -> VariedByCluster:
    """Return how sums of ``columns`` × ``window`` vary.

    Parameters
    ----------
    columns : ndarray of shape (n_rows, n_scores)
        Residuals of the outcome model times features of the parents.
    window, chance : ndarray of shape (n_rows,)
        w − e, 0 where a row tells nothing, and e.
    clusters : ndarray of int, shape (n_rows,)
    split : int
        Number of reference rows.
    fitted : int
        Features that the window and the outcome model were fitted on.
    """
    number = np.unique(clusters, return_inverse=True)[1]
    count = int(number.max()) + 1
    in_old = np.bincount(number[:split], minlength=count) > 0
    in_new = np.bincount(number[split:], minlength=count) > 0
    lone, known = in_old != in_new, window != 0
    e = np.where(known, chance, 0.0)[:, None]
    if_old = _sums(columns * e, number, count)
    if_new = _sums(np.where(known[:, None], columns, 0.0), number, count) - if_old
    seen = _sums(columns * window[:, None], number, count)
    new = in_new.astype(np.float64)
    if 0 < new[lone].sum() < lone.sum():
        design = _size_and_chance(chance, number, count, known)[lone]
        new[lone] = fit_propensity(design, new[lone]).chance
    drawn = new[lone, None], 1 - new[lone, None]
    paired = seen[~lone]
    paired = paired - paired.sum(axis=0) / max(1, len(paired))
    variance = (if_new[lone] * drawn[0]).T @ if_new[lone] + paired.T @ paired
    variance += (if_old[lone] * drawn[1]).T @ if_old[lone]
    third = (drawn[0] * if_new[lone] ** 3 - drawn[1] * if_old[lone] ** 3).sum(axis=0)
    third += (paired**3).sum(axis=0)

    centred = seen - seen.mean(axis=0)
    shown = centred.T @ centred * (count / max(1, count - 1))
    alone = ((columns * window[:, None]) ** 2).sum(axis=0)
    freedom, inside = _freedom_seen(np.diag(shown), alone, np.abs(window), number, count)
    own = np.diag(variance)
    weighted = columns * np.abs(window)[:, None]
    larger = _tighter(weighted, number, np.arange(len(number)) >= split, known)
    if larger > 1 + np.sqrt(2 / freedom):
        # Clusters hang together more than they did: each window varies as it is seen to.
        return VariedByCluster(shown, np.zeros(len(own)), max(1.0, freedom - 1))
    rows = np.bincount(number[known], minlength=count).astype(np.float64)
    share = float(e[known].mean()) if known.any() else 0.5
    weight = rows * (new * (1 - share) ** 2 + (1 - new) * share**2)
    weight = np.where(lone, weight, np.bincount(number, window**2, count))
    more = _effective(weight * (1 + inside * np.maximum(rows - 1, 0)))
    if lone.all():
        # Given the outcomes the variance is that of a lottery of windows and is not estimated, as
        # far as it is one: sizes may tell the window. What both models were fitted on is lost.
        even = float(in_new.mean() * (1 - in_new.mean()))
        more = max(more, float((new * (1 - new)).mean()) / even * (count - fitted))
    spread = np.sqrt(np.maximum(own, 0.0))
    skewness = np.divide(third, spread**3, out=np.zeros_like(spread), where=spread > 0)
    return VariedByCluster(max(1.0, larger) * variance, skewness, max(1.0, max(freedom, more) - 1))


def _tighter(weighted: FloatArray, number: IntArray, is_new: BoolArray, known: BoolArray) -> float:
    """Return by how much more sums of current clusters vary, for their hanging together more.

    By the correlation inside clusters of either window, so that a change of level or of spread
    moves nothing; the median over the scores.
    """
    inside, typical = [], 1.0
    for side in (known & ~is_new, known & is_new):
        if side.sum() < 2:
            return 1.0
        part, own = weighted[side], np.unique(number[side], return_inverse=True)[1]
        part = part - part.mean(axis=0)
        count = int(own.max()) + 1
        rows = np.bincount(own).astype(np.float64)
        pairs = float((rows * (rows - 1)).sum())
        square = (part**2).sum(axis=0)
        together = (_sums(part, own, count) ** 2).sum(axis=0) - square
        scale = pairs * square / len(part)
        inside.append(np.divide(together, scale, out=np.zeros_like(scale), where=scale > 0))
        typical = float((rows**2).sum() / rows.sum())
    before, after = (np.maximum(1 + np.clip(r, 0, 1) * (typical - 1), 1.0) for r in inside)
    return float(np.median(after / before))


def _freedom_seen(
    shown: FloatArray, alone: FloatArray, reach: FloatArray, number: IntArray, count: int
) -> tuple[float, float]:
    """Return how many equal clusters there are, by those seen, and the correlation inside them."""
    excess = np.divide(shown, alone, out=np.ones_like(alone), where=alone > 0) - 1
    size = np.bincount(number, reach, count) / max(float(reach.max()), 1e-300)
    typical = float((size**2).sum() / max(float(size.sum()), 1e-300))
    inside = min(1.0, max(0.0, float(excess.max())) / max(typical - 1, 1e-9))
    return max(1.0, _effective(size * (1 + inside * np.maximum(size - 1, 0)))), inside


def _size_and_chance(
    chance: FloatArray, number: IntArray, count: int, known: BoolArray
) -> FloatArray:
    """Return what tells the window of a cluster: its rows' chances and how many they are."""
    rows = np.bincount(number[known], minlength=count).astype(np.float64)
    inner = np.clip(chance[known], 1e-6, 1 - 1e-6)
    logit = np.log(inner / (1 - inner))
    total = np.bincount(number[known], logit - logit.mean(), count)
    size = np.log(np.maximum(rows, 1.0))
    columns = np.column_stack([total, total / np.maximum(rows, 1.0), size, size**2])
    columns -= columns.mean(axis=0)
    spread = columns.std(axis=0)
    kept = spread > 1e-9
    return np.column_stack([np.ones(count), columns[:, kept] / spread[kept]])


def _sums(columns: FloatArray, number: IntArray, count: int) -> FloatArray:
    """Return the sum over the rows of each cluster, shape (n_clusters, n_columns)."""
    order = np.argsort(number, kind="stable")
    first = np.searchsorted(number[order], np.arange(count))
    out: FloatArray = np.add.reduceat(columns[order], first, axis=0)
    return out


def _effective(share: FloatArray) -> float:
    """Return how many parts of equal size vary as much as these."""
    return float(share.sum() ** 2 / max(float((share**2).sum()), 1e-300))
