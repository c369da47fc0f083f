"""Rows that came several times in the reference too: each is counted once.

A join gone wrong repeats every row, in every window. Copies are no further rows: tests that take
them for such are as sure as if there were many times as many. In a coarse table different rows are
equal by chance; copies are told from those by looking across: windows hold different rows, and what
is equal by chance is so between them as often as within. A month or a new price list differs
between the windows, so that no row of one could come again in the other: such columns say nothing
about copies.
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
_COARSE = 0.5  # share of different rows whose value another one has too
_AS_OFTEN = 0.9  # as within the reference: a coarse column's values found in the other window


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
    copied = [_copied(w) for w in references]
    # More rows than a past window has would hold more that are equal by chance.
    length = max(w.rows for w in references)
    after = _thinned(current.columns(names), length)
    if not any(c.any() for c in copied) or not len(after):
        return False
    once = [w.columns(names)[~c] for w, c in zip(references, copied, strict=True)]
    alike = _found_across(np.concatenate(once), after)
    if not any(
        first.schema[n].kind is ColumnKind.CONTINUOUS
        for n, a in zip(names, alike, strict=True)
        if a
    ):
        return False
    copies = _rows(
        np.concatenate([w.columns(names)[c] for w, c in zip(references, copied, strict=True)])[
            :, alike
        ]
    )
    known = set(_rows(after[:, alike]))
    met = sum(row in known for row in copies) / len(copies)
    return bool(met * length / len(after) < _MOST_BY_CHANCE * share)


def _thinned(values: FloatArray, most: int) -> FloatArray:
    """Return at most so many rows, evenly spaced."""
    if len(values) <= most:
        return values
    return values[np.linspace(0, len(values) - 1, most).astype(np.int64)]


def _found_across(before: FloatArray, after: FloatArray) -> BoolArray:
    """Return which columns have their values in the other window as often as within one.

    Parameters
    ----------
    before : ndarray of shape (n_rows, n_columns)
        Different rows of the reference.
    after : ndarray of shape (n_current_rows, n_columns)

    Returns
    -------
    ndarray of bool, shape (n_columns,)
        Also true of columns so fine that hardly two rows have the same value.
    """
    half = min(len(before) // 2, len(after))
    asked, within, across = before[::2], _thinned(before[1::2], half), _thinned(after, half)
    out = np.ones(before.shape[1], dtype=bool)
    for k in range(before.shape[1]):
        # A missing value is one as well.
        value, other, now = (np.nan_to_num(v[:, k], nan=np.inf) for v in (asked, within, across))
        usual = np.isin(value, other).mean() if value.size else 0.0
        out[k] = usual < _COARSE or np.isin(value, now).mean() >= _AS_OFTEN * usual
    return out


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
