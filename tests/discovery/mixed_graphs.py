"""Ancestral graphs by their definitions, slow and plain: what FCI is measured with.

Richardson & Spirtes (2002), Ancestral graph Markov models. A graph is a dict from pairs (i, j),
i < j, to the two marks (at i, at j), each "-" or ">".
"""

from __future__ import annotations

from functools import cache
from itertools import combinations, product

import numpy as np

LINE, ARROW = "-", ">"
KINDS = (("-", ">"), (">", "-"), (">", ">"), ("-", "-"))


def mark_at(graph, i, j):
    """Mark at j of the edge between i and j, None without an edge."""
    pair = graph.get((min(i, j), max(i, j)))
    return None if pair is None else pair[j > i]


def closure(graph, count):
    """Bit masks of the anteriors of each node (itself too): by directed and undirected edges."""
    before = [1 << i for i in range(count)]
    steps = [
        (i, j)
        for i in range(count)
        for j in range(count)
        if i != j and mark_at(graph, j, i) == LINE
    ]
    changed = True
    while changed:
        changed = False
        for i, j in steps:
            joined = before[j] | before[i]
            changed |= joined != before[j]
            before[j] = joined
    return before


def is_ancestral(graph, count):
    directed = {(i, j) for (i, j), m in graph.items() if m == ("-", ">")}
    directed |= {(j, i) for (i, j), m in graph.items() if m == (">", "-")}
    causes = closure({(min(e), max(e)): graph[min(e), max(e)] for e in directed}, count)
    for i, j in directed:
        if causes[i] >> j & 1:
            return False
    for (i, j), m in graph.items():
        if m == (">", ">") and (causes[i] >> j & 1 or causes[j] >> i & 1):
            return False
        if m == ("-", "-"):
            for end in (i, j):
                if any(mark_at(graph, k, end) == ARROW for k in range(count)):
                    return False
    return True


class Separations:
    """m-separation, by the augmented graph of the anteriors."""

    def __init__(self, graph, count):
        self.graph, self.count = graph, count
        self.before = closure(graph, count)
        self._near = {}

    def near(self, kept):
        """Neighbours in the augmented graph of the nodes in ``kept``: joined by colliders."""
        if kept not in self._near:
            inside = [i for i in range(self.count) if kept >> i & 1]
            near = dict.fromkeys(inside, 0)
            for start in inside:
                todo = [(start, j) for j in inside if mark_at(self.graph, start, j)]
                seen = set(todo)
                while todo:
                    i, j = todo.pop()
                    near[start] |= 1 << j
                    if mark_at(self.graph, i, j) != ARROW:
                        continue
                    for k in inside:
                        step = (j, k)
                        if k in {i, j} or step in seen or mark_at(self.graph, k, j) != ARROW:
                            continue
                        seen.add(step)
                        todo.append(step)
            self._near[kept] = near
        return self._near[kept]

    def __call__(self, x, y, given):
        """Whether x and y are separated by the nodes of a bit mask."""
        kept = 0
        for i in range(self.count):
            if (given | 1 << x | 1 << y) >> i & 1:
                kept |= self.before[i]
        near = self.near(kept)
        reached = todo = 1 << x
        while todo:
            i = todo.bit_length() - 1
            todo ^= 1 << i
            new = near[i] & ~reached & ~given
            if new >> y & 1:
                return False
            reached |= new
            todo |= new
        return True


def questions(count):
    for x, y in combinations(range(count), 2):
        rest = [i for i in range(count) if i not in (x, y)]
        for size in range(len(rest) + 1):
            for given in combinations(rest, size):
                yield x, y, sum(1 << i for i in given)


def model(separated, count):
    """All answers, in the order of ``questions``."""
    return tuple(separated(*q) for q in questions(count))


def is_maximal(graph, answers, count):
    apart = {(x, y) for (x, y, _), yes in zip(questions(count), answers, strict=True) if yes}
    return all((x, y) in apart or (x, y) in graph for x, y in combinations(range(count), 2))


@cache
def classes(count):
    """All maximal ancestral graphs of so many nodes, by what they separate."""
    found = {}
    pairs = list(combinations(range(count), 2))
    for kinds in product([None, *KINDS], repeat=len(pairs)):
        graph = {pair: kind for pair, kind in zip(pairs, kinds, strict=True) if kind}
        if is_ancestral(graph, count):
            answers = model(Separations(graph, count), count)
            if is_maximal(graph, answers, count):
                found.setdefault(answers, []).append(graph)
    return found


def common_marks(graphs):
    """The PAG of equivalent graphs: a circle where they differ."""
    return {
        pair: tuple(
            marks.pop() if len(marks := {g[pair][end] for g in graphs}) == 1 else "o"
            for end in (0, 1)
        )
        for pair in graphs[0]
    }


class HiddenCauses:
    """d-separation among the first nodes of a random DAG; the others are hidden."""

    def __init__(self, rng, observed, hidden, degree):
        count = observed + hidden
        self.observed = observed
        order = rng.permutation(count)
        graph = {}
        for a in range(count):
            for b in range(a + 1, count):
                if rng.random() < degree / (count - 1):
                    i, j = order[a], order[b]
                    graph[min(i, j), max(i, j)] = ("-", ">") if i < j else (">", "-")
        self.graph = {(int(i), int(j)): m for (i, j), m in graph.items()}
        self._separated = cache(Separations(self.graph, count).__call__)

    def __call__(self, x, y, given):
        return self._separated(x, y, given)

    def mag(self):
        """The ancestral graph over the observed nodes, by its definition."""
        before = closure(self.graph, max([self.observed, *(max(p) + 1 for p in self.graph)]))
        apart = {(x, y) for x, y, given in questions(self.observed) if self(x, y, given)}
        return {
            (x, y): (
                "-" if before[y] >> x & 1 else ">",
                "-" if before[x] >> y & 1 else ">",
            )
            for x, y in combinations(range(self.observed), 2)
            if (x, y) not in apart
        }

    def pag(self):
        """What all ancestral graphs that separate the same have in common."""
        mag = self.mag()
        answers = model(self, self.observed)
        members = []
        for kinds in product(KINDS[:3], repeat=len(mag)):
            graph = dict(zip(mag, kinds, strict=True))
            if unshielded(graph) == unshielded(mag) and is_ancestral(graph, self.observed):
                separated = Separations(graph, self.observed)
                if all(
                    separated(*q) == yes
                    for q, yes in zip(questions(self.observed), answers, strict=True)
                ):
                    members.append(graph)
        return common_marks(members)


def unshielded(graph):
    """Unshielded colliders: what equivalent graphs share."""
    nodes = sorted({n for pair in graph for n in pair})
    return {
        (x, z, y)
        for z in nodes
        for x, y in combinations([n for n in nodes if mark_at(graph, n, z) == ARROW], 2)
        if (x, y) not in graph
    }


class OracleTest:
    """An independence test that asks a function of two nodes and a bit mask."""

    def __init__(self, separated):
        self.separated = separated
        self.asked = 0

    def __call__(self, x, y, given):
        self.asked += len(x)
        return np.array(
            [
                float(self.separated(min(a, b), max(a, b), sum(1 << c for c in others)))
                for a, b, others in zip(x.tolist(), y.tolist(), given.tolist(), strict=True)
            ]
        )


def marks_of(graph):
    """A Graph over nodes "0", "1", … as a dict like the others here."""
    found = {}
    for edge in graph:
        i, j = int(edge.a), int(edge.b)
        ends = (edge.mark_at_a.value, edge.mark_at_b.value)
        found[min(i, j), max(i, j)] = ends if i < j else ends[::-1]
    return found
