"""Difference-in-differences by who began when: no treated unit serves as a control."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.errors import SchemaError
from whydrift.discovery.snapshot.note import Note
from whydrift.effects.check import Check, Outcome
from whydrift.effects.influence import influence_error
from whydrift.effects.panel.absorber import Absorber, slopes
from whydrift.effects.panel.comparisons import comparison_table, forbidden_share
from whydrift.effects.panel.event_study import EventStudy
from whydrift.effects.panel.found import Found
from whydrift.effects.panel.group_time import Aggregate, GroupTime, group_time
from whydrift.effects.panel.layout import Layout
from whydrift.effects.question import Question
from whydrift.effects.study import Study
from whydrift.effects.table import Table
from whydrift.effects.words import number_text, percent

__all__ = ["AGGREGATES", "by_cohort"]

AGGREGATES = ("simple", "dynamic", "group")
"""Ways to average effects by cohort and period; see `GroupTime.overall`."""

_HARDLY, _NO_OVERLAP = 0.99, 0.999  # chances of treatment


def by_cohort(
    study: Study, layout: Layout, cluster: IntArray, question: Question, *, controls: str,
    model: str, aggregate: str, anticipation: int,
) -> Found:  # fmt: skip
    """Estimate every cohort in every period, and average.

    Parameters
    ----------
    study : Study
    layout : Layout
        With units.
    cluster : ndarray of int, shape (n_rows,)
        Each holds its units whole.
    question : Question
    controls, model, aggregate, anticipation
        See `DifferenceInDifferences`.

    Raises
    ------
    SchemaError
        If those never treated are asked for, and there are none.
    TooFewRows
        If no cohort has controls.
    """
    has_never = bool((layout.start == layout.never).any())
    if controls == "auto":
        controls = "never" if has_never else "not_yet"
    if controls == "never" and not has_never:
        raise SchemaError(
            "every unit is treated some time",
            where="did, controls",
            remedy="Take controls='not_yet'",
        )
    cells = group_time(
        layout, study.outcome, study.covariates.standardised,
        controls=controls, model=model, anticipation=anticipation,
    )  # fmt: skip
    per_unit = layout.unit_codes(cluster)
    overall = cells.overall(aggregate)
    error, freedom = influence_error(overall.influence, per_unit)
    assert freedom is not None
    base = -1 - anticipation
    notes: tuple[Note, ...] = ()
    if cells.without_controls:
        text = (
            f"{cells.without_controls} pairs of beginning and period left out: too few units were "
            "untreated beside them"
        )
        notes = (Note("cells_without_controls", None, text),)
    return Found(
        overall.value,
        error,
        freedom,
        study=_event_study(cells, per_unit, freedom, base),
        lever=_mean_distance(cells) - base,
        details=_cell_tables(cells, layout, per_unit, question, study.outcome),
        checks=(*_comparison_check(study, layout, cluster), *_overlap_check(cells)),
        notes=notes,
    )


def _mean_distance(cells: GroupTime) -> float:
    """Return how far after the first treated period the effects lie, by their weights."""
    after = cells.relative >= 0
    sizes = np.array([cells.mass[cells.members == g].sum() for g in cells.cohort[after]])
    return float(np.average(cells.relative[after], weights=sizes))


def _event_study(cells: GroupTime, per_unit: IntArray, freedom: float, base: int) -> EventStudy:
    places, parts = cells.by_relative()
    groups = int(per_unit.max()) + 1
    influence = np.column_stack([part.influence for part in parts])
    sums = np.column_stack([np.bincount(per_unit, column, groups) for column in influence.T])
    covariance = sums.T @ sums / len(per_unit) ** 2 * groups / (groups - 1)
    effects = np.array([part.value for part in parts])
    treated = np.array(
        [
            len(np.unique(per_unit[np.isin(cells.members, cells.cohort[cells.relative == e])]))
            for e in places
        ]
    )
    return EventStudy(places, effects, covariance, freedom, base, treated)


def _cell_tables(
    cells: GroupTime, layout: Layout, per_unit: IntArray, question: Question, outcome: FloatArray
) -> dict[str, Table]:
    def line(part: Aggregate, units: int = 2) -> tuple[float | None, ...]:
        if units < 2:  # of one unit nothing says how far chance alone would go
            return part.value, None, None, None
        error, freedom = influence_error(part.influence, per_unit)
        reach = question.quantile(freedom) * error
        return part.value, error, part.value - reach, part.value + reach

    numbers = ("effect", "standard error", "low", "high")
    starts, parts = cells.by_cohort()
    sizes = {int(g): int((cells.members == g).sum()) for g in starts}
    cohorts = tuple(
        (layout.periods[g], sizes[int(g)], *line(part, sizes[int(g)]))
        for g, part in zip(starts, parts, strict=True)
    )
    by_cell = tuple(
        (
            layout.periods[cells.cohort[i]],
            layout.periods[cells.period[i]],
            *line(
                Aggregate(float(cells.effects[i]), cells.influence[:, i]),
                int((cells.members == cells.cohort[i]).sum()),
            ),
        )
        for i in range(len(cells.effects))
    )
    totals = tuple((how, *line(cells.overall(how))) for how in AGGREGATES)
    tables = {
        "averages": Table("The effect by ways to average", ("average", *numbers), totals),
        "cohorts": Table(
            "Effects by the period in which treatment began", ("began", "units", *numbers), cohorts
        ),
        "cells": Table(
            "Effects by beginning and period; before the beginning they should be none",
            ("began", "period", *numbers),
            by_cell,
        ),
    }
    compared = comparison_table(layout, outcome) if layout.is_staggered else None
    return tables if compared is None else {**tables, "comparisons": compared}


def _comparison_check(study: Study, layout: Layout, cluster: IntArray) -> tuple[Check, ...]:
    """Say what a slope with unit and period effects would have given, where it is not taken."""
    if not layout.is_staggered:
        return ()
    periods = (layout.period[:, None] == np.arange(1, layout.never)).astype(np.float64)
    absorber = Absorber.build(
        np.column_stack([periods, study.covariates.standardised]), layout.unit
    )
    now = layout.treated_now.astype(np.float64)[:, None]
    fit = slopes(absorber, now, study.outcome, cluster=cluster, robust=True)
    share = forbidden_share(layout, study.outcome)
    weight = "" if share is None else f" with {percent(share)} of the weight"
    said = (
        "no treated unit serves as a control; a slope with unit and period effects, where they do"
        f"{weight}, gives {number_text(float(fit.values[0]))}"
    )
    return (Check("forbidden_comparisons", Outcome.PASS, said, share),)


def _overlap_check(cells: GroupTime) -> tuple[Check, ...]:
    if not cells.worst_chance:
        return ()
    said = (
        f"by what is adjusted for, the chance of treatment of a treated unit is at most "
        f"{cells.worst_chance:.2f}"
    )
    if cells.worst_chance > _HARDLY:
        said += ": nobody like it is left untreated, and the effect rests on the outcome model"
    return (Check.at_most("overlap", cells.worst_chance, said, warn=_HARDLY, fail=_NO_OVERLAP),)
