"""FCI and RFCI: what causes what where causes may be hidden.

References
----------
Spirtes, Glymour & Scheines (2000), Causation, Prediction, and Search, section 6.7.
Zhang (2008), On the completeness of orientation rules for causal discovery in the presence of
latent confounders and selection bias.
Colombo, Maathuis, Kalisch & Richardson (2012), Learning high-dimensional directed acyclic graphs
with latent and selection variables: RFCI.
Colombo & Maathuis (2014), Order-independent constraint-based causal structure learning.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.graph import Graph
from whydrift.discovery.independence.base import IndependenceTest
from whydrift.discovery.independence.registry import independence_test
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.orientation import unshielded_triples
from whydrift.discovery.pag import (
    biconnected_components,
    from_marks,
    known_marks,
    orient_pag,
    possible_d_sep,
    with_colliders,
)
from whydrift.discovery.progress import Progress, silent
from whydrift.discovery.search.columns import copied_columns, varying_columns
from whydrift.discovery.search.pc import check_orientation, decide_colliders
from whydrift.discovery.search.separating_sets import SetSearch, set_search
from whydrift.discovery.search.skeleton import Skeleton
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["fci", "fci_from_test", "rfci_from_test"]


def fci(
    snapshot: Snapshot,
    names: tuple[str, ...],
    *,
    test: str = "auto",
    alpha: float = 0.05,
    orientation: str = "max",
    knowledge: Knowledge | None = None,
    really_fast: bool = False,
    progress: Progress = silent,
) -> tuple[Graph, tuple[Note, ...]]:
    """Learn a PAG from one window: hidden common causes and selection are allowed for.

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
    orientation : str
        How colliders are told, see `pc_from_test`; RFCI has its own way.
    knowledge : Knowledge, optional
        Required edges are kept untested and directed; where an edge may not point from a to b, a
        gets an arrow, and where it may point neither way, a ↔ b (a hidden common cause) is left.
    really_fast : bool
        Use RFCI: fewer tests, and at times a few edges more.
    progress : Progress
        Told after each chunk of tests.

    Returns
    -------
    graph : Graph
        A PAG, never with a directed cycle. ``a --> b``: a is a cause of b; ``a <-> b``: neither
        causes the other; a circle: the data do not say.
    notes : tuple of Note

    Raises
    ------
    OptionError
        If the test or the orientation is unknown, or the test does not serve the columns.
    """
    varying, notes = varying_columns(snapshot, names)
    if len(varying) < 2:
        return Graph(tuple(names)), notes
    asked, about_test = independence_test(test, snapshot, varying)
    copied, more = copied_columns(snapshot, varying)
    position = {name: i for i, name in enumerate(varying)}
    copies = {position[copy]: position[original] for copy, original in copied.items()}
    if really_fast:
        graph, found = rfci_from_test(
            asked, varying, alpha=alpha, knowledge=knowledge, copies=copies, progress=progress
        )
    else:
        graph, found = fci_from_test(
            asked,
            varying,
            alpha=alpha,
            orientation=orientation,
            knowledge=knowledge,
            copies=copies,
            progress=progress,
        )
    return graph.with_nodes(names), (*about_test, *notes, *more, *found)


def fci_from_test(
    test: IndependenceTest,
    names: tuple[str, ...],
    *,
    alpha: float = 0.05,
    orientation: str = "max",
    knowledge: Knowledge | None = None,
    copies: Mapping[int, int] | None = None,
    progress: Progress = silent,
) -> tuple[Graph, tuple[Note, ...]]:
    """Learn a PAG from anything that answers questions of independence, by FCI.

    Parameters
    ----------
    test : IndependenceTest
        Column numbers are positions in ``names``.
    names : tuple of str
        Columns of the graph.
    alpha, orientation, knowledge
        As in `fci`.
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
    check_orientation(orientation)
    known = (knowledge or Knowledge()).within(names)
    skeleton = Skeleton.start(names, known, copies or {}, hidden_causes=True)
    search = set_search(test, alpha, len(names), progress)
    notes = list(skeleton.learn(search, progress))
    # Not all that separates two columns need be adjacent to one of them.
    skeleton.resolve(search)
    marks, _ = _started(skeleton, names, known)
    first, _ = with_colliders(marks, skeleton.colliders(names))
    beyond = possible_d_sep(first)
    cut: dict[str, Note] = {}
    for members in biconnected_components(skeleton.adjacent):
        for note in skeleton.learn_within(search, beyond, members, progress):
            cut.setdefault(note.code, note)
    notes += cut.values()
    whole = ~np.eye(len(names), dtype=bool)
    colliders, ambiguous, more = decide_colliders(
        skeleton, search, names, orientation, copies or {}, whole
    )
    notes += more
    marks, left_out = _started(skeleton, names, known)
    marks, clashes = with_colliders(marks, colliders)
    oriented = orient_pag(marks, _Membership(skeleton, search), ambiguous)
    assert oriented is not None, "nothing was refused"
    notes += _clash_notes(clashes, len(colliders), left_out)
    return from_marks(names, oriented, frozenset(known.required)), tuple(notes)


def rfci_from_test(
    test: IndependenceTest,
    names: tuple[str, ...],
    *,
    alpha: float = 0.05,
    knowledge: Knowledge | None = None,
    copies: Mapping[int, int] | None = None,
    progress: Progress = silent,
) -> tuple[Graph, tuple[Note, ...]]:
    """Learn a PAG by RFCI: no search beyond neighbours, but more tests before orienting.

    Every edge and mark means what it means in the graph of FCI; an edge may be left that FCI would
    remove.

    Parameters
    ----------
    test, names, alpha, knowledge, copies, progress
        As in `fci_from_test`.

    Returns
    -------
    graph : Graph
    notes : tuple of Note
    """
    known = (knowledge or Knowledge()).within(names)
    skeleton = Skeleton.start(names, known, copies or {}, hidden_causes=True)
    search = set_search(test, alpha, len(names), progress)
    notes = list(skeleton.learn(search, progress))
    checks = _Checks(skeleton, search, test, alpha)
    checks.triples(unshielded_triples(skeleton.adjacent))
    whole = ~np.eye(len(names), dtype=bool)
    while True:
        skeleton.resolve(search)
        joined = skeleton.joined(copies or {}, whole)
        marks, left_out = _started(joined, names, known)
        colliders = joined.colliders(names)
        marks, clashes = with_colliders(marks, colliders)
        oriented = orient_pag(
            marks, _Membership(joined, search), joined.unknown_triples(), checks.path
        )
        if oriented is not None:
            break
    notes += _clash_notes(clashes, len(colliders), left_out)
    return from_marks(names, oriented, frozenset(known.required)), tuple(notes)


def _started(
    skeleton: Skeleton, names: tuple[str, ...], knowledge: Knowledge
) -> tuple[IntArray, int]:
    position = {name: i for i, name in enumerate(names)}
    required = [(position[cause], position[effect]) for cause, effect in knowledge.required]
    return known_marks(skeleton.adjacent, knowledge.allowed_matrix(names), required)


def _clash_notes(clashes: int, colliders: int, left_out: int) -> list[Note]:
    notes = []
    if clashes:
        text = f"{clashes} of {colliders} colliders contradict what is known, and were not oriented"
        notes.append(Note("collider_conflict", None, text))
    if left_out:
        text = f"{left_out} required edges would close a cycle and were left open"
        notes.append(Note("required_left_out", None, text))
    return notes


class _Membership:
    """Whether a column stands in the set that separates two others."""

    def __init__(self, skeleton: Skeleton, search: SetSearch) -> None:
        self._skeleton, self._search = skeleton, search

    def __call__(self, theta: int, gamma: int, beta: int) -> bool | None:
        given = self._skeleton.set_of(self._search, theta, gamma)
        return None if given is None else bool((given == beta).any())


class _Checks:
    """The tests that RFCI makes before it orients; they may remove edges."""

    def __init__(
        self, skeleton: Skeleton, search: SetSearch, test: IndependenceTest, alpha: float
    ) -> None:
        self._skeleton, self._search, self._test, self._alpha = skeleton, search, test, alpha

    def triples(self, triples: IntArray) -> None:
        """Check that both edges of each possible collider hold given what separates its ends."""
        adjacent = self._skeleton.adjacent
        todo = deque(triples.tolist())
        while todo:
            x, z, y = todo.popleft()
            if adjacent[x, y] or not (adjacent[x, z] and adjacent[z, y]):
                continue
            given = self._skeleton.set_of(self._search, x, y)
            if given is None or (given == z).any():
                continue
            for end in (x, y):
                if self._p_values(end, z, given[None, :])[0] > self._alpha:
                    todo.extend(self._without_edge(end, z, given))

    def path(self, path: Sequence[int]) -> bool:
        """Return whether all edges of a discriminating path hold, whatever part is given."""
        given = self._skeleton.set_of(self._search, path[0], path[-1])
        assert given is not None, "asked only where a set is known"
        for a, b in pairwise(path):
            rest = given[(given != a) & (given != b)]
            if self._skeleton.pending[a, b] and self._smallest(a, b, rest) is not None:
                self.triples(np.array(self._without_edge(a, b, rest), dtype=np.int64))
                return False
        return True

    def _without_edge(self, a: int, b: int, given: IntArray) -> list[list[int]]:
        """Remove an edge by the smallest part of a set that does it; return the new triples."""
        if not self._skeleton.pending[a, b]:  # required
            return []
        found = self._smallest(a, b, given)
        if found is None:
            return []
        adjacent = self._skeleton.adjacent
        self._skeleton.separate(a, b, *found)
        return [[a, z, b] for z in np.flatnonzero(adjacent[a] & adjacent[b]).tolist()]

    def _smallest(self, a: int, b: int, given: IntArray) -> tuple[IntArray, float] | None:
        """Return the smallest part of a set that separates two columns, and its p-value."""
        for size in range(len(given) + 1):
            listed = list(combinations(given.tolist(), size))
            parts = np.array(listed, dtype=np.int64).reshape(len(listed), size)
            p_values = self._p_values(a, b, parts)
            best = int(np.argmax(p_values))
            if p_values[best] > self._alpha:
                return parts[best], float(p_values[best])
        return None

    def _p_values(self, a: int, b: int, given: IntArray) -> FloatArray:
        """Return p-values of one pair; −1 where there is no answer."""
        tests = len(given)
        p_values = self._test(np.full(tests, min(a, b)), np.full(tests, max(a, b)), given)
        return np.where(np.isnan(p_values), -1.0, p_values)
