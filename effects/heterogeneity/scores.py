"""Scores: what each row says of the effect, by models that have not seen it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.effects.adjustment.nuisance import folds, learner
from whydrift.effects.heterogeneity.fitted import FittedCate
from whydrift.effects.study import Study

__all__ = ["Fit", "Scores", "cross_fitted"]

_LEAST_CHANCE = 1e-3

Fit = Callable[[FloatArray, FloatArray, FloatArray], FittedCate]


@dataclass(frozen=True)
class Scores:
    """What is known of each row without having looked at its outcome, and what its outcome adds.

    Parameters
    ----------
    fold : ndarray of int, shape (n_rows,)
    predicted : ndarray of shape (n_rows,)
        The effect that the learner predicts, fitted on other folds.
    low, high : ndarray of shape (n_rows,), optional
        Of an interval for it.
    chance : ndarray of shape (n_rows,)
        Of treatment.
    mean : ndarray of shape (n_rows,)
        Of the outcome, given the covariates alone.
    gain : ndarray of shape (n_rows,)
        Doubly robust: its mean over rows of a kind is the effect on them if the model of the
        treatment is right, or those of outcome and effect.
    """

    fold: IntArray
    predicted: FloatArray
    low: FloatArray | None
    high: FloatArray | None
    chance: FloatArray
    mean: FloatArray
    gain: FloatArray

    @property
    def centred(self) -> FloatArray:
        """The predictions less their mean in each fold.

        A fold whose outcomes are high makes the predictions of the others low; this takes it out.
        """
        sizes = np.bincount(self.fold)
        centred: FloatArray = (
            self.predicted - (np.bincount(self.fold, self.predicted) / sizes)[self.fold]
        )
        return centred

    @property
    def rank(self) -> FloatArray:
        """Where each row stands in its fold, from 0 (predicted to gain most) to 1; ties share."""
        found = np.empty(len(self.fold))
        for number in range(int(self.fold.max()) + 1):
            held = np.flatnonzero(self.fold == number)
            values = self.predicted[held]
            order = np.sort(values)
            above = len(held) - np.searchsorted(order, values, side="right")
            alike = np.searchsorted(order, values, side="right") - np.searchsorted(order, values)
            found[held] = (above + alike / 2) / len(held)
        return found


def cross_fitted(
    study: Study, fit: Fit, *, by: str, count: int, randomised: bool, level: float, seed: int
) -> Scores:
    """Fit the learner and the models behind the scores on all folds but one, for each.

    Parameters
    ----------
    study : Study
    fit : callable (outcome, treated, design) -> FittedCate
    by : str
        Learner of the models of outcome and treatment.
    count : int
        Folds, 2 or more.
    randomised : bool
        Whether the chance of treatment is the same for all rows.
    level : float
        Of the intervals of single rows.
    seed : int

    References
    ----------
    Athey & Wager (2019), Estimating treatment effects with causal forests: an application.
    """
    model = learner(by, seed)
    design, scaled = study.covariates.with_intercept, study.covariates.standardised
    treated = study.treatment.is_treated.astype(np.float64)
    outcome, rows = study.outcome, study.n
    fold = np.empty(rows, dtype=np.int64)
    predicted, chance, mean, low, high = np.empty((5, rows))
    has_interval = True
    splits = folds(treated == 1, rows, count, study.cluster, seed)
    for number, (seen, held) in enumerate(splits):
        fold[held] = number
        mean[held] = model.mean(design[seen], outcome[seen], design[held])
        chance[held] = (
            treated[seen].mean()
            if randomised
            else model.chance(design[seen], treated[seen], design[held])
        )
        found = fit(outcome[seen], treated[seen], scaled[seen])
        predicted[held] = found.effect(scaled[held])
        ends = found.interval(scaled[held], level)
        has_interval &= ends is not None
        if ends is not None:
            low[held], high[held] = ends
    chance = np.clip(chance, _LEAST_CHANCE, 1 - _LEAST_CHANCE)
    left = treated - chance
    gain = predicted + left / (chance * (1 - chance)) * (outcome - mean - left * predicted)
    return Scores(
        fold, predicted, low if has_interval else None, high if has_interval else None,
        chance, mean, gain,
    )  # fmt: skip
