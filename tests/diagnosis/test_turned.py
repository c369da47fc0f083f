"""Edges that a graph has the wrong way round, and what is told all the same."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import whydrift as wd
from whydrift.discovery.graph import Edge, Graph
from whydrift.discovery.progress import silent
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.alternatives import Alternative, Alternatives
from whydrift.monitor.diagnosis.judge import Judgement, judge
from whydrift.monitor.diagnosis.judgement import Floor
from whydrift.monitor.diagnosis.mechanism.residual_scores import ResidualScores
from whydrift.monitor.diagnosis.recalibration import recalibrated
from whydrift.monitor.diagnosis.testing import Testing as MechanismTesting
from whydrift.monitor.diagnosis.turned import put_before

ROWS = 4_000
SEEDS = range(4)
TURNED = [("amount", "shop"), ("amount", "fraud")]


def payments(seed: int, factor: float = 1.0) -> pd.DataFrame:
    """Draw payments: the shop says what an amount is, and the amount how likely a fraud."""
    rng = np.random.default_rng(seed)
    shop = rng.integers(0, 6, ROWS)
    amount = np.exp(3 + 0.5 * (shop - 2.5) + np.log(factor) + rng.normal(size=ROWS))
    fraud = rng.random(ROWS) < 1 / (1 + np.exp(3 - 0.8 * np.log(amount)))
    return pd.DataFrame({"shop": [f"s{n}" for n in shop], "amount": amount, "fraud": fraud * 1})


def learned(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    edges: list[tuple[str, str]],
    target: str,
    knowledge: wd.Knowledge | None = None,
) -> tuple[MechanismTesting, Judgement]:
    """Judge by a graph as if it had been learned."""
    a = Snapshot.from_frame(reference)
    b = Snapshot.from_frame(current, schema=a.schema)
    graph = Graph.from_pairs(edges).with_nodes(list(reference))
    testing = MechanismTesting(
        a, b, b, (), graph, graph.nodes, None, ResidualScores, silent,
        knowledge=knowledge or wd.Knowledge(),
    )  # fmt: skip
    found = judge(
        testing, target=target, prediction=None, has_labels=True, floor=Floor(), level=0.05
    )
    return testing, found


@pytest.mark.parametrize("seed", SEEDS)
def test_a_cause_that_was_learned_as_an_effect_did_not_fail_to_follow(seed):
    testing, found = learned(payments(seed), payments(seed + 50, 1.28), TURNED, "fraud")
    assert found.ranking == ("amount",) and found.verdict == "covariate"
    assert found.judged["shop"].verdict == "stable"
    assert recalibrated(testing, found, Floor(), 0.05, "fraud") is None
    assert found.paths.parents("amount") == ("shop",)


def test_what_somebody_knows_to_be_an_effect_is_no_cause():
    known = wd.Knowledge(tiers=[["amount"], ["shop"]])
    _, found = learned(payments(0), payments(50, 1.28), TURNED, "fraud", known)
    assert set(found.ranking) == {"amount", "shop"}


def test_two_effects_that_do_not_lead_to_each_other_are_no_causes():
    """Two causes of one column would not depend on each other."""

    def frame(seed: int, less: float = 0.0) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        score = rng.normal(size=ROWS)
        limit, price = (score + rng.normal(size=ROWS) for _ in range(2))
        return pd.DataFrame({"score": score - less, "limit": limit, "price": price})

    edges = [("score", "limit"), ("score", "price")]
    testing, found = learned(frame(0), frame(1, less=0.5), edges, "price")
    assert set(found.ranking) == {"score", "limit", "price"}
    rescaled = recalibrated(testing, found, Floor(), 0.05, "price")
    assert rescaled is not None and rescaled.is_fault and rescaled.column == "score"


def test_no_scale_is_told_by_what_follows_from_the_number():
    """Amounts of frauds differ by what frauds are, and not by how they are read."""
    reference, current = payments(0), payments(1)
    less = current.assign(amount=current.amount.where(current.fraud == 0, current.amount / 1.6))
    graph = [("shop", "amount"), ("amount", "fraud")]
    diagnosis = wd.compare(reference, less, graph=graph, target="fraud")
    assert "amount" in diagnosis.ranking
    assert "fraud is" not in diagnosis.summary
    assert not diagnosis.faults


def waits(seed: int, late: float = 0.0) -> pd.DataFrame:
    """Draw rides: who waits long does not accept."""
    rng = np.random.default_rng(seed)
    km = rng.gamma(2, 3, ROWS)
    wait = 5 + 0.3 * km + 2 * rng.normal(size=ROWS) + late
    accepted = rng.random(ROWS) < 1 / (1 + np.exp(0.6 * (wait - 8)))
    return pd.DataFrame({"km": km, "wait": wait, "accepted": accepted * 1})


BEHIND = [("accepted", "wait"), ("km", "wait")]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_target_that_stands_given_what_moved_was_reached(seed):
    _, found = learned(waits(seed), waits(seed + 50, 1.0), BEHIND, "accepted")
    assert found.ranking == ("wait",) and found.conditional_shift is False
    assert found.verdict == "covariate" and found.leads == ("wait",)
    assert set(found.paths.parents("accepted")) == {"wait"}


def test_what_the_target_is_known_to_cause_does_not_lead_to_it():
    known = wd.Knowledge(required=[("accepted", "wait")])
    reference, current = waits(0), waits(50, 1.0)
    testing, _ = learned(reference, current, BEHIND, "accepted", known)
    assert not testing.may_cause("wait", "accepted")
    diagnosis = wd.compare(reference, current, knowledge=known, target="accepted")
    assert "is not known" not in diagnosis.summary and "upstream" not in diagnosis.summary


def test_an_effect_of_the_target_that_moved_does_not_lead_to_it():
    """What it says of the target is another thing now: no sign that the edge is wrong."""

    def symptoms(seed: int, move: float = 0.0) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        ill = rng.random(ROWS) < 0.3
        return pd.DataFrame({"ill": ill * 1, "fever": 1.5 * ill + move + rng.normal(size=ROWS)})

    _, found = learned(symptoms(0), symptoms(1, 0.7), [("ill", "fever")], "ill")
    assert found.conditional_shift and not found.leads
    assert found.ranking == ("fever",) and found.verdict == "none"


def test_a_direction_that_nothing_proves_is_said_to_be_unknown(monkeypatch):
    from whydrift.monitor.diagnosis import explanation as module

    found = module.window_graph

    def turned(*args: object, **options: object) -> object:
        answer = found(*args, **options)  # type: ignore[arg-type]
        graph = Graph.from_pairs(BEHIND).with_nodes(answer.graph.nodes)
        return module.WindowGraph(graph, answer.notes, None, answer.knowledge)

    monkeypatch.setattr(module, "window_graph", turned)
    diagnosis = wd.compare(waits(0), waits(50, 1.0), target="accepted")
    assert diagnosis.verdict == "covariate" and diagnosis.shift_type == "covariate"
    assert "Which of wait and accepted causes the other is not known" in (diagnosis.summary)
    contribution = diagnosis.columns["wait"].contribution
    assert contribution is not None and (contribution.high or 0) < 0
    assert not diagnosis.metric.unexplained


def test_what_moved_without_a_way_to_the_target_is_a_covariate_shift_of_inputs_and_none_of_its():
    def rows(seed: int, move: float = 0.0) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        return waits(seed).assign(noise=move + rng.normal(size=ROWS))

    graph = Graph.from_pairs([("km", "wait"), ("wait", "accepted")])
    graph = graph.with_nodes((*graph.nodes, "noise"))
    diagnosis = wd.compare(rows(0), rows(1, 0.7), graph=graph, target="accepted")
    assert diagnosis.ranking == ("noise",)
    assert diagnosis.verdict == "none" and diagnosis.shift_type == "covariate"


def test_rows_chosen_by_a_column_bring_its_causes_along_in_what_it_contributes():
    def town(seed: int) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        place = rng.gamma(2, size=ROWS)
        age = place + rng.laplace(size=ROWS)
        price = 0.5 * age + place + rng.normal(size=ROWS)
        return pd.DataFrame({"place": place, "age": age, "price": price})

    rows, rng = town(1), np.random.default_rng(2)
    weight = np.exp(3 * rows.age.rank(pct=True)).to_numpy()
    chosen = rows.iloc[rng.choice(ROWS, ROWS // 2, replace=False, p=weight / weight.sum())]
    graph = [("place", "age"), ("place", "price"), ("age", "price")]
    diagnosis = wd.compare(town(0), chosen, graph=graph, target="price")
    assert diagnosis.ranking == ("age",)
    metric, contribution = diagnosis.metric, diagnosis.columns["age"].contribution
    assert metric is not None and contribution is not None
    assert contribution.value == pytest.approx(metric.change.value, rel=0.2)
    assert not metric.unexplained


def test_a_column_is_put_before_others_without_a_cycle():
    graph = Graph.from_pairs([("a", "b"), ("b", "c"), ("a", "c"), ("c", "d"), ("b", "e")])
    turned = put_before(graph, "c", ("a",))
    assert turned.is_dag
    assert {(e.a, e.b) for e in turned} == {
        ("b", "a"), ("b", "c"), ("c", "a"), ("c", "d"), ("b", "e")
    }  # fmt: skip
    assert put_before(graph, "d", ("e",)).parents("e") == ("b", "d")
    open_ = Graph(("a", "b"), (Edge.of("a", "---", "b"),))
    assert put_before(open_, "b", ("a",)) == open_


@pytest.mark.parametrize("known", [False, True])
def test_whether_the_target_was_reached_is_open_where_the_graphs_disagree(known):
    """Half of the graphs have the number lead to the target, and the other half do not."""

    def rows(seed: int, move: float = 0.0) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        x = move + rng.normal(size=ROWS)
        m = 0.1 * x + rng.normal(size=ROWS)
        return pd.DataFrame({"x": x, "m": m, "y": m + rng.normal(size=ROWS)})

    beside = {"x": ("m",), "m": (), "y": ("m",)}
    before = {"x": (), "m": ("x",), "y": ("m",)}
    graphs = (Alternative(beside, 0.6), Alternative(beside if known else before, 0.4))
    a = Snapshot.from_frame(rows(0))
    b = Snapshot.from_frame(rows(1, 0.3), schema=a.schema)
    supported = Alternatives(graphs)
    testing = MechanismTesting(
        a, b, b, (), supported.graph(("x", "m", "y")), ("x", "m", "y"), None, ResidualScores,
        silent, alternatives=supported, knowledge=wd.Knowledge(),
    )  # fmt: skip
    found = judge(testing, target="y", prediction=None, has_labels=True, floor=Floor(), level=0.05)
    assert found.ranking == ("x",)
    assert found.verdict == ("none" if known else "undetermined")
    assert found.doubted == (() if known else ("x",))
