"""Numbers recorded on another scale: as logarithms, roots, reciprocals, with the sign turned, or
in standard deviations from the mean.

A step of the pipeline that is applied twice, or no longer, leaves a column that fits the reference
once the function is undone, and hardly overlaps it before. No constant of such a function is fitted
to the current window, so that place, spread and shape have to agree at once, which growth does not
do. (Of a standardised column place and spread are: they have to be about 0 and 1 in one window, and
far from that in the other.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.monitor.diagnosis.diagnosis import Fault, FaultKind
from whydrift.monitor.diagnosis.faults.base import Finding, Suspects, sorted_ks_distance
from whydrift.monitor.diagnosis.faults.conversion import LEAST_ROWS, distance_by_chance
from whydrift.monitor.diagnosis.faults.followed import has_followed
from whydrift.monitor.diagnosis.whole_numbers import are_whole

__all__ = ["other_scale"]

_LEAST_DISTANCE = 0.6  # as recorded: what overlaps more has moved, perhaps
_FAR = 0.9  # beyond it, what is undone may differ as past windows do
_MOST_LEFT = 0.02  # beyond chance, once undone
_MOST_LEFT_AT_ALL = 0.15
_FURTHER = 1.3  # times as far out as any past window another one may lie
_LEAST_GAIN = 0.1  # nearer, beyond chance, than a plain shift or factor that is fitted
_MOST_SHIFT, _MOST_GROWTH = 5.0, float(np.log(50))  # standard deviations, and a factor
_CLEARLY = 0.5  # √(1/n + 1/m): differences between distances by chance
_MOST_EXPONENT = 300.0
_FAR_FROM_ZERO = 3.0  # standard deviations
# Means at least so many standard deviations from 0, and these by at least such a factor from 1, of
# what is not standardised.
_RAW: Final = ((1.0, 2.0), (5.0, 1.25))
_STANDARD = 0.25  # mean, and log of the spread, of what counts as standardised
_FAR_SPREAD = 5.0
_NEARLY_WHOLE = 0.05  # of what was rounded on its other scale


@dataclass(frozen=True)
class _Scale:
    """A function that values went through, and what takes it back.

    Parameters
    ----------
    text : str
        What a column does then: it "reads as its square root".
    undo : callable
        Takes values back; NaN or infinite where they cannot have gone through it.
    is_beyond_growth : bool
        Whether it has been asked already that no plain shift or factor does as well.
    """

    text: str
    undo: Callable[[FloatArray], FloatArray]
    is_beyond_growth: bool = False


def _power(base: float) -> Callable[[FloatArray], FloatArray]:
    log = float(np.log(base))
    return lambda v: np.exp(np.clip(v * log, -_MOST_EXPONENT, _MOST_EXPONENT))


_FUNCTIONS: Final = (
    _Scale("as its natural logarithm", _power(float(np.e))),
    _Scale("as its logarithm to base 10", _power(10.0)),
    _Scale("as its logarithm to base 2", _power(2.0)),
    _Scale("as the logarithm of 1 + it", lambda v: np.expm1(np.minimum(v, _MOST_EXPONENT))),
    _Scale("as its square root", lambda v: np.where(v >= 0, v * v, np.nan)),
    _Scale("as e to the power of what it did", np.log),
    _Scale("as 10 to the power of what it did", np.log10),
    _Scale("as 2 to the power of what it did", np.log2),
    _Scale("as e to the power of what it did, less 1", np.log1p),
    _Scale("as its square", np.sqrt),
    _Scale("as its reciprocal", lambda v: 1 / v),
)


def other_scale(suspects: Suspects) -> list[Finding]:
    """Find numbers that went through a function which nobody took back, or no longer do."""
    return [f for name in suspects.numbers if (f := _of_column(suspects, name)) is not None]


def _of_column(suspects: Suspects, name: str) -> Finding | None:
    column, column_before = suspects.current.column(name), suspects.reference.column(name)
    values, before = column[np.isfinite(column)], column_before[np.isfinite(column_before)]
    if min(values.size, before.size) < LEAST_ROWS:
        return None
    ordered = suspects.reference.ascending(name)
    reference = np.sort(before) if ordered is None else ordered
    ascending = np.sort(values)
    distance = sorted_ks_distance(ascending, reference)
    by_chance = distance_by_chance(values, before)
    if distance < max(_LEAST_DISTANCE, by_chance):
        return None
    scales = _scales(values, before)
    if not scales:
        return None
    gaps = [_distance(scale, ascending, reference) for scale in scales]
    left, best = min(gaps), scales[int(np.argmin(gaps))]
    if left > _most_left(suspects, column_before, reference, distance, by_chance):
        return None
    error = float(np.sqrt(1 / values.size + 1 / before.size))
    least_by_growth = 1.0 if best.is_beyond_growth else _by_growth(ascending, reference)
    if left > least_by_growth - _LEAST_GAIN - _CLEARLY * error:
        return None
    alike = [s for s, gap in zip(scales, gaps, strict=True) if gap <= left + _CLEARLY * error]
    undone = _on_grid(_undone(best, column), reference)
    if not np.isfinite(undone[np.isfinite(column)]).all() or has_followed(suspects, name, undone):
        return None
    text = " or ".join(dict.fromkeys(s.text for s in (best, *alike)))
    evidence = (
        f"it reads {text}: largest gap to the reference's distribution {distance:.2f} as "
        f"recorded, {left:.2f} when undone"
    )
    fault = Fault(FaultKind.UNIT_CHANGE, (name,), 1.0, evidence, repaired=True, scale=text)
    return Finding(fault, {name: undone})


def _most_left(
    suspects: Suspects,
    column_before: FloatArray,
    reference: FloatArray,
    distance: float,
    by_chance: float,
) -> float:
    """Return how far from the reference's distribution the values may be once undone."""
    usual = 0.0
    if distance > _FAR:
        past = suspects.past_values(column_before)
        usual = max((sorted_ks_distance(np.sort(p), reference) for p in past), default=0.0)
    return min(max(_MOST_LEFT + by_chance, _FURTHER * usual), _MOST_LEFT_AT_ALL)


def _by_growth(values: FloatArray, reference: FloatArray) -> float:
    """Return how near a plain shift or factor, fitted to ascending values, brings them.

    1 where it would have to be greater than such are.
    """
    now, then = float(np.median(values)), float(np.median(reference))
    gaps = [1.0]
    if abs(now - then) < _MOST_SHIFT * float(reference.std()):
        gaps.append(sorted_ks_distance(values + (then - now), reference))
    if now * then > 0 and abs(float(np.log(now / then))) < _MOST_GROWTH:
        gaps.append(sorted_ks_distance(values * (then / now), reference))
    return min(gaps)


def _scales(values: FloatArray, before: FloatArray) -> list[_Scale]:
    """Return the functions that these values can have gone through, or be without."""
    found = [s for s in _FUNCTIONS if np.isfinite(_undone(s, values)).all()]
    mean, spread = float(values.mean()), float(values.std())
    mean_before, spread_before = float(before.mean()), float(before.std())
    if not min(spread, spread_before) > 0:
        return []
    if _is_turned(values, before):
        found.append(_Scale("with the opposite sign", np.negative, is_beyond_growth=True))
    # One that is centred and has a spread of 1 already is not told from one that moved.
    apart = abs(float(np.log(spread_before)))
    was_raw = any(
        abs(mean_before) > off * spread_before and apart > np.log(other) for off, other in _RAW
    )
    if was_raw and abs(mean) < _STANDARD and abs(float(np.log(spread))) < _STANDARD:
        text = "in standard deviations from its mean"
        found.append(_Scale(text, _by_quartiles(values, before)))
    is_standard = abs(mean_before) < _STANDARD and apart < _STANDARD
    if is_standard and spread > _FAR_SPREAD and abs(mean) > spread:
        text = "as it did before it was standardised"
        found.append(_Scale(text, _by_quartiles(values, before)))
    return found


def _is_turned(values: FloatArray, before: FloatArray) -> bool:
    """Whether values have the other sign: by their shape, or since all are, or they are far off.

    A symmetric distribution that moved across 0 looks turned where it moved just so far.
    """
    for sign in (1.0, -1.0):
        then, now = sign * before, -sign * values
        if min(float(v.min()) for v in (then, now)) >= 0:  # of one sign, then and now
            return True
        if all(float(v.mean()) > _FAR_FROM_ZERO * float(v.std()) for v in (then, now)):
            return True
    error = float(np.sqrt(1 / values.size + 1 / before.size))
    known, turned = np.sort(before), np.sort(-values)
    moved = np.sort(values) + float(np.median(before) - np.median(values))
    gain = sorted_ks_distance(moved, known) - sorted_ks_distance(turned, known)
    return gain > _CLEARLY * error + 0.05


def _by_quartiles(values: FloatArray, before: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """Return the line that takes middle and spread to the reference's.

    The mean and sd that a column is standardised by are those of training rows, not quite of these.
    """
    now, then = (np.quantile(v, [0.25, 0.5, 0.75]) for v in (values, before))
    slope = (then[2] - then[0]) / (now[2] - now[0]) if now[2] > now[0] else np.nan
    return lambda v: then[1] + slope * (v - now[1])


def _on_grid(values: FloatArray, reference: FloatArray) -> FloatArray:
    """Return values without the noise of a function and its inverse, which breaks up ties."""
    with np.errstate(all="ignore"):
        digits = 10.0 ** (9 - np.floor(np.log10(np.abs(values))))
        out = np.where(np.isfinite(digits), np.round(values * digits) / digits, values)
    if are_whole(reference):
        whole = np.round(out)
        out = np.where(np.abs(out - whole) < _NEARLY_WHOLE, whole, out)
    return np.asarray(out, dtype=np.float64)


def _undone(scale: _Scale, values: FloatArray) -> FloatArray:
    with np.errstate(all="ignore"):
        return np.asarray(scale.undo(values), dtype=np.float64)


def _distance(scale: _Scale, values: FloatArray, reference: FloatArray) -> float:
    undone = np.sort(_on_grid(_undone(scale, values), reference))
    return sorted_ks_distance(undone, reference) if np.isfinite(undone).all() else 1.0
