"""Dates that describe a row (a sign-up, a birth) and moved: they are not compared, and it is told.

Dates of when rows came about go on by themselves and say nothing. A date that says what a row is
like may be a cause, and what depends on it then seems to have changed.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.schema import ColumnKind, Role
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["dates_that_moved"]

_LIMIT: Final = 1.95  # of the Kolmogorov-Smirnov statistic times √rows: one in a thousand
_INSIDE: Final = (0.05, 0.95)  # shares of a window between which the other's median lies


def dates_that_moved(reference: Snapshot, current: Snapshot) -> list[Note]:
    """Return a note for each date that says what rows are like, and says otherwise now.

    Parameters
    ----------
    reference, current : Snapshot
    """
    notes = []
    for column in reference.schema:
        if column.kind is not ColumnKind.TIMESTAMP or column.role is not Role.FEATURE:
            continue
        if not (reference.has(column.name) and current.has(column.name)):
            continue
        before, after = (w.ascending(column.name) for w in (reference, current))
        if not (before.size and after.size) or not _describes(before, after):
            continue
        if _apart(before, after) > _LIMIT:
            text = (
                f"{column.name!r} holds dates, which are not compared, and other ones now: what "
                "depends on it looks like a change of its own; give it as a number (days since "
                "some day, years of age) to have it compared"
            )
            notes.append(Note("date_not_compared", column.name, text))
    return notes


def _describes(before: FloatArray, after: FloatArray) -> bool:
    """Whether dates of both windows lie among each other's, as those of when rows came do not."""
    middles = np.median(before), np.median(after)
    ends = np.quantile(after, _INSIDE), np.quantile(before, _INSIDE)
    return all(low < middle < high for middle, (low, high) in zip(middles, ends, strict=True))


def _apart(before: FloatArray, after: FloatArray) -> float:
    """Return the Kolmogorov-Smirnov statistic times √rows; values are ascending."""
    both = np.concatenate([before, after])
    shares = [np.searchsorted(w, both, "right") / len(w) for w in (before, after)]
    rows = len(before) * len(after) / len(both)
    return math.sqrt(rows) * float(np.abs(shares[0] - shares[1]).max())
