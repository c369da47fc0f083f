"""Contributions against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import whydrift as wd


def chain(rng, rows, *, shift=0.0, slope=1.0) -> pd.DataFrame:
    x = shift + rng.normal(size=rows)
    return pd.DataFrame({"x": x, "y": slope * x + 0.5 * rng.normal(size=rows)})


def test_a_moved_cause_and_a_moved_slope_share_the_change_as_shapley_has_it():
    # E[y] is slope · shift. With x moved by 0.5 and the slope from 1 to 2, x alone brings 0.5, the
    # slope alone nothing, both together 1.0: Shapley gives x (0.5 + 1.0) / 2 and y (0 + 0.5) / 2.
    rng = np.random.default_rng(0)
    diagnosis = wd.compare(
        chain(rng, 8000), chain(rng, 8000, shift=0.5, slope=2.0), graph=[("x", "y")], target="y"
    )
    assert set(diagnosis.ranking) == {"x", "y"}
    parts = {n: c.contribution for n, c in diagnosis.columns.items()}
    assert parts["x"].value == pytest.approx(0.75, abs=0.08)
    assert parts["y"].value == pytest.approx(0.25, abs=0.08)
    for name, truth in (("x", 0.75), ("y", 0.25)):
        assert parts[name].low - 0.05 <= truth <= parts[name].high + 0.05


def test_a_column_that_does_not_lead_to_the_target_contributes_nothing():
    rng = np.random.default_rng(1)
    before, after = (
        chain(rng, 2000, shift=s).assign(aside=s + rng.normal(size=2000)) for s in (0.0, 0.7)
    )
    diagnosis = wd.compare(before, after, graph=[("x", "y")], target="y")
    assert set(diagnosis.ranking) == {"x", "aside"}
    aside = diagnosis.columns["aside"].contribution
    assert (aside.value, aside.low, aside.high) == (0.0, 0.0, 0.0)
    metric = diagnosis.metric
    assert metric is not None
    assert diagnosis.columns["x"].contribution.value == pytest.approx(metric.change.value)


@pytest.mark.parametrize(
    ("loss", "by_hand"),
    [
        ("squared_error", lambda y, f: (y - f) ** 2),
        ("absolute_error", lambda y, f: (y - f).abs()),
    ],
)
def test_the_metric_is_the_mean_loss_as_anyone_would_compute_it(loss, by_hand):
    rng = np.random.default_rng(2)
    before, after = (chain(rng, 1000, slope=s).assign(guess=lambda f: f.x) for s in (1.0, 1.5))
    diagnosis = wd.compare(
        before, after, graph=[("x", "y")], target="y", prediction="guess", loss=loss
    )
    metric = diagnosis.metric
    assert metric is not None and metric.name == loss
    assert metric.reference == pytest.approx(by_hand(before.y, before.guess).mean())
    assert metric.current == pytest.approx(by_hand(after.y, after.guess).mean())


def test_the_log_loss_of_a_probability_is_taken_for_a_binary_target():
    rng = np.random.default_rng(3)

    def frame(rows: int) -> pd.DataFrame:
        x = rng.normal(size=rows)
        chance = 1 / (1 + np.exp(-x))
        return pd.DataFrame({"x": x, "y": rng.random(rows) < chance, "p": chance})

    before, after = frame(1000), frame(1000)
    diagnosis = wd.compare(before, after, graph=[("x", "y")], target="y", prediction="p")
    metric = diagnosis.metric
    assert metric is not None and metric.name == "log_loss"
    truth = -np.where(before.y, np.log(before.p), np.log(1 - before.p)).mean()
    assert metric.reference == pytest.approx(truth)


@pytest.mark.parametrize("classes", [("stay", "churn"), ("good", "bad"), ("bad", "good"), (2, 1)])
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_the_class_whose_chance_is_predicted_is_recognised(classes, share):
    rng = np.random.default_rng(5)

    def frame(rows: int) -> pd.DataFrame:
        x = rng.normal(size=rows)
        chance = 1 / (1 + np.exp(-x - np.log(share / (1 - share))))
        happened = rng.random(rows) < chance
        return pd.DataFrame({"x": x, "y": np.where(happened, *classes), "p": chance})

    before, after = frame(1500), frame(1500)
    diagnosis = wd.compare(before, after, graph=[("x", "y")], target="y", prediction="p")
    happened = (before.y == classes[0]).to_numpy()
    truth = -np.where(happened, np.log(before.p), np.log(1 - before.p)).mean()
    assert diagnosis.metric is not None
    assert diagnosis.metric.reference == pytest.approx(truth)
    told = [w.text for w in diagnosis.warnings if w.code == "positive_class"]
    assert bool(told) == isinstance(classes[0], str)
    assert all(repr(classes[0]) in text for text in told)


def test_a_loss_that_does_not_fit_is_refused():
    rng = np.random.default_rng(6)
    before, after = (chain(rng, 300).assign(guess=lambda f: f.x) for _ in range(2))
    with pytest.raises(wd.SchemaError, match="binary target"):
        wd.compare(before, after, target="y", prediction="guess", loss="log_loss")


def test_a_class_that_is_new_is_a_fault_and_no_error():
    rng = np.random.default_rng(7)

    def frame(classes: list[str], p: list[float]) -> pd.DataFrame:
        return pd.DataFrame(
            {"x": rng.normal(size=500), "y": rng.choice(classes, 500, p=p), "p": rng.random(500)}
        )

    before = frame(["no", "yes"], [0.5, 0.5])
    after = frame(["no", "yes", "maybe"], [0.45, 0.45, 0.1])
    diagnosis = wd.compare(before, after, graph=[("x", "y")], target="y", prediction="p")
    assert [f.kind for f in diagnosis.faults] == ["category_set"]
    assert diagnosis.metric is not None and diagnosis.metric.name == "log_loss"
