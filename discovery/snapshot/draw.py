"""Which rows of a window its sample holds, so that samples can be joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.snapshot.row_hash import HashArray

__all__ = ["Draw"]

_ALL = 1.0  # the threshold where no row was left out: priorities lie below


@dataclass(frozen=True)
class Draw:
    """The rows of a sample, in its order, and what decided on them.

    Parameters
    ----------
    priority : ndarray of shape (n_sampled,)
        Each row's number in [0, 1); all lie below the threshold.
    row : ndarray of uint64, shape (n_sampled,)
        Hash of the row's values: the first to settle a tie.
    run : ndarray of uint64, shape (n_sampled,)
        Stands for the table or stream that the row came in.
    place : ndarray of int, shape (n_sampled,)
        Its place there.
    threshold : float
        τ: the smallest priority of a row that was left out; 1 where all rows are here. Each row of
        the window had this chance to be in the sample.
    most : int
        Most rows that the sample may hold.
    salt : int
        Samples of one salt can be joined.
    """

    priority: FloatArray
    row: HashArray
    run: HashArray
    place: IntArray
    threshold: float
    most: int
    salt: int

    def __len__(self) -> int:
        return len(self.priority)

    @property
    def is_whole(self) -> bool:
        """Whether no row was left out."""
        return self.threshold >= _ALL

    def kept(self) -> tuple[IntArray, float]:
        """Return the rows that a sample may hold, in their order here, and its threshold.

        The smallest priorities, down to the first that would be too many. Of rows that tie there,
        as those of a block do, none is kept, unless that block is more than half of all.
        """
        inside = np.flatnonzero(self.priority < self.threshold)
        # Of a block larger than the sample some rows are kept at the threshold itself.
        if len(inside) < self.most // 2:
            inside = np.flatnonzero(self.priority <= self.threshold)
        if len(inside) <= self.most:
            return inside.astype(np.int64), self.threshold
        threshold = float(np.partition(self.priority[inside], self.most)[self.most])
        below = inside[self.priority[inside] < threshold]
        if len(below) < self.most // 2:
            tied = inside[self.priority[inside] == threshold]
            keys = (self.place, self.run, self.row)
            ranked = tied[np.lexsort([key[tied] for key in keys])]
            below = np.sort(np.concatenate([below, ranked[: self.most - len(below)]]))
        return below.astype(np.int64), threshold

    def has_predecessor(self) -> BoolArray:
        """Return which rows come just after the row before them here, shape (n_sampled,)."""
        out = np.zeros(len(self), dtype=bool)
        # In the order of time rows of several runs may follow each other, if none was left out.
        near = (self.run[1:] == self.run[:-1]) & (np.diff(self.place) == 1)
        out[1:] = True if self.is_whole else near
        return out

    def taken(self, rows: IntArray, threshold: float | None = None) -> Draw:
        """Return these rows of the draw, in this order."""
        return Draw(
            self.priority[rows],
            self.row[rows],
            self.run[rows],
            self.place[rows],
            self.threshold if threshold is None else threshold,
            self.most,
            self.salt,
        )

    @classmethod
    def joined(cls, draws: Sequence[Draw]) -> Draw:
        """Return the rows of all, in this order; not yet cut to what a sample may hold."""
        assert len({d.salt for d in draws}) == 1, [d.salt for d in draws]
        return cls(
            np.concatenate([d.priority for d in draws]),
            np.concatenate([d.row for d in draws]),
            np.concatenate([d.run for d in draws]),
            np.concatenate([d.place for d in draws]),
            min(d.threshold for d in draws),
            min(d.most for d in draws),
            draws[0].salt,
        )

    def order(self, times: FloatArray | None) -> IntArray:
        """Return the order of the rows: by time where it is known, else as they came in each run.

        Runs follow each other by the number that stands for them, so that it does not matter
        which was read first.
        """
        keys: list[Any] = [self.place, self.run]
        return np.lexsort(keys if times is None else [*keys, times]).astype(np.int64)
