"""The chance of being treated given the covariates, fitted once for weights, matches and checks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.effects.covariates import Covariates
from whydrift.effects.propensity import expit, logistic_ridge

__all__ = ["PropensityScore", "propensity_score"]

# Next to nothing: it keeps the fit finite where covariates tell the treatment for certain, and
# moves no digit that is printed where they do not.
_PENALTY = 1e-4


@dataclass(frozen=True)
class PropensityScore:
    """Fitted chances.

    Parameters
    ----------
    chance : ndarray of shape (n_rows,)
        P(treated | covariates), inside (0, 1).
    design : ndarray of shape (n_rows, 1 + n_features)
        Standardised covariates behind a column of ones: what the log odds are linear in.
    """

    chance: FloatArray
    design: FloatArray

    @property
    def log_odds(self) -> FloatArray:
        """Of the chances."""
        odds: FloatArray = np.log(self.chance) - np.log1p(-self.chance)
        return odds


def propensity_score(covariates: Covariates, treated: FloatArray) -> PropensityScore:
    """Fit P(treated | covariates) by logistic regression.

    Parameters
    ----------
    covariates : Covariates
    treated : ndarray of shape (n_rows,)
        0 or 1, both of them there.

    References
    ----------
    Rosenbaum & Rubin (1983), The central role of the propensity score in observational studies for
    causal effects.
    """
    design = covariates.with_intercept
    chance = expit(design @ logistic_ridge(design, treated, penalty=_PENALTY))
    return PropensityScore(chance, design)
