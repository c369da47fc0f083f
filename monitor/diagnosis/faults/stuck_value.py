"""One value in far more rows, or in more of them running, than the reference has it."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.snapshot.snapshot import OTHER
from whydrift.monitor.diagnosis.diagnosis import Fault, FaultKind
from whydrift.monitor.diagnosis.faults.atom import moved_atom
from whydrift.monitor.diagnosis.faults.base import Finding, Suspects, ks_distance, share_rises
from whydrift.monitor.diagnosis.faults.category_of import only_in
from whydrift.monitor.diagnosis.faults.conversion import distance_by_chance
from whydrift.monitor.diagnosis.faults.spike import Spike, belongs_to_a_category, spike
from whydrift.monitor.diagnosis.faults.stretch import is_of_one_thing, longest, longest_stretch

__all__ = ["shown_value", "stuck_value"]

_COMMON = 0.01  # share of the rows from which on a value is common
_MOST = 0.9  # of the rows have a common value
_NEAR = 0.5  # of the size of the values
_FILLED = 0.2  # of the values beyond the old bound lie short of the new one
_LEAST_ROWS = 50
_LEAST_AT_BOUND = 0.01  # share of the reference's rows, of a bound that was one
_LEAST_TIMES, _LEAST_CHANCE = 2, 1e-3
_BESIDE = (0.1, 0.3)  # shares of the range: in a long tail few values lie next to its bound
_LONGER = 1.5  # times the reference's longest stretch
_AS_COMMON = 0.3  # as the value is now: what stood at the reference's bound


def stuck_value(suspects: Suspects) -> list[Finding]:
    """Find columns that stand still in part or all of the rows."""
    found = []
    for name in suspects.names:
        finding = _new(suspects, name) or _stretch(suspects, name)
        if finding is not None:
            found.append(finding)
    return found


def _new(suspects: Suspects, name: str) -> Finding | None:
    """Return a value that the reference (nearly) never has, or one in every row."""
    seen = spike(suspects, name)
    if (
        seen is None
        or _is_listed(suspects, name, seen)
        or _is_bound(suspects, name, seen)
        or _begins_all(suspects, name, seen)
        or belongs_to_a_category(suspects, name, seen)
    ):
        return None
    if not seen.is_constant:
        atom = moved_atom(suspects, name)
        if atom is not None and atom.now == seen.value:
            return None  # with all others: an offset, or another unit
        if is_of_one_thing(suspects, name, seen.rows) or _is_usual_stretch(suspects, name, seen):
            return None
    # A stretch of rows lies in one weekday, and in one release: when it began says more.
    place = None if seen.comes_in_runs else only_in(suspects, name, seen.rows)
    told = f", {place}" if place else ""
    evidence = (
        f"{shown_value(suspects, name, seen)} in {seen.share:.1%} of the rows{told}; in the "
        f"reference {seen.usual:.1%}"
    )
    repaired = np.where(seen.rows, np.nan, suspects.current.column(name))
    fault = Fault(
        FaultKind.STUCK_VALUE,
        (name,),
        seen.share - seen.usual,
        evidence,
        repaired=not seen.is_constant,
        where=place.where if place else None,
    )
    return Finding(fault, {name: repaired}, seen.rows, seen.usual)


def _stretch(suspects: Suspects, name: str) -> Finding | None:
    """Return a usual value that stands for far more rows running than any does in the reference."""
    seen = longest_stretch(suspects, name)
    if seen is None:
        return None
    evidence = (
        f"{seen.value:.6g} in {seen.rows.sum():,} rows running ({seen.rows.mean():.1%}); in the "
        f"reference no value stands for more than {seen.usual:,}"
    )
    fault = Fault(FaultKind.STUCK_VALUE, (name,), float(seen.rows.mean()), evidence, repaired=True)
    repaired = np.where(seen.rows, np.nan, suspects.current.column(name))
    return Finding(fault, {name: repaired}, seen.rows)


def _is_listed(suspects: Suspects, name: str, seen: Spike) -> bool:
    """Whether the value is one more on a list of a few, such as a price or a release.

    In a column that has only common values another one is common too. It is new, not stuck, unless
    it stands in one stretch, or far from all that are known while these are still in use.
    """
    before = suspects.reference.column(name)
    values, counts = np.unique(before[np.isfinite(before)], return_counts=True)
    rows = int(counts.sum())
    if counts[counts >= _COMMON * rows].sum() < _MOST * rows:
        return False
    if seen.is_constant:
        return len(values) == 1  # it stood still before
    after = suspects.current.column(name)
    others = after[np.isfinite(after) & ~seen.rows]
    if np.isin(others, values, invert=True).mean() > 1 - _MOST:
        return True  # the whole list is new
    reach = max(float(values[-1] - values[0]), float(np.abs(values).max()))
    is_near = float(np.abs(values - seen.value).min()) <= _NEAR * reach
    return is_near and not seen.comes_in_runs and not _is_of_one_kind(suspects, name, seen)


def _is_of_one_kind(suspects: Suspects, name: str, seen: Spike) -> bool:
    """Whether the value stands in all rows of one category, such as a machine, and in no others."""
    for other in suspects.names:
        if other == name or not suspects.current.schema[other].kind.is_discrete:
            continue
        codes = suspects.current.column(other)
        known = np.isfinite(codes) & (codes >= 0)
        if not known.any():
            continue
        level = codes[known].astype(np.int64)
        hits, rows = np.bincount(level, seen.rows[known]), np.bincount(level)
        whole = hits >= _MOST * rows
        if hits[whole & (rows > 0)].sum() >= _MOST * seen.rows.sum() and not whole[rows > 0].all():
            return True
    return False


def _is_bound(suspects: Suspects, name: str, seen: Spike) -> bool:
    """Whether values are cut at another bound than in the reference, which had one too.

    What was cut off before now fills the gap between the bounds: an overflow leaves it empty.
    """
    before, after = suspects.reference.column(name), suspects.current.column(name)
    before, after = before[np.isfinite(before)], after[np.isfinite(after)]
    for old, new in ((before.min(), after.min()), (before.max(), after.max())):
        if seen.value == new != old:
            usual, still = float((before == old).mean()), float((after == old).mean())
            lower = (after > min(old, new)) & (after < max(old, new))
            beyond = (after < old) if new < old else (after > old)
            is_filled = lower.sum() >= _FILLED * beyond.sum() > 0
            if is_filled and usual >= _AS_COMMON * seen.share and still <= 0.1 * usual:
                return True
            if usual >= _LEAST_AT_BOUND and _is_tightened(before, after, new, is_lower=new > old):
                return True
        elif seen.value == old == new and _is_crowded(before, after, old):
            return True
    return False


def _is_tightened(before: FloatArray, after: FloatArray, bound: float, *, is_lower: bool) -> bool:
    """Whether the rows at a bound are those that the reference has there and beyond."""
    sign = 1.0 if is_lower else -1.0
    x, y, bound = sign * before, sign * after, sign * bound
    a, b = float((x <= bound).mean()), float((y == bound).mean())
    pooled = (a * x.size + b * y.size) / (x.size + y.size)
    error = np.sqrt(pooled * (1 - pooled) * (1 / x.size + 1 / y.size))
    rest = y[y > bound], x[x > bound]
    if min(r.size for r in rest) < _LEAST_ROWS:
        return False
    return bool(abs(a - b) <= 3 * error and ks_distance(*rest) <= distance_by_chance(*rest))


def _is_crowded(before: FloatArray, after: FloatArray, bound: float) -> bool:
    """Whether a bound that there was has more rows beside it, too: the values moved against it."""
    if (before == bound).sum() < _LEAST_TIMES:
        return False
    widths = [share * float(before.max() - before.min()) for share in _BESIDE]
    widths.append(abs(bound - float(np.median(before))))
    return any(
        share_rises(*_beside(before, bound, width), *_beside(after, bound, width)) < _LEAST_CHANCE
        for width in widths
    )


def _beside(values: FloatArray, bound: float, width: float) -> tuple[int, int]:
    """Return how many values lie near a bound but not at it, and how many there are."""
    return int(((np.abs(values - bound) <= width) & (values != bound)).sum()), values.size


def _is_usual_stretch(suspects: Suspects, name: str, seen: Spike) -> bool:
    """Whether the rows are one stretch, no longer than others in the reference: one more user."""
    usual, length = longest(suspects.reference.column(name)), longest(seen.rows, of=1.0)
    return bool(1 < length >= 0.5 * seen.rows.sum() and length <= _LONGER * usual)


def _begins_all(suspects: Suspects, name: str, seen: Spike) -> bool:
    """Whether all names of the reference begin with the value: they were cut off."""
    column = suspects.current.schema[name]
    if not column.kind.is_discrete:
        return False
    known = suspects.reference.schema[name].categories
    label = column.categories[int(seen.value)]
    return label not in known and all(k.startswith(label) for k in known if k != OTHER)


def shown_value(suspects: Suspects, name: str, seen: Spike) -> str:
    """Return the value as the data have it."""
    column = suspects.current.schema[name]
    if column.kind.is_discrete:
        return repr(column.categories[int(seen.value)])
    return f"{seen.value:.6g}"
