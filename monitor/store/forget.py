"""Deletes what is kept of a monitor, because somebody wants it gone; that it was is kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from whydrift.discovery.errors import StoreError, nearest
from whydrift.monitor.store import configs, tables
from whydrift.monitor.store.collect import (
    count_rows,
    delete_rows,
    give_back,
    remove_unused_files,
)
from whydrift.monitor.store.state import AlertState
from whydrift.monitor.store.statements import lock_monitor
from whydrift.monitor.store.store import Store

__all__ = ["FORGET", "Forgotten", "Scope", "forget"]

FORGET: Final = "forget"  # kind of the event that tells of it


@dataclass(frozen=True, slots=True)
class Scope:
    """What is to be forgotten of a monitor: all, or what both limits have in common.

    Parameters
    ----------
    monitor : str
    before : datetime, optional
        Windows that end then, or earlier.
    segment : str, optional
        Not the whole, whose windows hold the same rows too.
    """

    monitor: str
    before: datetime | None = None
    segment: str | None = None

    @property
    def is_all(self) -> bool:
        """Whether nothing of the monitor is left."""
        return self.before is None and self.segment is None

    def __str__(self) -> str:
        words = [f"monitor {self.monitor}"]
        if self.segment is not None:
            words.append(f"segment {self.segment}")
        if self.before is not None:
            words.append(f"windows to {self.before.isoformat().replace('+00:00', 'Z')}")
        return ", ".join(words)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many rows of each kind were deleted, or would be."""

    snapshots: int
    results: int
    graphs: int
    alerts: int
    messages: int
    events: int

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return asdict(self)


def forget(
    store: Store, scope: Scope, *, actor: str, at: datetime, dry_run: bool = False
) -> Forgotten:
    """Delete windows, results, alerts and messages; of a whole monitor all there is.

    Where it is cut short, doing it again does the rest. Of a monitor that goes on, which windows
    were looked at is remembered, or they would be read and judged once more.

    Parameters
    ----------
    store : Store
    scope : Scope
    actor : str
        Who wants it: stands in the event that is kept of it.
    at : datetime
    dry_run : bool
        Only count what would be deleted.

    Raises
    ------
    StoreError
        If nothing is kept of the monitor or segment, a daemon still checks a monitor of which
        nothing is to be left, or the database cannot be written.
    """
    _see_that_it_is_there(store, scope)
    if dry_run:
        return Forgotten(**{name: count_rows(store, *what) for name, what in _rows(scope).items()})
    if scope.is_all:
        _see_that_nobody_checks(store, scope.monitor)
    store.put_event(FORGET, str(scope), at=at, actor=actor, monitor=scope.monitor)
    done = Forgotten(**{name: delete_rows(store, *what) for name, what in _rows(scope).items()})
    for table, condition in _memory(scope):
        delete_rows(store, table, condition)
    if scope.is_all:
        with store.database.writing() as connection:
            lock_monitor(connection, scope.monitor)
            name = tables.monitor.c.name
            connection.execute(sa.delete(tables.monitor).where(name == scope.monitor))
    with store.database.writing() as connection:
        configs.delete_unused(connection)
    remove_unused_files(store)
    give_back(store)
    return done


def _see_that_it_is_there(store: Store, scope: Scope) -> None:
    names = [monitor.name for monitor in store.list_monitors()]
    if scope.monitor not in names:
        raise _unknown("monitor", scope.monitor, names, store)
    if scope.segment is None:
        return
    with store.database.reading() as connection:
        table = tables.snapshot
        query = sa.select(table.c.segment).where(table.c.monitor == scope.monitor).distinct()
        found = [name for name in connection.execute(query).scalars() if name]
    if scope.segment not in found:
        raise _unknown("segment", scope.segment, found, store)


def _unknown(what: str, name: str, known: list[str], store: Store) -> StoreError:
    guess = nearest(name, known)
    return StoreError(
        f"nothing is kept of a {what} {name!r}",
        where=store.database.where,
        remedy=f"Did you mean {guess!r}?" if guess else "`whydrift store info` lists what is kept",
    )


def _see_that_nobody_checks(store: Store, monitor: str) -> None:
    for lease in store.list_leases():
        if lease.monitor == monitor:
            raise StoreError(
                f"a daemon checks it ({lease.holder}), and would begin anew",
                where=f"monitor {monitor!r}",
                remedy="Take it out of the configuration and reload, or stop the daemon, first",
            )


def _rows(scope: Scope) -> dict[str, tuple[sa.Table, sa.ColumnElement[bool]]]:
    """Return what is counted, by its name in `Forgotten`: table and condition."""
    alert, graph, outbox, event = tables.alert, tables.graph, tables.outbox, tables.event
    return {
        "snapshots": (tables.snapshot, _within(tables.snapshot, scope)),
        "results": (tables.result, _within(tables.result, scope)),
        # Of a monitor that goes on the graph does too: it names columns, and holds no rows.
        "graphs": (graph, _of(graph, scope) if scope.is_all else sa.false()),
        "alerts": (
            alert,
            _of(alert, scope, alert.c.resolved, alert.c.state == AlertState.RESOLVED.value),
        ),
        "messages": (
            outbox,
            _of(outbox, scope, outbox.c.created, outbox.c.done_at.is_not(None)),
        ),
        "events": (
            event,
            sa.and_(_of(event, scope, event.c.happened), event.c.kind != FORGET)
            if scope.segment is None
            else sa.false(),
        ),
    }


def _memory(scope: Scope) -> list[tuple[sa.Table, sa.ColumnElement[bool]]]:
    """Return what goes with it and nobody counts: table and condition."""
    found = [(tables.ledger, _within(tables.ledger, scope))]
    if scope.is_all:
        found += [(table, _of(table, scope)) for table in (tables.visit, tables.monitor_state)]
    return found


def _within(table: sa.Table, scope: Scope) -> sa.ColumnElement[bool]:
    return _of(table, scope, table.c.window_end)


def _of(
    table: sa.Table,
    scope: Scope,
    moment: sa.ColumnElement[Any] | None = None,
    is_over: sa.ColumnElement[bool] | None = None,
) -> sa.ColumnElement[bool]:
    """Return the condition for rows of a scope: with a date, those until it that are over."""
    conditions = [table.c.monitor == scope.monitor]
    if scope.segment is not None:
        conditions.append(table.c.segment == scope.segment)
    if scope.before is not None:
        assert moment is not None, table.name
        conditions.append(moment <= scope.before)
        if is_over is not None:
            conditions.append(is_over)
    return sa.and_(*conditions)
