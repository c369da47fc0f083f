"""A layered layout of a graph: causes above effects, few crossings, room for the marks.

References
----------
Sugiyama, Tagawa & Toda (1981), Methods for visual understanding of hierarchical system structures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from whydrift.discovery.graph import Edge, Graph

__all__ = ["HALF_HEIGHT", "Layout", "Point", "layered"]

HALF_HEIGHT = 15.0  # of a node's box
_GAP = 26.0
_LEAST_ROW = 76.0
_MOST_ROW = 132.0
_SLOPE = 0.09  # room between rows for each unit that an edge runs to the side
_BEND = 12.0  # room that a passing edge takes in a layer
_PORT = 13.0  # between the ends of two edges at one side of a box: an arrow's head and some air
_SWEEPS = 16
_ALONE_IN_A_ROW = 8
# How much a segment wants to be upright: long edges should run straight between their bends.
_BETWEEN_BENDS, _AT_A_BEND, _PLAIN = 6.0, 2.0, 1.0

Point = tuple[float, float]


@dataclass(frozen=True)
class Layout:
    """Where everything goes.

    Parameters
    ----------
    centres : mapping of str to (x, y)
        Of the nodes' boxes.
    widths : mapping of str to float
        Of the boxes; those where many edges end are wider than was asked.
    paths : mapping of Edge to tuple of (x, y)
        From the border of ``a`` by the bends to the border of ``b``.
    width, height : float
        Of the whole.
    """

    centres: Mapping[str, Point]
    widths: Mapping[str, float]
    paths: Mapping[Edge, tuple[Point, ...]]
    width: float
    height: float


_Item = str | tuple[str, str, int]  # a node, or a bend of an edge in a layer
_Rows = list[list[_Item]]
_Near = dict[_Item, list[tuple[_Item, int, float]]]  # other item, its layer, weight


def layered(graph: Graph, widths: Mapping[str, float]) -> Layout:
    """Return a layout with causes above effects; nodes without an edge stand in rows below.

    Parameters
    ----------
    graph : Graph
        Edges of open direction are drawn as if they led down.
    widths : mapping of str to float
        Least widths of the nodes' boxes.
    """
    level = _levels(graph)
    chains = {edge: _chain(edge, level) for edge in graph}
    rows = _rows(graph, chains, level)
    near = _neighbours(chains)
    rows = _uncrossed(rows, near)
    wide = {n: max(widths[n], _needed(graph, n, level)) for n in graph.nodes}
    size = {item: wide[item] if isinstance(item, str) else _BEND for row in rows for item in row}
    place = _places(rows, size, near)
    left = min((place[i] - size[i] / 2 for row in rows for i in row), default=0.0)
    place = {item: x - left + _GAP for item, x in place.items()}
    width = max((place[i] + size[i] / 2 for row in rows for i in row), default=0.0) + _GAP
    heights = _heights(rows, near, place)
    centres = {
        item: (place[item], y)
        for y, row in zip(heights, rows, strict=True)
        for item in row
        if isinstance(item, str)
    }
    height = (heights[-1] if heights else 0.0) + HALF_HEIGHT + _GAP
    alone = [n for n in graph.nodes if n not in level]
    for start in range(0, len(alone), _ALONE_IN_A_ROW):
        x = _GAP
        for name in alone[start : start + _ALONE_IN_A_ROW]:
            centres[name] = (x + wide[name] / 2, height + HALF_HEIGHT)
            x += wide[name] + _GAP / 2
        width = max(width, x + _GAP / 2)
        height += 2 * HALF_HEIGHT + _GAP / 2
    paths = _paths(chains, centres, wide, place, heights)
    return Layout(centres, wide, paths, width, height + _GAP / 2)


# ---- layers -----------------------------------------------------------------------------------
def _levels(graph: Graph) -> dict[str, int]:
    """Return the layer of each node with an edge: one below its lowest cause."""
    order = {n: i for i, n in enumerate(graph.topological_order())}
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for edge in graph:
        top, low = (edge.a, edge.b)
        if not edge.is_directed and order[top] > order[low]:
            top, low = low, top
        above.setdefault(low, []).append(top)
        below.setdefault(top, []).append(low)
    joined = sorted({*above, *below}, key=order.__getitem__)
    level: dict[str, int] = {}
    for name in joined:
        level[name] = 1 + max((level[p] for p in above.get(name, ())), default=-1)
    # A root moves down beside the first thing it causes: shorter edges.
    for name in reversed(joined):
        if name not in above:
            level[name] = max(0, min(level[n] for n in below[name]) - 1)
    return level


def _chain(edge: Edge, level: Mapping[str, int]) -> list[tuple[_Item, int]]:
    """Return what an edge passes from a to b: its ends, and a bend in each layer between."""
    first, last = level[edge.a], level[edge.b]
    step = 1 if last > first else -1
    bends: list[tuple[_Item, int]] = [
        ((edge.a, edge.b, between), between) for between in range(first + step, last, step)
    ]
    return [(edge.a, first), *bends, (edge.b, last)]


def _rows(
    graph: Graph, chains: Mapping[Edge, list[tuple[_Item, int]]], level: Mapping[str, int]
) -> _Rows:
    rows: _Rows = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for name in graph.nodes:
        if name in level:
            rows[level[name]].append(name)
    for chain in chains.values():
        for bend, at in chain[1:-1]:
            rows[at].append(bend)
    return rows


def _neighbours(chains: Mapping[Edge, list[tuple[_Item, int]]]) -> _Near:
    """Return what each item is joined to in the next layers, with the weight of the segment."""
    out: _Near = {}
    for chain in chains.values():
        for (one, at_one), (other, at_other) in pairwise(chain):
            bends = isinstance(one, tuple) + isinstance(other, tuple)
            weight = (_PLAIN, _AT_A_BEND, _BETWEEN_BENDS)[bends]
            out.setdefault(one, []).append((other, at_other, weight))
            out.setdefault(other, []).append((one, at_one, weight))
    return out


# ---- crossings --------------------------------------------------------------------------------
def _uncrossed(rows: _Rows, near: _Near) -> _Rows:
    """Order each row by the mean position of its neighbours, down and up; keep the best."""
    rows = [list(row) for row in rows]
    best, fewest = [list(row) for row in rows], _crossings(rows, near)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        down = sweep % 2 == 0
        depths = range(1, len(rows)) if down else range(len(rows) - 2, -1, -1)
        for depth in depths:
            side = depth - 1 if down else depth + 1
            at = {item: float(i) for i, item in enumerate(rows[side])}
            own = {item: i * len(at) / len(rows[depth]) for i, item in enumerate(rows[depth])}
            mean = {}
            for item in rows[depth]:
                found = [at[other] for other, where, _ in near.get(item, ()) if where == side]
                mean[item] = sum(found) / len(found) if found else own[item]
            rows[depth].sort(key=mean.__getitem__)
        _exchange(rows, near)
        count = _crossings(rows, near)
        if count < fewest:
            best, fewest = [list(row) for row in rows], count
    return best


def _crossings(rows: _Rows, near: _Near) -> int:
    """Return how many pairs of segments cross."""
    total = 0
    for depth in range(1, len(rows)):
        at = {item: i for i, item in enumerate(rows[depth - 1])}
        ends = [
            sorted(at[other] for other, where, _ in near.get(item, ()) if where == depth - 1)
            for item in rows[depth]
        ]
        before = [0] * len(at)  # segments so far that end at each place above
        for own in ends:
            total += sum(sum(before[place + 1 :]) for place in own)
            for place in own:
                before[place] += 1
    return total


def _exchange(rows: _Rows, near: _Near) -> None:
    """Exchange neighbours in a row while that takes crossings away."""
    for depth, row in enumerate(rows):
        sides = [
            ({item: i for i, item in enumerate(rows[side])}, side)
            for side in (depth - 1, depth + 1)
            if 0 <= side < len(rows)
        ]
        ends = {
            item: [
                sorted(at[other] for other, where, _ in near.get(item, ()) if where == side)
                for at, side in sides
            ]
            for item in row
        }
        for _ in range(len(row)):
            changed = False
            for i in range(len(row) - 1):
                one, other = ends[row[i]], ends[row[i + 1]]
                now = sum(_over(a, b) for a, b in zip(one, other, strict=True))
                then = sum(_over(b, a) for a, b in zip(one, other, strict=True))
                if then < now:
                    row[i], row[i + 1] = row[i + 1], row[i]
                    changed = True
            if not changed:
                break


def _over(left: Sequence[int], right: Sequence[int]) -> int:
    """Return how often an end of the left item lies to the right of one of the right item."""
    return sum(a > b for a in left for b in right)


# ---- places -----------------------------------------------------------------------------------
def _places(rows: _Rows, size: Mapping[_Item, float], near: _Near) -> dict[_Item, float]:
    """Return x of each item: near its neighbours, in the row's order, without overlap."""
    place: dict[_Item, float] = {}
    for row in rows:
        x = -sum(size[i] + _GAP for i in row) / 2
        for item in row:
            place[item] = x + size[item] / 2
            x += size[item] + _GAP
    for sweep in range(_SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wanted, weights = [], []
            for item in row:
                found = near.get(item, ())
                weight = sum(w for _, _, w in found)
                pull = sum(w * place[other] for other, _, w in found)
                wanted.append(pull / weight if weight else place[item])
                weights.append(max(weight, 1.0))
            _spread(row, wanted, weights, size, place)
    return place


def _spread(
    row: Sequence[_Item],
    wanted: Sequence[float],
    weights: Sequence[float],
    size: Mapping[_Item, float],
    place: dict[_Item, float],
) -> None:
    """Place a row's items as near to what they want as their order and sizes allow.

    Items that would overlap are joined into blocks that stand at their mean wish
    (pool-adjacent-violators).
    """
    offset, total = [], 0.0
    for i, item in enumerate(row):
        if i:
            both_bend = isinstance(item, tuple) and isinstance(row[i - 1], tuple)
            total += (size[row[i - 1]] + size[item]) / 2 + (_GAP / 3 if both_bend else _GAP)
        offset.append(total)
    blocks: list[tuple[float, float, int]] = []  # mean wish, weight, items
    for want, own, shift in zip(wanted, weights, offset, strict=True):
        mean, weight, count = want - shift, own, 1
        while blocks and blocks[-1][0] > mean:
            before, heavy, many = blocks.pop()
            mean = (mean * weight + before * heavy) / (weight + heavy)
            weight, count = weight + heavy, count + many
        blocks.append((mean, weight, count))
    start = [mean for mean, _, count in blocks for _ in range(count)]
    for item, base, shift in zip(row, start, offset, strict=True):
        place[item] = base + shift


def _heights(rows: _Rows, near: _Near, place: Mapping[_Item, float]) -> list[float]:
    """Return y of each row: the further to the side edges run, the more room between two rows."""
    heights: list[float] = []
    for depth, row in enumerate(rows):
        if not depth:
            heights.append(_GAP + HALF_HEIGHT)
            continue
        widest = max(
            (
                abs(place[item] - place[other])
                for item in row
                for other, where, _ in near.get(item, ())
                if where == depth - 1
            ),
            default=0.0,
        )
        heights.append(heights[-1] + min(_MOST_ROW, _LEAST_ROW + _SLOPE * widest))
    return heights


# ---- edges ------------------------------------------------------------------------------------
def _needed(graph: Graph, node: str, level: Mapping[str, int]) -> float:
    """Return the width that the ends of a node's edges take up on its busier side."""
    up = sum(level[other] < level[node] for other, _, _ in graph.ends(node))
    return (max(up, len(graph.ends(node)) - up) + 1) * _PORT


def _paths(
    chains: Mapping[Edge, list[tuple[_Item, int]]],
    centres: Mapping[str, Point],
    widths: Mapping[str, float],
    place: Mapping[_Item, float],
    heights: Sequence[float],
) -> dict[Edge, tuple[Point, ...]]:
    """Return each edge's points; the edges of one side of a box end side by side, in order."""
    sides: dict[tuple[str, bool], list[tuple[float, Edge]]] = {}
    for edge, chain in chains.items():
        for node, (after, depth) in ((edge.a, chain[1]), (edge.b, chain[-2])):
            is_below = heights[depth] > centres[node][1]
            sides.setdefault((node, is_below), []).append((place[after], edge))
    port: dict[tuple[str, Edge], Point] = {}
    for (node, is_below), found in sides.items():
        x, y = centres[node]
        border = y + (HALF_HEIGHT + 1.5) * (1 if is_below else -1)
        found.sort(key=lambda pair: pair[0])
        room = widths[node] - 2 * _PORT
        step = min(2.5 * _PORT, room / max(1, len(found) - 1))
        # A single edge leans to where it goes; several share the border around its middle.
        lean = max(-room / 2, min(room / 2, 0.25 * (found[0][0] - x))) if len(found) == 1 else 0.0
        for i, (_, edge) in enumerate(found):
            port[node, edge] = (x + lean + (i - (len(found) - 1) / 2) * step, border)
    return {
        edge: (
            port[edge.a, edge],
            *((place[bend], heights[depth]) for bend, depth in chain[1:-1]),
            port[edge.b, edge],
        )
        for edge, chain in chains.items()
    }
