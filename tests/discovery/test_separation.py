"""Separation, blankets and classes against their definitions on random small graphs."""

from __future__ import annotations

from itertools import chain, combinations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whydrift.discovery import Edge, Graph, GraphError
from whydrift.discovery.ancestral import dag_to_mag, is_mag, mag_problem, pag_to_mag
from whydrift.discovery.classes import class_members, is_cpdag
from whydrift.discovery.orientation import dag_to_cpdag
from whydrift.discovery.separation import connected_nodes, minimal_separator

NAMES = tuple("abcdef")


def subsets(items):
    return chain.from_iterable(combinations(items, size) for size in range(len(items) + 1))


def random_admg(rng: np.random.Generator, count: int = 5) -> Graph:
    """At most one edge for a pair, directed along a random order or double-headed."""
    order = rng.permutation(count)
    edges = []
    for i, j in combinations(range(count), 2):
        a, b = NAMES[order[i]], NAMES[order[j]]
        mark = rng.choice(["", "-->", "<->"], p=[0.45, 0.35, 0.2])
        if mark:
            edges.append(Edge.of(a, str(mark), b))
    return Graph(NAMES[:count], tuple(edges))


def with_hidden_nodes(graph: Graph) -> Graph:
    """The DAG that has a hidden node for each double-headed arrow."""
    pairs = [(e.a, e.b) for e in graph if e.is_directed]
    hidden = [e for e in graph if e.mark == "<->"]
    for e in hidden:
        pairs += [(f"{e.a}{e.b}", e.a), (f"{e.a}{e.b}", e.b)]
    return Graph.from_pairs(pairs, nodes=[*graph.nodes, *(f"{e.a}{e.b}" for e in hidden)])


def as_networkx(dag: Graph) -> nx.DiGraph:
    out = nx.DiGraph()
    out.add_nodes_from(dag.nodes)
    out.add_edges_from((e.a, e.b) for e in dag)
    return out


def separations(graph: Graph) -> set[tuple[str, str, tuple[str, ...]]]:
    return {
        (x, y, fixed)
        for x, y in combinations(graph.nodes, 2)
        for fixed in subsets([n for n in graph.nodes if n not in (x, y)])
        if graph.is_separated(x, y, fixed)
    }


# ---- separation -------------------------------------------------------------------------------
def test_separation_agrees_with_networkx_where_hidden_causes_are_written_out():
    rng = np.random.default_rng(0)
    for _ in range(40):
        graph = random_admg(rng)
        truth = as_networkx(with_hidden_nodes(graph))
        for x, y in combinations(graph.nodes, 2):
            for fixed in subsets([n for n in graph.nodes if n not in (x, y)]):
                assert graph.is_separated(x, y, fixed) == nx.is_d_separator(
                    truth, {x}, {y}, set(fixed)
                )


def test_sets_are_separated_where_networkx_says_so(random_dag):
    rng = np.random.default_rng(1)
    for _ in range(100):
        dag = random_dag(tuple("abcdefghij"), 3, rng)
        parts = rng.integers(4, size=10)
        x, y, fixed = (
            {n for n, at in zip(dag.nodes, parts, strict=True) if at == k} for k in range(3)
        )
        if x and y:
            assert dag.is_separated(x, y, fixed) == nx.is_d_separator(as_networkx(dag), x, y, fixed)


def test_conditioning_on_what_a_collider_causes_opens_it():
    graph = Graph.from_pairs([("x", "z"), ("y", "z"), ("z", "w")])
    assert graph.is_separated("x", "y")
    assert not graph.is_separated("x", "y", "w")


def test_the_m_of_m_bias_is_opened_by_adjusting():
    graph = Graph.from_pairs([("u", "x"), ("u", "m"), ("v", "m"), ("v", "y")])
    assert graph.is_separated("x", "y")
    assert not graph.is_separated("x", "y", "m")
    assert graph.is_separated("x", "y", {"m", "v"})


def test_a_cpdag_separates_what_each_of_its_dags_separates(random_dag):
    rng = np.random.default_rng(2)
    for _ in range(40):
        dag = random_dag(NAMES[:5], 2.5, rng)
        assert separations(dag_to_cpdag(dag)) == separations(dag)


def test_a_question_that_overlaps_or_names_no_node_is_refused():
    graph = Graph.from_pairs([("income", "price"), ("price", "sales")])
    with pytest.raises(GraphError, match="two sides"):
        graph.is_separated("income", "price", "price")
    with pytest.raises(GraphError, match="Did you mean 'income'"):
        graph.is_separated("incme", "price")


def test_a_graph_that_no_dag_extends_is_refused():
    square = [Edge.of(a, "---", b) for a, b in ("ab", "bc", "cd", "ad")]
    graph = Graph(tuple("abcde"), (*square, Edge.of("e", "-->", "a")))
    with pytest.raises(GraphError, match="no DAG"):
        graph.is_separated("a", "c")


def test_a_thousand_nodes_are_answered_at_once(random_dag):
    names = tuple(f"c{i}" for i in range(1000))
    dag = random_dag(names, 4, np.random.default_rng(3))
    reached = connected_nodes(dag, names[0], names[1:10])
    assert not reached & set(names[1:10])


def test_the_blanket_is_the_smallest_set_that_shields_a_node():
    rng = np.random.default_rng(4)
    for _ in range(60):
        graph = random_admg(rng, 6)
        for node in graph.nodes:
            rest = set(graph.nodes) - {node}
            needed = {n for n in rest if not graph.is_separated(node, n, rest - {n})}
            assert graph.markov_blanket(node) == needed


def test_a_separator_is_found_where_there_is_one_and_no_part_of_it_separates():
    rng = np.random.default_rng(5)
    for _ in range(60):
        graph = random_admg(rng)
        for x, y in combinations(graph.nodes, 2):
            rest = [n for n in graph.nodes if n not in (x, y)]
            offered = [n for n in rest if rng.random() < 0.8]
            found = minimal_separator(graph, x, y, offered)
            if found is None:
                assert not any(graph.is_separated(x, y, s) for s in subsets(offered))
            else:
                assert found <= set(offered)
                assert graph.is_separated(x, y, found)
                parts = [s for s in subsets(sorted(found)) if len(s) < len(found)]
                assert not any(graph.is_separated(x, y, s) for s in parts)


def test_mediators_lie_between_cause_and_effect():
    graph = Graph.from_pairs([("x", "m"), ("m", "y"), ("x", "y"), ("x", "z"), ("c", "y")])
    assert graph.mediators("x", "y") == {"m"}


# ---- classes ----------------------------------------------------------------------------------
def test_a_class_has_exactly_the_dags_that_separate_alike(random_dag):
    rng = np.random.default_rng(6)
    for _ in range(12):
        dag = random_dag(NAMES[:5], 3, rng)
        members = list(class_members(dag_to_cpdag(dag)))
        assert len({m.edges for m in members}) == len(members)
        assert {(e.a, e.b) for e in dag} in [{(e.a, e.b) for e in m} for m in members]
        assert all(dag_to_cpdag(m) == dag_to_cpdag(dag) for m in members)


def test_a_clique_has_a_dag_for_each_order():
    clique = Graph(NAMES[:5], tuple(Edge.of(a, "---", b) for a, b in combinations(NAMES[:5], 2)))
    assert len(list(class_members(clique))) == 120
    with pytest.raises(GraphError, match="more than 100 DAGs"):
        list(class_members(clique, limit=100))


def test_a_class_without_a_dag_is_refused():
    square = tuple(Edge.of(a, "---", b) for a, b in ("ab", "bc", "cd", "ad"))
    with pytest.raises(GraphError, match="no DAG"):
        list(class_members(Graph(tuple("abcd"), square)))


def test_a_cpdag_is_told_from_a_graph_that_directs_too_much_or_too_little(random_dag):
    dag = random_dag(NAMES, 3, np.random.default_rng(7))
    assert is_cpdag(dag_to_cpdag(dag))
    assert not is_cpdag(Graph.from_pairs([("a", "b")]))
    loose = (Edge.of("a", "-->", "b"), Edge.of("b", "---", "c"))
    assert not is_cpdag(Graph(tuple("abc"), loose))


# ---- MAGs and PAGs ----------------------------------------------------------------------------
def test_a_latent_projection_separates_what_the_whole_graph_separates(random_dag):
    rng = np.random.default_rng(8)
    for _ in range(40):
        dag = random_dag(tuple("abcdefgh"), 3, rng)
        hidden, selected = set(dag.nodes[:2]), set(dag.nodes[2 : 2 + rng.integers(2)])
        mag = dag_to_mag(dag, hidden, selected)
        assert mag_problem(mag) is None
        truth = as_networkx(dag)
        for x, y in combinations(mag.nodes, 2):
            for fixed in subsets([n for n in mag.nodes if n not in (x, y)]):
                assert mag.is_separated(x, y, fixed) == nx.is_d_separator(
                    truth, {x}, {y}, {*fixed, *selected}
                )


def test_a_mag_is_its_own_projection():
    rng = np.random.default_rng(9)
    seen = 0
    for _ in range(100):
        graph = random_admg(rng)
        projected = dag_to_mag(graph)
        assert is_mag(projected)
        if is_mag(graph):
            seen += 1
            marks = {(e.a, e.mark, e.b) for e in graph}
            assert {(e.a, e.mark, e.b) for e in projected} == marks
    assert seen > 10


@pytest.mark.parametrize(
    ("edges", "words"),
    [
        (["a <-> b", "a --> c", "c --> b"], "directed path leads from a to b"),
        (["a --> b", "b --- c"], "undirected edge b --- c"),
        (["a o-> b"], "has a circle"),
        # Richardson & Spirtes (2002), figure 9: an inducing path a <-> b <-> c <-> d without a - d.
        (["a <-> b", "b <-> c", "c <-> d", "b --> d", "c --> a"], "no edge joins a and d"),
    ],
)
def test_what_is_no_mag_is_told_why(edges, words):
    parsed = tuple(Edge.of(*edge.split()) for edge in edges)
    nodes = tuple(sorted({end for e in parsed for end in (e.a, e.b)}))
    assert words in str(mag_problem(Graph(nodes, parsed)))


def test_a_pag_gives_a_mag_that_keeps_its_marks():
    # The Y structure and its class: a o-> c <-o b, c --> d (Zhang 2008).
    pag = Graph(
        tuple("abcd"),
        (Edge.of("a", "o->", "c"), Edge.of("b", "o->", "c"), Edge.of("c", "-->", "d")),
    )
    mag = pag_to_mag(pag)
    assert is_mag(mag)
    assert mag.is_separated("a", "b")
    assert pag.is_separated("a", "d", "c")
    assert not pag.is_separated("a", "b", "d")


def test_circles_at_both_ends_become_a_dag_without_new_colliders():
    pag = Graph(tuple("abc"), (Edge.of("a", "o-o", "b"), Edge.of("b", "o-o", "c")))
    assert pag_to_mag(pag).is_separated("a", "c", "b")


@pytest.mark.parametrize(
    "edges",
    [
        ["a o-o b", "b o-o c", "c o-o d", "a o-o d"],  # any DAG has a new v-structure
        ["a --> b", "b --> c", "a <-> c"],
    ],
)
def test_marks_that_fit_no_mag_are_refused(edges):
    parsed = tuple(Edge.of(*edge.split()) for edge in edges)
    nodes = tuple(sorted({end for e in parsed for end in (e.a, e.b)}))
    with pytest.raises(GraphError, match="no MAG"):
        pag_to_mag(Graph(nodes, parsed))


@given(st.integers(0, 2**32 - 1), st.permutations(list("uvwxyz")))
@settings(max_examples=40, deadline=None)
def test_renaming_and_exchanging_sides_change_no_answer(seed, new):
    rng = np.random.default_rng(seed)
    graph = random_admg(rng, 6)
    name = dict(zip(graph.nodes, new, strict=True))
    renamed = Graph(tuple(sorted(new)), tuple(Edge.of(name[e.a], e.mark, name[e.b]) for e in graph))
    parts = rng.permutation(6)
    x, y, *others = (graph.nodes[i] for i in parts)
    fixed = others[: rng.integers(5)]
    answer = graph.is_separated(x, y, fixed)
    assert graph.is_separated(y, x, fixed) == answer
    assert renamed.is_separated(name[x], name[y], [name[n] for n in fixed]) == answer
    assert renamed.markov_blanket(name[x]) == {name[n] for n in graph.markov_blanket(x)}
