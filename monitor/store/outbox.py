"""Rows of the outbox: what notifiers are to be told, each message once by its key."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from whydrift.monitor.store import tables
from whydrift.monitor.store.state import Message, OutboxRecord
from whydrift.monitor.store.statements import insert_missing, read_json, written

__all__ = ["check", "done", "due", "pending", "put", "retry"]

_TABLE: Final = tables.outbox
_WAITS: Final = _TABLE.c.done_at.is_(None)
_LONGEST_WAIT: Final = timedelta(hours=25)  # receivers may name a day


def put(connection: sa.Connection, messages: Iterable[Message], *, at: datetime) -> None:
    """Keep messages to be sent now; one whose key is there already is not sent again."""
    for message in messages:
        row = {
            "notifier": message.notifier,
            "key": message.key,
            "monitor": message.body.get("monitor"),
            "segment": message.body.get("segment"),
            "subject": message.body.get("fingerprint"),
            "body": written(message.body),
            "created": at,
            "attempts": 0,
            "next_at": at,
        }
        insert_missing(connection, _TABLE, row)


def due(
    connection: sa.Connection,
    now: datetime,
    *,
    notifier: str | None,
    limit: int,
    claim: timedelta | None,
) -> tuple[OutboxRecord, ...]:
    """Return messages that are to be sent, oldest first; of one alert only the first that waits.

    Parameters
    ----------
    connection : Connection
    now : datetime
    notifier : str, optional
    limit : int
    claim : timedelta, optional
        For so long nobody else is given them.
    """
    before = _TABLE.alias()
    # Else a receiver that was away could hear of the end of an alert before its begin.
    is_behind = (
        sa.select(sa.literal(1))
        .where(
            before.c.notifier == _TABLE.c.notifier,
            before.c.subject == _TABLE.c.subject,
            before.c.id < _TABLE.c.id,
            before.c.done_at.is_(None),
        )
        .exists()
    )
    is_time = sa.or_(
        _TABLE.c.next_at <= now,
        # A clock that was put back since would hold these up until it comes there again: the first
        # was never tried, and nobody waits longer than the second.
        _TABLE.c.next_at == _TABLE.c.created,
        _TABLE.c.next_at > now + _LONGEST_WAIT,
    )
    query = sa.select(_TABLE).where(_WAITS, is_time, sa.not_(is_behind))
    if notifier is not None:
        query = query.where(_TABLE.c.notifier == notifier)
    query = query.order_by(_TABLE.c.next_at, _TABLE.c.id).limit(limit)
    if claim is not None:
        query = query.with_for_update(skip_locked=True)
    rows = connection.execute(query).all()
    if claim is not None and rows:
        connection.execute(
            sa.update(_TABLE)
            .where(_TABLE.c.id.in_([row.id for row in rows]))
            .values(next_at=now + claim)
        )
    return tuple(_record(row) for row in rows)


def done(
    connection: sa.Connection, number: int, outcome: str, error: str | None, *, at: datetime
) -> None:
    """Write how the last attempt ended: nothing more is tried."""
    connection.execute(
        sa.update(_TABLE)
        .where(_TABLE.c.id == number, _WAITS)
        .values(
            attempts=_TABLE.c.attempts + 1, next_at=None, done_at=at, outcome=outcome, error=error
        )
    )


def retry(connection: sa.Connection, number: int, next_at: datetime, error: str) -> None:
    """Write that an attempt failed, and when the next one is made."""
    connection.execute(
        sa.update(_TABLE)
        .where(_TABLE.c.id == number, _WAITS)
        .values(attempts=_TABLE.c.attempts + 1, next_at=next_at, error=error)
    )


def pending(connection: sa.Connection) -> dict[str, int]:
    """Return how many messages of each notifier wait."""
    query = sa.select(_TABLE.c.notifier, sa.func.count()).where(_WAITS)
    rows = connection.execute(query.group_by(_TABLE.c.notifier).order_by(_TABLE.c.notifier))
    return {row[0]: int(row[1]) for row in rows}


def check(connection: sa.Connection) -> None:
    """Read all messages.

    Raises
    ------
    StoreError
        If one cannot be read.
    """
    for row in connection.execute(sa.select(_TABLE)):
        _record(row)


def _record(row: sa.Row[Any]) -> OutboxRecord:
    return OutboxRecord(
        row.id,
        Message(row.notifier, row.key, read_json(row.body, f"message {row.id}")),
        row.created,
        row.attempts,
        row.next_at,
        row.done_at,
        row.outcome,
        row.error,
    )
