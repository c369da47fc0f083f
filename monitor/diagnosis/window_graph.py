"""The graph that a comparison stands on: given, or learned from both windows together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise, product
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from whydrift.discovery.arrays import IntArray
from whydrift.discovery.errors import GraphError, nearest
from whydrift.discovery.graph import Edge, Graph, Origin
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.progress import Progress
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.schema import Role
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.after_target import after_target, with_after
from whydrift.monitor.diagnosis.alternatives import Alternative, Alternatives, Parents
from whydrift.monitor.diagnosis.assumed import with_assumed
from whydrift.monitor.diagnosis.derived import with_derived
from whydrift.monitor.diagnosis.how_many import how_much, with_how_many_first
from whydrift.monitor.diagnosis.lags import Lag, with_time_order
from whydrift.monitor.diagnosis.read_by_model import read_by_model
from whydrift.monitor.diagnosis.structural_gaps import (
    structural_gaps,
    with_gaps_filled,
    with_gaps_known,
)
from whydrift.monitor.diagnosis.words import joined

if TYPE_CHECKING:
    from whydrift.discovery.search.exact import Exact
    from whydrift.discovery.search.order_mcmc import WeightedGraph

__all__ = ["WindowGraph", "said_to_cause", "window_graph"]

_MOST_STRETCHES = 4  # of past windows: twice as many took twice as long and told no more
_LEAST_ROWS = 20  # of a column in the current window
_MOST_COLUMNS = 150  # an order search over more columns would take minutes
_FROM_BOTH = (
    "the graph was learned from both windows: it is the simplest explanation of the two "
    "together, not a certainty; give a graph or knowledge where you have them"
)
_FROM_MANY = (
    "the graph was learned from the current and all past windows: it is the simplest explanation "
    "of them together, not a certainty; give a graph or knowledge where you have them"
)
_FROM_REFERENCE = (
    "the graph was learned from the reference alone; edges may be missing or turned, and some "
    "have no direction"
)

_WITHOUT_CURRENT = (
    "the graph was learned from the reference alone, since {} has no sound values in the current "
    "window; edges may be missing or turned"
)


@dataclass(frozen=True)
class WindowGraph:
    """A graph over the columns compared, and what to say about it.

    Parameters
    ----------
    graph : Graph
        Given, or the most typical of the alternatives.
    notes : tuple of Note
    alternatives : Alternatives, optional
        The graphs that the windows support, where it was learned from both.
    knowledge : Knowledge, optional
        What learning it was bound to; None where the graph is given.
    """

    graph: Graph
    notes: tuple[Note, ...]
    alternatives: Alternatives | None = None
    knowledge: Knowledge | None = None


def window_graph(
    reference: Snapshot,
    current: Snapshot,
    names: tuple[str, ...],
    usable: tuple[str, ...],
    *,
    graph: Graph | None,
    knowledge: Knowledge | None,
    method: str,
    test: str,
    score: str,
    random_state: int,
    progress: Progress,
    parts: IntArray | None = None,
    clocks: tuple[str, ...] = (),
    calendar: frozenset[str] = frozenset(),
    lags: Mapping[str, Lag] = MappingProxyType({}),
    target: str | None = None,
    prediction: str | None = None,
) -> WindowGraph:
    """Return the given graph over ``names``, or one learned from ``usable`` columns.

    Parameters
    ----------
    reference, current : Snapshot
        ``current`` with its faults undone, so that a fault does not bend the graph.
    names, usable : tuple of str
        Columns compared, and those of them that can be modelled.
    graph, knowledge : optional
        At most one of the two.
    method, test, score, random_state, progress
        As in `discover`; ``auto`` searches over orders, and takes ``pc`` above 150 columns. Both
        learn from the two windows together, other methods from the reference alone.
    parts : ndarray of shape (n_reference_rows,), optional
        Which past window each reference row came from, ascending. What moved between any two of
        them tells the directions of edges.
    clocks : tuple of str
        Columns left out of the comparison, which a given graph may have.
    calendar : frozenset of str
        Columns of which the row's time says what they are: nothing else causes them.
    lags : mapping of str to Lag
        Columns that are others of earlier rows.
    target, prediction : str, optional
        The target is taken to cause none of the columns that its prediction follows, where
        knowledge says nothing of it.

    Raises
    ------
    GraphError
        If graph or knowledge name unknown columns, or both are given.
    """
    known_columns = reference.schema.names
    if graph is not None:
        if knowledge is not None and not knowledge.is_empty:
            raise GraphError(
                "a graph and knowledge are both given",
                where="graph",
                remedy="Give one: knowledge guides the learning of a graph",
            )
        still = {c.name for c in reference.schema if c.kind.is_modelled
                 and reference.is_constant(c.name)} | {*clocks}  # fmt: skip
        prediction = reference.schema.with_role(Role.PREDICTION)
        # What never varies carries nothing from its causes to its effects.
        moving = graph.with_nodes(n for n in graph.nodes if n in names or n not in still)
        return _given(moving, names, known_columns, prediction)
    known = (knowledge or Knowledge()).checked(known_columns).within(usable)
    if method == "auto":
        # The order search has a score and no test, and takes minutes on many columns.
        method = "pc" if test != "auto" or len(usable) > _MOST_COLUMNS else "boss"
    both = method in {"pc", "boss"}
    windows = (*_stretches(reference, parts), current) if both else (reference,)
    varying = tuple(n for n in usable if _varies(windows, n))
    gone = tuple(n for n in varying if np.isfinite(current.column(n)).sum() < _LEAST_ROWS)
    if len(gone) == len(varying):  # a window of a few rows
        gone = ()
    if method == "boss" and gone:
        # What such a column causes, only windows that have it can tell: learned from both, the
        # graph lacks its edges, and its children seem to have changed by themselves.
        windows = windows[:-1]
    if len(varying) < 2:
        return WindowGraph(Graph(names), ())
    exact: tuple[Exact, ...] = ()
    inputs: frozenset[str] = frozenset()
    if prediction is not None and reference.has(prediction):
        inputs = read_by_model(reference, prediction, [n for n in varying if n != target])
    known, is_last = with_assumed(known, varying, target, inputs, calendar)
    here = {n: lag for n, lag in lags.items() if {n, lag.of} <= set(varying)}
    known = with_time_order(known, here)
    after: tuple[str, ...] = ()
    if target is not None and target in varying:
        has_prediction = prediction is not None and reference.has(prediction)
        told = after_target(reference, varying, target, inputs, has_prediction=has_prediction)
        known, after = with_after(known, target, told)
    known = with_how_many_first(known, how_much(reference, varying))
    if both:
        known, exact = with_derived(reference, varying, known)
        gaps = structural_gaps(windows, varying)
        windows, known = with_gaps_filled(windows, gaps), with_gaps_known(known, gaps)
    alternatives = None
    if method == "boss":
        from whydrift.discovery.search.order_mcmc import supported_graphs

        found, notes = supported_graphs(
            windows,
            varying,
            score="spline_bic" if score == "auto" else score,
            knowledge=known,
            exact=exact,
            random_state=random_state,
            progress=progress,
        )
        alternatives = _named(found, varying, names, known)
        learned = alternatives.graph(names)
    elif method == "pc":
        from whydrift.discovery.search.context_pc import context_pc

        learned, notes = context_pc(windows, varying, test=test, knowledge=known, progress=progress)
    else:
        from whydrift.discovery.discover import learn_graph

        answer = learn_graph(
            reference,
            method,
            test=test,
            score=score,
            knowledge=known,
            random_state=random_state,
            progress=progress,
        )
        learned, notes = answer.graph, answer.notes
    text = (_FROM_MANY if len(windows) > 2 else _FROM_BOTH) if both else _FROM_REFERENCE
    if method == "boss" and gone:
        text = _WITHOUT_CURRENT.format(joined(gone))
    if is_last:
        text += f"; {target!r} is taken to cause none of the columns that {prediction!r} follows"
    if after:
        tell = "tell what it is, and are" if len(after) > 1 else "tells what it is, and is"
        text += f"; {joined(after)} {tell} taken to have come after {target!r}"
    note = Note("graph_learned", None, text)
    return WindowGraph(learned.with_nodes(names), (note, *notes), alternatives, known)


def said_to_cause(graph: Graph | None, knowledge: Knowledge | None) -> frozenset[str]:
    """Return the columns of which somebody said that they cause or follow from another one."""
    edges = () if graph is None else [e for e in graph if e.origin is not Origin.LEARNED]
    pairs = [(e.a, e.b) for e in edges]
    pairs += () if knowledge is None else knowledge.required
    return frozenset(name for pair in pairs for name in pair)


def _stretches(reference: Snapshot, parts: IntArray | None) -> tuple[Snapshot, ...]:
    """Return the reference's past windows, several as one where they are many."""
    if parts is None or not len(parts) or parts[0] == parts[-1]:
        return (reference,)
    numbers = np.unique(parts)
    stretches = np.array_split(numbers, min(_MOST_STRETCHES, len(numbers)))
    bounds = np.searchsorted(parts, [*(s[0] for s in stretches), numbers[-1] + 1])
    return tuple(
        reference.take(np.arange(start, stop)) for start, stop in pairwise(bounds.tolist())
    )


def _named(
    graphs: tuple[WeightedGraph, ...],
    varying: tuple[str, ...],
    names: tuple[str, ...],
    knowledge: Knowledge,
) -> Alternatives:
    """Return graphs over column numbers as graphs over names; the other columns have no edges."""
    nobody: dict[str, Parents] = dict.fromkeys(names, ())
    return Alternatives(
        tuple(
            Alternative(
                nobody
                | {
                    name: tuple(varying[p] for p in parents)
                    for name, parents in zip(varying, graph.parents, strict=True)
                },
                graph.weight,
            )
            for graph in graphs
        ),
        frozenset(knowledge.required),
    )


def _varies(windows: tuple[Snapshot, ...], name: str) -> bool:
    """Whether a column has two values in the windows' samples together."""
    values = np.concatenate([w.column(name) for w in windows])
    values = values[np.isfinite(values)]
    return bool(values.size) and bool(np.any(values != values[0]))


def _given(
    graph: Graph, names: tuple[str, ...], known: tuple[str, ...], prediction: str | None
) -> WindowGraph:
    there = set(known)
    for node in graph.nodes:
        if node not in there:
            guess = nearest(node, known)
            raise GraphError(
                f"unknown column {node!r}",
                where="graph",
                remedy=f"Did you mean {guess!r}?"
                if guess
                else f"Columns are: {', '.join(known[:20])}",
            )
    notes = []
    outside = [n for n in names if n not in graph.nodes]
    if outside and len(outside) <= len(names):
        notes.append(
            Note(
                "not_in_graph",
                outside[0] if len(outside) == 1 else None,
                f"not in the given graph, treated as without causes: {joined(outside, 10)}",
            )
        )
    # The prediction follows from its causes and is judged on its own: leaving it out is no loss,
    # unless it was said to cause something.
    is_end = prediction in graph.nodes and not graph.children(prediction)
    ends = {prediction} if is_end else set()
    dropped = [n for n in graph.nodes if n not in names and n not in ends]
    if any(graph.parents(n) or graph.children(n) for n in dropped):
        rest = _without(graph, dropped)
        how = "left out of the graph" if rest is None else "what they stood between is joined"
        notes.append(Note("graph_cut", None, f"not judged, and {how}: {joined(dropped, 10)}"))
        graph = graph if rest is None else rest
    return WindowGraph(graph.with_nodes(names), tuple(notes))


def _without(graph: Graph, dropped: Sequence[str]) -> Graph | None:
    """Return the graph that a DAG implies for the other columns, or None for other graphs.

    Cut out of it, a column between two others would leave the second without its cause, and to
    blame for what it inherited; a cause of two would leave them unrelated. So each parent becomes
    one of each child, and children become siblings by a hidden cause (Verma & Pearl 1990). Of two
    columns that are joined in both ways the cause stays.
    """
    if any(edge.mark not in {"-->", "<->"} for edge in graph):
        return None
    known = {(e.a, e.mark, e.b): e for e in graph}
    causes = {(e.a, e.b) for e in graph if e.is_directed}
    siblings = {frozenset((e.a, e.b)) for e in graph if not e.is_directed}
    for name in dropped:
        above = {a for a, b in causes if b == name}
        below = {b for a, b in causes if a == name}
        beside = {end for pair in siblings if name in pair for end in pair - {name}}
        causes = {c for c in causes if name not in c} | set(product(above, below))
        siblings = {p for p in siblings if name not in p}
        siblings |= {frozenset(p) for p in combinations(sorted(below), 2)}
        siblings |= {frozenset(p) for p in product(beside, below) if p[0] != p[1]}
    siblings -= {frozenset(pair) for pair in causes}
    nodes = [n for n in graph.nodes if n not in set(dropped)]
    edges = [Edge.of(a, "-->", b, origin=Origin.GIVEN) for a, b in sorted(causes)]
    edges += [
        Edge.of(one, "<->", other, origin=Origin.GIVEN)
        for one, other in sorted(tuple(sorted(pair)) for pair in siblings)
    ]
    return Graph(tuple(nodes), tuple(known.get((e.a, e.mark, e.b), e) for e in edges))
