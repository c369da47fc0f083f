"""Root-cause rankers from the literature on services, written from their papers.

They rank and do not decide: of N-sigma and BARO the column ranked first counts as named.
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

_ALPHA, _GROUP_ALPHA, _STEP = 0.001, 0.01, 0.1
_BINS = 5
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
    shape = (strata.max() + 1, 2, x.max() + 1)
    cell = np.ravel_multi_index((strata, window, x), shape)
    counts = np.bincount(cell, minlength=np.prod(shape)).reshape(shape)
    rows, levels = counts.sum(axis=2, keepdims=True), counts.sum(axis=1, keepdims=True)
    expected = rows * levels / counts.sum(axis=(1, 2), keepdims=True)
    surprise = np.divide(
        (counts - expected) ** 2, expected, out=np.zeros(shape), where=expected > 0
    )
    is_in_both = (rows > 0).all(axis=1)[:, 0]
    freedom = ((levels > 0).sum(axis=2)[:, 0] - 1)[is_in_both].sum()
    return float(chi2.sf(surprise[is_in_both].sum(), freedom)) if freedom else 1.0


def _neighbours(
    window: np.ndarray, codes: np.ndarray, columns: list[int], alpha: float
) -> dict[int, float]:
    """Return the columns that no set of others separates from the window (local PC)."""
    left = dict.fromkeys(columns, 0.0)
    for size in range(len(columns)):
        for column in sorted(left, key=lambda c: -left[c]):
            others = [c for c in left if c != column]
            for given in combinations(others, size):
                p = _p_value(window, codes[:, column], codes[:, list(given)])
                left[column] = max(left[column], p)
                if p > alpha:
                    del left[column]
                    break
    return left


def _ordered(
    window: np.ndarray, codes: np.ndarray, columns: list[int], alpha: float, most: int
) -> dict[int, float]:
    """Return neighbours by p-value, those of ever laxer levels after the others."""
    found: dict[int, float] = {}
    for level in np.arange(alpha, 1, _STEP):
        near = _neighbours(window, codes, columns, level)
        new = {c: p for c, p in near.items() if c not in found}
        found |= dict(sorted(new.items(), key=lambda item: item[1]))
        if len(found) >= most:
            break
    return found


def _rcd(
    reference: pd.DataFrame, current: pd.DataFrame, meta: Mapping[str, Any], floor: float
) -> Answer:
    """RCD: the children of a node that stands for the window, found group by group.

    In each group of five a level of .01 is laxed until somebody is left; the last five are ordered
    by the level that leaves them. Those of the strictest one are named.

    Ikram, Chakraborty, Mitra, Saini, Bagchi & Kocaoglu (2022), Root cause analysis of failures in
    microservices through causal discovery; levels as in their code.
    """
    columns = list(meta["columns"])
    codes = _codes(reference, current, columns)
    window = np.repeat([0, 1], [len(reference), len(current)])
    rng = np.random.default_rng(0)
    left = list(range(len(columns)))
    while len(left) > _GROUP:
        order = rng.permutation(left).tolist()
        groups = [order[k : k + _GROUP] for k in range(0, len(order), _GROUP)]
        kept = [c for g in groups for c in _ordered(window, codes, g, _GROUP_ALPHA, most=1)]
        if len(kept) == len(left):
            break
        left = kept
    p = {columns[c]: v for c, v in _ordered(window, codes, left, _ALPHA, most=len(left)).items()}
    score = {c: minus_log10(p[c]) if c in p else 0.0 for c in columns}
    found = [c for c in p if p[c] <= _ALPHA]
    answer = named(score, found, meta["target"], {c for c in columns if c != meta["target"]})
    answer["ranking"] = [*p, *(c for c in columns if c not in p)]
    return answer


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
