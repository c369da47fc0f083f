"""One value in far more rows than the reference has it."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.snapshot.schema import ColumnKind
from whydrift.monitor.diagnosis.diagnosis import Fault, FaultKind
from whydrift.monitor.diagnosis.faults.base import Finding, Suspects, share_rises

__all__ = ["stuck_value"]

_LEAST_RISE = 0.02
_CONSTANT = 0.999


def stuck_value(suspects: Suspects) -> list[Finding]:
    """Find columns that stand still in part or all of the rows.

    Continuous columns and counts: a value that the reference (nearly) never has, or a column that
    became constant. Grades and categories have few values anyway: only a constant is a fault.
    """
    found = []
    limit = suspects.level / len(suspects.names)
    for name in suspects.names:
        before, after = suspects.reference.column(name), suspects.current.column(name)
        before, values = before[np.isfinite(before)], after[np.isfinite(after)]
        if values.size < 10 or before.size < 10:
            continue
        distinct, counts = np.unique(values, return_counts=True)
        top = int(counts.argmax())
        value, count = float(distinct[top]), int(counts[top])
        share, share_before = count / values.size, float((before == value).mean())
        p_value = share_rises(int((before == value).sum()), before.size, count, values.size)
        kind = suspects.reference.schema[name].kind
        if share >= _CONSTANT:
            is_stuck = share_before < 0.9
        else:
            is_stuck = (
                kind in {ColumnKind.CONTINUOUS, ColumnKind.COUNT}
                and share - share_before >= _LEAST_RISE
                and share_before <= 0.2 * share
                # A count's commonest value moves with its mean; only a spike is suspicious.
                and share >= 5 * _next_share(counts, values.size)
            )
        if not is_stuck or p_value >= limit:
            continue
        shown = _shown(suspects, name, value)
        evidence = f"{shown} in {share:.1%} of the rows; in the reference {share_before:.1%}"
        repaired = np.where(after == value, np.nan, after)
        found.append(
            Finding(
                Fault(
                    FaultKind.STUCK_VALUE,
                    (name,),
                    share - share_before,
                    evidence,
                    repaired=share < _CONSTANT,
                ),
                {name: repaired},
            )
        )
    return found


def _next_share(counts: np.ndarray[tuple[int], np.dtype[np.int64]], rows: int) -> float:
    return float(np.partition(counts, -2)[-2]) / rows if counts.size > 1 else 0.0


def _shown(suspects: Suspects, name: str, value: float) -> str:
    column = suspects.current.schema[name]
    return repr(column.categories[int(value)]) if column.kind.is_discrete else f"{value:.6g}"
