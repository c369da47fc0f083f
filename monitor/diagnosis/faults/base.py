"""What a fault detector is given and what it finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy.special import gammaln, ndtr

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.snapshot.schema import ColumnKind, Role
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.diagnosis import Fault
from whydrift.monitor.diagnosis.faults.late import stepped

__all__ = [
    "MOST_COLUMNS",
    "Detector",
    "Finding",
    "Suspects",
    "ks_distance",
    "share_rises",
    "sorted_ks_distance",
]

MOST_COLUMNS = 60  # are compared with each other
_LEAST_OF_A_WINDOW = 50  # rows
_MOST_EXACT = 5_000  # cases
_ROLES = {Role.TIME, Role.PREDICTION, Role.CLUSTER}


@dataclass(frozen=True)
class Finding:
    """A fault, and the current sample's columns as they would be without it.

    Parameters
    ----------
    fault : Fault
        What broke.
    repairs : mapping of str to ndarray of shape (n_current_sampled,)
        Repaired columns; rows that cannot be repaired are NaN. Empty where nothing can be done.
    rows : ndarray of bool, shape (n_current_sampled,), optional
        Where the fault shows, for telling since when; None: from the first row on.
    usual : float
        Share of rows that look so in the reference too.
    reference_repairs : mapping of str to ndarray of shape (n_reference_sampled,)
        Columns of the reference as they have to be read beside the current ones.
    kept_reference, kept_current : ndarray of int, optional
        Rows of the samples that can be compared, where a fault of rows leaves others out.
    """

    fault: Fault
    repairs: Mapping[str, FloatArray] = field(default_factory=dict)
    rows: BoolArray | None = None
    usual: float = 0.0
    reference_repairs: Mapping[str, FloatArray] = field(default_factory=dict)
    kept_reference: IntArray | None = None
    kept_current: IntArray | None = None


@dataclass(frozen=True)
class Suspects:
    """Two windows and the columns that are not yet known to be faulty.

    Parameters
    ----------
    reference, current : Snapshot
        ``current`` already has the repairs of the faults found before.
    names : tuple of str
        Columns that both windows have.
    level : float
        Chance of a false fault over all columns that a single detector may spend.
    whole : Snapshot, optional
        The current window as it came, read with a schema of its own: new columns are in it.
    parts : ndarray of int, shape (n_reference_sampled,), optional
        The past window of each row, where there are enough of them to tell how days differ.
    """

    reference: Snapshot
    current: Snapshot
    names: tuple[str, ...]
    level: float = 1e-4
    whole: Snapshot | None = None
    parts: IntArray | None = None

    @cached_property
    def stepped(self) -> dict[int, frozenset[str]]:
        """Columns that a later part of the current window has otherwise, by the part's first row.

        Of the first columns only (computed once).
        """
        return stepped(self.current, self.names[:MOST_COLUMNS], self.reference.schema)

    def past_values(
        self, values: FloatArray, rows: BoolArray | None = None
    ) -> tuple[FloatArray, ...]:
        """Return a column's values in each past window that has fifty, where these are told apart.

        Parameters
        ----------
        values : ndarray of shape (n_reference_sampled,)
        rows : ndarray of bool, shape (n_reference_sampled,), optional
            Only these.
        """
        if self.parts is None:
            return ()
        there = np.isfinite(values) if rows is None else np.isfinite(values) & rows
        kept, own = values[there], self.parts[there]
        first = np.flatnonzero(np.diff(own, prepend=own[:1])).tolist()
        return tuple(part for part in np.split(kept, first) if part.size >= _LEAST_OF_A_WINDOW)

    @property
    def clusters(self) -> tuple[FloatArray, FloatArray] | None:
        """The named cluster key of both samples, or None."""
        key = self.reference.schema.with_role(Role.CLUSTER)
        if key is None or not (self.reference.has(key) and self.current.has(key)):
            return None
        return self.reference.column(key), self.current.column(key)

    @property
    def numbers(self) -> tuple[str, ...]:
        """Columns of measured or counted numbers."""
        wanted = {ColumnKind.CONTINUOUS, ColumnKind.COUNT}
        return tuple(n for n in self.names if self.reference.schema[n].kind in wanted)

    @property
    def names_of_numbers(self) -> tuple[str, ...]:
        """Columns of numbers of any kind, grades and flags too; the first of them."""
        return tuple(n for n in self.names if self.reference.schema[n].kind.is_numeric)[
            :MOST_COLUMNS
        ]

    @property
    def times(self) -> tuple[str, ...]:
        """Columns of dates and times in both windows; they are in no graph and in no test."""
        return tuple(
            c.name
            for c in self.reference.schema
            if c.kind is ColumnKind.TIMESTAMP
            and self.reference.has(c.name)
            and self.current.has(c.name)
        )

    @property
    def with_roles(self) -> tuple[str, ...]:
        """The named time, prediction and cluster key: in no graph, but rows need them.

        Not a loss, which is missing as long as the label is, nor other times: many are of what
        has not happened yet.
        """
        return tuple(
            c.name
            for c in self.reference.schema
            if c.role in _ROLES and self.reference.has(c.name) and self.current.has(c.name)
        )


class Detector(Protocol):
    """Finds one family of faults."""

    def __call__(self, suspects: Suspects) -> list[Finding]:
        """Return what is broken; a column is named at most once."""
        ...


def ks_distance(a: FloatArray, b: FloatArray) -> float:
    """Return the largest gap between two empirical distribution functions (NaN left out)."""
    return sorted_ks_distance(np.sort(a[np.isfinite(a)]), np.sort(b[np.isfinite(b)]))


def sorted_ks_distance(a: FloatArray, b: FloatArray) -> float:
    """Return :func:`ks_distance` of values that are sorted already, without NaN."""
    if not a.size or not b.size:
        return 1.0
    gaps = [_steps(v) - np.searchsorted(w, v, "right") / w.size for v, w in ((a, b), (b, a))]
    return float(max(np.abs(gap).max() for gap in gaps))


def _steps(ordered: FloatArray) -> FloatArray:
    """Return the empirical distribution function of ascending values at each of them."""
    counts = np.arange(1, ordered.size + 1)
    if (ordered[1:] == ordered[:-1]).any():
        counts = np.searchsorted(ordered, ordered, "right")
    out: FloatArray = counts / ordered.size
    return out


def share_rises(before: int, before_rows: int, after: int, after_rows: int) -> float:
    """Return the one-sided p-value that a share did not rise.

    Fisher's exact test; of thousands of cases a two-proportion z with continuity, which is then
    the same.
    """
    cases, rows = before + after, before_rows + after_rows
    if cases in (0, rows):
        return 1.0
    if cases <= _MOST_EXACT:
        several = np.arange(after, min(cases, after_rows) + 1)
        chances = (
            _log_choose(after_rows, several)
            + _log_choose(before_rows, cases - several)
            - _log_choose(rows, np.array([cases]))
        )
        return min(1.0, float(np.exp(chances).sum()))
    pooled = cases / rows
    error = np.sqrt(pooled * (1 - pooled) * (1 / before_rows + 1 / after_rows))
    step = 0.5 * (1 / before_rows + 1 / after_rows)
    return float(ndtr(-(after / after_rows - before / before_rows - step) / error))


def _log_choose(of: int, some: IntArray) -> FloatArray:
    out: FloatArray = gammaln(of + 1) - gammaln(some + 1) - gammaln(of - some + 1)
    return out
