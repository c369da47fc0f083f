"""The graph as SVG: marks drawn at edges' ends, edges the wider the surer they are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from markupsafe import Markup

from whydrift.discovery.graph import Edge, Mark
from whydrift.discovery.picture.drawing import Drawing, Look, line_width, visible
from whydrift.discovery.picture.layout import HALF_HEIGHT, Layout, Point
from whydrift.discovery.picture.svg import number, picture, tag

__all__ = ["GRAPH_STYLE", "graph_svg"]

GRAPH_STYLE = Markup("""
.graph .node rect{fill:var(--node,#f4f5f6);stroke:var(--edge,#8a8f98);stroke-width:1.2}
.graph .node text{font:13px system-ui,sans-serif;fill:var(--ink,#1b1d21)}
.graph .link{fill:none;stroke:var(--edge,#8a8f98)}
.graph .head{fill:var(--edge,#8a8f98)}
.graph .ring{fill:var(--paper,#fff);stroke:var(--edge,#8a8f98);stroke-width:1.3}
.graph g:hover>.link{stroke:var(--ink,#1b1d21)}
""")
_ALONE = Markup("""
.graph{--paper:#fff;--node:#f4f5f6;--ink:#1b1d21;--muted:#5f6672;--edge:#8a8f98;
background:var(--paper)}
@media (prefers-color-scheme:dark){
.graph{--paper:#15171a;--node:#23262b;--ink:#e8eaed;--muted:#a0a6b0;--edge:#7d8490}}
""")
_LEAST_WIDTH = 320.0
_LINE_OF_TEXT = 24.0
_RING = 4.0  # radius of a circle mark
_HEAD = (4.5, 9.0)  # half width and length of an arrow's head


def graph_svg(drawing: Drawing, *, style: Markup | None = None, standalone: bool = True) -> Markup:
    """Return a graph as SVG.

    Parameters
    ----------
    drawing : Drawing
    style : Markup, optional
        More of a style sheet, for the looks of nodes.
    standalone : bool
        Whether to put a style sheet into the image; a page that holds it needs ``GRAPH_STYLE``.
    """
    layout = drawing.layout
    height = layout.height + (_LINE_OF_TEXT if drawing.left_out else 0)
    # A share of bootstrap graphs is no probability, and is not to be read as one.
    is_share = drawing.graph.stability is not None
    children = [_edge(edge, layout.paths[edge], is_share) for edge in drawing.graph]
    children += [
        _node(name, drawing.labels[name], layout, drawing.looks.get(name, Look()))
        for name in drawing.graph.nodes
    ]
    if drawing.left_out:
        y = height - 10
        children.append(tag("text", drawing.left_out, x=20, y=y, font_size=13, fill="currentColor"))
    sheet = _ALONE + GRAPH_STYLE + (style or "") if standalone else None
    width = max(layout.width, _LEAST_WIDTH)
    return picture(width, height, drawing.title, *children, style=sheet, class_="graph")


def _node(name: str, label: str, layout: Layout, look: Look) -> Markup:
    (x, y), width = layout.centres[name], layout.widths[name]
    shown = visible(name)
    left = x - width / 2
    parts = [
        tag("title", f"{shown}: {look.note}" if look.note else shown),
        tag("rect", x=left, y=y - HALF_HEIGHT, width=width, height=2 * HALF_HEIGHT, rx=8),
    ]
    shift = 0.0
    if look.letter:
        shift, middle = 10.0, left + 16
        parts.append(tag("circle", cx=middle, cy=y, r=9.0, class_="badge"))
        parts.append(
            tag("text", look.letter, x=middle, y=y + 4.5, text_anchor="middle", class_="letter")
        )
    parts.append(tag("text", label, x=x + shift, y=y + 4.5, text_anchor="middle"))
    return tag("g", *parts, class_=f"node {look.style}".strip())


def _edge(edge: Edge, points: Sequence[Point], is_share: bool) -> Markup:
    words = f"{visible(edge.a)} {edge.mark} {visible(edge.b)}"
    if edge.confidence is not None:
        sure = f"{edge.confidence:.0%}"
        words += f", in {sure} of bootstrap graphs" if is_share else f", confidence {sure}"
    down_a = 1.0 if points[1][1] >= points[0][1] else -1.0
    down_b = 1.0 if points[-1][1] >= points[-2][1] else -1.0
    return tag(
        "g",
        tag("title", words),
        tag("path", d=_curve(points), class_="link", stroke_width=line_width(edge)),
        _mark(edge.mark_at_a, points[0], -down_a),
        _mark(edge.mark_at_b, points[-1], down_b),
    )


def _curve(points: Sequence[Point]) -> str:
    path = f"M{number(points[0][0])} {number(points[0][1])}"
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = number((y0 + y1) / 2)
        path += f"C{number(x0)} {middle} {number(x1)} {middle} {number(x1)} {number(y1)}"
    return path


def _mark(mark: Mark, at: Point, down: float) -> Markup:
    x, y = at
    half, length = _HEAD
    if mark is Mark.ARROW:
        base = number(y - down * length)
        points = f"{number(x)},{number(y)} {number(x - half)},{base} {number(x + half)},{base}"
        return tag("polygon", points=points, class_="head")
    if mark is Mark.CIRCLE:
        return tag("circle", cx=x, cy=y - down * _RING, r=_RING, class_="ring")
    return Markup("")
