"""Tests all scores of a column together, and says which of them moved and how far."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.monitor.diagnosis.mechanism.base import (
    Component,
    MechanismTestResult,
    Power,
    Untestable,
)
from whydrift.monitor.diagnosis.mechanism.between_windows import between_windows
from whydrift.monitor.diagnosis.mechanism.combination import cauchy_combination, largest, wald
from whydrift.monitor.diagnosis.mechanism.dependence import Moments
from whydrift.monitor.diagnosis.mechanism.fitted_models import FittedModels
from whydrift.monitor.diagnosis.mechanism.new_dependence import new_dependence
from whydrift.monitor.diagnosis.mechanism.scores import Scores
from whydrift.monitor.diagnosis.side_by_side import side_by_side

__all__ = ["score_test"]

_REPORTED = 5  # of the strongest components
# How much each way to look counts: level and spread alone, all scores, the largest one.
_WEIGHTS = {"short": 0.45, "all": 0.25, "largest": 0.3}
# These three are tests of the same scores: of independent normal ones the combination rejects up
# to 1.08 times as often as it says; fitted models on some hundred rows take as much again.
_CAUTION = 1.25


def score_test(
    models: FittedModels, scores: Scores, strangers: list[tuple[str, str]], overlap: float
) -> MechanismTestResult:
    """Test that no total of a score is off zero by more than chance makes it.

    Parameters
    ----------
    models : FittedModels
        That left the residuals of which the scores are made.
    scores : Scores
    strangers : list of (str, str)
        Column and name of each of the models' ``strangers``.
    overlap : float
        How far the parents' distributions overlap.
    """
    rows = len(models.matrix)
    stacked = scores.columns
    own = models.rows.moments(stacked, scores.window())
    moments, wider = _with_between(models, scores, stacked, own)
    spread = np.sqrt(np.maximum(np.diag(moments.variance), 0.0))
    usable = spread > 1e-10 * max(1.0, float(spread.max(initial=0.0)))
    usable &= moments.is_normal | (np.arange(len(spread)) < scores.leading)
    if not usable.any():
        # A cluster's total is nothing where it has the same values as often in both windows.
        has_clusters = models.rows.clusters is not None
        why = Untestable.ALIKE_IN_CLUSTERS if has_clusters else Untestable.CONSTANT
        return MechanismTestResult(None, why, overlap, rows)
    divisor = np.where(usable, spread, 1.0)
    z = np.where(usable, moments.standardised(divisor), 0.0)
    correlation = moments.variance / np.outer(divisor, divisor)
    freedom = moments.freedom
    leading = usable & (np.arange(len(z)) < scores.leading)
    p_values = {
        "short": wald(z[leading], correlation[np.ix_(leading, leading)], freedom),
        "largest": largest(z[usable], freedom),
    }
    if leading.sum() < usable.sum():
        p_values["all"] = wald(z[usable], correlation[np.ix_(usable, usable)], freedom)
    components = _components(models, scores, z, usable, wider)
    # By name: of the leading scores one may be unusable, and have no component.
    leaders = scores.names[: scores.leading]
    level = [c for c in components if c.name in leaders and c.unit != "log sd"]
    components.sort(key=lambda c: -abs(c.z))
    weights = [_WEIGHTS[name] for name in p_values]
    shares = [c.error for c in level if c.unit == "probability"]
    power = Power(
        scores.leading,
        freedom,
        _CAUTION * sum(weights) / _WEIGHTS["short"],
        max(shares, default=None),
    )
    return MechanismTestResult(
        min(1.0, _CAUTION * cauchy_combination(list(p_values.values()), weights)),
        None,
        overlap,
        rows,
        tuple(components),
        max(level, key=lambda c: c.error / c.scale, default=None),
        power,
        new_dependence(models, scores, strangers),
    )


def _with_between(
    models: FittedModels, scores: Scores, stacked: FloatArray, moments: Moments
) -> tuple[Moments, FloatArray]:
    """Add what ordinary windows differ by; return also by how much that widens each error."""
    own = np.diag(moments.variance)
    if models.parts is None:
        return moments, np.ones(len(own))
    window = scores.window()
    alone = ((stacked * window) ** 2).sum(axis=0)
    inflation = np.divide(own, alone, out=np.ones_like(own), where=alone > 0)
    extra, freedom = between_windows(
        stacked, side_by_side(scores.by), window, models.parts, inflation,
        models.calendar[: len(models.parts)],
    )  # fmt: skip
    variance = moments.variance + np.diag(extra)
    wider = np.sqrt(np.divide(own + extra, own, out=np.ones_like(own), where=own > 0))
    skewness = moments.skewness / wider**3
    freedom = min(moments.freedom, freedom)
    return replace(moments, variance=variance, skewness=skewness, freedom=freedom), wider


def _components(
    models: FittedModels, scores: Scores, z: FloatArray, usable: BoolArray, wider: FloatArray
) -> list[Component]:
    """Return the size of the leading and strongest changes, each with an error of its own.

    In reported units. The error is not value / z: the score is scaled row by row where the spread
    varies, so the two need not cross zero together.
    """
    strongest = np.argsort(-np.abs(z), kind="stable")[:_REPORTED].tolist()
    chosen = [k for k in sorted({*range(scores.leading), *strongest}) if usable[k]]
    raw = np.empty((len(chosen), len(models.matrix)))
    information = []
    for row, k in zip(raw, chosen, strict=True):
        np.multiply(scores.windows[k], scores.by[k], out=row)
        information.append(float(row @ row))
        row *= scores.raw[k]
    values = raw.sum(axis=1)
    errors = wider[chosen] * np.sqrt(np.diag(models.rows.spread_of(raw.T)))
    return [
        Component(
            scores.names[k],
            float(values[place] / information[place]),
            float(errors[place] / information[place]),
            scores.units[k],
            float(z[k]),
            scores.scale[k],
            float(wider[k]),
        )
        for place, k in enumerate(chosen)
        if information[place] > 0
    ]
