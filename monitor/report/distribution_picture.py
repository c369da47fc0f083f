"""What moved: a column's distribution before and after."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.picture.svg import number, picture, tag
from whydrift.monitor.diagnosis.evidence import Evidence
from whydrift.monitor.report.axes import linear_scale, x_axis

__all__ = ["distribution_svg"]

_WIDTH, _HEIGHT = 340.0, 170.0
_BINS = 128
_MOST_BARS = 8


def distribution_svg(evidence: Evidence, name: str) -> Markup:
    """Return smoothed densities of a number, or paired bars of a category's shares."""
    if evidence.reference.schema[name].kind.is_discrete:
        return _shares(evidence, name)
    return _densities(evidence, name)


def _densities(evidence: Evidence, name: str) -> Markup:
    sides = [w.column(name) for w in (evidence.reference, evidence.current)]
    seen = [v[np.isfinite(v)] for v in sides]
    if not all(v.size for v in seen):
        return Markup("")
    # The tails' last half percent would squeeze everything else into a spike.
    low = min(float(np.quantile(v, 0.005)) for v in seen)
    high = max(float(np.quantile(v, 0.995)) for v in seen)
    if not high > low:
        low, high = low - 0.5, high + 0.5
    missing = [evidence.reference.missing_share(name), evidence.current.missing_share(name)]
    has_missing = max(missing) > 0.005
    plot = _WIDTH - (64 if has_missing else 0)
    curves = [_density(v, low, high) for v in seen]
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
    parts += x_axis(low, high, x, _HEIGHT - 34, plot)
    if has_missing:
        parts += _missing_bars(missing, plot + 14)
    means = [float(np.median(v)) for v in seen]
    title = f"Distribution of {name}: median {means[0]:.3g} in the reference, {means[1]:.3g} now"
    return picture(_WIDTH, _HEIGHT, title, *parts)


def _density(values: FloatArray, low: float, high: float) -> FloatArray:
    """Return a Gaussian kernel density on a grid, by binning and convolution."""
    counts, _ = np.histogram(values, bins=_BINS, range=(low, high))
    spread = float(np.subtract(*np.quantile(values, [0.75, 0.25]))) / 1.349
    spread = spread or float(values.std()) or (high - low) / 10
    width = 0.9 * spread * values.size**-0.2  # Silverman (1986)
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
    order = np.argsort(-np.maximum(*counts), kind="stable")
    shown = [int(i) for i in order if max(counts[0][i], counts[1][i]) > 0][:_MOST_BARS]
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
    rest = sum(1 for i in order if max(counts[0][i], counts[1][i]) > 0) - len(shown)
    height = 10 + len(shown) * row
    if rest:
        parts.append(tag("text", f"{rest} more categories", x=label_width, y=height + 8))
        height += 14
    return picture(_WIDTH, height, f"Shares of the categories of {name}, before and after", *parts)
