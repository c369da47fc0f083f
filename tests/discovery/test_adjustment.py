"""Adjustment sets, front doors and instruments: textbook graphs, and linear models as the judge."""

from __future__ import annotations

from itertools import chain, combinations, product

import numpy as np
import pytest

from whydrift.discovery import Edge, Graph, GraphError, Mark, Origin
from whydrift.discovery.adjustment import (
    Instrument,
    adjustment_problem,
    adjustment_sets,
    front_door_sets,
    instruments,
    is_adjustment_set,
    is_front_door_set,
    minimal_adjustment_set,
    optimal_adjustment_set,
)
from whydrift.discovery.ancestral import is_mag
from whydrift.discovery.classes import class_members
from whydrift.discovery.orientation import dag_to_cpdag

NAMES = tuple("abcde")


def graph_of(text: str) -> Graph:
    edges = [Edge.of(*edge.split()) for edge in text.split(",")]
    return Graph(tuple(dict.fromkeys(n for e in edges for n in (e.a, e.b))), tuple(edges))


def subsets(items):
    return chain.from_iterable(combinations(items, size) for size in range(len(items) + 1))


def random_admg(rng: np.random.Generator) -> Graph:
    order = rng.permutation(len(NAMES))
    edges = []
    for i, j in combinations(range(len(NAMES)), 2):
        mark = rng.choice(["", "-->", "<->"], p=[0.4, 0.45, 0.15])
        if mark:
            a, b = NAMES[order[i]], NAMES[order[j]]
            edges.append(Edge.of(a, str(mark), b, origin=Origin.GIVEN))
    return Graph(NAMES, tuple(edges))


class LinearModel:
    """Random slopes and noise: a set is valid exactly if its regression gives the total effect."""

    def __init__(self, graph: Graph, rng: np.random.Generator) -> None:
        self.place = {n: i for i, n in enumerate(graph.nodes)}
        count = len(graph.nodes)
        slopes, noise = np.zeros((count, count)), np.eye(count)
        for edge in graph:
            i, j = self.place[edge.a], self.place[edge.b]
            if edge.is_directed:
                slopes[j, i] = rng.choice([-1, 1]) * rng.uniform(0.5, 1.5)
            else:
                noise[i, j] = noise[j, i] = 0.2 * rng.uniform(0.5, 1)
        self.total = np.linalg.inv(np.eye(count) - slopes)
        self.covariance = self.total @ noise @ self.total.T

    def is_valid(self, x: str, y: str, given: tuple[str, ...]) -> bool:
        on = [self.place[n] for n in (x, *given)]
        slope = np.linalg.solve(
            self.covariance[np.ix_(on, on)], self.covariance[on, self.place[y]]
        )[0]
        return bool(abs(slope - self.total[self.place[y], self.place[x]]) < 1e-9)


def valid_sets(graph: Graph, x: str, y: str, rng: np.random.Generator) -> set[frozenset[str]]:
    model = LinearModel(graph, rng)
    rest = [n for n in graph.nodes if n not in (x, y)]
    return {frozenset(s) for s in subsets(rest) if model.is_valid(x, y, s)}


def minimal(sets: set[frozenset[str]]) -> set[frozenset[str]]:
    return {s for s in sets if not any(other < s for other in sets)}


# ---- adjustment -------------------------------------------------------------------------------
def test_a_set_is_valid_exactly_where_regression_gives_the_total_effect():
    rng = np.random.default_rng(0)
    for _ in range(40):
        graph = random_admg(rng)
        x, y = rng.choice(NAMES, size=2, replace=False).tolist()
        truth = valid_sets(graph, x, y, rng)
        rest = [n for n in NAMES if n not in (x, y)]
        assert {frozenset(s) for s in subsets(rest) if is_adjustment_set(graph, x, y, s)} == truth
        one, every = minimal_adjustment_set(graph, x, y), adjustment_sets(graph, x, y)
        assert set(every) == minimal(truth)
        assert len(set(every)) == len(every)
        assert one in every if every else one is None


def test_in_a_cpdag_a_set_is_valid_where_it_is_in_every_dag_of_the_class(random_dag):
    rng = np.random.default_rng(1)
    seen = 0
    for _ in range(30):
        cpdag = dag_to_cpdag(random_dag(NAMES, 2.5, rng))
        x, y = rng.choice(NAMES, size=2, replace=False).tolist()
        members = list(class_members(cpdag))
        rest = [n for n in NAMES if n not in (x, y)]
        for given in subsets(rest):
            everywhere = all(is_adjustment_set(m, x, y, given) for m in members)
            assert is_adjustment_set(cpdag, x, y, given) == everywhere
            seen += everywhere
    assert seen > 30


def test_unobserved_nodes_are_in_no_set():
    graph = graph_of("u --> x, u --> y, w --> u, x --> y")
    assert set(adjustment_sets(graph, "x", "y")) == {frozenset("u")}
    assert adjustment_sets(graph, "x", "y", unobserved=["u"]) == ()
    assert minimal_adjustment_set(graph, "x", "y", unobserved=["u"]) is None


def test_sets_of_causes_are_adjusted_for_together():
    # Perković et al. (2018), example 6 in kind: the second treatment is on no proper path.
    graph = graph_of("c --> x, c --> y, x --> m, m --> z, z --> y, d --> z, d --> y")
    assert is_adjustment_set(graph, {"x", "z"}, "y", {"c", "d"})
    assert not is_adjustment_set(graph, {"x", "z"}, "y", {"c"})


def test_the_reason_is_given_in_words():
    graph = graph_of("c --> x, c --> y, x --> m, m --> y")
    assert adjustment_problem(graph, "x", "y", "c") is None
    assert "not causal stays open" in str(adjustment_problem(graph, "x", "y"))
    assert "m may be caused by x" in str(adjustment_problem(graph, "x", "y", {"c", "m"}))
    open_ = graph_of("x --- y")
    assert "x --- y is not known" in str(adjustment_problem(open_, "x", "y"))


def test_m_bias_needs_no_adjustment_and_is_made_by_it():
    graph = graph_of("u --> x, u --> m, v --> m, v --> y, x --> y")
    assert is_adjustment_set(graph, "x", "y")
    assert not is_adjustment_set(graph, "x", "y", "m")
    assert adjustment_sets(graph, "x", "y") == (frozenset(),)


def test_a_learned_hidden_cause_means_that_other_edges_may_hide_one_too():
    given = graph_of("x --> y, y <-> z")
    assert adjustment_problem(given, "x", "y") is not None  # learned: x --> y is not visible
    named = given.with_edges(
        Edge(e.a, e.b, e.mark_at_a, e.mark_at_b, origin="given") for e in given
    )
    assert is_adjustment_set(named, "x", "y")
    visible = graph_of("i --> x, x --> y, y <-> z")
    assert is_adjustment_set(visible, "x", "y")


def test_in_a_pag_a_set_is_valid_where_it_is_in_every_mag_of_the_class():
    # All PAGs of four nodes in which c and d are apart, each from all MAGs of its class.
    names, hint = tuple("abcd"), Edge.of("p", "<->", "q", origin=Origin.LEARNED)
    pairs = [pair for pair in combinations(names, 2) if pair != ("c", "d")]
    classes: dict[frozenset, list[Graph]] = {}
    for marks in product([None, "-->", "<--", "<->"], repeat=len(pairs)):
        edges = tuple(Edge.of(x, m, y) for (x, y), m in zip(pairs, marks, strict=True) if m)
        if len(edges) < 4 or has_cycle(edges):
            continue
        # Learned, so that in members without a double-headed arrow edges may hide one too.
        mag = Graph((*names, "p", "q"), (*edges, hint))
        if is_mag(mag):
            classes.setdefault(separations(mag, names), []).append(mag)
    assert len(classes) > 20
    valid = 0
    for members in classes.values():
        pag = common_marks(members)
        for x, y in (("a", "b"), ("a", "c"), ("c", "a"), ("c", "d")):
            for given in subsets([n for n in names if n not in (x, y)]):
                everywhere = all(is_adjustment_set(m, x, y, given) for m in members)
                assert is_adjustment_set(pag, x, y, given) == everywhere
                valid += everywhere
    assert valid > 50


def has_cycle(edges: tuple[Edge, ...]) -> bool:
    try:
        Graph(tuple("abcd"), edges)
    except GraphError:
        return True
    return False


def separations(graph: Graph, names: tuple[str, ...]) -> frozenset:
    return frozenset(
        (x, y, given)
        for x, y in combinations(names, 2)
        for given in subsets([n for n in names if n not in (x, y)])
        if graph.is_separated(x, y, given)
    )


def common_marks(members: list[Graph]) -> Graph:
    edges = []
    for edge in members[0]:
        ends = []
        for here, there in ((edge.a, edge.b), (edge.b, edge.a)):
            found = {mark for m in members for other, mark, _ in m.ends(here) if other == there}
            ends.append(found.pop() if len(found) == 1 else Mark.CIRCLE)
        left = {Mark.ARROW: "<"}.get(ends[0], ends[0].value)
        edges.append(Edge.of(edge.a, f"{left}-{ends[1].value}", edge.b))
    return members[0].with_edges(edges)


def test_a_flood_of_minimal_sets_is_refused():
    pairs = ", ".join(f"a{i} --> x, a{i} --> b{i}, b{i} --> y" for i in range(8))
    with pytest.raises(GraphError, match="more than 100"):
        adjustment_sets(graph_of(f"{pairs}, x --> y"), "x", "y", limit=100)


# ---- the best set -----------------------------------------------------------------------------
def test_the_best_set_is_valid_and_no_valid_set_has_a_smaller_variance(random_dag):
    rng = np.random.default_rng(2)
    seen = 0
    while seen < 25:
        dag = random_dag(NAMES, 2.5, rng)
        x, y = rng.choice(NAMES, size=2, replace=False).tolist()
        if y not in dag.descendants(x):
            continue
        seen += 1
        best = optimal_adjustment_set(dag, x, y)
        model = LinearModel(dag, rng)

        def variance(given, model=model, x=x, y=y):  # asymptotic, of least squares
            def left(target, on):
                c, i = model.covariance, [model.place[n] for n in on]
                t = model.place[target]
                return c[t, t] - c[t, i] @ np.linalg.solve(c[np.ix_(i, i)], c[i, t])

            return left(y, (x, *given)) / left(x, given)

        valid = valid_sets(dag, x, y, rng)
        assert best in valid
        assert all(variance(sorted(best)) <= variance(sorted(s)) + 1e-9 for s in valid)


def test_the_best_set_of_a_published_example():
    # Henckel et al. (2022), figure 1: an instrument is left out, a cause of the effect is in.
    graph = graph_of("z --> x, c --> x, c --> y, w --> y, x --> m, m --> y, v --> m")
    assert optimal_adjustment_set(graph, "x", "y") == {"c", "w", "v"}
    with pytest.raises(GraphError, match="total effect is zero"):
        optimal_adjustment_set(graph, "y", "x")
    assert optimal_adjustment_set(graph_of("x --- y, y --- z"), "x", "y") is None
    with pytest.raises(GraphError, match="may be hidden"):
        optimal_adjustment_set(graph_of("x --> y, z o-> y"), "x", "y")


# ---- front doors ------------------------------------------------------------------------------
def test_pearls_front_door():
    graph = graph_of("x --> m, m --> y, x <-> y")
    assert is_front_door_set(graph, "x", "y", "m")
    assert front_door_sets(graph, "x", "y") == (frozenset("m"),)
    assert adjustment_sets(graph, "x", "y") == ()


@pytest.mark.parametrize(
    "text",
    [
        "x --> m, m --> y, x --> y",  # not all paths are met
        "x --> m, m --> y, x <-> m, x <-> y",  # a bow cannot be drawn; here m has a back door
        "x --> m, m --> y, m <-> y, x <-> y",
    ],
)
def test_what_is_no_front_door(text):
    parts = dict.fromkeys(text.split(", "))
    edges, pairs = [], set()
    for part in parts:
        edge = Edge.of(*part.split())
        if frozenset((edge.a, edge.b)) in pairs:  # a hidden node where the pair has an edge
            hidden = f"u{len(edges)}"
            edges += [Edge.of(hidden, "-->", edge.a), Edge.of(hidden, "-->", edge.b)]
        else:
            edges.append(edge)
            pairs.add(frozenset((edge.a, edge.b)))
    nodes = tuple(dict.fromkeys(n for e in edges for n in (e.a, e.b)))
    graph = Graph(nodes, tuple(edges))
    unseen = [n for n in nodes if n.startswith("u")]
    assert not is_front_door_set(graph, "x", "y", "m")
    assert front_door_sets(graph, "x", "y", unobserved=unseen) == ()


def test_the_napkin_has_no_simple_answer():
    # Pearl & Mackenzie (2018), figure 7.5: identified, but by none of these.
    graph = graph_of("w --> r, r --> x, x --> y, w <-> x, w <-> y")
    assert adjustment_sets(graph, "x", "y") == ()
    assert front_door_sets(graph, "x", "y") == ()


def test_every_front_door_set_satisfies_pearls_three_conditions():
    rng = np.random.default_rng(3)
    seen = 0
    for _ in range(150):
        graph = random_admg(rng)
        x, y = rng.choice(NAMES, size=2, replace=False).tolist()
        rest = [n for n in NAMES if n not in (x, y)]
        if y in graph.descendants(x):
            every = {frozenset(s) for s in subsets(rest) if is_front_door_set(graph, x, y, s)}
            assert set(front_door_sets(graph, x, y)) == minimal(every)
            seen += bool(every)
    assert seen > 5


# ---- instruments ------------------------------------------------------------------------------
def test_an_instrument_and_one_that_needs_a_condition():
    # Brito & Pearl (2002), figure 1 in kind: z is an instrument once w is adjusted for.
    plain = graph_of("z --> x, x --> m, m --> y, x <-> y")
    assert instruments(plain, "x", "y") == (Instrument("z", frozenset()),)
    conditional = graph_of("w --> z, w --> y, z --> x, x --> m, m --> y, x <-> y")
    assert Instrument("z", frozenset("w")) in instruments(conditional, "x", "y")
    assert instruments(conditional, "x", "y", unobserved=["w"]) == ()


def test_an_instrument_estimates_the_total_effect():
    rng = np.random.default_rng(4)
    seen = 0
    for _ in range(400):
        graph = random_admg(rng)
        x, y = rng.choice(NAMES, size=2, replace=False).tolist()
        model = LinearModel(graph, rng)
        for found in instruments(graph, x, y):
            seen += 1
            given = [model.place[n] for n in sorted(found.given)]
            c, z, cause, effect = model.covariance, *(model.place[n] for n in (found.name, x, y))

            def partial(one, other, c=c, given=given):
                g = np.ix_(given, given)
                return c[one, other] - c[one, given] @ np.linalg.solve(c[g], c[given, other])

            ratio = partial(z, effect) / partial(z, cause)
            assert abs(ratio - model.total[effect, cause]) < 1e-8
    assert seen > 20
