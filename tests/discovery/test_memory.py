"""What rows tell that resemble those before them, and what edges between series cost."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from whydrift.discovery.scores.features import number_features
from whydrift.discovery.scores.memory import common_worth, memory_costs, pair_worths

ROWS = 4_000
BOUNDS = np.array([0, ROWS])


def remembering(rng: np.random.Generator, rows: int, carried: float) -> np.ndarray:
    return lfilter([1.0], [1.0, -carried], rng.normal(size=rows + 200))[200:]


def test_rows_in_no_order_tell_each_a_row_whatever_stands_beside_them():
    rng = np.random.default_rng(1)
    columns = [rng.normal(size=ROWS), remembering(rng, ROWS, 0.9)]
    worths = pair_worths([number_features(c) for c in columns], BOUNDS, [0.0, 0.0])
    assert worths[0, 0] == worths[0, 1] == worths[1, 0] == 1.0
    assert worths[1, 1] < 0.3


def test_two_series_tell_what_bartlett_says():
    rng = np.random.default_rng(2)
    carried = 0.8, 0.5
    found = np.mean(
        [
            pair_worths(
                [number_features(remembering(rng, ROWS, c)) for c in carried], BOUNDS, [0.0, 0.0]
            )
            for _ in range(20)
        ],
        axis=0,
    )
    product = np.outer(carried, carried)
    np.testing.assert_allclose(found, (1 - product) / (1 + product), rtol=0.1)


def test_what_a_row_carries_on_is_taken_off_first():
    series = number_features(remembering(np.random.default_rng(3), ROWS, 0.8))
    assert pair_worths([series], BOUNDS, [0.8])[0, 0] > 0.95


def test_an_edge_costs_more_between_two_that_remember_long_and_the_same_both_ways():
    worths = np.array([[0.05, 0.1, 1.0], [0.1, 0.2, 1.0], [1.0, 1.0, 1.0]])
    common = common_worth(worths)
    assert common == pytest.approx((0.05 * 0.2) ** (1 / 3))
    costs = memory_costs(worths, 4.0, [1, 1, 3])
    np.testing.assert_array_equal(costs, costs.T)
    assert costs[0, 1] == pytest.approx(4.0 * (common / 0.1 - 1))
    assert not costs[2].any()
    assert not np.diagonal(costs).any()


def test_columns_that_remember_alike_cost_nothing_more():
    worths = np.full((3, 3), 0.2)
    assert not memory_costs(worths, 4.0, [1, 1, 1]).any()
