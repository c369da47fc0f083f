"""Losses and predictions of which nothing, or something, is to be said at first sight."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import whydrift as wd
from whydrift.monitor.diagnosis.diagnosis import Estimate, Metric, Verdict
from whydrift.monitor.diagnosis.summary import summarise


def clicks(rng: np.random.Generator, rows: int, times: float = 1.0) -> pd.DataFrame:
    x = rng.normal(size=rows)
    chance = np.clip(0.002 * np.exp(0.7 * rng.normal(size=rows) + 0.4 * x), 0, 0.5)
    click = rng.random(rows) < np.minimum(chance * times, 0.9)
    return pd.DataFrame({"x": x, "chance": chance, "click": click.astype(int)})


def test_a_rare_event_that_doubles_is_worth_knowing():
    found = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        windows = clicks(rng, 60_000), clicks(rng, 30_000, 2.5)
        found.append(wd.compare(*windows, target="click", prediction="chance"))
    assert [f.conditional_shift for f in found] == [True] * 4
    assert sum(f.verdict == "mechanism" for f in found) >= 3


def test_a_loss_that_rose_does_not_stand_under_nothing_changed():
    metric = Metric("log_loss", 0.02, 0.04, Estimate(0.02, 0.012, 0.028), 0.02, None)
    nothing = {"verdict": Verdict.NONE, "target": "y", "faults": (), "judged": {}, "ranking": ()}
    assert "rose from 0.02 to 0.04" in summarise(**nothing, metric=metric)
    unsure = replace(metric, change=Estimate(0.02, 0.008, 0.032))
    assert summarise(**nothing, metric=unsure) == "Nothing changed that is worth knowing."


def scores(rng: np.random.Generator, rows: int) -> pd.DataFrame:
    x = rng.normal(size=(rows, 2))
    chance = 1 / (1 + np.exp(2 - x[:, 0] - 0.5 * x[:, 1]))
    return pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "p": chance, "y": rng.random(rows) < chance})


@pytest.mark.parametrize(
    ("served", "name", "share"),
    [
        (lambda p: 100 * p, "share of y = true", "9"),
        (lambda p: np.log(p / (1 - p)), "share of y = true", "9"),
        (lambda p: np.where(np.arange(len(p)) % 20 == 0, -1.0, p), "log_loss", "5.0%"),
    ],
)
def test_predictions_that_are_no_chances_any_more_are_diagnosed(served, name, share):
    rng = np.random.default_rng(0)
    reference, current = scores(rng, 6_000), scores(rng, 2_000)
    found = wd.compare(
        reference, current.assign(p=served(current["p"].to_numpy())), target="y", prediction="p"
    )
    assert found.columns["p"].verdict == "mechanism"
    assert found.metric is not None and found.metric.name == name
    (text,) = (w.text for w in found.warnings if w.code == "prediction_out_of_range")
    assert text.startswith(share)


def test_a_chance_with_a_last_digit_too_many_is_one():
    rng = np.random.default_rng(0)
    reference, current = scores(rng, 6_000), scores(rng, 2_000)
    current.loc[0, "p"] = 1.0000001
    found = wd.compare(reference, current, target="y", prediction="p")
    assert found.metric is not None and found.metric.name == "log_loss"
    assert "prediction_out_of_range" not in {w.code for w in found.warnings}


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_a_few_rows_have_no_loss_that_moved(rows):
    claimed = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(1_000 + rows, 2))
        table = pd.DataFrame({"x": x[:, 0], "p": 2 * x[:, 0], "y": 2 * x[:, 0] + x[:, 1]})
        found = wd.compare(table[:1_000], table[1_000:], target="y", prediction="p")
        assert found.metric is not None
        change = found.metric.change
        claimed += (
            change.low is not None
            and change.high is not None
            and (change.low > 0 or change.high < 0)
        )
    assert claimed <= 4
