"""Compares two windows: a pure function from Snapshots and a graph to a Diagnosis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from uuid import uuid4

import numpy as np

from whydrift.discovery.errors import NoRows
from whydrift.discovery.graph import Edge, Graph
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.progress import Progress, silent
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.recode import in_common_codes
from whydrift.discovery.snapshot.schema import Role
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.column_results import column_results, gone_columns
from whydrift.monitor.diagnosis.consequences import Consequences, consequences
from whydrift.monitor.diagnosis.constant_target import is_unexplained_constant
from whydrift.monitor.diagnosis.cut_off import CUT_OFF
from whydrift.monitor.diagnosis.diagnosis import (
    ColumnVerdict,
    Diagnosis,
    ErrorControl,
    ReasonCode,
    Remedy,
    Stage,
    Verdict,
    Window,
)
from whydrift.monitor.diagnosis.evidence import Evidence
from whydrift.monitor.diagnosis.expired import counts_only, with_rows
from whydrift.monitor.diagnosis.explanation import Explanation, explain
from whydrift.monitor.diagnosis.faults.registry import FAULT_LEVEL, fault_notes
from whydrift.monitor.diagnosis.faults.swap import swap_limits
from whydrift.monitor.diagnosis.judge import Judgement
from whydrift.monitor.diagnosis.judgement import Floor
from whydrift.monitor.diagnosis.limits import check_numbers
from whydrift.monitor.diagnosis.local_time import UTC, LocalTime
from whydrift.monitor.diagnosis.losses import CustomLoss
from whydrift.monitor.diagnosis.mechanism.base import MechanismTest
from whydrift.monitor.diagnosis.mechanism.registry import mechanism_test as registered
from whydrift.monitor.diagnosis.missingness import told_gaps
from whydrift.monitor.diagnosis.moment import iso
from whydrift.monitor.diagnosis.population import population_notes
from whydrift.monitor.diagnosis.prediction_row import Model
from whydrift.monitor.diagnosis.question import Question
from whydrift.monitor.diagnosis.remedy import Case, choose_remedy
from whydrift.monitor.diagnosis.sound_windows import SoundWindows, sound_windows
from whydrift.monitor.diagnosis.stopwatch import Stopwatch
from whydrift.monitor.diagnosis.summary import summarise
from whydrift.monitor.diagnosis.testing import Testing

__all__ = ["compare"]


def compare(
    reference: Snapshot | Sequence[Snapshot],
    current: Snapshot,
    *,
    reference_weights: Sequence[float] | None = None,
    graph: Graph | None = None,
    knowledge: Knowledge | None = None,
    target: str | None = None,
    prediction: str | None = None,
    loss: str | CustomLoss = "auto",
    model: Model | None = None,
    floor: float | None = None,
    cluster: str | None = None,
    method: str = "auto",
    test: str = "auto",
    score: str = "auto",
    mechanism_test: str | Callable[[], MechanismTest] = "residual_scores",
    level: float = 0.05,
    random_state: int = 0,
    progress: Progress | None = None,
    whole: Snapshot | None = None,
    fault_level: float = FAULT_LEVEL,
    local: LocalTime = UTC,
) -> Diagnosis:
    """Tell why the current window differs from the reference.

    Parameters
    ----------
    reference : Snapshot, or sequence of them
        What is usual. Several past windows, in the order of time, also tell directions of edges
        where the graph is learned. From fourteen on, each of the length of the current one, it is
        also learned how much ordinary windows differ.
    current : Snapshot
        Of the same kinds of columns.
    reference_weights : sequence of float, optional
        What a row of each past window counts for beside one of another; alike by default.
    graph : Graph, optional
        What causes what. Learned from both windows together when not given, by a score in which a
        column may pay for a changed mechanism.
    knowledge : Knowledge, optional
        What is known about the graph, when it is learned.
    target, prediction : str, optional
        Columns. With a prediction the mean loss is explained, else the target's mean.
    loss : str or callable
        ``auto``, ``squared_error``, ``absolute_error``, ``log_loss``, ``zero_one``,
        ``quantile:0.9`` (or another level), or a function of the arrays of predictions and of
        targets that returns one loss a row.
    model : callable, optional
        The model itself: given the columns' arrays by name it returns one prediction a row. Asked
        whether it still makes the predictions that were recorded.
    floor : float, optional
        Changes whose 95 % interval lies wholly inside this many reference sd are not worth
        knowing; default 0.1 (0.02 in probability), 0 for none.
    cluster : str, optional
        Column whose equal values mark rows that belong together.
    method, test, score : str
        Of the graph search, when the graph is learned.
    mechanism_test : str or callable
        A name of `known_mechanism_tests`, or what makes a test of one's own.
    level : float
        Chance of any false alarm in the window.
    random_state : int
        Seed of the graph search.
    progress : Progress, optional
        Told how far the work is.
    whole : Snapshot, optional
        The current window read with a schema of its own, where columns are gone and others new:
        tells which may have been renamed.
    fault_level : float
        Chance of a false fault that each detector may spend, of those that test.
    local : LocalTime
        By which rows have their hour and day.

    Returns
    -------
    Diagnosis

    Raises
    ------
    NoRows
        If the current window has none, or no past one has any.
    SchemaError
        If the windows have no usable column in common, or a named column is absent.
    GraphError
        If the graph or the knowledge does not fit the columns.
    OptionError
        If an option has a value that is not offered.
    """
    tell, watch = progress or silent, Stopwatch()
    check_numbers(level, floor, random_state)
    check_numbers(fault_level, floor, random_state)
    question = Question(
        target=target,
        prediction=prediction,
        cluster=cluster,
        loss=loss,
        model=model,
        graph=graph,
        knowledge=knowledge,
        method=method,
        test=test,
        score=score,
        make_test=registered(mechanism_test),
        floor=Floor.of(floor),
        level=level,
        fault_level=fault_level,
        random_state=random_state,
        local=local,
    )
    given: Sequence[Snapshot]
    given = (reference,) if isinstance(reference, Snapshot) else reference
    _require_rows(given, current)
    *given, current = in_common_codes((*given, current))
    with_sample, weights, expired = with_rows(given, reference_weights)
    if given and not (with_sample and current.has_sample):
        return counts_only(
            given, current, target=target, prediction=prediction, graph=graph, level=level
        )
    tell("looking for faults", 0, 1)
    with watch.measure("faults"):
        windows = sound_windows(
            with_sample, weights, current, question, whole,
            are_past=not isinstance(reference, Snapshot),
        )  # fmt: skip
    explanation = explain(windows, question, tell, watch)
    told = consequences(windows, explanation, question, tell, watch)
    diagnosis = _diagnosis(windows, explanation, told, question, current, watch)
    return replace(
        diagnosis,
        reference=replace(diagnosis.reference, rows=sum(w.rows for w in with_sample)),
        warnings=(*expired, *diagnosis.warnings),
    )


def _require_rows(references: Sequence[Snapshot], current: Snapshot) -> None:
    for where, windows in (("reference", references), ("current", (current,))):
        if windows and not any(window.rows for window in windows):
            raise NoRows(
                "the window has no rows", where=where, remedy="Give a window that has data"
            )


def _diagnosis(
    windows: SoundWindows,
    explanation: Explanation,
    told: Consequences,
    question: Question,
    current: Snapshot,
    watch: Stopwatch,
) -> Diagnosis:
    """Put together what was found; the current window comes as it was given."""
    side, testing, judgement = windows.side, explanation.testing, explanation.judgement
    faults = tuple(f.fault for f in testing.findings)
    gone = gone_columns(side, faults)
    columns = column_results(side, judgement, told.attribution, faults, question.level)
    columns |= told.predicted.columns
    columns |= gone
    open_edges = _open_edges(judgement)
    followed = _followed(testing, judgement, question)
    past = windows.past
    return Diagnosis(
        id=uuid4().hex,
        stage=Stage.LABELS if side.has_labels else Stage.FEATURES,
        reference=_window(past.snapshot),
        current=_within(_window(current), windows),
        target=question.target,
        prediction=question.prediction,
        targets=judgement.targets,
        verdict=judgement.verdict,
        faults=faults,
        conditional_shift=judgement.conditional_shift,
        shift_type=explanation.shift.shift_type,
        summary=_summary(windows, explanation, told, question, open_edges, followed),
        columns=columns,
        ranking=(*gone, *judgement.ranking),
        metric=told.metric,
        remedy=_remedy(windows, explanation, told, question, open_edges, followed),
        graph=judgement.graph,
        graph_change=explanation.edges,
        error_control=ErrorControl(
            level=question.level,
            tests=judgement.tests,
            basis="between_windows" if windows.knows_days else "sampling_only",
            past_windows=past.count,
        ),
        warnings=_warnings(windows, explanation, told, question, tuple(gone)),
        version=_version(),
        evidence=Evidence(windows.recorded.reference, windows.recorded.current),
        seconds=watch.seconds(),
    )


def _summary(
    windows: SoundWindows,
    explanation: Explanation,
    told: Consequences,
    question: Question,
    open_edges: tuple[Edge, ...],
    followed: tuple[str, ...],
) -> str:
    testing, judgement = explanation.testing, explanation.judgement
    target, rescaled = question.target, explanation.rescaled
    return summarise(
        verdict=judgement.verdict,
        target=target,
        faults=tuple(f.fault for f in testing.findings),
        judged=judgement.judged,
        ranking=judgement.ranking,
        metric=told.metric,
        conditional_shift=judgement.conditional_shift,
        open_edges=open_edges,
        groups=judgement.groups,
        model_changed=told.predicted.changed,
        reads_more=told.predicted.reads_more,
        prediction=question.prediction,
        followed=followed,
        rescaled=None if rescaled is None else rescaled.text,
        leads=judgement.leads,
        doubted=judgement.doubted,
        constant=is_unexplained_constant(windows.side, question),
        unproven=[n for n in judgement.leads if target and testing.may_cause(n, target)],
        beside=_beside(testing, target),
        gaps=told_gaps(windows.side.reference, windows.side.current, judgement.other_gaps),
    )


def _remedy(
    windows: SoundWindows,
    explanation: Explanation,
    told: Consequences,
    question: Question,
    open_edges: tuple[Edge, ...],
    followed: tuple[str, ...],
) -> Remedy:
    judgement, target = explanation.judgement, question.target
    case = Case(
        verdict=judgement.verdict,
        conditional_shift=judgement.conditional_shift,
        model_changed=told.predicted.changed,
        prediction=question.prediction,
        faults=tuple(f.fault for f in explanation.testing.findings),
        ranking=(*judgement.ranking, *(c for g in judgement.groups for c in g.columns)),
        target=target,
        metric=told.attribution.metric if told.attribution else None,
        is_loss=windows.measure is not None and windows.measure.is_loss,
        has_labels=windows.side.has_labels,
        has_overlap=judgement.has_overlap,
        is_root=target is not None
        and target in judgement.judged
        and judgement.judged[target].verdict is ColumnVerdict.SOURCE,
        open_edges=open_edges,
        gains=told.gains,
        followed=followed,
        rescaled=explanation.rescaled,
        inputs_moved=_inputs_moved(judgement, target),
        constant=is_unexplained_constant(windows.side, question),
        other_gaps=judgement.other_gaps,
        cut_off=any(n.code == CUT_OFF and n.column == target for n in windows.side.notes),
    )
    return choose_remedy(case)


def _inputs_moved(judgement: Judgement, target: str | None) -> bool:
    """Whether the distribution of any column but the target moved, by itself or with others."""
    quiet = {None, ReasonCode.LOW_POWER}
    return any(
        judged.verdict is not ColumnVerdict.STABLE
        for name, judged in judgement.judged.items()
        if name != target
        and not (judged.verdict is ColumnVerdict.UNDETERMINED and judged.reason_code in quiet)
    )


def _warnings(
    windows: SoundWindows,
    explanation: Explanation,
    told: Consequences,
    question: Question,
    gone: tuple[str, ...],
) -> tuple[Note, ...]:
    side, testing, judgement = windows.side, explanation.testing, explanation.judgement
    rescaled = explanation.rescaled
    # What the inputs say of the target moved with the number that reads otherwise.
    is_told = rescaled is not None and question.target in rescaled.others
    explained = {"graph_contradicts_data", "estimated_loss_off"} if is_told else set()
    # Where inputs moved and what they say of the target is not found to have, an estimate that is
    # off shows how far it reaches, and nothing of the target.
    if _inputs_moved(judgement, question.target) and not judgement.conditional_shift:
        explained.add("estimated_loss_off")
    return (
        *windows.counted_notes,
        *side.notes,
        *fault_notes(testing.findings, (*side.names, *gone, *told.predicted.columns)),
        *swap_limits(side.names),
        *windows.notes,
        *windows.late.notes,
        *explanation.learned.notes,
        *explanation.doubts,
        *testing.notes,
        *(n for n in explanation.shift.notes if n.code not in explained),
        *told.predicted.notes,
        *(n for n in told.estimated.notes if n.code not in explained),
        *population_notes(judgement.judged, judgement.ranking),
        *(() if judgement.choice is None else (judgement.choice.note,)),
        *(() if rescaled is None else (rescaled.note,)),
    )


@cache
def _version() -> str:
    """Return whydrift's version; to read it takes a millisecond."""
    from importlib.metadata import version

    return version("whydrift")


def _followed(testing: Testing, judgement: Judgement, question: Question) -> tuple[str, ...]:
    """Return the columns that moved and that the prediction follows, where no target was reached.

    That the target is not found to follow does not make them harmless: the model reads them.
    """
    moved = judgement.ranking
    if question.prediction is None or not moved or judgement.verdict is not Verdict.NONE:
        return ()
    read = testing.read(question.target)
    return tuple(n for n in moved if n in read)


def _open_edges(judgement: Judgement) -> tuple[Edge, ...]:
    """Return the edges without a direction between columns that are undetermined for their sake."""
    graph = judgement.graph
    code = ReasonCode.UNDECIDED_EDGE
    unsure = {name for name, judged in judgement.judged.items() if judged.reason_code is code}
    told = [e for e in graph if e.is_undecided and unsure & {e.a, e.b}]
    for group in judgement.groups:
        within = [e for e in graph if {e.a, e.b} <= set(group.columns)]
        if not within:  # no graph of one dependence: slopes of opposite sign add up to none
            within = [Edge.of(group.columns[0], "---", group.columns[1])]
        within = [e for e in within if e not in told]
        told += [Edge.of(e.a, "---", e.b) for e in within if not group.is_hidden_cause]
    return tuple(told)


def _beside(testing: Testing, target: str | None) -> tuple[str, ...]:
    """Return the columns that a learned graph has follow from the target, as nobody said."""
    if target is None or target not in testing.graph.nodes:
        return ()
    return tuple(n for n in testing.graph.children(target) if testing.may_cause(n, target))


def _within(window: Window, windows: SoundWindows) -> Window:
    """Return the window with the first and last of its times that stand, where some were undone."""
    repaired = windows.repaired
    name = repaired.schema.with_role(Role.TIME)
    if name is None or not any(name in f.repairs for f in windows.findings):
        return window
    times = repaired.column(name)
    times = times[np.isfinite(times)]
    start, end = (iso(t) for t in (times.min(), times.max())) if times.size else (None, None)
    return replace(window, start=start, end=end)


def _window(window: Snapshot) -> Window:
    start, end = (None if t is None else iso(t) for t in (window.start, window.end))
    return Window(window.rows, start, end)
