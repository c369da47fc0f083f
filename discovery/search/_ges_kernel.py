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
from numpy.typing import NDArray

from whydrift.discovery._compiled import compiled, inner
from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.scores.base import ScoreArrays
from whydrift.discovery.search._score_kernel import TIE, Improve

__all__ = [
    "ALLOWED",
    "IN",
    "LINE",
    "MOST_CLIQUES",
    "NONE",
    "OUT",
    "STAY",
    "TAKEN",
    "Room",
    "State",
    "climb",
    "new_gains",
    "new_room",
    "new_state",
]

MarkArray = NDArray[np.int8]

MOST_CLIQUES = 2_048  # looked at among the neighbours of one column, the smallest first
_MOST_TAKEN = 3  # times that an edge is taken out; then it stays

# State.marks[i, j]: no edge, i → j, i ← j, i — j.
NONE, OUT, IN, LINE = 0, 1, 2, 3
# First index of the gains, of rules and of tallies.
INSERT, DELETE = 0, 1
ALLOWED, STAY = 0, 1
LOOKED, TAKEN = 0, 1


class State(NamedTuple):
    """A class of DAGs.

    One matrix of marks, and not one for each kind of edge: what a kernel reads decides how long
    it takes to compile.

    Parameters
    ----------
    marks : ndarray of int8, shape (n_columns, n_columns)
        What stands between i and j, seen from i: ``OUT`` for i → j, ``IN`` for i ← j, ``LINE`` for
        i — j, ``NONE``.
    near : ndarray of int, shape (n_columns, n_columns + 1)
        How many columns are joined to each column, and then their numbers.
    dag : ndarray of bool, shape (n_columns, n_columns)
        One of its members.
    """

    marks: MarkArray
    near: IntArray
    dag: BoolArray


class Room(NamedTuple):
    """Where the kernel puts what it needs for a moment.

    Parameters
    ----------
    numbers : ndarray of int, shape (5, n_columns + 1)
    flags : ndarray of bool, shape (4, n_columns)
    gains : ndarray of shape (n_columns,)
    nothing : ndarray of shape (0,)
    cliques : ndarray of int, shape (MOST_CLIQUES, n_columns + 1)
        Each as its size and its members.
    cut_short : ndarray of bool, shape (n_columns,)
        Columns with more cliques among their neighbours than were looked at.
    """

    numbers: IntArray
    flags: BoolArray
    gains: FloatArray
    nothing: FloatArray
    cliques: IntArray
    cut_short: BoolArray


# Rows of Room.numbers and Room.flags.
_AROUND, _BASE, _FEWER, _STACK, _BEST = 0, 1, 2, 3, 4
_OFFERED, _IN_CLIQUE, _SEEN, _WAITING = 0, 1, 2, 3


def new_state(columns: int) -> State:
    """Return a class without edges."""
    return State(
        np.zeros((columns, columns), dtype=np.int8),
        np.zeros((columns, columns + 1), dtype=np.int64),
        np.zeros((columns, columns), dtype=bool),
    )


def new_room(columns: int) -> Room:
    """Return room for the moves of so many columns; of the cliques, memory is touched as needed."""
    return Room(
        np.zeros((5, columns + 1), dtype=np.int64),
        np.zeros((4, columns), dtype=bool),
        np.zeros(columns),
        np.zeros(0),
        np.empty((MOST_CLIQUES, columns + 1), dtype=np.int64),
        np.zeros(columns, dtype=bool),
    )


def new_gains(columns: int) -> FloatArray:
    """Return what each move would gain, at most: nothing yet.

    ``gains[INSERT, y, x]``: the most that x → y would gain, whether or not a path forbids it;
    ``gains[DELETE, y, x]``: the most that taking out the edge would; 0 where nothing is gained.
    ``gains[kind, y, n_columns]`` is no less than the largest of each y.
    """
    return np.zeros((2, columns, columns + 1))


# ---- completing -------------------------------------------------------------------------------
@inner
def complete(g: State, rules: BoolArray, room: Room) -> bool:
    """Turn a partially directed graph into the class that it belongs to, in place.

    Returns
    -------
    bool
        False where no DAG has these adjacencies, colliders and directions; ``g`` is then spoilt.
    """
    marks, near, dag = g
    size = len(near)
    gone, waiting, stack = room.flags[_SEEN], room.flags[_WAITING], room.numbers[_STACK]
    for a in range(size):
        gone[a], waiting[a], stack[a] = False, True, a
        degree = 0
        for b in range(size):
            if marks[a, b] != NONE:
                degree += 1
                near[a, degree] = b
        near[a, 0] = degree
    # A DAG of the class: take away sinks whose undirected neighbours see all their neighbours.
    height, left = size, size
    while height > 0:
        height -= 1
        a = stack[height]
        waiting[a] = False
        fits = not gone[a]
        for i in range(1, near[a, 0] + 1):
            b = near[a, i]
            if not fits:
                break
            if gone[b]:
                continue
            if marks[a, b] == OUT:
                fits = False
            elif marks[a, b] == LINE:
                for m in range(1, near[a, 0] + 1):
                    c = near[a, m]
                    if c != b and not gone[c] and marks[b, c] == NONE:
                        fits = False
                        break
        if fits:
            gone[a] = True
            left -= 1
            for i in range(1, near[a, 0] + 1):
                b = near[a, i]
                if not gone[b]:
                    marks[b, a] = OUT
                    marks[a, b] = IN
                    if not waiting[b]:
                        waiting[b] = True
                        stack[height] = b
                        height += 1
    if left > 0:
        return False
    for a in range(size):
        for b in range(size):
            dag[a, b] = marks[a, b] == OUT
    # What the class keeps: colliders, what knowledge leaves one way, and what follows from them.
    for b in range(size):
        for i in range(1, near[b, 0] + 1):
            a = near[b, i]
            if not dag[a, b]:
                continue
            keep = not rules[ALLOWED, b, a]
            for m in range(1, near[b, 0] + 1):
                c = near[b, m]
                if c != a and dag[c, b] and marks[a, c] == NONE:
                    keep = True
                    break
            if not keep:
                marks[a, b] = LINE
                marks[b, a] = LINE
    turned = True
    while turned:
        turned = False
        for a in range(size):
            for i in range(1, near[a, 0] + 1):
                b = near[a, i]
                if marks[a, b] == LINE and _follows(marks, near, a, b):
                    marks[a, b] = OUT
                    marks[b, a] = IN
                    turned = True
    return True


@inner
def _follows(marks: MarkArray, near: IntArray, a: int, b: int) -> bool:
    """Whether one of Meek's rules asks for a → b."""
    for i in range(1, near[a, 0] + 1):
        c = near[a, i]
        if c == b:
            continue
        if marks[a, c] == IN:
            if marks[c, b] == NONE:
                return True
        elif marks[a, c] == OUT:
            if marks[c, b] == OUT:
                return True
        else:
            for m in range(1, near[a, 0] + 1):
                d = near[a, m]
                if d in (b, c) or marks[d, b] != OUT:
                    continue
                if marks[c, b] == OUT:
                    if marks[a, d] == LINE and marks[c, d] == NONE:
                        return True
                elif marks[c, b] == NONE and marks[c, d] == OUT:
                    return True
    return False


# ---- moves ------------------------------------------------------------------------------------
@inner
def _cliques(marks: MarkArray, nodes: IntArray, count: int, out: IntArray) -> int:
    """List the cliques among some nodes, the empty one too, the smallest first.

    Returns
    -------
    int
        How many there are, or −1 where they are more than there is room for.
    """
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
            fits = True
            for m in range(1, size + 1):
                if marks[nodes[i], out[done, m]] == NONE:
                    fits = False
                    break
            if fits:
                if found == len(out):
                    return -1
                for m in range(1, size + 1):
                    out[found, m] = out[done, m]
                out[found, size + 1] = nodes[i]
                out[found, 0] = size + 1
                found += 1
        done += 1
    return found


@inner
def _is_cut_off(g: State, y: int, x: int, clique: IntArray, room: Room) -> bool:
    """Whether every path from y to x that goes against no arrow passes through the clique."""
    seen, stack = room.flags[_SEEN], room.numbers[_STACK]
    for a in range(len(seen)):
        seen[a] = False
    for m in range(1, clique[0] + 1):
        seen[clique[m]] = True
    stack[0] = y
    seen[y] = True
    height = 1
    while height > 0:
        height -= 1
        a = stack[height]
        for i in range(1, g.near[a, 0] + 1):
            b = g.near[a, i]
            if not seen[b] and g.marks[a, b] != IN:
                if b == x:
                    return False
                seen[b] = True
                stack[height] = b
                height += 1
    return True


@inner
def _weigh(
    improve: Improve, s: ScoreArrays, g: State, rules: BoolArray, most: int, y: int, only: int,
    gains: FloatArray, room: Room,
) -> int:  # fmt: skip
    """Find what inserts and deletes at y would gain.

    Parameters
    ----------
    only : int
        −1 to fill a row of ``gains`` with what each x would gain at most. A column x not joined to
        y: look at inserting x → y alone, and only at cliques that no path forbids. A column that
        is joined: look at deleting its edge alone.

    Returns
    -------
    int
        With ``only``: the number of the best move's clique in ``room``, −1 where there is none; its
        gain is put into ``gains``.
    """
    marks = g.marks
    size = len(marks)
    around = room.numbers[_AROUND]  # undirected neighbours
    base = room.numbers[_BASE]  # parents of y, then room for the clique and x
    fewer = room.numbers[_FEWER]
    offered, in_clique = room.flags[_OFFERED], room.flags[_IN_CLIQUE]
    neighbours, own = 0, 0
    for i in range(1, g.near[y, 0] + 1):
        other = g.near[y, i]
        if marks[y, other] == LINE:
            around[neighbours] = other
            neighbours += 1
        elif marks[y, other] == IN:
            base[own] = other
            own += 1
    cliques = room.cliques
    found = _cliques(marks, around, int(neighbours), cliques)
    if found < 0:
        room.cut_short[y] = True
        found = len(cliques)
    for x in range(size):
        in_clique[x] = False
        if only < 0 or x == only:
            gains[INSERT, y, x] = 0.0
            gains[DELETE, y, x] = 0.0
    chosen = -1
    for c in range(found):
        members = cliques[c, 0]
        count = own + members
        for m in range(members):
            base[own + m] = cliques[c, 1 + m]
            in_clique[base[own + m]] = True
        wanted = False
        for x in range(size):
            # The clique must hold every neighbour of y that is joined to x.
            fits = x != y and rules[ALLOWED, x, y] and count < most and marks[x, y] == NONE
            if only >= 0 and x != only:
                fits = False
            if fits:
                for m in range(neighbours):
                    if not in_clique[around[m]] and marks[x, around[m]] != NONE:
                        fits = False
                        break
            if fits and only >= 0:
                fits = _is_cut_off(g, y, x, cliques[c], room)
            offered[x] = fits
            wanted = wanted or fits
        if wanted:
            improve(s, y, base, count, offered, room.gains)
            for x in range(size):
                if offered[x] and room.gains[x] > gains[INSERT, y, x]:
                    gains[INSERT, y, x] = room.gains[x]
                    chosen = c
        # Deletes: what is left of the common neighbours of x and y is this clique.
        for i in range(own + neighbours):
            x = base[i] if i < own else around[i - own]
            if rules[STAY, x, y] or in_clique[x] or (only >= 0 and x != only):
                continue
            fits = True
            for m in range(members):
                if marks[x, base[own + m]] == NONE:
                    fits = False
                    break
            if not fits:
                continue
            kept = 0
            for m in range(count):
                if base[m] != x:
                    fewer[kept] = base[m]
                    kept += 1
            fewer[kept] = x
            gain = 0.0
            for more in range(2):
                gain = improve(s, y, fewer, kept + more, offered, room.nothing) - gain
            if -gain > max(TIE, gains[DELETE, y, x]):
                gains[DELETE, y, x] = -gain
                chosen = c
        for m in range(members):
            in_clique[base[own + m]] = False
    if only < 0:
        for kind in range(2):
            gains[kind, y, size] = 0.0
            for x in range(size):
                gains[kind, y, size] = max(gains[kind, y, size], gains[kind, y, x])
    return chosen


@compiled
def climb(
    improve: Improve, s: ScoreArrays, g: State, fresh: State, rules: BoolArray, most: int,
    gains: FloatArray, exact: FloatArray, tallies: IntArray, stale: BoolArray, room: Room,
    steps: int,
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
    rules : ndarray of bool, shape (2, n_columns, n_columns)
        ``rules[ALLOWED, i, j]``: whether i → j may be; ``rules[STAY, i, j]``: whether the edge
        may not be taken out, in either direction; more of them on return.
    most : int
        Parents beyond which a column is given no more.
    gains, exact : ndarray of shape (2, n_columns, n_columns + 1)
        From `new_gains`; kept from one call to the next; and room for others.
    tallies : ndarray of int, shape (2, n_columns, n_columns)
        Zeros at first; kept from one call to the next. ``tallies[TAKEN, i, j]``, i < j: how often
        the edge was taken out.
    stale : ndarray of bool, shape (n_columns,)
        Columns whose moves must be weighed again; all of them at first.
    room : Room
    steps : int
        Moves after which to return. 0 to turn ``g``, of which any marks may have changed, into the
        class that it belongs to.

    Returns
    -------
    int
        Moves made; fewer than ``steps`` at the end; −1 where ``g`` belongs to no class.
    """
    if steps == 0:
        return 0 if complete(g, rules, room) else -1
    size = len(g.near)
    touched, best_clique = room.flags[_SEEN], room.numbers[_BEST]
    look = 1
    for y in range(size):
        for x in range(size):
            look = max(look, tallies[LOOKED, y, x] + 1)
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
            if gains[kind, y, size] > top:
                for x in range(size):
                    if gains[kind, y, x] > top and tallies[LOOKED, y, x] != look:
                        top, task_x, task_y = gains[kind, y, x], x, y
        if task_y >= 0:
            table = gains if task_x < 0 else exact
            clique = _weigh(improve, s, g, rules, most, task_y, int(task_x), table, room)
            if task_x >= 0:
                tallies[LOOKED, task_y, task_x] = look
                # Those that a path forbids promise more than they hold.
                if clique >= 0 and exact[kind, task_y, task_x] > best:
                    best = exact[kind, task_y, task_x]
                    best_x, best_y = task_x, task_y
                    for m in range(room.cliques[clique, 0] + 1):
                        best_clique[m] = room.cliques[clique, m]
            continue
        look += 1
        if best_x < 0:
            if kind == INSERT:
                break
            kind = INSERT  # no delete gains
            continue
        x, y, deletes = best_x, best_y, kind == DELETE
        best, best_x, best_y, kind = 0.0, -1, -1, DELETE
        _apply(g.marks, fresh.marks, g.near, int(x), int(y), best_clique, deletes)
        if not complete(fresh, rules, room):
            # Knowledge leaves no DAG here: this move is out until its surroundings change.
            gains[INSERT, y, x] = 0.0
            gains[DELETE, y, x] = 0.0
            continue
        made += 1
        if deletes:
            tallies[TAKEN, min(x, y), max(x, y)] += 1
            if tallies[TAKEN, min(x, y), max(x, y)] >= _MOST_TAKEN:
                rules[STAY, x, y] = True
                rules[STAY, y, x] = True
        for a in range(size):
            touched[a] = False
            for b in range(size):
                if g.marks[a, b] != fresh.marks[a, b]:
                    touched[a] = True
                g.marks[a, b] = fresh.marks[a, b]
                g.dag[a, b] = fresh.dag[a, b]
            for i in range(fresh.near[a, 0] + 1):
                g.near[a, i] = fresh.near[a, i]
        for a in range(size):
            stale[a] = touched[a]
            for i in range(1, g.near[a, 0] + 1):
                if touched[g.near[a, i]] and g.marks[a, g.near[a, i]] == LINE:
                    stale[a] = True
    return made


@inner
def _apply(
    marks: MarkArray, fresh: MarkArray, near: IntArray, x: int, y: int, clique: IntArray,
    deletes: bool,
) -> None:  # fmt: skip
    """Put the marks after a move into ``fresh``, not completed yet."""
    for a in range(len(marks)):
        for b in range(len(marks)):
            fresh[a, b] = marks[a, b]
    if not deletes:
        fresh[x, y], fresh[y, x] = OUT, IN
        for m in range(1, clique[0] + 1):  # neighbours of y outside adj(x); x sees the others
            t = clique[m]
            if marks[t, x] == NONE:
                fresh[t, y], fresh[y, t] = OUT, IN
        return
    fresh[x, y], fresh[y, x] = NONE, NONE
    for i in range(1, near[y, 0] + 1):
        h = near[y, i]
        common = h != x and marks[y, h] == LINE and marks[x, h] != NONE
        for m in range(1, clique[0] + 1):
            if clique[m] == h:
                common = False
        if common:
            fresh[y, h], fresh[h, y] = OUT, IN
            if marks[x, h] == LINE:
                fresh[x, h], fresh[h, x] = OUT, IN
