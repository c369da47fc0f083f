"""The Graph refuses what cannot be, and answers what it is asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whydrift.discovery import Edge, Graph, GraphError, Mark, Origin

MARKS = ("-->", "---", "<->", "o->", "o-o", "--o")


def diamond() -> Graph:
    return Graph.from_pairs([("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")])


def test_parents_children_and_ancestors_follow_the_arrows():
    graph = diamond()
    assert graph.parents("d") == ("b", "c")
    assert graph.children("a") == ("b", "c")
    assert graph.ancestors("d") == {"a", "b", "c"}
    assert graph.descendants("b") == {"d"}
    assert graph.sinks() == ("d",)


def test_the_topological_order_puts_every_cause_before_its_effects():
    order = diamond().topological_order()
    assert all(order.index(e.a) < order.index(e.b) for e in diamond())


def test_a_directed_cycle_is_refused_and_named():
    with pytest.raises(GraphError, match="a → b → c → a"):
        Graph.from_pairs([("a", "b"), ("b", "c"), ("c", "a")])


def test_an_undirected_cycle_is_no_cycle():
    edges = tuple(Edge.of(a, "---", b) for a, b in ("ab", "bc", "ca"))
    assert len(Graph(("a", "b", "c"), edges)) == 3


def test_two_edges_between_one_pair_are_refused():
    with pytest.raises(GraphError, match="same pair"):
        Graph(("a", "b"), (Edge.of("a", "-->", "b"), Edge.of("b", "-->", "a")))


def test_an_unknown_node_names_the_nearest():
    with pytest.raises(GraphError, match="Did you mean 'income'"):
        Graph(("income", "price"), (Edge.of("incme", "-->", "price"),))


def test_a_node_listed_twice_or_joined_to_itself_is_refused():
    with pytest.raises(GraphError, match="twice"):
        Graph(("a", "a"))
    with pytest.raises(GraphError, match="itself"):
        Edge.of("a", "-->", "a")


@pytest.mark.parametrize(("turned", "mark"), [("<--", "-->"), ("<-o", "o->"), ("o--", "--o")])
def test_an_arrow_to_the_left_is_turned(turned, mark):
    assert Edge.of("a", turned, "b") == Edge.of("b", mark, "a")


@pytest.mark.parametrize("mark", ["---", "<->", "o-o"])
def test_a_symmetric_edge_has_one_writing(mark):
    assert Edge.of("b", mark, "a") == Edge.of("a", mark, "b")


def test_a_directed_edge_is_a_tail_and_an_arrow():
    edge = Edge.of("a", "-->", "b")
    assert (edge.mark_at_a, edge.mark_at_b) == (Mark.TAIL, Mark.ARROW)
    assert edge.is_directed
    assert not edge.is_undecided


def test_an_open_edge_is_undecided_only_where_it_may_point():
    graph = Graph(("a", "b", "c"), (Edge.of("a", "---", "b"), Edge.of("b", "o->", "c")))
    assert graph.undecided_neighbours("a") == ("b",)
    assert graph.undecided_neighbours("c") == ("b",)
    assert graph.undecided_neighbours("b") == ("a",)


def test_cutting_nodes_out_takes_their_edges_along():
    graph = diamond().with_nodes(("a", "b", "new"))
    assert graph.nodes == ("a", "b", "new")
    assert [(e.a, e.b) for e in graph] == [("a", "b")]


@given(
    st.lists(st.text(min_size=1, max_size=4), min_size=2, max_size=6, unique=True),
    st.data(),
)
def test_a_graph_survives_the_trip_through_a_dict(names, data):
    edges = []
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            mark = data.draw(st.sampled_from([None, *MARKS]))
            if mark:
                confidence = data.draw(st.none() | st.floats(0, 1))
                origin = data.draw(st.sampled_from(Origin))
                edges.append(Edge.of(a, mark, b, confidence=confidence, origin=origin))
    graph = Graph(tuple(names), tuple(edges))
    assert Graph.from_dict(graph.to_dict()) == graph


@pytest.mark.parametrize(
    "edge",
    [
        {"from": "a"},
        {"from": "a", "to": "b", "mark": "=>"},
        {"from": "a", "to": "b", "confidence": 2},
        {"from": "a", "to": "b", "confidence": "high"},
        {"from": "a", "to": "b", "origin": "guess"},
    ],
)
def test_a_malformed_edge_in_a_dict_is_a_graph_error(edge):
    with pytest.raises(GraphError):
        Graph.from_dict({"edges": [edge]})


def test_the_notebook_view_escapes_names():
    graph = Graph.from_pairs([("<b>", "y")])
    assert "<b>" not in graph._repr_html_()


@pytest.mark.parametrize(
    "ask", ["parents", "children", "undecided_neighbours", "ends", "ancestors", "descendants"]
)
def test_a_node_that_is_not_there_is_an_error_that_names_the_nearest(ask):
    graph = Graph.from_pairs([("income", "price")])
    with pytest.raises(GraphError, match=r"'incme'.*'income'"):
        getattr(graph, ask)("incme")
