"""Corrections of predictions by what a loss asks for: the mean, or a quantile, given features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.monitor.diagnosis.counterfactual.ridge import penalties_by_evidence

__all__ = ["LocationScale", "to_the_mean", "to_the_quantile"]

_STEPS = 6  # from a start that is right where all quantiles have one shape
_SETTLED = 0.01  # of the middle size of what is left
_LEAST = 0.05  # of it: a residual below counts as squared, a spread below as this


def to_the_mean(
    design: FloatArray, rest: FloatArray, weight: FloatArray, kinds: IntArray
) -> FloatArray:
    """Return coefficients of the mean of what is left, shrunk as the rows say.

    Parameters
    ----------
    design : ndarray of shape (n, f)
        Intercept first.
    rest : ndarray of shape (n,)
        What the predictions should have been, less what they were.
    weight : ndarray of shape (n,)
        Of each row.
    kinds : ndarray of int, shape (f,)
        Features of one kind are shrunk alike; -1 is not shrunk.
    """
    heavy = design * weight[:, None]
    gram, moment = design.T @ heavy, heavy.T @ rest
    square = float(weight @ rest**2)
    if square <= 0:
        return np.zeros(len(kinds))
    scale = np.sqrt(square / len(rest))
    penalty = penalties_by_evidence(gram, moment / scale, square / scale**2, len(rest), kinds)
    return np.asarray(np.linalg.solve(gram + np.diag(penalty), moment))


@dataclass(frozen=True)
class LocationScale:
    """What is left as a centre and a spread that both follow the features, and luck of one shape.

    Parameters
    ----------
    centre, spread : ndarray of shape (f,)
        Coefficients.
    luck, weight : ndarray of shape (n,)
        Of each row, lowest first: how many spreads it lies above the centre; what it counts for.
    """

    centre: FloatArray
    spread: FloatArray
    luck: FloatArray
    weight: FloatArray

    @classmethod
    def around(
        cls,
        centre: FloatArray,
        design: FloatArray,
        rest: FloatArray,
        weight: FloatArray,
        kinds: IntArray,
    ) -> LocationScale:
        """Fit the spread around a centre; other parameters as of `to_the_mean`."""
        away = rest - design @ centre
        spread = to_the_mean(design, np.abs(away), weight, kinds)
        luck = away / np.maximum(design @ spread, _LEAST * _middle(rest))
        order = np.argsort(luck)
        return cls(centre, spread, luck[order], weight[order])

    def quantile(self, level: float) -> FloatArray:
        """Return the coefficients of a quantile."""
        below = np.cumsum(self.weight)
        place = min(int(np.searchsorted(below, level * below[-1])), len(below) - 1)
        out: FloatArray = self.centre + self.luck[place] * self.spread
        return out


def to_the_quantile(
    level: float, design: FloatArray, rest: FloatArray, weight: FloatArray, kinds: IntArray
) -> FloatArray:
    """Return coefficients of a quantile of what is left; other parameters as of `to_the_mean`.

    By least squares again and again, of a parabola that lies on the pinball loss from above.

    References
    ----------
    Hunter & Lange (2000), Quantile regression via an MM algorithm.
    """
    mean = to_the_mean(design, rest, weight, kinds)
    beta = LocationScale.around(mean, design, rest, weight, kinds).quantile(level)
    middle = _middle(rest)
    for _ in range(_STEPS):
        before = design @ beta
        size = np.maximum(np.abs(rest - before), _LEAST * middle)
        each = weight / size
        beta = to_the_mean(design, rest + (2 * level - 1) * size, each / each.mean(), kinds)
        if np.abs(design @ beta - before).mean() < _SETTLED * middle:
            break
    return beta


def _middle(rest: FloatArray) -> float:
    return float(np.median(np.abs(rest - np.median(rest)))) + 1e-12
