"""A monitor's windows over time, as a picture: verdicts, columns, and what happened beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from markupsafe import Markup

from whydrift.discovery.picture.svg import picture, tag
from whydrift.monitor.report.axes import linear_scale
from whydrift.monitor.window.interval import Interval

__all__ = ["Cell", "Lane", "Mark", "timeline_svg"]

_WIDTH, _LABEL, _ROW, _TOP = 860.0, 130.0, 22.0, 24.0
_LEAST_FOR_LETTER: Final = 11.0  # of the drawing's width
_GAP: Final = 0.75
_MOST_DATES: Final = 8
_LETTERS: Final = {
    "covariate": "S", "source": "S", "mechanism": "M", "both": "B", "fault": "F",
    "undetermined": "?", "inherited": "i", "error": "!", "empty": "0",
    "slow": "~",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cell:
    """One window in a lane.

    Parameters
    ----------
    interval : Interval
    kind : str
        A verdict, ``fault``, ``slow``, ``error``, ``empty``, ``skipped`` or ``recorded``: colour
        and letter.
    title : str
        Said when somebody points at it.
    link : str, optional
    """

    interval: Interval
    kind: str
    title: str
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Lane:
    """A row of the picture."""

    name: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened: a line through all lanes."""

    at: datetime
    kind: str
    title: str


def timeline_svg(
    lanes: Sequence[Lane], marks: Sequence[Mark], title: str, zone: tzinfo = UTC
) -> Markup:
    """Return the picture, its dates in a time zone; empty where there is no window."""
    spans = [cell.interval for lane in lanes for cell in lane.cells]
    if not spans:
        return Markup("")
    start, end = min(s.start for s in spans), max(s.end for s in spans)
    right = _WIDTH - _LABEL
    scale = linear_scale(start.timestamp(), end.timestamp(), 6, right)

    def x(moment: datetime) -> float:
        return scale(moment.timestamp())

    bottom = _TOP + _ROW * len(lanes)
    parts: list[Markup] = []
    for number, lane in enumerate(lanes):
        y = _TOP + number * _ROW
        name = lane.name if len(lane.name) <= 18 else lane.name[:17] + "…"
        # On the right, beside the newest window: that end is what a small screen shows first.
        parts.append(tag("text", tag("title", lane.name), name, x=right + 8, y=y + 15))
        parts += [_cell(cell, x, y) for cell in lane.cells]
    for mark in marks:
        if start <= mark.at <= end + (end - start) / 20:
            parts += _mark(mark, min(x(mark.at), right), bottom)
    starts = sorted({s.start for s in spans})
    parts.append(tag("line", x1=6, x2=right, y1=bottom, y2=bottom, class_="axis"))
    parts += _dates(starts, x, bottom, zone)
    return picture(_WIDTH, bottom + 22, title, *parts, class_="picture timeline")


def _cell(cell: Cell, x: Callable[[datetime], float], y: float) -> Markup:
    left, right = x(cell.interval.start), x(cell.interval.end)
    width = max(right - left - _GAP, 1.0)
    inner = [
        tag("title", cell.title),
        tag("rect", x=left, y=y + 2, width=width, height=_ROW - 5, rx=2, class_=f"t-{cell.kind}"),
    ]
    letter = _LETTERS.get(cell.kind)
    if letter is not None and width >= _LEAST_FOR_LETTER:
        inner.append(tag("text", letter, x=left + width / 2, y=y + 15, text_anchor="middle",
                         class_="letter"))  # fmt: skip
    if cell.link is None:
        return tag("g", *inner)
    return tag("a", *inner, href=cell.link)


def _mark(mark: Mark, x: float, bottom: float) -> Iterator[Markup]:
    yield tag(
        "g",
        tag("title", mark.title),
        tag("line", x1=x, x2=x, y1=_TOP - 6, y2=bottom, class_=f"event {mark.kind}"),
        tag("path", d=f"M{x:.2f} {_TOP - 4:.2f}l-5 -9h10z", class_=f"flag {mark.kind}"),
    )


def _dates(
    starts: Sequence[datetime], x: Callable[[datetime], float], bottom: float, zone: tzinfo
) -> Iterator[Markup]:
    """Yield some dates below the lanes, each where a window begins."""
    step = -(-len(starts) // _MOST_DATES)
    length = starts[-1] - starts[0]
    form = "%-d %b" if length.days < 300 else "%b %Y"
    before = ""
    for moment in starts[::step]:
        local = moment.astimezone(zone)
        date = local.strftime(form)
        text = date if date != before else ""
        if length <= timedelta(days=2):
            text = f"{text} {local:%H:%M}".strip()
        before = date
        place = x(moment)
        yield tag("line", x1=place, x2=place, y1=bottom, y2=bottom + 4, class_="axis")
        yield tag("text", text, x=place, y=bottom + 16, class_="small")
