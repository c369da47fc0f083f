"""Logistic regression that decides itself how far each kind of feature is shrunk."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.effects.propensity import expit
from whydrift.monitor.diagnosis.counterfactual.ridge import updated_penalties

__all__ = ["fit_logistic"]

_STEPS = 15
_SETTLED = 0.01  # of a log odds
_LARGEST_STEP = 5.0


def fit_logistic(
    design: FloatArray,
    label: FloatArray,
    kinds: IntArray,
    *,
    weight: FloatArray | None = None,
    offset: FloatArray | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Return coefficients and the penalties that were settled on, both of shape (f,).

    Parameters
    ----------
    design : ndarray of shape (n_rows, f)
        Intercept first.
    label : ndarray of shape (n_rows,)
        0 or 1.
    kinds : ndarray of int, shape (f,)
        Features of one kind are shrunk alike; -1 hardly at all.
    weight : ndarray of shape (n_rows,), optional
        Of each row.
    offset : ndarray of shape (n_rows,), optional
        Log odds to begin with; the coefficients add to it.

    References
    ----------
    MacKay (1992), The evidence framework applied to classification networks, Neural Computation 4,
    720-736.
    """
    start = np.zeros(len(label)) if offset is None else offset
    mass = np.ones(len(label)) if weight is None else weight
    beta = np.zeros(design.shape[1])
    if offset is None:
        share = min(max(float(np.average(label, weights=mass)), 1e-3), 1 - 1e-3)
        beta[0] = np.log(share / (1 - share))
    # Half a row's lean towards 0 keeps finite the log odds of a level that one window lacks.
    penalty = np.where(kinds < 0, 0.5, 1.0)
    for _ in range(_STEPS):
        chance = expit(start + design @ beta)
        slack = mass * np.maximum(chance * (1 - chance), 1e-6)
        hessian = design.T @ (design * slack[:, None])
        # As from least squares: the likelihood's quadratic model at beta.
        moment = hessian @ beta + design.T @ (mass * (label - chance))
        inverse = np.linalg.inv(hessian + np.diag(penalty))
        last, beta = beta, inverse @ moment
        step = float(np.abs(design @ (beta - last)).max())
        if step > _LARGEST_STEP:  # a whole Newton step may run away where the classes part
            beta = last + (beta - last) * _LARGEST_STEP / step
        penalty, _ = updated_penalties(penalty, np.diag(inverse), beta, kinds, noise=1.0)
        if step < _SETTLED:
            break
    return beta, penalty
