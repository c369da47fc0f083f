"""One value in far more rows than the reference has it."""

from __future__ import annotations

import numpy as np

from whydrift.monitor.diagnosis.diagnosis import Fault, FaultKind
from whydrift.monitor.diagnosis.faults.base import Finding, Suspects
from whydrift.monitor.diagnosis.faults.spike import Spike, spike

__all__ = ["shown_value", "stuck_value"]


def stuck_value(suspects: Suspects) -> list[Finding]:
    """Find columns that stand still in part or all of the rows."""
    found = []
    for name in suspects.names:
        seen = spike(suspects, name)
        if seen is None:
            continue
        evidence = (
            f"{shown_value(suspects, name, seen)} in {seen.share:.1%} of the rows; in the "
            f"reference {seen.usual:.1%}"
        )
        repaired = np.where(seen.rows, np.nan, suspects.current.column(name))
        fault = Fault(
            FaultKind.STUCK_VALUE,
            (name,),
            seen.share - seen.usual,
            evidence,
            repaired=not seen.is_constant,
        )
        found.append(Finding(fault, {name: repaired}, seen.rows, seen.usual))
    return found


def shown_value(suspects: Suspects, name: str, seen: Spike) -> str:
    """Return the value as the data have it."""
    column = suspects.current.schema[name]
    if column.kind.is_discrete:
        return repr(column.categories[int(seen.value)])
    return f"{seen.value:.6g}"
