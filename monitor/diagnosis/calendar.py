"""Hour of the day and day of the week as columns of a regression: a season is no drift.

A calendar factor is used where the past shows what is usual: where every hour (or weekday) of the
current window was seen before on at least two days (in at least two weeks).
"""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.monitor.diagnosis.local_time import UTC, LocalTime
from whydrift.monitor.diagnosis.side_by_side import side_by_side

__all__ = ["calendar_columns"]

_HOUR, _DAY, _WEEK = 3_600, 86_400, 604_800
_EPOCH_WEEKDAY = 3  # 1 January 1970 was a Thursday; Monday is 0
_LEAST_CYCLES = 2
_MOST_LEVELS = 25  # the hours, and −1, which becomes 24, for an unknown one


def calendar_columns(
    seconds: FloatArray, split: int, clock: LocalTime = UTC
) -> tuple[FloatArray, tuple[str, ...]]:
    """Return indicator columns of the calendar, and which factors they are of.

    Parameters
    ----------
    seconds : ndarray of shape (n_rows,)
        Time of each row since 1970, past rows first; NaN where unknown.
    split : int
        Past rows.
    clock : LocalTime
        By which rows have their hour and day.

    Returns
    -------
    columns : ndarray of shape (n_rows, n_columns)
        Indicators of all levels but one of each factor; rows of unknown time hold 0.
    factors : tuple of str
        Of ``hour`` and ``weekday``.
    """
    known = np.isfinite(seconds)
    whole = clock(np.where(known, seconds, 0.0)).astype(np.int64)
    hour = np.where(known, whole // _HOUR % 24, -1)
    weekday = np.where(known, (whole // _DAY + _EPOCH_WEEKDAY) % 7, -1)
    week = (whole + _EPOCH_WEEKDAY * _DAY) // _WEEK
    blocks: list[FloatArray] = []
    factors: list[str] = []
    for name, level, cycle in (("hour", hour, whole // _DAY), ("weekday", weekday, week)):
        if _was_seen(level, cycle, split):
            blocks.append(_indicators(level))
            factors.append(name)
    return side_by_side([np.empty((len(seconds), 0)), *blocks]), tuple(factors)


def _was_seen(level: IntArray, cycle: IntArray, split: int) -> bool:
    """Whether each level of the current rows was seen in two earlier cycles, and levels differ."""
    now = {int(v) for v in np.unique(level[split:]) if v >= 0}
    if not now or len(np.unique(level[level >= 0])) < 2:
        return False
    # Level and cycle as one whole number: to sort pairs takes twenty times as long.
    seen = np.unique(cycle[:split] * _MOST_LEVELS + level[:split]) % _MOST_LEVELS
    levels, cycles = np.unique(seen, return_counts=True)
    often = {int(v) for v, n in zip(levels, cycles, strict=True) if n >= _LEAST_CYCLES}
    return now <= often


def _indicators(level: IntArray) -> FloatArray:
    """Return a column for each level but the first."""
    found = np.unique(level[level >= 0])[1:]
    out: FloatArray = (level == found[:, None]).astype(np.float64).T
    return out
