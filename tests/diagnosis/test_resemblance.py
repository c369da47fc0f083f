"""Whether rows are a series: in what the parents do not tell, and but for a break in the window."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter
from scipy.stats import binom

import whydrift as wd
from whydrift.discovery.steps import without_steps
from whydrift.monitor.diagnosis.resemblance import SEEN, SUSPECTED, lag_one, resemblance

GRAPH = [("x", "y"), ("x", "z")]


def series(rng: np.random.Generator, rows: int, memory: float) -> np.ndarray:
    noise = rng.normal(size=rows + 1_000) * np.sqrt(1 - memory**2)
    return lfilter([1.0], [1.0, -memory], noise)[1_000:]


def compared(reference: pd.DataFrame, current: pd.DataFrame) -> wd.Report:
    return wd.compare(reference, current, graph=GRAPH, target="y", level=0.05, floor=0)


@pytest.mark.parametrize(
    ("memory", "share", "slope", "rows"),
    [(0.9, 1.0, 10.0, 1_000), (0.5, 1.0, 6.0, 1_000), (0.99, 0.05, 1.0, 4_000)],
    ids=["hidden by the parent", "of short memory", "under noise of each row"],
)
def test_noise_that_is_a_series_keeps_the_level_where_columns_show_none(memory, share, slope, rows):
    trials, level, rejected, told = 40, 0.05, 0, 0
    rng = np.random.default_rng(1)
    for _ in range(trials):
        windows = []
        for _ in range(2):
            noise = np.sqrt(share) * series(rng, rows, memory)
            noise += np.sqrt(1 - share) * rng.normal(size=rows)
            x = rng.normal(size=rows)
            z = x + rng.normal(size=rows)
            windows.append(pd.DataFrame({"x": x, "y": slope * x + noise, "z": z}))
        found = compared(*windows)
        rejected += found.columns["y"].verdict == "mechanism"
        told += any(n.code == "rows_dependent" and n.column == "y" for n in found.warnings)
    assert rejected <= binom.isf(1e-3, trials, level)
    assert told >= 0.9 * trials


@pytest.mark.parametrize("memory", [0.0, 0.8])
@pytest.mark.parametrize("begins", [0.5, 0.7])
def test_a_break_within_the_window_does_not_hide_itself(memory, begins):
    rows, found = 8_000, []
    rng = np.random.default_rng(2)
    for _ in range(5):
        windows = []
        for step in (0.0, 2.0):
            x, one, other = (series(rng, rows, memory) for _ in range(3))
            y = x + one + step * (np.arange(rows) >= begins * rows)
            windows.append(pd.DataFrame({"x": x, "y": y, "z": x + other}))
        report = compared(*windows)
        found.append({n: c.verdict.value for n, c in report.columns.items()})
    assert [f["y"] for f in found].count("mechanism") == 5, found
    assert [f["z"] for f in found].count("mechanism") == 0, found


def test_a_break_within_the_window_turns_no_arrow():
    rng = np.random.default_rng(6)
    windows = []
    for step in (0.0, 2.0):
        u, x, *noise = rng.normal(size=(4, 4_000))
        y = x + 0.6 * u + noise[0] + step * (np.arange(4_000) >= 2_400)
        windows.append(pd.DataFrame({"u": u, "x": x, "y": y, "z": 0.8 * y + noise[1]}))
    found = wd.compare(*windows, target="z")
    assert {n: c.verdict.value for n, c in found.columns.items()} == {
        "u": "stable", "x": "stable", "y": "mechanism", "z": "inherited",
    }  # fmt: skip
    assert not {"rows_dependent", "rows_alike_nearby"} & {w.code for w in found.warnings}


@pytest.mark.parametrize("memory", [0.0, 0.5])
def test_what_the_fit_leaves_of_the_row_before_is_no_spread(memory):
    trials, level, rejected = 60, 0.05, 0
    rng = np.random.default_rng(7)
    for _ in range(trials):
        windows = []
        for wider in (1.0, 2.0):
            x = wider * series(rng, 1_000, memory)
            y = np.sin(2 * x) + 0.3 * series(rng, 1_000, 0.95)
            windows.append(pd.DataFrame({"x": x, "y": y, "z": x + rng.normal(size=1_000)}))
        rejected += compared(*windows).columns["y"].verdict == "mechanism"
    assert rejected <= binom.isf(1e-3, trials, level)


def test_white_noise_is_left_as_it_is_and_a_series_resembles_itself_between_steps():
    rng = np.random.default_rng(3)
    white = rng.normal(size=5_000)
    assert without_steps(white) == pytest.approx(white - white.mean())
    slow = series(rng, 5_000, 0.9)
    assert lag_one(without_steps(slow)) > 0.9 * lag_one(slow)
    step = white + 3.0 * (np.arange(5_000) > 3_100)
    assert lag_one(step) > 10
    assert lag_one(without_steps(step)) < 3


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=120),
    st.integers(0, 120),
)
def test_steps_taken_out_never_add_anything(values, split):
    column = np.array(values)
    rest = without_steps(column)
    centred = column - column.mean()
    assert rest @ rest <= (centred @ centred) * (1 + 1e-9) + 1e-6
    assert resemblance(column[:, None], min(split, len(column))) >= 0


def test_levels_of_past_windows_are_no_series():
    rng = np.random.default_rng(5)
    day = np.repeat(np.arange(20), 100)
    values = np.append(rng.normal(size=20)[day] + rng.normal(size=2_000), rng.normal(size=100))
    assert resemblance(values[:, None], 2_000) > SEEN
    assert resemblance(values[:, None], 2_000, day) < SEEN


def test_rows_in_no_order_hardly_ever_resemble_each_other():
    rng = np.random.default_rng(4)
    found = [resemblance(rng.standard_t(2.5, size=(600, 1)), 300) for _ in range(1_000)]
    assert sum(z > SEEN for z in found) <= binom.isf(1e-3, 1_000, 0.005)
    assert sum(z > SUSPECTED for z in found) <= binom.isf(1e-3, 1_000, 0.12)
