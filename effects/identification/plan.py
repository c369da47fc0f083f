"""What a graph calls for, method by method."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from whydrift.discovery.errors import NotIdentified
from whydrift.discovery.graph import Graph
from whydrift.discovery.snapshot.note import Note
from whydrift.effects.check import Check, Outcome
from whydrift.effects.identification.given import adjustment_fault, instrument_fault
from whydrift.effects.identification.identify import Identification, Strategy, identify
from whydrift.effects.table import Table
from whydrift.effects.words import joined

__all__ = ["GraphPlan", "judge_given", "plan_from_graph"]

_METHOD = {Strategy.FRONT_DOOR: "front_door", Strategy.INSTRUMENT: "iv"}


@dataclass(frozen=True)
class GraphPlan:
    """What to do, by a graph.

    Parameters
    ----------
    method : str
        ``auto`` where adjusting does, and the method depends on what the treatment is.
    adjustment, instruments : tuple of str
    options : mapping
        Of the method.
    reason : str
    notes, checks : tuples
    details : mapping of str to Table
    """

    method: str
    adjustment: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    reason: str = ""
    notes: tuple[Note, ...] = ()
    checks: tuple[Check, ...] = ()
    details: Mapping[str, Table] = field(default_factory=dict)


def plan_from_graph(
    graph: Graph,
    treatment: str,
    outcome: str,
    columns: Collection[str],
    *,
    method: str,
    takes: str,
    force: bool,
) -> GraphPlan:
    """Return what a graph calls for.

    Parameters
    ----------
    graph : Graph
    treatment, outcome : str
    columns : collection of str
        Those in the data; other nodes are not observed.
    method : str
        ``auto``, or the one that was asked for.
    takes : str
        What that method takes from a graph: ``back_door``, ``front_door``, ``instrument`` or
        ``nothing``; see `Row.by_graph`.
    force : bool
        Whether to go on with what there is, where the effect is not identified.

    Raises
    ------
    NotIdentified
        If no data could answer, or the method asked for cannot.
    """
    if takes == "nothing":
        text = f"method {method} rests on its design, not on the graph: the graph was not used"
        return GraphPlan(method, notes=(Note("graph_not_used", None, text),))
    hidden = set(graph.nodes) - set(columns)
    found = identify(graph, treatment, outcome, unobserved=hidden)
    strategy = found.strategy if method == "auto" else Strategy(takes)
    if not _offers(found, strategy):
        if not force:
            raise _refused(found, method)
        return _forced(graph, found, method, hidden)
    in_order = {name: position for position, name in enumerate(graph.nodes)}
    notes: tuple[Note, ...] = ()
    if not found.has_effect:
        notes = (Note("no_effect_by_graph", treatment, found.sentence),)
    plan = GraphPlan(
        method if method != "auto" else _METHOD.get(strategy, "auto"),
        reason=found.sentence,
        notes=notes,
        checks=(Check("identification", Outcome.PASS, found.sentence),),
        details={"identification": _table(found)},
    )
    match strategy:
        case Strategy.BACK_DOOR:
            adjusted = tuple(sorted(found.adjustment, key=in_order.__getitem__))
            return replace(plan, adjustment=adjusted)
        case Strategy.FRONT_DOOR:
            door = tuple(sorted(found.front_doors[0], key=in_order.__getitem__))
            return replace(plan, options={"mediators": door})
        case _:
            one = found.instruments[0]
            adjusted = tuple(sorted(one.given, key=in_order.__getitem__))
            return replace(plan, instruments=(one.name,), adjustment=adjusted)


def judge_given(
    graph: Graph,
    treatment: str,
    outcome: str,
    adjusted: Sequence[str],
    instruments: Sequence[str],
    *,
    force: bool,
) -> tuple[Check, ...]:
    """Hold what the user wants to adjust for, and instruments, against a graph.

    Raises
    ------
    NotIdentified
        If the graph speaks against it, unless it is forced: then the check fails.
    """
    if instruments:
        faults = [instrument_fault(graph, treatment, outcome, z, adjusted) for z in instruments]
        fault = next((text for text in faults if text is not None), None)
        good = f"By the graph {joined(instruments)} reaches {outcome} through {treatment} alone"
    else:
        fault = adjustment_fault(graph, treatment, outcome, adjusted)
        good = "By the graph the columns adjusted for close every back door"
    if fault is None:
        return (Check("identification", Outcome.PASS, good),)
    if not force:
        raise NotIdentified(
            fault,
            where=f"effect of {treatment} on {outcome}",
            remedy="Leave the choice to the graph (no adjustment, no instrument), or give "
            "force=True (--force) for a number that the graph says is wrong",
        )
    return (Check("identification", Outcome.FAIL, f"By the graph {fault}"),)


def _offers(found: Identification, strategy: Strategy) -> bool:
    match strategy:
        case Strategy.BACK_DOOR:
            return found.strategy is Strategy.BACK_DOOR
        case Strategy.FRONT_DOOR:
            return bool(found.front_doors)
        case Strategy.INSTRUMENT:
            return bool(found.instruments)
        case _:
            return False


def _refused(found: Identification, method: str) -> NotIdentified:
    what, remedy = found.problem, "Measure what opens it, correct the graph, or ask for bounds: "
    remedy += "method='bounds'"
    if method == "auto":
        what = found.sentence
    elif found.is_identified:
        what = f"method {method!r} cannot find it: {found.sentence}"
        remedy = "Take method='auto'"
    return NotIdentified(
        what or f"there is nothing for method {method!r} in the graph",
        where=f"effect of {found.treatment} on {found.outcome}",
        remedy=f"{remedy}. force=True (--force) gives a number that the graph says is wrong",
    )


def _forced(graph: Graph, found: Identification, method: str, hidden: set[str]) -> GraphPlan:
    """Return the plan to adjust for the observed causes of both sides, for what it is worth."""
    from whydrift.discovery.adjustment import possible_effects

    sides = {found.treatment, found.outcome}
    causes = frozenset().union(*(graph.ancestors(side) for side in sides))
    never = hidden | sides | possible_effects(graph, found.treatment, found.outcome)
    adjusted = tuple(name for name in graph.nodes if name in causes - never)
    said = f"By the graph the effect is not identified: {found.problem or found.sentence}"
    return GraphPlan(
        method, adjusted, reason=said, checks=(Check("identification", Outcome.FAIL, said),)
    )


def _table(found: Identification) -> Table:
    """Return all ways that the graph offers."""
    rows: list[tuple[str, str]] = []
    if found.optimal is not None:
        rows.append(("adjust for (most efficient)", ", ".join(sorted(found.optimal)) or "nothing"))
    rows += [("adjust for", ", ".join(sorted(s)) or "nothing") for s in found.minimal]
    rows += [("front door", ", ".join(sorted(s))) for s in found.front_doors]
    rows += [
        ("instrument", f"{z.name} given {', '.join(sorted(z.given)) or 'nothing'}")
        for z in found.instruments
    ]
    return Table("Ways to find the effect, by the graph", ("way", "columns"), tuple(rows))
