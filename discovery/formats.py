"""Graphs as text: our JSON, lists of pairs, DOT and GML.

Text in, Graph out, and back; no files are touched here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from whydrift.discovery._dot import DotReader, to_dot
from whydrift.discovery._gml import read_gml, to_gml
from whydrift.discovery.errors import GraphError
from whydrift.discovery.graph import Edge, Graph, Origin

__all__ = ["graph_from_text", "once_each", "to_dot", "to_gml", "to_json"]

_DOT = re.compile(r"(strict\s+)?(di)?graph\b(?!\s*\[)", re.IGNORECASE)
_GML = re.compile(r"graph\s*\[|(creator|version|comment)\b", re.IGNORECASE)
_COMMENTS = re.compile(r"(\s+|//[^\n]*|/\*.*?\*/|#[^\n]*)*", re.DOTALL)
_FORMATS = "Graph files are JSON of `whydrift discover -o`, a JSON list of pairs, DOT or GML"


def graph_from_text(text: str, *, where: str) -> Graph:
    """Read a graph; its format is recognised by how it begins.

    Parameters
    ----------
    text : str
        The JSON object that `to_json` writes (or a diagnosis that holds one), a JSON list of
        ``["cause", "effect"]`` pairs, a DOT graph (``a -> b``; ``a -- b`` is undirected), or GML.
    where : str
        The file's name, for error messages.

    Returns
    -------
    Graph
        Edges have the origin ``given``, but for JSON that says otherwise.

    Raises
    ------
    GraphError
        Where the text is none of these, is malformed, or describes an impossible graph; the
        message names the line where there is one.
    """
    text = text.removeprefix("\ufeff")
    start = _COMMENTS.match(text)
    head = text[start.end() if start else 0 :]
    if not head:
        raise GraphError("there is no graph, the text is empty", where=where, remedy=_FORMATS)
    if head[0] in "{[":
        return _from_json(text, where)
    if _GML.match(head):
        return _assembled(*read_gml(text, where), where)
    if _DOT.match(head):
        return _assembled(*DotReader(text, where).read(), where)
    line = text[: len(text) - len(head)].count("\n") + 1
    raise GraphError(
        f"no graph begins with {head.splitlines()[0][:30]!r}",
        where=f"{where}, line {line}",
        remedy=_FORMATS,
    )


def to_json(graph: Graph) -> str:
    """Return the graph as the contract writes it (``whydrift/graph/1``), for people to read too."""
    return json.dumps(graph.to_dict(), indent=2, ensure_ascii=False) + "\n"


# ---- JSON -------------------------------------------------------------------------------------
def _from_json(text: str, where: str) -> Graph:
    try:
        value = json.loads(text, object_pairs_hook=partial(once_each, where=where))
    except json.JSONDecodeError as error:
        raise GraphError(
            f"this is not JSON: {error.msg}",
            where=f"{where}, line {error.lineno}, column {error.colno}",
            remedy="Look for a missing comma, quote or bracket there",
        ) from error
    except (RecursionError, ValueError) as error:  # too deep, or a number of too many digits
        raise GraphError("this JSON cannot be read", where=where, remedy=_FORMATS) from error
    if isinstance(value, list):
        if not value:
            raise GraphError(
                "this list has no edges",
                where=where,
                remedy='Write [["cause", "effect"], …]; for no edges at all {"nodes": [], '
                '"edges": []}',
            )
        return _from_pairs(value, where)
    if str(value.get("schema", "")).startswith("whydrift/diagnosis/"):
        value = value.get("graph")
    problem = _shape_problem(value)
    if problem:
        raise GraphError(
            problem,
            where=where,
            remedy='Write {"nodes": ["a", "b"], "edges": [{"from": "a", "to": "b"}]}',
        )
    try:
        return Graph.from_dict(value)
    except GraphError as error:
        raise _placed(error, where) from error


def once_each(pairs: list[tuple[str, Any]], *, where: str) -> dict[str, Any]:
    """Return a JSON object, or raise where a key is written twice: one of the two would be lost.

    Raises
    ------
    GraphError
        The message names the key.
    """
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise GraphError(
                f"the key {key!r} is written twice", where=where, remedy="Keep one of the two"
            )
        found[key] = value
    return found


def _shape_problem(value: Any) -> str | None:
    """Return what is wrong with an object that should be a graph, or None."""
    if not isinstance(value, Mapping) or not value.keys() & {"nodes", "edges"}:
        return "this object has neither nodes nor edges"
    nodes, edges = value.get("nodes"), value.get("edges", [])
    if nodes is not None and not _are_names(nodes):
        return "'nodes' is not a list of names"
    if not isinstance(edges, list):
        return "'edges' is not a list"
    for number, edge in enumerate(edges, 1):
        if not isinstance(edge, Mapping):
            return f"edge number {number} is not an object"
        for key in ("from", "to", "mark", "origin"):
            if key in edge and not isinstance(edge[key], str):
                return f"{key!r} of edge number {number} is not text"
    return None


def _are_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _from_pairs(value: list[Any], where: str) -> Graph:
    edges = []
    for number, pair in enumerate(value, 1):
        if not _are_names(pair) or len(pair) != 2:
            raise GraphError(
                f"entry number {number} is not a pair of names",
                where=where,
                remedy='Write [["cause", "effect"], …]',
            )
        edges.append((pair[0], "-->", pair[1], None))
    return _assembled([], edges, where)


# ---- all formats ------------------------------------------------------------------------------
def _assembled(
    nodes: Iterable[str], edges: Iterable[tuple[str, str, str, int | None]], where: str
) -> Graph:
    """Return the graph of these edges, an edge that is written twice taken once."""
    found: dict[frozenset[str], tuple[Edge, int | None]] = {}
    names = list(nodes)
    known = dict.fromkeys(names)
    if len(known) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise GraphError(
            f"two nodes are named {twice!r}", where=where, remedy="Give each node its own name"
        )
    for a, mark, b, line in edges:
        place = where if line is None else f"{where}, line {line}"
        try:
            edge = Edge.of(a, mark, b, origin=Origin.GIVEN)
        except GraphError as error:
            raise _placed(error, place) from error
        known.setdefault(a)
        known.setdefault(b)
        earlier, first = found.setdefault(frozenset((a, b)), (edge, line))
        if earlier != edge:
            before = "" if first is None else f" of line {first}"
            raise GraphError(
                f"{edge.a!r} {edge.mark} {edge.b!r} contradicts "
                f"{earlier.a!r} {earlier.mark} {earlier.b!r}{before}",
                where=place,
                remedy="Keep one of the two; an edge without direction is written a -- b in DOT",
            )
    try:
        return Graph(tuple(known), tuple(edge for edge, _ in found.values()))
    except GraphError as error:
        raise _placed(error, where) from error


def _placed(error: GraphError, where: str) -> GraphError:
    return GraphError(error.what, where=f"{where}: {error.where}", remedy=error.remedy)
