"""The clocks of a time zone, from the zone database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from whydrift.discovery.errors import OptionError, nearest
from whydrift.monitor.diagnosis.local_time import LocalTime

__all__ = ["local_time", "named_zone"]

_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_STEP: Final = timedelta(days=7)  # no zone put its clocks forward and back within a week


def named_zone(name: str, *, where: str) -> tzinfo:
    """Return a time zone by its name in the zone database.

    Raises
    ------
    OptionError
        If there is none of this name.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError):
        guess = nearest(str(name), available_timezones())
        hint = f"Did you mean {guess!r}? " if guess else ""
        raise OptionError(
            f"there is no time zone {name!r}",
            where=where,
            remedy=f"{hint}Write one such as Europe/Paris or UTC",
        ) from None


@lru_cache(maxsize=64)
def local_time(zone: tzinfo) -> LocalTime:
    """Return the clocks of a time zone, from 1970 to 2100.

    Parameters
    ----------
    zone : tzinfo
    """
    changes: list[float] = []
    ahead = [_ahead(_FIRST, zone)]
    moment = _FIRST
    while moment < _LAST:
        later = moment + _STEP
        if _ahead(later, zone) != ahead[-1]:
            changes.append(_change(moment, later, zone).timestamp())
            ahead.append(_ahead(later, zone))
        moment = later
    return LocalTime(tuple(changes), tuple(ahead))


def _ahead(moment: datetime, zone: tzinfo) -> float:
    offset = moment.astimezone(zone).utcoffset()
    return 0.0 if offset is None else offset.total_seconds()


def _change(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """Return the second at which the clocks change, which they do once between two moments."""
    first = _ahead(before, zone)
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        before, after = (middle, after) if _ahead(middle, zone) == first else (before, middle)
    return after
