"""Rows of the table of alerts: an episode each, of which one per key is open."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa

from whydrift.monitor.diagnosis.alert import AlertKey, AlertKind
from whydrift.monitor.diagnosis.episode import Episode, Step
from whydrift.monitor.store import tables
from whydrift.monitor.store.state import AlertChange, AlertRecord, AlertState
from whydrift.monitor.store.statements import read_json, written

__all__ = ["change", "expired", "listed", "page"]

_TABLE: Final = tables.alert
_IS_OPEN: Final = _TABLE.c.state != AlertState.RESOLVED.value


def change(connection: sa.Connection, monitor: str, done: AlertChange, *, at: datetime) -> None:
    """Write what a check did to an episode; call it where the monitor is locked.

    The episode as it is afterwards is written, so that doing it twice does no more than once.
    """
    is_it = sa.and_(_of_key(monitor, done.key), _IS_OPEN)
    columns = (_TABLE.c.id, _TABLE.c.state, _TABLE.c.details)
    row = connection.execute(sa.select(*columns).where(is_it)).first()
    said: dict[str, Any] = {"at": at}
    if done.episode is None:
        if row is None:
            return
        is_row = _TABLE.c.id == row.id
        if row.state == AlertState.PENDING.value:  # nobody was told of it
            connection.execute(sa.delete(_TABLE).where(is_row))
            return
        # What it was about, and the diagnosis that showed it, stay: the end shows little of it.
        about = read_json(row.details, f"alert {row.id}")
        said["details"] = written({**about, **_closed(done)})
        said |= {"state": AlertState.RESOLVED.value, "resolved": done.end}
        connection.execute(sa.update(_TABLE).where(is_row).values(**said))
        return
    if done.result is not None:
        said["result"] = done.result
    if done.details:
        said["details"] = written(done.details)
    said |= _fields(done.episode)
    if done.step is Step.OPENED:
        said["fired"] = done.end
    if row is not None:
        connection.execute(sa.update(_TABLE).where(_TABLE.c.id == row.id).values(**said))
        return
    if done.step not in {Step.OPENED, Step.PENDING}:
        return  # it was accepted while the window was judged
    key = {
        "monitor": monitor,
        "segment": done.key.segment,
        "target": done.key.target,
        "kind": done.key.kind.value,
    }
    connection.execute(sa.insert(_TABLE).values(**key, **({"details": "{}"} | said)))


def _closed(done: AlertChange) -> dict[str, Any]:
    """Return what is kept of the end: of the window that resolved it, or why it was accepted."""
    reason = {key: done.details[key] for key in ("accepted",) if key in done.details}
    return {**reason, "closed": {**done.details, "diagnosis": done.result}}


def listed(
    connection: sa.Connection,
    *,
    monitor: str | None = None,
    states: Collection[AlertState] | None = None,
    since: datetime | None = None,
) -> tuple[AlertRecord, ...]:
    """Return episodes, by their number; ``since`` leaves out what was written last before it."""
    query = _chosen(monitor, states, since).order_by(_TABLE.c.id)
    return tuple(_record(row) for row in connection.execute(query))


def page(
    connection: sa.Connection,
    *,
    monitor: str | None,
    states: Collection[AlertState] | None,
    since: datetime | None,
    limit: int,
    after: int | None,
) -> tuple[AlertRecord, ...]:
    """Return episodes, those that began last first: so many that follow one of them."""
    query = _chosen(monitor, states, since)
    if after is not None:
        query = query.where(_TABLE.c.id < after)
    query = query.order_by(_TABLE.c.id.desc()).limit(limit)
    return tuple(_record(row) for row in connection.execute(query))


def _chosen(
    monitor: str | None, states: Collection[AlertState] | None, since: datetime | None
) -> sa.Select[Any]:
    query = sa.select(_TABLE)
    if monitor is not None:
        query = query.where(_TABLE.c.monitor == monitor)
    if states is not None:
        query = query.where(_TABLE.c.state.in_([state.value for state in states]))
    if since is not None:
        query = query.where(_TABLE.c.at >= since)
    return query


def expired(monitor: str, limit: datetime) -> sa.ColumnElement[bool]:
    """Return the condition for episodes of a monitor that were over by a moment."""
    return sa.and_(_TABLE.c.monitor == monitor, sa.not_(_IS_OPEN), _TABLE.c.resolved <= limit)


def _of_key(monitor: str, key: AlertKey) -> sa.ColumnElement[bool]:
    return sa.and_(
        _TABLE.c.monitor == monitor,
        _TABLE.c.segment == key.segment,
        _TABLE.c.target == key.target,
        _TABLE.c.kind == key.kind.value,
    )


def _fields(episode: Episode) -> dict[str, Any]:
    state = AlertState.FIRING if episode.is_firing else AlertState.PENDING
    return {
        "state": state.value,
        "opened": episode.opened,
        "last": episode.last,
        "counted": episode.counted,
        "rejections": episode.rejections,
        "quiet": episode.quiet,
        "columns": json.dumps(sorted(episode.columns)),
    }


def _record(row: sa.Row[Any]) -> AlertRecord:
    state = AlertState(row.state)
    where = f"alert {row.id}"
    columns = read_json(f'{{"columns":{row.columns}}}', where)["columns"]
    return AlertRecord(
        row.id,
        row.monitor,
        AlertKey(row.target, AlertKind(row.kind), row.segment),
        Episode(
            row.opened,
            row.last,
            row.rejections,
            row.quiet,
            row.counted,
            state is not AlertState.PENDING,
            frozenset(columns),
        ),
        state,
        row.fired,
        row.resolved,
        row.result,
        read_json(row.details, where),
        row.at.astimezone(UTC),
    )
