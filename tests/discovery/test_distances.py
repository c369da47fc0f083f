"""Distances between graphs: their definitions, and gadjid's own example."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from whydrift.discovery import Edge, Graph, GraphError, OptionError
from whydrift.discovery.adjustment import is_adjustment_set
from whydrift.discovery.distances import adjustment_distance, structural_distance
from whydrift.discovery.orientation import dag_to_cpdag

NAMES = tuple("abcdef")


def test_the_structural_distance_counts_pairs_that_differ():
    one = Graph(tuple("abcd"), (Edge.of("a", "-->", "b"), Edge.of("b", "---", "c")))
    other = Graph(
        tuple("dcba"),
        (Edge.of("b", "-->", "a"), Edge.of("c", "---", "b"), Edge.of("c", "-->", "d")),
    )
    assert structural_distance(one, other) == structural_distance(other, one) == 2
    assert structural_distance(one, one) == 0


def test_the_published_example():
    # gadjid 0.1.0, its documentation: 5 nodes, ancestor distance 7 of 20 where the first two
    # nodes are exchanged in the guess; here computed with its own call and from our pairs.
    import gadjid

    true = np.array([[0, 1, 1, 1, 1], [0, 0, 1, 1, 1], [0] * 5, [0] * 5, [0] * 5], dtype=np.int8)
    guess = np.array([[0, 0, 1, 1, 1], [1, 0, 1, 1, 1], [0] * 5, [0] * 5, [0] * 5], dtype=np.int8)

    def graph(matrix):
        return Graph.from_pairs(
            [(NAMES[i], NAMES[j]) for i, j in np.argwhere(matrix).tolist()], nodes=NAMES[:5]
        )

    share, wrong = gadjid.ancestor_aid(true, guess, edge_direction="from row to column")
    ours = adjustment_distance(graph(true), graph(guess))
    assert (ours.wrong, ours.share) == (wrong, share)
    assert ours.wrong > 0


def test_by_parents_a_pair_is_wrong_where_the_guessed_parents_do_not_adjust(random_dag):
    rng = np.random.default_rng(0)
    for _ in range(20):
        truth, guess = random_dag(NAMES, 2.5, rng), random_dag(NAMES, 2.5, rng)
        wrong = 0
        for x in NAMES:
            for y in NAMES:
                if x == y:
                    continue
                if y in guess.parents(x):  # the guess says: no effect
                    wrong += y in truth.descendants(x)
                else:
                    wrong += not is_adjustment_set(truth, x, y, guess.parents(x))
        assert adjustment_distance(truth, guess, "parent").wrong == wrong


@pytest.mark.parametrize("by", ["ancestor", "parent", "oset"])
def test_a_graph_is_at_no_distance_from_itself_whatever_the_order_of_nodes(by, random_dag):
    dag = random_dag(NAMES, 3, np.random.default_rng(1))
    turned = Graph(NAMES[::-1], dag.edges)
    assert adjustment_distance(dag, turned, by).wrong == 0
    cpdag = dag_to_cpdag(dag)
    assert adjustment_distance(cpdag, cpdag, by).wrong == 0


def test_the_direction_of_edges_matters():
    one, turned = Graph.from_pairs([("a", "b")]), Graph.from_pairs([("b", "a")])
    assert adjustment_distance(one, turned.with_nodes(("a", "b"))).wrong == 2


def test_what_cannot_be_compared_is_refused():
    dag = Graph.from_pairs([("a", "b")])
    with pytest.raises(GraphError, match="one graph only"):
        structural_distance(dag, Graph(("a", "c")))
    with pytest.raises(GraphError, match="guess is neither a DAG nor the CPDAG"):
        adjustment_distance(dag, Graph(("a", "b"), (Edge.of("a", "o->", "b"),)))
    with pytest.raises(OptionError, match="Did you mean 'ancestor'"):
        adjustment_distance(dag, dag, "ancestors")


def test_without_gadjid_the_error_names_the_extra(monkeypatch):
    dag = Graph.from_pairs([("a", "b")])
    monkeypatch.setitem(sys.modules, "gadjid", None)
    with pytest.raises(OptionError, match=r"pip install 'whydrift\[graph\]'"):
        adjustment_distance(dag, dag)
