"""A constant added to what is recorded: another time zone, another first index, another origin."""

from __future__ import annotations

import numpy as np
from scipy.special import chdtrc

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.monitor.diagnosis.diagnosis import Fault, FaultKind
from whydrift.monitor.diagnosis.faults.atom import moved_atom
from whydrift.monitor.diagnosis.faults.base import Finding, Suspects, ks_distance
from whydrift.monitor.diagnosis.faults.conversion import distance_by_chance
from whydrift.monitor.diagnosis.whole_numbers import are_whole

__all__ = ["offset"]

_DAY = 86_400
_STEP = 1_800  # time zones differ by half hours
_MOST_LEFT = 0.15  # of the discrepancy, once the clock is set back
_CHANCE = 1e-3  # of as much that is left
_LEAST_ROWS = 50
_CLEARLY = 10.0  # of a discrepancy that is about χ² distributed
_LEAST_EDGE = 0.03  # share of the value that vanished, and of the one that came, at the ends
_LEAST_AT_END = 5  # rows with the first value and with the last, of both windows
_MOST_VALUES = 60
_LEAST_VALUES = 3  # a dial that is set otherwise has no shares to keep
_AS_MANY = 0.9  # rows, times the reference's: none were left out
_DIGITS = 9  # of values that are equal, for all that was added and subtracted
_LATTICE = 0.999  # share of the values on it
_LEAST_OFF, _LEAST_OFF_SHARE = 20, 0.01  # values that left it
_STEPS = (100.0, 50.0, 25.0, 10.0, 5.0, 1.0, 0.5, 0.25, 0.1, 0.05, 0.01)
_FIRST = 20
_HOURS = 24
_LEAST_PAST_MIDNIGHT = 0.005  # of the rows


def offset(suspects: Suspects) -> list[Finding]:
    """Find clocks that were set otherwise, and numbers whose whole grid of values moved.

    A number that moved by a constant may have moved in the world. What tells a recording fault is
    that the day's profile of a time turned by whole half hours; that whole numbers of few values
    kept their shares, each one step up or down, or from a first one on that many rows have; that a
    value which many rows share (no rain, a limit of detection) moved along; or that values which
    stood on a grid (such as whole ones) stand between its points.
    """
    found = [f for name in suspects.times if (f := _clock(suspects, name)) is not None]
    for name in suspects.names:
        if suspects.reference.schema[name].kind.is_numeric:
            finding = (
                _hours(suspects, name)
                or _index(suspects, name)
                or _first_value(suspects, name)
                or _origin(suspects, name)
                or _grid(suspects, name)
            )
            if finding is not None:
                found.append(finding)
    return found


def _clock(suspects: Suspects, name: str) -> Finding | None:
    before, after = suspects.reference.column(name), suspects.current.column(name)
    profiles = [_day(v[np.isfinite(v)]) for v in (before, after)]
    if min(p.sum() for p in profiles) < _LEAST_ROWS:
        return None
    turned = _turn(profiles[0], profiles[1], usual=3_600 // _STEP)
    if turned is None:
        return None
    shift, plain, left = turned
    hours = shift * _STEP / 3_600
    evidence = (
        f"the times of day are those of the reference {abs(hours):g} hours "
        f"{'later' if hours > 0 else 'earlier'} (another time zone or daylight saving?): set back, "
        f"{1 - left / plain:.0%} of the difference is gone"
    )
    fault = Fault(FaultKind.OFFSET, (name,), 1.0, evidence, repaired=True)
    return Finding(fault, {name: after - shift * _STEP})


def _day(times: FloatArray) -> IntArray:
    """Return rows per half hour of the day, from whole days alone: no hour is covered more often.

    Of days cut anywhere the hours that the window has once more would look like a busier time.
    """
    if not times.size:
        return np.zeros(_DAY // _STEP, dtype=np.int64)
    days = (times.max() - times.min()) // _DAY
    whole = times[times < times.min() + days * _DAY]
    return np.bincount((whole % _DAY // _STEP).astype(np.int64), minlength=_DAY // _STEP)


def _turn(before: IntArray, after: IntArray, usual: int = 1) -> tuple[int, float, float] | None:
    """Return by how many steps a circular profile turned, the discrepancy before and after.

    A multiple of the usual number of steps is taken unless another number is clearly better.
    """
    plain = _discrepancy(before, after)
    terms = len(before) - 1
    if plain < terms + 8 * np.sqrt(2 * terms):
        return None
    costs = [_discrepancy(np.roll(before, k), after) for k in range(len(before))]
    best = int(np.argmin(costs))
    whole = usual * int(np.argmin(costs[::usual]))
    if costs[whole] < costs[best] + _CLEARLY:
        best = whole
    left = max(0.0, costs[best] - terms)  # beyond what chance leaves
    is_close = chdtrc(terms, costs[best]) > _CHANCE or left < _MOST_LEFT / 3 * (plain - terms)
    if best == 0 or not is_close or left > _MOST_LEFT * (plain - terms):
        return None
    return (best if best <= len(before) // 2 else best - len(before)), plain, costs[best]


def _discrepancy(before: IntArray, after: IntArray) -> float:
    """Return how far two rows of counts are apart: about χ² with so many terms by chance."""
    rows_before, rows = before.sum(), after.sum()
    pooled = (before + after) / (rows_before + rows)
    usable = pooled > 0
    gap = before / rows_before - after / rows
    return float((gap[usable] ** 2 / pooled[usable]).sum()) / float(1 / rows_before + 1 / rows)


def _hours(suspects: Suspects, name: str) -> Finding | None:
    """Return an hour of the day that turned by whole hours."""
    known, values = _present(suspects, name)
    if min(known.size, values.size) < _LEAST_ROWS:
        return None
    both = (known, values)
    if any((v < 0).any() or (v >= _HOURS).any() for v in both) or not are_whole(*both):
        return None
    profiles = [np.bincount(v.astype(np.int64), minlength=_HOURS) for v in both]
    if (profiles[0] > 0).sum() < _HOURS - 4:
        return None
    turned = _turn(profiles[0], profiles[1])
    if turned is None:
        return None
    shift, plain, left = turned
    past_midnight = profiles[0][-shift:] if shift > 0 else profiles[0][:-shift]
    if past_midnight.sum() < _LEAST_PAST_MIDNIGHT * known.size:
        return None  # a count, whose tail is as long
    evidence = (
        f"the hours are those of the reference {abs(shift)} {'later' if shift > 0 else 'earlier'}, "
        f"past midnight too (another time zone?): set back, {1 - left / plain:.0%} of the "
        "difference is gone"
    )
    fault = Fault(FaultKind.OFFSET, (name,), 1.0, evidence, repaired=True)
    return Finding(fault, {name: (suspects.current.column(name) - shift) % _HOURS})


def _index(suspects: Suspects, name: str) -> Finding | None:
    """Return whole numbers of few values that keep their shares one step or more aside."""
    known, values = _present(suspects, name)
    if min(known.size, values.size) < _LEAST_ROWS:
        return None
    low, high = float(known.min()), float(known.max())
    step = float(values.min()) - low
    if step == 0 or float(values.max()) - high != step or high - low > _MOST_VALUES:
        return None
    if not are_whole(known, values):
        return None
    lost = (known < low + step) if step > 0 else (known > high + step)
    came = (values > high) if step > 0 else (values < low)
    if min(float(lost.mean()), float(came.mean())) < _LEAST_EDGE:
        return None
    size = int(high - low) + 1
    profile = np.bincount((known - low).astype(np.int64), minlength=size)
    moved = np.bincount((values - low - step).astype(np.int64), minlength=size)
    # Where a tail ends is chance, and two of these are as long now and then.
    if min(p[end] for p in (profile, moved) for end in (0, -1)) < _LEAST_AT_END:
        return None
    terms = int((profile + moved > 0).sum()) - 1
    if terms < 1 or chdtrc(terms, _discrepancy(profile, moved)) < 0.01:
        return None
    evidence = (
        f"values run from {low + step:g} to {high + step:g} where the reference's run from {low:g} "
        f"to {high:g}, with the same shares: {step:+g} was added"
    )
    fault = Fault(FaultKind.OFFSET, (name,), 1.0, evidence, repaired=True)
    return Finding(fault, {name: suspects.current.column(name) - step})


def _first_value(suspects: Suspects, name: str) -> Finding | None:
    """Return whole numbers whose first or last value moved, and all others by as much.

    Many rows have that value: where a tail ends is chance.
    """
    known, values = _present(suspects, name)
    if min(known.size, values.size) < _LEAST_ROWS:
        return None
    if not are_whole(known, values):
        return None
    if np.unique(known).size < _LEAST_VALUES:
        return None
    for sign, verb in ((1.0, "begin"), (-1.0, "end")):
        was, now = float((sign * known).min()), float((sign * values).min())
        added = now - was
        if min((sign * known == was).sum(), (sign * values == now).sum()) < _LEAST_AT_END:
            continue
        gone, new = sign * known < was + added, sign * values < was
        if (sign * known == was).mean() < _LEAST_EDGE or (
            max(gone.mean(), new.mean()) < _LEAST_EDGE
        ):
            continue
        if not _is_undone(values, sign * added, known):
            continue
        # Rows that are no longer let through leave fewer, which may have the same shape.
        rest = known[~gone]
        if (
            added > 0
            and suspects.current.rows < _AS_MANY * suspects.reference.rows
            and (ks_distance(values, rest) <= distance_by_chance(values, rest))
        ):
            continue
        added *= sign
        evidence = (
            f"values {verb} at {sign * now:g} where the reference's {verb} at {sign * was:g}, with "
            f"the same shares: {added:+g} was added"
        )
        fault = Fault(FaultKind.OFFSET, (name,), 1.0, evidence, repaired=True)
        return Finding(fault, {name: suspects.current.column(name) - added})
    return None


def _origin(suspects: Suspects, name: str) -> Finding | None:
    """Return numbers whose commonest value moved, and all others with it by as much."""
    atom = moved_atom(suspects, name)
    if atom is None:
        return None
    known, values = _present(suspects, name)
    added = atom.now - atom.before
    others, known_others = values[values != atom.now], known[known != atom.before]
    if min(others.size, known_others.size) < _LEAST_ROWS:
        return None
    chance = distance_by_chance(others, known_others)
    if _apart(others - added, known_others) > chance:
        return None
    can_be_a_factor = atom.before * atom.now > 0
    if can_be_a_factor and _apart(others * (atom.before / atom.now), known_others) <= chance:
        return None  # prices that rose by so many per cent
    evidence = (
        f"{atom.before:g}, which {atom.share:.1%} of the reference's rows have, is {atom.now:g} "
        f"now, and all other values moved by as much: {added:+.6g} was added"
    )
    fault = Fault(FaultKind.OFFSET, (name,), 1.0, evidence, repaired=True)
    return Finding(fault, {name: suspects.current.column(name) - added})


def _grid(suspects: Suspects, name: str) -> Finding | None:
    """Return numbers that stood on a grid and now, in some rows or all, between its points."""
    before, after = suspects.reference.column(name), suspects.current.column(name)
    known = before[np.isfinite(before)]
    present = np.isfinite(after)
    if min(known.size, int(present.sum())) < _LEAST_ROWS or np.unique(known[:200]).size < 3:
        return None
    step, phase = _coarsest_grid(known)
    if step == 0:
        return None
    off = present & ~_on_grid(after, phase, step)
    values = after[off]
    if values.size < max(_LEAST_OFF, _LEAST_OFF_SHARE * present.sum()):
        return None
    share = float(off.sum() / present.sum())
    # Of few rows the reference may lack a value of the grid, which then looks coarser.
    if known.size * np.log1p(-min(share, 1 - 1e-9)) > np.log(suspects.level / 1e3):
        return None
    moved = _phase(values, step)
    if moved is None:
        return None
    gap = (moved - phase + 0.5 * step) % step - 0.5 * step
    added = gap + step * round((float(np.median(values) - np.median(known)) - gap) / step)
    if _apart(values - added, known) > 0.02 + distance_by_chance(values, known):
        return None
    evidence = (
        f"{share:.1%} of the values lie between the points of the grid on which the reference's "
        f"lie (one every {step:g}): {added:+.6g} was added"
    )
    fault = Fault(FaultKind.OFFSET, (name,), share, evidence, repaired=True)
    return Finding(fault, {name: np.where(off, after - added, after)}, off)


def _present(suspects: Suspects, name: str) -> tuple[FloatArray, FloatArray]:
    """Return a column's values in the reference and now, without those that are missing."""
    before, after = (w.column(name) for w in (suspects.reference, suspects.current))
    return before[np.isfinite(before)], after[np.isfinite(after)]


def _is_undone(values: FloatArray, added: float, known: FloatArray) -> bool:
    """Whether values are as far from the known ones as chance explains without a constant alone."""
    chance = distance_by_chance(values, known)
    return _apart(values, known) > 2 * chance and _apart(values - added, known) <= chance


def _apart(values: FloatArray, known: FloatArray) -> float:
    return ks_distance(np.round(values, _DIGITS), np.round(known, _DIGITS))


def _coarsest_grid(values: FloatArray) -> tuple[float, float]:
    """Return step and phase of the coarsest grid on which all values lie; step 0 for none."""
    steps = np.array(_STEPS)[:, None]
    first = values[:_FIRST]  # tell most columns from a grid
    likely = _on_grid(first, first[:1] % steps, steps).mean(axis=1) >= _LATTICE
    for step in np.array(_STEPS)[likely].tolist():
        phase = _phase(values, step)
        if phase is not None:
            return step, phase
    return 0.0, 0.0


def _phase(values: FloatArray, step: float) -> float | None:
    """Return where between two multiples of ``step`` (nearly) all of the values lie, or None."""
    phase = float(values[0]) % step
    if _on_grid(values[:_FIRST], phase, step).mean() < _LATTICE:
        return None
    return phase if _on_grid(values, phase, step).mean() >= _LATTICE else None


def _on_grid(values: FloatArray, phase: float | FloatArray, step: float | FloatArray) -> BoolArray:
    apart = np.abs((values - phase + 0.5 * step) % step - 0.5 * step)
    return np.asarray(apart <= 1e-6 * step + 1e-12 * np.abs(values))
