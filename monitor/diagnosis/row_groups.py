"""Rows in groups that are left out in turn: whole clusters, else stretches of neighbours.

Of series that took turns each has a part in every group, as it has in every hour: machines differ,
and what is won at all of them would vary from group to group as one from the other.
"""

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
        is_current = pair.is_current == 1
        current = np.unique(pair.clusters[counted & is_current])
        reference = np.setdiff1d(pair.clusters[counted & ~is_current], current)
        # Those of either window in all groups; what does not count, anywhere.
        for known in (np.unique(pair.clusters), reference, current):
            rows = np.isin(pair.clusters, known)
            place: IntArray = np.searchsorted(known, pair.clusters[rows])
            out[rows] = place * GROUPS // max(1, len(known))
        return out
    for side, turns in zip(
        (slice(0, pair.split), slice(pair.split, None)), pair.turns, strict=True
    ):
        before: IntArray = np.cumsum(counted[side]) - counted[side]
        number = max(1, int(counted[side].sum()))
        each = -(-number // turns)
        out[side] = np.minimum(before, number - 1) % each * GROUPS // each
    return out
