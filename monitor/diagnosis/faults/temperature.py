"""What tells another unit of temperature from growth: by 32 more it is no plain factor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from whydrift.discovery.arrays import FloatArray

__all__ = ["favours_another_zero"]

_MOST_TRIMMED = 0.02  # of either end, drawn in to the next value
# In nats: a change of unit at a thousandth of growth's odds.
_LEAST_FAVOUR = float(np.log(1e3))
_LEAST_FROM_SHIFT = 3.0
_OF_GROWTH = 0.2  # how likely growth is by about any one factor, by each unit of its log
_LEAST_CHANCE = 1e-4
_LEAST_DAYS = 5


@dataclass(frozen=True)
class _Moments:
    """How far from 0 values are in their own standard deviations, and how surely that is known."""

    values: FloatArray
    rows: float

    @cached_property
    def _drawn_in(self) -> FloatArray:
        low, high = np.quantile(self.values, [_MOST_TRIMMED, 1 - _MOST_TRIMMED])
        return np.clip(self.values, low, high)

    @cached_property
    def spread(self) -> float:
        """The standard deviation."""
        return float(self._drawn_in.std())

    @cached_property
    def from_zero(self) -> float:
        """The mean in standard deviations: what a plain factor leaves as it is."""
        return float(self._drawn_in.mean() / self.spread)

    @cached_property
    def variances(self) -> tuple[float, float]:
        """Of :attr:`from_zero` and of the log of the spread, by what single rows add to each."""
        scores = (self._drawn_in - self._drawn_in.mean()) / self.spread
        of_log_spread = (scores**2 - 1) / 2
        of_zero = scores - self.from_zero * of_log_spread
        return float((of_zero**2).mean() / self.rows), float((of_log_spread**2).mean() / self.rows)


def favours_another_zero(
    values: FloatArray,
    before: FloatArray,
    *,
    factor: float,
    shift: float,
    rows: tuple[float, float],
    within: float,
    past: Sequence[FloatArray] = (),
) -> bool:
    """Whether values became ``factor`` times what they were plus ``shift``, rather than grew.

    Growth by a plain factor leaves the mean as many standard deviations from 0 as it was, and what
    was added to each value leaves the standard deviation. Where values doubled, 1.8 times as much
    and 32 has the middle in the right place from 100 to 220, and no more speaks for it.

    Parameters
    ----------
    values, before : ndarray of shape (n_rows,), (n_reference_rows,)
        Present values of a middle that fits.
    factor, shift : float
        Of the conversion.
    rows : tuple of float
        As how many independent ones the rows of each count.
    within : float
        How far off the middle might have been, of its size: the closer it had to be, the less
        likely is growth by just as much.
    past : sequence of ndarray
        The values of each past window, where there are several: days differ.
    """
    now, then = (_Moments(v, n) for v, n in zip((values, before), rows, strict=True))
    days = [m for m in (_Moments(v, rows[1]) for v in past if v.size > 1) if m.spread > 0]
    if not (now.spread > 0 and then.spread > 0):
        return False
    zero, spread = then.from_zero, then.spread
    of_zero, of_spread = (sum(pair) for pair in zip(now.variances, then.variances, strict=True))
    if len(days) >= _LEAST_DAYS:  # together they spread wider than any one of them
        zeros = np.array([m.from_zero for m in days])
        logs = np.log([m.spread for m in days])
        zero, spread = float(zeros.mean()), float(np.exp(logs.mean()))
        further = 1 + 1 / len(days)
        of_zero = now.variances[0] + further * float(zeros.var(ddof=1))
        of_spread = now.variances[1] + further * float(logs.var(ddof=1))
    from_factor = _favour(now.from_zero - zero, shift / factor / spread, of_zero)
    from_shift = _favour(float(np.log(now.spread / spread)), float(np.log(factor)), of_spread)
    chance = min(1.0, max(_LEAST_CHANCE, 2 * within * _OF_GROWTH))
    return from_shift >= _LEAST_FROM_SHIFT and from_factor - np.log(chance) >= _LEAST_FAVOUR


def _favour(found: float, expected: float, variance: float) -> float:
    """Return how much likelier (log) a difference is with what is expected than with none."""
    return float((found - expected / 2) * expected / max(variance, 1e-12))
