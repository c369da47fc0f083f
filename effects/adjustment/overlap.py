"""Overlap: whether rows of every kind are found under both treatments."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.effects.chart import Chart, Rule, Series, Shape, Side
from whydrift.effects.check import Check
from whydrift.effects.words import percent

__all__ = ["effective_rows", "odds_weights", "overlap_chart", "overlap_checks"]

_EXTREME = 0.01  # a chance so near 0 or 1 that one row stands for a hundred
_MOST_EXTREME_WARN, _MOST_EXTREME_FAIL = 0.005, 0.05
_ROWS_WARN, _ROWS_FAIL = 0.4, 0.1  # of the rows there are, as many as the weighted ones are worth
_BINS = 20


def odds_weights(chance: FloatArray, treated: BoolArray, estimand: str) -> FloatArray:
    """Return the weights that make each arm look like the population of an estimand.

    Parameters
    ----------
    chance : ndarray of shape (n_rows,)
    treated : ndarray of bool, shape (n_rows,)
    estimand : str
        ``ate``, ``att`` or ``atc``.
    """
    if estimand == "ate":
        return np.where(treated, 1 / chance, 1 / (1 - chance))
    if estimand == "att":
        return np.where(treated, 1.0, chance / (1 - chance))
    return np.where(treated, (1 - chance) / chance, 1.0)


def effective_rows(weights: FloatArray) -> float:
    """Return how many equally weighted rows would tell as much (Kish 1965)."""
    return float(weights.sum() ** 2 / (weights @ weights))


def overlap_checks(chance: FloatArray, treated: BoolArray, estimand: str) -> tuple[Check, ...]:
    """Judge overlap where the estimand needs it.

    Parameters
    ----------
    chance, treated, estimand
        As in `odds_weights`.

    References
    ----------
    Crump, Hotz, Imbens & Mitnik (2009), Dealing with limited overlap in estimation of average
    treatment effects.
    """
    hopeless_high, hopeless_low = chance > 1 - _EXTREME, chance < _EXTREME
    if estimand == "ate":
        whom, alone = "all rows", hopeless_high | hopeless_low
        population = np.ones(len(chance), dtype=bool)
    elif estimand == "att":
        whom, alone, population = "the treated", hopeless_high, treated
    else:
        whom, alone, population = "the untreated", hopeless_low, ~treated
    share = float(alone[population].mean())
    low, high = float(chance.min()), float(chance.max())
    said = (
        f"the chance of treatment runs from {low:.2g} to {high:.3g}; {percent(share)} of {whom} "
        "have next to no counterpart in the other arm"
    )
    weights = odds_weights(chance, treated, estimand)
    arms = {"treated": treated, "untreated": ~treated}
    if estimand != "ate":
        arms.pop("treated" if estimand == "att" else "untreated")
    worth = {name: effective_rows(weights[arm]) for name, arm in arms.items()}
    # Beyond as many as are to be represented, further rows of the other arm add little.
    needed = {name: min(int(arm.sum()), int(population.sum())) for name, arm in arms.items()}
    name = min(worth, key=lambda arm: worth[arm] / needed[arm])
    ratio = worth[name] / needed[name]
    told = (
        f"once they are weighted to look like {whom}, {int(arms[name].sum()):,} {name} rows are "
        f"worth {worth[name]:,.0f}"
    )
    return (
        Check.at_most("overlap", share, said, warn=_MOST_EXTREME_WARN, fail=_MOST_EXTREME_FAIL),
        Check.at_least("effective_rows", ratio, told, warn=_ROWS_WARN, fail=_ROWS_FAIL),
    )


def overlap_chart(chance: FloatArray, treated: BoolArray) -> Chart:
    """Return the spread of the chance of treatment in either arm."""
    edges = np.linspace(0, 1, _BINS + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    series = []
    for label, arm, side in (
        ("untreated", ~treated, Side.CONTROL),
        ("treated", treated, Side.TREATED),
    ):
        counts, _ = np.histogram(chance[arm], bins=edges)
        shares = counts / max(1, counts.sum())
        series.append(Series.of(label, middles, shares, shape=Shape.BARS, side=side))
    return Chart(
        "overlap",
        "The chance of treatment, as the covariates tell it, in either arm",
        "chance of treatment",
        "share of the arm",
        tuple(series),
        (Rule("x", 0.0), Rule("x", 1.0)),
    )
