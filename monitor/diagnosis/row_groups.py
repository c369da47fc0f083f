"""Rows in groups that are left out in turn: whole clusters, else stretches of neighbours."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import IntArray
from whydrift.monitor.diagnosis.pair import WindowPair

__all__ = ["GROUPS", "row_groups"]

GROUPS = 20


def row_groups(pair: WindowPair) -> IntArray:
    """Return each pooled row's group, below ``GROUPS``, shape (n_rows,)."""
    split, rows = pair.split, len(pair.is_current)
    if pair.clusters is not None:
        number = np.unique(pair.clusters, return_inverse=True)[1]
        return np.asarray(number * GROUPS // (int(number.max()) + 1), dtype=np.int64)
    out = np.empty(rows, dtype=np.int64)
    out[:split] = np.arange(split) * GROUPS // max(1, split)
    out[split:] = np.arange(rows - split) * GROUPS // max(1, rows - split)
    return out
