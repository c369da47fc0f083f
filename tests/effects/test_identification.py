"""What a graph says of an effect, against brute force on the covariances that it implies.

In a linear model with drawn coefficients everything can be computed: the true effect by following
directed paths, what an adjustment gives by a regression on the implied covariance. A set that is
right for drawn coefficients is right for (almost) all, and so is one that is wrong.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import whydrift as wd
from whydrift.discovery import open_way
from whydrift.discovery.graph import Edge, Graph
from whydrift.effects.identification import (
    Strategy,
    adjustment_fault,
    identify,
    instrument_fault,
)

CLOSE = 1e-7


class Linear:
    """A linear model on a DAG, with drawn coefficients and unit noise."""

    def __init__(self, graph: Graph, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.place = {name: i for i, name in enumerate(graph.nodes)}
        count = len(graph.nodes)
        slopes = np.zeros((count, count))  # [effect, cause]
        for edge in graph:
            size = rng.uniform(0.5, 1.5) * rng.choice([-1, 1])
            slopes[self.place[edge.b], self.place[edge.a]] = size
        self.total = np.linalg.inv(np.eye(count) - slopes)
        noise = rng.uniform(0.5, 2.0, count)
        self.covariance = self.total @ np.diag(noise) @ self.total.T

    def effect(self, x: str, y: str) -> float:
        return float(self.total[self.place[y], self.place[x]])

    def slope(self, x: str, y: str, among: tuple[str, ...]) -> float:
        """The coefficient of x in the regression of y on x and ``among``."""
        inputs = [self.place[n] for n in (x, *among)]
        outcome = self.covariance[inputs, self.place[y]]
        return float(np.linalg.solve(self.covariance[np.ix_(inputs, inputs)], outcome)[0])


@st.composite
def dags(draw: st.DrawFn, most: int = 6) -> Graph:
    names = [f"v{i}" for i in range(draw(st.integers(3, most)))]
    order = draw(st.permutations(names))
    pairs = [
        (a, b) for i, a in enumerate(order) for b in order[i + 1 :] if draw(st.integers(0, 9)) < 5
    ]
    return Graph.from_pairs(pairs, nodes=names)


def subsets(names: list[str]) -> list[tuple[str, ...]]:
    return [s for size in range(len(names) + 1) for s in combinations(names, size)]


@settings(max_examples=120, deadline=None)
@given(dags(), st.data())
def test_adjustment_sets_are_those_that_give_the_effect_and_no_others(graph, data):
    x, y = "v0", "v1"
    rest = [n for n in graph.nodes if n not in {x, y}]
    hidden = data.draw(st.sets(st.sampled_from(rest), max_size=2))
    model = [Linear(graph, seed) for seed in (1, 2)]
    seen = [n for n in rest if n not in hidden]
    right = [
        s
        for s in subsets(seen)
        if all(abs(m.slope(x, y, s) - m.effect(x, y)) < CLOSE for m in model)
    ]
    found = identify(graph, x, y, unobserved=hidden)
    if found.strategy is Strategy.BACK_DOOR:
        assert tuple(sorted(found.adjustment)) in right
        for one in found.minimal:
            assert tuple(sorted(one)) in right
        known = [frozenset(s) for s in right]
        assert set(found.minimal) == {s for s in known if not any(t < s for t in known)}
        if found.optimal is not None:
            assert tuple(sorted(found.optimal)) in right
    else:
        assert not right
        assert found.problem is not None and " cannot be closed" in found.problem


@settings(max_examples=100, deadline=None)
@given(dags(), st.data())
def test_an_adjustment_is_faulted_where_it_does_not_give_the_effect(graph, data):
    x, y = "v0", "v1"
    rest = [n for n in graph.nodes if n not in {x, y}]
    chosen = tuple(sorted(data.draw(st.sets(st.sampled_from(rest), max_size=3))))
    fault = adjustment_fault(graph, x, y, chosen)
    models = [Linear(graph, seed) for seed in (1, 2)]
    is_right = all(abs(m.slope(x, y, chosen) - m.effect(x, y)) < CLOSE for m in models)
    if fault is None:
        assert is_right
    elif is_right:
        # Right for lack of an effect, or since what is cut leads nowhere: never wrong to refuse.
        assert set(chosen) & graph.descendants(x)
    for name in chosen:
        if fault is not None and fault.startswith(f"{name} is a collider"):
            others = tuple(n for n in chosen if n != name)
            assert adjustment_fault(graph, x, y, others) is None


@settings(max_examples=100, deadline=None)
@given(dags(), st.data())
def test_the_open_way_is_a_way_and_is_open(graph, data):
    x, y = "v0", "v1"
    rest = [n for n in graph.nodes if n not in {x, y}]
    chosen = data.draw(st.sets(st.sampled_from(rest), max_size=2)) - graph.descendants(x)
    way = open_way(graph, x, y, chosen)
    assert bool(way) == (adjustment_fault(graph, x, y, tuple(chosen)) is not None)
    if not way:
        return
    nodes, marks = way[::2], way[1::2]
    assert (nodes[0], nodes[-1]) == (x, y)
    for a, mark, b in zip(nodes, marks, nodes[1:], strict=False):
        edge = graph.edge_between(a, b)
        assert edge is not None and mark == ("-->" if edge.a == a else "<--")
    for before, node, after in zip(marks, nodes[1:-1], marks[1:], strict=False):
        if before.endswith(">") and after.startswith("<"):
            assert ({node} | graph.descendants(node)) & chosen
        else:
            assert node not in chosen


@settings(max_examples=80, deadline=None)
@given(dags(), st.data())
def test_instruments_and_front_doors_give_the_effect(graph, data):
    x, y = "v0", "v1"
    rest = [n for n in graph.nodes if n not in {x, y}]
    hidden = data.draw(st.sets(st.sampled_from(rest), max_size=2))
    found = identify(graph, x, y, unobserved=hidden)
    model = Linear(graph, 3)
    for one in found.instruments:
        assert one.name not in hidden and not one.given & hidden
        given_ = tuple(sorted(one.given))
        ratio = model.slope(one.name, y, given_) / model.slope(one.name, x, given_)
        assert ratio == pytest.approx(model.effect(x, y), abs=1e-6)
        assert instrument_fault(graph, x, y, one.name, given_) is None
    for door in found.front_doors:
        through = tuple(sorted(door))
        total = sum(
            model.slope(x, m, ()) * model.slope(m, y, (x, *(n for n in through if n != m)))
            for m in through
        )
        assert total == pytest.approx(model.effect(x, y), abs=1e-6)


# ---- graphs from textbooks --------------------------------------------------------------------
def test_the_backdoor_graph_of_pearl():
    # Pearl (2009), Causality, figure 3.4: {X3, X4} and {X4, X5} are sufficient, {X4} is not.
    edges = [("X1", "X3"), ("X1", "X4"), ("X2", "X4"), ("X2", "X5"), ("X3", "Xi"), ("X4", "Xi"),
             ("X4", "Xj"), ("X5", "Xj"), ("Xi", "X6"), ("X6", "Xj")]  # fmt: skip
    graph = Graph.from_pairs(edges)
    found = identify(graph, "Xi", "Xj")
    assert {frozenset({"X3", "X4"}), frozenset({"X4", "X5"})} <= set(found.minimal)
    assert adjustment_fault(graph, "Xi", "Xj", ("X4",)) is not None
    # The parents of the outcome's side: Henckel, Perković & Maathuis (2022).
    assert found.optimal == {"X4", "X5"}
    assert "X6 lies between" in str(adjustment_fault(graph, "Xi", "Xj", ("X3", "X4", "X6")))


def test_smoking_tar_and_cancer_are_a_front_door():
    # Pearl (1995), figure 3.
    graph = Graph.from_pairs(
        [("gene", "smoking"), ("gene", "cancer"), ("smoking", "tar"), ("tar", "cancer")]
    )
    found = identify(graph, "smoking", "cancer", unobserved={"gene"})
    assert (found.strategy, found.front_doors) == (Strategy.FRONT_DOOR, (frozenset({"tar"}),))
    assert "smoking <-- gene --> cancer cannot be closed (gene is not in the data)" in (
        found.sentence
    )


def test_m_bias_needs_nothing_and_names_the_collider():
    graph = Graph.from_pairs(
        [("a", "x"), ("a", "m"), ("b", "m"), ("b", "y"), ("x", "y")]
    )  # Greenland (2003)
    found = identify(graph, "x", "y", unobserved={"a", "b"})
    assert found.adjustment == frozenset() and found.strategy is Strategy.BACK_DOOR
    fault = adjustment_fault(graph, "x", "y", ("m",))
    assert fault == "m is a collider: adjusting for it opens the way x <-- a --> m <-- b --> y"


def test_a_conditional_instrument_names_its_condition():
    graph = Graph.from_pairs(
        [("w", "z"), ("w", "y"), ("z", "x"), ("u", "x"), ("u", "y"), ("x", "y")]
    )
    found = identify(graph, "x", "y", unobserved={"u"})
    assert found.strategy is Strategy.INSTRUMENT
    assert (found.instruments[0].name, found.instruments[0].given) == ("z", frozenset({"w"}))
    assert "another way" in str(instrument_fault(graph, "x", "y", "z", ()))
    assert "is caused by x" in str(instrument_fault(graph, "x", "y", "y", ()))
    alone = graph.with_nodes((*graph.nodes, "far"))
    assert "does not move x" in str(instrument_fault(alone, "x", "y", "far", ()))


def test_a_double_headed_arrow_is_a_hidden_cause():
    graph = Graph(("x", "y"), (Edge.of("x", "<->", "y"),))
    found = identify(graph, "x", "y")
    assert found.strategy is Strategy.NONE and not found.has_effect
    both = Graph(
        ("x", "m", "y"),
        (Edge.of("x", "<->", "y"), Edge.of("x", "-->", "m"), Edge.of("m", "-->", "y")),
    )
    assert identify(both, "x", "y").strategy is Strategy.FRONT_DOOR


def test_a_cpdag_is_used_where_it_is_amenable_and_the_open_edge_named_where_not():
    # x → y ← w, and w — v open: every member agrees on {w}.
    amenable = Graph(
        ("x", "w", "v", "y"),
        (Edge.of("x", "-->", "y"), Edge.of("w", "-->", "y"), Edge.of("v", "---", "w")),
    )
    assert identify(amenable, "x", "y").strategy is Strategy.BACK_DOOR
    open_ = Graph(("x", "w", "y"), (Edge.of("x", "---", "w"), Edge.of("w", "---", "y")))
    found = identify(open_, "x", "y")
    assert found.strategy is Strategy.NONE
    assert found.problem == "the direction of w --- x is not known"


def test_names_that_are_not_in_the_graph_are_told_with_the_nearest():
    graph = Graph.from_pairs([("price", "sales")])
    with pytest.raises(wd.GraphError, match="Did you mean 'price'"):
        identify(graph, "prise", "sales")
    with pytest.raises(wd.GraphError, match="not in the graph"):
        adjustment_fault(graph, "price", "sales", ("colour",))
