"""Search over orders of the columns: the best order's best parents are the graph.

References
----------
Andrews, Ramsey, Sanchez Romero, Camchong & Kummerfeld (2023), Fast scalable and accurate
discovery of DAGs using the best order score search and grow-shrink trees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import BoolArray
from whydrift.discovery.graph import Edge, Graph, Origin
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.progress import Progress, silent
from whydrift.discovery.reach import reached
from whydrift.discovery.scores.base import Score
from whydrift.discovery.scores.registry import score_named
from whydrift.discovery.search.exact import ExactColumns
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = [
    "MOST_INTERPRETED",
    "Demands",
    "OrderSearch",
    "best_graph",
    "must_precede",
    "order_search",
    "required_parents",
    "valid_order",
]

# Up to so many columns the search below is done in a moment; beyond, a compiled one is worth the
# time that loading it takes.
MOST_INTERPRETED = 20
_MOST_CANDIDATES = 12  # possible parents looked at per column where there are many columns
_MANY_COLUMNS = 14  # up to here every column is a candidate
_MOST_SWEEPS = 40
_MOST_IDLE_SWEEPS = 3  # without a gain, before a start is given up
_TIE = 1e-3  # scores closer than this are alike: equivalent graphs differ by rounding


def order_search(
    windows: Sequence[Snapshot],
    names: tuple[str, ...],
    *,
    score: str = "spline_bic",
    knowledge: Knowledge | None = None,
    penalty: float = 1.0,
    starts: int = 4,
    random_state: int = 0,
    progress: Progress = silent,
) -> tuple[Graph, tuple[Note, ...]]:
    """Learn a DAG over one or several windows.

    With two or more windows a column may pay for a changed mechanism, and the DAG returned is the
    simplest explanation of the windows together: the one in which fewest mechanisms changed. With
    one window only its equivalence class is identified (`discover` reduces it to that).

    Parameters
    ----------
    windows : sequence of Snapshot
        With the same meaning of category codes.
    names : tuple of str
        Columns that vary; at least one.
    score : str
        A name from the registry of scores.
    knowledge : Knowledge, optional
        Tiers, required and forbidden edges are honoured.
    penalty : float
        Multiplies the BIC penalty of the score.
    starts : int
        Random orders to start from; the best result is kept.
    random_state : int
        Seed of the starts.
    progress : Progress
        Told after each start.

    Returns
    -------
    graph : Graph
        A DAG over ``names``.
    notes : tuple of Note
        Which score was chosen and why, where that was left open.
    """
    scored, note = score_named(score, windows, names, penalty=penalty)
    graph = best_graph(
        scored, knowledge=knowledge, starts=starts, random_state=random_state, progress=progress
    )
    return graph, (note,) if score == "auto" else ()


def best_graph(
    score: Score,
    *,
    knowledge: Knowledge | None = None,
    starts: int = 4,
    random_state: int = 0,
    progress: Progress = silent,
    compile_above: int = MOST_INTERPRETED,
) -> Graph:
    """Return the DAG of the best order found under a score.

    Parameters
    ----------
    score : Score
        Over the columns of the graph.
    knowledge, starts, random_state, progress
        As in `order_search`.
    compile_above : int
        Columns up to which the search is interpreted: slower, and without a compiler to load.
    """
    names = score.names
    demands = Demands.of(knowledge or Knowledge(), names)
    allowed, required, before = demands.allowed, demands.required, demands.before
    rng = np.random.default_rng(random_state)
    if len(names) > compile_above:
        from whydrift.discovery.search.boss import best_parents

        parents = best_parents(score, allowed, required, before, starts, rng, progress)
    else:
        search = OrderSearch(score, allowed, required, before)
        parents = search.parents_of(search.best(starts, rng, progress))
    progress("learning the graph", max(1, starts), max(1, starts))
    return demands.graph(parents)


@dataclass(frozen=True, slots=True)
class Demands:
    """What is known, as a search over orders reads it.

    Parameters
    ----------
    names : tuple of str
    allowed : ndarray of bool, shape (n_columns, n_columns)
        ``allowed[i, j]``: whether i may be a parent of j.
    required : list of frozenset of int
        Parents that each column has in any case.
    before : ndarray of bool, shape (n_columns, n_columns)
        ``before[i, j]``: whether i must stand before j in an order.
    edges : frozenset of (str, str)
        Required causes and effects.
    """

    names: tuple[str, ...]
    allowed: BoolArray
    required: list[frozenset[int]]
    before: BoolArray
    edges: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, knowledge: Knowledge, names: tuple[str, ...]) -> Demands:
        """Read what is known about some columns."""
        known = knowledge.within(names)
        required = required_parents(known, names)
        before = must_precede(known, names, required)
        return cls(names, known.allowed_matrix(names), required, before, frozenset(known.required))

    def graph(self, parents: Sequence[tuple[int, ...]]) -> Graph:
        """Return the DAG of every column's parents; required edges carry that origin."""
        edges = [
            Edge.of(
                self.names[p],
                "-->",
                self.names[column],
                origin=Origin.REQUIRED
                if (self.names[p], self.names[column]) in self.edges
                else Origin.LEARNED,
            )
            for column in range(len(self.names))
            for p in parents[column]
        ]
        return Graph(self.names, tuple(edges))


def required_parents(knowledge: Knowledge, names: tuple[str, ...]) -> list[frozenset[int]]:
    """Return, for each column, the parents that knowledge requires."""
    position = {name: i for i, name in enumerate(names)}
    parents: list[set[int]] = [set() for _ in names]
    for cause, effect in knowledge.required:
        parents[position[effect]].add(position[cause])
    return [frozenset(p) for p in parents]


def must_precede(
    knowledge: Knowledge, names: tuple[str, ...], required: list[frozenset[int]]
) -> BoolArray:
    """Return ``before[i, j]``: whether i must stand before j (tiers and required edges)."""
    before = np.zeros((len(names), len(names)), dtype=bool)
    position = {name: i for i, name in enumerate(names)}
    for number, tier in enumerate(knowledge.tiers):
        first = [position[a] for a in tier]
        for later in knowledge.tiers[number + 1 :]:
            before[np.ix_(first, [position[b] for b in later])] = True
    for effect, causes in enumerate(required):
        before[list(causes), effect] = True
    for _ in range(len(names).bit_length()):  # transitive closure by repeated squaring
        before |= (before.astype(np.float32) @ before.astype(np.float32)) > 0
    return before


def valid_order(order: list[int], before: BoolArray) -> list[int]:
    """Return the order with every column after those that must precede it, else unchanged."""
    out: list[int] = []
    waiting = list(order)
    while waiting:
        for column in waiting:
            if not before[waiting, column].any():
                out.append(column)
                waiting.remove(column)
                break
        else:
            raise AssertionError("Knowledge refuses cycles")
    return out


class OrderSearch:
    """Best moves of single columns in an order, with cached grow–shrink results."""

    def __init__(
        self,
        score: Score,
        allowed: BoolArray,
        required: list[frozenset[int]],
        before: BoolArray,
        candidates: list[int] | None = None,
        exact: ExactColumns | None = None,
    ) -> None:
        self.score = score
        self.count = len(score.names)
        self.allowed = allowed
        self.required = required
        self.before = before
        self._found: dict[tuple[int, int], tuple[float, tuple[int, ...]]] = {}
        self._widened: dict[tuple[int, frozenset[int]], dict[int, float]] = {}
        self.candidates = self._candidates() if candidates is None else list(candidates)
        admitted = None if exact is None else exact.admitted(allowed, required)
        self.exact = admitted if admitted is not None and any(admitted.ways) else None
        self.turn = 0  # whose column of an exact relation has the benefit of the doubt
        for column, ways in enumerate(() if self.exact is None else self.exact.ways):
            for way in ways:
                self.candidates[column] |= way.mask

    # ---- orders -------------------------------------------------------------------------------
    def best(self, starts: int, rng: np.random.Generator, progress: Progress) -> list[int]:
        """Return the best order found from so many random ones."""
        best_total, best_order = -np.inf, list(range(self.count))
        for done in range(max(1, starts)):
            progress("learning the graph", done, max(1, starts))
            order = valid_order(rng.permutation(self.count).tolist(), self.before)
            total, order = self.improve(order, rng)
            if total > best_total:
                best_total, best_order = total, order
        return best_order

    def improve(self, order: list[int], rng: np.random.Generator) -> tuple[float, list[int]]:
        """Move each column to its best place, and turn edges, until nothing gains."""
        idle = 0
        total = self._segment(order, 0)
        best_total, best_order = total, order
        for _ in range(_MOST_SWEEPS):
            for column in rng.permutation(self.count).tolist():
                gain, order = self._best_place(order, column, rng)
                total += gain
            gain, order = self._tuck(order, rng)
            total += gain
            idle = 0 if total > best_total + _TIE else idle + 1
            if total > best_total:
                best_total, best_order = total, order
            if idle > _MOST_IDLE_SWEEPS:
                break
        return best_total, best_order

    def _best_place(
        self, order: list[int], column: int, rng: np.random.Generator
    ) -> tuple[float, list[int]]:
        """Return the gain of the column's best place, and the order with it there.

        Among places that score alike one is drawn: orders of one equivalence class form plateaus,
        and wandering on them is what leads out of local optima.
        """
        rest = [c for c in order if c != column]
        old = order.index(column)
        low = max((i + 1 for i, c in enumerate(rest) if self.before[c, column]), default=0)
        high = min((i for i, c in enumerate(rest) if self.before[column, c]), default=len(rest))
        # without[i], with_[i]: score of the i-th other column with `column` after or before it.
        bit, prefix = 1 << column, 0
        own, without, with_ = [], [], []
        for other in rest:
            own.append(self.grow_shrink(column, prefix)[0])
            without.append(self.grow_shrink(other, prefix)[0])
            with_.append(self.grow_shrink(other, prefix | bit)[0])
            prefix |= 1 << other
        own.append(self.grow_shrink(column, prefix)[0])
        ahead = np.concatenate([[0.0], np.cumsum(without)])
        behind = np.concatenate([np.cumsum(with_[::-1])[::-1], [0.0]])
        totals = ahead + behind + np.array(own)
        open_ = totals[low : high + 1]
        place = low + int(rng.choice(np.flatnonzero(open_ >= open_.max() - _TIE)))
        return float(totals[place] - totals[old]), [*rest[:place], column, *rest[place:]]

    def _tuck(self, order: list[int], rng: np.random.Generator) -> tuple[float, list[int]]:
        """Turn edges around one by one where that gains, and return the gain and the new order.

        A column moves before one of its parents together with those of its ancestors that stand
        between the two: what moves of single columns cannot reach (Lam, Andrews & Ramsey 2022,
        Greedy relaxations of the sparsest permutation algorithm).
        """
        gained = 0.0
        parents = self.parents_of(order)
        edges = [(p, v) for v in range(self.count) for p in parents[v]]
        for e in rng.permutation(len(edges)).tolist():
            parent, child = edges[e]
            if self.before[parent, child] or parent not in parents[child]:
                continue
            first, last = order.index(parent), order.index(child)
            if first > last:
                continue
            family = reached(parents[child], parents.__getitem__)
            between = order[first + 1 : last]
            moved = [c for c in between if c in family] + [child]
            stay = [parent] + [c for c in between if c not in family]
            if any(self.before[a, b] for a in stay for b in moved):
                continue
            candidate = [*moved, *stay]
            prefix = sum(1 << c for c in order[:first])
            gain = self._segment(candidate, prefix) - self._segment(order[first : last + 1], prefix)
            if gain > _TIE:
                order = [*order[:first], *candidate, *order[last + 1 :]]
                gained += gain
                parents = self.parents_of(order)
        return gained, order

    def _segment(self, columns: list[int], prefix: int) -> float:
        total = 0.0
        for column in columns:
            total += self.grow_shrink(column, prefix)[0]
            prefix |= 1 << column
        return total

    def compare(
        self, columns: list[int], moved: list[int], prefix: int
    ) -> tuple[float, list[tuple[int, tuple[int, ...]]]]:
        """Return what another order of some columns gains, and their parents in it."""
        gain = -self._segment(columns, prefix)
        parents = []
        for column in moved:
            score, found = self.grow_shrink(column, prefix)
            gain += score
            parents.append((column, found))
            prefix |= 1 << column
        return gain, parents

    # ---- parents ------------------------------------------------------------------------------
    def _candidates(self) -> list[int]:
        """Return, as bit masks, the columns that may become each column's parents.

        Where there are many columns: those that join one by one when all are offered, and those
        that score best alone.
        """
        masks = []
        for column in range(self.count):
            open_ = [j for j in range(self.count) if self.allowed[j, column]]
            if self.count > _MANY_COLUMNS and len(open_) > _MOST_CANDIDATES:
                alone = self.score.local(column, [(j,) for j in open_])
                best = [open_[i] for i in np.argsort(-alone)[: 4 * _MOST_CANDIDATES]]
                joint = self._grow(column, frozenset(), best, best, _MOST_CANDIDATES // 2)[1]
                chosen = dict.fromkeys([*sorted(joint), *best])
                open_ = list(chosen)[:_MOST_CANDIDATES]
            masks.append(sum(1 << j for j in {*open_, *self.required[column]}))
        if self.count > _MANY_COLUMNS:
            masks = self._both_ways(masks)
        return masks

    def _both_ways(self, masks: list[int]) -> list[int]:
        """Let every pair be joined in both directions if it may be joined in one."""
        out = list(masks)
        for column, mask in enumerate(masks):
            for other in range(self.count):
                if mask >> other & 1 and self.allowed[column, other]:
                    out[other] |= 1 << column
        return out

    def _follows(self, column: int, prefix: int) -> tuple[float, tuple[int, ...]] | None:
        """Return the score and the parents of a column that others before it make up."""
        return None if self.exact is None else self.exact.best(column, prefix, self.turn)

    def grow_shrink(self, column: int, prefix: int) -> tuple[float, tuple[int, ...]]:
        """Return the best score of a column with parents from a prefix, and those parents."""
        key = (column, prefix & self.candidates[column])
        follows = self._follows(*key)
        if follows is not None:
            return follows
        if key not in self._found:
            possible = [j for j in range(self.count) if self.candidates[column] >> j & 1]
            offered = [j for j in possible if prefix >> j & 1]
            must = self.required[column]
            score, grown = self._grow(column, must, offered, possible, self.score.most_parents)
            score, parents = self._shrink(column, must, grown, score)
            self._found[key] = score, tuple(sorted(parents))
        return self._found[key]

    def _grow(
        self,
        column: int,
        start: frozenset[int],
        offered: list[int],
        possible: list[int],
        most: int,
    ) -> tuple[float, list[int]]:
        """Return the score of the parents that join one by one, and these as they joined."""
        grown: list[int] = []
        parents = start
        best = float(self.score.local(column, [tuple(sorted(parents))])[0])
        while len(parents) < most:
            options = [j for j in offered if j not in parents]
            if not options:
                break
            scores = self._with_one_more(column, parents, options, possible)
            top = max(options, key=scores.__getitem__)
            if scores[top] <= best + 1e-9:
                break
            best = scores[top]
            grown.append(top)
            parents = parents | {top}
        return best, grown

    def _with_one_more(
        self, column: int, parents: frozenset[int], options: list[int], possible: list[int]
    ) -> dict[int, float]:
        """Return the scores with each option as a further parent.

        Other orders offer the other possible parents: to score them in one batch costs less.
        """
        known = self._widened.setdefault((column, parents), {})
        if any(j not in known for j in options):
            asked = [j for j in possible if j not in parents and j not in known]
            scores = self.score.local(column, [tuple(sorted({*parents, j})) for j in asked])
            known.update(zip(asked, scores.tolist(), strict=True))
        return known

    def _shrink(
        self, column: int, must: frozenset[int], grown: list[int], best: float
    ) -> tuple[float, frozenset[int]]:
        """Return the score and the parents left when those go without which it is higher."""
        parents = must.union(grown)
        # The last to join gained, and of two the first gained more alone: neither is to go.
        options = sorted(grown[:-1]) if len(grown) > 2 else []
        while options:
            scores = self.score.local(column, [tuple(sorted(parents - {j})) for j in options])
            top = int(np.argmax(scores))
            if scores[top] <= best + 1e-9:
                break
            best = float(scores[top])
            parents = parents - {options[top]}
            options = sorted(parents - must)
        return best, parents

    def parents_of(self, order: list[int]) -> list[tuple[int, ...]]:
        """Return every column's parents under an order."""
        out: list[tuple[int, ...]] = [()] * self.count
        prefix = 0
        for column in order:
            out[column] = self.grow_shrink(column, prefix)[1]
            prefix |= 1 << column
        return out
