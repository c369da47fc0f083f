"""All that a check leaves behind, in one transaction: written in whole, once, or not at all."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from whydrift.discovery.errors import Overtaken
from whydrift.monitor.store import alerts, events, ledger, outbox, results, visits
from whydrift.monitor.store.records import WindowKey
from whydrift.monitor.store.state import CheckOutcome, Settlement, Visit

__all__ = ["settle"]


def settle(connection: sa.Connection, settlement: Settlement, *, at: datetime) -> None:
    """Write what a check found; call it where the lease is fenced and the monitor locked.

    A check that was settled before, and found the same, changes nothing: the process that did it
    may have died before it could tell. One that found something else was a recomputation: its
    results replace the earlier ones, and what it read is not counted again.

    Raises
    ------
    Overtaken
        If somebody accepted what came after the check had begun: it does not know what is usual.
    """
    done = settlement
    assert done.outcome.is_final, done.outcome
    known = visits.find(connection, done.monitor, done.interval, done.kind)
    is_first = known is None or known.outcome in {CheckOutcome.ERROR, CheckOutcome.SKIPPED}
    if known is not None and not is_first and _is_the_same(connection, done, known):
        return
    latest = events.latest(connection, kind="accept", monitor=done.monitor)
    if done.acceptance is not None and done.acceptance != latest:
        raise Overtaken(
            "what came was accepted as the new normal while this window was judged",
            where=f"monitor {done.monitor!r}",
            remedy="Judge it again",
        )
    for segment, diagnosis in done.results.items():
        key = WindowKey(done.monitor, done.interval, segment)
        results.put(connection, key, diagnosis, config_hash=done.config_hash, at=at)
    visits.put(connection, Visit(done.monitor, done.interval, done.kind, done.outcome, at))
    for change in done.alerts:
        alerts.change(connection, done.monitor, change, at=at)
    for spending in done.spent:
        ledger.put(connection, done.monitor, done.interval, spending)
    outbox.put(connection, done.messages, at=at)
    before = visits.state(connection, done.monitor)
    moments = [m for m in (before.source_last_row, done.last_row) if m is not None]
    visits.put_state(
        connection,
        done.monitor,
        consecutive_failures=0,
        last_check=at,
        last_success=at,
        last_error=None,
        next_at=None,
        source_last_row=max(moments, default=None),
        source_rows=before.source_rows + (done.rows if is_first else 0),
    )


def _is_the_same(connection: sa.Connection, done: Settlement, known: Visit) -> bool:
    return known.outcome is done.outcome and all(
        results.is_current(
            connection,
            WindowKey(done.monitor, done.interval, segment),
            diagnosis,
            config_hash=done.config_hash,
        )
        for segment, diagnosis in done.results.items()
    )
