"""Numbers recorded in another unit: multiplied by a power of ten, 24, 60, 1,024, … or °C/°F."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.independence.dependence import lag_one
from whydrift.discovery.snapshot.schema import ColumnKind
from whydrift.monitor.diagnosis.diagnosis import Fault, FaultKind
from whydrift.monitor.diagnosis.faults.base import Finding, Suspects, ks_distance

__all__ = ["unit_change"]

_FACTORS = (*(10.0**k for k in range(1, 10)), 24.0, 60.0, 1024.0, 1024.0**2, 3600.0, 86400.0)
_LEAST_DISTANCE = 0.2
_LEAST_ROWS = 50
_KS_ONE_PERCENT = 1.63


@dataclass(frozen=True)
class _Conversion:
    factor: float
    shift: float
    text: str

    def undo(self, values: FloatArray) -> FloatArray:
        out: FloatArray = (values - self.shift) / self.factor
        return out


def _conversions() -> list[_Conversion]:
    found = [_Conversion(k, 0.0, f"× {k:,.0f}") for k in _FACTORS]
    found += [_Conversion(1 / k, 0.0, f"÷ {k:,.0f}") for k in _FACTORS]
    found.append(_Conversion(1.8, 32.0, "°C → °F (× 1.8 + 32)"))
    found.append(_Conversion(1 / 1.8, -32.0 / 1.8, "°F → °C (− 32, ÷ 1.8)"))
    return found


_CONVERSIONS = _conversions()


def unit_change(suspects: Suspects) -> list[Finding]:
    """Find numbers that fit the reference once a common conversion is undone, and not before.

    The conversion is chosen on every second row and checked on the others.
    """
    found = []
    for name in suspects.names:
        kind = suspects.reference.schema[name].kind
        if kind not in {ColumnKind.CONTINUOUS, ColumnKind.COUNT}:
            continue
        before, after = suspects.reference.column(name), suspects.current.column(name)
        present = after[np.isfinite(after)]
        before = before[np.isfinite(before)]
        if present.size < _LEAST_ROWS or before.size < _LEAST_ROWS:
            continue
        choose, check = present[::2], present[1::2]
        distance = ks_distance(check, before)
        if distance < max(_LEAST_DISTANCE, _distance_by_chance(check, before)):
            continue
        candidates = [c for c in _CONVERSIONS if _plausible(c, present, before)]
        if not candidates:
            continue
        best = min(candidates, key=lambda c: ks_distance(c.undo(choose), before))
        left = ks_distance(best.undo(check), before)
        noise = 1.36 * float(np.sqrt(1 / check.size + 1 / before.size))
        # Growth is not a unit: what is undone has to fit closely.
        if left > min(0.5 * distance, 0.05 + noise):
            continue
        evidence = (
            f"values look converted by {best.text}: distance to the reference "
            f"{distance:.2f} as recorded, {left:.2f} when undone"
        )
        found.append(
            Finding(
                Fault(FaultKind.UNIT_CHANGE, (name,), 1.0, evidence, repaired=True),
                {name: best.undo(after)},
            )
        )
    return found


def _distance_by_chance(a: FloatArray, b: FloatArray) -> float:
    """Return a distance that two windows of the same series exceed once in a hundred times.

    Neighbouring rows that are alike (by the lag-one correlation r) count as (1 − r)/(1 + r) rows.
    """
    rows = []
    for values in (a, b):
        r = max(0.0, lag_one(values[:, None]))
        rows.append(values.size * (1 - r) / (1 + r))
    return float(_KS_ONE_PERCENT * np.sqrt(sum(1 / count for count in rows)))


def _plausible(conversion: _Conversion, values: FloatArray, before: FloatArray) -> bool:
    """Whether undoing the conversion brings the size of the values to the reference's.

    The conversions lie so densely that some one of them is near any growth: the ratio of the
    typical sizes has to be this one, but for sampling error.
    """
    if conversion.shift:
        return True
    sizes = [np.abs(v[v != 0]) for v in (values, before)]
    if min(s.size for s in sizes) < _LEAST_ROWS // 2:
        return False
    logs = [np.log(s) for s in sizes]
    gap = float(np.median(logs[0]) - np.median(logs[1])) - np.log(conversion.factor)
    # The standard error of a median, by the spread of the middle half (1.25 · sd / √n).
    errors = [1.25 * np.subtract(*np.quantile(x, [0.75, 0.25])) / 1.35 / x.size**0.5 for x in logs]
    return bool(abs(gap) < 0.03 + 2 * float(np.hypot(*errors)))
