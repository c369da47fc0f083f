"""Groups: columns of which one moved, while the data cannot tell which."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from whydrift.discovery.graph import Graph
from whydrift.monitor.diagnosis.alternatives import Alternatives, Parents
from whydrift.monitor.diagnosis.ties import Tie
from whydrift.monitor.diagnosis.words import joined

__all__ = ["Group", "hidden_cause_groups", "moved_weight", "open_groups", "tied_groups"]

# Weight of the graphs by which a column moved, for that to be said: of a column alone, and of one
# in a group.
_LEAST_ALONE, _LEAST_DOUBT = 0.5, 0.1
_LEAST_JOINED = 0.1  # weight of the graphs in which two columns are joined
_EXCLUDE = 0.5  # both moved in at most this share of the graphs in which the rarer of them did


@dataclass(frozen=True, slots=True)
class Group:
    """Columns that a change may have begun at, one as well as another.

    Parameters
    ----------
    columns : tuple of str
        Two or more, in the order of the table.
    is_hidden_cause : bool
        Whether a hidden common cause may have moved instead; else an edge's direction is open.
    p_value : float, optional
        Of "they depend on each other as before", where that alone changed.
    moved : tuple of str
        Those of them whose own distribution moved, by themselves or with another one.
    """

    columns: tuple[str, ...]
    is_hidden_cause: bool = False
    p_value: float | None = None
    moved: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What the columns' results carry: the columns' names."""
        return joined(self.columns, most=len(self.columns))


def moved_weight(
    alternatives: Alternatives,
    p_values: Mapping[str, Mapping[Parents, float | None]],
    limit: float,
) -> dict[str, float]:
    """Return, for each column, the weight of its parents given which it moved.

    Parameters
    ----------
    alternatives : Alternatives
    p_values : mapping of str to mapping of parents to float, optional
        Columns without any are left out.
    limit : float
        P-values up to this count as moved.
    """
    out = {}
    for column, tested in p_values.items():
        sets = alternatives.parent_sets(column)
        total = sum(sets[s] for s in tested)
        moved = sum(sets[s] for s, p in tested.items() if p is not None and p <= limit)
        if total > 0:
            out[column] = moved / total
    return out


def open_groups(
    alternatives: Alternatives,
    p_values: Mapping[str, Mapping[Parents, float | None]],
    rejected: Iterable[str],
    marginally: Collection[str],
    limit: float,
) -> tuple[frozenset[str], tuple[Group, ...]]:
    """Return the columns that moved by some graphs and not by others, and which exclude each other.

    Parameters
    ----------
    alternatives, p_values, limit
        As in `moved_weight`.
    rejected : iterable of str
        Columns that moved whatever the graph.
    marginally : collection of str
        Columns whose distribution may have moved.

    Returns
    -------
    columns : frozenset of str
        Those that moved by half of the graphs, counted by weight.
    groups : tuple of Group
        Columns that moved by some, are joined by an edge and hardly ever moved in the same graph.
        The distribution of one of them moved, or one did given the other: of a height that always
        is the same part of the width neither did where a third column is what changed.
    """
    sure = set(rejected)
    moved = moved_weight(alternatives, p_values, limit)
    doubtful = [c for c in p_values if c not in sure and moved.get(c, 0.0) >= _LEAST_DOUBT]

    def has_moved(column: str, parents: Parents) -> bool:
        p_value = p_values[column].get(parents)
        return p_value is not None and p_value <= limit

    def given_each_other(column: str, other: str) -> bool:
        return any(other in s and has_moved(column, s) for s in p_values[column])

    weights = alternatives.edge_weights()
    near: dict[str, set[str]] = {c: {c} for c in doubtful}
    for a, b in combinations(doubtful, 2):
        if weights.get((a, b), 0.0) + weights.get((b, a), 0.0) < _LEAST_JOINED:
            continue
        if not ({a, b} & {*marginally} or given_each_other(a, b) or given_each_other(b, a)):
            continue
        both = sum(
            g.weight
            for g in alternatives.graphs
            if has_moved(a, g.parents[a]) and has_moved(b, g.parents[b])
        )
        if both <= _EXCLUDE * min(moved[a], moved[b]):
            near[a].add(b)
            near[b].add(a)
    alone = frozenset(c for c in doubtful if moved[c] >= _LEAST_ALONE)
    return alone, _connected(doubtful, near, is_hidden_cause=False)


def hidden_cause_groups(graph: Graph, rejected: Iterable[str]) -> tuple[Group, ...]:
    """Return moved columns joined by ``<->``: their hidden cause may have moved instead."""
    moved = set(rejected)
    columns = [n for n in graph.nodes if n in moved]
    near: dict[str, set[str]] = {c: {c} for c in columns}
    for edge in graph:
        if edge.mark == "<->" and edge.a in moved and edge.b in moved:
            near[edge.a].add(edge.b)
            near[edge.b].add(edge.a)
    return _connected(columns, near, is_hidden_cause=True)


def tied_groups(graph: Graph, ties: Sequence[Tie]) -> tuple[Group, ...]:
    """Return the columns that no longer depend on each other as they did.

    Parameters
    ----------
    graph : Graph
        For the order of its columns.
    ties : sequence of Tie
        Those that changed.
    """
    near: defaultdict[str, set[str]] = defaultdict(set)
    for one, other in (tie.columns for tie in ties):
        near[one] |= {one, other}
        near[other] |= {one, other}
    out = []
    for group in _connected([n for n in graph.nodes if n in near], near, is_hidden_cause=False):
        within = [t for t in ties if t.columns[0] in group.columns]
        p_value = min(t.p_value for t in within if t.p_value is not None)
        is_hidden = all(t.is_hidden_cause for t in within)
        out.append(Group(group.columns, is_hidden, p_value))
    return tuple(out)


def _connected(
    columns: list[str], near: Mapping[str, set[str]], *, is_hidden_cause: bool
) -> tuple[Group, ...]:
    out, seen = [], set[str]()
    for column in columns:
        if column in seen:
            continue
        family, todo = {column}, [column]
        while todo:
            for other in near[todo.pop()] - family:
                family.add(other)
                todo.append(other)
        seen |= family
        if len(family) > 1:
            out.append(Group(tuple(c for c in columns if c in family), is_hidden_cause))
    return tuple(out)
