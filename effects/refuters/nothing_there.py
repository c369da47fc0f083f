"""Where the truth is zero by construction: a placebo treatment, a made-up outcome."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import binom

from whydrift.discovery.arrays import FloatArray
from whydrift.effects.check import Check, Outcome
from whydrift.effects.effect import Effect
from whydrift.effects.refuters.base import Case, Refutation
from whydrift.effects.refuters.changes import with_made_up_outcome, with_shuffled_treatment
from whydrift.effects.words import number_text, percent

__all__ = ["dummy_outcome", "placebo_treatment"]

# Of a right method: the chance that so many intervals miss, and that the mean is so far off.
_WARN, _FAIL = 1e-2, 1e-3
_FAR = 4.0  # standard errors of the mean
_MATTERS = 0.25  # standard errors of the estimate: less does not change what is read from it
# Where covariates and treatment stay those of one sample, which chance has made uneven, estimates
# of a right method centre on what is left of that, not on zero. Its standard error covers it: that
# part of it by which estimates from this one sample do not spread. The part is known roughly, so
# less than a standard error never counts.
_UNEVEN = 3.0  # of that part, as a standard deviation
_LEAST = 20


def placebo_treatment(case: Case) -> Refutation:
    """Shuffle the treatment: there is no effect left, and none should be found.

    References
    ----------
    Sharma & Kiciman (2020), DoWhy: an end-to-end library for causal inference.
    Bertrand, Duflo & Mullainathan (2004), How much should we trust differences-in-differences
    estimates?, section 3, for the share of intervals that miss.
    """
    found = list(case.repeated(with_shuffled_treatment))
    larger = sum(abs(e.value or 0.0) >= abs(case.value) for e in found)
    told = (
        f"; {larger} of {len(found)} shuffled treatments look as strong as the real one"
        if found
        else ""
    )
    return Refutation(
        (_judged(case, "placebo_treatment", "with the treatment shuffled", found, told),)
    )


def dummy_outcome(case: Case) -> Refutation:
    """Make the outcome up from the covariates alone: confounded as it was, and without an effect.

    A method that does not rid the comparison of what it adjusts for finds one.
    """
    found = list(case.repeated(with_made_up_outcome))
    what = "with an outcome made up from the covariates alone"
    return Refutation((_judged(case, "dummy_outcome", what, found, is_uneven=True),))


def _judged(
    case: Case, name: str, what: str, found: list[Effect], told: str = "", is_uneven: bool = False
) -> Check:
    """Judge estimates of an effect that is zero.

    In an uneven sample intervals are held against the mean estimate: how far that is from zero is
    judged by itself.
    """
    if len(found) < _LEAST:
        said = f"{what} the method had an answer {len(found)} times only: nothing can be said"
        return Check(name, Outcome.WARN, said)
    values = np.array([e.value for e in found], dtype=np.float64)
    mean, error = float(values.mean()), float(values.std(ddof=1)) / len(values) ** 0.5
    spread = case.effect.standard_error or float(values.std(ddof=1))
    matters = max(spread, _UNEVEN * _unevenness(found, values)) if is_uneven else _MATTERS * spread
    is_off = abs(mean) > _FAR * error and abs(mean) > matters
    centre, called = (mean, "that mean") if is_uneven else (0.0, "zero")
    missed = sum(not (_low(e) <= centre <= _high(e)) for e in found)
    share = missed / len(found)
    chance = float(binom.sf(missed - 1, len(found), 1 - case.effect.level))
    outcome = (
        Outcome.FAIL if is_off or chance < _FAIL
        else Outcome.WARN if chance < _WARN
        else Outcome.PASS
    )  # fmt: skip
    limit = float(binom.isf(_WARN, len(found), 1 - case.effect.level)) / len(found)
    said = (
        f"{what} {len(found)} times, where there is no effect, the mean estimate is "
        f"{number_text(mean, signed=True)} ± {number_text(error)}, and {percent(share)} of the "
        f"intervals miss {called} ({percent(1 - case.effect.level)} should){told}"
    )
    if is_off:
        said += "; the method finds what is not there"
    elif outcome is not Outcome.PASS:
        said += "; the intervals are too short"
    return Check(name, outcome, said, share, limit)


def _unevenness(found: list[Effect], values: FloatArray) -> float:
    """Return what standard errors claim beyond the spread of the estimates."""
    claimed = [e.standard_error**2 for e in found if e.standard_error is not None]
    if not claimed:
        return 0.0
    return math.sqrt(max(0.0, float(np.mean(claimed)) - float(values.var(ddof=1))))


def _low(effect: Effect) -> float:
    return -np.inf if effect.low is None else effect.low


def _high(effect: Effect) -> float:
    return np.inf if effect.high is None else effect.high
