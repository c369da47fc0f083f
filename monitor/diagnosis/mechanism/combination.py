"""From standardised scores to one p-value."""

from __future__ import annotations

import numpy as np
from scipy.special import fdtrc, ndtri, stdtr

from whydrift.discovery.arrays import FloatArray
from whydrift.effects.cholesky import cholesky, is_positive_definite, solved

__all__ = [
    "as_normal",
    "cauchy_combination",
    "chi_square",
    "largest",
    "largest_of",
    "unskewed",
    "wald",
]

_LEAST_EIGENVALUE = 0.01
_LARGEST_P = 0.95  # tan(π/2) of a p-value of 1 would outweigh any other one
_SMALL_P = 1e-8  # below it tan(π(½ − p)) is 1/(πp) to double precision
_LEAST_P = 1e-300
_LEAST_SKEW = 1e-3


def unskewed(z: FloatArray, skewness: FloatArray) -> FloatArray:
    """Return standardised sums with their skewness taken out, so that their tails are normal's.

    Each sum is taken for a χ² variable, centred and scaled, with the same skewness, and mapped to
    the normal by cube roots.

    Parameters
    ----------
    z, skewness : ndarray of shape (n_scores,)

    Returns
    -------
    ndarray of shape (n_scores,)

    References
    ----------
    Wilson & Hilferty (1931), The distribution of chi-square.
    """
    sign = np.where(skewness < 0, -1.0, 1.0)
    size = np.maximum(np.abs(skewness), _LEAST_SKEW)
    freedom = 8 / size**2
    cube = np.maximum(1 + sign * z * np.sqrt(2 / freedom), 0.0) ** (1 / 3)
    mapped = sign * (cube - (1 - 2 / (9 * freedom))) / np.sqrt(2 / (9 * freedom))
    out: FloatArray = np.where(np.abs(skewness) < _LEAST_SKEW, z, mapped)
    return out


def as_normal(z: FloatArray, freedom: FloatArray) -> FloatArray:
    """Return the normal scores with the p-values that ``z`` has as Student's t.

    Parameters
    ----------
    z, freedom : ndarray of shape (n_scores,)
        Infinite degrees of freedom leave a score as it is.
    """
    p_value = np.maximum(stdtr(np.where(np.isfinite(freedom), freedom, 1.0), -np.abs(z)), _LEAST_P)
    out: FloatArray = np.where(np.isfinite(freedom), -np.sign(z) * ndtri(p_value), z)
    return out


def wald(z: FloatArray, correlation: FloatArray, freedom: float) -> float:
    """Return the p-value of "all scores have mean zero" by an F-type Wald test.

    Parameters
    ----------
    z : ndarray of shape (n_scores,)
    correlation : ndarray of shape (n_scores, n_scores)
    freedom : float
        Of the variances; with k scores ``freedom − k + 1`` are left (Hotelling 1931).
    """
    if not z.size:
        return 1.0
    statistic, rank = chi_square(z, correlation, _LEAST_EIGENVALUE)
    left = freedom - rank + 1
    return 1.0 if left <= 0 else float(fdtrc(rank, left, statistic * left / (freedom * rank)))


def chi_square(z: FloatArray, correlation: FloatArray, least: float) -> tuple[float, int]:
    """Return the size of standardised sums, measured by their correlation, and its rank.

    Directions in which they vary too little to be known are left out.

    Parameters
    ----------
    z : ndarray of shape (n_scores,)
    correlation : ndarray of shape (n_scores, n_scores)
    least : float
        Largest eigenvalue that is left out.
    """
    # Whether all eigenvalues are larger, a factor tells for a tenth of what they cost.
    if is_positive_definite(correlation - least * np.eye(len(correlation))):
        return float(z @ solved(cholesky(correlation), z)), z.size
    values, vectors = np.linalg.eigh(correlation)
    kept = values > least
    return float(((vectors[:, kept].T @ z) ** 2 / values[kept]).sum()), int(kept.sum())


def largest(z: FloatArray, freedom: float) -> float:
    """Return the p-value of the largest |z| by Bonferroni's inequality."""
    return largest_of(float(np.abs(z).max()), z.size, freedom) if z.size else 1.0


def largest_of(size: float, tests: int, freedom: float) -> float:
    """Return the p-value of the largest |z| among so many, by Bonferroni's inequality."""
    return float(min(1.0, tests * 2 * stdtr(freedom, -size)))


def cauchy_combination(p_values: list[float], weights: list[float]) -> float:
    """Combine dependent p-values into one; the smallest counts times the inverse of its weight.

    Unlike the smallest p-value times their number, several small ones count for more than one.

    Parameters
    ----------
    p_values, weights : list of float
        Weights are scaled to sum to one.

    References
    ----------
    Liu & Xie (2020), Cauchy combination test: a powerful test with analytic p-value calculation
    under arbitrary dependency structures.
    """
    p = np.minimum(np.array(p_values), _LARGEST_P)
    if p.min() < _LEAST_P:  # 1/p overflows; strength of evidence breaks the tie
        return 0.0
    share = np.array(weights) / np.sum(weights)
    terms = np.where(p < _SMALL_P, 1 / (np.pi * p), np.tan(np.pi * (0.5 - p)))
    total = float(share @ terms)
    if total > 1 / _SMALL_P:
        return 1 / (np.pi * total)
    return float(0.5 - np.arctan(total) / np.pi)
