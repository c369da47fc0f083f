"""Values of another type than the reference's: text where there were numbers, or the reverse."""

from __future__ import annotations

from whydrift.monitor.diagnosis.diagnosis import Fault, FaultKind
from whydrift.monitor.diagnosis.faults.base import Finding, Suspects, share_rises

__all__ = ["type_change"]

_LEAST_SHARE = 0.01


def type_change(suspects: Suspects) -> list[Finding]:
    """Find columns whose stored type changed so that values can no longer be read.

    Numbers that arrive as text are read as numbers and are no fault.
    """
    found = []
    for name in suspects.names:
        kind = suspects.reference.schema[name].kind
        before, after = suspects.reference.summaries[name], suspects.current.summaries[name]
        rows = suspects.current.rows
        if kind.is_numeric:
            share = after.misfit / rows
            p_value = share_rises(before.misfit, suspects.reference.rows, after.misfit, rows)
            if share >= _LEAST_SHARE and p_value < suspects.level / len(suspects.names):
                evidence = f"{share:.0%} of the values are text where the reference has numbers"
                found.append(Finding(Fault(FaultKind.TYPE_CHANGE, (name,), share, evidence)))
        elif kind.is_discrete and {before.storage, after.storage} in _CLASHES:
            known = len(suspects.reference.schema[name].categories)
            unknown = sum(after.category_counts[known:])
            if after.count and unknown >= 0.9 * after.count:
                evidence = (
                    f"stored as {after.storage} where the reference has {before.storage}, "
                    "and hardly any value is a known category"
                )
                found.append(
                    Finding(Fault(FaultKind.TYPE_CHANGE, (name,), unknown / rows, evidence))
                )
    return found


_CLASHES = ({"text", "number"}, {"boolean", "number"}, {"boolean", "text"}, {"text", "time"})
