"""A Diagnosis as JUnit XML, so that any CI shows each column as a test."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from whydrift.discovery.plain_text import clean
from whydrift.monitor.cli.fail_on import findings
from whydrift.monitor.diagnosis.diagnosis import ColumnVerdict, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection

    from whydrift.monitor.diagnosis.diagnosis import ColumnResult, Diagnosis

__all__ = ["to_junit"]

_FINDING = {
    ColumnVerdict.FAULT: "fault",
    ColumnVerdict.SOURCE: "covariate",
    ColumnVerdict.MECHANISM: "mechanism",
    ColumnVerdict.UNDETERMINED: "undetermined",
}

_BY_WEIGHT = ("fault", "mechanism", "covariate")


def to_junit(diagnosis: Diagnosis, *, failing: bool, words: Collection[str]) -> str:
    """Return one suite: a test for the window, and one for each column.

    Parameters
    ----------
    diagnosis : Diagnosis
        What is written.
    failing : bool
        Whether the command leaves with status 1: then, and only then, any test fails.
    words : collection of str
        The findings of ``--fail-on``; a column fails where its own is among them.
    """
    cases = [_case("window", _failure(_kind(diagnosis), diagnosis.summary) if failing else "")]
    failures = int(failing)
    skipped = 0
    for name, column in diagnosis.columns.items():
        inside = _column_inside(column, words if failing else ())
        failures += inside.startswith("<failure")
        skipped += inside.startswith("<skipped")
        cases.append(_case(clean(name), inside))
    seconds = diagnosis.seconds.get("total", 0.0)
    head = (
        f'<testsuite name="whydrift" tests="{len(cases)}" failures="{failures}" errors="0" '
        f'skipped="{skipped}" time="{seconds:.3f}">'
    )
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *cases, "</testsuite>", ""])


def _kind(diagnosis: Diagnosis) -> str:
    """Return what a window that fails shows: its verdict, unless that is none."""
    if diagnosis.verdict is not Verdict.NONE:
        return diagnosis.verdict.value
    found = findings(diagnosis)
    return next((word for word in _BY_WEIGHT if word in found), "conditional")


def _column_inside(column: ColumnResult, words: Collection[str]) -> str:
    finding = _FINDING.get(column.verdict)
    wanted = finding in words or ("any" in words and column.verdict.is_origin)
    if finding is not None and wanted:
        return _failure(column.verdict.value, column.reason)
    if column.verdict is ColumnVerdict.UNDETERMINED:
        return f"<skipped message={quoteattr(clean(column.reason))}/>"
    return ""


def _case(name: str, inside: str) -> str:
    return f'  <testcase classname="whydrift" name={quoteattr(name)}>{inside}</testcase>'


def _failure(kind: str, text: str) -> str:
    return f"<failure type={quoteattr(kind)}>{escape(clean(text))}</failure>"
