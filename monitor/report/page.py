"""The report page: what to show of a Diagnosis, and in which words."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markupsafe import Markup

from whydrift.discovery.graph import Origin
from whydrift.monitor.diagnosis.diagnosis import (
    ColumnResult,
    ColumnVerdict,
    Diagnosis,
)
from whydrift.monitor.diagnosis.headline import headline
from whydrift.monitor.report.contribution_picture import contribution_svg
from whydrift.monitor.report.distribution_picture import distribution_svg
from whydrift.monitor.report.graph_picture import GRAPH_STYLE, LETTERS, graph_svg
from whydrift.monitor.report.relationship_picture import Relationship, relationship_svg
from whydrift.monitor.report.templating import template
from whydrift.monitor.whole_file import write_whole

__all__ = ["Place", "notebook_view", "render_html", "report_style", "save_html"]

_MOST_CARDS = 12
_ALIKE = 0.95  # overlap of the inputs below which it is told that not all rows were compared
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


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page stands among others.

    Parameters
    ----------
    up : tuple of (str, str)
        Words and addresses of the pages that it belongs to, the widest first.
    more : tuple of (str, str)
        Of pages that tell more of the same.
    pictures : str, optional
        Address of the same page with pictures of the windows, where this one has none.
    course : str, optional
        Address of the course of the monitor's columns, window by window.
    """

    up: tuple[tuple[str, str], ...] = ()
    more: tuple[tuple[str, str], ...] = ()
    pictures: str | None = None
    course: str | None = None


@cache
def report_style() -> str:
    """Return the page's style sheet: the same for every diagnosis."""
    return template("_report.css.j2").render(graph_style=GRAPH_STYLE)


def render_html(
    diagnosis: Diagnosis,
    title: str | None = None,
    context: Mapping[str, str] | None = None,
    place: Place | None = None,
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
    place : Place, optional
        Where it stands among other pages, where it does not stand alone.
    """
    verdicts = {n: c.verdict.value for n, c in diagnosis.columns.items()}
    columns = sorted(
        diagnosis.columns.items(), key=lambda item: _ORDER.index(item[1].verdict.value)
    )
    return template(
        "report.html.j2"
    ).render(
        d=diagnosis,
        title=title or "Why the data drifted",
        context=context or {},
        words=headline(diagnosis),
        given_inputs=_given_inputs(diagnosis),
        gainsaid=_is_gainsaid(diagnosis),
        graph=graph_svg(diagnosis.graph, verdicts, diagnosis.target, standalone=False),
        style=Markup(report_style()),  # noqa: S704 - our own words
        place=place or Place(),
        cards=[_card(diagnosis, n) for n in diagnosis.ranking[:_MOST_CARDS]],
        more_causes=diagnosis.ranking[_MOST_CARDS:],
        contributions=contribution_svg(diagnosis),
        columns=columns,
        letters=LETTERS,
        learned=any(w.code == "graph_learned" for w in diagnosis.warnings),
        learned_before=any(e.origin is Origin.LEARNED for e in diagnosis.graph),
    )


def notebook_view(diagnosis: Diagnosis) -> str:
    """Return a compact view for notebooks: sentence, remedy and the columns that moved."""
    shown = [
        (name, column)
        for name, column in diagnosis.columns.items()
        if column.verdict is not ColumnVerdict.STABLE
    ]
    return template("notebook.html.j2").render(
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


def _given_inputs(diagnosis: Diagnosis) -> str:
    """Return whether the target moved given all inputs, and what that says of a model."""
    told = f"Given all inputs, {diagnosis.target}"
    moved = diagnosis.conditional_shift
    if moved is None:
        return f"{told} could not be tested."
    if moved:
        return f"{told} moved{'' if diagnosis.fault else ': what a model learned no longer holds'}."
    if _is_gainsaid(diagnosis):
        return f"{told} did not move; given its parents it did, which the warnings speak of."
    rows = (diagnosis.columns.get(n) for n in (diagnosis.target, diagnosis.prediction) if n)
    overlaps = [row.overlap for row in rows if row is not None and row.overlap is not None]
    if min(overlaps, default=1.0) < _ALIKE:
        return f"{told} did not move where rows of both windows lie."
    own = diagnosis.columns.get(diagnosis.target or "")
    is_settled = own is None or own.verdict in {ColumnVerdict.STABLE, ColumnVerdict.INHERITED}
    holds = is_settled and not diagnosis.fault
    return f"{told} did not move{': what a model learned still holds' if holds else ''}."


def _is_gainsaid(diagnosis: Diagnosis) -> bool:
    """Whether the target moved given its parents, and not given all inputs."""
    own = diagnosis.columns.get(diagnosis.target or "")
    is_own = own is not None and own.verdict is ColumnVerdict.MECHANISM
    return is_own and diagnosis.conditional_shift is False


def _card(diagnosis: Diagnosis, name: str) -> _Card:
    result, evidence = diagnosis.columns[name], diagnosis.evidence
    if evidence is None or not (evidence.reference.has(name) and evidence.current.has(name)):
        return _Card(name, result, None, None)
    relationship = None
    if result.verdict is ColumnVerdict.MECHANISM:
        relationship = relationship_svg(evidence, name, result.parents)
    return _Card(name, result, distribution_svg(evidence, name) or None, relationship)
