"""Compares two windows: a pure function from Snapshots and a graph to a Diagnosis."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from uuid import uuid4

import numpy as np

from whydrift.discovery.errors import NoRows
from whydrift.discovery.graph import Edge, Graph
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.progress import Progress, silent
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.pool import Pooled, pool
from whydrift.discovery.snapshot.recode import in_common_codes
from whydrift.discovery.snapshot.schema import Role
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.attribution import Attribution, attribute
from whydrift.monitor.diagnosis.copied_rows import each_row_once
from whydrift.monitor.diagnosis.diagnosis import (
    ColumnResult,
    ColumnVerdict,
    Diagnosis,
    ErrorControl,
    Estimate,
    Fault,
    FaultKind,
    ReasonCode,
    Stage,
    Verdict,
    Window,
)
from whydrift.monitor.diagnosis.estimated_loss import EstimatedLoss, estimate_loss
from whydrift.monitor.diagnosis.evidence import Evidence
from whydrift.monitor.diagnosis.expired import counts_only, with_rows
from whydrift.monitor.diagnosis.faults.base import Finding
from whydrift.monitor.diagnosis.faults.onset import dated
from whydrift.monitor.diagnosis.faults.registry import FAULT_LEVEL, fault_notes, find_faults
from whydrift.monitor.diagnosis.faults.swap import swap_limits
from whydrift.monitor.diagnosis.gain import measure_gains
from whydrift.monitor.diagnosis.graph_change import changed_edges
from whydrift.monitor.diagnosis.graph_check import missing_edges, reversed_edges
from whydrift.monitor.diagnosis.judge import Judgement, judge, retold
from whydrift.monitor.diagnosis.judgement import Floor, detectable_effect
from whydrift.monitor.diagnosis.late_labels import late_labels
from whydrift.monitor.diagnosis.limits import check_numbers
from whydrift.monitor.diagnosis.mechanism.base import MechanismTest
from whydrift.monitor.diagnosis.mechanism.between_windows import LEAST_WINDOWS
from whydrift.monitor.diagnosis.mechanism.registry import mechanism_test as registered
from whydrift.monitor.diagnosis.metric import CustomLoss, RowMeasure, row_measure
from whydrift.monitor.diagnosis.moment import iso
from whydrift.monitor.diagnosis.population import population_notes
from whydrift.monitor.diagnosis.prediction_row import Model, ask_model, prediction_row
from whydrift.monitor.diagnosis.read_by_model import read_by_model
from whydrift.monitor.diagnosis.recalibration import recalibrated
from whydrift.monitor.diagnosis.remedy import choose_remedy, wants_gains
from whydrift.monitor.diagnosis.shift_type import name_shift
from whydrift.monitor.diagnosis.sides import Sides, prepare, unusable
from whydrift.monitor.diagnosis.summary import summarise
from whydrift.monitor.diagnosis.testing import Testing
from whydrift.monitor.diagnosis.window_graph import WindowGraph, said_to_cause, window_graph
from whydrift.monitor.diagnosis.words import sentence

__all__ = ["compare"]

_MOST_TIMES = 2.0  # the rows of the middle one that a past window may count for
_MOST_PAST_ROWS = 16_384  # of all past windows together, as many as of a single one


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
    tell, clock = progress or silent, _Clock()
    check_numbers(level, floor, random_state)
    check_numbers(fault_level, floor, random_state)
    make_test = registered(mechanism_test)
    all_given: Sequence[Snapshot]
    all_given = (reference,) if isinstance(reference, Snapshot) else reference
    _require_rows(all_given, current)
    *all_given, current = in_common_codes((*all_given, current))
    given, reference_weights, expired = with_rows(all_given, reference_weights)
    if all_given and not (given and current.has_sample):
        return counts_only(
            all_given, current, target=target, prediction=prediction, graph=graph, level=level
        )
    counted = each_row_once(given, current)
    past = _past(counted.references, reference_weights)
    named = said_to_cause(graph, knowledge)
    side = prepare(
        past.snapshot, counted.current, target, prediction, cluster, past.count > 1, named
    )
    tell("looking for faults", 0, 1)
    days = past.parts if past.count >= LEAST_WINDOWS else None
    # A window of a Saturday lacks six weekdays, and nothing is broken.
    timeless = tuple(n for n in side.names if n not in side.calendar)
    broken = find_faults(
        side.reference, side.current, timeless, level=fault_level, whole=whole, parts=days
    )
    findings, repaired = broken.findings, broken.repaired
    recorded = side
    side = replace(side, reference=broken.reference, current=broken.current)
    late = late_labels(side, counted.current, findings, target)
    findings, repaired = late.findings, late.without(repaired)
    side = late.left_of(side)
    # A loss that does not fit is a mistake to be told before the graph is learned.
    measure = row_measure(
        side.reference, side.current, target=target, prediction=prediction, loss=loss
    )
    told = measure.notes if measure is not None else ()
    if 1 < past.count < LEAST_WINDOWS:
        text = (
            f"{past.count} past windows: from {LEAST_WINDOWS} on it is known how much ordinary "
            "ones differ; until then what differs by more than sampling looks like drift"
        )
        told = (*told, Note("few_past_windows", None, text))
    lost = unusable(findings, side)
    usable = tuple(n for n in side.names if n not in lost)

    def judged_with(
        repaired: Snapshot, findings: tuple[Finding, ...]
    ) -> tuple[WindowGraph, Testing, Judgement]:
        """Learn the graph, test every column and judge them, these faults being known."""
        with clock.measure("graph"):
            learned = window_graph(
                side.reference,
                repaired,
                side.names,
                usable,
                graph=graph,
                knowledge=knowledge,
                method=method,
                test=test,
                score=score,
                random_state=random_state,
                progress=tell,
                parts=past.parts[broken.kept],
                clocks=side.clocks,
                calendar=side.calendar,
                target=target,
                prediction=prediction,
            )
        with clock.measure("tests"):
            testing = Testing(
                side.reference,
                side.current,
                repaired,
                findings,
                learned.graph,
                usable,
                side.cluster,
                make_test,
                tell,
                None if days is None else days[broken.kept],
                learned.alternatives,
                is_given=graph is not None,
                late=frozenset() if late.column is None else frozenset({late.column}),
                calendar=side.calendar,
                knowledge=learned.knowledge,
            )
            judgement = judge(
                testing,
                target=target,
                prediction=prediction if asked.answer is None else None,
                has_labels=side.has_labels,
                floor=Floor.of(floor),
                level=level,
            )
        return learned, testing, judgement

    asked = ask_model(side, prediction, target, model)
    learned, testing, judgement = judged_with(repaired, findings)
    with clock.measure("tests"):
        rescaled = recalibrated(testing, judgement, Floor.of(floor), level, target)
    if rescaled is not None and rescaled.is_fault:
        findings = (*findings, dated(rescaled.finding, repaired))
        repaired = repaired.with_sample(rescaled.finding.repairs)
        learned, testing, judgement = judged_with(repaired, findings)
        rescaled = None
    elif rescaled is not None:
        judgement = retold(judgement, rescaled.told(judgement.judged), target)
    with clock.measure("tests"):
        shift = name_shift(
            testing,
            judgement.graph,
            target=target,
            evidence=judgement.evidence,
            judged=judgement.judged,
            conditional_shift=judgement.conditional_shift,
            floor=Floor.of(floor),
            level=level,
            groups=judgement.groups,
        )
        edges = changed_edges(
            testing.repaired,
            judgement.graph,
            judgement.evidence,
            testing.usable,
            floor=Floor.of(floor),
            level=level,
        )
    doubts: tuple[Note, ...] = ()
    if graph is not None:
        with clock.measure("graph_check"):
            origins = frozenset(judgement.ranking) - set(testing.faulty)
            if judgement.choice is not None:
                origins |= judgement.choice.p_values.keys()
            doubts = (
                *missing_edges(learned.graph, side.reference, usable),
                *reversed_edges(learned.graph, origins, judgement.limit, testing.p_value),
            )
    attribution = None
    with clock.measure("attribution"):
        if measure is not None and target is not None:
            tell("attributing the change", 0, 1)
            together = tuple(g.columns for g in judgement.groups)
            apart = testing.passed_over()
            if rescaled is not None:
                apart |= {(rescaled.column, n) for n in rescaled.others}
            paths = judgement.paths
            ways = paths.with_edges(e for e in paths if (e.a, e.b) not in apart)
            players = _players(judgement.ranking, together, ways, target, measure)
            reader = prediction if measure.is_loss and prediction is not None else target
            pair = testing.recorded
            if testing.faulty.keys() & set(players) and not testing.reads_faults(reader, target):
                players = tuple(n for n in players if n not in testing.faulty)
                pair = testing.repaired
            attribution = attribute(
                pair,
                measure,
                ways,
                players,
                target=target,
                prediction=prediction,
                rng=np.random.default_rng(random_state),
                together=together,
            )
    faults = tuple(f.fault for f in testing.findings)
    metric = attribution.metric if attribution else None
    is_loss = measure is not None and measure.is_loss
    predicted = prediction_row(
        side,
        testing,
        asked,
        judgement.prediction,
        prediction=prediction,
        target=target,
        has_origin=bool(judgement.ranking or judgement.groups),
        floor=Floor.of(floor),
        level=level,
        tests=judgement.tests,
    )
    gains = None
    with clock.measure("remedy"):
        if (
            measure is not None
            and target is not None
            and prediction is not None
            and wants_gains(
                metric,
                is_loss=is_loss,
                conditional_shift=judgement.conditional_shift,
                moved=bool(judgement.ranking or judgement.groups),
                has_faults=bool(faults),
                model_changed=predicted.changed,
            )
        ):
            tell("measuring what a remedy wins", 0, 1)
            # A model that learned from effects of the target would win, and could not be served.
            effects = judgement.paths.descendants(target)
            others = tuple(n for n in usable if n != target)
            inputs = tuple(n for n in others if n not in effects) or others
            gains = measure_gains(
                testing.recorded, measure, target=target, prediction=prediction, inputs=inputs
            )
    columns = {
        name: _column(name, side, judgement, judgement.graph, attribution, level, faults)
        for name in side.names
    }
    columns |= predicted.columns
    gone = _gone(side, faults)
    columns |= gone
    estimated = _estimated(side, testing, measure, target, prediction, loss)
    open_edges = _open_edges(judgement.graph, judgement)
    followed = _followed(side, judgement, target, prediction)
    # What the inputs say of the target moved with the number that reads otherwise.
    is_told = rescaled is not None and target in rescaled.others
    explained = {"graph_contradicts_data", "estimated_loss_off"} if is_told else set()
    return Diagnosis(
        id=uuid4().hex,
        stage=Stage.LABELS if side.has_labels else Stage.FEATURES,
        reference=replace(_window(past.snapshot), rows=sum(w.rows for w in given)),
        current=_within(_window(current), repaired, findings),
        target=target,
        prediction=prediction,
        targets=judgement.targets,
        verdict=judgement.verdict,
        faults=faults,
        conditional_shift=judgement.conditional_shift,
        shift_type=shift.shift_type,
        summary=summarise(
            verdict=judgement.verdict,
            target=target,
            faults=faults,
            judged=judgement.judged,
            ranking=judgement.ranking,
            metric=metric or estimated.metric,
            conditional_shift=judgement.conditional_shift,
            open_edges=open_edges,
            groups=judgement.groups,
            model_changed=predicted.changed,
            prediction=prediction,
            followed=followed,
            rescaled=None if rescaled is None else rescaled.text,
            leads=judgement.leads,
            doubted=judgement.doubted,
            unproven=[n for n in judgement.leads if target and testing.may_cause(n, target)],
            beside=_beside(testing, target),
        ),
        columns=columns,
        ranking=(*gone, *judgement.ranking),
        metric=metric or estimated.metric,
        remedy=choose_remedy(
            verdict=judgement.verdict,
            conditional_shift=judgement.conditional_shift,
            model_changed=predicted.changed,
            prediction=prediction,
            faults=faults,
            ranking=(*judgement.ranking, *(c for g in judgement.groups for c in g.columns)),
            target=target,
            metric=metric,
            is_loss=is_loss,
            has_labels=side.has_labels,
            has_overlap=judgement.has_overlap,
            is_root=target is not None
            and target in judgement.judged
            and judgement.judged[target].verdict is ColumnVerdict.SOURCE,
            open_edges=open_edges,
            gains=gains,
            followed=followed,
            rescaled=rescaled,
        ),
        graph=judgement.graph,
        graph_change=edges,
        error_control=ErrorControl(
            level=level,
            tests=judgement.tests,
            basis="between_windows" if past.count >= LEAST_WINDOWS else "sampling_only",
            past_windows=past.count,
        ),
        warnings=(
            *expired,
            *counted.notes,
            *side.notes,
            *fault_notes(findings, (*side.names, *gone, *predicted.columns)),
            *swap_limits(side.names),
            *told,
            *late.notes,
            *learned.notes,
            *doubts,
            *testing.notes,
            *(n for n in shift.notes if n.code not in explained),
            *predicted.notes,
            *(n for n in estimated.notes if n.code not in explained),
            *population_notes(judgement.judged, judgement.ranking),
            *(() if judgement.choice is None else (judgement.choice.note,)),
            *(() if rescaled is None else (rescaled.note,)),
        ),
        seconds=clock.seconds(),
        version=_version(),
        evidence=Evidence(recorded.reference, recorded.current),
    )


@cache
def _version() -> str:
    """Return whydrift's version; to read it takes a millisecond."""
    from importlib.metadata import version

    return version("whydrift")


def _require_rows(references: Sequence[Snapshot], current: Snapshot) -> None:
    for where, windows in (("reference", references), ("current", (current,))):
        if windows and not any(window.rows for window in windows):
            raise NoRows(
                "the window has no rows", where=where, remedy="Give a window that has data"
            )


def _past(windows: tuple[Snapshot, ...], weights: Sequence[float] | None) -> Pooled:
    if len(windows) != 1:
        return pool(windows, most_rows=_MOST_PAST_ROWS, most_times=_MOST_TIMES, importance=weights)
    return Pooled(windows[0], np.zeros(len(windows[0].sample), dtype=np.int64), 1)


class _Clock:
    """Seconds spent, in all and in named parts."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._parts: dict[str, float] = {}

    @contextmanager
    def measure(self, part: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        spent = time.perf_counter() - started
        self._parts[part] = self._parts.get(part, 0.0) + spent

    def seconds(self) -> dict[str, float]:
        return {"total": time.perf_counter() - self._started, **self._parts}


def _followed(
    side: Sides, judgement: Judgement, target: str | None, prediction: str | None
) -> tuple[str, ...]:
    """Return the columns that moved and that the prediction follows, where no target was reached.

    That the target is not found to follow does not make them harmless: the model reads them.
    """
    moved = judgement.ranking
    if prediction is None or not moved or judgement.verdict is not Verdict.NONE:
        return ()
    if not side.reference.has(prediction):
        return ()
    others = [n for n in judgement.graph.nodes if n != target]
    read = read_by_model(side.reference, prediction, others)
    return tuple(n for n in moved if n in read)


def _open_edges(graph: Graph, judgement: Judgement) -> tuple[Edge, ...]:
    """Return the edges without a direction between columns that are undetermined for their sake."""
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
    reach = {target, *graph.ancestors(target)}
    kept = [n for n in ranking if measure.is_loss or n in reach]
    for group in together:
        if measure.is_loss or reach.intersection(group):
            kept += [n for n in group if n not in kept]
    return tuple(kept)


def _column(
    name: str,
    side: Sides,
    judgement: Judgement,
    graph: Graph,
    attribution: Attribution | None,
    level: float,
    faults: tuple[Fault, ...],
) -> ColumnResult:
    judged, evidence = judgement.judged[name], judgement.evidence[name]
    own, marginal = evidence.own, evidence.marginal
    contribution = None
    if attribution is not None:
        contribution = attribution.contributions.get(name, Estimate(0.0, 0.0, 0.0))
    reason = judged.reason
    if judged.verdict is ColumnVerdict.FAULT:
        reason = sentence(next(f.evidence for f in faults if name in f.columns))
    return ColumnResult(
        verdict=judged.verdict,
        kind=side.reference.schema[name].kind.value,
        parents=graph.parents(name),
        p_value=None if own is None else own.p_value,
        q_value=judgement.q_values.get(name),
        marginal_p_value=None if marginal is None else marginal.p_value,
        effect=judged.effect,
        detectable_effect=detectable_effect(own, level, judgement.tests),
        overlap=None if own is None else own.overlap,
        basis="full" if judged.verdict is ColumnVerdict.FAULT else "sample",
        contribution=contribution,
        fault=evidence.fault,
        confidence=judgement.confidence.get(name),
        group=_group(name, judgement, attribution),
        reason_code=judged.reason_code,
        reason=reason,
    )


def _gone(side: Sides, faults: tuple[Fault, ...]) -> dict[str, ColumnResult]:
    """Return the rows of columns that the current window lacks: they are in no graph and no test.

    A time has no row; like its other faults it is told in a warning.
    """
    schema = side.reference.schema
    return {
        name: ColumnResult(
            verdict=ColumnVerdict.FAULT,
            kind=schema[name].kind.value,
            basis="full",
            fault=fault.kind,
            reason=sentence(fault.evidence),
        )
        for fault in faults
        if fault.kind is FaultKind.COLUMN_MISSING
        for name in fault.columns
        if schema[name].kind.is_modelled
    }


def _group(name: str, judgement: Judgement, attribution: Attribution | None) -> str | None:
    """Return what the column shares its verdict with, or else its contribution."""
    for group in judgement.groups:
        if name in group.columns:
            return group.label
    return None if attribution is None else attribution.groups.get(name)


def _estimated(
    side: Sides,
    testing: Testing,
    measure: RowMeasure | None,
    target: str | None,
    prediction: str | None,
    loss: str | CustomLoss,
) -> EstimatedLoss:
    """Estimate the loss without labels; with labels, look whether it is what was to be expected."""
    if target is None or prediction is None or (measure is not None and not measure.is_loss):
        return EstimatedLoss(None, ())
    if measure is None:  # no labels: the reference has them
        if not side.reference.has(target):
            return EstimatedLoss(None, ())
        known = row_measure(
            side.reference, side.reference, target=target, prediction=prediction, loss=loss
        )
        if known is None:
            return EstimatedLoss(None, ())
        unknown = np.full(len(side.current.sample), np.nan)
        measure = replace(known, current=unknown)
    broken = {c for f in testing.findings for c in f.fault.columns}
    inputs = tuple(n for n in testing.graph.nodes if n in testing.usable - broken - {target})
    estimated = estimate_loss(testing.recorded, measure, prediction, inputs)
    if not broken:
        return estimated
    # What broke makes the loss another one: no sign that what the inputs say has changed.
    told = tuple(n for n in estimated.notes if n.code != "estimated_loss_off")
    return replace(estimated, notes=told)


def _within(window: Window, repaired: Snapshot, findings: tuple[Finding, ...]) -> Window:
    """Return the window with the first and last of its times that stand, where some were undone."""
    name = repaired.schema.with_role(Role.TIME)
    if name is None or not any(name in f.repairs for f in findings):
        return window
    times = repaired.column(name)
    times = times[np.isfinite(times)]
    start, end = (iso(t) for t in (times.min(), times.max())) if times.size else (None, None)
    return replace(window, start=start, end=end)


def _window(window: Snapshot) -> Window:
    start, end = (None if t is None else iso(t) for t in (window.start, window.end))
    return Window(window.rows, start, end)
