"""Asks the data whether a graph that was given can be right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.graph import Graph
from whydrift.discovery.independence.base import IndependenceTest
from whydrift.discovery.independence.registry import independence_test
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.words import joined, p_text

__all__ = ["lacks_edge_at", "missing_edges", "reversed_edges"]

_CODE = "graph_contradicts_data"
_LEVEL = 0.001  # of any warning of a missing edge, where the graph is right
_MOST_COLUMNS = 60  # beyond, pairs are too many for a check in passing
_MOST_TOLD = 3
_STILL = 1e-9  # of a number's size: rounding
_STABLE = 0.05  # a turned edge has to leave p-values above this

PValue = Callable[[str, tuple[str, ...]], float | None]


def missing_edges(
    graph: Graph, reference: Snapshot, usable: tuple[str, ...], parts: IntArray | None = None
) -> tuple[Note, ...]:
    """Warn of columns that the graph says are independent given the parents of one, and are not.

    A quick test picks pairs, and one that also holds for bent and uneven relations confirms them;
    both have to reject at the level divided by the number of pairs.

    Parameters
    ----------
    graph : Graph
        Checked where it is a DAG.
    reference : Snapshot
        The window that the graph is meant for.
    usable : tuple of str
        Columns that vary and hold what they should.
    parts : ndarray of int, shape (n_sampled,), optional
        Which past window each row came from: numbers are then taken about their window's mean,
        since twenty days are twenty draws of what days differ by, however many rows they have.

    Returns
    -------
    tuple of Note
        The strongest contradictions, code ``graph_contradicts_data``.

    References
    ----------
    Ankan, Wortel & Textor (2021), Testing graphical causal models using the R package "dagitty".
    """
    notes = []
    for later, other, parents, p_value in _missing(graph, reference, usable, parts):
        given = f" given {joined(parents)}" if parents else ""
        notes.append(
            Note(
                _CODE,
                later,
                f"the graph has no edge between {other!r} and {later!r}, but{given} they "
                f"depend on each other in the reference ({p_text(p_value)}): add the "
                f"edge, or {other} <-> {later} if a hidden cause joins them",
            )
        )
    return tuple(notes)


def lacks_edge_at(
    graph: Graph,
    reference: Snapshot,
    usable: tuple[str, ...],
    column: str,
    parts: IntArray | None = None,
) -> bool:
    """Whether the reference shows that an edge at one column is missing; see `missing_edges`."""
    return any(
        column in (later, other) for later, other, _, _ in _missing(graph, reference, usable, parts)
    )


def _missing(
    graph: Graph, reference: Snapshot, usable: tuple[str, ...], parts: IntArray | None
) -> tuple[tuple[str, str, tuple[str, ...], float], ...]:
    """Return the later and the other column of each missing edge, what is given, and a p-value."""
    known = set(usable)
    if not graph.is_dag or not 2 < len(known) <= _MOST_COLUMNS:
        return ()
    if parts is not None:
        reference, still = _about_own_mean(reference, usable, parts)
        known -= still  # a weekday: within a window nothing of it varies
    order = [n for n in graph.topological_order() if n in known]
    pairs = []
    for place, later in enumerate(order):
        parents = graph.parents(later)
        if known.issuperset(parents):  # else a cause is not there to be given
            pairs += [(later, other, parents) for other in order[:place] if other not in parents]
    if not pairs:
        return ()
    names = tuple(order)
    limit = _LEVEL / len(pairs)
    quick, _ = independence_test("mixed", reference, names)
    p_values = _tested(quick, names, pairs)
    suspects = [pairs[i] for i in np.argsort(p_values) if p_values[i] <= limit][:_MOST_TOLD]
    if not suspects:
        return ()
    careful, _ = independence_test("gcm", reference, names)
    confirmed = _tested(careful, names, suspects)
    return tuple(
        (*pair, float(p_value))
        for pair, p_value in zip(suspects, confirmed, strict=True)
        if p_value <= limit
    )


def _about_own_mean(
    reference: Snapshot, names: tuple[str, ...], parts: IntArray
) -> tuple[Snapshot, frozenset[str]]:
    """Return numbers less their past window's mean, and the names of those that never vary so."""
    out, still = {}, set()
    for name in names:
        if reference.schema[name].kind.is_discrete:
            continue
        values = reference.column(name)
        known = np.isfinite(values)
        rows = np.maximum(np.bincount(parts, known), 1)
        means = np.bincount(parts, np.where(known, values, 0.0)) / rows
        out[name] = values - means[parts]
        apart = np.abs(out[name][known])
        if apart.max(initial=0.0) <= _STILL * np.abs(values[known]).max(initial=0.0):
            still.add(name)
    return reference.with_sample(out), frozenset(still)


def reversed_edges(
    graph: Graph, moved: frozenset[str], limit: float, p_value: PValue
) -> tuple[Note, ...]:
    """Warn of edges that, turned around, leave fewer mechanisms changed.

    Parameters
    ----------
    graph : Graph
        Checked where it is a DAG.
    moved : frozenset of str
        Columns that moved of themselves by this graph.
    limit : float
        P-values up to it count as changed.
    p_value : callable
        Takes a column and its parents; returns the p-value of "the mechanism is as before".

    Returns
    -------
    tuple of Note
        Code ``graph_contradicts_data``.
    """
    notes: list[Note] = []
    if not graph.is_dag:
        return ()
    for edge in graph:
        cause, effect = edge.a, edge.b
        if not {cause, effect} <= moved or _closes_a_cycle(graph, cause, effect):
            continue
        turned = (
            p_value(cause, (*graph.parents(cause), effect)),
            p_value(effect, tuple(p for p in graph.parents(effect) if p != cause)),
        )
        for still, quiet, alone in ((*turned, cause), (*turned[::-1], effect)):
            if still is None or quiet is None or still > limit or quiet <= _STABLE:
                continue
            text = (
                f"by the graph both {cause!r} and {effect!r} moved of themselves; were {cause} --> "
                f"{effect} turned around, {alone!r} alone would have: check the edge's direction"
            )
            notes.append(Note(_CODE, effect, text))
    return tuple(notes[:_MOST_TOLD])


def _closes_a_cycle(graph: Graph, cause: str, effect: str) -> bool:
    """Whether the edge, turned around, closes a cycle with another path from cause to effect."""
    return any(cause in graph.ancestors(p) | {p} for p in graph.parents(effect) if p != cause)


def _tested(
    test: IndependenceTest, names: tuple[str, ...], pairs: list[tuple[str, str, tuple[str, ...]]]
) -> FloatArray:
    """Return p-values of pairs given sets, 1 where there is no answer."""
    position = {name: i for i, name in enumerate(names)}
    out = np.ones(len(pairs))
    by_size: defaultdict[int, list[int]] = defaultdict(list)
    for i, (_, _, parents) in enumerate(pairs):
        by_size[len(parents)].append(i)
    for size, chosen in by_size.items():
        x = np.array([position[pairs[i][0]] for i in chosen])
        y = np.array([position[pairs[i][1]] for i in chosen])
        given = np.array([[position[g] for g in pairs[i][2]] for i in chosen], dtype=np.int64)
        found = test(x, y, given.reshape(len(chosen), size))
        out[chosen] = np.where(np.isfinite(found), found, 1.0)
    return out
