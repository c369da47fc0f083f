"""The graph as a picture: columns coloured and lettered by verdict, marks drawn at edges' ends."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from markupsafe import Markup

from whydrift.discovery.graph import Edge, Graph, Mark
from whydrift.monitor.report.layout import Layout, layered
from whydrift.monitor.report.svg import number, picture, tag

__all__ = ["GRAPH_STYLE", "LETTERS", "graph_svg", "relevant_part"]

# Colour is never the only cue: each verdict has a letter too.
LETTERS = {
    "source": "S",
    "mechanism": "M",
    "fault": "F",
    "inherited": "i",
    "undetermined": "?",
    "stable": "",
}
_MOST_NODES = 40
_LONGEST_NAME = 22
_HALF_HEIGHT = 15.0

GRAPH_STYLE = Markup("""
.node rect{fill:var(--node,#f4f5f6);stroke:var(--edge,#8a8f98);stroke-width:1.2}
.node text{font:13px system-ui,sans-serif;fill:var(--ink,#1b1d21)}
.node .letter{font-weight:700;fill:#fff}
.node .badge{stroke:none}
.node.source rect,.node.source .badge{stroke:#9a6200;stroke-width:2}
.node.source .badge{fill:#9a6200}
.node.mechanism rect{stroke:#c2410c;stroke-width:2.5}
.node.mechanism .badge{fill:#c2410c}
.node.fault rect{stroke:#a3347f;stroke-width:2.5;stroke-dasharray:6 3}
.node.fault .badge{fill:#a3347f}
.node.inherited rect{stroke-dasharray:2 3}
.node.inherited .badge,.node.undetermined .badge{fill:#5f6672}
.node.inherited text{fill:var(--muted,#5f6672)}
.node.inherited .letter,.node.undetermined .letter{fill:#fff}
.node.target rect{stroke-width:3}
.link{fill:none;stroke:var(--edge,#8a8f98)}
.head{fill:var(--edge,#8a8f98)}
.ring{fill:var(--paper,#fff);stroke:var(--edge,#8a8f98);stroke-width:1.3}
""")
_ALONE = Markup("""
svg{--paper:#fff;--node:#f4f5f6;--ink:#1b1d21;--muted:#5f6672;--edge:#8a8f98}
svg{background:var(--paper)}
@media (prefers-color-scheme:dark){
svg{--paper:#15171a;--node:#23262b;--ink:#e8eaed;--muted:#a0a6b0;--edge:#7d8490}}
""")


def graph_svg(
    graph: Graph,
    verdicts: Mapping[str, str] | None = None,
    target: str | None = None,
    *,
    standalone: bool = True,
) -> Markup:
    """Return the graph as SVG.

    Parameters
    ----------
    graph : Graph
        Of at most about 40 columns; of larger ones the part that matters is drawn, and the
        picture says how many columns it leaves out.
    verdicts : mapping of str to str, optional
        Column verdicts, for colours and letters.
    target : str, optional
        Drawn with a heavier outline.
    standalone : bool
        Whether to put a style sheet into the image.

    Returns
    -------
    Markup
        Edges with a confidence are drawn the wider the surer they are.
    """
    verdicts = verdicts or {}
    shown = relevant_part(graph, verdicts, target)
    widths = {n: _node_width(n, verdicts.get(n)) for n in shown.nodes}
    layout = layered(shown, widths)
    hidden = len(graph.nodes) - len(shown.nodes)
    height = layout.height + (24 if hidden else 0)
    children = [_edge(e, layout, widths) for e in shown]
    children += [_node(n, layout, widths[n], verdicts.get(n), n == target) for n in shown.nodes]
    if hidden:
        note = f"{hidden} more columns, none of them an origin, are not drawn"
        children.append(tag("text", note, x=20, y=height - 10, font_size=13, fill="currentColor"))
    title = f"Graph of {len(graph.nodes)} columns and {len(graph.edges)} edges"
    style = _ALONE + GRAPH_STYLE if standalone else None
    return picture(max(layout.width, 320), height, title, *children, style=style, class_="graph")


def relevant_part(graph: Graph, verdicts: Mapping[str, str], target: str | None) -> Graph:
    """Return the graph, or of a large one the origins, the target, what lies between and beside."""
    if len(graph.nodes) <= _MOST_NODES:
        return graph
    origins = [n for n in graph.nodes if verdicts.get(n) in {"source", "mechanism", "fault"}]
    kept = dict.fromkeys(origins[: _MOST_NODES // 2])
    if target in graph.nodes and target is not None:
        kept[target] = None
        above = graph.ancestors(target)
        for origin in origins:
            kept |= dict.fromkeys(n for n in graph.descendants(origin) & above)
    for name in list(kept):
        kept |= dict.fromkeys((*graph.parents(name), *graph.children(name)))
    # Without origins: the columns with most edges.
    degree = dict.fromkeys(graph.nodes, 0)
    for edge in graph:
        degree[edge.a] += 1
        degree[edge.b] += 1
    kept |= dict.fromkeys(sorted(graph.nodes, key=lambda n: -degree[n]))
    chosen = set(list(kept)[:_MOST_NODES])
    return graph.with_nodes(n for n in graph.nodes if n in chosen)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"


def _node_width(name: str, verdict: str | None) -> float:
    badge = 20.0 if LETTERS.get(verdict or "", "") else 0.0
    return 22 + 7.4 * len(_short(name)) + badge


def _node(name: str, layout: Layout, width: float, verdict: str | None, is_target: bool) -> Markup:
    x, y = layout.centres[name]
    letter = LETTERS.get(verdict or "", "")
    parts = [
        tag("title", f"{name}: {verdict}" if verdict else name),
        tag(
            "rect", x=x - width / 2, y=y - _HALF_HEIGHT, width=width, height=2 * _HALF_HEIGHT, rx=8
        ),
    ]
    if letter:
        left = x - width / 2 + 16
        parts.append(tag("circle", cx=left, cy=y, r=9.0, class_="badge"))
        parts.append(tag("text", letter, x=left, y=y + 4.5, text_anchor="middle", class_="letter"))
    shift = 10.0 if letter else 0.0
    parts.append(tag("text", _short(name), x=x + shift, y=y + 4.5, text_anchor="middle"))
    classes = " ".join(filter(None, ["node", verdict, "target" if is_target else ""]))
    return tag("g", *parts, class_=classes)


def _edge(edge: Edge, layout: Layout, widths: Mapping[str, float]) -> Markup:
    (ax, ay), (bx, by) = layout.centres[edge.a], layout.centres[edge.b]
    via = layout.routes[edge]
    first, last = (via[0], via[-1]) if via else ((bx, by), (ax, ay))
    start = _border((ax, ay), first, widths[edge.a])
    end = _border((bx, by), last, widths[edge.b])
    points = [start, *via, end]
    path = f"M{number(start[0])} {number(start[1])}"
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (y0 + y1) / 2 if abs(y1 - y0) > 1 else y0 - 26
        path += (
            f"C{number(x0)} {number(middle)} {number(x1)} {number(middle)} "
            f"{number(x1)} {number(y1)}"
        )
    sure = edge.confidence
    width = 1.4 if sure is None else 0.7 + 2.6 * sure
    words = f"{edge.a} {edge.mark} {edge.b}" + ("" if sure is None else f", confidence {sure:.2f}")
    down_a = 1.0 if len(points) > 1 and points[1][1] >= start[1] else -1.0
    down_b = 1.0 if end[1] >= points[-2][1] else -1.0
    return tag(
        "g",
        tag("title", words),
        tag("path", d=path, class_="link", stroke_width=width),
        _mark(edge.mark_at_a, start, -down_a),
        _mark(edge.mark_at_b, end, down_b),
    )


def _border(
    centre: tuple[float, float], towards: tuple[float, float], width: float
) -> tuple[float, float]:
    """Return where an edge leaves a node's box: above or below, shifted towards where it goes."""
    x, y = centre
    side = 1.0 if towards[1] > y else -1.0
    reach = max(-width / 2 + 12, min(width / 2 - 12, 0.25 * (towards[0] - x)))
    return x + reach, y + side * (_HALF_HEIGHT + 2)


def _mark(mark: Mark, at: tuple[float, float], down: float) -> Markup:
    x, y = at
    if mark is Mark.ARROW:
        points = f"{number(x)},{number(y)} "
        points += (
            f"{number(x - 4.5)},{number(y - down * 9)} {number(x + 4.5)},{number(y - down * 9)}"
        )
        return tag("polygon", points=points, class_="head")
    if mark is Mark.CIRCLE:
        return tag("circle", cx=x, cy=y - down * 4, r=4.0, class_="ring")
    return Markup("")
