"""Names of alerts: the same in the rules for Prometheus and in what is sent directly."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final
from urllib.parse import urlencode

from whydrift.monitor.diagnosis.alert import AlertKey, AlertKind
from whydrift.monitor.service.lapses import LAPSES, LapseKey
from whydrift.monitor.store.state import LapseKind

__all__ = ["ALERT_NAMES", "alert_labels", "alert_name", "alert_severity", "report_link"]

# With equal names and labels Alertmanager holds one alert where both ways are on.
ALERT_NAMES: Final = MappingProxyType(
    {
        AlertKind.MECHANISM: "WhydriftMechanismShift",
        AlertKind.COVARIATE: "WhydriftCovariateShift",
        AlertKind.FAULT: "WhydriftDataFault",
        AlertKind.CONDITIONAL: "WhydriftConditionalShift",
        AlertKind.GRAPH: "WhydriftGraphChange",
    }
)

# What a fault or a changed graph is, whatever the monitor's own severity.
_SEVERITIES: Final = MappingProxyType({AlertKind.FAULT: "critical", AlertKind.GRAPH: "info"})


def alert_name(kind: AlertKind | LapseKind) -> str:
    """Return the name of an alert, as the rules for Prometheus have it."""
    return LAPSES[kind].alert if isinstance(kind, LapseKind) else ALERT_NAMES[kind]


def alert_severity(kind: AlertKind | LapseKind, of_monitor: str) -> str:
    """Return how grave an alert is: a fault is critical, a changed graph is for information.

    Parameters
    ----------
    kind : AlertKind or LapseKind
    of_monitor : str
        What the monitor's own ``alert.severity`` says, which holds for all other kinds of drift.
    """
    if isinstance(kind, LapseKind):
        return LAPSES[kind].severity
    return _SEVERITIES.get(kind, of_monitor)


def alert_labels(
    monitor: str, key: AlertKey | LapseKey, *, severity: str, team: str | None
) -> dict[str, str]:
    """Return the labels by which Alertmanager knows an alert: those that the rules give it too.

    Labels without a value are left out, as Alertmanager and Prometheus do.

    Parameters
    ----------
    monitor : str
    key : AlertKey or LapseKey
    severity : str
        As :func:`alert_severity` says.
    team : str, optional
        The monitor's ``alert.team``.
    """
    labels = {
        "alertname": alert_name(key.kind),
        "monitor": monitor,
        "segment": key.segment,
        "target": key.target,
        "kind": "" if isinstance(key, LapseKey) else key.kind.value,
        "severity": severity,
        "team": team or "",
    }
    return {name: value for name, value in labels.items() if value}


def report_link(external_url: str, monitor: str, key: AlertKey) -> str:
    """Return where the report of an alert is found, whichever diagnosis spoke of it last.

    It stays the same while the alert lasts, so that a rule can write it, which knows no diagnosis.
    """
    asked = urlencode({"segment": key.segment, "target": key.target, "kind": key.kind.value})
    return f"{external_url.rstrip('/')}/monitors/{monitor}/report?{asked}"
