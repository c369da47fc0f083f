"""The interval as it stood at each look: a picture of an experiment while it runs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from whydrift.discovery.arrays import BoolArray, IntArray
from whydrift.discovery.errors import TooFewRows
from whydrift.effects.chart import Chart, Rule, Series, Shape, Side
from whydrift.effects.experiment.comparisons import Comparison
from whydrift.effects.table import Table

__all__ = ["looks"]

_MOST_LOOKS = 40


def looks(
    time: IntArray,
    periods: tuple[str, ...],
    outcome: str,
    at: Callable[[BoolArray], tuple[Comparison, Comparison]],
) -> tuple[Table, Chart] | None:
    """Return the estimate after each period, with both intervals; None where none could be had.

    Parameters
    ----------
    time : ndarray of int, shape (n_rows,)
        Code of the period of each row, in order.
    periods : tuple of str
    outcome : str
    at : callable (rows so far) -> the comparison by an interval for all looks, and for one
    """
    steps = np.unique(np.linspace(0, len(periods) - 1, _MOST_LOOKS).round().astype(int))
    found = []
    for step in steps:
        try:
            found.append((int(step), *at(time <= step)))
        except TooFewRows:
            continue  # the first periods may not have filled both arms
    if len(found) < 2:
        return None
    numbers = [step + 1 for step, _, _ in found]
    always = [c for _, c, _ in found]
    once = [c for _, _, c in found]
    table = Table.of(
        "The estimate after each period",
        {
            "until": [periods[step] for step, _, _ in found],
            "estimate": [c.value for c in always],
            "low": [c.low for c in always],
            "high": [c.high for c in always],
            "low at one look": [c.low for c in once],
            "high at one look": [c.high for c in once],
        },
    )
    estimate = [c.value for c in always]
    # Early intervals are so wide that nothing else could be seen.
    tail = slice(len(found) // 10, None)
    series = (
        Series.of(
            "valid at every look", numbers[tail], estimate[tail],
            low=[c.low for c in always][tail], high=[c.high for c in always][tail],
            shape=Shape.LINE, side=Side.TREATED,
        ),
        Series.of(
            "valid at one look", numbers[tail], estimate[tail],
            low=[c.low for c in once][tail], high=[c.high for c in once][tail],
            shape=Shape.LINE, side=Side.CONTROL,
        ),
    )  # fmt: skip
    chart = Chart(
        "looks",
        "The estimate as the experiment went on: the wide interval may be read at any time",
        "periods so far",
        f"effect on {outcome}",
        series,
        (Rule("y", 0.0, "no effect"),),
    )
    return table, chart
