"""Counterfactuals of rows, and whose noise made one odd."""

from __future__ import annotations

import numpy as np
import pytest

import whydrift as wd
from whydrift.effects import Outcome
from whydrift.effects.structural import attribute_outlier, counterfactual, fit_structural_model

GRAPH = wd.Graph.from_pairs([("a", "b"), ("b", "c"), ("a", "c")])


def world(rows=2000, seed=0):
    rng = np.random.default_rng(seed)
    a, noise_b, noise_c = rng.normal(size=(3, rows))
    b = 2 * a + noise_b
    return {"a": a, "b": b, "c": b - a + 0.5 * noise_c}


def one(data, row):
    return {name: values[row : row + 1] for name, values in data.items()}


def test_a_row_s_counterfactual_keeps_its_noise():
    data = world()
    found = counterfactual(fit_structural_model(data, GRAPH), one(data, 3), {"b": 1.0})
    assert found.change("c")[0] == pytest.approx(1.0 - data["b"][3], abs=0.1)
    assert found.change("a")[0] == 0.0


def test_nothing_changes_where_a_column_is_set_to_what_it_was():
    data = world()
    model = fit_structural_model(data, GRAPH, mechanism="boosting")
    found = counterfactual(model, one(data, 5), {"a": float(data["a"][5])})
    assert np.allclose(found.change("c"), 0.0, atol=1e-9)


def test_the_cause_whose_noise_is_odd_is_blamed():
    data = world()
    model = fit_structural_model(data, GRAPH)
    b = np.array([0.2 + 7.0])
    row = {"a": np.array([0.1]), "b": b, "c": b - 0.1}
    found = attribute_outlier(model, row, "c")
    assert found.ranking[0] == "b"
    assert sum(found.contributions.values()) == pytest.approx(found.score)
    assert found.checks[0].outcome is Outcome.PASS


def test_an_ordinary_row_has_nothing_to_explain():
    data = world()
    row = {"a": np.zeros(1), "b": np.zeros(1), "c": np.zeros(1)}
    found = attribute_outlier(fit_structural_model(data, GRAPH), row, "c")
    assert found.checks[0].outcome is Outcome.WARN


def test_what_cannot_be_solved_or_was_not_seen_is_told():
    data = world()
    data["c"] = (data["c"] > 0).astype(float)
    model = fit_structural_model(data, GRAPH)
    with pytest.raises(wd.NotIdentified, match="c holds few values"):
        counterfactual(model, one(data, 0), {"b": 1.0})
    far = counterfactual(fit_structural_model(world(), GRAPH), one(world(), 0), {"a": 100.0})
    assert far.checks[0].outcome is Outcome.FAIL


def test_noise_that_is_not_added_is_told():
    rng = np.random.default_rng(1)
    a = rng.uniform(0, 3, 2000)
    data = {"a": a, "b": a + a**2 * rng.normal(size=2000)}
    model = fit_structural_model(data, wd.Graph.from_pairs([("a", "b")]))
    assert model.checks[0].outcome is Outcome.FAIL


def test_words_and_open_edges_are_refused():
    with pytest.raises(wd.SchemaError, match="holds words"):
        fit_structural_model({**world(), "a": ["x", "y"] * 1000}, GRAPH)
    with pytest.raises(wd.GraphError, match="not directed"):
        fit_structural_model(world(), wd.Graph(("a", "b"), (wd.Edge.of("a", "---", "b"),)))
