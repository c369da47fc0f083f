"""A Chart: what a picture shows, apart from who draws it.

The page draws it as SVG and ``Effect.plot`` with matplotlib, so that both show the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = ["Chart", "Rule", "Series", "Shape", "Side"]


class Shape(StrEnum):
    """How a series is drawn."""

    POINTS = "points"  # with whiskers where it has low and high
    LINE = "line"  # with a band where it has low and high
    BARS = "bars"  # from zero up to y


class Side(StrEnum):
    """Which of the two sides of a comparison a series belongs to; it gives the colour."""

    TREATED = "treated"
    CONTROL = "control"
    NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True)
class Series:
    """Points in order, joined or not.

    Parameters
    ----------
    label : str
        For the key; empty for none.
    x, y : tuple of float
        Of one length. A y that is not finite is left out of the picture.
    low, high : tuple of float, optional
        Of an interval around each y (around each x where the chart names its rows).
    shape : Shape
    side : Side
    """

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float | None, ...] | None = None
    high: tuple[float | None, ...] | None = None
    shape: Shape = Shape.POINTS
    side: Side = Side.TREATED

    def __post_init__(self) -> None:
        assert len(self.x) == len(self.y), (len(self.x), len(self.y))

    @classmethod
    def of(
        cls,
        label: str,
        x: Iterable[Any],
        y: Iterable[Any],
        *,
        low: Iterable[Any] | None = None,
        high: Iterable[Any] | None = None,
        shape: Shape = Shape.POINTS,
        side: Side = Side.TREATED,
    ) -> Series:
        """Build a series from lists or arrays; points of which x or y is not finite are dropped."""
        count = len(xs := [float(v) for v in x])
        ys = [float(v) for v in y]
        lows = [None] * count if low is None else [_finite(v) for v in low]
        highs = [None] * count if high is None else [_finite(v) for v in high]
        kept = [i for i in range(count) if math.isfinite(xs[i]) and math.isfinite(ys[i])]
        return cls(
            label,
            tuple(xs[i] for i in kept),
            tuple(ys[i] for i in kept),
            None if low is None else tuple(lows[i] for i in kept),
            None if high is None else tuple(highs[i] for i in kept),
            shape,
            side,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "label": self.label,
            "x": list(self.x),
            "y": list(self.y),
            "low": None if self.low is None else list(self.low),
            "high": None if self.high is None else list(self.high),
            "shape": self.shape.value,
            "side": self.side.value,
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Series:
        """Read what :meth:`to_dict` writes."""
        return cls(
            value["label"],
            tuple(value["x"]),
            tuple(value["y"]),
            None if value["low"] is None else tuple(value["low"]),
            None if value["high"] is None else tuple(value["high"]),
            Shape(value["shape"]),
            Side(value["side"]),
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """A straight line across the picture, such as the day of a release.

    Parameters
    ----------
    axis : str
        ``x`` for an upright line at that x, ``y`` for a level one at that y.
    at : float
    label : str
        Written beside it; empty for none.
    """

    axis: str
    at: float
    label: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"axis": self.axis, "at": self.at, "label": self.label}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Rule:
        """Read what :meth:`to_dict` writes."""
        return cls(value["axis"], value["at"], value["label"])


@dataclass(frozen=True, slots=True)
class Chart:
    """What one picture shows.

    Parameters
    ----------
    name : str
        A fixed word to ask for it by, such as ``love``.
    title : str
        What it shows, in words.
    x_label, y_label : str
    series : tuple of Series
    rules : tuple of Rule
    rows : tuple of str
        Where given, the picture has a named row for each of these, the first on top, and the y of a
        series is the number of a row, from 0: a love plot, a forest of estimates.
    """

    name: str
    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    rules: tuple[Rule, ...] = ()
    rows: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "name": self.name,
            "title": self.title,
            "x_label": self.x_label,
            "y_label": self.y_label,
            "series": [series.to_dict() for series in self.series],
            "rules": [rule.to_dict() for rule in self.rules],
            "rows": list(self.rows),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Chart:
        """Read what :meth:`to_dict` writes."""
        return cls(
            value["name"],
            value["title"],
            value["x_label"],
            value["y_label"],
            tuple(Series.from_dict(series) for series in value["series"]),
            tuple(Rule.from_dict(rule) for rule in value["rules"]),
            tuple(value["rows"]),
        )


def _finite(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
