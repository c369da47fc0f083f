"""The commonest value of a column and how common it was: what stuck values and defaults show in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import BoolArray
from whydrift.discovery.snapshot.schema import ColumnKind
from whydrift.monitor.diagnosis.faults.base import Suspects, share_rises

__all__ = ["Spike", "spike"]

_LEAST_ROWS = 10
_LEAST_RISE = 0.02
_LEAST_NEW = 0.01  # share of a value outside the reference's range
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
    before, after = suspects.reference.column(name), suspects.current.column(name)
    before, values = before[np.isfinite(before)], after[np.isfinite(after)]
    if min(values.size, before.size) < _LEAST_ROWS:
        return None
    distinct, counts = np.unique(values, return_counts=True)
    top = int(counts.argmax())
    value, count = float(distinct[top]), int(counts[top])
    usual_count = int((before == value).sum())
    found = Spike(
        value,
        count / values.size,
        usual_count / before.size,
        after == value,
        bool(value < before.min() or value > before.max()),
    )
    if count < _LEAST_ROWS or not _stands_out(suspects, name, found, counts):
        return None
    p_value = share_rises(usual_count, before.size, count, values.size)
    return found if p_value < suspects.level / len(suspects.names) else None


def _stands_out(
    suspects: Suspects, name: str, found: Spike, counts: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> bool:
    if found.is_constant:
        return found.usual < 0.9
    kind = suspects.reference.schema[name].kind
    if kind not in {ColumnKind.CONTINUOUS, ColumnKind.COUNT, ColumnKind.TIMESTAMP}:
        return False
    least = _LEAST_NEW if found.is_outside else _LEAST_RISE
    if found.share - found.usual < least or found.usual > 0.2 * found.share:
        return False
    # A count's commonest value moves with its mean; only a spike is suspicious.
    second = float(np.partition(counts, -2)[-2]) / counts.sum() if counts.size > 1 else 0.0
    return bool(found.share >= 5 * second)
