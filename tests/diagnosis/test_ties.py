from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from whydrift.discovery.graph import Edge, Graph
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.compare import compare
from whydrift.monitor.diagnosis.diagnosis import (
    ColumnVerdict,
    Diagnosis,
    ReasonCode,
    ShiftType,
    Verdict,
)
from whydrift.monitor.diagnosis.pair import WindowPair
from whydrift.monitor.diagnosis.ties import _largest_changes, changed_correlations, loose_edges


def diagnose(reference: pd.DataFrame, current: pd.DataFrame, **options) -> Diagnosis:
    a = Snapshot.from_frame(reference)
    return compare(a, Snapshot.from_frame(current, schema=a.schema), **options)


def pair_and_child(rows: int, seed: int, correlation: float) -> pd.DataFrame:
    """Two standard normal columns of a given correlation, and a child of the second."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    y = correlation * x + np.sqrt(1 - correlation**2) * rng.normal(size=rows)
    return pd.DataFrame({"x": x, "y": y, "z": 0.6 * y + 0.8 * rng.normal(size=rows)})


def joined_by(mark: str) -> Graph:
    return Graph(("x", "y", "z"), (Edge.of("x", mark, "y"), Edge.of("y", "-->", "z")))


@pytest.mark.parametrize("mark", ["---", "o-o", "o->", "<->"])
@pytest.mark.parametrize("now", [0.0, -0.7])
def test_a_dependence_that_went_or_turned_is_told_whatever_edge_without_a_cause_it_had(mark, now):
    before, after = pair_and_child(1000, 1, 0.7), pair_and_child(1000, 2, now)
    diagnosis = diagnose(before, after, graph=joined_by(mark), target="y")
    code = ReasonCode.SHARED_HIDDEN_CAUSE if mark == "<->" else ReasonCode.UNDECIDED_EDGE
    for name in ("x", "y"):
        assert diagnosis.columns[name].verdict is ColumnVerdict.UNDETERMINED
        assert diagnosis.columns[name].reason_code is code
        assert diagnosis.columns[name].group == "x and y"
    assert diagnosis.verdict is Verdict.UNDETERMINED
    assert "How x and y depend on each other changed" in diagnosis.summary
    assert diagnosis.ranking == ()


def test_a_dependence_by_a_column_that_was_left_out_is_not_called_stable():
    rng = np.random.default_rng(3)

    def window(strength: float) -> pd.DataFrame:
        hidden, noise = rng.normal(size=800), rng.normal(size=(2, 800))
        x, y = strength * hidden + np.sqrt(1 - strength**2) * noise
        return pd.DataFrame({"x": x, "y": y})

    graph = Graph(("x", "y"), (Edge.of("x", "<->", "y"),))
    diagnosis = diagnose(window(0.85), window(0.0), graph=graph)
    assert {c.reason_code for c in diagnosis.columns.values()} == {ReasonCode.SHARED_HIDDEN_CAUSE}


def by_both(rows: int, seed: int, correlation: float) -> pd.DataFrame:
    """A target that is the product of two columns, but for noise."""
    frame = pair_and_child(rows, seed, correlation).drop(columns="z")
    noise = np.random.default_rng(seed + 100).normal(size=rows)
    return frame.assign(t=frame["x"] * frame["y"] + 0.5 * noise)


@pytest.mark.parametrize("mark", ["---", "o-o", "<->"])
def test_what_a_lost_dependence_did_to_the_target_is_put_down_to_the_group(mark):
    edges = (Edge.of("x", mark, "y"), Edge.of("x", "-->", "t"), Edge.of("y", "-->", "t"))
    graph = Graph(("x", "y", "t"), edges)
    diagnosis = diagnose(by_both(1500, 1, 0.7), by_both(1500, 2, 0.0), graph=graph, target="t")
    assert diagnosis.verdict is Verdict.COVARIATE
    assert diagnosis.shift_type is ShiftType.COVARIATE
    change = diagnosis.metric.change.value
    assert abs(change) > 0.5
    for name in ("x", "y"):
        part = diagnosis.columns[name].contribution
        assert part.value == pytest.approx(change / 2, rel=0.15)
        assert part.low < change < 0 == part.high
    assert abs(diagnosis.metric.unattributed) < 0.15 * abs(change)


def test_a_target_below_one_of_two_columns_whose_hidden_cause_moved_was_carried_along():
    rng = np.random.default_rng(5)

    def window(shift: float) -> pd.DataFrame:
        hidden, noise = shift + rng.normal(size=1000), rng.normal(size=(3, 1000))
        y = hidden + noise[1]
        return pd.DataFrame({"x": hidden + noise[0], "y": y, "z": 0.6 * y + noise[2]})

    diagnosis = diagnose(window(0.0), window(0.8), graph=joined_by("<->"), target="z")
    assert diagnosis.columns["y"].group == "x and y"
    assert diagnosis.columns["z"].verdict is ColumnVerdict.INHERITED
    assert diagnosis.verdict is Verdict.COVARIATE
    assert "x or y" in diagnosis.summary
    assert diagnosis.columns["y"].contribution.high > 0.3


def test_many_columns_with_one_hidden_cause_cost_one_more_test_a_column_each():
    rng = np.random.default_rng(8)
    names = [f"v{i}" for i in range(10)]

    def window(*, is_apart: bool) -> pd.DataFrame:
        hidden, noise = rng.normal(size=800), rng.normal(size=(10, 800))
        values = dict(zip(names, hidden + noise, strict=True))
        if is_apart:
            values["v9"] = 1.4 * rng.normal(size=800)
        return pd.DataFrame(values)

    pairs = combinations(names, 2)
    graph = Graph(tuple(names), tuple(Edge.of(a, "<->", b) for a, b in pairs))
    diagnosis = diagnose(window(is_apart=False), window(is_apart=True), graph=graph)
    assert diagnosis.error_control.tests == 19
    told = {n for n, c in diagnosis.columns.items() if c.group is not None}
    assert "v9" in told and "v9" in diagnosis.columns["v0"].group


@pytest.mark.parametrize("turned", [False, True])
def test_a_column_that_moved_beside_an_open_edge_is_the_whole_explanation(turned):
    rng = np.random.default_rng(6)

    def window(shift: float) -> pd.DataFrame:
        cause, noise = rng.normal(size=(2, 600))
        if turned:  # y causes x, and P(y | x) moves with x
            return pd.DataFrame({"x": 0.7 * cause + noise + shift, "y": cause})
        return pd.DataFrame({"x": cause + shift, "y": 0.7 * (cause + shift) + noise})

    graph = Graph(("x", "y"), (Edge.of("x", "---", "y"),))
    diagnosis = diagnose(window(0.0), window(0.8), graph=graph)
    assert diagnosis.ranking == ("x",)
    assert all(c.group is None for c in diagnosis.columns.values())


@pytest.mark.parametrize("shift, spread", [(0.0, 1.0), (1.0, 1.0), (0.0, 1.6)])
def test_where_only_the_cause_of_both_moved_what_they_have_in_common_stands(shift, spread):
    edges = (Edge.of("c", "-->", "x"), Edge.of("c", "-->", "y"), Edge.of("x", "<->", "y"))
    graph = Graph(("c", "x", "y"), edges)
    told = 0
    for seed in range(25):
        rng = np.random.default_rng(seed)

        def window(mean: float, sd: float, rng: np.random.Generator = rng) -> pd.DataFrame:
            c, hidden = mean + sd * rng.normal(size=300), rng.normal(size=300)
            x, y = hidden + 0.7 * rng.normal(size=(2, 300))
            return pd.DataFrame({"c": c, "x": x + 0.6 * c, "y": y - 0.5 * c})

        diagnosis = diagnose(window(0, 1), window(shift, spread), graph=graph, floor=0.0)
        told += any(c.group is not None for c in diagnosis.columns.values())
    assert told <= 3  # a level of .05 leaves this bound once in 30 million


def test_slopes_of_opposite_sign_that_a_pooled_graph_lacks_are_told():
    before, after = pair_and_child(1000, 1, 0.7), pair_and_child(1000, 2, -0.7)
    diagnosis = diagnose(before, after, method="pc")
    assert diagnosis.graph.edge_between("x", "y") is None
    assert diagnosis.columns["x"].group == diagnosis.columns["y"].group == "x and y"
    assert "x and y" in diagnosis.summary


def test_pairs_without_an_edge_are_picked_by_how_much_their_correlation_changed():
    before, after = pair_and_child(500, 1, 0.7), pair_and_child(500, 2, 0.0)
    a = Snapshot.from_frame(before)
    names = ("x", "y", "z")
    pair = WindowPair(a, Snapshot.from_frame(after, schema=a.schema), names)
    picked, pairs = changed_correlations(pair, names, ())
    assert picked[0] == ("x", "y") and pairs == 3
    picked, pairs = changed_correlations(pair, names, [frozenset({"x", "y"})])
    assert ("x", "y") not in picked and pairs == 2


@pytest.mark.parametrize("at_once", [1, 7, 1000])
def test_correlations_are_the_same_however_many_are_held_at_a_time(monkeypatch, at_once):
    rng = np.random.default_rng(4)

    def window(strength: float) -> pd.DataFrame:
        hidden, noise = rng.normal(size=600), rng.normal(size=(6, 600))
        numbers = strength * hidden[:, None] + noise.T
        frame = pd.DataFrame(numbers, columns=[f"v{i}" for i in range(6)])
        for name in ("v1", "v4"):
            codes = np.clip(frame[name] + 2, 0, 4).astype(int)
            frame[name] = pd.Categorical.from_codes(codes, list("abcde"))
        for name in ("v0", "v3", "v5"):  # one category alone: it has no features
            frame.insert(int(name[1]), f"one{name}", pd.Categorical(["k"] * 600, ["k"]))
        return frame

    first = Snapshot.from_frame(window(0.0))
    pair = WindowPair(
        first, Snapshot.from_frame(window(2.0), schema=first.schema), first.schema.names
    )
    monkeypatch.setattr("whydrift.monitor.diagnosis.ties._AT_ONCE", at_once)
    largest = _largest_changes(pair, pair.names)
    for (i, a), (j, b) in combinations(enumerate(pair.names), 2):
        one, other = pair.features(a).linear, pair.features(b).linear
        changes = [
            np.arctanh(np.corrcoef(one[600:, k], other[600:, m])[0, 1])
            - np.arctanh(np.corrcoef(one[:600, k], other[:600, m])[0, 1])
            for k in range(one.shape[1])
            for m in range(other.shape[1])
        ]
        expected = np.max(np.abs(changes), initial=0.0) * np.sqrt(300)
        assert largest[i, j] == pytest.approx(expected, rel=1e-6)


def test_of_two_ends_the_one_that_can_be_the_effect_comes_second():
    graph = Graph(
        ("b", "a", "c"),
        (Edge.of("a", "o->", "b"), Edge.of("b", "-->", "c"), Edge.of("a", "---", "c")),
    )
    assert [(e.a, e.mark, e.b) for e in loose_edges(graph)] == [
        ("a", "o->", "b"),
        ("a", "---", "c"),
    ]
