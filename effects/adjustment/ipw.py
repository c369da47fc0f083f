"""Inverse probability weighting: rows stand for those like them that were treated otherwise."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.snapshot.note import Note
from whydrift.effects.adjustment.balance import balance_check, balance_table, love_chart
from whydrift.effects.adjustment.overlap import odds_weights, overlap_chart, overlap_checks
from whydrift.effects.adjustment.propensity_score import PropensityScore, propensity_score
from whydrift.effects.adjustment.rows_in_arms import require_rows
from whydrift.effects.adjustment.trimming import check_trim, is_kept, trimming_note
from whydrift.effects.e_value import e_value_check
from whydrift.effects.effect import Effect
from whydrift.effects.estimand import ADJUSTED, average_effect
from whydrift.effects.influence import cluster_check, influence_error
from whydrift.effects.question import Question
from whydrift.effects.study import Study
from whydrift.effects.table import Table

__all__ = ["InverseProbability"]

_RIGHT_MODEL = "The chance of treatment is logistic in what is adjusted for"


@dataclass(frozen=True)
class InverseProbability:
    """Weighted means of both arms, the weights in each adding up to one (Hájek, stabilised).

    Errors count that the chances were fitted, which usually makes them smaller.

    Parameters
    ----------
    trim : float
        Rows whose chance of treatment is nearer than this to 0 or 1 are left out (of the treated
        alone: nearer to 1), and the answer is about those that are left. 0 leaves out none; Crump
        et al. suggest 0.1.

    References
    ----------
    Hernán & Robins (2020), Causal inference: what if, chapter 12.
    Lunceford & Davidian (2004), Stratification and weighting via the propensity score in estimation
    of causal treatment effects.
    Crump, Hotz, Imbens & Mitnik (2009), Dealing with limited overlap in estimation of average
    treatment effects.
    """

    trim: float = 0.0

    def estimate(self, study: Study, question: Question) -> Effect:
        """Return the effect; see `Method`."""
        check_trim(self.trim, "ipw")
        require_rows(study, 1, "ipw")
        everybody = study.treatment.is_treated == 1
        first = propensity_score(study.covariates, study.treatment.values)
        kept = is_kept(first.chance, everybody, question.estimand, self.trim)
        # The covariates of those left are another sample: their chances are fitted on them alone.
        chosen = study if kept.all() else study.only(kept)
        scores = first if kept.all() else propensity_score(
            chosen.covariates, chosen.treatment.values
        )  # fmt: skip
        treated = chosen.treatment.is_treated == 1
        weights = odds_weights(scores.chance, treated, question.estimand)
        means, influence = _hajek(chosen, scores, weights, question.estimand)
        error, freedom = influence_error(influence, chosen.cluster, scores.design.shape[1])
        value = means[1] - means[0]
        reach = question.quantile(freedom) * error
        estimand = average_effect(question.estimand, study.treatment.contrast, study.roles.outcome)
        notes: tuple[Note, ...] = ()
        if not kept.all():
            estimand = replace(estimand, words=f"{estimand.words}, among rows with overlap")
            notes = (trimming_note(kept, self.trim),)
        return question.answer(
            chosen,
            estimand,
            method="ipw",
            value=value,
            standard_error=error,
            freedom=freedom,
            assumptions=(*ADJUSTED, _RIGHT_MODEL),
            checks=(
                *overlap_checks(scores.chance, treated, question.estimand),
                *balance_check(chosen.covariates, treated, weights),
                e_value_check(value, value - reach, value + reach, chosen.outcome, means[0]),
                *cluster_check(chosen.cluster),
            ),
            warnings=notes,
            details={
                "balance": balance_table(chosen.covariates, treated, weights),
                "weights": _weights_table(chosen, weights),
            },
            charts=(
                love_chart(chosen.covariates, treated, weights),
                overlap_chart(scores.chance, treated),
            ),
        )


def _hajek(
    study: Study, scores: PropensityScore, weights: FloatArray, estimand: str
) -> tuple[tuple[float, float], FloatArray]:
    """Return the weighted mean of either arm, and influence values of their difference.

    The chances solve an equation of their own (the score of the logistic fit), and what a row adds
    to their error it adds to the means too: stacked estimating equations.
    """
    treated = study.treatment.is_treated == 1
    chance, design, outcome = scores.chance, scores.design, study.outcome
    score = (treated - chance)[:, None] * design
    information = (design * (chance * (1 - chance))[:, None]).T @ design / study.n
    # How the weights move with the log odds.
    if estimand == "ate":
        moved = np.where(treated, -(1 - chance) / chance, chance / (1 - chance))
    elif estimand == "att":
        moved = np.where(treated, 0.0, weights)
    else:
        moved = np.where(treated, -weights, 0.0)
    means: list[float] = []
    total = np.zeros(study.n)
    for arm, sign in ((~treated, -1.0), (treated, 1.0)):
        mass = float(weights[arm].sum()) / study.n
        mean = float(np.average(outcome[arm], weights=weights[arm]))
        off = np.where(arm, outcome - mean, 0.0)
        drift = design.T @ (moved * off) / study.n
        own = weights * off + score @ np.linalg.solve(information, drift)
        total += sign * own / mass
        means.append(mean)
    return (means[0], means[1]), total


def _weights_table(study: Study, weights: FloatArray) -> Table:
    from whydrift.effects.adjustment.overlap import effective_rows

    treated = study.treatment.is_treated == 1
    arms = [weights[~treated], weights[treated]]
    return Table.of(
        "Weights in either arm",
        {
            study.roles.treatment: study.treatment.levels,
            "rows": [len(arm) for arm in arms],
            "worth rows": [effective_rows(arm) for arm in arms],
            "largest weight over their mean": [arm.max() / arm.mean() for arm in arms],
        },
    )
