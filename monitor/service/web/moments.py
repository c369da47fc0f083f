"""Times as RFC 3339 writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final, overload

from whydrift.monitor.service.web.problems import Problem, Refused

__all__ = ["read_moment", "written"]

_MOMENT: Final = re.compile(
    r"^\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:[Zz]|[+-]\d\d:\d\d))?$", re.ASCII
)
# At the ends of the calendar a moment cannot be told in every time zone.
_YEARS: Final = range(1900, 3000)


@overload
def written(moment: datetime) -> str: ...
@overload
def written(moment: None) -> None: ...
def written(moment: datetime | None) -> str | None:
    """Return a time in UTC as text, ``2026-05-04T09:00:00Z``."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def read_moment(text: str, field: str) -> datetime:
    """Read a time with its zone, or a day (which begins at midnight UTC).

    Raises
    ------
    Refused
        If it is none.
    """
    # A plus in a query that nobody encoded arrives as a space.
    plain = re.sub(r" (\d\d:\d\d)$", r"+\1", text) if text.count(":") > 1 else text
    if _MOMENT.match(plain):
        try:
            moment = datetime.fromisoformat(plain.upper())
            moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
            if moment.year in _YEARS:
                return moment
        except (ValueError, OverflowError):
            pass
    raise Refused(
        Problem(422, "time", "Write a time as 2026-05-04T09:00:00Z, or a day as 2026-05-04.", field)
    )
