"""The prediction's own row: inherited from the inputs, or another model."""

import numpy as np
import pandas as pd
import pytest

import whydrift as wd
from tests.diagnosis.worlds import EDGES, houses
from whydrift.discovery.errors import OptionError
from whydrift.monitor.cli.fail_on import findings
from whydrift.monitor.cli.table import table_order
from whydrift.monitor.diagnosis.alert import AlertKey, AlertKind, Outcome, alert_findings
from whydrift.monitor.diagnosis.headline import has_other_model, headline
from whydrift.monitor.diagnosis.judgement import Floor
from whydrift.monitor.diagnosis.mechanism.base import MechanismTestResult, Untestable
from whydrift.monitor.diagnosis.predictions_alone import without_origin


def trees(inputs) -> np.ndarray:
    """Steps and interactions that no spline follows."""
    income, rooms = inputs["income"], inputs["rooms"]
    out = np.where(income > 0.4, 1.0, 0.0) + np.where((rooms > 0.2) & (income < 1.1), 0.8, 0.0)
    return out - np.where(rooms > 1.3, 0.7, 0.0) * np.where(income > -0.5, 1.0, 0.4)


def served(frame: pd.DataFrame, bias: float = 0.0) -> pd.DataFrame:
    return frame.assign(guess=trees(frame) + bias)


def predicted(reference: pd.DataFrame, current: pd.DataFrame, **options):
    options = {"graph": EDGES, "target": "price", "prediction": "guess", **options}
    diagnosis = wd.compare(reference, current, **options)
    return diagnosis, diagnosis.columns["guess"]


@pytest.mark.parametrize("with_model", [False, True])
def test_the_same_model_inherits_the_moves_of_its_inputs(with_model):
    options = {"model": trees} if with_model else {}
    current = served(houses(2000, 2, income_shift=0.7))
    diagnosis, row = predicted(served(houses(2000, 1)), current, **options)
    assert row.verdict == "inherited"
    assert "model_changed" not in {w.code for w in diagnosis.warnings}


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_another_model_is_told_from_moved_inputs(shift):
    current = served(houses(2000, 2, income_shift=shift), bias=0.5)
    diagnosis, row = predicted(served(houses(2000, 1)), current)
    assert row.verdict == "mechanism"
    assert "the model or its serving changed" in row.reason
    assert "the model or its serving changed" in diagnosis.summary
    assert row.effect.low > 0
    assert "guess" not in diagnosis.ranking


BREAKS = {
    "other unit": lambda frame: frame.assign(guess=100 * frame["guess"]),
    "joined to other rows": lambda frame: frame.assign(guess=np.roll(frame["guess"], 700)),
}


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("is_labelled", [True, False])
def test_a_broken_prediction_is_a_finding_and_comes_before_what_a_correction_wins(how, is_labelled):
    current = BREAKS[how](served(houses(2000, 2)))
    if not is_labelled:
        current = current.drop(columns="price")
    diagnosis, row = predicted(served(houses(2000, 1)), current)
    assert row.verdict == "mechanism"
    assert diagnosis.verdict == "none" and diagnosis.found and diagnosis.model_changed
    assert [word.text for word in headline(diagnosis)] == ["model or serving changed"]
    assert "Nothing changed" not in diagnosis.summary
    assert {"any", "mechanism"} <= findings(diagnosis)
    alert = alert_findings(diagnosis)[AlertKey("price", AlertKind.MECHANISM)]
    assert alert.outcome is Outcome.REJECTED and alert.columns == {"guess"}
    assert diagnosis.remedy.action == "investigate" and diagnosis.remedy.columns == ("guess",)
    assert "guess" in table_order(diagnosis)
    assert has_other_model(diagnosis.to_dict())
    assert wd.Diagnosis.from_dict(diagnosis.to_dict()).model_changed


def test_a_prediction_that_stands_still_is_told_to():
    reference = served(houses(2000, 1))
    diagnosis, row = predicted(reference, served(houses(2000, 2)).assign(guess=3.0))
    assert row.verdict == "mechanism" and "it is 3 in every row" in row.reason
    assert not diagnosis.faults


def test_a_class_that_all_rows_of_a_moved_input_get_is_no_fault():
    def rows(seed: int, move: float) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        x = move + rng.normal(size=2000)
        guess = np.where(x > 0, "approve", "reject")
        wrong = rng.random(2000) < 0.1
        y = np.where(wrong, np.where(x > 0, "reject", "approve"), guess)
        return pd.DataFrame({"x": x, "u": rng.normal(size=2000), "y": y, "guess": guess})

    found = wd.compare(rows(1, 0.0), rows(2, 5.0), target="y", prediction="guess")
    assert not found.faults and found.ranking == ("x",) and found.remedy.action == "none"


def test_a_model_of_another_formula_is_another_model_and_no_fault():
    rng = np.random.default_rng(3)

    def rows(own: float) -> pd.DataFrame:
        a, b = rng.normal(size=(2, 1000))
        return pd.DataFrame({"a": a, "b": b, "y": a + b + rng.normal(size=1000),
                             "guess": a + own * b})  # fmt: skip

    for own, verdict in ((1.004, "stable"), (1.5, "mechanism")):
        found = wd.compare(rows(1.0), rows(own), target="y", prediction="guess")
        assert not found.faults and found.columns["guess"].verdict == verdict


def test_a_sound_prediction_leaves_headline_and_alerts_as_they_are():
    diagnosis, row = predicted(served(houses(2000, 1)), served(houses(2000, 2)))
    assert [word.text for word in headline(diagnosis)] == ["no shift"]
    assert "any" not in findings(diagnosis)
    alerts = alert_findings(diagnosis).values()
    assert {a.outcome for a in alerts} == {Outcome.QUIET}
    assert 0 < row.detectable_effect < 0.5


def test_the_prediction_is_one_of_the_tests_that_are_corrected_for():
    reference, current = served(houses(1000, 1)), served(houses(1000, 2))
    with_it = predicted(reference, current)[0]
    without = predicted(reference, current, prediction=None)[0]
    # Without a role it is a column like another; where the model itself says, nothing is tested.
    asked = predicted(reference, current, model=trees)[0]
    assert with_it.error_control.tests == without.error_control.tests
    assert asked.error_control.tests == with_it.error_control.tests - 1
    assert with_it.columns["guess"].q_value is not None


def test_trees_under_covariate_shift_are_not_called_another_model():
    for seed in range(8):
        current = served(houses(2500, 50 + seed, income_shift=0.25 * (seed % 4)))
        assert predicted(served(houses(2500, seed)), current, floor=0.0)[1].verdict != "mechanism"


def test_the_model_itself_sees_a_change_in_a_few_rows():
    current = served(houses(2000, 2))
    current.loc[::50, "guess"] += 0.02
    reference = served(houses(2000, 1))
    assert predicted(reference, current)[1].verdict == "stable"
    row = predicted(reference, current, model=trees)[1]
    assert row.verdict == "mechanism"
    assert "2 % of the current rows" in row.reason


def test_a_model_that_did_not_make_the_reference_is_left_aside():
    diagnosis, row = predicted(
        served(houses(800, 1)), served(houses(800, 2)), model=lambda columns: columns["income"]
    )
    assert "model_differs" in {w.code for w in diagnosis.warnings}
    assert row.verdict == "stable"


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (lambda columns: columns["incme"], "could not be run"),
        (lambda columns: columns["income"][:5], "one prediction a row"),
        (lambda columns: np.full(len(columns["income"]), "a"), "return numbers"),
    ],
)
def test_a_model_that_cannot_answer_is_refused(model, said):
    with pytest.raises(OptionError, match=said):
        predicted(served(houses(100, 1)), served(houses(100, 2)), model=model)


def test_a_model_without_predictions_is_refused():
    with pytest.raises(OptionError, match="no prediction"):
        wd.compare(houses(100, 1), houses(100, 2), graph=EDGES, model=trees)


def test_an_unreadable_input_leaves_open_whether_the_model_changed():
    reference, current = served(houses(1500, 1)), served(houses(1500, 2))
    current["rooms"] = 1.0
    current["guess"] += 0.5
    row = predicted(reference, current)[1]
    assert row.verdict == "inherited"
    assert "cannot be told" in row.reason


def test_a_model_of_another_formula_of_one_input_is_no_fault_either():
    rng = np.random.default_rng(6)

    def rows(slope: float) -> pd.DataFrame:
        a, c, e = rng.normal(size=(3, 1000))
        return pd.DataFrame({"a": a, "c": c, "y": 2 * a + e, "guess": slope * a + 1})

    found = wd.compare(rows(2.0), rows(2.2), target="y", prediction="guess")
    assert not found.faults and found.columns["guess"].verdict == "mechanism"


def test_of_one_current_row_nothing_is_said_of_the_predictions_either():
    diagnosis, row = predicted(served(houses(500, 1)), served(houses(500, 2)).head(1))
    assert {c.verdict for c in diagnosis.columns.values()} == {"undetermined"}
    assert row.reason_code == "low_power" and row.reason == "Too few complete rows to test it."
    # The model itself needs no test.
    asked = predicted(served(houses(500, 1)), served(houses(500, 2)).head(1), model=trees)[1]
    assert asked.verdict == "stable" and "what was recorded" in asked.reason


def test_a_move_of_the_predictions_that_few_rows_would_not_show_is_low_power():
    def noisy(rows: int, seed: int) -> pd.DataFrame:
        return houses(rows, seed).assign(guess=np.random.default_rng(seed).normal(size=rows))

    row = predicted(noisy(500, 1), noisy(30, 2))[1]
    assert (row.verdict, row.reason_code) == ("undetermined", "low_power")
    assert "would not have been seen" in row.reason


def many_inputs(seed: int, move: float) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(500, 6))
    x = (x - x.mean(axis=0)) / x.std(axis=0) + move
    total = x.sum(axis=1)
    frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(6)])
    return frame.assign(guess=np.tanh(total / 4), y=total + 4 * rng.normal(size=500))


def test_where_like_inputs_get_like_predictions_no_model_is_suspected():
    # Each input moves by less than shows, and all of them one way.
    diagnosis = wd.compare(
        many_inputs(1, 0.0), many_inputs(2, 0.14), target="y", prediction="guess",
        graph=[(f"x{i}", "y") for i in range(6)],
    )  # fmt: skip
    row = diagnosis.columns["guess"]
    assert not diagnosis.ranking and row.p_value > 0.05 and row.marginal_p_value < 1e-4
    assert row.verdict == "inherited" and row.reason_code is None
    assert "like inputs get like predictions" in row.reason
    assert "no input was found to have moved by itself" in row.reason
    assert "replaced" not in row.reason


def hours(seed: int, start: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    at = start + np.arange(1500)
    noise = np.zeros(1500)
    for i in range(1, 1500):
        noise[i] = 0.95 * noise[i - 1] + 0.6 * rng.normal()
    day, year = 2 * np.pi * at / 24, 2 * np.pi * at / (24 * 365)
    temperature, price = 3 * np.sin(day) - 8 * np.cos(year) + noise, rng.normal(size=1500)
    guess = 120 - 2 * temperature + 5 * price
    moments = pd.Timestamp("2026-01-01") + pd.to_timedelta(at, unit="h")
    return pd.DataFrame({
        "ts": moments, "temperature": temperature, "price": price, "guess": guess,
        "y": guess + 8 * rng.normal(size=1500),
    })  # fmt: skip


def test_an_input_that_could_not_be_decided_is_named_beside_predictions_that_moved():
    diagnosis = wd.compare(
        hours(3, 0), hours(12, 1500), target="y", prediction="guess", time_column="ts",
        graph=[("temperature", "y"), ("price", "y")],
    )  # fmt: skip
    assert diagnosis.columns["temperature"].reason_code == "low_power"
    reason = diagnosis.columns["guess"].reason
    assert "of temperature that could not be decided" in reason and "replaced" not in reason


@pytest.mark.parametrize(
    ("given", "undecided", "code", "said"),
    [
        (None, [], "no_origin", "was the model replaced?"),
        (None, ["rooms"], "no_origin", "and of rooms that could not be decided: whether"),
        (
            MechanismTestResult(None, Untestable.NO_OVERLAP, 0.3, 500),
            ["rooms"],
            "no_overlap",
            "overlap 0.30), so whether the model was replaced cannot be told",
        ),
        (
            MechanismTestResult(0.76, None, 1.0, 500),
            [],
            "low_power",
            "at like inputs nothing was found (p = 0.76)",
        ),
    ],
)
def test_another_model_is_asked_about_only_where_it_is_what_is_left(given, undecided, code, said):
    told = without_origin(given, "", undecided, floor=Floor(), level=0.05, tests=8)
    assert (told.verdict, told.reason_code) == ("undetermined", code)
    assert said in told.reason and "no input was found to have moved" in told.reason


def test_a_model_that_reads_a_column_that_is_not_here_is_not_said_to_have_changed_for_certain():
    rng = np.random.default_rng(31)

    def window(share: float) -> pd.DataFrame:
        large = rng.random(2500) < share
        x = rng.normal(size=2500) + 2 * large
        return pd.DataFrame({"x": x, "y": 3 * large - 0.8 * x + rng.normal(size=2500),
                             "guess": 3 * large - 0.8 * x})  # fmt: skip

    found = wd.compare(window(0.5), window(0.8), target="y", prediction="guess")
    assert found.model_changed and "or a column that it reads and that is not here" in found.summary
    assert "the columns here tell" in found.columns["guess"].reason
