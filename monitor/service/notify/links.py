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


def links_of(web: Web, monitor: str, key: AlertKey, *, result: str | None = None) -> Links:
    """Return the links of an alert.

    Parameters
    ----------
    web : Web
        Settings of the web interface.
    monitor : str
    key : AlertKey
    result : str, optional
        Id of the diagnosis that spoke of it last; without one the link leads to whichever did.
    """
    runbook = f"{web.runbook_url.rstrip('/')}/{ALERT_NAMES[key.kind]}.md"
    if web.external_url is None:
        return Links(None, None, runbook)
    base = web.external_url.rstrip("/")
    report = f"{base}/diagnoses/{result}" if result else report_link(base, monitor, key)
    return Links(report, f"{base}/monitors/{monitor}", runbook)
