"""Reports and effects that were asked for: a few wait, one or two are made, some are kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import uuid4

from whydrift.discovery.errors import OptionError
from whydrift.monitor.service.busy import Busy
from whydrift.monitor.service.event_beside import others_of
from whydrift.monitor.service.event_effects import (
    EffectsRequest,
    EventEffect,
    effects_of_events,
)
from whydrift.monitor.service.logs import EventLog
from whydrift.monitor.service.pool import Ended, Limits, Pool, TroubleKind
from whydrift.monitor.service.reload import masked_by
from whydrift.monitor.service.reports import ReportRequest

if TYPE_CHECKING:
    from whydrift.monitor.config.model import Config
    from whydrift.monitor.service.clock import Clock
    from whydrift.monitor.service.worker import Cancelled
    from whydrift.monitor.store.store import Store

__all__ = ["Effects", "ReportBench", "ReportCraft", "ReportJob", "ReportQueue", "ReportState"]

_MOST_KEPT: Final = 50  # about 0.3 MB each
_SECONDS_TO_LINGER: Final = 60.0  # a worker without work, which holds about 200 MB
_BUG: Final = "This is a bug in whydrift; its log tells more."
_TASKS: Final = 50  # before a worker is replaced

_MOST_EFFECTS: Final = 2  # that wait or are estimated at once: the other places are for reports
_EFFECTS_KEPT: Final = 200  # answers, of ten effects of some kB at most

_LOG: Final = EventLog("reports")

Effects: TypeAlias = dict[int, EventEffect]  # by the event's id


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
    request : ReportRequest or EffectsRequest
        Effects of events are estimated like a report is made; nobody fetches them by their id.
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
    request: ReportRequest | EffectsRequest
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

    def do(self, task: ReportJob, cancelled: Cancelled) -> _Made | Effects:
        """Make one report, or estimate effects."""
        if isinstance(task.request, EffectsRequest):
            return self._effects(task.request)
        from whydrift.monitor.report import render_html
        from whydrift.monitor.service.reports import make_report
        from whydrift.monitor.service.web.links import Links
        from whydrift.monitor.service.web.places import report_place

        found = make_report(self.config, self.store, task.request)
        place = report_place(task, Links.of(self.config.web))
        return _Made(found.to_dict(), render_html(found, place=place))

    def _effects(self, request: EffectsRequest) -> Effects:
        monitor = self.config.monitor_named(request.monitor)
        events = self.store.list_events(monitor=monitor.name)
        wanted = [e for e in events if e.id in request.events]
        others = others_of(monitor, self.config.monitors)
        return effects_of_events(self.store, monitor, wanted, others)

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
        self._awaited: dict[str, Future[Effects]] = {}  # by the job's id
        self._effects: OrderedDict[tuple[EffectsRequest, str], Future[Effects]] = OrderedDict()
        self._is_closing = False
        self._pool: Pool[ReportJob, _Made | Effects] | None = None
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
            for job in self._jobs.values():
                if not job.state.is_over and job.request == request:
                    return job
            return self._add(request)

    def effects(self, request: EffectsRequest) -> Future[Effects]:
        """Ask for the effects of events; what was estimated once is remembered.

        Returns
        -------
        Future
            Of the effects, by the event's id; or of a `Busy` or `WhydriftError`.

        Raises
        ------
        Busy
            If too many wait.
        """
        config = self._config()
        monitor = config.monitor_named(request.monitor)
        every = (monitor, *others_of(monitor, config.monitors))
        key = request, "; ".join(f"{m.name} {m.loss} {m.columns}" for m in every)
        with self._lock:
            if key in self._effects:
                self._effects.move_to_end(key)
                return self._effects[key]
            pending = sum(not f.done() for f in self._effects.values())
            if pending >= _MOST_EFFECTS:
                raise _busy_with_effects()
            job = self._add(request)
            answer = self._effects[key] = Future()
            self._awaited[job.id] = answer
            while len(self._effects) > _EFFECTS_KEPT:
                self._effects.popitem(last=False)
            return answer

    def find(self, identity: str) -> ReportJob | None:
        """Return a report that was asked for; None where there is none, or it expired."""
        with self._lock:
            self._forget()
            found = self._jobs.get(identity)
        return None if found is None or isinstance(found.request, EffectsRequest) else found

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
        self._fail_all("The daemon is stopping")

    # ---- inside --------------------------------------------------------------------------------
    def _add(self, request: ReportRequest | EffectsRequest) -> ReportJob:
        """Let a request wait; call it under the lock."""
        limits = self._config().web.reports
        states = [job.state for job in self._jobs.values() if not job.state.is_over]
        if self._is_closing or len(states) >= limits.running + limits.waiting:
            raise Busy(
                f"{states.count(ReportState.WAITING)} reports wait already",
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
                self._fail_all(_BUG)

    def _make(self) -> None:
        config = self._config()
        limits = config.web.reports
        pool: Pool[ReportJob, _Made | Effects] = Pool(
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

    def _begin(self, pool: Pool[ReportJob, _Made | Effects]) -> None:
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

    def _over(self, ended: Ended[ReportJob, _Made | Effects]) -> None:
        job, made = ended.task, ended.result
        if isinstance(made, _Made):
            job = replace(job, state=ReportState.DONE, diagnosis=made.diagnosis, html=made.html)
        elif made is None:
            job = replace(job, state=ReportState.FAILED, error=self._reason(ended))
            _LOG.warning("report_failed", monitor=job.request.monitor, reason=str(ended.trouble))
        if isinstance(job.request, EffectsRequest):
            self._answer(job, made if isinstance(made, dict) else None)
            return
        with self._lock:
            self._jobs[job.id] = job

    def _answer(self, job: ReportJob, effects: Effects | None) -> None:
        """Give effects to whoever waits for them; None: the job says why there are none."""
        with self._lock:
            self._jobs.pop(job.id, None)
            answer = self._awaited.pop(job.id)
            if effects is None:  # asked for again, it is tried again
                self._effects = OrderedDict(
                    (key, known) for key, known in self._effects.items() if known is not answer
                )
        if effects is not None:
            answer.set_result(effects)
            return
        answer.set_exception(
            OptionError(
                "the effects could not be estimated", where=f"monitor {job.request.monitor!r}",
                remedy=job.error or "",
            )
        )  # fmt: skip

    def _reason(self, ended: Ended[ReportJob, _Made | Effects]) -> str:
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
                return _BUG

    def _fail_all(self, why: str) -> None:
        with self._lock:
            lost = [
                replace(job, state=ReportState.FAILED, error=why)
                for job in self._jobs.values()
                if not job.state.is_over
            ]
            self._jobs.update({job.id: job for job in lost})
        for job in lost:
            if isinstance(job.request, EffectsRequest):
                self._answer(job, None)


def _busy_with_effects() -> Busy:
    return Busy(
        "Effects of events are being estimated for somebody else",
        where="effects",
        remedy="Ask again in a minute",
    )
