"""Names for the array types that cross module borders."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["BoolArray", "FloatArray", "IntArray", "read_only"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


def read_only(array: FloatArray) -> FloatArray:
    """Return the array with writing switched off (no copy)."""
    array.setflags(write=False)
    return array
