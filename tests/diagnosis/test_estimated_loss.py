"""The loss without labels, and labels that belie it."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

import whydrift as wd

GRAPH = [("a", "b"), ("a", "y"), ("b", "y")]


def window(rows: int, seed: int, *, move: float = 0.0, level: float = 0.0) -> pd.DataFrame:
    """Noise and the model's error grow with a: where a moves the loss does."""
    rng = np.random.default_rng(seed)
    a = move + rng.normal(size=rows)
    b = 0.5 * a + rng.normal(size=rows)
    y = level + np.sin(a) + b + rng.normal(size=rows) * (0.6 + 0.3 * np.abs(a))
    return pd.DataFrame({"a": a, "b": b, "y": y, "guess": 0.5 * a + b})


def classes(rows: int, seed: int, *, move: float = 0.0, level: float = 0.0) -> pd.DataFrame:
    """A model that is not calibrated: its log loss is not the entropy of its chances."""
    rng = np.random.default_rng(seed)
    a = move + rng.normal(size=rows)
    b = 0.5 * a + rng.normal(size=rows)
    chance = 1 / (1 + np.exp(-(level + a + 0.5 * b**2 - 0.8)))
    guess = 1 / (1 + np.exp(-(1.5 * a - 0.2)))
    y = np.where(rng.random(rows) < chance, "yes", "no")
    return pd.DataFrame({"a": a, "b": b, "y": y, "guess": guess})


def judged(reference: pd.DataFrame, current: pd.DataFrame, **options):
    return wd.compare(reference, current, graph=GRAPH, target="y", prediction="guess", **options)


def codes(diagnosis) -> set[str]:
    return {w.code for w in diagnosis.warnings}


@pytest.mark.parametrize(("make", "name"), [(window, "squared_error"), (classes, "log_loss")])
def test_intervals_without_labels_cover_the_loss_that_labels_show(make, name):
    reference = make(1500, 1)
    schema = wd.Snapshot.from_frame(reference).schema
    hits, trials = 0, 25
    for seed in range(trials):
        late = make(40_000, 1000 + seed, move=0.7)
        every_row = wd.Snapshot.from_frame(late, schema=schema, sample_rows=len(late))
        full = judged(reference, every_row).metric
        found = judged(reference, late[:1500].drop(columns="y"))
        assert found.metric.name == f"{name} (estimated)"
        assert "loss_estimated" in codes(found)
        hits += found.metric.change.low <= full.change.value <= found.metric.change.high
    # One reference for all: its luck is shared, so the bound is wide.
    assert hits >= binom.ppf(1e-4, trials, 0.85)


def test_the_estimated_metric_is_told_and_adds_up():
    found = judged(window(1500, 1), window(1500, 2, move=1.2).drop(columns="y"))
    assert found.metric.unattributed == found.metric.change.value
    assert found.metric.change.low > 0
    assert "(estimated)" in found.summary


@pytest.mark.parametrize("make", [window, classes])
def test_labels_that_belie_the_estimate_are_told(make):
    assert "estimated_loss_off" not in codes(judged(make(2000, 1), make(2000, 2, move=0.5)))
    assert "estimated_loss_off" in codes(judged(make(2000, 1), make(2000, 2, level=1.2)))


def test_rows_unlike_any_of_the_reference_get_no_estimate():
    found = judged(window(1000, 1), window(1000, 2, move=6.0).drop(columns="y"))
    assert found.metric is None
    assert "loss_not_estimated" in codes(found)


def test_missing_inputs_do_not_stop_the_estimate():
    current = window(1500, 2).drop(columns="y")
    current.loc[::10, "b"] = np.nan
    assert judged(window(1500, 1), current).metric is not None
