"""The chance of belonging to the current group given covariates, and the overlap of the groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.effects.cholesky import cholesky, solved

__all__ = ["Propensity", "fit_propensity", "logistic_ridge"]

_STEPS = 25
_CONVERGED = 1e-7  # gain in log likelihood per row
# The share of the gain that may remain from step to step before an old quadratic model is renewed.
_SLOWEST, _FEATURES_PER_STEP = 0.4, 400
_LIMIT = 30.0  # beyond this, exp() says 0 or 1 in double precision


@dataclass(frozen=True, slots=True)
class Propensity:
    """Fitted chances and how far the two groups overlap.

    Parameters
    ----------
    chance : ndarray of shape (n_rows,)
        P(current | covariates), fitted.
    overlap : float
        mean(e(1−e)) / (w̄(1−w̄)): 1 where the covariates say nothing about the group, 0 where
        they tell it for certain.
    coefficients : ndarray of shape (n_features,)
        Of the log odds: where a fit with further features may begin.
    """

    chance: FloatArray
    overlap: float
    coefficients: FloatArray


def logistic_ridge(
    design: FloatArray,
    label: FloatArray,
    *,
    penalty: float = 1.0,
    weight: FloatArray | None = None,
    gram: FloatArray | None = None,
    start: FloatArray | None = None,
) -> FloatArray:
    """Return coefficients of a ridge logistic regression by Newton's method.

    Parameters
    ----------
    design : ndarray of shape (n_rows, n_features)
        Its first column is the intercept, which is not penalised.
    label : ndarray of shape (n_rows,)
        0 or 1.
    penalty : float
        λ of ½ λ‖β‖².
    weight : ndarray of shape (n_rows,), optional
        Case weights.
    gram : ndarray of shape (n_features, n_features), optional
        ``design.T @ design``, where it is known; of use without weights alone.
    start : ndarray of shape (at most n_features,), optional
        Where to begin: the coefficients of the first features, fitted without the others.

    Returns
    -------
    ndarray of shape (n_features,)
    """
    features = design.shape[1]
    ridge = np.full(features, penalty)
    ridge[0] = 1e-8
    beta = np.zeros(features)
    share = float(np.average(label, weights=weight))
    share = min(max(share, 1e-6), 1 - 1e-6)
    if start is None:
        beta[0] = np.log(share / (1 - share))
    else:
        beta[: len(start)] = start
    eta = design @ beta
    loss = _logistic_loss(eta, label, weight) + 0.5 * float(ridge @ beta**2)
    before = np.inf
    factor: FloatArray | None = None
    for _ in range(_STEPS):
        chance = expit(eta)
        residual = label - chance
        if weight is not None:
            residual = residual * weight
        gradient = design.T @ residual - ridge * beta
        if factor is None:
            if gram is not None and weight is None and not beta[1:].any():
                hessian = share * (1 - share) * gram
            else:
                slack = chance * (1 - chance)
                scaled = design * np.sqrt(slack if weight is None else slack * weight)[:, None]
                hessian = scaled.T @ scaled  # of one array with itself numpy computes one half only
            hessian[np.diag_indices(features)] += ridge + 1e-9
            factor = cholesky(hessian)
        step = solved(factor, gradient)
        # Half the gain that the quadratic model promises; once it is nothing, so is the next step.
        gain = float(gradient @ step)
        if gain < 2 * _CONVERGED * len(label):
            return beta + step
        # A new quadratic model costs as much as a step for every fourth feature.
        if gain > min(_SLOWEST, features / _FEATURES_PER_STEP) * before:
            factor = None
        before = gain
        shrink = 1.0
        while True:
            candidate = beta + shrink * step
            eta_new = design @ candidate
            loss_new = _logistic_loss(eta_new, label, weight) + 0.5 * float(ridge @ candidate**2)
            if loss_new <= loss + 1e-10 or shrink < 1e-3:
                break
            shrink /= 2
        beta, eta, loss = candidate, eta_new, loss_new
    return beta


def fit_propensity(
    design: FloatArray,
    current: FloatArray,
    gram: FloatArray | None = None,
    start: FloatArray | None = None,
) -> Propensity:
    """Fit P(current | covariates) by ridge logistic regression.

    Parameters
    ----------
    design : ndarray of shape (n_rows, n_features)
        Covariates, first column the intercept.
    current : ndarray of shape (n_rows,)
        1 for rows of the current group, 0 for the reference.
    gram, start : ndarray, optional
        See `logistic_ridge`.

    Returns
    -------
    Propensity

    References
    ----------
    Rosenbaum & Rubin (1983), The central role of the propensity score.
    Li, Morgan & Zaslavsky (2018), Balancing covariates via propensity score weighting: e(1−e) is
    the overlap weight.
    """
    share = float(current.mean())
    if design.shape[1] == 1:
        odds = np.array([np.log(share / (1 - share))])
        return Propensity(np.full(len(current), share), 1.0, odds)
    coefficients = logistic_ridge(design, current, gram=gram, start=start)
    chance = expit(design @ coefficients)
    overlap = float(np.mean(chance * (1 - chance)) / (share * (1 - share)))
    return Propensity(chance, overlap, coefficients)


def expit(eta: FloatArray) -> FloatArray:
    """Return the logistic function, without overflow."""
    return 1.0 / (1.0 + np.exp(-np.clip(eta, -_LIMIT, _LIMIT)))


def _logistic_loss(eta: FloatArray, label: FloatArray, weight: FloatArray | None) -> float:
    # log(1 + exp(η)), for a tenth of what numpy's logaddexp takes
    each = np.log1p(np.exp(-np.abs(eta))) + np.maximum(eta, 0.0) - label * eta
    return float(each.sum() if weight is None else each @ weight)
