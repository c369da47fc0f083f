"""What this process has counted since it started: checks, notifications, heartbeats."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final

from whydrift.monitor.service.work import CheckReport
from whydrift.monitor.store.state import CheckOutcome

__all__ = [
    "BOUNDS",
    "CHECK_OUTCOMES",
    "NOTIFICATION_OUTCOMES",
    "CheckCounts",
    "Counted",
    "Counters",
]

# Upper bounds of the buckets of a check's seconds; a last one, without bound, takes the rest.
BOUNDS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0)
CHECK_OUTCOMES: Final = ("ok", "drift", "undetermined", "error")
NOTIFICATION_OUTCOMES: Final = ("ok", "error", "dead")  # error is tried again, dead is not

# A window without rows tells nothing, and one that was too old was not looked at.
_COUNTED_AS: Final = MappingProxyType(
    {
        CheckOutcome.OK: "ok",
        CheckOutcome.DRIFT: "drift",
        CheckOutcome.UNDETERMINED: "undetermined",
        CheckOutcome.NO_DATA: "undetermined",
        CheckOutcome.ERROR: "error",
        CheckOutcome.SKIPPED: None,
    }
)


@dataclass(frozen=True, slots=True)
class CheckCounts:
    """The checks of one monitor: a value that is replaced with each check.

    Parameters
    ----------
    outcomes : tuple of int
        In the order of ``CHECK_OUTCOMES``.
    buckets : tuple of int
        By how long they took: checks in each bucket alone, not in those below it too; one more
        than there are bounds.
    seconds : float
        Of all together.
    """

    outcomes: tuple[int, ...] = (0,) * len(CHECK_OUTCOMES)
    buckets: tuple[int, ...] = (0,) * (len(BOUNDS) + 1)
    seconds: float = 0.0

    def with_check(self, outcome: str, seconds: float) -> CheckCounts:
        """Return them with one more."""
        outcomes, buckets = list(self.outcomes), list(self.buckets)
        outcomes[CHECK_OUTCOMES.index(outcome)] += 1
        buckets[bisect_left(BOUNDS, seconds)] += 1
        return CheckCounts(tuple(outcomes), tuple(buckets), self.seconds + seconds)


@dataclass(frozen=True, slots=True)
class Counted:
    """All counts at one moment.

    Parameters
    ----------
    checks : mapping of str to CheckCounts
        By monitor.
    notifications : mapping of (str, str) to int
        By notifier and outcome.
    heartbeat : float, optional
        When the scheduler last turned, in seconds since 1970.
    is_reloaded : bool
        Whether the last configuration that was read was taken.
    reloaded_at : float, optional
        When one last was.
    busy : int
        Workers that judge a window now.
    """

    checks: Mapping[str, CheckCounts] = field(default_factory=dict)
    notifications: Mapping[tuple[str, str], int] = field(default_factory=dict)
    heartbeat: float | None = None
    is_reloaded: bool = True
    reloaded_at: float | None = None
    busy: int = 0


class Counters:
    """Counts, from any thread.

    What is not in the store: a restart begins at zero, as Prometheus expects of a counter.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._checks: dict[str, CheckCounts] = {}
        self._notifications: dict[tuple[str, str], int] = {}
        self._heartbeat: float | None = None
        self._is_reloaded = True
        self._reloaded_at: float | None = None
        self._busy = 0

    def check_finished(self, report: CheckReport) -> None:
        """Count a check; one that was skipped counts for nothing."""
        outcome = _COUNTED_AS[report.outcome]
        if outcome is None:
            return
        name = report.check.monitor
        with self._lock:
            known = self._checks.get(name, CheckCounts())
            self._checks[name] = known.with_check(outcome, report.seconds)

    def notified(self, notifier: str, outcome: str) -> None:
        """Count an attempt to tell somebody: ``ok``, ``error`` or ``dead``."""
        assert outcome in NOTIFICATION_OUTCOMES, outcome
        with self._lock:
            key = (notifier, outcome)
            self._notifications[key] = self._notifications.get(key, 0) + 1

    def beat(self, now: datetime) -> None:
        """Note that the scheduler turned."""
        with self._lock:
            self._heartbeat = now.timestamp()

    def reloaded(self, ok: bool, now: datetime) -> None:
        """Note that a configuration was read, and whether it was taken."""
        with self._lock:
            self._is_reloaded = ok
            if ok:
                self._reloaded_at = now.timestamp()

    def workers_busy(self, n: int) -> None:
        """Note how many workers judge a window now."""
        with self._lock:
            self._busy = n

    def forget(self, monitors: Iterable[str]) -> None:
        """Drop the counts of monitors that the configuration no longer has."""
        with self._lock:
            for name in monitors:
                self._checks.pop(name, None)

    def read(self) -> Counted:
        """Return all counts as they stand."""
        with self._lock:
            return Counted(
                dict(self._checks),
                dict(self._notifications),
                self._heartbeat,
                self._is_reloaded,
                self._reloaded_at,
                self._busy,
            )
