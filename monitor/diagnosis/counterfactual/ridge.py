"""Ridge fits of one mechanism in both windows at once: what they share, and how they differ.

The coefficients are those of the mean of both windows' mechanisms, then those of their difference.
How far each kind of feature is shrunk the rows decide themselves. So a mechanism that differs in
its level alone is fitted as such, and is known in one window also where only the other has rows.

References
----------
MacKay (1992), Bayesian interpolation, Neural Computation 4, 415-447.
"""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray

__all__ = ["fit_curves", "penalties_by_evidence", "updated_penalties", "window_signs"]

_ROUNDS = 20
_WIDE, _ROUNDS_IF_WIDE = 150, 6  # features; each round inverts a matrix of so many rows
_LEAST_PENALTY, _LARGEST_PENALTY = 1e-3, 1e9
_SETTLED = 0.05  # of the log of a penalty
_FREE = 1e-8  # keeps an intercept's equation solvable


def fit_curves(
    design: FloatArray,
    response: FloatArray,
    side: IntArray,
    groups: IntArray,
    count: int,
    kinds: IntArray,
    differs: BoolArray,
    variance: float | None = None,
) -> FloatArray:
    """Return coefficients in each window, from all rows and with each group left out.

    Parameters
    ----------
    design : ndarray of shape (n_rows, f)
        Intercept first.
    response : ndarray of shape (n_rows,)
        What is to be fitted.
    side : ndarray of int, shape (n_rows,)
        0 for rows of the reference, 1 for the current window's.
    groups : ndarray of int, shape (n_rows,)
        Group of each row, below ``count``.
    count : int
        Number of groups.
    kinds : ndarray of int, shape (f,)
        Features of one kind are shrunk alike; -1 is not shrunk.
    differs : ndarray of bool, shape (f,)
        Features for the difference between the windows.
    variance : float, optional
        Of the noise, where it is known.

    Returns
    -------
    ndarray of shape (2, 1 + n_groups, f)
    """
    signs = window_signs(differs)
    signed = design * signs[side]
    order = np.argsort(groups, kind="stable")
    ends = np.searchsorted(groups[order], np.arange(count + 1))
    signed, ordered = signed[order], response[order]
    parts = [slice(ends[g], ends[g + 1]) for g in range(count)]
    grams = np.stack([signed[p].T @ signed[p] for p in parts])
    moments = np.stack([signed[p].T @ ordered[p] for p in parts])
    whole, right = grams.sum(axis=0), moments.sum(axis=0)
    square = float(response @ response)
    penalty = penalties_by_evidence(whole, right, square, len(response), kinds, variance)
    lhs = np.concatenate([whole[None], whole - grams])
    rhs = np.concatenate([right[None], right - moments])
    diagonal = np.arange(len(penalty))
    lhs[:, diagonal, diagonal] += penalty
    weights = np.linalg.solve(lhs, rhs[..., None])[..., 0]
    out: FloatArray = weights * signs[:, None, :]
    return out


def window_signs(differs: BoolArray) -> FloatArray:
    """Return by what features are multiplied in each window, shape (2, f): ±½ where they differ."""
    return np.where(differs, np.array([[-0.5], [0.5]]), 1.0)


def penalties_by_evidence(
    gram: FloatArray,
    moment: FloatArray,
    square: float,
    rows: int,
    kinds: IntArray,
    variance: float | None = None,
) -> FloatArray:
    """Return the ridge penalty of every feature that makes the responses likeliest.

    Parameters
    ----------
    gram, moment : ndarray of shapes (f, f) and (f,)
        Cross products of the features, and of features and response.
    square : float
        Sum of the squared responses.
    rows : int
        Number of rows.
    kinds : ndarray of int, shape (f,)
        Features of one kind have one penalty; -1 is free.
    variance : float, optional
        Of the noise; estimated where not given.
    """
    penalty = np.where(kinds < 0, _FREE, 1.0)
    for _ in range(_ROUNDS if len(kinds) <= _WIDE else _ROUNDS_IF_WIDE):
        inverse = np.linalg.inv(gram + np.diag(penalty))
        beta = inverse @ moment
        noise = variance
        if noise is None:
            residual = square - 2 * beta @ moment + beta @ gram @ beta
            told = len(penalty) - float(penalty @ np.diag(inverse))
            noise = max(float(residual), 1e-12 * square, 1e-300) / max(rows - told, 1.0)
        before = penalty
        penalty = updated_penalties(penalty, inverse, beta, kinds, noise)
        if np.abs(np.log(penalty / before)).max() < _SETTLED:
            break
    return penalty


def updated_penalties(
    penalty: FloatArray, inverse: FloatArray, beta: FloatArray, kinds: IntArray, noise: float
) -> FloatArray:
    """Return the penalties after one round of re-estimation.

    Parameters
    ----------
    penalty, beta : ndarray of shape (f,)
        As they are.
    inverse : ndarray of shape (f, f)
        Of the penalised cross products.
    kinds : ndarray of int, shape (f,)
        See `penalties_by_evidence`.
    noise : float
        Variance.
    """
    count = int(kinds.max()) + 1
    if count <= 0:
        return penalty
    shrunk = kinds >= 0
    own = kinds[shrunk]
    told = np.bincount(own, 1 - (penalty * np.diag(inverse))[shrunk], count)
    size = np.bincount(own, beta[shrunk] ** 2, count)
    best = noise * np.maximum(told, 1e-9) / np.maximum(size, 1e-300)
    out = penalty.copy()
    out[shrunk] = np.clip(best, _LEAST_PENALTY, _LARGEST_PENALTY)[own]
    return out
