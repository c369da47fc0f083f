"""Numbers that are another number times the rate of a category: seats × price of a plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.faults.identity import decimals, off_by_rounding

__all__ = ["Tariff", "find_tariffs"]

_MOST_NUMBERS, _MOST_LEVELS = 60, 50
_PROBES, _LEAST_PROBES = 32, 16  # rows of one level on which all pairs are tried
_HOLDS = 0.995  # of the rows
_MOSTLY = 0.9  # of the probes
_OTHER_RATE = 1.01  # else it is the same multiple at all levels
_ROUNDED = 1.01  # units in the last decimal
_NOTHING = 1e-9  # what is left of numbers that are not rounded
_EXACT, _OFF = 0.05, (0.8, 1.2)  # of what rounding makes: not rounded, and rounded


@dataclass(frozen=True, slots=True)
class Tariff:
    """``result = base · rate(category)``, but for rounding."""

    result: str
    base: str
    category: str


def find_tariffs(
    window: Snapshot, numbers: Sequence[str], categories: Sequence[str]
) -> Iterator[Tariff]:
    """Yield the tariffs that hold in (nearly) all rows of a window.

    Of the two numbers the one that is rounded, or that takes only multiples of a rate, is the
    computed one; where neither is, nothing is yielded.

    Parameters
    ----------
    window : Snapshot
        The reference.
    numbers, categories : sequence of str
        Of very many numbers the first.
    """
    numbers = tuple(numbers)[:_MOST_NUMBERS]
    block = window.columns(numbers)
    units = np.array([_unit(block[:, k]) for k in range(len(numbers))])
    for category in categories:
        codes = window.column(category)
        level_of = np.where(np.isfinite(codes), codes, -1).astype(np.int64)
        levels, rows = np.unique(level_of[level_of >= 0], return_counts=True)
        if not 2 <= len(levels) <= _MOST_LEVELS:
            continue
        inside = np.flatnonzero(level_of == levels[rows.argmax()])
        for y, x in _pairs(block[inside], units):
            if _is_computed(block[:, y], block[:, x], level_of, units[y], units[x]):
                yield Tariff(numbers[y], numbers[x], category)


def _pairs(block: FloatArray, units: FloatArray) -> list[tuple[int, int]]:
    """Return pairs of which, in rows of one level, the first is a multiple of the second."""
    some = block[np.linspace(0, len(block) - 1, min(_PROBES, len(block))).astype(np.int64)]
    # Where the second is largest, its rate is hardly rounded.
    top = np.where(np.isfinite(some), np.abs(some), -1.0).argmax(axis=0)
    with np.errstate(all="ignore"):
        rates = some[top].T / some[top, np.arange(some.shape[1])]
        gap = np.abs(some[:, :, None] - rates * some[:, None, :])
        holds = gap <= (2 * units[:, None] + 1e-6 * np.abs(some[:, :, None]))
    known = np.isfinite(gap)
    enough = known.sum(axis=0) >= _LEAST_PROBES
    alike = (holds & known).sum(axis=0) >= _MOSTLY * known.sum(axis=0)
    varies = np.array(
        [np.unique(column[np.isfinite(column)]).size > 2 for column in some.T], dtype=bool
    )
    found = enough & alike & varies[:, None] & varies[None, :]
    np.fill_diagonal(found, False)
    return [(int(y), int(x)) for y, x in np.argwhere(found)]


def _is_computed(
    result: FloatArray, base: FloatArray, level_of: IntArray, unit: float, base_unit: float
) -> bool:
    """Whether a number is the other times the rate of the level in all rows, and not vice versa."""
    known = np.isfinite(result) & np.isfinite(base) & (base != 0) & (level_of >= 0)
    y, x, level = result[known], base[known], level_of[known]
    rates = np.ones(int(level.max()) + 1)
    for code in np.unique(level).tolist():
        rates[code] = _rate(y[level == code], x[level == code], unit)
    used = np.abs(rates[np.unique(level)])
    if used.max() <= _OTHER_RATE * used.min() or not used.min():
        return False
    rate = rates[level]
    gap = y - rate * x
    if (np.abs(gap) <= _ROUNDED * unit + 1e-6 * np.abs(y)).mean() < _HOLDS:
        return False
    off, back = _off(gap, unit), _off(gap / rate, base_unit)
    if off > _EXACT:
        return _OFF[0] <= off <= _OFF[1] and not _OFF[0] <= back <= _OFF[1]
    largest = level == np.bincount(level).argmax()
    return _spacing(y[largest], unit) > 1.5 > _spacing(x[largest], base_unit)


def _rate(y: FloatArray, x: FloatArray, unit: float) -> float:
    """Return how many times the second number the first is, but in odd rows."""
    rate = float(np.median(y / x))
    near = np.abs(y - rate * x) <= 2 * unit + 1e-3 * np.abs(y)
    if not near.any():
        return rate
    largest = np.abs(x[near]).max()  # squares of numbers as they are may vanish or overflow
    some = x[near] / largest
    return float((y[near] / largest) @ some / (some @ some))


def _unit(values: FloatArray) -> float:
    """Return one in the last decimal of a number as it is written; 0 where there is none."""
    present = values[np.isfinite(values)][:2_000]
    places = decimals(present) if present.size else None
    return 0.0 if places is None else 10.0**-places


def _off(gap: FloatArray, unit: float) -> float:
    """Return how far off a number is, as a share of what rounding makes; 0 if it is exact."""
    if unit:
        return off_by_rounding(gap / unit)
    return 0.0 if np.abs(gap).max() < _NOTHING else np.inf


def _spacing(values: FloatArray, unit: float) -> float:
    """Return the least distance between different values, in units."""
    distinct = np.unique(values)
    if len(distinct) < 2 or not unit:
        return 0.0
    return float(np.diff(distinct).min()) / unit
