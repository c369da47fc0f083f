"""Graphs and knowledge come from files; errors name the file and the place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from whydrift.discovery.errors import GraphError, SourceError
from whydrift.discovery.graph import Graph
from whydrift.discovery.knowledge import Knowledge
from whydrift.monitor.source.graph_file import read_graph, read_knowledge

KNOWN = Knowledge(tiers=(("a",), ("b",)), forbidden=(("a", "b"),))


def wrote(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_json_pairs_and_the_contract_are_read(tmp_path):
    graph = Graph.from_pairs([("a", "b"), ("b", "c")])
    assert read_graph(wrote(tmp_path / "g.json", json.dumps(graph.to_dict()))) == graph
    assert read_graph(wrote(tmp_path / "p.json", '[["a", "b"], ["b", "c"]]')) == graph


def test_dot_is_read(tmp_path):
    graph = read_graph(wrote(tmp_path / "g.dot", "digraph { a -> b; b -> c }"))
    assert {(e.a, e.b) for e in graph} == {("a", "b"), ("b", "c")}


@pytest.mark.parametrize(
    "text", ['[["a", "b"', '{"edges": [{"from": "a"}]}', '[["a", "b"], ["b", "a"]]', "rubbish"]
)
def test_a_broken_graph_names_its_file(tmp_path, text):
    path = wrote(tmp_path / "g.json", text)
    with pytest.raises(GraphError) as caught:
        read_graph(path)
    assert "g.json" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("k.json", json.dumps(KNOWN.to_dict())),
        ("k.yaml", "tiers:\n  - [a]\n  - [b]\nforbidden:\n  - [a, b]\n"),
    ],
)
def test_knowledge_is_read_as_json_and_yaml(tmp_path, name, text):
    assert read_knowledge(wrote(tmp_path / name, text)) == KNOWN


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("k.json", '{"tiers": [}', "line 1"),
        ("k.yaml", "tiers: [a\nb: ]", "line 2"),
        ("k.yaml", "teirs: [[a]]", "Did you mean 'tiers'"),
        ("k.json", "[1, 2]", "no knowledge"),
        ("k.yaml", "!!python/object/apply:os.system ['true']", "is not read"),
        (
            "k.json",
            '{"required": [["a", "b"]], "forbidden": [["a", "b"]]}',
            '"required: a → b" contradicts "forbidden: a → b"',
        ),
    ],
)
def test_broken_knowledge_names_the_file_and_the_place(tmp_path, name, text, says):
    with pytest.raises(GraphError) as caught:
        read_knowledge(wrote(tmp_path / name, text))
    assert says in str(caught.value) and name in str(caught.value)


@pytest.mark.parametrize("read", [read_graph, read_knowledge])
def test_missing_empty_and_binary_files_are_named(tmp_path, read):
    wrote(tmp_path / "graph.json", "  ")
    (tmp_path / "graph.png").write_bytes(b"\x89PNG\xff")
    with pytest.raises(SourceError, match="Did you mean"):
        read(tmp_path / "graf.json")
    with pytest.raises(SourceError, match="empty"):
        read(tmp_path / "graph.json")
    with pytest.raises(SourceError, match="no text"):
        read(tmp_path / "graph.png")
