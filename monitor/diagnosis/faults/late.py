"""Faults of whole columns that begin within the window: from some row on."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.snapshot.schema import Schema
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.faults.independent_rows import independent_rows
from whydrift.monitor.diagnosis.faults.profile import context

__all__ = ["begins", "in_the_last", "late_starts", "stepped"]

_PARTS = (2, 4, 8)
_LEAST_ROWS = 50  # independent ones
_STEPPED = 20.0  # of a discrepancy that is about χ² distributed: below it no fault is found
_SURELY = 12.0  # log of the chance that rows before the beginning look well only by luck


def late_starts(rows: int) -> tuple[int, ...]:
    """Return the rows with which the last half, quarter and eighth of a window begin.

    A fault that begins in the first three quarters fills one of the first two wholly, and so on:
    what is looked for need not be looked for from every row.
    """
    return tuple(rows - rows // part for part in _PARTS if rows // part >= _LEAST_ROWS)


def stepped(window: Snapshot, names: tuple[str, ...], schema: Schema) -> dict[int, frozenset[str]]:
    """Return, by the row with which each later part begins, columns that are not as before it.

    By their means and by what they go with. A fault of these that begins with the part shows so;
    to look closer costs more than this look.

    Parameters
    ----------
    window : Snapshot
    names : tuple of str
        Columns to look at, and to compare with.
    schema : Schema
        Whose levels are looked at: the reference's.
    """
    rows = len(window.sample)
    starts = late_starts(rows)
    if not starts:
        return {}
    features = context(window, names, slice(None), schema)
    stacked = np.column_stack([np.ones(rows), *features.values()])
    ends = 1 + np.cumsum([block.shape[1] for block in features.values()])
    total = stacked.T @ stacked
    variance = 1 + (total / rows) ** 2  # of products of normal ones
    out = {}
    for start in starts:
        later = stacked[start:].T @ stacked[start:]
        after = rows - start
        gap = (later / after - (total - later) / start) ** 2 * (start * after / rows) / variance
        found = set()
        for name, end in zip(features, ends, strict=True):
            own = gap[end - features[name].shape[1] : end]
            least = max(_STEPPED, own.size + 3 * (2 * own.size) ** 0.5)
            if own.sum() > least:
                # Rows that resemble their neighbours differ between parts by chance.
                count = independent_rows(features[name])
                if count * after >= _LEAST_ROWS and count * own.sum() > least:
                    found.add(name)
        out[start] = frozenset(found)
    return out


def begins(speaks: FloatArray, surely: int) -> int | None:
    """Return the row with which a fault begins, or None where those before look no better.

    Where the sum of what rows say is largest from there on (Page 1954, Continuous inspection
    schemes, Biometrika 41, 100-115). Such sums fall below 0 by chance with about the probability
    exp(-2 mean / variance) for each unit (Wald 1947, Sequential analysis): rows before the
    beginning have to be further down.

    Parameters
    ----------
    speaks : ndarray of shape (n_rows,)
        How much each row speaks for the fault: above 0 on average where it is, below elsewhere.
    surely : int
        A row after which the fault is known to be present.
    """
    present = speaks[surely:]
    mean, variance = float(present.mean()), float(present.var())
    if not (mean > 0 and variance > 0):
        return None
    # Summed from the first row on, the lowest place is the same.
    total = np.concatenate([[0.0], np.cumsum(speaks)])
    since = int(np.argmin(total[: surely + len(present) // 2 + 1]))
    if -total[since] * 2 * mean / variance < _SURELY:
        return None
    return since


def in_the_last(share: float) -> str:
    """Return words for the rows that a fault is in, or none for all of them."""
    return "" if share >= 1 else f" in the last {share:.0%} of the rows"
