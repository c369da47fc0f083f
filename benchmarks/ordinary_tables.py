"""Tables as teams have them: the column that changed, and those that nobody touched.

python benchmarks/ordinary_tables.py --seeds 100-109
python benchmarks/ordinary_tables.py --seeds 100-109 --only "stores by day"

Each table once drew a verdict on an innocent column, most of them by an edge that was learned the
wrong way round.
The graph is learned, and nothing is known but the target.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.signal import lfilter
from seeds import seeds_of

import whydrift as wd

Windows = tuple[pd.DataFrame, pd.DataFrame]


def promotions(rng: np.random.Generator, rows: int, rise: float = 0.0) -> pd.DataFrame:
    promo = rng.random(rows) < 0.2
    price = np.round(9 + 0.5 * rng.normal(size=rows), 2)
    y = 50 + 10 * (promo - 0.4 * (price - 9) + rng.normal(size=rows)) + rise
    return pd.DataFrame({"promo": promo.astype(int), "price": price, "y": np.round(y)})


def hours(rng: np.random.Generator, rise: float = 0.0, start: str = "2025-01-01") -> pd.DataFrame:
    rows = 1_344
    hour = np.arange(rows) % 24
    promo = (rng.random(rows) < 0.15).astype(int)
    price = np.round(10 + 0.5 * rng.normal(size=rows), 2)
    noise = lfilter([4.0], [1.0, -0.7], rng.normal(size=rows))
    y = 100 + 25 * np.sin(2 * np.pi * hour / 24) + 8 * promo - 6 * (price - 10) + noise + rise
    return pd.DataFrame({"ts": pd.date_range(start, periods=rows, freq="h"), "hour": hour,
                         "promo": promo, "price": price, "demand": np.round(y)})  # fmt: skip


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


def rentals(rng: np.random.Generator, rows: int, slope: float = 0.04) -> pd.DataFrame:
    wave = 6 * np.sin(np.arange(rows) / 60)
    temperature = np.round(14 + wave + 4 * rng.normal(size=rows), 1)
    price = np.round(rng.choice([1.0, 1.5, 2.0], rows), 2)
    rate = np.exp(0.6 + slope * temperature - 0.5 * (price - 1.5))
    return pd.DataFrame({"temperature": temperature, "price": price, "rentals": rng.poisson(rate)})


def subscriptions(rng: np.random.Generator, rows: int, dearer: float = 1.0) -> pd.DataFrame:
    plan = pd.Series(rng.choice(["basic", "plus", "pro"], rows, p=[0.6, 0.3, 0.1]))
    seats = 1 + rng.poisson(plan.map({"basic": 1, "plus": 4, "pro": 15}))
    price = plan.map({"basic": 9, "plus": 14, "pro": 22}) * dearer
    logins = rng.poisson(8 * np.sqrt(seats))
    days = np.round(100 + 3 * logins - 30 * (plan == "basic") + rng.normal(0, 20, rows), 1)
    return pd.DataFrame({"plan": plan, "seats": seats, "mrr": np.round(seats * price, 2),
                         "logins": logins, "days": days})  # fmt: skip


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


def bills(rng: np.random.Generator, rows: int, dearer: float = 1.0) -> pd.DataFrame:
    fiber, tv = (rng.random((2, rows)) < [[0.4], [0.3]]).astype(int)
    monthly = (25 + 30 * fiber + 12 * tv + 6 * rng.normal(size=rows)) * dearer
    months = np.clip(np.round(rng.gamma(1.4, 22, rows)), 1, 72)
    total = monthly * months * (1 + 0.05 * rng.normal(size=rows))
    return pd.DataFrame({"fiber": fiber, "tv": tv, "months": months,
                         "monthly": np.round(monthly, 2), "total": np.round(total, 2)})  # fmt: skip


def deliveries(rng: np.random.Generator, rows: int, stop: float = 3.0) -> pd.DataFrame:
    distance = np.round(1 + rng.gamma(2.2, 6, rows), 1)
    stops = 1 + rng.poisson(1 + 0.1 * distance)
    traffic = np.round(1 + rng.gamma(2, 0.2, rows), 2)
    driving = distance / 40 * 60 * traffic
    y = np.round((driving + stop * stops) * rng.lognormal(0, 0.1, rows) + 2)
    return pd.DataFrame({"distance": distance, "stops": stops, "traffic": traffic, "y": y,
                         "speed": np.round(60 * distance / y, 1),
                         "p": np.round(driving + 3 * stops + 2, 1)})  # fmt: skip


def loans(rng: np.random.Generator, rows: int, less: float = 0.0) -> pd.DataFrame:
    score = np.clip(np.round(rng.normal(680, 60, rows)), 300, 850)
    income = np.round(rng.lognormal(10.3, 0.5, rows), -2)
    debt = np.round(income ** 0.3 * rng.lognormal(6, 0.8, rows), -1)  # fmt: skip
    age = rng.integers(20, 75, rows)

    def chance(score: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(2.2 + 0.012 * (score - 680) - 1.2 * np.log1p(debt / income)))

    happened = (rng.random(rows) < chance(score)).astype(int)
    return pd.DataFrame({"score": score - less, "income": income, "debt": debt, "age": age,
                         "default": happened, "p": chance(score - less)})  # fmt: skip


def currencies(rng: np.random.Generator, rows: int, factor: float = 1.0) -> pd.DataFrame:
    country = rng.choice(["DE", "FR", "SE", "ES"], rows, p=[0.4, 0.3, 0.15, 0.15])
    seats = rng.integers(1, 12, rows)
    price = np.exp(3.4 + 0.08 * seats + 0.8 * rng.normal(size=rows))
    y = 0.5 * np.log(price) + 0.1 * seats + 0.4 * rng.normal(size=rows)
    price = np.round(np.where(country == "SE", price * factor, price), 2)
    return pd.DataFrame({"country": country, "seats": seats, "price": price, "y": y})


def calls(rng: np.random.Generator, rows: int, held: float = 1.0) -> pd.DataFrame:
    queue = rng.choice(["sales", "care", "tech"], rows, p=[0.4, 0.4, 0.2])
    usual = pd.Series(queue).map({"sales": 240, "care": 300, "tech": 480}).to_numpy()
    talk = np.round(usual * rng.lognormal(0, 0.5, rows))
    hold = np.round((rng.random(rows) < 0.35) * rng.gamma(2, 30, rows) * held)
    after = np.round(20 + 0.1 * talk + rng.gamma(2, 10, rows))
    rating = np.clip(np.round(4.2 - 0.004 * hold + 0.8 * rng.normal(size=rows)), 1, 5)
    return pd.DataFrame({"queue": queue, "talk": talk, "hold": hold, "after": after,
                         "handle": talk + hold + after, "rating": rating})  # fmt: skip


def clicks(rng: np.random.Generator, rows: int, bias: float = 0.3) -> pd.DataFrame:
    relevance = np.round(1 / (1 + np.exp(-rng.normal(size=rows))), 3)
    place = 5 - 6 * (relevance - 0.5) + 2.5 * rng.normal(size=rows)
    position = np.clip(np.round(place), 1, 10).astype(int)

    def chance(bias: float) -> np.ndarray:
        return 1 / (1 + np.exp(0.8 - 2 * (relevance - 0.5) + bias * (position - 1)))

    click = (rng.random(rows) < chance(bias)).astype(int)
    stay = np.where(click == 1, np.round(rng.lognormal(3, 0.8, rows), 1), np.nan)
    return pd.DataFrame({"relevance": relevance, "position": position, "click": click,
                         "stay": stay, "p": np.round(chance(0.3), 4)})  # fmt: skip


def panels(rng: np.random.Generator, rows: int, start: int, left: float = 1.0) -> pd.DataFrame:
    hour = (np.arange(rows) + start) % 24
    weather = lfilter([np.sqrt(1 - 0.9**2)], [1, -0.9], rng.normal(size=rows + 300))[300:]
    cloud = np.clip(0.5 + 0.35 * weather, 0, 1)
    day = np.clip(np.sin(np.pi * (hour - 6) / 12), 0, None)
    power = left * 300 * day * (1 - 0.7 * cloud) * np.exp(0.05 * rng.normal(size=rows))
    load = (
        500 + 80 * np.sin(2 * np.pi * (hour - 12) / 24) - 0.2 * power + 15 * rng.normal(size=rows)
    )
    return pd.DataFrame({"hour": hour, "cloud": np.round(cloud, 2), "solar": np.round(power, 1),
                         "load": np.round(load, 1)})  # fmt: skip


def tickets(rng: np.random.Generator, rows: int, longer: float = 0.0) -> pd.DataFrame:
    priority = rng.choice(["high", "mid", "low"], rows, p=[0.2, 0.4, 0.4])
    urgent = pd.Series(priority).map({"high": 1.0, "mid": 0.0, "low": -0.5}).to_numpy()
    agents = np.round(6 + 2 * rng.normal(size=rows))
    log = 3.4 - 0.6 * urgent - 0.08 * (agents - 6) + 0.6 * rng.normal(size=rows) + longer
    reply = np.round(np.exp(log))
    solved = np.round(reply + np.exp(4 + 0.5 * rng.normal(size=rows)))
    csat = np.where(rng.random(rows) < 0.7, np.round(rng.normal(size=rows), 2), np.nan)
    return pd.DataFrame({"priority": priority, "agents": agents, "reply": reply, "solved": solved,
                         "csat": csat})  # fmt: skip


def regions(rng: np.random.Generator, rows: int, rise: float = 0.0) -> pd.DataFrame:
    usual = np.random.default_rng(8).normal(size=12)
    share = np.arange(1, 13) ** -0.6
    region = rng.choice(12, rows, p=share / share.sum())
    load = np.round(20 + 0.7 * usual[region] + rng.normal(size=rows) + rise, 2)
    return pd.DataFrame({"region": [f"r{r:02}" for r in region], "load": load,
                         "y": np.round(2 * load + rng.normal(size=rows), 2)})  # fmt: skip


def turbines(rng: np.random.Generator, rows: int, left: float = 1.0) -> pd.DataFrame:
    wind = np.round(8 * rng.weibull(2, rows), 1)
    turbulence = np.round(0.08 + 0.25 / (1 + wind) + 0.025 * rng.normal(size=rows), 3)
    curve = 3000 / (1 + np.exp(-0.9 * (wind - 8.3))) * (1 - 0.6 * (turbulence - 0.12))
    power = np.clip(left * curve + 40 * rng.normal(size=rows), 0, 3000).round()
    return pd.DataFrame({"wind": wind, "turbulence": turbulence, "power": power})


def payments(rng: np.random.Generator, rows: int, factor: float = 1.0) -> pd.DataFrame:
    usual = np.random.default_rng(3).normal(0, 0.6, 20)
    merchant = rng.integers(0, 20, rows)
    hour = rng.integers(0, 24, rows)
    amount = np.round(factor * np.exp(3 + usual[merchant] + 0.8 * rng.normal(size=rows)), 2)
    velocity = rng.poisson(1.5 + (hour < 6), rows)
    logit = -6 + 0.7 * np.log1p(amount) + 0.25 * velocity + 0.5 * (hour < 6)
    fraud = (rng.random(rows) < 1 / (1 + np.exp(-logit))).astype(int)
    return pd.DataFrame({"merchant": [f"m{m:02}" for m in merchant], "hour": hour, "amount": amount,
                         "velocity": velocity, "fraud": fraud})  # fmt: skip


@dataclass(frozen=True)
class Table:
    """One kind of table.

    Parameters
    ----------
    windows : callable
        From a random generator, and whether something changed, to reference and current window.
    column : str
        Where the change is made.
    target : str
    options : dict
        Of `compare`.
    broken : tuple of str
        Columns whose values also broke: faults, to be told as such.
    """

    windows: Callable[[np.random.Generator, bool], Windows]
    column: str
    target: str
    options: dict[str, Any] = field(default_factory=dict)
    broken: tuple[str, ...] = ()


TABLES = {
    "promotions, 8,000 rows": Table(
        lambda rng, moved: (promotions(rng, 8_000), promotions(rng, 8_000, 6.0 * moved)), "y", "y"
    ),
    "demand by the hour": Table(
        lambda rng, moved: (hours(rng), hours(rng, 8.0 * moved, "2025-04-02")),
        "demand",
        "demand",
        {"time_column": "ts"},
    ),
    "stores by day": Table(
        lambda rng, moved: (stores(rng), stores(rng, 0.03 * moved)), "sales", "sales"
    ),
    "advertisements": Table(
        lambda rng, moved: (advertisements(rng), advertisements(rng, 1 + 0.22 * moved)),
        "cpc",
        "bought",
    ),
    "coupons, missing where none": Table(
        lambda rng, moved: (coupons(rng), coupons(rng, 3.0 * moved)), "discount", "revenue"
    ),
    "rentals, a count": Table(
        lambda rng, moved: (rentals(rng, 5_000), rentals(rng, 1_500, 0.04 * (not moved))),
        "rentals",
        "rentals",
    ),
    "subscriptions, a price list": Table(
        lambda rng, moved: (
            subscriptions(rng, 6_000),
            subscriptions(rng, 1_500, 1 + 0.25 * moved),
        ),
        "mrr",
        "days",
    ),
    "a join that fails in one shop": Table(
        lambda rng, moved: (joined(rng, 0.2), joined(rng, 0.2 + 0.7 * moved, 0.6 * moved)),
        "usage",
        "y",
        broken=("tier", "balance"),
    ),
    "bills, a price times months": Table(
        lambda rng, moved: (bills(rng, 5_000), bills(rng, 2_500, 1 + 0.12 * moved)),
        "monthly",
        "total",
    ),
    "deliveries, with a forecast": Table(
        lambda rng, moved: (deliveries(rng, 4_000), deliveries(rng, 2_000, 3 + 2 * moved)),
        "y",
        "y",
        {"prediction": "p"},
    ),
    "loans, a score reads 25 less": Table(
        lambda rng, moved: (loans(rng, 8_000), loans(rng, 8_000, 25 * moved)),
        "score",
        "default",
        {"prediction": "p"},
    ),
    "calls, a total of three parts": Table(
        lambda rng, moved: (calls(rng, 5_000), calls(rng, 2_500, 1 + moved)), "hold", "rating"
    ),
    "clicks, and a time of stay": Table(
        lambda rng, moved: (clicks(rng, 8_000), clicks(rng, 4_000, 0.3 + 0.25 * moved)),
        "click",
        "click",
        {"prediction": "p"},
    ),
    "kronor for euros in one country": Table(
        lambda rng, moved: (currencies(rng, 8_000), currencies(rng, 8_000, 1 + 10.3 * moved)),
        "price",
        "y",
    ),
    "solar power, an hour's bend times clouds": Table(
        lambda rng, moved: (panels(rng, 2_016, 0), panels(rng, 1_344, 2_016, 1 - 0.4 * moved)),
        "solar",
        "load",
    ),
    "tickets, of which few are rated": Table(
        lambda rng, moved: (tickets(rng, 6_000), tickets(rng, 4_000, 0.25 * moved)),
        "reply",
        "solved",
    ),
    "load of twelve regions": Table(
        lambda rng, moved: (regions(rng, 6_000), regions(rng, 4_000, 0.35 * moved)), "load", "y"
    ),
    "wind turbines, an S-shaped curve": Table(
        lambda rng, moved: (turbines(rng, 6_000), turbines(rng, 4_000, 1 - 0.12 * moved)),
        "power",
        "power",
    ),
    "payments of twenty merchants": Table(
        lambda rng, moved: (payments(rng, 10_000), payments(rng, 8_000, 1 + 0.28 * moved)),
        "amount",
        "fraud",
    ),
}


def compared(name: str, seed: int, *, moved: bool = True) -> wd.Diagnosis:
    """Return the diagnosis of one pair of windows."""
    table = TABLES[name]
    rng = np.random.default_rng(seed)
    return wd.compare(*table.windows(rng, moved), target=table.target, **table.options)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", default="100-109")
    parser.add_argument("--only", default="", help="a table's name")
    options = parser.parse_args()
    seeds = seeds_of(options.seeds, most=149)
    print("| table | changed | named alone | an innocent one named | nothing named |"
          " quiet windows in which one is |\n|---|---|---|---|---|---|")  # fmt: skip
    for name, table in TABLES.items():
        if options.only not in name:
            continue
        right = innocent = silent = 0
        for seed in seeds:
            named = {*compared(name, seed).ranking} - {*table.broken}
            right += named == {table.column}
            innocent += bool(named - {table.column})
            silent += not named
        quiet = sum(bool(compared(name, seed, moved=False).ranking) for seed in seeds)
        of = f"of {len(seeds)}"
        print(f"| {name} | {table.column} | {right} {of} | {innocent} {of} | {silent} {of} |"
              f" {quiet} {of} |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
