"""A column that nobody touched is not blamed because its edge was learned the wrong way round."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import whydrift as wd

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from ordinary_tables import TABLES, compared, coupons

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
