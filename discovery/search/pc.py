"""The PC algorithm: remove edges that a test explains away, orient what that implies.

References
----------
Spirtes, Glymour & Scheines (2000), Causation, Prediction, and Search.
Colombo & Maathuis (2014), Order-independent constraint-based causal structure learning.
Ramsey (2016), Improving accuracy and scalability of the PC algorithm by maximizing p-value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, combinations, islice
from math import comb

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.graph import Graph
from whydrift.discovery.independence.base import IndependenceTest
from whydrift.discovery.independence.registry import independence_test
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.orientation import (
    from_matrices,
    known_directions,
    meek,
    orient_colliders,
    unshielded_triples,
)
from whydrift.discovery.progress import Progress, silent
from whydrift.discovery.search.columns import copied_columns, varying_columns
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["pc", "pc_from_test"]

_CHUNK = 32_768  # tests asked at once; some tens of megabytes at usual depths
# A level that would need more tests than this is not begun: the columns are too densely related.
_MOST_TESTS = 5_000_000
_UNTESTED = 2.0  # stands for a p-value where a pair's rows never meet
_LARGEST_SECOND_LOOK = 3  # columns in a set that decides about a collider


def pc(
    snapshot: Snapshot,
    names: tuple[str, ...],
    *,
    test: str = "auto",
    alpha: float = 0.05,
    knowledge: Knowledge | None = None,
    progress: Progress = silent,
) -> tuple[Graph, tuple[Note, ...]]:
    """Learn a CPDAG from one window with PC-stable.

    Parameters
    ----------
    snapshot : Snapshot
        The window; its sample is used.
    names : tuple of str
        Columns of the graph.
    test : str
        ``auto`` or a name from the registry of independence tests.
    alpha : float
        Two columns count as independent where the p-value exceeds it.
    knowledge : Knowledge, optional
        Required edges are kept untested, pairs forbidden both ways get no edge, and what tiers
        and forbidden edges leave only one direction is oriented that way.
    progress : Progress
        Told after each chunk of tests.

    Returns
    -------
    graph : Graph
        Directed and undirected edges, never with a directed cycle. With finite data it may
        contradict itself and then have no DAG extension (`cpdag_to_dag` gives None).
    notes : tuple of Note
        The test chosen, columns without variation, copies, what was cut short.

    Raises
    ------
    OptionError
        If the test is unknown or does not serve the columns.
    """
    varying, notes = varying_columns(snapshot, names)
    if len(varying) < 2:
        return Graph(tuple(names)), notes
    asked, about_test = independence_test(test, snapshot, varying)
    copies, more = copied_columns(snapshot, varying)
    position = {name: i for i, name in enumerate(varying)}
    graph, found = pc_from_test(
        asked,
        varying,
        alpha=alpha,
        knowledge=knowledge,
        copies={position[copy]: position[original] for copy, original in copies.items()},
        progress=progress,
    )
    return graph.with_nodes(names), (*about_test, *notes, *more, *found)


def pc_from_test(
    test: IndependenceTest,
    names: tuple[str, ...],
    *,
    alpha: float = 0.05,
    knowledge: Knowledge | None = None,
    copies: Mapping[int, int] | None = None,
    progress: Progress = silent,
) -> tuple[Graph, tuple[Note, ...]]:
    """Learn a CPDAG from anything that answers questions of independence.

    Whether the middle of x — z — y is a collider is read off the set, of up to three columns
    adjacent to x or to y in the finished skeleton, that separates the two with the largest
    p-value (PC-Max): the first set found is often one that a weak dependence slipped past.
    Colliders are oriented in the order of these p-values, the largest first (equal ones by name);
    one that contradicts those before it is left unoriented. So neither skeleton nor orientation
    depends on the order of the columns.

    Parameters
    ----------
    test : IndependenceTest
        Column numbers are positions in ``names``.
    names : tuple of str
        Columns of the graph.
    alpha : float
        Two columns count as independent where the p-value exceeds it.
    knowledge : Knowledge, optional
        As in `pc`.
    copies : mapping of int to int, optional
        Columns that repeat another: they are joined to it and not tested.
    progress : Progress
        Told after each chunk of tests.

    Returns
    -------
    graph : Graph
    notes : tuple of Note
        What was cut short or contradicts itself.
    """
    known = (knowledge or Knowledge()).within(names)
    allowed = known.allowed_matrix(names)
    skeleton = _Skeleton.start(names, known, allowed, copies or {})
    notes = list(skeleton.learn(test, alpha, progress))
    skeleton.look_again(test, alpha, progress)
    skeleton.join(copies or {}, allowed)
    adjacent = skeleton.adjacent
    directed = known_directions(adjacent, allowed)
    undirected = adjacent & ~directed & ~directed.T
    triples = skeleton.colliders(names)
    directed, undirected, clashes = orient_colliders(directed, undirected, triples, allowed)
    directed, undirected = meek(directed, undirected, allowed)
    if clashes:
        text = (
            f"{clashes} of {len(triples)} colliders contradict better supported ones, or what is "
            "known, and were not oriented"
        )
        notes.append(Note("collider_conflict", None, text))
    return from_matrices(names, directed, undirected, frozenset(known.required)), tuple(notes)


@dataclass
class _Skeleton:
    """Who is adjacent, and what separates those who are not.

    Parameters
    ----------
    adjacent : ndarray of bool, shape (n_columns, n_columns)
        Symmetric; may appear in conditioning sets of each other's tests.
    pending : ndarray of bool, shape (n_columns, n_columns)
        Symmetric; pairs not separated yet. A pair that may not be adjacent is pending too: what
        separates it is needed to orient.
    candidates : ndarray of bool, shape (n_columns, n_columns)
        ``candidates[i, z]``: z may be a cause of i, so that it may help to separate i from others.
    """

    adjacent: BoolArray
    pending: BoolArray
    allowed: BoolArray
    p_values: FloatArray = field(init=False)  # of the separation; NaN where there is none
    separator: IntArray = field(init=False)  # row of `sets`, −1 where there is none
    sets: list[IntArray] = field(default_factory=lambda: [np.empty(0, dtype=np.int64)])

    def __post_init__(self) -> None:
        self.p_values = np.full(self.adjacent.shape, np.nan)
        self.separator = np.full(self.adjacent.shape, -1, dtype=np.int64)

    @classmethod
    def start(
        cls,
        names: tuple[str, ...],
        knowledge: Knowledge,
        allowed: BoolArray,
        copies: Mapping[int, int],
    ) -> _Skeleton:
        """Return the complete graph, less what is known."""
        pending = ~np.eye(len(names), dtype=bool)
        position = {name: i for i, name in enumerate(names)}
        required = np.zeros_like(pending)
        for cause, effect in knowledge.required:
            required[position[cause], position[effect]] = True
        required |= required.T
        pending &= ~required
        adjacent = allowed | allowed.T
        for copy in copies:
            pending[copy, :] = pending[:, copy] = False
            adjacent[copy, :] = adjacent[:, copy] = required[copy]
        return cls(adjacent, pending, allowed)

    def learn(self, test: IndependenceTest, alpha: float, progress: Progress) -> Iterator[Note]:
        """Remove edges level by level, all tests of a level on the graph before it."""
        level = 0
        while True:
            candidates = self.adjacent & self.allowed.T
            # Partners of i for which i's side has enough other columns to condition on.
            reach = candidates.sum(axis=1)[:, None] - candidates >= level
            asked = self.pending & reach
            if not asked.any():
                return
            total = _count(asked, candidates, level)
            if level and total > _MOST_TESTS:
                text = (
                    f"the search stopped before conditioning on {level} columns at once, which "
                    f"would take {total:,} tests; some edges may be indirect"
                )
                yield Note("level_cut", None, text)
                return
            best, chosen, answered = self._ask(test, asked, candidates, level, total, progress)
            if level and not answered:
                return  # too few rows for sets of this size
            self._separate(best, chosen, alpha, level)
            level += 1

    def look_again(self, test: IndependenceTest, alpha: float, progress: Progress) -> None:
        """Replace the sets on which orientation hangs by those with the largest p-values."""
        triples = unshielded_triples(self.adjacent)
        x, _, y = triples[self.separator[triples[:, 0], triples[:, 2]] >= 0].T
        pairs = np.zeros_like(self.pending)
        pairs[x, y] = pairs[y, x] = True
        candidates = self.adjacent & self.allowed.T
        best = np.full(pairs.size, -1.0)
        chosen = np.zeros((pairs.size, _LARGEST_SECOND_LOOK), dtype=np.int64)
        size = np.zeros(pairs.size, dtype=np.int64)
        for level in range(_LARGEST_SECOND_LOOK + 1):
            asked = pairs & (candidates.sum(axis=1)[:, None] >= level)
            total = _count(asked, candidates, level)
            if not asked.any() or total > _MOST_TESTS:
                break
            p_values, sets, _ = self._ask(test, asked, candidates, level, total, progress)
            better = p_values > best
            best[better], size[better] = p_values[better], level
            chosen[better, :level] = sets[better]
        for level in range(_LARGEST_SECOND_LOOK + 1):
            self._separate(np.where(size == level, best, -1.0), chosen[:, :level], alpha, level)

    def _ask(
        self,
        test: IndependenceTest,
        asked: BoolArray,
        candidates: BoolArray,
        level: int,
        total: int,
        progress: Progress,
    ) -> tuple[FloatArray, IntArray, bool]:
        """Return each pair's largest p-value (−1: none), its set, and if any test had an answer."""
        count = len(asked)
        best: FloatArray = np.full(count * count, -1.0)
        chosen: IntArray = np.zeros((count * count, level), dtype=np.int64)
        answered, done = False, 0
        for x, y, given in _tests(asked, candidates, level):
            p_values = test(x, y, given)
            missing = np.isnan(p_values)
            answered = answered or not missing.all()
            # Nothing speaks for an edge between columns that are never seen together; but an
            # edge once found is not given up for want of rows.
            p_values = np.where(missing, _UNTESTED if level == 0 else -1.0, p_values)
            pair = np.minimum(x, y) * count + np.maximum(x, y)
            order = np.lexsort((p_values, pair))
            last = order[np.r_[pair[order][1:] != pair[order][:-1], True]]
            better = last[p_values[last] > best[pair[last]]]
            best[pair[better]] = p_values[better]
            chosen[pair[better]] = given[better]
            done += len(x)
            progress(f"independence tests, {level} given", min(done, total), total)
        return best, chosen, answered

    def _separate(self, best: FloatArray, chosen: IntArray, alpha: float, level: int) -> None:
        count = len(self.adjacent)
        apart = np.flatnonzero(best > alpha)
        i, j = np.divmod(apart, count)
        number = np.zeros(len(apart), dtype=np.int64)
        if level:
            number = len(self.sets) + np.arange(len(apart))
            self.sets.extend(chosen[apart])
        number[best[apart] == _UNTESTED] = -1  # and so nothing is oriented by it
        for a, b in ((i, j), (j, i)):
            self.adjacent[a, b] = self.pending[a, b] = False
            self.p_values[a, b] = best[apart]
            self.separator[a, b] = number

    def join(self, copies: Mapping[int, int], allowed: BoolArray) -> None:
        """Join each copy to its original, which separates it from all others."""
        either = allowed | allowed.T
        for copy, original in copies.items():
            self.sets.append(np.array([original]))
            apart = ~self.adjacent[copy]
            apart[[copy, original]] = False
            self.separator[copy, apart] = self.separator[apart, copy] = len(self.sets) - 1
            self.p_values[copy, apart] = self.p_values[apart, copy] = 1.0
            self.adjacent[copy, original] = self.adjacent[original, copy] = either[copy, original]

    def colliders(self, names: tuple[str, ...]) -> IntArray:
        """Return triples whose middle is in no separating set, the best supported first."""
        # A pair that knowledge keeps apart though no set separates it says nothing.
        triples = unshielded_triples(self.adjacent)
        triples = triples[self.separator[triples[:, 0], triples[:, 2]] >= 0]
        width = max(len(s) for s in self.sets)
        members = np.full((len(self.sets), width), -1)
        for row, own in zip(members, self.sets, strict=True):
            row[: len(own)] = own
        x, z, y = triples.T
        outside = (members[self.separator[x, y]] != z[:, None]).all(axis=1)
        triples = triples[outside]
        x, z, y = triples.T
        rank = np.empty(len(names), dtype=np.int64)  # place in the alphabet
        rank[np.argsort(np.array(names, dtype=object), kind="stable")] = np.arange(len(names))
        low, high = np.minimum(rank[x], rank[y]), np.maximum(rank[x], rank[y])
        order = np.lexsort((high, low, rank[z], -self.p_values[x, y]))
        sorted_: IntArray = triples[order]
        return sorted_


def _count(asked: BoolArray, candidates: BoolArray, level: int) -> int:
    """Return about how many tests a level takes, sets seen from both sides counted twice."""
    if level == 0:
        return int(asked.sum()) // 2
    sizes = candidates.sum(axis=1).tolist()
    return sum(
        int(partners) * comb(size, level)
        for partners, size in zip(asked.sum(axis=1).tolist(), sizes, strict=True)
    )


def _tests(
    asked: BoolArray, candidates: BoolArray, level: int
) -> Iterator[tuple[IntArray, IntArray, IntArray]]:
    """Yield the tests of a level in chunks: x, y and given, shape (n_tests, level)."""
    waiting: list[tuple[IntArray, IntArray, IntArray]] = []
    size = 0
    for part in _tests_by_column(asked, candidates, level):
        waiting.append(part)
        size += len(part[0])
        if size >= _CHUNK:
            yield _joined(waiting)
            waiting, size = [], 0
    if size:
        yield _joined(waiting)


def _joined(
    parts: list[tuple[IntArray, IntArray, IntArray]],
) -> tuple[IntArray, IntArray, IntArray]:
    x, y, given = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return x, y, given


def _tests_by_column(
    asked: BoolArray, candidates: BoolArray, level: int
) -> Iterator[tuple[IntArray, IntArray, IntArray]]:
    if level == 0:
        pairs = np.argwhere(np.triu(asked))
        for start in range(0, len(pairs), _CHUNK):
            x, y = pairs[start : start + _CHUNK].T
            yield x, y, np.empty((len(x), 0), dtype=np.int64)
        return
    for x in range(len(asked)):
        partners = np.flatnonzero(asked[x])
        if not partners.size:
            continue
        for sets in _subsets(np.flatnonzero(candidates[x]), level, _CHUNK // len(partners)):
            fits = (sets[None, :, :] != partners[:, None, None]).all(axis=2)
            # A set that the partner's side offers as well is asked there, if it comes first.
            shared = candidates[partners][:, sets].all(axis=2) & asked[partners, x][:, None]
            fits &= ~(shared & (partners < x)[:, None])
            row, column = np.nonzero(fits)
            yield np.full(len(row), x), partners[row], sets[column]


def _subsets(members: IntArray, size: int, at_once: int) -> Iterator[IntArray]:
    """Yield all subsets of a size, shape (n_subsets, size), at most so many at once."""
    rest = combinations(members.tolist(), size)
    while True:
        flat = np.fromiter(chain.from_iterable(islice(rest, max(1, at_once))), dtype=np.int64)
        if not flat.size:
            return
        yield flat.reshape(-1, size)
