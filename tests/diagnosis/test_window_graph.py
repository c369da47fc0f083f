import json

import numpy as np
import pandas as pd
import pytest

from tests.diagnosis.worlds import EDGES, houses
from whydrift.discovery.graph import Edge, Graph
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.progress import silent
from whydrift.discovery.snapshot.pool import pool
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.alternatives import Alternative, Alternatives
from whydrift.monitor.diagnosis.compare import compare
from whydrift.monitor.diagnosis.confidence import confidence
from whydrift.monitor.diagnosis.diagnosis import (
    Action,
    ColumnVerdict,
    Diagnosis,
    ReasonCode,
    Verdict,
)
from whydrift.monitor.diagnosis.groups import hidden_cause_groups, open_groups
from whydrift.monitor.diagnosis.testing import _over_graphs
from whydrift.monitor.diagnosis.window_graph import window_graph

FORWARD = Alternative({"a": (), "b": ("a",)}, 0.5)
BACKWARD = Alternative({"a": ("b",), "b": ()}, 0.5)
BOTH_WAYS = Alternatives((FORWARD, BACKWARD))


def diagnose(reference: pd.DataFrame, current: pd.DataFrame, **options) -> Diagnosis:
    a = Snapshot.from_frame(reference)
    return compare(a, Snapshot.from_frame(current, schema=a.schema), **options)


def twins(rows: int, seed: int, shift: float = 0.0) -> pd.DataFrame:
    """A number and a near copy of it: what moves the first moves the second."""
    rng = np.random.default_rng(seed)
    first = shift + rng.normal(size=rows)
    return pd.DataFrame({"first": first, "second": first + 0.2 * rng.normal(size=rows)})


# ---- alternatives -----------------------------------------------------------------------------
def test_the_explanation_with_fewest_changed_mechanisms_gains_weight():
    p_values = {("a", ()): 1e-9, ("b", ("a",)): 0.6, ("b", ()): 1e-9, ("a", ("b",)): 1e-9}
    weighed = BOTH_WAYS.simplest(p_values)
    # One mechanism more costs a factor of e³.
    assert weighed.graphs[0].weight == pytest.approx(np.e**3 / (np.e**3 + 1))
    graph = weighed.graph(("a", "b"))
    assert graph.parents("b") == ("a",)
    # Of single edges the tests are surer than they are right: what was before them counts as well.
    mean = (0.5 + weighed.graphs[0].weight) / 2
    assert 0.5 < graph.edge_between("a", "b").confidence < mean


def test_no_learned_edge_is_certain_and_a_required_one_is():
    alone = (Alternative({"a": (), "b": ("a",)}, 1.0),)
    learned = Alternatives(alone).graph(("a", "b"))
    assert learned.edge_between("a", "b").confidence == pytest.approx(0.967, abs=0.001)
    known = Alternatives(alone, frozenset({("a", "b")})).graph(("a", "b"))
    assert known.edge_between("a", "b").confidence == 1.0


def test_sets_of_parents_too_light_to_count_are_left_out_and_the_others_add_up_to_one():
    graphs = Alternatives(
        (
            Alternative({"a": ("b",)}, 0.9),
            Alternative({"a": ()}, 0.08),
            Alternative({"a": ("c",)}, 0.02),
        )
    )
    sets = graphs.parent_sets("a", least=0.03)
    assert list(sets) == [("b",), ()]
    assert sum(sets.values()) == pytest.approx(1.0)


def test_columns_that_moved_in_turn_form_a_group_and_those_that_moved_together_do_not():
    in_turn = {"a": {(): 1e-6, ("b",): 0.7}, "b": {("a",): 0.7, (): 1e-6}}
    _, (group,) = open_groups(BOTH_WAYS, in_turn, (), ("a", "b"), 0.01)
    assert group.columns == ("a", "b")
    together = {"a": {(): 1e-6, ("b",): 0.7}, "b": {("a",): 1e-6, (): 0.7}}
    assert open_groups(BOTH_WAYS, together, (), ("a", "b"), 0.01)[1] == ()


def test_columns_that_neither_moved_nor_did_given_each_other_are_no_group():
    """A height that is the same part of the width stood, whatever both are taken to follow from."""
    in_turn = {"a": {(): 1e-6, ("b",): 0.7}, "b": {("a",): 0.7, (): 1e-6}}
    assert open_groups(BOTH_WAYS, in_turn, (), (), 0.01)[1] == ()
    # Of a slope that turned no distribution need tell.
    turned = {"a": {(): 0.7, ("b",): 1e-6}, "b": {("a",): 1e-6, (): 0.7}}
    assert open_groups(BOTH_WAYS, turned, (), (), 0.01)[1][0].columns == ("a", "b")


def test_moved_columns_with_a_hidden_common_cause_form_a_group():
    graph = Graph(("a", "b", "c"), (Edge.of("a", "<->", "b"), Edge.of("b", "-->", "c")))
    (group,) = hidden_cause_groups(graph, {"a", "b", "c"})
    assert group.columns == ("a", "b") and group.is_hidden_cause
    assert hidden_cause_groups(graph, {"b", "c"}) == ()


def test_confidence_grows_with_the_evidence_and_falls_with_doubt():
    assert confidence(1e-9, 0.005, 0.0) > confidence(0.002, 0.005, 0.0)
    assert confidence(0.9, 0.005, 0.0) > confidence(0.01, 0.005, 0.0)
    assert confidence(1e-9, 0.005, 0.0) > confidence(1e-9, 0.005, 0.5)


def test_a_verdict_at_the_limit_is_little_better_than_a_coin_and_none_is_certain():
    assert 0.5 < confidence(0.005, 0.005, 0.0) < 0.7
    assert confidence(1e-300, 0.005, 0.0) < 0.99


# ---- what the diagnosis says ------------------------------------------------------------------
def test_where_either_of_two_columns_may_have_moved_both_are_told_as_a_group():
    diagnosis = diagnose(twins(150, 1), twins(150, 2, shift=0.5), floor=0.0)
    assert {c.group for c in diagnosis.columns.values()} == {"first and second"}
    for column in diagnosis.columns.values():
        assert column.verdict is ColumnVerdict.UNDETERMINED
        assert column.reason_code is ReasonCode.UNDECIDED_EDGE
        assert column.confidence is None
    assert diagnosis.ranking == ()
    assert diagnosis.verdict is Verdict.UNDETERMINED
    assert "no direction" in diagnosis.summary
    assert diagnosis.remedy.action is Action.INVESTIGATE
    assert set(diagnosis.remedy.columns) == {"first", "second"}
    assert Diagnosis.from_dict(json.loads(diagnosis.to_json())).columns == diagnosis.columns


def test_what_is_known_resolves_the_group():
    diagnosis = diagnose(
        twins(150, 1),
        twins(150, 2, shift=0.5),
        floor=0.0,
        knowledge=Knowledge(tiers=(("first",), ("second",))),
    )
    assert diagnosis.ranking == ("first",)
    assert diagnosis.columns["second"].verdict is ColumnVerdict.INHERITED
    assert all(c.group is None for c in diagnosis.columns.values())
    assert diagnosis.columns["first"].confidence > 0.9


def test_a_group_upstream_of_the_target_is_a_covariate_shift_and_says_which_columns():
    def with_target(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
        noise = np.random.default_rng(seed).normal(size=len(frame))
        return frame.assign(price=frame["first"] + 2 * frame["second"] + noise)

    diagnosis = diagnose(
        with_target(twins(150, 1), 3),
        with_target(twins(150, 2, shift=0.5), 4),
        target="price",
        knowledge=Knowledge(
            tiers=(("first", "second"), ("price",)), required=(("first", "price"),)
        ),
        floor=0.0,
    )
    assert diagnosis.columns["first"].group == "first and second"
    assert diagnosis.verdict is Verdict.COVARIATE
    assert "first or second" in diagnosis.summary
    assert diagnosis.remedy.action is not Action.NONE


def test_past_windows_tell_directions_that_the_two_windows_do_not():
    def learned(*past: pd.DataFrame) -> float:
        first = Snapshot.from_frame(chain(600, 1))
        current, *others = (
            Snapshot.from_frame(f, schema=first.schema) for f in (chain(600, 2), *past)
        )
        reference = pool([first, *others])
        found = window_graph(
            reference.snapshot,
            current,
            ("cause", "effect"),
            ("cause", "effect"),
            graph=None,
            knowledge=None,
            method="auto",
            test="auto",
            score="auto",
            random_state=0,
            progress=silent,
            parts=reference.parts,
        )
        return found.alternatives.edge_weights().get(("cause", "effect"), 0.0)

    def chain(rows: int, seed: int, shift: float = 0.0) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        cause = shift + rng.normal(size=rows)
        return pd.DataFrame({"cause": cause, "effect": 0.7 * cause + rng.normal(size=rows)})

    assert learned() < 0.8
    assert learned(chain(600, 3, 1.0), chain(600, 4, -1.0)) > 0.9


# ---- graphs that the data contradict ----------------------------------------------------------
def contradictions(diagnosis: Diagnosis) -> list[str]:
    return [w.text for w in diagnosis.warnings if w.code == "graph_contradicts_data"]


def test_the_true_graph_is_not_contradicted():
    diagnosis = diagnose(
        houses(1500, 1),
        houses(1500, 2, income_shift=0.6),
        target="price",
        graph=Graph.from_pairs(EDGES),
    )
    assert contradictions(diagnosis) == []
    assert diagnosis.columns["income"].confidence > 0.9


def test_an_edge_that_is_missing_from_the_graph_is_named():
    edges = [e for e in EDGES if e != ("income", "price")]
    diagnosis = diagnose(
        houses(1500, 1), houses(1500, 2), target="price", graph=Graph.from_pairs(edges)
    )
    told = contradictions(diagnosis)
    assert any("'income' and 'price'" in text and "add the edge" in text for text in told)


def test_an_edge_that_is_the_wrong_way_round_is_named():
    turned = [("region", "income"), ("rooms", "income"), ("income", "price"), ("rooms", "price")]
    diagnosis = diagnose(
        houses(1500, 1),
        houses(1500, 2, income_shift=0.6),
        target="price",
        graph=Graph.from_pairs(turned),
    )
    assert any(
        "rooms --> income turned around, 'income' alone" in t for t in contradictions(diagnosis)
    )


@pytest.mark.parametrize("seed", range(3))
def test_children_of_a_column_that_is_stuck_in_every_row_are_not_called_broken(seed):
    def world(seed: int, *, stuck: bool) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        a = rng.normal(size=1500)
        x = np.full(1500, 1.5) if stuck else 0.8 * a + rng.gamma(2, size=1500)
        y = np.tanh(x) + 0.5 * rng.normal(size=1500)
        return pd.DataFrame({"a": a, "x": x, "y": y, "z": x + 0.7 * y + rng.normal(size=1500)})

    found = diagnose(world(seed, stuck=False), world(seed + 100, stuck=True))
    assert found.ranking == ("x",)
    assert found.columns["x"].verdict.value == "fault"
    assert any(
        "x has no sound values in the current window" in note.text for note in found.warnings
    )


def test_a_few_graphs_deaf_to_a_change_do_not_silence_the_others():
    assert _over_graphs([(0.95, 1e-6), (0.05, 0.8)]) == 1e-6
    assert _over_graphs([(0.6, 1e-6), (0.4, 0.8)]) == pytest.approx(0.32, rel=1e-5)
    assert _over_graphs([(1.0, 0.2)]) == 0.2


def test_a_picture_calls_what_a_comparison_says_of_an_edge_no_share_of_bootstrap_graphs():
    alone = (Alternative({"a": (), "b": ("a",)}, 1.0),)
    learned = Alternatives(alone).graph(("a", "b"))
    for shown in (learned.to_svg(), learned._repr_html_()):
        assert "bootstrap" not in shown
        assert "confidence" in shown
