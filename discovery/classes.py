"""Markov equivalence classes: all DAGs that data cannot tell apart.

References
----------
Meek (1995), Causal inference and causal explanation with background knowledge.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from whydrift.discovery.arrays import BoolArray
from whydrift.discovery.errors import GraphError
from whydrift.discovery.graph import Edge, Graph
from whydrift.discovery.orientation import meek, on_cycles, unshielded_triples

__all__ = ["class_members", "is_cpdag"]

_MOST = 10_000


def class_members(graph: Graph, limit: int = _MOST) -> Iterator[Graph]:
    """Yield every DAG of a class: those that keep its edges, directions and v-structures.

    Parameters
    ----------
    graph : Graph
        A CPDAG, or one with more directed edges (by knowledge); of a DAG, itself is yielded.
    limit : int
        Most DAGs; a clique of 8 undirected nodes has 40,320.

    Yields
    ------
    Graph
        Each DAG once; edges keep their confidence and origin where they had that direction.

    Raises
    ------
    GraphError
        If an edge has a circle or two arrows, no DAG fits, or more than ``limit`` do.
    """
    for edge in graph:
        if edge.mark not in {"-->", "---"}:
            raise GraphError(
                f"the class of DAGs is not defined with {edge.a} {edge.mark} {edge.b}",
                where="graph",
                remedy="Give directed and undirected edges only",
            )
    place = {name: i for i, name in enumerate(graph.nodes)}
    directed, undirected = np.zeros((2, len(place), len(place)), dtype=bool)
    for edge in graph:
        i, j = place[edge.a], place[edge.b]
        if edge.is_directed:
            directed[i, j] = True
        else:
            undirected[i, j] = undirected[j, i] = True
    found = 0
    for member in _extensions(directed, undirected):
        if found == limit:
            raise GraphError(
                f"the class has more than {limit} DAGs",
                where="graph",
                remedy="Give a larger limit, or take fewer with itertools.islice",
            )
        found += 1
        yield graph.with_edges(
            e if e.is_directed else _turned(e, e.a if member[place[e.a], place[e.b]] else e.b)
            for e in graph
        )
    if not found:
        raise GraphError(
            "no DAG has these edges and no other v-structures",
            where="graph",
            remedy="Its directions contradict each other; direct or remove some edges",
        )


def is_cpdag(graph: Graph) -> bool:
    """Whether the graph is the whole CPDAG of a class: every direction that its members share."""
    from whydrift.discovery.orientation import cpdag_to_dag, dag_to_cpdag

    member = cpdag_to_dag(graph)
    if member is None:
        return False
    bare = dag_to_cpdag(Graph.from_pairs(((e.a, e.b) for e in member), nodes=graph.nodes))
    return {(e.a, e.mark, e.b) for e in bare} == {(e.a, e.mark, e.b) for e in graph}


def _turned(edge: Edge, cause: str) -> Edge:
    return Edge.of(cause, "-->", edge.b if cause == edge.a else edge.a, origin=edge.origin)


def _extensions(directed: BoolArray, undirected: BoolArray) -> Iterator[BoolArray]:
    """Yield DAGs: an open edge is turned either way, and what follows from that is done."""
    colliders = _colliders(directed, undirected)
    todo = [meek(directed, undirected)]
    while todo:
        directed, undirected = todo.pop()
        if _colliders(directed, undirected) != colliders or on_cycles(directed).any():
            continue  # never in a class's own graph, only where directions contradict each other
        open_ = np.argwhere(np.triu(undirected))
        if not len(open_):
            yield directed
            continue
        i, j = open_[0]
        for cause, effect in ((j, i), (i, j)):
            turned, rest = directed.copy(), undirected.copy()
            turned[cause, effect] = True
            rest[i, j] = rest[j, i] = False
            todo.append(meek(turned, rest))


def _colliders(directed: BoolArray, undirected: BoolArray) -> frozenset[tuple[int, ...]]:
    triples = unshielded_triples(directed | directed.T | undirected)
    x, z, y = triples.T
    return frozenset(tuple(t) for t in triples[directed[x, z] & directed[y, z]].tolist())
