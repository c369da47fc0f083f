"""The E-value: how strong a hidden cause would have to be to explain an effect away."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.effects.check import Check

__all__ = ["e_value", "e_value_check", "risk_ratio"]

_WARN = 1.25  # a hidden cause that weak is nearly always there
_PER_SD = 0.91  # log risk ratio of one standard deviation (VanderWeele 2017)


def e_value(ratio: float) -> float:
    """Return the E-value of a risk ratio.

    A hidden cause that both makes treatment and outcome that many times as likely, beyond what is
    adjusted for, could explain the ratio away; a weaker one could not.

    References
    ----------
    VanderWeele & Ding (2017), Sensitivity analysis in observational research: introducing the
    E-value.
    """
    above = ratio if ratio >= 1 else 1 / ratio
    return float(above + np.sqrt(above * (above - 1)))


def risk_ratio(effect: float, outcome: FloatArray, control_mean: float) -> float:
    """Return an effect as a risk ratio: exact for a 0/1 outcome, by its spread for a number."""
    if np.isin(outcome, (0.0, 1.0)).all():
        floor = 1 / (2 * len(outcome))  # a share of 0 has no ratio
        base = min(max(control_mean, floor), 1 - floor)
        return min(max(base + effect, floor), 1 - floor) / base
    spread = float(outcome.std())
    return float(np.exp(np.clip(_PER_SD * effect / spread, -50, 50))) if spread > 0 else 1.0


def e_value_check(
    value: float, low: float, high: float, outcome: FloatArray, control_mean: float
) -> Check:
    """Judge how weak a hidden cause would do to explain an effect, and to make it uncertain.

    Parameters
    ----------
    value, low, high : float
        The estimate and its interval.
    outcome : ndarray of shape (n_rows,)
    control_mean : float
        Mean outcome without treatment.
    """
    point = e_value(risk_ratio(value, outcome, control_mean))
    if low <= 0 <= high:
        said = (
            "the interval holds no effect as it is; a hidden cause that makes treatment and "
            f"outcome {point:.2f} times as likely each would explain the estimate away"
        )
        return Check.at_least("unmeasured_confounding", 1.0, said, warn=_WARN)
    limit = low if value > 0 else high
    edge = e_value(risk_ratio(limit, outcome, control_mean))
    said = (
        f"a hidden cause that makes treatment and outcome {point:.2f} times as likely each, beyond "
        f"what is adjusted for, would explain the estimate away; {edge:.2f} times would do for the "
        "interval to hold no effect"
    )
    return Check.at_least("unmeasured_confounding", edge, said, warn=_WARN)
