"""The error of a jump where rows of one cluster share what moves them, for few clusters too."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.effects.discontinuity.kernel import Kernel
from whydrift.effects.few_clusters import few_cluster_error

__all__ = ["clustered_error"]


def clustered_error(
    x: FloatArray,
    above: BoolArray,
    response: FloatArray,
    weights: FloatArray,
    cluster: IntArray,
    kernel: Kernel,
    bandwidth: float,
    order: int,
) -> tuple[float, float]:
    """Return the standard error of ``weights @ response`` and its degrees of freedom.

    Few clusters may lie near the threshold, however many there are elsewhere: see
    `few_cluster_error`.

    Parameters
    ----------
    x, above, response, weights, cluster : ndarray of shape (n_rows,)
        ``cluster`` holds codes from 0.
    kernel, bandwidth, order
        Of the polynomials whose residuals tell the noise.

    Returns
    -------
    (float, float)
    """
    kept = (weights != 0) | (np.abs(x) < bandwidth)
    x, above, response, weights = x[kept], above[kept], response[kept], weights[kept]
    codes = np.unique(cluster[kept], return_inverse=True)[1]
    powers = (x / bandwidth)[:, None] ** np.arange(order + 1)
    design = np.column_stack([powers * above[:, None], powers * ~above[:, None]])  # (rows, k)
    mass = kernel(x / bandwidth)
    # In a basis in which the weighted Gram matrix is the identity: leverages are squares.
    values, vectors = np.linalg.eigh((design * mass[:, None]).T @ design)
    sound = values > values[-1] * 1e-12
    design = design @ (vectors[:, sound] / np.sqrt(values[sound]))
    residual = response - design @ (design.T @ (mass * response))
    return few_cluster_error(weights, residual, design, mass, codes)
