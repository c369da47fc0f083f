"""What a window is judged against: past windows, those accepted, and a frozen anchor."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.past_windows import PastWindows
from whydrift.monitor.store.records import SnapshotRecord
from whydrift.monitor.store.state import EventRecord
from whydrift.monitor.store.store import Store
from whydrift.monitor.window.interval import Interval

if TYPE_CHECKING:
    from whydrift.monitor.config.monitor import Monitor

__all__ = [
    "Accepted", "CachedStore", "Choice", "LastUsed", "Usual", "accepted_for", "chosen_for",
    "kept_windows", "usual",
]  # fmt: skip

_Value = TypeVar("_Value")

_MOST_BYTES: Final = 256 << 20  # of decoded windows in one process
_PER_COLUMN: Final = 4_096  # summaries and the like, about


class LastUsed(Generic[_Value]):
    """Values by a name that stands for one value for ever; those used last, of a size in all.

    Parameters
    ----------
    most : int
        Sum of the sizes of what is kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[_Value, int]] = OrderedDict()
        self._size = 0

    def get(self, name: str) -> _Value | None:
        """Return a value that is kept."""
        with self._lock:
            found = self._kept.get(name)
            if found is None:
                return None
            self._kept.move_to_end(name)
            return found[0]

    def put(self, name: str, value: _Value, size: int) -> None:
        """Keep a value; of those used longest ago as many go as it takes."""
        with self._lock:
            if name in self._kept:
                return
            self._kept[name] = value, size
            self._size += size
            while self._size > self._most and len(self._kept) > 1:
                _, (_, gone) = self._kept.popitem(last=False)
                self._size -= gone


_WINDOWS: Final = LastUsed[Snapshot](_MOST_BYTES)


@dataclass(frozen=True)
class CachedStore(Store):
    """A store whose windows are decoded once in a process: each is in many references."""

    @classmethod
    def of(cls, store: Store) -> CachedStore:
        """Return the same store, with what this process decoded before."""
        return cls(store.database, store.clock)

    def get_snapshot(self, record: SnapshotRecord) -> Snapshot:
        """Read a window, as :meth:`Store.get_snapshot`."""
        found = _WINDOWS.get(record.sha256)
        if found is None:
            found = super().get_snapshot(record)
            size = 2 * found.sample.nbytes + _PER_COLUMN * len(found.schema)
            _WINDOWS.put(record.sha256, found, size)
        return found


@dataclass(frozen=True, slots=True)
class Accepted:
    """The latest decision that what came from a window on is the new normal.

    Parameters
    ----------
    start : datetime
        Of that window.
    until : datetime
        End of the last window that was judged then: what drifted between counts as usual too.
    """

    start: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Usual:
    """Past windows, in the order of time.

    Parameters
    ----------
    intervals : tuple of Interval
    snapshots : tuple of Snapshot
        One for each of them.
    """

    intervals: tuple[Interval, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()


def accepted_for(
    interval: Interval, events: Iterable[EventRecord], *, judged_at: datetime | None = None
) -> Accepted | None:
    """Return the latest acceptance that reaches a window, if any.

    Parameters
    ----------
    interval : Interval
        The window under judgement.
    events : iterable of EventRecord
        Of the kind ``accept``, of the monitor.
    judged_at : datetime, optional
        When it was judged: what was accepted from then on is not what it was judged by.
    """
    reaching = [
        event for event in events if event.window is not None
        and event.window.start <= interval.start
        and (judged_at is None or event.at < judged_at)
    ]  # fmt: skip
    if not reaching:
        return None
    last = max(reaching, key=lambda event: (event.at, event.id))
    assert last.window is not None
    return Accepted(last.window.start, last.window.end)


def usual(
    history: PastWindows, interval: Interval, *, segment: str, version: str | None,
    accepted: Accepted | None,
) -> Usual:  # fmt: skip
    """Return what a window is judged against, by its monitor's rule; may be nothing yet.

    Raises
    ------
    StoreError
        If a past window cannot be read.
    """
    found, snapshots = history.reference(
        interval,
        segment=segment,
        version=version,
        accepted_from=None if accepted is None else accepted.start,
        accepted_until=None if accepted is None else accepted.until,
    )
    intervals = tuple(dict.fromkeys(window.interval for window in found.windows))
    return Usual(intervals, snapshots)


def kept_windows(store: Store, monitor: str, intervals: Iterable[Interval]) -> Usual | None:
    """Return windows of the whole by their intervals; None where one is not kept any more.

    Raises
    ------
    StoreError
        If one cannot be read.
    """
    wanted = sorted(intervals)
    if not wanted:
        return None
    parts: dict[Interval, list[SnapshotRecord]] = {interval: [] for interval in wanted}
    start, end = wanted[0].start, max(interval.end for interval in wanted)
    for record in store.list_snapshots(monitor=monitor, segment="", start=start, end=end):
        if record.key.interval in parts and record.rows and record.has_sample:
            parts[record.key.interval].append(record)
    if not all(parts.values()):
        return None
    snapshots = []
    for records in parts.values():
        whole, *rest = (store.get_snapshot(record) for record in records)
        for piece in rest:
            whole = whole.merge(piece)
        snapshots.append(whole)
    return Usual(tuple(parts), tuple(snapshots))


@dataclass(frozen=True, slots=True)
class Choice:
    """Which past windows count for a window, as the store knows them now.

    Parameters
    ----------
    windows : tuple of Interval
        Those that count, by time.
    left_out : tuple of (Interval, str)
        Those that the rule names and that do not, by time, each with the reason.
    """

    windows: tuple[Interval, ...] = ()
    left_out: tuple[tuple[Interval, str], ...] = ()

    @property
    def named(self) -> int:
        """How many the rule names."""
        return len(self.windows) + len(self.left_out)


def chosen_for(
    monitor: Monitor, store: Store, interval: Interval, *, segment: str = "",
    judged_at: datetime | None = None,
) -> Choice:  # fmt: skip
    """Return which past windows count for a window, and why others do not; no source is asked.

    Of one that was judged they are those that counted then, as far as acceptances go.

    Raises
    ------
    StoreError
    """
    acceptances = store.list_events(monitor=monitor.name, kinds=("accept",))
    accepted = accepted_for(interval, acceptances, judged_at=judged_at)
    found, _ = PastWindows(monitor, store).choice(
        interval,
        segment=segment,
        accepted_from=None if accepted is None else accepted.start,
        accepted_until=None if accepted is None else accepted.until,
    )
    # A window has several versions of the model.
    windows = tuple(dict.fromkeys(window.interval for window in found.windows))
    told = {w.interval: reason for w, reason in found.left_out if w.interval not in windows}
    return Choice(windows, tuple(told.items()))
