"""A service of PagerDuty, by its Events API v2: one incident for one alert."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from whydrift.monitor.service.notify.base import Request
from whydrift.monitor.service.notify.notice import Notice, NoticeStep
from whydrift.monitor.service.notify.words import facts, title

__all__ = ["PagerDutyRendering"]

_LONGEST_SUMMARY: Final = 1024  # of the API


@dataclass(frozen=True, slots=True)
class PagerDutyRendering:
    """Triggers and resolves; the incident is known by the alert's fingerprint.

    Parameters
    ----------
    url : str
        Where events are enqueued: it differs in the EU.
    routing_key : str
        Of the service's integration.
    """

    url: str
    routing_key: str

    def requests(self, notice: Notice, key: str, now: datetime) -> tuple[Request, ...]:
        """Return one request; for a test two, so that nobody is left with an incident."""
        trigger, resolve = self._event(notice, "trigger"), self._event(notice, "resolve")
        match notice.step:
            case NoticeStep.TEST:
                events = [trigger, resolve]
            case NoticeStep.RESOLVED:
                events = [resolve]
            case _:
                events = [trigger]
        headers = {"Idempotency-Key": key}
        return tuple(Request(self.url, _json(event), headers) for event in events)

    def _event(self, notice: Notice, action: str) -> dict[str, Any]:
        prefix = "whydrift-test-" if notice.step is NoticeStep.TEST else "whydrift-"
        event: dict[str, Any] = {
            "routing_key": self.routing_key,
            "event_action": action,
            "dedup_key": prefix + notice.fingerprint,
            "client": "whydrift",
        }
        if action == "resolve":
            return event
        if notice.dashboard_url:
            event["client_url"] = notice.dashboard_url
        links = (("Report", notice.report_url), ("Runbook", notice.runbook_url))
        event["links"] = [{"href": url, "text": text} for text, url in links if url]
        event["payload"] = {
            "summary": _summary(notice)[:_LONGEST_SUMMARY],
            "source": notice.monitor,
            "severity": notice.severity,
            "timestamp": (notice.window.end if notice.window else notice.since).isoformat(),
            "component": notice.key.target or notice.monitor,
            "group": notice.key.segment or notice.monitor,
            "class": notice.alert_name,
            "custom_details": {
                **dict(facts(notice)),
                **({"Team": notice.team} if notice.team else {}),
            },
        }
        return event


def _summary(notice: Notice) -> str:
    began = f" in {', '.join(notice.columns[:3])}" if notice.columns else ""
    return f"{title(notice)}{began}"


def _json(event: dict[str, Any]) -> bytes:
    return json.dumps(event, ensure_ascii=False).encode()
