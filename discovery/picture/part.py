"""Which part of a large graph to draw."""

from __future__ import annotations

from collections.abc import Sequence

from whydrift.discovery.graph import Graph

__all__ = ["MOST_NODES", "relevant_part"]

MOST_NODES = 40


def relevant_part(graph: Graph, first: Sequence[str] = (), most: int = MOST_NODES) -> Graph:
    """Return the graph, or of a large one the part that matters.

    Parameters
    ----------
    graph : Graph
    first : sequence of str
        Nodes to keep before all others; then come their causes and effects, then the nodes with
        most edges.
    most : int
        Nodes that are kept.
    """
    if len(graph.nodes) <= most:
        return graph
    kept = dict.fromkeys(n for n in first if n in graph.nodes)
    for name in list(kept):
        kept |= dict.fromkeys((*graph.parents(name), *graph.children(name)))
    kept |= dict.fromkeys(sorted(graph.nodes, key=lambda n: -len(graph.ends(n))))
    chosen = set(list(kept)[:most])
    return graph.with_nodes(n for n in graph.nodes if n in chosen)
