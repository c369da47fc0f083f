"""The sd of a column, and the column in units of it."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import FloatArray

__all__ = ["of_unit_size", "sd_of"]


def of_unit_size(values: FloatArray) -> FloatArray:
    """Return values divided by their sd."""
    out: FloatArray = values / max(sd_of(values), 1e-12)
    return out


def sd_of(values: FloatArray) -> float:
    """Return the sd of values about their mean."""
    centred = values - values.mean()
    return float(np.sqrt(centred @ centred / len(values)))
