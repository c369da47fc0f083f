"""What is summed up over all rows of a window for several columns at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from whydrift.discovery.arrays import BoolArray, IntArray
from whydrift.discovery.snapshot.copies import Copies
from whydrift.discovery.snapshot.frequent import FrequentValues
from whydrift.discovery.snapshot.moments import Moments
from whydrift.discovery.snapshot.quantiles import QuantileSketch

__all__ = ["CoMissing", "Totals"]

_MOST_IN_PAIRS: Final = 200  # columns


@dataclass(frozen=True)
class CoMissing:
    """In how many rows two columns are missing together; on the diagonal, each alone.

    Not counted for more than 200 columns: ``rows`` is then None.
    """

    names: tuple[str, ...]
    rows: IntArray | None

    @classmethod
    def of(cls, names: Sequence[str], missing: Mapping[str, BoolArray]) -> CoMissing:
        """Count rows, given which rows of each column are missing; those not named have none."""
        if len(names) > _MOST_IN_PAIRS:
            return cls(tuple(names), None)
        out = np.zeros((len(names), len(names)), dtype=np.int64)
        some = [place for place, name in enumerate(names) if name in missing]
        if some:
            masks = np.column_stack([missing[names[place]] for place in some]).astype(np.float64)
            out[np.ix_(some, some)] = (masks.T @ masks).astype(np.int64)
        return cls(tuple(names), out)

    @classmethod
    def merged(cls, parts: Sequence[CoMissing]) -> CoMissing:
        """Return the counts of the rows of all."""
        assert len({p.names for p in parts}) == 1
        counted = [p.rows for p in parts if p.rows is not None]
        return cls(parts[0].names, sum(counted[1:], start=counted[0]) if counted else None)


@dataclass(frozen=True)
class Totals:
    """Sums over all rows of a window, of several columns at once.

    Parameters
    ----------
    moments : Moments
        Of the numbers.
    co_missing : CoMissing
        Of the columns in the sample.
    copies : Copies
        Of whole rows.
    sketches : mapping of str to QuantileSketch
        Of numbers and times; empty while the sample holds all rows, whose quantiles are exact.
    frequent : mapping of str to FrequentValues
        Of columns with more categories than are told apart.
    """

    moments: Moments
    co_missing: CoMissing
    copies: Copies
    sketches: Mapping[str, QuantileSketch] = field(default_factory=dict, repr=False)
    frequent: Mapping[str, FrequentValues] = field(default_factory=dict, repr=False)
