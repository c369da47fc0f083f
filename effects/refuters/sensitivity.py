"""How strong a hidden cause would have to be, held against the causes that were seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.errors import OptionError, TooFewRows
from whydrift.effects.chart import Chart, Series, Shape, Side
from whydrift.effects.check import Check, Outcome
from whydrift.effects.covariates import columns_named, covariates
from whydrift.effects.refuters.base import Case, Refutation
from whydrift.effects.refuters.omitted_variable import (
    adjusted,
    benchmark_bound,
    partial_r2,
    robustness_value,
)
from whydrift.effects.study import Study
from whydrift.effects.table import Table
from whydrift.effects.treatment_kind import TreatmentKind
from whydrift.effects.words import number_text, percent

__all__ = ["Benchmark", "Sensitivity", "hidden_cause", "sensitivity"]

_TIMES = (1.0, 2.0, 3.0)
_LEVELS = (0.0, 0.25, 0.5, 0.75)  # of the estimate, left by the bias, in the contours
_MOST_R2, _POINTS = 0.6, 61


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A hidden cause as many times as strong as a column that was seen.

    Parameters
    ----------
    column : str
    times : float
    with_treatment, with_outcome : float
        Partial R² of the hidden cause, at most.
    value, standard_error : float
        The estimate that would be left; not finite where such a cause would explain everything.
    """

    column: str
    times: float
    with_treatment: float
    with_outcome: float
    value: float
    standard_error: float


@dataclass(frozen=True)
class Sensitivity:
    """What hidden causes would do to the least-squares slope of the treatment.

    Parameters
    ----------
    treatment, outcome : str
    value, standard_error : float
        Of the slope, adjusted for the covariates, with the errors of least squares.
    freedom : float
    level : float
        Of the interval that the second robustness value is about.
    benchmarks : tuple of Benchmark

    References
    ----------
    Cinelli & Hazlett (2020), Making sense of sensitivity: extending omitted variable bias.
    """

    treatment: str
    outcome: str
    value: float
    standard_error: float
    freedom: float
    level: float
    benchmarks: tuple[Benchmark, ...] = ()

    @property
    def statistic(self) -> float:
        """Student's t of the treatment."""
        return self.value / self.standard_error

    @property
    def partial_r2(self) -> float:
        """Share of what is left of the outcome that the treatment explains.

        A hidden cause that explained all of the outcome would have to explain as much of the
        treatment to take the estimate away.
        """
        return partial_r2(self.statistic, self.freedom)

    @property
    def robustness_value(self) -> float:
        """Share of both sides that a hidden cause must explain to take the estimate away."""
        return robustness_value(self.statistic, self.freedom)

    @property
    def robustness_value_of_interval(self) -> float:
        """The same, for the interval to hold no effect."""
        return robustness_value(self.statistic, self.freedom, alpha=1 - self.level)

    def strongest(self, times: float = 1.0) -> Benchmark | None:
        """Return the benchmark that would take most of the estimate away, of those ``times``."""
        ours = [b for b in self.benchmarks if b.times == times]
        return min(ours, key=lambda b: b.value * np.sign(self.value), default=None)

    def check(self) -> Check:
        """Judge the estimate against a hidden cause as strong as the strongest that was seen.

        A warning where that would leave an interval with no effect in it, a failure where it
        would turn the sign. Without covariates there is nothing to hold it against: a warning
        where a hidden cause of 1 % of both sides would do.
        """
        point, edge = self.robustness_value, self.robustness_value_of_interval
        said = (
            f"a hidden cause that explains {percent(point)} of what is left of "
            f"{self.treatment} and of {self.outcome} would take the (linear) estimate away; "
            f"{percent(edge)} would do for the interval to hold no effect"
        )
        worst = self.strongest()
        if worst is None:
            return Check.at_least("hidden_cause", edge, said, warn=0.01)
        if not np.isfinite(worst.value):
            said += f"; one as strong as {worst.column} could take all of it away"
            return Check("hidden_cause", Outcome.FAIL, said, edge)
        low, high = self._interval(worst)
        turned = worst.value * self.value <= 0
        said += (
            f"; one as strong as {worst.column}, the strongest that was seen, would leave "
            f"{number_text(worst.value, signed=True)}"
        )
        outcome = Outcome.FAIL if turned else Outcome.WARN if low <= 0 <= high else Outcome.PASS
        return Check("hidden_cause", outcome, said, edge)

    def table(self) -> Table:
        """Return what would be left of the estimate, by benchmark."""
        rows = tuple(
            (
                f"{b.times:g} x {b.column}", b.with_treatment, b.with_outcome, b.value,
                b.standard_error, *self._interval(b),
            )
            for b in self.benchmarks
        )  # fmt: skip
        columns = (
            "hidden cause", f"R² with {self.treatment}", f"R² with {self.outcome}", "estimate left",
            "standard error", "low", "high",
        )  # fmt: skip
        return Table("What hidden causes as strong as those seen would leave", columns, rows)

    def chart(self) -> Chart:
        """Return contours: hidden causes that leave the same share of the estimate."""
        across = np.linspace(0.005, _MOST_R2, _POINTS)
        series = []
        for left in _LEVELS:
            # bias = share · estimate, solved for the R² with the outcome
            gone = (1 - left) ** 2 * self.statistic**2 / self.freedom
            upright = gone * (1 - across) / across
            shown = upright <= 1
            word = "none of the estimate left" if not left else f"{left:.0%} left"
            series.append(
                Series.of(
                    word,
                    across[shown],
                    upright[shown],
                    shape=Shape.LINE,
                    side=Side.TREATED if not left else Side.CONTROL,
                )
            )
        for times in _TIMES:
            worst = self.strongest(times)
            if worst is not None and worst.with_treatment <= _MOST_R2:
                series.append(
                    Series.of(
                        f"{times:g} x {worst.column}",
                        [worst.with_treatment],
                        [worst.with_outcome],
                        side=Side.NEUTRAL,
                    )
                )
        return Chart(
            "hidden_cause",
            "How strong a hidden cause would have to be to take the estimate away",
            f"share of what is left of {self.treatment} that it explains",
            f"share of what is left of {self.outcome} that it explains",
            tuple(series),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "treatment": self.treatment,
            "outcome": self.outcome,
            "value": self.value,
            "standard_error": self.standard_error,
            "freedom": self.freedom,
            "partial_r2": self.partial_r2,
            "robustness_value": self.robustness_value,
            "robustness_value_of_interval": self.robustness_value_of_interval,
            "level": self.level,
            "benchmarks": self.table().to_dict(),
        }

    def _interval(self, benchmark: Benchmark) -> tuple[float, float]:
        from scipy.stats import t as student

        if not np.isfinite(benchmark.standard_error):
            return -np.inf, np.inf
        quantile = float(student.isf((1 - self.level) / 2, self.freedom - 1))
        reach = quantile * benchmark.standard_error
        return benchmark.value - reach, benchmark.value + reach


def sensitivity(
    study: Study,
    *,
    benchmarks: Mapping[str, Sequence[str]] | None = None,
    times: Sequence[float] = _TIMES,
    level: float = 0.95,
) -> Sensitivity:
    """Return what hidden causes would do to the adjusted slope of a treatment.

    Parameters
    ----------
    study : Study
        Of a treatment that is 0 and 1, or an amount.
    benchmarks : mapping of str to terms, optional
        Covariates to hold hidden causes against; several terms together are one. By default each
        column that is adjusted for, with all its levels and powers.
    times : sequence of float
        How many times as strong.
    level : float

    Raises
    ------
    OptionError
        If the treatment has more than two arms.
    TooFewRows
        If nothing is left to judge the errors by.
    """
    if study.treatment.kind is TreatmentKind.CATEGORIES:
        raise OptionError(
            "a treatment of several arms has no one slope",
            where="sensitivity",
            remedy="Name two arms with control= and arm=",
        )
    amount, outcome = study.treatment.values, study.outcome
    design = study.covariates.with_intercept
    freedom = float(study.n - design.shape[1] - 1)
    if freedom < 2:
        raise TooFewRows(
            f"{study.n} usable rows and {design.shape[1] + 1} columns",
            where="sensitivity",
            remedy="Adjust for fewer columns, or give more rows",
        )
    slope, error = _slope(amount, outcome, design)
    found: list[Benchmark] = []
    terms = study.roles.adjustment
    groups = benchmarks if benchmarks is not None else _by_column(study, terms)
    for name, group in groups.items():
        rest = covariates(study.table, [t for t in terms if t not in set(group)])
        without = rest.with_intercept
        seen = _explained(amount, design, without)
        both = np.column_stack([design, amount]), np.column_stack([without, amount])
        seen_outcome = _explained(outcome, *both)
        for often in times:
            hidden = benchmark_bound(seen, seen_outcome, often)
            value, its_error = (
                (float(-np.inf * np.sign(slope)), np.inf)
                if hidden[0] >= 1
                else adjusted(slope, error, freedom, *hidden)
            )
            found.append(Benchmark(name, often, *hidden, value, its_error))
    return Sensitivity(
        study.roles.treatment, study.roles.outcome, slope, error, freedom, level, tuple(found)
    )


def hidden_cause(case: Case) -> Refutation:
    """Hold the estimate against hidden causes as strong as those seen; see `sensitivity`."""
    study = case.prepared.study
    if study.treatment.kind is TreatmentKind.CATEGORIES:
        return Refutation(())
    found = sensitivity(study, level=case.effect.level)
    return Refutation((found.check(),), {"hidden_cause": found.table()}, (found.chart(),))


def _by_column(study: Study, terms: Sequence[str]) -> dict[str, list[str]]:
    """Return the terms that each column takes part in."""
    found: dict[str, list[str]] = {}
    for term in terms:
        for column in columns_named(study.table, (term,)):
            found.setdefault(column, []).append(term)
    return found


def _rest(values: FloatArray, design: FloatArray) -> FloatArray:
    left: FloatArray = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    return left


def _slope(amount: FloatArray, outcome: FloatArray, design: FloatArray) -> tuple[float, float]:
    """Return the slope of the treatment by least squares, and its classical standard error."""
    own, other = _rest(amount, design), _rest(outcome, design)
    mass = float(own @ own)
    if mass <= 1e-12 * float(amount @ amount):
        raise OptionError(
            "the covariates tell the treatment for certain",
            where="sensitivity",
            remedy="Adjust for fewer columns",
        )
    slope = float(own @ other) / mass
    left = other - slope * own
    return slope, float(np.sqrt(left @ left / (len(amount) - design.shape[1] - 1) / mass))


def _explained(values: FloatArray, design: FloatArray, without: FloatArray) -> float:
    """Return the partial R² of the columns that one design has more than the other."""
    before = _rest(values, without)
    after = _rest(values, design)
    total = float(before @ before)
    return 0.0 if total <= 0 else min(max(0.0, 1 - float(after @ after) / total), 1 - 1e-12)
