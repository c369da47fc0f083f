"""What is kept how long: pure, from records to what is to be done with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Final

from whydrift.monitor.store.records import ResultRecord, SnapshotRecord, WindowKey
from whydrift.monitor.window.calendar import TimeWindows
from whydrift.monitor.window.duration import Duration
from whydrift.monitor.window.interval import Interval

__all__ = ["Day", "Keep", "Plan", "expired_results", "plan", "superseded"]

_GRACE: Final = timedelta(days=1)  # for whoever reads a revision that was just replaced
_DAY: Final = Duration(1, "d")


@dataclass(frozen=True)
class Keep:
    """How long what is kept, counted from a window's end on the monitor's calendar.

    Parameters
    ----------
    snapshots : Duration
        Windows: their counts, and the sample while it is there.
    samples : Duration
        The sample of rows; afterwards a window can no longer be tested on what depends on rows
        seen together, and says so (``sample_expired``).
    results : Duration
    hourly : Duration, optional
        Windows shorter than a day; afterwards those of a day are one. By default they stay.
    """

    snapshots: Duration
    samples: Duration
    results: Duration
    hourly: Duration | None = None


@dataclass(frozen=True)
class Day:
    """Windows of one calendar day that are to become one."""

    key: WindowKey
    part: str
    windows: tuple[SnapshotRecord, ...]

    @property
    def joins(self) -> int:
        """How many windows it takes in, beside the day that is there already."""
        return sum(window.key != self.key for window in self.windows)


@dataclass(frozen=True)
class Plan:
    """What is to be done with a monitor's windows.

    Parameters
    ----------
    delete : tuple of SnapshotRecord
        Older than anything is kept.
    strip : tuple of SnapshotRecord
        Of these the sample goes, the counts stay.
    days : tuple of Day
    """

    delete: tuple[SnapshotRecord, ...] = ()
    strip: tuple[SnapshotRecord, ...] = ()
    days: tuple[Day, ...] = ()


def plan(
    windows: Iterable[SnapshotRecord],
    keep: Keep,
    *,
    now: datetime,
    zone: tzinfo,
    needed: Sequence[Interval] = (),
) -> Plan:
    """Return what is to be done with the current windows of one monitor.

    Parameters
    ----------
    windows : iterable of SnapshotRecord
        The current revisions.
    keep : Keep
    now : datetime
    zone : tzinfo
        The monitor's: whose days count.
    needed : sequence of Interval
        What a live reference reads: windows that overlap it stay as they are, whatever their age.
    """
    free = [w for w in windows if not any(w.key.interval.overlaps(n) for n in needed)]
    delete = {w.id for w in free if _is_older(w, keep.snapshots, now, zone)}
    days = _days([w for w in free if w.id not in delete], keep.hourly, now, zone, needed)
    joined = {w.id for day in days for w in day.windows}
    return Plan(
        tuple(w for w in free if w.id in delete),
        tuple(
            w
            for w in free
            if w.has_sample
            and w.rows
            and w.id not in delete
            and w.id not in joined
            and _is_older(w, keep.samples, now, zone)
        ),
        days,
    )


def superseded(windows: Iterable[SnapshotRecord], *, now: datetime) -> tuple[SnapshotRecord, ...]:
    """Return revisions that later ones replaced at least a day ago."""
    return tuple(w for w in windows if not w.current and w.at <= now - _GRACE)


def expired_results(
    results: Iterable[ResultRecord], keep: Keep, *, now: datetime, zone: tzinfo
) -> tuple[ResultRecord, ...]:
    """Return the results of one monitor that are older than they are kept."""
    return tuple(r for r in results if _is_older(r, keep.results, now, zone))


def _is_older(
    record: SnapshotRecord | ResultRecord, age: Duration, now: datetime, zone: tzinfo
) -> bool:
    return record.key.interval.end <= age.before(now, zone)


def _days(
    windows: list[SnapshotRecord],
    hourly: Duration | None,
    now: datetime,
    zone: tzinfo,
    needed: Sequence[Interval],
) -> tuple[Day, ...]:
    """Return the days whose windows are to become one: those that have ended long enough ago."""
    if hourly is None:
        return ()
    calendar = TimeWindows(_DAY, zone)
    found: dict[tuple[str, str, Interval], list[SnapshotRecord]] = {}
    for window in windows:
        (day,) = calendar.containing(window.key.interval.start)
        if window.key.interval.end <= day.end:
            found.setdefault((window.key.segment, window.part, day), []).append(window)
    limit = hourly.before(now, zone)
    return tuple(
        Day(WindowKey(group[0].key.monitor, day, segment), part, tuple(group))
        for (segment, part, day), group in sorted(found.items())
        if day.end <= limit
        and not any(day.overlaps(n) for n in needed)
        and any(w.key.interval != day for w in group)
        and _lie_apart(group, day)
    )


def _lie_apart(windows: list[SnapshotRecord], day: Interval) -> bool:
    """Whether no row can be in two of the windows, as it is where windows slide.

    A day that stands beside its hours was joined before; what came late comes to it.
    """
    spans = sorted(w.key.interval for w in windows if w.key.interval != day)
    return all(not one.overlaps(other) for one, other in pairwise(spans))
