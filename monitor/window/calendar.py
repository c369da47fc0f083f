"""Windows of time: tumbling or sliding, on the calendar of a time zone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import Final

from whydrift.discovery.errors import ConfigError
from whydrift.monitor.window.duration import Duration, to_utc
from whydrift.monitor.window.interval import Interval

__all__ = ["Stage", "TimeWindows"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_DAY: Final = date(1970, 1, 1)
_NONE: Final = Duration(0, "s")
_FIRST_MONDAY: Final = date(1970, 1, 5)


class Stage(StrEnum):
    """When a window is judged: on its features early, once more when its labels are in."""

    FEATURES = "features"
    LABELS = "labels"


@dataclass(frozen=True)
class TimeWindows:
    """The windows of a monitor.

    They end on a grid: of ``d`` and ``w`` at midnight of the zone (the first moment of the day
    where clocks skip it; weeks begin on Monday), of ``s``, ``m`` and ``h`` at multiples since 1970
    in UTC, so that each is as long as every other. Several days or weeks are counted from 1970.

    Parameters
    ----------
    every : Duration
        From one end to the next.
    zone : tzinfo
    length : Duration, optional
        Of each window: ``every`` by default; if longer, windows slide and overlap.
    delay, label_delay : Duration
        What is waited for late rows, and for labels, after a window's end.

    Raises
    ------
    ConfigError
        If a duration is zero, in years, or the length is shorter than ``every`` (rows would be in
        no window).
    """

    every: Duration
    zone: tzinfo
    length: Duration | None = None
    delay: Duration = _NONE
    label_delay: Duration = _NONE

    def __post_init__(self) -> None:
        for name, value in (("window.every", self.every), ("window.length", self.length)):
            if value is not None and (value.count < 1 or value.unit == "y"):
                raise ConfigError(
                    f"a window of {value} is not offered",
                    where=name,
                    remedy="Write at least 1 of s, m, h, d or w, such as 1h, 1d or 1w",
                )
        if self.length is not None and self.length.least_seconds < self.every.least_seconds:
            raise ConfigError(
                f"windows of {self.length} every {self.every} leave rows between them out",
                where="window.length",
                remedy=f"Write at least {self.every}, or leave it out",
            )

    @property
    def slides(self) -> bool:
        """Whether windows overlap."""
        return self.length is not None and self.length != self.every

    def last_end(self, instant: datetime) -> datetime:
        """Return the latest end of a window that is not after the instant."""
        if not self.every.is_calendar:
            every = timedelta(seconds=self.every.least_seconds)
            return _EPOCH + (instant - _EPOCH) // every * every
        return self._midnight(self._number(instant))

    def next_end(self, end: datetime) -> datetime:
        """Return the end of a window that follows this one."""
        if not self.every.is_calendar:
            return end.astimezone(UTC) + timedelta(seconds=self.every.least_seconds)
        number = self._number(end) + 1
        while (following := self._midnight(number)) <= end:  # a zone may skip a whole day
            number += 1
        return following

    def earlier_end(self, end: datetime, count: int) -> datetime:
        """Return the end of a window so many places before this one."""
        if not self.every.is_calendar:
            return end.astimezone(UTC) - timedelta(seconds=count * self.every.least_seconds)
        return self._midnight(self._number(end) - count)

    def ending(self, end: datetime) -> Interval:
        """Return the window that ends then."""
        if self.length is not None and self.slides:
            return Interval(self.length.before(end, self.zone), end)
        if not self.every.is_calendar:
            return Interval(end - timedelta(seconds=self.every.least_seconds), end)
        number = self._number(end) - 1
        while (start := self._midnight(number)) >= end:
            number -= 1
        return Interval(start, end)

    def containing(self, instant: datetime) -> tuple[Interval, ...]:
        """Return the windows that rows of this time fall into: one, or several where they slide."""
        found = []
        end = self.next_end(self.last_end(instant))
        while (window := self.ending(end)).start <= instant:
            found.append(window)
            end = self.next_end(end)
        return tuple(found)

    def between(self, start: datetime, end: datetime) -> Iterator[Interval]:
        """Yield the windows that begin at ``start`` or later and end at ``end`` or before."""
        reached = self.last_end(start)
        while (reached := self.next_end(reached)) <= end:
            window = self.ending(reached)
            if window.start >= start:
                yield window

    def ready(self, window: Interval, stage: Stage) -> datetime:
        """Return from when on the window is judged."""
        waited = self.delay if stage is Stage.FEATURES else self.label_delay
        return waited.after(window.end, self.zone)

    def due(self, since: datetime, now: datetime, stage: Stage) -> Iterator[Interval]:
        """Yield, oldest first, the windows that end after ``since`` and are ready now."""
        reached = self.last_end(since)
        while (reached := self.next_end(reached)) <= now:
            window = self.ending(reached)
            if self.ready(window, stage) > now:
                return
            yield window

    def _grid(self) -> tuple[date, int]:
        """Return the day that windows are counted from, and the days from one to the next."""
        if self.every.unit == "w":
            return _FIRST_MONDAY, 7 * self.every.count
        return _FIRST_DAY, self.every.count

    def _number(self, instant: datetime) -> int:
        """Return the number, on the grid of days, of the last end that is not after the instant."""
        first, days = self._grid()
        return (instant.astimezone(self.zone).date() - first).days // days

    def _midnight(self, number: int) -> datetime:
        first, days = self._grid()
        return to_utc(datetime.combine(first + timedelta(days=number * days), time()), self.zone)
