"""Numbers recorded in another unit: multiplied by a power of ten, 24, 60, 1,024, … or °C/°F."""

from __future__ import annotations

from functools import partial
from typing import Final

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.discovery.snapshot.schema import ColumnKind
from whydrift.monitor.diagnosis.diagnosis import Fault, FaultKind
from whydrift.monitor.diagnosis.faults.base import Finding, Suspects, ks_distance
from whydrift.monitor.diagnosis.faults.category_of import category_of
from whydrift.monitor.diagnosis.faults.conversion import (
    CONVERSIONS,
    LEAST_ROWS,
    distance_by_chance,
    fitting,
)
from whydrift.monitor.diagnosis.faults.followed import has_followed
from whydrift.monitor.diagnosis.faults.unit_in_part import converted_rows

__all__ = ["unit_change"]

_MOST_LEFT = 0.02  # beyond chance, once all values are converted back
_COUNTED: Final = frozenset({ColumnKind.COUNT, ColumnKind.ORDINAL})
_LEAST_VALUES, _MOST_VALUES = 3, 60  # other than 0
_LEAST_KNOWN = 0.99  # of the values, once converted back
_ALL = 0.9
_LEAST_ROWS, _LEAST_SHARE = 20, 0.01
_MOST_LEFT_OF_PART = 0.2


def unit_change(suspects: Suspects) -> list[Finding]:
    """Find numbers that fit the reference once a common conversion is undone, and not before."""
    found = [
        finding
        for name in suspects.names
        if suspects.reference.schema[name].kind in _COUNTED
        and (finding := _steps(suspects, name)) is not None
    ]
    done = {name for finding in found for name in finding.fault.columns}
    for name in suspects.numbers:
        if name in done:
            continue
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
        undone = fit.conversion.undo(after)
        if not fit.conversion.is_beyond_growth and has_followed(suspects, name, undone):
            continue
        evidence = (
            f"values look converted ({fit.text}): largest gap to the reference's "
            f"distribution {fit.distance:.2f} as recorded, {fit.left:.2f} when undone"
        )
        fault = Fault(FaultKind.UNIT_CHANGE, (name,), 1.0, evidence, repaired=True)
        found.append(Finding(fault, {name: undone}))
    return found


def _steps(suspects: Suspects, name: str) -> Finding | None:
    """Return grades or counts of few values of which some or all are a factor times known ones.

    Zeros are the same in any unit: of numbers that mostly are 0, little moved. Which values there
    are tells conversions from growth.
    """
    before, after = suspects.reference.column(name), suspects.current.column(name)
    known = before[np.isfinite(before) & (before != 0)]
    counted = np.isfinite(after) & (after != 0)
    scale = np.unique(known)
    if known.size < LEAST_ROWS or not _LEAST_VALUES <= scale.size <= _MOST_VALUES:
        return None
    rows = counted.copy()
    rows[counted] = ~_is_on(scale, after[counted])
    values = after[rows]
    if values.size < max(_LEAST_ROWS, _LEAST_SHARE * counted.sum()):
        return None
    by_chance = distance_by_chance(values, known)
    is_all = values.size >= _ALL * counted.sum()
    fitted = [
        (ks_distance(np.round(undone, 6), known), c)
        for c in CONVERSIONS
        if not c.shift and _is_on(scale, undone := c.undo(values)).mean() >= _LEAST_KNOWN
    ]
    least, best = min(fitted, key=lambda pair: pair[0], default=(1.0, None))
    # The rows of a part may be of a kind of their own.
    if best is None or least > (_MOST_LEFT if is_all else _MOST_LEFT_OF_PART) + by_chance:
        return None
    where = None if is_all else category_of(suspects, rows, counted)
    if not is_all and where is None:
        return None  # packs of ten beside single ones
    share = 1.0 if is_all else float(rows.sum() / np.isfinite(after).sum())
    text = f"where {where} ({share:.1%} of the rows), " if where else ""
    evidence = (
        f"{text}values look converted ({best.text}): hardly one but 0 is among the {scale.size} "
        "that the reference has; undone, all are, with the same shares"
    )
    fault = Fault(FaultKind.UNIT_CHANGE, (name,), share, evidence, repaired=True, where=where)
    repaired = np.where(counted if is_all else rows, np.round(best.undo(after), 6), after)
    return Finding(fault, {name: repaired}, None if is_all else rows)


def _is_on(scale: FloatArray, values: FloatArray) -> BoolArray:
    """Return which values are on an ascending scale."""
    place = np.clip(np.searchsorted(scale, values), 1, scale.size - 1)
    nearest = np.minimum(np.abs(values - scale[place - 1]), np.abs(values - scale[place]))
    return np.asarray(nearest <= 1e-6 * np.abs(scale).max())
