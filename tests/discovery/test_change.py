"""Changes between graphs: named as they are, and not called certain where nothing changed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import binom

from whydrift.discovery import Edge, Graph, GraphError, OptionError, SchemaError, Snapshot
from whydrift.discovery.change import Change, difference

DAG = Graph.from_pairs([("a", "c"), ("b", "c"), ("c", "d")], nodes=tuple("abcd"))


def window(
    graph: Graph, rows: int, rng: np.random.Generator, slopes=None, noise=None, **options
) -> Snapshot:
    values = {}
    for name in graph.topological_order():
        values[name] = (noise or rng.normal)(size=rows)
        for cause in graph.parents(name):
            values[name] = values[name] + (slopes or {}).get((cause, name), 0.7) * values[cause]
    return Snapshot.from_frame(pa.table({n: values[n] for n in graph.nodes}), **options)


def changes(*args, **options) -> dict[tuple[str, str], str]:
    found = difference(*args, **options).significant()
    return {(c.a, c.b): c.change.value for c in found}


def without(graph: Graph, a: str, b: str) -> Graph:
    return graph.with_edges(e for e in graph if (e.a, e.b) != (a, b))


# ---- without windows --------------------------------------------------------------------------
def test_edges_that_came_went_or_turned_are_listed_without_p_values():
    after = Graph.from_pairs([("c", "a"), ("b", "c"), ("a", "d")], nodes=tuple("abcd"))
    found = difference(DAG, after)
    assert {(c.a, c.b, c.change.value, c.p_value) for c in found} == {
        ("c", "a", "reversed", None),
        ("c", "d", "removed", None),
        ("a", "d", "added", None),
    }
    assert not found.significant()
    assert len(difference(DAG, DAG)) == 0


def test_an_edge_that_one_graph_leaves_open_is_not_reversed():
    open_ = DAG.with_edges([*without(DAG, "c", "d"), Edge.of("c", "---", "d")])
    assert len(difference(DAG, open_)) == 0


def test_the_rows_are_those_of_the_report_contract():
    (row,) = difference(DAG, without(DAG, "c", "d")).to_dict()
    assert {k: row[k] for k in ("from", "to", "change", "p_value")} == {
        "from": "c", "to": "d", "change": "removed", "p_value": None,
    }  # fmt: skip
    assert row["mark"] == {"before": "-->", "after": None}


# ---- nothing changed --------------------------------------------------------------------------
@pytest.mark.parametrize("world", ["normal", "heavy tails", "unequal spread"])
def test_where_nothing_changed_a_wrong_graph_is_seldom_called_a_change(world):
    # Both graphs are wrong in ways that a search would be: lost, spurious and turned edges.
    before = without(DAG, "b", "c").with_edges([*without(DAG, "b", "c"), Edge.of("a", "-->", "d")])
    after = DAG.with_edges([*without(DAG, "c", "d"), Edge.of("d", "-->", "c")])
    trials, level, alarms = 120, 0.05, 0
    for seed in range(trials):
        rng = np.random.default_rng([seed, 3])
        noise = (
            (lambda size, rng=rng: rng.standard_t(3, size=size)) if world == "heavy tails" else None
        )
        one, other = (window(DAG, rows, rng, noise=noise) for rows in (200, 120))
        if world == "unequal spread":
            one, other = (
                w.with_sample({"d": w.column("d") + rng.normal(size=w.rows) * w.column("c")})
                for w in (one, other)
            )
        alarms += bool(difference(before, after, one, other).significant(level))
    assert alarms <= binom.isf(1e-4, trials, level)


def test_rows_that_depend_on_their_neighbours_do_not_alarm():
    trials, alarms = 80, 0
    for seed in range(trials):
        rng = np.random.default_rng([seed, 4])

        def walk(size, rng=rng):
            steps = rng.normal(size=size)
            for i in range(1, size):
                steps[i] += 0.9 * steps[i - 1]
            return steps

        one, other = (window(DAG, 600, rng, noise=walk) for _ in range(2))
        alarms += bool(difference(DAG, without(DAG, "c", "d"), one, other).significant())
    assert alarms <= binom.isf(1e-4, trials, 0.05)


def test_a_shift_of_a_cause_changes_no_edge():
    trials, alarms = 60, 0
    for seed in range(trials):
        rng = np.random.default_rng([seed, 5])
        one = window(DAG, 1000, rng)
        values = {"a": 2 * rng.normal(size=800) + 1, "b": rng.normal(size=800)}
        values["c"] = 0.7 * values["a"] + 0.7 * values["b"] + rng.normal(size=800)
        values["d"] = 0.7 * values["c"] + rng.normal(size=800)
        other = Snapshot.from_frame(pa.table(values), schema=one.schema)
        alarms += bool(difference(DAG, without(DAG, "a", "c"), one, other).significant())
    assert alarms <= binom.isf(1e-4, trials, 0.05)


# ---- something changed ------------------------------------------------------------------------
def test_an_edge_that_went_or_came_is_named_with_a_small_p_value():
    rng = np.random.default_rng(1)
    gone = without(DAG, "c", "d")
    one, other = window(DAG, 2000, rng), window(gone, 2000, rng)
    assert changes(DAG, gone, one, other) == {("c", "d"): "removed"}
    assert changes(gone, DAG, other, one) == {("c", "d"): "added"}


def test_an_edge_that_only_grew_faint_is_weakened_even_where_the_search_lost_it():
    rng = np.random.default_rng(2)
    one, other = window(DAG, 2000, rng), window(DAG, 2000, rng, {("c", "d"): 0.3})
    assert changes(DAG, DAG, one, other) == {("c", "d"): "weakened"}
    assert changes(DAG, without(DAG, "c", "d"), one, other) == {("c", "d"): "weakened"}
    assert changes(DAG, DAG, other, one) == {("c", "d"): "strengthened"}


def test_an_edge_that_the_search_lost_by_chance_is_listed_and_not_called_gone():
    rng = np.random.default_rng(3)
    one, other = (window(DAG, 1000, rng) for _ in range(2))
    (change,) = difference(DAG, without(DAG, "c", "d"), one, other)
    assert change.change is Change.REMOVED
    assert change.p_value is not None
    assert change.p_value > 0.05
    assert change.strength_after == pytest.approx(change.strength_before, abs=0.1)


def test_a_turned_edge_is_reversed_with_a_small_p_value():
    rng = np.random.default_rng(4)
    turned = DAG.with_edges([*without(DAG, "b", "c"), Edge.of("c", "-->", "b")])
    one, other = window(DAG, 2000, rng), window(turned, 2000, rng)
    assert changes(DAG, turned, one, other)["c", "b"] == "reversed"
    same = window(DAG, 2000, rng)
    (change,) = difference(DAG, turned, one, same)
    assert change.p_value is not None
    assert change.p_value > 0.05


def test_categories_and_missing_values_are_compared_too():
    rng = np.random.default_rng(5)

    def mixed(rows, strength, schema=None):
        x = rng.normal(size=rows)
        level = np.where(strength * x + rng.logistic(size=rows) > 0, "yes", "no").astype(object)
        x[rng.random(rows) < 0.1] = np.nan
        table = pa.table({"x": x, "level": level.tolist()})
        return Snapshot.from_frame(table, schema=schema)

    graph = Graph.from_pairs([("x", "level")])
    one = mixed(1000, 2.0)
    assert changes(graph, graph, one, mixed(1000, 0.5, one.schema)) == {("x", "level"): "weakened"}
    assert changes(graph, graph, one, mixed(1000, 2.0, one.schema)) == {}


# ---- refusals ---------------------------------------------------------------------------------
def test_too_few_rows_give_no_p_value():
    rng = np.random.default_rng(6)
    one, other = window(DAG, 1000, rng), window(DAG, 15, rng)
    (change,) = difference(DAG, without(DAG, "c", "d"), one, other)
    assert change.p_value is None
    assert change.change is Change.REMOVED


def test_what_cannot_be_compared_is_refused():
    rng = np.random.default_rng(7)
    one = window(DAG, 50, rng)
    with pytest.raises(GraphError, match="'d' is in one graph only"):
        difference(DAG, DAG.with_nodes("abc"))
    with pytest.raises(OptionError, match="only one of the two windows"):
        difference(DAG, DAG, one)
    with pytest.raises(OptionError, match="not between 0 and 1"):
        difference(DAG, DAG, one, one, level=5)
    with pytest.raises(GraphError, match="'e' of the graphs is not in a window"):
        difference(*(DAG.with_nodes((*"abcd", "e")) for _ in range(2)), one, one)
    names = [Snapshot.from_frame(pa.table({"x": [f"{k}{i % 3}" for i in range(60)]})) for k in "pq"]
    with pytest.raises(SchemaError, match="categories of column 'x'"):
        difference(Graph(("x",)), Graph(("x",)), *names)


def test_the_notebook_view_escapes_names():
    graph = Graph.from_pairs([("<b>", "y")])
    assert "<b>" not in difference(graph, Graph(graph.nodes))._repr_html_()
