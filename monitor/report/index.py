"""A page that lists report pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whydrift.monitor.diagnosis.diagnosis import Diagnosis
from whydrift.monitor.diagnosis.headline import headline
from whydrift.monitor.report.templating import template

__all__ = ["Listed", "render_index"]


@dataclass(frozen=True)
class Listed:
    """One page of the list.

    Parameters
    ----------
    file : str
        Its name, beside the list.
    title, story : str
        What it is called, and what it is about.
    diagnosis : Diagnosis
        Its words and summary are shown.
    """

    file: str
    title: str
    story: str
    diagnosis: Diagnosis


def render_index(title: str, pages: Sequence[Listed]) -> str:
    """Return the list as one HTML page in the style of the report."""
    rows = [(page, headline(page.diagnosis)) for page in pages]
    return template("index.html.j2").render(title=title, rows=rows)
