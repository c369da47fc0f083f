"""The skeleton of constraint-based searches: who is adjacent, and what separates the others.

References
----------
Colombo & Maathuis (2014), Order-independent constraint-based causal structure learning.
Ramsey (2016), Improving accuracy and scalability of the PC algorithm by maximizing p-value.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.orientation import unshielded_triples
from whydrift.discovery.progress import Progress, silent
from whydrift.discovery.search.separating_sets import (
    UNTESTED,
    Found,
    SetSearch,
    Told,
    count_tests,
)
from whydrift.discovery.snapshot.note import Note

__all__ = ["Skeleton"]

_LARGEST_SECOND_LOOK = 3  # columns in a set that decides about a collider
# Beyond neighbours the sets soon hold half of all columns, where tests have little power anyway.
_MOST_TESTS_WITHIN = 5_000_000


@dataclass
class Skeleton:
    """Who is adjacent, and what separates those who are not.

    Parameters
    ----------
    adjacent : ndarray of bool, shape (n_columns, n_columns)
        Symmetric; may appear in conditioning sets of each other's tests.
    pending : ndarray of bool, shape (n_columns, n_columns)
        Symmetric; pairs not separated yet. A pair that may not be adjacent is pending too: what
        separates it is needed to orient.
    helpful : ndarray of bool, shape (n_columns, n_columns)
        ``helpful[i, z]``: z may help to separate i from others.
    """

    adjacent: BoolArray
    pending: BoolArray
    helpful: BoolArray
    p_values: FloatArray = field(init=False)  # of the separation; NaN where there is none yet
    level: IntArray = field(init=False)  # of the separation; −1 where none orients anything
    separator: IntArray = field(init=False)  # row of `sets`, −1 where there is none yet
    sets: list[IntArray] = field(default_factory=lambda: [np.empty(0, dtype=np.int64)])
    _history: list[BoolArray] = field(default_factory=list)  # the candidates of each level

    def __post_init__(self) -> None:
        self.p_values = np.full(self.adjacent.shape, np.nan)
        self.level = np.full(self.adjacent.shape, -1, dtype=np.int64)
        self.separator = np.full(self.adjacent.shape, -1, dtype=np.int64)

    @classmethod
    def start(
        cls,
        names: tuple[str, ...],
        knowledge: Knowledge,
        copies: Mapping[int, int],
        *,
        hidden_causes: bool = False,
    ) -> Skeleton:
        """Return the complete graph, less what is known.

        With hidden causes a pair that may not cause each other may still be adjacent, and a
        column that is no cause of i may still separate it from others.
        """
        pending = ~np.eye(len(names), dtype=bool)
        allowed = pending.copy() if hidden_causes else knowledge.allowed_matrix(names)
        position = {name: i for i, name in enumerate(names)}
        required = np.zeros_like(pending)
        for cause, effect in knowledge.required:
            required[position[cause], position[effect]] = True
        required |= required.T
        pending &= ~required
        adjacent = allowed | allowed.T
        for twin in copies:
            pending[twin, :] = pending[:, twin] = False
            adjacent[twin, :] = adjacent[:, twin] = required[twin]
        return cls(adjacent, pending, allowed.T)

    # ---- separating ---------------------------------------------------------------------------
    def learn(self, search: SetSearch, progress: Progress) -> Iterator[Note]:
        """Remove edges level by level, all tests of a level on the graph before it."""
        while True:
            level = len(self._history)
            candidates = self.adjacent & self.helpful
            asked = self._within_reach(self.pending, candidates, level)
            if not asked.any():
                return
            total = count_tests(asked, candidates, level)
            if level and total > search.most_tests:
                yield _cut(level, total)
                return
            found = search.first(asked, candidates, level, _told(progress, level))
            if level and not found.answered:
                return  # too few rows for sets of this size
            self._history.append(candidates)
            self._separate(found, level)

    def learn_within(
        self, search: SetSearch, candidates: BoolArray, members: IntArray, progress: Progress
    ) -> Iterator[Note]:
        """Remove edges between pairs that sets of these candidates separate, with their sets.

        Parameters
        ----------
        search : SetSearch
        candidates : ndarray of bool, shape (n_columns, n_columns)
            ``candidates[x, z]``: z may stand in sets that separate x from others. Sets that lie
            within the neighbours of x were asked before.
        members : ndarray of int, shape (n_members,)
            Columns whose pairs are asked, and that may stand in the sets.
        progress : Progress
        """
        inside = np.zeros_like(self.adjacent)
        inside[np.ix_(members, members)] = True
        old = self.adjacent.copy()
        open_ = candidates & inside
        level = 1
        while True:
            asked = self._within_reach(self.pending & self.adjacent & inside, open_, level)
            asked &= np.any(open_ & ~old, axis=1, keepdims=True)  # else all its sets are old
            if not asked.any():
                return
            total = count_tests(asked, open_, level)
            if total > min(search.most_tests, _MOST_TESTS_WITHIN):
                yield _cut(level, total)
                return
            found = search.first(asked, open_, level, _told(progress, level), old)
            if not found.answered and level > 1:
                return
            if found.apart.any():
                if found.sets is None:
                    found = search.largest(asked & found.apart, open_, level, _untold)
                self._separate(found, level)
            level += 1

    def look_again(self, search: SetSearch) -> None:
        """Replace the sets on which orientation hangs by those with the largest p-values."""
        pairs = self._pairs_to_orient()
        candidates = self.adjacent & self.helpful
        best = np.full(pairs.shape, -1.0)
        found: list[Found] = []
        size = np.zeros(pairs.shape, dtype=np.int64)
        for level in range(_LARGEST_SECOND_LOOK + 1):
            asked = self._within_reach(pairs, candidates, level)
            if not asked.any() or count_tests(asked, candidates, level) > search.most_tests:
                break
            found.append(search.largest(asked, candidates, level, _untold))
            better = found[-1].p_values > best
            best[better], size[better] = found[-1].p_values[better], level
        for level, own in enumerate(found):
            self._separate(
                Found(own.apart & (size == level), own.p_values, own.sets, answered=True), level
            )
        self.resolve(search, pairs)

    def resolve(self, search: SetSearch, pairs: BoolArray | None = None) -> None:
        """Find the best set of the pairs that were separated by the first one met.

        Parameters
        ----------
        search : SetSearch
        pairs : ndarray of bool, shape (n_columns, n_columns), optional
            Pairs whose set is needed; by default those that orientation hangs on.
        """
        wanted = (self._pairs_to_orient() if pairs is None else pairs) & (self.separator < 0)
        for level, candidates in enumerate(self._history):
            asked = self._within_reach(wanted & (self.level == level), candidates, level)
            if asked.any():
                found = search.largest(asked, candidates, level, _untold)
                self._separate(found, level)

    def set_of(self, search: SetSearch, i: int, j: int) -> IntArray | None:
        """Return the set that separates two columns, None where none is known."""
        if self.level[i, j] < 0:
            return None
        if self.separator[i, j] < 0:
            pair = np.zeros_like(self.pending)
            pair[i, j] = pair[j, i] = True
            self.resolve(search, pair)
        return self.sets[int(self.separator[i, j])]

    def separate(self, i: int, j: int, given: IntArray, p_value: float) -> None:
        """Take two columns apart by a set found elsewhere."""
        self.sets.append(given)
        for a, b in ((i, j), (j, i)):
            self.adjacent[a, b] = self.pending[a, b] = False
            self.p_values[a, b], self.level[a, b] = p_value, len(given)
            self.separator[a, b] = len(self.sets) - 1

    def _separate(self, found: Found, level: int) -> None:
        i, j = np.nonzero(np.triu(found.apart))
        p_values = found.p_values[i, j]
        untested = p_values == UNTESTED  # nothing is oriented by it
        number = np.full(len(i), -1)
        if level == 0:
            number[:] = 0
        elif found.sets is not None:
            number = len(self.sets) + np.arange(len(i))
            self.sets.extend(found.sets[i, j])
        for a, b in ((i, j), (j, i)):
            self.adjacent[a, b] = self.pending[a, b] = False
            self.p_values[a, b] = p_values
            self.level[a, b] = np.where(untested, -1, level)
            self.separator[a, b] = np.where(untested, -1, number)

    def join(self, copies: Mapping[int, int], allowed: BoolArray) -> None:
        """Join each copy to its original, which separates it from all others."""
        either = allowed | allowed.T
        for twin, original in copies.items():
            self.sets.append(np.array([original]))
            apart = ~self.adjacent[twin]
            apart[[twin, original]] = False
            for matrix, value in (
                (self.separator, len(self.sets) - 1),
                (self.level, 1),
                (self.p_values, 1.0),
            ):
                matrix[twin, apart] = matrix[apart, twin] = value
            self.adjacent[twin, original] = self.adjacent[original, twin] = either[twin, original]

    def joined(self, copies: Mapping[int, int], allowed: BoolArray) -> Skeleton:
        """Return this skeleton with each copy joined to its original, see `join`."""
        if not copies:
            return self
        other = copy.deepcopy(self)
        other.join(copies, allowed)
        return other

    @staticmethod
    def _within_reach(pairs: BoolArray, candidates: BoolArray, level: int) -> BoolArray:
        """Return which pairs have, on the side of the first, enough other candidates."""
        reach: BoolArray = candidates.sum(axis=1)[:, None] - candidates >= level
        return pairs & reach

    # ---- orienting ----------------------------------------------------------------------------
    def triples(self) -> IntArray:
        """Return the unshielded (x, z, y) whose ends a test has separated; shape (n_triples, 3)."""
        # A pair that knowledge keeps apart though no set separates it says nothing.
        triples = unshielded_triples(self.adjacent)
        kept: IntArray = triples[self.level[triples[:, 0], triples[:, 2]] >= 0]
        return kept

    def unknown_triples(self) -> IntArray:
        """Return the unshielded (x, z, y) whose ends are apart, though no test says so."""
        triples = unshielded_triples(self.adjacent)
        kept: IntArray = triples[self.level[triples[:, 0], triples[:, 2]] < 0]
        return kept

    def _pairs_to_orient(self) -> BoolArray:
        x, _, y = self.triples().T
        pairs = np.zeros_like(self.pending)
        pairs[x, y] = pairs[y, x] = True
        return pairs

    def colliders(self, names: tuple[str, ...]) -> IntArray:
        """Return triples whose middle is in no separating set, the best supported first."""
        triples = self.triples()
        width = max(len(s) for s in self.sets)
        members = np.full((len(self.sets), width), -1)
        for row, own in zip(members, self.sets, strict=True):
            row[: len(own)] = own
        x, z, y = triples.T
        outside = (members[self.separator[x, y]] != z[:, None]).all(axis=1)
        return self._sorted(triples[outside], names)

    def voted(
        self, search: SetSearch, names: tuple[str, ...], *, majority: bool
    ) -> tuple[IntArray, IntArray, tuple[Note, ...]]:
        """Return colliders and ambiguous triples, by all sets that separate the ends of a triple.

        Parameters
        ----------
        search : SetSearch
        names : tuple of str
        majority : bool
            Whether more than half of the sets decide, else all of them must agree.

        Returns
        -------
        colliders : ndarray of int, shape (n_triples, 3)
            The best supported first.
        ambiguous : ndarray of int, shape (n_triples, 3)
            Triples on which the sets do not agree, or that no set of neighbours separates.
        notes : tuple of Note
        """
        triples = self.triples()
        x, z, y = triples.T
        pairs = self._pairs_to_orient()
        upper = np.argwhere(np.triu(pairs))
        number = np.zeros(pairs.shape, dtype=np.int64)
        number[upper[:, 0], upper[:, 1]] = number[upper[:, 1], upper[:, 0]] = np.arange(len(upper))
        votes = np.zeros((max(1, len(upper)), len(names) + 1), dtype=np.int64)
        candidates = self.adjacent & self.helpful
        notes: tuple[Note, ...] = ()
        for level in range(len(names)):
            asked = self._within_reach(pairs, candidates, level)
            if not asked.any():
                break
            if count_tests(asked, candidates, level) > search.most_votes:
                text = f"colliders are told by the sets of fewer than {level} columns alone"
                notes = (Note("votes_cut", None, text),)
                break
            search.votes(asked, candidates, level, number, votes)
        own, all_ = votes[number[x, y], z], votes[number[x, y], -1]
        if majority:
            collider, ambiguous = (2 * own < all_), (2 * own == all_)
        else:
            collider, ambiguous = (own == 0) & (all_ > 0), (all_ == 0) | ((own > 0) & (own < all_))
        if ambiguous.any():
            text = (
                f"{int(ambiguous.sum())} of {len(triples)} triples are ambiguous: the sets that "
                "separate their ends do not agree on their middle, and they orient nothing"
            )
            notes = (*notes, Note("ambiguous_triples", None, text))
        return self._sorted(triples[collider], names), triples[ambiguous], notes

    def _sorted(self, triples: IntArray, names: tuple[str, ...]) -> IntArray:
        """Return the triples with the largest p-value first, equal ones by name."""
        x, z, y = triples.T
        rank = np.empty(len(names), dtype=np.int64)  # place in the alphabet
        rank[np.argsort(np.array(names, dtype=object), kind="stable")] = np.arange(len(names))
        low, high = np.minimum(rank[x], rank[y]), np.maximum(rank[x], rank[y])
        order = np.lexsort((high, low, rank[z], -self.p_values[x, y]))
        sorted_: IntArray = triples[order]
        return sorted_


def _cut(level: int, total: int) -> Note:
    text = (
        f"the search stopped before conditioning on {level} columns at once, which "
        f"would take {total:,} tests; some edges may be indirect"
    )
    return Note("level_cut", None, text)


def _told(progress: Progress, level: int) -> Told:
    return lambda done, total: progress(f"independence tests, {level} given", done, total)


_untold: Told = lambda done, total: silent("", done, total)  # noqa: E731
