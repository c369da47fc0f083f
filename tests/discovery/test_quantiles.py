"""Quantiles from a sketch: close to the exact ones however values come, the same on every run."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest

from whydrift.discovery.snapshot.quantiles import QuantileSketch

ROWS = 150_000
SHARES = np.linspace(0.01, 0.99, 99)
RANKS = np.arange(1.0, ROWS + 1)  # each value is its rank

ORDERS = {
    "by chance": np.random.default_rng(1).permutation(RANKS),
    "ascending": RANKS,
    "descending": RANKS[::-1],
    "from both ends": np.where(np.arange(ROWS) % 2 == 0, RANKS, RANKS[::-1]),
    "in waves": RANKS.reshape(-1, 50).T.ravel(),
    "ends first": RANKS[np.argsort(-np.abs(RANKS - ROWS / 2), kind="stable")],
}


def one_after_the_other(parts):
    return reduce(lambda a, b: QuantileSketch.merged([a, b]), parts)


def in_pairs(parts):
    while len(parts) > 1:
        parts = [QuantileSketch.merged(parts[k : k + 2]) for k in range(0, len(parts), 2)]
    return parts[0]


WAYS = {
    "at once": lambda parts: QuantileSketch.merged(parts),
    "one after the other": one_after_the_other,
    "in pairs": in_pairs,
}


def errors(order: str, way: str, size: int, one_of: int = 1) -> np.ndarray:
    """Return by what share of all rows the rank of each quantile is off."""
    values = ORDERS[order]
    parts = [
        QuantileSketch.of(values[start : start + size], one_of=one_of)
        for start in range(0, ROWS, size)
    ]
    sketch = WAYS[way](parts)
    assert sketch.count == ROWS
    assert sum(map(len, sketch.levels)) * 8 <= 6_200
    return np.abs(sketch.quantiles(SHARES) / ROWS - SHARES)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("order", ORDERS)
def test_ranks_are_off_by_at_most_one_percent(order, way):
    for size in (ROWS, 20_000, 700):
        assert (errors(order, way, size) <= 0.01).mean() >= 0.99


@pytest.mark.parametrize("order", ORDERS)
def test_looking_at_one_of_four_neighbours_costs_what_is_said(order):
    # Its own standard error, at three of them, is 0.8 % here.
    assert errors(order, "at once", 30_000, one_of=4).max() <= 0.01 + 3 * np.sqrt(4 / (4 * ROWS))


def test_the_same_values_leave_the_same_sketch_whichever_is_merged_into_the_other():
    one, other = np.split(ORDERS["by chance"], [40_000])
    a, b = QuantileSketch.of(one), QuantileSketch.of(other)
    again = QuantileSketch.of(one[::-1])
    for found, same in ((a, again), (QuantileSketch.merged([a, b]), QuantileSketch.merged([b, a]))):
        for mine, theirs in zip(found.levels, same.levels, strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_few_values_are_exact_and_missing_ones_passed_over():
    sketch = QuantileSketch.of(np.array([3.0, np.nan, 1.0, 2.0, -0.0]))
    np.testing.assert_array_equal(sketch.quantiles(np.array([0.0, 0.25, 0.5, 1.0])), [0, 0, 1, 3])
    assert sketch.count == 4
    none = QuantileSketch.of(np.array([np.nan]), one_of=4)
    assert np.isnan(none.quantiles(np.array([0.5]))).all()
    assert QuantileSketch.merged([none, sketch]).count == 4


def test_a_sketch_of_the_first_format_is_read_with_all_that_it_holds():
    datasketches = pytest.importorskip("datasketches")
    kll = datasketches.kll_doubles_sketch(200)
    kll.update(ORDERS["by chance"])
    read = QuantileSketch.of_kll(kll.serialize())
    assert read.count == ROWS
    between = SHARES + np.pi / 1e7  # where two values meet the libraries may name either
    np.testing.assert_array_equal(read.quantiles(between), kll.get_quantiles(list(between)))
    assert QuantileSketch.merged([read, read]).count == 2 * ROWS
