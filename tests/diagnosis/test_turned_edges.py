"""A column that nobody touched is not blamed because its edge was learned the wrong way round."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter

import whydrift as wd

SEEDS = range(6)


def right(
    windows: Callable[[np.random.Generator], tuple[pd.DataFrame, pd.DataFrame]],
    column: str,
    **options: Any,
) -> int:
    """Return in how many of the seeds this column is named, and no other."""
    named = [wd.compare(*windows(np.random.default_rng(s)), **options).ranking for s in SEEDS]
    return sum(ranking == (column,) for ranking in named)


def promotions(rng: np.random.Generator, rows: int, rise: float = 0.0) -> pd.DataFrame:
    promo = rng.random(rows) < 0.2
    price = np.round(9 + 0.5 * rng.normal(size=rows), 2)
    y = 50 + 10 * (promo - 0.4 * (price - 9) + rng.normal(size=rows)) + rise
    return pd.DataFrame({"promo": promo.astype(int), "price": price, "y": np.round(y)})


def test_a_flag_and_a_number_are_weighed_alike_in_long_windows():
    def windows(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
        return promotions(rng, 8_000), promotions(rng, 8_000, 6)

    assert right(windows, "y", target="y") == len(SEEDS)


def hours(rng: np.random.Generator, rise: float = 0.0, start: str = "2025-01-01") -> pd.DataFrame:
    rows = 1_344
    hour = np.arange(rows) % 24
    promo = (rng.random(rows) < 0.15).astype(int)
    price = np.round(10 + 0.5 * rng.normal(size=rows), 2)
    noise = lfilter([4.0], [1.0, -0.7], rng.normal(size=rows))
    y = 100 + 25 * np.sin(2 * np.pi * hour / 24) + 8 * promo - 6 * (price - 10) + noise + rise
    return pd.DataFrame({"ts": pd.date_range(start, periods=rows, freq="h"), "hour": hour,
                         "promo": promo, "price": price, "demand": np.round(y)})  # fmt: skip


def test_what_causes_a_series_is_not_blamed_for_its_change():
    def windows(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
        return hours(rng), hours(rng, 8, "2025-04-02")

    assert right(windows, "demand", target="demand", time_column="ts") >= 5


def stores(rng: np.random.Generator, rise: float = 0.0) -> pd.DataFrame:
    each, days = 40, 35
    usual = np.random.default_rng(11).normal(200, 40, each)
    day = np.repeat(np.arange(days), each)
    store = np.tile(np.arange(each), days)
    promo = (rng.random(len(day)) < 0.2).astype(int)
    price = np.round(9 + 0.5 * rng.normal(size=len(day)), 2)
    visits = rng.poisson(usual[store] * (1 + 0.3 * (day % 7 >= 5)))
    sales = visits * (0.3 + 0.05 * promo - 0.01 * (price - 9) + rise)
    return pd.DataFrame({"weekday": day % 7, "promo": promo, "price": price, "visits": visits,
                         "sales": np.round(sales + rng.normal(0, 4, len(day)))})  # fmt: skip


def test_promotions_are_not_blamed_for_what_stores_sell_in_the_order_of_days():
    assert right(lambda rng: (stores(rng), stores(rng, 0.03)), "sales", target="sales") >= 5


def advertisements(rng: np.random.Generator, dearer: float = 1.0) -> pd.DataFrame:
    rows = 3_000
    campaign = rng.choice(["brand", "search", "social"], rows, p=[0.3, 0.4, 0.3])
    base = pd.Series(campaign).map({"brand": 0.5, "search": 0.9, "social": 0.4}).to_numpy()
    budget = np.round(rng.lognormal(5, 0.6, rows))
    cost = np.round(base * dearer * rng.lognormal(0, 0.25, rows), 2)
    clicks = np.floor(budget / cost).astype(int)
    bought = rng.binomial(clicks, 0.05)
    rate = np.round(bought / np.maximum(clicks, 1), 3)  # a fourteenth of its sd
    return pd.DataFrame({"campaign": campaign, "budget": budget, "cpc": cost, "clicks": clicks,
                         "bought": bought, "rate": rate})  # fmt: skip


def test_a_coarsely_rounded_rate_does_not_pass_the_blame_on():
    def windows(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
        return advertisements(rng), advertisements(rng, 1.22)

    assert right(windows, "cpc", target="bought") >= 5


def coupons(rng: np.random.Generator, more: float = 0.0) -> pd.DataFrame:
    rows = 4_000
    given = rng.random(rows) < 0.3
    coupon = np.where(given, rng.choice(["C5", "C10", "C20"], rows, p=[0.5, 0.3, 0.2]), None)
    share = pd.Series(coupon).map({"C5": 5.0, "C10": 10.0, "C20": 20.0}).to_numpy()
    share = np.round(share + rng.normal(more, 1.5, rows), 1)
    basket = np.round(rng.lognormal(3.5, 0.4, rows), 2)
    revenue = np.round(basket * (1 - np.nan_to_num(share) / 100), 2)
    return pd.DataFrame({"basket": basket, "coupon": coupon, "discount": share,
                         "revenue": revenue})  # fmt: skip


@pytest.mark.parametrize("none", [None, "none"])
def test_a_coupon_without_which_there_is_no_discount_is_not_blamed_for_it(none):
    def windows(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
        old, new = coupons(rng), coupons(rng, 3)
        if none:
            old, new = (w.assign(coupon=w["coupon"].fillna(none)) for w in (old, new))
        return old, new

    assert right(windows, "discount", target="revenue") == len(SEEDS)


def rentals(rng: np.random.Generator, rows: int, slope: float = 0.04) -> pd.DataFrame:
    wave = 6 * np.sin(np.arange(rows) / 60)
    temperature = np.round(14 + wave + 4 * rng.normal(size=rows), 1)
    price = np.round(rng.choice([1.0, 1.5, 2.0], rows), 2)
    rate = np.exp(0.6 + slope * temperature - 0.5 * (price - 1.5))
    return pd.DataFrame({"temperature": temperature, "price": price, "rentals": rng.poisson(rate)})


def test_counts_have_causes_too():
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        found = wd.compare(rentals(rng, 5_000), rentals(rng, 1_500, 0.0), target="rentals")
        assert found.ranking == ("rentals",)
        assert {*found.columns["rentals"].parents} == {"price", "temperature"}


def subscriptions(rng: np.random.Generator, rows: int, dearer: float = 1.0) -> pd.DataFrame:
    plan = pd.Series(rng.choice(["basic", "plus", "pro"], rows, p=[0.6, 0.3, 0.1]))
    seats = 1 + rng.poisson(plan.map({"basic": 1, "plus": 4, "pro": 15}))
    price = plan.map({"basic": 9, "plus": 14, "pro": 22}) * dearer
    logins = rng.poisson(8 * np.sqrt(seats))
    days = np.round(100 + 3 * logins - 30 * (plan == "basic") + rng.normal(0, 20, rows), 1)
    return pd.DataFrame({"plan": plan, "seats": seats, "mrr": np.round(seats * price, 2),
                         "logins": logins, "days": days})  # fmt: skip


def test_a_price_list_is_not_told_as_other_seats():
    def windows(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
        return subscriptions(rng, 6_000), subscriptions(rng, 1_500, 1.25)

    assert right(windows, "mrr", target="days") == len(SEEDS)


def joined(rng: np.random.Generator, lost: float, rise: float = 0.0) -> pd.DataFrame:
    rows = 1_500
    shop = rng.choice(["web", "app", "shop"], rows, p=[0.5, 0.3, 0.2])
    x, own = rng.normal(size=(2, rows))
    tier = np.where(x + rng.normal(size=rows) > 0, "gold", "basic").astype(object)
    balance = x + 0.8 * (tier == "gold") + 0.6 * rng.normal(size=rows)
    usage = 0.8 * own + 0.8 * (shop == "app") + 0.6 * rng.normal(size=rows) + rise
    y = 0.7 * usage + 0.6 * balance + 0.5 * (tier == "gold") + 0.6 * rng.normal(size=rows)
    is_lost = rng.random(rows) < np.where(shop == "shop", lost, 0.02)
    tier[is_lost], balance[is_lost] = None, np.nan
    return pd.DataFrame({"shop": shop, "x": x, "tier": tier, "balance": balance, "own": own,
                         "usage": usage, "y": y})  # fmt: skip


def test_a_join_that_fails_in_one_shop_is_no_change_of_shops():
    blamed = 0
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        found = wd.compare(joined(rng, 0.2), joined(rng, 0.9, 0.6), target="y")
        assert {c for f in found.faults for c in f.columns} == {"tier", "balance"}
        assert "usage" in found.ranking
        blamed += "shop" in found.ranking
    assert blamed <= 1
