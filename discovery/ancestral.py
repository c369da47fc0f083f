"""MAGs and PAGs: graphs over observed columns where causes are hidden or rows were selected.

References
----------
Richardson & Spirtes (2002), Ancestral graph Markov models.
Zhang (2008), Causal reasoning with ancestral graphs.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from itertools import combinations

import numpy as np

from whydrift.discovery.errors import GraphError
from whydrift.discovery.graph import Edge, Graph, Mark
from whydrift.discovery.orientation import cpdag_to_dag
from whydrift.discovery.pag import CIRCLE, from_marks, orient_pag, with_colliders
from whydrift.discovery.separation import (
    anterior,
    as_nodes,
    connected_nodes,
    minimal_separator,
)

__all__ = [
    "dag_to_mag",
    "is_mag",
    "is_pag",
    "mag_problem",
    "mag_to_pag",
    "pag_problem",
    "pag_to_mag",
]


def dag_to_mag(graph: Graph, hidden: Collection[str] = (), selected: Collection[str] = ()) -> Graph:
    """Return the MAG of the observed nodes: the latent projection.

    Parameters
    ----------
    graph : Graph
        A DAG, or a graph with double-headed arrows for hidden common causes.
    hidden : collection of str
        Nodes that are not observed.
    selected : collection of str
        Nodes on whose values it depended which rows are seen; they are not observed either.

    Returns
    -------
    Graph
        Two nodes are joined where no set of observed nodes separates them given the selection; a
        tail stands at a node that causes the other one or the selection.

    Raises
    ------
    GraphError
        If a node is unknown, is both hidden and selected, or the graph has other marks.
    """
    unseen, fixed = as_nodes(graph, hidden), as_nodes(graph, selected)
    if unseen & fixed:
        raise GraphError(
            f"node {min(unseen & fixed)!r} is both hidden and selected",
            where="graph",
            remedy="Name it once",
        )
    _only(graph, {"-->", "<->"}, "a latent projection")
    observed = [n for n in graph.nodes if n not in unseen and n not in fixed]
    above = {n: graph.ancestors(n) | {n} for n in graph.nodes}
    above_selected: frozenset[str] = frozenset().union(*(above[n] for n in fixed))
    edges = []
    for a, b in combinations(observed, 2):
        # If any set separates them, their observed ancestors and those of the selection do.
        given = (above[a] | above[b] | above_selected) & set(observed) - {a, b}
        if b not in connected_nodes(graph, a, given | fixed):
            continue
        at_a = "-" if a in above[b] | above_selected else "<"
        at_b = "-" if b in above[a] | above_selected else ">"
        edges.append(Edge.of(a, f"{at_a}-{at_b}", b))
    return Graph(tuple(observed), tuple(edges))


def is_mag(graph: Graph) -> bool:
    """Whether the graph is a maximal ancestral graph; see `mag_problem`."""
    return mag_problem(graph) is None


def mag_problem(graph: Graph) -> str | None:
    """Return what keeps a graph from being a maximal ancestral graph, in words, or None.

    Parameters
    ----------
    graph : Graph
        Without circles; directed cycles are refused where it is made.
    """
    for edge in graph:
        if Mark.CIRCLE in (edge.mark_at_a, edge.mark_at_b):
            return f"{edge.a} {edge.mark} {edge.b} has a circle"
    for edge in graph:
        if edge.mark != "<->":
            continue
        for one, other in ((edge.a, edge.b), (edge.b, edge.a)):
            if one in graph.ancestors(other):
                return f"{edge.a} <-> {edge.b}, but a directed path leads from {one} to {other}"
    pointed_at = {
        end: edge
        for edge in graph
        for end, mark in ((edge.a, edge.mark_at_a), (edge.b, edge.mark_at_b))
        if mark is Mark.ARROW
    }
    for edge in graph:
        for end in (edge.a, edge.b):
            if edge.mark == "---" and end in pointed_at:
                arrow = pointed_at[end]
                return (
                    f"an arrow points at {end} ({arrow.a} {arrow.mark} {arrow.b}), where the "
                    f"undirected edge {edge.a} --- {edge.b} ends"
                )
    joined = {frozenset((edge.a, edge.b)) for edge in graph}
    for a, b in combinations(graph.nodes, 2):
        if frozenset((a, b)) in joined:
            continue
        if b in connected_nodes(graph, a, anterior(graph, (a, b)) - {a, b}):
            return f"no edge joins {a} and {b}, and no set of nodes separates them"
    return None


def pag_to_mag(graph: Graph) -> Graph:
    """Return a MAG of the class that a PAG describes, or raise where there is none.

    Circles at the tail of an arrow become tails; what is left of circles at both ends becomes a
    DAG without new v-structures.

    Parameters
    ----------
    graph : Graph
        A PAG.

    Raises
    ------
    GraphError
        If the marks are consistent with no MAG. (That one is found does not show that the graph is
        a whole PAG: marks that all members share may still be circles.)

    References
    ----------
    Zhang (2008), theorem 2.
    """
    circles = graph.with_edges(Edge.of(e.a, "---", e.b) for e in graph if e.mark == "o-o")
    decided = cpdag_to_dag(circles)
    if decided is None:
        raise _no_mag("its edges o-o cannot be directed without a new v-structure")
    direction = {frozenset((e.a, e.b)): (e.a, e.b) for e in decided}
    edges = []
    for edge in graph:
        if edge.mark == "o-o":
            a, b = direction[frozenset((edge.a, edge.b))]
            edges.append(Edge.of(a, "-->", b, confidence=edge.confidence, origin=edge.origin))
        elif Mark.CIRCLE in (edge.mark_at_a, edge.mark_at_b):
            edges.append(Edge(edge.a, edge.b, Mark.TAIL, Mark.ARROW, edge.confidence, edge.origin))
        else:
            edges.append(edge)
    try:
        mag = graph.with_edges(edges)
    except GraphError as error:
        raise _no_mag(error.what) from error
    problem = mag_problem(mag)
    if problem is None and _colliders(mag) != _colliders(graph):
        problem = "its circles hide a v-structure"
    if problem is not None:
        raise _no_mag(problem)
    return mag


def mag_to_pag(graph: Graph) -> Graph:
    """Return the PAG of a MAG: what all MAGs that separate the same have in common.

    Parameters
    ----------
    graph : Graph
        A MAG.

    Raises
    ------
    GraphError
        If it is none.

    References
    ----------
    Zhang (2008), On the completeness of orientation rules for causal discovery in the presence of
    latent confounders and selection bias, Artificial Intelligence 172, 1873-1896, theorem 4.
    """
    problem = mag_problem(graph)
    if problem is not None:
        raise GraphError(
            f"the graph is no MAG: {problem}",
            where="graph",
            remedy="`dag_to_mag` makes one of a DAG with hidden nodes",
        )
    names = graph.nodes
    place = {name: i for i, name in enumerate(names)}
    marks = np.zeros((len(names), len(names)), dtype=np.int64)
    for edge in graph:
        i, j = place[edge.a], place[edge.b]
        marks[i, j] = marks[j, i] = CIRCLE
    triples = [[place[x], place[z], place[y]] for (x, y), z in map(_in_order, _colliders(graph))]
    marks, _ = with_colliders(marks, np.array(triples, dtype=np.int64).reshape(-1, 3))

    def separates(theta: int, gamma: int, beta: int) -> bool:
        found = minimal_separator(graph, names[theta], names[gamma])
        assert found is not None, "of a MAG some set separates any two nodes that are apart"
        return names[beta] in found

    oriented = orient_pag(marks, separates)
    assert oriented is not None, "nothing was refused"
    before = {frozenset((e.a, e.b)): e for e in graph}
    pag = from_marks(names, oriented)
    return pag.with_edges(
        replace(e, confidence=old.confidence, origin=old.origin)
        for e in pag
        for old in (before[frozenset((e.a, e.b))],)
    )


def is_pag(graph: Graph) -> bool:
    """Whether the graph is the PAG of a class of MAGs; see `pag_problem`."""
    return pag_problem(graph) is None


def pag_problem(graph: Graph) -> str | None:
    """Return what keeps a graph from being a whole PAG, in words, or None.

    The graph is a PAG where a MAG of its class, made by `pag_to_mag`, has this very PAG.

    Parameters
    ----------
    graph : Graph
        With any marks; what FCI learns with knowledge is more oriented than a PAG.
    """
    try:
        mag = pag_to_mag(graph)
    except GraphError as error:
        return error.what
    own = {frozenset((e.a, e.b)): e for e in graph}
    for edge in mag_to_pag(mag):
        found = own[frozenset((edge.a, edge.b))]
        if (found.a, found.mark, found.b) != (edge.a, edge.mark, edge.b):
            return (
                f"{found.a} {found.mark} {found.b} stands where the MAGs of its class have "
                f"{edge.a} {edge.mark} {edge.b} in common"
            )
    return None


def _in_order(collider: tuple[frozenset[str], str]) -> tuple[tuple[str, str], str]:
    ends, middle = collider
    first, last = sorted(ends)
    return (first, last), middle


def _no_mag(why: str) -> GraphError:
    return GraphError(
        f"no MAG is consistent with these marks: {why}",
        where="graph",
        remedy="FCI on few rows may contradict itself; use a smaller alpha or more rows",
    )


def _colliders(graph: Graph) -> set[tuple[frozenset[str], str]]:
    """Return the unshielded colliders as (ends, middle)."""
    into: dict[str, list[str]] = {}
    for edge in graph:
        for near, far, mark in ((edge.a, edge.b, edge.mark_at_a), (edge.b, edge.a, edge.mark_at_b)):
            if mark is Mark.ARROW:
                into.setdefault(near, []).append(far)
    joined = {frozenset((edge.a, edge.b)) for edge in graph}
    return {
        (frozenset(pair), middle)
        for middle, ends in into.items()
        for pair in combinations(ends, 2)
        if frozenset(pair) not in joined
    }


def _only(graph: Graph, marks: set[str], what: str) -> None:
    for edge in graph:
        if edge.mark not in marks:
            raise GraphError(
                f"{what} is not defined with {edge.a} {edge.mark} {edge.b}",
                where="graph",
                remedy=f"Marks it may have: {' '.join(sorted(marks))}",
            )
