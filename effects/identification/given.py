"""Columns that a user wants to adjust for, or an instrument, held against a graph."""

from __future__ import annotations

from collections.abc import Collection

from whydrift.discovery.adjustment import (
    adjustment_problem,
    is_adjustment_set,
    open_way,
    possible_effects,
)
from whydrift.discovery.errors import GraphError, nearest
from whydrift.discovery.graph import Graph
from whydrift.discovery.separation import is_separated

__all__ = ["adjustment_fault", "instrument_fault"]


def adjustment_fault(
    graph: Graph, treatment: str, outcome: str, adjusted: Collection[str]
) -> str | None:
    """Return what is wrong with adjusting for some columns, by the graph, or None.

    A column on the way from treatment to outcome (a mediator), another effect of the treatment, or
    a collider is named.

    Raises
    ------
    GraphError
        If a column is not in the graph.
    """
    _check_nodes(graph, {treatment, outcome, *adjusted})
    if is_adjustment_set(graph, treatment, outcome, adjusted):
        return None
    caused = graph.descendants(treatment)
    between = graph.mediators(treatment, outcome)
    after = graph.descendants(outcome)
    for name in adjusted:
        if name in between:
            return (
                f"{name} lies between {treatment} and {outcome} (a mediator): adjusting for it "
                "takes part of the effect away"
            )
        if name in after:
            return (
                f"{name} is caused by the outcome {outcome}: adjusting for it selects on what is "
                "asked about"
            )
        if name in caused:
            return (
                f"{name} is caused by the treatment {treatment}: adjusting for it takes part of "
                "the effect away or opens a way that is not causal"
            )
    for name in sorted(set(adjusted) & possible_effects(graph, treatment, outcome)):
        return f"{name} may be caused by the treatment {treatment}, by edges that are not directed"
    for name in adjusted:
        rest = set(adjusted) - {name}
        if is_adjustment_set(graph, treatment, outcome, rest):
            opened = " ".join(open_way(graph, treatment, outcome, adjusted))
            return f"{name} is a collider: adjusting for it opens the way {opened}"
    way = open_way(graph, treatment, outcome, adjusted)
    if way:
        return f"the way {' '.join(way)} stays open"
    return adjustment_problem(graph, treatment, outcome, adjusted)


def instrument_fault(
    graph: Graph, treatment: str, outcome: str, instrument: str, adjusted: Collection[str]
) -> str | None:
    """Return why a column is no instrument given what is adjusted for, by the graph, or None.

    Raises
    ------
    GraphError
        If a column is not in the graph, or an edge is not directed.
    """
    _check_nodes(graph, {treatment, outcome, instrument, *adjusted})
    for edge in graph:
        if edge.mark not in {"-->", "<->"}:
            raise GraphError(
                f"an instrument cannot be judged where {edge.a} {edge.mark} {edge.b} is open",
                where="graph",
                remedy="Direct its edges, or leave the graph out",
            )
    later = graph.descendants(treatment) | {treatment, outcome}
    for name in sorted(set(adjusted) & later):
        return f"{name}, which is adjusted for, is caused by {treatment}"
    if instrument in later:
        return f"{instrument} is caused by {treatment}"
    through = graph.with_edges(e for e in graph if not (e.is_directed and e.a == treatment))
    if not is_separated(through, instrument, outcome, adjusted):
        return f"{instrument} reaches {outcome} by another way than through {treatment}"
    if is_separated(graph, instrument, treatment, adjusted):
        return f"{instrument} does not move {treatment}"
    return None


def _check_nodes(graph: Graph, names: Collection[str]) -> None:
    for name in sorted(names):
        if name not in graph.nodes:
            guess = nearest(name, graph.nodes)
            hint = f"Did you mean {guess!r}? " if guess else ""
            raise GraphError(
                f"column {name!r} is not in the graph, so that nothing is known of it",
                where="graph",
                remedy=f"{hint}Add it with its edges, or leave it out",
            )
