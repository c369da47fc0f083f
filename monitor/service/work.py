"""A check, before and after: what travels between the scheduler and those who do the work."""

from __future__ import annotations

from dataclasses import dataclass

from whydrift.monitor.store.state import CheckOutcome, VisitKind
from whydrift.monitor.window.interval import Interval

__all__ = ["Check", "CheckReport"]


@dataclass(frozen=True, slots=True)
class Check:
    """One look at one window of a monitor.

    Parameters
    ----------
    monitor : str
    interval : Interval, optional
        None where windows are cut by rows: then the source tells which are complete, and all of
        these are looked at.
    kind : VisitKind
    is_recomputed : bool
        Whether it was judged before: what it says now updates silently.
    """

    monitor: str
    interval: Interval | None
    kind: VisitKind
    is_recomputed: bool = False

    def __str__(self) -> str:
        return f"{self.monitor} {self.interval or 'windows by rows'} {self.kind.value}"


@dataclass(frozen=True, slots=True)
class CheckReport:
    """How a check ended; what it found is in the store by then.

    Parameters
    ----------
    check : Check
        With the window that was looked at.
    outcome : CheckOutcome
    seconds : float
        It took.
    rows : int
        Read.
    summary : str
        One sentence: of the diagnosis, or of what went wrong (secrets masked).
    """

    check: Check
    outcome: CheckOutcome
    seconds: float
    rows: int = 0
    summary: str = ""
