"""Edges of a learned graph that the tests say go the other way.

Windows in which one mechanism moved tell directions: a cause stands, and so does an effect given
its causes. Where the graph has it otherwise, it is the graph that is wrong, and what is told of the
columns must not hang on it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from itertools import combinations

from whydrift.discovery.graph import Edge, Graph

__all__ = ["edges_to_turn", "put_before"]

_CHANGED = 0.005  # p-values up to it: as the smallest of ten columns has to be
_STABLE = 0.02  # p-values above it: as before

PValue = Callable[[str, tuple[str, ...]], float | None]


def edges_to_turn(
    graph: Graph, p_value: PValue, may_turn: Callable[[str, str], bool]
) -> frozenset[tuple[str, str]]:
    """Return edges to columns that changed given a cause that changed, and are as before without.

    That such a column's mechanism changed, too, and just so that nothing is seen of either change,
    would be a coincidence; that its edge was learned the wrong way round is none: a relation that
    features do not follow closely enough leaves residuals in which any direction can be read.
    So it is where the cause inherited its change, and does so beside the effect as well.
    Where two columns that seem to have changed with a cause have no edge between them, their edges
    are right, and the cause reads otherwise: two causes of one column depend on each other given
    it.

    Parameters
    ----------
    graph : Graph
        Learned; of one that is no DAG nothing is turned.
    p_value : callable
        Takes a column and its parents; returns the p-value of "the mechanism is as before".
    may_turn : callable
        Takes a cause and its effect; whether it may be the other way round.

    References
    ----------
    Schölkopf et al. (2021), Toward causal representation learning: the sparse mechanism shift
    hypothesis.
    """

    def has_moved(name: str, parents: tuple[str, ...]) -> bool:
        found = p_value(name, parents)
        return found is not None and found <= _CHANGED

    moved = {n for n in graph.nodes if has_moved(n, graph.parents(n))}
    if not moved or not graph.is_dag:
        return frozenset()
    edges = set()
    for name in moved:
        parents = graph.parents(name)
        turnable = (p for p in parents if may_turn(p, name))
        causes = tuple(p for p in turnable if p in moved or has_moved(p, ()))
        if causes:
            without = p_value(name, tuple(p for p in parents if p not in causes))
            if without is not None and without > _STABLE:
                edges |= {(cause, name) for cause in causes}
    for cause in graph.topological_order():
        effects = tuple(sorted(n for c, n in edges if c == cause))
        if not effects or any(n == cause for _, n in edges):
            continue
        torn = [n for n in graph.children(cause) if n in moved]
        are_joined = all(graph.edge_between(*pair) for pair in combinations(torn, 2))
        # One that inherited its change does so beside what it follows from, too.
        moves = has_moved(cause, (*graph.parents(cause), *effects))
        if not are_joined or moves != (cause in moved):
            edges -= {(cause, n) for n in effects}
    return frozenset(edges)


def put_before(graph: Graph, cause: str, effects: Collection[str]) -> Graph:
    """Return the graph in which some columns follow from one that may have followed from them.

    Edges from them to it, or to what it follows from, are turned; other ways than those there are
    none, so that the result has no cycle. A graph that is no DAG is returned as it is.
    """
    if not graph.is_dag or cause in effects:
        return graph
    later = frozenset(effects)
    earlier = (graph.ancestors(cause) | {cause}) - later
    edges = [replace(e, a=e.b, b=e.a) if e.a in later and e.b in earlier else e for e in graph]
    joined_to = {frozenset((e.a, e.b)) for e in edges}
    new = [n for n in effects if frozenset((cause, n)) not in joined_to]
    return graph.with_edges((*edges, *(Edge.of(cause, "-->", n) for n in new)))
