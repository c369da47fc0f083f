"""Who benefits: the effect of a learner, its average, and whether its differences are real."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.discovery.errors import OptionError
from whydrift.discovery.snapshot.note import Note
from whydrift.effects.adjustment.overlap import overlap_chart, overlap_checks
from whydrift.effects.adjustment.rows_in_arms import require_rows
from whydrift.effects.chart import Chart, Rule, Series, Shape
from whydrift.effects.check import Check, Outcome
from whydrift.effects.e_value import e_value_check
from whydrift.effects.effect import Effect
from whydrift.effects.estimand import ADJUSTED, RANDOMISED, average_effect
from whydrift.effects.heterogeneity.at_rows import design_at
from whydrift.effects.heterogeneity.benefit_tree import BenefitTree, benefit_tree
from whydrift.effects.heterogeneity.calibration import (
    Calibration,
    calibration,
    differences_are_real,
    groups,
)
from whydrift.effects.heterogeneity.fitted import FittedCate
from whydrift.effects.heterogeneity.scores import Fit, Scores, cross_fitted
from whydrift.effects.heterogeneity.targeting import policy_value, qini
from whydrift.effects.influence import cluster_check, influence_error
from whydrift.effects.question import Question
from whydrift.effects.study import Study
from whydrift.effects.table import Table
from whydrift.effects.words import number_text, p_text

__all__ = ["Settings", "who_benefits"]

_REAL = 0.05
_CONTRARY = _DRAW_FAIL = 1e-3
_FEWEST_ROWS = 100
_DEEPEST = 3
_POINTS = 41  # of the picture of predictions
_ROW_INTERVAL = (
    "Intervals of single rows are those of the learner's last stage, and hold where that can follow"
    " the effect (a linear one: where it is linear)"
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Options that all learners share; see `learners._Learner`."""

    name: str
    learner: str
    folds: int
    randomised: bool
    cost: float
    depth: int
    at: Any


def who_benefits(study: Study, question: Question, settings: Settings, fit: Fit) -> Effect:
    """Return the average effect by a learner, with what it says of single rows held out.

    Parameters
    ----------
    study : Study
    question : Question
    settings : Settings
    fit : callable (outcome, treated, design) -> FittedCate

    Raises
    ------
    OptionError, TooFewRows
        If there is nothing to tell rows apart by, an option cannot be, or rows are too few.
    """
    _check_settings(study, settings)
    treated = study.treatment.is_treated == 1
    scores = cross_fitted(
        study, fit, by=settings.learner, count=settings.folds, randomised=settings.randomised,
        level=question.level, seed=question.random_state,
    )  # fmt: skip
    value = float(scores.gain.mean())
    error, freedom = influence_error(scores.gain - value, study.cluster)
    z = question.quantile(freedom)
    outcome = study.roles.outcome
    arm = treated.astype(np.float64)
    found = calibration(scores, study.outcome, arm, study.cluster)
    real = differences_are_real(
        scores, fit, study.covariates.standardised, study.outcome, arm, study.cluster
    )
    curve = qini(scores, study.cluster, z, outcome, settings.cost)
    fifths = groups(scores, study.cluster, z, outcome)
    tree, grown = _tree(study, question, settings, fit, scores, z)
    base = float((scores.mean - scores.chance * scores.predicted).mean())
    details = {
        "tree": tree.table(),
        "groups": fifths.table,
        "calibration": _calibration_table(found, real),
        "policies": _policies(study, scores, tree, grown, settings.cost, z),
        "qini": curve.table,
        "targeting": curve.summary(z),
        "cate": _predictions_table(scores),
    }
    details.update(_of_all_rows(study, question, settings, fit))
    charts = [curve.chart, tree.chart(outcome), fifths.chart, _predictions_chart(scores, outcome)]
    assumptions: tuple[str, ...] = RANDOMISED
    if settings.randomised:
        checks = [_draw_check(study, treated)]
    else:
        checks = list(overlap_checks(scores.chance, treated, "ate"))
        checks.append(
            e_value_check(value, value - z * error, value + z * error, study.outcome, base)
        )
        charts.append(overlap_chart(scores.chance, treated))
        assumptions = ADJUSTED
    checks += [_heterogeneity_check(real, found, tree), *cluster_check(study.cluster)]
    return question.answer(
        study,
        average_effect("ate", study.treatment.contrast, outcome),
        method=settings.name,
        value=value,
        standard_error=error,
        freedom=freedom,
        assumptions=(*assumptions, *([_ROW_INTERVAL] if scores.low is not None else [])),
        checks=checks,
        warnings=_notes(scores, settings.name),
        details=details,
        charts=charts,
    )


def _check_settings(study: Study, settings: Settings) -> None:
    name = settings.name
    if not len(study.covariates):
        raise OptionError(
            "there is no column to tell rows apart by",
            where=name,
            remedy="Give adjustment= (--adjust) with columns that do not all hold one value",
        )
    for option, fits, remedy in (
        ("folds", settings.folds >= 2, "2 or more, such as 5"),
        ("depth", 1 <= settings.depth <= _DEEPEST, f"1 to {_DEEPEST}: more nobody reads"),
        ("cost", np.isfinite(settings.cost), "a number, in units of the outcome"),
    ):
        if not fits:
            raise OptionError(
                f"{getattr(settings, option)!r} cannot be",
                where=f"{name}, {option}",
                remedy=f"Give {remedy}",
            )
    require_rows(study, 1 + len(study.covariates), name)


# ---- parts ------------------------------------------------------------------------------------
def _tree(
    study: Study, question: Question, settings: Settings, fit: Fit, scores: Scores, reach: float
) -> tuple[BenefitTree, BoolArray]:
    """Return the tree, and which rows it was grown on."""
    generator = question.generator()
    treated = study.treatment.is_treated
    if study.cluster is not None:
        groups = int(study.cluster.max()) + 1
        grown = (generator.permutation(groups) % 2 == 0)[study.cluster]
    else:
        grown = np.empty(study.n, dtype=bool)
        for arm in (treated == 0, treated == 1):
            grown[arm] = generator.permutation(int(arm.sum())) % 2 == 0
    scaled = study.covariates.standardised
    half = fit(study.outcome[grown], treated[grown].astype(np.float64), scaled[grown])
    tree = benefit_tree(
        study.covariates.design, study.covariates.names, half.effect(scaled), scores.gain, grown,
        depth=settings.depth, reach=reach, cluster=study.cluster, seed=question.random_state,
    )  # fmt: skip
    return tree, grown


def _policies(
    study: Study, scores: Scores, tree: BenefitTree, grown: BoolArray, cost: float, reach: float
) -> Table:
    """Return what each way to choose whom to treat is worth."""
    net = scores.gain - cost
    everybody = np.ones(study.n, dtype=bool)
    # The tree's choice is judged on the rows that had no say in it.
    gains = tree.gains(net, grown)
    rules = (
        ("everybody", everybody, everybody),
        ("those predicted to gain", scores.predicted > cost, everybody),
        ("the half predicted to gain most", scores.rank < 0.5, everybody),
        ("leaves of the tree that gained on the half it grew on", gains, ~grown),
    )
    names, shares, values, errors = ["nobody"], [0.0], [0.0], [0.0]
    for name, chosen, judged in rules:
        cluster = (
            None
            if study.cluster is None
            else np.unique(study.cluster[judged], return_inverse=True)[1]
        )
        value, error = policy_value(net[judged], chosen[judged].astype(np.float64), cluster)
        names.append(name)
        shares.append(float(chosen[judged].mean()))
        values.append(value)
        errors.append(error)
    return Table.of(
        "What a rule for whom to treat is worth per row, over treating nobody"
        + (f", at a cost of {number_text(cost)}" if cost else ""),
        {
            "treat": names,
            "share treated": shares,
            "value": values,
            "low": [v - reach * e for v, e in zip(values, errors, strict=True)],
            "high": [v + reach * e for v, e in zip(values, errors, strict=True)],
        },
    )


def _of_all_rows(
    study: Study, question: Question, settings: Settings, fit: Fit
) -> dict[str, Table]:
    """Return what takes a learner fitted on all rows: its coefficients, and rows asked for."""
    found: dict[str, Table] = {}
    scaled = study.covariates.standardised
    treated = study.treatment.is_treated.astype(np.float64)
    fitted: FittedCate | None = None
    if settings.at is not None:
        fitted = fit(study.outcome, treated, scaled)
        design = study.covariates.design
        rows = (design_at(study, settings.at) - design.mean(axis=0)) / design.std(axis=0)
        ends = fitted.interval(rows, question.level)
        columns: dict[str, Sequence[Any] | FloatArray] = {
            "row": range(len(rows)),
            "effect": fitted.effect(rows),
        }
        if ends is not None:
            columns |= {"low": ends[0], "high": ends[1]}
        found["at"] = Table.of("The effect on the rows asked for", columns)
    return found


def _predictions_table(scores: Scores) -> Table:
    points = np.linspace(0, len(scores.predicted) - 1, _POINTS).round().astype(int)
    order = np.argsort(scores.predicted, kind="stable")[points]
    columns: dict[str, FloatArray] = {
        "share of rows": np.linspace(0, 1, _POINTS),
        "effect": scores.predicted[order],
    }
    if scores.low is not None and scores.high is not None:
        columns |= {"low": scores.low[order], "high": scores.high[order]}
    return Table.of("Effects predicted for rows held out, from the least to the most", columns)


def _predictions_chart(scores: Scores, outcome: str) -> Chart:
    table = _predictions_table(scores)
    has_interval = scores.low is not None
    series = Series.of(
        "", table["share of rows"], table["effect"],
        low=table["low"] if has_interval else None, high=table["high"] if has_interval else None,
        shape=Shape.LINE,
    )  # fmt: skip
    return Chart(
        "cate",
        "Effects predicted for rows held out, from the least to the most",
        "share of rows",
        f"effect on {outcome}",
        (series,),
        (Rule("y", 0.0, "no effect"), Rule("y", float(scores.gain.mean()), "average")),
    )


def _calibration_table(found: Calibration, real: float | None) -> Table:
    return Table.of(
        "The effect as predicted by the predictions: both are 1 where these are right",
        {
            "term": ["average", "differences between rows"],
            "coefficient": [found.average, found.slope],
            "standard error": [found.average_error, found.slope_error],
            "p-value, one-sided": [None, None if real is None else float(stats.norm.sf(real))],
        },
    )


# ---- judging ----------------------------------------------------------------------------------
def _heterogeneity_check(real: float | None, found: Calibration, tree: BenefitTree) -> Check:
    """Whether differences between rows are real: on rows that the learner has not seen.

    No more than a warning where they are not shown: the average is right without them. A failure
    where those predicted to gain most gain least.
    """
    if real is None or found.slope is None:
        text = "the learner predicts the same effect for all rows: there is nobody to pick out"
        return Check("heterogeneity", Outcome.WARN, text, None, _REAL)
    p = float(stats.norm.sf(real))
    said = f"{p_text(p)}, by {number_text(found.slope)} of each unit predicted"
    if p < _REAL:
        most = f"; most is predicted for {tree.leaves[0]}" if tree.leaves else ""
        text = f"of rows held out, those predicted to gain more do gain more ({said}){most}"
        return Check("heterogeneity", Outcome.PASS, text, p, _REAL)
    if p > 1 - _CONTRARY:
        text = f"of rows held out, those predicted to gain more gain less ({said})"
        return Check("heterogeneity", Outcome.FAIL, text, p, _REAL)
    text = (
        f"of rows held out, those predicted to gain more are not seen to gain more ({said}): take "
        "the average for everybody, and the tree for noise"
    )
    return Check("heterogeneity", Outcome.WARN, text, p, _REAL)


def _draw_check(study: Study, treated: BoolArray) -> Check:
    """Whether the covariates tell the treatment, which a draw would not let them do."""
    design = study.covariates.with_intercept
    arm = treated.astype(np.float64)
    found = np.linalg.lstsq(design, arm, rcond=None)[0]
    rest = arm - design @ found
    features = design.shape[1] - 1
    spare = max(study.n - features - 1, 1)
    total = float(((arm - arm.mean()) ** 2).sum())
    explained = total - float(rest @ rest)
    p = float(stats.f.sf(explained / features / (float(rest @ rest) / spare), features, spare))
    said = (
        f"the covariates tell who was treated ({p_text(p)}): it was not decided by a draw"
        if p < _DRAW_FAIL
        else f"the covariates do not tell who was treated ({p_text(p)}), as in a draw"
    )
    return Check.at_least("randomised", p, said, warn=_DRAW_FAIL, fail=_DRAW_FAIL)


def _notes(scores: Scores, name: str) -> tuple[Note, ...]:
    notes = []
    if scores.low is None:
        text = (
            f"{name} has no honest intervals for single rows; those of groups, of the tree and of "
            "the average are"
        )
        notes.append(Note("no_row_intervals", None, text))
    if len(scores.gain) < 2 * _FEWEST_ROWS:
        text = f"{len(scores.gain)} rows can tell little of who benefits"
        notes.append(Note("few_rows", None, text))
    return tuple(notes)
