"""Names of alerts: the same in the rules for Prometheus and in what is sent directly."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from whydrift.monitor.diagnosis.alert import AlertKind

__all__ = ["ALERT_NAMES"]

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
