"""Targeting: what is won by treating first those who are predicted to gain most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.effects.chart import Chart, Series, Shape, Side
from whydrift.effects.heterogeneity.scores import Scores
from whydrift.effects.influence import influence_error
from whydrift.effects.table import Table

__all__ = ["Qini", "policy_value", "qini"]

_STEPS = 20
_WINDOW = 0.1  # share of rows on either side, whose mean gain stands for that at a rank


@dataclass(frozen=True)
class Qini:
    """The Qini curve.

    Parameters
    ----------
    coefficient, standard_error : float
        Area between the curve and the line of treating at random, in units of the outcome per row.
    table : Table
    chart : Chart
    """

    coefficient: float
    standard_error: float
    table: Table
    chart: Chart

    def summary(self, reach: float) -> Table:
        """Return the coefficient with its interval, which reaches so many standard errors."""
        wide = reach * self.standard_error
        return Table.of(
            "Qini coefficient: the area between the curve and treating at random",
            {
                "coefficient": [self.coefficient],
                "standard error": [self.standard_error],
                "low": [self.coefficient - wide],
                "high": [self.coefficient + wide],
            },
        )


def qini(
    scores: Scores, cluster: IntArray | None, reach: float, outcome: str, cost: float = 0.0
) -> Qini:
    """Return what treating a share of the rows is worth, those predicted to gain most first.

    The curve at u is E[gain · 1{rank ≤ u}], gain per row of all rows. Its errors allow for the
    ranks being those of a sample.

    References
    ----------
    Radcliffe (2007), Using control groups to target on predicted lift.
    Yadlowsky, Fleming, Shah, Brunskill & Wager (2025), Evaluating treatment prioritization rules
    via rank-weighted average treatment effects.
    """
    gain, rank = scores.gain - cost, scores.rank
    everybody = float(gain.mean())
    shares = np.arange(1, _STEPS + 1) / _STEPS
    values, lows, highs = [0.0], [0.0], [0.0]
    for share in shares:
        first = rank <= share if share < 1 else np.ones(len(rank), dtype=bool)
        value = float((gain * first).mean())
        near = np.abs(rank - share) <= _WINDOW
        edge = float(gain[near].mean()) if share < 1 and near.any() else 0.0
        influence = (gain - edge) * first - (value - edge * first.mean())
        error, _ = influence_error(influence, cluster)
        values.append(value)
        lows.append(value - reach * error)
        highs.append(value + reach * error)
    each = gain * (0.5 - rank)
    coefficient = float(each.mean())
    influence = each - coefficient + _of_ranks(gain, rank)
    error, _ = influence_error(influence, cluster)
    line = [0.0, *(everybody * shares)]
    x = [0.0, *shares]
    table = Table.of(
        "What treating a share of the rows is worth per row, those predicted to gain most first",
        {"share": x, "value": values, "low": lows, "high": highs, "at random": line},
    )
    chart = Chart(
        "qini",
        "What is won by treating first those predicted to gain most (Qini curve)",
        "share of rows treated",
        f"gain of {outcome} per row",
        (
            Series.of(
                "by prediction", x, values, low=lows, high=highs, shape=Shape.LINE,
                side=Side.TREATED,
            ),
            Series.of("at random", x, line, shape=Shape.LINE, side=Side.CONTROL),
        ),
    )  # fmt: skip
    return Qini(coefficient, error, table, chart)


def _of_ranks(gain: FloatArray, rank: FloatArray) -> FloatArray:
    """Return what a row adds to the error of mean(gain · (½ − rank)) by moving others' ranks."""
    order = np.argsort(rank, kind="stable")
    # A row raises the rank of all that stand behind it.
    behind = np.empty(len(rank))
    behind[order] = (gain.sum() - np.cumsum(gain[order])) / len(rank)
    centred: FloatArray = behind.mean() - behind
    return centred


def policy_value(
    gain: FloatArray, is_treated: FloatArray, cluster: IntArray | None
) -> tuple[float, float]:
    """Return the value per row of treating some rows instead of none, and its standard error.

    Parameters
    ----------
    gain : ndarray of shape (n_rows,)
        Doubly robust, less the cost.
    is_treated : ndarray of shape (n_rows,)
        1 where the policy treats.
    cluster : ndarray of int, optional

    References
    ----------
    Athey & Wager (2021), Policy learning with observational data.
    """
    each = gain * is_treated
    value = float(each.mean())
    return value, influence_error(each - value, cluster)[0]
