"""Labels that are on their way, and labels that are lost."""

import numpy as np
import pandas as pd
import pytest

import whydrift as wd
from tests.diagnosis.worlds import EDGES, houses
from whydrift.monitor.diagnosis.alert import AlertKey, AlertKind, alert_findings


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


def test_labels_late_for_no_reason_all_over_the_window_are_not_judged():
    current = houses(1500, 2, price_slope=0.2)
    waits = np.random.default_rng(3).exponential(400, 1500)
    current.loc[np.arange(1500) + waits > 1500, "price"] = np.nan
    found = judged(current)
    assert found.conditional_shift is None
    assert "price" not in found.columns
    (text,) = immature(found)
    assert "may come late for what they say" in text


def events(rng: np.random.Generator, rows: int = 2000, *, more: float = 0.0) -> pd.DataFrame:
    x = rng.normal(size=rows)
    chance = 1 / (1 + np.exp(-x))
    happened = rng.random(rows) < 1 / (1 + np.exp(-x - more))
    return pd.DataFrame({"x": x, "y": happened.astype(float), "guess": chance})


def with_late_events(rows: pd.DataFrame, rng: np.random.Generator, mean: float, from_row: int):
    """Let what happened be told later than what did not."""
    waits = rng.exponential(np.where(rows["y"] == 1, mean, 0.2 * mean))
    place = np.arange(len(rows))
    return rows.assign(y=rows["y"].where((place < from_row) | (place + waits < len(rows))))


def of_events(before: pd.DataFrame, after: pd.DataFrame):
    return wd.compare(before, after, graph=[("x", "y")], target="y", prediction="guess")


@pytest.mark.parametrize(("mean", "from_row"), [(1000, 1000), (1000, 0)])
def test_labels_that_come_late_for_what_they_say_are_no_shift(mean, from_row):
    """Of the rows with a label, too few say that it happened."""
    shifts = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        before, after = events(rng), with_late_events(events(rng), rng, mean, from_row)
        labelled = after["y"].notna()
        assert after["y"][labelled].mean() < before["y"].mean() - 0.03
        found = of_events(before, after)
        assert immature(found)
        shifts += found.ranking != () or bool(found.conditional_shift)
    assert shifts <= 2


def test_a_shift_is_found_on_rows_before_labels_begin_to_lack():
    rng = np.random.default_rng(0)
    before = events(rng)
    found = of_events(before, with_late_events(events(rng, more=1.0), rng, 1000, 1000))
    assert found.ranking == ("y",)
    (text,) = immature(found)
    assert "the first 5" in text


def test_rare_labels_that_are_late_are_late_though_few_lack():
    rng = np.random.default_rng(1)
    rows = events(rng, 8000, more=-4.5)
    late = rows.assign(y=rows["y"].where((rows["y"] == 0) | (np.arange(8000) < 4000)))
    assert late["y"].isna().mean() < 0.02
    (text,) = immature(of_events(rows, late))
    assert "the first 5" in text


def test_labels_that_stand_together_are_worth_as_much_as_a_window_of_these_rows():
    rng = np.random.default_rng(2)
    before, after = events(rng), events(rng, more=2.0)
    apart = of_events(before, after[:100])
    together = of_events(before, after.assign(y=after["y"].where(after.index < 100)))
    assert "y" in together.ranking and together.metric.change.low > 0
    widths = [d.metric.change.high - d.metric.change.low for d in (apart, together)]
    assert widths[1] == pytest.approx(widths[0], rel=0.2)
    assert together.remedy.gain.value == pytest.approx(apart.remedy.gain.value, rel=0.2)


def test_where_hardly_a_row_is_mature_and_labels_change_none_is_judged():
    rng = np.random.default_rng(3)
    after = events(rng)
    late = (after["y"] == 1) & (rng.random(2000) < np.linspace(0.3, 1, 2000))
    found = of_events(events(rng), after.assign(y=after["y"].mask(late)))
    assert "y" not in found.columns
    assert found.stage == "features"
    assert found.metric.name == "log_loss (estimated)"
    (text,) = immature(found)
    assert "not judged" in text


def test_without_a_label_that_counts_nothing_is_said_of_the_relationship():
    rng = np.random.default_rng(4)
    after = events(rng)
    late = (after["y"] == 1) & (rng.random(2000) < np.linspace(0.3, 1, 2000))
    x = after["x"] + 0.5
    moved = after.assign(x=x, y=after["y"].mask(late), guess=1 / (1 + np.exp(-x)))
    remedy = of_events(events(rng), moved).remedy
    assert remedy.action == "investigate"
    assert "Without labels" in remedy.text


@pytest.mark.parametrize("lack", ["ripe", "all"])
def test_without_a_label_that_counts_windows_compare_as_without_the_column(lack):
    rng = np.random.default_rng(5)
    before, after = events(rng), events(rng)
    x = after["x"] + 0.5
    moved = after.assign(x=x, guess=1 / (1 + np.exp(-x)))
    late = (after["y"] == 1) & (rng.random(2000) < np.linspace(0.3, 1, 2000))
    with_column = moved.assign(y=after["y"].mask(late) if lack == "ripe" else np.nan)
    found = of_events(before, with_column)
    absent = of_events(before, moved.drop(columns="y"))
    assert found.stage == absent.stage == "features"
    assert found.verdict == absent.verdict == "covariate"
    assert found.columns == absent.columns
    assert found.faults == ()
    kept, alerts = alert_findings(absent), alert_findings(found)
    assert alerts == kept
    assert alerts[AlertKey("y", AlertKind.MECHANISM)].outcome == "unknown"
