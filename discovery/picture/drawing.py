"""What a picture of a graph holds, before it becomes SVG or goes on axes."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from whydrift.discovery.graph import Edge, Graph
from whydrift.discovery.picture.layout import Layout, layered
from whydrift.discovery.picture.part import relevant_part

__all__ = ["Drawing", "Look", "drawing_of", "line_width", "visible"]

_LONGEST_NAME = 22.0  # in letters of middling width
_LETTER = 7.4
_WIDE = 1.7  # of a Chinese or Japanese sign, in letters
_BADGE = 20.0


@dataclass(frozen=True, slots=True)
class Look:
    """How a node is shown beyond its name.

    Parameters
    ----------
    style : str
        Classes of the style sheet, such as ``mechanism``.
    letter : str
        Shown in a badge, so that colour is never the only cue.
    note : str
        Shown with the name when it is pointed at.
    """

    style: str = ""
    letter: str = ""
    note: str = ""


@dataclass(frozen=True)
class Drawing:
    """A graph laid out.

    Parameters
    ----------
    graph : Graph
        The part that is drawn.
    layout : Layout
    labels : mapping of str to str
        What is written in each node's box.
    looks : mapping of str to Look
        For the nodes that have one.
    title : str
        The picture in words.
    left_out : str
        How many columns are not drawn, in words; empty where all are.
    """

    graph: Graph
    layout: Layout
    labels: Mapping[str, str]
    looks: Mapping[str, Look] = field(default_factory=dict)
    title: str = ""
    left_out: str = ""


def drawing_of(
    graph: Graph,
    looks: Mapping[str, Look] | None = None,
    first: Sequence[str] = (),
    why_left_out: str = "those with fewest edges",
) -> Drawing:
    """Lay a graph out, or of a large one the part that matters.

    Parameters
    ----------
    graph : Graph
    looks : mapping of str to Look, optional
    first : sequence of str
        Nodes of a large graph to draw before all others.
    why_left_out : str
        What the others are, in words.
    """
    looks = looks or {}
    shown = relevant_part(graph, first)
    labels = {name: _shortened(visible(name)) for name in shown.nodes}
    widths = {
        name: 22 + _LETTER * _length(label) + (_BADGE if looks.get(name, Look()).letter else 0)
        for name, label in labels.items()
    }
    hidden = len(graph.nodes) - len(shown.nodes)
    return Drawing(
        shown,
        layered(shown, widths),
        labels,
        looks,
        title=f"Graph of {len(graph.nodes)} columns and {len(graph.edges)} edges",
        left_out=f"{hidden} of {len(graph.nodes)} columns are not drawn: {why_left_out}"
        if hidden
        else "",
    )


def line_width(edge: Edge) -> float:
    """Return how wide an edge is drawn: the surer, the wider."""
    return 1.4 if edge.confidence is None else 0.7 + 2.6 * edge.confidence


def visible(text: str) -> str:
    """Return the text on one line, with a sign for what cannot be seen or drawn."""
    return "".join(
        "↵" if sign == "\n" else "�" if unicodedata.category(sign) in {"Cc", "Cs"} else sign
        for sign in text.replace("\r\n", "\n").replace("\t", " ")
    )


def _length(text: str) -> float:
    """Return about how many letters of middling width a text is long."""
    return sum(_sign_width(sign) for sign in text)


def _sign_width(sign: str) -> float:
    if unicodedata.combining(sign):
        return 0.0
    return _WIDE if unicodedata.east_asian_width(sign) in "WF" else 1.0


def _shortened(text: str) -> str:
    if _length(text) <= _LONGEST_NAME:
        return text
    kept, room = "", _LONGEST_NAME - 1
    for sign in text:
        room -= _sign_width(sign)
        if room < 0:
            break
        kept += sign
    return kept + "…"
