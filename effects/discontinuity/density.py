"""Whether rows bunch on one side of a threshold: a jump in the density of the running variable."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import stats

from whydrift.discovery.arrays import FloatArray
from whydrift.effects.discontinuity.kernel import Kernel, kernel_named
from whydrift.effects.discontinuity.local_polynomial import coefficient_weights
from whydrift.effects.discontinuity.sample import Sample

__all__ = ["density_jump"]

_ORDER = 3  # one more than is best for the density itself, so that bias stays out of the test


def density_jump(sample: Sample, kernel: Kernel) -> tuple[float, float, float]:
    """Test whether the density of the running variable jumps at 0.

    On each side a polynomial is fitted to the share of rows up to each value; its slope at the
    threshold is the density there.

    Parameters
    ----------
    sample : Sample
    kernel : Kernel
        For the rule of thumb of the bandwidth alone; the fit itself is triangular.

    Returns
    -------
    below, above : float
        The density at the threshold, from either side.
    p_value : float
        Of no jump; 1 where a side has no density to speak of.

    References
    ----------
    Cattaneo, Jansson & Ma (2020), Simple local polynomial density estimators, Journal of the
    American Statistical Association 115.
    """
    triangular = kernel_named("triangular")
    x = sample.x
    spread = min(
        float(x.std(ddof=1)), float(np.subtract(*np.quantile(x, [0.75, 0.25]))) / 1.349 or np.inf
    )
    bandwidth = triangular.rule_of_thumb * spread * float(len(x)) ** -0.2
    density: list[float] = []
    variance = 0.0
    for side in (~sample.above, sample.above):
        own = np.sort(x[side])
        # Middle ranks: rows of equal value share theirs.
        share = (
            np.searchsorted(own, own, "left") + np.searchsorted(own, own, "right")
        ) / (2 * len(x))  # fmt: skip
        reach = max(bandwidth, float(np.sort(np.abs(own))[min(20, len(own)) - 1]))
        slope = float(coefficient_weights(own, triangular, reach, _ORDER)[1] @ share)
        density.append(max(slope, 0.0))
        variance += max(slope, 0.0) * _variance_constant() / (len(x) * reach)
    if not variance > 0:
        return density[0], density[1], 1.0
    size = abs(density[1] - density[0]) / np.sqrt(variance)
    return density[0], density[1], float(2 * stats.norm.sf(size))


@cache
def _variance_constant() -> float:
    """Return the variance of a boundary density in units of density / (rows · bandwidth).

    Cattaneo, Jansson & Ma (2020), theorem 2, with r(u) the powers up to the order:
    (S⁻¹ G S⁻¹)₁₁, S = ∫ r r' K, G = ∫∫ min(u, v) r(u) r(v)' K(u) K(v) on [0, 1].
    """
    points, weights = np.polynomial.legendre.leggauss(200)
    u: FloatArray = (points + 1) / 2
    mass = weights / 2 * (1 - u)
    powers = u[:, None] ** np.arange(_ORDER + 1)
    inner = (powers * mass[:, None]).T
    middle = np.linalg.inv(inner @ powers)
    spread = inner @ np.minimum.outer(u, u) @ inner.T
    return float((middle @ spread @ middle)[1, 1])
