"""Two windows in which one column stands for whether it has a value: what its gaps depend on."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.scores.features import Features
from whydrift.monitor.diagnosis.pair import WindowPair

__all__ = ["GapPair"]


@dataclass(frozen=True)
class GapPair(WindowPair):
    """Two windows in which the values of one column are two levels: missing (1) and there (0).

    Parameters
    ----------
    whole : WindowPair
        The windows as they are. What they know of the other columns stands here too: with gaps in
        many columns, each would compute the features of all once more.
    gaps_of : str
        That column.
    """

    whole: WindowPair = field(kw_only=True, repr=False, compare=False)
    gaps_of: str = field(kw_only=True)

    @classmethod
    def of(cls, pair: WindowPair, name: str) -> GapPair:
        """Return the windows with a column's gaps in its place."""
        return cls(
            pair.reference,
            pair.current,
            pair.names,
            pair.cluster,
            pair.parts,
            whole=pair,
            gaps_of=name,
        )

    def values(self, name: str) -> FloatArray:
        """Return a column's pooled values; of the one in question, whether each is missing."""
        values = super().values(name)
        return np.isnan(values).astype(float) if name == self.gaps_of else values

    def is_discrete(self, name: str) -> bool:
        """Whether a column holds categories; gaps do."""
        return name == self.gaps_of or super().is_discrete(name)

    def features(self, name: str) -> Features:
        """Return a column's features over the pooled rows."""
        return super().features(name) if name == self.gaps_of else self.whole.features(name)

    def observed(self, name: str) -> BoolArray:
        """Return which pooled rows have a value in this column; whether one is missing is known."""
        return super().observed(name) if name == self.gaps_of else self.whole.observed(name)

    def lag(self, name: str) -> float:
        """Return how much neighbouring rows resemble each other in a column."""
        return super().lag(name) if name == self.gaps_of else self.whole.lag(name)

    @cached_property
    def clusters(self) -> IntArray | None:
        """Cluster number of each pooled row, or None."""
        return self.whole.clusters

    @cached_property
    def calendar(self) -> FloatArray | None:
        """Columns of the calendar, or None."""
        return self.whole.calendar
