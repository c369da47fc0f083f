"""Rows that are no longer let through: those below or above a limit, or of one category."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.discovery.independence.dependence import lag_one
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.clocks import goes_up
from whydrift.monitor.diagnosis.diagnosis import Fault, FaultKind
from whydrift.monitor.diagnosis.faults.base import (
    Finding,
    Suspects,
    ks_distance,
    sorted_ks_distance,
)
from whydrift.monitor.diagnosis.faults.independent_rows import independent_rows

__all__ = ["filter_changed"]

_LEAST_SHARE = 0.02  # of the reference's rows that no longer come
_LEAST_EXPECTED = 30.0  # of them in the current window
_LEAST_KEPT = 50  # of the reference's sample
_MOST_LEFT = 0.4  # of the distance between the windows, once the filter is applied to both
_KS_FIVE_PERCENT, _KS_RARE = 1.36, 1.95
_BORDER = 0.1  # share of the rows that lie next to the limit
_MOST_COMPANIONS = 30


@dataclass(frozen=True)
class _Cut:
    """What may be filtered out: rows of the reference, in words, and their share."""

    name: str
    words: str
    out: BoolArray  # of the reference's sample
    share: float


def filter_changed(suspects: Suspects) -> list[Finding]:
    """Find rows of the reference whose like is not in the current window at all.

    Under a filter the column ends at a sharp limit: just inside of it there are as many rows as
    ever, and without the rows beyond the limit the reference is distributed as the current window
    is, in this column and in those that moved with it. A mechanism that moved thins out towards
    its end instead. Undone by leaving these rows out of the reference.
    """
    best: _Cut | None = None
    for cut in _cuts(suspects):
        is_better = best is None or cut.share > best.share
        if is_better and _others_follow(suspects, cut):
            best = cut
    if best is None:
        return []
    evidence = (
        f"no row has {best.words}, as {best.share:.1%} of the reference's rows have; the others "
        "are distributed as before"
    )
    fault = Fault(FaultKind.FILTER_CHANGED, (), best.share, evidence, repaired=True)
    return [Finding(fault, kept_reference=np.flatnonzero(~best.out))]


def _cuts(suspects: Suspects) -> Iterator[_Cut]:
    for name in suspects.numbers:
        for side in (1.0, -1.0):
            cut = _limit(suspects, name, side)
            if cut is not None:
                yield cut
    for name in suspects.names:
        if suspects.reference.schema[name].kind.is_discrete:
            cut = _category(suspects, name)
            if cut is not None:
                yield cut


def _limit(suspects: Suspects, name: str, side: float) -> _Cut | None:
    """Return the cut below the smallest current value (side 1), or above the largest (-1)."""
    summary = suspects.current.summaries[name]
    end = summary.low if side > 0 else summary.high
    if end is None:
        return None
    before, after = (side * w.column(name) for w in (suspects.reference, suspects.current))
    limit = side * end
    out = before < limit
    known, values = before[np.isfinite(before)], after[np.isfinite(after)]
    share = float(out.sum()) / max(1, known.size)
    # The smallest value so far may be a slip of a repair: only what all rows say counts.
    if values.size < _LEAST_KEPT or values.min() < limit:
        return None
    if known.size > 1 and goes_up(side * known) and goes_up(side * values):
        return None  # it runs on while rows come: a shorter window has not got as far
    r = max(0.0, lag_one(after[:, None]))  # rows that are alike count less
    if not _enough(suspects, values.size * (1 - r) / (1 + r), share):
        return None
    known, values = np.sort(known), np.sort(values)
    kept = known[known >= limit]
    if kept.size < _LEAST_KEPT:
        return None
    left, distance = sorted_ks_distance(values, kept), sorted_ks_distance(values, known)
    noise = _KS_FIVE_PERCENT * np.sqrt(1 / values.size + 1 / kept.size)
    if left > min(noise, _MOST_LEFT * distance):
        return None
    border = kept[int(_BORDER * kept.size)]
    if border > limit:  # else a tenth of the rows or more stand on the limit itself
        inside = float((values < border).mean())
        if not 0.6 * _BORDER < inside < 1.6 * _BORDER:
            return None
    words = f"{name!r} {'below' if side > 0 else 'above'} {end:.6g}"
    return _Cut(name, words, out, share)


def _enough(suspects: Suspects, effective: float, share: float) -> bool:
    """Whether so large a share of so many independent rows can't be absent by chance.

    With the reference's rows as few as they are the share itself is uncertain: three standard
    errors less are what counts.
    """
    if share < _LEAST_SHARE:
        return False
    rows = len(suspects.reference.sample)
    least = share - 3 * np.sqrt(share * (1 - share) / rows)
    if least <= 0 or least * effective < _LEAST_EXPECTED:
        return False
    return bool(effective * np.log1p(-min(least, 1 - 1e-9)) < np.log(suspects.level / 1e3))


def _category(suspects: Suspects, name: str) -> _Cut | None:
    """Return the cut at a category that vanished while the others kept their proportions."""
    levels = len(suspects.reference.schema[name].categories)
    before = np.array(suspects.reference.summaries[name].category_counts, dtype=np.float64)
    after = np.array(suspects.current.summaries[name].category_counts[:levels], dtype=np.float64)
    gone = np.flatnonzero((after == 0) & (before > 0))
    if not gone.size or after.sum() < _LEAST_KEPT:
        return None
    shares = before / before.sum()
    gone = gone[shares[gone] >= _LEAST_SHARE]
    if not gone.size:
        return None
    # The current rows may all be of one category: how long each lasts the reference knows.
    column = suspects.reference.column(name)
    count = independent_rows(np.column_stack([column == g for g in gone]) * 1.0)
    if not _enough(suspects, count * after.sum(), float(shares[gone].min())):
        return None
    kept = np.setdiff1d(np.flatnonzero(before > 0), gone)
    if kept.size and _differs(before[kept], after[kept], 1e-3):
        return None
    out = np.isin(column, gone)
    if (~out).sum() < _LEAST_KEPT:
        return None
    categories = suspects.reference.schema[name].categories
    labels = " or ".join(repr(categories[g]) for g in gone[:3])
    return _Cut(name, f"{name!r} = {labels}", out, float(shares[gone].sum()))


def _differs(before: FloatArray, after: FloatArray, level: float) -> bool:
    if before.size < 2:
        return False
    total = before + after
    expected = [total * part.sum() / total.sum() for part in (before, after)]
    statistic = sum(
        float(((part - mean) ** 2 / mean).sum())
        for part, mean in zip((before, after), expected, strict=True)
    )
    return bool(chdtrc(before.size - 1, statistic) < level)


def _others_follow(suspects: Suspects, cut: _Cut) -> bool:
    """Whether the other columns are as in the reference's rows inside the limit.

    Columns that move by more than chance beside it have moved for reasons of their own; one such
    takes nothing from the finding, but where more of them speak against it than for it, the limit
    is a by-product of a shift.
    """
    inside = np.flatnonzero(~cut.out)
    kept = suspects.reference.take(inside)
    worse = better = 0
    for name in suspects.names[:_MOST_COMPANIONS]:
        if name == cut.name:
            continue
        plain = _apart(suspects.reference, suspects.current, name)
        cleared = _apart(kept, suspects.current, name)
        if cleared < 1 <= plain:
            better += 1
        elif cleared >= 1:
            worse += 1
    return worse <= better


def _apart(reference: Snapshot, current: Snapshot, name: str) -> float:
    """Return how far a column moved, in units of what chance rarely exceeds."""
    before, after = reference.column(name), current.column(name)
    sizes = [max(1, int(np.isfinite(v).sum())) for v in (before, after)]
    noise = _KS_RARE * np.sqrt(sum(1 / size for size in sizes))
    return ks_distance(before, after) / float(noise)
