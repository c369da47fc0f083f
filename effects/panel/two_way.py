"""Difference-in-differences as a slope: units (or groups) and periods have levels of their own."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.errors import SchemaError
from whydrift.discovery.snapshot.note import Note
from whydrift.effects.few_clusters import few_cluster_error
from whydrift.effects.panel.absorber import Absorber, Slopes, slopes
from whydrift.effects.panel.comparisons import comparison_table, weight_check
from whydrift.effects.panel.event_study import EventStudy
from whydrift.effects.panel.found import Found
from whydrift.effects.panel.layout import Layout
from whydrift.effects.panel.wild_bootstrap import WEIGHTS, wild_bootstrap
from whydrift.effects.question import Question
from whydrift.effects.table import Table

__all__ = ["two_way"]

_FEW_CLUSTERS = 40


def two_way(
    layout: Layout,
    outcome: FloatArray,
    covariates: FloatArray,
    question: Question,
    *,
    by_unit: bool,
    cluster: IntArray | None,
    robust: bool,
    bootstrap: str,
    draws: int,
) -> Found:
    """Return the slope of being treated now.

    Parameters
    ----------
    layout : Layout
    outcome : ndarray of shape (n_rows,)
    covariates : ndarray of shape (n_rows, n_features)
    question : Question
    by_unit : bool
        Whether each unit has a level of its own, else each of the two groups.
    cluster : ndarray of int, shape (n_rows,), optional
    robust : bool
        Whether errors allow for unequal spread where there is no cluster.
    bootstrap : str
        Weights of the wild cluster bootstrap, where there are clusters; without them intervals
        rest on Student's t, with few clusters allowed for (``auto``) or not (``none``).
    draws : int

    Raises
    ------
    SchemaError
        If nothing is left of the treatment beside the levels and the covariates.
    """
    now = layout.treated_now.astype(np.float64)
    periods = (layout.period[:, None] == np.arange(1, layout.never)).astype(np.float64)
    group = layout.ever_treated.astype(np.float64)[:, None]
    parts = [periods, covariates] if by_unit else [group, periods, covariates]
    absorber = Absorber.build(np.column_stack(parts), layout.unit if by_unit else None)
    left = absorber.residual(now)
    if float(left @ left) < 1e-10 * float(now @ now):
        raise SchemaError(
            "being treated follows from units, periods and covariates without an error",
            where="did",
            remedy="Leave covariates out that say the same as the treatment",
        )
    fit = slopes(absorber, now[:, None], outcome, cluster=cluster, robust=robust)
    value, error, freedom = float(fit.values[0]), float(fit.errors[0]), fit.freedom
    interval, p_value = None, None
    notes: tuple[Note, ...] = ()
    if cluster is not None and bootstrap == "auto" and cluster.max() + 1 < _FEW_CLUSTERS:
        error, freedom = _few_cluster_error(absorber, fit, cluster)
    if cluster is not None and bootstrap in WEIGHTS:
        boot = wild_bootstrap(
            absorber, now, outcome, cluster,
            level=question.level, weights=bootstrap, draws=draws, generator=question.generator(),
        )  # fmt: skip
        interval, p_value = (boot.low, boot.high), boot.p_value
        groups = int(cluster.max()) + 1
        text = (
            f"interval and p-value by a wild cluster bootstrap ({bootstrap} weights, {draws:,} "
            f"draws), since there are {groups} clusters"
        )
        notes = (Note("wild_bootstrap", None, text),)
    return Found(
        value,
        error,
        freedom,
        interval,
        p_value,
        _event_study(layout, absorber, outcome, cluster, robust=robust),
        # A straight trend of those treated, taken out like the outcome.
        lever=float(left @ (group[:, 0] * layout.period)) / float(left @ left),
        details=_details(layout, outcome, by_unit=by_unit),
        checks=(weight_check(layout, outcome, left, is_plain=by_unit and not covariates.size),)
        if layout.is_staggered
        else (),
        notes=notes,
    )


def _few_cluster_error(absorber: Absorber, fit: Slopes, cluster: IntArray) -> tuple[float, float]:
    """Return the error of the one slope, and its degrees of freedom."""
    left = fit.columns[:, 0]
    mass = float(left @ left)
    rows = len(left)
    level = np.full((rows, int(absorber.unit is None)), rows**-0.5)
    return few_cluster_error(
        left / mass,
        fit.outcome - fit.values[0] * left,
        np.column_stack([level, absorber.basis, left / np.sqrt(mass)]),
        np.ones(rows),
        cluster,
    )


def _event_study(
    layout: Layout,
    absorber: Absorber,
    outcome: FloatArray,
    cluster: IntArray | None,
    *,
    robust: bool,
) -> EventStudy | None:
    """Return the effects in each period; None where treatment began at several times.

    With several beginnings such slopes mix effects of other distances (Sun & Abraham 2021).
    """
    if layout.is_staggered or layout.turns_back:
        return None
    start = layout.cohorts[0]
    there = np.unique(layout.period[layout.ever_treated])
    asked = there[there != start - 1]
    columns = (layout.ever_treated[:, None] & (layout.period[:, None] == asked)).astype(np.float64)
    left = absorber.residual(columns)
    if np.linalg.matrix_rank(left.T @ left, hermitian=True) < len(asked):
        return None
    fit = slopes(absorber, columns, outcome, cluster=cluster, robust=robust)
    who = np.arange(len(outcome)) if cluster is None else cluster
    treated = np.array([len(np.unique(who[column > 0])) for column in columns.T])
    return EventStudy(asked - start, fit.values, fit.covariance, fit.freedom, -1, treated)


def _details(layout: Layout, outcome: FloatArray, *, by_unit: bool) -> dict[str, Table]:
    if layout.is_staggered:
        table = comparison_table(layout, outcome) if by_unit else None
        return {} if table is None else {"comparisons": table}
    rows: list[tuple[str | int | float | None, ...]] = []
    after = layout.period >= layout.cohorts[0]
    means = {}
    for is_treated, who in ((True, "treated"), (False, "others")):
        for is_after, when in ((False, "before"), (True, "after")):
            chosen = (layout.ever_treated == is_treated) & (after == is_after)
            means[who, when] = float(outcome[chosen].mean())
            rows.append((who, when, int(chosen.sum()), means[who, when]))
    change = {w: means[w, "after"] - means[w, "before"] for w in ("treated", "others")}
    rows.append(("treated", "change", None, change["treated"]))
    rows.append(("others", "change", None, change["others"]))
    return {"means": Table("Means before and after", ("who", "when", "rows", "mean"), tuple(rows))}
