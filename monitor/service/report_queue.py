"""Reports that were asked for: a few wait, one or two are made, some are kept for a while."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from whydrift.monitor.service.busy import Busy
from whydrift.monitor.service.logs import EventLog
from whydrift.monitor.service.pool import Ended, Limits, Pool, TroubleKind
from whydrift.monitor.service.reload import masked_by
from whydrift.monitor.service.reports import ReportRequest

if TYPE_CHECKING:
    from whydrift.monitor.config.model import Config
    from whydrift.monitor.service.clock import Clock
    from whydrift.monitor.service.worker import Cancelled
    from whydrift.monitor.store.store import Store

__all__ = ["ReportBench", "ReportCraft", "ReportJob", "ReportQueue", "ReportState"]

_MOST_KEPT: Final = 50  # about 0.3 MB each
_SECONDS_TO_LINGER: Final = 60.0  # a worker without work, which holds about 200 MB
_TASKS: Final = 50  # before a worker is replaced

_LOG: Final = EventLog("reports")


class ReportState(StrEnum):
    """Where a report is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return self in {ReportState.DONE, ReportState.FAILED}


@dataclass(frozen=True, slots=True)
class ReportJob:
    """A report that was asked for.

    Parameters
    ----------
    id : str
        32 hexadecimal digits.
    request : ReportRequest
    asked : datetime
    state : ReportState
    diagnosis : mapping, optional
        As ``Diagnosis.to_dict`` writes it, once it is done.
    html : str, optional
        Its page, with pictures of the windows.
    error : str, optional
        Why it failed.
    """

    id: str
    request: ReportRequest
    asked: datetime
    state: ReportState = ReportState.WAITING
    diagnosis: dict[str, Any] | None = None
    html: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class _Made:
    diagnosis: dict[str, Any]
    html: str


@dataclass(frozen=True)
class ReportBench:
    """Makes reports in a worker, with a connection of its own.

    Parameters
    ----------
    config : Config
    store : Store
    """

    config: Config
    store: Store

    def do(self, task: ReportJob, cancelled: Cancelled) -> _Made:
        """Make one report."""
        from whydrift.monitor.report import render_html
        from whydrift.monitor.service.reports import make_report
        from whydrift.monitor.service.web.links import Links
        from whydrift.monitor.service.web.places import report_place

        found = make_report(self.config, self.store, task.request)
        place = report_place(task, Links.of(self.config.web))
        return _Made(found.to_dict(), render_html(found, place=place))

    def close(self) -> None:
        """Close the store."""
        self.store.close()


@dataclass(frozen=True)
class ReportCraft:
    """What a worker is told: the configuration of the daemon."""

    config: Config

    def begin(self) -> ReportBench:
        """Open the store."""
        from whydrift.monitor.service.references import CachedStore
        from whydrift.monitor.store import open_store

        opened = open_store(self.config.store.url.get_secret_value(), create=False)
        return ReportBench(self.config, CachedStore.of(opened))


class ReportQueue:
    """Takes requests from any thread; one thread of its own drives the workers.

    Parameters
    ----------
    config : callable
        Returns the configuration in force; ``web.reports`` sets all limits.
    clock : callable
    """

    def __init__(self, config: Callable[[], Config], clock: Clock) -> None:
        self._config, self._clock = config, clock
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._jobs: OrderedDict[str, ReportJob] = OrderedDict()
        self._is_closing = False
        self._pool: Pool[ReportJob, _Made] | None = None
        self._thread: threading.Thread | None = None

    def submit(self, request: ReportRequest) -> ReportJob:
        """Ask for a report; one that was asked for already, and is not there yet, is the same.

        Raises
        ------
        Busy
            If too many wait.
        """
        with self._lock:
            self._forget()
            waiting = 0
            for job in self._jobs.values():
                if not job.state.is_over and job.request == request:
                    return job
                waiting += job.state is ReportState.WAITING
            limits = self._config().web.reports
            running = sum(j.state is ReportState.RUNNING for j in self._jobs.values())
            if self._is_closing or waiting + running >= limits.running + limits.waiting:
                raise Busy(
                    f"{waiting} reports wait already",
                    where="reports",
                    remedy="Ask again in a while, or raise web.reports.waiting",
                )
            job = ReportJob(uuid4().hex, request, self._clock())
            self._jobs[job.id] = job
            if self._thread is None:
                self._thread = threading.Thread(target=self._drive, name="reports", daemon=True)
                self._thread.start()
            self._work.notify()
            if self._pool is not None:
                self._pool.wake()
            return job

    def find(self, identity: str) -> ReportJob | None:
        """Return a report that was asked for; None where there is none, or it expired."""
        with self._lock:
            self._forget()
            return self._jobs.get(identity)

    def close(self) -> None:
        """Give up all that is not done, and end the workers."""
        with self._lock:
            self._is_closing = True
            self._work.notify()
            if self._pool is not None:
                self._pool.wake()
            thread = self._thread
        if thread is not None:
            thread.join()

    # ---- inside --------------------------------------------------------------------------------
    def _forget(self) -> None:
        """Drop what is too old or too much; what is being made stays."""
        keep, now = self._config().web.reports.keep.least_seconds, self._clock()
        over = [job for job in self._jobs.values() if job.state.is_over]
        for job in over:
            is_old = (now - job.asked).total_seconds() > keep
            if is_old or len(over) - _MOST_KEPT > 0:
                del self._jobs[job.id]
                over = over[1:]

    def _drive(self) -> None:
        """Give what waits to workers, as long as there is any; then let the workers go."""
        while True:
            with self._lock:
                while not self._is_closing and self._next() is None:
                    self._work.wait()
                if self._is_closing:
                    return
            try:
                self._make()
            except Exception:  # the one broad catch: the daemon goes on, and so does the queue
                _LOG.bug("reports_failed")
                self._fail_all()

    def _make(self) -> None:
        config = self._config()
        limits = config.web.reports
        pool: Pool[ReportJob, _Made] = Pool(
            ReportCraft(config),
            limits.running,
            Limits(limits.timeout.least_seconds, config.checks.memory, _TASKS),
        )
        with self._lock:
            self._pool = pool
            is_closing = self._is_closing
        try:
            if is_closing:  # said before there was a pool to wake
                return
            while True:
                if self._config() is not config:  # reloaded: what comes is made by the new one
                    config = self._config()
                    limits = config.web.reports
                    pool.equip(
                        ReportCraft(config),
                        limits.running,
                        Limits(limits.timeout.least_seconds, config.checks.memory, _TASKS),
                    )
                self._begin(pool)
                ended = pool.wait(_SECONDS_TO_LINGER)
                for end in ended:
                    self._over(end)
                with self._lock:
                    is_idle = not ended and not pool.busy and self._next() is None
                    if self._is_closing or is_idle:
                        self._pool = None
                        return
        finally:
            with self._lock:
                self._pool = None
            pool.close()

    def _begin(self, pool: Pool[ReportJob, _Made]) -> None:
        while pool.idle:
            with self._lock:
                job = self._next()
                if job is None:
                    return
                job = replace(job, state=ReportState.RUNNING)
                self._jobs[job.id] = job
            pool.begin(job)

    def _next(self) -> ReportJob | None:
        waiting = (j for j in self._jobs.values() if j.state is ReportState.WAITING)
        return next(waiting, None)

    def _over(self, ended: Ended[ReportJob, _Made]) -> None:
        job = ended.task
        if ended.result is not None:
            made = ended.result
            job = replace(job, state=ReportState.DONE, diagnosis=made.diagnosis, html=made.html)
        else:
            assert ended.trouble is not None
            job = replace(job, state=ReportState.FAILED, error=self._reason(ended))
            _LOG.warning("report_failed", monitor=job.request.monitor, reason=str(ended.trouble))
        with self._lock:
            self._jobs[job.id] = job

    def _reason(self, ended: Ended[ReportJob, _Made]) -> str:
        assert ended.trouble is not None
        match ended.trouble.kind:
            case TroubleKind.TIMEOUT:
                return f"It took longer than web.reports.timeout ({ended.seconds:,.0f} s)."
            case TroubleKind.MEMORY:
                return "It needed more memory than checks.memory allows."
            case TroubleKind.FAILED if not ended.trouble.traceback:
                text = masked_by(self._config(), ended.trouble.text)
                return text if text.endswith("?") else f"{text}."
            case _:
                return "This is a bug in whydrift; its log tells more."

    def _fail_all(self) -> None:
        with self._lock:
            for job in list(self._jobs.values()):
                if not job.state.is_over:
                    self._jobs[job.id] = replace(
                        job, state=ReportState.FAILED,
                        error="This is a bug in whydrift; its log tells more.",
                    )  # fmt: skip
