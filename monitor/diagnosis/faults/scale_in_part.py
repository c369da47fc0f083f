"""Numbers of one category that are some factor of what they were, and beyond all of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.monitor.diagnosis.diagnosis import Fault, FaultKind
from whydrift.monitor.diagnosis.faults.base import Finding, Suspects, sorted_ks_distance
from whydrift.monitor.diagnosis.faults.conversion import (
    CONVERSIONS,
    LEAST_ROWS,
    Ratio,
    distance_by_chance,
)
from whydrift.monitor.diagnosis.faults.followed import has_followed

__all__ = ["scale_in_part"]

_MOST_SEGMENTING, _MOST_LEVELS = 20, 12  # columns and categories looked at
_LEAST_VALUES = 20  # a tariff of one category is another one by decision
_LEAST_FACTOR = float(np.log(4))  # a region may grow by less
_MOST_ERROR = 0.1  # of the factor's log
_APART = 0.8  # gap between the distributions from which hardly a value is as before
_MOST_MOVED = 0.02  # beyond chance: a gap of the other rows
_SHIFT_OF_GAP = 0.4  # the most that a gap grows by, for each standard deviation of a shift
_MIDDLE = np.linspace(0.1, 0.9, 17)  # quantiles by which a factor is told
_NORMAL_MIDDLE = 2.56  # between the outer ones, in standard deviations of normal values


def scale_in_part(suspects: Suspects) -> list[Finding]:
    """Find numbers that one category alone has on another scale, by any factor.

    Tests of what follows from the number give rows that are unlike all old ones no weight, so that
    they see a change of scale the less the larger it is. Here its shape tells: what grew in the
    world hardly became four times as much with the same shape, and took with it what goes with it.
    """
    found = []
    for name in suspects.numbers:
        parts = (_rescaled(suspects, name, *part) for part in _categories(suspects))
        finding = next((finding for finding in parts if finding is not None), None)
        if finding is not None:
            found.append(finding)
    return found


def _categories(suspects: Suspects) -> Iterator[tuple[str, BoolArray, BoolArray]]:
    """Yield the name of each category that is looked at, and its rows in either window."""
    schema = suspects.reference.schema
    segmenting = [n for n in suspects.names if schema[n].kind.is_discrete]
    for column in segmenting[:_MOST_SEGMENTING]:
        codes, before = suspects.current.column(column), suspects.reference.column(column)
        for code, label in enumerate(schema[column].categories[:_MOST_LEVELS]):
            yield f"{column} is {label!r}", codes == code, before == code


def _rescaled(
    suspects: Suspects, name: str, where: str, rows: BoolArray, rows_before: BoolArray
) -> Finding | None:
    """Return the number as broken in the rows of a category, or None."""
    before, after = suspects.reference.column(name), suspects.current.column(name)
    here, there = rows & np.isfinite(after), rows_before & np.isfinite(before)
    scale = _scale(after[here], before[there])
    if (
        scale is None
        or scale.is_listed
        or _varies(suspects.past_values(before, there), scale.ratio.log)
    ):
        return None
    rest, rest_before = (
        values[~part & np.isfinite(values)]
        for values, part in ((after, rows), (before, rows_before))
    )
    if min(rest.size, rest_before.size) < LEAST_ROWS:
        return None
    moved = sorted_ks_distance(np.sort(rest), np.sort(rest_before))
    undone = after / float(np.exp(scale.ratio.log))
    if moved > _MOST_MOVED + distance_by_chance(rest, rest_before) or has_followed(
        suspects, name, undone, here, there
    ):
        return None
    share = float(here.sum() / np.isfinite(after).sum())
    evidence = (
        f"where {where} ({share:.1%} of the rows), values are a factor of what they were there: "
        f"{scale.ratio.text}; largest gap to the reference's distribution there "
        f"{scale.distance:.2f} as recorded, {scale.left:.2f} when undone, and {moved:.2f} in the "
        "other rows as recorded"
    )
    fault = Fault(
        FaultKind.UNIT_CHANGE,
        (name,),
        share,
        evidence,
        repaired=True,
        where=where,
        scale=f"about {np.exp(scale.ratio.log):.3g} times what it did",
    )
    return Finding(fault, {name: np.where(here, undone, after)}, here)


@dataclass(frozen=True, slots=True)
class _Scale:
    """By what factor values moved, and the distances to the old ones as recorded and undone."""

    ratio: Ratio
    distance: float
    left: float

    @property
    def is_listed(self) -> bool:
        """Whether it may be a common conversion, which is undone exactly where it is looked for."""
        return any(not c.shift and self.ratio.covers(c.factor) for c in CONVERSIONS)


def _scale(values: FloatArray, before: FloatArray) -> _Scale | None:
    """Return the factor that took values beyond what they were and kept their shape, or None.

    It is told by every second value and has to fit the others.
    """
    if min(values.size, before.size) < 2 * LEAST_ROWS or min(values.min(), before.min()) <= 0:
        return None
    logs, logs_before = np.log(values), np.log(before)
    if abs(float(np.median(logs) - np.median(logs_before))) < _LEAST_FACTOR:
        return None
    if min(np.unique(v).size for v in (values, before)) < _LEAST_VALUES:
        return None
    ordered, check = np.sort(logs_before), np.sort(logs[1::2])
    distance = sorted_ks_distance(check, ordered)
    if distance < _APART:
        return None
    ratio, chosen = _ratio(logs, logs_before), _ratio(logs[::2], logs_before)
    if abs(ratio.log) < _LEAST_FACTOR or ratio.error > _MOST_ERROR:
        return None
    left = sorted_ks_distance(check - chosen.log, ordered)
    # The factor itself is known by no more than the other half.
    by_chance = distance_by_chance(logs[1::2], logs_before) + _SHIFT_OF_GAP * float(
        np.sqrt(1 / logs[::2].size + 1 / logs_before.size)
    )
    return _Scale(ratio, distance, left) if left <= by_chance else None


def _ratio(logs: FloatArray, before: FloatArray) -> Ratio:
    """Return by how much the middle of logs moved."""
    now, then = np.quantile(logs, _MIDDLE), np.quantile(before, _MIDDLE)
    spread = float(then[-1] - then[0]) / _NORMAL_MIDDLE
    return Ratio(
        float((now - then).mean()), spread * float(np.sqrt(1 / logs.size + 1 / before.size))
    )


def _varies(past: tuple[FloatArray, ...], moved: float) -> bool:
    """Whether past windows differ by half as much (log) as this one from them."""
    sizes = [np.log(np.median(values)) for values in past]
    return bool(sizes) and float(np.ptp(sizes)) > abs(moved) / 2
