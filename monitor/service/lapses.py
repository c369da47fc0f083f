"""Lapses of the watching itself: checks that fail, results that are late, windows without rows.

The rules for Prometheus and what is sent directly have names, severities and limits from here, so
that both on means one alert.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from whydrift.monitor.store.state import LapseKind

if TYPE_CHECKING:
    from whydrift.monitor.service.board import MonitorView

__all__ = ["FAILURES", "LAPSES", "LATE_FOR", "LapseKey", "Row", "lapses_of"]

FAILURES: Final = 3  # checks in a row that ended in an error
LATE_FOR: Final = timedelta(minutes=15)  # catching up after a restart mostly takes less


@dataclass(frozen=True, slots=True)
class LapseKey:
    """What is known as one lapse of a monitor; it has neither target nor segment."""

    kind: LapseKind
    target: str = ""
    segment: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of lapse.

    Parameters
    ----------
    kind : LapseKind
    alert : str
        Its name in the rules for Prometheus.
    severity : str
    headline : str
        What is wrong, in a few words.
    over : str
        What is told when it is over.
    """

    kind: LapseKind
    alert: str
    severity: str
    headline: str
    over: str


LAPSES: Final = MappingProxyType(
    {
        row.kind: row
        for row in (
            Row(
                LapseKind.CHECK_FAILING, "WhydriftCheckFailing", "warning", "checks fail",
                "A check ended without an error.",
            ),
            Row(
                LapseKind.CHECK_OVERDUE, "WhydriftCheckOverdue", "warning", "a result is late",
                "All results that were due are there.",
            ),
            Row(
                LapseKind.NO_DATA, "WhydriftNoData", "critical", "the newest window has no rows",
                "The newest window has rows.",
            ),
        )
    }
)  # fmt: skip


def lapses_of(
    view: MonitorView, now: datetime, *, late_since: datetime, lasting: Collection[LapseKind]
) -> dict[LapseKind, str]:
    """Return what is wrong with the watching of a monitor, each as a sentence.

    Parameters
    ----------
    view : MonitorView
    now : datetime
    late_since : datetime
        Since when a result is known to be late, where one is.
    lasting : collection of LapseKind
        What was wrong before: a result that is late lasts until none is.
    """
    found = {}
    failures = view.state.consecutive_failures
    if failures >= FAILURES:
        why = f": {view.state.last_error}" if view.state.last_error else "."
        found[LapseKind.CHECK_FAILING] = f"The last {failures} checks ended in an error{why}"
    due = view.next_due
    is_known = LapseKind.CHECK_OVERDUE in lasting
    if due is not None and due < now and (is_known or now - late_since >= LATE_FOR):
        found[LapseKind.CHECK_OVERDUE] = (
            f"A result was due at {due:%Y-%m-%d %H:%M}Z, and is not there."
        )
    if view.empty is not None:
        found[LapseKind.NO_DATA] = (
            "The source answered, and had no rows for the window up to "
            f"{view.empty:%Y-%m-%d %H:%M}Z."
        )
    return found
