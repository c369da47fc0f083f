"""The page of an Effect: the number, whether to believe it, and what it rests on."""

from __future__ import annotations

import os
from pathlib import Path

from whydrift.effects.check import Outcome
from whydrift.effects.effect import Effect
from whydrift.effects.story import MARKS, belief, forest, headline, number_line
from whydrift.monitor.report.chart_picture import chart_svg
from whydrift.monitor.report.templating import template
from whydrift.monitor.whole_file import write_whole

__all__ = ["render_effect", "save_effect"]

_KINDS = {Outcome.PASS: "none", Outcome.WARN: "source", Outcome.FAIL: "mechanism"}
_WORDS = {Outcome.PASS: "pass", Outcome.WARN: "read on", Outcome.FAIL: "fail"}
_MOST_ROWS = 60


def render_effect(effect: Effect, title: str | None = None) -> str:
    """Return the page as one HTML text that needs neither network nor script.

    Parameters
    ----------
    effect : Effect
    title : str, optional
        Of the page.
    """
    charts = effect.charts if effect.value is None else (forest(effect), *effect.charts)
    worst = (
        Outcome.FAIL if effect.failed
        else Outcome.WARN if any(c.outcome is Outcome.WARN for c in effect.checks)
        else Outcome.PASS
    )  # fmt: skip
    return template("effect.html.j2").render(
        e=effect,
        title=title or "What it did",
        headline=headline(effect),
        line=number_line(effect),
        belief=belief(effect),
        kind=_KINDS[worst],
        checks=[(c, MARKS[c.outcome], _KINDS[c.outcome], _WORDS[c.outcome]) for c in effect.checks],
        charts=[(chart, chart_svg(chart)) for chart in charts],
        most_rows=_MOST_ROWS,
    )


def save_effect(effect: Effect, path: str | os.PathLike[str]) -> None:
    """Write the page; an earlier file is replaced only once the new one is whole.

    Raises
    ------
    SourceError
        If the file cannot be written.
    """
    write_whole(Path(path), render_effect(effect))
