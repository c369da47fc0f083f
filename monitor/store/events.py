"""Rows of the table of events: what happened beside the data."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from whydrift.monitor.store import tables
from whydrift.monitor.store.content import sha256
from whydrift.monitor.store.records import check_name
from whydrift.monitor.store.state import EventRecord, Lapse, LapseKind
from whydrift.monitor.store.statements import insert_missing, written
from whydrift.monitor.window.interval import Interval

__all__ = ["LAPSES", "lapses", "latest", "listed", "page", "put"]

# Kinds of events that say that a lapse began, or was over.
LAPSES: Final = tuple(word for kind in LapseKind for word in (kind.value, kind.over))
_BEGINS: Final = {kind.value: kind for kind in LapseKind}
_TABLE: Final = tables.event


def put(
    connection: sa.Connection,
    kind: str,
    text: str,
    *,
    at: datetime,
    actor: str,
    monitor: str | None,
    window: Interval | None,
) -> EventRecord:
    """Keep an event; one that is equal to it in all is the one that is kept."""
    for word in (kind, text, actor, monitor or ""):
        check_name(word)
    row: dict[str, Any] = {
        "monitor": monitor,
        "kind": kind,
        "actor": actor,
        "text": text,
        "window_start": None if window is None else window.start,
        "window_end": None if window is None else window.end,
        "happened": at,
    }
    key = sha256(written({name: value and str(value) for name, value in row.items()}).encode())
    insert_missing(connection, _TABLE, {**row, "key": key})
    return _record(connection.execute(sa.select(_TABLE).where(_TABLE.c.key == key)).one())


def listed(
    connection: sa.Connection,
    *,
    monitor: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    kinds: Collection[str] | None = None,
) -> tuple[EventRecord, ...]:
    """Return events in the order of time; of a monitor also those that are about all."""
    query = _chosen(monitor, since, until)
    if kinds is not None:
        query = query.where(_TABLE.c.kind.in_(list(kinds)))
    query = query.order_by(_TABLE.c.happened, _TABLE.c.id)
    return tuple(_record(row) for row in connection.execute(query))


def page(
    connection: sa.Connection,
    *,
    monitor: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    after: tuple[datetime, int] | None,
) -> tuple[EventRecord, ...]:
    """Return events, newest first: so many that follow one of them."""
    query = _chosen(monitor, since, until)
    if after is not None:
        happened, number = after
        is_older = sa.or_(
            _TABLE.c.happened < happened,
            sa.and_(_TABLE.c.happened == happened, _TABLE.c.id < number),
        )
        query = query.where(_TABLE.c.happened <= happened, is_older)
    query = query.order_by(_TABLE.c.happened.desc(), _TABLE.c.id.desc()).limit(limit)
    return tuple(_record(row) for row in connection.execute(query))


def _chosen(monitor: str | None, since: datetime | None, until: datetime | None) -> sa.Select[Any]:
    query = sa.select(_TABLE)
    if monitor is not None:
        query = query.where(sa.or_(_TABLE.c.monitor == monitor, _TABLE.c.monitor.is_(None)))
    if since is not None:
        query = query.where(_TABLE.c.happened >= since)
    if until is not None:
        query = query.where(_TABLE.c.happened < until)
    return query


def latest(
    connection: sa.Connection, *, kind: str | None = None, monitor: str | None = None
) -> int:
    """Return the number of the event that was told last, 0 where there is none.

    Parameters
    ----------
    connection : Connection
    kind : str, optional
        Without it, of any.
    monitor : str, optional
        Of this monitor alone; without it, of any.
    """
    query = sa.select(sa.func.max(_TABLE.c.id))
    if kind is not None:
        query = query.where(_TABLE.c.kind == kind)
    if monitor is not None:
        query = query.where(_TABLE.c.monitor == monitor)
    return int(connection.execute(query).scalar() or 0)


def lapses(connection: sa.Connection, monitor: str | None = None) -> tuple[Lapse, ...]:
    """Return the newest lapse of each kind, of one monitor or of all."""
    newest = sa.select(sa.func.max(_TABLE.c.id)).where(_TABLE.c.kind.in_(LAPSES))
    if monitor is not None:
        newest = newest.where(_TABLE.c.monitor == monitor)
    newest = newest.group_by(_TABLE.c.monitor, _TABLE.c.kind)
    query = sa.select(_TABLE).where(_TABLE.c.id.in_(newest))
    rows = {(row.monitor, row.kind): row for row in connection.execute(query)}
    found = []
    for (name, word), begin in sorted(rows.items()):
        kind = _BEGINS.get(word)
        if kind is None:
            continue
        over = rows.get((name, kind.over))
        is_over = over is not None and over.id > begin.id
        until = over.happened if over is not None and is_over else None
        text = over.text if over is not None and is_over else begin.text
        found.append(Lapse(name, kind, begin.happened, until, text))
    return tuple(found)


def _record(row: sa.Row[Any]) -> EventRecord:
    has_window = row.window_start is not None
    return EventRecord(
        row.id,
        row.happened,
        row.monitor,
        row.kind,
        row.actor,
        row.text,
        Interval(row.window_start, row.window_end) if has_window else None,
    )
