"""Pictures hold every column and edge, show marks as marks, and survive any name."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import combinations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whydrift.discovery import Edge, Graph
from whydrift.discovery.formats import graph_from_text, to_dot, to_gml
from whydrift.discovery.picture.drawing import drawing_of, visible
from whydrift.discovery.picture.layout import HALF_HEIGHT, layered
from whydrift.discovery.picture.part import MOST_NODES, relevant_part
from whydrift.discovery.plain_text import clean

SVG = "{http://www.w3.org/2000/svg}"
MARKS = ("-->", "---", "<->", "o->", "o-o", "--o")
NASTY = (
    'say "hi"',
    "a\nb",
    "<b>&amp;</b>",
    "Einkünfte",
    "価格",
    "$x_1$",
    "back\\slash",
    "'",
    "]]>",
)

mpl.use("Agg")


def boxes(graph: Graph) -> dict[str, tuple[float, float, float, float]]:
    layout = layered(graph, dict.fromkeys(graph.nodes, 80.0))
    return {
        n: (x - layout.widths[n] / 2, y - HALF_HEIGHT, x + layout.widths[n] / 2, y + HALF_HEIGHT)
        for n, (x, y) in layout.centres.items()
    }


# ---- layout -----------------------------------------------------------------------------------
def test_causes_stand_above_effects_and_no_two_boxes_overlap(random_dag):
    for seed, (count, degree) in enumerate([(3, 2), (12, 3), (12, 7), (40, 3)]):
        names = tuple(f"c{i}" for i in range(count))
        dag = random_dag(names, degree, np.random.default_rng(seed))
        found = boxes(dag)
        assert set(found) == set(names)
        assert all(found[e.a][3] < found[e.b][1] for e in dag)
        for (ax0, ay0, ax1, ay1), (bx0, by0, bx1, by1) in combinations(found.values(), 2):
            assert ax1 <= bx0 or bx1 <= ax0 or ay1 <= by0 or by1 <= ay0


def test_edges_end_side_by_side_so_that_no_mark_hides_another(random_dag):
    names = tuple(f"c{i}" for i in range(20))
    dag = random_dag(names, 6, np.random.default_rng(0))
    layout = layered(dag, dict.fromkeys(names, 40.0))
    ends = [p for path in layout.paths.values() for p in (path[0], path[-1])]
    for (x0, y0), (x1, y1) in combinations(ends, 2):
        assert y0 != y1 or abs(x0 - x1) >= 9  # an arrow's head is 9 wide


def test_a_tree_is_drawn_without_crossings():
    pairs = [(f"n{i}", f"n{2 * i + k}") for i in range(1, 8) for k in (0, 1)]
    graph = Graph.from_pairs(sorted(pairs, key=lambda p: p[::-1][0][::-1]))
    layout = layered(graph, dict.fromkeys(graph.nodes, 60.0))
    segments = [(path[0], path[-1]) for path in layout.paths.values()]
    for (a0, a1), (b0, b1) in combinations(segments, 2):
        if a0[1] == b0[1]:
            assert (a0[0] - b0[0]) * (a1[0] - b1[0]) >= 0


def test_the_drawing_stays_inside_its_frame(random_dag):
    dag = random_dag(tuple(f"c{i}" for i in range(30)), 4, np.random.default_rng(1))
    layout = layered(dag, dict.fromkeys(dag.nodes, 80.0))
    points = [p for path in layout.paths.values() for p in path]
    assert all(0 <= x <= layout.width and 0 <= y <= layout.height for x, y in points)


# ---- SVG --------------------------------------------------------------------------------------
def test_circles_and_arrows_are_drawn_as_marks():
    wanted = {
        "-->": (1, 0),
        "---": (0, 0),
        "<->": (2, 0),
        "o->": (1, 1),
        "o-o": (0, 2),
        "--o": (0, 1),
    }
    for mark, (arrows, circles) in wanted.items():
        root = ET.fromstring(Graph(("a", "b"), (Edge.of("a", mark, "b"),)).to_svg())
        assert len(root.findall(f".//{SVG}polygon")) == arrows
        assert len(root.findall(f".//{SVG}circle[@class='ring']")) == circles


def test_a_surer_edge_is_wider():
    edges = (Edge.of("a", "-->", "b", confidence=0.3), Edge.of("a", "-->", "c", confidence=0.9))
    root = ET.fromstring(Graph(("a", "b", "c"), edges).to_svg())
    widths = [float(p.get("stroke-width", "nan")) for p in root.iter(f"{SVG}path")]
    assert widths[0] < widths[1]


@given(st.lists(st.text(min_size=1, max_size=30), min_size=2, max_size=4, unique=True))
@settings(max_examples=30, deadline=None)
def test_any_name_gives_well_formed_svg_html_and_dot(names):
    graph = Graph(tuple(names), (Edge.of(names[0], "-->", names[1], confidence=0.5),))
    root = ET.fromstring(graph.to_svg())
    titles = [t.text or "" for t in root.iter(f"{SVG}title")]
    assert any(clean(visible(names[0])).strip() in title for title in titles)
    assert graph._repr_html_().count("<table") == 1
    assert graph_from_text(to_dot(graph), where="dot").nodes == graph.nodes


@pytest.mark.filterwarnings("ignore:Glyph")  # the font that comes with matplotlib lacks them
@pytest.mark.parametrize("name", NASTY)
def test_names_that_bite_survive_every_format(name):
    graph = Graph.from_pairs([(name, "y")])
    for text in (to_dot(graph), to_gml(graph)):
        read = graph_from_text(text, where="text")
        assert read.nodes == graph.nodes
        assert [(e.a, e.b) for e in read] == [(name, "y")]
    ET.fromstring(graph.to_svg())
    assert "<b>" not in graph._repr_html_()
    graph.plot().figure.canvas.draw()
    plt.close("all")


def test_control_characters_become_signs_and_not_broken_xml():
    assert visible("a\x00b\nc\td") == "a�b↵c d"
    ET.fromstring(Graph.from_pairs([("a\x00\ud800", "b\x1b[31m")]).to_svg())


def test_a_wide_script_gets_a_wider_box_and_is_cut_sooner():
    drawing = drawing_of(Graph(("価格" * 10, "ab" * 10, "é" * 5)))
    assert drawing.layout.widths["価格" * 10] >= drawing.layout.widths["ab" * 10]
    assert drawing.labels["価格" * 10].endswith("…")
    assert not drawing.labels["ab" * 10].endswith("…")


# ---- large graphs -----------------------------------------------------------------------------
def test_of_hundreds_of_columns_the_picture_shows_a_part_and_counts_the_rest(random_dag):
    names = tuple(f"c{i}" for i in range(300))
    dag = random_dag(names, 3, np.random.default_rng(2))
    svg = dag.to_svg()
    assert f"{300 - MOST_NODES} of 300 columns are not drawn" in svg
    assert svg.count("<rect") == MOST_NODES


def test_what_a_picture_is_about_is_in_the_part_that_is_drawn(random_dag):
    names = tuple(f"c{i}" for i in range(100))
    dag = random_dag(names, 3, np.random.default_rng(3))
    asked = min(names, key=lambda n: len(dag.ends(n)))
    assert asked not in relevant_part(dag).nodes
    part = relevant_part(dag, first=[asked])
    assert {asked, *dag.parents(asked), *dag.children(asked)} <= set(part.nodes)


def test_a_graph_without_edges_or_nodes_has_a_picture():
    for graph in (Graph(()), Graph(("alone",))):
        ET.fromstring(graph.to_svg())


# ---- matplotlib -------------------------------------------------------------------------------
def test_plot_draws_on_the_axes_given_and_returns_them():
    graph = Graph(
        tuple("abcdefg"), tuple(Edge.of("a", m, n) for m, n in zip(MARKS, "bcdefg", strict=True))
    )
    _, axes = plt.subplots(1, 2)
    assert graph.plot(axes[1]) is axes[1]
    assert len(axes[1].texts) == 7
    assert not axes[0].texts
    plt.close("all")


def test_plot_makes_axes_that_fit_the_graph(random_dag):
    small, large = (
        random_dag(tuple(f"c{i}" for i in range(count)), 3, np.random.default_rng(4)).plot()
        for count in (3, 30)
    )
    assert small.figure.get_size_inches().prod() < large.figure.get_size_inches().prod()
    plt.close("all")


def test_dot_draws_surer_edges_wider():
    edges = (Edge.of("a", "o->", "b", confidence=0.25),)
    found = re.search(r'"a" -> "b" \[(.*)\]', Graph(("a", "b"), edges).to_dot())
    assert found is not None
    assert {"arrowtail=odot", "penwidth=1.00"} <= set(found.group(1).split(", "))
