"""What a window of too few rows to test still shows: how far out its rows lie."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["how_unusual"]

_NORMAL_QUARTILES = 1.349  # between a normal's quartiles, in sd
_LEAST_SPREAD = 0.1  # of the sd, where half of the rows are alike


def how_unusual(reference: Snapshot, current: Snapshot, name: str) -> tuple[float, float]:
    """Return how rarely as long a stretch of the reference holds a row as far out, and how far.

    A row is as far out as a number is from the reference's median, in robust sd, or as its category
    is rare. Stretches are of neighbouring rows, so that what rows have in common with their
    neighbours is in both.

    Parameters
    ----------
    reference, current : Snapshot
    name : str
        Of a column in both.

    Returns
    -------
    share : float
        Of the stretches, the current one among them: the smaller, the less usual.
    distance : float
        Of the farthest row.
    """
    discrete = reference.schema[name].kind.is_discrete
    before, after = (_present(window.column(name)) for window in (reference, current))
    if not before.size or not after.size:
        return 1.0, 0.0
    usual, now = (_rarity if discrete else _distance)(before, after)
    length = min(len(now), len(usual))
    stretches = usual[: len(usual) // length * length].reshape(-1, length).max(axis=1)
    farthest = float(now.max())
    return float(1 + (stretches >= farthest).sum()) / (1 + len(stretches)), farthest


def _present(values: FloatArray) -> FloatArray:
    out: FloatArray = values[np.isfinite(values)]
    return out


def _distance(before: FloatArray, after: FloatArray) -> tuple[FloatArray, FloatArray]:
    low, middle, high = np.quantile(before, [0.25, 0.5, 0.75])
    spread = max((high - low) / _NORMAL_QUARTILES, _LEAST_SPREAD * float(before.std()), 1e-300)
    return np.abs(before - middle) / spread, np.abs(after - middle) / spread


def _rarity(before: FloatArray, after: FloatArray) -> tuple[FloatArray, FloatArray]:
    def rarity(values: FloatArray) -> FloatArray:
        levels, counts = np.unique(before, return_counts=True)
        place = np.minimum(np.searchsorted(levels, values), len(levels) - 1)
        times = np.where(levels[place] == values, counts[place], 0)
        out: FloatArray = -np.log((times + 0.5) / (len(before) + 1))
        return out

    return rarity(before), rarity(after)
