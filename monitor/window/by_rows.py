"""Windows of so many rows, in the order of their time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from whydrift.discovery.arrays import IntArray
from whydrift.discovery.errors import ConfigError
from whydrift.monitor.window.interval import Interval

__all__ = ["RowWindows"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class RowWindows:
    """Windows that end when enough rows are there.

    Rows of one time stay together, so that a window may hold a few more rows than asked; and a
    window is an :class:`Interval` like any other: read again later it holds the rows of that time,
    those that came late too.

    Parameters
    ----------
    rows : int
        Rows of a window.
    step : int, optional
        Rows from the start of one window to the next: ``rows`` by default; if fewer, they slide.

    Raises
    ------
    ConfigError
        If a number is less than 1, or the step is longer than a window.
    """

    rows: int
    step: int | None = None

    def __post_init__(self) -> None:
        if self.rows < 1 or (self.step is not None and not 1 <= self.step <= self.rows):
            raise ConfigError(
                f"windows of {self.rows} rows"
                + ("" if self.step is None else f" every {self.step} rows"),
                where="window.rows",
                remedy="Write at least 1 row, and a step from 1 to the rows of a window",
            )

    @property
    def slides(self) -> bool:
        """Whether windows overlap."""
        return self.step is not None and self.step < self.rows

    def cut(
        self, times: Iterable[IntArray], start: datetime, until: datetime, *, most: int = 100
    ) -> tuple[Interval, ...]:
        """Return the windows that are complete, oldest first.

        Parameters
        ----------
        times : iterable of ndarray of int
            Batches of the rows' times, in microseconds since 1970 and in any order; no more than
            ``most`` windows of them are held.
        start : datetime
            Where the first window begins: the end of the last one that is known; of windows that
            slide its start, then it comes first again.
        until : datetime
            Rows from here on may still be on their way.
        most : int
            Windows to return at most; where more are complete, ask again from the last one.
        """
        first, last = _micros(start), _micros(until)
        step = self.step or self.rows
        room = (most - 1) * step + self.rows
        held = _Counts(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
        for batch in times:
            held = held.joined(batch[(batch >= first) & (batch < last)]).earliest(room)
        total = np.cumsum(held.rows)
        windows: list[Interval] = []
        begin, before, closes = 0, 0, first  # the first time of the window, the rows before it
        while len(windows) < most and before + self.rows <= (total[-1] if len(total) else 0):
            # Windows that slide begin at a row's own time. Others begin where the one before ended,
            # and the first where it was told to: rows that come late lie in no gap between them.
            opens = first if begin == 0 else int(held.times[begin] if self.slides else closes + 1)
            closes = int(held.times[np.searchsorted(total, before + self.rows)])
            windows.append(Interval(_instant(opens), _instant(closes) + _MICROSECOND))
            begin = int(np.searchsorted(total, before + step)) + 1
            before = int(total[begin - 1])
        return tuple(windows)


@dataclass(frozen=True)
class _Counts:
    """Rows of each time: times may repeat without end where only dates are recorded."""

    times: IntArray  # ascending
    rows: IntArray

    def joined(self, times: IntArray) -> _Counts:
        found, rows = np.unique(times, return_counts=True)
        every, place = np.unique(np.concatenate([self.times, found]), return_inverse=True)
        weights = np.concatenate([self.rows, rows])
        return _Counts(every, np.bincount(place, weights, len(every)).astype(np.int64))

    def earliest(self, rows: int) -> _Counts:
        """Return the earliest times, down to the one that so many rows are reached with."""
        kept = int(np.searchsorted(np.cumsum(self.rows), rows)) + 1
        return _Counts(self.times[:kept], self.rows[:kept])


def _micros(instant: datetime) -> int:
    return (instant - _EPOCH) // _MICROSECOND


def _instant(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
