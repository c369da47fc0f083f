"""The longest stretch of rows with one value: what a usual value that stands still shows in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import bdtr

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.snapshot.schema import ColumnKind
from whydrift.monitor.diagnosis.faults.base import Suspects

__all__ = ["Stretch", "is_of_one_thing", "longest", "longest_stretch"]

_KINDS: Final = frozenset({ColumnKind.CONTINUOUS, ColumnKind.COUNT, ColumnKind.ORDINAL})
_LEAST_VALUES = 7  # a switch, a price of a list stays where it is put
_AT_REST = 0.05  # share of zeros from which on nothing going on is usual
_LEAST_CHANCE = 1e-3
_MOST_COMPANIONS = 60
_MOST_OF_THEM, _NEARLY_ALL = 0.5, 0.95
_USUAL = 0.5  # share of a value that is no company
_LEAST_ROWS, _LEAST_SHARE = 20, 0.02
_LONGER = 5  # times the longest of the reference
_OTHERS = 2  # times the same, of all other stretches: rows in another order have several


@dataclass(frozen=True)
class Stretch:
    """Rows running in which a column has one value.

    Parameters
    ----------
    value : float
    rows : ndarray of bool, shape (n_current_sampled,)
    usual : int
        Rows of the reference's longest stretch of any value.
    """

    value: float
    rows: BoolArray
    usual: int


def longest_stretch(suspects: Suspects, name: str) -> Stretch | None:
    """Return the one stretch of a value that the reference's order of rows does not explain.

    By its stretches the reference tells how long values last, and by the rows that are followed by
    their like how likely so many are: a window whose rows are in another order has more than one
    that is too long, and a switch, a grade of a few and what stands for days stand no longer here
    than there. Nor does a column that has company.
    """
    column = suspects.reference.schema[name]
    if column.kind not in _KINDS:
        return None
    before, after = suspects.reference.column(name), suspects.current.column(name)
    known, present = before[np.isfinite(before)], np.flatnonzero(np.isfinite(after))
    if min(known.size, present.size) < _LEAST_ROWS / _LEAST_SHARE / _LONGER:
        return None
    values = after[present]
    begins, lengths = _stretches(values)
    longest = int(lengths.argmax())
    rows = int(lengths[longest])
    if rows < max(_LEAST_ROWS, _LEAST_SHARE * values.size) or rows == values.size:
        return None
    if np.unique(known).size < _LEAST_VALUES:
        return None
    begin, value = int(begins[longest]), float(values[begins[longest]])
    # Rows of the window, of which the sample may have a part.
    thinned = max(1.0, suspects.reference.rows / len(before))
    usual = int(np.ceil(_stretches(known)[1].max() * thinned))
    others = np.delete(lengths, longest).max(initial=0)
    if rows < _LONGER * usual or others > _OTHERS * usual:
        return None
    here = known[:-1] == value
    again = float((here & (known[1:] == value)).sum() + 1) / float(here.sum() + 2)
    if np.log(values.size) + rows * np.log(again) > np.log(suspects.level / len(suspects.names)):
        return None
    share = float((known == value).mean())
    if value == 0 and share >= _AT_REST:
        return None  # a shop that was closed, a month without rain
    # Rows whose order says nothing in the reference, and of which these were put together here:
    # there are none of them elsewhere.
    error = np.sqrt(share * (1 - share) / max(1, int(here.sum())))
    left = int((values == value).sum()) - rows
    if again <= share + 3 * error and bdtr(left, values.size - rows, share) < _LEAST_CHANCE:
        return None
    still = np.zeros(len(after), dtype=np.bool_)
    still[present[begin : begin + rows]] = True
    return None if is_of_one_thing(suspects, name, still) else Stretch(value, still, usual)


def is_of_one_thing(suspects: Suspects, name: str, rows: BoolArray) -> bool:
    """Whether another column stands still in most of the rows, and nowhere for as long before.

    They are those of one user then, or of one machine.

    Parameters
    ----------
    suspects : Suspects
    name : str
        The column that stands still in the rows.
    rows : ndarray of bool, shape (n_current_sampled,)
    """
    begins, lengths = _stretches(rows.astype(np.float64))
    runs = np.where(rows[begins], lengths, 0)
    begin, length = int(begins[runs.argmax()]), int(runs.max())
    if length < _MOST_OF_THEM * rows.sum():
        return False
    for other in suspects.names[:_MOST_COMPANIONS]:
        if other == name:
            continue
        here = suspects.current.column(other)[begin : begin + length]
        # Neighbours may share one of the values by chance; missing values are no company.
        if (here == here[length // 2]).mean() < _NEARLY_ALL:
            continue
        before = suspects.reference.column(other)
        known = before[np.isfinite(before)]
        is_usual = (known == here[length // 2]).mean() > _USUAL if known.size else True
        if not is_usual and length >= _LONGER * _stretches(known)[1].max():
            return True
    return False


def longest(values: FloatArray | BoolArray, of: float | None = None) -> int:
    """Return the rows of the longest stretch of equal values, or of one value; NaN is none."""
    begins, lengths = _stretches(np.asarray(values, dtype=np.float64))
    first = np.asarray(values, dtype=np.float64)[begins]
    counted = np.isfinite(first) if of is None else first == of
    return int(lengths[counted].max(initial=0))


def _stretches(values: FloatArray) -> tuple[IntArray, IntArray]:
    """Return where each stretch of equal values begins, and its rows."""
    begins = np.flatnonzero(np.append(True, values[1:] != values[:-1]))
    return begins, np.diff(begins, append=values.size)
