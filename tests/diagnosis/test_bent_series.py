"""A bent curve in rows that resemble their neighbours, whose parent spreads wider now."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.signal import lfilter

import whydrift as wd
from whydrift.monitor.diagnosis.mechanism.design import build_design
from whydrift.monitor.diagnosis.pair import WindowPair


def bent(seed: int, wider: float, spread: float = 1.0, rows: int = 12_000) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x, noise = (lfilter([0.6], [1.0, -0.8], rng.normal(size=rows)) for _ in range(2))
    return pd.DataFrame({"x": wider * x, "y": np.sin(2 * wider * x) + 0.3 * spread * noise})


def verdict(seed: int, spread: float = 1.0) -> str:
    reference, current = bent(2 * seed, 1.0), bent(2 * seed + 1, 2.0, spread)
    graph = [("x", "y")]
    found = wd.compare(reference, current, graph=graph, target="y", level=0.05, floor=0)
    return found.columns["y"].verdict.value


def test_what_the_fit_of_a_curve_leaves_is_no_other_spread():
    verdicts = [verdict(seed) for seed in range(12)]
    assert verdicts.count("mechanism") <= 1, verdicts


def test_a_wider_spread_about_it_is_found():
    assert verdict(0, spread=1.2) == "mechanism"


def test_where_rows_are_too_few_for_the_finest_hinges_of_many_parents_they_have_the_finer():
    rng = np.random.default_rng(0)
    parents = tuple(f"x{k}" for k in range(10))

    def window(wider: float) -> wd.Snapshot:
        values = lfilter([0.6], [1.0, -0.8], rng.normal(size=(2_000, 10)), axis=0)
        return wd.Snapshot.from_frame(pd.DataFrame(wider * values, columns=list(parents)))

    pair = WindowPair(window(1.0), window(2.0), parents)
    design = build_design(pair, parents, pair.complete(parents))
    hinges, products = 10 * (6 + 8), 45 * (1 + 4)
    assert design.matrix.shape == (4_000, 1 + hinges + products)
