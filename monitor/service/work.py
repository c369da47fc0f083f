"""A check, before and after: what travels between the scheduler and those who do the work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from whydrift.monitor.diagnosis.alert import AlertKey
from whydrift.monitor.diagnosis.episode import Step
from whydrift.monitor.store.state import CheckOutcome, VisitKind
from whydrift.monitor.window.interval import Interval

__all__ = ["NOTHING_LATE", "AlertNews", "Check", "CheckReport"]

NOTHING_LATE: Final = "no rows came late"  # the summary of nearly all looks for late rows


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
class AlertNews:
    """What a check did to an alert: it opened, reached more columns, or was resolved.

    Parameters
    ----------
    step : Step
        ``opened``, ``widened`` or ``closed``.
    key : AlertKey
    columns : tuple of str
        What it is about; of one that widened those that joined.
    """

    step: Step
    key: AlertKey
    columns: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it; ``resolved`` is the word of all who are told of an end."""
        return {
            "step": "resolved" if self.step is Step.CLOSED else self.step.value,
            "kind": self.key.kind.value,
            "target": self.key.target,
            "segment": self.key.segment,
            "columns": list(self.columns),
        }


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
        One sentence: of the diagnosis, or of what went wrong (secrets masked); and what became of
        alerts.
    alerts : tuple of AlertNews
    windows : tuple of CheckReport
        Of a look at windows by rows, what became of each, oldest first; the rest then tells of the
        gravest one, with the rows and the alerts of all.
    """

    check: Check
    outcome: CheckOutcome
    seconds: float
    rows: int = 0
    summary: str = ""
    alerts: tuple[AlertNews, ...] = ()
    windows: tuple[CheckReport, ...] = ()

    @property
    def by_window(self) -> tuple[CheckReport, ...]:
        """One report for each window."""
        return self.windows or (self,)
