"""Edges of a learned graph that the tests say go the other way.

Windows in which one mechanism moved tell directions: a cause stands, and so does an effect given
its causes. Where the graph has it otherwise, it is the graph that is wrong, and what is told of the
columns must not hang on it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import combinations

from whydrift.discovery.graph import Edge, Graph
from whydrift.monitor.diagnosis.diagnosis import ColumnVerdict
from whydrift.monitor.diagnosis.judgement import ColumnEvidence, Floor, Judged, sees_enough
from whydrift.monitor.diagnosis.mechanism.base import MechanismTestResult
from whydrift.monitor.diagnosis.testing import Testing
from whydrift.monitor.diagnosis.words import p_text

__all__ = ["UnmovedCauses", "followed_by", "put_before", "unmoved_causes"]

_MOVED = frozenset({ColumnVerdict.SOURCE, ColumnVerdict.MECHANISM})
_LEAST_P = 0.05  # of "as before", for a column to be taken for one that did not move
_MOST_COLUMNS = 6  # whose effects are looked at


@dataclass(frozen=True)
class UnmovedCauses:
    """A column that moved, and some that the graph has follow from it, but which did not move.

    Parameters
    ----------
    column : str
    p_value : float
        Of "it is as before" given them.
    p_values : mapping of str to float
        Of "as before" of each of them, without that column.
    """

    column: str
    p_value: float
    p_values: Mapping[str, float]

    def judged(self, judged: Mapping[str, Judged]) -> dict[str, Judged]:
        """Return the verdicts with the change told once, where it began."""
        out = dict(judged)
        for name, p_value in self.p_values.items():
            text = (
                f"Given {self.column} it moved, but of itself it did not ({p_text(p_value)}), "
                f"and {self.column} moved given it too ({p_text(self.p_value)}): rather a cause "
                f"of {self.column} than its effect."
            )
            out[name] = replace(
                judged[name], verdict=ColumnVerdict.STABLE, reason_code=None, reason=text
            )
        return out

    def turned(self, graph: Graph) -> Graph:
        """Return the graph in which they lead to the column."""
        for name in self.p_values:
            graph = put_before(graph, name, (self.column,))
        return graph


def unmoved_causes(
    testing: Testing,
    evidence: Mapping[str, ColumnEvidence],
    judged: Mapping[str, Judged],
    *,
    target: str | None,
    limit: float,
    floor: Floor,
    level: float,
    tests: int,
) -> tuple[UnmovedCauses, ...]:
    """Return the columns that a learned graph says did not follow, and which rather lead.

    If a column moved and a cause of it did not, the cause given the column moved, and so it looks
    as if it had not followed where the edge between them was learned the wrong way round. That two
    columns of which neither leads to the other were both taken for effects is no such error: two
    causes of one column would not depend on each other. Neither is the target taken for a cause.

    Parameters
    ----------
    testing : Testing
    evidence, judged : mapping of str to ColumnEvidence and to Judged
        Of all columns.
    target : str, optional
        The target.
    limit : float
        Largest p-value at which a column counts as moved.
    floor, level, tests
        As the columns were judged: where a change worth knowing would not have been seen, that a
        column is as before is not believed.
    """
    graph = testing.graph
    if not graph.is_dag:
        return ()
    moved = [name for name, found in judged.items() if found.verdict in _MOVED]
    out: list[UnmovedCauses] = []
    excused: set[str] = set()
    for column in moved[:_MOST_COLUMNS]:
        torn = [c for c in graph.children(column) if c in moved and c not in excused]
        if column in excused or not _are_joined(graph, torn):
            continue
        p_values = {}
        for name in torn:
            if name == target or not testing.may_cause(name, column):
                continue
            if _has_followed_between(judged, graph, column, name):
                continue
            parents = tuple(p for p in graph.parents(name) if p in testing.usable - {column})
            alone = testing.given(name, parents)
            seen = sees_enough(alone, floor, level, tests)
            least = min(_p_value(alone), _p_value(evidence[name].marginal))
            if seen and least > _LEAST_P:
                p_values[name] = least
        if not p_values:
            continue
        others = tuple(p for p in graph.parents(column) if p in testing.usable)
        p_value = testing.given(column, (*others, *p_values)).p_value
        if p_value is not None and p_value <= limit:
            out.append(UnmovedCauses(column, p_value, p_values))
            excused |= p_values.keys()
    return tuple(out)


def followed_by(testing: Testing, judged: Mapping[str, Judged], target: str) -> tuple[str, ...]:
    """Return the columns that moved which a learned graph has follow from the target.

    Where the target given all inputs stands, they rather lead to it: had one of them changed what
    it makes of the target, it would say something else of the target now.
    """
    if not testing.graph.is_dag:
        return ()
    return tuple(
        name
        for name in testing.graph.children(target)
        if judged[name].verdict in _MOVED and testing.may_cause(name, target)
    )


def put_before(graph: Graph, cause: str, effects: Collection[str]) -> Graph:
    """Return the graph in which some columns follow from one that may have followed from them.

    Edges from them to it, or to what it follows from, are turned; other ways than those there are
    none, so that the result has no cycle. A graph that is no DAG is returned as it is.
    """
    if not graph.is_dag or cause in effects:
        return graph
    later = frozenset(effects)
    earlier = (graph.ancestors(cause) | {cause}) - later
    edges = [replace(e, a=e.b, b=e.a) if e.a in later and e.b in earlier else e for e in graph]
    joined_to = {frozenset((e.a, e.b)) for e in edges}
    new = [n for n in effects if frozenset((cause, n)) not in joined_to]
    return graph.with_edges((*edges, *(Edge.of(cause, "-->", n) for n in new)))


def _p_value(result: MechanismTestResult | None) -> float:
    return 0.0 if result is None or result.p_value is None else result.p_value


def _are_joined(graph: Graph, names: list[str]) -> bool:
    return all(graph.edge_between(a, b) is not None for a, b in combinations(names, 2))


def _has_followed_between(
    judged: Mapping[str, Judged], graph: Graph, cause: str, effect: str
) -> bool:
    """Whether the move went on, though not as far as the effect."""
    between = graph.descendants(cause) & graph.ancestors(effect)
    return any(judged[n].verdict is ColumnVerdict.INHERITED for n in between if n in judged)
