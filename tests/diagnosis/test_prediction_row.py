"""The prediction's own row: inherited from the inputs, or another model."""

import numpy as np
import pandas as pd
import pytest

import whydrift as wd
from tests.diagnosis.worlds import EDGES, houses
from whydrift.discovery.errors import OptionError


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


def test_trees_under_covariate_shift_are_not_called_another_model():
    for seed in range(8):
        current = served(houses(2500, 50 + seed, income_shift=0.25 * (seed % 4)))
        assert predicted(served(houses(2500, seed)), current, floor=0.0)[1].verdict != "mechanism"


def test_the_model_itself_sees_a_change_in_a_few_rows():
    current = served(houses(2000, 2))
    current.loc[::25, "guess"] += 0.02
    reference = served(houses(2000, 1))
    assert predicted(reference, current)[1].verdict == "stable"
    row = predicted(reference, current, model=trees)[1]
    assert row.verdict == "mechanism"
    assert "4 % of the current rows" in row.reason


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
