"""Double machine learning: the slope of what the covariates do not predict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whydrift.discovery.errors import SchemaError
from whydrift.effects.adjustment.nuisance import fold_count, folds, learner
from whydrift.effects.adjustment.overlap import overlap_chart, overlap_checks
from whydrift.effects.check import Check
from whydrift.effects.e_value import e_value_check
from whydrift.effects.effect import Effect
from whydrift.effects.estimand import ADJUSTED, average_effect
from whydrift.effects.influence import cluster_check, influence_error
from whydrift.effects.question import Question
from whydrift.effects.study import Study
from whydrift.effects.table import Table
from whydrift.effects.treatment_kind import TreatmentKind
from whydrift.effects.words import percent

__all__ = ["DoubleMachineLearning"]

_LEFT_WARN, _LEFT_FAIL = 0.1, 0.01  # of the treatment's variance that the covariates leave
_ONE_SLOPE = (
    "One more unit does the same to every row; where it does not, the number is an average that "
    "weighs most the rows whose treatment the covariates do not tell"
)


@dataclass(frozen=True)
class DoubleMachineLearning:
    """Partialling out (Robinson's regression), cross-fitted where the learner is flexible.

    Parameters
    ----------
    learner : str
        Of both models: ``linear``, ``forest`` or ``boosting``.
    folds : int, optional
        By default five, and none for ``linear``: see `fold_count`.

    References
    ----------
    Robinson (1988), Root-n-consistent semiparametric regression.
    Chernozhukov et al. (2018), Double/debiased machine learning for treatment and structural
    parameters.
    """

    learner: str = "linear"
    folds: int | None = None

    def estimate(self, study: Study, question: Question) -> Effect:
        """Return the effect; see `Method`."""
        seed, count = question.random_state, fold_count(self.folds, self.learner)
        by = learner(self.learner, seed)
        design, amount = study.covariates.with_intercept, study.treatment.values
        is_binary = study.treatment.kind is TreatmentKind.BINARY
        treated = amount == 1
        predict = by.chance if is_binary else by.mean
        dose, outcome = np.empty((2, study.n))
        strata = treated if is_binary else None
        for seen, held in folds(strata, study.n, count, study.cluster, seed):
            dose[held] = predict(design[seen], amount[seen], design[held])
            outcome[held] = by.mean(design[seen], study.outcome[seen], design[held])
        left, rest = amount - dose, study.outcome - outcome
        mass = float(left @ left)
        share_left = mass / study.n / float(amount.var())
        if share_left < 1e-9:
            raise SchemaError(
                f"the covariates tell {study.roles.treatment!r} exactly: nothing varies on its own",
                where="dml",
                remedy="Leave out the covariate that stands for the treatment",
            )
        value = float(left @ rest) / mass
        influence = (rest - value * left) * left * study.n / mass
        # Residuals of models that have seen the row are too small.
        fitted = 1 + design.shape[1] if count == 1 else 1
        error, freedom = influence_error(influence, study.cluster, fitted)
        reach = question.quantile(freedom) * error
        checks = [
            Check.at_least(
                "variation_left",
                share_left,
                f"{percent(min(share_left, 1.0))} of the variance of {study.roles.treatment} is "
                "left once the covariates are taken out",
                warn=_LEFT_WARN,
                fail=_LEFT_FAIL,
            )
        ]
        charts = []
        if is_binary:
            chance = np.clip(dose, 1e-3, 1 - 1e-3)
            checks += overlap_checks(chance, treated, "ate")
            charts = [overlap_chart(chance, treated)]
        base = float(study.outcome.mean() - value * amount.mean())
        checks.append(e_value_check(value, value - reach, value + reach, study.outcome, base))
        told = {"treatment": dose, "outcome": outcome}
        truth = {"treatment": amount, "outcome": study.outcome}
        return question.answer(
            study,
            average_effect(
                "ate", study.treatment.contrast, study.roles.outcome, continuous=not is_binary
            ),
            method="dml",
            value=value,
            standard_error=error,
            freedom=freedom,
            assumptions=(*ADJUSTED, _ONE_SLOPE),
            checks=(*checks, *cluster_check(study.cluster)),
            details={
                "models": Table.of(
                    "How well rows not seen are predicted from the covariates",
                    {
                        "of": list(told),
                        "R squared": [
                            1 - float(((truth[k] - told[k]) ** 2).mean() / truth[k].var())
                            for k in told
                        ],
                    },
                )
            },
            charts=charts,
        )
