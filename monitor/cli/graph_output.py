"""Writes a graph to a file, in the format that its name asks for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from whydrift.discovery.errors import OptionError
from whydrift.monitor.cli.outputs import write_text

if TYPE_CHECKING:
    from whydrift.discovery.graph import Graph

__all__ = ["check_graph_format", "write_graph"]

_FORMATS = (".json", ".dot", ".gml", ".svg")


def check_graph_format(path: Path | None, option: str) -> None:
    """Raise where the file's name asks for a format that is not written.

    Raises
    ------
    OptionError
        The message lists the formats.
    """
    if path is not None and path.suffix.lower() not in _FORMATS:
        raise OptionError(
            f"the format {path.suffix or 'without a suffix'!r} is not written",
            where=f"{option} {path}",
            remedy=f"End the file's name in one of {', '.join(_FORMATS)}",
        )


def write_graph(graph: Graph, path: Path, option: str) -> None:
    """Write the graph as JSON, DOT, GML or a picture (SVG), by the file's suffix."""
    write_text(path, _text(graph, path.suffix.lower()), option)


def _text(graph: Graph, suffix: str) -> str:
    from whydrift.discovery.formats import to_dot, to_gml, to_json

    if suffix == ".svg":
        return graph.to_svg()
    return {".json": to_json, ".dot": to_dot, ".gml": to_gml}[suffix](graph)
