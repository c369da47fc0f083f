"""Greedy equivalence search: the best move in the space of classes of DAGs, until none gains.

References
----------
Chickering (2002), Optimal structure identification with greedy search.
Nazaret & Blei (2024), Extremely greedy equivalence search: deletes before inserts, and edges taken
out for good to see whether the search then ends higher.
Andrews, Ramsey, Sanchez Romero, Camchong & Kummerfeld (2023), Fast scalable and accurate
discovery of DAGs using the best order score search and grow-shrink trees: columns moved.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whydrift.discovery._compiled import telling
from whydrift.discovery.arrays import BoolArray
from whydrift.discovery.graph import Graph
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.orientation import from_matrices
from whydrift.discovery.progress import Progress, silent
from whydrift.discovery.scores.base import CountArrays, Score
from whydrift.discovery.search._ges_kernel import (
    ALLOWED,
    IN,
    LINE,
    MOST_CLIQUES,
    NONE,
    OUT,
    STAY,
    TAKEN,
    climb,
    new_gains,
    new_room,
    new_state,
)
from whydrift.discovery.search._score_kernel import improver
from whydrift.discovery.snapshot.note import Note

__all__ = ["ges"]

_STEPS = 50  # moves between two words on the progress
# Columns up to which the search tries to end higher, and how often, per column.
_MOST_TRIED, _MOST_TRIALS = 50, 20
# Where rows are counted, cells looked at in all trials: some seconds.
_MOST_CELLS = 30_000_000
_TIE = 1e-4  # of a whole graph's score: its rounding


def ges(
    score: Score, *, knowledge: Knowledge | None = None, progress: Progress = silent
) -> tuple[Graph, tuple[Note, ...]]:
    """Learn a CPDAG by greedy equivalence search.

    The search begins without edges (but for those required), and makes the best of all single
    inserts or, where one gains, deletes. With rows enough it ends in the true class, if the score
    is the same in all graphs of a class. With few rows or many edges it ends too early. Up to 50
    columns it therefore goes on as if knowledge forbade all edges from a column, all edges to one,
    or a single one; then without that. Where this ends higher it stays, and tries all that again.
    The tries are bounded; over categories of many rows there are few, or none.

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
    graph : Graph
        Directed and undirected edges, never with a directed cycle.
    notes : tuple of Note
        A ``search_cut_short`` for each column where not all moves were looked at.
    """
    names = score.names
    known = (knowledge or Knowledge()).within(names)
    position = {name: i for i, name in enumerate(names)}
    required = np.zeros((len(names), len(names)), dtype=bool)
    for cause, effect in known.required:
        required[position[cause], position[effect]] = True
    with telling(progress):
        climber = _Climber(score, known.allowed_matrix(names), required, progress)
        climber.climb()
        if len(names) <= _MOST_TRIED:
            climber.go_higher()
    progress("learning the graph", climber.made, climber.made)
    marks = climber.state.marks
    graph = from_matrices(names, marks == OUT, marks == LINE, frozenset(known.required))
    return graph, tuple(_cut_short(name) for name in np.array(names)[climber.room.cut_short])


def _cut_short(name: str) -> Note:
    text = (
        f"around column {name!r} ges looked at the {MOST_CLIQUES:,} smallest sets of neighbours "
        "that are joined to each other, not at all of them"
    )
    return Note("search_cut_short", name, text)


class _Climber:
    """A class of DAGs on its way up, and what the kernel keeps of it from one call to the next.

    Parameters
    ----------
    score : Score
    allowed, required : ndarray of bool, shape (n_columns, n_columns)
    progress : Progress
    """

    def __init__(
        self, score: Score, allowed: BoolArray, required: BoolArray, progress: Progress
    ) -> None:
        count = len(required)
        self.made = 0
        self.state = new_state(count)
        self._score, self._allowed, self._required = score, allowed, required
        self._progress = progress
        self._arrays = score.arrays()
        self._improve = improver(self._arrays)
        self._most = max(score.most_parents, int(required.sum(axis=0).max(initial=0)))
        self._rules = np.empty((2, count, count), dtype=bool)
        self._tallies = np.zeros((2, count, count), dtype=np.int64)
        self._gains, self._stale = new_gains(count), np.ones(count, dtype=bool)
        self._fresh, self._exact, self.room = new_state(count), new_gains(count), new_room(count)
        self._begin(required, allowed)

    def climb(self, forbidden: BoolArray | None = None) -> None:
        """Make moves until none gains.

        Parameters
        ----------
        forbidden : ndarray of bool, shape (n_columns, n_columns), optional
            ``forbidden[x, y]``: x → y is not made. Such edges are taken out first.
        """
        allowed = self._allowed
        if forbidden is not None:
            allowed = allowed & ~forbidden
            self._begin(self.state.dag & ~forbidden, allowed, forbidden)
        self._rules[ALLOWED] = allowed
        self._rules[STAY] = self._required | self._required.T
        self._tallies[TAKEN] = 0
        made = _STEPS
        while made == _STEPS:
            self._progress("learning the graph", self.made, self.made + _STEPS)
            made = self._run(_STEPS)
            self.made += made
        if forbidden is not None:
            self._begin(self.state.dag.copy(), self._allowed, forbidden)
            self.climb()

    def _run(self, steps: int) -> int:
        return climb(
            self._improve, self._arrays, self.state, self._fresh, self._rules, self._most,
            self._gains, self._exact, self._tallies, self._stale, self.room, steps,
        )  # fmt: skip

    def _begin(self, dag: BoolArray, allowed: BoolArray, changed: BoolArray | None = None) -> None:
        """Go to the class of a DAG; what was or will be allowed changed for some edges."""
        marks = self.state.marks
        before = marks.copy()
        marks[:] = np.where(dag, OUT, np.where(dag.T, IN, NONE))
        self._rules[ALLOWED] = allowed
        possible = self._run(0) == 0
        assert possible, "Knowledge refuses cycles"
        other = marks != before
        if changed is not None:
            other |= changed | changed.T
        touched = other.any(axis=0)
        self._stale |= touched | ((marks == LINE) & touched).any(axis=1)

    def go_higher(self) -> None:
        """Forbid edges, some at a time, as long as the search then ends higher.

        Where nothing gains without them, they may come back.
        """
        total = self._total()
        left = _MOST_TRIALS * len(self.state.dag)
        if isinstance(self._arrays, CountArrays):
            left = min(left, _MOST_CELLS // self._arrays.codes.size)
        gained = True
        while gained:
            gained = False
            for forbidden in self._trials():
                if left <= 0:
                    return
                left -= 1
                before = self._kept()
                self.climb(forbidden)
                now = self._total()
                if now > total + _TIE:
                    total, gained = now, True
                else:
                    self._restore(before)

    def _trials(self) -> Iterator[BoolArray]:
        """Return edges to forbid: all from a column, all to one, one (first what is missed least).

        None that is required.
        """
        none = np.zeros(self.state.dag.shape, dtype=bool)
        for column in range(len(none)):
            out = none.copy()
            out[column] = True
            yield out & ~self._required
        for column in range(len(none)):
            out = none.copy()
            out[:, column] = True
            yield out & ~self._required
        dag = self.state.dag.copy()
        missed = []
        for y in range(len(dag)):
            parents = np.flatnonzero(dag[:, y]).tolist()
            free = [x for x in parents if not self._required[x, y]]
            sets = [tuple(parents), *(tuple(p for p in parents if p != x) for x in free)]
            whole, *less = self._score.local(y, sets).tolist()
            missed += [(whole - value, x, y) for x, value in zip(free, less, strict=True)]
        for _, x, y in sorted(missed):
            out = none.copy()
            out[x, y] = True
            yield out

    def _total(self) -> float:
        dag = self.state.dag
        return sum(
            float(self._score.local(y, [tuple(np.flatnonzero(dag[:, y]).tolist())])[0])
            for y in range(len(dag))
        )

    def _arrays_that_change(self) -> tuple[NDArray[Any], ...]:
        return (*self.state, self._gains, self._stale)

    def _kept(self) -> list[NDArray[Any]]:
        return [array.copy() for array in self._arrays_that_change()]

    def _restore(self, kept: list[NDArray[Any]]) -> None:
        for array, before in zip(self._arrays_that_change(), kept, strict=True):
            array[:] = before
