"""Columns computed from others get these as parents where the graph is learned."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import whydrift as wd
from whydrift.discovery.graph import Origin
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.snapshot.schema import Role
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.derived import with_derived


def window(kind: str, seed: int, *, moved: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 800))
    a = a + moved
    made = {"sum": a + b, "copy": a.copy(), "unit": 2 * a + 3, "product": None}[kind]
    if made is None:
        a, b = np.exp(0.4 * a), np.exp(0.4 * b)
        made = a * b
    return pd.DataFrame({"a": a, "b": b, "made": made, "y": a + rng.normal(size=800)})


@pytest.mark.parametrize("method", ["auto", "pc"])
@pytest.mark.parametrize("kind", ["sum", "copy", "unit", "product"])
def test_what_a_moved_column_makes_up_inherits_its_change(kind, method):
    found = wd.compare(window(kind, 1), window(kind, 2, moved=0.8), target="y", method=method)
    parents = {"sum": ("a", "b"), "product": ("a", "b")}.get(kind, ("a",))
    assert found.columns["made"].parents == parents
    assert {e.origin for e in found.graph if e.b == "made"} == {Origin.REQUIRED}
    if method == "auto":
        assert found.ranking == ("a",)
    assert found.columns["made"].verdict == "inherited"


def test_a_difference_is_not_turned_into_a_sum_whose_parts_go_with_each_other_by_chance():
    rng = np.random.default_rng(0)
    revenue = 5 + rng.normal(size=1_000)
    cost = 0.8 * revenue + 0.4 * rng.normal(size=1_000)
    table = pd.DataFrame({"revenue": revenue, "cost": cost, "profit": revenue - cost})
    names = tuple(table)
    assert with_derived(Snapshot.from_frame(table), names, Knowledge())[0].is_empty


def test_a_copy_is_made_from_the_target_and_not_the_target_from_its_copy():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(500, 2)), columns=["early", "x"])
    table["y"] = 1.8 * table["early"] + 32
    seen = Snapshot.from_frame(table, roles={"y": Role.TARGET})
    assert with_derived(seen, ("early", "x", "y"), Knowledge())[0].required == (("y", "early"),)


def test_knowledge_goes_before_an_identity():
    table = window("copy", 1)
    known = Knowledge(forbidden=(("a", "made"),))
    found, _ = with_derived(Snapshot.from_frame(table), tuple(table), known)
    assert found.required == (("made", "a"),)
    known = Knowledge(exogenous=("a", "made"))
    assert with_derived(Snapshot.from_frame(table), tuple(table), known)[0] == known


def orders(seed: int, *, elasticity: float = -1.5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    price = np.round(np.exp(rng.normal(2, 0.4, 3_000)), 2)
    quantity = 1 + rng.poisson(np.exp(3 + elasticity * (np.log(price) - 2)))
    total = np.round(price * quantity, 2)
    y = 0.02 * total + rng.normal(size=3_000)
    return pd.DataFrame({"price": price, "quantity": quantity, "total": total, "y": y})


def clicks(seed: int, *, rate: float = 0.1, missing: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    views = 1 + rng.poisson(np.exp(4 + 0.3 * rng.normal(size=3_000)))
    clicked = rng.binomial(views, rate * np.exp(0.3 * rng.normal(size=3_000)))
    share = clicked / views
    share[rng.random(3_000) < missing] = np.nan
    y = 0.05 * clicked + rng.normal(size=3_000)
    return pd.DataFrame({"views": views, "clicks": clicked, "rate": share, "y": y})


def test_a_changed_elasticity_is_told_where_price_and_quantity_go_with_each_other():
    found = wd.compare(orders(1), orders(2, elasticity=-1.9), target="y")
    assert found.columns["total"].parents == ("price", "quantity")
    assert found.ranking == ("quantity",)


@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_a_rate_is_made_from_its_counts_and_not_a_count_from_the_rate(missing):
    found = wd.compare(
        clicks(1, missing=missing), clicks(2, rate=0.12, missing=missing), target="y"
    )
    assert set(found.columns["rate"].parents) == {"clicks", "views"}
    assert found.ranking == ("clicks",)


def test_decimals_tell_the_computed_column_of_a_product_but_not_where_all_are_unrounded():
    rng = np.random.default_rng(0)
    price, litres = np.round(rng.uniform(1, 2, 500), 3), np.round(rng.uniform(5, 60, 500), 2)
    paid = np.round(price * litres, 2)  # in fewer decimals than the price
    table = pd.DataFrame({"paid": paid, "price": price, "litres": litres})
    made, _ = with_derived(Snapshot.from_frame(table), tuple(table), Knowledge())
    assert set(made.required) == {("price", "paid"), ("litres", "paid")}

    height, weight = np.round(rng.normal(1.7, 0.1, 500), 2), np.round(rng.normal(75, 9, 500), 1)
    table = pd.DataFrame(
        {"weight": weight, "ratio": np.round(weight / height, 2), "height": height}
    )
    made, _ = with_derived(Snapshot.from_frame(table), tuple(table), Knowledge())
    assert set(made.required) == {("weight", "ratio"), ("height", "ratio")}

    a = rng.normal(5, 1, 500)
    b = np.exp(-0.5 * a + 0.1 * rng.normal(size=500))
    table = pd.DataFrame({"a": a, "b": b, "c": a * b})
    assert with_derived(Snapshot.from_frame(table), tuple(table), Knowledge())[0].is_empty


def bills(seed: int, *, larger: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    billed = np.round(np.exp(rng.normal(4 + larger, 0.6, 3_000)), 2)
    paid = np.round(billed * rng.beta(5, 2, 3_000), 2)
    unpaid = np.round(billed - paid, 2)
    y = 0.02 * unpaid + rng.normal(0, 0.5, 3_000)
    return pd.DataFrame({"billed": billed, "paid": paid, "unpaid": unpaid, "y": y})


def test_of_parts_and_total_that_go_with_each_other_the_wrong_one_is_seldom_named():
    named = [
        wd.compare(bills(seed), bills(100 + seed, larger=0.3), target="y").ranking
        for seed in range(8)
    ]
    assert sum(ranking not in {(), ("billed",)} for ranking in named) <= 4  # was 19 of 20


def test_a_target_that_stands_given_all_inputs_is_not_blamed_for_causes_that_its_graph_lacks():
    windows = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        x, z, w = rng.normal(size=(3, 2_000)) + 0.8 * seed * np.array([[0], [1], [1]])
        y = x + z + w + rng.normal(size=2_000)
        windows.append(pd.DataFrame({"x": x, "z": z, "w": w, "y": y}))
    known = Knowledge(forbidden=(("z", "y"), ("w", "y")), never_a_cause=("y",))
    found = wd.compare(*windows, target="y", knowledge=known)
    assert set(found.ranking) == {"z", "w"}
    assert found.columns["y"].verdict == "inherited"
    assert "lacks a cause" in found.columns["y"].reason
