"""Searches by score, from windows to a graph: copies set aside, the score built, edges oriented."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.errors import OptionError
from whydrift.discovery.graph import Graph
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.orientation import dag_to_cpdag, from_matrices, meek
from whydrift.discovery.progress import Progress, silent
from whydrift.discovery.scores.base import Score
from whydrift.discovery.scores.gaussian import residual_variances
from whydrift.discovery.scores.moments import LEAST_COMPLETE, gram_matrices
from whydrift.discovery.scores.registry import score_named
from whydrift.discovery.search.columns import copied_columns
from whydrift.discovery.search.seen_together import left_apart
from whydrift.discovery.search.windows import oriented_by_invariance, pooled
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = [
    "boss",
    "determined_by_neighbours",
    "ges",
    "grasp",
    "joined",
    "learn_by_score",
    "search_with_score",
]

# Random starts by the number of columns: what costs next to nothing.
_STARTS = ((30, 8), (60, 4), (150, 2))
# Share of variance left below which a column is a sum of others, to the last digits.
_DETERMINED = 1e-6
# Columns; with more, loading the compiled search pays. So it does with more than two windows.
_MOST_INTERPRETED = 10


def boss(
    snapshot: Snapshot,
    names: tuple[str, ...],
    *,
    other_windows: tuple[Snapshot, ...] = (),
    **options: Any,
) -> tuple[Graph, tuple[Note, ...]]:
    """Search over orders of the columns; options, errors and results are `learn_by_score`'s."""
    return learn_by_score("boss", (snapshot, *other_windows), names, **options)


def ges(
    snapshot: Snapshot, names: tuple[str, ...], **options: Any
) -> tuple[Graph, tuple[Note, ...]]:
    """Search over classes of graphs; options, errors and results are `learn_by_score`'s."""
    return learn_by_score("ges", (snapshot,), names, **options)


def grasp(
    snapshot: Snapshot, names: tuple[str, ...], **options: Any
) -> tuple[Graph, tuple[Note, ...]]:
    """Turn edges around in orders; options, errors and results are `learn_by_score`'s."""
    return learn_by_score("grasp", (snapshot,), names, **options)


def learn_by_score(
    search: Literal["boss", "ges", "grasp"],
    windows: Sequence[Snapshot],
    names: tuple[str, ...],
    *,
    score: str = "auto",
    knowledge: Knowledge | None = None,
    penalty: float = 1.0,
    random_state: int = 0,
    progress: Progress = silent,
) -> tuple[Graph, tuple[Note, ...]]:
    """Learn a graph by score.

    Parameters
    ----------
    search : {"boss", "ges", "grasp"}
        Over orders of the columns by moving columns, over classes of graphs, or over orders by
        turning edges around.
    windows : sequence of Snapshot
        With several, ``boss`` orients edges by what stays the same between them.
    names : tuple of str
        Columns that vary.
    score, penalty
        As in `score_named`.
    knowledge : Knowledge, optional
        Tiers, required and forbidden edges are honoured.
    random_state : int
        Seed of the starts.
    progress : Progress
        Told from time to time.

    Returns
    -------
    graph : Graph
        Over ``names``. A column that repeats another is joined to that one alone.
    notes : tuple of Note

    Raises
    ------
    OptionError
        If the score is unknown or does not serve the columns, or another search than ``boss``
        is given several windows.
    """
    if search != "boss" and len(windows) > 1:
        raise OptionError(
            f"method {search!r} takes one window",
            where="data",
            remedy="Use 'boss', or pool the windows",
        )
    known = (knowledge or Knowledge()).within(names)
    copies, copied = copied_columns(pooled(windows), names)
    kept = tuple(name for name in names if name not in copies)
    scored, choice = score_named(score, windows, kept, penalty=penalty)
    apart, gaps = left_apart(windows, kept, known.within(kept))
    if score == "bdeu":  # it counts all rows: to be missing is a level
        gaps = tuple(note for note in gaps if note.code == "never_together")
    graph, more = search_with_score(
        search,
        scored,
        knowledge=apart,
        windows=len(windows),
        random_state=random_state,
        progress=progress,
    )
    more = (*more, *_determined(pooled(windows), graph))
    return joined(graph, names, copies, known), (choice, *copied, *gaps, *more)


def search_with_score(
    search: Literal["boss", "ges", "grasp"],
    score: Score,
    *,
    knowledge: Knowledge | None = None,
    windows: int = 1,
    random_state: int = 0,
    progress: Progress = silent,
) -> tuple[Graph, tuple[Note, ...]]:
    """Learn the graph of a score's columns, of which none repeats another.

    Parameters
    ----------
    search, knowledge, random_state, progress
        As in `learn_by_score`.
    score : Score
    windows : int
        How many windows the score was built from.
    """
    known = (knowledge or Knowledge()).within(score.names)
    if len(score.names) < 2:
        return Graph(score.names), ()
    if search == "ges":
        from whydrift.discovery.search.ges import ges

        return ges(score, knowledge=known, progress=progress)
    starts = next((starts for most, starts in _STARTS if len(score.names) <= most), 1)
    if search == "grasp":
        from whydrift.discovery.search.grasp import grasp

        dag = grasp(
            score, knowledge=known, starts=starts, random_state=random_state, progress=progress
        )
        return dag_to_cpdag(dag, known), ()
    from whydrift.discovery.search.order import best_graph

    dag = best_graph(
        score,
        knowledge=known,
        starts=starts,
        random_state=random_state,
        progress=progress,
        compile_above=_MOST_INTERPRETED if windows <= 2 else 0,
    )
    if windows > 1:
        return oriented_by_invariance(dag, score, windows, known)
    return dag_to_cpdag(dag, known), ()


def _determined(window: Snapshot, graph: Graph) -> tuple[Note, ...]:
    """Return a note on each number that its neighbours in the graph determine: sums and the like.

    Which of them depends on which the data cannot tell, and a score sees edges among all of them.
    """
    numbers = tuple(n for n in graph.nodes if window.schema[n].kind.is_numeric)
    if len(numbers) < 2:
        return ()
    values = window.columns(numbers)
    if np.isfinite(values).all(axis=1).mean() < LEAST_COMPLETE:  # ridged moments show no sums
        return ()
    (gram,), _ = gram_matrices(values, np.array([0, len(values)]))
    covariance = gram[1:, 1:] - np.outer(gram[1:, 0], gram[0, 1:])
    return determined_by_neighbours(graph, numbers, covariance)


def determined_by_neighbours(
    graph: Graph, numbers: tuple[str, ...], covariance: FloatArray
) -> tuple[Note, ...]:
    """Return a note on each number that its neighbours in the graph determine.

    Parameters
    ----------
    graph : Graph
    numbers : tuple of str
        Its nodes that are numbers.
    covariance : ndarray of shape (n_numbers, n_numbers)
    """
    place = {name: i for i, name in enumerate(numbers)}
    near: dict[str, list[str]] = {name: [] for name in graph.nodes}
    for edge in graph:
        near[edge.a].append(edge.b)
        near[edge.b].append(edge.a)
    notes = []
    for name in numbers:
        around = [n for n in near[name] if n in place]
        index = [*(place[n] for n in around), place[name]]
        left = float(residual_variances(covariance[np.ix_(index, index)][None])[0])
        if around and left < _DETERMINED * covariance[place[name], place[name]]:
            text = (
                f"column {name!r} is determined by {', '.join(around[:5])}; which of them depends "
                "on which the data cannot tell, and edges among them may be wrong"
            )
            notes.append(Note("determined_column", name, text))
    return tuple(notes)


def joined(
    graph: Graph, names: tuple[str, ...], copies: Mapping[str, str], known: Knowledge
) -> Graph:
    """Return the graph over all columns, with each copy joined to its original."""
    if not copies:
        return graph.with_nodes(names)
    position = {name: i for i, name in enumerate(names)}
    directed, undirected = np.zeros((2, len(names), len(names)), dtype=bool)
    for edge in graph:
        i, j = position[edge.a], position[edge.b]
        if edge.is_directed:
            directed[i, j] = True
        else:
            undirected[i, j] = undirected[j, i] = True
    allowed = known.allowed_matrix(names)
    for copy, original in copies.items():
        i, j = position[copy], position[original]
        if allowed[i, j] and allowed[j, i]:
            undirected[i, j] = undirected[j, i] = True
        else:
            directed[i, j], directed[j, i] = allowed[i, j], allowed[j, i]
    directed, undirected = meek(directed, undirected, allowed)
    return from_matrices(names, directed, undirected, frozenset(known.required))
