"""Greedy equivalence search: the best move in the space of classes of DAGs, until none gains.

References
----------
Chickering (2002), Optimal structure identification with greedy search.
Nazaret & Blei (2024), Extremely greedy equivalence search: deletes before inserts.
"""

from __future__ import annotations

import numpy as np

from whydrift.discovery._compiled import telling
from whydrift.discovery.graph import Graph
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.orientation import from_matrices
from whydrift.discovery.progress import Progress, silent
from whydrift.discovery.scores.base import Score
from whydrift.discovery.search._ges_kernel import climb, complete, new_moves, new_state
from whydrift.discovery.search._score_kernel import improver

__all__ = ["ges"]

_STEPS = 50  # moves between two words on the progress


def ges(score: Score, *, knowledge: Knowledge | None = None, progress: Progress = silent) -> Graph:
    """Learn a CPDAG by greedy equivalence search.

    The search begins without edges (but for those required), and makes the best of all single
    inserts or, where one gains, deletes. With rows enough it ends in the true class, if the score
    is the same in all graphs of a class.

    Parameters
    ----------
    score : Score
        Over the columns of the graph.
    knowledge : Knowledge, optional
        Required edges are there from the start and stay; no edge is put where both directions are
        forbidden; what knowledge leaves one direction is directed that way.
    progress : Progress
        Told from time to time; the number of moves ahead is not known.

    Returns
    -------
    Graph
        Directed and undirected edges, never with a directed cycle.
    """
    names = score.names
    count = len(names)
    known = (knowledge or Knowledge()).within(names)
    allowed = known.allowed_matrix(names)
    position = {name: i for i, name in enumerate(names)}
    required = np.zeros((count, count), dtype=bool)
    for cause, effect in known.required:
        required[position[cause], position[effect]] = True
    state = new_state(count)
    state.directed[:] = required
    moves, looked = new_moves(count), np.zeros((count, count), dtype=np.int64)
    fresh, exact = new_state(count), new_moves(count)
    stale = np.ones(count, dtype=bool)
    arrays = score.arrays()
    most = max(score.most_parents, int(required.sum(axis=0).max(initial=0)))
    stay, taken = required.copy(), np.zeros((count, count), dtype=np.int64)
    made, total = _STEPS, 0
    with telling(progress):
        improve = improver(arrays)
        possible = complete(state, allowed)
        assert possible, "Knowledge refuses cycles"
        while made == _STEPS:
            progress("learning the graph", total, total + _STEPS)
            made = climb(
                improve, arrays, state, fresh, allowed, stay, most, moves, exact, looked, stale,
                taken, _STEPS,
            )  # fmt: skip
            total += made
    progress("learning the graph", total, total)
    return from_matrices(names, state.directed, state.undirected, frozenset(known.required))
