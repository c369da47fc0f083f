"""A bent curve in rows that resemble their neighbours, whose parent spreads wider now."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.signal import lfilter

import whydrift as wd


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
