"""Rows that resemble their neighbours, in windows of which only a sample is kept."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter

import whydrift as wd
from whydrift.discovery.snapshot.pool import pool
from whydrift.monitor.diagnosis.interleaving import series_after_series
from whydrift.monitor.diagnosis.mechanism.neighbours import Neighbours
from whydrift.monitor.diagnosis.pair import WindowPair

GRAPH = [("x", "y")]


def series(rng: np.random.Generator, rows: int, rho: float = 0.8) -> np.ndarray:
    noise = rng.normal(size=rows + 100)
    out: np.ndarray = lfilter([np.sqrt(1 - rho**2)], [1.0, -rho], noise)[100:]
    return out


def frame(seed: int, rows: int, turns: int = 1) -> pd.DataFrame:
    """Return series of which y follows x; of several that take turns, row by row."""
    rng = np.random.default_rng(seed)
    x, y = (
        np.column_stack([series(rng, rows // turns) for _ in range(turns)]).ravel()
        for _ in range(2)
    )
    return pd.DataFrame({"place": np.arange(len(x)), "x": x, "y": np.tanh(x) + y})


def snapshot(rows: pd.DataFrame) -> wd.Snapshot:
    return wd.Snapshot.from_frame(rows, kinds={"place": "continuous"})


def named(reference: pd.DataFrame | list[pd.DataFrame], current: pd.DataFrame) -> tuple[str, ...]:
    return wd.compare(reference, current, graph=GRAPH, target="y", level=0.01, floor=0).ranking


def clocked(rows: pd.DataFrame) -> pd.DataFrame:
    at = pd.Timestamp("2026-01-01") + pd.to_timedelta(60 * np.arange(len(rows)), unit="s")
    return rows.assign(at=at)


@pytest.mark.parametrize("is_clocked", [True, False])
def test_a_series_of_which_a_sample_is_kept_spreads_as_one_that_is_kept_in_full(
    is_clocked: bool,
) -> None:
    windows = [(frame(2 * k, 40_000), frame(2 * k + 1, 1_200)) for k in range(5)]
    pairs = [[w.drop(columns="place") for w in pair] for pair in windows]
    if is_clocked:
        pairs = [[clocked(w) for w in pair] for pair in pairs]
    assert [named(*pair) for pair in pairs] == [()] * 5


def test_past_windows_of_which_blocks_are_kept_spread_as_one_that_is_kept_in_full() -> None:
    for seed in range(3):
        rows = frame(50 + seed, 21 * 1_500).drop(columns="place")
        *past, now = (rows[k * 1_500 : (k + 1) * 1_500] for k in range(21))
        assert named(past, now) == ()


def test_series_that_take_turns_in_a_long_reference_are_told_apart_by_a_short_window() -> None:
    for seed in range(3):
        long, short = (frame(80 + 2 * seed + k, n, turns=8) for k, n in enumerate((48_000, 2_400)))
        assert named(long.drop(columns="place"), short.drop(columns="place")) == ()


def test_a_change_of_spread_is_found_beside_a_long_reference() -> None:
    now = frame(1, 1_200)
    now["y"] = np.tanh(now["x"]) + 1.3 * (now["y"] - np.tanh(now["x"]))
    assert named(frame(0, 40_000).drop(columns="place"), now.drop(columns="place")) == ("y",)


def test_a_sample_knows_which_of_its_rows_follow_each_other() -> None:
    window = snapshot(frame(0, 50_000))
    steps = np.diff(window.column("place"), prepend=-9)
    assert 0 < len(window.sample) < window.rows
    assert np.array_equal(window.has_predecessor, steps == 1)
    some = np.arange(0, len(window.sample), 3)
    assert not window.take(some).has_predecessor.any()
    half = window.take(np.arange(5_000, 9_000))
    assert np.array_equal(half.has_predecessor[1:], steps[5_001:9_000] == 1)
    whole = snapshot(frame(0, 500))
    assert whole.has_predecessor.tolist() == [False, *[True] * 499]


def test_blocks_of_past_windows_do_not_follow_each_other() -> None:
    rows = frame(0, 5 * 600)
    windows = [snapshot(rows[k * 600 : (k + 1) * 600]) for k in range(5)]
    past = pool(windows, most_rows=1_000).snapshot
    steps = np.diff(past.column("place"), prepend=-9)
    assert np.array_equal(past.has_predecessor, steps == 1)
    assert (~past.has_predecessor).sum() == len(past.sample) // 16
    # All of them: the first row of a window does not count as following the window before.
    whole = pool(windows).snapshot
    assert np.flatnonzero(~whole.has_predecessor).tolist() == [0, 600, 1200, 1800, 2400]


def test_rows_of_a_sample_follow_those_of_their_series_where_several_take_turns() -> None:
    window = snapshot(frame(0, 50_000))
    apart = series_after_series(window, 8)
    assert apart is not None
    place = apart.column("place")
    assert (np.diff(place % 8) >= 0).all()
    assert np.array_equal(apart.has_predecessor[1:], np.diff(place) == 8)
    assert series_after_series(window.take(np.arange(1_000)), 8) is None


def test_thinned_alike_all_rows_count_else_those_with_a_neighbour() -> None:
    long, short = snapshot(frame(0, 50_000)), snapshot(frame(1, 1_200))
    for current in (long, short):
        both = WindowPair(long, current, ("x", "y"))
        near = Neighbours.of(both, np.ones(len(both.is_current), dtype=bool))
        assert near.tell_spread
        if current is short:
            assert np.array_equal(near.rows, both.has_predecessor)
        else:
            assert np.flatnonzero(~near.rows).tolist() == [0, len(long.sample)]


def test_spreads_are_not_compared_where_no_neighbour_is_known() -> None:
    for seed in range(3):
        # Read in another order than that of time: the places in the file say nothing.
        long = clocked(frame(20 + 2 * seed, 40_000)).sample(frac=1, random_state=seed)
        short = clocked(frame(21 + 2 * seed, 1_200))
        wider = short.assign(y=np.tanh(short["x"]) + 1.5 * (short["y"] - np.tanh(short["x"])))
        roles = {"at": "time"}
        before = wd.Snapshot.from_frame(long, roles=roles)
        for now in (short, wider):
            window = wd.Snapshot.from_frame(now, schema=before.schema)
            found = wd.compare(before, window, graph=GRAPH, target="y", level=0.01, floor=0)
            assert found.ranking == ()
            told = next(n.text for n in found.warnings if n.code == "rows_dependent")
            assert "changes of spread are not looked for" in told
        window = wd.Snapshot.from_frame(short.assign(y=short["y"] + 1.5), schema=before.schema)
        found = wd.compare(before, window, graph=GRAPH, target="y", level=0.01, floor=0)
        assert found.ranking == ("y",)


def test_effects_on_a_series_whose_parent_is_none_are_in_sd_of_the_column() -> None:
    """y follows x, of rows in no order, and y rises by half of its sd."""
    held, sizes = 0, []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        windows = []
        for rise in (0.0, 0.5):
            x = rng.normal(size=1000)
            windows.append(pd.DataFrame({"x": x, "y": x + series(rng, 1000) + rise * np.sqrt(2)}))
        effect = wd.compare(*windows, graph=GRAPH).columns["y"].effect
        assert effect is not None and effect.low is not None and effect.high is not None
        sizes.append(effect.value)
        held += effect.low <= 0.5 <= effect.high
    assert held >= 3  # it was .28 of it, and no interval held it
    assert np.mean(sizes) == pytest.approx(0.5, abs=0.1)
