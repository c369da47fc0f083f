"""What a change did to the loss or mean, and what could be done about it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from whydrift.discovery.graph import Graph
from whydrift.discovery.progress import Progress
from whydrift.monitor.diagnosis.attribution import Attribution, attribute
from whydrift.monitor.diagnosis.diagnosis import Metric, ReasonCode
from whydrift.monitor.diagnosis.estimated_loss import EstimatedLoss, estimate_loss
from whydrift.monitor.diagnosis.explanation import Explanation
from whydrift.monitor.diagnosis.gain import Gains, measure_gains
from whydrift.monitor.diagnosis.judge import Judgement
from whydrift.monitor.diagnosis.metric import RowMeasure, row_measure
from whydrift.monitor.diagnosis.prediction_row import PredictionRow, prediction_row
from whydrift.monitor.diagnosis.question import Question
from whydrift.monitor.diagnosis.remedy import wants_gains
from whydrift.monitor.diagnosis.sound_windows import SoundWindows
from whydrift.monitor.diagnosis.stopwatch import Stopwatch
from whydrift.monitor.diagnosis.testing import Testing

__all__ = ["Consequences", "consequences"]


@dataclass(frozen=True)
class Consequences:
    """What the change did.

    Parameters
    ----------
    attribution : Attribution, optional
        What each column explains of the measure's change; None without labels.
    predicted : PredictionRow
        Whether the same inputs get other predictions.
    gains : Gains, optional
        What corrections of the predictions win, where that was worth measuring.
    estimated : EstimatedLoss
        The loss as inputs and predictions alone tell it.
    """

    attribution: Attribution | None
    predicted: PredictionRow
    gains: Gains | None
    estimated: EstimatedLoss

    @property
    def metric(self) -> Metric | None:
        """The measure in both windows, as labels tell it, or else as it is estimated."""
        return self.attribution.metric if self.attribution else self.estimated.metric


def consequences(
    windows: SoundWindows,
    explanation: Explanation,
    question: Question,
    tell: Progress,
    watch: Stopwatch,
) -> Consequences:
    """Attribute the change of the measure, and measure what remedies win.

    Parameters
    ----------
    windows : SoundWindows
        The windows.
    explanation : Explanation
        What moved in them.
    question : Question
        Roles, loss and level.
    tell : Progress
        Told how far the work is.
    watch : Stopwatch
        Counts the parts ``attribution``, ``remedy`` and ``estimate``.
    """
    judgement = explanation.judgement
    with watch.measure("attribution"):
        attribution = _attributed(windows, explanation, question, tell)
    predicted = prediction_row(
        windows.side,
        explanation.testing,
        explanation.asked,
        judgement.prediction,
        prediction=question.prediction,
        target=question.target,
        has_origin=explanation.has_origin,
        undecided=explanation.undecided,
        floor=question.floor,
        level=question.level,
        tests=judgement.tests,
    )
    with watch.measure("remedy"):
        gains = _gains(windows, explanation, question, attribution, predicted, tell)
    with watch.measure("estimate"):
        estimated = _estimated(windows, explanation, question)
    return Consequences(attribution, predicted, gains, estimated)


def _attributed(
    windows: SoundWindows, explanation: Explanation, question: Question, tell: Progress
) -> Attribution | None:
    measure, target, prediction = windows.measure, question.target, question.prediction
    if measure is None or target is None:
        return None
    tell("attributing the change", 0, 1)
    judgement, testing = explanation.judgement, explanation.testing
    together = tuple(g.columns for g in judgement.groups)
    apart = testing.passed_over()
    if (rescaled := explanation.rescaled) is not None:
        apart |= {(rescaled.column, n) for n in rescaled.others}
    paths = judgement.paths
    ways = paths.with_edges(e for e in paths if (e.a, e.b) not in apart)
    players = _players(judgement.ranking, together, ways, target, measure)
    reader = prediction if measure.is_loss and prediction is not None else target
    pair, unknown = testing.recorded, frozenset[str]()
    broken = testing.faulty.keys() & set(players)
    if broken:
        is_beyond = reader == target and _is_beyond_compare(judgement, target)
        if is_beyond or not testing.reads_faults(reader, target):
            players = tuple(n for n in players if n not in testing.faulty)
            pair = testing.repaired
        if is_beyond:  # it moved given their sound values; given those recorded none are alike
            unknown = frozenset(broken)
    found = attribute(
        pair,
        measure,
        ways,
        players,
        target=target,
        prediction=prediction,
        rng=np.random.default_rng(question.random_state),
        together=together,
    )
    return replace(found, unknown=unknown)


def _is_beyond_compare(judgement: Judgement, target: str) -> bool:
    """Whether the target's mechanism is unknown since hardly any rows are alike."""
    found = judgement.judged.get(target)
    return found is not None and found.reason_code is ReasonCode.NO_OVERLAP


def _players(
    ranking: tuple[str, ...],
    together: tuple[tuple[str, ...], ...],
    graph: Graph,
    target: str,
    measure: RowMeasure,
) -> tuple[str, ...]:
    """Return the origins that can move the measure: all for a loss, else target and ancestors.

    Of a group one column moved: where one can move the measure, so may all.
    """
    # A target that is the same in every row has left the graph.
    reach = {target, *graph.ancestors(target)} if target in graph.nodes else {target}
    kept = [n for n in ranking if measure.is_loss or n in reach]
    for group in together:
        if measure.is_loss or reach.intersection(group):
            kept += [n for n in group if n not in kept]
    return tuple(kept)


def _gains(
    windows: SoundWindows,
    explanation: Explanation,
    question: Question,
    attribution: Attribution | None,
    predicted: PredictionRow,
    tell: Progress,
) -> Gains | None:
    measure, target, prediction = windows.measure, question.target, question.prediction
    if measure is None or target is None or prediction is None:
        return None
    judgement, testing = explanation.judgement, explanation.testing
    if not wants_gains(
        attribution.metric if attribution else None,
        is_loss=measure.is_loss,
        conditional_shift=judgement.conditional_shift,
        moved=explanation.has_origin,
        has_faults=bool(testing.findings),
        model_changed=predicted.changed,
    ):
        return None
    tell("measuring what a remedy wins", 0, 1)
    # A model that learned from effects of the target would win, and could not be served.
    paths = judgement.paths
    effects = paths.descendants(target) if target in paths.nodes else ()
    others = tuple(n for n in windows.usable if n != target)
    inputs = tuple(n for n in others if n not in effects) or others
    return measure_gains(
        testing.recorded,
        measure,
        target=target,
        prediction=prediction,
        inputs=inputs,
        near=_near(testing, target, inputs),
        read=_read(testing, target, inputs),
    )


def _read(testing: Testing, target: str, inputs: tuple[str, ...]) -> tuple[str, ...]:
    """Return the inputs that the prediction follows, all where none is recognised."""
    read = testing.may_be_read(target)
    return tuple(n for n in inputs if n in read) or inputs


def _near(testing: Testing, target: str, inputs: tuple[str, ...]) -> tuple[str, ...]:
    """Return the inputs that the prediction follows or that may lead to the target.

    Rows that moved away in no other are no new ones to a model. All, where it follows nothing that
    can be recognised.
    """
    read = testing.may_be_read(target)
    kept = read | testing.may_cause_directly(target)
    near = tuple(n for n in inputs if n in kept)
    return near if read and near else inputs


def _estimated(
    windows: SoundWindows, explanation: Explanation, question: Question
) -> EstimatedLoss:
    """Estimate the loss without labels; with labels, look whether it is what was to be expected."""
    side, testing, measure = windows.side, explanation.testing, windows.measure
    target, prediction = question.target, question.prediction
    if target is None or prediction is None or (measure is not None and not measure.is_loss):
        return EstimatedLoss(None, ())
    if measure is None:  # no labels: the reference has them
        if not side.reference.has(target):
            return EstimatedLoss(None, ())
        known = row_measure(
            side.reference,
            side.reference,
            target=target,
            prediction=prediction,
            loss=question.loss,
        )
        if known is None:
            return EstimatedLoss(None, ())
        unknown = np.full(len(side.current.sample), np.nan)
        measure = replace(known, current=unknown)
    broken = {c for f in testing.findings for c in f.fault.columns}
    inputs = tuple(n for n in testing.graph.nodes if n in testing.usable - broken - {target})
    estimated = estimate_loss(testing.recorded, measure, prediction, inputs)
    if estimated.metric is None and target in testing.graph.nodes:
        near = _near(testing, target, inputs)
        if len(near) < len(inputs):
            estimated = estimate_loss(testing.recorded, measure, prediction, near)
    if not broken:
        return estimated
    # What broke makes the loss another one: no sign that what the inputs say has changed.
    told = tuple(n for n in estimated.notes if n.code != "estimated_loss_off")
    return replace(estimated, notes=told)
