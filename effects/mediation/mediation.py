"""Mediation: natural direct and indirect effects, by the g-formula and a bootstrap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.errors import OptionError, SchemaError, TooFewRows
from whydrift.effects.chart import Chart, Rule, Series
from whydrift.effects.check import Check, Outcome
from whydrift.effects.columns import is_category
from whydrift.effects.effect import Effect
from whydrift.effects.estimand import ALWAYS, Estimand
from whydrift.effects.influence import cluster_check
from whydrift.effects.mediation.models import Parts, mediated_parts
from whydrift.effects.mediation.sensitivity import mediation_sensitivity
from whydrift.effects.question import Question
from whydrift.effects.study import Study
from whydrift.effects.table import Table

__all__ = ["Mediation"]

_NAMES = (
    "indirect", "indirect, untreated", "indirect, treated",
    "direct", "direct, untreated", "direct, treated", "total",
)  # fmt: skip
_LEAST_DRAWS = 100
_WEAK_WARN, _WEAK_FAIL = 10.0, 1.0  # F of the treatment on the mediator
_RHO_WARN = 0.1  # a correlation that weak is nearly always there


@dataclass(frozen=True)
class Mediation:
    """What passes through a mediator (indirect), and what does not (direct).

    Parametric: a linear model of the mediator and one of the outcome, logistic where they are 0
    and 1, averaged over the rows by the mediation formula; intervals are percentiles of a
    bootstrap over rows, or clusters.

    Parameters
    ----------
    mediator : str
        A column of numbers or of two values, between treatment and outcome.
    interaction : bool
        Whether what the mediator does may differ between the arms.
    draws : int
        Of the bootstrap.

    References
    ----------
    Pearl (2001), Direct and indirect effects.
    Imai, Keele & Tingley (2010), A general approach to causal mediation analysis.
    """

    mediator: str
    interaction: bool = False
    draws: int = 500

    def estimate(self, study: Study, question: Question) -> Effect:
        """Return the effect; see `Method`."""
        if not isinstance(self.mediator, str):
            raise OptionError(
                "several mediators are named",
                where="mediation, mediator",
                remedy="Name one; parts that pass through several cannot be told apart in general",
            )
        if self.draws < _LEAST_DRAWS:
            raise OptionError(
                f"{self.draws} draws",
                where="mediation, draws",
                remedy=f"Give {_LEAST_DRAWS} or more, such as 500",
            )
        mediator = self._values(study)
        design = study.covariates.with_intercept
        amount, outcome = study.treatment.values, study.outcome
        if study.n < 2 * (design.shape[1] + 4):
            raise TooFewRows(
                f"{study.n} usable rows, and a model of {design.shape[1] + 3} numbers",
                where="mediation",
                remedy="Adjust for fewer columns, or give more rows",
            )
        found = mediated_parts(amount, mediator, outcome, design, interaction=self.interaction)
        drawn = self._bootstrap(study, question, mediator, design)
        tails = (50 * (1 - question.level), 50 * (1 + question.level))
        low, high = np.percentile(drawn, tails, axis=0)
        errors = drawn.std(axis=0, ddof=1)
        place = {"indirect": 0, "direct": 3, "total": 6}[question.estimand]
        every = found.as_tuple()
        strength = _strength(amount, mediator, design)
        moves = (
            f"{study.roles.treatment} moves {self.mediator} (F = {strength:.1f})"
            if strength >= _WEAK_WARN
            else f"{study.roles.treatment} hardly moves {self.mediator} (F = {strength:.1f}): "
            "there is next to nothing to pass through it"
        )
        notes, charts = self._sensitivity(study, mediator, design, question.estimand)
        return question.answer(
            study,
            _estimand(question.estimand, self.mediator, study),
            method="mediation",
            value=every[place],
            standard_error=float(errors[place]),
            interval=(float(low[place]), float(high[place])),
            p_value=_p_value(drawn[:, place]),
            assumptions=(
                f"Given the columns adjusted for, no hidden cause moves {study.roles.treatment} "
                f"and {self.mediator} or {study.roles.outcome}",
                f"Given these and {study.roles.treatment}, no hidden cause moves both "
                f"{self.mediator} and {study.roles.outcome}, not even one that "
                f"{study.roles.treatment} causes (sequential ignorability)",
                "Both models have the right form",
                *ALWAYS,
            ),
            checks=(
                Check.at_least("mediator_moves", strength, moves, warn=_WEAK_WARN, fail=_WEAK_FAIL),
                *notes,
                *cluster_check(study.cluster),
            ),
            details={
                "parts": Table.of(
                    f"What passes through {self.mediator}, and what does not",
                    {
                        "part": _NAMES,
                        "value": every,
                        "standard error": errors,
                        "low": low,
                        "high": high,
                    },
                ),
                "share": _share_table(found, drawn, tails),
            },
            charts=(_chart(every, low, high, study.roles.outcome), *charts),
        )

    def _values(self, study: Study) -> FloatArray:
        name = self.mediator
        if is_category(study.table, name):
            found, levels = study.codes(name, "mediator")
            if len(levels) != 2:
                raise SchemaError(
                    f"mediator {name!r} holds {len(levels)} different words",
                    where="mediator",
                    remedy="Name a column of numbers, truth values or two words",
                )
            return found.astype(np.float64)
        values = study.numbers(name, "mediator")
        if not values.std() > 0:
            raise SchemaError(
                f"mediator {name!r} is the same in all rows",
                where="mediator",
                remedy="Nothing can pass through a column that does not vary: name another",
            )
        return values

    def _bootstrap(
        self, study: Study, question: Question, mediator: FloatArray, design: FloatArray
    ) -> FloatArray:
        """Return the seven numbers of each draw, shape (draws, 7)."""
        generator = question.generator()
        amount, outcome = study.treatment.values, study.outcome
        drawn = []
        for _ in range(self.draws):
            rows = _rows(study, generator)
            chosen = amount[rows]
            if chosen.min() == chosen.max():
                continue
            drawn.append(
                mediated_parts(
                    chosen, mediator[rows], outcome[rows], design[rows],
                    interaction=self.interaction,
                ).as_tuple()
            )  # fmt: skip
        if len(drawn) < _LEAST_DRAWS // 2:
            raise TooFewRows(
                "most samples of the rows hold one arm alone",
                where="mediation",
                remedy="Give more rows or clusters",
            )
        return np.array(drawn)

    def _sensitivity(
        self, study: Study, mediator: FloatArray, design: FloatArray, estimand: str
    ) -> tuple[tuple[Check, ...], tuple[Chart, ...]]:
        if estimand == "total":
            return (), ()
        is_linear = not (
            study.outcome_is_binary or np.isin(mediator, (0.0, 1.0)).all() or self.interaction
        )
        if not is_linear:
            said = (
                f"how a hidden cause of {self.mediator} and {study.roles.outcome} would change "
                "this is worked out for linear models without interaction only"
            )
            return (Check("hidden_cause_of_mediator", Outcome.WARN, said),), ()
        found = mediation_sensitivity(study.treatment.values, mediator, study.outcome, design)
        said = (
            f"a hidden cause that correlates the errors of {self.mediator} and "
            f"{study.roles.outcome} by {found.turning:.2f} (ρ) would leave no indirect effect"
        )
        check = Check.at_least("hidden_cause_of_mediator", abs(found.turning), said, warn=_RHO_WARN)
        return (check,), (found.chart(),)


def _rows(study: Study, generator: np.random.Generator) -> IntArray:
    """Return rows drawn with replacement, whole clusters where there are any."""
    if study.cluster is None:
        return generator.integers(0, study.n, study.n)
    groups = int(study.cluster.max()) + 1
    members = np.argsort(study.cluster, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(study.cluster))])
    return np.concatenate(
        [members[starts[g] : starts[g + 1]] for g in generator.integers(0, groups, groups)]
    )


def _p_value(drawn: FloatArray) -> float:
    """Return twice the smaller share of draws on one side of zero; never less than a draw."""
    count = len(drawn)
    side = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    return min(1.0, 2 * (side + 1) / (count + 1))


def _strength(amount: FloatArray, mediator: FloatArray, design: FloatArray) -> float:
    """Return F of the treatment on the mediator, given the covariates."""
    full = np.column_stack([design, amount])
    left, right = (
        mediator - d @ np.linalg.lstsq(d, mediator, rcond=None)[0] for d in (design, full)
    )
    rest = float(right @ right)
    gain = float(left @ left) - rest
    freedom = len(amount) - full.shape[1]
    return gain / (rest / freedom) if rest > 0 else np.inf


def _share_table(found: Parts, drawn: FloatArray, tails: tuple[float, float]) -> Table:
    """Return the share of the total that is mediated: wild where the total may be nothing."""
    shares = drawn[:, 0] / np.where(drawn[:, 6] == 0, np.nan, drawn[:, 6])
    low, high = np.nanpercentile(shares, tails)
    share = found.indirect / found.total if found.total else np.nan
    return Table(
        "Share of the total that is mediated", ("share", "low", "high"), ((share, low, high),)
    )


def _estimand(name: str, mediator: str, study: Study) -> Estimand:
    outcome, contrast = study.roles.outcome, study.treatment.contrast
    words = {
        "indirect": f"average change of {outcome} by what {contrast} does to {mediator} (natural "
        "indirect effect, mean of both arms)",
        "direct": f"average change of {outcome} by {contrast}, {mediator} held where it would be "
        "anyway (natural direct effect, mean of both arms)",
        "total": f"average change of {outcome} by {contrast}, by both ways",
    }[name]
    symbols = {
        "indirect": "½ Σₐ E[Y(a, M(1)) − Y(a, M(0))]",
        "direct": "½ Σₐ E[Y(1, M(a)) − Y(0, M(a))]",
        "total": "E[Y(1, M(1)) − Y(0, M(0))]",
    }[name]
    return Estimand(name, words, symbols)


def _chart(every: tuple[float, ...], low: FloatArray, high: FloatArray, outcome: str) -> Chart:
    shown = (0, 3, 6)
    rows = np.arange(len(shown), dtype=float)
    series = Series.of(
        "", [every[i] for i in shown], rows, low=low[list(shown)], high=high[list(shown)]
    )
    return Chart(
        "parts",
        "What passes through the mediator, and what does not",
        f"effect on {outcome}",
        "",
        (series,),
        (Rule("x", 0.0, "no effect"),),
        tuple(_NAMES[i] for i in shown),
    )
