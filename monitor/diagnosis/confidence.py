"""How likely a column's verdict is right: three numbers, fitted on windows of known truth."""

from __future__ import annotations

import math

__all__ = ["confidence"]

# Logistic regression of "the verdict is right" on 6,462 columns of driftbench's suites mid and
# hard, seeds 0-1, and small, seed 2, with learned graphs. How far it holds elsewhere is measured in
# docs/verdict.md.
_INTERCEPT, _PER_DECADE, _PER_DOUBT = 0.4, 2.0, -2.2
_MOST_DECADES = 2.0  # beyond, what goes wrong is not chance


def confidence(p_value: float, limit: float, doubt: float) -> float:
    """Return the chance that a verdict is right.

    Parameters
    ----------
    p_value : float
        Of "the column's mechanism is as before".
    limit : float
        Positive; p-values up to it count as changed.
    doubt : float
        Weight of the graphs by which the verdict would be another one; 0 where the graph is given,
        and then the chance is that of a right verdict if the graph is right.
    """
    decades = abs(math.log10(limit / max(p_value, 1e-300)))
    logit = _INTERCEPT + _PER_DECADE * min(decades, _MOST_DECADES) + _PER_DOUBT * doubt
    return 1 / (1 + math.exp(-logit))
