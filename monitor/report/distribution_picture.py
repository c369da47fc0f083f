"""What moved: a column's distribution before and after."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.picture.svg import number, picture, tag
from whydrift.monitor.diagnosis.clocks import DAY_NAMES, MONTH_NAMES
from whydrift.monitor.diagnosis.evidence import Evidence
from whydrift.monitor.report.axes import linear_scale, x_axis

__all__ = ["distribution_svg"]

_WIDTH, _HEIGHT = 340.0, 170.0
_BINS = 128
_MOST_BARS = 8
_MOST_VALUES = 25  # of a number whose values are drawn one by one
_LEAST_MISSING = 0.005
_ANOTHER_UNIT = 15.0  # times: medians so far apart leave one of them a spike on a plain axis


def distribution_svg(evidence: Evidence, name: str) -> Markup:
    """Return smoothed densities of a number, or paired bars of a category's shares.

    Of a number of few values, between which a smooth curve would bend, shares too.
    """
    if evidence.reference.schema[name].kind.is_discrete:
        return _shares(evidence, name)
    sides = [w.column(name) for w in (evidence.reference, evidence.current)]
    seen = [v[np.isfinite(v)] for v in sides]
    if not all(v.size for v in seen):
        return Markup("")
    values = np.unique(np.concatenate(seen))
    missing = [w.missing_share(name) for w in (evidence.reference, evidence.current)]
    if values.size <= _MOST_VALUES:
        return _steps(name, values, seen, missing)
    middle = [float(np.median(v)) for v in seen]
    is_log = bool(values[0] > 0) and max(middle) >= _ANOTHER_UNIT * min(middle)
    return _densities(name, [np.log10(v) for v in seen] if is_log else seen, missing, is_log)


def _steps(name: str, values: FloatArray, seen: list[FloatArray], missing: list[float]) -> Markup:
    """Return paired bars at each of a few values."""
    shares = [np.bincount(np.searchsorted(values, v), minlength=values.size) / v.size for v in seen]
    plot = _plot_width(missing)
    gap = float(np.diff(values).min()) if values.size > 1 else 1.0
    low, high = float(values[0]) - gap, float(values[-1]) + gap
    x = linear_scale(low, high, 4, plot - 4)
    y = linear_scale(0, max(float(s.max()) for s in shares) or 1.0, _HEIGHT - 34, 10)
    width = min(9.0, max(1.0, 0.4 * (x(low + gap) - x(low))))
    parts = []
    for share, side, offset in zip(shares, ("ref", "cur"), (-width, 0.0), strict=True):
        for value, height in zip(values, share, strict=True):
            parts.append(
                tag("rect", x=x(float(value)) + offset, y=y(float(height)), width=width,
                    height=y(0) - y(float(height)), class_=f"bar {side}")
            )  # fmt: skip
    return _framed(name, parts, (low, high), seen, missing)


def _plot_width(missing: list[float]) -> float:
    return _WIDTH - (64 if max(missing) > _LEAST_MISSING else 0)


def _framed(
    name: str,
    parts: list[Markup],
    ends: tuple[float, float],
    seen: list[FloatArray],
    missing: list[float],
    *,
    is_log: bool = False,
) -> Markup:
    """Return a picture of a number with its axis, and bars of what is missing."""
    plot = _plot_width(missing)
    parts = parts + x_axis(
        *ends, linear_scale(*ends, 4, plot - 4), _HEIGHT - 34, plot, is_log=is_log
    )
    if max(missing) > _LEAST_MISSING:
        parts += _missing_bars(missing, plot + 14)
    middle = [float(np.median(10.0**v if is_log else v)) for v in seen]
    title = f"Distribution of {name}: median {middle[0]:.3g} in the reference, {middle[1]:.3g} now"
    return picture(_WIDTH, _HEIGHT, title, *parts)


def _densities(name: str, seen: list[FloatArray], missing: list[float], is_log: bool) -> Markup:
    # The tails' last half percent would squeeze everything else into a spike.
    low = min(float(np.quantile(v, 0.005)) for v in seen)
    high = max(float(np.quantile(v, 0.995)) for v in seen)
    if not high > low:
        low, high = low - 0.5, high + 0.5
    plot = _plot_width(missing)
    # One width for both: a curve of fewer rows, smoothed more, would look like another shape.
    width = max(_bandwidth(v, high - low) for v in seen)
    curves = [_density(v, low, high, width) for v in seen]
    top = max(float(c.max()) for c in curves) or 1.0
    x, y = linear_scale(low, high, 4, plot - 4), linear_scale(0, top, _HEIGHT - 34, 10)
    grid = np.linspace(low, high, _BINS)
    parts = []
    for curve, side in zip(curves, ("ref", "cur"), strict=True):
        points = [f"{number(x(a))},{number(y(b))}" for a, b in zip(grid, curve, strict=True)]
        base = number(y(0.0))
        area = f"{number(x(low))},{base} {' '.join(points)} {number(x(high))},{base}"
        parts.append(tag("polygon", points=area, class_=f"area {side}"))
        parts.append(tag("polyline", points=" ".join(points), class_=f"line {side}"))
    return _framed(name, parts, (low, high), seen, missing, is_log=is_log)


def _bandwidth(values: FloatArray, span: float) -> float:
    """Return Silverman's bandwidth (1986)."""
    spread = float(np.subtract(*np.quantile(values, [0.75, 0.25]))) / 1.349
    spread = spread or float(values.std()) or span / 10
    return float(0.9 * spread * values.size**-0.2)


def _density(values: FloatArray, low: float, high: float, width: float) -> FloatArray:
    """Return a Gaussian kernel density on a grid, by binning and convolution."""
    counts, _ = np.histogram(values, bins=_BINS, range=(low, high))
    sd = max(width / (high - low) * _BINS, 0.6)
    offset = np.arange(-int(4 * sd) - 1, int(4 * sd) + 2)
    kernel = np.exp(-0.5 * (offset / sd) ** 2)
    smooth = np.convolve(counts / values.size, kernel / kernel.sum())
    start = len(offset) // 2
    out: FloatArray = smooth[start : start + _BINS]
    return out


def _missing_bars(shares: list[float], left: float) -> list[Markup]:
    y = linear_scale(0, 1, _HEIGHT - 34, 10)
    parts = []
    for position, (share, side) in enumerate(zip(shares, ("ref", "cur"), strict=True)):
        x = left + position * 18
        parts.append(
            tag("rect", x=x, y=y(share), width=14.0, height=y(0) - y(share), class_=f"bar {side}")
        )
    parts.append(tag("text", "missing", x=left + 16, y=_HEIGHT - 18, text_anchor="middle"))
    text = f"{shares[0]:.0%} → {shares[1]:.0%}"
    parts.append(tag("text", text, x=left + 16, y=_HEIGHT - 3, text_anchor="middle"))
    return parts


def _shares(evidence: Evidence, name: str) -> Markup:
    column = evidence.current.schema[name]
    counts = []
    for window in (evidence.reference, evidence.current):
        summary = window.summaries[name]
        padded = np.zeros(len(column.categories) + 1)
        padded[: len(summary.category_counts)] = summary.category_counts
        padded[-1] = summary.missing
        counts.append(padded / max(1, window.rows))
    labels = [*column.categories, "missing"]
    by_share = np.argsort(-np.maximum(*counts), kind="stable").tolist()
    there = [i for i in by_share if max(counts[0][i], counts[1][i]) > 0]
    shown = _by_calendar(there[:_MOST_BARS], labels)
    label_width, row = 96.0, 30.0
    scale = linear_scale(0, max(0.01, max(float(c[shown].max()) for c in counts)), 0, 190)
    parts = []
    for line, level in enumerate(shown):
        top = 6 + line * row
        text = labels[level] if len(labels[level]) <= 14 else labels[level][:13] + "…"
        parts.append(tag("text", text, x=label_width - 8, y=top + 17, text_anchor="end"))
        for half, (side, share) in enumerate(zip(("ref", "cur"), counts, strict=True)):
            y, width = top + half * 12, scale(float(share[level]))
            parts.append(
                tag("rect", x=label_width, y=y, width=width, height=10.0, class_=f"bar {side}")
            )
            said = f"{share[level]:.1%}"
            parts.append(tag("text", said, x=label_width + width + 4, y=y + 9, class_="small"))
    rest = len(there) - len(shown)
    height = 10 + len(shown) * row
    if rest:
        parts.append(
            tag(
                "text",
                f"{rest} more {'category' if rest == 1 else 'categories'}",
                x=label_width,
                y=height + 8,
            )
        )
        height += 14
    return picture(_WIDTH, height, f"Shares of the categories of {name}, before and after", *parts)


def _by_calendar(levels: list[int], labels: list[str]) -> list[int]:
    """Return levels in the order of weekdays or months, if they are these; else as they came."""
    for names in (DAY_NAMES, MONTH_NAMES):
        place = {
            level: k
            for level in levels
            for k, name in enumerate(names)
            if len(labels[level]) > 2 and name.lower().startswith(labels[level].lower())
        }
        if place.keys() >= {level for level in levels if level < len(labels) - 1}:
            return sorted(levels, key=lambda level: place.get(level, len(names)))
    return levels
