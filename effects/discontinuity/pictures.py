"""Pictures of a discontinuity: the binned scatter with its curves, and other bandwidths."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.effects.chart import Chart, Rule, Series, Shape, Side
from whydrift.effects.discontinuity.jump import Jump, Recipe
from whydrift.effects.discontinuity.local_polynomial import coefficient_weights
from whydrift.effects.discontinuity.sample import Sample
from whydrift.effects.table import Table

__all__ = ["bandwidth_chart", "scatter_chart"]

_BINS, _POINTS = 20, 40
_REACH = 2.5  # bandwidths shown to either side


def scatter_chart(
    sample: Sample,
    recipe: Recipe,
    jump: Jump,
    y: FloatArray,
    labels: tuple[str, str],
    cutoff: float,
    quantile: float,
) -> Chart:
    """Return means of the outcome in bins, with the curve of either side near the threshold.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        What is drawn: the outcome, or the treatment.
    labels : (str, str)
        Of running variable and outcome.
    quantile : float
        Standard errors to either side of a bin's mean.
    """
    bandwidth = jump.bandwidths[0]
    shown = np.abs(sample.x) <= _REACH * bandwidth
    series: list[Series] = []
    treated = sample.above if sample.sign > 0 else ~sample.above
    for side, words in ((~sample.above, "below"), (sample.above, "above")):
        rows = np.flatnonzero(side & shown)
        rows = rows[np.argsort(sample.x[rows], kind="stable")]
        colour = Side.TREATED if treated[rows].all() else Side.CONTROL
        # Bins of as many rows each show how thin the data are.
        parts = [p for p in np.array_split(rows, min(_BINS, max(len(rows) // 5, 1))) if len(p)]
        means = np.array([y[p].mean() for p in parts])
        errors = np.array([y[p].std(ddof=1) / np.sqrt(len(p)) if len(p) > 1 else 0 for p in parts])
        series.append(
            Series.of(
                words, [cutoff + sample.x[p].mean() for p in parts], means,
                low=means - quantile * errors, high=means + quantile * errors, side=colour,
            )
        )  # fmt: skip
        own = sample.x[side]
        end = own.min() if words == "below" else own.max()
        reach = np.sign(end) * min(bandwidth, abs(end))
        grid = np.sort(np.linspace(0, reach, _POINTS))
        fit = coefficient_weights(own, recipe.kernel, bandwidth, recipe.order) @ y[side]
        curve = grid[:, None] ** np.arange(recipe.order + 1) @ fit
        series.append(Series.of("", cutoff + grid, curve, shape=Shape.LINE, side=colour))
    running, outcome = labels
    return Chart(
        "discontinuity" if y is sample.outcome else "first_stage",
        f"{outcome} against {running}: means of bins, and the curves that meet at the cutoff",
        running,
        outcome,
        tuple(series),
        (Rule("x", cutoff, "cutoff"),),
    )


def bandwidth_chart(table: Table, jump: Jump, quantile: float, outcome: str) -> Chart:
    """Return the estimate and its interval at each bandwidth tried."""
    values = np.array(table["estimate"], dtype=np.float64)
    errors = np.array(table["standard error"], dtype=np.float64)
    series = Series.of(
        "", table["bandwidth"], values, low=values - quantile * errors,
        high=values + quantile * errors,
    )  # fmt: skip
    return Chart(
        "bandwidths",
        "The estimate at other bandwidths",
        "bandwidth",
        f"effect on {outcome}",
        (series,),
        (Rule("x", jump.bandwidths[0], "used"), Rule("y", 0.0, "no effect")),
    )
