"""Groups of rows that are left out in turn."""

from __future__ import annotations

import numpy as np
import pandas as pd

import whydrift as wd
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.pair import WindowPair
from whydrift.monitor.diagnosis.row_groups import GROUPS, row_groups


def machines(seed: int, *, off: float = 0.0) -> pd.DataFrame:
    """Three machines take turns, the tool of each wears out, and the second may be off."""
    rng = np.random.default_rng(seed)
    place = np.arange(3_000)
    age = (place // 3 + rng.integers(0, 80, 3)[place % 3]) % 80
    feed = rng.normal(size=len(place))
    y = 0.02 * age + 0.3 * feed + 0.3 * rng.normal(size=len(place)) + off * (place % 3 == 1)
    return pd.DataFrame({"age": age, "feed": feed, "y": y, "p": 0.02 * age + 0.3 * feed})


def test_each_of_the_series_that_took_turns_has_a_part_in_every_group():
    window = Snapshot.from_frame(machines(0))
    names = ("age", "feed", "y", "p")
    every = np.ones(2 * window.rows, dtype=bool)
    alone = row_groups(WindowPair(window, window, names), every)
    assert (np.diff(alone[: window.rows]) >= 0).all()
    groups = row_groups(WindowPair(window, window, names, turns=(1, 3)), every)
    assert (groups[: window.rows] == alone[: window.rows]).all()
    for series in np.split(groups[window.rows :], 3):
        assert (np.diff(series) >= 0).all()
        assert set(series) == set(range(GROUPS))


def test_retraining_is_advised_where_one_of_the_machines_that_take_turns_is_off():
    graph = [("age", "y"), ("feed", "y")]
    for seed in range(3):
        before, after = machines(2 * seed), machines(2 * seed + 1, off=0.6)
        found = wd.compare(before, after, graph=graph, target="y", prediction="p")
        assert "rows_interleaved" in {w.code for w in found.warnings}
        assert found.ranking == ("y",)
        assert found.remedy.action == "retrain"
