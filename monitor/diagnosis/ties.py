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
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.graph import Edge, Graph
from whydrift.monitor.diagnosis.mechanism.base import MechanismTestResult
from whydrift.monitor.diagnosis.pair import WindowPair

__all__ = ["Tie", "changed_correlations", "given_for", "loose_edges", "tie_p_values", "told_ties"]

_LEAST_Z = 4.0  # of a changed correlation, for the pair to be tested
_MOST_PAIRS = 8
_MOST_EDGES = 6  # of one column
_AT_ONCE = 1_000  # features whose correlations with as many others are held at a time: 8 MB
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
    place = {name: at for at, name in enumerate(names)}
    ends = [[place[n] for n in both] for both in known if both <= place.keys()]
    largest = _largest_changes(pair, names)
    for a, b in ends:
        largest[[a, b], [b, a]] = 0.0
    rows, columns = np.triu_indices(len(names), 1)
    sizes = largest[rows, columns]
    order = np.argsort(-sizes, kind="stable")[:_MOST_PAIRS]
    found = [(names[rows[k]], names[columns[k]]) for k in order if sizes[k] >= _LEAST_Z]
    return tuple(found), len(rows) - len(ends)


@dataclass(frozen=True, slots=True)
class _Block:
    """Neighbouring columns and their features, in each window centred and of length one."""

    columns: IntArray  # their places among the names, ascending
    starts: IntArray  # where the features of each begin
    windows: tuple[FloatArray, FloatArray]


def _largest_changes(pair: WindowPair, names: tuple[str, ...]) -> FloatArray:
    """Return the largest |z| of a changed correlation between any features of two columns.

    Block by block: the correlations of all features, a dozen a category, would take gigabytes.

    Returns
    -------
    ndarray of shape (n_names, n_names)
        Right above the diagonal; 0 for columns without features.
    """
    largest = np.zeros((len(names), len(names)))
    error = sum(1 / max(n, 1) for n in (pair.split, len(pair.is_current) - pair.split))
    blocks = list(_blocks(pair, names))
    for at, one in enumerate(blocks):
        for other in blocks[at:]:
            change = _turned(one, other, 1)
            change -= _turned(one, other, 0)
            change /= np.sqrt(error)
            np.abs(change, out=change)
            by_column = np.maximum.reduceat(change, one.starts, axis=0)
            largest[np.ix_(one.columns, other.columns)] = np.maximum.reduceat(
                by_column, other.starts, axis=1
            )
    return largest


def _turned(one: _Block, other: _Block, window: int) -> FloatArray:
    """Return artanh of the correlations between the features of two blocks in one window."""
    out: FloatArray = one.windows[window].T @ other.windows[window]
    np.clip(out, -_LARGEST_R, _LARGEST_R, out=out)
    np.arctanh(out, out=out)
    return out


def _blocks(pair: WindowPair, names: tuple[str, ...]) -> Iterator[_Block]:
    """Yield the columns that have features, as many at a time as `_AT_ONCE` allows."""
    places: list[int] = []
    parts: list[FloatArray] = []
    width = 0
    for place, name in enumerate(names):
        part = pair.features(name).linear
        if not part.shape[1]:
            continue  # reduceat would take its neighbour's first feature for its own
        if parts and width + part.shape[1] > _AT_ONCE:
            yield _block(pair, places, parts)
            places, parts, width = [], [], 0
        places.append(place)
        parts.append(part)
        width += part.shape[1]
    if parts:
        yield _block(pair, places, parts)


def _block(pair: WindowPair, places: list[int], parts: list[FloatArray]) -> _Block:
    starts = np.cumsum([0, *(p.shape[1] for p in parts[:-1])])
    features = np.column_stack(parts)
    windows = _standardised(features[: pair.split]), _standardised(features[pair.split :])
    return _Block(np.array(places), starts, windows)


def _standardised(part: FloatArray) -> FloatArray:
    """Return features centred and of length one; missing values count as usual."""
    count = np.maximum(np.isfinite(part).sum(axis=0), 1)
    mean = np.nansum(part, axis=0) / count
    filled: FloatArray = np.where(np.isfinite(part), part - mean, 0.0)
    filled /= np.maximum(np.sqrt((filled**2).sum(axis=0)), 1e-12)
    return filled


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
