"""Rows of the ledger: each decision that could page, at what level it was taken, once."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import sqlalchemy as sa

from whydrift.monitor.diagnosis.alarm_budget import Ledger, Purpose
from whydrift.monitor.store import tables
from whydrift.monitor.store.state import Decision, Spending
from whydrift.monitor.store.statements import insert_missing, of_interval
from whydrift.monitor.window.interval import Interval

__all__ = ["decided", "put", "spent"]

_TABLE: Final = tables.ledger


def put(connection: sa.Connection, monitor: str, interval: Interval, spending: Spending) -> None:
    """Keep a decision about a window; one that was taken before spends nothing."""
    row = {
        "monitor": monitor,
        "window_start": interval.start,
        "window_end": interval.end,
        "segment": spending.segment,
        "purpose": spending.purpose.value,
        "stage": spending.stage,
        "level": spending.level,
    }
    insert_missing(connection, _TABLE, row)


def spent(connection: sa.Connection, monitor: str, since: datetime) -> Ledger:
    """Return the levels spent on windows that end at or after a moment, by their end."""
    total = sa.func.sum(_TABLE.c.level)
    query = (
        sa.select(_TABLE.c.window_end, total.label("level"))
        .where(_TABLE.c.monitor == monitor, _TABLE.c.window_end >= since)
        .group_by(_TABLE.c.window_end)
    )
    return Ledger({row.window_end.timestamp(): row.level for row in connection.execute(query)})


def decided(connection: sa.Connection, monitor: str, interval: Interval) -> frozenset[Decision]:
    """Return the decisions about a window that were taken."""
    query = sa.select(_TABLE.c.segment, _TABLE.c.purpose, _TABLE.c.stage).where(
        of_interval(_TABLE, monitor, interval)
    )
    return frozenset(
        Decision(row.segment, Purpose(row.purpose), row.stage) for row in connection.execute(query)
    )
