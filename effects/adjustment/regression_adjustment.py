"""Regression adjustment: outcome models, averaged over the rows that are asked about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.discovery.errors import OptionError, TooFewRows
from whydrift.effects.adjustment.balance import balance_table, love_chart
from whydrift.effects.adjustment.overlap import overlap_chart, overlap_checks
from whydrift.effects.adjustment.propensity_score import propensity_score
from whydrift.effects.adjustment.rows_in_arms import require_rows
from whydrift.effects.check import Check
from whydrift.effects.e_value import e_value_check
from whydrift.effects.effect import Effect
from whydrift.effects.estimand import ADJUSTED, RANDOMISED, Estimand, average_effect
from whydrift.effects.influence import cluster_check, influence_error
from whydrift.effects.propensity import expit, logistic_ridge
from whydrift.effects.question import Question
from whydrift.effects.study import Study
from whydrift.effects.table import Table
from whydrift.effects.treatment_kind import TreatmentKind

__all__ = ["RegressionAdjustment"]

_PENALTY = 1e-6  # of a logistic outcome model: it keeps a separated fit finite
_RIGHT_MODEL = "The outcome model is right: linear (or logistic) in what is adjusted for"


@dataclass(frozen=True)
class RegressionAdjustment:
    """A model of the outcome in each arm; the difference of what they say, averaged over rows.

    Errors are robust to unequal spread (HC2), or to clusters, and count that the covariates are a
    sample too.

    Parameters
    ----------
    model : str
        ``linear`` or, for an outcome of 0 and 1, ``logistic``; ``auto`` is linear.
    interactions : bool, optional
        Whether the effect may differ with the covariates: a model of its own for each arm (for
        amounts: products of the amount with the covariates). By default yes for two arms and no
        for amounts. Without them the effect is one coefficient.

    References
    ----------
    Robins (1986), A new approach to causal inference in mortality studies (the g-formula).
    Lin (2013), Agnostic notes on regression adjustments to experimental data.
    MacKinnon & White (1985), Some heteroskedasticity-consistent covariance matrix estimators with
    improved finite sample properties.
    """

    model: str = "auto"
    interactions: bool | None = None

    def estimate(self, study: Study, question: Question) -> Effect:
        """Return the effect; see `Method`."""
        if self.model not in {"auto", "linear", "logistic"}:
            raise OptionError(
                f"unknown outcome model {self.model!r}",
                where="regression_adjustment",
                remedy="Known: auto, linear, logistic",
            )
        if self.model == "logistic" and not study.outcome_is_binary:
            raise OptionError(
                f"outcome {study.roles.outcome!r} is not 0 or 1 throughout",
                where="regression_adjustment, model",
                remedy="Take model='linear'",
            )
        is_number = study.treatment.kind is TreatmentKind.CONTINUOUS
        if is_number and question.estimand != "ate":
            raise OptionError(
                f"{question.estimand} needs treated and untreated rows, and "
                f"{study.roles.treatment!r} is an amount",
                where="estimand",
                remedy="Ask for ate, the average slope",
            )
        interacts = not is_number if self.interactions is None else self.interactions
        if is_number or not interacts:
            if self.model == "logistic":
                raise OptionError(
                    "a logistic model is averaged over the rows of two arms",
                    where="regression_adjustment, model",
                    remedy="Take model='linear', or interactions=True with two arms",
                )
            return self._one_slope(study, question, interacts=interacts)
        return self._two_models(study, question)

    def _two_models(self, study: Study, question: Question) -> Effect:
        design = study.covariates.with_intercept
        features = design.shape[1]
        require_rows(study, features, "regression_adjustment")
        treated = study.treatment.is_treated == 1
        whom = {"ate": np.ones(study.n, dtype=bool), "att": treated, "atc": ~treated}
        population = whom[question.estimand]
        fit = _logistic_arm if self.model == "logistic" else _linear_arm
        means, influences = zip(
            *(fit(design, study.outcome, arm, population) for arm in (~treated, treated)),
            strict=True,
        )
        error, freedom = influence_error(influences[1] - influences[0], study.cluster)
        if freedom is None:
            freedom = float(study.n - 2 * features)
        estimand = average_effect(question.estimand, study.treatment.contrast, study.roles.outcome)
        details = {
            "arms": Table.of(
                "Mean outcome, had all rows asked about been in one arm",
                {study.roles.treatment: study.treatment.levels, "mean": means},
            )
        }
        return self._answer(
            study, question, estimand, means[1] - means[0], error, freedom, means[0], details
        )

    def _one_slope(self, study: Study, question: Question, *, interacts: bool) -> Effect:
        # Both centred and scaled: the slope is the same, and no digit is lost to large means.
        amount = study.treatment.values - study.treatment.values.mean()
        covariates = study.covariates.standardised
        parts = [np.ones(study.n), amount, covariates]
        if interacts:
            parts.append(amount[:, None] * covariates)
        design = np.column_stack(parts)
        spare = study.n - design.shape[1]
        if spare < 1:
            raise TooFewRows(
                f"{study.n} usable rows, and a model of {design.shape[1]} numbers",
                where="regression_adjustment",
                remedy="Adjust for fewer columns, or give more rows",
            )
        inverse = np.linalg.pinv(design.T @ design)
        coefficients = inverse @ (design.T @ study.outcome)
        leverage = np.einsum("ij,jk,ik->i", design, inverse, design)
        residual = (study.outcome - design @ coefficients) / np.sqrt(np.maximum(1 - leverage, 0.01))
        influence = study.n * residual * (design @ inverse[1])
        if interacts:
            slopes = coefficients[2 + covariates.shape[1] :]
            influence = influence + covariates @ slopes
        error, freedom = influence_error(influence, study.cluster)
        is_number = study.treatment.kind is TreatmentKind.CONTINUOUS
        estimand = average_effect(
            "ate", study.treatment.contrast, study.roles.outcome, continuous=is_number
        )
        control_mean = float(study.outcome.mean() - coefficients[1] * study.treatment.values.mean())
        slopes_given = coefficients[2 : 2 + covariates.shape[1]]
        table = Table.of(
            "Coefficients of the outcome model",
            {
                "term": (study.roles.treatment, *study.covariates.names),
                "coefficient": (
                    coefficients[1],
                    *slopes_given / study.covariates.design.std(axis=0),
                ),
            },
        )
        return self._answer(
            study, question, estimand, float(coefficients[1]), error,
            float(spare) if freedom is None else freedom, control_mean, {"model": table},
        )  # fmt: skip

    def _answer(
        self, study: Study, question: Question, estimand: Estimand, value: float, error: float,
        freedom: float, control_mean: float, details: dict[str, Table],
    ) -> Effect:  # fmt: skip
        adjusts = bool(len(study.covariates))
        reach = question.quantile(freedom) * error
        checks: list[Check] = [*cluster_check(study.cluster)]
        charts = []
        if adjusts and study.treatment.kind is TreatmentKind.BINARY:
            treated: BoolArray = study.treatment.is_treated == 1
            chance = propensity_score(study.covariates, study.treatment.values).chance
            checks += overlap_checks(chance, treated, question.estimand)
            details = {**details, "balance": balance_table(study.covariates, treated)}
            charts = [love_chart(study.covariates, treated), overlap_chart(chance, treated)]
        if adjusts:
            checks.append(
                e_value_check(value, value - reach, value + reach, study.outcome, control_mean)
            )
        return question.answer(
            study,
            estimand,
            method="regression_adjustment",
            value=value,
            standard_error=error,
            freedom=freedom,
            assumptions=(*ADJUSTED, _RIGHT_MODEL) if adjusts else RANDOMISED,
            checks=checks,
            details=details,
            charts=charts,
        )


def _linear_arm(
    design: FloatArray, outcome: FloatArray, arm: BoolArray, population: BoolArray
) -> tuple[float, FloatArray]:
    """Return the mean of an arm's linear model over a population, and influence values.

    Parameters
    ----------
    design : ndarray of shape (n_rows, n_features)
        Its first column is the intercept.
    outcome : ndarray of shape (n_rows,)
    arm, population : ndarray of bool, shape (n_rows,)
        Rows that the model is fitted on, and averaged over.
    """
    inside = design[arm]
    inverse = np.linalg.pinv(inside.T @ inside)
    coefficients = inverse @ (inside.T @ outcome[arm])
    leverage = np.einsum("ij,jk,ik->i", inside, inverse, inside)
    predicted = design @ coefficients
    mean = float(predicted[population].mean())
    influence = np.where(population, predicted - mean, 0.0) / population.mean()
    residual = (outcome[arm] - predicted[arm]) / np.sqrt(np.maximum(1 - leverage, 0.01))
    direction = inverse @ design[population].mean(axis=0)
    influence[arm] += len(outcome) * residual * (inside @ direction)
    return mean, influence


def _logistic_arm(
    design: FloatArray, outcome: FloatArray, arm: BoolArray, population: BoolArray
) -> tuple[float, FloatArray]:
    """Return what `_linear_arm` does, of a logistic model."""
    inside = design[arm]
    coefficients = logistic_ridge(inside, outcome[arm], penalty=_PENALTY)
    predicted = expit(design @ coefficients)
    slope = predicted * (1 - predicted)
    mean = float(predicted[population].mean())
    influence = np.where(population, predicted - mean, 0.0) / population.mean()
    inverse = np.linalg.pinv((inside * slope[arm][:, None]).T @ inside)
    leverage = np.einsum("ij,jk,ik->i", inside, inverse, inside) * slope[arm]
    residual = (outcome[arm] - predicted[arm]) / np.sqrt(np.maximum(1 - leverage, 0.01))
    gradient = (design[population] * slope[population][:, None]).mean(axis=0)
    influence[arm] += len(outcome) * residual * (inside @ (inverse @ gradient))
    return mean, influence
