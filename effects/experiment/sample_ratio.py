"""Sample-ratio mismatch: whether the draw put into each arm as many as it was meant to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.errors import OptionError
from whydrift.effects.check import Check, Outcome
from whydrift.effects.words import p_text, percent

__all__ = ["planned_shares", "sample_ratio_check"]

_FAIL = 1e-3
_EQUAL, _UNKNOWN = "equal", "unknown"


def planned_shares(given: str | float | Sequence[float], arms: int) -> FloatArray | None:
    """Return the share of units that each arm was to get, control first; None if unknown.

    Parameters
    ----------
    given : str, float or sequence of float
        ``equal``, ``unknown``, the share of the one arm beside control, or a share (or a weight)
        of each arm.
    arms : int

    Raises
    ------
    OptionError
        If it is none of these.
    """
    if given == _UNKNOWN:
        return None
    if given == _EQUAL:
        return np.full(arms, 1 / arms)
    if isinstance(given, (int, float)) and arms == 2:
        given = (1 - given, given)
    fits = not isinstance(given, (str, int, float)) and len(given) == arms
    weights = np.array(given if fits else [0.0], dtype=np.float64)
    if not fits or not np.isfinite(weights).all() or weights.min() <= 0:
        raise OptionError(
            f"{given!r} are no shares of {arms} arms",
            where="ab_test, shares",
            remedy="Give a positive share for each arm, control first, such as (0.5, 0.5); or "
            "'equal', or 'unknown'",
        )
    shares: FloatArray = weights / weights.sum()
    return shares


def sample_ratio_check(
    levels: Sequence[str], units: IntArray, shares: FloatArray | None, what: str = "rows"
) -> Check:
    """Hold the size of the arms against the plan; fails below 0.001.

    Parameters
    ----------
    levels : sequence of str
    units : ndarray of int, shape (n_arms,)
        What was drawn into each arm.
    shares : ndarray of shape (n_arms,), optional
        Planned; None where unknown.
    what : str
        What is drawn, in words.

    References
    ----------
    Fabijan et al. (2019), Diagnosing sample ratio mismatch in online controlled experiments.
    """
    sizes = ", ".join(f"{n:,} with {level}" for level, n in zip(levels, units, strict=True))
    if shares is None:
        return Check(
            "sample_ratio",
            Outcome.WARN,
            f"{what}: {sizes}; the planned shares are unknown, so that nobody can tell whether "
            "some were lost on the way",
        )
    p = float(stats.chisquare(units, shares * units.sum()).pvalue)
    plan = " to ".join(percent(share) for share in shares)
    said = (
        f"{what}: {sizes}, where {plan} was planned ({p_text(p)}): the draw or the log lost some, "
        "and those who are left may differ"
        if p < _FAIL
        else f"{what}: {sizes}, as planned ({plan}; {p_text(p)})"
    )
    return Check.at_least("sample_ratio", p, said, warn=_FAIL, fail=_FAIL)
