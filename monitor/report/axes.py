"""Axes, ticks and the scale between data and drawing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from markupsafe import Markup

from whydrift.discovery.picture.svg import tag

__all__ = ["linear_scale", "rounded", "x_axis", "y_axis"]


def linear_scale(low: float, high: float, start: float, stop: float) -> Callable[[float], float]:
    """Return a function from data in [low, high] to drawing in [start, stop]."""
    span = high - low if high > low else 1.0
    return lambda value: start + (value - low) / span * (stop - start)


def rounded(value: float, digits: int = 3) -> str:
    """Return a number as people write it: three significant digits, no needless exponent."""
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e6 or size < 1e-3:
        return f"{value:.{digits - 1}e}".replace("e+0", "e").replace("e-0", "e-")
    text = f"{value:,.{max(0, digits - 1 - int(np.floor(np.log10(size))))}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def x_axis(
    low: float,
    high: float,
    scale: Callable[[float], float],
    y: float,
    width: float,
    left: float = 0,
    *,
    is_log: bool = False,
) -> list[Markup]:
    """Return a line from ``left`` to ``width`` with about four round ticks.

    With ``is_log`` the data are logarithms to base ten, and the ticks powers of ten.
    """
    parts = [tag("line", x1=left, x2=width, y1=y, y2=y, class_="axis")]
    for place in _powers(low, high) if is_log else _ticks(low, high):
        x, value = scale(place), 10.0**place if is_log else place
        anchor = "start" if x < 16 else "end" if x > width - 16 else "middle"
        parts.append(tag("line", x1=x, x2=x, y1=y, y2=y + 4, class_="axis"))
        parts.append(tag("text", rounded(value), x=x, y=y + 16, text_anchor=anchor))
    return parts


def y_axis(
    low: float, high: float, scale: Callable[[float], float], x: float, right: float
) -> list[Markup]:
    """Return about four round ticks beside an upright edge, each with a faint line across."""
    parts = []
    for value in _ticks(low, high):
        y = scale(value)
        parts.append(tag("line", x1=x, x2=right, y1=y, y2=y, class_="grid"))
        parts.append(tag("text", rounded(value), x=x - 6, y=y + 4, text_anchor="end"))
    return parts


def _powers(low: float, high: float) -> list[float]:
    whole = np.arange(np.ceil(low), np.floor(high) + 1)
    return [float(v) for v in whole[:: max(1, -(-len(whole) // 5))]]


def _ticks(low: float, high: float) -> list[float]:
    span = high - low
    if not span > 0:
        return [low]
    step = 10.0 ** np.floor(np.log10(span / 3))
    step *= next(m for m in (1, 2, 5, 10) if span / (step * m) <= 4.5)
    first = np.ceil(low / step - 1e-9) * step
    return [float(v) for v in np.arange(first, high + 1e-9 * span, step)]
