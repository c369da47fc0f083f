"""Rows of the tables of visits and of monitors' states: what the schedule remembers."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from whydrift.monitor.store import tables
from whydrift.monitor.store.state import CheckOutcome, MonitorState, Visit, VisitKind
from whydrift.monitor.store.statements import insert_missing, of_interval, put_row, within
from whydrift.monitor.window.interval import Interval

__all__ = ["begin", "expired", "fail", "find", "listed", "put", "put_failure", "put_state", "state"]

_TABLE: Final = tables.visit
_STATE: Final = tables.monitor_state


def listed(
    connection: sa.Connection, monitor: str, start: datetime | None, end: datetime | None
) -> tuple[Visit, ...]:
    """Return the visits of windows that lie wholly between two moments, in the order of time."""
    query = sa.select(_TABLE).where(*within(_TABLE, monitor, None, start, end))
    order = (_TABLE.c[name] for name in ("window_end", "window_start", "kind"))
    return tuple(_visit(row) for row in connection.execute(query.order_by(*order)))


def find(
    connection: sa.Connection, monitor: str, interval: Interval, kind: VisitKind
) -> Visit | None:
    """Return what is known of one look at a window."""
    row = connection.execute(
        sa.select(_TABLE).where(of_interval(_TABLE, monitor, interval), _TABLE.c.kind == kind.value)
    ).first()
    return None if row is None else _visit(row)


def put(connection: sa.Connection, visit: Visit) -> None:
    """Keep a visit, in the place of what was known of it."""
    key = {
        "monitor": visit.monitor,
        "window_end": visit.interval.end,
        "window_start": visit.interval.start,
        "kind": visit.kind.value,
    }
    values = {
        "outcome": visit.outcome.value,
        "failures": visit.failures,
        "next_at": visit.next_at,
        "error": visit.error,
        "at": visit.at,
    }
    put_row(connection, _TABLE, key, values)


def fail(connection: sa.Connection, visit: Visit) -> Visit:
    """Keep that a look at a window ended in an error, one more; return it with their number.

    One that is final stays: what failed was to look at it once more.
    """
    known = find(connection, visit.monitor, visit.interval, visit.kind)
    if known is not None and known.outcome.is_final:
        return known
    failed = replace(visit, failures=1 if known is None else known.failures + 1)
    put(connection, failed)
    return failed


def expired(monitor: str, limit: datetime) -> sa.ColumnElement[bool]:
    """Return the condition for visits of a monitor's windows that nobody asks for any more.

    Those of the first reference stay, and of each kind the newest: without them the windows would
    be due once more.
    """
    first, newest = _TABLE.alias(), _TABLE.alias()
    is_first = (
        sa.select(sa.literal(1))
        .where(
            first.c.monitor == _TABLE.c.monitor,
            first.c.window_end == _TABLE.c.window_end,
            first.c.window_start == _TABLE.c.window_start,
            first.c.kind == VisitKind.RECORD.value,
        )
        .exists()
    )
    last = (
        sa.select(sa.func.max(newest.c.window_end))
        .where(newest.c.monitor == _TABLE.c.monitor, newest.c.kind == _TABLE.c.kind)
        .scalar_subquery()
    )
    return sa.and_(
        _TABLE.c.monitor == monitor,
        _TABLE.c.window_end <= limit,
        _TABLE.c.window_end < last,
        sa.not_(is_first),
    )


def state(connection: sa.Connection, monitor: str) -> MonitorState:
    """Return what is known of a monitor beside its windows."""
    row = connection.execute(sa.select(_STATE).where(_STATE.c.monitor == monitor)).first()
    return MonitorState(monitor) if row is None else MonitorState(**row._mapping)


def put_state(connection: sa.Connection, monitor: str, **values: Any) -> None:
    """Write some of what is known of a monitor; call it where the monitor is locked."""
    insert_missing(connection, _STATE, _fields(MonitorState(monitor)))
    connection.execute(sa.update(_STATE).where(_STATE.c.monitor == monitor).values(**values))


def begin(connection: sa.Connection, monitor: str, began: datetime) -> None:
    """Write where the first reference ends, once."""
    if state(connection, monitor).began is None:
        put_state(connection, monitor, began=began)


def put_failure(
    connection: sa.Connection,
    monitor: str,
    error: str,
    *,
    next_at: datetime | None,
    at: datetime,
) -> None:
    """Write that a check of a monitor ended in an error, one more in a row."""
    failures = state(connection, monitor).consecutive_failures + 1
    put_state(
        connection,
        monitor,
        consecutive_failures=failures,
        last_check=at,
        last_error=error,
        next_at=next_at,
    )


def _fields(found: MonitorState) -> dict[str, Any]:
    return {column.name: getattr(found, column.name) for column in _STATE.c}


def _visit(row: sa.Row[Any]) -> Visit:
    return Visit(
        row.monitor,
        Interval(row.window_start, row.window_end),
        VisitKind(row.kind),
        CheckOutcome(row.outcome),
        row.at,
        row.failures,
        row.next_at,
        row.error,
    )
