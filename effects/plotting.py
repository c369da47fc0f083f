"""A Chart on the axes of matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whydrift.discovery.errors import OptionError
from whydrift.effects.chart import Chart, Series, Shape, Side

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw"]

_COLOURS = {Side.TREATED: "#0b6fb8", Side.CONTROL: "#5b6573", Side.NEUTRAL: "#1b1d21"}
_DASHES = {Side.TREATED: "-", Side.CONTROL: "--", Side.NEUTRAL: ":"}
_FILLED = Side.TREATED  # control points are hollow: colour is never the only cue


def draw(chart: Chart, ax: Axes | None = None) -> Axes:
    """Draw a chart, on the axes given or on new ones.

    Raises
    ------
    OptionError
        If matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise OptionError(
            "matplotlib is not installed",
            where="Effect.plot",
            remedy="Run `pip install 'whydrift[effects]'`, or use Effect.save_html",
        ) from error
    if ax is None:
        height = 1.2 + 0.3 * len(chart.rows) if chart.rows else 3.6
        _, ax = plt.subplots(figsize=(6.4, height), layout="constrained")
    for series in chart.series:
        _draw_series(ax, series, is_rows=bool(chart.rows))
    for rule in chart.rules:
        across = ax.axvline if rule.axis == "x" else ax.axhline
        across(rule.at, color="#8a8f98", linewidth=1, linestyle="--", zorder=0)
    if chart.rows:
        ax.set_yticks(range(len(chart.rows)), labels=chart.rows, parse_math=False)
        ax.set_ylim(len(chart.rows) - 0.5, -0.5)
    ax.set_xlabel(chart.x_label, parse_math=False)
    ax.set_ylabel(chart.y_label, parse_math=False)
    ax.set_title(chart.title, fontsize="medium", parse_math=False, wrap=True)
    if sum(bool(series.label) for series in chart.series) > 1:
        ax.legend(frameon=False)
    return ax


def _draw_series(ax: Axes, series: Series, *, is_rows: bool) -> None:
    colour = _COLOURS[series.side]
    label = series.label or None
    if series.shape is Shape.BARS:
        steps = [b - a for a, b in zip(series.x, series.x[1:], strict=False)]
        width = min(steps, default=1.0)
        ax.bar(series.x, series.y, width=width, color=colour, alpha=0.5, label=label)
        return
    if series.shape is Shape.LINE:
        ax.plot(series.x, series.y, color=colour, linestyle=_DASHES[series.side], label=label)
        if series.low is not None and series.high is not None:
            lows = [float("nan") if v is None else v for v in series.low]
            highs = [float("nan") if v is None else v for v in series.high]
            ax.fill_between(series.x, lows, highs, color=colour, alpha=0.15, linewidth=0)
        return
    face = colour if series.side is _FILLED else "white"
    ax.plot(series.x, series.y, "o", color=colour, markerfacecolor=face, markersize=5, label=label)
    if series.low is None or series.high is None:
        return
    for x, y, low, high in zip(series.x, series.y, series.low, series.high, strict=True):
        middle = x if is_rows else y
        ends = (middle if low is None else low, middle if high is None else high)
        if is_rows:
            ax.plot(ends, (y, y), color=colour, linewidth=1.2)
        else:
            ax.plot((x, x), ends, color=colour, linewidth=1.2)
