"""Greedy equivalence search, compiled: inserts and deletes on the class of DAGs itself.

References
----------
Chickering (2002), Optimal structure identification with greedy search.
Dor & Tarsi (1992), A simple algorithm to construct a consistent extension of a partially
oriented graph.
Meek (1995), Causal inference and causal explanation with background knowledge.
Nazaret & Blei (2024), Extremely greedy equivalence search.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from whydrift.discovery._compiled import compiled, inner
from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.scores.base import ScoreArrays
from whydrift.discovery.search._score_kernel import TIE, Improve

__all__ = ["Moves", "State", "climb", "complete", "new_moves", "new_state"]

_MOST_CLIQUES = 2_048  # looked at among the neighbours of one column, the smallest first
_MOST_TAKEN = 3  # times that an edge is taken out; then it stays


class State(NamedTuple):
    """A class of DAGs.

    Parameters
    ----------
    directed, undirected : ndarray of bool, shape (n_columns, n_columns)
        ``directed[i, j]`` for i → j, and the symmetric ``undirected[i, j]`` for i — j.
    near : ndarray of int, shape (n_columns, n_columns)
        Numbers of the columns joined to each column, in its first ``degree`` places.
    degree : ndarray of int, shape (n_columns,)
    dag : ndarray of bool, shape (n_columns, n_columns)
        One of its members.
    """

    directed: BoolArray
    undirected: BoolArray
    near: IntArray
    degree: IntArray
    dag: BoolArray


class Moves(NamedTuple):
    """What each move would gain, at most.

    Parameters
    ----------
    gains : ndarray of shape (2, n_columns, n_columns)
        ``gains[INSERT, y, x]``: the most that x → y would gain, whether or not a path forbids it;
        ``gains[DELETE, y, x]``: the most that taking out the edge would. 0 where nothing is gained.
    top : ndarray of shape (2, n_columns)
        No less than the largest of each y.
    """

    gains: FloatArray
    top: FloatArray


INSERT, DELETE = 0, 1


def new_state(columns: int) -> State:
    """Return a class without edges."""
    return State(
        np.zeros((columns, columns), dtype=bool),
        np.zeros((columns, columns), dtype=bool),
        np.zeros((columns, columns), dtype=np.int64),
        np.zeros(columns, dtype=np.int64),
        np.zeros((columns, columns), dtype=bool),
    )


def new_moves(columns: int) -> Moves:
    """Return moves that gain nothing."""
    return Moves(np.zeros((2, columns, columns)), np.zeros((2, columns)))


# ---- completing -------------------------------------------------------------------------------
@compiled
def complete(g: State, allowed: BoolArray) -> bool:
    """Turn a partially directed graph into the class that it belongs to, in place.

    Returns
    -------
    bool
        False where no DAG has these adjacencies, colliders and directions; ``g`` is then spoilt.
    """
    size = len(g.degree)
    near, degree = g.near, g.degree
    joined = np.empty((size, size), dtype=np.bool_)
    for a in range(size):
        degree[a] = 0
        for b in range(size):
            joined[a, b] = False
            g.dag[a, b] = False
            if g.directed[a, b] or g.directed[b, a] or g.undirected[a, b]:
                joined[a, b] = True
                near[a, degree[a]] = b
                degree[a] += 1
    # A DAG of the class: take away sinks whose undirected neighbours see all their neighbours.
    gone = np.empty(size, dtype=np.bool_)
    waiting = np.empty(size, dtype=np.bool_)
    stack = np.empty(size, dtype=np.int64)
    for a in range(size):
        gone[a], waiting[a], stack[a] = False, True, a
    height, left = size, size
    while height > 0:
        height -= 1
        a = stack[height]
        waiting[a] = False
        fits = not gone[a]
        for i in range(degree[a]):
            b = near[a, i]
            if not fits:
                break
            if gone[b]:
                continue
            if g.directed[a, b]:
                fits = False
            elif g.undirected[a, b]:
                for m in range(degree[a]):
                    c = near[a, m]
                    if c != b and not gone[c] and not joined[b, c]:
                        fits = False
                        break
        if fits:
            gone[a] = True
            left -= 1
            for i in range(degree[a]):
                b = near[a, i]
                if not gone[b]:
                    g.directed[b, a] = True
                    if not waiting[b]:
                        waiting[b] = True
                        stack[height] = b
                        height += 1
    if left > 0:
        return False
    for a in range(size):
        for i in range(degree[a]):
            g.dag[a, near[a, i]] = g.directed[a, near[a, i]]
    # What the class keeps: colliders, what knowledge leaves one way, and what follows from them.
    for b in range(size):
        for i in range(degree[b]):
            a = near[b, i]
            if not g.directed[a, b]:
                continue
            keep = not allowed[b, a]
            for m in range(degree[b]):
                c = near[b, m]
                if c != a and g.directed[c, b] and not joined[a, c]:
                    keep = True
                    break
            g.undirected[a, b] = not keep
            g.undirected[b, a] = not keep
    for a in range(size):
        for i in range(degree[a]):
            if g.undirected[a, near[a, i]]:
                g.directed[a, near[a, i]] = False
    turned = True
    while turned:
        turned = False
        for a in range(size):
            for i in range(degree[a]):
                b = near[a, i]
                if g.undirected[a, b] and _follows(g, joined, a, b):
                    g.undirected[a, b] = False
                    g.undirected[b, a] = False
                    g.directed[a, b] = True
                    turned = True
    return True


@inner
def _follows(g: State, joined: BoolArray, a: int, b: int) -> bool:
    """Whether one of Meek's rules asks for a → b."""
    for i in range(g.degree[a]):
        c = g.near[a, i]
        if c == b:
            continue
        if g.directed[c, a] and not joined[c, b]:
            return True
        if g.directed[a, c] and g.directed[c, b]:
            return True
        if g.undirected[a, c]:
            for m in range(g.degree[a]):
                d = g.near[a, m]
                if d in (b, c) or not g.directed[d, b]:
                    continue
                if g.directed[c, b]:
                    if g.undirected[a, d] and not joined[c, d]:
                        return True
                elif not joined[c, b] and g.directed[c, d]:
                    return True
    return False


# ---- moves ------------------------------------------------------------------------------------
@inner
def _cliques(g: State, nodes: IntArray, count: int) -> tuple[IntArray, int]:
    """Return the cliques among some nodes, the empty one too, as rows of (size, members …)."""
    most = min(_MOST_CLIQUES, 1 << min(count, 30))
    out = np.empty((most, count + 1), dtype=np.int64)
    out[0, 0] = 0
    found, done = 1, 0
    while done < found:
        size = out[done, 0]
        first = 0
        if size > 0:
            while nodes[first] != out[done, size]:
                first += 1
            first += 1
        for i in range(first, count):
            node = nodes[i]
            fits = True
            for m in range(size):
                other = out[done, 1 + m]
                if not (
                    g.directed[node, other] or g.directed[other, node] or g.undirected[node, other]
                ):
                    fits = False
                    break
            if fits and found < most:
                for m in range(size):
                    out[found, 1 + m] = out[done, 1 + m]
                out[found, 1 + size] = node
                out[found, 0] = size + 1
                found += 1
        done += 1
    return out, found


@inner
def _is_cut_off(g: State, y: int, x: int, clique: IntArray) -> bool:
    """Whether every path from y to x that goes against no arrow passes through the clique."""
    size = len(g.degree)
    seen = np.empty(size, dtype=np.bool_)
    for a in range(size):
        seen[a] = False
    for m in range(clique[0]):
        seen[clique[1 + m]] = True
    stack = np.empty(size, dtype=np.int64)
    stack[0] = y
    seen[y] = True
    height = 1
    while height > 0:
        height -= 1
        a = stack[height]
        for i in range(g.degree[a]):
            b = g.near[a, i]
            if not seen[b] and not g.directed[b, a]:
                if b == x:
                    return False
                seen[b] = True
                stack[height] = b
                height += 1
    return True


@inner
def _weigh(
    improve: Improve, s: ScoreArrays, g: State, allowed: BoolArray, stay: BoolArray, most: int,
    y: int, only: int, moves: Moves,
) -> IntArray:  # fmt: skip
    """Find what inserts and deletes at y would gain.

    Parameters
    ----------
    only : int
        −1 to fill a row of ``moves`` with what each x would gain at most. A column x not joined to
        y: look at inserting x → y alone, and only at cliques that no path forbids. A column that
        is joined: look at deleting its edge alone.

    Returns
    -------
    ndarray of int
        With ``only``: the clique of the best move as (size, members …), size −1 where there is
        none; its gain is put into ``moves``.
    """
    size = len(g.degree)
    around = np.empty(size, dtype=np.int64)  # undirected neighbours
    base = np.empty(size, dtype=np.int64)  # parents of y, then room for the clique and x
    neighbours, own = 0, 0
    for i in range(g.degree[y]):
        other = g.near[y, i]
        if g.undirected[y, other]:
            around[neighbours] = other
            neighbours += 1
        elif g.directed[other, y]:
            base[own] = other
            own += 1
    cliques, found = _cliques(g, around, int(neighbours))
    offered = np.empty(size, dtype=np.bool_)
    in_clique = np.empty(size, dtype=np.bool_)
    gains = np.empty(size)
    nothing = np.empty(size - size)
    fewer = np.empty(size, dtype=np.int64)
    chosen = -1
    for x in range(size):
        in_clique[x] = False
        if only < 0 or x == only:
            moves.gains[INSERT, y, x] = 0.0
            moves.gains[DELETE, y, x] = 0.0
    for c in range(found):
        members = cliques[c, 0]
        count = own + members
        for m in range(members):
            base[own + m] = cliques[c, 1 + m]
            in_clique[cliques[c, 1 + m]] = True
        wanted = False
        for x in range(size):
            offered[x] = False
            if x == y or not allowed[x, y] or (only >= 0 and x != only):
                continue
            if count >= most or g.undirected[x, y] or g.directed[x, y] or g.directed[y, x]:
                continue
            # The clique must hold every neighbour of y that is joined to x.
            fits = True
            for m in range(neighbours):
                z = around[m]
                if not in_clique[z] and (
                    g.undirected[x, z] or g.directed[x, z] or g.directed[z, x]
                ):
                    fits = False
                    break
            if fits and (only < 0 or _is_cut_off(g, y, x, cliques[c])):
                offered[x] = True
                wanted = True
        if wanted:
            improve(s, y, base, count, offered, gains)
            for x in range(size):
                if offered[x] and gains[x] > moves.gains[INSERT, y, x]:
                    moves.gains[INSERT, y, x] = gains[x]
                    chosen = c
        # Deletes: what is left of the common neighbours of x and y is this clique.
        for i in range(own + neighbours):
            x = base[i] if i < own else around[i - own]
            if stay[x, y] or stay[y, x] or in_clique[x] or (only >= 0 and x != only):
                continue
            fits = True
            for m in range(members):
                z = cliques[c, 1 + m]
                if not (g.undirected[x, z] or g.directed[x, z] or g.directed[z, x]):
                    fits = False
                    break
            if not fits:
                continue
            kept = 0
            for m in range(count):
                if base[m] != x:
                    fewer[kept] = base[m]
                    kept += 1
            gain = improve(s, y, fewer, kept, offered, nothing)
            fewer[kept] = x
            gain -= improve(s, y, fewer, kept + 1, offered, nothing)
            if gain > max(TIE, moves.gains[DELETE, y, x]):
                moves.gains[DELETE, y, x] = gain
                chosen = c
        for m in range(members):
            in_clique[cliques[c, 1 + m]] = False
    if only < 0:
        for kind in range(2):
            moves.top[kind, y] = 0.0
            for x in range(size):
                moves.top[kind, y] = max(moves.top[kind, y], moves.gains[kind, y, x])
    if chosen < 0:
        cliques[0, 0] = -1
        chosen = 0
    clique: IntArray = cliques[chosen]
    return clique


@compiled
def climb(
    improve: Improve, s: ScoreArrays, g: State, fresh: State, allowed: BoolArray,
    stay: BoolArray, most: int, moves: Moves, exact: Moves, looked: IntArray, stale: BoolArray,
    taken: IntArray, steps: int,
) -> int:  # fmt: skip
    """Make the best moves, deletes before inserts, until nothing gains.

    A score that differs within a class can gain on every move of a round trip, for ever. An edge
    that was taken out a few times is therefore there to stay when it comes back, which bounds the
    moves by a multiple of the pairs.

    Parameters
    ----------
    improve, s
        The score.
    g, fresh : State
        A class of DAGs, changed in place; and room for another.
    allowed, stay : ndarray of bool, shape (n_columns, n_columns)
        ``allowed[i, j]``: whether i → j may be; ``stay[i, j]``: whether the edge may not be taken
        out, in either direction; more of them on return.
    most : int
        Parents beyond which a column is given no more.
    moves, exact : Moves
        Kept from one call to the next; and room for others.
    looked : ndarray of int, shape (n_columns, n_columns)
        Zeros at first; kept from one call to the next.
    stale : ndarray of bool, shape (n_columns,)
        Columns whose moves must be weighed again; all of them at first.
    taken : ndarray of int, shape (n_columns, n_columns)
        Zeros at first; ``taken[i, j]``, i < j: how often the edge was taken out.
    steps : int
        Moves after which to return.

    Returns
    -------
    int
        Moves made; fewer than ``steps`` at the end.
    """
    size = len(g.degree)
    touched = np.empty(size, dtype=np.bool_)
    best_clique = np.empty(size, dtype=np.int64)
    look = 1
    for y in range(size):
        for x in range(size):
            look = max(look, looked[y, x] + 1)
    made, kind = 0, DELETE
    best, best_x, best_y = 0.0, -1, -1
    while made < steps:
        # What to weigh next: a column that is stale, or the move that promises most.
        task_x, task_y, top = -1, -1, best
        for y in range(size):
            if stale[y]:
                task_x, task_y = -1, y
                stale[y] = False
                break
            if moves.top[kind, y] > top:
                for x in range(size):
                    if moves.gains[kind, y, x] > top and looked[y, x] != look:
                        top, task_x, task_y = moves.gains[kind, y, x], x, y
        if task_y >= 0:
            table = moves if task_x < 0 else exact
            clique = _weigh(improve, s, g, allowed, stay, most, task_y, int(task_x), table)
            if task_x >= 0:
                looked[task_y, task_x] = look
                # Those that a path forbids promise more than they hold.
                if clique[0] >= 0 and exact.gains[kind, task_y, task_x] > best:
                    best = exact.gains[kind, task_y, task_x]
                    best_x, best_y, best_clique = task_x, task_y, clique
            continue
        look += 1
        if best_x < 0:
            if kind == INSERT:
                break
            kind = INSERT  # no delete gains
            continue
        x, y, deletes = best_x, best_y, kind == DELETE
        best, best_x, best_y, kind = 0.0, -1, -1, DELETE
        _apply(g, fresh, int(x), int(y), best_clique, deletes)
        if not complete(fresh, allowed):
            # Knowledge leaves no DAG here: this move is out until its surroundings change.
            moves.gains[INSERT, y, x] = 0.0
            moves.gains[DELETE, y, x] = 0.0
            continue
        made += 1
        if deletes:
            low, high = min(x, y), max(x, y)
            taken[low, high] += 1
            if taken[low, high] >= _MOST_TAKEN:
                stay[low, high] = True
        for a in range(size):
            touched[a] = False
        for a in range(size):
            g.degree[a] = fresh.degree[a]
            for b in range(size):
                if (
                    g.directed[a, b] != fresh.directed[a, b]
                    or g.undirected[a, b] != fresh.undirected[a, b]
                ):
                    touched[a] = True
                    touched[b] = True
                    g.directed[a, b] = fresh.directed[a, b]
                    g.undirected[a, b] = fresh.undirected[a, b]
            for i in range(g.degree[a]):
                g.near[a, i] = fresh.near[a, i]
            for b in range(size):
                g.dag[a, b] = fresh.dag[a, b]
        for a in range(size):
            stale[a] = touched[a]
            for i in range(g.degree[a]):
                if g.undirected[a, g.near[a, i]] and touched[g.near[a, i]]:
                    stale[a] = True
    return made


@inner
def _apply(g: State, fresh: State, x: int, y: int, clique: IntArray, deletes: bool) -> None:
    """Put the graph after a move into ``fresh``, not completed yet."""
    size = len(g.degree)
    for a in range(size):
        for b in range(size):
            fresh.directed[a, b] = g.directed[a, b]
            fresh.undirected[a, b] = g.undirected[a, b]
    fresh.undirected[x, y] = False
    fresh.undirected[y, x] = False
    fresh.directed[x, y] = not deletes
    if not deletes:
        for m in range(clique[0]):  # neighbours of y outside adj(x), and those already seen by x
            t = clique[1 + m]
            if not (g.directed[t, x] or g.directed[x, t] or g.undirected[t, x]):
                fresh.undirected[t, y] = False
                fresh.undirected[y, t] = False
                fresh.directed[t, y] = True
        return
    for i in range(g.degree[y]):
        h = g.near[y, i]
        if h == x or not g.undirected[y, h]:
            continue
        common = g.directed[h, x] or g.directed[x, h] or g.undirected[h, x]
        for m in range(clique[0]):
            if clique[1 + m] == h:
                common = False
        if common:
            fresh.undirected[y, h] = False
            fresh.undirected[h, y] = False
            fresh.directed[y, h] = True
            if g.undirected[x, h]:
                fresh.undirected[x, h] = False
                fresh.undirected[h, x] = False
                fresh.directed[x, h] = True
