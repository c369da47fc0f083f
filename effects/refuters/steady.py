"""What should not move an estimate: a column of noise, fewer rows, rows drawn again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.effects.check import Check, Outcome
from whydrift.effects.refuters.base import Case, Refutation
from whydrift.effects.refuters.changes import with_noise, with_resampled_rows
from whydrift.effects.study import Study
from whydrift.effects.words import number_text, percent

__all__ = ["bootstrap", "random_common_cause", "subset"]

_MOST_NOISE = 20
_LEAST = 20
_SHARE = 0.8
_MOVED_WARN, _MOVED_FAIL = 0.5, 1.0  # of a standard error
# The spread of estimates over the standard error: what 100 draws blur, and what no longer is blur.
_SPREAD_WARN, _SPREAD_FAIL = 1.4, 2.0


def random_common_cause(case: Case) -> Refutation:
    """Adjust for noise as well: the estimate should stay where it is.

    References
    ----------
    Sharma & Kiciman (2020), DoWhy: an end-to-end library for causal inference.
    """
    values = _values(case, with_noise, _MOST_NOISE)
    if not len(values):
        return _silent("random_common_cause", "adjusted for noise as well")
    return Refutation(
        (
            _moved(
                case,
                "random_common_cause",
                values,
                f"adjusted for a column of noise as well, {len(values)} times",
            ),
        )
    )


def subset(case: Case) -> Refutation:
    """Leave out a fifth of the rows (or clusters), again and again."""
    values = _values(case, _only_some)
    if len(values) < _LEAST:
        return _silent("subset", f"of {_SHARE:.0%} of the rows")
    what = f"of {_SHARE:.0%} of the rows, {len(values)} times"
    return Refutation((_moved(case, "subset", values, what),))


def bootstrap(case: Case) -> Refutation:
    """Draw the rows (or clusters) again, and hold the spread against the standard error.

    References
    ----------
    Efron & Tibshirani (1993), An introduction to the bootstrap, chapter 6.
    """
    error = case.effect.standard_error
    if error is None or error <= 0:
        return Refutation(())
    values = _values(case, with_resampled_rows)
    if len(values) < _LEAST:
        return _silent("bootstrap", "with rows drawn again")
    ratio = float(values.std(ddof=1)) / error
    said = (
        f"with rows drawn again {len(values)} times estimates spread by "
        f"{number_text(float(values.std(ddof=1)))}, {ratio:.2f} times the standard error"
    )
    if ratio > _SPREAD_WARN:
        said += ": the interval is too short"
    return Refutation(
        (Check.at_most("bootstrap", ratio, said, warn=_SPREAD_WARN, fail=_SPREAD_FAIL),)
    )


def _only_some(study: Study, generator: np.random.Generator) -> Study:
    if study.cluster is None:
        return study.only(generator.random(study.n) < _SHARE)
    return study.only((generator.random(int(study.cluster.max()) + 1) < _SHARE)[study.cluster])


def _values(
    case: Case, change: Callable[[Study, np.random.Generator], Study], most: int | None = None
) -> FloatArray:
    return np.array([e.value for e in case.repeated(change, most)], dtype=np.float64)


def _moved(case: Case, name: str, values: FloatArray, what: str) -> Check:
    """Judge how far the mean estimate is from the one under test, in its standard errors."""
    mean = float(values.mean())
    spread = case.effect.standard_error or float(values.std(ddof=1)) or abs(case.value) or 1.0
    moved = abs(mean - case.value) / spread
    turned = float((np.sign(values) != np.sign(case.value)).mean())
    said = (
        f"{what}, the estimate is {number_text(mean, signed=True)} on average, {moved:.2f} "
        f"standard errors away, and changes its sign in {percent(turned)}"
    )
    return Check.at_most(name, moved, said, warn=_MOVED_WARN, fail=_MOVED_FAIL)


def _silent(name: str, what: str) -> Refutation:
    said = f"{what} the method has no answer: nothing can be said"
    return Refutation((Check(name, Outcome.WARN, said),))
