"""Sums over clusters of rows: users, sessions, machines."""

import numpy as np
import pandas as pd
import pytest

import whydrift
from whydrift.monitor.diagnosis.mechanism.clusters import varied_by_cluster


def window(rng, clusters, rows, inside, first=0):
    """Return residuals and cluster numbers; ``rows`` in each cluster."""
    number = np.repeat(np.arange(clusters), rows)
    shared = np.sqrt(inside) * rng.normal(size=clusters)[number]
    return shared + np.sqrt(1 - inside) * rng.normal(size=clusters * rows), first + number


def both(rng, old, new):
    """Return what varied_by_cluster takes, of windows of (clusters, rows, inside)."""
    before, old_number = window(rng, *old)
    after, new_number = window(rng, *new, first=old[0])
    residual, number = np.r_[before, after], np.r_[old_number, new_number]
    share = len(after) / len(residual)
    chance = np.full(len(residual), share)
    current = np.r_[np.zeros(len(before)), np.ones(len(after))]
    return residual[:, None], current - chance, chance, number, len(before)


def studied(old, new, trials=300):
    """Return the variance of the sums over trials, the mean variance told, and the freedom."""
    totals, told, freedom = [], [], []
    for trial in range(trials):
        columns, weights, chance, number, split = both(np.random.default_rng([1, trial]), old, new)
        varied = varied_by_cluster(columns, weights, chance, number, split, 1)
        totals.append(float(columns[:, 0] @ weights))
        told.append(varied.variance[0, 0])
        freedom.append(varied.freedom)
    return np.var(totals), np.mean(told), np.median(freedom)


def test_a_window_of_few_clusters_learns_their_spread_from_the_other():
    true, told, freedom = studied((400, 10, 0.4), (20, 10, 0.4))
    assert told == pytest.approx(true, rel=0.25)
    assert freedom > 100  # the twenty alone have fewer than twenty


def test_clusters_of_another_size_are_no_measure_of_these():
    """Twenty rows that hang together vary more than four times five do."""
    true, told, freedom = studied((400, 5, 0.4), (20, 20, 0.4))
    assert 0.9 * true < told < 1.5 * true
    assert freedom < 60


def test_where_clusters_hang_together_more_than_before_the_window_speaks_for_itself():
    true, told, _ = studied((400, 10, 0.0), (40, 10, 0.6))
    assert told > 0.8 * true


def test_users_in_both_windows_vary_as_their_sums_do():
    rng = np.random.default_rng(3)
    columns, weights, chance, number, split = both(rng, (50, 8, 0.5), (50, 8, 0.5))
    number = number % 50
    varied = varied_by_cluster(columns, weights, chance, number, split, 1)
    sums = np.bincount(number, columns[:, 0] * weights)
    assert varied.variance[0, 0] == pytest.approx(((sums - sums.mean()) ** 2).sum(), rel=0.05)
    assert varied.freedom == pytest.approx(49, abs=2)


def sessions(seed: int, *, exchanged: bool = False) -> pd.DataFrame:
    """Ten rows of each session, on one device, of about one size."""
    rng = np.random.default_rng(seed)
    device, size = rng.choice(["a", "b", "c"], 300, p=[0.5, 0.3, 0.2]), rng.normal(size=300)
    size += 0.8 * (device == "a")
    if exchanged:
        device = np.array([{"a": "b", "b": "a", "c": "c"}[d] for d in device])
    own = np.repeat(np.arange(300), 10)
    x = size[own] + 0.3 * rng.normal(size=len(own))
    return pd.DataFrame({"user": seed * 1000 + own, "device": device[own], "x": x, "z": x**2})


def test_devices_of_few_sessions_have_not_changed_places():
    graph = [("device", "x"), ("x", "z")]
    told = []
    for seed in range(12):
        windows = sessions(2 * seed), sessions(2 * seed + 1)
        told += whydrift.compare(*windows, graph=graph, cluster="user").faults
    assert not told
    windows = sessions(50), sessions(51, exchanged=True)
    found = whydrift.compare(*windows, graph=graph, cluster="user")
    assert [(f.kind, f.columns) for f in found.faults] == [("recode", ("device",))]
