"""Whether the order of the rows is time, or only a file sorted by one of its columns."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.independence.dependence import lag_one
from whydrift.discovery.scores.features import number_features
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["shuffled", "sorted_by"]

_LEAST_ROWS = 20
_LEAST_VALUES = 20  # different ones: months and weekdays are clocks, however often they come round


def sorted_by(windows: tuple[Snapshot, ...], names: tuple[str, ...]) -> str | None:
    """Return a number by which each window is sorted, where nothing else makes neighbours alike.

    A clock is sorted too, but windows at different times hardly overlap in it, and in rows that
    follow each other in time other columns resemble those before them, given the clock.

    Parameters
    ----------
    windows : tuple of Snapshot
    names : tuple of str
        Columns that both have.
    """
    numbers = [n for n in names if windows[0].schema[n].kind.is_numeric]
    for name in numbers:
        columns = [w.column(name) for w in windows]
        if _is_sorted(columns) and not any(
            _alike_given(window.column(other), column)
            for window, column in zip(windows, columns, strict=True)
            for other in numbers
            if other != name
        ):
            return name
    return None


def _is_sorted(columns: list[FloatArray]) -> bool:
    seen = [values[np.isfinite(values)] for values in columns]
    if min(v.size for v in seen) < _LEAST_ROWS:
        return False
    steps = [np.diff(v) for v in seen]
    one_way = all((s >= 0).all() for s in steps) or all((s <= 0).all() for s in steps)
    low, high = max(v.min() for v in seen), min(v.max() for v in seen)
    return bool(one_way and low < high and min(np.unique(v).size for v in seen) >= _LEAST_VALUES)


def _alike_given(values: FloatArray, column: FloatArray) -> bool:
    """Whether neighbouring rows are alike in what a smooth function of ``column`` leaves."""
    rows = np.isfinite(values) & np.isfinite(column)
    design = np.column_stack([np.ones(int(rows.sum())), number_features(column[rows]).basis])
    fit = np.linalg.lstsq(design, values[rows], rcond=None)[0]
    return lag_one((values[rows] - design @ fit)[:, None]) != 0.0


def shuffled(window: Snapshot, seed: int) -> Snapshot:
    """Return the window with the rows of its sample in random order."""
    return window.take(np.random.default_rng(seed).permutation(len(window.sample)))
