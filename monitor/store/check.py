"""Whether all that is kept is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa

from whydrift.discovery.errors import StoreError, WhydriftError
from whydrift.discovery.progress import Progress, silent
from whydrift.monitor.store import graphs, outbox, results, snapshots, tables
from whydrift.monitor.store.records import SnapshotRecord
from whydrift.monitor.store.store import Store

__all__ = ["Problem", "ProblemKind", "check"]


class ProblemKind(StrEnum):
    """What is not as it should be."""

    DATABASE = "database"  # the engine's own check
    REFERENCE = "reference"  # a row names one that is not there
    CURRENT = "current"  # none, or more than one, of a window's revisions is current
    SNAPSHOT = "snapshot"  # its content is gone, changed or unreadable
    GRAPH = "graph"
    RESULT = "result"
    MEMORY = "memory"  # a visit, an alert, a message or an event cannot be read
    LEFT_OVER = "left_over"  # a file of an interrupted write: harmless, gc removes it

    @property
    def is_damage(self) -> bool:
        """Whether something is lost; else only room is."""
        return self is not ProblemKind.LEFT_OVER


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not whole: what, where, and the way out."""

    kind: ProblemKind
    where: str
    what: str
    remedy: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {
            "kind": self.kind.value,
            "damage": self.kind.is_damage,
            "where": self.where,
            "what": self.what,
            "remedy": self.remedy,
        }


_KEYS: Final = {
    "snapshot": ("monitor", "segment", "window_start", "window_end", "part"),
    "result": ("monitor", "segment", "window_start", "window_end", "stage"),
}
_RESTORE: Final = "Restore the store from a backup"


def check(store: Store, progress: Progress = silent) -> list[Problem]:
    """Read all that is kept, and return what is not as it was written.

    Parameters
    ----------
    store : Store
    progress : callable
        Told how far it is.

    Raises
    ------
    StoreError
        If the database cannot be reached.
    """
    found = [*_database(store), *_current(store)]
    for monitor in store.list_monitors():
        found.extend(_snapshots(store, monitor.name, progress))
        found.extend(_graphs(store, monitor.name))
        found.extend(_results(store, monitor.name, progress))
    found.extend(_memory(store))
    found.extend(_left_over(store))
    return found


def _database(store: Store) -> Iterator[Problem]:
    if not store.database.is_sqlite:
        return  # PostgreSQL checks its pages as it reads them, and never lets a reference go
    with store.database.reading() as connection:
        for (line,) in connection.exec_driver_sql("PRAGMA integrity_check(20)"):
            if line != "ok":
                yield Problem(ProblemKind.DATABASE, store.database.where, line, _RESTORE)
        for table, row, parent, _ in connection.exec_driver_sql("PRAGMA foreign_key_check"):
            what = f"row {row} of {table} names a row of {parent} that is not there"
            yield Problem(ProblemKind.REFERENCE, store.database.where, what, _RESTORE)


def _current(store: Store) -> Iterator[Problem]:
    """Tell of windows of whose revisions not exactly one is current."""
    for name, key in _KEYS.items():
        table = tables.METADATA.tables[name]
        columns = [table.c[k] for k in key]
        count = sa.func.sum(sa.case((table.c.current, 1), else_=0))
        query = sa.select(*columns, count.label("count")).group_by(*columns).having(count != 1)
        with store.database.reading() as connection:
            for row in connection.execute(query):
                yield Problem(
                    ProblemKind.CURRENT,
                    f"{name} {', '.join(str(row[i]) for i in range(len(key)) if row[i] != '')}",
                    f"{row.count} of its revisions are current",
                    "Judge the window again: whydrift run --recompute",
                )


def _snapshots(store: Store, monitor: str, progress: Progress) -> Iterator[Problem]:
    records = store.list_snapshots(monitor=monitor, current=None)
    for number, record in enumerate(records):
        progress(f"reading windows of {monitor}", number, len(records))
        yield from _snapshot(store, record)


def _snapshot(store: Store, record: SnapshotRecord) -> Iterator[Problem]:
    try:
        with store.database.reading() as connection:
            window = snapshots.read(connection, store.content, record)
    except StoreError as error:
        now = store.find_snapshot(record.key, part=record.part)
        if record.current and now is not None and now != record:
            return  # replaced while we read
        yield Problem(ProblemKind.SNAPSHOT, error.where, error.what, error.remedy)
        return
    if window.rows != record.rows or window.has_sample != record.has_sample:
        what = f"its row says {record.rows} rows, its content {window.rows}"
        yield Problem(ProblemKind.SNAPSHOT, f"snapshot {record.key}", what, _RESTORE)


def _graphs(store: Store, monitor: str) -> Iterator[Problem]:
    for record in store.list_graphs(monitor):
        try:
            with store.database.reading() as connection:
                graphs.get(connection, record.monitor, version=record.version)
        except StoreError as error:
            yield Problem(ProblemKind.GRAPH, error.where, error.what, error.remedy)


def _results(store: Store, monitor: str, progress: Progress) -> Iterator[Problem]:
    records = store.list_results(monitor=monitor, current=None)
    for number, record in enumerate(records):
        progress(f"reading results of {monitor}", number, len(records))
        try:
            with store.database.reading() as connection:
                results.get(connection, record.id)
        except StoreError as error:
            where = f"result {record.id} of {record.key}"
            yield Problem(ProblemKind.RESULT, where, error.what, error.remedy)


def _memory(store: Store) -> Iterator[Problem]:
    """Read what the daemon remembers; the first row of each kind that cannot be read is told."""
    readers: dict[str, Callable[[], object]] = {
        "visit": lambda: [store.list_visits(m.name) for m in store.list_monitors()],
        "alert": store.list_alerts,
        "outbox": lambda: _read_messages(store),
        "event": store.list_events,
    }
    for table, read in readers.items():
        try:
            read()
        except WhydriftError as error:
            yield Problem(ProblemKind.MEMORY, error.where, error.what, error.remedy)
        except ValueError as error:  # a word that is none of ours
            yield Problem(ProblemKind.MEMORY, f"table {table}", str(error), _RESTORE)


def _read_messages(store: Store) -> None:
    with store.database.reading() as connection:
        outbox.check(connection)


def _left_over(store: Store) -> Iterator[Problem]:
    with store.database.reading() as connection:
        names = snapshots.unused(connection, store.content.files())
    for name in names:
        yield Problem(
            ProblemKind.LEFT_OVER,
            f"{store.content.folder}/{name}",
            "no row names this file: an interrupted write left it",
            "`whydrift store gc` removes it",
        )
