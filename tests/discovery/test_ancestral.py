"""Between MAGs and PAGs: against all maximal ancestral graphs of four nodes, enumerated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.discovery.mixed_graphs import classes, common_marks, marks_of
from whydrift.discovery import (
    Edge,
    Graph,
    GraphError,
    Origin,
    dag_to_mag,
    is_pag,
    mag_to_pag,
    pag_problem,
    pag_to_mag,
)

NODES = tuple("0123")


def graph_of(marks) -> Graph:
    """A dict like those of mixed_graphs as a Graph; raises GraphError where it has a cycle."""
    edges = []
    for (i, j), (at_i, at_j) in marks.items():
        edges.append(Edge.of(str(i), ("<" if at_i == ">" else at_i) + "-" + at_j, str(j)))
    return Graph(NODES, tuple(edges))


def test_the_pag_of_every_mag_of_four_nodes_is_what_its_class_has_in_common():
    rng = np.random.default_rng(0)
    for members in classes(4).values():
        expected = common_marks(members)
        for k in rng.permutation(len(members))[:2]:
            assert marks_of(mag_to_pag(graph_of(members[k]))) == expected


def test_of_all_pags_of_four_nodes_each_is_one_and_yields_a_member_of_its_class():
    for members in classes(4).values():
        pag = graph_of(common_marks(members))
        assert pag_problem(pag) is None
        assert marks_of(pag_to_mag(pag)) in members


def test_a_pag_with_one_other_mark_is_none_unless_it_is_that_of_another_class():
    pags = [common_marks(members) for members in classes(4).values()]
    rng = np.random.default_rng(1)
    refused = 0
    for marks in pags:
        if not marks:
            continue
        pair = list(marks)[rng.integers(len(marks))]
        end, other = rng.integers(2), [">", "-", "o"]
        other.remove(marks[pair][end])
        changed = list(marks[pair])
        changed[end] = other[rng.integers(2)]
        corrupted = {**marks, pair: tuple(changed)}
        try:
            graph = graph_of(corrupted)
        except GraphError:  # a directed cycle
            continue
        assert is_pag(graph) == (corrupted in pags)
        refused += not is_pag(graph)
    assert refused > 100


@pytest.mark.parametrize(
    ("edges", "words"),
    [
        (["a --> b"], "a --> b stands where the MAGs of its class have a o-o b in common"),
        (["a o-> c", "b o-> c", "c o-> d"], "c o-> d stands where"),
        (["a o-o b", "b o-o c", "c o-o d", "a o-o d"], "no MAG is consistent"),
    ],
)
def test_what_is_no_pag_is_told_why(edges, words):
    parsed = tuple(Edge.of(*edge.split()) for edge in edges)
    nodes = tuple(sorted({end for e in parsed for end in (e.a, e.b)}))
    assert words in str(pag_problem(Graph(nodes, parsed)))


def test_the_pag_of_a_graph_that_is_no_mag_is_refused():
    graph = Graph(tuple("ab"), (Edge.of("a", "o->", "b"),))
    with pytest.raises(GraphError, match="no MAG: a o-> b has a circle"):
        mag_to_pag(graph)


def test_a_hidden_cause_leaves_what_the_y_structure_shows():
    dag = Graph.from_pairs(
        [("a", "c"), ("h", "c"), ("h", "a"), ("b", "c"), ("c", "d")],
        nodes=("a", "b", "c", "d", "h"),
    )
    mag = dag_to_mag(dag, hidden=["h"])
    mag = mag.with_edges(replace(e, confidence=0.5) for e in mag)
    pag = mag_to_pag(mag)
    assert {(e.a, e.mark, e.b) for e in pag} == {
        ("a", "o->", "c"), ("b", "o->", "c"), ("c", "-->", "d"),
    }  # fmt: skip
    assert all(e.confidence == 0.5 and e.origin is Origin.LEARNED for e in pag)
    assert is_pag(pag)
