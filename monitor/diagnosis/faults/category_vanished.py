"""Categories that no longer come, while others took their rows."""

from __future__ import annotations

import numpy as np

from whydrift.monitor.diagnosis.diagnosis import Fault, FaultKind
from whydrift.monitor.diagnosis.faults.base import Finding, Suspects
from whydrift.monitor.diagnosis.faults.independent_rows import independent_rows

__all__ = ["category_vanished"]

_LEAST_SHARE = 0.02
_LEAST_EXPECTED = (
    40.0  # independent rows: a category that became ten times rarer would still be seen
)
_CLOSE = 0.15  # of the lost share, between it and what another category gained


def category_vanished(suspects: Suspects) -> list[Finding]:
    """Find a category without any row, of which the reference has many, that another took in.

    A category alone that grew by the share that was lost is a merger: whose rows are whose is not
    known, so that all of its rows are left out. A category that merely became too rare to be seen
    is a shift.
    """
    found = []
    for name in suspects.names:
        if suspects.reference.schema[name].kind.is_discrete:
            finding = _merged(suspects, name)
            if finding is not None:
                found.append(finding)
    return found


def _merged(suspects: Suspects, name: str) -> Finding | None:
    categories = suspects.reference.schema[name].categories
    levels = len(categories)
    before = np.array(suspects.reference.summaries[name].category_counts, dtype=np.float64)
    after = np.array(suspects.current.summaries[name].category_counts, dtype=np.float64)
    if levels < 3 or before.sum() == 0 or after.sum() == 0 or after[levels:].any():
        return None
    rows_before, rows = float(before.sum()), float(after.sum())
    shares, shares_now = before / rows_before, after[:levels] / rows
    gone = (after[:levels] == 0) & (shares >= _LEAST_SHARE) & (shares * rows >= _LEAST_EXPECTED)
    if not gone.any():
        return None
    # A state that lasts (weather, a night's rate) may not come at all in a short window.
    usual = suspects.reference.column(name)
    count = independent_rows(np.column_stack([usual == g for g in np.flatnonzero(gone)]) * 1.0)
    gone &= shares * rows * count >= _LEAST_EXPECTED
    if not gone.any():
        return None
    lost = float(shares[gone].sum())
    change = np.where(gone, 0.0, shares_now - shares)
    heir = int(np.argmax(change))
    error = np.sqrt(np.maximum(shares * (1 - shares), 1e-12) * (1 / rows + 1 / rows_before))
    others = np.delete(change / error, heir)
    if abs(change[heir] - lost) > _CLOSE * lost + 3 * error[heir] or np.abs(others).max() > 4:
        return None
    codes = suspects.current.column(name)
    labels = ", ".join(repr(categories[g]) for g in np.flatnonzero(gone)[:3])
    evidence = (
        f"no row has {labels}, as {lost:.1%} of the reference's rows have, and "
        f"{categories[heir]!r} grew by {change[heir]:.1%}: it looks as if they were merged"
    )
    repaired = np.where(codes == heir, np.nan, codes)
    fault = Fault(FaultKind.CATEGORY_SET, (name,), lost, evidence)
    return Finding(fault, {name: repaired})
