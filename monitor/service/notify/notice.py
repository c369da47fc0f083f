"""What is to be told of an alert, whoever is told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from whydrift.discovery.errors import StoreError
from whydrift.monitor.diagnosis.alert import AlertKey, AlertKind
from whydrift.monitor.service.alert_names import alert_name
from whydrift.monitor.service.lapses import LapseKey
from whydrift.monitor.store.state import LapseKind
from whydrift.monitor.window.interval import Interval

__all__ = ["NOTICE_SCHEMA", "Notice", "NoticeStep"]

NOTICE_SCHEMA: Final = "whydrift/notice/1"
_LAPSES: Final = frozenset(kind.value for kind in LapseKind)


class NoticeStep(StrEnum):
    """What happened to the alert."""

    OPENED = "opened"
    CHANGED = "changed"  # it reached columns that nobody was told of
    RESOLVED = "resolved"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell of one alert.

    Parameters
    ----------
    step : NoticeStep
    monitor : str
    key : AlertKey or LapseKey
        Segment, target and kind: with the monitor the alert's identity.
    severity : str
        ``critical``, ``error``, ``warning`` or ``info``.
    since : datetime
        End of the first window of the episode; when a lapse was found.
    window : Interval, optional
        The window that says so; none of a lapse.
    stage : str
    columns : tuple of str
        Where it began, most responsible first.
    verdict, summary : str
        Of the diagnosis.
    remedy : str
    report_url, dashboard_url, runbook_url : str, optional
    team : str, optional
    also : tuple of str
        Kinds of alerts of the same target that fire beside it, and of which no message of their own
        is sent.
    """

    step: NoticeStep
    monitor: str
    key: AlertKey | LapseKey
    severity: str
    since: datetime
    window: Interval | None
    stage: str
    columns: tuple[str, ...] = ()
    verdict: str = ""
    summary: str = ""
    remedy: str = ""
    report_url: str | None = None
    dashboard_url: str | None = None
    runbook_url: str | None = None
    team: str | None = None
    also: tuple[str, ...] = ()

    @property
    def alert_name(self) -> str:
        """Name of the alert, as in the rules for Prometheus."""
        return alert_name(self.key.kind)

    @property
    def fingerprint(self) -> str:
        """What tells the alert from all others, whatever happens to it: 32 hexadecimal digits."""
        identity = [self.monitor, self.key.segment, self.key.target, self.key.kind.value]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]

    def idempotency_key(self, notifier: str) -> str:
        """Return what tells the message from all others: the same however often it is sent."""
        said = [
            notifier, self.fingerprint, self.step.value, self.since.isoformat(),
            "" if self.window is None else self.window.end.isoformat(), self.stage,
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:40]

    def with_urls(
        self, *, report: str | None, dashboard: str | None, runbook: str | None
    ) -> Notice:
        """Return it with links."""
        return replace(self, report_url=report, dashboard_url=dashboard, runbook_url=runbook)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {
            "schema": NOTICE_SCHEMA,
            "step": self.step.value,
            "alert": self.alert_name,
            "fingerprint": self.fingerprint,
            "monitor": self.monitor,
            "segment": self.key.segment,
            "target": self.key.target,
            "kind": self.key.kind.value,
            "severity": self.severity,
            "team": self.team,
            "since": self.since.isoformat(),
            "window": None if self.window is None else {
                "start": self.window.start.isoformat(), "end": self.window.end.isoformat()
            },
            "stage": self.stage,
            "columns": list(self.columns),
            "verdict": self.verdict,
            "summary": self.summary,
            "remedy": self.remedy,
            "also": list(self.also),
            "report_url": self.report_url,
            "dashboard_url": self.dashboard_url,
            "runbook_url": self.runbook_url,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Notice:
        """Read what :meth:`to_dict` wrote.

        Raises
        ------
        StoreError
            If it is no notice.
        """
        try:
            window = value["window"]
            return cls(
                NoticeStep(value["step"]),
                str(value["monitor"]),
                _key(value),
                str(value["severity"]),
                datetime.fromisoformat(value["since"]),
                None if window is None else Interval(
                    datetime.fromisoformat(window["start"]), datetime.fromisoformat(window["end"])
                ),
                str(value["stage"]),
                tuple(value["columns"]),
                str(value["verdict"]),
                str(value["summary"]),
                str(value["remedy"]),
                value["report_url"],
                value["dashboard_url"],
                value["runbook_url"],
                value["team"],
                tuple(value.get("also", ())),  # messages that waited through an upgrade have none
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(
                f"this is no notice ({type(error).__name__}: {error})",
                where="outbox",
                remedy="Delete the message, or restore it from a backup",
            ) from error


def _key(value: Mapping[str, Any]) -> AlertKey | LapseKey:
    kind = str(value["kind"])
    if kind in _LAPSES:
        return LapseKey(LapseKind(kind))
    return AlertKey(str(value["target"]), AlertKind(kind), str(value["segment"]))
