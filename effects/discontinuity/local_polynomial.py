"""Local polynomials at a threshold, as weights: an estimate is ``weights @ outcome``."""

from __future__ import annotations

from math import factorial

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.effects.discontinuity.kernel import Kernel

__all__ = ["coefficient_weights", "fitted", "jump_weights", "neighbour_residuals"]

_NEIGHBOURS = 3  # Calonico, Cattaneo & Titiunik (2014), section 4


def coefficient_weights(x: FloatArray, kernel: Kernel, bandwidth: float, order: int) -> FloatArray:
    """Return the weights that give the coefficients of a local polynomial at 0.

    Parameters
    ----------
    x : ndarray of shape (n_rows,)
        Of one side, less the threshold.
    kernel : Kernel
    bandwidth : float
    order : int

    Returns
    -------
    ndarray of shape (order + 1, n_rows)
        Row j times the outcome is the coefficient of x^j.
    """
    scaled = x / bandwidth
    weights = kernel(scaled)
    powers = np.where(weights[:, None] > 0, scaled[:, None], 0.0) ** np.arange(order + 1)
    root = np.sqrt(weights)
    # By a pseudo-inverse: rows that do not settle a coefficient make it small and not an error.
    solved = np.linalg.pinv(powers * root[:, None], rcond=1e-12) * root
    found: FloatArray = solved / bandwidth ** np.arange(order + 1)[:, None]
    return found


def jump_weights(
    x: FloatArray,
    above: BoolArray,
    kernel: Kernel,
    bandwidths: tuple[float, float],
    order: int,
    derivative: int,
) -> tuple[FloatArray, FloatArray]:
    """Return the weights that give the jump of a function, or of its slope, at 0.

    Parameters
    ----------
    x : ndarray of shape (n_rows,)
    above : ndarray of bool, shape (n_rows,)
        The side of each row.
    kernel : Kernel
    bandwidths : (float, float)
        Of the estimate, and of the fit, one order higher, that its bias is read from.
    order : int
    derivative : int
        0 for the function, 1 for its slope.

    Returns
    -------
    conventional, corrected : ndarray of shape (n_rows,)
        The second takes the leading bias away.

    References
    ----------
    Calonico, Cattaneo & Titiunik (2014), Robust nonparametric confidence intervals for
    regression-discontinuity designs, Econometrica 82, equation 3 and theorem 1.
    """
    main, pilot = bandwidths
    conventional, corrected = np.zeros(len(x)), np.zeros(len(x))
    for side, sign in ((above, 1.0), (~above, -1.0)):
        own = coefficient_weights(x[side], kernel, main, order)[derivative]
        curvature = coefficient_weights(x[side], kernel, pilot, order + 1)[order + 1]
        bias = float(own @ x[side] ** (order + 1))
        scale = sign * factorial(derivative)
        conventional[side] = scale * own
        corrected[side] = scale * (own - bias * curvature)
    return conventional, corrected


def fitted(
    x: FloatArray, above: BoolArray, y: FloatArray, kernel: Kernel, bandwidth: float, order: int
) -> tuple[FloatArray, FloatArray]:
    """Return the polynomial at 0 of either side, at each row, and the leverage of each row."""
    values, leverage = np.zeros(len(x)), np.zeros(len(x))
    for side in (above, ~above):
        weights = coefficient_weights(x[side], kernel, bandwidth, order)
        powers = x[side][:, None] ** np.arange(order + 1)
        values[side] = powers @ (weights @ y[side])
        leverage[side] = np.einsum("ij,ji->i", powers, weights)
    return values, leverage


def neighbour_residuals(x: FloatArray, above: BoolArray, y: FloatArray) -> FloatArray:
    """Return what each outcome differs by from those of its nearest rows on its side.

    Scaled so that the square has the variance of the row as its mean. Rows that are as near as
    the third count too, so that the order of equal rows does not matter.

    Parameters
    ----------
    x : ndarray of shape (n_rows,)
    above : ndarray of bool, shape (n_rows,)
    y : ndarray of shape (n_rows,)

    Returns
    -------
    ndarray of shape (n_rows,)

    References
    ----------
    Abadie & Imbens (2006), Large sample properties of matching estimators, Econometrica 74.
    """
    residuals = np.zeros(len(x))
    for side in (above, ~above):
        place = np.flatnonzero(side)
        place = place[np.argsort(x[place], kind="stable")]
        residuals[place] = _sorted_residuals(x[place], y[place])
    return residuals


def _sorted_residuals(x: FloatArray, y: FloatArray) -> FloatArray:
    rows = len(x)
    near = min(_NEIGHBOURS, rows - 1)
    offsets = [k for k in range(-near, near + 1) if k]
    others = np.arange(rows)[:, None] + offsets
    inside = (others >= 0) & (others < rows)
    apart = np.abs(x[np.clip(others, 0, rows - 1)] - x[:, None])
    reach = np.sort(np.where(inside, apart, np.inf), axis=1)[:, near - 1]
    reach = reach + 1e-12 * np.abs(x).max()  # equal distances stay equal when rounded
    first = np.searchsorted(x, x - reach, side="left")
    last = np.searchsorted(x, x + reach, side="right")
    centred = y - y.mean()
    total = np.concatenate([[0.0], np.cumsum(centred)])
    count = last - first - 1
    mean = (total[last] - total[first] - centred) / count
    found: FloatArray = np.sqrt(count / (count + 1)) * (centred - mean)
    return found
