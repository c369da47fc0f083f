"""How many rows repeat another one: counted in bounded memory, the same in parts as at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from whydrift.discovery.arrays import IntArray
from whydrift.discovery.snapshot.row_hash import HashArray

__all__ = ["Copies"]

_MOST = 16_384
_NO_HASHES = np.zeros(0, dtype=np.uint64)
_NO_COUNTS = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Copies:
    """The different rows with the smallest hashes, and how often each came.

    Parameters
    ----------
    hashes : ndarray of uint64, shape (n_different,)
        Ascending.
    counts : ndarray of int, shape (n_different,)
        Rows that have this hash.
    limit : int, optional
        Rows of this hash or a larger one were not counted; None where all were.

    References
    ----------
    Beyer, Haas, Reinwald, Sismanis & Gemulla (2007), On synopses for distinct-value estimation
    under multiset operations.
    """

    hashes: HashArray = field(default_factory=lambda: _NO_HASHES)
    counts: IntArray = field(default_factory=lambda: _NO_COUNTS)
    limit: int | None = None

    @classmethod
    def of(cls, hashes: HashArray, *, limit: int | None = None) -> Copies:
        """Count rows by their hashes, shape (n_rows,), those below a limit if one is given."""
        if limit is not None:
            hashes = hashes[hashes < np.uint64(limit)]
        found, counts = np.unique(hashes, return_counts=True)
        return cls(found, counts.astype(np.int64), limit)._cut()

    @classmethod
    def merged(cls, parts: Sequence[Copies]) -> Copies:
        """Return the counts of the rows of all."""
        limit = min((p.limit for p in parts if p.limit is not None), default=None)
        hashes = np.concatenate([p.hashes for p in parts])
        counts = np.concatenate([p.counts for p in parts])
        if limit is not None:
            below = hashes < np.uint64(limit)
            hashes, counts = hashes[below], counts[below]
        found, inverse = np.unique(hashes, return_inverse=True)
        total = np.zeros(len(found), dtype=np.int64)
        np.add.at(total, inverse, counts)
        return cls(found, total, limit)._cut()

    def repeats(self, rows: int) -> int:
        """Return how many of so many rows repeat one before them.

        Exact up to 16,384 different rows; above, as those counted have it.
        """
        counted = int(self.counts.sum())
        repeats = counted - len(self.hashes)
        return repeats if self.limit is None else round(rows * repeats / max(1, counted))

    def _cut(self) -> Copies:
        if len(self.hashes) <= _MOST:
            return self
        return Copies(self.hashes[:_MOST], self.counts[:_MOST], int(self.hashes[_MOST]))
