"""The graphs that the data support, each with its weight: what a verdict is averaged over."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from whydrift.discovery.arrays import IntArray
from whydrift.discovery.graph import Edge, Graph, Origin
from whydrift.discovery.reach import reached

__all__ = ["Alternative", "Alternatives", "Parents"]

Parents = tuple[str, ...]

# A mechanism that changed costs a graph a factor of e³ = 20: of columns that nobody touched, one
# in twenty moves. The cost begins at p = .05 and is whole at .0005.
_LOG_ODDS = 3.0
_BEGINS, _WHOLE = 0.05, 0.0005
# A set of parents that moved too far to compare with says little for the graph or against it.
_UNTESTABLE = 0.3
# Of the edges that every graph has so many are right, since walks agree on what a wrong model says,
# too; and the odds of all are so much lower than their weight, since a graph is chosen for what it
# has. Fitted on driftbench's suite mid, seeds 0-2, as is the mean over before and after the tests;
# how far they hold elsewhere is measured in docs/verdict.md.
_SOUND, _ODDS = 0.975, 0.75


@dataclass(frozen=True, slots=True)
class Alternative:
    """One graph, as the parents of every column, and its weight."""

    parents: Mapping[str, Parents]
    weight: float


@dataclass(frozen=True)
class Alternatives:
    """Graphs over the same columns; their weights add up to 1.

    Parameters
    ----------
    graphs : tuple of Alternative
        At least one.
    required : frozenset of (cause, effect)
        Edges that all of them have since knowledge requires them.
    untested : Alternatives, optional
        The same before the tests of mechanisms had their say.
    """

    graphs: tuple[Alternative, ...]
    required: frozenset[tuple[str, str]] = frozenset()
    untested: Alternatives | None = None

    def parent_sets(self, column: str, least: float = 0.0) -> dict[Parents, float]:
        """Return a column's sets of parents of at least some weight, heaviest first.

        The weights of those returned add up to 1.
        """
        ranked = sorted(self._weights[column].items(), key=lambda item: (-item[1], item[0]))
        kept = [(p, w) for p, w in ranked if w >= least] or ranked[:1]
        total = sum(w for _, w in kept)
        return {parents: weight / total for parents, weight in kept}

    def edge_weights(self) -> dict[tuple[str, str], float]:
        """Return the weight of every edge (cause, effect) that any of the graphs has."""
        weights: defaultdict[tuple[str, str], float] = defaultdict(float)
        for effect, sets in self._weights.items():
            for causes, weight in sets.items():
                for cause in causes:
                    weights[cause, effect] += weight
        return dict(weights)

    def weight_of_ways(self, cause: str, effect: str) -> float:
        """Return the weight of the graphs in which one column leads to another."""
        return sum(g.weight for g in self.graphs if cause in _ancestors(g.parents, effect))

    @cached_property
    def _sets(self) -> dict[str, tuple[tuple[Parents, ...], IntArray]]:
        """Each column's sets of parents, and the number of every graph's among them.

        Sets are few and graphs many: what is asked of all graphs is looked up by number.
        """
        out: dict[str, tuple[tuple[Parents, ...], IntArray]] = {}
        for column in self.graphs[0].parents:
            number: dict[Parents, int] = {}
            of = [number.setdefault(g.parents[column], len(number)) for g in self.graphs]
            out[column] = tuple(number), np.array(of, dtype=np.int64)
        return out

    @cached_property
    def _weights(self) -> dict[str, dict[Parents, float]]:
        """The weight of each column's sets of parents."""
        weights = [g.weight for g in self.graphs]
        return {
            column: dict(zip(sets, np.bincount(of, weights, len(sets)).tolist(), strict=True))
            for column, (sets, of) in self._sets.items()
        }

    def simplest(self, p_values: Mapping[tuple[str, Parents], float | None]) -> Alternatives:
        """Return the graphs with weights that prefer few changed mechanisms.

        The score that weighed the graphs sees a changed mechanism only where it pays for all of
        the mechanism's parameters; the tests see fainter and narrower changes.

        Parameters
        ----------
        p_values : mapping of (column, parents) to float, optional
            Of the tests done, None where it could not be done. Sets of parents that were not
            tested count as untestable.

        References
        ----------
        Schölkopf et al. (2021), Toward causal representation learning: the sparse mechanism shift
        hypothesis.
        """
        columns = {column for column, _ in p_values}
        costs = np.zeros(len(self.graphs))
        for column, (sets, of) in self._sets.items():
            if column in columns:
                costs += np.array([_cost(p_values.get((column, parents))) for parents in sets])[of]
        least = costs.min()
        weights = [
            graph.weight * math.exp(_LOG_ODDS * more)
            for graph, more in zip(self.graphs, (least - costs).tolist(), strict=True)
        ]
        total = sum(weights)
        graphs = (
            Alternative(graph.parents, weight / total)
            for graph, weight in zip(self.graphs, weights, strict=True)
        )
        return replace(self, graphs=tuple(graphs), untested=self.untested or self)

    def turned(self, edges: frozenset[tuple[str, str]]) -> Alternatives:
        """Return the same graphs with some edges turned around, left out where that is a cycle.

        Parameters
        ----------
        edges : frozenset of (cause, effect)
            As they are.
        """
        graphs = (
            Alternative(_with_turned(graph.parents, edges), graph.weight) for graph in self.graphs
        )
        return replace(self, graphs=tuple(graphs), untested=self.untested or self)

    def graph(self, nodes: Parents) -> Graph:
        """Return the most typical graph: that whose columns' parents have most weight in all.

        Parameters
        ----------
        nodes : tuple of str
            The graph's nodes; those that no alternative knows have no edges.

        Notes
        -----
        An edge's confidence is the weight of the graphs that have it, before and after the tests
        in equal parts, at odds that much lower as edges of such weights are right less often. Tests
        choose among graphs that explain the windows alike, and are surer than they are right.
        """
        typical = np.zeros(len(self.graphs))
        for column, (sets, of) in self._sets.items():
            weight_of = self.parent_sets(column)
            typical += np.array([weight_of[parents] for parents in sets])[of]
        chosen = self.graphs[int(np.argmax(typical))]
        weights = [a.edge_weights() for a in (self, self.untested or self)]
        edges = []
        for effect, causes in chosen.parents.items():
            for cause in causes:
                edge = cause, effect
                weight = sum(min(1.0, w.get(edge, 0.0)) for w in weights) / len(weights)
                is_known = edge in self.required
                origin = Origin.REQUIRED if is_known else Origin.LEARNED
                confidence = 1.0 if is_known else _confidence(weight)
                edges.append(Edge.of(cause, "-->", effect, confidence=confidence, origin=origin))
        return Graph(nodes, tuple(edges))


def _with_turned(
    parents: Mapping[str, Parents], edges: frozenset[tuple[str, str]]
) -> Mapping[str, Parents]:
    there = sorted((a, b) for a, b in edges if a in parents[b])
    if not there:
        return parents
    out = {name: set(own) for name, own in parents.items()}
    for cause, effect in there:
        out[effect].discard(cause)
    for cause, effect in there:
        if cause not in _ancestors(out, effect):
            out[cause].add(effect)
    return {name: tuple(p for p in parents if p in own) for name, own in out.items()}


def _ancestors(parents: Mapping[str, Collection[str]], name: str) -> set[str]:
    """Return the columns that lead to one."""
    return reached(parents[name], parents.__getitem__)


def _confidence(weight: float) -> float:
    """Return how likely an edge is right that graphs of so much weight have."""
    odds = _ODDS * _SOUND * weight / (1 - _SOUND * weight)
    return odds / (1 + odds)


def _cost(p_value: float | None) -> float:
    """Return how much a mechanism with this p-value counts as changed, in [0, 1]."""
    if p_value is None:
        return _UNTESTABLE
    share = math.log(_BEGINS / max(p_value, 1e-300)) / math.log(_BEGINS / _WHOLE)
    return min(1.0, max(0.0, share))
