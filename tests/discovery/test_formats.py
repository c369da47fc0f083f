"""Graphs as text: round trips, foreign dialects, and messages for what cannot be read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whydrift.discovery import Edge, Graph, GraphError
from whydrift.discovery.formats import graph_from_text, to_dot, to_gml, to_json

MARKS = ("-->", "---", "<->", "o->", "o-o", "--o")


@st.composite
def graphs(draw) -> Graph:
    names = draw(st.lists(st.text(max_size=6), min_size=1, max_size=6, unique=True))
    edges = []
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            mark = draw(st.sampled_from([None, *MARKS]))
            if mark:
                confidence = draw(st.none() | st.floats(0, 1))
                edges.append(Edge.of(a, mark, b, confidence=confidence))
    return Graph(tuple(names), tuple(edges))


def drawn(graph: Graph) -> tuple[tuple[str, ...], list[tuple[str, str, str]]]:
    return graph.nodes, [(e.a, e.mark, e.b) for e in graph]


def edges(text: str) -> list[tuple[str, str, str]]:
    return drawn(graph_from_text(text, where="graph.dot"))[1]


@given(graphs())
def test_json_gives_back_the_very_same_graph(graph):
    assert graph_from_text(to_json(graph), where="graph.json") == graph


@given(graphs())
def test_dot_gives_back_nodes_and_marks_whatever_the_names(graph):
    assert drawn(graph_from_text(to_dot(graph), where="graph.dot")) == drawn(graph)


@given(graphs())
def test_gml_gives_back_nodes_and_marks_whatever_the_names(graph):
    assert drawn(graph_from_text(to_gml(graph), where="graph.gml")) == drawn(graph)


def test_gml_is_ascii_with_entities():
    text = to_gml(Graph.from_pairs([('größe "x"', "a&b")]))
    assert text.isascii()
    assert "gr&#246;&#223;e &#34;x&#34;" in text


@given(st.text(max_size=60))
def test_any_text_is_a_graph_or_a_graph_error(text):
    for prefix in ("", "digraph {", "graph [", "[", "{"):
        try:
            graph_from_text(prefix + text, where="file")
        except GraphError as error:
            assert str(error).startswith("file")
            assert error.remedy


@given(graphs(), st.sampled_from([to_json, to_dot, to_gml]), st.data())
def test_a_damaged_file_is_a_graph_or_a_graph_error(graph, write, data):
    text = write(graph)
    start = data.draw(st.integers(0, len(text)))
    stop = data.draw(st.integers(start, min(len(text), start + 5)))
    damaged = text[:start] + data.draw(st.sampled_from(["", '"', "[", "]", "->"])) + text[stop:]
    try:
        graph_from_text(damaged, where="file")
    except GraphError as error:
        assert str(error).startswith("file")


# ---- foreign files ----------------------------------------------------------------------------
def test_a_list_of_pairs_is_cause_and_effect():
    assert edges('[["rain", "wet"], ["sprinkler", "wet"]]') == [
        ("rain", "-->", "wet"),
        ("sprinkler", "-->", "wet"),
    ]


def test_the_graph_inside_a_diagnosis_is_found():
    graph = Graph.from_pairs([("a", "b")])
    text = json.dumps({"schema": "whydrift/diagnosis/1", "graph": graph.to_dict()})
    assert graph_from_text(text, where="diagnosis.json") == graph


def test_dot_chains_groups_and_subgraphs_are_spelt_out():
    text = """
    // a comment
    strict digraph "my graph" {
        rankdir=LR; node [shape=box, style="filled,rounded"];
        # a preprocessor line
        a -> b -> {c d} [color=red];
        subgraph cluster_0 { label="inner"; e -> f }
        /* more
           comments */
        "g h":port:ne -> a
    }
    """
    assert edges(text) == [
        ("a", "-->", "b"),
        ("b", "-->", "c"),
        ("b", "-->", "d"),
        ("e", "-->", "f"),
        ("g h", "-->", "a"),
    ]


def test_dot_edges_without_arrow_are_undirected():
    assert edges("graph { b -- a }") == [("a", "---", "b")]
    assert edges("digraph { a -- b }") == [("a", "---", "b")]
    assert edges("digraph { edge [dir=none]; a -> b; c -> d [dir=back] }") == [
        ("a", "---", "b"),
        ("d", "-->", "c"),
    ]


def test_dot_quotes_escapes_and_joins():
    text = r'digraph { "say \"hi\"" -> "back\\slash"; "to" + "gether" -> größe -> 1.5 }'
    assert edges(text) == [
        ('say "hi"', "-->", "back\\slash"),
        ("together", "-->", "größe"),
        ("größe", "-->", "1.5"),
    ]


def test_gml_of_networkx_and_of_dowhy_is_read():
    networkx = """
    Creator "someone"
    graph [
      directed 1
      node [ id 0 label "X&#38;Y" ]
      node [ id 1 label "b" graphics [ x 1.5 y -2 ] ]
      edge [ source 0 target 1 weight 0.5 ]
    ]
    """
    assert edges(networkx) == [("X&Y", "-->", "b")]
    dowhy = 'graph[directed 1 node[id "Z" label "Z"]node[id "T"]edge[source "Z" target "T"]]'
    assert edges(dowhy) == [("Z", "-->", "T")]
    assert edges("graph [ node [ id 1 ] node [ id 2 ] edge [ source 1 target 2 ] ]") == [
        ("1", "---", "2")
    ]


def test_an_edge_written_twice_is_one_edge():
    assert edges("digraph { a -> b; a -> b }") == [("a", "-->", "b")]


# ---- messages ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", "f:", "empty"),
        ("\n\nhello", "f, line 3:", "no graph begins with 'hello'"),
        ('{"nodes": [}', "f, line 1, column 12:", "not JSON"),
        ("{}", "f:", "neither nodes nor edges"),
        ('{"edges": null}', "f:", "'edges' is not a list"),
        ('{"nodes": "ab", "edges": []}', "f:", "'nodes' is not a list of names"),
        ('{"edges": [{"from": 1, "to": "b"}]}', "f:", "'from' of edge number 1 is not text"),
        ('{"schema": "whydrift/diagnosis/1"}', "f:", "neither"),
        ('[["a"]]', "f:", "entry number 1 is not a pair"),
        ("[" * 100_000, "f:", "cannot be read"),
        ('[["a", "b"], ["b", "c"], ["c", "a"]]', "f: graph:", "cycle"),
        ("digraph {\n a -> b\n b -> a }", "f, line 3:", "contradicts"),
        ("digraph {\n a -> a }", "f, line 2:", "itself"),
        ("digraph {\n my-col -> b }", "f, line 2:", "cannot read '-col -> b }'"),
        ("digraph {\n a -> \n}", "f, line 3:", "expected a name"),
        ("digraph {\n a -> b", "f, line 2:", "never closed"),
        ("digraph { a -> b } x", "f, line 1:", "after the closing brace"),
        ("graph {\n a -> b }", "f, line 2:", "undirected graph"),
        ("digraph " + "{" * 1000, "f, line 1:", "nested too deeply"),
        ("graph [\n node [ id 1 ]\n node [ id 1 ] ]", "f, line 3:", "occurs twice"),
        ("graph [\n edge [ source 1 target 2 ] ]", "f, line 2:", "no node's id"),
        ("graph [\n node [ label 1 ] ]", "f, line 2:", "without id"),
        ("graph [\n node [ id 1 ]", "f, line 1:", "never closed"),
        ("graph [ ] ]", "f, line 1:", "']' without '['"),
        ('graph [ node [ id 0 label "a" ] node [ id 1 label "a" ] ]', "f:", "two nodes"),
    ],
)
def test_what_cannot_be_read_says_where_and_why(text, place, words):
    with pytest.raises(GraphError) as caught:
        graph_from_text(text, where="f")
    assert str(caught.value).startswith(place)
    assert words in str(caught.value)
