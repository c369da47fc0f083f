"""Calibration: whether rows that are predicted to gain more do gain more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.effects.chart import Chart, Rule, Series
from whydrift.effects.heterogeneity.scores import Fit, Scores
from whydrift.effects.influence import influence_error
from whydrift.effects.table import Table

__all__ = ["Calibration", "Groups", "calibration", "differences_are_real", "groups"]

_GROUPS = 5
_FLAT = 1e-9  # of the outcome's spread: predictions that are all the same


@dataclass(frozen=True, slots=True)
class Calibration:
    """The best linear prediction of the effect by the predictions.

    Parameters
    ----------
    average, average_error : float
        1 where the mean prediction is right.
    slope, slope_error : float or None
        1 where differences between rows are as predicted, 0 where they are noise; None where the
        learner predicts the same for all.
    """

    average: float
    average_error: float
    slope: float | None
    slope_error: float | None


def calibration(
    scores: Scores, outcome: FloatArray, treated: FloatArray, cluster: IntArray | None
) -> Calibration:
    """Regress what is left of the outcome on the mean prediction and the differences from it.

    References
    ----------
    Chernozhukov, Demirer, Duflo & Fernández-Val (2018), Generic machine learning inference on
    heterogeneous treatment effects in randomized experiments.
    Athey & Wager (2019), Estimating treatment effects with causal forests: an application.
    """
    left = treated - scores.chance
    centred = scores.centred
    middle = scores.predicted - centred
    is_flat = centred.std() <= _FLAT * outcome.std()
    columns = [left * middle] if is_flat else [left * middle, left * centred]
    design = np.column_stack(columns)
    rest = outcome - scores.mean
    inverse: FloatArray = np.asarray(np.linalg.pinv(design.T @ design))
    found = inverse @ (design.T @ rest)
    errors = _errors(design, rest - design @ found, inverse, cluster)
    slope = (None, None) if is_flat else (float(found[1]), errors[1])
    return Calibration(float(found[0]), errors[0], *slope)


def differences_are_real(
    scores: Scores,
    fit: Fit,
    design: FloatArray,
    outcome: FloatArray,
    treated: FloatArray,
    cluster: IntArray | None,
) -> float | None:
    """Return how far effects are seen to go with predictions: normal (0, 1) where none differ.

    Each fold is predicted from the folds *before* it, and from them alone. Were it predicted from
    all others, chance would speak twice: what looks like a difference in most folds would be found
    again in the last, and up to twice as many differences would be called real as should be. From
    earlier folds alone the slopes are a martingale, and add up.

    Parameters
    ----------
    scores : Scores
    fit : callable (outcome, treated, design) -> FittedCate
    design : ndarray of shape (n_rows, n_features)
        As the learner takes it.
    outcome, treated : ndarray of shape (n_rows,)
    cluster : ndarray of int, optional

    Returns
    -------
    float or None
        None where the learner never tells rows apart.

    References
    ----------
    Wager (2024), Sequential validation of treatment heterogeneity.
    """
    left, rest = treated - scores.chance, outcome - scores.mean
    found = []
    for number in range(1, int(scores.fold.max()) + 1):
        before, held = scores.fold < number, scores.fold == number
        predicted = fit(outcome[before], treated[before], design[before]).effect(design[held])
        apart = predicted - predicted.mean()
        if apart.std() <= _FLAT * outcome.std():
            continue
        columns = np.column_stack([left[held], left[held] * apart])
        inverse: FloatArray = np.asarray(np.linalg.pinv(columns.T @ columns))
        slopes = inverse @ (columns.T @ rest[held])
        among = None if cluster is None else np.unique(cluster[held], return_inverse=True)[1]
        errors = _errors(columns, rest[held] - columns @ slopes, inverse, among)
        if errors[1] > 0:
            found.append(float(slopes[1]) / errors[1])
    return float(np.sum(found) / np.sqrt(len(found))) if found else None


def _errors(
    design: FloatArray, residual: FloatArray, inverse: FloatArray, cluster: IntArray | None
) -> list[float]:
    """Return the errors of least squares that allow for unequal spread, and for clusters."""
    influence = (design * residual[:, None]) @ inverse * len(residual)
    return [influence_error(column, cluster, design.shape[1])[0] for column in influence.T]


@dataclass(frozen=True)
class Groups:
    """Rows in groups by what is predicted for them, the most first, and what they do gain."""

    table: Table
    chart: Chart


def groups(scores: Scores, cluster: IntArray | None, reach: float, outcome: str) -> Groups:
    """Return the effect in fifths of the rows, ranked by predictions of models unseen.

    References
    ----------
    Chernozhukov, Demirer, Duflo & Fernández-Val (2018), Generic machine learning inference on
    heterogeneous treatment effects in randomized experiments (GATES).
    """
    group = np.minimum((scores.rank * _GROUPS).astype(int), _GROUPS - 1)
    names, said, effects, lows, highs, sizes = [], [], [], [], [], []
    for number in range(_GROUPS):
        mine = group == number
        if mine.sum() < 2:  # ties: the learner predicts the same for many
            continue
        value = float(scores.gain[mine].mean())
        share = mine.mean()
        error, _ = influence_error(np.where(mine, (scores.gain - value) / share, 0.0), cluster)
        names.append(f"fifth {number + 1} by prediction")
        sizes.append(int(mine.sum()))
        said.append(float(scores.predicted[mine].mean()))
        effects.append(value)
        lows.append(value - reach * error)
        highs.append(value + reach * error)
    table = Table.of(
        "The effect on rows in fifths, by what was predicted for them (most first)",
        {
            "group": names, "rows": sizes, "predicted": said, "effect": effects,
            "low": lows, "high": highs,
        },
    )  # fmt: skip
    series = Series.of("", effects, range(len(names)), low=lows, high=highs)
    chart = Chart(
        "groups",
        "Do rows that are predicted to gain more gain more?",
        f"effect on {outcome}",
        "",
        (series,),
        (Rule("x", 0.0, "no effect"),),
        tuple(names),
    )
    return Groups(table, chart)
