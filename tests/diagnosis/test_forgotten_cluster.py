"""A user id that was left among the features."""

import numpy as np
import pandas as pd
import pytest

import whydrift


def visits(rng, first: int, own: float, users: int = 20) -> pd.DataFrame:
    user = np.repeat(np.arange(users) + first, 15)
    typical = own * rng.normal(size=users)
    x = np.repeat(typical, 15) + rng.normal(size=len(user))
    rows = pd.DataFrame({"user": [f"u{k}" for k in user], "x": x, "y": x + rng.normal(size=len(x))})
    return rows.sample(frac=1, random_state=int(rng.integers(1000)))


@pytest.mark.parametrize(
    ("first", "own", "cluster", "told"),
    [
        (100, 1.0, None, True),
        (100, 1.0, "user", False),
        (100, 0.0, None, False),  # rows are not alike
        (0, 1.0, None, False),  # the same levels: a kind as good as a name
    ],
)
def test_a_user_id_among_the_features_is_told(first, own, cluster, told):
    rng = np.random.default_rng(41)
    before, after = visits(rng, 0, own), visits(rng, first, own)
    found = whydrift.compare(before, after, target="y", graph=[("x", "y")], cluster=cluster)
    assert (("cluster_not_named", "user") in {(w.code, w.column) for w in found.warnings}) is told


def queries(seed: int, *, smooth: bool = False) -> pd.DataFrame:
    """Eight rows of each query, which have its device and its length in common."""
    rng = np.random.default_rng(seed)
    query = np.sort(rng.integers(1, 10**8, 250))
    device = np.where(rng.random(250) < 0.5, "phone", "desk")
    length = query // 10**6 if smooth else rng.integers(3, 60, 250)
    rows = pd.DataFrame({"query_id": query, "device": device, "length": length})
    rows = rows.loc[np.repeat(np.arange(250), 8)].reset_index(drop=True)
    rows["x"] = rng.normal(size=len(rows)).round(3)
    rows["click"] = (rng.random(len(rows)) < 1 / (1 + np.exp(1.5 - rows["x"]))).astype(int)
    return rows.sample(frac=1, random_state=seed, ignore_index=True)


@pytest.mark.parametrize("left", [["device"], ["length"], ["device", "length"]])
def test_rows_that_have_all_of_a_column_in_common_tell_whose_they_are(left):
    alarms = 0
    for seed in range(8):
        windows = [queries(2 * seed + k)[["query_id", *left, "x", "click"]] for k in range(2)]
        found = whydrift.compare(*windows, target="click")
        assert ("cluster_not_named", "query_id") in {(w.code, w.column) for w in found.warnings}
        alarms += bool(found.ranking)
    assert alarms <= 2  # 0.05 each


def test_a_number_that_another_one_goes_up_with_names_nobody():
    before, after = (queries(k, smooth=True)[["query_id", "length", "x", "click"]] for k in (0, 1))
    found = whydrift.compare(before, after, target="click", graph=[("x", "click")])
    assert "cluster_not_named" not in {w.code for w in found.warnings}
