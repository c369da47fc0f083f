"""What a clock on the wall shows: days and hours are those of a place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from whydrift.discovery.arrays import FloatArray

__all__ = ["UTC", "LocalTime"]


@dataclass(frozen=True)
class LocalTime:
    """How far the clocks of a place are ahead of UTC, and since when.

    Parameters
    ----------
    changes : tuple of float
        Seconds since 1970 at which clocks were put forward or back, ascending.
    ahead : tuple of float
        Seconds they are ahead before the first of these, and from each on.
    """

    changes: tuple[float, ...]
    ahead: tuple[float, ...]

    def __call__(self, seconds: FloatArray) -> FloatArray:
        """Return what the clocks showed, as seconds since 1970; NaN where it is unknown."""
        if not self.changes:
            return seconds + self.ahead[0]
        place = np.searchsorted(self.changes, seconds, "right")
        out: FloatArray = seconds + np.array(self.ahead)[place]
        return out


UTC: Final = LocalTime((), (0.0,))
