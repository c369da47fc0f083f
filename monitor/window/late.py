"""Rows that come after their window was judged: whether it is judged again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum

from whydrift.monitor.window.duration import Duration

__all__ = ["Arrival", "LateRows", "late_rows"]


class Arrival(StrEnum):
    """What is done about them."""

    NOTHING = "nothing"
    RECOMPUTE = "recompute"
    TOO_LATE = "too_late"


@dataclass(frozen=True, slots=True)
class LateRows:
    """Rows that came, or went, since a window was read.

    Parameters
    ----------
    arrival : Arrival
    change : int
        Rows more than before; less than zero where rows were taken away.
    text : str
        One sentence; empty where nothing changed.
    """

    arrival: Arrival
    change: int
    text: str


def late_rows(
    before: int, found: int, *, ready: datetime, now: datetime, allow: Duration, zone: tzinfo
) -> LateRows:
    """Say what becomes of a window whose source holds another number of rows now.

    Within the allowance it is read and judged again, silently: only the first decision of a window
    can page. Later its Snapshot stays as it is, so that what was said can be checked, and the rows
    are counted.

    Parameters
    ----------
    before, found : int
        Rows when it was read, and now.
    ready : datetime
        When it was first to be judged.
    now : datetime
    allow : Duration
        How long after ``ready`` rows may come; in the calendar of ``zone``.
    """
    change = found - before
    if not change:
        return LateRows(Arrival.NOTHING, 0, "")
    what = f"{abs(change):,} {'row' if abs(change) == 1 else 'rows'} "
    what += "came late" if change > 0 else "are gone from the source"
    if now < allow.after(ready, zone):
        return LateRows(Arrival.RECOMPUTE, change, f"{what}; the window is judged again")
    text = f"{what}, more than {allow} after the window was due; what was said of it stands"
    return LateRows(Arrival.TOO_LATE, change, text)
