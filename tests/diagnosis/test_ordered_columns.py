"""What is worked out of columns in their order is what sorting them anew would give."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from whydrift.discovery.scores.features import number_features
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.faults.base import ks_distance
from whydrift.monitor.diagnosis.interleaving import _lagged, _nearby
from whydrift.monitor.diagnosis.pair import WindowPair


def values_with_ties(seed: int, rows: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = np.round(rng.normal(size=rows), 1)
    values[rng.random(rows) < 0.1] = np.nan
    return values


def windows() -> tuple[Snapshot, Snapshot]:
    reference = Snapshot.from_frame(pd.DataFrame({"x": values_with_ties(0, 400)}))
    frame = pd.DataFrame({"x": values_with_ties(1, 300)})
    return reference, Snapshot.from_frame(frame, schema=reference.schema)


def test_both_windows_are_ranked_together_by_merging_their_orders():
    reference, current = windows()
    pair = WindowPair(reference, current, ("x",))
    np.testing.assert_array_equal(pair.features("x").basis, number_features(pair.values("x")).basis)


@pytest.mark.parametrize("rows", [slice(None), slice(0, 150), slice(150, 300), slice(1, None, 2)])
def test_a_part_of_the_rows_is_as_ordered_as_all_are(rows: slice):
    _, current = windows()
    part = current.column("x")[rows]
    np.testing.assert_array_equal(current.ascending("x", rows), np.sort(part[np.isfinite(part)]))


def test_distances_of_distributions_count_ties_at_their_last():
    a, b = values_with_ties(2, 200), values_with_ties(3, 90)
    a, b = a[np.isfinite(a)], b[np.isfinite(b)]
    grid = np.concatenate([a, b])[:, None]
    expected = np.abs((a <= grid).mean(axis=1) - (b <= grid).mean(axis=1)).max()
    assert ks_distance(a, b) == pytest.approx(expected)


def test_products_with_all_rows_nearby_are_those_at_every_lag():
    values = np.random.default_rng(4).normal(size=120)
    assert _nearby(values, 7) == pytest.approx(_lagged(values, 7).sum())
