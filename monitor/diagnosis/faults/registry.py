"""The table of fault detectors, and the order in which they look."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from whydrift.discovery.arrays import IntArray
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.diagnosis import FaultKind
from whydrift.monitor.diagnosis.faults.base import Detector, Finding, Suspects
from whydrift.monitor.diagnosis.faults.category_vanished import category_vanished
from whydrift.monitor.diagnosis.faults.column_missing import column_missing
from whydrift.monitor.diagnosis.faults.default_value import default_value
from whydrift.monitor.diagnosis.faults.filter_changed import filter_changed
from whydrift.monitor.diagnosis.faults.identity import still_follows
from whydrift.monitor.diagnosis.faults.identity_broken import identity_broken
from whydrift.monitor.diagnosis.faults.null_spike import null_spike
from whydrift.monitor.diagnosis.faults.offset import offset
from whydrift.monitor.diagnosis.faults.onset import dated
from whydrift.monitor.diagnosis.faults.other_scale import other_scale
from whydrift.monitor.diagnosis.faults.recode import recode
from whydrift.monitor.diagnosis.faults.rows_duplicated import rows_duplicated
from whydrift.monitor.diagnosis.faults.rows_missing import rows_missing
from whydrift.monitor.diagnosis.faults.scale_in_part import scale_in_part
from whydrift.monitor.diagnosis.faults.stuck_value import stuck_value
from whydrift.monitor.diagnosis.faults.swap import swap
from whydrift.monitor.diagnosis.faults.truncated import truncated
from whydrift.monitor.diagnosis.faults.type_change import type_change
from whydrift.monitor.diagnosis.faults.unit_change import unit_change
from whydrift.monitor.diagnosis.faults.unit_in_part import unit_in_part

__all__ = [
    "DETECTORS",
    "DETECTORS_OF_VALUES",
    "FAULT_LEVEL",
    "Faults",
    "fault_notes",
    "find_faults",
]

_ALL = 0.95  # share of rows, of a unit that changed in all of them
_LEAST_ROWS = 20  # below this nothing can be told from chance
# Of each detector. A fault pages whatever else is found: eighteen share a thousandth or two.
FAULT_LEVEL: Final = 1e-4

# A column that is gone asks no test of the others. Then rows, since repeated ones would count twice
# below; then a column that is not readable at all. A swap explains missing values and sizes of both
# of its columns, so that it comes before what spoils single ones. An identity is asked only of
# columns that seem sound so far, and a filter is looked for last: what broke values may look like
# one.
DETECTORS: Final[dict[str, Detector]] = {
    "column_missing": column_missing,
    "rows_duplicated": rows_duplicated,
    "rows_missing": rows_missing,
    "type_change": type_change,
    "swap": swap,
    "null_spike": null_spike,
    "default_value": default_value,
    "stuck_value": stuck_value,
    "unit_change": unit_change,
    "other_scale": other_scale,
    "scale_in_part": scale_in_part,
    "unit_in_part": unit_in_part,
    "offset": offset,
    "truncated": truncated,
    "recode": recode,
    "category_vanished": category_vanished,
    "identity_broken": identity_broken,
    "filter_changed": filter_changed,
}

# Of one column by itself; what is missing of it is known.
DETECTORS_OF_VALUES: Final[tuple[Detector, ...]] = (
    default_value, stuck_value, unit_change, other_scale, offset, truncated, recode,
    category_vanished,
)  # fmt: skip


@dataclass(frozen=True)
class Faults:
    """What broke in a window, and the windows as they can be compared.

    Parameters
    ----------
    findings : tuple of Finding
        At most one for a column; faults of rows have none.
    reference : Snapshot
        Without the rows whose like the current window no longer gets.
    current : Snapshot
        As recorded, without rows that came twice.
    repaired : Snapshot
        The same with everything undone that can be undone.
    kept : ndarray of int, shape (n_reference_rows,)
        Places of the reference's rows in its sample as it was given.
    """

    findings: tuple[Finding, ...]
    reference: Snapshot
    current: Snapshot
    repaired: Snapshot
    kept: IntArray


def find_faults(
    reference: Snapshot,
    current: Snapshot,
    names: tuple[str, ...],
    *,
    level: float = FAULT_LEVEL,
    whole: Snapshot | None = None,
    parts: IntArray | None = None,
    detectors: Iterable[Detector] = tuple(DETECTORS.values()),
) -> Faults:
    """Find what broke in the current window.

    Parameters
    ----------
    reference, current : Snapshot
        With the same meaning of category codes.
    names : tuple of str
        Columns to look at.
    level : float
        Chance of a false fault that each detector may spend, over all columns.
    whole : Snapshot, optional
        The current window read with a schema of its own, where it has columns that are new.
    parts : ndarray of int, shape (n_reference_rows,), optional
        The past window of each of the reference's rows, ascending, where there are enough of them
        to tell how ordinary ones differ.
    detectors : iterable of callable
        What is looked for, in this order.
    """
    repaired = current
    kept: IntArray = np.arange(len(reference.sample))
    findings: list[Finding] = []
    faulty: set[str] = set()
    suspects: Suspects | None = None
    is_short = min(len(reference.sample), len(current.sample)) < _LEAST_ROWS
    for detector in (column_missing,) if is_short else detectors:
        sound = tuple(n for n in names if n not in faulty)
        if not sound:
            break
        if suspects is None:  # what one detector worked out serves the next
            of = None if parts is None else parts[kept]
            suspects = Suspects(reference, repaired, sound, level, whole, of)
        for finding in _standing(detector(suspects), suspects):
            suspects = None
            if not faulty.isdisjoint(finding.fault.columns):
                continue  # a time has no place among ``sound``
            findings.append(dated(finding, repaired))
            faulty.update(finding.fault.columns)
            if finding.repairs:
                repaired = repaired.with_sample(finding.repairs)
            if finding.reference_repairs:
                reference = reference.with_sample(finding.reference_repairs)
            if finding.kept_current is not None:
                current, repaired = (w.take(finding.kept_current) for w in (current, repaired))
            if finding.kept_reference is not None:
                reference = reference.take(finding.kept_reference)
                kept = kept[finding.kept_reference]
    return Faults(tuple(findings), reference, current, repaired, kept)


def _standing(findings: list[Finding], suspects: Suspects) -> list[Finding]:
    """Return the findings without units of some rows that an identity speaks against.

    A total that still is price times quantity was not converted, unless one of these was.
    """
    part = {
        c for f in findings if f.fault.kind is FaultKind.UNIT_CHANGE and f.fault.share < _ALL
        for c in f.fault.columns
    }  # fmt: skip
    if not part:
        return findings
    numbers = suspects.names_of_numbers
    wrong = {
        name
        for name in part
        if still_follows(
            suspects.reference,
            suspects.current,
            name,
            tuple(n for n in numbers if n == name or n not in part),
        )
    }
    return [f for f in findings if not wrong.intersection(f.fault.columns)]


def fault_notes(findings: tuple[Finding, ...], names: tuple[str, ...]) -> tuple[Note, ...]:
    """Return the evidence for faults that no compared column shows: those of rows and of times.

    Parameters
    ----------
    findings : tuple of Finding
        What broke.
    names : tuple of str
        Columns that have a verdict.
    """
    return tuple(
        Note(f.fault.kind.value, next(iter(f.fault.columns), None), f.fault.evidence)
        for f in findings
        if set(names).isdisjoint(f.fault.columns)
    )
