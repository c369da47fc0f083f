"""A number that went through a function is told as such; one that moved, however far, is not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import whydrift as wd
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.diagnosis import FaultKind
from whydrift.monitor.diagnosis.faults.base import Finding
from whydrift.monitor.diagnosis.faults.registry import find_faults


def applicants(seed: int, move: float = 0.0, rows: int = 2000) -> pd.DataFrame:
    """Incomes are skewed, ages and visits are whole, temperatures of either sign."""
    rng = np.random.default_rng(seed)
    income = np.exp(10.5 + move + 0.5 * rng.normal(size=rows))
    age = rng.normal(45, 12, rows).clip(18).round()
    visits = rng.poisson(6, rows) + 1
    paid = np.log(income) + 0.05 * age + 0.2 * visits + rng.normal(size=rows)
    return pd.DataFrame({"income": income.round(2), "age": age, "visits": visits, "paid": paid})


def found_in(reference: pd.DataFrame, current: pd.DataFrame) -> tuple[Finding, ...]:
    read = Snapshot.from_frame(reference)
    window = Snapshot.from_frame(current, schema=read.schema)
    return find_faults(read, window, tuple(reference)).findings


FUNCTIONS: dict[str, Callable[[pd.Series], pd.Series]] = {
    "as its natural logarithm": np.log,
    "as its logarithm to base 10": np.log10,
    "as its square root": np.sqrt,
    "as its square": np.square,
    "as its reciprocal": lambda x: 1 / x,
    "with the opposite sign": np.negative,
}


@pytest.mark.parametrize("column", ["income", "age", "visits", "paid"])
@pytest.mark.parametrize("text", FUNCTIONS)
def test_a_function_of_the_whole_column_is_named_and_taken_back(column, text):
    sound, current = applicants(1), applicants(2).astype(float)
    wrong = current.assign(**{column: FUNCTIONS[text](current[column])})
    (finding,) = found_in(sound, wrong)
    fault = finding.fault
    assert (fault.kind, fault.columns) == (FaultKind.UNIT_CHANGE, (column,))
    assert text in str(fault.scale)
    if " or " not in str(fault.scale):
        np.testing.assert_allclose(finding.repairs[column], current[column], rtol=1e-6)


def test_a_function_that_is_no_longer_applied_is_named_too():
    sound, current = applicants(1), applicants(2)
    logs = sound.assign(income=np.log(sound["income"]))
    (finding,) = found_in(logs, current)
    assert str(finding.fault.scale).startswith("as e to the power of what it did")
    np.testing.assert_allclose(finding.repairs["income"], np.log(current["income"]), rtol=1e-6)


@pytest.mark.parametrize("column", ["income", "age", "visits"])
def test_standardised_by_other_rows_it_is_found_in_either_window(column):
    training, sound, current = applicants(0, rows=9000), applicants(1), applicants(2)

    def standardised(frame: pd.DataFrame) -> pd.DataFrame:
        x = (frame[column] - training[column].mean()) / training[column].std()
        return frame.assign(**{column: x})

    (finding,) = found_in(sound, standardised(current))
    assert finding.fault.scale == "in standard deviations from its mean"
    np.testing.assert_allclose(
        finding.repairs[column], current[column], atol=0.5 * float(training[column].std())
    )
    if column != "visits":  # of a spread of 2.4, one that is not a multiple of 1
        (finding,) = found_in(standardised(sound), current)
        assert finding.fault.scale == "as it did before it was standardised"


def test_the_report_says_what_happened_and_no_shift_of_the_target():
    current = applicants(2)
    current["income"] = np.log(current["income"])
    found = wd.compare(applicants(1), current, target="paid")
    assert found.verdict == "none"
    assert "income reads as its natural logarithm" in found.summary
    assert "find out why income reads as its natural logarithm" in found.remedy.text


@pytest.mark.parametrize("move", [-2.0, -1.0, 1.0, 2.0, 3.0])
def test_incomes_that_moved_however_far_are_not_called_another_scale(move):
    for seed in range(10):
        found = found_in(applicants(seed), applicants(seed + 50, move))
        assert not [f for f in found if "reads as" in f.fault.evidence]


def test_many_real_moves_of_place_and_spread_are_not_called_another_scale():
    rng = np.random.default_rng(3)
    called = 0
    for _ in range(300):
        mu, sd = rng.uniform(-3, 8), rng.uniform(0.05, 1.2)
        to, wider = mu + 3 * sd * rng.normal(), sd * np.exp(0.3 * rng.normal())
        before, after = (
            pd.DataFrame({"x": np.exp(rng.normal(m, s, 600))}) for m, s in ((mu, sd), (to, wider))
        )
        called += any(f.fault.scale is not None for f in found_in(before, after))
    assert called <= 3
