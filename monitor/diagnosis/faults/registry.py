"""The table of fault detectors, and the order in which they look."""

from __future__ import annotations

from typing import Final

from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.faults.base import Detector, Finding, Suspects
from whydrift.monitor.diagnosis.faults.loss_identity import loss_identity
from whydrift.monitor.diagnosis.faults.null_spike import null_spike
from whydrift.monitor.diagnosis.faults.recode import recode
from whydrift.monitor.diagnosis.faults.stuck_value import stuck_value
from whydrift.monitor.diagnosis.faults.swap import swap
from whydrift.monitor.diagnosis.faults.type_change import type_change
from whydrift.monitor.diagnosis.faults.unit_change import unit_change

__all__ = ["DETECTORS", "find_faults"]

_LEAST_ROWS = 20  # below this nothing can be told from chance

# A column that is not readable at all comes first, then what spoils single columns; a swap is
# looked for last, among the columns whose own values are sound.
DETECTORS: Final[dict[str, Detector]] = {
    "type_change": type_change,
    "null_spike": null_spike,
    "unit_change": unit_change,
    "stuck_value": stuck_value,
    "recode": recode,
    "swap": swap,
    "loss_identity": loss_identity,
}


def find_faults(
    reference: Snapshot, current: Snapshot, names: tuple[str, ...], *, level: float = 0.01
) -> tuple[tuple[Finding, ...], Snapshot]:
    """Find what broke in the current window.

    Parameters
    ----------
    reference, current : Snapshot
        With the same meaning of category codes.
    names : tuple of str
        Columns to look at.
    level : float
        Chance of a false fault that each detector may spend, over all columns.

    Returns
    -------
    findings : tuple of Finding
        At most one for a column.
    repaired : Snapshot
        The current window with everything undone that can be undone.
    """
    if min(len(reference.sample), len(current.sample)) < _LEAST_ROWS:
        return (), current
    findings: list[Finding] = []
    faulty: set[str] = set()
    for detector in DETECTORS.values():
        sound = tuple(n for n in names if n not in faulty)
        if not sound:
            break
        for finding in detector(Suspects(reference, current, sound, level)):
            findings.append(finding)
            faulty.update(finding.fault.columns)
            current = current.with_sample(finding.repairs) if finding.repairs else current
    return tuple(findings), current
