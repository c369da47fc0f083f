"""Textbook tests of P(column | parents), with the true graph: Chow, and a classifier's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import f as f_distribution
from scipy.stats import t as t_distribution

from methods.base import Answer, Method, ancestors, minus_log10, named, parents_of
from whydrift.monitor.diagnosis.error_control import holm

__all__ = ["METHODS"]

_LEVEL = 0.05
_CLASSIFIER_ROWS = 1_500  # of each window
_FOLDS = 3


def _answered(p: Mapping[str, float], meta: Mapping[str, Any]) -> Answer:
    rejected = holm(p, _LEVEL)
    found = sorted(rejected, key=p.__getitem__)
    score = {c: minus_log10(value) for c, value in p.items()}
    return named(score, found, meta["target"], ancestors(parents_of(meta), meta["target"]))


def _numbers(frame: pd.DataFrame, columns: list[str], meta: Mapping[str, Any]) -> np.ndarray:
    """Return columns as numbers, categories as indicators of all levels but the first."""
    parts = [np.empty((len(frame), 0))]
    for column in columns:
        if column in meta["discrete"]:
            codes = pd.get_dummies(frame[column].astype(str), drop_first=True)
            parts.append(codes.to_numpy(dtype=float))
        else:
            parts.append(frame[[column]].to_numpy(dtype=float))
    return np.column_stack(parts)


def _chow(
    reference: pd.DataFrame, current: pd.DataFrame, meta: Mapping[str, Any], floor: float
) -> Answer:
    """Chow's test of equal linear regressions; categories by each level's indicator, Bonferroni."""
    p = {}
    for column, above in parents_of(meta).items():
        both = pd.concat([reference, current], keys=[0, 1])[[column, *above]].dropna()
        window = both.index.get_level_values(0).to_numpy(dtype=float)
        design = np.column_stack([np.ones(len(both)), _numbers(both, above, meta)])
        full = np.column_stack([design, design * window[:, None]])
        responses = _numbers(both, [column], meta)
        tests = [1.0]
        for response in responses.T:
            small, large = (_residual_squares(m, response) for m in (design, full))
            extra = np.linalg.matrix_rank(full) - np.linalg.matrix_rank(design)
            left = len(response) - np.linalg.matrix_rank(full)
            if extra > 0 and left > 0 and large > 0:
                statistic = (small - large) / extra / (large / left)
                tests.append(float(f_distribution.sf(statistic, extra, left)))
        p[column] = min(1.0, max(1, responses.shape[1]) * min(tests))
    return _answered(p, meta)


def _residual_squares(matrix: np.ndarray, response: np.ndarray) -> float:
    fit = matrix @ np.linalg.lstsq(matrix, response, rcond=None)[0]
    return float(((response - fit) ** 2).sum())


def _classifier(
    reference: pd.DataFrame, current: pd.DataFrame, meta: Mapping[str, Any], floor: float
) -> Answer:
    """Whether the column helps boosted trees to tell the windows apart, beyond its parents."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedKFold

    rng = np.random.default_rng(0)
    sides = [
        f.iloc[np.sort(rng.permutation(len(f))[:_CLASSIFIER_ROWS])] for f in (reference, current)
    ]
    both = pd.concat(sides, ignore_index=True)
    window = np.repeat([0, 1], [len(s) for s in sides])
    p = {}
    for column, above in parents_of(meta).items():
        losses = []
        for features in (above, [*above, column]):
            x = _numbers(both, features, meta)
            x = np.column_stack([x, both[features].isna().to_numpy(dtype=float)])
            chance = np.empty(len(both))
            if not features:
                chance[:] = window.mean()
            else:
                for train, test in StratifiedKFold(_FOLDS, shuffle=True, random_state=0).split(
                    x, window
                ):
                    model = HistGradientBoostingClassifier(
                        max_iter=60, max_depth=3, learning_rate=0.1, random_state=0
                    ).fit(x[train], window[train])
                    chance[test] = model.predict_proba(x[test])[:, 1]
            chance = np.clip(chance, 1e-3, 1 - 1e-3)
            losses.append(-np.log(np.where(window == 1, chance, 1 - chance)))
        gain = losses[0] - losses[1]
        spread = gain.std(ddof=1) / np.sqrt(len(gain))
        statistic = gain.mean() / spread if spread > 0 else 0.0
        p[column] = float(t_distribution.sf(statistic, len(gain) - 1))
    return _answered(p, meta)


METHODS = (
    Method("Chow tests, true graph", _chow),
    Method("C2ST, true graph", _classifier),
)
