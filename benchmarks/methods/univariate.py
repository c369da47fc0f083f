"""What monitors do today: each column for itself, and rules that need no thought."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency, ks_2samp

from methods.base import Answer, Method, minus_log10, named

__all__ = ["METHODS"]

_LEVEL = 0.05
_PSI_LIMIT = 0.2  # "significant" by the usual rule of thumb
_BINS = 10


def is_number(column: pd.Series) -> bool:
    """Whether values are to be compared by order, not by name."""
    return pd.api.types.is_numeric_dtype(column) and column.nunique() > 2


def p_value(a: pd.Series, b: pd.Series) -> float:
    """Kolmogorov–Smirnov or χ², and χ² of the missing share; twice the smaller."""
    missing = chi2_contingency(
        [
            [a.isna().sum() + 0.5, a.notna().sum() + 0.5],
            [b.isna().sum() + 0.5, b.notna().sum() + 0.5],
        ]
    ).pvalue
    a, b = a.dropna(), b.dropna()
    if not len(a) or not len(b):
        return float(missing)
    if is_number(a):
        values = ks_2samp(a, b).pvalue
    else:
        table = _counts(a, b)
        values = chi2_contingency(table + 0.5).pvalue if table.shape[1] > 1 else 1.0
    return float(min(1.0, 2 * min(missing, values)))


def distance(a: pd.Series, b: pd.Series) -> float:
    """Kolmogorov–Smirnov distance of numbers, total variation of categories, missing left out."""
    a, b = a.dropna(), b.dropna()
    if not len(a) or not len(b):
        return 0.0
    if is_number(a):
        return float(ks_2samp(a, b).statistic)
    counts = _counts(a, b)
    return float(np.abs(np.subtract(*(counts / counts.sum(axis=1, keepdims=True)))).sum() / 2)


def population_stability(a: pd.Series, b: pd.Series) -> float:
    """Return the population stability index over ten quantile bins, or the categories."""
    if is_number(a):
        edges = np.unique(np.nanquantile(a, np.linspace(0, 1, _BINS + 1)))[1:-1]
        sides = [pd.Series(np.searchsorted(edges, s, side="right")).where(s.notna().to_numpy(), -1)
                 for s in (a, b)]  # fmt: skip
    else:
        sides = [s.astype(object).where(s.notna(), "(missing)") for s in (a, b)]
    counts = _counts(*sides)
    shares = np.maximum(counts / counts.sum(axis=1, keepdims=True), 1e-4)
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())


def _counts(a: pd.Series, b: pd.Series) -> np.ndarray:
    """Return how often each value occurs in each, shape (2, n_values)."""
    counts = pd.concat([s.value_counts() for s in (a, b)], axis=1)
    return counts.fillna(0).to_numpy(dtype=float).T


def _tests(
    reference: pd.DataFrame, current: pd.DataFrame, meta: Mapping[str, Any], floor: float
) -> Answer:
    p = {c: p_value(reference[c], current[c]) for c in meta["columns"]}
    found = sorted((c for c in p if p[c] <= _LEVEL / len(p)), key=p.__getitem__)
    score = {c: minus_log10(value) for c, value in p.items()}
    return named(score, found, meta["target"], {c for c in p if c != meta["target"]})


def _psi(
    reference: pd.DataFrame, current: pd.DataFrame, meta: Mapping[str, Any], floor: float
) -> Answer:
    index = {c: population_stability(reference[c], current[c]) for c in meta["columns"]}
    found = sorted((c for c in index if index[c] > _PSI_LIMIT), key=lambda c: -index[c])
    return named(index, found, meta["target"], {c for c in index if c != meta["target"]})


def _evidently(
    reference: pd.DataFrame, current: pd.DataFrame, meta: Mapping[str, Any], floor: float
) -> Answer:
    """``DataDriftPreset`` as it comes: a test by kind and size, each column at its own limit."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    columns = list(meta["columns"])
    numbers = [c for c in columns if c not in meta["discrete"]]
    definition = DataDefinition(
        numerical_columns=numbers, categorical_columns=list(meta["discrete"])
    )
    sets = [
        Dataset.from_pandas(
            frame[columns].astype(dict.fromkeys(meta["discrete"], "string")),
            data_definition=definition,
        )
        for frame in (current, reference)
    ]
    result = Report([DataDriftPreset()]).run(*sets).dict()
    score: dict[str, float | None] = dict.fromkeys(columns, 0.0)
    found = []
    for metric in result["metrics"]:
        config = metric.get("config", {})
        column = config.get("column")
        if column not in score:
            continue
        value, limit = float(metric["value"]), float(config["threshold"])
        by_p = "p_value" in str(config.get("method", "")).replace(" ", "_").replace("-", "_")
        drifted = value < limit if by_p else value >= limit
        score[column] = minus_log10(value) if by_p else value
        if drifted:
            found.append(column)
    found.sort(key=lambda c: -(score[c] or 0.0))
    return named(score, found, meta["target"], {c for c in columns if c != meta["target"]})


def _all_to_the_first(
    reference: pd.DataFrame, current: pd.DataFrame, meta: Mapping[str, Any], floor: float
) -> Answer:
    """The first column did it, and explains the whole change of the target's mean."""
    columns = list(meta["columns"])
    answer = named(dict.fromkeys(columns, 0.0), columns[:1], meta["target"], columns[:1])
    target = meta["target"]
    if pd.api.types.is_numeric_dtype(reference[target]):
        change = float(current[target].mean() - reference[target].mean())
        answer["nodes"][columns[0]]["contribution"] = change
    return answer


def _silence(
    reference: pd.DataFrame, current: pd.DataFrame, meta: Mapping[str, Any], floor: float
) -> Answer:
    return named(dict.fromkeys(meta["columns"], 0.0), [], meta["target"], ())


METHODS = (
    Method("univariate, Bonferroni", _tests),
    Method("PSI above 0.2", _psi),
    *((Method("Evidently preset", _evidently),) if find_spec("evidently") else ()),
    Method("all to the first", _all_to_the_first),
    Method("silence", _silence),
)
