"""Doubly robust (AIPW): a model of the outcome mended by weights, right if one of them is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.snapshot.note import Note
from whydrift.effects.adjustment.balance import balance_check, balance_table, love_chart
from whydrift.effects.adjustment.nuisance import fold_count, folds, learner
from whydrift.effects.adjustment.overlap import odds_weights, overlap_chart, overlap_checks
from whydrift.effects.adjustment.propensity_score import propensity_score
from whydrift.effects.adjustment.rows_in_arms import require_rows
from whydrift.effects.adjustment.trimming import check_trim, is_kept, trimming_note
from whydrift.effects.e_value import e_value_check
from whydrift.effects.effect import Effect
from whydrift.effects.estimand import ADJUSTED, average_effect
from whydrift.effects.influence import cluster_check, influence_error
from whydrift.effects.question import Question
from whydrift.effects.study import Study

__all__ = ["DoublyRobust"]

_ONE_RIGHT = "The model of the outcome or that of the treatment is right; not both need be"
_LEAST_CHANCE = 1e-3


@dataclass(frozen=True)
class DoublyRobust:
    """Augmented inverse probability weighting, cross-fitted where the learner is flexible.

    Every row is then judged by models that have not seen it, so that they do not flatter
    themselves, and errors need no correction for them.

    Parameters
    ----------
    learner : str
        Of both models: ``linear`` (least squares, logistic), ``forest`` or ``boosting``.
    folds : int, optional
        By default five, and none for ``linear``: see `fold_count`.
    trim : float
        Rows whose chance of treatment is nearer than this to 0 or 1 are left out; see `ipw`.

    References
    ----------
    Robins, Rotnitzky & Zhao (1994), Estimation of regression coefficients when some regressors are
    not always observed.
    Chernozhukov et al. (2018), Double/debiased machine learning for treatment and structural
    parameters.
    """

    learner: str = "linear"
    folds: int | None = None
    trim: float = 0.0

    def estimate(self, study: Study, question: Question) -> Effect:
        """Return the effect; see `Method`."""
        check_trim(self.trim, "doubly_robust")
        require_rows(study, 1 + len(study.covariates), "doubly_robust")
        first = propensity_score(study.covariates, study.treatment.values)
        everybody = study.treatment.is_treated == 1
        kept = is_kept(first.chance, everybody, question.estimand, self.trim)
        notes: tuple[Note, ...] = ()
        if not kept.all():
            study, notes = study.only(kept), (trimming_note(kept, self.trim),)
        treated = study.treatment.is_treated == 1
        chance, without, with_ = self._nuisances(study, question)
        value, influence, control_mean = _score(
            study.outcome, treated.astype(np.float64), chance, without, with_, question.estimand
        )
        # Residuals of models that have seen the row are too small.
        fitted = 1 + len(study.covariates) if fold_count(self.folds, self.learner) == 1 else 0
        error, freedom = influence_error(influence, study.cluster, fitted)
        reach = question.quantile(freedom) * error
        estimand = average_effect(question.estimand, study.treatment.contrast, study.roles.outcome)
        if notes:
            estimand = replace(estimand, words=f"{estimand.words}, among rows with overlap")
        weights = odds_weights(chance, treated, question.estimand)
        return question.answer(
            study,
            estimand,
            method="doubly_robust",
            value=value,
            standard_error=error,
            freedom=freedom,
            assumptions=(*ADJUSTED, _ONE_RIGHT),
            checks=(
                *overlap_checks(chance, treated, question.estimand),
                *balance_check(study.covariates, treated, weights),
                e_value_check(value, value - reach, value + reach, study.outcome, control_mean),
                *cluster_check(study.cluster),
            ),
            warnings=notes,
            details={"balance": balance_table(study.covariates, treated, weights)},
            charts=(
                love_chart(study.covariates, treated, weights),
                overlap_chart(chance, treated),
            ),
        )

    def _nuisances(
        self, study: Study, question: Question
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the chance of each row and its outcome without and with treatment, as fitted."""
        seed, count = question.random_state, fold_count(self.folds, self.learner)
        by = learner(self.learner, seed)
        design, outcome = study.covariates.with_intercept, study.outcome
        treated = study.treatment.is_treated == 1
        chance, without, with_ = (np.empty(study.n) for _ in range(3))
        for seen, held in folds(treated, study.n, count, study.cluster, seed):
            chance[held] = by.chance(design[seen], treated[seen].astype(np.float64), design[held])
            for arm, said in ((~treated, without), (treated, with_)):
                fit = seen & arm
                said[held] = by.mean(design[fit], outcome[fit], design[held])
        return np.clip(chance, _LEAST_CHANCE, 1 - _LEAST_CHANCE), without, with_


def _score(
    outcome: FloatArray,
    treated: FloatArray,
    chance: FloatArray,
    without: FloatArray,
    with_: FloatArray,
    estimand: str,
) -> tuple[float, FloatArray, float]:
    """Return the estimate, influence values and the mean outcome without treatment.

    The weights of either arm add up to one, which keeps a few large ones from carrying it off.
    """
    rows = len(outcome)
    if estimand == "ate":
        left, right = (1 - treated) / (1 - chance), treated / chance
        untreated = without + (outcome - without) * left * rows / left.sum()
        each = with_ + (outcome - with_) * right * rows / right.sum() - untreated
        value = float(each.mean())
        return value, each - value, float(untreated.mean())
    share = float(treated.mean())
    odds = (1 - treated) * chance / (1 - chance)
    gap = outcome - without
    each = treated * gap / share - odds * gap * rows / odds.sum()
    value = float(each.mean())
    return value, each - treated * value / share, float(outcome[treated == 1].mean()) - value
