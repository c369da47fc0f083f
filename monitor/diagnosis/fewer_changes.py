"""Learned edges that, turned around, leave one changed mechanism instead of several."""

from __future__ import annotations

from collections.abc import Callable

from whydrift.discovery.graph import Graph

__all__ = ["edges_to_turn"]

_CHANGED = 0.005  # p-values up to it: as the smallest of ten columns has to be
_STABLE = 0.1  # p-values above it: as before

PValue = Callable[[str, tuple[str, ...]], float | None]


def edges_to_turn(
    graph: Graph, p_value: PValue, settled: frozenset[tuple[str, str]]
) -> frozenset[tuple[str, str]]:
    """Return edges to columns that changed given a cause that changed, and are as before without.

    That such a column's mechanism changed, too, and just so that nothing is seen of either change,
    would be a coincidence; that its edge was learned the wrong way round, so that it is one of what
    the change was made of, is not: a relation that features do not follow closely enough
    leaves residuals in which any direction can be read.

    Parameters
    ----------
    graph : Graph
        Learned.
    p_value : callable
        Takes a column and its parents; returns the p-value of "the mechanism is as before".
    settled : frozenset of (cause, effect)
        Pairs that cannot be the other way round.

    References
    ----------
    Schölkopf et al. (2021), Toward causal representation learning: the sparse mechanism shift
    hypothesis.
    """

    def has_moved(name: str, parents: tuple[str, ...]) -> bool:
        found = p_value(name, parents)
        return found is not None and found <= _CHANGED

    moved = {n for n in graph.nodes if has_moved(n, graph.parents(n))}
    if len(moved) < 2:
        return frozenset()
    turned: dict[str, tuple[str, ...]] = {}
    for name in moved:
        parents = graph.parents(name)
        causes = tuple(p for p in parents if p in moved and (p, name) not in settled)
        if causes:
            without = p_value(name, tuple(p for p in parents if p not in causes))
            if without is not None and without > _STABLE:
                turned[name] = causes
    edges = {(cause, name) for name, causes in turned.items() for cause in causes}
    for cause in sorted({c for c, _ in edges} - turned.keys()):
        effects = tuple(sorted(n for c, n in edges if c == cause))
        if not has_moved(cause, (*graph.parents(cause), *effects)):
            edges -= {(cause, n) for n in effects}
    return frozenset(edges)
