"""The graph on the axes of matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from whydrift.discovery.errors import OptionError
from whydrift.discovery.graph import Edge, Mark
from whydrift.discovery.picture.drawing import Drawing, line_width
from whydrift.discovery.picture.layout import HALF_HEIGHT, Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot"]

_EDGE, _NODE, _INK, _PAPER = "#8a8f98", "#f4f5f6", "#1b1d21", "#ffffff"
_POINTS_A_UNIT = 0.75  # of the layout, at its natural size: a CSS pixel
_LETTERS = 13.0  # height of letters in units of the layout
_SMALLEST, _LARGEST = 3.0, 11.0  # points


def plot(drawing: Drawing, ax: Axes | None = None) -> Axes:
    """Draw a graph.

    Parameters
    ----------
    drawing : Drawing
    ax : matplotlib Axes, optional
        Drawn on as large as it is; by default on a new figure of the size that the graph needs.

    Returns
    -------
    Axes

    Raises
    ------
    OptionError
        If matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise OptionError(
            "matplotlib is not installed",
            where="Graph.plot",
            remedy="Run `pip install 'whydrift[graph]'`, or use Graph.to_svg",
        ) from error

    layout = drawing.layout
    if ax is None:
        size = [side * _POINTS_A_UNIT / 72 for side in (layout.width, layout.height)]
        _, ax = plt.subplots(figsize=size, layout="constrained")
    ax.set_xlim(0, layout.width)
    ax.set_ylim(layout.height, 0)  # y grows downwards, as on a page
    ax.set_aspect("equal")
    ax.axis("off")
    box = ax.get_window_extent()
    inches = min(box.width / layout.width, box.height / layout.height) / ax.figure.dpi
    scale = 72 * inches  # points a unit
    for edge in drawing.graph:
        _draw_edge(ax, edge, layout.paths[edge], scale)
    for name in drawing.graph.nodes:
        _draw_node(ax, drawing, name, scale)
    if drawing.left_out:
        ax.set_title(drawing.left_out, fontsize=_font(scale), y=-0.02, va="top")
    return ax


def _font(scale: float) -> float:
    return max(_SMALLEST, min(_LARGEST, _LETTERS * scale))


def _draw_node(ax: Axes, drawing: Drawing, name: str, scale: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    (x, y), width = drawing.layout.centres[name], drawing.layout.widths[name]
    ax.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - HALF_HEIGHT),
            width,
            2 * HALF_HEIGHT,
            boxstyle="round,pad=0,rounding_size=8",
            facecolor=_NODE,
            edgecolor=_EDGE,
            linewidth=1.2 * scale,
            zorder=3,
        )
    )
    ax.text(
        x,
        y,
        drawing.labels[name],
        ha="center",
        va="center",
        fontsize=_font(scale),
        color=_INK,
        zorder=4,
        parse_math=False,  # a name with $ in it is no formula
    )


def _draw_edge(ax: Axes, edge: Edge, points: Sequence[Point], scale: float) -> None:
    from itertools import pairwise

    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    vertices, codes = [points[0]], [Path.MOVETO]
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (y0 + y1) / 2
        vertices += [(x0, middle), (x1, middle), (x1, y1)]
        codes += [Path.CURVE4] * 3
    ax.add_patch(
        PathPatch(
            Path(vertices, codes),
            fill=False,
            edgecolor=_EDGE,
            linewidth=line_width(edge) * scale,
            capstyle="butt",
            zorder=1,
        )
    )
    down_a = 1.0 if points[1][1] >= points[0][1] else -1.0
    down_b = 1.0 if points[-1][1] >= points[-2][1] else -1.0
    _draw_mark(ax, edge.mark_at_a, points[0], -down_a, scale)
    _draw_mark(ax, edge.mark_at_b, points[-1], down_b, scale)


def _draw_mark(ax: Axes, mark: Mark, at: Point, down: float, scale: float) -> None:
    from matplotlib.patches import Circle, Polygon

    x, y = at
    if mark is Mark.ARROW:
        corners = [(x, y), (x - 4.5, y - down * 9), (x + 4.5, y - down * 9)]
        ax.add_patch(Polygon(corners, facecolor=_EDGE, edgecolor="none", zorder=2))
    elif mark is Mark.CIRCLE:
        ring = Circle(
            (x, y - down * 4), 4, facecolor=_PAPER, edgecolor=_EDGE, linewidth=1.3 * scale, zorder=2
        )
        ax.add_patch(ring)
