"""The relationship before and after: a column along the parent where it changed most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.picture.svg import number, picture, tag
from whydrift.monitor.diagnosis.evidence import Evidence
from whydrift.monitor.report.axes import linear_scale, rounded, x_axis

__all__ = ["Relationship", "relationship_svg"]

_WIDTH, _HEIGHT = 340.0, 190.0
_BINS = 8
_LEAST_ROWS = 8  # in a bin, on each side


@dataclass(frozen=True)
class Relationship:
    """A picture, and what it shows in words."""

    parent: str
    what: str
    svg: Markup


@dataclass(frozen=True)
class _Curve:
    """Means of the column along one parent, in both windows."""

    parent: str
    what: str
    x: FloatArray  # (n_bins,)
    labels: tuple[str, ...]  # of the bins, for a categorical parent
    means: tuple[FloatArray, FloatArray]
    errors: tuple[FloatArray, FloatArray]

    @property
    def change(self) -> float:
        """Return the largest difference in standard errors."""
        gap = np.abs(self.means[0] - self.means[1])
        error = np.hypot(*self.errors)
        return float(np.max(gap / np.maximum(error, 1e-12), initial=0.0))


def relationship_svg(
    evidence: Evidence, name: str, parents: tuple[str, ...]
) -> Relationship | None:
    """Return the column's mean (or a category's share) along the parent that shows most.

    None where no parent has enough rows in both windows.
    """
    curves = [c for p in parents for c in [_curve(evidence, name, p)] if c is not None]
    if not curves:
        return None
    chosen = max(curves, key=lambda c: c.change)
    return Relationship(chosen.parent, chosen.what, _draw(chosen, name))


def _curve(evidence: Evidence, name: str, parent: str) -> _Curve | None:
    windows = (evidence.reference, evidence.current)
    if not all(w.has(name) and w.has(parent) for w in windows):
        return None
    responses, what = _responses(evidence, name)
    along = [w.column(parent) for w in windows]
    usable = [np.isfinite(a) & np.isfinite(r) for a, r in zip(along, responses, strict=True)]
    along = [a[u] for a, u in zip(along, usable, strict=True)]
    responses = [r[u] for r, u in zip(responses, usable, strict=True)]
    if min(a.size for a in along) < 2 * _LEAST_ROWS:
        return None
    column = evidence.current.schema[parent]
    pooled = np.concatenate(along)
    if column.kind.is_discrete:
        levels = [int(v) for v in np.unique(pooled)][: 2 * _BINS]
        bins = [a.astype(np.int64) for a in along]
        centres = np.arange(len(column.categories), dtype=np.float64)
        labels = column.categories
        chosen = levels
    else:
        edges = np.unique(np.quantile(pooled, np.linspace(0, 1, _BINS + 1)))
        if len(edges) < 3:
            return None
        bins = [np.clip(np.searchsorted(edges, a, "right") - 1, 0, len(edges) - 2) for a in along]
        joined = np.concatenate(bins)
        centres = np.array(
            [
                pooled[joined == b].mean() if (joined == b).any() else 0
                for b in range(len(edges) - 1)
            ]
        )
        labels, chosen = (), list(range(len(edges) - 1))
    kept = [b for b in chosen if all(int((x == b).sum()) >= _LEAST_ROWS for x in bins)]
    if len(kept) < (1 if column.kind.is_discrete else 2):
        return None
    stats = [_means(r, b, kept) for r, b in zip(responses, bins, strict=True)]
    return _Curve(
        parent,
        what,
        centres[kept],
        tuple(labels[b] for b in kept) if labels else (),
        (stats[0][0], stats[1][0]),
        (stats[0][1], stats[1][1]),
    )


def _responses(evidence: Evidence, name: str) -> tuple[list[FloatArray], str]:
    """Return the column as numbers: itself, or whether it has the category that moved most."""
    windows = (evidence.reference, evidence.current)
    values = [w.column(name) for w in windows]
    column = evidence.current.schema[name]
    if not column.kind.is_discrete:
        return values, f"mean of {name}"
    levels = range(len(column.categories))
    shares = [np.array([np.nanmean(np.where(np.isfinite(v), v == k, np.nan)) for k in levels])
              for v in values]  # fmt: skip
    level = int(np.argmax(np.abs(shares[0] - shares[1]))) if len(column.categories) > 2 else 1
    level = min(level, len(column.categories) - 1)
    own = [np.where(np.isfinite(v), (v == level).astype(float), np.nan) for v in values]
    return own, f"share of {name} = {column.categories[level]}"


def _means(values: FloatArray, bins: IntArray, kept: list[int]) -> tuple[FloatArray, FloatArray]:
    parts = [values[bins == b] for b in kept]
    means = np.array([p.mean() for p in parts])
    errors = np.array([p.std() / np.sqrt(len(p)) for p in parts])
    return means, errors


def _draw(curve: _Curve, name: str) -> Markup:
    low = min(float((m - 2 * e).min()) for m, e in zip(curve.means, curve.errors, strict=True))
    high = max(float((m + 2 * e).max()) for m, e in zip(curve.means, curve.errors, strict=True))
    left, bottom = 46.0, _HEIGHT - 42
    categorical = bool(curve.labels)
    first, last = (-0.5, len(curve.labels) - 0.5) if categorical else (curve.x[0], curve.x[-1])
    where = np.arange(len(curve.labels), dtype=float) if categorical else curve.x
    x = linear_scale(float(first), float(last), left + 6, _WIDTH - 8)
    y = linear_scale(low, high, bottom - 4, 10)
    parts = [
        tag("line", x1=left, x2=left, y1=8, y2=bottom, class_="axis"),
        *(
            tag("text", rounded(value), x=left - 6, y=y(value) + 4, text_anchor="end")
            for value in (low, high)
        ),
    ]
    for half, (side, mean, error) in enumerate(
        zip(("ref", "cur"), curve.means, curve.errors, strict=True)
    ):
        shift = (half - 0.5) * 10 if categorical else 0.0
        points = [(x(float(a)) + shift, y(float(b))) for a, b in zip(where, mean, strict=True)]
        if not categorical:
            upper = [f"{number(p[0])},{number(y(float(m + 2 * e)))}"
                     for p, m, e in zip(points, mean, error, strict=True)]  # fmt: skip
            lower = [f"{number(p[0])},{number(y(float(m - 2 * e)))}"
                     for p, m, e in zip(points, mean, error, strict=True)]  # fmt: skip
            parts.append(
                tag("polygon", points=" ".join([*upper, *lower[::-1]]), class_=f"area {side}")
            )
            line = " ".join(f"{number(a)},{number(b)}" for a, b in points)
            parts.append(tag("polyline", points=line, class_=f"line {side}"))
        for (px, py), m, e in zip(points, mean, error, strict=True):
            if categorical:
                reach = [y(float(m + sign * 2 * e)) for sign in (-1, 1)]
                parts.append(
                    tag("line", x1=px, x2=px, y1=reach[0], y2=reach[1], class_=f"line {side}")
                )
            parts.append(tag("circle", cx=px, cy=py, r=3.0, class_=f"dot {side}"))
    if categorical:
        for position, label in enumerate(curve.labels):
            text = label if len(label) <= 10 else label[:9] + "…"
            parts.append(
                tag("text", text, x=x(float(position)), y=bottom + 16, text_anchor="middle")
            )
        parts.append(tag("line", x1=left, x2=_WIDTH, y1=bottom, y2=bottom, class_="axis"))
    else:
        parts += x_axis(float(first), float(last), x, bottom, _WIDTH)
    middle = (left + _WIDTH) / 2
    parts.append(tag("text", curve.parent, x=middle, y=_HEIGHT - 6, text_anchor="middle"))
    title = f"{curve.what} along {curve.parent}, before and after"
    return picture(_WIDTH, _HEIGHT, title, *parts)
