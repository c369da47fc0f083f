"""Standard errors from influence values, with clusters or without."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.effects.check import Check

__all__ = ["cluster_check", "influence_error"]

_FEW_CLUSTERS, _TOO_FEW_CLUSTERS = 40, 5


def influence_error(
    influence: FloatArray, cluster: IntArray | None = None, parameters: int = 0
) -> tuple[float, float | None]:
    """Return the standard error of an estimate that is a mean of influence values.

    Parameters
    ----------
    influence : ndarray of shape (n_rows,)
        What each row adds to ``n_rows`` times the error of the estimate; its mean is 0.
    cluster : ndarray of int, shape (n_rows,), optional
        Codes from 0.
    parameters : int
        That were fitted: the variance is multiplied by n / (n − parameters), without clusters.

    Returns
    -------
    standard_error : float
    freedom : float or None
        Degrees of freedom: clusters less one; None without clusters.

    References
    ----------
    Cameron & Miller (2015), A practitioner's guide to cluster-robust inference.
    """
    rows = len(influence)
    if cluster is None:
        spare = max(rows - max(parameters, 1), 1)
        return float(np.sqrt((influence @ influence) / rows / spare)), None
    sums = np.bincount(cluster, weights=influence)
    groups = len(sums)
    variance = float(sums @ sums) / rows**2 * groups / (groups - 1)
    return float(np.sqrt(variance)), float(groups - 1)


def cluster_check(cluster: IntArray | None) -> tuple[Check, ...]:
    """Return whether there are enough clusters for their errors to be trusted."""
    if cluster is None:
        return ()
    groups = int(cluster.max()) + 1
    few = (
        "; with so few, intervals are often too short"
        if groups < _FEW_CLUSTERS
        else ", enough for errors that allow for them"
    )
    return (
        Check.at_least(
            "clusters",
            groups,
            f"{groups} clusters{few}",
            warn=_FEW_CLUSTERS,
            fail=_TOO_FEW_CLUSTERS,
        ),
    )
