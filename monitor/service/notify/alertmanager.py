"""Alertmanager's API v2: alerts as the rules for Prometheus would give them.

An alert is known by its labels. Alertmanager takes one for resolved at its ``endsAt``, so that
what fires is sent again and again, each time with a later end; what was resolved is sent with the
time when it was, for a while.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from whydrift.discovery.plain_text import clean
from whydrift.monitor.diagnosis.alert import AlertKey
from whydrift.monitor.diagnosis.words import joined
from whydrift.monitor.service.alert_names import alert_labels, alert_severity
from whydrift.monitor.service.lapses import LapseKey
from whydrift.monitor.service.notify.base import Request
from whydrift.monitor.service.notify.links import links_of
from whydrift.monitor.service.notify.notice import Notice
from whydrift.monitor.service.notify.words import headline, moment, title
from whydrift.monitor.store.state import AlertRecord, AlertState, Lapse

if TYPE_CHECKING:
    from whydrift.monitor.config.model import Config
    from whydrift.monitor.config.monitor import Alert
    from whydrift.monitor.config.service import Web

__all__ = [
    "RESOLVED_FOR", "AlertmanagerAlert", "AlertmanagerRendering", "alerts_of", "alerts_request",
]  # fmt: skip

RESOLVED_FOR: Final = timedelta(minutes=15)  # how long a resolved alert is sent
_RESENDS_MISSED: Final = 4  # as Prometheus: so many may fail before an alert ends by itself
_TEST_ALERT: Final = "WhydriftTest"
_INSTANT: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class AlertmanagerAlert:
    """One alert as Alertmanager takes it.

    Parameters
    ----------
    labels, annotations : mapping of str to str
    starts_at, ends_at : datetime
    url : str
        Where Alertmanager's pages lead to.
    """

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime
    url: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {
            "labels": dict(self.labels),
            "annotations": dict(self.annotations),
            "startsAt": self.starts_at.isoformat(),
            "endsAt": self.ends_at.isoformat(),
            **({"generatorURL": self.url} if self.url else {}),
        }


def alerts_of(
    config: Config,
    records: Iterable[AlertRecord],
    now: datetime,
    resend: timedelta,
    lapses: Iterable[Lapse] = (),
) -> tuple[AlertmanagerAlert, ...]:
    """Return what Alertmanager is to be told of now: all that fires, and what was just resolved.

    Parameters
    ----------
    config : Config
        Alerts of monitors that it no longer has end by themselves.
    records : iterable of AlertRecord
        Those that fire, and those resolved within :data:`RESOLVED_FOR`.
    now : datetime
    resend : timedelta
        Until it is told again.
    lapses : iterable of Lapse
        The newest of each monitor and kind.
    """
    monitors = {monitor.name: monitor for monitor in config.monitors}
    firing: dict[tuple[str, AlertKey], AlertmanagerAlert] = {}
    resolved: dict[tuple[str, AlertKey], AlertmanagerAlert] = {}
    for record in records:
        monitor = monitors.get(record.monitor)
        if monitor is None or record.fired is None:
            continue
        identity = record.monitor, record.key
        if record.state is AlertState.FIRING:
            ends_at = now + _RESENDS_MISSED * resend
            firing[identity] = _alert(config.web, monitor.alert, record, record.fired, ends_at)
        elif record.state is AlertState.RESOLVED and record.at > now - RESOLVED_FOR:
            # An end before the start is refused, which a clock that jumped back could give.
            ends_at = max(record.at, record.fired + _INSTANT)
            resolved[identity] = _alert(config.web, monitor.alert, record, record.fired, ends_at)
    # One that fires again was resolved before, and has the same labels.
    return (
        *{**resolved, **firing}.values(),
        *(
            _lapse(config.web, monitors[lapse.monitor].alert, lapse, now + _RESENDS_MISSED * resend)
            for lapse in lapses
            if lapse.monitor in monitors
            and (lapse.until is None or lapse.until > now - RESOLVED_FOR)
        ),
    )


def _lapse(web: Web, settings: Alert, lapse: Lapse, until: datetime) -> AlertmanagerAlert:
    """Return a lapse with the labels of the rule for it: of both, Alertmanager makes one alert."""
    key = LapseKey(lapse.kind)
    severity = alert_severity(key.kind, settings.severity)
    labels = alert_labels(lapse.monitor, key, severity=severity, team=settings.team)
    links = links_of(web, lapse.monitor, key)
    said = {
        "summary": headline(lapse.monitor, key),
        "description": clean(lapse.text),
        "dashboard_url": links.monitor,
        "runbook_url": links.runbook,
    }
    annotations = {name: value for name, value in said.items() if value}
    ends_at = until if lapse.until is None else max(lapse.until, lapse.since + _INSTANT)
    return AlertmanagerAlert(labels, annotations, lapse.since, ends_at, links.monitor or "")


def _alert(
    web: Web, settings: Alert, record: AlertRecord, starts_at: datetime, ends_at: datetime
) -> AlertmanagerAlert:
    severity = alert_severity(record.key.kind, settings.severity)
    labels = alert_labels(record.monitor, record.key, severity=severity, team=settings.team)
    links = links_of(web, record.monitor, record.key)
    details = record.details
    # The newest window may name fewer: labels, that show the target's own part, come later.
    named = [str(column) for column in details.get("columns", ())]
    reached = [*named, *sorted(record.episode.columns - {*named})]
    columns = ", ".join(reached)
    last = datetime.fromtimestamp(record.episode.last, UTC)
    said = {
        "summary": headline(record.monitor, record.key),
        "description": _sentences(
            str(details.get("summary", "")),
            f"It began in {joined(reached)}" if reached else "",
            f"The last window that shows it ends at {moment(last)}",
            str(details.get("remedy", "")),
        ),
        "columns": columns,
        "remedy": str(details.get("remedy", "")),
        "report_url": links.report,
        "dashboard_url": links.monitor,
        "runbook_url": links.runbook,
    }
    annotations = {name: value for name, value in said.items() if value}
    return AlertmanagerAlert(labels, annotations, starts_at, ends_at, links.report or "")


def _sentences(*sentences: str) -> str:
    return " ".join(f"{clean(s).rstrip('.')}." for s in sentences if s)


def alerts_request(
    url: str, alerts: Sequence[AlertmanagerAlert], token: str | None = None
) -> Request:
    """Return the request that tells one Alertmanager of alerts.

    Parameters
    ----------
    url : str
        Of the Alertmanager, with the path under which it is served.
    alerts : sequence of AlertmanagerAlert
    token : str, optional
        Bearer token of what stands before it.
    """
    body = json.dumps([alert.to_dict() for alert in alerts], ensure_ascii=False).encode()
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return Request(f"{url.rstrip('/')}/api/v2/alerts", body, headers)


@dataclass(frozen=True, slots=True)
class AlertmanagerRendering:
    """Sends a single notice: for tests; alerts are sent by the resender.

    Parameters
    ----------
    urls : tuple of str
        Of every member of a cluster.
    token : str, optional
    """

    urls: tuple[str, ...]
    token: str | None = None

    def requests(self, notice: Notice, key: str, now: datetime) -> tuple[Request, ...]:
        """Return one request for each Alertmanager; what it tells of ends within a minute."""
        alert = AlertmanagerAlert(
            {"alertname": _TEST_ALERT, "severity": "info"},
            {"summary": title(notice), "description": notice.summary},
            now,
            now + timedelta(minutes=1),
        )
        return tuple(alerts_request(url, [alert], self.token) for url in self.urls)
