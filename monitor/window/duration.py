"""Durations as a configuration writes them: hours that pass, days of a calendar."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, Literal, cast, get_args

from whydrift.discovery.errors import ConfigError

__all__ = ["Duration", "Unit", "to_utc"]

Unit = Literal["s", "m", "h", "d", "w", "y"]

_WRITTEN: Final = re.compile(r"^(\d+)\s*([smhdwy])$")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600}
_DAYS: Final = {"d": 1, "w": 7}
_MOST_YEARS = 1_000


@dataclass(frozen=True, slots=True)
class Duration:
    """So many seconds, minutes or hours that pass, or days, weeks or years of a calendar.

    Parameters
    ----------
    count : int
        Not negative.
    unit : str
        ``s``, ``m`` or ``h`` pass everywhere alike; ``d``, ``w`` and ``y`` lead to the same time
        of another date, so that a day has 23 or 25 hours where clocks are put forward or back.
    """

    count: int
    unit: Unit

    @classmethod
    def parse(cls, text: str) -> Duration:
        """Read ``30s``, ``10m``, ``2h``, ``28d``, ``8w`` or ``3y``.

        Raises
        ------
        ConfigError
            If it is none of these, or longer than a thousand years.
        """
        found = _WRITTEN.match(text.strip())
        if found is None or found[2] not in get_args(Unit):
            raise ConfigError(
                f"{text!r} is no duration",
                where="duration",
                remedy="Write a whole number and s, m, h, d, w or y, such as 10m, 2h or 28d",
            )
        duration = cls(int(found[1]), cast("Unit", found[2]))
        if duration.least_seconds > _MOST_YEARS * 365 * 86_400:
            raise ConfigError(
                f"{text!r} is longer than {_MOST_YEARS} years",
                where="duration",
                remedy="Write a shorter one",
            )
        return duration

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"

    @property
    def is_calendar(self) -> bool:
        """Whether its length in seconds depends on when and where it begins."""
        return self.unit not in _SECONDS

    @property
    def least_seconds(self) -> int:
        """About its length: days of 24 hours, years of 365 days."""
        if self.unit in _SECONDS:
            return self.count * _SECONDS[self.unit]
        return self.count * 86_400 * _DAYS.get(self.unit, 365)

    def after(self, instant: datetime, zone: tzinfo) -> datetime:
        """Return the instant so much later, in UTC.

        A time that clocks skip is that much later than the last one before; of one that they show
        twice it is the first. A year from 29 February is 28 February.

        Parameters
        ----------
        instant : datetime
            Knows its time zone.
        zone : tzinfo
            Whose calendar counts.
        """
        return self._moved(instant, zone, self.count)

    def before(self, instant: datetime, zone: tzinfo) -> datetime:
        """Return the instant so much earlier, in UTC; as :meth:`after`."""
        return self._moved(instant, zone, -self.count)

    def _moved(self, instant: datetime, zone: tzinfo, count: int) -> datetime:
        if self.unit in _SECONDS:
            return instant.astimezone(UTC) + timedelta(seconds=count * _SECONDS[self.unit])
        there = instant.astimezone(zone).replace(tzinfo=None)
        if self.unit in _DAYS:
            return to_utc(there + timedelta(days=count * _DAYS[self.unit]), zone)
        year = there.year + count
        is_leap_day = (there.month, there.day) == (2, 29)
        return to_utc(there.replace(year=year, day=28 if is_leap_day else there.day), zone)


def to_utc(local: datetime, zone: tzinfo) -> datetime:
    """Return when a clock of the zone first shows this date and time.

    Parameters
    ----------
    local : datetime
        Without a time zone. One that clocks skip is taken as if they had not been put forward.
    """
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)
