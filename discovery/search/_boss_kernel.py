"""The best order score search, compiled: grow–shrink trees and best moves of single columns.

References
----------
Andrews, Ramsey, Sanchez Romero, Camchong & Kummerfeld (2023), Fast scalable and accurate
discovery of DAGs using the best order score search and grow-shrink trees.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from whydrift.discovery._compiled import compiled, inner
from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.scores.base import ScoreArrays
from whydrift.discovery.search._score_kernel import Improve

__all__ = ["Rules", "Trees", "new_trees", "shrink", "sweep", "walk"]

_NOTHING = -1
_TIE = 1e-6  # moves that gain less are rounding


class Rules(NamedTuple):
    """Which parents a column may have.

    Parameters
    ----------
    offered : ndarray of bool, shape (n_columns, n_columns)
        ``offered[x, j]``: whether j may become a parent of x.
    required : ndarray of bool, shape (n_columns, n_columns)
        ``required[x, j]``: whether j is a parent of x in any case.
    most_parents : int
        Parents beyond which a column is given no more.
    """

    offered: BoolArray
    required: BoolArray
    most_parents: int


class Trees(NamedTuple):
    """One grow–shrink tree per column; node x is the root of column x.

    A node stands for parents taken one after the other, each the best of those in the prefix. Its
    branches are the columns that would gain, the best first. When the arrays are full the trees
    are begun anew. (Few arrays: every one that is handed on costs time in each call.)

    Parameters
    ----------
    nodes : ndarray of int, shape (n_nodes, 4)
        First branch (−1 where the node was never visited), branches, the column that the node
        adds, and the node above it (−1 at a root).
    final : ndarray of shape (n_nodes,)
        Score after shrinking; NaN where not known.
    branches : ndarray of int32, shape (n_branches, 2)
        The column of a branch, and its node (−1 where never taken).
    used : ndarray of int, shape (2,)
        Nodes and branches in use.
    """

    nodes: IntArray
    final: FloatArray
    branches: NDArray[np.int32]
    used: IntArray


# Columns of Trees.nodes and Trees.branches.
_FIRST, _COUNT, _ADDED, _ABOVE = 0, 1, 2, 3
_COLUMN, _BELOW = 0, 1


def new_trees(columns: int, most_parents: int, branches: int = 4_000_000) -> Trees:
    """Return empty trees; memory is touched only as they grow (8 bytes for each branch)."""
    branches = max(branches, 2 * (most_parents + 2) * columns)
    nodes = max(branches // 4, columns + 2 * (most_parents + 2))
    return Trees(
        np.empty((nodes, 4), dtype=np.int64),
        np.empty(nodes),
        np.empty((branches, 2), dtype=np.int32),
        np.array([nodes, branches]),  # full, so that the first walk plants the roots
    )


@inner
def _clear(t: Trees, columns: int) -> None:
    """Forget all but the roots."""
    t.used[0] = 0
    t.used[1] = 0
    none = -1
    for _ in range(columns):
        _add_node(t, int(none), int(none))


@inner
def _add_node(t: Trees, above: int, added: int) -> int:
    node = t.used[0]
    t.nodes[node, _FIRST] = -1
    t.nodes[node, _COUNT] = 0
    t.nodes[node, _ADDED] = added
    t.nodes[node, _ABOVE] = above
    t.final[node] = np.nan
    t.used[0] = node + 1
    return int(node)


@inner
def _path(t: Trees, rules: Rules, node: int, column: int, parents: IntArray) -> int:
    """Put the parents that a node stands for into an array, and return how many there are."""
    count = 0
    for j in range(rules.required.shape[1]):
        if rules.required[column, j]:
            parents[count] = j
            count += 1
    while t.nodes[node, _ABOVE] >= 0:
        parents[count] = t.nodes[node, _ADDED]
        count += 1
        node = t.nodes[node, _ABOVE]
    return count


@inner
def _expand(
    improve: Improve, s: ScoreArrays, t: Trees, rules: Rules, node: int, column: int
) -> None:
    """List the columns that would gain at a node, the best first."""
    columns = rules.offered.shape[0]
    parents = np.empty(columns, dtype=np.int64)
    count = _path(t, rules, node, column, parents)
    start = t.used[1]
    t.nodes[node, _FIRST] = start
    t.nodes[node, _COUNT] = 0
    if count >= rules.most_parents:
        return
    offered = np.empty(columns, dtype=np.bool_)
    for j in range(columns):
        offered[j] = rules.offered[column, j]
    for i in range(count):
        offered[parents[i]] = False
    gains = np.empty(columns)
    improve(s, column, parents, count, offered, gains)
    stop = start
    for j in range(columns):
        if gains[j] > 0.0:
            place = stop
            while place > start and gains[t.branches[place - 1, _COLUMN]] < gains[j]:
                t.branches[place, _COLUMN] = t.branches[place - 1, _COLUMN]
                place -= 1
            t.branches[place, _COLUMN] = j
            stop += 1
    for b in range(start, stop):
        t.branches[b, _BELOW] = -1
    t.nodes[node, _COUNT] = stop - start
    t.used[1] = stop


@inner
def shrink(
    improve: Improve,
    s: ScoreArrays,
    t: Trees,
    rules: Rules,
    node: int,
    column: int,
    parents: IntArray,
) -> tuple[float, int]:
    """Return the score when what no longer helps is dropped, and how many parents are left."""
    count = _path(t, rules, node, column, parents)
    fewer = np.empty(count, dtype=np.int64)
    none, nothing = np.empty(count, dtype=np.bool_), np.empty(count - count)
    score = improve(s, column, parents, count, none, nothing)
    while count > 0:
        best, drop = score, -1
        for i in range(count):
            if rules.required[column, parents[i]]:
                continue
            for m in range(count - 1):
                fewer[m] = parents[m if m < i else m + 1]
            value = improve(s, column, fewer, count - 1, none, nothing)
            if value > best + _TIE:
                best, drop = value, i
        if drop < 0:
            break
        for m in range(drop, count - 1):
            parents[m] = parents[m + 1]
        count -= 1
        score = best
    return score, count


@inner
def walk(
    improve: Improve,
    s: ScoreArrays,
    t: Trees,
    rules: Rules,
    column: int,
    prefix: BoolArray,
    watched: int,
) -> tuple[int, bool]:
    """Return the node of a prefix, and whether ``watched`` in it would lead elsewhere."""
    columns = rules.offered.shape[0]
    room = rules.most_parents + 2
    if t.used[0] + room > len(t.nodes) or t.used[1] + room * columns > len(t.branches):
        _clear(t, columns)
    node = column
    differs = False
    going = True
    while going:
        if t.nodes[node, _FIRST] < 0:
            _expand(improve, s, t, rules, node, column)
        going = False
        start = t.nodes[node, _FIRST]
        for place in range(start, start + t.nodes[node, _COUNT]):
            j = t.branches[place, _COLUMN]
            if prefix[j]:
                below = t.branches[place, _BELOW]
                if below < 0:
                    below = _add_node(t, node, j + 0)  # + 0: int64 as elsewhere
                    t.branches[place, _BELOW] = below
                node = below
                going = True
                break
            if j == watched:
                differs = True
    return node, differs


@compiled
def sweep(
    improve: Improve,
    s: ScoreArrays,
    t: Trees,
    rules: Rules,
    before: BoolArray,
    order: IntArray,
    turns: IntArray,
    chance: FloatArray,
    found: BoolArray,
) -> float:
    """Move each column in turn to its best place in the order, and return the order's score.

    Among places that score alike one is drawn: orders of one equivalence class form plateaus, and
    wandering on them is what leads out of local optima.

    Parameters
    ----------
    improve, s, t, rules
        The score, its trees, and which parents are allowed.
    before : ndarray of bool, shape (n_columns, n_columns)
        ``before[i, j]``: whether i must stand before j.
    order : ndarray of int, shape (n_columns,)
        A permitted order; changed in place.
    turns : ndarray of int, shape (n_columns,) or (0,)
        The columns in the order in which they are moved. If empty, parents are wanted.
    chance : ndarray of shape (n_columns,)
        Numbers drawn uniformly from [0, 1).
    found : ndarray of bool, shape (n_columns, n_columns)
        All False. On return, if parents are wanted: ``found[x, j]``, whether j is one of x.
    """
    columns = len(order)
    prefix = np.empty(columns, dtype=np.bool_)
    rest = np.empty(columns, dtype=np.int64)
    totals = np.empty(columns)
    gaps = np.empty(columns)
    parents = np.empty(columns, dtype=np.int64)
    score = 0.0
    for i in range(columns):
        gaps[i] = 0.0
        prefix[i] = False
    if len(turns) == 0:
        for place in range(columns):
            column = order[place]
            node, _ = walk(improve, s, t, rules, column, prefix, column)
            value, count = shrink(improve, s, t, rules, node, column, parents)
            for i in range(count):
                found[column, parents[i]] = True
            prefix[column] = True
            score += value
        return score
    for turn in range(columns):
        column = turns[turn]
        low, high, seen = 0, columns - 1, 0
        for i in range(columns):
            other = order[i]
            prefix[other] = False
            if other == column:
                continue
            rest[seen] = other
            if before[other, column]:
                low = seen + 1
            if before[column, other]:
                high = min(high, seen)
            seen += 1
        # totals[i]: score of all when the column stands before the i-th of the others.
        ahead, behind = 0.0, 0.0
        for i in range(columns):
            differs = True
            # The column itself; the other without the column before it; the other with it.
            for ask in range(3 if i < columns - 1 else 1):
                if not differs:
                    break
                prefix[column] = ask == 2
                asked = column if ask == 0 else rest[i]
                watched = column if ask == 1 else _NOTHING
                node, matters = walk(improve, s, t, rules, asked, prefix, watched)
                if np.isnan(t.final[node]):
                    t.final[node], _ = shrink(improve, s, t, rules, node, asked, parents)
                value = t.final[node]
                if ask == 0:
                    totals[i] = ahead + value
                else:
                    gaps[i] = value
                if ask == 1:
                    ahead += value
                    differs = matters
            prefix[column] = False
            if i < columns - 1:
                behind += gaps[i]
                prefix[rest[i]] = True
        for i in range(columns):
            totals[i] += behind
            behind -= gaps[i]
        top = totals[low]
        for i in range(low, high + 1):
            top = max(top, totals[i])
        alike = 0
        for i in range(low, high + 1):
            if totals[i] >= top - _TIE:
                alike += 1
        wanted = int(chance[turn] * alike)
        place = low
        for i in range(low, high + 1):
            if totals[i] >= top - _TIE:
                if wanted == 0:
                    place = i
                wanted -= 1
        score = totals[place]
        for i in range(columns):
            order[i] = column if i == place else rest[i if i < place else i - 1]
    return score
