"""Whether values are whole numbers: counts, grades, hours, names."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import FloatArray

__all__ = ["are_whole"]


def are_whole(*columns: FloatArray) -> bool:
    """Whether all values of some columns are whole numbers; a missing one is none."""
    return all(bool((values == np.floor(values)).all()) for values in columns)
