"""Two windows in which one column stands for whether it has a value: what its gaps depend on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.monitor.diagnosis.pair import WindowPair

__all__ = ["GapPair"]


@dataclass(frozen=True)
class GapPair(WindowPair):
    """Two windows in which the values of one column are two levels: missing (1) and there (0).

    Parameters
    ----------
    gaps_of : str
        That column.
    """

    gaps_of: str = ""

    @classmethod
    def of(cls, pair: WindowPair, name: str) -> GapPair:
        """Return the windows with a column's gaps in its place."""
        return cls(pair.reference, pair.current, pair.names, pair.cluster, pair.parts, gaps_of=name)

    def values(self, name: str) -> FloatArray:
        """Return a column's pooled values; of the one in question, whether each is missing."""
        values = super().values(name)
        return np.isnan(values).astype(float) if name == self.gaps_of else values

    def is_discrete(self, name: str) -> bool:
        """Whether a column holds categories; gaps do."""
        return name == self.gaps_of or super().is_discrete(name)
