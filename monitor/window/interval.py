"""An Interval: when a window begins and ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from whydrift.discovery.errors import OptionError

__all__ = ["Interval"]


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """From ``start`` on, up to but not including ``end``.

    Parameters
    ----------
    start, end : datetime
        Each knows its time zone; they are kept in UTC.

    Raises
    ------
    OptionError
        If one has no time zone, or the end is not after the start.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            value: datetime = getattr(self, name)
            if value.utcoffset() is None:
                raise OptionError(
                    f"{value.isoformat()} has no time zone",
                    where=name,
                    remedy="Write 2026-05-04T09:00:00Z, or give a datetime with tzinfo",
                )
            object.__setattr__(self, name, value.astimezone(UTC))
        if self.end <= self.start:
            raise OptionError(
                f"a window from {self.start.isoformat()} to {self.end.isoformat()} is empty",
                where="end",
                remedy="Give an end that is after the start",
            )

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end

    @property
    def length(self) -> timedelta:
        """What passes between its ends."""
        return self.end - self.start

    def overlaps(self, other: Interval) -> bool:
        """Whether an instant lies in both."""
        return self.start < other.end and other.start < self.end

    def __str__(self) -> str:
        return f"{_written(self.start)}/{_written(self.end)}"


def _written(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
