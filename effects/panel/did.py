"""Difference-in-differences: the change of the treated less the change of the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.errors import OptionError, SchemaError
from whydrift.effects.chart import Chart, Rule, Series, Shape, Side
from whydrift.effects.check import Check, Outcome
from whydrift.effects.effect import Effect
from whydrift.effects.estimand import ALWAYS, Estimand
from whydrift.effects.influence import cluster_check
from whydrift.effects.panel.by_cohort import AGGREGATES, by_cohort
from whydrift.effects.panel.event_study import EventStudy
from whydrift.effects.panel.found import Found
from whydrift.effects.panel.layout import Layout, read_layout
from whydrift.effects.panel.two_way import two_way
from whydrift.effects.panel.wild_bootstrap import WEIGHTS
from whydrift.effects.question import Question
from whydrift.effects.study import Study
from whydrift.effects.words import percent

__all__ = ["DifferenceInDifferences"]

_WHERE = "did"
_CHOICES = {
    "estimator": ("auto", "two_groups", "fixed_effects", "group_time"),
    "controls": ("auto", "never", "not_yet"),
    "model": ("doubly_robust", "outcome_regression"),
    "aggregate": AGGREGATES,
    "errors": ("robust", "classical"),
    "bootstrap": ("auto", "none", *WEIGHTS),
}
_FEW_TREATED, _ONE_TREATED = 5, 2  # clusters on the smaller side
_MISSING_FAIL = 0.5
_PARALLEL = (
    "Without treatment the treated would have changed as the others did (parallel trends{given})"
)
_NO_ANTICIPATION = "Nothing changes because treatment is expected{before}"


@dataclass(frozen=True)
class DifferenceInDifferences:
    """The change of the treated less that of the others, over two periods or many.

    The treatment column says who is treated at the time (with a unit), or marks those who are
    treated some time, with ``start``. Errors are clustered by ``cluster``, else by unit.

    Parameters
    ----------
    estimator : str
        ``two_groups``: a regression with a level for each of both groups and each period, for rows
        that are different people each time. ``fixed_effects``: a level for each unit and each
        period. ``group_time``: those who began together are compared, period by period, with units
        that are not treated yet (Callaway & Sant'Anna), and these effects are averaged. ``auto``:
        the first without a unit, the second where all began at once and there is nothing to adjust
        for, else the third. Where rows are different people each time and whole clusters (regions,
        shops) began at several times, clusters take the place of units.
    start : str or number, optional
        The first treated period, where the treatment column does not say; of two periods, the
        second.
    controls : str
        Of ``group_time``: those ``never`` treated, or all that are ``not_yet``; ``auto`` is the
        first where there are any.
    model : str
        Of ``group_time``, for what is adjusted for: ``doubly_robust`` or ``outcome_regression``.
        Columns count with their values in the last period before treatment.
    aggregate : str
        Of ``group_time``: the mean over all treated units and periods (``simple``), over periods
        since treatment began (``dynamic``) or over those who began together (``group``).
    anticipation : int
        Of ``group_time``: periods before treatment in which it may show already.
    errors : str
        ``robust`` or ``classical``, where there is neither unit nor cluster.
    bootstrap : str
        The wild cluster bootstrap of the two regressions: ``rademacher`` or ``webb`` weights (the
        latter for a dozen clusters or fewer), or ``none``. ``auto`` is none, and allows for fewer
        than 40 clusters by errors without bias and fewer degrees of freedom, which held the truth
        more often.
    draws : int
        Bootstrap samples.

    References
    ----------
    Card & Krueger (1994). Bertrand, Duflo & Mullainathan (2004), How much should we trust
    differences-in-differences estimates? Callaway & Sant'Anna (2021), Difference-in-differences
    with multiple time periods. Roth, Sant'Anna, Bilinski & Poe (2023), What's trending in
    difference-in-differences?
    """

    estimator: str = "auto"
    start: str | float | None = None
    controls: str = "auto"
    model: str = "doubly_robust"
    aggregate: str = "simple"
    anticipation: int = 0
    errors: str = "robust"
    bootstrap: str = "auto"
    draws: int = 1999

    def estimate(self, study: Study, question: Question) -> Effect:
        """Return the effect; see `Method`."""
        self._check_options()
        study, layout, notes = read_layout(study, self.start)
        estimator = self._estimator(study, layout)
        cluster = _clusters(study, layout)
        if estimator == "group_time":
            assert cluster is not None
            found = by_cohort(
                study, layout, cluster, question, controls=self.controls, model=self.model,
                aggregate=self.aggregate, anticipation=self.anticipation,
            )  # fmt: skip
        else:
            found = two_way(
                layout, study.outcome, study.covariates.standardised, question,
                by_unit=estimator == "fixed_effects", cluster=cluster,
                robust=self.errors == "robust", bootstrap=self.bootstrap, draws=self.draws,
            )  # fmt: skip
        details, charts = dict(found.details), []
        if found.study is not None and len(found.study.distance) > 1:
            details["event_study"] = found.study.table(question.level)
            charts.append(
                found.study.chart(
                    study.roles.treatment, study.roles.outcome, question.units, question.level
                )
            )
        if not layout.is_staggered:
            charts.append(_means_chart(study, layout, question.units))
        return question.answer(
            study,
            _estimand(study, layout),
            method="did",
            value=found.value,
            standard_error=found.error,
            freedom=found.freedom,
            interval=found.interval,
            p_value=found.p_value,
            assumptions=self._assumptions(study, layout, estimator),
            checks=(
                *_pre_trends(found, layout),
                *_cluster_checks(layout, cluster),
                *_balance_check(layout),
                *found.checks,
            ),
            warnings=(*notes, *found.notes),
            details=details,
            charts=charts,
        )

    # ---- options ------------------------------------------------------------------------------
    def _check_options(self) -> None:
        for name, known in _CHOICES.items():
            given = getattr(self, name)
            if given not in known:
                raise OptionError(
                    f"unknown {name} {given!r}",
                    where=f"did, {name}",
                    remedy=f"Known: {', '.join(known)}",
                )
        for name, least in (("anticipation", 0), ("draws", 99)):
            given = getattr(self, name)
            if isinstance(given, bool) or not isinstance(given, int) or given < least:
                raise OptionError(
                    f"{given!r} is no whole number from {least} on",
                    where=f"did, {name}",
                    remedy=f"Give {least} or more",
                )

    def _estimator(self, study: Study, layout: Layout) -> str:
        if layout.unit is None:
            if self.estimator in {"fixed_effects", "group_time"}:
                raise OptionError(
                    f"estimator {self.estimator!r} follows units over time, and none is named",
                    where="did, estimator",
                    remedy="Give unit= (--unit), or leave the estimator to auto",
                )
            return "two_groups"
        if layout.is_staggered and self.estimator == "two_groups":
            raise OptionError(
                "units were first treated at different times, and two_groups knows one time",
                where="did, estimator",
                remedy="Take group_time",
            )
        if layout.turns_back and self.estimator != "fixed_effects":
            raise SchemaError(
                "some units are untreated again after they were treated",
                where="did",
                remedy="End their rows there, or take estimator='fixed_effects', which assumes "
                "that treatment leaves nothing behind and works the same for all",
            )
        if self.estimator != "auto":
            return self.estimator
        is_plain = not layout.is_staggered and not len(study.covariates)
        return "fixed_effects" if is_plain else "group_time"

    def _assumptions(self, study: Study, layout: Layout, estimator: str) -> tuple[str, ...]:
        given = " given the columns adjusted for" if len(study.covariates) else ""
        own: tuple[str, ...] = (_PARALLEL.format(given=given),)
        early = estimator == "group_time" and self.anticipation
        before = f" more than {self.anticipation} periods ahead" if early else ""
        own += (_NO_ANTICIPATION.format(before=before),)
        if estimator == "two_groups" or layout.samples:
            own += ("Those seen before and after are samples of the same groups",)
        return (*own, *ALWAYS)


# ---- judging ----------------------------------------------------------------------------------
def _clusters(study: Study, layout: Layout) -> IntArray | None:
    """Return what errors are clustered by: the cluster named, else the unit.

    Raises
    ------
    SchemaError
        If a unit lies in several clusters.
    """
    if layout.unit is None:
        return study.cluster
    if study.cluster is None:
        if len(layout.units) < 2:
            raise SchemaError(
                "there is one unit: nobody to compare it with",
                where="unit",
                remedy="Add units that were left alone",
            )
        return layout.unit
    order = np.full(len(layout.units), -1, dtype=np.int64)
    order[layout.unit] = study.cluster
    moved = order[layout.unit] != study.cluster
    if moved.any():
        raise SchemaError(
            f"{study.roles.unit} {layout.units[layout.unit[np.argmax(moved)]]} lies in several "
            "clusters",
            where=f"cluster {study.roles.cluster!r}",
            remedy="Name a cluster that holds each unit whole",
        )
    return study.cluster


def _pre_trends(found: Found, layout: Layout) -> tuple[Check, ...]:
    if found.study is None and len(layout.periods) > 2:
        said = (
            "effects before treatment are not looked at here, where treatment begins or ends at "
            "several times: estimator=group_time does"
        )
        return (Check("parallel_trends", Outcome.WARN, said),)
    empty = np.array([], dtype=np.int64)
    study = found.study or EventStudy(empty, np.array([]), np.empty((0, 0)), 1.0, -1, empty)
    return study.pre_trend_checks(found.value, found.lever)


def _cluster_checks(layout: Layout, cluster: IntArray | None) -> tuple[Check, ...]:
    """Judge how many clusters there are, and how many on the smaller side."""
    if cluster is None:
        said = (
            "rows count as independent: what moves a whole group at once, and is not the "
            "treatment, is in no error; name a cluster if there are groups within"
        )
        return (Check("clusters", Outcome.WARN, said),)
    sides = [len(np.unique(cluster[layout.ever_treated == side])) for side in (True, False)]
    if layout.is_staggered:  # those not treated yet are controls too
        sides = sides[:1]
    fewest = min(sides)
    which = "treated" if sides[0] == fewest else "untreated"
    said = f"{fewest} clusters on the {which} side"
    if fewest < _ONE_TREATED:
        said = (
            f"one {which} cluster: what else happened to it cannot be told from the treatment, and "
            "no error counts it (synthetic_control asks how unusual it is)"
        )
    elif fewest < _FEW_TREATED:
        said += ": errors and bootstraps are hardly to be trusted with so few"
    return (
        *cluster_check(cluster),
        Check.at_least("treated_clusters", fewest, said, warn=_FEW_TREATED, fail=_ONE_TREATED),
    )


def _balance_check(layout: Layout) -> tuple[Check, ...]:
    if layout.unit is None:
        return ()
    share, what = layout.share_missing, "group" if layout.samples else "unit"
    said = (
        f"{percent(share)} of the {len(layout.units)} × {len(layout.periods)} {what}-periods are "
        "not there; if who is missing depends on the outcome, the comparison is off"
        if share > 0
        else f"all {len(layout.units)} {what}s are seen in all {len(layout.periods)} periods"
    )
    return (Check.at_most("balanced_panel", share, said, warn=0.0, fail=_MISSING_FAIL),)


# ---- telling ----------------------------------------------------------------------------------
def _estimand(study: Study, layout: Layout) -> Estimand:
    when = "since they were" if layout.is_staggered else f"from {_first(layout)} on"
    return Estimand(
        "att",
        f"average change of {study.roles.outcome} by {study.treatment.contrast}, over the treated "
        f"{when}",
        "E[Y_t(g) − Y_t(∞) | G = g, t ≥ g]" if layout.is_staggered
        else "E[Y_after(1) − Y_after(0) | A = 1]",
    )  # fmt: skip


def _first(layout: Layout) -> str:
    return layout.periods[layout.cohorts[0]]


def _means_chart(study: Study, layout: Layout, units: str) -> Chart:
    """Return the mean outcome of both sides over time."""
    values = _period_values(study, layout)
    series = []
    for is_treated, label, side in (
        (True, "treated", Side.TREATED),
        (False, "others", Side.CONTROL),
    ):
        chosen = layout.ever_treated == is_treated
        counts = np.bincount(layout.period[chosen], minlength=layout.never)
        sums = np.bincount(layout.period[chosen], study.outcome[chosen], layout.never)
        with np.errstate(invalid="ignore", divide="ignore"):
            series.append(Series.of(label, values, sums / counts, shape=Shape.LINE, side=side))
    unit = f", {units}" if units else ""
    start = layout.cohorts[0]
    return Chart(
        "means",
        f"Mean {study.roles.outcome} of the treated and the others",
        study.roles.time or "",
        f"mean {study.roles.outcome}{unit}",
        tuple(series),
        (Rule("x", float(values[start] + values[start - 1]) / 2, f"from {_first(layout)}"),),
    )


def _period_values(study: Study, layout: Layout) -> FloatArray:
    """Return where each period stands on the axis: its number, or its place in time."""
    try:
        return np.array([float(name) for name in layout.periods])
    except ValueError:
        return np.arange(layout.never, dtype=np.float64)
