"""Columns that are others some rows before: forecasts read what they forecast."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import whydrift as wd
from whydrift.discovery.graph import Graph
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.diagnosis import ColumnVerdict, ReasonCode
from whydrift.monitor.diagnosis.filtered import Filtered, find_filtered
from whydrift.monitor.diagnosis.groups import Group
from whydrift.monitor.diagnosis.judgement import Judged
from whydrift.monitor.diagnosis.lags import Lag, find_lags, told_of_lags, with_time_order

FEATURES = ("demand", "demand_lag1", "sales_lag1", "sales_lag2")
KNOWLEDGE = wd.Knowledge(tiers=(FEATURES, ("sales",)))


def forecasts(seed: int, *, level: float = 0.0, slope: float = 1.0) -> pd.DataFrame:
    """Sales by what was sold the hours before, and by demand."""
    rng = np.random.default_rng(seed)
    noise, demand, sales = rng.normal(size=(2, 1240)), np.zeros(1240), np.zeros(1240)
    for i in range(1, 1240):
        demand[i] = 0.5 * demand[i - 1] + noise[0, i]
        sales[i] = 0.6 * sales[i - 1] + slope * (demand[i] + level) + noise[1, i]
    table = pd.DataFrame({"demand": demand + level, "sales": sales})
    late = {f"sales_lag{k}": table["sales"].shift(k) for k in (1, 2)}
    hours = pd.date_range("2026-01-01", periods=1240, freq="h")
    table = table.assign(**late, demand_lag1=table["demand"].shift(1)).round(3)
    return table.assign(at=hours).iloc[40:]


@pytest.mark.parametrize(
    ("change", "verdict", "origin"),
    [({"slope": 0.5}, "mechanism", "sales"), ({"level": 1.0}, "covariate", "demand")],
)
def test_a_change_does_not_begin_at_what_the_column_was_before(change, verdict, origin):
    for seed in range(3):
        reference, current = forecasts(seed), forecasts(100 + seed, **change)
        found = wd.compare(
            reference, current, target="sales", time_column="at", knowledge=KNOWLEDGE
        )
        assert (found.verdict, found.ranking) == (verdict, (origin,))
        untold = wd.compare(reference, current, target="sales", time_column="at")
        assert (untold.verdict, untold.ranking) == (verdict, (origin,))
        lag = found.columns["sales_lag2"]
        assert lag.verdict == "inherited" and "It is sales 2 rows before" in lag.reason


def test_only_what_is_another_column_in_both_windows_is_its_lag():
    rows = forecasts(7).drop(columns="at")
    rng = np.random.default_rng(8)
    noisy = rows.assign(sales_lag2=rows["sales_lag2"] + rng.normal(size=len(rows)))
    names = tuple(rows)
    same, other = Snapshot.from_frame(rows), Snapshot.from_frame(noisy)
    lags = {"sales_lag1": Lag("sales", 1), "sales_lag2": Lag("sales", 2)}
    assert find_lags(same, same, names) == lags | {"demand_lag1": Lag("demand", 1)}
    found = find_lags(same, other, names)
    assert "sales_lag2" not in found and found["sales_lag1"] == Lag("sales", 1)


def test_nothing_causes_what_was_before_it_unless_somebody_says_so():
    lags = {"y1": Lag("y", 1), "y2": Lag("y", 2), "x1": Lag("x", 1)}
    known = with_time_order(wd.Knowledge(required=(("y", "y2"),)), lags)
    assert {("y", "y1"), ("y", "x1"), ("x", "x1"), ("x", "y1"), ("y1", "y2"), ("x1", "y2")} == {
        *known.forbidden
    } - {("x", "y2")}
    assert ("y", "y2") not in known.forbidden and ("x", "y2") in known.forbidden


def test_a_lag_is_named_where_nothing_else_moved():
    """The sales were elsewhere before the window began: their own mechanism stands."""
    reference = forecasts(9)
    current = forecasts(10)
    current = current.assign(sales_lag1=current["sales_lag1"].sample(frac=1, random_state=0) + 2)
    found = wd.compare(reference, current, target="sales", time_column="at", knowledge=KNOWLEDGE)
    assert "sales_lag1" in found.ranking


def averaged(frame: pd.DataFrame) -> pd.DataFrame:
    """Rolling and decaying means of what was sold before, in place of what was sold then."""
    sold = frame["sales"].shift(1)
    means = {"mean7": sold.rolling(7).mean().round(3), "decaying": sold.ewm(span=5).mean().round(3)}
    return frame.drop(columns=["sales_lag1", "sales_lag2"]).assign(**means).iloc[20:]


@pytest.mark.parametrize(
    ("change", "verdict", "origin"),
    [({"slope": 0.5}, "mechanism", "sales"), ({"level": 1.0}, "covariate", "demand")],
)
def test_a_change_does_not_begin_at_a_mean_of_the_rows_before(change, verdict, origin):
    for seed in range(3):
        reference, current = (averaged(forecasts(s, **c)) for s, c in
                              ((seed, {}), (100 + seed, change)))  # fmt: skip
        found = wd.compare(reference, current, target="sales", time_column="at")
        assert (found.verdict, found.ranking) == (verdict, (origin,))
        said = [found.columns[n].reason for n in ("mean7", "decaying")]
        assert any("It is computed from sales of the rows before" in reason for reason in said)


@pytest.mark.parametrize(
    ("filtered", "with_present"),
    [
        (lambda x: x.shift(1).rolling(28).sum(), False),
        (lambda x: x.shift(1).rolling(168).mean(), False),
        (lambda x: x.shift(1) - x.shift(8), False),
        (lambda x: x.rolling(7).mean(), True),
        (lambda x: x.shift(1).ewm(span=20).mean(), False),
    ],
)
def test_a_filter_of_a_column_is_seen_in_windows_that_differ(filtered, with_present):
    windows = []
    for seed, level in ((1, 0.0), (2, 3.0)):
        x = forecasts(seed, level=level)["sales"]
        table = pd.DataFrame({"x": x, "other": x.sample(frac=1, random_state=0).to_numpy()})
        windows.append(table.assign(y=filtered(x).round(3)))
    before, after = ({n: w[n].to_numpy() for n in w} for w in windows)
    found = find_filtered(before, after)
    assert found == {"y": Filtered("x", with_present)}


def test_a_copy_and_a_cause_are_no_filters_and_a_running_total_is_one():
    rng = np.random.default_rng(4)
    x, noise = rng.normal(size=(2, 1000))
    caused = np.zeros(1000)
    for i in range(1, 1000):
        caused[i] = 0.5 * caused[i - 1] + x[i - 1] + 0.3 * noise[i]
    table = {"x": x, "fahrenheit": 32 + 1.8 * x, "caused": caused, "total": np.cumsum(noise),
             "noise": noise}  # fmt: skip
    before, after = ({n: v[rows] for n, v in table.items()} for rows in
                     (slice(0, 500), slice(500, 1000)))  # fmt: skip
    found = find_filtered(before, after)
    assert found == {"total": Filtered("noise", with_present=True)}


def stores(seed: int, promotion: float) -> pd.DataFrame:
    """Ten stores' sales by day, with what each sold the day and the week before."""
    rng = np.random.default_rng(seed)
    parts = []
    for store in range(10):
        noise, sales = 0.3 * rng.normal(size=140), np.zeros(140)
        promo, price = rng.random(140) < 0.2, rng.normal(size=140)
        for i in range(1, 140):
            known = 0.1 * store + promotion * promo[i] - 0.4 * price[i]
            sales[i] = known + 0.3 * sales[i - 1] + noise[i]
        table = pd.DataFrame({"store": f"s{store}", "promo": promo.astype(int), "price": price,
                              "sales": np.exp(sales)})  # fmt: skip
        sold = table["sales"].shift(1)
        late = {"lag1": sold, "lag7": table["sales"].shift(7), "mean7": sold.rolling(7).mean()}
        table = table.assign(**late, at=pd.date_range("2026-01-01", periods=140))
        parts.append(table.iloc[20:])
    return pd.concat(parts).round({"price": 3, "sales": 3, "lag1": 3, "lag7": 3, "mean7": 3})


@pytest.mark.parametrize("by", [["at", "store"], ["store", "at"]])
def test_lags_of_several_series_are_seen_whatever_order_they_come_in(by):
    reference, current = (stores(s, p).sort_values(by) for s, p in ((1, 0.5), (2, -0.5)))
    found = wd.compare(reference, current, target="sales", time_column="at")
    assert (found.verdict, found.ranking) == ("mechanism", ("sales",))
    reference, current = (w.drop(columns="at") for w in (reference, current))
    untold = wd.compare(reference, current, target="sales")
    assert untold.ranking[0] == "sales" and not {"lag1", "lag7", "mean7"} & {*untold.ranking}


def test_what_is_computed_from_one_of_two_that_may_have_moved_inherits_it():
    found = {
        "asset": Judged(ColumnVerdict.UNDETERMINED, ReasonCode.UNDECIDED_EDGE, ""),
        "market": Judged(ColumnVerdict.UNDETERMINED, ReasonCode.UNDECIDED_EDGE, ""),
        "mean": Judged(ColumnVerdict.MECHANISM, None, "It moved."),
    }
    lags = {"mean": Lag("asset", 1, is_computed=True)}
    assert told_of_lags(lags, found, Graph(tuple(found))) == {}
    told = told_of_lags(lags, found, Graph(tuple(found)), [Group(("asset", "market"))])
    assert told["mean"].verdict is ColumnVerdict.INHERITED
    assert "the change began at asset or market" in told["mean"].reason


def test_columns_that_stand_still_repeat_or_lack_values_are_looked_at_without_harm():
    hours = np.arange(400)
    table = {
        "sine": np.sin(hours * np.pi / 12), "cosine": np.cos(hours * np.pi / 12),
        "constant": np.ones(400), "gaps": np.where(hours < 390, np.nan, 1.0),
        "clock": hours.astype(float), "daily": (hours % 24).astype(float),
    }  # fmt: skip
    assert "constant" not in find_filtered(table, table)
    short = {n: v[:3] for n, v in table.items()}
    assert find_filtered(table, short) == find_filtered(short, table) == {}
    frame = Snapshot.from_frame(pd.DataFrame(table))
    few = Snapshot.from_frame(pd.DataFrame(table).iloc[:1], schema=frame.schema)
    names = tuple(n for n in table if frame.has(n))
    assert "sine" in names and find_lags(frame, few, names) == {}
