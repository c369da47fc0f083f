"""Synthetic control, with placebos for its errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from whydrift.effects.chart import Chart, Rule, Series, Shape, Side
from whydrift.effects.check import Check, Outcome
from whydrift.effects.effect import Effect
from whydrift.effects.estimand import ALWAYS, Estimand
from whydrift.effects.question import Question
from whydrift.effects.study import Study
from whydrift.effects.synthetic.mix import Mix, mix_donors
from whydrift.effects.synthetic.panel import Panel, read_panel
from whydrift.effects.synthetic.placebos import (
    Placebos,
    at_an_earlier_time,
    in_other_units,
    without_each_donor,
)
from whydrift.effects.table import Table
from whydrift.effects.words import interval_text, number_text, p_text, percent

__all__ = ["SyntheticControl"]

_WARN_MISS, _FAIL_MISS = 0.25, 0.5  # of the spread between donors
_MOST_WORSE = 5.0  # placebos whose miss before is that many times the treated unit's are not shown
_ASSUMPTIONS: Final = (
    "Without the treatment the unit would have gone on like the mix of donors that it went like "
    "before: what moves it moves them too",
    "No donor was treated, or touched by the treatment of the unit (no interference)",
    "Nothing else befell the unit alone from then on, and nobody acted on the treatment before it "
    "began (no anticipation)",
    ALWAYS[0],
    "But for the treatment, the unit would not stand out among the donors (for the interval)",
)


@dataclass(frozen=True)
class SyntheticControl:
    """The treated unit against a mix of untreated ones that went like it before.

    Weights are not negative and add up to one, so that nothing is extrapolated. The value is the
    mean gap in the periods after. Its interval holds what would not make the unit stand out among
    the donors, each put to the same method (placebos in space), gaps in units of the miss before.

    Parameters
    ----------
    start : period, optional
        The first under treatment, where the treatment column marks the unit in all periods.
    predictors : tuple of str
        Columns to match on, as means over the periods before (where they are known); without
        them, and without ``matched``, all outcomes before are matched.
    matched : tuple of periods
        Whose outcomes are matched beside the predictors; by default their mean, first and last.

    References
    ----------
    Abadie, Diamond & Hainmueller (2010), Synthetic control methods for comparative case studies,
    Journal of the American Statistical Association 105.
    Abadie (2021), Using synthetic controls, Journal of Economic Literature 59.
    """

    start: Any = None
    predictors: str | tuple[str, ...] = ()
    matched: Any = ()

    def estimate(self, study: Study, question: Question) -> Effect:
        """Return the effect; see `Method`."""
        names = (self.predictors,) if isinstance(self.predictors, str) else tuple(self.predictors)
        periods = (
            tuple(self.matched) if isinstance(self.matched, (list, tuple)) else (self.matched,)
        )
        panel = read_panel(study, self.start, names, periods)
        own = mix_donors(panel.treated, panel.donors, panel.before, panel.predictors)
        placebos = in_other_units(panel, own)
        earlier = at_an_earlier_time(panel)
        without = without_each_donor(panel, own)
        reach = placebos.reach(question.level)
        value = own.effect
        start = panel.period_names[panel.before]
        words = (
            f"average change of {study.roles.outcome} by {study.treatment.contrast}, in "
            f"{panel.who} from {start} to {panel.period_names[-1]}"
        )
        return question.answer(
            study,
            Estimand("att", words, "mean over t ≥ T₀ of Y₁ₜ(1) − Y₁ₜ(0)"),
            method="synthetic_control",
            value=value,
            standard_error=placebos.standard_error(),
            interval=(None, None) if reach is None else (value - reach, value + reach),
            p_value=placebos.p_value(),
            n=panel.donors.size + panel.treated.size,
            assumptions=_ASSUMPTIONS,
            checks=(
                _fit_check(panel, own),
                *_time_check(panel, earlier),
                *_donor_checks(panel, own, without, question.level),
            ),
            warnings=panel.notes,
            details=_details(panel, own, placebos, without),
            charts=_charts(study, panel, own, placebos),
        )


def _fit_check(panel: Panel, own: Mix) -> Check:
    """Judge the miss before against how far the donors lie apart."""
    spread = float(np.sqrt(panel.donors[: panel.before].var(axis=1, ddof=1).mean()))
    share = own.miss / spread if spread > 0 else np.inf
    said = (
        f"before, {panel.who} and the mix differ by {number_text(own.miss)} (root mean square), "
        f"{number_text(share)} of the spread between donors"
    )
    if share > _WARN_MISS:
        said += ": no mix of donors goes like it, and a gap after may be the same misfit"
    return Check.at_most("pre_fit", share, said, warn=_WARN_MISS, fail=_FAIL_MISS)


def _time_check(panel: Panel, earlier: Placebos | None) -> tuple[Check, ...]:
    if earlier is None:
        said = (
            f"{panel.before} periods before are too few to fit on some and to judge by the others"
        )
        return (Check("placebo_in_time", Outcome.WARN, said),)
    p, pretended = earlier.p_value(), panel.period_names[earlier.own.before]
    found = (
        f"as if it had begun in {pretended}: {number_text(earlier.own.effect, signed=True)} "
        f"({p_text(p)})"
    )
    stands_out = p <= 0.05
    said = (
        f"the unit left its mix before the treatment, {found}"
        if stands_out
        else f"no effect before there could be one, {found}"
    )
    return (Check.at_least("placebo_in_time", p, said, warn=0.05 + 1e-9),)


def _donor_checks(
    panel: Panel, own: Mix, without: Sequence[tuple[int, Mix]], level: float
) -> tuple[Check, ...]:
    donors = panel.donors.shape[1]
    need = int(np.ceil(1 / (1 - level) - 1 - 1e-9))
    largest = float(own.weights.max())
    heaviest = panel.donor_names[int(np.argmax(own.weights))]
    checks = [
        Check.at_least(
            "donors",
            donors,
            f"{donors} donors"
            + (f"; an interval of {level:.0%} needs {need}" if donors < need else ""),
            warn=need,
        ),
        Check.at_most(
            "weights", largest,
            f"{int((own.weights > 0.001).sum())} donors count, {heaviest} most "
            f"({percent(largest)})",
            warn=0.9,
        ),
    ]  # fmt: skip
    if without:
        values = [mix.effect for _, mix in without]
        worst = int(np.argmax(np.abs(np.array(values) - own.effect)))
        name = panel.donor_names[without[worst][0]]
        far = abs(values[worst] - own.effect) / max(abs(own.effect), 1e-300)
        turns = any(v * own.effect < 0 for v in values)
        said = (
            f"without one donor the estimate lies in {interval_text(min(values), max(values))}, "
            f"farthest without {name}"
        )
        # An effect near nothing moves by more than itself for no reason.
        matters = max(abs(v - own.effect) for v in values) > own.miss
        outcome = Outcome.WARN if matters and (turns or far > 0.5) else Outcome.PASS
        checks.append(Check("leave_one_out", outcome, said, far, 0.5))
    return tuple(checks)


def _details(
    panel: Panel, own: Mix, placebos: Placebos, without: Sequence[tuple[int, Mix]]
) -> dict[str, Table]:
    order = np.argsort(-own.weights, kind="stable")
    used = [int(i) for i in order if own.weights[i] > 0.001]
    found = {
        "weights": Table.of(
            "What the mix is made of",
            {
                "donor": [panel.donor_names[i] for i in used],
                "weight": [own.weights[i] for i in used],
            },
        ),
        "gaps": Table.of(
            f"{panel.who} and its mix",
            {
                "period": panel.period_names,
                "observed": panel.treated,
                "mix": own.path,
                "gap": own.gap,
                "treated": np.arange(len(own.gap)) >= panel.before,
            },
        ),
        "placebos": Table.of(
            "The method on each unit: mean gap after, and the miss after over that before",
            {
                "unit": (panel.who, *panel.donor_names),
                "mean gap after": [own.effect, *(mix.effect for mix in placebos.mixes)],
                "miss before": [own.miss, *(mix.miss for mix in placebos.mixes)],
                "miss ratio": placebos.ratios,
            },
        ),
        "leave_one_out": Table.of(
            "Without one donor",
            {
                "donor": [panel.donor_names[i] for i, _ in without],
                "estimate": [mix.effect for _, mix in without],
                "miss before": [mix.miss for _, mix in without],
            },
        ),
    }
    if panel.predictor_names:
        found["predictors"] = Table.of(
            "What was matched (of columns, means over the periods before)",
            {
                "matched": panel.predictor_names,
                "observed": panel.predictors[:, 0],
                "mix": panel.predictors[:, 1:] @ own.weights,
                "all donors": panel.predictors[:, 1:].mean(axis=1),
            },
        )
    return found


def _charts(study: Study, panel: Panel, own: Mix, placebos: Placebos) -> tuple[Chart, ...]:
    when, outcome = panel.periods, study.roles.outcome
    time = str(study.roles.time)
    begins = Rule("x", float(when[panel.before]), f"from {panel.period_names[panel.before]}")
    line = Shape.LINE
    shown = [mix for mix in placebos.mixes if mix.miss <= _MOST_WORSE * own.miss]
    others = [
        Series.of("donors" if i == 0 else "", when, mix.gap, shape=line, side=Side.CONTROL)
        for i, mix in enumerate(shown)
    ]
    return (
        Chart(
            "paths",
            f"{outcome} of {panel.who}, and of the mix that stands for it",
            time,
            outcome,
            (
                Series.of(panel.who, when, panel.treated, shape=line),
                Series.of("its mix", when, own.path, shape=line, side=Side.CONTROL),
            ),
            (begins,),
        ),
        Chart(
            "placebos",
            f"Gap of {panel.who} to its mix, and of each donor to its own",
            time,
            f"gap in {outcome}",
            (*others, Series.of(panel.who, when, own.gap, shape=line)),
            (begins, Rule("y", 0.0)),
        ),
    )
