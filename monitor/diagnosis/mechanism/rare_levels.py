"""Rows of rare levels of the parents: each is compared with rows of its own level alone.

Rare levels share one indicator. Where their mix moved, its mean moves with it, and a child would
seem to have changed that only follows its parent. So the window's chance and the outcome are
adjusted level by level: what a level has in common drops out, and one that only one of the windows
has tells nothing.

References
----------
Frisch & Waugh (1933), Partial time regressions as compared with individual trends: subtracting
level means is fitting an indicator of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.monitor.diagnosis.pair import WindowPair

__all__ = ["NONE_RARE", "RareLevels"]

_LEAST_ROWS = 5  # of a level, both windows together: below, its own chance is not known
_SWEEPS = 3  # over several parents that have rare levels


@dataclass(frozen=True)
class RareLevels:
    """Which rare level each row has.

    Parameters
    ----------
    numbers : tuple of ndarray of int, shape (n_rows,)
        One for each parent that has some: 1, 2, … and 0 for rows of common levels.
    """

    numbers: tuple[IntArray, ...] = ()

    @classmethod
    def of(cls, pair: WindowPair, parents: tuple[str, ...], rows: BoolArray) -> RareLevels:
        """Find them in chosen rows, in which all parents have values."""
        numbers = []
        for parent in parents:
            features = pair.features(parent)
            if -1 in features.levels:
                is_rare = features.linear[rows, features.levels.index(-1)] > 0
                codes = np.where(is_rare, pair.values(parent)[rows], -1.0)
                found, number = np.unique(codes, return_inverse=True)
                numbers.append(number + (found[0] >= 0))
        return cls(tuple(numbers))

    @property
    def count(self) -> int:
        """How many have rows enough to tell of."""
        rows = (np.bincount(number)[1:] for number in self.numbers)
        return sum(int((of_each >= _LEAST_ROWS).sum()) for of_each in rows)

    def within(self, rows: BoolArray | IntArray) -> RareLevels:
        """Return those of some rows."""
        return RareLevels(tuple(number[rows] for number in self.numbers))

    def any(self, rows: int) -> BoolArray:
        """Return which of so many rows have a rare level of some parent."""
        out = np.zeros(rows, dtype=bool)
        for number in self.numbers:
            out |= number > 0
        return out

    def centred(self, values: FloatArray) -> FloatArray:
        """Return values, shape (n_rows,) or (n_rows, k), less the mean of their rare level."""
        out = values
        for _ in range(_SWEEPS if len(self.numbers) > 1 else 1):
            for number in self.numbers:
                rows = np.maximum(np.bincount(number), 1)
                columns = out if out.ndim == 2 else out[:, None]
                means = [np.bincount(number, column) / rows for column in columns.T]
                table = np.stack(means, axis=1)
                table[0] = 0.0  # common levels have indicators
                out = (columns - table[number]).reshape(values.shape)
        return out

    def chance(self, chance: FloatArray, current: FloatArray) -> FloatArray:
        """Return the chance of the current window, adjusted so that it is right in each level.

        Parameters
        ----------
        chance, current : ndarray of shape (n_rows,)
            The chance by the parents' features, and 1 or 0.
        """
        if not self.numbers:
            return chance
        out = np.clip(current - self.centred(current - chance), 0.0, 1.0)
        for number in self.numbers:
            few = np.bincount(number) < _LEAST_ROWS
            few[0] = False
            out = np.where(few[number], current, out)
        return out


NONE_RARE: Final = RareLevels()
