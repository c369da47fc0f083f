"""How many rows fell into each span of time: what a gap or a thinned stream shows in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray

__all__ = ["Timeline", "bins"]

_MOST_BINS = 4_096
_FARTHEST = 2.5e11  # seconds from 1970 to the year 9999, nearly
# Seconds; each divides the next, so that finer counts add up to coarser ones.
_LENGTHS: Final = (1, 10, 60, 300, 900, 3_600, 21_600, 86_400, 604_800)


def bins(times: FloatArray, seconds: int) -> IntArray:
    """Return the number of the span of so many seconds since 1970 that each time is in.

    The same as ``times // seconds``, in a quarter of the time.
    """
    places = np.floor(times / seconds)
    # Rounding may have carried a time just before a bound over it, or the other way.
    places -= places * seconds > times
    places += (places + 1) * seconds <= times
    return places.astype(np.int64)


@dataclass(frozen=True, slots=True)
class Timeline:
    """Rows of a window per bin of time; bins of all timelines lie on one grid.

    Parameters
    ----------
    seconds : int
        Length of a bin.
    first : int
        Number of the first bin since 1970.
    counts : tuple of int
        Rows per bin, from the first to the last that has rows.
    """

    seconds: int
    first: int
    counts: tuple[int, ...]

    @classmethod
    def of(cls, times: FloatArray) -> Timeline | None:
        """Count times (seconds since 1970, all finite) in the finest bins that fit.

        Of a window longer than the coarsest bins can hold the last part is counted; of times
        beyond the year 9999, which are none, nothing.
        """
        if not times.size:
            return None
        low, high = float(times.min()), float(times.max())
        if max(-low, high) >= _FARTHEST:
            return cls.of(times[np.abs(times) < _FARTHEST])
        fits = (s for s in _LENGTHS if high // s - low // s < _MOST_BINS)
        seconds = next(fits, _LENGTHS[-1])
        places = bins(times, seconds)
        first = max(int(low // seconds), int(high // seconds) - _MOST_BINS + 1)
        counts = np.bincount(places[places >= first] - first)
        return cls(seconds, first, tuple(counts.tolist()))

    def coarsened(self, seconds: int) -> Timeline:
        """Return the same counts in longer bins.

        Parameters
        ----------
        seconds : int
            A multiple of the bins' length.
        """
        assert seconds % self.seconds == 0, (seconds, self.seconds)
        times = seconds // self.seconds
        if times == 1:
            return self
        places = (self.first + np.arange(len(self.counts))) // times
        first = int(places[0])
        counts = np.bincount(places - first, weights=self.counts).astype(np.int64)
        return Timeline(seconds, first, tuple(counts.tolist()))

    @classmethod
    def merged(cls, parts: Sequence[Timeline]) -> Timeline | None:
        """Return the counts of several windows together, None of none.

        In the finest bins that hold them all; of what is longer still the last part.
        """
        if not parts:
            return None
        start = min(p.first * p.seconds for p in parts)
        stop = max((p.first + len(p.counts)) * p.seconds for p in parts)
        coarsest = max(p.seconds for p in parts)
        lengths = [s for s in _LENGTHS if s >= coarsest]
        fits = (s for s in lengths if (stop - 1) // s - start // s < _MOST_BINS)
        seconds = next(fits, lengths[-1])
        last = (stop - 1) // seconds
        first = max(start // seconds, last - _MOST_BINS + 1)
        counts = np.zeros(last - first + 1, dtype=np.int64)
        for part in parts:
            own = part.coarsened(seconds)
            places = own.first - first + np.arange(len(own.counts))
            np.add.at(counts, places[places >= 0], np.array(own.counts)[places >= 0])
        return cls(seconds, first, tuple(counts.tolist()))
