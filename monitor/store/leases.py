"""Rows of the table of leases: which process judges a monitor, and whether it still may."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import sqlalchemy as sa

from whydrift.discovery.errors import LeaseLost
from whydrift.monitor.store import tables
from whydrift.monitor.store.state import Lease
from whydrift.monitor.store.statements import insert_missing

__all__ = ["fence", "listed", "release", "renew", "take"]

_TABLE: Final = tables.lease
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NOBODY: Final = ""


def take(connection: sa.Connection, monitor: str, holder: str, seconds: float) -> Lease | None:
    """Give a monitor to a holder; None where another one has it.

    The row stays when it is released, so that the token grows at each change of hands.
    """
    free = {"monitor": monitor, "holder": _NOBODY, "token": 0, "expires_at": _LONG_AGO}
    insert_missing(connection, _TABLE, free)
    row = connection.execute(
        sa.select(_TABLE).where(_TABLE.c.monitor == monitor).with_for_update()
    ).one()
    now = _now(connection)
    is_mine = row.holder == holder
    if not is_mine and row.holder != _NOBODY and row.expires_at > now:
        return None
    lease = Lease(
        monitor, holder, row.token if is_mine else row.token + 1, now + timedelta(seconds=seconds)
    )
    connection.execute(
        sa.update(_TABLE)
        .where(_TABLE.c.monitor == monitor)
        .values(holder=holder, token=lease.token, expires_at=lease.expires_at)
    )
    return lease


def renew(connection: sa.Connection, lease: Lease, seconds: float) -> Lease | None:
    """Make a lease last; None where another one has taken it, or it was released."""
    expires_at = _now(connection) + timedelta(seconds=seconds)
    query = sa.update(_TABLE).where(_is(lease)).values(expires_at=expires_at)
    if connection.execute(query).rowcount == 0:
        return None
    return Lease(lease.monitor, lease.holder, lease.token, expires_at)


def release(connection: sa.Connection, lease: Lease) -> None:
    """Give a monitor up, so that another one need not wait; nothing where it is lost already."""
    connection.execute(
        sa.update(_TABLE).where(_is(lease)).values(holder=_NOBODY, expires_at=_LONG_AGO)
    )


def fence(connection: sa.Connection, lease: Lease) -> None:
    """See that a lease is still the holder's, and let nobody take it before the transaction ends.

    One that has expired and that nobody has taken still holds.

    Raises
    ------
    LeaseLost
        If it changed hands, or was released.
    """
    found = connection.execute(
        sa.select(_TABLE.c.token).where(_is(lease)).with_for_update()
    ).scalar()
    if found is None:
        raise LeaseLost(
            f"{lease.holder} no longer holds it: another process has taken over",
            where=f"monitor {lease.monitor!r}",
            remedy="Nothing is to be done: the other one checks the window",
        )


def listed(connection: sa.Connection) -> tuple[Lease, ...]:
    """Return the leases that hold now, by monitor."""
    query = sa.select(_TABLE).where(
        _TABLE.c.holder != _NOBODY, _TABLE.c.expires_at > _now(connection)
    )
    return tuple(
        Lease(row.monitor, row.holder, row.token, row.expires_at)
        for row in connection.execute(query.order_by(_TABLE.c.monitor))
    )


def _is(lease: Lease) -> sa.ColumnElement[bool]:
    return sa.and_(
        _TABLE.c.monitor == lease.monitor,
        _TABLE.c.holder == lease.holder,
        _TABLE.c.token == lease.token,
    )


def _now(connection: sa.Connection) -> datetime:
    """Return the time of the database: machines that share one need not agree on it.

    A file of SQLite's is used on one machine only, whose time is its processes' too.
    """
    if connection.dialect.name == "sqlite":
        return datetime.now(UTC)
    found: datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    return found.astimezone(UTC)
