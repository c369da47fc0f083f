"""Removes what has been kept long enough; doing it twice does no more than once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import reduce
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Table

from whydrift.discovery.errors import SchemaError, StoreError
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.store import alerts, configs, results, snapshots, tables, visits
from whydrift.monitor.store.engine import pragma
from whydrift.monitor.store.records import ResultRecord, SnapshotRecord
from whydrift.monitor.store.retention import Day, Keep, Plan, expired_results, plan, superseded
from whydrift.monitor.store.state import AlertState
from whydrift.monitor.store.statements import delete_some, lock_monitor
from whydrift.monitor.store.store import Store
from whydrift.monitor.window.interval import Interval

__all__ = [
    "Collected",
    "Live",
    "collect",
    "count_rows",
    "delete_rows",
    "give_back",
    "remove_unused_files",
]

_Record = TypeVar("_Record", SnapshotRecord, ResultRecord)

_BATCH: Final = 500  # rows of one transaction: others wait for it
_TOLD: Final = timedelta(days=30)  # for whoever asks whether a message was sent
_UNUSED: Final = timedelta(days=1)  # for a check that has begun with a configuration
_OPEN: Final = (AlertState.PENDING, AlertState.FIRING)
_FOR_GOOD: Final = ("accept", "forget")  # what references rest on; what was deleted, and by whom
_PAGES: Final = 2_000  # pages that one transaction gives back to the disk


@dataclass(frozen=True)
class Live:
    """What a monitor that still runs needs of what is kept.

    Parameters
    ----------
    zone : tzinfo
        Whose days count.
    needed : sequence of Interval
        What its references read.
    """

    zone: tzinfo = UTC
    needed: Sequence[Interval] = ()


@dataclass
class Collected:
    """How many of each were removed.

    Parameters
    ----------
    superseded, snapshots, samples, results : int
        Revisions that later ones replaced, windows, samples of windows, results.
    visits, decisions, alerts, messages, events : int
        What the daemon remembers of windows, and of what it did about them.
    days, joined : int
        Days that were made, of how many windows.
    files : int
        Without a row.
    kept : list of str
        What should have been joined or stripped and could not be, each with its reason.
    """

    superseded: int = 0
    snapshots: int = 0
    samples: int = 0
    results: int = 0
    visits: int = 0
    decisions: int = 0
    alerts: int = 0
    messages: int = 0
    events: int = 0
    days: int = 0
    joined: int = 0
    files: int = 0
    kept: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return asdict(self)


def collect(
    store: Store,
    keep: Keep,
    *,
    now: datetime,
    live: Mapping[str, Live] | None = None,
    dry_run: bool = False,
) -> Collected:
    """Delete, strip and join what has been kept long enough.

    Parameters
    ----------
    store : Store
    keep : Keep
    now : datetime
    live : mapping of str to Live, optional
        By monitor. Of one that is not in it nothing is needed, and days are those of UTC.
    dry_run : bool
        Only count what would be done.

    Raises
    ------
    StoreError
        If the database cannot be reached or written.
    """
    done = Collected()
    for monitor in store.list_monitors():
        todo = _todo(store, monitor.name, keep, now, (live or {}).get(monitor.name, Live()))
        (_count if dry_run else _carry_out)(store, todo, done)
    for kind, table, condition in _memories(store, keep, now, live or {}):
        act = count_rows if dry_run else delete_rows
        setattr(done, kind, getattr(done, kind) + act(store, table, condition))
    if dry_run:
        with store.database.reading() as connection:
            done.files += len(snapshots.unused(connection, store.content.files()))
        return done
    with store.database.writing() as connection:
        configs.delete_unused(connection, before=now - _UNUSED)
    done.files += remove_unused_files(store)
    give_back(store)
    return done


def remove_unused_files(store: Store) -> int:
    """Remove the files that no row names, and return how many there were."""
    with store.database.reading() as connection:
        unused = snapshots.unused(connection, store.content.files())
    if not unused:
        return 0
    with store.database.writing() as connection:
        return store.content.remove_unused(connection, unused)


def count_rows(store: Store, table: Table, condition: ColumnElement[bool]) -> int:
    """Return how many rows there are."""
    with store.database.reading() as connection:
        query = sa.select(sa.func.count()).select_from(table).where(condition)
        return int(connection.execute(query).scalar_one())


def delete_rows(store: Store, table: Table, condition: ColumnElement[bool]) -> int:
    """Delete rows, some at a time so that others need not wait, and return how many there were."""
    total = 0
    while True:
        with store.database.writing() as connection:
            deleted = delete_some(connection, table, condition, most=_BATCH)
        total += deleted
        if deleted < _BATCH:
            return total


def _memories(
    store: Store, keep: Keep, now: datetime, live: Mapping[str, Live]
) -> Iterator[tuple[str, Table, ColumnElement[bool]]]:
    """Yield what the daemon remembers and needs no more: its name in `Collected`, and its rows."""
    outbox, event = tables.outbox, tables.event
    for monitor in store.list_monitors():
        zone = live.get(monitor.name, Live()).zone
        limit = keep.results.before(now, zone)
        yield "visits", tables.visit, visits.expired(monitor.name, limit)
        decision = tables.ledger.c
        is_old = sa.and_(decision.monitor == monitor.name, decision.window_end <= limit)
        yield "decisions", tables.ledger, is_old
        yield "alerts", tables.alert, alerts.expired(monitor.name, limit)
    yield "messages", outbox, outbox.c.done_at <= now - _TOLD
    limit = keep.results.before(now, UTC)
    is_for_good = event.c.kind.in_(_FOR_GOOD)
    yield "events", event, sa.and_(event.c.happened <= limit, sa.not_(is_for_good))


@dataclass(frozen=True)
class _Todo:
    """What is to be done with what is kept of a monitor."""

    superseded: tuple[SnapshotRecord, ...]
    plan: Plan
    results: tuple[ResultRecord, ...]


def _todo(store: Store, monitor: str, keep: Keep, now: datetime, about: Live) -> _Todo:
    windows = store.list_snapshots(monitor=monitor, current=None)
    current = [w for w in windows if w.current]
    old = store.list_results(
        monitor=monitor, end=keep.results.before(now, about.zone), current=None
    )
    expired = expired_results(old, keep, now=now, zone=about.zone)
    # What an alert that lasts links to stays, with all that was said of its window.
    told = {alert.result for alert in store.list_alerts(monitor=monitor, states=_OPEN)}
    needed = {(r.key, r.stage) for r in expired if r.id in told}
    return _Todo(
        superseded(windows, now=now),
        plan(current, keep, now=now, zone=about.zone, needed=about.needed),
        tuple(r for r in expired if (r.key, r.stage) not in needed),
    )


def _count(_store: Store, todo: _Todo, done: Collected) -> None:
    done.superseded += len(todo.superseded)
    done.snapshots += len(todo.plan.delete)
    done.samples += len(todo.plan.strip)
    done.results += len(todo.results)
    done.days += len(todo.plan.days)
    done.joined += sum(day.joins for day in todo.plan.days)


def _carry_out(store: Store, todo: _Todo, done: Collected) -> None:
    for batch in _batches(todo.superseded):
        _delete(store, batch, snapshots.delete_superseded)
        done.superseded += len(batch)
    for batch in _batches(todo.plan.delete):
        _delete(store, batch, snapshots.delete)
        done.snapshots += len(batch)
    for record in todo.plan.strip:
        _strip(store, record, done)
    for day in todo.plan.days:
        _join(store, day, done)
    for expired in _batches(todo.results):
        with store.database.writing() as connection:
            done.results += sum(results.delete(connection, record) for record in expired)


def _delete(
    store: Store,
    batch: list[SnapshotRecord],
    delete: Callable[[Connection, SnapshotRecord], list[str]],
) -> None:
    with store.database.writing() as connection:
        files = [name for record in batch for name in delete(connection, record)]
    _remove(store, files)


def _strip(store: Store, record: SnapshotRecord, done: Collected) -> None:
    """Take the sample out of a window."""
    try:
        with store.database.writing() as connection:
            lock_monitor(connection, record.key.monitor)
            if snapshots.find(connection, record.key, record.part) != record:
                return  # it was written anew meanwhile; the next run looks at it again
            window = snapshots.read(connection, store.content, record)
            snapshots.rewrite(connection, store.content, record, window.without_sample())
    except (StoreError, SchemaError) as error:
        done.kept.append(str(error))
        return
    done.samples += 1
    _remove(store, [record.file] if record.file else [])


def _join(store: Store, day: Day, done: Collected) -> None:
    """Make one window of those of a day."""
    files: list[str] = []
    try:
        with store.database.writing() as connection:
            lock_monitor(connection, day.key.monitor)
            for record in day.windows:
                if snapshots.find(connection, record.key, record.part) != record:
                    return
            parts = (snapshots.read(connection, store.content, w) for w in day.windows)
            window = reduce(Snapshot.merge, parts)
            for record in day.windows:
                if record.key != day.key:
                    files += snapshots.delete(connection, record)
            snapshots.put(
                connection, store.content, day.key, window, part=day.part, at=store.clock()
            )
    except (StoreError, SchemaError) as error:
        done.kept.append(f"{day.key} was not joined: {error}")
        return
    done.days += 1
    done.joined += day.joins
    _remove(store, files)


def _remove(store: Store, files: list[str]) -> None:
    """Remove files once the rows that named them are gone for good.

    Where this is cut short they have no row, and the next run removes them.
    """
    if files:
        with store.database.writing() as connection:
            store.content.remove_unused(connection, files)


def give_back(store: Store) -> None:
    """Make SQLite's file smaller by what is free in it; PostgreSQL does so by itself."""
    if not store.database.is_sqlite:
        return
    free = -1
    while True:
        with store.database.writing() as connection:
            left = pragma(connection, "freelist_count")
            if left in {0, free}:
                return
            free = left
            # A page a step, each a row without columns: only the driver itself steps through them.
            driver: Any = connection.connection.driver_connection
            driver.execute(f"PRAGMA incremental_vacuum({_PAGES})").fetchall()


def _batches(records: Iterable[_Record]) -> Iterator[list[_Record]]:
    batch: list[_Record] = []
    for record in records:
        batch.append(record)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
