"""Links to what an alert is about: its report, its monitor, its runbook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whydrift.monitor.diagnosis.alert import AlertKey
from whydrift.monitor.service.alert_names import alert_name, report_link
from whydrift.monitor.service.lapses import LapseKey

if TYPE_CHECKING:
    from whydrift.monitor.config.service import Web

__all__ = ["Links", "links_of"]


@dataclass(frozen=True, slots=True)
class Links:
    """Where to read on.

    Parameters
    ----------
    report, monitor : str, optional
        Of our own pages; None where ``web.external_url`` does not say under which address people
        reach them. A lapse has no report.
    runbook : str
    """

    report: str | None
    monitor: str | None
    runbook: str


def links_of(web: Web, monitor: str, key: AlertKey | LapseKey) -> Links:
    """Return the links of an alert: those that the rules for Prometheus write too.

    That of the report leads to whichever diagnosis spoke of the alert last.

    Parameters
    ----------
    web : Web
        Settings of the web interface.
    monitor : str
    key : AlertKey or LapseKey
    """
    runbook = f"{web.runbook_url.rstrip('/')}/{alert_name(key.kind)}.md"
    if web.external_url is None:
        return Links(None, None, runbook)
    base = web.external_url.rstrip("/")
    report = None if isinstance(key, LapseKey) else report_link(base, monitor, key)
    return Links(report, f"{base}/monitors/{monitor}", runbook)
