"""The report page: what to show of a Diagnosis, and in which words."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from whydrift.monitor.diagnosis.diagnosis import (
    ColumnResult,
    ColumnVerdict,
    Diagnosis,
    Effect,
    Estimate,
)
from whydrift.monitor.diagnosis.headline import headline
from whydrift.monitor.diagnosis.words import p_text
from whydrift.monitor.report.axes import rounded
from whydrift.monitor.report.contribution_picture import contribution_svg
from whydrift.monitor.report.distribution_picture import distribution_svg
from whydrift.monitor.report.graph_picture import GRAPH_STYLE, LETTERS, graph_svg
from whydrift.monitor.report.relationship_picture import Relationship, relationship_svg
from whydrift.monitor.whole_file import write_whole

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["notebook_view", "render_html", "save_html"]

_MOST_CARDS = 12
_ORDER = [v.value for v in (
    ColumnVerdict.FAULT, ColumnVerdict.MECHANISM, ColumnVerdict.SOURCE,
    ColumnVerdict.INHERITED, ColumnVerdict.UNDETERMINED, ColumnVerdict.STABLE,
)]  # fmt: skip


@dataclass(frozen=True)
class _Card:
    """One cause, with its evidence and pictures."""

    name: str
    result: ColumnResult
    distribution: Markup | None
    relationship: Relationship | None


def render_html(
    diagnosis: Diagnosis, title: str | None = None, context: Mapping[str, str] | None = None
) -> str:
    """Return the report as one HTML page that needs neither network nor script.

    Parameters
    ----------
    diagnosis : Diagnosis
        Pictures of the windows need its ``evidence``; a diagnosis read from JSON has none, and the
        page says so.
    title : str, optional
        Of the page.
    context : mapping of str to str, optional
        ``story``, ``truth`` and ``univariate``, where the page is part of a demonstration.
    """
    verdicts = {n: c.verdict.value for n, c in diagnosis.columns.items()}
    columns = sorted(
        diagnosis.columns.items(), key=lambda item: _ORDER.index(item[1].verdict.value)
    )
    return _template("report.html.j2").render(
        d=diagnosis,
        title=title or "Why the data drifted",
        context=context or {},
        words=headline(diagnosis),
        graph=graph_svg(diagnosis.graph, verdicts, diagnosis.target, standalone=False),
        graph_style=GRAPH_STYLE,
        cards=[_card(diagnosis, n) for n in diagnosis.ranking[:_MOST_CARDS]],
        more_causes=diagnosis.ranking[_MOST_CARDS:],
        contributions=contribution_svg(diagnosis),
        columns=columns,
        letters=LETTERS,
        learned=any(w.code == "graph_learned" for w in diagnosis.warnings),
    )


def notebook_view(diagnosis: Diagnosis) -> str:
    """Return a compact view for notebooks: sentence, remedy and the columns that moved."""
    shown = [
        (name, column)
        for name, column in diagnosis.columns.items()
        if column.verdict is not ColumnVerdict.STABLE
    ]
    return _template("notebook.html.j2").render(
        d=diagnosis,
        words=headline(diagnosis),
        columns=sorted(shown, key=lambda item: _ORDER.index(item[1].verdict.value)),
    )


def save_html(diagnosis: Diagnosis, path: str | os.PathLike[str]) -> None:
    """Write the report page; an earlier file is replaced only once the new one is whole.

    Raises
    ------
    SourceError
        If the file cannot be written.
    """
    write_whole(Path(path), render_html(diagnosis))


def _card(diagnosis: Diagnosis, name: str) -> _Card:
    result, evidence = diagnosis.columns[name], diagnosis.evidence
    if evidence is None or not (evidence.reference.has(name) and evidence.current.has(name)):
        return _Card(name, result, None, None)
    relationship = None
    if result.verdict is ColumnVerdict.MECHANISM:
        relationship = relationship_svg(evidence, name, result.parents)
    return _Card(name, result, distribution_svg(evidence, name) or None, relationship)


@cache
def _template(name: str) -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("whydrift.monitor.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "rounded": _rounded, "p": _p, "estimate": _estimate, "effect": _effect, "share": _share,
    }  # fmt: skip
    return environment.get_template(name)


def _rounded(value: float | None) -> str:
    return "–" if value is None else rounded(value)


def _p(value: float | None) -> str:
    if value is None:
        return "–"
    return p_text(value).removeprefix("p = ").removeprefix("p ")


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _estimate(value: Estimate | None) -> str:
    if value is None:
        return "–"
    if value.low is None or value.high is None:
        return rounded(value.value)
    return f"{rounded(value.value)} ({rounded(value.low)} to {rounded(value.high)})"


def _effect(value: Effect | None) -> str:
    if value is None:
        return "–"
    return f"{value.value:+.2g} ({value.low:+.2g} to {value.high:+.2g}) {value.unit}"
