"""Conversions between units that columns are recorded in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.independence.dependence import lag_one
from whydrift.monitor.diagnosis.faults.base import sorted_ks_distance
from whydrift.monitor.diagnosis.faults.temperature import favours_another_zero

__all__ = [
    "CONVERSIONS",
    "LEAST_ROWS",
    "Conversion",
    "Fit",
    "Likeliest",
    "Ratio",
    "distance_by_chance",
    "fitting",
    "is_temperature",
    "likeliest",
]

_FACTORS = (
    *(10.0**k for k in range(1, 10)),
    24.0,
    60.0,
    1024.0,
    1024.0**2,
    1440.0,
    3600.0,
    86400.0,
)
LEAST_ROWS = 50
_LEAST_DISTANCE = 0.2
_KS_ONE_PERCENT = 1.63
_INTERVAL = 1.959964  # 95 %
_FAR_BEYOND = 5.0  # times as far as any past window, of what may be a conversion on an odd day
_FURTHER = 1.3  # times as far out as any past window another one may lie
# A difference between two distances that chance makes, in units of √(1/n + 1/m): both are of the
# same values, so that it is less than either varies.
_CLEARLY = 0.5
_CLOSELY = 0.1  # a standard error: growth may have been by any factor
_BEYOND_GROWTH = float(np.log(50))  # a factor
_TWINS = 0.05  # of their size: 1,024 for 1,000 and 1,024² for 1,000,000
_COLDEST, _HOTTEST = -60.0, 220.0  # of a temperature's median, in °C


@dataclass(frozen=True)
class Conversion:
    """Values became ``factor`` times what they were, plus ``shift``."""

    factor: float
    shift: float
    text: str

    def undo(self, values: FloatArray) -> FloatArray:
        """Return the values as they were."""
        out: FloatArray = (values - self.shift) / self.factor
        return out

    @property
    def is_decimal(self) -> bool:
        """Whether the factor is a power of ten."""
        return not self.shift and float(np.log10(self.factor)).is_integer()

    @property
    def is_beyond_growth(self) -> bool:
        """Whether no growth is by as much."""
        return abs(float(np.log(self.factor))) > _BEYOND_GROWTH


def _conversions() -> tuple[Conversion, ...]:
    found = [Conversion(k, 0.0, f"× {k:,.0f}") for k in _FACTORS]
    found += [Conversion(1 / k, 0.0, f"÷ {k:,.0f}") for k in _FACTORS]
    found.append(Conversion(1.8, 32.0, "°C → °F (× 1.8 + 32)"))
    found.append(Conversion(1 / 1.8, -32.0 / 1.8, "°F → °C (− 32, ÷ 1.8)"))
    return tuple(found)


CONVERSIONS: Final = _conversions()


@dataclass(frozen=True, slots=True)
class Likeliest:
    """The likeliest of several conversions, and those that cannot be told from it."""

    conversion: Conversion
    others: tuple[Conversion, ...]

    @property
    def text(self) -> str:
        """Their names."""
        if not self.others:
            return self.conversion.text
        verb = "fits" if len(self.others) == 1 else "fit"
        return f"{self.conversion.text}; {', '.join(c.text for c in self.others)} {verb} as well"


def likeliest(distances: Sequence[tuple[float, Conversion]], error: float) -> Likeliest:
    """Return the conversion after which values come nearest to the reference's.

    A power of ten is taken unless its twin is clearly nearer: few windows tell 1,024 from 1,000,
    and the power of ten is the usual one.

    Parameters
    ----------
    distances : sequence of (float, Conversion)
        Largest gaps between the distributions; at least one.
    error : float
        √(1/n + 1/m) of the values that the gaps were measured on.
    """
    least, best = min(distances, key=lambda pair: pair[0])
    alike = [c for gap, c in distances if gap <= least + _CLEARLY * error]
    twin = next(
        (c for c in alike if c.is_decimal and abs(np.log(c.factor / best.factor)) < _TWINS), best
    )
    return Likeliest(twin, tuple(c for c in alike if c is not twin))


@dataclass(frozen=True, slots=True)
class Ratio:
    """Log of the ratio of two typical sizes, and its standard error."""

    log: float
    error: float

    def covers(self, factor: float) -> bool:
        """Whether its 95 % interval holds a factor."""
        return bool(abs(self.log - np.log(factor)) <= _INTERVAL * self.error)

    @property
    def text(self) -> str:
        """The ratio and its 95 % interval."""
        ends = self.log + _INTERVAL * self.error * np.array([-1.0, 0.0, 1.0])
        low, middle, high = np.exp(ends)
        return f"typical values are {middle:.3g} times the reference's ({low:.3g} to {high:.3g})"


@dataclass(frozen=True, slots=True)
class Fit:
    """A conversion that fits, and the distances to the reference as recorded and when undone.

    ``measured`` is by what factor typical values moved.
    """

    likeliest: Likeliest
    distance: float
    left: float
    measured: Ratio | None = None

    @property
    def conversion(self) -> Conversion:
        """The likeliest one."""
        return self.likeliest.conversion

    @property
    def text(self) -> str:
        """Its name, those of others that fit as well, and what was measured if that is another."""
        text, factor = self.likeliest.text, self.conversion.factor
        if self.measured is None or self.conversion.shift or self.measured.covers(factor):
            return text
        return f"{text}; {self.measured.text}"


def fitting(
    values: FloatArray,
    before: FloatArray,
    ordered: FloatArray | None = None,
    past_values: Callable[[], Sequence[FloatArray]] = tuple,
) -> Fit | None:
    """Return the conversion that all of the values went through, or None.

    It is chosen on every second value and checked on the others.

    Parameters
    ----------
    values, before : ndarray of shape (n_rows,), (n_reference_rows,)
        Present values in the order of rows.
    ordered : ndarray of shape (n_reference_rows,), optional
        The reference's ascending, where they are known.
    past_values : callable
        Returns the values of each past window, where it is known how ordinary ones differ: a day
        that is warmer than most is so in °F as well. Called where values moved far.
    """
    if min(values.size, before.size) < LEAST_ROWS:
        return None
    reference = np.sort(before) if ordered is None else ordered
    check = np.sort(values[1::2])
    distance = sorted_ks_distance(check, reference)
    if distance < _LEAST_DISTANCE:
        return None
    past = past_values()
    candidates = _plausible(values, before, past)
    if not candidates or distance < distance_by_chance(values[1::2], before):
        return None
    choose = np.sort(values[::2])
    best = likeliest(
        [(sorted_ks_distance(c.undo(choose), reference), c) for c in candidates],
        float(np.sqrt(1 / choose.size + 1 / before.size)),
    )
    left = sorted_ks_distance(best.conversion.undo(check), reference)
    noise = 1.36 * float(np.sqrt(1 / check.size + 1 / before.size))
    # Growth is not a unit: what is undone has to fit closely, or as past windows do.
    if left > min(0.5 * distance, 0.05 + noise):
        # Of temperatures alone: a day of ten times the sales is not rare enough.
        others = past if best.conversion.shift else ()
        usual = max((sorted_ks_distance(np.sort(p), reference) for p in others), default=0.0)
        if left > min(0.8 * distance, _FURTHER * usual):
            return None
    return Fit(best, distance, left, _ratio(values, before))


def distance_by_chance(a: FloatArray, b: FloatArray) -> float:
    """Return a distance that two windows of the same series exceed once in a hundred times.

    Neighbouring rows that are alike (by the lag-one correlation r) count as (1 − r)/(1 + r) rows.
    """
    rows = [_independent(values) for values in (a, b)]
    return float(_KS_ONE_PERCENT * np.sqrt(sum(1 / count for count in rows)))


def _independent(values: FloatArray) -> float:
    """Return how many independent values tell as much: one at least."""
    r = max(0.0, lag_one(values[:, None]))
    return max(1.0, values.size * (1 - r) / (1 + r))


def _plausible(
    values: FloatArray, before: FloatArray, past: Sequence[FloatArray]
) -> list[Conversion]:
    """Return the conversions that, undone, bring the size of the values to the reference's.

    The conversions lie so densely that some one of them is near any growth: the ratio of the
    typical sizes has to be this one, but for the sampling error of independent rows. Of rows that
    resemble their neighbours that is too little; factors that no growth reaches may be off by as
    much as these differ. So has the middle of temperatures, but for what past windows differ by.
    """
    found = [c for c in CONVERSIONS if c.shift and is_temperature(c, values, before, past)]
    ratio = _ratio(values, before)
    if ratio is None:
        return found
    rows = [_independent(v) for v in (values, before)]
    fewer = np.sqrt(sum(1 / r for r in rows) / (1 / values.size + 1 / before.size))

    def is_near(conversion: Conversion) -> bool:
        size = float(np.log(conversion.factor))
        if conversion.is_beyond_growth:
            return bool(abs(ratio.log - size) < 0.03 + 2 * ratio.error * fewer)
        return bool(ratio.error < _CLOSELY and abs(ratio.log - size) < 0.03 + 2 * ratio.error)

    return [c for c in CONVERSIONS if not c.shift and is_near(c)] + found


def _ratio(values: FloatArray, before: FloatArray) -> Ratio | None:
    """Return by how much the median of the sizes moved; None with too few of them."""
    sizes = [np.abs(v[v != 0]) for v in (values, before)]
    if min(s.size for s in sizes) < LEAST_ROWS // 2:
        return None
    quartiles = [np.quantile(np.log(s), [0.25, 0.5, 0.75]) for s in sizes]
    # The standard error of a median, by the spread of the middle half (1.25 · sd / √n).
    errors = [
        1.25 * (q[2] - q[0]) / 1.35 / s.size**0.5 for q, s in zip(quartiles, sizes, strict=True)
    ]
    return Ratio(float(quartiles[0][1] - quartiles[1][1]), float(np.hypot(*errors)))


def is_temperature(
    conversion: Conversion,
    values: FloatArray,
    before: FloatArray,
    past: Sequence[FloatArray] = (),
    *,
    rows: tuple[float, float] | None = None,
    are_all: bool = True,
) -> bool:
    """Whether these are temperatures that were converted.

    Middle and spread have to be both the reference's once undone (or as far from them as those of
    past windows are), and no plain factor and no plain shift may do as well. The latter is not
    asked where these are not all the values that may have been converted. ``rows`` is as how many
    independent ones they count; told by their order where that is known.
    """
    undone = np.quantile(conversion.undo(values), [0.25, 0.5, 0.75])
    usual = np.quantile(before, [0.25, 0.5, 0.75])
    middle = float(np.median(values))
    spread, error = usual[2] - usual[0], np.sqrt(1 / values.size + 1 / before.size)
    celsius = usual[1] if conversion.factor > 1 else middle
    if not spread > 0 or celsius < _COLDEST or celsius > _HOTTEST:
        return False
    # In units of the middle half, 0.93 is a median's standard error times √n, 1.6 that of the
    # middle half itself (of normal values).
    off, wider = abs(undone[1] - usual[1]) / spread, abs((undone[2] - undone[0]) / spread - 1)
    quartiles = [np.quantile(p, [0.25, 0.5, 0.75]) for p in past]
    most_off = max((abs(q[1] - usual[1]) / spread for q in quartiles), default=0.0)
    most_wider = max((abs((q[2] - q[0]) / spread - 1) for q in quartiles), default=0.0)
    most_off_by_chance = 0.05 + 2 * 0.93 * error
    near = off < most_off_by_chance
    alike = wider < 0.05 + 2 * 1.6 * error
    # What days differ by excuses little of a conversion that is hardly farther than that.
    moved = abs(middle - usual[1]) / spread
    if moved > _FAR_BEYOND * most_off:
        near = near or off < _FURTHER * most_off
        alike = alike or wider < _FURTHER * most_wider
    if not (near and alike and are_all):
        return bool(near and alike)
    most_off = max(most_off_by_chance, off)
    return favours_another_zero(
        values,
        before,
        factor=conversion.factor,
        shift=conversion.shift,
        rows=rows or (_independent(values), _independent(before)),
        within=most_off * spread * conversion.factor / max(abs(middle), 1e-12),
        past=past,
    )
