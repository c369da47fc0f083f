"""Intervals that hold at every look, so that one may stop whenever one likes."""

from __future__ import annotations

import math

__all__ = ["always_valid_p", "always_valid_reach"]


def always_valid_reach(rows: float, planned: float, level: float) -> float:
    """Return how many standard errors an interval reaches that holds at all looks together.

    A normal mixture over the effects that could be: the interval at each look is the set of
    effects that the mixture has not yet rejected, and the truth leaves it at *any* look with
    probability at most 1 − level. It is shortest, against the interval of a single look, at
    ``planned`` rows, which must be said before the first look.

    Parameters
    ----------
    rows : float
        So far.
    planned : float
        Where it should be shortest.
    level : float

    References
    ----------
    Robbins (1970), Statistical methods related to the law of the iterated logarithm.
    Howard, Ramdas, McAuliffe & Sekhon (2021), Time-uniform, nonparametric, nonasymptotic
    confidence sequences.
    Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024), Time-uniform central limit theory and
    asymptotic confidence sequences, equations 6 and 28.
    """
    ratio = _mixture(rows, planned, level)
    return math.sqrt((1 + 1 / ratio) * (math.log1p(ratio) - 2 * math.log(1 - level)))


def always_valid_p(z: float, rows: float, planned: float, level: float) -> float:
    """Return the p-value of no effect that may be read at every look (mixture SPRT).

    Parameters
    ----------
    z : float
        Estimate over its standard error.
    rows, planned, level
        As in `always_valid_reach`, which holds no effect at ``level`` where this is above
        1 − level.

    References
    ----------
    Johari, Koomen, Pekelis & Walsh (2022), Always valid inference: continuous monitoring of A/B
    tests.
    """
    ratio = _mixture(rows, planned, level)
    log_p = 0.5 * math.log1p(ratio) - 0.5 * z * z * ratio / (1 + ratio)
    return math.exp(min(0.0, log_p))


def _mixture(rows: float, planned: float, level: float) -> float:
    """Return the variance of the mixture, in those of the estimate so far."""
    budget = -2 * math.log(1 - level)
    return (budget + math.log1p(budget)) * rows / planned
