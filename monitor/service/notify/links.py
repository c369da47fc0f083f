"""Links to what an alert is about: its report, its monitor, its runbook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whydrift.monitor.diagnosis.alert import AlertKey
from whydrift.monitor.service.alert_names import ALERT_NAMES, report_link

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
        reach them.
    runbook : str
    """

    report: str | None
    monitor: str | None
    runbook: str


def links_of(web: Web, monitor: str, key: AlertKey) -> Links:
    """Return the links of an alert: those that the rules for Prometheus write too.

    That of the report leads to whichever diagnosis spoke of the alert last.

    Parameters
    ----------
    web : Web
        Settings of the web interface.
    monitor : str
    key : AlertKey
    """
    runbook = f"{web.runbook_url.rstrip('/')}/{ALERT_NAMES[key.kind]}.md"
    if web.external_url is None:
        return Links(None, None, runbook)
    base = web.external_url.rstrip("/")
    return Links(report_link(base, monitor, key), f"{base}/monitors/{monitor}", runbook)
