"""Numbers that end at a limit now, at which those stand that went on beyond it.

Where observation ends earlier, a sensor's range is less or a form takes no more, many rows share
the last value. That is no placeholder, and no shift: what is beyond the limit is not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.schema import ColumnKind
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["CUT_OFF", "Limit", "cut_off_notes", "limit_of"]

CUT_OFF: Final = "cut_off"  # code of the note

_LEAST_SHARE, _LEAST_ROWS = 0.03, 20  # that stand at the limit
_MOST_SHARE = 0.9  # a column that hardly has another value stands still
_LEAST_EXPECTED = 30.0  # rows beyond it, were it not there
_MOST_BEFORE = 0.2  # of that share, in the reference
_LEAST_OF_THEM, _MOST_OF_THEM = 0.5, 1.5  # beside the reference's share at it and beyond
_LEAST_VALUES = 20


@dataclass(frozen=True, slots=True)
class Limit:
    """The end of a column in the current window.

    Parameters
    ----------
    value : float
        Where it is.
    is_upper : bool
        Whether no value is above, or none below.
    share : float
        Of the current rows that stand at it.
    beyond : float
        Share of the reference's rows that lie beyond it.
    """

    value: float
    is_upper: bool
    share: float
    beyond: float

    @property
    def words(self) -> str:
        """What is seen, such as ``no value is above 240``."""
        side = "above" if self.is_upper else "below"
        return (
            f"no value is {side} {self.value:.6g}, where {self.share:.1%} of the rows stand; in "
            f"the reference {self.beyond:.1%} lie {side}"
        )


def limit_of(before: FloatArray, after: FloatArray) -> Limit | None:
    """Return the limit at which a column was cut off, or None.

    About as many rows stand at it as the reference has there and beyond: a distribution that moved
    thins out towards its end instead.

    Parameters
    ----------
    before, after : ndarray
        Its values, NaN where missing.
    """
    before, after = (values[np.isfinite(values)] for values in (before, after))
    if min(before.size, after.size) < _LEAST_ROWS or np.unique(before).size < _LEAST_VALUES:
        return None
    return next(_limits(before, after), None)


def cut_off_notes(reference: Snapshot, current: Snapshot, names: Sequence[str]) -> list[Note]:
    """Return what to say of numbers that are cut off in the current window."""
    notes = []
    for name in names:
        if reference.schema[name].kind not in {ColumnKind.CONTINUOUS, ColumnKind.COUNT}:
            continue
        found = limit_of(reference.column(name), current.column(name))
        if found is not None:
            text = (
                f"{name!r} seems to be cut off: {found.words}; what lies beyond is not known, and "
                "a model that learns these rows learns the limit"
            )
            notes.append(Note(CUT_OFF, name, text))
    return notes


def _limits(before: FloatArray, after: FloatArray) -> Iterator[Limit]:
    for is_upper in (True, False):
        sign = 1.0 if is_upper else -1.0
        value = float(sign * (sign * after).max())
        share, usual = float((after == value).mean()), float((before == value).mean())
        beyond = float((sign * before > sign * value).mean())
        if (
            max(_LEAST_SHARE, _LEAST_ROWS / after.size) <= share <= _MOST_SHARE
            and beyond * after.size >= _LEAST_EXPECTED
            and usual <= _MOST_BEFORE * share
            and _LEAST_OF_THEM <= share / (usual + beyond) <= _MOST_OF_THEM
        ):
            yield Limit(value, is_upper, share, beyond)
