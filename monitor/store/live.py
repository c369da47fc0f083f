"""What the references of monitors that run still need of what is kept: pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Final, assert_never

from whydrift.monitor.store.records import SnapshotRecord
from whydrift.monitor.window.by_rows import RowWindows
from whydrift.monitor.window.calendar import TimeWindows
from whydrift.monitor.window.duration import Duration
from whydrift.monitor.window.interval import Interval
from whydrift.monitor.window.reference import (
    FixedReference,
    LastWindows,
    PreviousVersion,
    ReferenceRule,
    Same,
)

__all__ = ["needed", "oldest_judged"]

# Windows that a rule leaves out are made up for by earlier ones: so many times as many are kept.
_SPARE: Final = 2
_APART: Final = {Same.HOUR: 24, Same.WEEKDAY: 7 * 24, Same.WEEKDAY_AND_HOUR: 7 * 24}
_VERSIONS: Final = 3  # that of now, the one before, and one whose windows may all be left out


def oldest_judged(
    windows: TimeWindows | RowWindows, *, now: datetime, late: Duration, zone: tzinfo
) -> datetime:
    """Return before when no window begins that can still be judged, or judged again."""
    since = late.before(now, zone)
    if isinstance(windows, RowWindows):
        return since
    for wait in (windows.label_delay, windows.delay, windows.length or windows.every):
        since = wait.before(since, zone)
    return windows.every.before(since, zone)


def needed(
    rule: ReferenceRule,
    windows: Sequence[SnapshotRecord],
    *,
    since: datetime,
    now: datetime,
    zone: tzinfo,
) -> Interval:
    """Return the stretch of time whose windows a reference may read.

    Parameters
    ----------
    rule : ReferenceRule
    windows : sequence of SnapshotRecord
        All of one monitor.
    since : datetime
        As `oldest_judged` gives it.
    now : datetime
    zone : tzinfo
    """
    end = now + timedelta(days=1)  # windows that end while this runs
    spans = sorted({w.key.interval for w in windows})
    before = [span for span in spans if span.end <= since]
    match rule:
        case FixedReference(stretch):
            return stretch
        case LastWindows():
            return Interval(_first(rule, before, since, zone), end)
        case PreviousVersion():
            latest: dict[str, datetime] = {}
            for window in windows:
                start = window.key.interval.start
                latest[window.part] = max(start, latest.get(window.part, start))
            parts = sorted(latest, key=lambda part: latest[part])[-_VERSIONS:]
            starts = [w.key.interval.start for w in windows if w.part in parts]
            return Interval(min([*starts, since]), end)
        case _:
            assert_never(rule)


def _first(
    rule: LastWindows, before: Sequence[Interval], since: datetime, zone: tzinfo
) -> datetime:
    """Return when the earliest window begins that the rule may reach."""
    if isinstance(rule.last, Duration):
        return rule.last.before(since, zone)
    # Those of one weekday or hour lie farther apart: of hours, so many windows.
    apart = 1 if rule.same is None else _APART[rule.same]
    reached = before[-rule.last * _SPARE * apart :]
    return min((span.start for span in reached), default=since)
