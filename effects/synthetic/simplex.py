"""Least squares over weights that are not negative and add up to one."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from whydrift.discovery.arrays import FloatArray

__all__ = ["simplex_weights"]

_PULL = 1e3  # how hard the sum is pulled to 1, in sizes of the data
_NO_WEIGHT = 1e-7


def simplex_weights(donors: FloatArray, target: FloatArray) -> FloatArray:
    """Return the weights whose mix of donors comes nearest to the target.

    Parameters
    ----------
    donors : ndarray of shape (n_features, n_donors)
    target : ndarray of shape (n_features,)

    Returns
    -------
    ndarray of shape (n_donors,)
        Not negative, adding up to 1.
    """
    # Weights add up to 1, so that a level common to target and donors says nothing; without it
    # the pull on the sum costs no digits.
    level = donors.mean(axis=1)
    centred, aim = donors - level[:, None], target - level
    size = max(float(np.abs(centred).max()), float(np.abs(aim).max()), 1e-300)
    stacked = np.vstack([centred / size, np.full((1, donors.shape[1]), _PULL)])
    rough, _ = nnls(stacked, np.append(aim / size, _PULL), maxiter=30 * donors.shape[1])
    rough = rough / rough.sum()
    used = np.flatnonzero(rough > _NO_WEIGHT)
    exact = _on_support(centred[:, used] / size, aim / size)
    if exact is not None:
        rough = np.zeros(donors.shape[1])
        rough[used] = exact
    kept = np.where(rough > _NO_WEIGHT, rough, 0.0)
    found: FloatArray = kept / kept.sum()
    return found


def _on_support(donors: FloatArray, target: FloatArray) -> FloatArray | None:
    """Return the weights with the sum exactly 1, or None where that makes one negative."""
    last = donors[:, -1]
    free = np.linalg.lstsq(donors[:, :-1] - last[:, None], target - last, rcond=None)[0]
    weights: FloatArray = np.append(free, 1 - free.sum())
    return weights if (weights >= 0).all() else None
