"""The difference of two means: what an experiment needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whydrift.discovery.errors import TooFewRows
from whydrift.effects.adjustment.balance import balance_check, balance_table, love_chart
from whydrift.effects.adjustment.overlap import overlap_chart, overlap_checks
from whydrift.effects.adjustment.propensity_score import propensity_score
from whydrift.effects.effect import Effect
from whydrift.effects.estimand import RANDOMISED, average_effect
from whydrift.effects.experiment.sample_ratio import planned_shares, sample_ratio_check
from whydrift.effects.influence import cluster_check, influence_error
from whydrift.effects.question import Question
from whydrift.effects.study import Study
from whydrift.effects.table import Table

__all__ = ["DifferenceInMeans"]


@dataclass(frozen=True)
class DifferenceInMeans:
    """Mean of the treated less mean of the untreated, each arm with a variance of its own.

    Parameters
    ----------
    balance : tuple of str
        Columns in which the arms should be alike if who was treated was decided at random: they are
        compared, not adjusted for.
    shares : str, float or tuple of float, optional
        How many rows each arm was meant to get, see `planned_shares`; held against those it has.

    References
    ----------
    Neyman (1923), On the application of probability theory to agricultural experiments.
    Welch (1947), The generalization of Student's problem when several different population
    variances are involved.
    """

    balance: str | tuple[str, ...] = ()
    shares: str | float | tuple[float, ...] | None = None

    def estimate(self, study: Study, question: Question) -> Effect:
        """Return the effect; see `Method`."""
        treated = study.treatment.is_treated == 1
        arms = [study.outcome[~treated], study.outcome[treated]]
        for level, arm in zip(study.treatment.levels, arms, strict=True):
            if len(arm) < 2:
                raise TooFewRows(
                    f"{len(arm)} usable row with {study.roles.treatment} = {level}",
                    where="difference_in_means",
                    remedy="A spread needs two rows in each arm",
                )
        means = [float(arm.mean()) for arm in arms]
        shares = [float(arm.var(ddof=1)) / len(arm) for arm in arms]
        error = float(np.sqrt(sum(shares)))
        # Welch–Satterthwaite; both arms constant leave nothing to estimate it from.
        weights = sum(s**2 / (len(arm) - 1) for s, arm in zip(shares, arms, strict=True))
        freedom: float | None = sum(shares) ** 2 / weights if weights > 0 else None
        if study.cluster is not None:
            share = treated.mean()
            influence = np.where(
                treated,
                (study.outcome - means[1]) / share,
                -(study.outcome - means[0]) / (1 - share),
            )
            error, freedom = influence_error(influence, study.cluster)
        table = Table.of(
            "The two arms",
            {
                study.roles.treatment: study.treatment.levels,
                "rows": [len(arm) for arm in arms],
                "mean": means,
                "standard deviation": [float(arm.std(ddof=1)) for arm in arms],
            },
        )
        checks = [*cluster_check(study.cluster)]
        if self.shares is not None:
            levels = study.treatment.levels
            planned = planned_shares(self.shares, len(levels))
            sizes = np.bincount(study.treatment.codes)
            checks.append(sample_ratio_check(levels, sizes, planned))
        details, charts = {"arms": table}, []
        if self.balance:
            names = (self.balance,) if isinstance(self.balance, str) else tuple(self.balance)
            alike = study.with_adjustment(names).covariates
            chance = propensity_score(alike, study.treatment.values).chance
            checks += [*balance_check(alike, treated), *overlap_checks(chance, treated, "ate")]
            details["balance"] = balance_table(alike, treated)
            charts = [love_chart(alike, treated), overlap_chart(chance, treated)]
        return question.answer(
            study,
            average_effect("ate", study.treatment.contrast, study.roles.outcome),
            method="difference_in_means",
            value=means[1] - means[0],
            standard_error=error,
            freedom=freedom,
            assumptions=RANDOMISED,
            checks=checks,
            details=details,
            charts=charts,
        )
