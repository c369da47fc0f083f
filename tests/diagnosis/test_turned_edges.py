"""A column that nobody touched is not blamed because its edge was learned the wrong way round."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import whydrift as wd
from whydrift.monitor.diagnosis.read_by_model import read_by_model

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from ordinary_tables import TABLES, compared, coupons, deliveries

SEEDS = range(6)


@pytest.mark.parametrize("name", TABLES)
def test_the_column_that_changed_is_named_and_no_innocent_one(name):
    # benchmarks/ordinary_tables.py counts closely; here only what is often wrong shows.
    table = TABLES[name]
    named = [{*compared(name, seed).ranking} - {*table.broken} for seed in SEEDS]
    assert named.count({table.column}) >= len(SEEDS) - 1


def test_a_coupon_that_is_called_none_is_not_blamed_for_the_discount_either():
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        windows = [w.fillna({"coupon": "none"}) for w in (coupons(rng), coupons(rng, 3))]
        assert wd.compare(*windows, target="revenue").ranking == ("discount",)


def test_counts_have_causes():
    for seed in SEEDS:
        found = compared("rentals, a count", seed)
        assert {*found.columns["rentals"].parents} == {"price", "temperature"}


def test_a_join_that_fails_is_told_beside_what_changed():
    for seed in SEEDS:
        found = compared("a join that fails in one shop", seed)
        assert {c for f in found.faults for c in f.columns} == {"tier", "balance"}


@pytest.mark.parametrize("formula", ["exact", "straight"])
def test_a_column_computed_from_the_target_is_no_input_of_the_model(formula):
    """It goes with the prediction as the target does: wherever a product is not told."""
    rng = np.random.default_rng(0)
    trips = deliveries(rng, 3_000)
    if formula == "straight":
        trips["p"] = 2 * trips.distance + 40 * trips.traffic + 3 * trips.stops - 40
    read = read_by_model(wd.Snapshot.from_frame(trips), "p", [c for c in trips if c not in "py"])
    assert read == {"distance", "stops", "traffic"}


def test_claims_that_cost_half_as_much_again_are_told_though_nine_in_ten_have_none():
    def claims(rng: np.random.Generator, rows: int, dearer: float) -> pd.DataFrame:
        count = rng.poisson(0.1, rows)
        cost = [rng.lognormal(6.8 + dearer, 1.0, n).sum() if n else 0.0 for n in count]
        return pd.DataFrame({"claims": count, "cost": np.round(cost, 2)})

    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        windows = claims(rng, 8_000, 0.0), claims(rng, 4_000, 0.5)
        found = wd.compare(*windows, target="cost", graph=[("claims", "cost")])
        assert found.ranking == ("cost",) and found.verdict == "mechanism"
