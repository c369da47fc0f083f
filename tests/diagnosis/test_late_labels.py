"""Labels that are on their way, and labels that are lost."""

import numpy as np
import pandas as pd

import whydrift as wd
from tests.diagnosis.worlds import EDGES, houses


def judged(current: pd.DataFrame):
    return wd.compare(houses(1500, 1), current, graph=EDGES, target="price")


def immature(diagnosis) -> list[str]:
    return [w.text for w in diagnosis.warnings if w.code == "labels_immature"]


def test_labels_that_are_late_are_no_fault():
    current = houses(1500, 2)
    current.loc[900:, "price"] = np.nan
    found = judged(current)
    assert found.faults == ()
    assert found.verdict == "none"
    (text,) = immature(found)
    assert "60 %" in text
    assert "differ" not in text


def test_labels_that_come_with_a_random_delay_are_late_too():
    current = houses(1500, 2)
    waits = np.random.default_rng(3).exponential(400, 1500)
    current.loc[np.arange(1500) + waits > 1500, "price"] = np.nan
    found = judged(current)
    assert found.faults == ()
    assert immature(found)


def test_labels_lost_at_random_are_a_null_spike():
    current = houses(1500, 2)
    current.loc[np.random.default_rng(4).random(1500) < 0.4, "price"] = np.nan
    found = judged(current)
    assert [f.kind for f in found.faults] == ["null_spike"]
    assert immature(found) == []


def test_rows_with_labels_that_differ_from_the_rest_are_told():
    current = houses(1500, 2)
    current["income"] += np.linspace(-0.5, 0.5, 1500)
    current.loc[900:, "price"] = np.nan
    (text,) = immature(judged(current))
    assert "income" in text


def test_a_mechanism_that_broke_is_found_on_the_rows_with_labels():
    current = houses(1500, 2, price_slope=0.2)
    current.loc[900:, "price"] = np.nan
    found = judged(current)
    assert found.ranking == ("price",)
    assert immature(found)
