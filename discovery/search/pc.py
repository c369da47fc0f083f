"""The PC algorithm: remove edges that a test explains away, orient what that implies.

References
----------
Spirtes, Glymour & Scheines (2000), Causation, Prediction, and Search.
Colombo & Maathuis (2014), Order-independent constraint-based causal structure learning.
Ramsey, Zhang & Spirtes (2006), Adjacency-faithfulness and conservative causal inference.
Ramsey (2016), Improving accuracy and scalability of the PC algorithm by maximizing p-value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from whydrift.discovery.arrays import BoolArray, IntArray
from whydrift.discovery.errors import unknown_name
from whydrift.discovery.graph import Graph
from whydrift.discovery.independence.base import IndependenceTest
from whydrift.discovery.independence.registry import independence_test
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.orientation import (
    from_matrices,
    known_directions,
    meek,
    orient_colliders,
)
from whydrift.discovery.progress import Progress, silent
from whydrift.discovery.search.columns import copied_columns, varying_columns
from whydrift.discovery.search.separating_sets import SetSearch, set_search
from whydrift.discovery.search.skeleton import Skeleton
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = [
    "ORIENTATIONS",
    "check_orientation",
    "decide_colliders",
    "pc",
    "pc_from_test",
]

# How it is decided whether the middle of x — z — y is a collider; see `pc_from_test`.
ORIENTATIONS: Final = ("max", "standard", "conservative", "majority")


def pc(
    snapshot: Snapshot,
    names: tuple[str, ...],
    *,
    test: str = "auto",
    alpha: float = 0.05,
    orientation: str = "majority",
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
    orientation : str
        One of `ORIENTATIONS`.
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
        If the test or the orientation is unknown, or the test does not serve the columns.
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
        orientation=orientation,
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
    orientation: str = "majority",
    knowledge: Knowledge | None = None,
    copies: Mapping[int, int] | None = None,
    progress: Progress = silent,
) -> tuple[Graph, tuple[Note, ...]]:
    """Learn a CPDAG from anything that answers questions of independence.

    Whether the middle of x — z — y is a collider is decided, by ``orientation``:

    - ``majority``: by more than half of all sets of neighbours that separate x and y; where half
      of them hold z, the triple is ambiguous and orients nothing;
    - ``conservative``: by all of these sets; where some hold z and some do not, the triple is
      ambiguous;
    - ``max``: by the set, of up to three columns adjacent to x or to y in the finished skeleton,
      that separates the two with the largest p-value (PC-Max): the first set found is often one
      that a weak dependence slipped past;
    - ``standard``: by the set with the largest p-value among those that removed the edge.

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
    orientation : str
        One of `ORIENTATIONS`.
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
    check_orientation(orientation)
    known = (knowledge or Knowledge()).within(names)
    allowed = known.allowed_matrix(names)
    skeleton = Skeleton.start(names, known, copies or {})
    search = set_search(test, alpha, len(names), progress)
    notes = list(skeleton.learn(search, progress))
    colliders, ambiguous, more = decide_colliders(
        skeleton, search, names, orientation, copies or {}, allowed
    )
    notes += more
    adjacent = skeleton.adjacent
    directed = known_directions(adjacent, allowed)
    undirected = adjacent & ~directed & ~directed.T
    directed, undirected, clashes = orient_colliders(directed, undirected, colliders, allowed)
    directed, undirected = meek(directed, undirected, allowed, ambiguous)
    if clashes:
        text = (
            f"{clashes} of {len(colliders)} colliders contradict better supported ones, or what "
            "is known, and were not oriented"
        )
        notes.append(Note("collider_conflict", None, text))
    return from_matrices(names, directed, undirected, frozenset(known.required)), tuple(notes)


def check_orientation(orientation: str) -> None:
    """Raise OptionError where there is no such way to orient."""
    if orientation not in ORIENTATIONS:
        raise unknown_name("orientation", orientation, known=ORIENTATIONS, where="orientation")


def decide_colliders(
    skeleton: Skeleton,
    search: SetSearch,
    names: tuple[str, ...],
    orientation: str,
    copies: Mapping[int, int],
    allowed: BoolArray,
) -> tuple[IntArray, IntArray, tuple[Note, ...]]:
    """Join the copies, and return which unshielded triples are colliders.

    Parameters
    ----------
    skeleton : Skeleton
        Finished; its sets are changed, and copies are joined to their originals.
    search : SetSearch
    names : tuple of str
    orientation : str
        One of `ORIENTATIONS`; see `pc_from_test`.
    copies : mapping of int to int
    allowed : ndarray of bool, shape (n_columns, n_columns)

    Returns
    -------
    colliders : ndarray of int, shape (n_triples, 3)
        The best supported first.
    ambiguous : ndarray of int, shape (n_triples, 3)
        Triples of which it is not known whether they are colliders.
    notes : tuple of Note
    """
    if orientation == "max":
        skeleton.look_again(search)
    else:
        skeleton.resolve(search)
    notes: tuple[Note, ...] = ()
    if orientation in {"conservative", "majority"}:
        colliders, ambiguous, notes = skeleton.voted(
            search, names, majority=orientation == "majority"
        )
        skeleton.join(copies, allowed)
    else:
        skeleton.join(copies, allowed)
        colliders, ambiguous = skeleton.colliders(names), np.empty((0, 3), dtype=np.int64)
    return colliders, np.concatenate([ambiguous, skeleton.unknown_triples()]), notes
