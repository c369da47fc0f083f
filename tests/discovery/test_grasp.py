"""GRaSP: turning edges around finds the best class, and every tuck is what it says."""

from __future__ import annotations

import numpy as np
import pytest

from whydrift.discovery import Knowledge, OptionError, Origin, discover
from whydrift.discovery.orientation import dag_to_cpdag
from whydrift.discovery.scores.registry import score_named
from whydrift.discovery.search._grasp_kernel import settle, tuck
from whydrift.discovery.search.boss import order_rules
from whydrift.discovery.search.by_score import learn_by_score
from whydrift.discovery.search.grasp import grasp
from whydrift.discovery.search.order import Demands

NAMES = tuple("abcdefgh")


def world(random_dag, linear_gaussian, seed, rows=20_000, names=NAMES, degree=3):
    rng = np.random.default_rng(seed)
    dag = random_dag(names, degree, rng)
    return dag, linear_gaussian(dag, rows, rng)


def test_with_many_rows_the_class_of_the_truth_is_found(random_dag, linear_gaussian, edges_of):
    found = 0
    for seed in range(10):
        dag, window = world(random_dag, linear_gaussian, seed, rows=16_000)
        graph, _ = learn_by_score("grasp", (window,), NAMES, score="ebic")
        found += edges_of(graph) == edges_of(dag_to_cpdag(dag))
    assert found >= 8  # one true class scores below another


def test_its_score_is_never_below_that_of_the_truth(random_dag, linear_gaussian):
    for seed in range(5):
        dag, window = world(
            random_dag, linear_gaussian, seed, 1_000, tuple(f"v{i}" for i in range(25))
        )
        score, _ = score_named("bic", (window,), dag.nodes)
        learned = grasp(score, starts=2)
        assert total(score, learned) >= total(score, dag) - 1e-6


def total(score, dag):
    place = {name: i for i, name in enumerate(score.names)}
    return sum(
        float(score.local(place[n], [tuple(place[p] for p in dag.parents(n))])[0])
        for n in score.names
    )


def test_what_is_known_is_in_the_graph(random_dag, linear_gaussian):
    _, window = world(random_dag, linear_gaussian, 0, 1_000)
    known = Knowledge(
        tiers=[["h", "g"], ["a", "b"]], required=[("c", "d")], forbidden=[("e", "f")],
        never_a_cause=["f"], exogenous=["c"],
    )  # fmt: skip
    graph = discover(window, "grasp", knowledge=known)
    assert graph.edge_between("c", "d").origin is Origin.REQUIRED
    assert graph.parents("c") == ()
    assert graph.children("f") == ()
    for edge in graph:
        assert known.allows(edge.a, edge.b)
        assert edge.is_directed or known.allows(edge.b, edge.a)


@pytest.mark.parametrize("score", ["bic", "spline_bic"])
def test_a_seed_fixes_the_graph_and_the_order_of_columns_does_not_matter(
    score, random_dag, linear_gaussian, edges_of
):
    _, window = world(random_dag, linear_gaussian, 3, 2_000)
    graphs = [
        discover(window, "grasp", score=score, columns=columns, random_state=5)
        for columns in (NAMES, NAMES, NAMES[::-1])
    ]
    assert edges_of(graphs[0]) == edges_of(graphs[1])
    assert len(graphs[2]) == len(graphs[0])
    assert {frozenset((e.a, e.b)) for e in graphs[2]} == {frozenset((e.a, e.b)) for e in graphs[0]}


def test_it_takes_one_window(random_dag, linear_gaussian):
    _, window = world(random_dag, linear_gaussian, 0, 500)
    with pytest.raises(OptionError, match="'grasp' takes one window"):
        discover([window, window], "grasp")


def test_a_tuck_gains_what_it_says_and_moves_only_ancestors(random_dag, linear_gaussian):
    _, window = world(random_dag, linear_gaussian, 1, 500)
    score, _ = score_named("bic", (window,), NAMES)
    demands = Demands.of(Knowledge(tiers=[["a"], ["b"]]), NAMES)
    *known, rules = order_rules(score, demands.allowed, demands.required)
    rng = np.random.default_rng(0)
    order = np.array([0, *(1 + rng.permutation(7))], dtype=np.int64)
    parents, scores = np.zeros((8, 8), dtype=bool), np.empty(8)
    before = settle(*known, rules, order, parents, scores)
    tried = 0
    for y, x in np.argwhere(parents).tolist():
        moved, new_scores = np.empty_like(order), np.empty_like(scores)
        gain = tuck(*known, rules, demands.before, order, parents, scores, x, y, moved, new_scores)
        if gain == -np.inf:  # b would stand before a
            continue
        assert sorted(moved) == list(range(8))
        assert moved.tolist().index(y) < moved.tolist().index(x)
        after = settle(*known, rules, moved, np.zeros((8, 8), dtype=bool), np.empty(8))
        assert gain == pytest.approx(after - before, abs=1e-6)
        tried += 1
    assert tried > 3
