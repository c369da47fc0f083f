"""Numbers that are another one times the rate of a category."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import whydrift as wd
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.tariffs import Tariff, find_tariffs

ROWS = 2_000


def found(**columns: np.ndarray) -> list[Tariff]:
    window = Snapshot.from_frame(pd.DataFrame(columns))
    numbers = [c.name for c in window.schema if c.kind.is_numeric]
    discrete = [c.name for c in window.schema if c.kind.is_discrete]
    return list(find_tariffs(window, numbers, discrete))


def rates(rng: np.random.Generator, *of: float) -> tuple[np.ndarray, np.ndarray]:
    plan = rng.integers(0, len(of), ROWS)
    return np.array(["a", "b", "c", "d"])[plan], np.array(of)[plan]


@pytest.mark.parametrize("prices", [(9, 14, 22), (9.99, 14.5, 21.75)])
def test_whole_numbers_times_a_price_are_computed_from_them(prices):
    rng = np.random.default_rng(0)
    plan, price = rates(rng, *prices)
    seats = 1 + rng.poisson(5, ROWS)
    answer = found(
        plan=plan, seats=seats, mrr=np.round(seats * price, 2), other=rng.normal(size=ROWS)
    )
    assert answer == [Tariff("mrr", "seats", "plan")]


def test_the_rounded_one_is_the_computed_one():
    rng = np.random.default_rng(1)
    land, rate = rates(rng, 1.0837, 0.8551, 7.4604)
    amount = np.round(rng.lognormal(4, 1, ROWS), 2)
    answer = found(land=land, amount=amount, euro=np.round(amount * rate, 2))
    assert answer == [Tariff("euro", "amount", "land")]


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1.0, 1e160, 1e300])
def test_numbers_of_any_size_are_compared_without_a_product_that_vanishes_or_overflows(size):
    """Warnings are errors here."""
    rng = np.random.default_rng(7)
    plan, price = rates(rng, 2, 3, 4)
    seats = (1 + rng.poisson(5, ROWS)).astype(float)
    assert found(plan=plan, seats=seats * size, mrr=seats * price * size) is not None
    assert found(plan=plan, seats=seats, mrr=seats * price * size) is not None
    assert found(plan=plan, seats=seats * size, mrr=seats * price) is not None


def test_one_multiple_at_all_levels_is_no_tariff_and_noise_is_none_either():
    rng = np.random.default_rng(2)
    plan, price = rates(rng, 9, 14, 22)
    seats = 1 + rng.poisson(5, ROWS)
    assert not found(plan=plan, seats=seats, twice=2 * seats)
    assert not found(plan=plan, seats=seats, mrr=np.round(seats * price + rng.normal(size=ROWS), 2))


def test_gaps_and_a_few_odd_rows_do_not_hide_a_tariff():
    rng = np.random.default_rng(3)
    plan, price = rates(rng, 9, 14, 22)
    seats = (1 + rng.poisson(5, ROWS)).astype(float)
    paid = np.round(seats * price, 2)
    paid[:5] += 3
    paid[rng.random(ROWS) < 0.2] = np.nan
    assert found(plan=plan, seats=seats, paid=paid) == [Tariff("paid", "seats", "plan")]


@pytest.mark.parametrize("size", [1e-300, 1e300])
def test_windows_of_numbers_near_the_end_of_what_a_number_holds_are_compared(size):
    windows = []
    for seed in (0, 1):
        rng = np.random.default_rng(seed)
        plan, price = rates(rng, 2, 3, 4)
        seats = 1 + rng.integers(1, 60, ROWS) + rng.random(ROWS).round(1)
        frame = {"plan": plan, "seats": seats * size, "mrr": seats * price * size}
        windows.append(pd.DataFrame(frame))
    assert wd.compare(*windows).verdict == "none"
