"""Orients edges: colliders, Meek's rules, and the way between DAGs and CPDAGs.

Inside, a graph is two boolean matrices: ``directed[i, j]`` for i → j and the symmetric
``undirected[i, j]`` for i — j.

References
----------
Meek (1995), Causal inference and causal explanation with background knowledge.
Dor & Tarsi (1992), A simple algorithm to construct a consistent extension of a partially
oriented graph.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from whydrift.discovery.arrays import BoolArray, IntArray
from whydrift.discovery.errors import GraphError
from whydrift.discovery.graph import Edge, Graph, Origin
from whydrift.discovery.knowledge import Knowledge

__all__ = [
    "collider_triples",
    "cpdag_to_dag",
    "dag_to_cpdag",
    "from_matrices",
    "known_directions",
    "meek",
    "on_cycles",
    "orient_colliders",
    "to_matrices",
    "unshielded_triples",
]


# ---- cycles -----------------------------------------------------------------------------------
def on_cycles(directed: BoolArray) -> BoolArray:
    """Return which directed edges lie on a directed cycle, shape (n_nodes, n_nodes)."""
    left = np.ones(len(directed), dtype=bool)  # peel off nodes without causes, then without effects
    for edges in (directed, directed.T):
        while True:
            free = left & ~(edges & left[:, None] & left[None, :]).any(axis=0)
            if not free.any():
                break
            left &= ~free
    out = np.zeros_like(directed)
    nodes = np.flatnonzero(left)
    if nodes.size:
        inner = directed[np.ix_(nodes, nodes)]
        out[np.ix_(nodes, nodes)] = inner & _reaches(inner).T
    return out


def _reaches(directed: BoolArray) -> BoolArray:
    """Return ``reaches[i, j]``: whether a directed path of length 1 or more leads from i to j."""
    reached = directed.astype(np.float32)
    for _ in range(len(directed).bit_length()):
        reached = ((reached + reached @ reached) > 0).astype(np.float32)
    return reached > 0


# ---- knowledge --------------------------------------------------------------------------------
def known_directions(adjacent: BoolArray, allowed: BoolArray) -> BoolArray:
    """Return the edges that knowledge alone directs, less those that it bends into cycles.

    Parameters
    ----------
    adjacent : ndarray of bool, shape (n_nodes, n_nodes)
        The skeleton, symmetric.
    allowed : ndarray of bool, shape (n_nodes, n_nodes)
        As `Knowledge.allowed_matrix` gives it.
    """
    forced = adjacent & allowed & ~allowed.T
    return forced & ~on_cycles(forced)


# ---- colliders --------------------------------------------------------------------------------
def unshielded_triples(adjacent: BoolArray) -> IntArray:
    """Return all (x, z, y) with x — z — y, x < y, and x and y apart; shape (n_triples, 3)."""
    found = [np.empty((0, 3), dtype=np.int64)]
    places: dict[int, tuple[IntArray, IntArray]] = {}  # of all pairs of so many neighbours
    for z, row in enumerate(adjacent):
        ends = np.flatnonzero(row)
        if len(ends) < 2:
            continue
        if len(ends) not in places:
            places[len(ends)] = np.triu_indices(len(ends), 1)
        first, second = places[len(ends)]
        x, y = ends[first], ends[second]
        triples = np.column_stack([x, np.full(len(x), z), y])
        found.append(triples[~adjacent[x, y]])
    return np.concatenate(found)


def collider_triples(directed: BoolArray) -> IntArray:
    """Return the v-structures x → z ← y of a directed graph; shape (n_triples, 3)."""
    triples = unshielded_triples(directed | directed.T)
    x, z, y = triples.T
    colliders: IntArray = triples[directed[x, z] & directed[y, z]]
    return colliders


def orient_colliders(
    directed: BoolArray, undirected: BoolArray, triples: IntArray, allowed: BoolArray
) -> tuple[BoolArray, BoolArray, int]:
    """Orient x → z ← y for each triple in turn; what an earlier one rules out stays as it was.

    Parameters
    ----------
    directed, undirected : ndarray of bool, shape (n_nodes, n_nodes)
        Directed edges have no cycle.
    triples : ndarray of int, shape (n_triples, 3)
        (x, z, y), the best supported first: their order decides where two of them clash.
    allowed : ndarray of bool, shape (n_nodes, n_nodes)
        Directions that knowledge permits.

    Returns
    -------
    directed, undirected : ndarray of bool
        Without a directed cycle.
    left_out : int
        Triples that clash with those before them, with knowledge, or would close a cycle.
    """
    directed, undirected = directed.copy(), undirected.copy()
    leads = _reaches(directed)  # kept up to date edge by edge
    np.fill_diagonal(leads, True)
    left_out = 0
    for x, z, y in triples.tolist():
        if leads[z, x] or leads[z, y] or not (allowed[x, z] and allowed[y, z]):
            left_out += 1
            continue
        for cause in (x, y):
            if not directed[cause, z]:
                directed[cause, z] = True
                undirected[cause, z] = undirected[z, cause] = False
                leads[leads[:, cause]] |= leads[z]
    return directed, undirected, left_out


# ---- Meek's rules -----------------------------------------------------------------------------
def meek(
    directed: BoolArray,
    undirected: BoolArray,
    allowed: BoolArray | None = None,
    ambiguous: IntArray | None = None,
) -> tuple[BoolArray, BoolArray]:
    """Orient what follows from the directed edges, by Meek's rules R1 to R4.

    All edges that follow at one time are oriented at one time, so that the result does not depend
    on the order of the nodes. Where the start contradicts itself (finite data), an edge that would
    have to point both ways, or would close a cycle, stays undirected.

    Parameters
    ----------
    directed, undirected : ndarray of bool, shape (n_nodes, n_nodes)
        Directed edges have no cycle.
    allowed : ndarray of bool, shape (n_nodes, n_nodes), optional
        Directions that knowledge permits.
    ambiguous : ndarray of int, shape (n_triples, 3), optional
        Unshielded (x, z, y) of which it is not known whether z is a collider: no rule relies on
        its not being one.

    Returns
    -------
    directed, undirected : ndarray of bool
        New matrices.
    """
    directed, undirected = directed.copy(), undirected.copy()
    open_ = undirected.copy() if allowed is None else undirected & allowed
    unsure = np.empty((0, 3), dtype=np.int64) if ambiguous is None else ambiguous
    unsure = np.concatenate([unsure, unsure[:, ::-1]])  # seen from either end
    while True:
        follows = _follows(directed, undirected, unsure) & open_
        new = follows & ~follows.T
        new &= ~on_cycles(directed | new)
        if not new.any():
            return directed, undirected
        directed |= new
        undirected &= ~(new | new.T)
        open_ &= undirected


def _follows(directed: BoolArray, undirected: BoolArray, unsure: IntArray) -> BoolArray:
    """Return the directions of undirected edges that one of the four rules asks for."""
    d, u = directed.astype(np.float32), undirected.astype(np.float32)
    adjacent = directed | directed.T | undirected
    apart = (~adjacent).astype(np.float32)
    np.fill_diagonal(apart, 0)
    ways = d.T @ apart  # R1: c → a — b, c and b apart
    x, z, y = unsure.T
    np.subtract.at(ways, (z, y), d[x, z])
    out: BoolArray = undirected & (ways > 0.5)
    out |= undirected & (d @ d > 0)  # R2: a → c → b
    a, b = np.nonzero(undirected & ~out)
    if not a.size:
        return out
    into = d[:, b].T  # (n_edges, n_nodes): c → b
    both = u[a] * into
    pairs = ((both @ apart) * both).sum(axis=1)  # R3: a — c → b, a — e → b, c and e apart
    far = u[a] * apart[b]  # a — c, c and b apart
    for x, z, y in unsure.tolist():
        at = a == z
        pairs[at] -= both[at, x] * both[at, y]
        far[at & (b == y), x] = 0
    near = adjacent[a] * into  # a adjacent to e, e → b
    fourth = ((far @ d) * near).any(axis=1)  # R4: a — c → e → b
    out[a, b] |= (pairs > 0.5) | fourth
    return out


# ---- graphs -----------------------------------------------------------------------------------
def from_matrices(
    names: Sequence[str],
    directed: BoolArray,
    undirected: BoolArray,
    required: frozenset[tuple[str, str]] = frozenset(),
) -> Graph:
    """Return the graph of two matrices; required edges carry that origin."""
    edges = [(names[i], "-->", names[j]) for i, j in np.argwhere(directed).tolist()]
    edges += [(names[i], "---", names[j]) for i, j in np.argwhere(np.triu(undirected)).tolist()]
    return Graph(
        tuple(names),
        tuple(
            Edge.of(a, mark, b, origin=Origin.REQUIRED if (a, b) in required else Origin.LEARNED)
            for a, mark, b in edges
        ),
    )


def dag_to_cpdag(graph: Graph, knowledge: Knowledge | None = None) -> Graph:
    """Return the class of DAGs that no data can tell from this one, knowledge granted.

    Parameters
    ----------
    graph : Graph
        A DAG.
    knowledge : Knowledge, optional
        Edges whose other direction it rules out keep their direction, and so do the edges that
        follow from them.

    Returns
    -------
    Graph
        Same nodes and adjacencies; edges that are directed differently in another member of the
        class are undirected and lose their confidence.

    Raises
    ------
    GraphError
        If an edge of the graph is not directed.

    References
    ----------
    Meek (1995), rules R1 to R4, which are complete with background knowledge.
    """
    if not graph.is_dag:
        edge = next(e for e in graph if not e.is_directed)
        raise GraphError(
            f"the edge {edge.a} {edge.mark} {edge.b} is not directed",
            where="graph",
            remedy="Give a DAG: every edge must have a direction",
        )
    directed, _ = to_matrices(graph)
    allowed = (knowledge or Knowledge()).allowed_matrix(graph.nodes)
    fixed = directed & ~allowed.T
    x, z, y = collider_triples(directed).T
    fixed[x, z] = fixed[y, z] = True
    position = {name: i for i, name in enumerate(graph.nodes)}
    for edge in graph:
        if edge.origin is Origin.REQUIRED:
            fixed[position[edge.a], position[edge.b]] = True
    known, _ = meek(fixed, (directed | directed.T) & ~fixed & ~fixed.T)
    return graph.with_edges(
        edge
        if known[position[edge.a], position[edge.b]]
        else Edge.of(edge.a, "---", edge.b, origin=edge.origin)
        for edge in graph
    )


def cpdag_to_dag(graph: Graph) -> Graph | None:
    """Return a DAG of the class: same adjacencies, same v-structures, all directed edges kept.

    Parameters
    ----------
    graph : Graph
        Directed and undirected edges.

    Returns
    -------
    Graph or None
        None where there is no such DAG, or where an edge has another mark.

    References
    ----------
    Dor & Tarsi (1992).
    """
    marks = {edge.mark for edge in graph}
    if not marks <= {"-->", "---"}:
        return None
    directed, undirected = to_matrices(graph)
    result = directed.copy()
    left = np.ones(len(graph.nodes), dtype=bool)
    while left.any():
        sink = _removable(directed, undirected, left)
        if sink is None:
            return None
        result[undirected[:, sink], sink] = True
        left[sink] = False
        for matrix in (directed, undirected):
            matrix[sink, :] = matrix[:, sink] = False
    position = {name: i for i, name in enumerate(graph.nodes)}
    edges = []
    for edge in graph:
        if edge.is_directed:
            edges.append(edge)
            continue
        ends = (edge.a, edge.b)
        a, b = ends if result[position[edge.a], position[edge.b]] else reversed(ends)
        edges.append(Edge.of(a, "-->", b, origin=edge.origin))
    return graph.with_edges(edges)


def _removable(directed: BoolArray, undirected: BoolArray, left: BoolArray) -> int | None:
    """Return a node without effects whose undirected neighbours see all its neighbours."""
    adjacent = directed | directed.T | undirected
    for node in np.flatnonzero(left & ~directed.any(axis=1)).tolist():
        around = adjacent[node]
        open_ = np.flatnonzero(undirected[node])
        seen = adjacent[open_]
        seen[np.arange(len(open_)), open_] = True
        if seen[:, around].all():
            return int(node)
    return None


def to_matrices(graph: Graph) -> tuple[BoolArray, BoolArray]:
    """Return the two matrices of a graph of directed and undirected edges."""
    count = len(graph.nodes)
    directed, undirected = np.zeros((2, count, count), dtype=bool)
    position = {name: i for i, name in enumerate(graph.nodes)}
    for edge in graph:
        i, j = position[edge.a], position[edge.b]
        if edge.is_directed:
            directed[i, j] = True
        else:
            undirected[i, j] = undirected[j, i] = True
    return directed, undirected
