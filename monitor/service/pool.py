"""Worker processes that live for long: one task each at a time, watched, and replaced when lost.

A task that takes too long, takes too much memory or takes its process along ends as a `Trouble`;
whatever happens to one worker, the others do not notice. All of it is driven by one thread that
calls :meth:`Pool.wait`: nothing here needs a lock.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from multiprocessing import connection, get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from whydrift.monitor.service.logs import EventLog, error_fields
from whydrift.monitor.service.worker import (
    Begin,
    Cancel,
    Craft,
    Do,
    Done,
    Failed,
    Logged,
    Started,
    Stop,
    work,
)

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

__all__ = ["Ended", "Limits", "Pool", "Trouble", "TroubleKind"]

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")

_SECONDS_BETWEEN_LOOKS: Final = 0.1  # at time and memory; a process can take 1 GB a second
_SECONDS_TO_LEAVE: Final = 2.0  # for a worker that was told to stop while idle
_SECONDS_TO_LOAD: Final = 120.0  # the libraries that tasks need, on a busy machine
_SECONDS_TO_CANCEL: Final = 2.0  # for a task that was told that nobody wants it
# For a message that does not fit into the pipe at once: a worker that was stopped, or hangs in the
# kernel, reads or writes no further, and the driver would wait with it. A new one takes some
# seconds before it reads.
_SECONDS_TO_PASS: Final = 20.0
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
# A worker that dies before it did anything is a fault of the installation: not a thousand times a
# minute, then.
_SECONDS_BETWEEN_STARTS: Final = 5.0
_log = EventLog("pool")


class TroubleKind(StrEnum):
    """Why a task has no result."""

    FAILED = "failed"  # it raised
    TIMEOUT = "timeout"
    MEMORY = "memory"
    DIED = "died"  # its process is gone
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happened instead of a result.

    Parameters
    ----------
    kind : TroubleKind
    text : str
        One sentence, without a full stop.
    remedy : str
    traceback : str
        Of a bug of ours.
    """

    kind: TroubleKind
    text: str
    remedy: str
    traceback: str = ""

    @property
    def took_the_worker(self) -> bool:
        """Whether the task, if done again, may cost another worker."""
        return self.kind in {TroubleKind.TIMEOUT, TroubleKind.MEMORY, TroubleKind.DIED}

    def __str__(self) -> str:
        return f"{self.text}. {self.remedy}" if self.remedy else self.text


@dataclass(frozen=True, slots=True)
class Ended(Generic[_Task, _Result]):
    """A task that is over: with a result, or a trouble.

    Parameters
    ----------
    task
    seconds : float
        It took.
    result : optional
    trouble : Trouble, optional
    """

    task: _Task
    seconds: float
    result: _Result | None = None
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What a worker may take.

    Parameters
    ----------
    seconds : float
        For one task.
    memory : int
        Bytes held at a time.
    tasks : int
        After so many it is replaced by a fresh one: what leaks, leaks no further.
    """

    seconds: float
    memory: int
    tasks: int


@dataclass(eq=False)
class _Worker:
    process: BaseProcess
    pipe: Connection
    limits: Limits
    generation: int = 0  # of the craft that it was told
    done: int = 0
    task: Any = None  # None: idle
    began: float = 0.0
    is_loading: bool = False  # what tasks need, which is not the task's time
    cancelled_at: float | None = None
    most_memory: int = 0  # seen during the task


@dataclass
class Pool(Generic[_Task, _Result]):
    """So many workers.

    Parameters
    ----------
    craft : Craft
        How tasks are done; sent once to each worker.
    workers : int
    limits : Limits
    log_level : int
        Of lines that workers write.
    monotonic : callable
        Seconds, for limits.
    """

    craft: Craft[_Task, _Result]
    workers: int
    limits: Limits
    log_level: int = logging.INFO
    monotonic: Callable[[], float] = time.monotonic
    _at_work: list[_Worker] = field(default_factory=list)
    _leaving: list[tuple[_Worker, float]] = field(default_factory=list)
    _generation: int = 1
    _not_before: float = float("-inf")  # a new process
    _ended: list[Ended[_Task, _Result]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._woken, self._waker = get_context("spawn").Pipe(duplex=False)
        self._fill()

    # ---- what the driver does ------------------------------------------------------------------
    @property
    def idle(self) -> int:
        """How many tasks could begin now."""
        return sum(w.task is None for w in self._at_work[: self.workers])

    @property
    def busy(self) -> int:
        """How many tasks are being done."""
        return sum(w.task is not None for w in self._at_work)

    @property
    def processes(self) -> tuple[int, ...]:
        """Process ids of the workers."""
        return tuple(w.process.pid for w in self._at_work if w.process.pid is not None)

    def equip(self, craft: Craft[_Task, _Result], workers: int, limits: Limits) -> None:
        """Do the tasks that begin from now on in this way; those under way end as they began."""
        self.craft, self.limits, self.workers = craft, limits, workers
        self._generation += 1
        for worker in [w for w in self._at_work if w.task is None]:
            if worker.limits.memory != limits.memory or len(self._at_work) > workers:
                self._dismiss(worker)
        self._fill()

    def begin(self, task: _Task) -> None:
        """Give a task to an idle worker: one that did something before rather than a new one."""
        idle = [w for w in self._at_work if w.task is None]
        assert idle, "ask `idle` first"
        worker = max(idle, key=lambda w: (w.generation, w.done))
        worker.task, worker.began, worker.limits = task, self.monotonic(), self.limits
        worker.is_loading = True
        worker.cancelled_at, worker.most_memory = None, 0
        try:
            self._tell(worker)
            worker.pipe.send(Do(task))
        except (BrokenPipeError, ConnectionError):
            self._lost(worker)

    def cancel(self, wanted: Callable[[_Task], bool]) -> None:
        """Ask that tasks be given up; a worker that does not heed it soon is killed."""
        for worker in self._at_work:
            if worker.task is None or worker.cancelled_at is not None or not wanted(worker.task):
                continue
            worker.cancelled_at = self.monotonic()
            try:
                worker.pipe.send(Cancel())
            except (BrokenPipeError, ConnectionError):
                self._lost(worker)

    def wait(self, seconds: float) -> list[Ended[_Task, _Result]]:
        """Return the tasks that ended; wait for one, or for :meth:`wake`, at most so long."""
        until = self.monotonic() + seconds
        while True:
            self._fill()
            left = 0.0 if self._ended else max(until - self.monotonic(), 0.0)
            self._hear(min(left, _SECONDS_BETWEEN_LOOKS) if self.busy else left)
            self._look()
            if self._ended or self.monotonic() >= until or self._was_woken():
                ended, self._ended = self._ended, []
                return ended

    def wake(self) -> None:
        """End the driver's wait; from any thread."""
        self._waker.send_bytes(b"")

    def close(self) -> None:
        """End all workers at once, whatever they do."""
        for worker in [*self._at_work, *(w for w, _ in self._leaving)]:
            _kill(worker)
        self._at_work, self._leaving = [], []
        for end in (self._woken, self._waker):
            end.close()

    # ---- inside --------------------------------------------------------------------------------
    def _tell(self, worker: _Worker) -> None:
        """Let a worker know how tasks are done now."""
        if worker.generation != self._generation:
            with _in_time(worker):  # thousands of monitors are more than a pipe holds
                worker.pipe.send(Begin(self.craft))
            worker.generation = self._generation

    def _was_woken(self) -> bool:
        woken = False
        while self._woken.poll():
            self._woken.recv_bytes()
            woken = True
        return woken

    def _hear(self, seconds: float) -> None:
        by_pipe = {w.pipe: w for w in self._at_work}
        for ready in connection.wait([*by_pipe, self._woken], seconds):
            worker = by_pipe.get(ready)  # type: ignore[call-overload]
            if worker is not None:
                self._take(worker)

    def _take(self, worker: _Worker) -> None:
        """Take all that a worker has said."""
        try:
            while worker.pipe.poll():
                with _in_time(worker):
                    message = worker.pipe.recv()
                match message:
                    case Logged(record=record):
                        logging.getLogger(record.name).handle(record)
                    case Started():
                        worker.began, worker.is_loading = self.monotonic(), False
                    case Done(result=result):
                        self._over(worker, result=result)
                    case Failed(is_memory=True):
                        self._over(worker, trouble=_too_much(worker))
                        self._dismiss(worker)
                        return
                    case Failed(error=text, traceback=trace):
                        self._over(worker, trouble=_raised(worker, text, trace))
        except (EOFError, OSError):
            self._lost(worker)
        except Exception as error:  # a result that does not survive the way
            text = f"its result cannot be read ({type(error).__name__}: {error})"
            self._over(worker, trouble=_raised(worker, text, traceback.format_exc()))

    def _over(
        self, worker: _Worker, *, result: _Result | None = None, trouble: Trouble | None = None
    ) -> None:
        seconds = self.monotonic() - worker.began
        self._ended.append(Ended(worker.task, seconds, result, trouble))
        worker.task = None
        worker.done += 1
        if (
            worker.done >= worker.limits.tasks
            or worker.limits.memory != self.limits.memory
            or len(self._at_work) > self.workers
        ):
            self._dismiss(worker)

    def _look(self) -> None:
        """Kill what takes too much; bury what left."""
        now = self.monotonic()
        for worker in [w for w in self._at_work if w.task is not None]:
            worker.most_memory = max(worker.most_memory, _resident(worker.process.pid))
            if worker.cancelled_at is not None and now - worker.cancelled_at > _SECONDS_TO_CANCEL:
                self._end(worker, _called_off())
            elif worker.most_memory > worker.limits.memory:
                self._end(worker, _too_much(worker))
            elif now - worker.began > max(
                worker.limits.seconds, _SECONDS_TO_LOAD if worker.is_loading else 0.0
            ):
                self._end(worker, _too_long(worker))
        for worker, until in list(self._leaving):
            if not worker.process.is_alive() or now > until:
                _kill(worker)
                self._leaving.remove((worker, until))

    def _end(self, worker: _Worker, trouble: Trouble) -> None:
        self._at_work.remove(worker)
        _kill(worker)
        seconds = self.monotonic() - worker.began
        self._ended.append(Ended(worker.task, seconds, trouble=trouble))

    def _lost(self, worker: _Worker) -> None:
        """Bury a worker that is gone without having been told to go."""
        if worker not in self._at_work:
            return
        if not worker.done and (worker.task is None or worker.is_loading):
            self._not_before = self.monotonic() + _SECONDS_BETWEEN_STARTS
        if worker.task is None:
            self._at_work.remove(worker)
            _kill(worker)
            return
        worker.process.join(_SECONDS_TO_LEAVE)
        self._end(worker, _gone(worker))

    def _dismiss(self, worker: _Worker) -> None:
        """Let an idle worker go."""
        if worker not in self._at_work:
            return
        self._at_work.remove(worker)
        try:
            worker.pipe.send(Stop())
        except (BrokenPipeError, ConnectionError):
            _kill(worker)
        else:
            self._leaving.append((worker, self.monotonic() + _SECONDS_TO_LEAVE))

    def _fill(self) -> None:
        while len(self._at_work) < self.workers and self.monotonic() >= self._not_before:
            try:
                self._at_work.append(self._started())
            except OSError as error:  # no process can be had now; those there are go on meanwhile
                _log.error("worker_not_started", **error_fields(error))
                self._not_before = self.monotonic() + _SECONDS_BETWEEN_STARTS

    def _started(self) -> _Worker:
        context = get_context("spawn")  # a fork would copy locks that threads of ours hold
        ours, theirs = context.Pipe()
        process = context.Process(
            target=work,
            args=(theirs, os.getpid(), self.limits.memory, self.log_level),
            name="whydrift-worker",
            daemon=True,
        )
        process.start()
        theirs.close()  # else its end would not be seen
        worker = _Worker(process, ours, self.limits)
        with contextlib.suppress(BrokenPipeError, ConnectionError):  # seen when a task is given
            self._tell(worker)  # it loads what tasks need while it waits for the first
        return worker


@contextlib.contextmanager
def _in_time(worker: _Worker) -> Iterator[None]:
    """Kill a worker that lets the driver wait within: its end of the pipe then breaks."""
    timer = threading.Timer(_SECONDS_TO_PASS, worker.process.kill)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _kill(worker: _Worker) -> None:
    worker.process.kill()
    worker.process.join(_SECONDS_TO_LEAVE)
    # One that hangs in the kernel, on a file system that is gone, dies when that comes back: the
    # others are not kept waiting. multiprocessing buries it when a later one is started.
    if worker.process.exitcode is not None:
        worker.process.close()
    worker.pipe.close()


def _resident(pid: int | None) -> int:
    """Return the bytes that a process holds; 0 where nobody can tell."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        return 0


def _size(count: int) -> str:
    return f"{count / (1 << 20):,.0f} MiB"


def _too_long(worker: _Worker) -> Trouble:
    return Trouble(
        TroubleKind.TIMEOUT,
        f"the check took longer than {worker.limits.seconds:,.0f} s and was ended",
        "See whether the source answers, or raise checks.timeout",
    )


def _too_much(worker: _Worker) -> Trouble:
    return Trouble(
        TroubleKind.MEMORY,
        f"the check needed more than {_size(worker.limits.memory)} of memory and was ended",
        "Raise checks.memory, or give the window fewer columns or segments",
    )


def _gone(worker: _Worker) -> Trouble:
    code = worker.process.exitcode
    held = f", when it held {_size(worker.most_memory)}" if worker.most_memory else ""
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        killed = -code == signal.SIGKILL
        return Trouble(
            TroubleKind.DIED,
            f"the worker was ended by {name}{held}",
            "The machine may have run out of memory: lower checks.memory or checks.workers"
            if killed
            else "A library crashed: please report it with the log's lines before this one",
        )
    return Trouble(
        TroubleKind.DIED,
        f"the worker left with status {code}{held}",
        "A library ended it: please report it with the log's lines before this one",
    )


def _raised(worker: _Worker, text: str, trace: str) -> Trouble:
    if worker.cancelled_at is not None:
        return _called_off()
    remedy = "This is a bug in whydrift: please report it" if trace else ""
    return Trouble(TroubleKind.FAILED, text, remedy, trace)


def _called_off() -> Trouble:
    return Trouble(
        TroubleKind.CANCELLED, "the check was called off", "It is done again by whoever holds it"
    )
