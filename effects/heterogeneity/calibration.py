"""Calibration: whether rows that are predicted to gain more do gain more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.effects.chart import Chart, Rule, Series
from whydrift.effects.heterogeneity.scores import Scores
from whydrift.effects.influence import influence_error
from whydrift.effects.table import Table

__all__ = ["Calibration", "Groups", "calibration", "groups"]

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
    p_above, p_below : float
        One-sided, of a slope of 0 against one above, and below it.
    """

    average: float
    average_error: float
    slope: float | None
    slope_error: float | None
    p_above: float
    p_below: float


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
    inverse = np.linalg.pinv(design.T @ design)
    found = inverse @ (design.T @ rest)
    residual = rest - design @ found
    influence = (design * residual[:, None]) @ inverse * len(rest)
    errors = [influence_error(column, cluster, len(found)) for column in influence.T]
    average, average_error = float(found[0]), errors[0][0]
    if is_flat:
        return Calibration(average, average_error, None, None, 1.0, 1.0)
    error, freedom = errors[1]
    t = float(found[1]) / error if error > 0 else 0.0
    by = stats.norm if freedom is None else stats.t(freedom)
    return Calibration(
        average, average_error, float(found[1]), error, float(by.sf(t)), float(by.cdf(t))
    )


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
