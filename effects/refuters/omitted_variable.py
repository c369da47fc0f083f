"""What a left-out column would do to a least-squares slope: formulas on partial R².

References
----------
Cinelli & Hazlett (2020), Making sense of sensitivity: extending omitted variable bias.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import t as student

__all__ = ["adjusted", "benchmark_bound", "partial_r2", "robustness_value"]


def partial_r2(statistic: float, freedom: float) -> float:
    """Return the share of the outcome's leftover variance that a column with this t explains."""
    return statistic**2 / (statistic**2 + freedom)


def robustness_value(
    statistic: float, freedom: float, *, share: float = 1.0, alpha: float | None = None
) -> float:
    """Return how much a hidden column must explain of what is left of both sides.

    Parameters
    ----------
    statistic : float
        t of the treatment.
    freedom : float
        Residual degrees of freedom.
    share : float
        How much of the estimate it is to take away.
    alpha : float, optional
        If given: enough that what is left is no longer significant at this level.

    Returns
    -------
    float
        In [0, 1]: a partial R² with the treatment and with the outcome alike.
    """
    strength = share * abs(statistic) / np.sqrt(freedom)
    critical = 0.0
    if alpha is not None:
        critical = float(student.isf(alpha / 2, freedom - 1)) / np.sqrt(freedom - 1)
    excess = strength - critical
    if excess <= 0:
        return 0.0
    if critical and strength > 1 / critical:
        # So strong that the constraint on the standard error binds.
        return float((strength**2 - critical**2) / (1 + strength**2))
    return float(0.5 * (np.sqrt(excess**4 + 4 * excess**2) - excess**2))


def adjusted(
    value: float, error: float, freedom: float, with_treatment: float, with_outcome: float
) -> tuple[float, float]:
    """Return estimate and standard error as they would be with the hidden column, at worst.

    Parameters
    ----------
    value, error, freedom : float
        Of the treatment, without it.
    with_treatment, with_outcome : float
        Partial R² of the hidden column, in [0, 1), given the covariates (and the treatment).
    """
    bias = np.sqrt(with_outcome * with_treatment / (1 - with_treatment)) * error * np.sqrt(freedom)
    shrink = np.sqrt((1 - with_outcome) / (1 - with_treatment))
    return (
        float(value - np.sign(value) * bias),
        float(shrink * error * np.sqrt(freedom / (freedom - 1))),
    )


def benchmark_bound(
    with_treatment: float, with_outcome: float, times: float = 1.0
) -> tuple[float, float]:
    """Return the strongest that a hidden column can be that is ``times`` as strong as a seen one.

    Parameters
    ----------
    with_treatment, with_outcome : float
        Partial R² of the seen column with the treatment given the other covariates, and with the
        outcome given those and the treatment.
    times : float

    Returns
    -------
    tuple of float
        Partial R² of the hidden column with the treatment and with the outcome; each at most 1.
        The bound does not exist where the first would reach 1: then (1, 1).
    """
    seen, odds = with_treatment, with_treatment / (1 - with_treatment)
    hidden = times * odds
    if hidden >= 1 or times * seen >= 1:
        return 1.0, 1.0
    between = times * seen**2 / ((1 - times * seen) * (1 - seen))
    if between >= 1:
        return hidden, 1.0
    ratio = (np.sqrt(times) + np.sqrt(between)) / np.sqrt(1 - between)
    return hidden, float(min(1.0, ratio**2 * with_outcome / (1 - with_outcome)))
