"""A placeholder in place of values: 0, -1, 999, 1970-01-01, the reference's mean, "unknown"."""

from __future__ import annotations

from typing import Final

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.snapshot.schema import ColumnKind
from whydrift.monitor.diagnosis.cut_off import limit_of
from whydrift.monitor.diagnosis.diagnosis import Fault, FaultKind
from whydrift.monitor.diagnosis.faults.atom import moved_atom
from whydrift.monitor.diagnosis.faults.base import Finding, Suspects, ks_distance, share_rises
from whydrift.monitor.diagnosis.faults.category_of import only_in
from whydrift.monitor.diagnosis.faults.conversion import distance_by_chance
from whydrift.monitor.diagnosis.faults.spike import Spike, belongs_to_a_category, spike
from whydrift.monitor.diagnosis.faults.stuck_value import shown_value
from whydrift.monitor.diagnosis.moment import iso

__all__ = ["default_value"]

_LEAST_SHARE = 0.01
_LEAST_ROWS = 10
_NEAR_MEAN = 0.02  # sd
_MOST_OF_OTHERS = 0.1  # that the other values may have moved by, beyond chance
_MOST_ON_A_LIST = 60
_NINES = tuple(float(10**k - 1) for k in range(1, 10))
_PLACEHOLDERS: Final = frozenset(
    {0.0, -1.0, *_NINES, *(-n for n in _NINES), 2.0**31 - 1, -(2.0**31), 2.0**15 - 1, 65_535.0}
)
# 1970, 1900, 2000 and the day before 1900, to the day: clocks differ by hours.
_MOMENTS: Final = (0.0, -2_208_988_800.0, 946_684_800.0, -2_209_161_600.0)
_DAY = 86_400.0
_WORDS: Final = frozenset(
    {
        *("unknown", "unk", "undefined", "unspecified", "missing", "default", "other", "tbd"),
        *("n/a", "na", "none", "null", "nan", "nil", "not_set", "notset", "xxx"),
        *("-", "--", "?", ".", "0", "-1", "99", "999", "9999", "-99", "-999"),
    }
)


def default_value(suspects: Suspects) -> list[Finding]:
    """Find columns in which a placeholder took the place of values.

    Of numbers and times: a value that spikes, scattered over the rows, and is a common
    placeholder, or the reference's mean or median, or came as values ceased to be missing. Of
    grades and categories: a placeholder that the reference does not have.
    """
    found = []
    for name in (*suspects.names, *suspects.times):
        kind = suspects.reference.schema[name].kind
        if kind.is_discrete:
            finding = _word(suspects, name)
        elif kind is ColumnKind.ORDINAL:
            finding = _grade(suspects, name)
        else:
            finding = _number(suspects, name)
        if finding is not None:
            found.append(finding)
    return found


def _number(suspects: Suspects, name: str) -> Finding | None:
    seen = spike(suspects, name) or _below_zero(suspects, name)
    if seen is None:
        return None
    if belongs_to_a_category(suspects, name, seen):
        return None
    atom = moved_atom(suspects, name)
    if atom is not None and atom.now == seen.value:
        return None  # all others moved with it
    limit = limit_of(suspects.reference.column(name), suspects.current.column(name))
    if limit is not None and limit.value == seen.value:
        return None  # the others are where they were, up to there
    is_time = suspects.reference.schema[name].kind is ColumnKind.TIMESTAMP
    if is_time:
        # Sorted rows put equal moments together, and a window may be of one day.
        if (seen.comes_in_runs or seen.is_constant) and not _is_no_moment(seen.value):
            return None
    elif seen.comes_in_runs and not seen.is_constant:
        return None
    before = suspects.reference.column(name)
    before = before[np.isfinite(before)]
    # What was filled in may be the mean of another window: this one's, or the training rows'.
    near = before.std() * (_NEAR_MEAN + 3 / np.sqrt(before.size))
    shown = shown_value(suspects, name, seen)
    filled = _fewer_missing(suspects, name)
    if is_time:
        what = iso(seen.value)[:10]
    elif seen.value in _PLACEHOLDERS and not _is_one_more(seen.value, before):
        what = shown
    elif seen.is_constant:  # it stands still, wherever that is
        return None
    elif abs(seen.value - before.mean()) < near:
        what = f"{shown}, about the reference's mean ({before.mean():.4g}),"
    elif abs(seen.value - np.median(before)) < near:
        what = f"{shown}, about the reference's median ({np.median(before):.4g}),"
    elif 0.5 * seen.share < filled < 1.5 * seen.share + 0.01:
        what = shown
    else:
        return None
    return _found(suspects, name, seen, what, filled)


def _below_zero(suspects: Suspects, name: str) -> Spike | None:
    """Return the one negative value, a placeholder, of numbers that never were below 0.

    However common others are. What moved below 0 would have more than one value there.
    """
    before, after = suspects.reference.column(name), suspects.current.column(name)
    known, present = before[np.isfinite(before)], np.isfinite(after)
    rows = present & (after < 0)
    count = int(rows.sum())
    if not known.size or known.min() < 0 or count < max(_LEAST_ROWS, _LEAST_SHARE * present.sum()):
        return None
    value = float(after[rows][0])
    if value not in _PLACEHOLDERS or (after[rows] != value).any() or rows.sum() == present.sum():
        return None
    sound = after[present & ~rows]
    if ks_distance(sound, known) > _MOST_OF_OTHERS + distance_by_chance(sound, known):
        return None  # all of them moved
    p_value = share_rises(0, known.size, count, int(present.sum()))
    if p_value >= suspects.level / len(suspects.names):
        return None
    return Spike(value, count / int(present.sum()), 0.0, rows, is_outside=True)


def _is_no_moment(seconds: float) -> bool:
    """Whether a time is one that stands for none."""
    return any(abs(seconds - moment) < _DAY for moment in _MOMENTS)


def _found(suspects: Suspects, name: str, seen: Spike, what: str, filled: float) -> Finding:
    place = None if seen.is_constant else only_in(suspects, name, seen.rows)
    told = f", {place}" if place else ""
    evidence = (
        f"{what} in {seen.share:.1%} of the rows{told}; in the reference {seen.usual:.1%}: it "
        "looks like a placeholder"
    )
    if filled > 0.25 * seen.share:
        evidence += f" ({filled:.1%} of the rows less are missing than in the reference)"
    repaired = np.where(seen.rows, np.nan, suspects.current.column(name))
    fault = Fault(
        FaultKind.DEFAULT_VALUE,
        (name,),
        seen.share - seen.usual,
        evidence,
        repaired=not seen.is_constant,
        where=place.where if place else None,
    )
    return Finding(fault, {name: repaired}, seen.rows, seen.usual)


def _fewer_missing(suspects: Suspects, name: str) -> float:
    return suspects.reference.missing_share(name) - suspects.current.missing_share(name)


def _grade(suspects: Suspects, name: str) -> Finding | None:
    """Return a placeholder that lies apart from all grades."""
    before, after = suspects.reference.column(name), suspects.current.column(name)
    present = after[np.isfinite(after)]
    grades = np.unique(before[np.isfinite(before)])
    if present.size < _LEAST_ROWS or not grades.size:
        return None
    best: Spike | None = None
    # A scale that grew, from one grade to many, passes through numbers that stand for nothing else.
    sound = present[~np.isin(present, list(_PLACEHOLDERS))]
    scale = np.unique(np.concatenate([grades, sound]))
    for value in np.unique(present):
        if float(value) not in _PLACEHOLDERS or not _apart(float(value), scale):
            continue
        if _is_one_more(float(value), grades):
            continue
        rows = after == value
        share = float(rows.sum()) / present.size
        if best is None or share > best.share:
            best = Spike(float(value), share, 0.0, rows, is_outside=True)
    if best is None or best.share < _LEAST_SHARE or best.rows.sum() < _LEAST_ROWS:
        return None
    known = before[np.isfinite(before)]
    others = present[present != best.value]
    if ks_distance(others, known) > _MOST_OF_OTHERS + distance_by_chance(others, known):
        return None  # all of them moved
    size = known.size
    p_value = share_rises(0, size, int(best.rows.sum()), present.size)
    if p_value >= suspects.level / len(suspects.names):
        return None
    shown = shown_value(suspects, name, best)
    return _found(suspects, name, best, shown, _fewer_missing(suspects, name))


def _is_one_more(value: float, known: FloatArray) -> bool:
    """Whether nines are one more number on a list with gaps, such as of seats, or of prices."""
    if value not in _NINES:
        return False
    scale = np.unique(known)
    next_to = int((np.diff(scale) <= 1).sum())
    is_counted = scale.size > _MOST_ON_A_LIST or 2 * next_to >= scale.size - 1
    return not is_counted and value < 10 * scale[-1]


def _apart(value: float, grades: FloatArray) -> bool:
    """Whether a value is no next step of the scale: 0 below 1, 2, 3 may be a grade, -1 is none."""
    step = float(np.diff(grades).min()) if grades.size > 1 else 1.0
    if value < 0 <= grades[0]:
        return True
    return bool(value > grades[-1] + 2 * step or value < grades[0] - 2 * step)


def _word(suspects: Suspects, name: str) -> Finding | None:
    """Return a new category that says that there is no value."""
    known = len(suspects.reference.schema[name].categories)
    current = suspects.current.summaries[name]
    categories = suspects.current.schema[name].categories[known:]
    counts = current.category_counts[known:]
    words = [i for i, label in enumerate(categories) if label.strip().casefold() in _WORDS]
    count = sum(counts[i] for i in words)
    if count < max(_LEAST_ROWS, _LEAST_SHARE * current.count) or not words:
        return None
    before = suspects.reference.summaries[name].count
    limit = suspects.level / len(suspects.names)
    if share_rises(0, max(1, before), count, current.count) >= limit:
        return None
    codes = suspects.current.column(name)
    rows = np.isin(codes, [known + i for i in words])
    largest = categories[max(words, key=lambda i: counts[i])]
    share = count / current.count
    place = only_in(suspects, name, rows)
    told = f" ({place})" if place else ""
    evidence = (
        f"{largest!r} in {share:.1%} of the rows{told}, which is no category of the reference: "
        "it looks like a placeholder"
    )
    where = place.where if place else None
    fault = Fault(FaultKind.DEFAULT_VALUE, (name,), share, evidence, repaired=True, where=where)
    return Finding(fault, {name: np.where(rows, np.nan, codes)}, rows)
