"""d- and m-separation: what a set of nodes shields from what.

A walk is open given Z where each node on it lets it through: a collider (arrows from both sides)
if it is in Z or leads to Z, any other node if it is not in Z. Open walks reach the same nodes as
open paths, and are found in time linear in the edges (Bayes-ball).

References
----------
Shachter (1998), Bayes-ball: the rational pastime.
Richardson & Spirtes (2002), Ancestral graph Markov models.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache

from whydrift.discovery.errors import GraphError, nearest
from whydrift.discovery.graph import Graph, Mark

__all__ = [
    "Nodes",
    "anterior",
    "as_nodes",
    "connected_nodes",
    "is_separated",
    "markov_blanket",
    "minimal_separator",
    "read_as_decided",
]

Nodes = str | Iterable[str]


def is_separated(graph: Graph, x: Nodes, y: Nodes, given: Nodes = ()) -> bool:
    """Whether each node of ``x`` is m-separated from each node of ``y`` by ``given``.

    Parameters
    ----------
    graph : Graph
        A DAG, ADMG or MAG; of a CPDAG or PAG a member of the class is asked, since all members
        answer alike. A double-headed arrow is a hidden common cause. An undirected edge is that of
        a CPDAG where an arrow points at one of its ends, else both readings (CPDAG, MAG) agree.
    x, y, given : str or iterable of str
        Nodes; the three sets share none.

    Raises
    ------
    GraphError
        If a node is unknown, sets overlap, or the graph is not of these kinds.
    """
    left, right, fixed = (as_nodes(graph, nodes) for nodes in (x, y, given))
    for one, other in ((left, right), (left, fixed), (right, fixed)):
        if one & other:
            raise GraphError(
                f"node {min(one & other)!r} stands on two sides of the question",
                where="separation",
                remedy="Give three sets without a common node",
            )
    return not connected_nodes(graph, left, fixed) & right


def connected_nodes(graph: Graph, x: Nodes, given: Nodes = ()) -> frozenset[str]:
    """Return the nodes outside ``given`` to which an open path leads from ``x``, ``x`` included.

    Parameters and errors are those of `is_separated`.
    """
    left, fixed = as_nodes(graph, x), as_nodes(graph, given)
    member = read_as_decided(graph)
    leads_to_fixed = set(fixed).union(*(member.ancestors(node) for node in fixed))
    # A state is a node and whether the walk came in by an arrow; it leaves x as it likes.
    seen: set[tuple[str, bool]] = set()
    todo: list[tuple[str, bool]] = [
        (other, at_other is Mark.ARROW) for node in left for other, _, at_other in member.ends(node)
    ]
    while todo:
        state = todo.pop()
        if state in seen:
            continue
        seen.add(state)
        node, by_arrow = state
        for other, at_node, at_other in member.ends(node):
            collides = by_arrow and at_node is Mark.ARROW
            if node in leads_to_fixed if collides else node not in fixed:
                todo.append((other, at_other is Mark.ARROW))
    return (frozenset(node for node, _ in seen) | left) - fixed


def markov_blanket(graph: Graph, node: str) -> frozenset[str]:
    """Return the smallest set that separates a node from all others.

    In a DAG: parents, children and the children's other parents; with hidden common causes also
    what collider paths reach.

    Parameters
    ----------
    graph : Graph
        As in `is_separated`.
    node : str

    References
    ----------
    Pellet & Elisseeff (2008), Finding latent causes in causal networks: an efficient approach based
    on Markov blankets.
    """
    as_nodes(graph, node)
    member = read_as_decided(graph)
    found: set[str] = set()
    todo = [(other, at_other is Mark.ARROW) for other, _, at_other in member.ends(node)]
    through: set[str] = set()
    while todo:
        other, by_arrow = todo.pop()
        found.add(other)
        if by_arrow and other not in through:
            through.add(other)
            todo += [
                (far, at_far is Mark.ARROW)
                for far, at_other, at_far in member.ends(other)
                if at_other is Mark.ARROW
            ]
    return frozenset(found - {node})


def minimal_separator(
    graph: Graph, x: Nodes, y: Nodes, among: Collection[str] | None = None
) -> frozenset[str] | None:
    """Return a set that separates ``x`` from ``y`` and has no part that does, or None.

    Parameters
    ----------
    graph : Graph
        As in `is_separated`.
    x, y : str or iterable of str
    among : collection of str, optional
        Nodes it may hold; by default all others.

    References
    ----------
    van der Zander, Liśkiewicz & Textor (2019), Separators and adjustment sets in causal graphs:
    complete criteria and an algorithmic framework, propositions 3.1 and 3.4.
    """
    left, right = as_nodes(graph, x), as_nodes(graph, y)
    member = read_as_decided(graph)
    offered = set(graph.nodes if among is None else among) - left - right
    # If any set separates them, so do the offered nodes that lead to x or y.
    chosen = offered.intersection(anterior(member, left | right))
    if not is_separated(member, left, right, chosen):
        return None
    # Among these nodes separation is that of one undirected graph, so that one pass suffices.
    for node in sorted(chosen, key=graph.nodes.index):
        if is_separated(member, left, right, chosen - {node}):
            chosen.remove(node)
    return frozenset(chosen)


def anterior(graph: Graph, nodes: Iterable[str]) -> frozenset[str]:
    """Return the nodes from which a path of tails leads to ``nodes``, these included."""
    seen = set(nodes)
    todo = list(seen)
    while todo:
        for other, at_node, at_other in graph.ends(todo.pop()):
            # other → node or other — node, not node → other.
            leads = at_other is Mark.TAIL and (at_node is not Mark.CIRCLE)
            if leads and other not in seen:
                seen.add(other)
                todo.append(other)
    return frozenset(seen)


@lru_cache(maxsize=16)
def read_as_decided(graph: Graph) -> Graph:
    """Return the graph, or of a CPDAG or PAG a member of its class: a DAG or MAG.

    Raises
    ------
    GraphError
        If there is no member.
    """
    from whydrift.discovery.ancestral import pag_to_mag
    from whydrift.discovery.orientation import cpdag_to_dag

    if any(Mark.CIRCLE in (e.mark_at_a, e.mark_at_b) for e in graph):
        return pag_to_mag(graph)
    undirected = {end for e in graph if e.mark == "---" for end in (e.a, e.b)}
    pointed_at = {
        end
        for e in graph
        for end, mark in ((e.a, e.mark_at_a), (e.b, e.mark_at_b))
        if mark is Mark.ARROW
    }
    if not undirected & pointed_at:
        return graph
    member = cpdag_to_dag(graph)
    if member is None:
        raise GraphError(
            "no DAG has these edges and no other v-structures",
            where="graph",
            remedy="Its directions contradict each other (PC on few rows may do this); "
            "learn it by another method or direct its edges",
        )
    return member


def as_nodes(graph: Graph, nodes: Nodes) -> frozenset[str]:
    """Return the set of nodes, or raise where one is not in the graph.

    Raises
    ------
    GraphError
        It names the nearest node.
    """
    asked = frozenset((nodes,) if isinstance(nodes, str) else nodes)
    for name in sorted(asked.difference(graph.nodes), key=str):
        guess = nearest(name, graph.nodes)
        raise GraphError(
            f"unknown node {name!r}",
            where="graph",
            remedy=f"Did you mean {guess!r}?"
            if guess
            else f"Nodes are: {', '.join(graph.nodes[:20])}",
        )
    return asked
