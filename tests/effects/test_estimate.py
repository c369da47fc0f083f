"""The front door: what is chosen, what is refused, and in which words."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import whydrift as wd
import whydrift.effects.api
from tests.effects.worlds import confounded
from whydrift.effects import Outcome, method_names
from whydrift.effects.registry import method_rows

WORLD = confounded(400, 3)
GRAPH = [("x", "treat"), ("w", "treat"), ("x", "y"), ("w", "y"), ("treat", "y")]


# ---- the table of methods ---------------------------------------------------------------------
@pytest.mark.parametrize("row", method_rows(), ids=lambda row: row.name)
def test_every_method_is_a_documented_dataclass_whose_row_is_true(row):
    options = row.options()
    needed = {name for name in row.needs if name in options}
    method = row.build(dict.fromkeys(needed, "x"))
    assert inspect.getdoc(type(method)) and callable(method.estimate)
    assert set(row.columns) <= set(options)
    assert row.summary and row.estimands and row.treatments
    assert row.by_graph in {"back_door", "front_door", "instrument", "nothing"}


def test_the_names_begin_with_auto_and_are_those_of_the_design():
    assert method_names()[0] == "auto"
    assert {
        "difference_in_means", "regression_adjustment", "matching", "ipw", "doubly_robust", "dml",
    } <= set(method_names())  # fmt: skip


def test_every_door_shows_the_parameters_that_are_written_once():
    inner = inspect.signature(whydrift.effects.api.prepare).parameters
    middle = inspect.signature(whydrift.effects.estimate).parameters
    outer = inspect.signature(wd.estimate).parameters
    assert list(middle.values()) == list(inner.values())
    assert list(outer) == [*list(inner)[:-1], "refute", "progress", "options"]
    assert all(outer[name] == inner[name] for name in set(inner) - {"graph"})
    asked = inspect.getdoc(whydrift.effects.estimate)
    assert all(
        re.search(rf"^ *(\w+, )*\**{name}(, \w+)* ?:?|{name}$", asked, re.M) for name in inner
    )


def test_what_is_promised_by_name_is_there():
    for package in (wd, whydrift.effects):
        assert all(getattr(package, name) is not None for name in package.__all__)
    assert {"refute", "identify", "counterfactual", "rows_needed"} <= set(wd.__all__)


# ---- auto -------------------------------------------------------------------------------------
def test_nothing_to_adjust_for_means_a_comparison_of_means_and_a_warning():
    effect = wd.estimate(WORLD, "treat", "y")
    assert effect.method == "difference_in_means"
    assert [note.code for note in effect.warnings] == ["assumes_randomised"]
    assert "difference_in_means" in effect.reason


def test_columns_to_adjust_for_mean_doubly_robust_for_arms_and_dml_for_amounts():
    assert wd.estimate(WORLD, "treat", "y", adjustment=["x", "w"]).method == "doubly_robust"
    amounts = {**WORLD, "dose": WORLD["x"] + np.random.default_rng(0).normal(size=400)}
    assert wd.estimate(amounts, "dose", "y", adjustment=["x"]).method == "dml"
    assert wd.estimate(amounts, "dose", "y").method == "regression_adjustment"


def test_a_graph_says_what_to_adjust_for():
    effect = wd.estimate(WORLD, "treat", "y", graph=GRAPH)
    assert set(effect.adjustment) == {"x", "w"}
    assert effect.check("identification").outcome is Outcome.PASS
    assert "adjust for" in effect.details["identification"]["way"]
    assert not effect.warnings


def test_a_graph_without_back_doors_means_a_comparison_of_means_without_a_warning():
    effect = wd.estimate(WORLD, "treat", "y", graph=[("treat", "y"), ("x", "y")])
    assert effect.method in {"difference_in_means", "doubly_robust"}
    assert "assumes_randomised" not in [note.code for note in effect.warnings]


@pytest.mark.parametrize("method", ["regression_adjustment", "ipw", "doubly_robust", "dml"])
def test_adjusting_for_nothing_is_a_difference_of_means(method):
    plain = wd.estimate(WORLD, "treat", "y")
    effect = wd.estimate(WORLD, "treat", "y", method=method, graph=[("treat", "y")])
    assert effect.value == pytest.approx(plain.value, rel=1e-6)
    assert effect.standard_error == pytest.approx(plain.standard_error, rel=0.02)
    assert effect.adjustment == () and effect.is_credible
    assert effect.plot and effect._repr_html_() and effect.to_json()


def test_a_graph_without_a_way_from_treatment_to_outcome_says_that_the_effect_is_zero():
    effect = wd.estimate(WORLD, "treat", "y", graph=[("x", "treat"), ("x", "y")])
    assert [note.code for note in effect.warnings] == ["no_effect_by_graph"]
    assert effect.adjustment == ("x",)


def test_what_cannot_be_closed_is_refused_with_the_open_way_by_name():
    hidden = [*GRAPH, ("u", "treat"), ("u", "y")]
    with pytest.raises(wd.NotIdentified, match="treat <-- u --> y") as caught:
        wd.estimate(WORLD, "treat", "y", graph=hidden)
    assert "u is not in the data" in str(caught.value) and "bounds" in str(caught.value)
    effect = wd.estimate(WORLD, "treat", "y", graph=hidden, force=True)
    assert not effect.is_credible and effect.check("identification").outcome is Outcome.FAIL


def test_an_edge_without_a_direction_is_named():
    graph = wd.Graph(("treat", "y", "x"), (wd.Edge.of("treat", "---", "y"),))
    with pytest.raises(wd.NotIdentified, match="direction of treat --- y"):
        wd.estimate(WORLD, "treat", "y", graph=graph)


def test_a_front_door_is_taken_where_the_back_door_is_shut():
    rng = np.random.default_rng(6)
    u = rng.normal(size=4000)
    treat = (u + rng.normal(size=4000) > 0).astype(int)
    between = 2 * treat + rng.normal(size=4000)
    data = {"treat": treat, "m": between, "y": 1.5 * between + 2 * u + rng.normal(size=4000)}
    graph = [("u", "treat"), ("u", "y"), ("treat", "m"), ("m", "y")]
    effect = wd.estimate(data, "treat", "y", graph=graph)
    assert effect.method == "front_door"
    assert abs(effect.value - 3.0) < 4 * effect.standard_error < 0.4


@pytest.mark.parametrize(
    ("name", "edges", "says"),
    [
        ("m", [("treat", "m"), ("m", "y")], "mediator"),
        ("m", [("treat", "m"), ("treat", "y"), ("y", "m")], "caused by the outcome"),
        ("m", [("treat", "m"), ("treat", "y"), ("u", "m"), ("u", "y")], "caused by the treatment"),
        ("m", [("a", "treat"), ("a", "m"), ("b", "m"), ("b", "y"), ("treat", "y")], "collider"),
    ],
)
def test_a_column_that_must_not_be_adjusted_for_is_named_and_refused_unless_forced(
    name, edges, says
):
    data = {**WORLD, "m": WORLD["y"] + np.random.default_rng(1).normal(size=400)}
    with pytest.raises(wd.NotIdentified, match=says) as caught:
        wd.estimate(data, "treat", "y", graph=edges, adjustment=[name])
    assert f": {name} " in str(caught.value)
    forced = wd.estimate(data, "treat", "y", graph=edges, adjustment=[name], force=True)
    assert says in forced.check("identification").sentence and not forced.is_credible


def test_a_column_that_the_graph_does_not_know_is_named():
    with pytest.raises(wd.GraphError, match="'w' is not in the graph"):
        wd.estimate(WORLD, "treat", "y", graph=[("x", "treat"), ("treat", "y")], adjustment=["w"])


# ---- what is refused --------------------------------------------------------------------------
def _changed(**columns: object) -> dict[str, object]:
    return {**WORLD, **columns}


@pytest.mark.parametrize(
    ("data", "arguments", "says"),
    [
        (WORLD, {"treatment": "treet"}, "Did you mean 'treat'?"),
        (WORLD, {"adjustment": ["xx"]}, "Did you mean 'x'?"),
        (WORLD, {"adjustment": ["x^9"]}, "no column 'x^9'"),
        (WORLD, {"method": "doubly_robus"}, "Did you mean 'doubly_robust'?"),
        (WORLD, {"method": "ipw", "adjustment": ["x"], "trimm": 0.1}, "Did you mean 'trim'?"),
        (WORLD, {"method": "ipw"}, "needs 'adjustment'"),
        (WORLD, {"method": "ipw", "adjustment": ["x"], "trim": 0.7}, "0.7 is not in [0, 0.5)"),
        (WORLD, {"method": "ipw", "adjustment": ["x"], "estimand": "atx"}, "unknown estimand"),
        (WORLD, {"method": "difference_in_means", "adjustment": ["x"]}, "adjusts for nothing"),
        (WORLD, {"level": 95}, "not between 0 and 1"),
        (WORLD, {"random_state": -1}, "no seed"),
        (WORLD, {"outcome": "treat"}, "as treatment and as outcome"),
        (WORLD, {"adjustment": ["treat"]}, "as treatment and as adjustment"),
        (WORLD, {"control": "2"}, "no value '2'"),
        (_changed(treat=np.zeros(400)), {}, "one value (0) in all 400"),
        (_changed(copy=2 * WORLD["treat"] + 1), {"adjustment": ["copy"]}, "are the same column"),
        (_changed(copy=-WORLD["y"]), {"adjustment": ["x", "copy"]}, "are the same column"),
        (_changed(y=np.where(WORLD["treat"] == 1, np.nan, WORLD["y"])), {}, "one value"),
        (_changed(y=np.full(400, np.nan)), {}, "y missing in all"),
        (_changed(y=np.full(400, 3.5)), {}, "outcome 'y' has one value"),
        (WORLD, {"method": "matching", "adjustment": []}, "nothing to match on"),
        (_changed(y=np.array(["a", "b", "c", "d"] * 100)), {}, "4 different words"),
        (_changed(w=np.arange(400).astype(str)), {"adjustment": ["w"]}, "400 different values"),
        (_changed(treat=np.array(["a", "b", "c", "d"] * 100)), {}, "has 4 arms"),
        (_changed(c=np.zeros(400)), {"cluster": "c"}, "one cluster"),
        (_changed(y=WORLD["y"][:10]), {}, "differ in length"),
        (pd.DataFrame({"treat": [], "y": []}), {}, "not a single row"),
        (pd.DataFrame({"treat": [0, 0, 0, 1], "y": [1.0, 2, 3, 4]}), {}, "two rows in each arm"),
        ({k: v[:14] for k, v in WORLD.items()}, {"adjustment": ["x", "x^2", "x^3", "w"]},
         "in each arm"),
        (3, {}, "is not a table"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_sentence(data, arguments, says):
    if isinstance(data, int):  # the front door takes paths too
        from whydrift.effects import estimate
    else:
        estimate = wd.estimate
    given = {"treatment": "treat", "outcome": "y", **arguments}
    with pytest.raises(wd.WhydriftError) as caught:
        estimate(data, **given)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_gaps_are_dropped_counted_and_judged():
    y = WORLD["y"].copy()
    y[:60] = np.nan
    x = WORLD["x"].copy()
    x[50:70] = np.inf
    effect = wd.estimate({**WORLD, "y": y, "x": x}, "treat", "y", adjustment=["x"])
    assert effect.n == 330
    note = next(note for note in effect.warnings if note.code == "rows_dropped")
    assert note.text.startswith("70 of 400 rows (18%) dropped") and "y in 60" in note.text
    assert effect.check("missing_rows").outcome is Outcome.WARN
    most = np.where(np.arange(400) < 250, np.nan, WORLD["y"])
    assert not wd.estimate({**WORLD, "y": most}, "treat", "y").is_credible


# ---- how columns are read ---------------------------------------------------------------------
def test_pandas_polars_and_arrow_give_one_answer():
    frame = pd.DataFrame(WORLD)
    answers = [
        wd.estimate(data, "treat", "y", adjustment=["x", "w"]).to_dict()
        for data in (WORLD, frame, pl.from_pandas(frame), pa.Table.from_pandas(frame))
    ]
    assert all(answer == answers[0] for answer in answers)


def test_words_and_truth_values_are_treatments_and_control_can_be_named():
    plain = wd.estimate(WORLD, "treat", "y")
    truth = wd.estimate(_changed(treat=WORLD["treat"] == 1), "treat", "y")
    words = np.where(WORLD["treat"] == 1, "a new one", "the old one")
    turned = wd.estimate(_changed(treat=words), "treat", "y")
    named = wd.estimate(_changed(treat=words), "treat", "y", control="the old one")
    assert truth.value == plain.value == named.value == -turned.value
    assert named.contrast == "treat = a new one against the old one"
    assert truth.contrast == "treat = True against False"


def test_two_of_several_arms_are_compared_and_the_others_left_out():
    arms = np.array(["none", "mail", "call", "both"] * 100)
    data = _changed(treat=arms, y=WORLD["y"] + 5 * (arms == "mail"))
    effect = wd.estimate(data, "treat", "y", control="none", arm="mail")
    assert effect.n == 200 and effect.low < 5 < effect.high
    assert "missing_rows" not in {check.name for check in effect.checks}


def test_an_amount_can_be_cut_down_to_two_values():
    data = _changed(dose=np.array([0, 1, 2, 3] * 100))
    effect = wd.estimate(data, "dose", "y", control=0, arm=3)
    assert effect.contrast == "dose = 3 against 0" and effect.n == 200


def test_categories_powers_and_products_are_terms():
    data = _changed(code=np.arange(400) % 3, **{"a^2": WORLD["x"] ** 3})
    effect = wd.estimate(
        data, "treat", "y", adjustment=["C(code)", "x^2", "x:w", "a^2", "x"], method="ipw"
    )
    names = effect.details["balance"]["covariate"]
    assert names == ("code=1", "code=2", "x^2", "x:w=b", "x:w=c", "a^2", "x")
    assert effect.adjustment == ("code", "x", "w", "a^2")


def test_what_is_constant_or_a_sum_of_others_is_left_out_and_said():
    data = _changed(one=np.ones(400), twice=2 * WORLD["x"] + 1e6)
    effect = wd.estimate(data, "treat", "y", adjustment=["x", "one", "twice"])
    alone = wd.estimate(data, "treat", "y", adjustment=["x"])
    assert effect.value == pytest.approx(alone.value, rel=1e-12)
    note = next(note for note in effect.warnings if note.code == "covariate_left_out")
    assert "one and twice" in note.text


def test_the_answer_does_not_depend_on_the_order_or_the_scale_of_columns():
    turned = wd.estimate(WORLD, "treat", "y", adjustment=["w", "x"])
    plain = wd.estimate(WORLD, "treat", "y", adjustment=["x", "w"])
    moved = _changed(x=1e4 + 1e-3 * WORLD["x"], y=1000 * WORLD["y"])
    scaled = wd.estimate(moved, "treat", "y", adjustment=["x", "w"])
    assert turned.value == pytest.approx(plain.value, rel=1e-9)
    assert scaled.value == pytest.approx(1000 * plain.value, rel=1e-6)
    assert scaled.standard_error == pytest.approx(1000 * plain.standard_error, rel=1e-6)
