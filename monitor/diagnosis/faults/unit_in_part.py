"""Another unit in some of the rows: those of one category, or any share of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.monitor.diagnosis.diagnosis import Fault, FaultKind
from whydrift.monitor.diagnosis.faults.base import (
    Finding,
    Suspects,
    share_rises,
    sorted_ks_distance,
)
from whydrift.monitor.diagnosis.faults.conversion import (
    CONVERSIONS,
    LEAST_ROWS,
    Conversion,
    Likeliest,
    distance_by_chance,
    fitting,
    is_temperature,
    likeliest,
)
from whydrift.monitor.diagnosis.faults.followed import has_followed
from whydrift.monitor.diagnosis.faults.independent_rows import independent_rows

__all__ = ["converted_rows", "unit_in_part"]

_MOST_LEVELS = 12
_MOST_SEGMENTING = 20  # columns whose categories are looked at
_LEAST_STEP = 0.8 * np.log(10.0)  # of a segment's typical size, to be looked at
_LEAST_SHARE = 0.015
_MOST_OF_IT = 0.5  # of a category's distance from the reference, in the other rows
_MOST_SHARE = 0.99  # beyond it is the whole column, which did not fit
_LEAST_BELOW = 0.04
_LEAST_OUTSIDE = 20
_EDGE = 0.005  # share of the reference's values below the range: sizes reach down to nothing
_LEAST_APART = 0.2  # of converted values, outside the reference's range
_LEAST_APART_BELOW = 0.3  # the same, where they became smaller or another temperature
_NEARLY_ALL = 0.98  # of converted values, outside the range: moments tell all that there is
_PLAIN_FACTORS = np.exp(np.linspace(np.log(1.1), np.log(50), 120))
_PLAIN_SHIFTS = np.linspace(0.05, 3.0, 60)  # of the reference's range
_CLEARLY_BETTER = 1.0  # nats
_SURELY_APART = 0.8  # from here on hardly a converted row remains unseen


def unit_in_part(suspects: Suspects) -> list[Finding]:
    """Find columns of which a part of the rows went through a common conversion.

    In the rows of one category, a conversion has to fit as it would for a whole column. Where the
    rows have nothing in common, the values outside the reference's range have to be distributed as
    converted ones, and all values as a mixture of both.
    """
    found = []
    for name in suspects.numbers:
        finding, is_alone = _segment(suspects, name)
        if not is_alone:
            finding = converted_rows(suspects, name) or finding
        if finding is not None:
            found.append(finding)
    return found


def _segment(suspects: Suspects, name: str) -> tuple[Finding | None, bool]:
    """Return a category whose rows were converted, and whether those of the others were not."""
    doubtful: Finding | None = None
    segmenting = [n for n in suspects.names if suspects.reference.schema[n].kind.is_discrete]
    before, after = suspects.reference.column(name), suspects.current.column(name)
    present = np.isfinite(after)
    known = before[np.isfinite(before)]
    if not segmenting or min(present.sum(), known.size) < 2 * LEAST_ROWS:
        return None, False
    if not _moved(after[present], known):
        return None, False
    sizes, sizes_before = _log_size(after), _log_size(before)
    for column in segmenting[:_MOST_SEGMENTING]:
        categories = suspects.reference.schema[column].categories
        codes, codes_before = suspects.current.column(column), suspects.reference.column(column)
        for code, label in enumerate(categories[:_MOST_LEVELS]):
            rows, rows_before = (codes == code) & present, codes_before == code
            part, part_before = after[rows], before[rows_before]
            part_before = part_before[np.isfinite(part_before)]
            if min(part.size, part_before.size) < LEAST_ROWS:
                continue
            step = _median(sizes[rows]) - _median(sizes_before[rows_before])
            is_temperature = part_before.min() > -90 and part_before.max() < 500
            if not abs(step) > _LEAST_STEP and not is_temperature:
                continue
            past_values = partial(suspects.past_values, before, rows_before)
            fit = fitting(part, part_before, past_values=past_values)
            if fit is None:
                continue
            rest = (codes != code) & present
            if rest.sum() < LEAST_ROWS or fitting(after[rest], known) is not None:
                continue  # no matter of this category
            rest_before = before[(codes_before != code) & np.isfinite(before)]
            others = np.sort(rest_before)
            gap, undone = (
                sorted_ks_distance(np.sort(v), others) if others.size else 0.0
                for v in (after[rest], fit.conversion.undo(after[rest]))
            )
            if undone < _MOST_OF_IT * gap:
                continue  # nor here: the others went the same way
            undone_here = fit.conversion.undo(after)
            if not fit.conversion.is_beyond_growth and has_followed(
                suspects, name, undone_here, rows, rows_before
            ):
                continue
            # Most of the others may look converted too.
            is_alone = gap <= _MOST_OF_IT * fit.distance
            repaired = np.where(rows, undone_here, after)
            share = float(rows.sum() / present.sum())
            where = f"{column} is {label!r}"
            evidence = (
                f"where {where} ({share:.1%} of the rows), values look converted "
                f"({fit.text}): largest gap to the reference's distribution there "
                f"{fit.distance:.2f} as recorded, {fit.left:.2f} when undone"
            )
            fault = Fault(
                FaultKind.UNIT_CHANGE, (name,), share, evidence, repaired=True, where=where
            )
            found = Finding(fault, {name: repaired}, rows)
            if is_alone:
                return found, True
            doubtful = doubtful or found
    return doubtful, False


def _moved(values: FloatArray, before: FloatArray) -> bool:
    distance = sorted_ks_distance(np.sort(values), np.sort(before))
    return distance > 0.8 * distance_by_chance(values, before)


def _median(values: FloatArray) -> float:
    """Return the median of the values that are there, NaN without any."""
    there = values[np.isfinite(values)]
    return float(np.median(there)) if there.size else np.nan


def _log_size(values: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore"):
        logs = np.log(np.abs(values))
    return np.where(np.isfinite(logs), logs, np.nan)


@dataclass(frozen=True)
class _Scale:
    """Values on a scale on which conversions are straight lines: raw, or logs of sizes."""

    values: FloatArray
    before: FloatArray
    conversions: tuple[tuple[Conversion, float, float], ...]  # with slope and shift on the scale
    edge: float


_FACTORS = tuple((c, 1.0, float(np.log(c.factor))) for c in CONVERSIONS if not c.shift)
_TEMPERATURES = tuple((c, c.factor, c.shift) for c in CONVERSIONS if c.shift)


def converted_rows(suspects: Suspects, name: str) -> Finding | None:
    """Find another unit in rows that need have nothing in common.

    Parameters
    ----------
    suspects : Suspects
        The windows.
    name : str
        A column of numbers.
    """
    before, after = suspects.reference.column(name), suspects.current.column(name)
    scales = (
        _Scale(_log_size(after), _log_size(before), _FACTORS, _EDGE),
        _Scale(after, before, _TEMPERATURES, 0.0),
    )
    for scale in scales:
        found = _mixture(scale, suspects.level / len(suspects.names))
        if found is None:
            continue
        likely, share, seen, rows = found
        undone = likely.conversion.undo(after)
        if not likely.conversion.is_beyond_growth and has_followed(suspects, name, undone, rows):
            continue
        repaired = np.where(rows, undone, after)
        evidence = (
            f"about {share:.1%} of the values look converted ({likely.text}): "
            f"{rows.sum() / np.isfinite(after).sum():.1%} lie outside the reference's range, "
            "distributed as converted ones would be"
        )
        fault = Fault(
            FaultKind.UNIT_CHANGE, (name,), share, evidence, repaired=seen >= _SURELY_APART
        )
        return Finding(fault, {name: repaired}, rows, scale.edge)
    return None


def _mixture(scale: _Scale, level: float) -> tuple[Likeliest, float, float, BoolArray] | None:
    """Return the conversion, its share, the share of converted rows seen, and these rows."""
    present = np.isfinite(scale.values)
    values, before = scale.values[present], scale.before[np.isfinite(scale.before)]
    if min(values.size, before.size) < 2 * LEAST_ROWS:
        return None
    low = float(np.quantile(before, scale.edge)) if scale.edge else float(before.min())
    high = float(before.max())
    below, above = int((values < low).sum()), int((values > high).sum())
    excess = (below + above) / values.size - scale.edge
    # Where sizes reach down to nothing, the share of tiny ones moves with any mean.
    if excess < (_LEAST_BELOW if below > above else _LEAST_SHARE):
        return None
    sizes = scale.values[present]  # whose squares may overflow
    alike = independent_rows((sizes / max(1.0, float(np.abs(sizes).max())))[:, None])
    usually = int((before < low).sum())
    if (below + above) * alike < _LEAST_OUTSIDE or (
        share_rises(usually, before.size, below + above, values.size) >= level
    ):
        return None
    values, before = np.sort(values), np.sort(before)

    def outside(sorted_values: FloatArray) -> FloatArray:
        return np.concatenate(
            [
                sorted_values[: np.searchsorted(sorted_values, low)],
                sorted_values[np.searchsorted(sorted_values, high, "right") :],
            ]
        )

    apart = outside(values)
    fits: dict[Conversion, tuple[float, float, FloatArray, float, float]] = {}
    for conversion, slope, shift in scale.conversions:
        converted = slope * before + shift
        beyond = outside(converted)
        seen = beyond.size / before.size
        least = _LEAST_APART if slope == 1 and shift > 0 else _LEAST_APART_BELOW
        if seen < least or excess > 1.05 * seen + scale.edge:
            continue
        distance = sorted_ks_distance(apart, beyond)
        noise = 1.36 * float(np.sqrt(1 / apart.size + 1 / beyond.size))
        usual = scale.edge * values.size / apart.size  # such rows as the reference has, too
        if conversion.shift:
            are_all = seen >= _NEARLY_ALL
            undone = conversion.undo(beyond)
            rows_of = float(apart.size), float(beyond.size)
            if not is_temperature(conversion, apart, undone, rows=rows_of, are_all=are_all) or not (
                are_all or _no_plain_one_fits(apart, before, outside, distance, shift > 0)
            ):
                continue
        if distance < 0.05 + noise + usual:
            fits[conversion] = distance, seen, converted, slope, shift
    if not fits:
        return None
    error = float(np.sqrt(1 / apart.size + 1 / before.size))
    likely = likeliest([(fit[0], conversion) for conversion, fit in fits.items()], error)
    _, seen, converted, slope, shift = fits[likely.conversion]
    share = min(1.0, excess / max(seen - scale.edge, scale.edge))
    grid = np.concatenate([values, before, converted])
    expected = (1 - share) * _below(before, grid) + share * _below(converted, grid)
    left = float(np.abs(_below(values, grid) - expected).max())
    by_chance = distance_by_chance(scale.values[present], scale.before[np.isfinite(scale.before)])
    if left > 0.02 + by_chance or share > _MOST_SHARE:
        return None
    # A value outside the range that the conversion can't have come from is one of the edge.
    undone = (scale.values - shift) / slope
    margin = 0.1 * (high - float(before[0]))
    could_be = (undone >= before[0] - margin) & (undone <= high + margin)
    rows = present & ((scale.values < low) | (scale.values > high)) & could_be
    return likely, share, seen, rows


def _no_plain_one_fits(
    apart: FloatArray,
    before: FloatArray,
    outside: Callable[[FloatArray], FloatArray],
    distance: float,
    is_more: bool,
) -> bool:
    """Whether values beyond the old ones are clearly no plain factor of these, nor a shift.

    Parameters
    ----------
    apart, before : ndarray
        Values beyond the reference's range, and the reference's, ascending.
    outside : callable
        Returns the values beyond that range.
    distance : float
        Between the values and those of the conversion that is looked at.
    is_more : bool
        Whether values became more.
    """
    way = 1.0 if is_more else -1.0
    span = float(before[-1] - before[0])
    plain = [factor**way * before for factor in _PLAIN_FACTORS]
    plain += [before + way * span * part for part in _PLAIN_SHIFTS]
    least = min(sorted_ks_distance(apart, outside(values)) for values in plain)
    # How likely a gap is falls with twice its square times the rows (Massart 1990).
    return bool(2 * apart.size * (least**2 - distance**2) >= _CLEARLY_BETTER)


def _below(sorted_values: FloatArray, grid: FloatArray) -> FloatArray:
    out: FloatArray = np.searchsorted(sorted_values, grid, "right") / sorted_values.size
    return out
