"""Regression discontinuity: sharp, fuzzy and kink."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from whydrift.discovery.errors import OptionError, unknown_name
from whydrift.discovery.snapshot.note import Note
from whydrift.effects.chart import Chart
from whydrift.effects.check import Check
from whydrift.effects.covariates import Covariates, covariates
from whydrift.effects.discontinuity.falsification import (
    bandwidth_sensitivity,
    continuity,
    density_check,
    donut,
    placebo_cutoffs,
    rows_checks,
)
from whydrift.effects.discontinuity.jump import ERRORS, Jump, Recipe, estimate_jump
from whydrift.effects.discontinuity.kernel import kernel_named
from whydrift.effects.discontinuity.pictures import bandwidth_chart, scatter_chart
from whydrift.effects.discontinuity.sample import Sample, read_sample
from whydrift.effects.effect import Effect
from whydrift.effects.estimand import ALWAYS, Estimand
from whydrift.effects.influence import cluster_check
from whydrift.effects.question import Question
from whydrift.effects.study import Study
from whydrift.effects.table import Table
from whydrift.effects.words import number_text

__all__ = ["Discontinuity"]

_MOST_ORDER: Final = 4
_WEAK_F, _TOO_WEAK_F = 20.0, 10.0
_SMOOTH: Final = (
    "Without the treatment the mean outcome would run through the cutoff without a jump "
    "(continuity): nothing else changes there, and nobody chooses the side exactly"
)
_SMOOTH_SLOPE: Final = (
    "Without the treatment the slope of the mean outcome would not break at the cutoff: nothing "
    "else changes there, and nobody chooses the place exactly"
)
_FUZZY: Final = (
    "The cutoff works on the outcome through the treatment alone (exclusion)",
    "Crossing the cutoff moves nobody's treatment the other way (monotonicity)",
)


@dataclass(frozen=True)
class Discontinuity:
    """The jump of the outcome where a threshold decides on the treatment.

    Local polynomials on both sides, with the bandwidth of least mean squared error; the value is
    corrected for its leading bias, and its error counts the noise of the correction. Where the side
    does not settle the treatment, the jump of the outcome is divided by that of the treatment.
    The estimand ``kink`` compares slopes and not levels.

    Parameters
    ----------
    cutoff : float
        The threshold; rows exactly there are on the upper side.
    bandwidth : float, optional
        How far from the cutoff rows count.
    bias_bandwidth : float, optional
        How far rows count for the bias; by default as found, or as far as ``bandwidth`` where that
        is given.
    kernel : str
        ``triangular``, ``uniform`` or ``epanechnikov``.
    order : int, optional
        Of the polynomials; by default 1, and 2 for a kink.
    errors : str
        ``neighbours`` (nearest rows) or ``hc2`` (residuals); with clusters always residuals.
    balance : tuple of str
        Columns that the treatment cannot have moved, and that must not jump: looked at, not
        adjusted for. What is adjusted for is looked at too.

    References
    ----------
    Hahn, Todd & van der Klaauw (2001), Identification and estimation of treatment effects with a
    regression-discontinuity design, Econometrica 69.
    Calonico, Cattaneo & Titiunik (2014), Robust nonparametric confidence intervals for
    regression-discontinuity designs, Econometrica 82.
    Card, Lee, Pei & Weber (2015), Inference on causal effects in a generalized regression kink
    design, Econometrica 83.
    Barreca, Guldi, Lindo & Waddell (2011), Saving babies? (donuts), Quarterly Journal of Economics.
    """

    cutoff: float
    bandwidth: float | None = None
    bias_bandwidth: float | None = None
    kernel: str = "triangular"
    order: int | None = None
    errors: str = "neighbours"
    balance: str | tuple[str, ...] = ()

    def estimate(self, study: Study, question: Question) -> Effect:
        """Return the effect; see `Method`."""
        recipe = self._recipe(is_kink=question.estimand == "kink")
        sample = read_sample(study, self.cutoff, order=recipe.order)
        jump = estimate_jump(sample, recipe)
        quantile = question.quantile(jump.freedom)
        looked_at = self._looked_at(study)
        continuous, jumps = continuity(sample, recipe, looked_at)
        placebos, elsewhere = placebo_cutoffs(sample, recipe, self.cutoff)
        donuts, holes = donut(sample, recipe, jump, quantile)
        steady, other_bandwidths = bandwidth_sensitivity(sample, recipe, jump, quantile)
        details = {
            "estimates": _estimates(jump),
            "bandwidths": other_bandwidths,
            "covariate_continuity": jumps,
            "placebo_cutoffs": elsewhere,
            "donut": holes,
        }
        return question.answer(
            study,
            _estimand(study, question, sample, self.cutoff),
            method="rdd",
            value=jump.value,
            standard_error=jump.standard_error,
            freedom=jump.freedom,
            n=sum(jump.rows),
            assumptions=_assumptions(recipe, sample),
            checks=(
                *_first_stage(jump, study.roles.treatment),
                *rows_checks(sample, jump),
                density_check(sample, recipe),
                *continuous,
                *placebos,
                *donuts,
                steady,
                *cluster_check(study.cluster),
            ),
            warnings=(*looked_at.notes, *_notes(study, sample)),
            details={name: table for name, table in details.items() if table is not None},
            charts=_charts(study, sample, recipe, jump, self.cutoff, quantile, other_bandwidths),
        )

    def _recipe(self, *, is_kink: bool) -> Recipe:
        """Return the options, checked.

        Raises
        ------
        OptionError
            If one has a value that is not offered.
        """
        least = 1 if is_kink else 0
        order = (2 if is_kink else 1) if self.order is None else self.order
        if (
            isinstance(order, bool)
            or not isinstance(order, int)
            or not least <= order <= _MOST_ORDER
        ):
            raise OptionError(
                f"{order!r} is no order of a polynomial from {least} to {_MOST_ORDER}",
                where="rdd, order",
                remedy="Take 1 (2 for a kink)",
            )
        if self.errors not in ERRORS:
            raise unknown_name("kind of errors", str(self.errors), known=ERRORS, where="rdd")
        for name in ("bandwidth", "bias_bandwidth"):
            given = getattr(self, name)
            if given is not None and (isinstance(given, bool) or not given > 0):
                raise OptionError(
                    f"{given!r} is no width", where=f"rdd, {name}", remedy="Give a number above 0"
                )
        if self.bandwidth is None and self.bias_bandwidth is not None:
            raise OptionError(
                "bias_bandwidth is given without bandwidth",
                where="rdd",
                remedy="Give both, or neither",
            )
        widths = (
            None
            if self.bandwidth is None
            else (float(self.bandwidth), float(self.bias_bandwidth or self.bandwidth))
        )
        return Recipe(kernel_named(self.kernel), order, int(is_kink), self.errors, widths)

    def _looked_at(self, study: Study) -> Covariates:
        named = (self.balance,) if isinstance(self.balance, str) else tuple(self.balance)
        return covariates(study.table, (*study.roles.adjustment, *named))


def _estimand(study: Study, question: Question, sample: Sample, cutoff: float) -> Estimand:
    running, outcome = study.roles.running, study.roles.outcome
    place = f"at {running} = {number_text(cutoff)}"
    if question.estimand == "kink":
        if sample.treatment is None:
            words = f"change of the slope of {outcome} over {running} by the treatment, {place}"
            return Estimand("kink", words, "d/dx E[Y(1) − Y(0) | X = c]")
        words = (
            f"change of {outcome} per unit of {study.roles.treatment}, among rows {place}, "
            "from how both slopes break"
        )
        return Estimand("kink", words, "lim ΔE[Y | X = x]′ / lim ΔE[A | X = x]′ at x = c")
    whom = "rows" if sample.treatment is None else "rows whose treatment the cutoff decides,"
    words = f"average change of {outcome} by {study.treatment.contrast}, among {whom} {place}"
    given = "X = c" if sample.treatment is None else "X = c, compliers"
    return Estimand("cutoff", words, f"E[Y(1) − Y(0) | {given}]")


def _assumptions(recipe: Recipe, sample: Sample) -> tuple[str, ...]:
    smooth = _SMOOTH_SLOPE if recipe.derivative else _SMOOTH
    return (smooth, *(() if sample.treatment is None else _FUZZY), *ALWAYS)


def _first_stage(jump: Jump, treatment: str) -> tuple[Check, ...]:
    if jump.first_stage_f is None:
        return ()
    weak = jump.first_stage_f < _TOO_WEAK_F
    said = (
        f"{treatment} changes by {number_text(jump.first_stage, signed=True)} at the cutoff "
        f"(F = {number_text(jump.first_stage_f)})" + (": too little to divide by" if weak else "")
    )
    return (
        Check.at_least(
            "first_stage", min(jump.first_stage_f, 1e12), said, warn=_WEAK_F, fail=_TOO_WEAK_F
        ),
    )


def _notes(study: Study, sample: Sample) -> tuple[Note, ...]:
    """Return a word on rows exactly at the threshold, where it matters which side they are on."""
    there = int((sample.x == 0).sum())
    if not there or sample.treatment is None:
        return ()
    text = f"{there:,} rows exactly at the cutoff are taken for the upper side"
    return (Note("rows_at_cutoff", study.roles.running, text),)


def _estimates(jump: Jump) -> Table:
    return Table.of(
        "The estimate, and the same without correction for bias",
        {
            "estimate": ["corrected for bias", "conventional"],
            "value": [jump.value, jump.conventional],
            "standard error": [jump.standard_error, jump.conventional_error],
            "bandwidth": [jump.bandwidths[0]] * 2,
            "bandwidth of the bias": [jump.bandwidths[1], None],
            "rows below": [jump.rows[0]] * 2,
            "rows above": [jump.rows[1]] * 2,
        },
    )


def _charts(
    study: Study,
    sample: Sample,
    recipe: Recipe,
    jump: Jump,
    cutoff: float,
    quantile: float,
    table: Table,
) -> tuple[Chart, ...]:
    running = str(study.roles.running)
    outcome, treatment = study.roles.outcome, study.roles.treatment
    shown = [
        scatter_chart(sample, recipe, jump, sample.outcome, (running, outcome), cutoff, quantile)
    ]
    if sample.treatment is not None:
        labels = (running, treatment)
        shown.append(
            scatter_chart(sample, recipe, jump, sample.treatment, labels, cutoff, quantile)
        )
    return (*shown, bandwidth_chart(table, jump, quantile, outcome))
