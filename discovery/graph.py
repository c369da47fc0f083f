"""The Graph: nodes and edges with a mark at each end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from whydrift.discovery.errors import GraphError, nearest
from whydrift.discovery.reach import reached

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from whydrift.discovery.stability import Stability

__all__ = ["GRAPH_SCHEMA", "Edge", "Graph", "Mark", "Origin"]

GRAPH_SCHEMA = "whydrift/graph/1"

_Kept = TypeVar("_Kept")  # what an index keeps of an edge


class Mark(Enum):
    """What stands at one end of an edge."""

    TAIL = "-"
    ARROW = ">"
    CIRCLE = "o"  # tail or arrow: the data do not say


class Origin(StrEnum):
    """Where an edge comes from."""

    LEARNED = "learned"
    GIVEN = "given"
    REQUIRED = "required"


# Each edge is written so that an arrow of a directed edge points at ``b``.
_MARKS: dict[str, tuple[Mark, Mark]] = {
    "-->": (Mark.TAIL, Mark.ARROW),
    "---": (Mark.TAIL, Mark.TAIL),
    "<->": (Mark.ARROW, Mark.ARROW),
    "o->": (Mark.CIRCLE, Mark.ARROW),
    "o-o": (Mark.CIRCLE, Mark.CIRCLE),
    "--o": (Mark.TAIL, Mark.CIRCLE),
}
# A misspelt key must not be read as a graph without edges; "stability" is a key to come.
_GRAPH_KEYS = ("schema", "nodes", "edges", "stability")
_EDGE_KEYS = ("from", "to", "mark", "confidence", "origin", "stability")
_TEXTS = {marks: text for text, marks in _MARKS.items()}


@dataclass(frozen=True, slots=True)
class Edge:
    """One edge between two different nodes.

    Parameters
    ----------
    a, b : str
        The nodes; of a directed edge, ``a`` is the cause and ``b`` the effect.
    mark_at_a, mark_at_b : Mark
        What stands at either end.
    confidence : float, optional
        In [0, 1]: of a graph with bootstrap, the share of bootstrap graphs that have this edge with
        these marks; of a comparison's, how likely the edge is right. None where neither is known.
    origin : Origin
        Learned from data, given by the user, or required by knowledge.
    """

    a: str
    b: str
    mark_at_a: Mark = Mark.TAIL
    mark_at_b: Mark = Mark.ARROW
    confidence: float | None = None
    origin: Origin = Origin.LEARNED

    def __post_init__(self) -> None:
        if (self.mark_at_a, self.mark_at_b) not in _TEXTS:
            raise GraphError(
                "an edge is written so that its arrow points at its second node",
                where=f"edge {self.a} – {self.b}",
                remedy="Exchange the two nodes and their marks, or build it with Edge.of",
            )

    @property
    def mark(self) -> str:
        """The edge as text, such as ``-->``."""
        return _TEXTS[self.mark_at_a, self.mark_at_b]

    @property
    def is_directed(self) -> bool:
        """Whether ``a`` is a cause of ``b``, by its marks."""
        return self.mark_at_a is Mark.TAIL and self.mark_at_b is Mark.ARROW

    @property
    def is_undecided(self) -> bool:
        """Whether the direction is left open (undirected, or with a circle)."""
        return self.mark in {"---", "o-o", "o->", "--o"}

    @classmethod
    def of(
        cls,
        a: str,
        mark: str,
        b: str,
        *,
        confidence: float | None = None,
        origin: Origin = Origin.LEARNED,
    ) -> Edge:
        """Build an edge from text: ``Edge.of("x", "-->", "y")``; ``<--`` and its like are turned.

        Raises
        ------
        GraphError
            If the mark is unknown, the two nodes are one, or the confidence is outside [0, 1].
        """
        turned = {"<--": "-->", "<-o": "o->", "o--": "--o"}
        if mark in turned:
            a, b, mark = b, a, turned[mark]
        if mark not in _MARKS:
            raise GraphError(
                f"unknown edge mark {mark!r}",
                where=f"edge {a} {mark} {b}",
                remedy=f"Known marks: {' '.join(_MARKS)}",
            )
        if a == b:
            raise GraphError(
                "a node cannot be joined to itself",
                where=f"edge {a} {mark} {b}",
                remedy="Remove this edge",
            )
        if confidence is not None and not 0 <= confidence <= 1:
            raise GraphError(
                f"confidence {confidence!r} is outside [0, 1]",
                where=f"edge {a} {mark} {b}",
                remedy="Give a share between 0 and 1, or null",
            )
        at_a, at_b = _MARKS[mark]
        if at_a is at_b and b < a:  # symmetric edges are kept in one writing
            a, b = b, a
        return cls(a, b, at_a, at_b, confidence, Origin(origin))

    def to_dict(self) -> dict[str, Any]:
        """Return the edge as the report contract writes it."""
        return {
            "from": self.a,
            "to": self.b,
            "mark": self.mark,
            "confidence": self.confidence,
            "origin": self.origin.value,
        }


@dataclass(frozen=True)
class Graph:
    """Nodes and marked edges: a DAG, CPDAG, MAG or PAG, by the marks it holds.

    Parameters
    ----------
    nodes : tuple of str
        All columns, those without an edge too, in the order of the data.
    edges : tuple of Edge
        At most one edge for a pair of nodes.
    stability : Stability, optional
        Where a bootstrap was asked for: the shares of graphs with each edge and each orientation,
        for pairs without an edge here too. Graphs that differ in it alone are equal.

    Raises
    ------
    GraphError
        If an edge names an unknown node, a pair has two edges, or directed edges form a cycle.
    """

    nodes: tuple[str, ...]
    edges: tuple[Edge, ...] = ()
    stability: Stability | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        known = set(self.nodes)
        if len(known) != len(self.nodes):
            twice = next(n for i, n in enumerate(self.nodes) if n in self.nodes[:i])
            raise GraphError(
                f"node {twice!r} is listed twice", where="graph", remedy="List every column once"
            )
        pairs: set[frozenset[str]] = set()
        for edge in self.edges:
            for end in (edge.a, edge.b):
                if end not in known:
                    guess = nearest(end, self.nodes)
                    raise GraphError(
                        f"unknown node {end!r}",
                        where=f"edge {edge.a} {edge.mark} {edge.b}",
                        remedy=(
                            f"Did you mean {guess!r}?"
                            if guess
                            else f"Nodes are: {', '.join(self.nodes[:20])}"
                        ),
                    )
            pair = frozenset((edge.a, edge.b))
            if pair in pairs:
                raise GraphError(
                    "two edges join the same pair of nodes",
                    where=f"edge {edge.a} – {edge.b}",
                    remedy="Keep one of them",
                )
            pairs.add(pair)
        cycle = self._cycle()
        if cycle:
            raise GraphError(
                f"directed edges form a cycle {' → '.join(cycle)}",
                where="graph",
                remedy="Remove or turn one of these edges",
            )

    # ---- building -----------------------------------------------------------------------------
    @classmethod
    def from_pairs(
        cls,
        pairs: Iterable[tuple[str, str]],
        *,
        nodes: Sequence[str] | None = None,
        origin: Origin = Origin.GIVEN,
    ) -> Graph:
        """Build a directed graph from (cause, effect) pairs.

        Parameters
        ----------
        pairs : iterable of (str, str)
            The cause first.
        nodes : sequence of str, optional
            All nodes; by default those that the pairs name, in order of first appearance.
        origin : Origin
            Written on each edge.
        """
        edges = tuple(
            Edge.of(cause, "-->", effect, origin=origin)
            for cause, effect in dict.fromkeys((str(a), str(b)) for a, b in pairs)
        )
        if nodes is None:
            nodes = list(dict.fromkeys(end for e in edges for end in (e.a, e.b)))
        return cls(tuple(nodes), edges)

    def with_nodes(self, nodes: Iterable[str]) -> Graph:
        """Return the graph over exactly these nodes: new ones isolated, others cut out."""
        kept = tuple(nodes)
        inside = set(kept)
        edges = tuple(e for e in self.edges if e.a in inside and e.b in inside)
        stability = None if self.stability is None else self.stability.within(kept)
        return Graph(kept, edges, stability)

    def with_edges(self, edges: Iterable[Edge]) -> Graph:
        """Return a graph over the same nodes with these edges instead."""
        return Graph(self.nodes, tuple(edges), self.stability)

    # ---- indexes, built once: graphs may have a thousand nodes -------------------------------
    def _index(self, pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
        """Return, for each first of a pair, its seconds in the order of ``nodes``."""
        found: dict[str, list[str]] = {node: [] for node in self.nodes}
        for one, other in pairs:
            found[one].append(other)
        place = {n: i for i, n in enumerate(self.nodes)}
        return {n: tuple(sorted(o, key=place.__getitem__)) for n, o in found.items()}

    @cached_property
    def _parents(self) -> dict[str, tuple[str, ...]]:
        return self._index((e.b, e.a) for e in self.edges if e.is_directed)

    @cached_property
    def _children(self) -> dict[str, tuple[str, ...]]:
        return self._index((e.a, e.b) for e in self.edges if e.is_directed)

    @cached_property
    def _undecided(self) -> dict[str, tuple[str, ...]]:
        open_ = [e for e in self.edges if e.is_undecided]
        both = [(e.a, e.b) for e in open_ if e.mark in {"---", "o-o"}]
        return self._index([*((e.b, e.a) for e in open_), *both])

    @cached_property
    def _ends(self) -> dict[str, tuple[tuple[str, Mark, Mark], ...]]:
        out: dict[str, list[tuple[str, Mark, Mark]]] = {node: [] for node in self.nodes}
        for e in self.edges:
            out[e.a].append((e.b, e.mark_at_a, e.mark_at_b))
            out[e.b].append((e.a, e.mark_at_b, e.mark_at_a))
        return {node: tuple(found) for node, found in out.items()}

    # ---- asking: each raises GraphError, which names the nearest node, where it knows none -----
    def parents(self, node: str) -> tuple[str, ...]:
        """Return the direct causes of a node, in the order of ``nodes``."""
        return self._found(self._parents, node)

    def children(self, node: str) -> tuple[str, ...]:
        """Return the direct effects of a node, in the order of ``nodes``."""
        return self._found(self._children, node)

    def undecided_neighbours(self, node: str) -> tuple[str, ...]:
        """Return the nodes joined by an edge that might point at ``node``."""
        return self._found(self._undecided, node)

    def ends(self, node: str) -> tuple[tuple[str, Mark, Mark], ...]:
        """Return, for each edge of a node, its other end, the mark here and the mark there."""
        return self._found(self._ends, node)

    def edge_between(self, a: str, b: str) -> Edge | None:
        """Return the edge that joins two nodes, or None."""
        return next((e for e in self.edges if {e.a, e.b} == {a, b}), None)

    def ancestors(self, node: str) -> frozenset[str]:
        """Return all causes of a node, direct or not, itself left out."""
        return self._reach(node, self._parents)

    def descendants(self, node: str) -> frozenset[str]:
        """Return all effects of a node, direct or not, itself left out."""
        return self._reach(node, self._children)

    def is_separated(
        self, x: str | Iterable[str], y: str | Iterable[str], given: str | Iterable[str] = ()
    ) -> bool:
        """Whether ``given`` d- or m-separates ``x`` from ``y``; see `separation.is_separated`."""
        from whydrift.discovery.separation import is_separated

        return is_separated(self, x, y, given)

    def markov_blanket(self, node: str) -> frozenset[str]:
        """Return all that shields a node from the others; see `separation.markov_blanket`."""
        from whydrift.discovery.separation import markov_blanket

        return markov_blanket(self, node)

    def mediators(self, cause: str, effect: str) -> frozenset[str]:
        """Return the nodes between a cause and an effect, on directed paths."""
        return self.descendants(cause) & self.ancestors(effect)

    def sinks(self) -> tuple[str, ...]:
        """Return the nodes with at least one cause and no effect."""
        return tuple(n for n in self.nodes if not self.children(n) and self.parents(n))

    def topological_order(self) -> tuple[str, ...]:
        """Return the nodes with every cause before its effects (by directed edges)."""
        waiting = {n: len(self.parents(n)) for n in self.nodes}
        ready = [n for n in self.nodes if not waiting[n]]
        for node in ready:  # grows while it is walked
            for child in self.children(node):
                waiting[child] -= 1
                if not waiting[child]:
                    ready.append(child)
        assert len(ready) == len(self.nodes), "the constructor refuses cycles"
        return tuple(ready)

    @property
    def is_dag(self) -> bool:
        """Whether every edge is directed (cycles are refused when the graph is made)."""
        return all(e.is_directed for e in self.edges)

    def __iter__(self) -> Iterator[Edge]:
        return iter(self.edges)

    def __len__(self) -> int:
        return len(self.edges)

    # ---- writing ------------------------------------------------------------------------------
    def to_dict(self) -> dict[str, Any]:
        """Return the graph as the report contract writes it (``whydrift/graph/1``)."""
        return {
            "schema": GRAPH_SCHEMA,
            "nodes": list(self.nodes),
            "edges": [e.to_dict() for e in self.edges],
            **({} if self.stability is None else {"stability": self.stability.to_dict()}),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Graph:
        """Read what :meth:`to_dict` writes.

        Raises
        ------
        GraphError
            If the value is not such an object; the message names the place.
        """
        _refuse_unknown(value, _GRAPH_KEYS, "graph")
        schema = value.get("schema", GRAPH_SCHEMA)
        if schema != GRAPH_SCHEMA:
            raise GraphError(
                f"schema {schema!r} is not {GRAPH_SCHEMA!r}",
                where="graph",
                remedy="Write the graph again with `whydrift discover -o`",
            )
        for key in ("nodes", "edges"):
            rows = value.get(key)
            if rows is not None and (isinstance(rows, str) or not isinstance(rows, Sequence)):
                raise GraphError(f"{key!r} is no list", where="graph", remedy=f'Write "{key}": […]')
        edges = []
        for position, row in enumerate(value.get("edges") or ()):
            where = f"graph edge number {position + 1}"
            if not isinstance(row, Mapping) or not {"from", "to"} <= row.keys():
                raise GraphError(
                    "an edge needs 'from' and 'to'",
                    where=where,
                    remedy='Write {"from": "cause", "to": "effect", "mark": "-->"}',
                )
            _refuse_unknown(row, _EDGE_KEYS, where)
            confidence = row.get("confidence")
            origin = row.get("origin", Origin.GIVEN.value)
            if origin not in {o.value for o in Origin}:
                raise GraphError(
                    f"unknown origin {origin!r}",
                    where=where,
                    remedy="Known: learned, given, required",
                )
            if confidence is not None and not isinstance(confidence, (int, float)):
                raise GraphError(
                    f"confidence {confidence!r} is not a number",
                    where=where,
                    remedy="Give a share between 0 and 1, or null",
                )
            edges.append(
                Edge.of(
                    str(row["from"]),
                    str(row.get("mark", "-->")),
                    str(row["to"]),
                    confidence=confidence,
                    origin=Origin(origin),
                )
            )
        nodes = value.get("nodes")
        if nodes is None:
            nodes = dict.fromkeys(end for e in edges for end in (e.a, e.b))
        stability = None
        if value.get("stability") is not None:
            from whydrift.discovery.stability import Stability

            stability = Stability.from_dict(value["stability"])
        return cls(tuple(str(n) for n in nodes), tuple(edges), stability)

    # ---- drawing ------------------------------------------------------------------------------
    def to_svg(self) -> str:
        """Return a picture as SVG: causes above effects, marks at the ends of edges.

        Edges with a confidence are the wider the surer they are. Of more than 40 columns those with
        most edges are drawn, and the picture says how many are not.
        """
        from whydrift.discovery.picture.drawing import drawing_of
        from whydrift.discovery.picture.graph_svg import graph_svg

        return str(graph_svg(drawing_of(self)))

    def to_dot(self) -> str:
        """Return the graph in DOT, for Graphviz; see `formats.to_dot`."""
        from whydrift.discovery.formats import to_dot

        return to_dot(self)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the graph with matplotlib, on the axes given or on new ones, and return them.

        Raises
        ------
        OptionError
            If matplotlib is not installed.
        """
        from whydrift.discovery.picture.axes import plot
        from whydrift.discovery.picture.drawing import drawing_of

        return plot(drawing_of(self), ax)

    def _repr_svg_(self) -> str:
        return self.to_svg()

    def _repr_html_(self) -> str:
        import html

        rows = "".join(
            f"<tr><td>{html.escape(e.a)}</td><td>{html.escape(e.mark)}</td>"
            f"<td>{html.escape(e.b)}</td>"
            f"<td>{'' if e.confidence is None else f'{e.confidence:.2f}'}</td></tr>"
            for e in self.edges
        )
        number = "confidence" if self.stability is None else "share of bootstrap graphs"
        return (
            f'<div style="overflow-x:auto">{self.to_svg()}</div>'
            f"<details><summary>{len(self.nodes)} nodes, {len(self.edges)} edges</summary>"
            f"<table><tr><th>from</th><th></th><th>to</th><th>{number}</th></tr>"
            f"{rows}</table></details>"
        )

    # ---- inside -------------------------------------------------------------------------------
    def _found(self, index: Mapping[str, tuple[_Kept, ...]], node: str) -> tuple[_Kept, ...]:
        if node not in index:
            guess = nearest(node, self.nodes)
            raise GraphError(
                f"unknown node {node!r}",
                where="graph",
                remedy=f"Did you mean {guess!r}?"
                if guess
                else f"Nodes are: {', '.join(self.nodes[:20])}",
            )
        return index[node]

    def _reach(self, start: str, step: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
        return frozenset(reached(self._found(step, start), step.__getitem__))

    def _cycle(self) -> list[str]:
        """Return the nodes of one directed cycle, first node repeated, or an empty list."""
        children: dict[str, list[str]] = {n: [] for n in self.nodes}
        for e in self.edges:
            if e.is_directed:
                children[e.a].append(e.b)
        state: dict[str, int] = {}  # 1: on the path, 2: done
        for root in self.nodes:
            if root in state:
                continue
            path: list[str] = []
            stack: list[tuple[str, Iterator[str]]] = [(root, iter(children[root]))]
            state[root] = 1
            path.append(root)
            while stack:
                node, rest = stack[-1]
                for child in rest:
                    if state.get(child) == 1:
                        return [*path[path.index(child) :], child]
                    if child not in state:
                        state[child] = 1
                        path.append(child)
                        stack.append((child, iter(children[child])))
                        break
                else:
                    state[node] = 2
                    path.pop()
                    stack.pop()
        return []


def _refuse_unknown(value: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for key in value:
        if key not in known:
            guess = nearest(str(key), known)
            raise GraphError(
                f"unknown key {key!r}",
                where=where,
                remedy=f"Did you mean {guess!r}?" if guess else f"Known: {', '.join(known)}",
            )
