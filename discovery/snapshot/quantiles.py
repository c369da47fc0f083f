"""Quantiles of all rows of a column, from a sketch of a few kilobytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from whydrift.discovery.arrays import FloatArray

__all__ = ["QuantileSketch"]

_SIZE = 200  # k of the sketch: a rank is off by at most 1.33 % in 99 cases of 100


@dataclass(frozen=True)
class QuantileSketch:
    """A mergeable summary of a column's values; about 5 kB however many there are.

    Parameters
    ----------
    stored : bytes
        A KLL sketch of doubles as Apache DataSketches writes it, which other tools read too. It
        draws by chance which values it keeps: two sketches of the same values are not the same
        bytes.

    References
    ----------
    Karnin, Lang & Liberty (2016), Optimal quantile approximation in streams, FOCS.
    """

    stored: bytes

    @classmethod
    def of(cls, values: FloatArray) -> QuantileSketch:
        """Summarise values, shape (n_values,); missing ones are passed over."""
        from datasketches import kll_doubles_sketch

        sketch = kll_doubles_sketch(_SIZE)
        sketch.update(np.ascontiguousarray(values[np.isfinite(values)]))
        return cls(sketch.serialize())

    @classmethod
    def merged(cls, parts: Sequence[QuantileSketch]) -> QuantileSketch:
        """Return the summary of the values of all."""
        from datasketches import kll_doubles_sketch

        if len(parts) == 1:
            return parts[0]
        sketch = kll_doubles_sketch(_SIZE)
        for part in parts:
            sketch.merge(part._read())
        return cls(sketch.serialize())

    @property
    def count(self) -> int:
        """Values summarised."""
        return int(self._read().n)

    def quantiles(self, shares: FloatArray) -> FloatArray:
        """Return the values below which these shares of all lie; NaN where there are none."""
        sketch = self._read()
        if sketch.is_empty():
            return np.full(len(shares), np.nan)
        return np.array(sketch.get_quantiles(list(shares)), dtype=np.float64)

    def _read(self) -> Any:
        from datasketches import kll_doubles_sketch

        return kll_doubles_sketch.deserialize(self.stored)
