"""Paths with a date in them: which folders a window can touch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

from whydrift.discovery.errors import SourceError

__all__ = ["is_template", "named_by_template", "pattern", "spread"]

_DIGIT: Final = "[0-9]"
# Placeholder: how a date is written there, what matches any date, and the hours it stands for.
_FIELDS: Final = {
    "date": ("%Y-%m-%d", f"{_DIGIT * 4}-{_DIGIT * 2}-{_DIGIT * 2}", 24),
    "year": ("%Y", _DIGIT * 4, 24),
    "month": ("%m", _DIGIT * 2, 24),
    "day": ("%d", _DIGIT * 2, 24),
    "hour": ("%H", _DIGIT * 2, 1),
}
_PLACEHOLDER: Final = re.compile(r"\{(date|year|month|day|hour)\}")
_KEY: Final = re.compile(r"([^/=]+)=\{(?:date|year|month|day|hour)\}")
_MOST_FOLDERS = 100_000


def is_template(path: str) -> bool:
    """Whether the path has a placeholder: {date}, {year}, {month}, {day} or {hour}."""
    return _PLACEHOLDER.search(path) is not None


def named_by_template(path: str) -> frozenset[str]:
    """Return the keys, such as dt of ``dt={date}``, that say again when a row was."""
    return frozenset(_KEY.findall(path))


def pattern(path: str) -> str:
    """Return the glob that matches every date."""
    return _PLACEHOLDER.sub(lambda found: _FIELDS[found[1]][1], path)


def spread(path: str, start: datetime, end: datetime) -> tuple[str, ...]:
    """Return the paths that rows of ``[start, end)`` can be in, by the hour or day in UTC.

    Raises
    ------
    SourceError
        If a smaller placeholder stands without a larger one, or there are far too many folders.
    """
    fields = set(_PLACEHOLDER.findall(path))
    known = set(fields) | ({"year", "month", "day"} if "date" in fields else set())
    order = ("year", "month", "day", "hour")
    for large, small in pairwise(order):
        if small in known and large not in known:
            raise SourceError(
                f"the path has {{{small}}}, but no {{{large}}}",
                where=path,
                remedy="Write {date}, or {year} and {month} and {day}",
            )
    hours = min(_FIELDS[field][2] for field in fields)
    paths: dict[str, None] = {}
    for instant in _instants(start, end, hours):
        paths[_PLACEHOLDER.sub(lambda m, at=instant: at.strftime(_FIELDS[m[1]][0]), path)] = None  # type: ignore[misc]
        if len(paths) > _MOST_FOLDERS:
            raise SourceError(
                f"the window touches more than {_MOST_FOLDERS:,} folders",
                where=path,
                remedy="Give a shorter window",
            )
    return tuple(paths)


def _instants(start: datetime, end: datetime, hours: int) -> Iterator[datetime]:
    instant = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if hours > 1:
        instant = instant.replace(hour=0)
    while instant < end:
        yield instant
        instant += timedelta(hours=hours)
