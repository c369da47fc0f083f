"""Pairs of columns that may depend on each other while neither is known to cause the other.

What such a pair has in common is in no column's own mechanism: with an open edge x --- y both are
tested without the other, and so they are with a hidden cause, x <-> y. Their joint distribution
given the parents of both is one mechanism; it stands where each column's own does and that of one
given the other, too.

References
----------
Tian & Pearl (2002), A general identification condition for causal effects: columns joined by
hidden causes factorise together, each given those before it and their parents.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.graph import Edge, Graph
from whydrift.monitor.diagnosis.mechanism.base import MechanismTestResult
from whydrift.monitor.diagnosis.pair import WindowPair

__all__ = ["Tie", "changed_correlations", "given_for", "loose_edges", "tie_p_values", "told_ties"]

_LEAST_Z = 4.0  # of a changed correlation, for the pair to be tested
_MOST_PAIRS = 8
_MOST_EDGES = 6  # of one column
_LARGEST_R = 1 - 1e-9  # arctanh(±1) is infinite


@dataclass(frozen=True, slots=True)
class Tie:
    """A test of "what two columns have in common is as before".

    Parameters
    ----------
    columns : tuple of str
        The two; of an edge the one that can be the effect comes second.
    result : MechanismTestResult
        Of one given the other and the parents of both.
    is_hidden_cause : bool
        Whether the graph puts what they have in common down to a hidden cause.
    has_edge : bool
        Whether the graph joins the two.
    pairs : int
        How many pairs its hypothesis is about; the p-value counts them.
    """

    columns: tuple[str, str]
    result: MechanismTestResult
    is_hidden_cause: bool = False
    has_edge: bool = True
    pairs: int = 1

    @property
    def key(self) -> str:
        """Name of its hypothesis in the family of the window's tests; no column can have it.

        All edges of the second column are one, and so are all pairs without an edge.
        """
        return f"\x00edges of {self.columns[1]}" if self.has_edge else "\x00pairs without an edge"

    @property
    def p_value(self) -> float | None:
        """P-value of the tie, or None where it could not be tested."""
        p_value = self.result.p_value
        return None if p_value is None else min(1.0, self.pairs * p_value)


def loose_edges(graph: Graph) -> tuple[Edge, ...]:
    """Return the edges by which neither end is a parent of the other, the later one second.

    Of twenty columns with one hidden cause each has an edge with each; which few of them a column
    is tested with hardly matters.
    """
    place = {name: at for at, name in enumerate(graph.topological_order())}
    out: defaultdict[str, list[Edge]] = defaultdict(list)
    for edge in graph:
        if edge.is_directed:
            continue
        turned = edge.mark in {"---", "o-o", "<->"} and place[edge.b] < place[edge.a]
        found = Edge.of(edge.b, edge.mark, edge.a) if turned else edge
        out[found.b].append(found)
    return tuple(edge for edges in out.values() for edge in edges[:_MOST_EDGES])


def given_for(graph: Graph, name: str, other: str, *, neighbours: bool = False) -> tuple[str, ...]:
    """Return what ``name`` is tested given: the other one and the parents of both.

    Parameters
    ----------
    graph : Graph
    name, other : str
    neighbours : bool
        Whether the columns that an open edge joins to either count as parents.
    """
    found = [other, *graph.parents(name), *graph.parents(other)]
    if neighbours:
        found += [*graph.undecided_neighbours(name), *graph.undecided_neighbours(other)]
    return tuple(dict.fromkeys(n for n in found if n != name))


def changed_correlations(
    pair: WindowPair, names: tuple[str, ...], joined: Iterable[frozenset[str]]
) -> tuple[tuple[tuple[str, str], ...], int]:
    """Return the pairs without an edge whose correlation changed most, and the number of all.

    A screen in passing: nothing is judged by it.

    Parameters
    ----------
    pair : WindowPair
    names : tuple of str
        Columns that can be tested.
    joined : iterable of frozenset of str
        Pairs that have an edge.
    """
    known = set(joined)
    owner = np.repeat(np.arange(len(names)), [pair.features(n).linear.shape[1] for n in names])
    change = np.abs(_change_of_correlation(pair, names))
    place = {name: at for at, name in enumerate(names)}
    ends = [[place[n] for n in both] for both in known if both <= place.keys()]
    largest = np.zeros((len(names), len(names)))
    np.maximum.at(largest, (owner[:, None], owner[None, :]), change)
    for a, b in ends:
        largest[[a, b], [b, a]] = 0.0
    rows, columns = np.triu_indices(len(names), 1)
    sizes = largest[rows, columns]
    order = np.argsort(-sizes, kind="stable")[:_MOST_PAIRS]
    found = [(names[rows[k]], names[columns[k]]) for k in order if sizes[k] >= _LEAST_Z]
    return tuple(found), len(rows) - len(ends)


def _change_of_correlation(pair: WindowPair, names: tuple[str, ...]) -> FloatArray:
    """Return z of the change of every two features' correlation; missing values count as usual."""
    features = np.column_stack([pair.features(n).linear for n in names])
    turned, error = [], 0.0
    for rows in (slice(None, pair.split), slice(pair.split, None)):
        part = features[rows]
        count = np.maximum(np.isfinite(part).sum(axis=0), 1)
        mean = np.nansum(part, axis=0) / count
        filled = np.where(np.isfinite(part), part - mean, 0.0)
        filled /= np.maximum(np.sqrt((filled**2).sum(axis=0)), 1e-12)
        turned.append(np.arctanh(np.clip(filled.T @ filled, -_LARGEST_R, _LARGEST_R)))
        error += 1 / max(len(part), 1)
    z: FloatArray = (turned[1] - turned[0]) / np.sqrt(error)
    return z


def tie_p_values(ties: Iterable[Tie]) -> dict[str, float]:
    """Return the p-value of every hypothesis: the smallest of its ties' (Bonferroni)."""
    out: dict[str, float] = {}
    for tie in ties:
        if tie.p_value is not None:
            out[tie.key] = min(tie.p_value, out.get(tie.key, 1.0))
    return out


def told_ties(
    ties: Sequence[Tie],
    graph: Graph,
    rejected: Container[str],
    origins: Iterable[str],
    limit: float,
) -> tuple[Tie, ...]:
    """Return the ties that changed where no change of a column explains it.

    Parameters
    ----------
    ties : sequence of Tie
    graph : Graph
    rejected : container of str
        Names of hypotheses, those of ties among them.
    origins : iterable of str
        Columns whose own mechanism moved. By one way to direct the edges at such a column its
        change is all there is: a column given its effect moves with the effect.
    limit : float
        P-values up to it are rejected in any case.
    """
    moved, least = set(origins), tie_p_values(ties)
    return tuple(
        t
        for t in ties
        if t.key in rejected
        and t.p_value is not None
        and t.p_value <= max(limit, least[t.key])
        and not moved & _near(graph, t)
    )


def _near(graph: Graph, tie: Tie) -> frozenset[str]:
    """Return the two columns and those that an edge without a known cause joins to either."""
    joined = [(e.a, e.b) for e in graph if not e.is_directed and {e.a, e.b} & set(tie.columns)]
    return frozenset(chain(tie.columns, *joined))
