"""A Chart as SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from markupsafe import Markup

from whydrift.discovery.picture.svg import number, picture, tag
from whydrift.effects.chart import Chart, Series, Shape, Side
from whydrift.monitor.report.axes import linear_scale, x_axis, y_axis

__all__ = ["chart_svg"]

_WIDTH, _HEIGHT = 620.0, 300.0
_LEFT, _TOP, _BOTTOM, _RIGHT = 64.0, 26.0, 46.0, 10.0
_ROW, _LABEL = 24.0, 190.0
_LONGEST = 26  # letters of a row's name
_RADIUS = 3.6
_SIDES = {Side.TREATED: "cur", Side.CONTROL: "ref", Side.NEUTRAL: "neutral"}


@dataclass(frozen=True)
class _Frame:
    """Where data stand in the drawing."""

    x: Callable[[float], float]
    y: Callable[[float], float]
    left: float
    right: float
    top: float
    bottom: float


def chart_svg(chart: Chart) -> Markup:
    """Return the picture; what is treated is blue and filled, control grey, hollow or dashed."""
    rows = len(chart.rows)
    height = _TOP + rows * _ROW + _BOTTOM if rows else _HEIGHT
    left = _LABEL if rows else _LEFT
    low, high = _range(_xs(chart), padded=not rows)
    frame_bottom = height - _BOTTOM
    x = linear_scale(low, high, left, _WIDTH - _RIGHT)
    if rows:
        bottom, top = rows - 0.5, -0.5
        y = linear_scale(top, bottom, _TOP, frame_bottom)
    else:
        bottom, top = _range(_ys(chart), padded=True)
        y = linear_scale(bottom, top, frame_bottom, _TOP)
    frame = _Frame(x, y, left, _WIDTH - _RIGHT, _TOP, frame_bottom)
    parts = [*x_axis(low, high, x, frame_bottom, frame.right, left)]
    if rows:
        for position, name in enumerate(chart.rows):
            shown = name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"
            parts.append(tag("text", shown, x=left - 10, y=y(position) + 4, text_anchor="end"))
    else:
        parts += y_axis(bottom, top, y, left, frame.right)
        parts.append(tag("text", chart.y_label, x=2, y=14, class_="small"))
    for rule in chart.rules:
        parts += _rule(frame, rule.axis, rule.at, rule.label)
    for series in chart.series:
        parts += _series(frame, series, is_rows=bool(rows))
    parts.append(
        tag("text", chart.x_label, x=(left + frame.right) / 2, y=height - 6, text_anchor="middle",
            class_="small")
    )  # fmt: skip
    return picture(_WIDTH, height, chart.title, *parts, class_="picture wide")


def _xs(chart: Chart) -> list[float]:
    found = [v for s in chart.series for v in s.x]
    if chart.rows:  # intervals lie along x, and so does what they are held against
        found += [v for s in chart.series for v in _ends(s)]
        found += [rule.at for rule in chart.rules if rule.axis == "x"]
    return found


def _ys(chart: Chart) -> list[float]:
    found = [v for s in chart.series for v in (*s.y, *_ends(s))]
    found += [rule.at for rule in chart.rules if rule.axis == "y"]
    return [*found, 0.0] if any(s.shape is Shape.BARS for s in chart.series) else found


def _ends(series: Series) -> Iterable[float]:
    return (v for side in (series.low, series.high) if side for v in side if v is not None)


def _range(values: list[float], *, padded: bool) -> tuple[float, float]:
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    if not high > low:
        return low - 0.5, high + 0.5
    edge = (0.04 if padded else 0.03) * (high - low)
    # Bars stand on the edge of the picture.
    return (low if low == 0 and padded else low - edge), high + edge


def _rule(frame: _Frame, axis: str, at: float, label: str) -> list[Markup]:
    if axis == "x":
        x = frame.x(at)
        if not frame.left - 1 <= x <= frame.right + 1:
            return []
        parts = [tag("line", x1=x, x2=x, y1=frame.top, y2=frame.bottom, class_="rule")]
        anchor = "end" if x > frame.right - 80 else "start"
        offset = -4 if anchor == "end" else 4
        if label:
            parts.append(
                tag("text", label, x=x + offset, y=frame.top - 4, text_anchor=anchor,
                    class_="small")
            )  # fmt: skip
        return parts
    y = frame.y(at)
    parts = [tag("line", x1=frame.left, x2=frame.right, y1=y, y2=y, class_="rule")]
    if label:
        parts.append(tag("text", label, x=frame.right, y=y - 4, text_anchor="end", class_="small"))
    return parts


def _series(frame: _Frame, series: Series, *, is_rows: bool) -> list[Markup]:
    side = _SIDES[series.side]
    match series.shape:
        case Shape.BARS:
            return _bars(frame, series, side)
        case Shape.LINE:
            return _line(frame, series, side)
        case _:
            return _points(frame, series, side, is_rows=is_rows)


def _bars(frame: _Frame, series: Series, side: str) -> list[Markup]:
    steps = [b - a for a, b in zip(series.x, series.x[1:], strict=False)]
    width = abs(frame.x(min(steps, default=1.0)) - frame.x(0.0))
    parts = []
    for x, y in zip(series.x, series.y, strict=True):
        ends = sorted((frame.y(0.0), frame.y(y)))
        parts.append(
            tag("rect", x=frame.x(x) - width / 2, y=ends[0], width=max(width - 1, 0.5),
                height=max(ends[1] - ends[0], 0.0), class_=f"bar see-through {side}")
        )  # fmt: skip
    return parts


def _line(frame: _Frame, series: Series, side: str) -> list[Markup]:
    parts = []
    if series.low is not None and series.high is not None:
        both = zip(series.x, series.low, series.high, strict=True)
        inside = [(x, a, b) for x, a, b in both if a is not None and b is not None]
        there = [_at(frame, x, b) for x, _, b in inside]
        back = [_at(frame, x, a) for x, a, _ in reversed(inside)]
        parts.append(tag("polygon", points=" ".join([*there, *back]), class_=f"area {side}"))
    points = " ".join(_at(frame, x, y) for x, y in zip(series.x, series.y, strict=True))
    parts.append(tag("polyline", points=points, class_=f"line {side}"))
    return parts


def _at(frame: _Frame, x: float, y: float) -> str:
    return f"{number(frame.x(x))},{number(frame.y(y))}"


def _points(frame: _Frame, series: Series, side: str, *, is_rows: bool) -> list[Markup]:
    parts = []
    if series.low is not None and series.high is not None:
        for x, y, low, high in zip(series.x, series.y, series.low, series.high, strict=True):
            a, b = (-math.inf if low is None else low), (math.inf if high is None else high)
            # An end without a bound runs to the edge of the picture.
            if is_rows:
                start, stop = (min(max(frame.x(v), frame.left), frame.right) for v in (a, b))
                parts.append(
                    tag("line", x1=start, x2=stop, y1=frame.y(y), y2=frame.y(y), class_="whisker")
                )
            else:
                start, stop = (min(max(frame.y(v), frame.top), frame.bottom) for v in (a, b))
                parts.append(
                    tag("line", x1=frame.x(x), x2=frame.x(x), y1=start, y2=stop, class_="whisker")
                )
    for x, y in zip(series.x, series.y, strict=True):
        parts.append(tag("circle", cx=frame.x(x), cy=frame.y(y), r=_RADIUS, class_=f"dot {side}"))
    return parts
