"""Edges that came, went, or became stronger or weaker; and parents that merely moved."""

import time

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from whydrift.discovery.graph import Graph
from whydrift.discovery.progress import silent
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.compare import compare
from whydrift.monitor.diagnosis.diagnosis import GraphChange
from whydrift.monitor.diagnosis.graph_change import changed_edges
from whydrift.monitor.diagnosis.judgement import Floor
from whydrift.monitor.diagnosis.mechanism.residual_scores import ResidualScores
from whydrift.monitor.diagnosis.testing import Testing as MechanismTesting

NODES = ("a", "b", "k", "d", "y")
GRAPH = Graph.from_pairs([("a", "b"), ("a", "y"), ("b", "y"), ("k", "y")]).with_nodes(NODES)


def world(
    rows: int,
    seed: int,
    *,
    move: float = 0.0,
    sd: float = 1.0,
    of_b: float = 0.8,
    of_d: float = 0.0,
    of_u: float = 0.7,
    noise: float = 1.0,
    level: float = 0.0,
) -> pd.DataFrame:
    """a bends b and y; k, a category, and b reach y; d is by itself. Noise grows with a."""
    rng = np.random.default_rng(seed)
    a = move + sd * rng.normal(size=rows)
    b = np.sin(1.5 * a) + 0.15 * a**2 + rng.normal(size=rows)
    k = rng.choice(["u", "v", "w"], rows)
    d = rng.normal(size=rows) + 0.3 * move
    y = level + of_b * b + 0.5 * a**2 - 0.3 * a + of_u * (k == "u") + of_d * d
    y += noise * rng.normal(size=rows) * (1 + 0.3 * np.abs(a))
    return pd.DataFrame({"a": a, "b": b, "k": k, "d": d, "y": y})


def changes(
    reference: pd.DataFrame, current: pd.DataFrame, *, level: float = 0.05, graph: Graph = GRAPH
) -> tuple[GraphChange, ...]:
    a = Snapshot.from_frame(reference)
    b = Snapshot.from_frame(current, schema=a.schema)
    testing = MechanismTesting(a, b, b, (), graph, graph.nodes, None, ResidualScores, silent)
    floor = Floor.of(None)
    evidence = testing.evidence()
    return changed_edges(
        testing.repaired, graph, evidence, testing.usable, floor=floor, level=level
    )


def named(found: tuple[GraphChange, ...]) -> set[tuple[str, str, str]]:
    return {(c.a, c.b, c.change) for c in found}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"of_b": 0.4}, ("b", "y", "weakened")),
        ({"of_b": 1.4}, ("b", "y", "strengthened")),
        ({"of_b": 0.0}, ("b", "y", "removed")),
        ({"of_u": 0.0}, ("k", "y", "removed")),
        ({"of_d": 0.6}, ("d", "y", "added")),
        ({"of_d": 0.6, "move": 0.7}, ("d", "y", "added")),
    ],
)
def test_a_changed_edge_is_named_and_no_other(changed, expected):
    assert named(changes(world(3000, 1), world(3000, 2, **changed))) == {expected}


@pytest.mark.parametrize("changed", [{"level": 1.0}, {"noise": 1.6}])
def test_a_column_that_moved_along_its_edges_as_before_changes_no_edge(changed):
    assert changes(world(3000, 1), world(3000, 2, **changed)) == ()


@pytest.mark.parametrize("changed", [{}, {"move": 1.0}, {"move": 0.7, "sd": 1.4}])
def test_silent_when_parents_moved_along_bent_mechanisms(changed):
    trials, level = 30, 0.05
    found = sum(
        bool(changes(world(800, i), world(800, 500 + i, **changed), level=10 * level))
        for i in range(trials)
    )
    assert found <= binom.isf(1e-3, trials, level)


def test_an_edge_that_the_graph_lacks_in_both_windows_is_no_change():
    reference, current = world(3000, 1, of_d=0.6), world(3000, 2, of_d=0.6, level=1.0)
    assert changes(reference, current) == ()


def test_columns_related_to_a_new_parent_are_not_taken_for_parents():
    def window(seed: int, slope: float) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        p = rng.normal(size=3000)
        q, r = (0.8 * p + 0.6 * rng.normal(size=3000) for _ in range(2))
        return pd.DataFrame({"p": p, "q": q, "r": r, "y": slope * q + rng.normal(size=3000)})

    graph = Graph.from_pairs([("p", "q"), ("p", "r")]).with_nodes(("p", "q", "r", "y"))
    assert named(changes(window(1, 0.0), window(2, 0.8), graph=graph)) == {("q", "y", "added")}


def test_changed_edges_stand_in_the_diagnosis():
    diagnosis = compare(
        (a := Snapshot.from_frame(world(2000, 1))),
        Snapshot.from_frame(world(2000, 2, of_b=0.0), schema=a.schema),
        graph=GRAPH,
        target="y",
    )
    (change,) = diagnosis.to_dict()["graph_change"]
    assert (change["from"], change["to"], change["change"]) == ("b", "y", "removed")
    assert 0 <= change["p_value"] < 1e-4


def test_ten_columns_of_five_thousand_rows_take_a_tenth_of_a_second():
    def window(seed: int, slope: float) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        columns = [rng.normal(size=5000)]
        for i in range(1, 10):
            columns.append(slope * sum(columns[max(0, i - 3) : i]) + rng.normal(size=5000))
        return pd.DataFrame({f"x{i}": c / c.std() for i, c in enumerate(columns)})

    pairs = [(f"x{j}", f"x{i}") for i in range(10) for j in range(max(0, i - 3), i)]
    graph = Graph.from_pairs(pairs)
    a = Snapshot.from_frame(window(1, 0.5))
    b = Snapshot.from_frame(window(2, 0.45), schema=a.schema)
    testing = MechanismTesting(a, b, b, (), graph, graph.nodes, None, ResidualScores, silent)
    evidence, floor = testing.evidence(), Floor.of(None)
    seconds = []
    for _ in range(3):
        started = time.process_time()
        changed_edges(testing.repaired, graph, evidence, testing.usable, floor=floor, level=0.05)
        seconds.append(time.process_time() - started)
    print(seconds)
    assert min(seconds) < 0.4  # a tenth of a second on an idle machine


def test_an_edge_that_goes_the_other_way_is_weakened_and_turned():
    def window(seed: int, slope: float) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        x = rng.normal(size=1000)
        return pd.DataFrame({"x": x, "y": slope * x + rng.normal(size=1000)})

    for seed in range(4):
        frames = [Snapshot.from_frame(window(seed + s, b)) for s, b in ((0, 1.0), (50, -1.0))]
        (change,) = compare(*frames, graph=Graph.from_pairs([("x", "y")])).graph_change
        assert (change.change, change.turned) == ("weakened", True)
    frames = [Snapshot.from_frame(window(s, b)) for s, b in ((0, 1.0), (50, 0.5))]
    (change,) = compare(*frames, graph=Graph.from_pairs([("x", "y")])).graph_change
    assert (change.change, change.turned) == ("weakened", False)
