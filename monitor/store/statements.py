"""Statements that several tables share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from whydrift.discovery.errors import StoreError
from whydrift.monitor.store import tables
from whydrift.monitor.store.records import WindowKey
from whydrift.monitor.window.interval import Interval

__all__ = [
    "delete_some",
    "insert_missing",
    "key_of",
    "lock_monitor",
    "of_interval",
    "of_window",
    "put_row",
    "read_json",
    "within",
    "written",
]


def insert_missing(connection: sa.Connection, table: sa.Table, row: Mapping[str, Any]) -> bool:
    """Insert a row; where its key is there already, leave it as it is.

    Returns
    -------
    bool
        Whether it was inserted.
    """
    insert = _insert(connection)
    return connection.execute(insert(table).values(**row).on_conflict_do_nothing()).rowcount == 1


def put_row(
    connection: sa.Connection, table: sa.Table, key: Mapping[str, Any], values: Mapping[str, Any]
) -> None:
    """Insert a row; where its primary key is there already, write the values over it."""
    insert = _insert(connection)
    connection.execute(
        insert(table)
        .values(**key, **values)
        .on_conflict_do_update(index_elements=list(key), set_=dict(values))
    )


def _insert(connection: sa.Connection) -> Any:
    return postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert


def delete_some(
    connection: sa.Connection, table: sa.Table, condition: sa.ColumnElement[bool], *, most: int
) -> int:
    """Delete rows, so many at most, and return how many were."""
    key = list(table.primary_key.columns)
    some = sa.select(*key).where(condition).limit(most).correlate(None)
    these = sa.tuple_(*key).in_(some) if len(key) > 1 else key[0].in_(some)
    return connection.execute(sa.delete(table).where(these)).rowcount


def lock_monitor(connection: sa.Connection, name: str) -> None:
    """Make a monitor known, and let no other transaction write for it before this one ends."""
    insert_missing(connection, tables.monitor, {"name": name, "config_hash": None})
    # NO KEY: references to the monitor from other tables do not wait. SQLite, where one
    # transaction writes at a time, knows no such lock and leaves the words out.
    connection.execute(
        sa.select(tables.monitor.c.name)
        .where(tables.monitor.c.name == name)
        .with_for_update(key_share=True)
    )


def of_window(table: sa.Table, key: WindowKey) -> sa.ColumnElement[bool]:
    """Return the condition for rows of one window."""
    return sa.and_(
        table.c.monitor == key.monitor,
        table.c.segment == key.segment,
        table.c.window_start == key.interval.start,
        table.c.window_end == key.interval.end,
    )


def of_interval(table: sa.Table, monitor: str, interval: Interval) -> sa.ColumnElement[bool]:
    """Return the condition for rows of a window, of all segments."""
    return sa.and_(
        table.c.monitor == monitor,
        table.c.window_start == interval.start,
        table.c.window_end == interval.end,
    )


def written(value: Mapping[str, Any]) -> str:
    """Return a value as JSON, the same for equal ones."""
    return json.dumps(value, allow_nan=False, sort_keys=True, separators=(",", ":"))


def read_json(text: str, where: str) -> dict[str, Any]:
    """Return what `written` wrote.

    Raises
    ------
    StoreError
        If it was changed so that it is none.
    """
    try:
        value = json.loads(text)
        if not isinstance(value, dict):
            raise ValueError("no object")
    except ValueError as error:
        raise StoreError(
            f"it cannot be read ({error})", where=where, remedy="Restore the store from a backup"
        ) from error
    return value


def within(
    table: sa.Table,
    monitor: str | None,
    segment: str | None,
    start: datetime | None,
    end: datetime | None,
) -> list[sa.ColumnElement[bool]]:
    """Return the conditions for windows that lie wholly between two moments."""
    conditions: list[sa.ColumnElement[bool]] = []
    if monitor is not None:
        conditions.append(table.c.monitor == monitor)
    if segment is not None:
        conditions.append(table.c.segment == segment)
    if start is not None:
        conditions.append(table.c.window_start >= start)
    if end is not None:
        conditions.append(table.c.window_end <= end)
    return conditions


def key_of(row: sa.Row[Any]) -> WindowKey:
    """Return the window that a row is of."""
    return WindowKey(row.monitor, Interval(row.window_start, row.window_end), row.segment)
