"""Metropolis over orders of the columns: the graphs that the data support, with their weights.

References
----------
Friedman & Koller (2003), Being Bayesian about network structure: a Bayesian approach to structure
discovery in Bayesian networks.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.progress import Progress, silent
from whydrift.discovery.scores.base import Score
from whydrift.discovery.scores.environment import EnvironmentScore
from whydrift.discovery.scores.registry import score_named
from whydrift.discovery.scores.residual_density import ResidualDensity
from whydrift.discovery.search.exact import Exact, ExactColumns
from whydrift.discovery.search.order import (
    MOST_INTERPRETED,
    OrderSearch,
    must_precede,
    required_parents,
)
from whydrift.discovery.search.seen_together import left_apart
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["Parents", "RescoredSearch", "WeightedGraph", "supported_graphs", "visited_graphs"]

Parents = tuple[tuple[int, ...], ...]  # of every column, by position

_NEIGHBOURS = 0.5  # share of moves that exchange neighbours: they are accepted most often
_STEPS = 1500
_REACH_OF_MANY = 4  # places that a column moves at once, where there are many columns
# Models are never quite right, and by thousands of rows a little wrong looks certain: differences
# of scores count for this share (Bissiri, Holmes & Walker 2016, A general framework for updating
# belief distributions).
_TRUST = 0.3


@dataclass(frozen=True, slots=True)
class WeightedGraph:
    """A graph, and the share of the walk that was spent there."""

    parents: Parents
    weight: float


class RescoredSearch(OrderSearch):
    """A search whose parents are grown and shrunk by one score, and orders judged by another.

    Second moments choose among parents well and fast; the shape of the residuals tells directions.
    Columns that the second score does not serve keep the first.

    Parameters
    ----------
    search : OrderSearch
        By second moments; what it has found is used.
    density : ResidualDensity
    exact : ExactColumns, optional
        On the scale of the density.
    """

    def __init__(
        self, search: OrderSearch, density: ResidualDensity, exact: ExactColumns | None = None
    ) -> None:
        super().__init__(
            search.score, search.allowed, search.required, search.before, search.candidates, exact
        )
        self._moments = search
        self._density = density

    def grow_shrink(self, column: int, prefix: int) -> tuple[float, tuple[int, ...]]:
        """Return the parents that second moments choose from a prefix, and their second score."""
        key = (column, prefix & self.candidates[column])
        follows = self._follows(*key)
        if follows is not None:
            return follows
        if key not in self._found:
            score, parents = self._moments.grow_shrink(column, prefix)
            if self._density.serves(column):
                score = self._density.local(column, parents)
            self._found[key] = score, parents
        return self._found[key]


def visited_graphs(
    search: OrderSearch, order: list[int], steps: int, rng: np.random.Generator
) -> tuple[WeightedGraph, ...]:
    """Walk over orders, better ones more often, and return the graphs met on the way.

    Parameters
    ----------
    search : OrderSearch
        Its score is a log-likelihood less half a log(rows) per parameter, near enough the log of
        a marginal likelihood.
    order : list of int
        To start from: the best one known.
    steps : int
        At least 1.
    rng : numpy.random.Generator

    Returns
    -------
    tuple of WeightedGraph
        Most visited first; the weights add up to 1.
    """
    count = search.count
    order = list(order)
    parents = search.parents_of(order)
    visits: Counter[Parents] = Counter()
    columns, places = rng.integers(0, count, (2, steps)).tolist()
    sides = (rng.integers(0, 2, steps) * 2 - 1).tolist()
    is_near = (rng.random(steps) < _NEIGHBOURS).tolist()
    log_chances = np.log(rng.random(steps)).tolist()
    # A long move asks for new parents of all columns that it passes.
    reach = count if count <= MOST_INTERPRETED else _REACH_OF_MANY
    is_bound = bool(search.before.any())
    here, since = tuple(parents), 0
    for step in range(steps):
        column = columns[step]
        old = order.index(column)
        new = old + sides[step] if is_near[step] else places[step]
        if new == old or abs(new - old) > reach or not 0 <= new < count:
            continue
        first, last = min(old, new), max(old, new) + 1
        segment = order[first:last]
        passed = segment[1:] if new > old else segment[:-1]
        if new > old:
            if is_bound and search.before[column, passed].any():
                continue
            moved = [*passed, column]
        else:
            if is_bound and search.before[passed, column].any():
                continue
            moved = [column, *passed]
        prefix = sum(1 << c for c in order[:first])
        gain, found = search.compare(segment, moved, prefix)
        if log_chances[step] >= _TRUST * gain:
            continue
        order[first:last] = moved
        for c, own in found:
            parents[c] = own
        if tuple(parents) != here:
            visits[here] += step - since
            here, since = tuple(parents), step
    visits[here] += steps - since
    return tuple(WeightedGraph(g, n / steps) for g, n in visits.most_common() if n)


def supported_graphs(
    windows: Sequence[Snapshot],
    names: tuple[str, ...],
    *,
    score: str = "spline_bic",
    knowledge: Knowledge | None = None,
    exact: Sequence[Exact] = (),
    starts: int = 2,
    random_state: int = 0,
    progress: Progress = silent,
) -> tuple[tuple[WeightedGraph, ...], tuple[Note, ...]]:
    """Return the graphs over one or several windows that the data support.

    Two walks are averaged: one by the score named, and one by the density of the residuals, where
    the rows are complete and some column is a number. Neither is right everywhere: second moments
    tell no direction that no window tells, and the residuals of a wrong model tell a wrong one.

    Parameters
    ----------
    windows, names, score, knowledge, starts, random_state, progress
        As in `order_search`.
    exact : sequence of Exact
        Relations that hold in every row, where it is not known which column is the computed one.

    Returns
    -------
    graphs : tuple of WeightedGraph
        Heaviest first; the weights add up to 1.
    notes : tuple of Note
        Which score was chosen and why, where that was left open, and which columns have hardly any
        row in common.
    """
    scored, note = score_named(score, windows, names)
    notes = (note,) if score == "auto" else ()
    known, gaps = left_apart(windows, names, (knowledge or Knowledge()).within(names))
    notes = (*notes, *gaps)
    required = required_parents(known, names)
    before, allowed = must_precede(known, names, required), known.allowed_matrix(names)
    rng = np.random.default_rng(random_state)
    scores = [(relation, relation.scores(windows)) for relation in exact]
    relations = ExactColumns.of(scores, names, _independent_rows(scored, windows))
    if len(names) > MOST_INTERPRETED:
        from whydrift.discovery.search.boss import best_parents

        found = best_parents(scored, allowed, required, before, starts, rng, progress)
        candidates = _near(found, allowed)
        search = OrderSearch(scored, allowed, required, before, candidates, relations)
        order = _order_of(found)
    else:
        search = OrderSearch(scored, allowed, required, before, exact=relations)
        order = search.best(starts, rng, progress)
    progress("weighing graphs", 0, 1)
    walks = [*_walks(search, order, relations.turns, rng)]
    density = ResidualDensity.of(windows, names, _carries(search, order))
    if density is not None:
        rescored = RescoredSearch(search, density, ExactColumns.of(scores, names, density.rows))
        if len(names) <= MOST_INTERPRETED:  # beyond, a walk costs less than a search
            order = rescored.improve(order, rng)[1]
        walks += _walks(rescored, order, relations.turns, rng)
    weights: defaultdict[Parents, float] = defaultdict(float)
    for walk in walks:
        for graph in walk:
            weights[graph.parents] += graph.weight / len(walks)
    progress("weighing graphs", 1, 1)
    ranked = sorted(weights.items(), key=lambda item: -item[1])
    return tuple(WeightedGraph(parents, weight) for parents, weight in ranked), notes


def _walks(
    search: OrderSearch, order: list[int], turns: int, rng: np.random.Generator
) -> Iterator[tuple[WeightedGraph, ...]]:
    """Yield the graphs of a walk, or of several where exact relations take turns in the doubt."""
    if turns == 1:
        yield visited_graphs(search, order, _STEPS, rng)
        return
    for turn in range(turns):
        search.turn = turn
        if len(order) <= MOST_INTERPRETED:
            order = search.improve(order, rng)[1]
        yield visited_graphs(search, order, _STEPS, rng)
    search.turn = 0


def _independent_rows(score: Score, windows: Sequence[Snapshot]) -> FloatArray:
    """Return how many rows each column counts for in a score, shape (n_columns,)."""
    rows = np.full(len(score.names), float(sum(len(w.sample) for w in windows)))
    return rows * score.worth if isinstance(score, EnvironmentScore) else rows


def _carries(search: OrderSearch, order: list[int]) -> list[float] | None:
    """Return what each column's noise carries on by the best order, or None: rows forget."""
    score = search.score
    if not (isinstance(score, EnvironmentScore) and score.remembers):
        return None
    return [score.carry(c, parents) for c, parents in enumerate(search.parents_of(order))]


def _near(parents: list[tuple[int, ...]], allowed: BoolArray) -> list[int]:
    """Return, as bit masks, the columns at most two edges away that may become parents."""
    count = len(parents)
    joined = np.eye(count, dtype=bool)
    for column, own in enumerate(parents):
        joined[column, list(own)] = joined[list(own), column] = True
    near = (joined.astype(np.int64) @ joined.astype(np.int64) > 0) & allowed.T
    near[np.arange(count), np.arange(count)] = False
    for column, own in enumerate(parents):
        near[column, list(own)] = True
    return [sum(1 << int(j) for j in np.flatnonzero(row)) for row in near]


def _order_of(parents: list[tuple[int, ...]]) -> list[int]:
    """Return the columns, causes first."""
    order: list[int] = []
    placed: set[int] = set()
    while len(order) < len(parents):
        ready = [c for c, own in enumerate(parents) if c not in placed and placed.issuperset(own)]
        order += ready
        placed.update(ready)
    return order
