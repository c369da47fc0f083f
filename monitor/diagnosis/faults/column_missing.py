"""A column of the reference that the current window does not have."""

from __future__ import annotations

from whydrift.discovery.snapshot.schema import ColumnKind, Role
from whydrift.monitor.diagnosis.diagnosis import Fault, FaultKind
from whydrift.monitor.diagnosis.faults.base import Finding, Suspects
from whydrift.monitor.diagnosis.faults.renamed import Alias, aliases, written_otherwise

__all__ = ["column_missing"]

_MISSED = frozenset({Role.FEATURE, Role.SEGMENT})  # labels come late; other roles are asked for


def column_missing(suspects: Suspects) -> list[Finding]:
    """Find columns that are gone, and the new one that each may have become.

    No test is needed: a pipeline dropped or renamed it, or the window is another table's. A column
    that had no value in the reference is not missed.
    """
    reference, current = suspects.reference, suspects.current
    gone = [
        column.name
        for column in reference.schema
        if column.name in current.absent
        and column.role in _MISSED
        and (column.kind.is_modelled or column.kind is ColumnKind.TIMESTAMP)
        and column.name in reference.summaries
        and reference.summaries[column.name].count
    ]
    found = {} if suspects.whole is None or not gone else aliases(reference, suspects.whole, gone)
    return [
        Finding(
            Fault(
                FaultKind.COLUMN_MISSING,
                (name,),
                1.0,
                f"the current window has no column {name!r}; "
                + _question(name, written_otherwise(current, name), found.get(name)),
            )
        )
        for name in gone
    ]


def _question(name: str, spelt: str | None, alias: Alias | None) -> str:
    if spelt is not None and (alias is None or alias.name == spelt):
        alike = "" if alias is None else f", distributed alike (largest gap {alias.gap:.2f})"
        return f"it has {spelt!r}{alike}: did you mean {name!r}?"
    if alias is not None:
        company = " and goes with the other columns as before" if alias.has_company else ""
        return (
            f"{alias.name!r}, which the reference lacks, is distributed alike (largest gap "
            f"{alias.gap:.2f}){company}: was it renamed?"
        )
    return "where that is meant, leave it out with `ignore`"
