"""The graph as a picture: columns coloured and lettered by verdict."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from whydrift.discovery.graph import Graph
from whydrift.discovery.picture.drawing import Look, drawing_of
from whydrift.discovery.picture.graph_svg import GRAPH_STYLE as PLAIN_STYLE
from whydrift.discovery.picture.graph_svg import graph_svg as plain_svg
from whydrift.discovery.picture.part import MOST_NODES

__all__ = ["GRAPH_STYLE", "LETTERS", "graph_svg"]

# Colour is never the only cue: each verdict has a letter too.
LETTERS = {
    "source": "S",
    "mechanism": "M",
    "fault": "F",
    "inherited": "i",
    "undetermined": "?",
    "stable": "",
}
_ORIGINS = {"source", "mechanism", "fault"}
_VERDICT_STYLE = Markup("""
.graph .node .letter{font-weight:700;fill:#fff}
.graph .node .badge{stroke:none}
.graph .node.source rect{stroke:#9a6200;stroke-width:2}
.graph .node.source .badge{fill:#9a6200}
.graph .node.mechanism rect{stroke:#c2410c;stroke-width:2.5}
.graph .node.mechanism .badge{fill:#c2410c}
.graph .node.fault rect{stroke:#a3347f;stroke-width:2.5;stroke-dasharray:6 3}
.graph .node.fault .badge{fill:#a3347f}
.graph .node.inherited rect{stroke-dasharray:2 3}
.graph .node.inherited .badge,.graph .node.undetermined .badge{fill:#5f6672}
.graph .node.inherited text{fill:var(--muted,#5f6672)}
.graph .node.inherited .letter,.graph .node.undetermined .letter{fill:#fff}
.graph .node.target rect{stroke-width:3}
""")
GRAPH_STYLE = PLAIN_STYLE + _VERDICT_STYLE


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
    """
    verdicts = verdicts or {}
    looks = {}
    for name in graph.nodes:
        verdict = verdicts.get(name, "")
        style = f"{verdict} target" if name == target else verdict
        looks[name] = Look(style.strip(), LETTERS.get(verdict, ""), verdict)
    drawing = drawing_of(graph, looks, _first(graph, verdicts, target), "none of them is an origin")
    return plain_svg(drawing, style=_VERDICT_STYLE, standalone=standalone)


def _first(graph: Graph, verdicts: Mapping[str, str], target: str | None) -> list[str]:
    """Return what a picture of a large graph is about: origins, target, and what lies between."""
    origins = [n for n in graph.nodes if verdicts.get(n) in _ORIGINS]
    kept = dict.fromkeys(origins[: MOST_NODES // 2])
    if target is not None and target in graph.nodes:
        kept[target] = None
        for origin in origins:
            kept |= dict.fromkeys(sorted(graph.mediators(origin, target)))
    return list(kept)
