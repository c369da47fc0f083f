"""Rows in groups that are left out in turn: whole clusters, else stretches of neighbours."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import BoolArray, IntArray
from whydrift.monitor.diagnosis.pair import WindowPair

__all__ = ["GROUPS", "row_groups"]

GROUPS = 20


def row_groups(pair: WindowPair, counted: BoolArray) -> IntArray:
    """Return each pooled row's group, below ``GROUPS``, shape (n_rows,).

    Parameters
    ----------
    pair : WindowPair
        The windows.
    counted : ndarray of bool, shape (n_rows,)
        Rows that are to be spread over all groups, those of either window on their own: labels
        that are in stand together at the window's start.
    """
    out = np.empty(len(counted), dtype=np.int64)
    if pair.clusters is not None:
        known = np.unique(pair.clusters[counted] if counted.any() else pair.clusters)
        place = np.minimum(np.searchsorted(known, pair.clusters), len(known) - 1)
        out[:] = place * GROUPS // len(known)
        return out
    for side in (slice(0, pair.split), slice(pair.split, None)):
        before: IntArray = np.cumsum(counted[side]) - counted[side]
        rows = max(1, int(counted[side].sum()))
        out[side] = np.minimum(before * GROUPS // rows, GROUPS - 1)
    return out
