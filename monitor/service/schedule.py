"""What is due: read off the clock and what the store knows, by whoever runs checks.

`serve`, `run` and `run --dry-run` ask the same functions. The source is never asked here.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, assert_never

from whydrift.monitor.service.work import Check
from whydrift.monitor.store.state import CheckOutcome, Visit, VisitKind
from whydrift.monitor.window.by_rows import RowWindows
from whydrift.monitor.window.calendar import Stage, TimeWindows
from whydrift.monitor.window.duration import Duration
from whydrift.monitor.window.interval import Interval
from whydrift.monitor.window.reference import (
    FixedReference,
    LastWindows,
    PreviousVersion,
    ReferenceRule,
)

if TYPE_CHECKING:
    from whydrift.monitor.config.monitor import Monitor
    from whydrift.monitor.store import Store

__all__ = [
    "LOOK_EVERY", "Due", "Plan", "back_off", "backfill_checks", "began_at", "due", "due_checks",
    "left_behind", "next_due", "reference_windows", "stages_of",
]  # fmt: skip

MOST_BEHIND: Final = 100  # windows caught up with, where the configuration does not say
LATE: Final = (VisitKind.LATE_1, VisitKind.LATE_2, VisitKind.LATE_3)
_LATE_SHARES: Final = dict(zip(LATE, (0.25, 0.5, 1.0), strict=True))  # of the allowance
_ORDER: Final = {kind: place for place, kind in enumerate(VisitKind)}
_MOST_OF_VERSION: Final = 28  # windows recorded before the first, to find the version before
_NOT_SEEN: Final = frozenset({CheckOutcome.NO_DATA, CheckOutcome.SKIPPED})
_SKEW: Final = timedelta(minutes=1)  # clocks of machines that share a store differ
_FIRST_WAIT: Final = timedelta(seconds=30)
_LONGEST_WAIT: Final = timedelta(hours=1)
_JITTER: Final = 0.2  # of the wait, either way: what failed together is not tried again together
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NONE: Final = Duration(0, "s")
LOOK_EVERY: Final = timedelta(minutes=5)  # at a source, for more windows by rows


def stages_of(monitor: Monitor) -> tuple[VisitKind, ...]:
    """Return the kinds of checks that judge a window of a monitor, in their order."""
    window = monitor.window
    if monitor.columns.target is None:
        return (VisitKind.FEATURES,)
    is_later = window.label_delay.least_seconds > window.delay.least_seconds
    if monitor.labels is not None or is_later:
        return (VisitKind.FEATURES, VisitKind.LABELS)
    return (VisitKind.LABELS,)


@dataclass(frozen=True)
class Plan:
    """When the windows of one monitor are looked at, by its configuration alone.

    Parameters
    ----------
    monitor : str
    windows : TimeWindows
    stages : tuple of VisitKind
        That judge: ``features``, ``labels`` or both.
    reference : ReferenceRule
    late : Duration
        How long after a window was first due its rows may come; of no length if that is ignored.
    most : int
        Windows behind that are made up for.
    """

    monitor: str
    windows: TimeWindows
    stages: tuple[VisitKind, ...]
    reference: ReferenceRule
    late: Duration = _NONE
    most: int = MOST_BEHIND

    @classmethod
    def of(cls, monitor: Monitor, windows: TimeWindows, *, most: int = MOST_BEHIND) -> Plan:
        """Return that of a monitor whose windows are cut by time."""
        late = monitor.late.allow if monitor.late.then == "recompute" else _NONE
        rule = monitor.reference.rule(monitor.window.timezone)
        return cls(monitor.name, windows, stages_of(monitor), rule, late, most)

    def ready(self, window: Interval, kind: VisitKind) -> datetime:
        """Return from when on a window is looked at."""
        first = self.windows.ready(window, Stage.FEATURES)
        match kind:
            case VisitKind.RECORD | VisitKind.FEATURES:
                return first
            case VisitKind.LABELS:
                if len(self.stages) == 1:
                    return first
                return max(first, self.windows.ready(window, Stage.LABELS))
            case VisitKind.LATE_1 | VisitKind.LATE_2 | VisitKind.LATE_3:
                whole = self.late.after(first, self.windows.zone) - first
                return first + whole * _LATE_SHARES[kind]
            case _:
                assert_never(kind)

    def last_ready(self, now: datetime, kind: VisitKind) -> Interval:
        """Return the newest window whose moment for this kind of look has come."""
        window = self.windows.ending(self.windows.last_end(now))
        waited = self.ready(window, kind) - window.end
        # About so long ago it ended; where clocks were put on in between, an hour off.
        end = self.windows.next_end(self.windows.last_end(now - waited))
        window = self.windows.ending(end)
        while self.ready(window, kind) <= now:
            window = self.windows.ending(self.windows.next_end(window.end))
        while self.ready(window, kind) > now:
            window = self.back(window, 1)
        return window

    def back(self, window: Interval, count: int) -> Interval:
        """Return the window so many places earlier on the grid."""
        return self.windows.ending(self.windows.earlier_end(window.end, count))

    def caught_up(self, now: datetime, kind: VisitKind) -> Interval:
        """Return the oldest window that is caught up with, where nobody looked at any."""
        return self.back(self.last_ready(now, kind), self.most - 1)

    def from_on(self, first: Interval) -> Iterator[Interval]:
        """Yield a window and those after it on the grid, without end."""
        yield first
        end = first.end
        while True:
            end = self.windows.next_end(end)
            yield self.windows.ending(end)


@dataclass(frozen=True, slots=True)
class Due:
    """What can be done now.

    Parameters
    ----------
    checks : tuple of Check
        In the order in which they are to be done.
    skipped : tuple of Check
        Too many windows ago to be caught up with.
    """

    checks: tuple[Check, ...] = ()
    skipped: tuple[Check, ...] = ()


def due(plan: Plan, visits: Iterable[Visit], began: datetime, now: datetime) -> Due:
    """Return what is due, of windows cut by time.

    Parameters
    ----------
    plan : Plan
    visits : iterable of Visit
        All that is known of these windows; of the past at least from the last visited window
        before those that are made up for.
    began : datetime
        Windows that start before it are the first reference.
    now : datetime
    """
    known = {(v.interval, v.kind): v for v in visits}
    first = _first_judged(plan, began)
    found: list[tuple[datetime, Interval, VisitKind]] = []
    behind: list[tuple[datetime, Interval, VisitKind]] = []

    def note(window: Interval, kind: VisitKind) -> None:
        moment = plan.ready(window, kind)
        if moment <= now and _is_open(known.get((window, kind)), now):
            found.append((moment, window, kind))

    judged_from = plan.ready(first, plan.stages[0])
    for window in _first_reference(plan, first, now):
        note(window, VisitKind.RECORD)
        # A window of the first reference whose labels were not in when judging began is read again.
        if len(plan.stages) == 2 and plan.ready(window, VisitKind.LABELS) > judged_from:
            note(window, VisitKind.LABELS)
    for kind in plan.stages:
        oldest = plan.caught_up(now, kind)
        start = max(first, oldest, key=_end)
        for window in plan.from_on(start):
            if plan.ready(window, kind) > now:
                break
            note(window, kind)
        if first.end >= oldest.end:
            continue
        missed = [w for w in _unseen_before(oldest, first, kind, plan, known)
                  if _is_missing(known.get((w, kind)), now)]  # fmt: skip
        behind += [(plan.ready(w, kind), w, kind) for w in missed]
        if kind is plan.stages[0] and missed:
            # What the first window that is made up for is judged against.
            for window in frozenset(reference_windows(plan, oldest)).intersection(missed):
                note(window, VisitKind.RECORD)
    if plan.late.count:
        start = max(first, plan.caught_up(now, LATE[-1]), key=_end)
        for window in plan.from_on(start):
            if plan.ready(window, LATE[0]) > now:
                break
            late = _late_kind(plan, window, known, now)
            if late is not None:
                note(window, late)
    record = VisitKind.RECORD
    found.sort(key=lambda f: (f[2] is not record, f[0], f[1].end, _ORDER[f[2]]))
    behind.sort(key=lambda f: (f[1].end, _ORDER[f[2]]))
    return Due(
        tuple(Check(plan.monitor, w, k, is_recomputed=k in _LATE_SHARES) for _, w, k in found),
        tuple(Check(plan.monitor, w, k) for _, w, k in behind),
    )


def reference_windows(plan: Plan, first: Interval) -> tuple[Interval, ...]:
    """Return the windows before the first one judged that its reference is made of, by time."""
    rule = plan.reference
    if isinstance(rule, FixedReference):
        inside = plan.windows.between(rule.stretch.start, rule.stretch.end)
        return tuple(w for w in inside if w.start < first.start)
    count = _MOST_OF_VERSION
    since: datetime | None = None
    if isinstance(rule, LastWindows):
        if isinstance(rule.last, Duration):
            since = rule.last.before(first.start, plan.windows.zone)
        else:
            count = rule.last
    elif not isinstance(rule, PreviousVersion):
        assert_never(rule)
    found: deque[Interval] = deque()
    window = plan.back(first, 1)
    while window.start >= since if since is not None else len(found) < count:
        # Of windows that slide, those that overlap the first one are no part of its reference.
        if window.end <= first.start:
            found.appendleft(window)
        window = plan.back(window, 1)
    return tuple(found)


def _first_reference(plan: Plan, first: Interval, now: datetime) -> tuple[Interval, ...]:
    """Return the windows of the first reference, as long as the first one judged is not far back.

    Later nothing is judged beside them any more, whether or not all could be read.
    """
    if first.end < plan.caught_up(now, plan.stages[-1]).end:
        return ()
    return reference_windows(plan, first)


def _first_judged(plan: Plan, began: datetime) -> Interval:
    """Return the first window of the grid that begins when judging begins, or later."""
    window = plan.windows.ending(plan.windows.next_end(began))
    while window.start < began:
        window = plan.windows.ending(plan.windows.next_end(window.end))
    return window


def _unseen_before(
    oldest: Interval,
    first: Interval,
    kind: VisitKind,
    plan: Plan,
    known: dict[tuple[Interval, VisitKind], Visit],
) -> Iterator[Interval]:
    """Yield the windows before one, from the last that was seen on, and those that failed."""
    past = {w: v for (w, k), v in known.items() if k is kind and w.end < oldest.end}
    reached = max((w for w, v in past.items() if v.outcome.is_final), default=first, key=_end)
    start = max(first, reached, key=_end)
    failed = (w for w, v in past.items() if not v.outcome.is_final and w.end < start.end)
    yield from sorted(failed)
    for window in plan.from_on(start):
        if window.end >= oldest.end:
            return
        yield window


def _late_kind(
    plan: Plan, window: Interval, known: dict[tuple[Interval, VisitKind], Visit], now: datetime
) -> VisitKind | None:
    """Return the latest of the looks for late rows that is due; those before it are made by it."""
    looks = [known.get((window, kind)) for kind in plan.stages]
    if not any(_is_final(v) and not _is_skipped(v) for v in looks):
        return None
    for kind in reversed(LATE):
        if _is_final(known.get((window, kind))):
            return None
        if plan.ready(window, kind) <= now:
            return kind
    return None


def _is_open(visit: Visit | None, now: datetime) -> bool:
    """Whether a window is to be looked at now, or again."""
    if visit is None:
        return True
    if visit.outcome.is_final:
        return _came_early(visit, now)
    return not _waits(visit.next_at, now)


def _came_early(visit: Visit, now: datetime) -> bool:
    """Whether nothing was there at a time that is still to come: a clock was ahead, and is not now.

    What there is when the window is due was not seen then.
    """
    return visit.outcome in _NOT_SEEN and visit.at > now + _SKEW


def _waits(until: datetime | None, now: datetime) -> bool:
    # A moment farther away than any wait was named by a clock that has been put back since.
    return until is not None and timedelta(0) < until - now <= _LONGEST_WAIT * (1 + _JITTER)


def _is_missing(visit: Visit | None, now: datetime) -> bool:
    return visit is None or not visit.outcome.is_final or _came_early(visit, now)


def _is_final(visit: Visit | None) -> bool:
    return visit is not None and visit.outcome.is_final


def _is_skipped(visit: Visit | None) -> bool:
    return visit is not None and visit.outcome is CheckOutcome.SKIPPED


def _end(window: Interval) -> datetime:
    return window.end


def back_off(monitor: str, interval: Interval, kind: VisitKind, failures: int) -> timedelta:
    """Return how long to wait after so many errors in a row: the same for the same window.

    Half a minute at first, twice as long each time, an hour at most; a fifth more or less, so that
    monitors that failed together do not come back together.
    """
    said = json.dumps([monitor, str(interval), kind.value, failures]).encode()
    chance = int.from_bytes(hashlib.sha256(said).digest()[:8], "big") / 2**64
    wait = min(_LONGEST_WAIT, _FIRST_WAIT * (1 << min(failures - 1, 12)))
    seconds = wait.total_seconds() * (1 + _JITTER * (2 * chance - 1))
    return timedelta(seconds=seconds)


# ---- of the store -------------------------------------------------------------------------------
def began_at(monitor: Monitor, now: datetime) -> datetime:
    """Return where judging begins, where the store does not know yet.

    Without ``since`` that is the start of the newest complete window, of windows by rows 1970.
    """
    if monitor.since_instant is not None:
        return monitor.since_instant
    windows = monitor.window.cut()
    if isinstance(windows, RowWindows):
        return _EPOCH
    return Plan.of(monitor, windows).last_ready(now, stages_of(monitor)[0]).start


def due_checks(
    monitor: Monitor, store: Store, now: datetime, *, most: int = MOST_BEHIND
) -> tuple[Check, ...]:
    """Return what is to be done for a monitor now, in this order; nothing while it is paused.

    Parameters
    ----------
    monitor : Monitor
    store : Store
        Only read.
    now : datetime
    most : int
        Windows behind that are made up for (``checks.catch_up``).

    Raises
    ------
    StoreError
        If the store cannot be read.
    """
    return _due(monitor, store, now, most).checks


def left_behind(
    monitor: Monitor, store: Store, now: datetime, *, most: int = MOST_BEHIND
) -> tuple[Check, ...]:
    """Return the checks that are too old to be caught up with, oldest first.

    Raises
    ------
    StoreError
        If the store cannot be read.
    """
    return _due(monitor, store, now, most).skipped


def _due(monitor: Monitor, store: Store, now: datetime, most: int) -> Due:
    state = store.get_state(monitor.name)
    if state.is_paused:
        return Due()
    windows = monitor.window.cut()
    if isinstance(windows, RowWindows):
        if _waits(state.next_at, now):
            return Due()
        return Due((Check(monitor.name, None, stages_of(monitor)[0]),))
    plan = Plan.of(monitor, windows, most=most)
    began = began_at(monitor, now) if state.began is None else state.began
    return due(plan, _visits(plan, store, began, now), began, now)


def _visits(plan: Plan, store: Store, began: datetime, now: datetime) -> Sequence[Visit]:
    """Return the visits that say what is due: of years of windows only the newest."""
    kinds = (*plan.stages, *((LATE[-1],) if plan.late.count else ()))
    oldest = min((plan.caught_up(now, kind) for kind in kinds), key=_end)
    first = _first_judged(plan, began)
    before = _first_reference(plan, first, now)
    told: list[Visit] = []
    if before:  # mostly far back, and few
        told += store.list_visits(plan.monitor, start=before[0].start, end=before[-1].end)
    since = plan.back(oldest, plan.most).start
    recent = store.list_visits(plan.monitor, start=since)
    if not any(v.interval.end < oldest.end for v in recent):
        # Nothing for long: after a long downtime, or at the beginning.
        recent = store.list_visits(plan.monitor)
    return [*told, *recent]


def next_due(
    monitor: Monitor, store: Store, now: datetime, *, most: int = MOST_BEHIND
) -> datetime | None:
    """Return when the next result is due, or was: a moment in the past where one is overdue.

    None while the monitor is paused, and for windows by rows, of which nobody knows.

    Raises
    ------
    StoreError
        If the store cannot be read.
    """
    state = store.get_state(monitor.name)
    windows = monitor.window.cut()
    if state.is_paused or isinstance(windows, RowWindows):
        return None
    plan = Plan.of(monitor, windows, most=most)
    began = began_at(monitor, now) if state.began is None else state.began
    known = {(v.interval, v.kind): v for v in _visits(plan, store, began, now)}
    missing = []
    for kind in plan.stages:
        start = max(_first_judged(plan, began), plan.caught_up(now, kind), key=_end)
        for window in plan.from_on(start):
            if _is_missing(known.get((window, kind)), now):
                missing.append(plan.ready(window, kind))
                break
    return min(missing)


def backfill_checks(
    monitor: Monitor,
    store: Store,
    start: datetime,
    end: datetime,
    now: datetime,
    *,
    recompute: bool = False,
) -> tuple[Check, ...]:
    """Return the checks of the windows of a stretch of time, whenever judging began.

    What the first of them is judged against is recorded first, where it was not.

    Parameters
    ----------
    monitor : Monitor
        Its windows are cut by time.
    store : Store
        Only read.
    start, end : datetime
        Windows that lie wholly between them, none before 1970.
    now : datetime
        Windows that are not ready yet are left for later.
    recompute : bool
        Whether windows that were judged are judged again: silently.
    """
    windows = monitor.window.cut()
    if isinstance(windows, RowWindows):
        return (Check(monitor.name, None, stages_of(monitor)[0], is_recomputed=recompute),)
    plan = Plan.of(monitor, windows)
    wanted = tuple(windows.between(max(start, _EPOCH), min(end, now)))
    if not wanted:
        return ()
    before = reference_windows(plan, wanted[0])
    visits = store.list_visits(monitor.name, start=min((*before, *wanted)).start, end=end)
    known = {(v.interval, v.kind): v for v in visits}
    read = {v.interval for v in visits if v.outcome.is_final and not _is_skipped(v)}
    found = [
        (plan.ready(w, VisitKind.RECORD), w, VisitKind.RECORD, False)
        for w in before
        if w not in read and plan.ready(w, VisitKind.RECORD) <= now
    ]
    for window in wanted:
        for kind in plan.stages:
            was_judged = _is_final(known.get((window, kind))) and not _is_skipped(
                known.get((window, kind))
            )
            if plan.ready(window, kind) <= now and (recompute or not was_judged):
                found.append((plan.ready(window, kind), window, kind, was_judged))
    record = VisitKind.RECORD
    found.sort(key=lambda f: (f[2] is not record, f[0], f[1].end, _ORDER[f[2]]))
    return tuple(Check(monitor.name, w, k, is_recomputed=again) for _, w, k, again in found)
