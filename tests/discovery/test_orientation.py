"""Orientation against brute force over all DAGs of four nodes."""

from __future__ import annotations

from functools import cache
from itertools import combinations, product

import numpy as np
import pytest

from whydrift.discovery import Edge, Graph, GraphError, Knowledge
from whydrift.discovery.orientation import cpdag_to_dag, dag_to_cpdag, meek, on_cycles

NAMES = ("a", "b", "c", "d")


@cache
def all_dags() -> tuple[Graph, ...]:
    found = []
    pairs = list(combinations(NAMES, 2))
    for marks in product([None, "-->", "<--"], repeat=len(pairs)):
        edges = tuple(Edge.of(x, m, y) for (x, y), m in zip(pairs, marks, strict=True) if m)
        try:
            found.append(Graph(NAMES, edges))
        except GraphError:
            continue
    return tuple(found)


@cache
def class_key(
    dag: Graph,
) -> tuple[frozenset[frozenset[str]], frozenset[tuple[frozenset[str], str]]]:
    """Skeleton and v-structures: what Markov equivalent DAGs share (Verma & Pearl 1990)."""
    skeleton = frozenset(frozenset((e.a, e.b)) for e in dag)
    colliders = frozenset(
        (frozenset(pair), z)
        for z in dag.nodes
        for pair in combinations(dag.parents(z), 2)
        if frozenset(pair) not in skeleton
    )
    return skeleton, colliders


@cache
def members() -> dict[object, list[Graph]]:
    classes: dict[object, list[Graph]] = {}
    for dag in all_dags():
        classes.setdefault(class_key(dag), []).append(dag)
    return classes


def common_directions(dags: list[Graph]) -> set[tuple[str, str]]:
    return set.intersection(*({(e.a, e.b) for e in dag} for dag in dags))


def directed(graph: Graph) -> set[tuple[str, str]]:
    return {(e.a, e.b) for e in graph if e.is_directed}


def test_there_are_543_dags_of_four_nodes_in_185_classes():
    # Robinson (1973); Andersson, Madigan & Perlman (1997), table 1.
    assert len(all_dags()) == 543
    assert len(members()) == 185


def test_a_cpdag_directs_exactly_what_all_equivalent_dags_agree_on():
    for dag in all_dags():
        expected = common_directions(members()[class_key(dag)])
        assert directed(dag_to_cpdag(dag)) == expected


def test_with_knowledge_it_directs_what_all_dags_that_honour_it_agree_on():
    rng = np.random.default_rng(5)
    pairs = [(x, y) for x in NAMES for y in NAMES if x != y]
    for dag in all_dags():
        forbidden = [pairs[i] for i in rng.choice(len(pairs), size=2, replace=False)]
        known = Knowledge(forbidden=[p for p in forbidden if p not in directed(dag)])
        honest = [
            other
            for other in members()[class_key(dag)]
            if all(known.allows(e.a, e.b) for e in other)
        ]
        assert directed(dag_to_cpdag(dag, known)) == common_directions(honest)


def test_tiers_orient_a_chain_that_data_alone_cannot():
    chain = Graph.from_pairs([("a", "b"), ("b", "c")])
    assert not directed(dag_to_cpdag(chain))
    assert directed(dag_to_cpdag(chain, Knowledge(tiers=[["a"], ["b", "c"]]))) == {
        ("a", "b"),
        ("b", "c"),
    }


def test_a_graph_with_an_open_edge_is_no_dag():
    with pytest.raises(GraphError, match="not directed"):
        dag_to_cpdag(Graph(("a", "b"), (Edge.of("a", "---", "b"),)))


def test_the_extension_of_a_cpdag_is_a_dag_of_the_same_class():
    for dag in all_dags():
        extension = cpdag_to_dag(dag_to_cpdag(dag))
        assert extension is not None
        assert class_key(extension) == class_key(dag)


def test_a_graph_that_no_dag_extends_has_no_extension():
    square = [("a", "b"), ("b", "c"), ("c", "d"), ("a", "d")]  # any orientation adds a v-structure
    edges = tuple(Edge.of(x, "---", y) for x, y in square)
    assert cpdag_to_dag(Graph(NAMES, edges)) is None
    assert cpdag_to_dag(Graph(("a", "b"), (Edge.of("a", "o->", "b"),))) is None


def test_a_large_dag_survives_the_way_to_its_class_and_back(random_dag):
    names = tuple(f"c{i}" for i in range(40))
    for seed in range(5):
        cpdag = dag_to_cpdag(random_dag(names, 4, np.random.default_rng(seed)))
        extension = cpdag_to_dag(cpdag)
        assert extension is not None
        assert dag_to_cpdag(extension) == cpdag


def test_meek_never_closes_a_cycle_whatever_it_starts_from(random_dag):
    rng = np.random.default_rng(3)
    for _ in range(200):
        adjacent = np.triu(rng.random((8, 8)) < 0.5, 1)
        order = rng.permutation(8)
        adjacent = (adjacent | adjacent.T)[np.ix_(order, order)]
        # Some edges directed along an order, at random: mostly no pattern of any DAG.
        start = np.triu(adjacent) & (rng.random((8, 8)) < 0.4)
        result, undirected = meek(start, adjacent & ~start & ~start.T)
        assert not on_cycles(result).any()
        assert not (result & result.T).any()
        assert ((result | result.T | undirected) == adjacent).all()


def test_only_edges_on_a_cycle_are_found_on_cycles():
    edges = np.zeros((5, 5), dtype=bool)
    for i, j in [(0, 1), (1, 2), (2, 0), (2, 3), (4, 0)]:
        edges[i, j] = True
    assert np.argwhere(on_cycles(edges)).tolist() == [[0, 1], [1, 2], [2, 0]]
