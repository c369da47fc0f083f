"""The error of a jump where rows of one cluster share what moves them, for few clusters too."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.effects.discontinuity.kernel import Kernel

__all__ = ["clustered_error"]

_MOST_LEVERAGE = 1 - 1e-8  # a cluster that settles a coefficient alone has no residual to scale up


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

    A fit follows the clusters it is made from, so that their residuals are too small, and few
    clusters near the threshold leave few degrees of freedom however many there are elsewhere. Both
    are mended as if errors were independent and alike (CR2, Satterthwaite): then the variance is
    next to without bias.

    Parameters
    ----------
    x, above, response, weights, cluster : ndarray of shape (n_rows,)
        ``cluster`` holds codes from 0.
    kernel, bandwidth, order
        Of the polynomials whose residuals tell the noise.

    Returns
    -------
    (float, float)

    References
    ----------
    Bell & McCaffrey (2002), Bias reduction in standard errors for linear regression with
    multi-stage samples, Survey Methodology 28.
    Imbens & Kolesár (2016), Robust standard errors in small samples, Review of Economics and
    Statistics 98.
    """
    kept = (weights != 0) | (np.abs(x) < bandwidth)
    x, above, response, weights = x[kept], above[kept], response[kept], weights[kept]
    codes = np.unique(cluster[kept], return_inverse=True)[1]
    groups = int(codes.max()) + 1
    powers = (x / bandwidth)[:, None] ** np.arange(order + 1)
    design = np.column_stack([powers * above[:, None], powers * ~above[:, None]])  # (rows, k)
    mass = kernel(x / bandwidth)
    # In a basis in which the weighted Gram matrix is the identity: leverages are squares.
    values, vectors = np.linalg.eigh((design * mass[:, None]).T @ design)
    sound = values > values[-1] * 1e-12
    design = design @ (vectors[:, sound] / np.sqrt(values[sound]))
    residual = response - design @ (design.T @ (mass * response))
    directions, lengths = _leverages(design, mass, codes, groups)
    # (1 − λ)^(−1/2) along each direction of a cluster's leverage, 1 across them all.
    lengths = np.minimum(lengths, _MOST_LEVERAGE)
    longer = np.divide(
        1 / np.sqrt(1 - lengths) - 1, lengths, out=np.full_like(lengths, 0.5), where=lengths > 1e-9
    )
    own = _sums(design * weights[:, None], codes, groups)  # (groups, k)
    turned = np.einsum("gij,gi->gj", directions, own) * longer
    back = np.einsum("gij,gj->gi", directions, turned)
    # The estimate's weights, each cluster's residuals scaled up: (groups' shares are unit @ them)
    unit = weights + mass * np.einsum("ij,ij->i", design, back[codes])
    shares = np.bincount(codes, unit * residual, groups)
    error = float(np.sqrt(shares @ shares))
    return error, _freedom(unit, design, mass, codes, groups)


def _leverages(
    design: FloatArray, mass: FloatArray, codes: IntArray, groups: int
) -> tuple[FloatArray, FloatArray]:
    """Return the directions, (groups, k, k), and sizes, (groups, k), of clusters' leverages."""
    columns = design.shape[1]
    outer = (design[:, :, None] * design[:, None, :]).reshape(len(design), -1)
    blocks = _sums(outer * mass[:, None], codes, groups).reshape(groups, columns, columns)
    sizes, directions = np.linalg.eigh(blocks)
    return directions, np.clip(sizes, 0.0, None)


def _freedom(
    unit: FloatArray, design: FloatArray, mass: FloatArray, codes: IntArray, groups: int
) -> float:
    """Return Satterthwaite's degrees of freedom of a sum of squared shares.

    With independent errors the shares have the covariance D + [T R] K [T R]′: no matrix of
    clusters by clusters is made.
    """
    diagonal = np.bincount(codes, unit**2, groups)
    through = _sums(design * unit[:, None], codes, groups)
    weighted = _sums(design * (mass * unit)[:, None], codes, groups)
    gram = design.T @ (design * (mass**2)[:, None])
    eye = np.eye(len(gram))
    kernel = np.block([[gram, -eye], [-eye, np.zeros_like(gram)]])
    both = np.hstack([through, weighted])  # (groups, 2k)
    own = np.einsum("gi,ij,gj->g", both, kernel, both)
    moved = kernel @ (both.T @ both)
    total = float(diagonal.sum() + own.sum())
    squares = float(diagonal @ diagonal + 2 * diagonal @ own + np.trace(moved @ moved))
    return max(total**2 / squares, 1.0) if squares > 0 else 1.0


def _sums(columns: FloatArray, codes: IntArray, groups: int) -> FloatArray:
    """Return the sums of columns over each cluster, shape (groups, n_columns)."""
    return np.column_stack([np.bincount(codes, column, groups) for column in columns.T])
