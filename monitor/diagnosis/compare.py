"""Compares two windows: a pure function from Snapshots and a graph to a Diagnosis."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import uuid4

import numpy as np

from whydrift.discovery.errors import OptionError, SchemaError
from whydrift.discovery.graph import Graph
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.progress import Progress, silent
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.schema import Role
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.attribution import Attribution, attribute
from whydrift.monitor.diagnosis.diagnosis import (
    ColumnResult,
    ColumnVerdict,
    Diagnosis,
    ErrorControl,
    Estimate,
    Fault,
    FaultKind,
    ReasonCode,
    ShiftType,
    Stage,
    TargetResult,
    Verdict,
    Window,
)
from whydrift.monitor.diagnosis.error_control import benjamini_hochberg, holm
from whydrift.monitor.diagnosis.evidence import Evidence
from whydrift.monitor.diagnosis.faults.base import Finding
from whydrift.monitor.diagnosis.faults.registry import find_faults
from whydrift.monitor.diagnosis.judgement import (
    ColumnEvidence,
    Floor,
    Judged,
    detectable_effect,
    judge_columns,
    judge_target,
)
from whydrift.monitor.diagnosis.mechanism.base import MechanismTestResult, Untestable
from whydrift.monitor.diagnosis.metric import RowMeasure, row_measure
from whydrift.monitor.diagnosis.remedy import choose_remedy
from whydrift.monitor.diagnosis.summary import summarise
from whydrift.monitor.diagnosis.testing import Testing
from whydrift.monitor.diagnosis.window_graph import window_graph

__all__ = ["compare"]

_LEAST_ROWS = 20


def compare(
    reference: Snapshot,
    current: Snapshot,
    *,
    graph: Graph | None = None,
    knowledge: Knowledge | None = None,
    target: str | None = None,
    prediction: str | None = None,
    loss: str = "auto",
    floor: float | None = None,
    cluster: str | None = None,
    method: str = "auto",
    test: str = "auto",
    score: str = "auto",
    level: float = 0.05,
    random_state: int = 0,
    progress: Progress | None = None,
) -> Diagnosis:
    """Tell why the current window differs from the reference.

    Parameters
    ----------
    reference, current : Snapshot
        ``current`` was built with the reference's schema.
    graph : Graph, optional
        What causes what. Learned from both windows together when not given, by a score in which a
        column may pay for a changed mechanism.
    knowledge : Knowledge, optional
        What is known about the graph, when it is learned.
    target, prediction : str, optional
        Columns. With a prediction the mean loss is explained, else the target's mean.
    loss : str
        ``auto``, ``squared_error``, ``absolute_error``, ``log_loss`` or ``zero_one``.
    floor : float, optional
        Changes whose 95 % interval lies wholly inside this many reference sd are not worth
        knowing; default 0.1 (0.02 in probability), 0 for none.
    cluster : str, optional
        Column whose equal values mark rows that belong together.
    method, test, score : str
        Of the graph search, when the graph is learned.
    level : float
        Chance of any false alarm in the window.
    random_state : int
        Seed of the graph search.
    progress : Progress, optional
        Told how far the work is.

    Returns
    -------
    Diagnosis

    Raises
    ------
    SchemaError
        If the windows have no usable column in common, or a named column is absent.
    GraphError
        If the graph or the knowledge does not fit the columns.
    OptionError
        If an option has a value that is not offered.
    """
    started = time.perf_counter()
    tell = progress or silent
    if not 0 < level < 1:
        raise OptionError(
            f"level {level!r} is not between 0 and 1",
            where="level",
            remedy="Give a chance of false alarm such as 0.05",
        )
    if floor is not None and floor < 0:
        raise OptionError(
            f"floor {floor!r} is negative",
            where="floor",
            remedy="Give reference standard deviations, or 0 for none",
        )
    side = _prepare(reference, current, target, prediction, cluster)
    # A loss that does not fit is a mistake to be told before any work is done.
    measure = row_measure(
        side.reference, side.current, target=target, prediction=prediction, loss=loss
    )
    tell("looking for faults", 0, 1)
    findings, repaired = find_faults(side.reference, side.current, side.names)
    lost = _lost(findings, side)
    usable = tuple(n for n in side.names if n not in lost)
    clock = time.perf_counter()
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
    )
    graph_seconds = time.perf_counter() - clock
    clock = time.perf_counter()
    testing = Testing(
        side.reference, side.current, repaired, findings, learned.graph, usable, cluster, tell
    )
    evidence = testing.evidence()
    conditional = testing.conditional(target, evidence) if side.has_labels else None
    family = {
        n: e.own.p_value
        for n, e in evidence.items()
        if e.own is not None and e.own.p_value is not None
    }
    if conditional is not None and conditional.p_value is not None:
        family[_CONDITIONAL] = conditional.p_value
    rejected = holm(family, level)
    marginal = {
        n: e.marginal.p_value
        for n, e in evidence.items()
        if e.marginal is not None and e.marginal.p_value is not None
    }
    bounds = Floor.of(floor)
    judged = judge_columns(
        evidence,
        learned.graph,
        rejected=rejected,
        marginally_rejected=holm(marginal, level),
        floor=bounds,
        level=level,
        tests=len(family),
    )
    test_seconds = time.perf_counter() - clock
    ranking = _ranking(judged, evidence)
    conditional_shift = _conditional_shift(conditional, rejected, bounds, level, len(family))
    targets = _targets(target, judged, learned.graph, conditional_shift, side.has_labels)
    verdict = _worst([t.verdict for t in targets.values()])
    clock = time.perf_counter()
    tell("attributing the change", 0, 1)
    attribution = None
    if measure is not None and target is not None:
        attribution = attribute(
            testing.recorded,
            measure,
            learned.graph,
            _players(ranking, learned.graph, target, measure),
        )
    attribution_seconds = time.perf_counter() - clock
    faults = tuple(f.fault for f in testing.findings)
    metric = attribution.metric if attribution else None
    remedy = choose_remedy(
        verdict=verdict,
        conditional_shift=conditional_shift,
        faults=faults,
        ranking=ranking,
        target=target,
        metric=metric,
        is_loss=measure is not None and measure.is_loss,
        has_labels=side.has_labels,
        has_overlap=_has_overlap(conditional, evidence),
    )
    summary = summarise(
        verdict=verdict, target=target, faults=faults, judged=judged, ranking=ranking, metric=metric
    )
    q_values = benjamini_hochberg(family)
    columns = {
        name: _column(
            name,
            side,
            judged[name],
            evidence[name],
            learned.graph,
            q_values,
            attribution,
            level,
            len(family),
            faults,
        )
        for name in side.names
    }
    columns |= _prediction(side, prediction, bool(ranking), testing, level)
    from importlib.metadata import version

    return Diagnosis(
        id=uuid4().hex,
        stage=Stage.LABELS if side.has_labels else Stage.FEATURES,
        reference=_window(reference),
        current=_window(current),
        target=target,
        prediction=prediction,
        targets=targets,
        verdict=verdict,
        faults=faults,
        conditional_shift=conditional_shift,
        shift_type=_shift_type(verdict, conditional_shift),
        summary=summary,
        columns=columns,
        ranking=ranking,
        metric=metric,
        remedy=remedy,
        graph=learned.graph,
        error_control=ErrorControl(level=level, tests=len(family)),
        warnings=(*side.notes, *learned.notes, *testing.notes),
        seconds={
            "total": time.perf_counter() - started,
            "graph": graph_seconds,
            "tests": test_seconds,
            "attribution": attribution_seconds,
        },
        version=version("whydrift"),
        evidence=Evidence(side.reference, side.current),
    )


_CONDITIONAL = "\x00target given inputs"  # no column can have this name


@dataclass(frozen=True)
class _Sides:
    """The two windows with roles set, and the columns that both have."""

    reference: Snapshot
    current: Snapshot
    names: tuple[str, ...]
    has_labels: bool
    notes: tuple[Note, ...]


def _prepare(
    reference: Snapshot,
    current: Snapshot,
    target: str | None,
    prediction: str | None,
    cluster: str | None,
) -> _Sides:
    roles: dict[str, Role] = {}
    for role, name in (
        (Role.TARGET, target),
        (Role.PREDICTION, prediction),
        (Role.CLUSTER, cluster),
    ):
        if name is None:
            continue
        reference.schema.require(name, where=f"{role} (reference)")
        if name in roles:
            raise SchemaError(
                f"{name!r} is named as {roles[name]} and as {role}",
                where=role.value,
                remedy="Name two different columns",
            )
        roles[name] = role
    reference, current = reference.with_roles(roles), current.with_roles(roles)
    notes = [*_told("reference", reference), *_told("current", current)]
    for name in (target, prediction):
        if name is not None and not reference.schema[name].kind.is_modelled:
            raise SchemaError(
                f"column {name!r} is of the kind {reference.schema[name].kind}",
                where=roles[name].value,
                remedy="Name a column of numbers or categories, or override its kind",
            )
    has_labels = target is not None and _present(current, target)
    if target is not None and not has_labels:
        notes.append(
            Note(
                "target_missing",
                target,
                f"the current window has no values of {target!r}: judged on features only",
            )
        )
    if prediction is not None and not _present(current, prediction):
        raise SchemaError(
            f"column {prediction!r} has no values",
            where="prediction (current)",
            remedy="Give predictions in both windows, or name no prediction",
        )
    names = []
    for name in reference.schema.modelled:
        if name in current.absent:
            notes.append(
                Note(
                    "missing_column",
                    name,
                    f"column {name!r} is not in the current window; it is left out",
                )
            )
        elif reference.summaries[name].count == 0 and current.summaries[name].count == 0:
            notes.append(Note("all_missing", name, f"column {name!r} has no usable value"))
        elif (
            reference.is_constant(name)
            and current.is_constant(name)
            and _same(reference, current, name)
        ):
            notes.append(
                Note(
                    "constant_column",
                    name,
                    f"column {name!r} is constant and the same in both windows; it is left out",
                )
            )
        else:
            names.append(name)
    if not names:
        raise SchemaError(
            "the two windows have no usable column in common",
            where="compare",
            remedy=f"The reference has {', '.join(reference.schema.names[:10])}; "
            "give windows with the same columns",
        )
    for label, window in (("reference", reference), ("current", current)):
        if window.rows < _LEAST_ROWS:
            notes.append(
                Note(
                    "few_rows",
                    None,
                    f"the {label} window has {window.rows} rows: "
                    f"below {_LEAST_ROWS} nothing can be tested",
                )
            )
    return _Sides(reference, current, tuple(names), has_labels, tuple(dict.fromkeys(notes)))


def _told(side: str, window: Snapshot) -> list[Note]:
    return [replace(n, text=f"{side}: {n.text}") for n in window.notes]


def _present(window: Snapshot, name: str) -> bool:
    return window.has(name) and window.summaries[name].count > 0


def _same(reference: Snapshot, current: Snapshot, name: str) -> bool:
    a, b = reference.summaries[name], current.summaries[name]
    if a.category_counts:
        return list(np.flatnonzero(a.category_counts)) == list(np.flatnonzero(b.category_counts))
    return a.low == b.low


def _lost(findings: tuple[Finding, ...], side: _Sides) -> frozenset[str]:
    """Return columns of which nothing usable is left in one of the windows."""
    unreadable = {
        c for f in findings if f.fault.kind is FaultKind.TYPE_CHANGE for c in f.fault.columns
    }
    empty = {
        n for n in side.names if not (_present(side.reference, n) and _present(side.current, n))
    }
    return frozenset(unreadable | empty)


def _ranking(
    judged: Mapping[str, Judged], evidence: Mapping[str, ColumnEvidence]
) -> tuple[str, ...]:
    """Return the columns where a change began: faults first, then by strength of evidence."""

    def key(name: str) -> tuple[bool, float, float]:
        own = evidence[name].own
        p_value = 0.0 if own is None or own.p_value is None else own.p_value
        return (
            judged[name].verdict is not ColumnVerdict.FAULT,
            p_value,
            -(own.strength if own else 0),
        )

    return tuple(sorted((n for n, j in judged.items() if j.verdict.is_origin), key=key))


def _players(
    ranking: tuple[str, ...], graph: Graph, target: str, measure: RowMeasure
) -> tuple[str, ...]:
    """Return the origins that can move the measure: all for a loss, else target and ancestors."""
    if measure.is_loss:
        return ranking
    reach = {target, *graph.ancestors(target)}
    return tuple(n for n in ranking if n in reach)


def _conditional_shift(
    conditional: MechanismTestResult | None,
    rejected: frozenset[str],
    floor: Floor,
    level: float,
    tests: int,
) -> bool | None:
    if conditional is None or conditional.p_value is None:
        return None
    if _CONDITIONAL in rejected and not floor.covers(conditional.components[0]):
        return True
    detectable = detectable_effect(conditional, level, tests)
    return False if detectable is not None and detectable <= floor.worth_knowing else None


def _targets(
    target: str | None,
    judged: Mapping[str, Judged],
    graph: Graph,
    conditional_shift: bool | None,
    has_labels: bool,
) -> dict[str, TargetResult]:
    if target is not None:
        if target in judged:
            verdict = judge_target(target, judged, graph)
            return {target: TargetResult(verdict, conditional_shift)}
        # Without labels the inputs are judged: any of them may matter to the target.
        moved = any(
            j.verdict in {ColumnVerdict.SOURCE, ColumnVerdict.MECHANISM} for j in judged.values()
        )
        return {target: TargetResult(Verdict.COVARIATE if moved else Verdict.NONE, None)}
    sinks = [s for s in graph.sinks() if s in judged] or [
        n for n in graph.nodes if n in judged and not graph.children(n)
    ]
    alone = [
        n
        for n in graph.nodes
        if n in judged and n not in sinks and not graph.children(n) and judged[n].verdict.is_origin
    ]
    return {s: TargetResult(judge_target(s, judged, graph)) for s in [*sinks, *alone]}


def _worst(verdicts: list[Verdict]) -> Verdict:
    found = set(verdicts)
    if Verdict.BOTH in found or {Verdict.COVARIATE, Verdict.MECHANISM} <= found:
        return Verdict.BOTH
    for verdict in (Verdict.MECHANISM, Verdict.COVARIATE, Verdict.NONE):
        if verdict in found:
            return verdict
    return Verdict.UNDETERMINED


def _shift_type(verdict: Verdict, conditional_shift: bool | None) -> ShiftType | None:
    """Name the shift where inputs' and conditional verdicts settle it (label shift comes later)."""
    if conditional_shift is None:
        return None
    if conditional_shift:
        return (
            ShiftType.MIXED if verdict in {Verdict.COVARIATE, Verdict.BOTH} else ShiftType.CONCEPT
        )
    return ShiftType.COVARIATE if verdict is Verdict.COVARIATE else None


def _has_overlap(
    conditional: MechanismTestResult | None, evidence: Mapping[str, ColumnEvidence]
) -> bool:
    """Whether the current rows lie where the reference has rows too."""
    if conditional is not None:
        return conditional.untestable is not Untestable.NO_OVERLAP
    tested = [e.own for e in evidence.values() if e.own is not None]
    return all(t.untestable is not Untestable.NO_OVERLAP for t in tested)


def _column(
    name: str,
    side: _Sides,
    judged: Judged,
    evidence: ColumnEvidence,
    graph: Graph,
    q_values: Mapping[str, float],
    attribution: Attribution | None,
    level: float,
    tests: int,
    faults: tuple[Fault, ...],
) -> ColumnResult:
    own, marginal = evidence.own, evidence.marginal
    contribution = None
    if attribution is not None:
        contribution = attribution.contributions.get(name, Estimate(0.0, 0.0, 0.0))
    reason = judged.reason
    if judged.verdict is ColumnVerdict.FAULT:
        reason = next(f.evidence for f in faults if name in f.columns)
        reason = reason[0].upper() + reason[1:] + "."
    return ColumnResult(
        verdict=judged.verdict,
        kind=side.reference.schema[name].kind.value,
        parents=graph.parents(name),
        p_value=None if own is None else own.p_value,
        q_value=q_values.get(name),
        marginal_p_value=None if marginal is None else marginal.p_value,
        effect=judged.effect,
        detectable_effect=detectable_effect(own, level, tests),
        overlap=None if own is None else own.overlap,
        basis="full" if judged.verdict is ColumnVerdict.FAULT else "sample",
        contribution=contribution,
        fault=evidence.fault,
        reason_code=judged.reason_code,
        reason=reason,
    )


def _prediction(
    side: _Sides, prediction: str | None, has_origin: bool, testing: Testing, level: float
) -> dict[str, ColumnResult]:
    """Return the prediction's own row: it follows from the inputs and is never an origin."""
    if prediction is None or not side.current.has(prediction):
        return {}
    moved = testing.marginal_of(prediction)
    kind = side.reference.schema[prediction].kind.value
    code: ReasonCode | None = None
    if moved.p_value is None or moved.p_value > level:
        verdict, reason = ColumnVerdict.STABLE, "The predictions are distributed as before."
    elif has_origin:
        verdict, reason = ColumnVerdict.INHERITED, "The predictions moved with the model's inputs."
    else:
        verdict, code = ColumnVerdict.UNDETERMINED, ReasonCode.NO_ORIGIN
        reason = "The predictions moved, but none of the inputs did: was the model replaced?"
    return {
        prediction: ColumnResult(
            verdict, kind, marginal_p_value=moved.p_value, reason_code=code, reason=reason
        )
    }


def _window(window: Snapshot) -> Window:
    return Window(window.rows, _iso(window.start), _iso(window.end))


def _iso(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return f"{np.datetime64(round(seconds * 1000), 'ms')}Z"
