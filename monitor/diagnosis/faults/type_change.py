"""Values of another type than the reference's: text where there were numbers, lists for either."""

from __future__ import annotations

import re

from whydrift.monitor.diagnosis.diagnosis import Fault, FaultKind
from whydrift.monitor.diagnosis.faults.base import Finding, Suspects, share_rises

__all__ = ["type_change"]

_LEAST_SHARE = 0.01


def type_change(suspects: Suspects) -> list[Finding]:
    """Find columns whose stored type changed so that values can no longer be read.

    Numbers that arrive as text are read as numbers and are no fault. A named time, prediction and
    cluster key are asked, too.
    """
    found = []
    for name in dict.fromkeys((*suspects.names, *suspects.with_roles)):
        kind = suspects.reference.schema[name].kind
        before, after = suspects.reference.summaries[name], suspects.current.summaries[name]
        rows = suspects.current.rows
        share = after.misfit / rows
        p_value = share_rises(before.misfit, suspects.reference.rows, after.misfit, rows)
        if share >= _LEAST_SHARE and p_value < suspects.level / max(1, len(suspects.names)):
            now = "text" if after.storage == "text" else "nested or binary"
            usual = _WORDS.get(before.storage, "others")
            if kind.is_numeric and after.storage == "text":
                usual = "numbers"  # which may have been written as text
            such = ""
            if now == "text" and after.example:
                such = f", such as {after.example!r}{_why(after.example)},"
            evidence = f"{share:.0%} of the values are {now}{such} where the reference has {usual}"
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


def _why(example: str) -> str:
    """Return why a text is no number, where that can be seen."""
    if not _COMMA.fullmatch(example.strip()):
        return ""
    is_open = len(example.strip().rpartition(",")[2]) == 3
    return " (a decimal comma, or one between thousands)" if is_open else " (a decimal comma)"


_COMMA = re.compile(r"[+-]?[\d.]*\d,\d+")
_WORDS = {"number": "numbers", "text": "text", "boolean": "true and false", "time": "times"}
_CLASHES = ({"text", "number"}, {"boolean", "number"}, {"boolean", "text"}, {"text", "time"})
