"""Does what is due, or the windows of a stretch of the past, once: for cron, and for backfills."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Final

from whydrift.discovery.errors import OptionError, WhydriftError
from whydrift.discovery.progress import Progress, silent
from whydrift.monitor.service.check import perform
from whydrift.monitor.service.clock import Clock
from whydrift.monitor.service.schedule import backfill_checks, began_at, due_checks
from whydrift.monitor.service.work import Check, CheckReport
from whydrift.monitor.source.reading import never
from whydrift.monitor.store.state import CheckOutcome, Lease
from whydrift.monitor.window.by_rows import RowWindows
from whydrift.monitor.window.duration import to_utc

if TYPE_CHECKING:
    from whydrift.monitor.config import Config
    from whydrift.monitor.config.monitor import Monitor
    from whydrift.monitor.store import Store

__all__ = ["Asked", "RunReport", "plan_run", "put_events", "run_checks"]

_RENEWED_AFTER: Final = 1 / 3  # of a lease's time: two attempts may fail
_LOOK_SECONDS: Final = 0.5  # between looks whether another process's lease is renewed


@dataclass(frozen=True, slots=True)
class Asked:
    """Which windows are asked for.

    Parameters
    ----------
    start, end : datetime, optional
        Windows that lie between them, whenever judging began; what is due without them. Without a
        time zone they are meant in that of each monitor.
    recompute : bool
        Whether those that were judged are judged again, silently.
    """

    start: datetime | None = None
    end: datetime | None = None
    recompute: bool = False

    def within(self, zone: tzinfo) -> Asked:
        """Return it in UTC, as a monitor of this zone understands it."""
        start, end = (
            to_utc(m, zone) if m is not None and m.tzinfo is None else m
            for m in (self.start, self.end)
        )
        return Asked(start, end, self.recompute)

    @property
    def is_backfill(self) -> bool:
        """Whether windows of the past are asked for."""
        return self.start is not None or self.end is not None or self.recompute


@dataclass(frozen=True, slots=True)
class RunReport:
    """What was done.

    Parameters
    ----------
    reports : tuple of CheckReport
        One for each window that was looked at.
    refused : tuple of (str, str)
        Monitors that could not be looked at, and why.
    """

    reports: tuple[CheckReport, ...]
    refused: tuple[tuple[str, str], ...] = ()

    @property
    def failed(self) -> tuple[str, ...]:
        """The monitors of which a check ended in an error, or that could not be looked at."""
        errors = (r.check.monitor for r in self.reports if r.outcome is CheckOutcome.ERROR)
        return tuple(dict.fromkeys([*(name for name, _ in self.refused), *errors]))


def plan_run(
    monitor: Monitor, store: Store, now: datetime, asked: Asked, *, most: int
) -> tuple[Check, ...]:
    """Return the checks that a run does first; more may be due after them.

    Raises
    ------
    OptionError
        If a stretch of time is asked for of windows by rows.
    StoreError
    """
    if not asked.is_backfill:
        return due_checks(monitor, store, now, most=most)
    if isinstance(monitor.window.cut(), RowWindows):
        raise OptionError(
            "its windows are cut by rows: which there were before is not known",
            where=f"monitor {monitor.name!r}",
            remedy="Run without --from, --to and --recompute: all complete windows are looked at",
        )
    asked = asked.within(monitor.window.timezone)
    start = _starts(monitor, store, now, asked)
    if start is None:
        return ()  # nothing was judged, so that nothing can be judged again
    return backfill_checks(monitor, store, start, asked.end or now, now, recompute=asked.recompute)


def _starts(monitor: Monitor, store: Store, now: datetime, asked: Asked) -> datetime | None:
    """Return from when on windows are asked for: by default from where judging began, or begins.

    None where windows are to be judged again, and none was judged.
    """
    began = asked.start or store.get_state(monitor.name).began
    if began is None and asked.end is not None and not asked.recompute:
        return began_at(monitor, min(asked.end, now))
    return began


def run_checks(
    config: Config,
    store: Store,
    *,
    clock: Clock,
    names: Sequence[str] = (),
    asked: Asked = Asked(),
    progress: Progress = silent,
    cancel: Callable[[], bool] = never,
    told: Callable[[CheckReport], None] = lambda report: None,
) -> RunReport:
    """Do all checks that are due, or asked for, one after the other.

    Parameters
    ----------
    config : Config
    store : Store
        Opened for checks.
    clock : callable
    names : sequence of str
        Of monitors; all without any.
    asked : Asked
    progress : callable
        Told after each check.
    cancel : callable
        Asked between checks whether to stop.
    told : callable
        Given each report as it comes.

    Raises
    ------
    OptionError
        As :func:`plan_run`.
    StoreError
        If the store cannot be read.
    """
    put_events(config, store)
    holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    reports: list[CheckReport] = []
    refused: list[tuple[str, str]] = []
    for monitor in config.monitors:
        if names and monitor.name not in names:
            continue
        with _held(store, monitor.name, holder, config.checks.lease.least_seconds) as lease:
            if lease is None:
                refused.append((monitor.name, "another process judges it now"))
                continue
            for report in _run_monitor(config, monitor, store, clock, lease, asked, progress):
                reports.append(report)
                told(report)
                if cancel():
                    return RunReport(tuple(reports), tuple(refused))
    return RunReport(tuple(reports), tuple(refused))


def put_events(config: Config, store: Store) -> None:
    """Keep the events that the configuration names; those that are known stay as they are."""
    for event in config.events:
        store.put_event(
            event.kind, event.text, at=event.at, actor="configuration", monitor=event.monitor
        )


def _run_monitor(
    config: Config,
    monitor: Monitor,
    store: Store,
    clock: Clock,
    lease: Lease,
    asked: Asked,
    progress: Progress,
) -> Iterator[CheckReport]:
    within = asked.within(monitor.window.timezone)
    start = within.start
    if start is None and not isinstance(monitor.window.cut(), RowWindows):
        start = _starts(monitor, store, clock(), within)
    if start is not None and asked.is_backfill:
        # What lies before is what the first of them is judged beside.
        store.begin(monitor.name, start)
    tried: set[Check] = set()
    done = 0
    while True:
        checks = [
            c for c in plan_run(monitor, store, clock(), asked, most=config.checks.catch_up)
            if c not in tried
        ]  # fmt: skip
        if not checks:
            return
        for place, check in enumerate(checks):
            progress(f"{monitor.name} {check.interval or ''}", done + place, done + len(checks))
            report = perform(config, check, store, clock=clock, lease=lease)
            if check.interval is not None or report.outcome is CheckOutcome.ERROR:
                tried.add(check)
            yield from report.by_window
        done += len(checks)


@contextmanager
def _held(store: Store, monitor: str, holder: str, seconds: int) -> Iterator[Lease | None]:
    """Hold a monitor, its lease renewed from a thread of its own while a check lasts."""
    lease = _taken(store, monitor, holder, seconds)
    if lease is None:
        yield None
        return
    ended = threading.Event()

    def keep() -> None:
        while not ended.wait(seconds * _RENEWED_AFTER):
            try:
                if store.renew_lease(lease, seconds=seconds) is None:
                    return  # what the check finds will be refused
            except WhydriftError:
                continue  # the store is busy or away: once more, as long as the lease lasts

    keeper = threading.Thread(target=keep, name=f"lease of {monitor}", daemon=True)
    keeper.start()
    try:
        yield lease
    finally:
        ended.set()
        keeper.join()
        store.release_lease(lease)


def _taken(store: Store, monitor: str, holder: str, seconds: int) -> Lease | None:
    """Take a monitor, from a process that is gone too; None where the other one lives.

    Nobody else has a file of SQLite's open for checks. Of others a lease that is not renewed runs
    out.
    """
    first: Lease | None = None
    while True:
        lease = store.take_lease(monitor, holder, seconds=seconds)
        if lease is not None:
            return lease
        held = next((lease for lease in store.list_leases() if lease.monitor == monitor), None)
        if held is None:
            continue
        if store.database.is_sqlite:
            store.release_lease(held)
        elif first is not None and held != first:
            return None  # it was renewed
        else:
            first = held
            time.sleep(_LOOK_SECONDS)
