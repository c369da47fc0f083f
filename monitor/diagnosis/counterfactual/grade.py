"""The mechanism of a number of few values: the chance to be above each of them.

References
----------
Williams (2006), Generalized ordered logit/partial proportional odds models for ordinal dependent
variables, Stata Journal 6, 58-82.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.effects.propensity import expit
from whydrift.monitor.diagnosis.counterfactual.category import CategoryMechanism
from whydrift.monitor.diagnosis.counterfactual.design import Layout
from whydrift.monitor.diagnosis.counterfactual.ridge import updated_penalties, window_signs

__all__ = ["fit_grade", "has_few_values"]

_MOST_VALUES: Final = 12
_FIRST_ROWS: Final = 500
_STEPS, _SETTLED, _LARGEST_STEP = 6, 0.05, 5.0  # of a log odds; each threshold begins near its end
_FREE: Final = 0.5  # half a row: no log odds is infinite
# The curvature of a likelihood need not be known to the row: where the slope is 0 is.
_ROWS_FOR_CURVATURE, _ROWS_PER_FEATURE = 2048, 10


def has_few_values(values: FloatArray) -> bool:
    """Whether a number has so few values that each is a level: stars, grades, small counts.

    A curve with a noise knows neither that there is no sixth star nor what is between two.
    """
    known = values[np.isfinite(values)]
    if np.unique(known[:_FIRST_ROWS]).size > _MOST_VALUES:  # mostly so, and soon seen
        return False
    return bool(np.unique(known).size <= _MOST_VALUES)


def fit_grade(
    values: FloatArray,
    design: FloatArray,
    layout: Layout,
    is_current: FloatArray,
    groups: IntArray,
    count: int,
) -> CategoryMechanism:
    """Fit the mechanism of a number of few values.

    Parameters are those of `fit_number`.
    """
    known = np.isfinite(values)
    levels = np.unique(values[known])
    signs = window_signs(layout.differs)
    signed = design[known][:, layout.source] * signs[is_current[known].astype(np.int64)]
    above = values[known][:, None] > levels[:-1]
    weights = _thresholds(signed, above.astype(np.float64), groups[known], count, layout.kinds)
    logits = layout.on_design(weights * signs[:, None, None, :])
    return CategoryMechanism(values, design, levels, logits, is_ordered=True)


def _thresholds(
    design: FloatArray, above: FloatArray, groups: IntArray, count: int, kinds: IntArray
) -> FloatArray:
    """Return logistic coefficients of all rows and, by a step, without each group.

    Each threshold begins where the last one ended.

    Returns
    -------
    ndarray of shape (1 + n_groups, n_thresholds, f)
    """
    rows, features = design.shape
    out = np.zeros((1 + count, above.shape[1], features))
    some = slice(None, None, max(1, rows // max(_ROWS_FOR_CURVATURE, _ROWS_PER_FEATURE * features)))
    few = np.ascontiguousarray(design[some])
    beta, penalty = np.zeros(features), np.where(kinds < 0, _FREE, 1.0)
    share_of = np.bincount(groups, minlength=count) / max(1, rows)
    diagonal = np.diag_indices(features)
    for position, label in enumerate(above.T):
        share = min(max(float(label.mean()), 1e-3), 1 - 1e-3)
        before = min(max(float(expit(design @ beta).mean()), 1e-3), 1 - 1e-3)
        beta = beta.copy()
        beta[0] += np.log(share / (1 - share)) - np.log(before / (1 - before))
        for _ in range(_STEPS):
            chance = expit(design @ beta)
            slack = np.maximum(chance[some] * (1 - chance[some]), 1e-6)
            curvature = few.T @ (few * slack[:, None]) * (rows / len(few))
            inverse = np.linalg.inv(curvature + np.diag(penalty))
            move = inverse @ (design.T @ (label - chance) - penalty * beta)
            size = float(np.abs(design @ move).max())
            beta = beta + move * min(1.0, _LARGEST_STEP / max(size, 1e-300))
            penalty, _ = updated_penalties(penalty, np.diag(inverse), beta, kinds, noise=1.0)
            if size < _SETTLED:
                break
        out[:, position] = beta
        residual = label - expit(design @ beta)
        for g in np.flatnonzero(share_of):
            without = curvature * (1 - share_of[g])
            without[diagonal] += penalty
            inside = groups == g
            out[1 + g, position] -= np.linalg.solve(without, design[inside].T @ residual[inside])
    return out
