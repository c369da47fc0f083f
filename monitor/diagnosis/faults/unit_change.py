"""Numbers recorded in another unit: multiplied by a power of ten, 24, 60, 1,024, … or °C/°F."""

from __future__ import annotations

from functools import partial

import numpy as np

from whydrift.monitor.diagnosis.diagnosis import Fault, FaultKind
from whydrift.monitor.diagnosis.faults.base import Finding, Suspects
from whydrift.monitor.diagnosis.faults.conversion import distance_by_chance, fitting
from whydrift.monitor.diagnosis.faults.unit_in_part import converted_rows

__all__ = ["unit_change"]

_MOST_LEFT = 0.02  # beyond chance, once all values are converted back


def unit_change(suspects: Suspects) -> list[Finding]:
    """Find numbers that fit the reference once a common conversion is undone, and not before."""
    found = []
    for name in suspects.numbers:
        before, after = suspects.reference.column(name), suspects.current.column(name)
        ordered = suspects.reference.ascending(name)
        fit = fitting(
            after[np.isfinite(after)],
            before[np.isfinite(before)],
            ordered,
            partial(suspects.past_values, before),
        )
        if fit is None:
            continue
        known, values = before[np.isfinite(before)], after[np.isfinite(after)]
        # What is left may be rows from before somebody changed the unit.
        if fit.left > _MOST_LEFT + distance_by_chance(values, known) and (
            some := converted_rows(suspects, name)
        ):
            found.append(some)
            continue
        evidence = (
            f"values look converted ({fit.text}): largest gap to the reference's "
            f"distribution {fit.distance:.2f} as recorded, {fit.left:.2f} when undone"
        )
        fault = Fault(FaultKind.UNIT_CHANGE, (name,), 1.0, evidence, repaired=True)
        found.append(Finding(fault, {name: fit.conversion.undo(after)}))
    return found
