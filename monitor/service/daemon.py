"""The daemon: asks what is due, hands it to workers, and notes how it went.

Nothing here reads data or computes. Each method that works is a turn that somebody else calls:
threads of `serve`, or a test, on a clock of its own. What a turn leaves behind is in the store, so
that a daemon may be killed between any two statements.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeAlias

from whydrift.discovery.errors import LeaseLost, OptionError, StoreError, WhydriftError
from whydrift.monitor.service.busy import Busy
from whydrift.monitor.service.checking import Checking, CheckTask, CleanTask
from whydrift.monitor.service.collector import MetricsCollector
from whydrift.monitor.service.counters import Counters
from whydrift.monitor.service.holdings import Holdings
from whydrift.monitor.service.lapse_watch import LapseWatch
from whydrift.monitor.service.logs import EventLog, Secrets, about, error_fields
from whydrift.monitor.service.notify.base import Attempt, Outcome
from whydrift.monitor.service.notify.notifications import Notifications
from whydrift.monitor.service.pool import Ended, Limits, Pool, Trouble, TroubleKind
from whydrift.monitor.service.reload import differences, listed, secrets_in
from whydrift.monitor.service.report_queue import ReportQueue
from whydrift.monitor.service.schedule import back_off, backfill_checks, due_checks, next_due
from whydrift.monitor.service.turns import Turns
from whydrift.monitor.service.work import Check, CheckReport
from whydrift.monitor.store.state import CheckOutcome
from whydrift.monitor.window.calendar import TimeWindows

if TYPE_CHECKING:
    from whydrift.monitor.config.model import Config
    from whydrift.monitor.config.monitor import Monitor
    from whydrift.monitor.service.board import Board, BoardView
    from whydrift.monitor.service.clock import Clock
    from whydrift.monitor.store.collect import Collected
    from whydrift.monitor.store.store import Store
    from whydrift.monitor.window.interval import Interval

__all__ = ["Daemon", "Task", "limits_of", "write_configuration"]

_LOOK_AT_LEAST: Final = timedelta(seconds=60)  # at what is due: other processes write too
_LOOK_AGAIN: Final = timedelta(seconds=10)  # where a result is overdue, and waits to be tried again
_AFTER_TROUBLE: Final = timedelta(seconds=30)  # where not even the error could be written
_ALIVE_SECONDS: Final = 60.0  # so long a loop may take for one turn
_MOST_WAITING: Final = 1000  # checks of a monitor, when somebody asks for one more
_OLDEST: Final = datetime(1970, 1, 1, tzinfo=UTC)  # earlier there are no windows to ask for
_SECONDS_TO_SEND: Final = 1.0  # for what is being sent when the daemon ends
_CLEANING: Final = "@cleaning"  # no monitor can have this name
_log = EventLog("daemon")

Task: TypeAlias = CheckTask | CleanTask


def limits_of(config: Config) -> Limits:
    """Return what a configuration lets a worker take."""
    checks = config.checks
    return Limits(checks.timeout.least_seconds, checks.memory, checks.recycle)


class Daemon:
    """Judges the monitors that it holds.

    Parameters
    ----------
    config : Config
    read_config : callable
        Reads it again, in full.
    store : Store
    holdings : Holdings
    pool : Pool
    clock : callable
    counters : Counters
    board : Board
    secrets : Secrets
        Masked in the log; those of a new configuration are added.
    monotonic : callable
        Seconds.
    """

    def __init__(
        self,
        config: Config,
        *,
        read_config: Callable[[], Config],
        store: Store,
        holdings: Holdings,
        pool: Pool[Task, CheckReport | Collected],
        clock: Clock,
        counters: Counters,
        board: Board,
        secrets: Secrets,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store, self.clock, self.counters = store, clock, counters
        self._board = board
        self._config, self._read_config = config, read_config
        self._holdings, self._pool, self._secrets = holdings, pool, secrets
        self.reports = ReportQueue(self.config, clock)
        self._metrics = MetricsCollector(board, counters)
        self._monotonic = monotonic
        self._notifications = self._notifying(config)
        self._lapses = LapseWatch(store)
        self._turns: Turns[Check | CleanTask] = Turns(config.checks.workers)
        self._over: deque[Ended[Task, CheckReport | Collected]] = deque()
        self._next_look: dict[str, datetime] = {}
        self._touched: set[str] = set()
        self._reloading, self._looking = threading.Lock(), threading.Lock()
        self._reload_error: str | None = None
        self._to_equip: Config | None = None
        self._to_cancel: frozenset[str] = frozenset()
        self._is_stopping = False
        self._looked = self._drove = monotonic()
        counters.reloaded(True, clock())

    # ---- turns ---------------------------------------------------------------------------------
    def drive(self, seconds: float) -> None:
        """Wait for workers, at most so long, and give them what is next; on one thread alone."""
        if (config := self._to_equip) is not None:
            self._to_equip = None
            self._pool.equip(Checking(config), config.checks.workers, limits_of(config))
        if lost := self._to_cancel:
            self._to_cancel = frozenset()
            self._pool.cancel(lambda task: _of(task) in lost)
        for ended in self._pool.wait(seconds):
            self._over.append(ended)
            self._turns.over(_of(ended.task), failed=_failed(ended))
        while not self._is_stopping and self._pool.idle:
            turn = self._turns.next()
            if turn is None:
                break
            monitor, check = turn
            if isinstance(check, CleanTask):
                self._pool.begin(check)
                continue
            lease = self._holdings.get(monitor)
            if lease is None:  # lost since it was found due
                self._turns.over(monitor, failed=False)
                self._turns.drop(monitor)
                continue
            self._pool.begin(CheckTask(check, lease, self.clock()))
        self.counters.workers_busy(self._pool.busy)
        self._drove = self._monotonic()

    def look(self) -> None:
        """Note how checks went, and ask what is due.

        Raises
        ------
        StoreError
            If the store does not answer.
        """
        with self._looking:
            self._look()

    def _look(self) -> None:
        now = self.clock()
        self._beat(now)
        while self._over:
            self._note(self._over.popleft(), now)
            self._beat(now)
        held = frozenset() if self._is_stopping else self._holdings.monitors
        for monitor in self.config().monitors:
            name = monitor.name
            if name not in held or self._turns.has(name):
                continue
            # In this order: a check that ends now is among these before it is no longer running.
            if any(_of(ended.task) == name for ended in tuple(self._over)):
                continue
            # Farther away than it ever is named, it was named before the clock was put back.
            if not now < self._next_look.get(name, now) <= now + _LOOK_AT_LEAST:
                try:
                    self._ask(monitor, now)
                except StoreError:
                    raise  # it is everybody's
                except Exception as error:  # of one monitor: those after it have their turn
                    self._next_look[name] = now + _AFTER_TROUBLE
                    _log.bug("look_failed", monitor=name, **error_fields(error))
                self._beat(now)
        self._pool.wake()

    def keep_leases(self) -> None:
        """Renew leases, and take or give up monitors.

        Raises
        ------
        StoreError
            If the store does not answer; what is held is held until its time is up.
        """
        names = [monitor.name for monitor in self.config().monitors]
        try:
            changed = self._holdings.turn(names, self._turns.running)
        except StoreError:
            self._lose(self._holdings.expire())
            raise
        self._lose(changed.lost)
        for name in changed.released:
            self._turns.drop(name)
        for name in changed.taken:
            self._next_look.pop(name, None)
        if changed.taken or changed.released:
            _log.info(
                "leases", taken=len(changed.taken), released=len(changed.released),
                held=len(self._holdings.monitors),
            )  # fmt: skip

    def refresh(self) -> None:
        """Bring the board up to date, and tell of lapses that it shows."""
        touched, self._touched = self._touched, set()
        config, now = self.config(), self.clock()
        if self._board.refresh(self.store, config, now, touched=touched):
            views = self._board.view.monitors
            self._lapses.turn(config, views, self._holdings.monitors, now)

    def deliver(self) -> None:
        """Begin to tell who is to be told.

        Raises
        ------
        StoreError
            If the store does not answer.
        """
        self._notifications.tick()

    def clean(self) -> None:
        """Let a worker delete what was kept long enough."""
        if not self._is_stopping:
            self._turns.offer(_CLEANING, [CleanTask(self.clock())])
            self._pool.wake()

    def stop(self) -> None:
        """Begin nothing more."""
        self._is_stopping = True

    def close(self) -> None:
        """Let what is being sent end, for a moment; reports under way are given up."""
        self.reports.close()
        self._notifications.close(_SECONDS_TO_SEND)

    @property
    def running(self) -> int:
        """How many checks are being done."""
        return len(self._turns.running)

    @property
    def worker_processes(self) -> tuple[int, ...]:
        """Process ids of the workers."""
        return self._pool.processes

    @property
    def waiting(self) -> int:
        """How many checks wait for a worker."""
        return self._turns.waiting

    # ---- the configuration ---------------------------------------------------------------------
    def config(self) -> Config:
        """Return the configuration in force."""
        return self._config

    def reload(self) -> None:
        """Take the configuration's new text, if it is whole; checks under way end by the old one.

        Raises
        ------
        WhydriftError
            If it is not; the old one stays in force.
        """
        with self._reloading:
            now = self.clock()
            try:
                read = self._read_config()
                self._secrets.add(secrets_in(read))
                difference, config = differences(self._config, read)
                write_configuration(self.store, config)
                self.store.put_event("reload", str(difference), at=now, actor="whydrift")
                notifications, before = self._notifying(config), self._notifications
            except WhydriftError as error:
                self.counters.reloaded(False, now)
                self._reload_error = self._secrets.masked(str(error))
                _log.error("reload_refused", kept="the old configuration", **error_fields(error))
                raise
            except Exception as error:  # a bug must not end the daemon: the old one stays in force
                self.counters.reloaded(False, now)
                self._reload_error = "This is a bug in whydrift; its log tells more."
                _log.bug("reload_failed", kept="the old configuration", **error_fields(error))
                raise
            self._config = config
            self._notifications = notifications
            before.close(_SECONDS_TO_SEND)
            self._to_equip = config
            self._turns.workers = config.checks.workers
            self._holdings.seconds = config.checks.lease.least_seconds
            for name in (*difference.removed, *difference.changed):
                self._turns.drop(name)
                self._next_look.pop(name, None)
            self.counters.forget(difference.removed)
            self.counters.reloaded(True, now)
            self._reload_error = None
            _log.info(
                "reloaded", added=listed(difference.added), removed=listed(difference.removed),
                changed=listed(difference.changed),
            )  # fmt: skip
            if difference.needs_restart:
                _log.warning(
                    "restart_needed", settings=listed(difference.needs_restart),
                    remedy="The old values hold until whydrift is started again",
                )  # fmt: skip
            self._pool.wake()

    def reload_error(self) -> str | None:
        """Return what the last reload refused, secrets masked; None where it was taken."""
        return self._reload_error

    # ---- what others ask -----------------------------------------------------------------------
    def is_alive(self) -> bool:
        """Whether the loops turn: the one that looks what is due, and that of the workers."""
        now = self._monotonic()
        return max(now - self._looked, now - self._drove) < _ALIVE_SECONDS

    def why_not_ready(self) -> str | None:
        """Return in a sentence why nothing can be answered yet; None where all is well."""
        view = self._board.view
        if not view.is_loaded:
            return "The last results are being read from the store."
        return None if view.is_store_up else "The store does not answer."

    def board(self) -> BoardView:
        """Return what was last read of all monitors."""
        return self._board.view

    def metrics(self, accept: str | None = None) -> tuple[bytes, str]:
        """Return all series, and the type of the text; ``accept`` is the header of who asks."""
        return self._metrics.metrics_text(accept)

    def submit_check(self, monitor: str, interval: Interval | None, *, recompute: bool) -> None:
        """Let a monitor be looked at now.

        Parameters
        ----------
        monitor : str
        interval : Interval, optional
            The window; whatever is due by default.
        recompute : bool
            Whether to judge again what was judged.

        Raises
        ------
        Busy
            If too much waits already, or another daemon holds the monitor.
        ConfigError
            If there is no such monitor.
        OptionError
            If the stretch holds too many windows.
        """
        named = self.config().monitor_named(monitor)
        if self._holdings.get(monitor) is None:
            raise Busy(
                "another daemon holds this monitor",
                where=f"monitor {monitor!r}",
                remedy="Ask again in a minute, or ask that one",
            )
        if self._turns.waiting_of(monitor) >= _MOST_WAITING:
            raise Busy(
                f"more than {_MOST_WAITING} of its checks wait already",
                where=f"monitor {monitor!r}",
                remedy="Ask again when they are done",
            )
        if interval is None:
            self._next_look.pop(monitor, None)
            return
        windows, now = named.window.cut(), self.clock()
        if isinstance(windows, TimeWindows):
            asked = windows.between(max(interval.start, _OLDEST), min(interval.end, now))
            if sum(1 for _ in islice(asked, _MOST_WAITING + 1)) > _MOST_WAITING:
                raise OptionError(
                    f"more than {_MOST_WAITING} windows are asked for at once",
                    where=f"monitor {monitor!r}",
                    remedy="Ask for a shorter stretch, or let `whydrift run --from --to` do it",
                )
        checks = backfill_checks(
            named, self.store, interval.start, interval.end, now, recompute=recompute
        )
        self._turns.add_first(monitor, checks)
        self._pool.wake()

    # ---- inside --------------------------------------------------------------------------------
    def _lose(self, monitors: tuple[str, ...]) -> None:
        """Do nothing more for monitors that another may hold."""
        if monitors:
            _log.warning("leases_lost", monitors=", ".join(monitors))
            for name in monitors:
                self._turns.drop(name)
            self._to_cancel |= frozenset(monitors)
            self._pool.wake()

    def _beat(self, now: datetime) -> None:
        self._looked = self._monotonic()
        self.counters.beat(now)

    def _ask(self, monitor: Monitor, now: datetime) -> None:
        most = self.config().checks.catch_up
        checks = due_checks(monitor, self.store, now, most=most)
        if checks:
            self._turns.offer(monitor.name, checks)
            self._next_look.pop(monitor.name, None)  # asked again when they are done
            return
        due = next_due(monitor, self.store, now, most=most)
        latest = now + _LOOK_AT_LEAST
        # Due and yet not to be done: it failed, and waits.
        self._next_look[monitor.name] = (
            latest if due is None else now + _LOOK_AGAIN if due <= now else min(due, latest)
        )

    def _notifying(self, config: Config) -> Notifications:
        return Notifications(config, self.store, clock=self.clock, told=self._told)

    def _told(self, attempt: Attempt) -> None:
        self.counters.notified(attempt.notifier, attempt.outcome.value)
        fields = {"notifier": attempt.notifier, "what": attempt.what, "to": attempt.where}
        if attempt.outcome is Outcome.OK:
            _log.info("notified", **fields)
        else:
            _log.error(
                "not_notified", **fields, error=attempt.error,
                will="be tried again" if attempt.outcome is Outcome.ERROR else "not be tried again",
            )  # fmt: skip

    def _note(self, ended: Ended[Task, CheckReport | Collected], now: datetime) -> None:
        """Write how a task went: into the log, the counters and, where it failed, the store."""
        task = ended.task
        if isinstance(task, CleanTask):
            if ended.trouble is None:
                _log.info("cleaned", seconds=ended.seconds)
            else:
                _log.error("not_cleaned", seconds=ended.seconds, error=ended.trouble)
            return
        check = task.check
        with about(monitor=check.monitor, window=check.interval or "by rows", kind=check.kind):
            found = ended.result
            report = (
                found if isinstance(found, CheckReport)
                else self._failed(task, ended.seconds, ended.trouble, now)
            )  # fmt: skip
            if report is None:
                return
            self.counters.check_finished(report)
            self._touched.add(check.monitor)
            if report.outcome is CheckOutcome.ERROR:
                trace = ended.trouble and self._secrets.masked(ended.trouble.traceback)
                _log.error(
                    "check_failed", seconds=report.seconds, error=report.summary,
                    traceback=trace or None,
                )  # fmt: skip
                return
        for one in report.by_window:
            self._log_finished(one)

    @staticmethod
    def _log_finished(report: CheckReport) -> None:
        """Log what became of a window."""
        check = report.check
        log = _log.warning if report.outcome is CheckOutcome.DRIFT else _log.info
        with about(monitor=check.monitor, window=check.interval or "by rows", kind=check.kind):
            log(
                "check_finished", outcome=report.outcome, seconds=report.seconds,
                rows=report.rows, summary=report.summary,
            )  # fmt: skip

    def _failed(
        self, task: CheckTask, seconds: float, trouble: Trouble | None, now: datetime
    ) -> CheckReport | None:
        """Write a check that its worker could not report on; None where it is another's now."""
        assert trouble is not None
        check, lease = task.check, task.lease
        if trouble.kind is TroubleKind.CANCELLED:
            _log.info("check_called_off")
            return None
        error = self._secrets.masked(str(trouble))
        try:
            if check.interval is None:
                self.store.fail_source(
                    check.monitor, error, next_at=now + _AFTER_TROUBLE, lease=lease
                )
            else:
                visits = self.store.list_visits(
                    check.monitor, start=check.interval.start, end=check.interval.end
                )
                failures = 1 + max((v.failures for v in visits if v.kind is check.kind), default=0)
                wait = back_off(check.monitor, check.interval, check.kind, failures)
                self.store.fail(
                    check.monitor, check.interval, check.kind, error, next_at=now + wait,
                    lease=lease,
                )  # fmt: skip
        except LeaseLost:
            _log.info("check_called_off")
            return None
        except StoreError as unwritten:
            # It is due as before; not at once, or it would be tried without pause.
            self._next_look[check.monitor] = now + _AFTER_TROUBLE
            _log.error("error_not_kept", **error_fields(unwritten))
        return CheckReport(check, CheckOutcome.ERROR, seconds, 0, error)


def write_configuration(store: Store, config: Config) -> None:
    """Keep what monitors are judged by, and what the configuration says happened outside.

    Raises
    ------
    StoreError
        If the store cannot be written.
    """
    from whydrift.monitor.config.redact import monitor_text

    for monitor in config.monitors:
        store.put_config(monitor.name, monitor_text(config, monitor.name))
    for event in config.events:
        store.put_event(
            event.kind, event.text, at=event.at, monitor=event.monitor, actor="configuration"
        )


def _of(task: Task) -> str:
    """Return the monitor that a task is of."""
    return _CLEANING if isinstance(task, CleanTask) else task.check.monitor


def _failed(ended: Ended[Task, CheckReport | Collected]) -> bool:
    if isinstance(ended.result, CheckReport):
        return ended.result.outcome is CheckOutcome.ERROR
    return ended.trouble is not None and ended.trouble.kind is not TroubleKind.CANCELLED
