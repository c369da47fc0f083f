"""The scores of a category: the share of each level, and these along the parents."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.monitor.diagnosis.mechanism.design import RARE
from whydrift.monitor.diagnosis.mechanism.fitted_models import FittedModels
from whydrift.monitor.diagnosis.mechanism.products import products
from whydrift.monitor.diagnosis.mechanism.scores import MOST_SCORES, Scores

__all__ = ["category_scores", "without_rare"]

_LEAST_EXPECTED = 5.0  # rows of a category in the smaller window (Cochran 1954)


def category_scores(
    models: FittedModels, residual: FloatArray, levels: list[str], rho: float, spread: FloatArray
) -> Scores:
    """Return the scores of categories.

    Parameters
    ----------
    models : FittedModels
    residual : ndarray of shape (n_rows, n_levels)
        What the outcome model leaves of the levels' indicators.
    levels : list of str
    rho : float
        What each row keeps of the one before, where that was taken out.
    spread : ndarray of shape (n_levels,)
        Each indicator's sd.
    """
    names = [f"share of {level}" for level in levels]
    out = Scores(len(levels), residual, residual, "probability", names)
    lin, one = models.linear, np.ones(len(residual))

    def add(k: int, by: FloatArray, name: str) -> None:
        own = residual[:, k]
        out.add(own, own, by, name, "probability", models.rows.window, float(spread[k]))

    for k, name in enumerate(names):
        add(k, (1 - rho) * one, name)
    along = [(lin[:, j], models.names[j]) for j in range(lin.shape[1])]
    along += [(by, other) for other, by in products(models, len(out.names) + len(along))]
    for by, other in along:
        for k, name in enumerate(names):
            if len(out.names) >= MOST_SCORES:
                return out
            add(k, by, f"{name} along {other}")
    return out


def without_rare(
    indicators: FloatArray, levels: list[str], smaller: float
) -> tuple[FloatArray, list[str]]:
    """Return the indicators of levels with enough rows, the others pooled or left out.

    Where the smaller window expects a row or two of a level its share is far from normal.

    Parameters
    ----------
    indicators : ndarray of shape (n_rows, n_levels)
    levels : list of str
    smaller : float
        Share of the rows that the smaller window has.
    """
    expected = indicators.sum(axis=0) * smaller
    common = expected >= _LEAST_EXPECTED
    kept = [name for name, is_common in zip(levels, common, strict=True) if is_common]
    if common.all():
        return indicators, kept
    rest = indicators[:, ~common].sum(axis=1)
    if rest.sum() * smaller < _LEAST_EXPECTED:
        return indicators[:, common], kept
    return np.column_stack([indicators[:, common], rest]), [*kept, RARE]
