"""A value that many rows share and that moved together with all others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whydrift.monitor.diagnosis.faults.base import Suspects, ks_distance
from whydrift.monitor.diagnosis.faults.conversion import distance_by_chance

__all__ = ["Atom", "moved_atom"]

_LEAST_VALUES = 3
_LEAST_SHARE = 0.05
_ABOVE_OTHERS = 3.0  # times the next value's share
_LEFT = 0.1  # of its share, at where it was
_STANDARD_ERRORS = 3.0


@dataclass(frozen=True)
class Atom:
    """The commonest value by far: a price floor, no rain, a limit of detection.

    Parameters
    ----------
    before, now : float
        Where it stands in the reference and in the current window.
    share : float
        Of the reference's values.
    """

    before: float
    now: float
    share: float


def moved_atom(suspects: Suspects, name: str) -> Atom | None:
    """Return a column's commonest value where it has gone, and another is in its place.

    That is: with its share and with as many values below it, while the other values moved too.
    """
    windows = [w.column(name) for w in (suspects.reference, suspects.current)]
    before, after = (values[np.isfinite(values)] for values in windows)
    if not before.size or not after.size:
        return None
    places, shares, below = [], [], []
    for values in (before, after):
        distinct, counts = np.unique(values, return_counts=True)
        if distinct.size < _LEAST_VALUES:
            return None
        place = int(counts.argmax())
        others = np.delete(counts, place).max(initial=0)
        if counts[place] < max(_LEAST_SHARE * values.size, _ABOVE_OTHERS * others):
            return None
        places.append(float(distinct[place]))
        shares.append(float(counts[place] / values.size))
        below.append(float((values < distinct[place]).mean()))
    was, now = places
    if was == now or (after == was).mean() > _LEFT * shares[0]:
        return None
    for a, b in (shares, below):
        pooled = (a * before.size + b * after.size) / (before.size + after.size)
        error = np.sqrt(pooled * (1 - pooled) * (1 / before.size + 1 / after.size))
        if abs(a - b) > _STANDARD_ERRORS * error:
            return None
    rest = before[before != was], after[after != now]
    if ks_distance(*rest) <= distance_by_chance(*rest):
        return None  # it alone moved: another limit
    return Atom(was, now, shares[0])
