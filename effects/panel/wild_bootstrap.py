"""The wild cluster bootstrap: intervals that few clusters do not make too short."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.effects.panel.absorber import Absorber

__all__ = ["WEIGHTS", "WildBootstrap", "wild_bootstrap"]

_WEBB = np.sqrt(np.array([0.5, 1.0, 1.5]))
WEIGHTS = {"rademacher": np.array([-1.0, 1.0]), "webb": np.concatenate([-_WEBB[::-1], _WEBB])}
"""Values that a cluster's residuals are multiplied by, each as likely."""

_FURTHEST = 64.0  # standard errors: an interval that reaches there has no bound
_HALVINGS = 30


@dataclass(frozen=True)
class WildBootstrap:
    """What the bootstrap says of one slope.

    Parameters
    ----------
    p_value : float
        Of no effect.
    low, high : float or None
        None where no value that far is rejected, which happens with very few clusters.
    """

    p_value: float
    low: float | None
    high: float | None


def wild_bootstrap(
    absorber: Absorber,
    column: FloatArray,
    outcome: FloatArray,
    cluster: IntArray,
    *,
    level: float,
    weights: str,
    draws: int,
    generator: np.random.Generator,
) -> WildBootstrap:
    """Bootstrap one slope, the null imposed, and invert the test for an interval.

    Under a null of b the residuals of the restricted fit are linear in b, and so are the scores of
    all bootstrap samples: two matrices hold them for every b, and no regression is run again.

    Parameters
    ----------
    absorber : Absorber
    column, outcome : ndarray of shape (n_rows,)
        As given; the absorber's part is taken out here.
    cluster : ndarray of int, shape (n_rows,)
    weights : str
        ``rademacher`` or ``webb``; the latter has more different samples with few clusters.

    References
    ----------
    Cameron, Gelbach & Miller (2008), Bootstrap-based improvements for inference with clustered
    errors. Webb (2023), Reworking wild bootstrap-based inference for clustered errors.
    Roodman, Nielsen, MacKinnon & Webb (2019), Fast and wild: bootstrap inference in Stata using
    boottest.
    """
    groups = int(cluster.max()) + 1
    left, rest = absorber.residual(column), absorber.residual(outcome)
    mass = float(left @ left)
    value = float(left @ rest) / mass
    basis = np.column_stack([absorber.basis, left / np.sqrt(mass)])

    def scores(residual: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return each cluster's share of the slope, and each cluster's score by each weight."""
        own: FloatArray = np.bincount(cluster, left * residual, groups).astype(np.float64)
        of_left = _by_cluster(basis * left[:, None], cluster, groups)  # (groups, directions)
        of_residual = _by_cluster(basis * residual[:, None], cluster, groups)
        spread = -(of_left @ of_residual.T)
        if absorber.unit is None:  # the intercept is a direction too
            spread -= np.outer(
                np.bincount(cluster, left, groups), np.bincount(cluster, residual, groups)
            ) / len(left)
        spread[np.diag_indices(groups)] += own
        return own, spread

    drawn = generator.choice(WEIGHTS[weights], (groups, draws))
    of_outcome, of_column = scores(rest), scores(left)
    moved = [of_outcome[0] @ drawn, of_column[0] @ drawn]  # (draws,)
    spread = [of_outcome[1] @ drawn, of_column[1] @ drawn]  # (groups, draws)
    unrestricted = np.bincount(cluster, left * (rest - value * left), groups)
    error = float(np.sqrt(unrestricted @ unrestricted)) / mass

    def p_value(null: float) -> float:
        # Factors for few clusters are the same on both sides.
        seen = abs(value - null) / error
        shift = np.abs(moved[0] - null * moved[1])
        width = np.sqrt(((spread[0] - null * spread[1]) ** 2).sum(axis=0))
        # Samples that are the data again, or their mirror image, tie with them.
        return float(np.mean(shift >= (seen - 1e-10 * max(seen, 1.0)) * width))

    ends = [_end(p_value, value, side * error, 1 - level) for side in (-1.0, 1.0)]
    return WildBootstrap(p_value(0.0), *ends)


def _end(
    p_value: Callable[[float], float], value: float, step: float, level: float
) -> float | None:
    """Return where the p-value falls below a level, going from the estimate in steps."""
    inside, outside = 0.0, 1.0
    while p_value(value + outside * step) > level:
        inside, outside = outside, 2 * outside
        if outside > _FURTHEST:
            return None
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        if p_value(value + middle * step) > level:
            inside = middle
        else:
            outside = middle
    return value + outside * step


def _by_cluster(table: FloatArray, cluster: IntArray, groups: int) -> FloatArray:
    return np.column_stack([np.bincount(cluster, column, groups) for column in table.T])
