"""Greedy relaxations of the sparsest permutation: edges turned around until nothing gains.

References
----------
Lam, Andrews & Ramsey (2022), Greedy relaxations of the sparsest permutation algorithm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from whydrift.discovery._compiled import telling
from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.graph import Graph
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.progress import Progress, silent
from whydrift.discovery.scores.base import Score
from whydrift.discovery.search._grasp_kernel import settle, tuck
from whydrift.discovery.search.boss import order_rules
from whydrift.discovery.search.order import Demands, valid_order

__all__ = ["grasp"]

_TIE = 1e-6  # tucks that change the score by less are rounding
# Tucks in a row that may lead to a gain, by the number of columns: each costs about as many times
# more as there are edges.
_DEPTHS = ((150, 3), (500, 2))


def grasp(
    score: Score,
    *,
    knowledge: Knowledge | None = None,
    starts: int = 1,
    random_state: int = 0,
    progress: Progress = silent,
) -> Graph:
    """Return the DAG of the best order that tucks lead to.

    A tuck turns an edge x → y around: y moves before x, and with it those of its ancestors that
    stand between. Any edge may be turned where that gains at once. Where none gains, edges that
    can be turned without a loss are, and from there covered ones (whose ends have the same other
    parents), up to three in a row: the second tier of the paper's algorithm with depths 3, 1 and
    1. Graphs are looked at in the order of their distance, each once, where the paper goes
    depth first; what can be reached is the same.

    Parameters
    ----------
    score : Score
        Over the columns of the graph.
    knowledge : Knowledge, optional
        Tiers, required and forbidden edges are honoured.
    starts : int
        Random orders to start from; the best result is kept.
    random_state : int
        Seed of the starts and of the order in which edges are tried.
    progress : Progress
        Told after each gain.
    """
    demands = Demands.of(knowledge or Knowledge(), score.names)
    best: _State | None = None
    with telling(progress):
        search = _Search(score, demands, np.random.default_rng(random_state))
        for start in range(starts):
            found = search.climb()
            progress("learning the graph", start + 1, starts)
            if best is None or found.total > best.total + _TIE:
                best = found
    assert best is not None, "at least one start"
    return demands.graph([tuple(np.flatnonzero(row).tolist()) for row in best.parents])


@dataclass(frozen=True, slots=True)
class _State:
    """An order, and the graph that it stands for."""

    order: IntArray
    parents: BoolArray  # [y, x]: x is a parent of y
    scores: FloatArray
    total: float
    masks: tuple[int, ...]  # of parents, by column

    def edges(self, rng: np.random.Generator, covered_only: bool) -> Iterator[tuple[int, int]]:
        """Yield edges x → y in an order of chance."""
        for y in rng.permutation(len(self.order)).tolist():
            for x in rng.permutation(np.flatnonzero(self.parents[y])).tolist():
                if not covered_only or self.masks[y] == self.masks[x] | 1 << x:
                    yield x, y


class _Search:
    def __init__(self, score: Score, demands: Demands, rng: np.random.Generator) -> None:
        self._demands, self._rng = demands, rng
        self._improve, self._arrays, self._trees, self._rules = order_rules(
            score, demands.allowed, demands.required
        )
        count = len(score.names)
        self._depth = next((depth for most, depth in _DEPTHS if count <= most), 1)

    def climb(self) -> _State:
        """Return what tucks lead to from a random order."""
        count = len(self._demands.names)
        order = valid_order(self._rng.permutation(count).tolist(), self._demands.before)
        state: _State | None = self._settled(np.array(order, dtype=np.int64))
        while state is not None:
            best, state = state, self._better(state)
        return best

    def _better(self, start: _State) -> _State | None:
        """Return a graph of higher score that few enough tucks lead to, or None."""
        layer, seen = [start], {start.masks}
        for depth in range(self._depth):
            alike = []
            for state in layer:
                for order, gain in self._tucked(state, covered_only=depth > 0):
                    if gain > _TIE:
                        return self._settled(order)
                    if depth + 1 < self._depth:
                        turned = self._settled(order)
                        if turned.masks not in seen:
                            seen.add(turned.masks)
                            alike.append(turned)
            layer = alike
        return None

    def _tucked(self, state: _State, *, covered_only: bool) -> Iterator[tuple[IntArray, float]]:
        """Yield the orders that one tuck leads to without a loss, and what each gains."""
        order, scores = np.empty_like(state.order), np.empty_like(state.scores)
        for x, y in state.edges(self._rng, covered_only):
            gain = tuck(
                self._improve,
                self._arrays,
                self._trees,
                self._rules,
                self._demands.before,
                state.order,
                state.parents,
                state.scores,
                x,
                y,
                order,
                scores,
            )
            if gain > -_TIE:
                yield order.copy(), gain

    def _settled(self, order: IntArray) -> _State:
        count = len(order)
        parents, scores = np.zeros((count, count), dtype=bool), np.empty(count)
        total = settle(
            self._improve, self._arrays, self._trees, self._rules, order, parents, scores
        )
        packed = np.packbits(parents, axis=1, bitorder="little")
        masks = tuple(int.from_bytes(row.tobytes(), "little") for row in packed)
        return _State(order, parents, scores, total, masks)
