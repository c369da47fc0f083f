"""Rows that came several times in the reference too: each is counted once.

A join gone wrong repeats every row, in every window. Copies are no further rows: tests that take
them for such are as sure as if there were many times as many. In a coarse table different rows are
equal by chance; copies are told from those by looking across: windows hold different rows, and what
is equal by chance is so between them as often as within.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.row_hash import repeated_rows
from whydrift.discovery.snapshot.schema import ColumnKind
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["Counted", "each_row_once"]

_LEAST_SHARE = 0.1  # of the reference's rows; what less does to a test is not seen
_MOST_BY_CHANCE = 0.5  # of the share of copies: those that have an equal row in the other window


@dataclass(frozen=True)
class Counted:
    """Windows in which each row counts once.

    Parameters
    ----------
    references : tuple of Snapshot
        Past windows.
    current : Snapshot
        The current one.
    notes : tuple of Note
        What was done.
    """

    references: tuple[Snapshot, ...]
    current: Snapshot
    notes: tuple[Note, ...] = ()


def each_row_once(references: Sequence[Snapshot], current: Snapshot) -> Counted:
    """Return the windows without copies of rows, where the reference is full of them.

    Copies in the current window alone are a fault (`rows_duplicated`) and stay.

    Parameters
    ----------
    references : sequence of Snapshot
        Past windows, at least one.
    current : Snapshot
        With the same meaning of category codes.
    """
    rows = sum(w.rows for w in references)
    share = sum(w.repeats for w in references) / max(1, rows)
    if share < _LEAST_SHARE or not _are_copies(references, current, share):
        return Counted(tuple(references), current)
    text = (
        f"{share:.0%} of the reference's rows and {current.repeats / current.rows:.0%} of the "
        "current ones are equal in every column to one before them: each row is counted once. "
        "Look for a join that repeats rows"
    )
    return Counted(
        tuple(_once(w) for w in references), _once(current), (Note("rows_copied", None, text),)
    )


def _are_copies(references: Sequence[Snapshot], current: Snapshot, share: float) -> bool:
    """Whether chance does not make rows equal as often as they are.

    Of rows equal by chance to another one of their window, more than their share among all rows
    have an equal one in another window as long, whether there are few different rows or a common
    one. Copies have hardly any.
    """
    first = references[0]
    names = tuple(
        c.name
        for c in first.schema
        if c.kind.is_modelled and all(w.has(c.name) for w in (*references, current))
    )
    if not any(first.schema[n].kind is ColumnKind.CONTINUOUS for n in names):
        return False
    copies = _rows(np.concatenate([w.columns(names)[_copied(w)] for w in references]))
    known = set(_rows(current.columns(names)))
    if not copies:
        return False
    met = sum(row in known for row in copies) / len(copies)
    length = max(w.rows for w in references) / len(current.sample)
    return bool(met * length < _MOST_BY_CHANCE * share)


def _rows(values: FloatArray) -> list[bytes]:
    return [row.tobytes() for row in np.ascontiguousarray(values + 0.0)]  # -0.0 is 0.0


def _copied(window: Snapshot) -> BoolArray:
    """Return which sampled rows are copies of another one."""
    copied = np.zeros(len(window.sample), dtype=bool)
    if not window.repeats:
        return copied
    if window.repeated is not None:
        copied |= window.repeated
    if window.draw is not None:  # those of parts that were joined
        copied |= repeated_rows(window.draw.row, len(window.sample))
    return copied


def _once(window: Snapshot) -> Snapshot:
    """Return the window with each row once; counts shrink as the rows do."""
    if not window.repeats:
        return window
    different = window.rows - window.repeats
    summaries = {n: s.scaled(different / window.rows) for n, s in window.summaries.items()}
    kept = window.take(np.flatnonzero(~_copied(window)))
    return replace(kept, rows=different, summaries=summaries, repeats=0, repeated=None, totals=None)
