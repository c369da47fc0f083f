"""Contributions to the change of the measure, as bars with intervals."""

from __future__ import annotations

from collections.abc import Callable

from markupsafe import Markup

from whydrift.discovery.picture.svg import picture, tag
from whydrift.monitor.diagnosis.diagnosis import Diagnosis, Estimate
from whydrift.monitor.report.axes import linear_scale, rounded

__all__ = ["contribution_svg"]

_WIDTH, _ROW, _LABEL, _VALUE = 560.0, 30.0, 170.0, 80.0
_MOST = 12


def contribution_svg(diagnosis: Diagnosis) -> Markup | None:
    """Return a bar for each column at which a change began, and for what is left; they sum.

    None where nothing was attributed.
    """
    metric = diagnosis.metric
    if metric is None or not diagnosis.ranking:
        return None
    rows: list[tuple[str, Estimate]] = []
    for name in diagnosis.ranking:
        part = diagnosis.columns[name].contribution
        if part is not None and (part.value or part.low or part.high):
            rows.append((name, part))
    rows.sort(key=lambda row: -abs(row[1].value))
    shown, hidden = rows[:_MOST], rows[_MOST:]
    if hidden:
        shown.append((f"{len(hidden)} more", Estimate(sum(p.value for _, p in hidden))))
    if not shown:
        return None
    if abs(metric.unattributed) > 1e-12 * max(1.0, abs(metric.change.value)):
        shown.append(("not attributed", Estimate(metric.unattributed)))
    shown.append(("whole change", metric.change))
    ends = [v for _, p in shown for v in (p.value, p.low, p.high) if v is not None]
    low, high = min(0.0, *ends), max(0.0, *ends)
    x = linear_scale(low, high, _LABEL + 8, _WIDTH - _VALUE)
    parts = []
    for position, (name, part) in enumerate(shown):
        parts += _bar(name, part, x, 8 + position * _ROW, is_total=name == "whole change")
    bottom = 8 + len(shown) * _ROW
    parts.append(tag("line", x1=x(0), x2=x(0), y1=4, y2=bottom, class_="axis"))
    title = f"Contributions to the change of the {metric.name.replace('_', ' ')}"
    return picture(_WIDTH, bottom + 6, title, *parts, class_="picture wide")


def _bar(
    name: str, part: Estimate, x: Callable[[float], float], top: float, *, is_total: bool
) -> list[Markup]:
    middle = top + _ROW / 2 - 3
    start, stop = sorted((x(0.0), x(part.value)))
    text = name if len(name) <= 22 else name[:21] + "…"
    parts = [
        tag("text", text, x=_LABEL, y=middle + 4, text_anchor="end",
            class_="strong" if is_total else None),
        tag("rect", x=start, y=top + 3, width=max(stop - start, 1.0), height=_ROW - 12,
            class_="bar total" if is_total else "bar cur"),
    ]  # fmt: skip
    if part.low is not None and part.high is not None:
        a, b = x(part.low), x(part.high)
        parts.append(tag("line", x1=a, x2=b, y1=middle, y2=middle, class_="whisker"))
        parts += [
            tag("line", x1=end, x2=end, y1=middle - 4, y2=middle + 4, class_="whisker")
            for end in (a, b)
        ]
    sign = "+" if part.value > 0 else ""
    parts.append(tag("text", f"{sign}{rounded(part.value)}", x=_WIDTH - 2, y=middle + 4,
                     text_anchor="end", class_="strong" if is_total else None))  # fmt: skip
    return parts
