"""Graph falsification: whether the data reject the independences that a graph implies."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations as all_orders
from typing import Any

import numpy as np

from whydrift.discovery.errors import GraphError
from whydrift.discovery.graph import Graph
from whydrift.discovery.independence.base import IndependenceTest
from whydrift.effects.check import Check, Outcome
from whydrift.effects.refuters.base import Case, Refutation
from whydrift.effects.table import Table
from whydrift.effects.words import p_text, percent

__all__ = ["GraphFalsification", "Independence", "falsify_graph", "graph_independences"]

_LEVEL = 0.05
_PERMUTATIONS = 200
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Independence:
    """What a graph implies of two columns, and what the data say of it.

    Parameters
    ----------
    x, y : str
    given : tuple of str
        The parents of x; y is no effect of x.
    p_value : float or None
        None where the test has no answer.
    """

    x: str
    y: str
    given: tuple[str, ...]
    p_value: float | None

    def __str__(self) -> str:
        given = f" | {', '.join(self.given)}" if self.given else ""
        return f"{self.x} ⊥ {self.y}{given}"


@dataclass(frozen=True)
class GraphFalsification:
    """Whether a graph fits the data better than the same graph with its nodes at random.

    Parameters
    ----------
    implied : tuple of Independence
        By the local Markov condition: each node and what it does not cause, given its parents.
    level : float
        Below which a p-value counts as a violation.
    p_value : float
        Share of graphs with permuted nodes that have as few violations.
    same : float
        Share of permuted graphs that imply the same independences: if it is large, no data could
        tell this graph from one at random.
    permutations : int

    References
    ----------
    Eulig, Mastakouri, Blöbaum, Hardt & Janzing (2023), Toward falsifying causal graphs using a
    permutation-based test.
    """

    implied: tuple[Independence, ...]
    level: float
    p_value: float
    same: float
    permutations: int

    @property
    def violations(self) -> tuple[Independence, ...]:
        """What the data speak against, the strongest first; some do by chance."""
        against = [one for one in self.implied if (one.p_value or 1.0) < self.level]
        return tuple(sorted(against, key=lambda one: one.p_value or 0.0))

    @property
    def sure_violations(self) -> tuple[Independence, ...]:
        """Those that stand after correction for their number (Holm)."""
        tested = sum(one.p_value is not None for one in self.implied)
        kept = []
        for rank, one in enumerate(self.violations):
            if (one.p_value or 0.0) * (tested - rank) >= self.level:
                break
            kept.append(one)
        return tuple(kept)

    def check(self) -> Check:
        """Judge: a failure where the graph does no better than one at random.

        A warning where it does, but some independence is surely violated; and where no data could
        tell.
        """
        tested = sum(one.p_value is not None for one in self.implied)
        if not tested:
            said = "the graph implies no independence that could be tested"
            return Check("graph", Outcome.WARN, said)
        wrong, sure = len(self.violations), self.sure_violations
        said = (
            f"the data speak against {wrong} of {tested} independences that the graph implies; "
            f"of {self.permutations} graphs with its nodes shuffled {percent(self.p_value)} do as "
            "well"
        )
        if self.same > self.level:
            said += f", and {percent(self.same)} imply the same: the data cannot tell it from those"
            outcome = Outcome.WARN
        elif self.p_value > self.level:
            said += ": it fits no better than chance"
            outcome = Outcome.FAIL
        else:
            outcome = Outcome.WARN if sure else Outcome.PASS
        if sure:
            said += f"; surest against {sure[0]} ({p_text(sure[0].p_value or 0.0)})"
        return Check("graph", outcome, said, self.p_value, self.level)

    def table(self) -> Table:
        """Return the independences, those that the data speak against most first."""
        order = sorted(self.implied, key=lambda o: 2.0 if o.p_value is None else o.p_value)
        rows = tuple((str(one), one.p_value) for one in order[:_SHOWN])
        return Table("Independences that the graph implies", ("independence", "p-value"), rows)


def falsify_graph(
    graph: Graph,
    data: Any,
    *,
    test: str = "auto",
    level: float = _LEVEL,
    permutations: int = _PERMUTATIONS,
    random_state: int = 0,
) -> GraphFalsification:
    """Hold a graph against data.

    Parameters
    ----------
    graph : Graph
        A DAG whose nodes are all columns of the data.
    data : frame, pyarrow.Table, mapping of str to columns or Snapshot
    test : str
        An independence test; see `discovery.independence.registry`.
    level : float
    permutations : int
        Of the nodes; all orders where there are fewer.
    random_state : int

    Raises
    ------
    GraphError
        If an edge is not directed, or a node is not in the data.
    """
    from whydrift.discovery.independence.registry import independence_test

    if not graph.is_dag:
        edge = next(e for e in graph if not e.is_directed)
        raise GraphError(
            f"{edge.a} {edge.mark} {edge.b} is not directed",
            where="graph",
            remedy="Direct its edges: only a DAG says what is independent given the parents",
        )
    snapshot = _snapshot(data, graph.nodes)
    tester, _ = independence_test(test, snapshot, graph.nodes)
    number = {name: place for place, name in enumerate(graph.nodes)}
    parents = [[number[p] for p in graph.parents(n)] for n in graph.nodes]
    below = [{number[d] for d in graph.descendants(n)} for n in graph.nodes]
    claims = list(_claims(parents, below))
    known: dict[_Claim, float] = {}
    orders = list(_orders(len(graph.nodes), permutations, random_state))
    moved = [[_moved(claim, order) for claim in claims] for order in orders]
    _test_all(tester, {c for group in (claims, *moved) for c in group}, known)
    ours = sum(known[_key(c)] < level for c in claims)
    theirs = [sum(known[_key(c)] < level for c in group) for group in moved]
    implied = {_key(c) for c in claims}
    same = [{_key(c) for c in group} == implied for group in moved]
    names = graph.nodes
    return GraphFalsification(
        tuple(
            Independence(
                names[x], names[y], tuple(names[z] for z in given),
                None if math.isnan(p := known[_key((x, y, given))]) else float(p),
            )
            for x, y, given in claims
        ),
        level,
        float(np.mean([count <= ours for count in theirs])) if theirs else 1.0,
        float(np.mean(same)) if same else 1.0,
        len(orders),
    )  # fmt: skip


def graph_independences(case: Case) -> Refutation:
    """Hold the graph that the estimate rests on against the data; see `falsify_graph`."""
    if case.graph is None:
        return Refutation(())
    hidden = [node for node in case.graph.nodes if node not in case.table.column_names]
    if hidden or not case.graph.is_dag:
        why = f"{', '.join(hidden[:3])} are not in the data" if hidden else "edges are open"
        said = f"the graph was not held against the data: {why}"
        return Refutation((Check("graph", Outcome.WARN, said),))
    found = falsify_graph(case.graph, case.table, random_state=case.random_state)
    return Refutation((found.check(),), {"independences": found.table()})


_Claim = tuple[int, int, tuple[int, ...]]


def _claims(parents: Sequence[Sequence[int]], below: Sequence[set[int]]) -> Iterator[_Claim]:
    for x, above in enumerate(parents):
        for y in range(len(parents)):
            if y != x and y not in below[x] and y not in above:
                yield x, y, tuple(sorted(above))


def _moved(claim: _Claim, order: Sequence[int]) -> _Claim:
    x, y, given = claim
    return order[x], order[y], tuple(sorted(order[z] for z in given))


def _key(claim: _Claim) -> _Claim:
    """Return the claim as it is kept: independence is symmetric."""
    x, y, given = claim
    return min(x, y), max(x, y), given


def _orders(nodes: int, most: int, seed: int) -> Iterator[tuple[int, ...]]:
    if nodes < 12 and math.factorial(nodes) - 1 <= most:
        mine = tuple(range(nodes))
        yield from (order for order in all_orders(range(nodes)) if order != mine)
        return
    generator = np.random.default_rng(seed)
    for _ in range(most):
        yield tuple(int(place) for place in generator.permutation(nodes))


def _test_all(tester: IndependenceTest, claims: set[_Claim], known: dict[_Claim, float]) -> None:
    """Test each claim once, those with as many columns given together."""
    by_size: dict[int, list[_Claim]] = {}
    for claim in sorted({_key(claim) for claim in claims}):
        by_size.setdefault(len(claim[2]), []).append(claim)
    for size, group in by_size.items():
        x, y = (np.array([claim[side] for claim in group], dtype=np.int64) for side in (0, 1))
        given = np.array([claim[2] for claim in group], dtype=np.int64).reshape(len(group), size)
        for claim, p_value in zip(group, tester(x, y, given), strict=True):
            known[claim] = float(p_value)


def _snapshot(data: Any, nodes: Sequence[str]) -> Any:
    from whydrift.discovery.snapshot.snapshot import Snapshot
    from whydrift.effects.columns import require
    from whydrift.effects.frame import as_table

    if isinstance(data, Snapshot):
        return data
    table, _ = as_table(data)
    return Snapshot.from_frame(table.select([require(table, name, "graph") for name in nodes]))
