"""Names the shift in the literature's words, and asks the graph whether it can explain it.

With Y the target, X the inputs and W the window: *covariate* shift is a move of P(X) with P(Y | X)
as before; *concept* shift a move of P(Y | X) with P(X) as before; *label* shift a move of P(Y) with
P(X | Y) as before; *mixed* what is none of the three. The tests ask the data alone. Inputs that
only followed the target count as unmoved: where their own mechanisms stand, nothing happened to
them.

References
----------
Moreno-Torres, Raeder, Alaiz-Rodríguez, Chawla & Herrera (2012), A unifying view on dataset shift in
classification.
Schölkopf, Janzing, Peters, Sgouritsa, Zhang & Mooij (2012), On causal and anticausal learning.
Pearl & Bareinboim (2014), External validity: from do-calculus to transportability across
populations: selection nodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from whydrift.discovery.graph import Edge, Graph
from whydrift.discovery.snapshot.note import Note
from whydrift.monitor.diagnosis.diagnosis import ColumnVerdict, ShiftType
from whydrift.monitor.diagnosis.error_control import holm
from whydrift.monitor.diagnosis.groups import Group
from whydrift.monitor.diagnosis.judgement import ColumnEvidence, Floor, Judged, sees_enough
from whydrift.monitor.diagnosis.mechanism.base import MechanismTestResult
from whydrift.monitor.diagnosis.testing import Testing
from whydrift.monitor.diagnosis.words import joined

__all__ = ["ShiftNamed", "name_shift"]

_SELECTION = "\x00selection of "  # no column can have this name
_MOST_GIVEN = 6  # inputs given beside the target; more would cost power and time


@dataclass(frozen=True, slots=True)
class ShiftNamed:
    """The type of the shift, and where graph and data disagree about it.

    Parameters
    ----------
    shift_type : ShiftType, optional
        None where nothing moved, or the data cannot tell.
    notes : tuple of Note
        ``graph_contradicts_data``.
    """

    shift_type: ShiftType | None
    notes: tuple[Note, ...] = ()


def name_shift(
    testing: Testing,
    graph: Graph,
    *,
    target: str | None,
    evidence: Mapping[str, ColumnEvidence],
    judged: Mapping[str, Judged],
    conditional_shift: bool | None,
    floor: Floor,
    level: float,
    groups: Sequence[Group] = (),
) -> ShiftNamed:
    """Name the shift of one target's window.

    Parameters
    ----------
    testing : Testing
        Of these windows; asked for P(inputs | target) only where that decides.
    graph : Graph
        Over all columns compared; tells followers of the target from inputs that moved.
    target : str, optional
        Without one there is no type.
    evidence, judged : mapping of str to ColumnEvidence and to Judged
        Per column.
    conditional_shift : bool, optional
        Whether P(target | inputs) moved.
    floor : Floor
        What is not worth knowing.
    level : float
        Of each question; the type pages nobody, and takes nothing of the window's level.
    groups : sequence of Group
        Columns of which one moved: of inputs, P(inputs) did, if only what they have in common.
    """
    if target is None or target not in judged or conditional_shift is None:
        return ShiftNamed(None)
    moved = _moved(evidence, floor, level)
    inputs = tuple(
        n
        for n in graph.nodes
        if n != target and n in judged and judged[n].verdict is not ColumnVerdict.FAULT
    )
    either = {c for g in groups if target not in g.columns for c in g.columns}
    own = [
        n
        for n in inputs
        if judged[n].verdict.is_origin or n in either or _is_unexplained(judged[n], n, moved)
    ]
    notes = _contradiction(graph, target, inputs, judged, evidence, conditional_shift, level)
    if not conditional_shift:
        return ShiftNamed(ShiftType.COVARIATE if own else None, notes)
    if not (own or moved & set(inputs)):
        return ShiftNamed(ShiftType.CONCEPT, notes)
    stands = _inputs_given_target_stand(testing, graph, target, inputs, floor, level)
    if target in moved and stands:
        return ShiftNamed(ShiftType.LABEL, notes)
    if target in moved and stands is None and not own:
        return ShiftNamed(None, notes)  # label or concept: the overlap is too small to tell
    return ShiftNamed(ShiftType.MIXED if own else ShiftType.CONCEPT, notes)


def _moved(evidence: Mapping[str, ColumnEvidence], floor: Floor, level: float) -> frozenset[str]:
    """Return the columns whose own distribution moved by more than the floor."""
    marginal = {n: e.marginal for n, e in evidence.items() if e.marginal is not None}
    found = holm({n: m.p_value for n, m in marginal.items() if m.p_value is not None}, level)
    return frozenset(n for n in found if not floor.covers(marginal[n]))


def _is_unexplained(judged: Judged, name: str, moved: frozenset[str]) -> bool:
    return name in moved and judged.verdict is ColumnVerdict.UNDETERMINED


def _inputs_given_target_stand(
    testing: Testing,
    graph: Graph,
    target: str,
    inputs: tuple[str, ...],
    floor: Floor,
    level: float,
) -> bool | None:
    """Whether P(inputs | target) is as before; None where that cannot be told.

    P(inputs | target) is the product, in the graph's order, of each input's distribution given the
    target and the inputs before it. Each is tested given the target alone first, then given those
    before it, too, that the graph joins to it once the target is known.
    """
    asked: list[tuple[str, tuple[str, ...]]] = [(n, (target,)) for n in inputs]
    asked += [(n, given) for n, given in _chain(graph, target, inputs) if len(given) > 1]
    results: list[MechanismTestResult] = []
    for name, given in asked:
        result = testing.given(name, given)
        # Holm's smallest p-value rejects as soon as one lies below its share of the level.
        rejected = result.p_value is not None and result.p_value <= level / len(asked)
        if rejected and not floor.covers(result):
            return False
        results.append(result)
    seen = [sees_enough(r, floor, level, len(asked)) for r in results if r.p_value is not None]
    return True if len(seen) == len(asked) and all(seen) else None


def _chain(graph: Graph, target: str, inputs: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
    """Return each input with the target and the earlier inputs it may depend on given it.

    Those are its neighbours, and what shares a child with it: to know the child joins them.
    """
    kept = set(inputs)
    order = [n for n in graph.topological_order() if n in kept]
    out = []
    for place, name in enumerate(order):
        joined_to = {e.b if e.a == name else e.a for e in graph if name in (e.a, e.b)}
        mates = {p for c in graph.children(name) for p in graph.parents(c)}
        before = [n for n in order[:place] if n in joined_to | mates]
        out.append((name, (target, *before[-_MOST_GIVEN:])))
    return out


def _contradiction(
    graph: Graph,
    target: str,
    inputs: tuple[str, ...],
    judged: Mapping[str, Judged],
    evidence: Mapping[str, ColumnEvidence],
    conditional_shift: bool,
    level: float,
) -> tuple[Note, ...]:
    """Return a note where the graph's explanation and the direct test exclude each other."""
    unsettled = {ColumnVerdict.UNDETERMINED, ColumnVerdict.FAULT}
    if any(e.is_undecided for e in graph) or any(j.verdict in unsettled for j in judged.values()):
        return ()  # something is open: it may yet explain the rest
    origins = [n for n, j in judged.items() if j.verdict.is_origin]
    reaching = [n for n in origins if _reaches(graph, n, target, inputs)]
    if conditional_shift and not reaching:
        told = f"none of the columns that moved ({joined(origins)})" if origins else "no column"
        text = (
            f"P({target} | all inputs) moved, but by the graph {told} can have moved it: an edge "
            f"at {target!r} is wrong or missing, or a cause is not among the columns; correct the "
            "graph, or add the columns that could explain it"
        )
        return (Note("graph_contradicts_data", target, text),)
    if not conditional_shift and target in reaching and graph.parents(target):
        own = evidence[target].own
        said = "" if own is None or own.p_value is None else f" (p = {own.p_value:.2g})"
        text = (
            f"given its parents ({joined(graph.parents(target))}) {target!r} moved{said}, but "
            "given all inputs it did not: a parent may be missing from the graph; add the edge"
        )
        return (Note("graph_contradicts_data", target, text),)
    return ()


def _reaches(graph: Graph, origin: str, target: str, inputs: tuple[str, ...]) -> bool:
    """Whether a changed mechanism of ``origin`` can move P(target | inputs)."""
    if origin == target:
        return True
    node = _SELECTION + origin
    wider = Graph((*graph.nodes, node), (*graph, Edge.of(node, "-->", origin)))
    return not wider.is_separated(node, target, inputs)
