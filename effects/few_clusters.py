"""Cluster errors that few clusters do not make too small (CR2), and their degrees of freedom."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray

__all__ = ["few_cluster_error"]

_MOST_LEVERAGE = 1 - 1e-8  # a cluster that settles a coefficient alone has no residual to scale up


def few_cluster_error(
    weights: FloatArray, residual: FloatArray, design: FloatArray, mass: FloatArray, codes: IntArray
) -> tuple[float, float]:
    """Return the standard error of ``weights @ outcome`` and its degrees of freedom.

    A fit follows the clusters it is made from, so that their residuals are too small; and where few
    of them carry the estimate there are few degrees of freedom, however many others there are. Both
    are mended as if errors were independent and alike: then the variance is next to without bias.

    Parameters
    ----------
    weights : ndarray of shape (n_rows,)
        That give the estimate.
    residual : ndarray of shape (n_rows,)
    design : ndarray of shape (n_rows, n_columns)
        Of the fit whose residuals they are, in a basis in which its Gram matrix, rows weighted by
        ``mass``, is the identity. Levels of units that lie within clusters may be left out, having
        been taken out of all columns.
    mass : ndarray of shape (n_rows,)
        Weights of the fit; 1 for least squares.
    codes : ndarray of int, shape (n_rows,)
        Clusters, from 0 without a gap.

    References
    ----------
    Bell & McCaffrey (2002), Bias reduction in standard errors for linear regression with
    multi-stage samples, Survey Methodology 28.
    Imbens & Kolesár (2016), Robust standard errors in small samples, Review of Economics and
    Statistics 98.
    Pustejovsky & Tipton (2018), Small-sample methods for cluster-robust variance estimation and
    hypothesis testing in fixed effects models, Journal of Business & Economic Statistics 36.
    """
    groups = int(codes.max()) + 1
    directions, lengths = _leverages(design, mass, codes, groups)
    # (1 − λ)^(−1/2) along each direction of a cluster's leverage, 1 across them all.
    lengths = np.minimum(lengths, _MOST_LEVERAGE)
    longer = np.divide(
        1 / np.sqrt(1 - lengths) - 1, lengths, out=np.full_like(lengths, 0.5), where=lengths > 1e-9
    )
    own = _sums(design * weights[:, None], codes, groups)  # (groups, k)
    turned = np.einsum("gij,gi->gj", directions, own) * longer
    back = np.einsum("gij,gj->gi", directions, turned)
    # The weights of the estimate, with each cluster's residuals scaled up.
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
