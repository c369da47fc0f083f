"""Rows of the table of snapshots."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from whydrift.discovery.errors import SchemaError, StoreError
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.store import tables
from whydrift.monitor.store.content import Content, sha256
from whydrift.monitor.store.records import SnapshotRecord, WindowKey, check_name
from whydrift.monitor.store.statements import key_of, lock_monitor, of_window, within
from whydrift.monitor.window.interval import Interval

__all__ = [
    "delete",
    "delete_superseded",
    "ends",
    "find",
    "listed",
    "put",
    "read",
    "rewrite",
    "segments",
    "start_of_last",
    "unused",
]

_TABLE: Final = tables.snapshot
_FORMAT: Final = "parquet"
_COLUMNS: Final = [c for c in _TABLE.c if c.name != "content"]  # which may be megabytes


def put(
    connection: sa.Connection,
    content: Content,
    key: WindowKey,
    window: Snapshot,
    *,
    part: str,
    at: datetime,
) -> SnapshotRecord:
    """Keep a window: nothing where it is there already, else its next revision, now current."""
    check_name(part)
    written = window.to_bytes()
    lock_monitor(connection, key.monitor)
    same = sa.and_(of_window(_TABLE, key), _TABLE.c.part == part)
    latest = _first(connection, sa.select(*_COLUMNS).where(same, _TABLE.c.current))
    if latest is not None and latest.sha256 == sha256(written):
        return latest
    connection.execute(sa.update(_TABLE).where(same, _TABLE.c.current).values(current=False))
    kept = content.write(written)
    last = connection.execute(sa.select(sa.func.max(_TABLE.c.revision)).where(same)).scalar()
    fields: dict[str, Any] = {
        "part": part,
        "revision": (last or 0) + 1,
        "current": True,
        "rows": window.rows,
        "bytes": len(written),
        "format": _FORMAT,
        "sha256": sha256(written),
        "has_sample": window.has_sample,
        "file": kept.file,
        "at": at,
    }
    number = connection.execute(
        sa.insert(_TABLE)
        .values(
            monitor=key.monitor,
            segment=key.segment,
            window_start=key.interval.start,
            window_end=key.interval.end,
            content=kept.content,
            **fields,
        )
        .returning(_TABLE.c.id)
    ).scalar_one()
    return SnapshotRecord(id=number, key=key, **fields)


def find(connection: sa.Connection, key: WindowKey, part: str) -> SnapshotRecord | None:
    """Return the current revision of a window."""
    return _first(
        connection,
        sa.select(*_COLUMNS).where(of_window(_TABLE, key), _TABLE.c.part == part, _TABLE.c.current),
    )


def read(connection: sa.Connection, content: Content, record: SnapshotRecord) -> Snapshot:
    """Return a stored window.

    Raises
    ------
    StoreError
        If its content is gone, was changed or cannot be read.
    """
    written = content.read(connection, record)
    try:
        return Snapshot.from_bytes(written)
    except SchemaError as error:
        raise StoreError(error.what, where=f"snapshot {record.key}", remedy=error.remedy) from error


def listed(
    connection: sa.Connection,
    *,
    monitor: str | None = None,
    segment: str | None = None,
    part: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    current: bool | None = True,
) -> tuple[SnapshotRecord, ...]:
    """Return the windows that lie wholly between two moments, in the order of time."""
    query = sa.select(*_COLUMNS).where(*within(_TABLE, monitor, segment, start, end))
    if part is not None:
        query = query.where(_TABLE.c.part == part)
    if current is not None:
        query = query.where(_TABLE.c.current if current else sa.not_(_TABLE.c.current))
    order = (_TABLE.c[n] for n in ("window_start", "monitor", "segment", "part", "revision"))
    return tuple(_record(row) for row in connection.execute(query.order_by(*order)))


def ends(connection: sa.Connection, monitor: str) -> tuple[SnapshotRecord, SnapshotRecord] | None:
    """Return the oldest and the newest window of the whole that have rows; None: there are none."""
    query = sa.select(*_COLUMNS).where(
        _TABLE.c.monitor == monitor, _TABLE.c.segment == "", _TABLE.c.current, _TABLE.c.rows > 0
    )
    order = [_TABLE.c.window_start, _TABLE.c.window_end, _TABLE.c.part]
    oldest = _first(connection, query.order_by(*order).limit(1))
    newest = _first(connection, query.order_by(*(c.desc() for c in order)).limit(1))
    return None if oldest is None or newest is None else (oldest, newest)


def page_of_windows(
    connection: sa.Connection,
    monitor: str,
    segment: str,
    *,
    start: datetime | None,
    end: datetime | None,
    limit: int,
    after: tuple[datetime, datetime] | None,
) -> tuple[Interval, ...]:
    """Return windows, those that end last first: so many that follow one of them."""
    columns = _TABLE.c.window_end, _TABLE.c.window_start
    query = (
        sa.select(*columns)
        .distinct()
        .where(*within(_TABLE, monitor, segment, start, end), _TABLE.c.current)
    )
    if after is not None:
        ended, began = after
        is_older = sa.or_(
            _TABLE.c.window_end < ended,
            sa.and_(_TABLE.c.window_end == ended, _TABLE.c.window_start < began),
        )
        query = query.where(_TABLE.c.window_end <= ended, is_older)
    query = query.order_by(*(c.desc() for c in columns)).limit(limit)
    rows = connection.execute(query)
    return tuple(Interval(row.window_start, row.window_end) for row in rows)


def latest_number(connection: sa.Connection, monitors: Collection[str]) -> int:
    """Return the number of the row that came last of monitors' windows as a whole."""
    query = sa.select(sa.func.max(_TABLE.c.id)).where(
        _TABLE.c.monitor.in_(monitors), _TABLE.c.segment == ""
    )
    return int(connection.execute(query).scalar() or 0)


def segments(connection: sa.Connection, monitor: str) -> tuple[str, ...]:
    """Return the segments that a monitor has windows of, the whole (an empty name) too.

    The index is asked for one after the other: how many windows there are costs nothing.
    """
    smallest = sa.select(sa.func.min(_TABLE.c.segment)).where(_TABLE.c.monitor == monitor)
    each = sa.select(smallest.scalar_subquery().label("segment")).cte("each", recursive=True)
    larger = smallest.where(_TABLE.c.segment > each.c.segment)
    each = each.union_all(
        sa.select(larger.correlate(each).scalar_subquery()).where(each.c.segment.is_not(None))
    )
    found = connection.execute(sa.select(each.c.segment).where(each.c.segment.is_not(None)))
    return tuple(found.scalars())


def start_of_last(
    connection: sa.Connection, monitor: str, segment: str, *, end: datetime, count: int
) -> datetime | None:
    """Return when the window begins that is so many back from a moment; None: there are fewer.

    Each version's part of a window counts as one.
    """
    query = (
        sa.select(_TABLE.c.window_start)
        .where(*within(_TABLE, monitor, segment, None, end), _TABLE.c.current)
        .order_by(_TABLE.c.window_end.desc())
        .offset(count - 1)
        .limit(1)
    )
    found: datetime | None = connection.execute(query).scalar()
    return found


def rewrite(
    connection: sa.Connection, content: Content, record: SnapshotRecord, window: Snapshot
) -> SnapshotRecord:
    """Replace the content of a row by a smaller one of the same window."""
    written = window.to_bytes()
    kept = content.write(written)
    fields: dict[str, Any] = {
        "bytes": len(written),
        "sha256": sha256(written),
        "has_sample": window.has_sample,
        "file": kept.file,
    }
    connection.execute(
        sa.update(_TABLE).where(_TABLE.c.id == record.id).values(content=kept.content, **fields)
    )
    return replace(record, **fields)


def delete(connection: sa.Connection, record: SnapshotRecord) -> list[str]:
    """Delete a window with all its revisions, and return the files that they named."""
    query = sa.delete(_TABLE).where(of_window(_TABLE, record.key), _TABLE.c.part == record.part)
    return [name for name in connection.execute(query.returning(_TABLE.c.file)).scalars() if name]


def delete_superseded(connection: sa.Connection, record: SnapshotRecord) -> list[str]:
    """Delete one revision that a later one replaced, and return the file that it named."""
    query = sa.delete(_TABLE).where(_TABLE.c.id == record.id, sa.not_(_TABLE.c.current))
    return [name for name in connection.execute(query.returning(_TABLE.c.file)).scalars() if name]


def unused(connection: sa.Connection, files: Iterable[str]) -> list[str]:
    """Return those of the files that no row names."""
    named = sa.select(_TABLE.c.file).where(_TABLE.c.file.is_not(None))
    return sorted(set(files) - set(connection.execute(named).scalars()))


def _first(connection: sa.Connection, query: sa.Select[Any]) -> SnapshotRecord | None:
    row = connection.execute(query).first()
    return None if row is None else _record(row)


def _record(row: sa.Row[Any]) -> SnapshotRecord:
    return SnapshotRecord(
        row.id,
        key_of(row),
        row.part,
        row.revision,
        row.current,
        row.rows,
        row.bytes,
        row.format,
        row.sha256,
        row.has_sample,
        row.file,
        row.at,
    )
