"""The A/B test: arms of an experiment against control, with all that may surround it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.discovery.errors import OptionError
from whydrift.discovery.snapshot.note import Note
from whydrift.effects.chart import Chart, Rule, Series
from whydrift.effects.check import Check, Outcome
from whydrift.effects.effect import Effect
from whydrift.effects.estimand import RANDOMISED, Estimand, average_effect
from whydrift.effects.experiment.arms import Arms, measure_arms
from whydrift.effects.experiment.comparisons import Comparison, compare_arms
from whydrift.effects.experiment.looks import looks
from whydrift.effects.experiment.sample_ratio import planned_shares, sample_ratio_check
from whydrift.effects.influence import cluster_check
from whydrift.effects.question import Question
from whydrift.effects.study import Study
from whydrift.effects.table import Table
from whydrift.effects.treatment_kind import TreatmentKind
from whydrift.effects.words import joined, p_text, percent

__all__ = ["ABTest"]

_BEFORE_FAIL = 1e-3
# At a skewness of 0.1 the tails of a 95 % interval hold about 2.8 % and 2.2 % (Edgeworth); that of
# a sample with heavy tails is mostly too small, so that the limit is not set higher.
_SKEWED_WARN, _SKEWED_FAIL = 0.1, 1.0
# Units in an arm, before which a sequence rests on too little to be normal.
_FIRST_LOOK_WARN, _FIRST_LOOK_FAIL = 100, 20
_MOST_CONTAMINATED = 0.01
_BEFORE_DRAW = "The columns of `before` were fixed before the draw: the treatment cannot move them"
_EVERY_LOOK = (
    "Rows come in one after the other and are alike over time; the rows at which the interval is "
    "shortest were chosen before the first look"
)


@dataclass(frozen=True)
class ABTest:
    """Mean, or ratio of sums, of each arm less that of control.

    Estimand ``relative_ate`` is the change as a share of the control's value.

    Parameters
    ----------
    per : str, optional
        Column to divide by, for a ratio of sums such as clicks per view; errors by the delta
        method. Name what was drawn (the user) as ``cluster``, where rows are smaller than that.
    before : str or tuple of str
        Columns known before the draw, such as last month's value of the outcome: what they explain
        is taken out (CUPED), and the interval is shorter for it.
    shares : str, float or tuple of float
        How many units each arm was meant to get, for the check of the sample ratio: ``equal``,
        ``unknown``, the share of the one arm beside control, or a share for each, control first.
    correction : str
        For several arms: ``dunnett``, ``holm`` or ``none``.
    sequential : float, optional
        Give the planned number of rows for an interval that holds at every look, so that the
        experiment may be stopped whenever one likes; it is shortest at this number. With ``time``
        the effect shows how it went.

    References
    ----------
    Kohavi, Tang & Xu (2020), Trustworthy online controlled experiments.
    """

    per: str | None = None
    before: str | tuple[str, ...] = ()
    shares: str | float | tuple[float, ...] = "equal"
    correction: str = "dunnett"
    sequential: float | None = None

    def estimate(self, study: Study, question: Question) -> Effect:
        """Return the effect; see `Method`."""
        shares = planned_shares(self.shares, len(study.treatment.levels))
        if self.sequential is not None and not (
            isinstance(self.sequential, (int, float)) and self.sequential > 1
        ):
            raise OptionError(
                f"{self.sequential!r} is no number of rows",
                where="ab_test, sequential",
                remedy="Give the planned number of rows, such as 10000",
            )
        arms = self._arms(study)
        found = self._compare(arms, question)
        best = max(found, key=lambda c: c.distance)
        several = len(found) > 1
        notes: tuple[Note, ...] = ()
        if several:
            text = (
                f"{best.level} is shown since it is the furthest of {len(found)} arms from "
                "control; its interval allows for the choice, its value does not: the winner of "
                "several tends to look better than it is"
            )
            notes = (Note("winner_of_several", study.roles.treatment, text),)
        contrast = f"{study.roles.treatment} = {best.level} against {arms.levels[0]}"
        details = {
            "arms": _arms_table(arms, study.roles.treatment),
            "comparisons": _comparisons_table(found),
        }
        charts: list[Chart] = []
        if several:
            charts.append(_forest(found, study.roles.outcome))
        if self.sequential is not None and study.roles.time is not None:
            said = self._looks(study, question, best.level)
            if said is not None:
                details["looks"], picture = said
                charts.insert(0, picture)
        return question.answer(
            study,
            self._estimand(question.estimand, contrast, study.roles.outcome),
            method="ab_test",
            value=best.value,
            standard_error=best.standard_error,
            freedom=best.freedom,
            interval=(best.low, best.high),
            p_value=best.p_value,
            contrast=contrast,
            adjustment=self._before,
            assumptions=(
                *RANDOMISED,
                *([_BEFORE_DRAW] if self._before else ()),
                *([_EVERY_LOOK] if self.sequential is not None else ()),
            ),
            checks=(
                *self._checks(study, arms, shares),
                *_away_from_zero(arms, question.estimand),
            ),
            warnings=notes,
            details=details,
            charts=charts,
        )

    @property
    def _before(self) -> tuple[str, ...]:
        return (self.before,) if isinstance(self.before, str) else tuple(self.before)

    # ---- measuring ----------------------------------------------------------------------------
    def _arms(self, study: Study, kept: BoolArray | None = None) -> Arms:
        rows = np.ones(study.n, dtype=bool) if kept is None else kept
        cluster = study.cluster
        if cluster is not None:
            cluster = np.unique(cluster[rows], return_inverse=True)[1]
        per = None if self.per is None else study.numbers(self.per, "per")[rows]
        before = None
        if self._before:
            before = study.with_adjustment(self._before).covariates.design[rows]
        return measure_arms(
            study.treatment.levels,
            study.treatment.codes[rows],
            study.outcome[rows],
            per=per,
            before=before,
            cluster=cluster,
        )

    def _compare(
        self, arms: Arms, question: Question, *, at_one_look: bool = False
    ) -> tuple[Comparison, ...]:
        return compare_arms(
            arms,
            level=question.level,
            correction=self.correction,
            relative=question.estimand == "relative_ate",
            planned=None if at_one_look else self.sequential,
        )

    def _looks(self, study: Study, question: Question, arm: str) -> tuple[Table, Chart] | None:
        time, periods = study.time

        def at(kept: BoolArray) -> tuple[Comparison, Comparison]:
            arms = self._arms(study, kept)
            both = (self._compare(arms, question, at_one_look=once) for once in (False, True))
            always, once = (next(c for c in found if c.level == arm) for found in both)
            return always, once

        return looks(time, periods, study.roles.outcome, at)

    def _estimand(self, name: str, contrast: str, outcome: str) -> Estimand:
        if self.per is None and name == "ate":
            return average_effect("ate", contrast, outcome)
        of = outcome if self.per is None else f"{outcome} per {self.per}"
        means = ("E[Y(1)]", "E[Y(0)]")
        if self.per is not None:
            means = ("E[Y(1)]/E[D(1)]", "E[Y(0)]/E[D(0)]")
        if name == "ate":
            return Estimand("ratio", f"change of {of} by {contrast}", " − ".join(means))
        words = f"change of {of} by {contrast}, as a share of its value under control"
        return Estimand(name, words, f"({means[0]})/({means[1]}) − 1")

    # ---- judging ------------------------------------------------------------------------------
    def _checks(self, study: Study, arms: Arms, shares: FloatArray | None) -> tuple[Check, ...]:
        by_cluster = study.cluster is not None and arms.crossed < 0.5
        drawn = arms.units if by_cluster else arms.rows
        what = "clusters" if by_cluster else "rows"
        checks = [sample_ratio_check(arms.levels, drawn, shares, what)]
        if by_cluster and arms.crossed > 0:
            checks.append(
                Check.at_most(
                    "one_arm_each",
                    arms.crossed,
                    f"{percent(arms.crossed)} of the clusters have rows in several arms",
                    warn=0.0,
                    fail=_MOST_CONTAMINATED,
                )
            )
        if self._before:
            checks.append(self._alike_before(study, arms))
        checks += cluster_check(study.cluster)
        checks.append(_skewness(arms))
        if self.sequential is not None:
            checks.append(_first_look(arms, what))
        if study.treatment.kind is TreatmentKind.BINARY and arms.covariance.max() == 0:
            checks.append(
                Check("spread", Outcome.FAIL, "the outcome is the same in all rows of each arm")
            )
        return tuple(checks)

    def _alike_before(self, study: Study, arms: Arms) -> Check:
        """Whether the arms were alike in what was known before the draw."""
        design = study.with_adjustment(self._before).covariates
        least = 1.0
        cluster = study.cluster
        for column in design.design.T:
            of = measure_arms(arms.levels, study.treatment.codes, column, cluster=cluster)
            each = compare_arms(of, level=0.95, correction="none")
            least = min(least, *(c.p_value for c in each))
        p = min(1.0, least * len(design) * (len(arms.levels) - 1))
        said = (
            f"the arms differ in {joined(self._before)} ({p_text(p)}): it was not fixed before the "
            "draw, or the draw is broken"
            if p < _BEFORE_FAIL
            else f"the arms are alike in {joined(self._before)} ({p_text(p)}), which explains "
            f"{percent(max(0.0, arms.share_explained))} of the variance"
        )
        return Check.at_least("alike_before", p, said, warn=_BEFORE_FAIL, fail=_BEFORE_FAIL)


def _skewness(arms: Arms) -> Check:
    """Whether the difference of arms is near enough to normal.

    Arms that are skewed alike and of one size cancel; a few huge rows in one of them do not.

    References
    ----------
    Kohavi, Tang & Xu (2020), Trustworthy online controlled experiments, chapter 17.
    """
    variance = np.diag(arms.covariance)
    both = (variance[1:] + variance[0]) ** 1.5
    gap = np.abs(arms.third_moments[1:] - arms.third_moments[0])
    found = float(np.divide(gap, both, out=np.zeros(len(gap)), where=both > 0).max())
    said = (
        f"the skewness of the difference is {found:.2f}: a few large values carry much of it, and "
        "the interval may be off on one side; a capped outcome would help"
        if found > _SKEWED_WARN
        else f"the skewness of the difference is {found:.2f}, near enough to normal"
    )
    return Check.at_most("skewness", found, said, warn=_SKEWED_WARN, fail=_SKEWED_FAIL)


def _first_look(arms: Arms, what: str) -> Check:
    """Whether there are enough units for intervals at every look, which hold for large samples."""
    have = int(arms.units.min())
    said = f"{have:,} {what} in the smallest arm"
    said += (
        f"; before {_FIRST_LOOK_WARN} it is too early to look"
        if have < _FIRST_LOOK_WARN
        else ", enough to look"
    )
    return Check.at_least("first_look", have, said, warn=_FIRST_LOOK_WARN, fail=_FIRST_LOOK_FAIL)


def _away_from_zero(arms: Arms, estimand: str) -> tuple[Check, ...]:
    """Whether the control's value is known well enough to be divided by."""
    if estimand != "relative_ate":
        return ()
    error = float(np.sqrt(arms.covariance[0, 0]))
    size = abs(float(arms.values[0])) / error if error > 0 else np.inf
    said = f"the value of control is {size:,.1f} standard errors from 0, which shares are taken of"
    return (Check.at_least("control_away_from_zero", size, said, warn=8.0, fail=3.0),)


def _arms_table(arms: Arms, treatment: str) -> Table:
    errors = np.sqrt(np.diag(arms.covariance))
    return Table.of(
        "The arms",
        {
            treatment: arms.levels,
            "rows": arms.rows,
            "units": arms.units,
            "value": arms.values,
            "standard error": errors,
        },
    )


def _comparisons_table(found: tuple[Comparison, ...]) -> Table:
    return Table.of(
        "Each arm against control",
        {
            "arm": [c.level for c in found],
            "effect": [c.value for c in found],
            "standard error": [c.standard_error for c in found],
            "low": [c.low for c in found],
            "high": [c.high for c in found],
            "p-value": [c.p_value for c in found],
        },
    )


def _forest(found: tuple[Comparison, ...], outcome: str) -> Chart:
    series = Series.of(
        "", [c.value for c in found], range(len(found)),
        low=[c.low for c in found], high=[c.high for c in found],
    )  # fmt: skip
    return Chart(
        "arms",
        "Each arm against control",
        f"effect on {outcome}",
        "",
        (series,),
        (Rule("x", 0.0, "no effect"),),
        tuple(c.level for c in found),
    )
