"""Orients PAGs: the rules R1 to R10, which are sound and complete with hidden causes and selection.

Inside, a graph is one matrix of marks: ``marks[i, j]`` stands at j's end of the edge between i and
j, and is 0 where there is no edge.

References
----------
Zhang (2008), On the completeness of orientation rules for causal discovery in the presence of
latent confounders and selection bias, Artificial Intelligence 172, 1873-1896. R0 to R10 below are
its rules; α, β, γ and θ its letters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import numpy as np

from whydrift.discovery.arrays import BoolArray, IntArray
from whydrift.discovery.graph import Edge, Graph, Mark, Origin
from whydrift.discovery.orientation import on_cycles

__all__ = [
    "ARROW",
    "CIRCLE",
    "TAIL",
    "biconnected_components",
    "from_marks",
    "known_marks",
    "orient_pag",
    "possible_d_sep",
    "with_colliders",
]

CIRCLE, ARROW, TAIL = 1, 2, 3
_MARKS: Final = {CIRCLE: Mark.CIRCLE, ARROW: Mark.ARROW, TAIL: Mark.TAIL}
# Steps of a search for one uncovered path before it is given up, and the edge left as it is.
_MOST_STEPS = 20_000

# Whether β stands in the set that separates θ and γ; None where no set is known.
Separates = Callable[[int, int, int], bool | None]
# Told of a discriminating path <θ, …, α, β, γ>; False where it turned out not to be one.
Confirm = Callable[[Sequence[int]], bool]


def known_marks(
    adjacent: BoolArray, allowed: BoolArray, required: Iterable[tuple[int, int]]
) -> tuple[IntArray, int]:
    """Return the marks of a skeleton that knowledge fixes, and circles elsewhere.

    Parameters
    ----------
    adjacent : ndarray of bool, shape (n_nodes, n_nodes)
    allowed : ndarray of bool, shape (n_nodes, n_nodes)
        ``allowed[i, j]``: i may be a cause of j. What may not be a cause gets an arrow; where
        neither may be, a hidden cause is what is left: i ↔ j.
    required : iterable of (int, int)
        Cause and effect.

    Returns
    -------
    marks : ndarray of int, shape (n_nodes, n_nodes)
        Without a directed cycle.
    left_out : int
        Required edges that would close one.
    """
    marks: IntArray = np.where(adjacent, CIRCLE, 0)
    left_out = 0
    for cause, effect in required:
        marks[cause, effect], marks[effect, cause] = ARROW, TAIL
        if on_cycles(_directed(marks)).any():  # Knowledge refuses this; copies may bring it about
            marks[cause, effect] = marks[effect, cause] = CIRCLE
            left_out += 1
    arrows = adjacent & ~allowed.T & (marks == CIRCLE)  # i *→ j where j may not cause i
    marks[arrows] = ARROW
    return marks, left_out


def with_colliders(marks: IntArray, triples: IntArray) -> tuple[IntArray, int]:
    """Return the marks with x *→ z ←* y for each triple (R0), and how many knowledge rules out."""
    marks = marks.copy()
    left_out = 0
    for x, z, y in triples.tolist():
        if marks[x, z] == TAIL or marks[y, z] == TAIL:
            left_out += 1
            continue
        before = marks[x, z], marks[y, z]
        marks[x, z] = marks[y, z] = ARROW
        if on_cycles(_directed(marks)).any():  # only where tails were known
            marks[x, z], marks[y, z] = before
            left_out += 1
    return marks, left_out


def possible_d_sep(marks: IntArray) -> BoolArray:
    """Return ``sets[x, v]``: whether v may be needed to separate x from others.

    A path leads from x to v on which each inner node is a collider or part of a triangle.

    References
    ----------
    Spirtes, Glymour & Scheines (2000), Causation, Prediction, and Search, section 6.7.
    """
    count = len(marks)
    near = [_mask(row > 0) for row in marks]
    into = [_mask(column == ARROW) for column in marks.T]  # nodes with an arrow into it
    steps: dict[tuple[int, int], int] = {}
    for u in range(count):
        for v in _members(near[u]):
            far = near[u] | (into[v] if marks[u, v] == ARROW else 0)
            steps[u, v] = near[v] & far & ~(1 << u)
    found = np.zeros((count, count), dtype=bool)
    for x in range(count):
        seen = [0] * count  # seen[u]: nodes that were reached from u
        seen[x] = near[x]
        todo = [(x, v) for v in _members(near[x])]
        for u, v in todo:  # grows while it is walked
            found[x, v] = True
            new = steps[u, v] & ~seen[v] & ~(1 << x)
            seen[v] |= new
            todo += [(v, w) for w in _members(new)]
    return found


def biconnected_components(adjacent: BoolArray) -> list[IntArray]:
    """Return the nodes of each biconnected component of three nodes or more.

    What separates two adjacent nodes lies on paths between them, and these lie in the component
    that holds their edge.

    References
    ----------
    Hopcroft & Tarjan (1973), Efficient algorithms for graph manipulation, algorithm 447.
    """
    near = [np.flatnonzero(row).tolist() for row in adjacent]
    depth = [-1] * len(near)
    lowest = depth.copy()
    found: list[IntArray] = []
    for root in range(len(near)):
        if depth[root] >= 0:
            continue
        depth[root] = lowest[root] = 0
        edges: list[tuple[int, int]] = []
        stack = [(root, -1, iter(near[root]))]
        while stack:
            node, parent, rest = stack[-1]
            for other in rest:
                if other == parent:
                    continue
                if depth[other] < 0:
                    depth[other] = lowest[other] = len(stack)
                    edges.append((node, other))
                    stack.append((other, node, iter(near[other])))
                    break
                if depth[other] < depth[node]:
                    edges.append((node, other))
                    lowest[node] = min(lowest[node], depth[other])
            else:
                stack.pop()
                if not stack:
                    continue
                lowest[parent] = min(lowest[parent], lowest[node])
                if lowest[node] >= depth[parent]:
                    cut = edges.index((parent, node))
                    members = sorted({end for edge in edges[cut:] for end in edge})
                    del edges[cut:]
                    if len(members) > 2:
                        found.append(np.array(members, dtype=np.int64))
    return found


def orient_pag(
    marks: IntArray,
    separates: Separates,
    ambiguous: IntArray | None = None,
    confirm: Confirm | None = None,
) -> IntArray | None:
    """Orient all circles that follow, by R1 to R10.

    All marks that follow at one time are set at one time, so that the result does not depend on
    the order of the nodes. Where the start contradicts itself (finite data), an end that would
    have to carry two marks keeps its circle, and so do edges that would close a directed cycle.

    Parameters
    ----------
    marks : ndarray of int, shape (n_nodes, n_nodes)
        Arrows at the colliders, and what is known.
    separates : callable
        Whether β stands in the set that separates θ and γ.
    ambiguous : ndarray of int, shape (n_triples, 3), optional
        Unshielded (x, z, y) of which it is not known whether z is a collider.
    confirm : callable, optional
        Asked before a discriminating path orients anything.

    Returns
    -------
    ndarray of int, or None
        None where ``confirm`` refused a path: the skeleton has changed.
    """
    marks = marks.copy()
    unsure = np.empty((0, 3), dtype=np.int64) if ambiguous is None else ambiguous
    unsure = np.concatenate([unsure, unsure[:, ::-1]])  # seen from either end
    rules = (
        lambda wanted: _arrows(marks, unsure, wanted),
        lambda wanted: _discriminating(marks, separates, confirm, wanted),
        lambda wanted: _circle_cycles(marks, wanted),
        lambda wanted: _tails_at_lines(marks, unsure, wanted),
        lambda wanted: _tails_at_arrows(marks, wanted),
    )
    place = 0
    while place < len(rules):  # the simplest rules first, and again after every change
        wanted = _Wanted(marks)
        if rules[place](wanted) is False:
            return None
        place = 0 if wanted.set_on(marks) else place + 1
    return marks


class _Wanted:
    """Marks that rules ask for in one round."""

    def __init__(self, marks: IntArray) -> None:
        self.arrow, self.tail = np.zeros((2, *marks.shape), dtype=bool)

    def set_on(self, marks: IntArray) -> bool:
        """Set on circles what is asked for and not contradicted; return whether any was."""
        open_ = (marks == CIRCLE) & ~(self.arrow & self.tail)
        before = marks.copy()
        marks[open_ & self.arrow] = ARROW
        marks[open_ & self.tail] = TAIL
        while True:
            closed = on_cycles(_directed(marks))
            closed = (closed | closed.T) & (marks != before)
            if not closed.any():
                break
            closed |= closed.T
            marks[closed] = before[closed]
        return bool((marks != before).any())


def _directed(marks: IntArray) -> BoolArray:
    directed: BoolArray = (marks == ARROW) & (marks.T == TAIL)
    return directed


def _apart(marks: IntArray) -> BoolArray:
    apart: BoolArray = marks == 0
    np.fill_diagonal(apart, False)
    return apart


# ---- R1 to R3 ---------------------------------------------------------------------------------
def _arrows(marks: IntArray, unsure: IntArray, wanted: _Wanted) -> None:
    arrow, circle = marks == ARROW, marks == CIRCLE
    into, apart = arrow.astype(np.float32), _apart(marks).astype(np.float32)
    # R1: α *→ β o–* γ, α and γ apart: β → γ
    ways = into.T @ apart
    x, z, y = unsure.T
    np.subtract.at(ways, (z, y), into[x, z])
    follows = (ways > 0.5) & circle.T & (marks != TAIL)
    wanted.tail |= follows.T
    wanted.arrow |= follows
    # R2: α → β *→ γ or α *→ β → γ, and α *–o γ: α *→ γ
    directed = _directed(marks).astype(np.float32)
    wanted.arrow |= circle & ((directed @ into > 0) | (into @ directed > 0))
    # R3: α *→ β ←* γ, α *–o θ o–* γ, α and γ apart, θ *–o β: θ *→ β
    theta, beta = np.nonzero(circle)
    if theta.size:
        both = into[:, beta].T * circle[:, theta].T  # (n_edges, n_nodes)
        pairs = ((both @ apart) * both).sum(axis=1)
        for a, b, c in unsure.tolist():
            at = theta == b
            pairs[at] -= both[at, a] * both[at, c]
        wanted.arrow[theta, beta] |= pairs > 0.5


# ---- R4 ---------------------------------------------------------------------------------------
def _discriminating(
    marks: IntArray, separates: Separates, confirm: Confirm | None, wanted: _Wanted
) -> bool:
    """Return False where ``confirm`` refused a path."""
    directed = _directed(marks)
    for gamma, beta in np.argwhere(marks == CIRCLE).tolist():  # β o–* γ
        starts = directed[:, gamma] & (marks[beta] == ARROW)  # β *→ α → γ
        for alpha in np.flatnonzero(starts).tolist():
            for path in _discriminating_paths(marks, directed, alpha, beta, gamma):
                member = separates(path[0], gamma, beta)
                if member is None:
                    continue
                if confirm is not None and not confirm(path):
                    return False
                if member:
                    wanted.tail[gamma, beta] = wanted.arrow[beta, gamma] = True
                else:
                    wanted.arrow[alpha, beta] = True
                    wanted.arrow[gamma, beta] = wanted.arrow[beta, gamma] = True
    return True


def _discriminating_paths(
    marks: IntArray, directed: BoolArray, alpha: int, beta: int, gamma: int
) -> list[list[int]]:
    """Return the shortest paths <θ, …, α, β, γ>, one for each of their first nodes."""
    behind = {alpha: beta}
    layer = [alpha]
    while layer:
        ends: dict[int, int] = {}
        following: list[int] = []
        for v in layer:
            for u in np.flatnonzero(marks[:, v] == ARROW).tolist():
                if u in (gamma, beta) or u in behind:
                    continue
                if not marks[u, gamma]:
                    ends.setdefault(u, v)
                elif directed[u, gamma] and marks[v, u] == ARROW:
                    behind[u] = v
                    following.append(u)
        if ends:
            paths = []
            for theta, v in ends.items():
                path = [theta]
                while v != beta:
                    path.append(v)
                    v = behind[v]
                paths.append([*path, beta, gamma])
            return paths
        layer = following
    return []


# ---- R5 to R7 ---------------------------------------------------------------------------------
def _circle_cycles(marks: IntArray, wanted: _Wanted) -> None:
    # R5: α o–o β and an uncovered circle path <α, γ, …, θ, β>, α and θ apart, β and γ apart
    circles = (marks == CIRCLE) & (marks.T == CIRCLE)
    apart = _apart(marks)
    steps = [np.flatnonzero(row).tolist() for row in circles]
    for alpha, beta in np.argwhere(np.triu(circles)).tolist():
        for gamma in steps[alpha]:
            if gamma == beta or not apart[beta, gamma]:
                continue
            path = _uncovered_path(steps, apart, alpha, gamma, beta, closed=True)
            if path is None:
                continue
            for u, v in zip(path, [*path[1:], alpha], strict=True):
                wanted.tail[u, v] = wanted.tail[v, u] = True


def _tails_at_lines(marks: IntArray, unsure: IntArray, wanted: _Wanted) -> None:
    circle, tail = marks == CIRCLE, marks == TAIL
    # R6: α — β o–* γ: a tail at β
    lines = (tail & tail.T).any(axis=0)
    wanted.tail |= circle & lines
    # R7: α –o β o–* γ, α and γ apart: a tail at β
    ways = (tail.T & circle).astype(np.float32).T @ _apart(marks).astype(np.float32)
    x, z, y = unsure.T
    np.subtract.at(ways, (z, y), (tail.T & circle)[x, z])
    wanted.tail |= circle & (ways > 0.5).T


# ---- R8 to R10 --------------------------------------------------------------------------------
def _tails_at_arrows(marks: IntArray, wanted: _Wanted) -> None:
    arrow, circle, tail = marks == ARROW, marks == CIRCLE, marks == TAIL
    directed, apart = _directed(marks), _apart(marks)
    open_ = arrow & circle.T  # α o→ γ
    # R8: α → β → γ or α –o β → γ: α → γ
    first = directed | (tail.T & circle)
    follows = open_ & (first.astype(np.float32) @ directed.astype(np.float32) > 0)
    wanted.tail |= follows.T
    left = np.argwhere(open_ & ~follows).tolist()
    if not left:
        return
    # A potentially directed step: no arrow behind, no tail ahead.
    ahead = (marks > 0) & (marks.T != ARROW) & (marks != TAIL)
    steps = [np.flatnonzero(row).tolist() for row in ahead]
    reach: dict[tuple[int, int], set[int]] = {}

    def leads(start: int, first: int, goal: int) -> bool:
        if first == goal:
            return True
        if (start, first) not in reach:
            reach[start, first] = _uncovered_walks(steps, apart, start, first)
        return goal in reach[start, first] and (
            _uncovered_path(steps, apart, start, first, goal) is not None
        )

    for alpha, gamma in left:
        # R9: an uncovered potentially directed path <α, β, θ, …, γ>, β and γ apart: α → γ
        found = any(apart[beta, gamma] and leads(alpha, beta, gamma) for beta in steps[alpha])
        # R10: β → γ ← θ; uncovered potentially directed paths from α to β and from α to θ whose
        # second nodes μ and ω differ and are apart: α → γ
        if not found:
            parents = np.flatnonzero(directed[:, gamma]).tolist()
            seconds = {
                beta: {mu for mu in steps[alpha] if mu != gamma and leads(alpha, mu, beta)}
                for beta in parents
                if beta != alpha
            }
            found = any(
                apart[mu, omega]
                for beta, ways in seconds.items()
                for theta, others in seconds.items()
                if beta < theta
                for mu in ways
                for omega in others
            )
        wanted.tail[gamma, alpha] |= found


def _uncovered_walks(
    steps: Sequence[Sequence[int]], apart: BoolArray, start: int, first: int
) -> set[int]:
    """Return the nodes that walks <start, first, …> reach, all neighbours of neighbours apart."""
    seen = {(start, first)}
    todo = [(start, first)]
    for u, v in todo:  # grows while it is walked
        for w in steps[v]:
            if apart[u, w] and (v, w) not in seen and w != start:
                seen.add((v, w))
                todo.append((v, w))
    return {v for _, v in seen}


def _uncovered_path(
    steps: Sequence[Sequence[int]],
    apart: BoolArray,
    start: int,
    first: int,
    goal: int,
    *,
    closed: bool = False,
) -> list[int] | None:
    """Return a path <start, first, …, goal> without a shielded triple, or None.

    With ``closed`` its last node but one is also apart from the start.
    """
    if goal not in _uncovered_walks(steps, apart, start, first):
        return None
    path, choices = [start, first], [iter(steps[first])]
    for _ in range(_MOST_STEPS):
        if path[-1] == goal:
            return path
        for w in choices[-1]:
            fits = w != goal or not closed or apart[start, path[-1]]
            if fits and apart[path[-2], w] and w not in path:
                path.append(w)
                choices.append(iter(steps[w]))
                break
        else:
            path.pop()
            choices.pop()
            if not choices:
                return None
    return None


# ---- graphs -----------------------------------------------------------------------------------
def from_marks(
    names: Sequence[str], marks: IntArray, required: frozenset[tuple[str, str]] = frozenset()
) -> Graph:
    """Return the graph of a matrix of marks; required edges carry that origin."""
    edges = []
    for i, j in np.argwhere(np.triu(marks > 0)).tolist():
        at_i, at_j = _MARKS[int(marks[j, i])], _MARKS[int(marks[i, j])]
        text = ("<" if at_i is Mark.ARROW else at_i.value) + "-" + at_j.value
        a, b = names[i], names[j]
        origin = Origin.REQUIRED if {(a, b), (b, a)} & required else Origin.LEARNED
        edges.append(Edge.of(a, text, b, origin=origin))
    return Graph(tuple(names), tuple(edges))


def _mask(row: BoolArray) -> int:
    """Return a row of booleans as a bit mask."""
    return sum(1 << int(i) for i in np.flatnonzero(row))


def _members(mask: int) -> Iterable[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low
