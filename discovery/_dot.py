"""Graphviz's DOT language, as far as it says who causes whom."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from whydrift.discovery.errors import GraphError
from whydrift.discovery.graph import Graph

__all__ = ["DotReader", "to_dot"]

# How each mark is drawn; the reader knows it again.
_DRAWN = {
    "-->": "",
    "---": "dir=none",
    "<->": "dir=both",
    "o->": "dir=both, arrowtail=odot",
    "o-o": "dir=both, arrowtail=odot, arrowhead=odot",
    "--o": "arrowhead=odot",
}
_TOKEN = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*|/\*.*?\*/|\#[^\n]*)
  | (?P<arrow>->|--)
  | (?P<punctuation>[{}\[\];,=:+])
  | (?P<quoted>"(?:[^"\\]|\\.)*")
  | (?P<word>[^\W\d]\w*|-?(?:\.\d+|\d+(?:\.\d*)?)(?![\w.]))
  | (?P<html><[^<>]*>)
    """,
    re.VERBOSE | re.DOTALL,
)
_KEYWORDS = ("strict", "graph", "digraph", "subgraph", "node", "edge")
_MOST_NESTED = 50


def to_dot(graph: Graph) -> str:
    """Return the graph in DOT, for Graphviz; a confidence becomes a label and the edge's width.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    str
        `graph_from_text` reads it back, but for confidence and origin.
    """
    lines = [
        "digraph {",
        "  node [shape=box, style=rounded];",
        *(f"  {_quoted(node)};" for node in graph.nodes),
    ]
    for edge in graph:
        sure = edge.confidence
        label = "" if sure is None else f'label="{sure:.2f}", penwidth={0.5 + 2 * sure:.2f}'
        attributes = ", ".join(part for part in (_DRAWN[edge.mark], label) if part)
        suffix = f" [{attributes}]" if attributes else ""
        lines.append(f"  {_quoted(edge.a)} -> {_quoted(edge.b)}{suffix};")
    return "\n".join([*lines, "}", ""])


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int


@dataclass
class DotReader:
    """Reads one DOT graph: nodes, chains, subgraphs; of attributes only those of arrows.

    Parameters
    ----------
    text : str
    where : str
        Names the text in error messages.
    """

    text: str
    where: str
    nodes: dict[str, None] = field(default_factory=dict)
    edges: list[tuple[str, str, str, int]] = field(default_factory=list)

    def read(self) -> tuple[list[str], list[tuple[str, str, str, int]]]:
        """Return the nodes, and the edges as (a, mark, b, line).

        Raises
        ------
        GraphError
            Where the text is not DOT; it names the line.
        """
        self._tokens = list(self._scan())
        self._at = 0
        if self._word() == "strict":
            self._at += 1
        self._directed = self._word() == "digraph"
        if self._word() not in {"graph", "digraph"}:
            raise self._error("expected 'digraph'", "Begin with: digraph {")
        self._at += 1
        if self._peek() != "{":
            self._identifier()
        self._block({}, 0)
        if self._at < len(self._tokens):
            raise self._error("text after the closing brace", "Keep one graph in the file")
        return list(self.nodes), self.edges

    # ---- tokens -------------------------------------------------------------------------------
    def _scan(self) -> Iterator[_Token]:
        position, line = 0, 1
        while position < len(self.text):
            found = _TOKEN.match(self.text, position)
            if found is None:
                excerpt = self.text[position : position + 12].split("\n")[0]
                raise GraphError(
                    f"cannot read {excerpt!r}",
                    where=f"{self.where}, line {line}",
                    remedy='Put names with other signs than letters, digits and _ in "quotes"',
                )
            kind = str(found.lastgroup)
            if kind != "space":
                yield _Token(kind, found.group(), line)
            line += found.group().count("\n")
            position = found.end()

    def _peek(self) -> str:
        """Return the next token's text, empty at the end."""
        return self._tokens[self._at].text if self._at < len(self._tokens) else ""

    def _word(self) -> str:
        """Return the next token in lower case if it is a keyword, else nothing."""
        if self._at < len(self._tokens) and self._tokens[self._at].kind == "word":
            text = self._tokens[self._at].text.lower()
            return text if text in _KEYWORDS else ""
        return ""

    def _line(self) -> int:
        if self._at < len(self._tokens):
            return self._tokens[self._at].line
        return self.text.count("\n") + 1

    def _expect(self, text: str) -> None:
        if self._peek() != text:
            found = repr(self._peek()) if self._peek() else "the end"
            raise self._error(f"expected {text!r}, found {found}", f"Put {text!r} here")
        self._at += 1

    def _identifier(self) -> str:
        token = self._tokens[self._at] if self._at < len(self._tokens) else None
        if token is None or token.kind not in {"word", "quoted", "html"} or self._word():
            found = repr(token.text) if token else "the end"
            raise self._error(
                f"expected a name, found {found}",
                'Write edges as "cause" -> "effect"; put names that are words of DOT in quotes',
            )
        self._at += 1
        if token.kind != "quoted":
            return token.text
        name = _unquoted(token.text)
        while self._peek() == "+":
            self._at += 1
            name += self._identifier()
        return name

    def _error(self, what: str, remedy: str) -> GraphError:
        return GraphError(what, where=f"{self.where}, line {self._line()}", remedy=remedy)

    # ---- statements ---------------------------------------------------------------------------
    def _block(self, defaults: Mapping[str, str], depth: int) -> list[str]:
        """Read ``{ … }`` and return the nodes named in it."""
        if depth > _MOST_NESTED:
            raise self._error("subgraphs are nested too deeply", "Write the edges one by one")
        self._expect("{")
        inside: dict[str, None] = {}
        defaults = dict(defaults)
        while self._peek() != "}":
            word = self._word()
            if not self._peek():
                raise self._error("a '{' is never closed", "Add the missing '}'")
            if self._peek() == ";":
                self._at += 1
            elif word in {"graph", "node", "edge"}:
                self._at += 1
                attributes = self._attributes()
                if word == "edge":
                    defaults.update(attributes)
            elif self._is_assignment():
                self._at += 1
                self._expect("=")
                self._identifier()
            else:
                inside.update(dict.fromkeys(self._chain(defaults, depth)))
        self._at += 1
        return list(inside)

    def _is_assignment(self) -> bool:
        following = self._tokens[self._at + 1 : self._at + 2]
        return bool(following) and following[0].text == "="

    def _chain(self, defaults: Mapping[str, str], depth: int) -> list[str]:
        """Read ``a -> {b c} -> d [attributes]`` and return the nodes named."""
        line = self._line()
        groups, arrows = [self._operand(defaults, depth)], []
        while self._peek() in {"->", "--"}:
            arrows.append(self._peek())
            if not self._directed and arrows[-1] == "->":
                raise self._error("'->' in an undirected graph", "Begin with: digraph {")
            self._at += 1
            groups.append(self._operand(defaults, depth))
        attributes = {**defaults, **self._attributes()}
        for left, arrow, right in zip(groups[:-1], arrows, groups[1:], strict=True):
            mark = "---" if arrow == "--" else _mark(attributes)
            self.edges += [(a, mark, b, line) for a in left for b in right]
        return [node for group in groups for node in group]

    def _operand(self, defaults: Mapping[str, str], depth: int) -> list[str]:
        if self._word() == "subgraph":
            self._at += 1
            if self._peek() != "{":
                self._identifier()
        if self._peek() == "{":
            return self._block(defaults, depth + 1)
        name = self._identifier()
        while self._peek() == ":":  # a port
            self._at += 1
            self._identifier()
        self.nodes.setdefault(name)
        return [name]

    def _attributes(self) -> dict[str, str]:
        found: dict[str, str] = {}
        while self._peek() == "[":
            self._at += 1
            while self._peek() != "]":
                key = self._attribute_part()
                found[key] = "true"
                if self._peek() == "=":
                    self._at += 1
                    found[key] = self._attribute_part()
                if self._peek() in {",", ";"}:
                    self._at += 1
            self._at += 1
        return found

    def _attribute_part(self) -> str:
        word = self._word()  # `node` and its like are no keywords here
        if word:
            self._at += 1
            return word
        return self._identifier()


def _unquoted(text: str) -> str:
    return re.sub(r'\\(["\\]|\n)', lambda m: m.group(1).strip("\n"), text[1:-1])


def _mark(attributes: Mapping[str, str]) -> str:
    """Return the mark of an edge written with ``->``, from how it is drawn."""
    direction = attributes.get("dir", "forward")
    head = attributes.get("arrowhead", "normal") if direction in {"forward", "both"} else "none"
    tail = attributes.get("arrowtail", "normal") if direction in {"back", "both"} else "none"
    ends = {"none": "-", "odot": "o"}
    return ends.get(tail, "<") + "-" + ends.get(head, ">")
