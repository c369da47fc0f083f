"""What the daemon remembers between two checks, as methods of the store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from whydrift.discovery.errors import Overtaken
from whydrift.monitor.diagnosis.alarm_budget import Ledger
from whydrift.monitor.store import alerts, events, leases, ledger, outbox, visits
from whydrift.monitor.store.engine import Database
from whydrift.monitor.store.settle import settle
from whydrift.monitor.store.state import (
    AlertChange,
    AlertRecord,
    AlertState,
    CheckOutcome,
    Decision,
    EventRecord,
    Lapse,
    Lease,
    Message,
    MonitorState,
    OutboxRecord,
    Settlement,
    Visit,
    VisitKind,
)
from whydrift.monitor.store.statements import lock_monitor
from whydrift.monitor.window.interval import Interval

__all__ = ["Clock", "Memory", "utc_now"]

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the time now."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Memory:
    """Visits, leases, alerts, messages and events; the base of :class:`Store`.

    Every method raises StoreError where the database cannot be reached, read or written.

    Parameters
    ----------
    database : Database
    clock : callable
        Tells when rows were written. Leases have the database's time.
    """

    database: Database
    clock: Clock = utc_now

    # ---- leases --------------------------------------------------------------------------------
    def take_lease(self, monitor: str, holder: str, *, seconds: float) -> Lease | None:
        """Take a monitor; None where another holder has it.

        The token grows at each change of hands; a holder's own lease is made to last, with the
        same token.
        """
        with self.database.writing() as connection:
            return leases.take(connection, monitor, holder, seconds)

    def renew_lease(self, lease: Lease, *, seconds: float) -> Lease | None:
        """Make a lease last so long from now; None where it is lost."""
        with self.database.writing() as connection:
            return leases.renew(connection, lease, seconds)

    def renew_leases(self, held: Iterable[Lease], *, seconds: float) -> tuple[Lease, ...]:
        """Make many leases last, in one transaction; return those that are not lost."""
        with self.database.writing() as connection:
            # In one order, or two daemons that hold what the other wants could wait for each other.
            asked = (
                leases.renew(connection, lease, seconds)
                for lease in sorted(held, key=lambda lease: lease.monitor)
            )
            return tuple(lease for lease in asked if lease is not None)

    def release_lease(self, lease: Lease) -> None:
        """Give a monitor up; nothing happens where the lease is lost already."""
        self.release_leases([lease])

    def release_leases(self, held: Iterable[Lease]) -> None:
        """Give many monitors up, in one transaction."""
        with self.database.writing() as connection:
            for lease in sorted(held, key=lambda lease: lease.monitor):
                leases.release(connection, lease)

    def list_leases(self) -> tuple[Lease, ...]:
        """Return the leases that hold now."""
        with self.database.reading() as connection:
            return leases.listed(connection)

    # ---- monitors ------------------------------------------------------------------------------
    def get_state(self, monitor: str) -> MonitorState:
        """Return what is known of a monitor beside its windows; as new where nothing is."""
        with self.database.reading() as connection:
            return visits.state(connection, monitor)

    def begin(self, monitor: str, began: datetime) -> MonitorState:
        """Write where a monitor's first reference ends; the first to say so counts."""
        with self.database.writing() as connection:
            lock_monitor(connection, monitor)
            visits.begin(connection, monitor, began)
            return visits.state(connection, monitor)

    def set_paused(self, monitor: str, is_paused: bool) -> None:
        """Write whether a monitor's windows are left alone for now."""
        with self.database.writing() as connection:
            lock_monitor(connection, monitor)
            visits.put_state(connection, monitor, is_paused=is_paused)

    # ---- checks --------------------------------------------------------------------------------
    def list_visits(
        self, monitor: str, *, start: datetime | None = None, end: datetime | None = None
    ) -> tuple[Visit, ...]:
        """Return the visits of windows that lie wholly between two moments, by time."""
        with self.database.reading() as connection:
            return visits.listed(connection, monitor, start, end)

    def put_visits(self, visited: Iterable[Visit], lease: Lease | None = None) -> None:
        """Keep visits: all of them, or none. What is final already stays as it is.

        Raises
        ------
        LeaseLost
            If the monitor of the lease has changed hands.
        """
        with self.database.writing() as connection:
            if lease is not None:
                leases.fence(connection, lease)
            for visit in visited:
                lock_monitor(connection, visit.monitor)
                known = visits.find(connection, visit.monitor, visit.interval, visit.kind)
                if known is None or not known.outcome.is_final:
                    visits.put(connection, visit)

    def settle(self, settlement: Settlement, lease: Lease | None) -> None:
        """Write all that a check leaves behind, in one transaction.

        The same settlement again changes nothing. One that found something else than before is a
        recomputation: its results are the next revision.

        Parameters
        ----------
        settlement : Settlement
        lease : Lease, optional
            None where no other process can judge the monitor.

        Raises
        ------
        LeaseLost
            If the monitor has changed hands; then nothing is written.
        Overtaken
            If somebody accepted what came since it was judged; then neither.
        StoreError
            If a result is no diagnosis, its configuration is not stored, or it cannot be written.
        """
        with self.database.writing() as connection:
            if lease is not None:
                leases.fence(connection, lease)
            lock_monitor(connection, settlement.monitor)
            settle(connection, settlement, at=self.clock())

    def fail(
        self,
        monitor: str,
        interval: Interval,
        kind: VisitKind,
        error: str,
        *,
        next_at: datetime,
        lease: Lease | None,
    ) -> Visit:
        """Write that a check ended in an error, and when it is tried again.

        Returns
        -------
        Visit
            With the number of errors in a row. A look that is final already stays as it was: what
            failed was a recomputation.

        Raises
        ------
        LeaseLost
            If the monitor has changed hands.
        """
        at = self.clock()
        failed = Visit(
            monitor, interval, kind, CheckOutcome.ERROR, at, next_at=next_at, error=error
        )
        with self.database.writing() as connection:
            if lease is not None:
                leases.fence(connection, lease)
            lock_monitor(connection, monitor)
            visits.put_failure(connection, monitor, error, next_at=None, at=at)
            return visits.fail(connection, failed)

    def fail_source(
        self, monitor: str, error: str, *, next_at: datetime, lease: Lease | None
    ) -> MonitorState:
        """Write that a source could not tell which windows it has, and when it is asked again.

        Raises
        ------
        LeaseLost
            If the monitor has changed hands.
        """
        with self.database.writing() as connection:
            if lease is not None:
                leases.fence(connection, lease)
            lock_monitor(connection, monitor)
            visits.put_failure(connection, monitor, error, next_at=next_at, at=self.clock())
            return visits.state(connection, monitor)

    def put_next_look(self, monitor: str, next_at: datetime) -> None:
        """Write when a source is asked again for its windows, after it had no more of them."""
        with self.database.writing() as connection:
            lock_monitor(connection, monitor)
            visits.put_state(connection, monitor, next_at=next_at)

    # ---- alerts --------------------------------------------------------------------------------
    def list_alerts(
        self,
        *,
        monitor: str | None = None,
        states: Collection[AlertState] | None = None,
        since: datetime | None = None,
    ) -> tuple[AlertRecord, ...]:
        """Return episodes, those that last and those of the past, oldest first.

        Parameters
        ----------
        monitor : str, optional
        states : collection of AlertState, optional
        since : datetime, optional
            Leaves out those that were written last before it.
        """
        with self.database.reading() as connection:
            return alerts.listed(connection, monitor=monitor, states=states, since=since)

    def page_alerts(
        self,
        *,
        monitor: str | None = None,
        states: Collection[AlertState] | None = None,
        since: datetime | None = None,
        limit: int = 100,
        after: int | None = None,
    ) -> tuple[AlertRecord, ...]:
        """Return episodes, those that began last first, a page at a time.

        Parameters
        ----------
        monitor : str, optional
        states : collection of AlertState, optional
        since : datetime, optional
            Leaves out those that were written last before it.
        limit : int
        after : int, optional
            Number of the last one of the page before.
        """
        with self.database.reading() as connection:
            return alerts.page(
                connection, monitor=monitor, states=states, since=since, limit=limit, after=after
            )

    def spent(self, monitor: str, since: datetime) -> Ledger:
        """Return the levels spent on windows that end at or after a moment, by their end."""
        with self.database.reading() as connection:
            return ledger.spent(connection, monitor, since)

    def decided(self, monitor: str, interval: Interval) -> frozenset[Decision]:
        """Return which decisions about a window were taken: a further one cannot page."""
        with self.database.reading() as connection:
            return ledger.decided(connection, monitor, interval)

    def accept(
        self,
        monitor: str,
        text: str,
        *,
        at: datetime,
        actor: str,
        window: Interval,
        alerts_seen: Collection[AlertRecord],
        changes: Iterable[AlertChange],
        messages: Iterable[Message],
    ) -> EventRecord:
        """Keep that what came is the new normal, and what that does to alerts, in one transaction.

        Parameters
        ----------
        monitor, text : str
        at : datetime
        actor : str
        window : Interval
            From the first window that is normal to the last one that was judged.
        alerts_seen : collection of AlertRecord
            All that last, by which the changes were worked out.
        changes : iterable of AlertChange
            That close its alerts.
        messages : iterable of Message

        Raises
        ------
        Overtaken
            If other alerts last by now, or they changed; then nothing is written.
        """
        now = self.clock()
        with self.database.writing() as connection:
            lock_monitor(connection, monitor)
            lasting = alerts.listed(
                connection, monitor=monitor, states={AlertState.FIRING, AlertState.PENDING}
            )
            if lasting != tuple(alerts_seen):
                raise Overtaken(
                    "a check changed alerts while they were accepted",
                    where=f"monitor {monitor!r}",
                    remedy="Accept again",
                )
            for change in changes:
                alerts.change(connection, monitor, change, at=now)
            outbox.put(connection, messages, at=now)
            return events.put(
                connection, "accept", text, at=at, actor=actor, monitor=monitor, window=window
            )

    # ---- lapses --------------------------------------------------------------------------------
    def list_lapses(self, monitor: str | None = None) -> tuple[Lapse, ...]:
        """Return the newest lapse of each kind, those that last and those that are over."""
        with self.database.reading() as connection:
            return events.lapses(connection, monitor)

    def put_lapse(self, changed: Lapse, told: Iterable[Message], *, after: Lapse | None) -> None:
        """Keep that a lapse began, or is over, with what people are told, in one transaction.

        Parameters
        ----------
        changed : Lapse
        told : iterable of Message
        after : Lapse, optional
            The newest one of its kind, as it was read: where it is another by now, somebody else
            has told of it, and nothing is written.
        """
        with self.database.writing() as connection:
            lock_monitor(connection, changed.monitor)
            known = {lapse.kind: lapse for lapse in events.lapses(connection, changed.monitor)}
            if known.get(changed.kind) != after:
                return
            begins = changed.until is None
            events.put(
                connection,
                changed.kind.value if begins else changed.kind.over,
                changed.text,
                at=changed.since if changed.until is None else changed.until,
                actor="whydrift",
                monitor=changed.monitor,
                window=None,
            )
            outbox.put(connection, told, at=self.clock())

    # ---- messages ------------------------------------------------------------------------------
    def put_messages(self, messages: Iterable[Message]) -> None:
        """Keep messages to be sent now; one whose key is there already is not sent again."""
        with self.database.writing() as connection:
            outbox.put(connection, messages, at=self.clock())

    def outbox_due(
        self,
        now: datetime,
        *,
        notifier: str | None = None,
        limit: int = 100,
        claim: timedelta | None = None,
    ) -> tuple[OutboxRecord, ...]:
        """Return messages that are to be sent now, oldest first.

        Of the messages about one alert a notifier is given the next only when the one before is
        done, so that nobody hears of an end before its begin.

        Parameters
        ----------
        now : datetime
        notifier : str, optional
        limit : int
        claim : timedelta, optional
            For so long nobody else is given them: a sender that dies leaves them to others then.
        """
        opened = self.database.reading if claim is None else self.database.writing
        with opened() as connection:
            return outbox.due(connection, now, notifier=notifier, limit=limit, claim=claim)

    def outbox_done(self, number: int, outcome: str, error: str | None = None) -> None:
        """Write that nothing more is tried for a message: ``ok``, or ``dead``."""
        with self.database.writing() as connection:
            outbox.done(connection, number, outcome, error, at=self.clock())

    def outbox_retry(self, number: int, next_at: datetime, error: str) -> None:
        """Write that a message was not taken, and when it is tried again."""
        with self.database.writing() as connection:
            outbox.retry(connection, number, next_at, error)

    def outbox_pending(self) -> dict[str, int]:
        """Return how many messages of each notifier wait."""
        with self.database.reading() as connection:
            return outbox.pending(connection)

    # ---- events --------------------------------------------------------------------------------
    def put_event(
        self,
        kind: str,
        text: str,
        *,
        at: datetime,
        actor: str,
        monitor: str | None = None,
        window: Interval | None = None,
    ) -> EventRecord:
        """Keep an event; one that is equal in all is kept once."""
        with self.database.writing() as connection:
            return events.put(
                connection, kind, text, at=at, actor=actor, monitor=monitor, window=window
            )

    def list_events(
        self,
        *,
        monitor: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        kinds: Collection[str] | None = None,
    ) -> tuple[EventRecord, ...]:
        """Return events by time; of a monitor also those that are about all of them."""
        with self.database.reading() as connection:
            return events.listed(connection, monitor=monitor, since=since, until=until, kinds=kinds)

    def page_events(
        self,
        *,
        monitor: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
        after: tuple[datetime, int] | None = None,
    ) -> tuple[EventRecord, ...]:
        """Return events, newest first, a page at a time; of a monitor also those about all.

        Parameters
        ----------
        monitor : str, optional
        since, until : datetime, optional
        limit : int
        after : tuple of datetime and int, optional
            When the last one of the page before happened, and its number.
        """
        with self.database.reading() as connection:
            return events.page(
                connection, monitor=monitor, since=since, until=until, limit=limit, after=after
            )
