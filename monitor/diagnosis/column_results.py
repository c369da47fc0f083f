"""The row of each column in a Diagnosis."""

from __future__ import annotations

from whydrift.discovery.snapshot.schema import Role
from whydrift.monitor.diagnosis.attribution import Attribution
from whydrift.monitor.diagnosis.diagnosis import (
    ColumnResult,
    ColumnVerdict,
    Estimate,
    Fault,
    FaultKind,
    ReasonCode,
)
from whydrift.monitor.diagnosis.judge import Judgement
from whydrift.monitor.diagnosis.judgement import detectable_effect, possible_ancestors
from whydrift.monitor.diagnosis.sides import Sides
from whydrift.monitor.diagnosis.words import sentence

__all__ = ["column_results", "gone_columns"]

# Of what moved, nobody knows where: what such a column contributes is not nothing, but not known.
_NOT_PLACED = frozenset(
    {
        ReasonCode.UNDECIDED_EDGE,
        ReasonCode.SHARED_HIDDEN_CAUSE,
        ReasonCode.NO_ORIGIN,
        ReasonCode.NO_OVERLAP,
    }
)


def column_results(
    side: Sides,
    judgement: Judgement,
    attribution: Attribution | None,
    faults: tuple[Fault, ...],
    level: float,
) -> dict[str, ColumnResult]:
    """Return the rows of the columns that were compared.

    Parameters
    ----------
    side : Sides
        The windows.
    judgement : Judgement
        What each column is called, and why.
    attribution : Attribution, optional
        What each explains of the measure's change.
    faults : tuple of Fault
        What broke.
    level : float
        Family-wise level.
    """
    return {name: _column(name, side, judgement, attribution, faults, level) for name in side.names}


def gone_columns(side: Sides, faults: tuple[Fault, ...]) -> dict[str, ColumnResult]:
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


def _column(
    name: str,
    side: Sides,
    judgement: Judgement,
    attribution: Attribution | None,
    faults: tuple[Fault, ...],
    level: float,
) -> ColumnResult:
    judged, evidence = judgement.judged[name], judgement.evidence[name]
    own, marginal = evidence.own, evidence.marginal
    contribution = None
    if attribution is not None:
        is_placed = judged.reason_code not in _NOT_PLACED and not _may_lead(name, side, judgement)
        is_known = is_placed and name not in attribution.unknown
        nothing = Estimate(0.0, 0.0, 0.0) if is_known else None
        contribution = attribution.contributions.get(name, nothing)
    reason = judged.reason
    if judged.verdict is ColumnVerdict.FAULT:
        reason = sentence(next(f.evidence for f in faults if name in f.columns))
    return ColumnResult(
        verdict=judged.verdict,
        kind=side.reference.schema[name].kind.value,
        parents=judgement.graph.parents(name),
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


def _may_lead(name: str, side: Sides, judgement: Judgement) -> bool:
    """Whether a column that moved may lead to the target, by edges of open direction alone."""
    target = side.reference.schema.with_role(Role.TARGET)
    if name not in judgement.ranking or target not in judgement.graph.nodes:
        return False
    graph = judgement.graph
    known = {target, *graph.ancestors(target)}
    return name not in known and name in possible_ancestors(graph, target)


def _group(name: str, judgement: Judgement, attribution: Attribution | None) -> str | None:
    """Return what the column shares its verdict with, or else its contribution."""
    for group in judgement.groups:
        if name in group.columns:
            return group.label
    return None if attribution is None else attribution.groups.get(name)
