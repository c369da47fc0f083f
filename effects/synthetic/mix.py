"""The mix of donors that stands for a unit, and how far it is off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from whydrift.discovery.arrays import FloatArray
from whydrift.effects.synthetic.simplex import simplex_weights

__all__ = ["Mix", "mix_donors"]

_STEP = 2.0
_ROUNDS = 60  # of the search for the weights of predictors, for each of them


@dataclass(frozen=True)
class Mix:
    """What stands for a unit.

    Parameters
    ----------
    weights : ndarray of shape (n_donors,)
    path : ndarray of shape (n_periods,)
        What the unit would have had.
    gap : ndarray of shape (n_periods,)
        The unit less that.
    before : int
        Periods that the weights were fitted on.
    """

    weights: FloatArray
    path: FloatArray
    gap: FloatArray
    before: int

    @property
    def miss(self) -> float:
        """Root mean squared gap in the periods before."""
        return float(np.sqrt(np.mean(self.gap[: self.before] ** 2)))

    @property
    def effect(self) -> float:
        """Mean gap in the periods after."""
        return float(self.gap[self.before :].mean())

    @property
    def miss_after(self) -> float:
        """Root mean squared gap in the periods after."""
        return float(np.sqrt(np.mean(self.gap[self.before :] ** 2)))


def mix_donors(
    target: FloatArray,
    donors: FloatArray,
    before: int,
    predictors: FloatArray | None = None,
) -> Mix:
    """Return the mix of donors that is nearest to a unit in the periods before.

    Without predictors the outcomes of these periods are matched. With them only predictors are, and
    how much each counts is what makes the outcomes of these periods fit best.

    Parameters
    ----------
    target : ndarray of shape (n_periods,)
    donors : ndarray of shape (n_periods, n_donors)
    before : int
    predictors : ndarray of shape (n_predictors, 1 + n_donors), optional
        Of the target first.

    References
    ----------
    Abadie, Diamond & Hainmueller (2010), Synthetic control methods for comparative case studies,
    Journal of the American Statistical Association 105.
    """
    if predictors is None or not len(predictors):
        weights = simplex_weights(donors[:before], target[:before])
    else:
        weights = _by_predictors(target[:before], donors[:before], predictors)
    path = donors @ weights
    return Mix(weights, path, target - path, before)


def _by_predictors(target: FloatArray, donors: FloatArray, predictors: FloatArray) -> FloatArray:
    spread = predictors.std(axis=1)
    features = predictors[spread > 0] / spread[spread > 0, None]

    def weights_for(logits: FloatArray) -> FloatArray:
        share = np.exp(logits - logits.max())
        scaled = features * np.sqrt(share / share.sum())[:, None]
        return simplex_weights(scaled[:, 1:], scaled[:, 0])

    def missed(logits: FloatArray) -> float:
        return float(np.mean((target - donors @ weights_for(logits)) ** 2))

    # From alike to all of them, steps that are felt: e² as much weight on one of them.
    count = len(features)
    corners = np.vstack([np.zeros(count), _STEP * np.eye(count)])
    found = minimize(
        missed, corners[0], method="Nelder-Mead",
        options={
            "maxfev": _ROUNDS * count, "initial_simplex": corners, "xatol": 1e-2, "fatol": 1e-6,
        },
    )  # fmt: skip
    return weights_for(found.x)
