"""What a column's reason says is what the evidence shows."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

import whydrift as wd
from whydrift.discovery.graph import Edge
from whydrift.monitor.diagnosis.diagnosis import ColumnVerdict, ReasonCode, Verdict
from whydrift.monitor.diagnosis.groups import Group
from whydrift.monitor.diagnosis.judgement import Judged
from whydrift.monitor.diagnosis.summary import summarise
from whydrift.monitor.diagnosis.words import any_of


def series(rng: np.random.Generator, rows: int, rho: float, sd: float) -> np.ndarray:
    """A first-order autoregression of this standard deviation."""
    noise = sd * math.sqrt(1 - rho**2) * rng.normal(size=rows + 200)
    for i in range(1, rows + 200):
        noise[i] += rho * noise[i - 1]
    return noise[200:]


def column(reference: np.ndarray, current: np.ndarray):
    frames = pd.DataFrame({"x": reference}), pd.DataFrame({"x": current})
    return wd.compare(*frames, graph=[]).columns["x"]


# ---- level and spread --------------------------------------------------------------------------
@pytest.mark.parametrize("louder", [0.5, 2.0])
def test_a_series_whose_steps_alone_spread_otherwise_is_told_by_these(louder):
    rng = np.random.default_rng(3)
    slow = [series(rng, 2_000, 0.98, 1.0) for _ in range(2)]
    # Over the whole window the other noise is lost in the slow waves.
    found = column(
        slow[0] + 0.15 * rng.normal(size=2_000), slow[1] + louder * 0.15 * rng.normal(size=2_000)
    )
    assert found.verdict == "source"
    assert "its spread from row to row changed by a factor of" in found.reason
    assert found.effect.unit == "log sd"
    assert (found.effect.low if louder > 1 else -found.effect.high) > 0


def test_of_a_column_that_moved_in_level_and_spread_both_are_told():
    rng = np.random.default_rng(4)
    for reference, current in (
        (series(rng, 1_500, 0.9, 1.0), 9 + series(rng, 1_500, 0.9, 0.3)),
        (rng.normal(size=1_500), rng.normal(2.0, 0.5, 1_500)),
    ):
        found = column(reference, current)
        assert found.verdict == "source"
        assert "spread changed by a factor of 0." in found.reason
        assert "level moved by +" in found.reason


def test_what_did_not_move_clearly_is_not_told_beside_what_did():
    rng = np.random.default_rng(5)
    found = column(rng.normal(size=1_500), rng.normal(1.0, 1.0, 1_500))
    assert "level moved by +" in found.reason and "spread" not in found.reason
    found = column(rng.normal(size=1_500), rng.normal(0.0, 2.0, 1_500))
    assert "spread changed by" in found.reason and "level" not in found.reason


# ---- what moved by less than is worth knowing --------------------------------------------------
def houses(
    rng: np.random.Generator, *, income: float = 0.0, price: float = 0.0, guess: float = 0.0
):
    rows = 16_000
    x = income + rng.normal(size=rows)
    frame = pd.DataFrame({"income": x, "price": 0.8 * x + 0.6 * rng.normal(size=rows)})
    frame["price"] += price
    return frame.assign(guess=0.8 * x + 0.6 * rng.normal(size=rows) + guess)


@pytest.mark.parametrize("income", [0.0, 0.5])
def test_predictions_that_moved_a_little_for_certain_are_not_called_as_before(income):
    rng = np.random.default_rng(6)
    frames = houses(rng), houses(rng, income=income, guess=0.04)
    asked = {"graph": [("income", "price")], "target": "price", "prediction": "guess"}
    row = wd.compare(*frames, **asked).columns["guess"]
    assert row.verdict == ("inherited" if income else "stable")
    assert row.p_value < 1e-4 and 0 < row.effect.low < row.effect.high < 0.1
    assert "moved by less than is worth knowing (p = " in row.reason
    assert "as before" not in row.reason


def test_a_column_that_moved_a_little_given_its_parents_does_not_behave_as_before():
    rng = np.random.default_rng(7)
    frames = (f.drop(columns="guess") for f in (houses(rng), houses(rng, income=0.5, price=0.04)))
    row = wd.compare(*frames, graph=[("income", "price")]).columns["price"]
    assert (row.verdict, row.p_value < 1e-4) == ("inherited", True)
    assert "given income it moved by less than is worth knowing" in row.reason


# ---- what could not be tested, or not be seen --------------------------------------------------
def stores(rng: np.random.Generator, count: int) -> pd.DataFrame:
    """Fourteen hours of each store: its format stays, its promotion is of the day."""
    number = np.repeat(np.arange(count), 14)
    promo = rng.random(count) < 0.3
    promo[:2] = True, False
    temperature = rng.normal(size=count)
    return pd.DataFrame(
        {
            "store": [f"S{n:02d}" for n in number],
            "format": np.array(["city", "mall", "village"])[number % 3],
            "promo": promo[number].astype(int),
            "temperature": temperature[number],
            "units": rng.normal(size=len(number)),
        }
    )


def test_what_each_cluster_has_in_both_windows_is_not_called_constant():
    rng = np.random.default_rng(8)
    frames = stores(rng, 30), stores(rng, 30)
    row = wd.compare(*frames, graph=[], cluster="store").columns["format"]
    assert (row.verdict, row.p_value) == ("stable", None)
    assert row.reason == "Each cluster has the same values of it as often, in both windows."


def test_a_change_that_is_not_possible_is_not_said_to_be_what_would_have_been_seen():
    rng = np.random.default_rng(9)
    found = wd.compare(stores(rng, 4), stores(rng, 4), graph=[], cluster="store", level=1e-4)
    for name, most in (("promo", 1.0), ("temperature", 10.0)):
        row = found.columns[name]
        assert row.reason_code == "low_power" and row.detectable_effect > most
        assert row.reason == "Nothing was found, but no change could have been seen."
    many = wd.compare(stores(rng, 100), stores(rng, 100), graph=[], cluster="store", level=1e-4)
    assert "a change below 0." in many.columns["promo"].reason


@pytest.mark.parametrize("rows", [(2000, 200), (200, 2000)])
@pytest.mark.parametrize("move", [1.0, 3.0])
def test_a_level_that_moved_far_is_no_spread_however_unlike_the_windows_are_in_length(rows, move):
    def window(n: int, off: float = 0.0) -> pd.DataFrame:
        x = rng.normal(size=n)
        return pd.DataFrame({"x": x, "y": x + off + rng.normal(size=n)})

    rng = np.random.default_rng(1)
    reason = (
        wd.compare(window(rows[0]), window(rows[1], move), graph=[("x", "y")]).columns["y"].reason
    )
    assert "level moved" in reason and "spread" not in reason


def test_without_a_target_both_kinds_of_shift_are_named():
    def window(seed: int, move: float) -> pd.DataFrame:
        x, b, e = np.random.default_rng(seed).normal(size=(3, 1000))
        return pd.DataFrame({"x": x, "b": b + move, "y": x + b + 2 * move + e})

    found = wd.compare(window(1, 0.0), window(2, 1.0), graph=[("x", "y"), ("b", "y")])
    assert found.verdict == "both"
    assert "Mechanism shift at y" in found.summary
    assert "Covariate shift, beginning at b" in found.summary


def test_what_moved_at_an_edge_of_open_direction_contributes_nobody_knows_what():
    def window(move: float) -> pd.DataFrame:
        x, e, f = rng.normal(size=(3, 2000))
        return pd.DataFrame({"x": x, "z": x + e, "y": x + e + f}) + move

    rng = np.random.default_rng(1)
    found = wd.compare(window(0.0), window(0.8), target="y", method="ges")
    assert found.columns["y"].reason_code == "undecided_edge"
    assert all(c.contribution is None for c in found.columns.values())
    assert found.metric.unattributed == pytest.approx(found.metric.change.value)


def test_columns_of_which_one_moved_are_not_all_said_to_have():
    """By the headline: the rows of the columns say that either moved."""
    doubt = Judged(ColumnVerdict.UNDETERMINED, ReasonCode.UNDECIDED_EDGE, "")
    judged = {
        "pulse": Judged(ColumnVerdict.SOURCE, None, ""),
        **dict.fromkeys(("spo2", "lactate", "age"), doubt),
    }

    def told(names: tuple[str, ...], ranking: tuple[str, ...]) -> str:
        return summarise(
            verdict=Verdict.UNDETERMINED,
            target="y",
            faults=(),
            judged={n: judged[n] for n in (*names, *ranking)},
            ranking=ranking,
            metric=None,
            open_edges=(Edge.of("spo2", "---", "lactate"),),
            groups=(Group(("spo2", "lactate")),),
        )

    one = told(("spo2", "lactate"), ("pulse",))
    assert one.startswith(
        "How spo2 and lactate depend on each other changed; the data cannot tell which of them "
        "moved, nor whether that follows from pulse, which moved of itself"
    )
    both = told(("spo2", "lactate", "age"), ())
    assert both.startswith("age moved, and how spo2 and lactate depend on each other changed;")
    assert "spo2 moved" not in both and "lactate moved" not in both


def test_of_many_columns_that_broke_the_headline_names_a_few_and_counts_the_rest():
    def window(seed: int, factor: float) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        frame = pd.DataFrame({f"c{k}": rng.normal(100, 1, 500) * factor for k in range(12)})
        return frame.assign(y=rng.normal(size=500))

    found = wd.compare(window(0, 1.0), window(1, 1000.0), target="y", graph=[("c0", "y")])
    assert len({c for fault in found.faults for c in fault.columns}) == 12
    assert found.summary.startswith("Broken data: the unit of c0 changed; the unit of c1 changed; ")
    assert found.summary.count("the unit of") == 5 and "; and 7 more" in found.summary
    assert found.remedy.text.count("restore") == 5
    assert "; and 7 more. Then compare again." in found.remedy.text
    assert len(found.remedy.columns) == 12


def test_of_many_columns_one_of_which_moved_a_sentence_names_a_few():
    assert any_of(["a", "b", "c"]) == "a or b or c"
    assert any_of(list("abcdefg")) == "a or b or c or d or 3 more"


@pytest.mark.parametrize(("rows", "is_said"), [(1000, True), (20_000, False)])
def test_silence_about_a_rare_event_says_what_would_not_have_been_seen(rows, is_said):
    """A rate of 1 % could double in a thousand rows and nothing would show."""
    rng = np.random.default_rng(4)
    frames = [
        pd.DataFrame({"x": rng.normal(size=rows), "fraud": rng.random(rows) < 0.01})
        for _ in range(2)
    ]
    found = wd.compare(*frames, graph=[("x", "fraud")], target="fraud")
    assert found.columns["fraud"].verdict is ColumnVerdict.STABLE
    words = "would not have been seen"
    assert (words in found.summary, words in found.columns["fraud"].reason) == (is_said, is_said)
