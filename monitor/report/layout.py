"""A layered layout of a graph: causes above effects, few crossings.

References
----------
Sugiyama, Tagawa & Toda (1981), Methods for visual understanding of hierarchical system structures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from whydrift.discovery.graph import Edge, Graph

__all__ = ["Layout", "layered"]

_GAP = 26.0
_ROW = 78.0
_BEND = 14.0  # room that a passing edge takes in a layer
_SWEEPS = 12
_MOST_IN_A_ROW = 8


@dataclass(frozen=True)
class Layout:
    """Where everything goes.

    Parameters
    ----------
    centres : mapping of str to (x, y)
        Of the nodes.
    routes : mapping of Edge to list of (x, y)
        Points that an edge passes, ends left out.
    width, height : float
        Of the whole.
    """

    centres: Mapping[str, tuple[float, float]]
    routes: Mapping[Edge, list[tuple[float, float]]]
    width: float
    height: float


_Item = str | tuple[str, str, int]  # a node, or a bend of an edge in a layer


def layered(graph: Graph, widths: Mapping[str, float]) -> Layout:
    """Return a layout with causes above effects; nodes without an edge stand in rows below.

    Parameters
    ----------
    graph : Graph
        Edges of open direction are drawn as if they led down.
    widths : mapping of str to float
        Of the nodes' boxes.
    """
    joined = [n for n in graph.nodes if any(n in (e.a, e.b) for e in graph)]
    level = _levels(graph, joined)
    rows, bends = _rows(graph, joined, level)
    _uncross(rows, _neighbours(graph, level, bends))
    size = {item: widths[item] if isinstance(item, str) else _BEND for row in rows for item in row}
    place = _places(rows, size, _neighbours(graph, level, bends))
    alone = [n for n in graph.nodes if n not in level]
    left = min((place[i] - size[i] / 2 for row in rows for i in row), default=0.0)
    place = {item: x - left + _GAP for item, x in place.items()}
    width = max((place[i] + size[i] / 2 for row in rows for i in row), default=0.0) + _GAP
    centres = {
        item: (place[item], _GAP + 18 + depth * _ROW)
        for depth, row in enumerate(rows)
        for item in row
        if isinstance(item, str)
    }
    height = len(rows) * _ROW + _GAP / 2
    for start in range(0, len(alone), _MOST_IN_A_ROW):
        x = _GAP
        for name in alone[start : start + _MOST_IN_A_ROW]:
            centres[name] = (x + widths[name] / 2, height + 18)
            x += widths[name] + _GAP / 2
        width = max(width, x + _GAP / 2)
        height += 46
    routes = {
        edge: [(place[b], _GAP + 18 + level_of * _ROW) for b, level_of in bends.get(edge, [])]
        for edge in graph
    }
    return Layout(centres, routes, width, height + _GAP / 2)


def _levels(graph: Graph, joined: list[str]) -> dict[str, int]:
    """Return each joined node's layer: one below its lowest cause."""
    order = {n: i for i, n in enumerate(graph.topological_order())}
    above: dict[str, list[str]] = {n: [] for n in joined}
    for edge in graph:
        top, low = (edge.a, edge.b)
        if not edge.is_directed and order[top] > order[low]:
            top, low = low, top
        above[low].append(top)
    level: dict[str, int] = {}
    for name in sorted(joined, key=order.__getitem__):
        level[name] = 1 + max((level[p] for p in above[name] if p in level), default=-1)
    # A root moves down beside the first thing it causes: shorter edges.
    for name in sorted(joined, key=order.__getitem__, reverse=True):
        below = [level[e.b] for e in graph if e.a == name and e.b in level]
        below += [level[e.a] for e in graph if e.b == name and not e.is_directed]
        if not above[name] and below:
            level[name] = max(0, min(below) - 1)
    return level


def _rows(
    graph: Graph, joined: list[str], level: Mapping[str, int]
) -> tuple[list[list[_Item]], dict[Edge, list[tuple[_Item, int]]]]:
    """Return the items of each layer, bends of long edges among them, and each edge's bends."""
    rows: list[list[_Item]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for name in joined:
        rows[level[name]].append(name)
    bends: dict[Edge, list[tuple[_Item, int]]] = {}
    for edge in graph:
        first, last = level[edge.a], level[edge.b]
        step = 1 if last > first else -1
        for between in range(first + step, last, step) if first != last else ():
            item: _Item = (edge.a, edge.b, between)
            rows[between].append(item)
            bends.setdefault(edge, []).append((item, between))
    return rows, bends


def _neighbours(
    graph: Graph,
    level: Mapping[str, int],
    bends: Mapping[Edge, list[tuple[_Item, int]]],
) -> dict[_Item, list[tuple[_Item, int]]]:
    """Return what each item is joined to in other layers, with that layer."""
    out: dict[_Item, list[tuple[_Item, int]]] = {}
    for edge in graph:
        chain: list[tuple[_Item, int]] = [
            (edge.a, level[edge.a]),
            *bends.get(edge, []),
            (edge.b, level[edge.b]),
        ]
        for one, other in pairwise(chain):
            out.setdefault(one[0], []).append(other)
            out.setdefault(other[0], []).append(one)
    return out


def _uncross(rows: list[list[_Item]], neighbours: Mapping[_Item, list[tuple[_Item, int]]]) -> None:
    """Order each row by the mean position of its neighbours, down and up in turn."""
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        position = {item: i / max(1, len(row)) for row in rows for i, item in enumerate(row)}

        def mean_neighbour(
            item: _Item, side: int, position: dict[_Item, float] = position
        ) -> float:
            near = [position[o] for o, at in neighbours.get(item, []) if at == side]
            return sum(near) / len(near) if near else position[item]

        depths = range(1, len(rows)) if down else range(len(rows) - 2, -1, -1)
        for depth in depths:
            side = depth - 1 if down else depth + 1
            rows[depth].sort(key=partial(mean_neighbour, side=side))
            for i, item in enumerate(rows[depth]):
                position[item] = i / max(1, len(rows[depth]))


def _places(
    rows: list[list[_Item]],
    size: Mapping[_Item, float],
    neighbours: Mapping[_Item, list[tuple[_Item, int]]],
) -> dict[_Item, float]:
    """Return x of each item: near its neighbours, in the row's order, without overlap."""
    place: dict[_Item, float] = {}
    for row in rows:
        x = -sum(size[i] + _GAP for i in row) / 2
        for item in row:
            place[item] = x + size[item] / 2
            x += size[item] + _GAP
    for _ in range(_SWEEPS):
        for row in rows:
            wanted = []
            for item in row:
                near = [place[o] for o, _ in neighbours.get(item, [])]
                wanted.append(sum(near) / len(near) if near else place[item])
            _spread(row, wanted, size, place)
    return place


def _spread(
    row: list[_Item], wanted: list[float], size: Mapping[_Item, float], place: dict[_Item, float]
) -> None:
    """Place a row's items as near to what they want as their order and sizes allow.

    Items that would overlap are joined into blocks that stand at their mean wish
    (pool-adjacent-violators).
    """
    offset, total = [], 0.0
    for i, item in enumerate(row):
        if i:
            total += (size[row[i - 1]] + size[item]) / 2 + _GAP
        offset.append(total)
    blocks: list[tuple[float, int]] = []
    for want, shift in zip(wanted, offset, strict=True):
        mean, count = want - shift, 1
        while blocks and blocks[-1][0] > mean:
            before, many = blocks.pop()
            mean, count = (mean * count + before * many) / (count + many), count + many
        blocks.append((mean, count))
    start = [mean for mean, count in blocks for _ in range(count)]
    for item, base, shift in zip(row, start, offset, strict=True):
        place[item] = base + shift
