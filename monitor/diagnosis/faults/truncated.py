"""Category names that were cut off at one length."""

from __future__ import annotations

import numpy as np

from whydrift.monitor.diagnosis.diagnosis import Fault, FaultKind
from whydrift.monitor.diagnosis.faults.base import Finding, Suspects, share_rises

__all__ = ["truncated"]

_LEAST_SHARE = 0.005
_LEAST_ROWS = 10


def truncated(suspects: Suspects) -> list[Finding]:
    """Find categories that are the reference's, cut off at one and the same length.

    Every new name of the greatest length among the new has to begin a longer one of the reference.
    Either no name of the current window is longer, or (where only some rows were cut) there are
    several such names and no other new ones. A name that only one of the reference's begins with
    is undone; of others it is not known which they were.
    """
    found = []
    for name in suspects.names:
        if suspects.reference.schema[name].kind.is_discrete:
            finding = _cut_off(suspects, name)
            if finding is not None:
                found.append(finding)
    return found


def _cut_off(suspects: Suspects, name: str) -> Finding | None:
    known = suspects.reference.schema[name].categories
    categories = suspects.current.schema[name].categories
    summary, before = suspects.current.summaries[name], suspects.reference.summaries[name]
    present = [c for c, n in zip(categories, summary.category_counts, strict=True) if n]
    new = set(present).difference(known)
    if not new:
        return None
    length = max(len(label) for label in new)
    cut = {
        label: [k for k in known if k.startswith(label)] for label in new if len(label) == length
    }
    has_longer = any(len(label) > length for label in present)
    if not all(cut.values()) or (has_longer and (len(cut) < 2 or len(cut) < len(new))):
        return None
    number = {label: categories.index(label) for label in cut}
    count = sum(summary.category_counts[n] for n in number.values())
    share = count / summary.count
    limit = suspects.level / len(suspects.names)
    if (
        count < max(_LEAST_ROWS, _LEAST_SHARE * summary.count)
        or share_rises(0, max(1, before.count), count, summary.count) >= limit
    ):
        return None
    codes = suspects.current.column(name)
    repaired, rows = codes.copy(), np.isin(codes, list(number.values()))
    for label, begins in cut.items():
        whole = float(known.index(begins[0])) if len(begins) == 1 else np.nan
        repaired[codes == number[label]] = whole
    example = max(cut, key=lambda label: summary.category_counts[number[label]])
    evidence = (
        f"{len(cut)} new {'name' if len(cut) == 1 else 'names'} of {length} characters, each the "
        f"beginning of a longer one of the reference (such as {example!r} for "
        f"{cut[example][0]!r}), in {share:.1%} of the rows"
    )
    is_undone = all(len(begins) == 1 for begins in cut.values())
    fault = Fault(FaultKind.TRUNCATED, (name,), share, evidence, repaired=is_undone)
    return Finding(fault, {name: repaired}, rows)
