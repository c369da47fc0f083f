"""How a monitor stands, as far as the store knows: no source is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from whydrift.discovery.snapshot.segments import REST
from whydrift.monitor.diagnosis.alarm_budget import DAYS_PER_MONTH, WHOLE
from whydrift.monitor.diagnosis.headline import stored_headline
from whydrift.monitor.service.judging import alarm_budget
from whydrift.monitor.service.references import Choice, chosen_for
from whydrift.monitor.service.schedule import next_due
from whydrift.monitor.store.state import (
    AlertRecord,
    AlertState,
    CheckOutcome,
    MonitorState,
    VisitKind,
)
from whydrift.monitor.window.by_rows import RowWindows
from whydrift.monitor.window.interval import Interval

if TYPE_CHECKING:
    from whydrift.monitor.config.monitor import Monitor
    from whydrift.monitor.store import Store
    from whydrift.monitor.store.records import ResultRecord

__all__ = ["MonitorStatus", "StageStatus", "monitor_status"]

_LATELY: Final = timedelta(days=400)  # of visits: the newest of any monitor is younger
_INSTANT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class StageStatus:
    """What one stage of a window said.

    Parameters
    ----------
    window : Interval
    stage, verdict : str
    headline : str
        The first words of its report.
    summary : str
        One sentence.
    """

    window: Interval
    stage: str
    verdict: str
    headline: str
    summary: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {
            "window": _window(self.window),
            "stage": self.stage,
            "verdict": self.verdict,
            "headline": self.headline,
            "summary": self.summary,
        }


@dataclass(frozen=True, slots=True)
class MonitorStatus:
    """How one monitor stands.

    Parameters
    ----------
    state : MonitorState
    window : Interval, optional
        The newest one that was judged, or at least looked at.
    outcome : str
        How that ended; empty before the first.
    stage, verdict : str
        Of its newest result; empty without one.
    fault : bool
        Whether its values broke.
    headline : str
        The first words of its report: a verdict ``none`` beside a model that answers otherwise is
        no "no shift".
    summary : str
        One sentence.
    judged : Interval, optional
        The window that these are about: the newest one may be without rows.
    labelled : StageStatus, optional
        The newest result with labels, where it is of an earlier window: labels come later, and
        speak of what features cannot show.
    alerts : tuple of AlertRecord
        That fire.
    next_due : datetime, optional
        When the next result is due, or was; None where nobody knows.
    granted : float
        False alarms a month.
    spent : float
        Of that, what the last month's decisions spent, as a share.
    reference_windows : int
        Past windows of the whole that the next window is judged by, as far as is known.
    reference_left_out : int
        Those that the rule names, and that do not count: a fault or an unaccepted drift.
    kept_windows : int
        Past windows of the whole that are kept and have rows.
    """

    state: MonitorState
    window: Interval | None
    outcome: str
    stage: str
    verdict: str
    fault: bool
    headline: str
    summary: str
    judged: Interval | None
    labelled: StageStatus | None
    alerts: tuple[AlertRecord, ...]
    next_due: datetime | None
    granted: float
    spent: float
    reference_windows: int
    reference_left_out: int
    kept_windows: int

    def is_overdue(self, now: datetime) -> bool:
        """Whether a result that was due is not there."""
        return self.next_due is not None and self.next_due < now

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        state = self.state
        return {
            "monitor": state.monitor,
            "window": None if self.window is None else _window(self.window),
            "outcome": self.outcome or None,
            "stage": self.stage or None,
            "verdict": self.verdict or None,
            "fault": self.fault,
            "headline": self.headline or None,
            "summary": self.summary,
            "judged": None if self.judged is None else _window(self.judged),
            "labelled": None if self.labelled is None else self.labelled.to_dict(),
            "alerts": [
                {
                    "kind": a.key.kind.value,
                    "target": a.key.target,
                    "segment": a.key.segment,
                    "columns": sorted(a.episode.columns),
                    "since": None if a.fired is None else a.fired.isoformat(),
                    "window": a.details.get("window"),
                    "summary": a.details.get("summary"),
                }
                for a in self.alerts
            ],
            "next_result_due": None if self.next_due is None else self.next_due.isoformat(),
            "budget": {
                "false_alarms_per_month": self.granted,
                "spent": self.spent,
                "left": max(0.0, 1 - self.spent),
            },
            "paused": state.is_paused,
            "began": None if state.began is None else state.began.isoformat(),
            "reference_windows": self.reference_windows,
            "reference_left_out": self.reference_left_out,
            "kept_windows": self.kept_windows,
            "consecutive_failures": state.consecutive_failures,
            "last_success": None if state.last_success is None else state.last_success.isoformat(),
            "last_error": state.last_error if state.consecutive_failures else None,
        }


def monitor_status(monitor: Monitor, store: Store, now: datetime, *, most: int) -> MonitorStatus:
    """Return how a monitor stands.

    Parameters
    ----------
    monitor : Monitor
    store : Store
        Only read.
    now : datetime
    most : int
        Windows behind that are made up for (``checks.catch_up``).

    Raises
    ------
    StoreError
    """
    name = monitor.name
    state = store.get_state(name)
    newest = state.last_success or now
    visits = [
        v
        for v in store.list_visits(name, start=newest - _LATELY) or store.list_visits(name)
        if v.kind in {VisitKind.FEATURES, VisitKind.LABELS}
        and v.outcome is not CheckOutcome.SKIPPED
    ]
    last = max(visits, key=lambda v: (v.interval.end, v.at), default=None)
    results = [r for r in store.latest_results(name) if r.key.segment == WHOLE]
    record = max(results, key=lambda r: (r.key.interval.end, r.stage), default=None)
    result = (None if record is None else store.get_result(record.id)) or {}
    kept = store.list_snapshots(monitor=name)
    whole = {r.key.interval for r in kept if r.key.segment == WHOLE and r.rows}
    segments = sorted({r.key.segment for r in kept} - {WHOLE, REST})
    budget = alarm_budget(monitor, segments, sorted(whole)[-30:])
    since = now - timedelta(days=DAYS_PER_MONTH)
    ratio = store.spent(name, since).ratio(now.timestamp(), budget)
    end = max([w.end for w in whole] + ([] if last is None else [last.interval.end]), default=None)
    reference = Choice() if end is None else chosen_for(monitor, store, _following(monitor, end))
    return MonitorStatus(
        state,
        window=None if last is None else last.interval,
        outcome="" if last is None else last.outcome.value,
        stage="" if record is None else record.stage,
        verdict="" if record is None else record.verdict,
        fault=bool(result.get("fault")),
        headline=_headline(result),
        summary=str(result.get("summary", "")),
        judged=None if record is None else record.key.interval,
        labelled=_labelled(store, results, record),
        alerts=store.list_alerts(monitor=name, states={AlertState.FIRING}),
        next_due=next_due(monitor, store, now, most=most),
        granted=monitor.false_alarms_per_month,
        spent=ratio,
        reference_windows=len(reference.windows),
        reference_left_out=len(reference.left_out),
        kept_windows=len(whole),
    )


def _following(monitor: Monitor, end: datetime) -> Interval:
    """Return the window after the one that ends then; of windows by rows only where it begins."""
    plan = monitor.window.cut()
    if isinstance(plan, RowWindows):
        return Interval(end, end + _INSTANT)
    return plan.ending(plan.next_end(end))


def _window(window: Interval) -> dict[str, str]:
    return {"start": window.start.isoformat(), "end": window.end.isoformat()}


def _labelled(
    store: Store, results: Sequence[ResultRecord], newest: ResultRecord | None
) -> StageStatus | None:
    """Return the newest result with labels, where the newest of all is of a later window."""
    found = [r for r in results if r.stage == VisitKind.LABELS.value]
    record = max(found, key=lambda r: r.key.interval.end, default=None)
    if record is None or newest is None or record.key.interval == newest.key.interval:
        return None
    result = store.get_result(record.id) or {}
    summary = str(result.get("summary", ""))
    window = record.key.interval
    return StageStatus(window, record.stage, record.verdict, _headline(result), summary)


def _headline(result: Mapping[str, Any]) -> str:
    """Return the first words of a stored report; empty without one."""
    if not result:
        return ""
    return " + ".join(word.text for word in stored_headline(result))
