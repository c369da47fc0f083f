"""How long a receiver that does not answer is waited for, and when it is given up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

from whydrift.monitor.store.state import OutboxRecord

__all__ = ["Pause", "is_given_up", "seconds_to_wait"]

_LONGEST: Final = 3600.0  # seconds
_PATIENCE: Final = timedelta(hours=24)
# A message may have waited a day for us and not for the receiver: twelve attempts take an hour.
_LEAST_ATTEMPTS: Final = 12


@dataclass(frozen=True, slots=True)
class Pause:
    """For how long a receiver is left alone; by default it is not.

    Parameters
    ----------
    begun, ends : datetime, optional
    """

    begun: datetime | None = None
    ends: datetime | None = None

    @classmethod
    def of(cls, now: datetime, seconds: float) -> Pause:
        """Return a pause that begins now."""
        return cls(now, now + timedelta(seconds=seconds))

    def lasts(self, now: datetime) -> bool:
        """Whether it is not over. A clock that was put back ends it: else it would last as long."""
        return self.begun is not None and self.ends is not None and self.begun <= now < self.ends


def seconds_to_wait(
    failures: int, random: Random, *, retry_after: float | None = None, longest: float = _LONGEST
) -> float:
    """Return how long to wait after so many failures in a row: 1 s, 2 s, 4 s, … an hour.

    Up to half of it is left out by chance, so that many senders do not come back at once.

    Parameters
    ----------
    failures : int
        With the last one.
    random : Random
    retry_after : float, optional
        Seconds that the receiver asked for; it is never tried earlier.
    longest : float
        Seconds.
    """
    doubled = 2.0 ** min(max(failures - 1, 0), 20)
    wait = min(doubled, longest) * random.uniform(0.5, 1.0)
    return max(wait, retry_after or 0.0)


def is_given_up(record: OutboxRecord, now: datetime) -> bool:
    """Whether a message whose next attempt fails too is given up: after a day of attempts."""
    return now - record.created > _PATIENCE and record.attempts + 1 >= _LEAST_ATTEMPTS
