"""Three of DoWhy's answers to the same question."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control

from methods.base import Answer, Method, ancestors, minus_log10, named, parents_of

__all__ = ["METHODS", "dowhy_is_installed", "dowhy_version"]

_LEVEL = 0.05
# KCI, DoWhy's default test, takes a minute and more for ten columns of 1,000 rows a window.
_DOWHY_ROWS = 500
_DOWHY_CASES = 20


def dowhy_is_installed() -> bool:
    """Whether DoWhy can be imported."""
    return find_spec("dowhy") is not None


def dowhy_version() -> str:
    """Return ``, DoWhy 0.14`` for the line that names versions, or nothing."""
    return f", DoWhy {version('dowhy')}" if dowhy_is_installed() else ""


def _dowhy_windows(
    reference: pd.DataFrame, current: pd.DataFrame, meta: Mapping[str, Any], columns: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what DoWhy can take of some columns: whole rows, categories as strings, 500 rows."""
    windows = []
    for frame in (reference, current):
        whole = frame[columns].dropna()
        whole = whole.sample(min(_DOWHY_ROWS, len(whole)), random_state=0)
        discrete = [c for c in meta["discrete"] if c in columns]
        windows.append(
            whole.astype(dict.fromkeys(discrete, str)).astype(dict.fromkeys(discrete, object))
        )
    return windows[0], windows[1]


def _dowhy_tests(
    reference: pd.DataFrame, current: pd.DataFrame, meta: Mapping[str, Any], floor: float
) -> Answer:
    """``mechanism_change_test`` of every column given its parents, Benjamini–Hochberg.

    Test and correction are those that ``distribution_change`` uses, but for all columns.
    """
    from dowhy import gcm
    from dowhy.gcm.distribution_change import mechanism_change_test

    gcm.config.set_default_n_jobs(1)
    gcm.util.general.set_random_seed(0)
    parents = parents_of(meta)
    p: dict[str, float] = {}
    for column, above in parents.items():
        a, b = _dowhy_windows(reference, current, meta, [column, *above])
        given = (a[above].to_numpy(), b[above].to_numpy()) if above else ()
        test = mechanism_change_test(a[column].to_numpy(), b[column].to_numpy(), *given)
        p[column] = float(np.clip(test, 0.0, 1.0))
    adjusted = dict(zip(p, false_discovery_control(list(p.values())), strict=True))
    found = sorted((c for c in p if adjusted[c] <= _LEVEL), key=p.__getitem__)
    score = {c: minus_log10(value) for c, value in p.items()}
    return named(score, found, meta["target"], ancestors(parents, meta["target"]))


def _dowhy_change(
    reference: pd.DataFrame, current: pd.DataFrame, meta: Mapping[str, Any], floor: float
) -> Answer:
    """``distribution_change`` of the target's mean; it judges the target and its ancestors only."""
    import networkx as nx
    from dowhy import gcm

    gcm.config.disable_progress_bars()
    gcm.config.set_default_n_jobs(1)
    gcm.util.general.set_random_seed(0)
    a, b = _dowhy_windows(reference, current, meta, list(meta["columns"]))
    graph = nx.DiGraph([tuple(e) for e in meta["edges"]])
    graph.add_nodes_from(meta["columns"])
    model = gcm.ProbabilisticCausalModel(graph)
    gcm.auto.assign_causal_mechanisms(model, a)
    target = meta["target"]
    contributions, changed, _, _ = gcm.distribution_change(
        model, a, b, target, return_additional_info=True,
        difference_estimation_func=_change_of_mean,
    )  # fmt: skip
    found = sorted((c for c in changed if changed[c]), key=lambda c: -abs(contributions[c]))
    answer = named(dict.fromkeys(meta["columns"], 0.0), found, target, {*changed} - {target})
    for column, part in contributions.items():
        answer["nodes"][column]["contribution"] = float(part)
    return answer


def _dowhy_robust(
    reference: pd.DataFrame, current: pd.DataFrame, meta: Mapping[str, Any], floor: float
) -> Answer:
    """``distribution_change_robust`` of the target's mean as it comes, on all rows.

    It sizes contributions and tests nothing, so that no column is said to have changed; categories
    go in as numbers, which is all that its regressions take.
    """
    import networkx as nx
    from dowhy import gcm

    gcm.config.disable_progress_bars()
    gcm.config.set_default_n_jobs(1)
    gcm.util.general.set_random_seed(0)
    columns = list(meta["columns"])
    both = pd.concat([reference[columns], current[columns]], keys=(0, 1)).dropna()
    for column in meta["discrete"]:
        both[column] = pd.factorize(both[column], sort=True)[0]
    both = both.astype(float)
    graph = nx.DiGraph([tuple(e) for e in meta["edges"]])
    graph.add_nodes_from(columns)
    model = gcm.ProbabilisticCausalModel(graph)
    target = meta["target"]
    parts = gcm.distribution_change_robust(model, both.loc[0], both.loc[1], target)
    size = {c: abs(float(parts.get(c, 0.0))) for c in columns}
    answer = named(size, [], target, ())
    for column in columns:
        answer["nodes"][column]["contribution"] = float(parts.get(column, 0.0))
    return answer


def _change_of_mean(a: np.ndarray, b: np.ndarray) -> float:
    # A discrete target went in as strings, as DoWhy wants it; its classes are numbers.
    return float(np.mean(b.astype(float)) - np.mean(a.astype(float)))


METHODS = (
    (
        Method("DoWhy mechanism tests, true graph", _dowhy_tests, _DOWHY_CASES),
        Method("DoWhy distribution_change, true graph", _dowhy_change, _DOWHY_CASES),
        Method("DoWhy robust, true graph", _dowhy_robust, _DOWHY_CASES),
    )
    if dowhy_is_installed()
    else ()
)
