"""Rows in which one column says that another one has a value, or that it has none.

A discount is there where there is a coupon, a rating where there are reviews. Such a thing is read
off the reference, in which it always held.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.monitor.diagnosis.faults.base import MOST_COLUMNS, Suspects

__all__ = ["Presence"]

_NEARLY_NONE = 0.005  # of the rows of a category, that say otherwise
_LEAST_CHANCE = 1e-4  # of as few in a category as it has
_LEAST_TIMES, _LEAST_COMMON = 10, 0.01  # rows, and share, of a number's value that may say it


@dataclass(frozen=True)
class _Levels:
    """A column's codes in both windows, -1 where it has none that the reference often has."""

    before: IntArray
    now: IntArray
    count: int


class Presence:
    """Asks each column of a pair of windows whether it tells where another one has a value.

    Parameters
    ----------
    suspects : Suspects
    """

    def __init__(self, suspects: Suspects) -> None:
        self._suspects = suspects
        self._names = suspects.names[:MOST_COLUMNS]
        self._there: dict[str, tuple[BoolArray, BoolArray]] = {}
        self._levels: dict[str, _Levels | None] = {}

    def others(self, name: str) -> list[str]:
        """Return the columns that are asked about one."""
        return [n for n in self._names if n != name]

    def always(self, other: str, gone: BoolArray, near: float = 1.0) -> tuple[BoolArray, BoolArray]:
        """Return the rows of both windows in which a column says that there is a value.

        By a category, or a common value of a number, with which the reference always has one, or,
        of a number, by being there.

        Parameters
        ----------
        other : str
            That column.
        gone : ndarray of bool, shape (n_reference_sampled,)
            Where the reference has no value.
        near : float
            How many rows tell as much as one.

        Returns
        -------
        before, now : ndarray of bool, shape (n_reference_sampled,), (n_current_sampled,)
        """
        usual = float(gone.mean())
        there, there_now = self._present(other)
        if not self._suspects.reference.schema[other].kind.is_discrete:
            counts = np.array([(gone & there).sum()]), np.array([there.sum()])
            if _hardly_any(*counts, usual, near).all():
                return there, there_now
        levels = self._of(other)
        if levels is None:
            return np.zeros_like(there), np.zeros_like(there_now)
        rows = np.bincount(levels.before + 1, minlength=levels.count + 1)
        missing = np.bincount(levels.before[gone] + 1, minlength=levels.count + 1)
        is_whole = _hardly_any(missing, rows, usual, near)
        is_whole[0] = False  # no category, or a new one
        return is_whole[levels.before + 1], is_whole[levels.now + 1]

    def never(self, name: str) -> tuple[BoolArray, BoolArray]:
        """Return the rows of both windows in which some column says that there is no value."""
        there, there_now = self._present(name)
        said = np.zeros_like(there), np.zeros_like(there_now)
        for other in self.others(name):
            for rows, found in zip(said, self.always(other, there), strict=True):
                rows |= found
        return said

    def _present(self, name: str) -> tuple[BoolArray, BoolArray]:
        if name not in self._there:
            windows = self._suspects.reference, self._suspects.current
            before, now = (np.isfinite(w.column(name)) for w in windows)
            self._there[name] = before, now
        return self._there[name]

    def _of(self, name: str) -> _Levels | None:
        if name not in self._levels:
            self._levels[name] = self._read(name)
        return self._levels[name]

    def _read(self, name: str) -> _Levels | None:
        windows = self._suspects.reference, self._suspects.current
        before, now = (w.column(name) for w in windows)
        known = before[np.isfinite(before)]
        if self._suspects.reference.schema[name].kind.is_discrete:
            values = np.arange(known.max(initial=-1.0) + 1)
        else:
            different, counts = np.unique(known, return_counts=True)
            values = different[counts >= max(_LEAST_TIMES, _LEAST_COMMON * known.size)]
        if not values.size:
            return None
        return _Levels(_codes(values, before), _codes(values, now), values.size)


def _codes(values: FloatArray, column: FloatArray) -> IntArray:
    """Return the places of a column's values among ascending ones, -1 where they are none."""
    place = np.minimum(np.searchsorted(values, column), values.size - 1)
    return np.where(values[place] == column, place, -1)


def _hardly_any(missing: IntArray, rows: IntArray, usual: float, near: float) -> BoolArray:
    """Return which categories lack (nearly) no value, and not by being small."""
    by_chance = bdtr(np.ceil(missing / near), (rows / near).astype(np.int64), usual)
    is_rare = by_chance < _LEAST_CHANCE / max(1, len(rows))
    return np.asarray((missing <= _NEARLY_NONE * rows) & is_rare)
