"""The frequent values of a column that has more categories than are told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from whydrift.discovery.arrays import IntArray

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FrequentValues"]

_MOST: Final = 1_024  # values: one that more than every 1,025th row has is among them


@dataclass(frozen=True)
class FrequentValues:
    """Values and how often they came, in bounded memory; in whatever order the rows came.

    Where there are too many values, the same number is taken off the count of each and those that
    fall to nothing are let go: a count is too small by what was taken off, never too large, and
    that is at most one row in 1,025 of all.

    Parameters
    ----------
    counts : mapping of str to int
        Rows that have each value, at least; commonest first.
    taken_off : int
        So many more rows may have it, or have a value that is not named.

    References
    ----------
    Misra & Gries (1982), Finding repeated elements, Science of Computer Programming 2, 143-152;
    Agarwal, Cormode, Huang, Phillips, Wei & Yi (2013), Mergeable summaries, ACM TODS 38.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    taken_off: int = 0

    @classmethod
    def of(cls, names: pa.Array, rows_of: IntArray) -> FrequentValues:
        """Keep the frequent ones of so many rows, shape (n_names,), of each name."""
        cut = int(np.sort(rows_of)[-_MOST - 1]) if len(rows_of) > _MOST else 0
        kept = np.flatnonzero(rows_of > cut)
        counts = zip(names.take(kept).to_pylist(), (rows_of[kept] - cut).tolist(), strict=True)
        return cls(_by_rows(dict(counts)), cut)

    @classmethod
    def merged(cls, parts: Sequence[FrequentValues]) -> FrequentValues:
        """Return the frequent values of the rows of all."""
        total: dict[str, int] = {}
        for part in parts:
            for name, rows in part.counts.items():
                total[name] = total.get(name, 0) + rows
        cut = sorted(total.values())[-_MOST - 1] if len(total) > _MOST else 0
        kept = {name: rows - cut for name, rows in total.items() if rows > cut}
        return cls(_by_rows(kept), sum(p.taken_off for p in parts) + cut)


def _by_rows(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
