"""The commonest value of a column and how common it was: what stuck values and defaults show in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import BoolArray, IntArray
from whydrift.discovery.snapshot.schema import ColumnKind
from whydrift.monitor.diagnosis.faults.base import MOST_COLUMNS, Suspects, share_rises

__all__ = ["Spike", "belongs_to_a_category", "spike"]

_LEAST_ROWS = 10
_LEAST_RISE = 0.02
_LEAST_NEW = 0.01  # share of a value outside the reference's range
_APART = 0.5  # of the reference's range, from the nearest other value
_LEAST_OF_A_LEVEL, _MOST_OF_IT = 20, 0.9
_AS_LONG = 0.5  # days differ in their rows
CONSTANT = 0.999


@dataclass(frozen=True)
class Spike:
    """One value in far more rows than the reference has it.

    Parameters
    ----------
    value : float
        The value (a code where the column holds categories).
    share, usual : float
        Of the present values, now and in the reference.
    rows : ndarray of bool, shape (n_current_sampled,)
        Where it stands.
    is_outside : bool
        Whether the value lies outside the range of the reference's.
    """

    value: float
    share: float
    usual: float
    rows: BoolArray
    is_outside: bool

    @property
    def is_constant(self) -> bool:
        """Whether the column hardly has another value."""
        return self.share >= CONSTANT

    @property
    def comes_in_runs(self) -> bool:
        """Whether the value stands in long stretches of rows, as a stuck sensor's does."""
        count = int(self.rows.sum())
        runs = int(self.rows[0]) + int((self.rows[1:] & ~self.rows[:-1]).sum())
        by_chance = count * (1 - self.share) + 1
        return runs < 0.5 * by_chance


def spike(suspects: Suspects, name: str) -> Spike | None:
    """Return the value that spikes in a column, or None.

    Continuous columns and counts: a value that the reference (nearly) never has, or a column that
    became constant. Grades and categories have few values anyway: only a constant is suspicious.
    Times: a moment that the reference never has.
    """
    if any(n.code == "large_numbers" and n.column == name for n in suspects.current.notes):
        return None  # several whole numbers that were rounded to one
    before, after = suspects.reference.column(name), suspects.current.column(name)
    before, values = before[np.isfinite(before)], after[np.isfinite(after)]
    if min(values.size, before.size) < _LEAST_ROWS:
        return None
    ordered = suspects.current.ascending(name)
    if not (ordered[_LEAST_ROWS - 1 :] == ordered[: 1 - _LEAST_ROWS]).any():
        return None  # no value comes so often
    distinct, counts = np.unique(values, return_counts=True)
    # The commonest value, or one at either end: a rounded column has common values of its own.
    for number in dict.fromkeys((int(counts.argmax()), 0, len(counts) - 1)):
        value, count = float(distinct[number]), int(counts[number])
        if count < _LEAST_ROWS:
            continue
        usual_count = int((before == value).sum())
        found = Spike(
            value,
            count / values.size,
            usual_count / before.size,
            after == value,
            bool(value < before.min() or value > before.max()),
        )
        others = np.delete(distinct, number)
        low, high = float(before.min()), float(before.max())
        # Values that all are new, such as converted ones, are no measure of how far one lies off.
        known = np.delete(counts, number)[(others >= low) & (others <= high)].sum()
        is_apart = bool(
            known >= _APART * (values.size - count)
            and (np.abs(others - value) > _APART * (high - low)).all()
        )
        if not _stands_out(suspects, name, found, np.delete(counts, number), is_apart=is_apart):
            continue
        p_value = share_rises(usual_count, before.size, count, values.size)
        if p_value < suspects.level / len(suspects.names):
            return found
    return None


def belongs_to_a_category(suspects: Suspects, name: str, seen: Spike) -> bool:
    """Whether the value is that of a category in the reference too, which more rows have now.

    A flat tariff, the fee of students.
    """
    before = suspects.reference.column(name)
    for other in suspects.names[:MOST_COLUMNS]:
        if other == name or not suspects.reference.schema[other].kind.is_discrete:
            continue
        codes = suspects.reference.column(other)
        known = np.isfinite(codes) & np.isfinite(before)
        level = codes[known].astype(np.int64)
        rows = np.bincount(level)
        hits = np.bincount(level[before[known] == seen.value], minlength=len(rows))
        own = np.flatnonzero((rows >= _LEAST_OF_A_LEVEL) & (hits >= _MOST_OF_IT * rows))
        if own.size and np.isin(suspects.current.column(other)[seen.rows], own).mean() >= (
            _MOST_OF_IT
        ):
            return True
    return False


def _stands_out(
    suspects: Suspects, name: str, found: Spike, others: IntArray, *, is_apart: bool
) -> bool:
    if found.is_constant:
        return found.usual < 0.9 and not (found.usual > 0 and _stood_as_long(suspects, name))
    kind = suspects.reference.schema[name].kind
    if kind not in {ColumnKind.CONTINUOUS, ColumnKind.COUNT, ColumnKind.TIMESTAMP}:
        return False
    least = _LEAST_NEW if found.is_outside else _LEAST_RISE
    if found.share - found.usual < least or found.usual > 0.2 * found.share:
        return False
    # A count's commonest value moves with its mean; only a spike, or a value far from all others,
    # is suspicious.
    rows = int(found.rows.sum())
    return (found.is_outside and is_apart) or rows >= 5 * int(others.max(initial=0))


def _stood_as_long(suspects: Suspects, name: str) -> bool:
    """Whether any value stood in the reference for about as many rows as the current window has.

    A weekday is constant in a window of a day, as is a state that lasts: no column is stuck then.
    """
    reference = suspects.reference
    values = reference.column(name)
    ends = np.flatnonzero(np.append(values[1:] != values[:-1], True))
    longest = int(np.diff(ends, prepend=-1).max())
    # Rows of the window, of which the sample may have a part.
    return longest * reference.rows / len(values) >= _AS_LONG * suspects.current.rows
