"""Bounds: what the data say of an effect without any assumption on who was treated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from whydrift.discovery.errors import OptionError, SchemaError
from whydrift.effects.effect import Effect
from whydrift.effects.estimand import ALWAYS, average_effect
from whydrift.effects.influence import cluster_check, influence_error
from whydrift.effects.question import Question
from whydrift.effects.study import Study
from whydrift.effects.table import Table
from whydrift.effects.words import interval_text, number_text

__all__ = ["Bounds"]


@dataclass(frozen=True)
class Bounds:
    """Worst-case bounds: what was not seen is as low, or as high, as it can be.

    The interval covers the effect (not the whole of the bounds) with the level asked for.

    Parameters
    ----------
    lowest, highest : float, optional
        Between which the outcome must lie; 0 and 1 for an outcome of 0 and 1.

    References
    ----------
    Manski (1990), Nonparametric bounds on treatment effects.
    Imbens & Manski (2004), Confidence intervals for partially identified parameters.
    """

    lowest: float | None = None
    highest: float | None = None

    def estimate(self, study: Study, question: Question) -> Effect:
        """Return the effect; see `Method`."""
        lowest, highest = self._limits(study)
        treated = study.treatment.is_treated == 1
        outcome = study.outcome
        # Seen where the arm is the row's own, at worst where it is not.
        ends = []
        for best_treated, best_untreated in ((lowest, highest), (highest, lowest)):
            each = np.where(treated, outcome, best_treated) - np.where(
                treated, best_untreated, outcome
            )
            middle = float(each.mean())
            ends.append((middle, influence_error(each - middle, study.cluster)[0]))
        (low, low_error), (high, high_error) = ends
        reach = _imbens_manski(high - low, max(low_error, high_error), question.level)
        table = Table(
            "What the data say without assumptions on who was treated",
            ("end", "value", "standard error"),
            (("lower bound", low, low_error), ("upper bound", high, high_error)),
        )
        limits = f"{study.roles.outcome} lies between {number_text(lowest)} and "
        reason = (
            f"the data bound the effect to {interval_text(low, high)}; the interval adds what "
            "chance may do"
        )
        return Effect(
            estimand=average_effect("ate", study.treatment.contrast, study.roles.outcome),
            treatment=study.roles.treatment,
            outcome=study.roles.outcome,
            value=None,
            standard_error=None,
            low=low - reach * low_error,
            high=high + reach * high_error,
            level=question.level,
            p_value=None,
            n=study.n,
            method="bounds",
            units=question.units,
            contrast=study.treatment.contrast,
            reason=reason,
            assumptions=(f"{limits}{number_text(highest)}", *ALWAYS),
            checks=cluster_check(study.cluster),
            details={"bounds": table},
        )

    def _limits(self, study: Study) -> tuple[float, float]:
        lowest = 0.0 if self.lowest is None and study.outcome_is_binary else self.lowest
        highest = 1.0 if self.highest is None and study.outcome_is_binary else self.highest
        if lowest is None or highest is None:
            raise OptionError(
                f"nothing says between which values {study.roles.outcome!r} must lie",
                where="bounds",
                remedy="Give lowest= and highest=: what could be, not what was seen",
            )
        if study.outcome.min() < lowest or study.outcome.max() > highest:
            raise SchemaError(
                f"{study.roles.outcome!r} runs from {study.outcome.min():g} to "
                f"{study.outcome.max():g}",
                where="bounds, lowest and highest",
                remedy="Give limits that hold all of it",
            )
        return lowest, highest


def _imbens_manski(width: float, error: float, level: float) -> float:
    """Return how many standard errors the interval reaches beyond either bound."""
    if error <= 0:
        return 0.0

    def excess(reach: float) -> float:
        return float(norm.cdf(reach + width / error) - norm.cdf(-reach) - level)

    # One-sided where the bounds are far apart, two-sided where they meet.
    return float(brentq(excess, 0.0, norm.isf((1 - level) / 2) + 1.0))
