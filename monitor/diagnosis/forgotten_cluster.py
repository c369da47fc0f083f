"""Finds a category that names whose rows they are, and was not named as the cluster."""

from __future__ import annotations

import numpy as np
from scipy.special import fdtrc

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["forgotten_cluster"]

_LEAST_LEVELS = 10  # in each window
_LEAST_NEW = 0.2  # share of current rows: what comes and goes names users, not kinds
_LEVEL = 1e-6  # at which rows of one level are alike, over all pairs of columns


def forgotten_cluster(reference: Snapshot, current: Snapshot, names: tuple[str, ...]) -> str | None:
    """Return the category whose levels come and go and whose rows are alike in some number.

    Parameters
    ----------
    reference, current : Snapshot
        With the same meaning of category codes.
    names : tuple of str
        Columns that both have.
    """
    numbers = [n for n in names if reference.schema[n].kind.is_numeric]
    for name in names:
        if not reference.schema[name].kind.is_discrete:
            continue
        before, after = reference.column(name), current.column(name)
        seen = np.isfinite(before)
        levels, code = np.unique(before[seen], return_inverse=True)
        now = after[np.isfinite(after)]
        if min(len(levels), len(np.unique(now))) < _LEAST_LEVELS:
            continue
        if np.isin(now, levels, invert=True).mean() < _LEAST_NEW:
            continue
        limit = _LEVEL / (len(numbers) * len(names)) if numbers else 0.0
        if any(_alike(reference.rank_scores(n)[seen], code) < limit for n in numbers):
            return name
    return None


def _alike(score: FloatArray, level: IntArray) -> float:
    """Return the p-value of "rows of one level are as different as any" (analysis of variance)."""
    seen = np.isfinite(score)
    value, number = score[seen], np.unique(level[seen], return_inverse=True)[1]
    if not value.size:
        return 1.0
    rows = np.bincount(number)
    means = np.bincount(number, value) / rows
    between = float(rows @ (means - value.mean()) ** 2)
    within = float(((value - means[number]) ** 2).sum())
    freedom = len(rows) - 1, len(value) - len(rows)
    if min(freedom) < 1 or within <= 0:
        return 1.0
    return float(fdtrc(*freedom, between / freedom[0] / (within / freedom[1])))
