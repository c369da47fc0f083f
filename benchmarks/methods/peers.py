"""Baselines: univariate tests, and DoWhy's mechanism change test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency, ks_2samp

from methods.base import Answer, Method

__all__ = ["METHODS", "dowhy_is_installed"]

_LEVEL = 0.05
_DOWHY_ROWS = 500
_DOWHY_CASES = 20


def _p_value(a: pd.Series, b: pd.Series) -> float:
    missing = chi2_contingency(
        [
            [a.isna().sum() + 0.5, a.notna().sum() + 0.5],
            [b.isna().sum() + 0.5, b.notna().sum() + 0.5],
        ]
    ).pvalue
    a, b = a.dropna(), b.dropna()
    if not len(a) or not len(b):
        return float(missing)
    if a.nunique() <= 2 or not pd.api.types.is_numeric_dtype(a):
        levels = sorted({*a, *b}, key=str)
        table = np.array([[(side == level).sum() for level in levels] for side in (a, b)])
        values = chi2_contingency(table + 0.5).pvalue if len(levels) > 1 else 1.0
    else:
        values = ks_2samp(a, b).pvalue
    return float(min(1.0, 2 * min(missing, values)))


def _univariate(
    reference: pd.DataFrame, current: pd.DataFrame, meta: Mapping[str, Any], floor: float
) -> Answer:
    """Kolmogorov–Smirnov or χ² per column, missing values beside them, Bonferroni."""
    p = {c: _p_value(reference[c], current[c]) for c in meta["columns"]}
    found = sorted((c for c in p if p[c] <= _LEVEL / len(p)), key=p.__getitem__)
    return _plain(p, found, meta)


def _plain(p: Mapping[str, float], found: list[str], meta: Mapping[str, Any]) -> Answer:
    own, others = meta["target"] in found, any(c != meta["target"] for c in found)
    verdict = (
        "both" if own and others else "mechanism" if own else "covariate" if others else "none"
    )
    return {
        "nodes": {
            c: {"verdict": "mechanism" if c in found else "none", "contribution": None} for c in p
        },
        "target_verdict": verdict,
        "ranking": found,
    }


def dowhy_is_installed() -> bool:
    """Whether DoWhy can be imported."""
    from importlib.util import find_spec

    return find_spec("dowhy") is not None


def _dowhy(
    reference: pd.DataFrame, current: pd.DataFrame, meta: Mapping[str, Any], floor: float
) -> Answer:
    """``dowhy.gcm.distribution_change`` with mechanism change tests, on at most 500 rows a window.

    Rows with a missing value are left out: DoWhy takes none.
    """
    import networkx as nx
    from dowhy import gcm

    gcm.config.disable_progress_bars()
    gcm.util.general.set_random_seed(0)
    windows = []
    for frame in (reference, current):
        whole = frame.dropna()
        windows.append(whole.sample(min(_DOWHY_ROWS, len(whole)), random_state=0))
    graph = nx.DiGraph([tuple(e) for e in meta["edges"]])
    graph.add_nodes_from(meta["columns"])
    model = gcm.ProbabilisticCausalModel(graph)
    gcm.auto.assign_causal_mechanisms(model, windows[0])
    target = meta["target"]
    relevant = [*nx.ancestors(graph, target), target]
    contributions, changed, _ = gcm.distribution_change(
        model, windows[0], windows[1], target, return_additional_info=True,
        difference_estimation_func=lambda a, b: float(np.mean(b) - np.mean(a)),
    )  # fmt: skip
    found = sorted((c for c in relevant if changed.get(c)), key=lambda c: -abs(contributions[c]))
    return _plain(dict.fromkeys(meta["columns"], 1.0), found, meta)


METHODS = (
    Method("univariate, Bonferroni", _univariate),
    *((Method("DoWhy, true graph", _dowhy, _DOWHY_CASES),) if dowhy_is_installed() else ()),
)
