"""Positive definite equations, straight from LAPACK: small ones are most of what a test solves."""

from __future__ import annotations

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

from whydrift.discovery.arrays import FloatArray

__all__ = ["cholesky", "is_positive_definite", "solved"]


def cholesky(matrix: FloatArray) -> FloatArray:
    """Return the lower factor of a symmetric matrix; what stands above its diagonal means nothing.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrix is not positive definite.
    """
    factor, info = dpotrf(matrix, lower=1, clean=0)
    if info:
        raise np.linalg.LinAlgError(f"leading minor {info} is not positive definite")
    out: FloatArray = factor
    return out


def is_positive_definite(matrix: FloatArray) -> bool:
    """Whether a symmetric matrix has positive eigenvalues alone."""
    factor, info = dpotrf(matrix, lower=1, clean=0)
    return bool(info == 0 and np.isfinite(factor[-1, -1]))  # where NaN comes to from anywhere


def solved(factor: FloatArray, right: FloatArray) -> FloatArray:
    """Return x of ``matrix @ x = right``, by the matrix's `cholesky` factor.

    Parameters
    ----------
    factor : ndarray of shape (n, n)
    right : ndarray of shape (n,) or (n, k)
    """
    out: FloatArray = dpotrs(factor, right, lower=1)[0]
    return out.reshape(right.shape)
