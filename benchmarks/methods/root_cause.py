"""Root-cause rankers from the literature on services, written from their papers.

They rank and do not decide, so the column ranked first is the one that each of them names.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2

from methods.base import Answer, Method, minus_log10, named

__all__ = ["METHODS"]

_ALPHA = 0.05
_BINS = 5
_MOST_GIVEN = 2
_GROUP = 5  # columns learned on together


def _codes(reference: pd.DataFrame, current: pd.DataFrame, columns: list[str]) -> np.ndarray:
    """Return all columns in five bins by their pooled quantiles; missing is a bin of its own."""
    both = pd.concat([reference[columns], current[columns]], ignore_index=True)
    out = np.empty(both.shape, dtype=int)
    for place, column in enumerate(columns):
        values = both[column]
        if pd.api.types.is_numeric_dtype(values) and values.nunique() > _BINS:
            edges = np.unique(np.nanquantile(values, np.linspace(0, 1, _BINS + 1)))[1:-1]
            codes = np.searchsorted(edges, values, side="right")
        else:
            codes = pd.factorize(values)[0]
        out[:, place] = np.where(values.isna(), _BINS, codes)
    return out


def _p_value(window: np.ndarray, x: np.ndarray, given: np.ndarray) -> float:
    """Return χ² of window and column in each stratum, added up."""
    strata = (
        np.unique(given, axis=0, return_inverse=True)[1] if given.size else np.zeros(len(x), int)
    )
    statistic, freedom = 0.0, 0
    for stratum in np.unique(strata):
        rows = strata == stratum
        counts = np.zeros((2, x.max() + 1))
        np.add.at(counts, (window[rows], x[rows]), 1)
        counts = counts[:, counts.sum(axis=0) > 0]
        if counts.shape[1] < 2 or not counts.sum(axis=1).all():
            continue
        expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
        statistic += float(((counts - expected) ** 2 / expected).sum())
        freedom += counts.shape[1] - 1
    return float(chi2.sf(statistic, freedom)) if freedom else 1.0


def _neighbours(window: np.ndarray, codes: np.ndarray, columns: list[int]) -> dict[int, float]:
    """Return the columns that no small set of others separates from the window (local PC)."""
    left = dict.fromkeys(columns, 0.0)
    for size in range(_MOST_GIVEN + 1):
        for column in sorted(left, key=lambda c: -left[c]):
            others = [c for c in left if c != column]
            for given in combinations(others, size):
                p = _p_value(window, codes[:, column], codes[:, list(given)])
                left[column] = max(left[column], p)
                if p > _ALPHA:
                    del left[column]
                    break
    return left


def _rcd(
    reference: pd.DataFrame, current: pd.DataFrame, meta: Mapping[str, Any], floor: float
) -> Answer:
    """RCD: the children of a node that stands for the window, found group by group.

    Ikram, Chakraborty, Mitra, Saini, Bagchi & Kocaoglu (2022), Root cause analysis of failures in
    microservices through causal discovery.
    """
    columns = list(meta["columns"])
    codes = _codes(reference, current, columns)
    window = np.repeat([0, 1], [len(reference), len(current)])
    rng = np.random.default_rng(0)
    left = list(range(len(columns)))
    while len(left) > _GROUP:
        order = rng.permutation(left).tolist()
        groups = [order[k : k + _GROUP] for k in range(0, len(order), _GROUP)]
        kept = [c for group in groups for c in _neighbours(window, codes, group)]
        if len(kept) == len(left):
            break
        left = kept
    p = {columns[c]: value for c, value in _neighbours(window, codes, left).items()}
    found = sorted(p, key=p.__getitem__)
    score = {c: minus_log10(p[c]) if c in p else 0.0 for c in columns}
    return named(score, found, meta["target"], {c for c in columns if c != meta["target"]})


def _by_deviation(
    reference: pd.DataFrame, current: pd.DataFrame, meta: Mapping[str, Any], *, robust: bool
) -> Answer:
    columns = list(meta["columns"])
    score: dict[str, float | None] = {}
    for column in columns:
        a, b = reference[column], current[column]
        if not pd.api.types.is_numeric_dtype(a):
            order = {level: k for k, level in enumerate(sorted(a.dropna().unique(), key=str))}
            a, b = a.map(order), b.map(order)
        a, b = a.dropna().to_numpy(dtype=float), b.dropna().to_numpy(dtype=float)
        centre = np.median(a) if robust else a.mean()
        spread = np.subtract(*np.quantile(a, [0.75, 0.25])) if robust else a.std()
        gap = np.abs(b - centre).max(initial=0.0)
        score[column] = float(gap / spread) if spread > 0 else 0.0
    ranking = sorted(columns, key=lambda c: -(score[c] or 0.0))
    answer = named(score, ranking[:1], meta["target"], {c for c in columns if c != meta["target"]})
    answer["ranking"] = ranking[:3]
    return answer


def _n_sigma(
    reference: pd.DataFrame, current: pd.DataFrame, meta: Mapping[str, Any], floor: float
) -> Answer:
    """N-sigma: the largest deviation from the mean, in standard deviations."""
    return _by_deviation(reference, current, meta, robust=False)


def _baro(
    reference: pd.DataFrame, current: pd.DataFrame, meta: Mapping[str, Any], floor: float
) -> Answer:
    """BARO's RobustScorer: the largest deviation from the median, in interquartile ranges.

    Pham, Ha & Zhang (2024), BARO: robust root cause analysis for microservices.
    """
    return _by_deviation(reference, current, meta, robust=True)


METHODS = (
    Method("RCD", _rcd),
    Method("N-sigma", _n_sigma),
    Method("BARO", _baro),
)
