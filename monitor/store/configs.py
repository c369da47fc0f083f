"""Rows of the tables of monitors and configurations."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import sqlalchemy as sa

from whydrift.monitor.store import tables
from whydrift.monitor.store.content import sha256
from whydrift.monitor.store.records import MonitorRecord
from whydrift.monitor.store.statements import insert_missing, lock_monitor

__all__ = ["delete_unused", "get", "known", "monitors", "put"]

_TABLE: Final = tables.config


def put(connection: sa.Connection, monitor: str, text: str, *, at: datetime) -> str:
    """Keep a monitor's configuration, secrets masked, and return its hash."""
    digest = sha256(text.encode())
    insert_missing(connection, _TABLE, {"hash": digest, "yaml_redacted": text, "at": at})
    lock_monitor(connection, monitor)
    connection.execute(
        sa.update(tables.monitor).where(tables.monitor.c.name == monitor).values(config_hash=digest)
    )
    return digest


def known(connection: sa.Connection, monitor: str, text: str) -> str | None:
    """Return the hash of a configuration that a monitor has already; None where it has another."""
    digest = sha256(text.encode())
    name = tables.monitor.c.name
    query = sa.select(tables.monitor.c.config_hash).where(name == monitor)
    return digest if connection.execute(query).scalar() == digest else None


def get(connection: sa.Connection, digest: str) -> str | None:
    """Return a configuration."""
    query = sa.select(_TABLE.c.yaml_redacted).where(_TABLE.c.hash == digest)
    return connection.execute(query).scalar()


def monitors(connection: sa.Connection) -> tuple[MonitorRecord, ...]:
    """Return all monitors that anything is kept of, by name."""
    table = tables.monitor
    rows = connection.execute(sa.select(table).order_by(table.c.name))
    return tuple(MonitorRecord(row.name, row.config_hash) for row in rows)


def delete_unused(connection: sa.Connection, *, before: datetime | None = None) -> int:
    """Delete the configurations that no monitor and no result has, and return how many.

    Parameters
    ----------
    connection : Connection
    before : datetime, optional
        Only those that were written first at or before it.
    """
    used = (tables.monitor.c.config_hash, tables.result.c.config_hash)
    is_used = (sa.select(sa.literal(1)).where(c == _TABLE.c.hash).exists() for c in used)
    query = sa.delete(_TABLE).where(sa.not_(sa.or_(*is_used)))
    return connection.execute(
        query if before is None else query.where(_TABLE.c.at <= before)
    ).rowcount
