from collections import defaultdict
from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.scores.registry import score_named
from whydrift.discovery.search.order import OrderSearch
from whydrift.discovery.search.order_mcmc import (
    _TRUST,
    _near,
    _order_of,
    supported_graphs,
    visited_graphs,
)
from whydrift.discovery.snapshot.snapshot import Snapshot

NAMES = ("a", "b", "c")


def chain(rows: int, seed: int, shift: float = 0.0) -> Snapshot:
    rng = np.random.default_rng(seed)
    a = shift + rng.normal(size=rows)
    b = 0.8 * a + rng.normal(size=rows)
    return Snapshot.from_frame(pd.DataFrame({"a": a, "b": b, "c": 0.8 * b + rng.normal(size=rows)}))


def test_graphs_are_visited_as_often_as_their_orders_weigh():
    score, _ = score_named("bic", [chain(40, 1), chain(40, 2)], NAMES)
    search = OrderSearch(
        score, ~np.eye(3, dtype=bool), [frozenset()] * 3, np.zeros((3, 3), dtype=bool)
    )
    exact = defaultdict(float)
    for order in map(list, permutations(range(3))):
        weight = np.exp(_TRUST * search.compare([], order, 0)[0])
        exact[tuple(search.parents_of(order))] += weight
    total = sum(exact.values())
    walk = visited_graphs(search, [0, 1, 2], 20_000, np.random.default_rng(0))
    assert sum(g.weight for g in walk) == pytest.approx(1.0)
    visited = {g.parents: g.weight for g in walk}
    for parents, weight in exact.items():
        assert visited.get(parents, 0.0) == pytest.approx(weight / total, abs=0.03)


def test_a_moved_cause_leaves_little_doubt_of_the_direction():
    graphs, _ = supported_graphs([chain(800, 1), chain(800, 2, shift=0.8)], NAMES)
    best = graphs[0]
    assert best.parents == ((), (0,), (1,))
    assert best.weight > 0.6


def test_without_a_change_a_normal_chain_is_left_in_doubt():
    graphs, _ = supported_graphs([chain(800, 1), chain(800, 2)], NAMES)
    forward = sum(g.weight for g in graphs if 0 in g.parents[1])
    backward = sum(g.weight for g in graphs if 1 in g.parents[0])
    assert min(forward, backward) > 0.05
    assert sum(g.weight for g in graphs) == pytest.approx(1.0)


def test_all_graphs_keep_to_what_is_known():
    known = Knowledge(tiers=(("c",), ("a", "b")), required=(("c", "a"),))
    graphs, _ = supported_graphs([chain(200, 1), chain(200, 2)], NAMES, knowledge=known)
    for graph in graphs:
        assert graph.parents[2] == ()
        assert 2 in graph.parents[0]


def test_the_same_seed_gives_the_same_graphs():
    windows = [chain(300, 1), chain(300, 2)]
    first, _ = supported_graphs(windows, NAMES, random_state=3)
    again, _ = supported_graphs(windows, NAMES, random_state=3)
    assert first == again


def test_among_many_columns_parents_are_looked_for_nearby():
    parents = [(), (0,), (1,), (2,), ()]  # 0 → 1 → 2 → 3, and 4 alone
    assert _order_of(parents) in ([0, 4, 1, 2, 3], [0, 1, 2, 3, 4])
    allowed = ~np.eye(5, dtype=bool)
    allowed[0, 2] = False
    masks = _near(parents, allowed)
    assert [[j for j in range(5) if m >> j & 1] for m in masks] == [
        [1, 2],
        [0, 2, 3],
        [1, 3],
        [1, 2],
        [],
    ]


def remembering(rows: int, seed: int, shift: float = 0.0) -> Snapshot:
    """Return a → c and b, alone, whose noise carries nine tenths of itself to the next row."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(rows, 3))
    for row in range(1, rows):
        noise[row] = 0.9 * noise[row - 1] + 0.44 * noise[row]
    a = noise[:, 0] + shift
    return Snapshot.from_frame(pd.DataFrame({"a": a, "b": noise[:, 1], "c": 0.4 * a + noise[:, 2]}))


@pytest.mark.parametrize("seed", range(3))
def test_among_rows_that_remember_what_is_new_in_each_tells_the_edges(seed):
    windows = [remembering(600, seed), remembering(600, 100 + seed, shift=2.0)]
    score, _ = score_named("spline_bic", windows, NAMES)
    assert [score.carry(c, p) for c, p in enumerate([(), (), (0,)])] == [0.92] * 3
    graphs, _ = supported_graphs(windows, NAMES)
    joined = sum(g.weight for g in graphs if 0 in g.parents[2] or 2 in g.parents[0])
    invented = sum(g.weight for g in graphs if g.parents[1] or 1 in g.parents[2])
    assert joined > 0.9
    assert invented < 0.1


def test_rows_that_forget_carry_nothing():
    score, _ = score_named("spline_bic", [chain(500, 1), chain(500, 2)], NAMES)
    assert not score.remembers
    assert score.carry(1, (0,)) == 0.0


def unrelated(kind: str, rows: int, seed: int) -> pd.DataFrame:
    noise = np.random.default_rng(seed).normal(size=(rows, 4))
    first, second = {"walks": (1.0, 0.0), "alternating": (-0.8, 0.0), "waves": (1.6, -0.8)}[kind]
    for row in range(2, rows):
        noise[row] += first * noise[row - 1] + second * noise[row - 2]
    return pd.DataFrame(noise, columns=list("abcd"))


@pytest.mark.parametrize("kind", ["walks", "alternating", "waves"])
def test_memory_of_another_kind_joins_no_unrelated_columns(kind):
    edges = 0.0
    for seed in range(3):
        whole = unrelated(kind, 1000, seed)
        first = Snapshot.from_frame(whole.iloc[:500])
        second = Snapshot.from_frame(whole.iloc[500:], schema=first.schema)
        graphs, _ = supported_graphs([first, second], tuple("abcd"))
        edges += sum(g.weight * sum(map(len, g.parents)) for g in graphs)
    assert edges / 3 < 0.5
