"""How many comes before how much: an amount does not cause the count that is 0 in the same rows.

Claims and their cost, orders and revenue, calls and minutes: both are nothing together, so that
either tells whether the other is there, and of what is left a few counts of one and two say little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.whole_numbers import are_whole

__all__ = ["how_much", "with_how_many_first"]

_LEAST_ZEROS, _MOST_ZEROS = 0.1, 0.98  # of the rows
_MOST_AGAINST = 0.02  # of the rows that are 0, or that are not, whichever are fewer
_TIMES_AS_MANY = 5  # values that an amount has, at least, beside those of a count


def how_much(reference: Snapshot, names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return (amount, count) of numbers that are 0 in the same rows.

    Parameters
    ----------
    reference : Snapshot
        Where it is looked at.
    names : sequence of str
        Columns asked about.
    """
    numbers = {
        n: v
        for n in names
        if reference.schema[n].kind.is_numeric and _is_often_nothing(v := reference.column(n))
    }
    if len(numbers) < 2:
        return ()
    values = {n: np.unique(v).size for n, v in numbers.items()}
    return tuple(
        (amount, count)
        for amount in numbers
        for count in numbers
        if values[amount] >= _TIMES_AS_MANY * values[count]
        and values[count] > 2
        and are_whole(numbers[count])
        and _go_together(numbers[amount], numbers[count])
    )


def with_how_many_first(known: Knowledge, pairs: Sequence[tuple[str, str]]) -> Knowledge:
    """Return what is known, and that no amount causes its count, where nobody says otherwise."""
    new = [
        (amount, count)
        for amount, count in pairs
        if known.allows(count, amount) and (amount, count) not in {*known.required}
    ]
    return replace(known, forbidden=tuple(dict.fromkeys((*known.forbidden, *new))))


def _is_often_nothing(values: FloatArray) -> bool:
    if not values.size or not np.isfinite(values).all() or values.min() < 0:
        return False
    return _LEAST_ZEROS <= float((values == 0).mean()) <= _MOST_ZEROS


def _go_together(amount: FloatArray, count: FloatArray) -> bool:
    nothing = amount == 0
    fewer = min(int(nothing.sum()), int((~nothing).sum()))
    return int((nothing != (count == 0)).sum()) <= _MOST_AGAINST * fewer
