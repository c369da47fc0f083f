"""How many rows each value of some columns has: exact for few values, bounded for any number."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from whydrift.discovery.arrays import IntArray
from whydrift.discovery.snapshot.infer import read_content

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["SegmentCounts", "segment_keys", "split_key"]

_MOST: Final = 65_536  # values that are told apart
_NULL: Final = r"\N"  # as PostgreSQL's COPY writes it: no value reads so once it is escaped


@dataclass(frozen=True)
class SegmentCounts:
    """Rows per value, of the values that may be among the commonest.

    Parameters
    ----------
    rows : mapping of str to int
        By the value as text; each value has so many rows, or up to ``error`` more.
    error : int
        0 as long as there are at most 65,536 different values. A value that is not in ``rows`` has
        at most so many rows, which is never more than one in 65,536 of all.

    References
    ----------
    Misra & Gries (1982), Finding repeated elements; Agarwal, Cormode, Huang, Phillips, Wei & Yi
    (2013), Mergeable summaries.
    """

    rows: Mapping[str, int] = field(default_factory=dict)
    error: int = 0

    @classmethod
    def of(cls, table: pa.Table, by: Sequence[str]) -> SegmentCounts:
        """Count the rows of a table by the values of these columns, which it has."""
        codes, keys = segment_keys(table, by)
        counts = np.bincount(codes, minlength=len(keys)).tolist()
        return cls(dict(zip(keys, counts, strict=True)))._cut()

    @classmethod
    def merged(cls, parts: Iterable[SegmentCounts]) -> SegmentCounts:
        """Return the counts of the rows of all parts."""
        whole = cls()
        for part in parts:
            whole = whole.merge(part)
        return whole

    def merge(self, other: SegmentCounts) -> SegmentCounts:
        """Return the counts of the rows of both."""
        if not other.rows and not other.error:
            return self
        if not self.rows and not self.error:
            return other
        total = dict(self.rows)
        for key, count in other.rows.items():
            total[key] = total.get(key, 0) + count
        return SegmentCounts(total, self.error + other.error)._cut()

    def commonest(self) -> list[tuple[str, int]]:
        """Return values and their rows, most rows first, ties by the value."""
        return sorted(self.rows.items(), key=lambda pair: (-pair[1], pair[0]))

    def _cut(self) -> SegmentCounts:
        if len(self.rows) <= _MOST:
            return self
        less = sorted(self.rows.values(), reverse=True)[_MOST]
        return SegmentCounts(
            {key: count - less for key, count in self.rows.items() if count > less},
            self.error + less,
        )


def segment_keys(table: pa.Table, by: Sequence[str]) -> tuple[IntArray, list[str]]:
    """Return the number of each row's value, and the values as text.

    Numbers are written without a point where they are whole, so that a column of them reads the
    same from CSV and Parquet; blank cells are missing, and what is missing is a value of its own.
    Values of several columns are joined by ``|``; a backslash stands before one that is part of a
    value.

    Parameters
    ----------
    table : pyarrow.Table
    by : sequence of str
        Columns of the table.

    Returns
    -------
    codes : ndarray of int, shape (n_rows,)
        Places in ``keys``.
    keys : list of str
        Different values that occur.
    """
    codes = np.zeros(table.num_rows, dtype=np.int64)
    keys = [""]
    for place, name in enumerate(by):
        own, values = _coded(table.column(name))
        found, codes = np.unique(codes * len(values) + own, return_inverse=True)
        before, here = np.divmod(found, len(values))
        joint = "" if place == 0 else "|"
        keys = [keys[b] + joint + values[h] for b, h in zip(before, here, strict=True)]
    return codes.astype(np.int64), keys


def split_key(key: str) -> list[str]:
    """Return the values that a key of :func:`segment_keys` joins, each still escaped."""
    return re.findall(r"(?:^|\|)((?:[^|\\]|\\.)*)", key)


def _coded(column: pa.ChunkedArray) -> tuple[IntArray, list[str]]:
    """Return codes of a column's values, and each as escaped text; the last is a missing one."""
    labels = read_content(column, repeats=True).labels
    if labels is None:  # no value at all
        return np.zeros(len(column), dtype=np.int64), [_NULL]
    names = [v.replace("\\", "\\\\").replace("|", "\\|") for v in labels.names.to_pylist()]
    return np.where(labels.codes < 0, len(names), labels.codes), [*names, _NULL]
