"""GML, the Graph Modelling Language of networkx, igraph, Gephi and yEd."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from whydrift.discovery.errors import GraphError
from whydrift.discovery.graph import Graph

__all__ = ["read_gml", "to_gml"]

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|\#[^\n]*)
  | (?P<bracket>[\[\]])
  | (?P<quoted>"[^"]*")
  | (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
  | (?P<key>[A-Za-z_]\w*)
    """,
    re.VERBOSE,
)
_ENTITIES = {"amp": "&", "quot": '"', "lt": "<", "gt": ">", "apos": "'"}
_MARKS = ("-->", "---", "<->", "o->", "o-o", "--o", "<--", "<-o", "o--")
_MOST_NESTED = 50


def to_gml(graph: Graph) -> str:
    """Return the graph in GML, ASCII with entities as its definition asks.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    str
        Each edge carries its ``mark``, and its ``confidence`` where there is one.
        `graph_from_text` reads it back, but for confidence and origin.
    """
    position = {name: number for number, name in enumerate(graph.nodes)}
    lines = ["graph [", "  directed 1"]
    for name, number in position.items():
        lines.append(f'  node [ id {number} label "{_escaped(name)}" ]')
    for edge in graph:
        ends = f"source {position[edge.a]} target {position[edge.b]}"
        more = "" if edge.confidence is None else f" confidence {edge.confidence:.6f}"
        lines.append(f'  edge [ {ends} mark "{_escaped(edge.mark)}"{more} ]')
    return "\n".join([*lines, "]", ""])


def _escaped(text: str) -> str:
    return "".join(
        f"&#{ord(sign)};" if sign in '&"' or not 32 <= ord(sign) < 127 else sign for sign in text
    )


def _unescaped(text: str) -> str:
    def replace(found: re.Match[str]) -> str:
        name = found.group(1)
        if not name.startswith("#"):
            return _ENTITIES.get(name, found.group())
        code = int(name[2:], 16) if name[1] in "xX" else int(name[1:])
        return chr(code) if code < 0x110000 else found.group()

    return re.sub(r"&(#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-z]+);", replace, text)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One ``key value`` line; ``entries`` holds what stands in brackets."""

    key: str
    text: str
    line: int
    entries: tuple[_Entry, ...] | None = None


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int


def read_gml(text: str, where: str) -> tuple[list[str], list[tuple[str, str, str, int]]]:
    """Return the nodes, and the edges as (a, mark, b, line).

    Parameters
    ----------
    text : str
    where : str
        Names the text in error messages.

    Raises
    ------
    GraphError
        Where the text is not GML, or its nodes and edges do not fit; it names the line.
    """
    top = _entries(_scan(text, where), where)
    graph = next((e for e in top if e.key == "graph" and e.entries is not None), None)
    if graph is None or graph.entries is None:
        _fail("there is no graph [ … ]", where, 1, "Begin with: graph [")
    name_of: dict[str, str] = {}
    for entry in graph.entries:
        if entry.key == "node":
            number, label = _required(entry, "id", where), _value(entry, "label")
            if number in name_of:
                _fail(f"node id {number} occurs twice", where, entry.line, "Give each its own id")
            name_of[number] = number if label is None else label
    is_directed = _value(graph, "directed") == "1"  # GML: undirected where nothing is said
    edges = []
    for entry in graph.entries:
        if entry.key != "edge":
            continue
        ends = []
        for key in ("source", "target"):
            number = _required(entry, key, where)
            if number not in name_of:
                remedy = f"Add: node [ id {number} ]"
                _fail(f"{key} {number} is no node's id", where, entry.line, remedy)
            ends.append(name_of[number])
        mark = _value(entry, "mark") or ("-->" if is_directed else "---")
        if mark not in _MARKS:
            _fail(f"unknown mark {mark!r}", where, entry.line, f"Known: {' '.join(_MARKS)}")
        edges.append((ends[0], mark, ends[1], entry.line))
    return list(name_of.values()), edges


def _value(entry: _Entry, key: str) -> str | None:
    found = (e.text for e in entry.entries or () if e.key == key and e.entries is None)
    return next(found, None)


def _required(entry: _Entry, key: str, where: str) -> str:
    value = _value(entry, key)
    if value is None:
        _fail(f"{entry.key} without {key}", where, entry.line, f"Write: {entry.key} [ {key} … ]")
    return value


def _scan(text: str, where: str) -> list[_Token]:
    tokens = []
    position, line = 0, 1
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            excerpt = text[position : position + 12].split("\n")[0]
            _fail(f"cannot read {excerpt!r}", where, line, 'Put text values in "quotes"')
        kind = str(found.lastgroup)
        if kind != "space":
            tokens.append(_Token(kind, found.group(), line))
        line += found.group().count("\n")
        position = found.end()
    return tokens


def _entries(tokens: list[_Token], where: str) -> tuple[_Entry, ...]:
    """Return the tree of keys and values."""
    open_: list[tuple[_Token | None, list[_Entry]]] = [(None, [])]
    at = 0
    while at < len(tokens):
        token = tokens[at]
        if token.text == "]" and token.kind == "bracket":
            key, inside = open_.pop()
            if key is None:
                _fail("']' without '['", where, token.line, "Remove it")
            open_[-1][1].append(_Entry(key.text.lower(), "", key.line, tuple(inside)))
            at += 1
            continue
        if token.kind != "key" or at + 1 == len(tokens):
            remedy = "Write pairs of key and value, such as: id 1"
            _fail(f"expected a key with a value at {token.text!r}", where, token.line, remedy)
        value = tokens[at + 1]
        if value.text == "[" and value.kind == "bracket":
            if len(open_) > _MOST_NESTED:
                _fail("brackets are nested too deeply", where, value.line, "Flatten the file")
            open_.append((token, []))
        elif value.kind in {"number", "quoted"}:
            own = _unescaped(value.text[1:-1]) if value.kind == "quoted" else value.text
            open_[-1][1].append(_Entry(token.text.lower(), own, token.line))
        else:
            remedy = 'A value is a number, "text" or [ … ]'
            _fail(f"{token.text!r} has no value", where, token.line, remedy)
        at += 2
    key, inside = open_.pop()
    if key is not None:
        _fail(f"'[' after {key.text!r} is never closed", where, key.line, "Add the missing ']'")
    return tuple(inside)


def _fail(what: str, where: str, line: int, remedy: str) -> NoReturn:
    raise GraphError(what, where=f"{where}, line {line}", remedy=remedy)
