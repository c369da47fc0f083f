"""What a worker process does: one task at a time, until it is told to stop or its parent dies.

Nothing heavy is imported with this module: how many threads numerical libraries take is read from
the environment when they are loaded.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import queue
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

__all__ = [
    "Begin",
    "Bench",
    "Cancel",
    "Cancelled",
    "Craft",
    "Do",
    "Done",
    "Failed",
    "Logged",
    "Started",
    "Stop",
    "work",
]

_Task = TypeVar("_Task", contravariant=True)
_Result = TypeVar("_Result", covariant=True)
Cancelled = Callable[[], bool]

_DIE_WITH_PARENT: Final = 1  # PR_SET_PDEATHSIG of prctl(2)
# Address space that is only reserved counts for the kernel's limit; Arrow's allocator takes 1 GiB
# of it, and threads their stacks. What is truly used is watched by the parent.
_RESERVED: Final = 2 << 30
_NICE: Final = 5  # pages and metrics, which the parent serves, come first
_ONE_THREAD: Final = (
    "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS",
)  # fmt: skip


class Bench(Protocol[_Task, _Result]):
    """Where tasks are done: it holds what they need, such as a store."""

    def do(self, task: _Task, cancelled: Cancelled) -> _Result:
        """Do one task; give it up where it was cancelled meanwhile."""
        ...

    def close(self) -> None:
        """Let go of what is held."""
        ...


class Craft(Protocol[_Task, _Result]):
    """What a worker is told once: how its tasks are done. It travels, so that it can be pickled."""

    def begin(self) -> Bench[_Task, _Result]:
        """Open, in the worker, what tasks need."""
        ...


@dataclass(frozen=True, slots=True)
class Begin:
    """Do what comes by this craft; what was open for the last one is dropped."""

    craft: Craft[Any, Any]


@dataclass(frozen=True, slots=True)
class Do:
    """Do this task."""

    task: Any


@dataclass(frozen=True, slots=True)
class Cancel:
    """Give the task up as soon as it can be: nobody wants its result."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Leave when the task is done."""


@dataclass(frozen=True, slots=True)
class Started:
    """The task is being done: until then the process was loading what it needs."""


@dataclass(frozen=True, slots=True)
class Done:
    """The task's result."""

    result: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """Why there is no result.

    Parameters
    ----------
    error : str
    is_memory : bool
        Whether memory ran out.
    traceback : str
        Of a bug of ours, for the log.
    """

    error: str
    is_memory: bool = False
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class Logged:
    """A line for the log, which the parent writes."""

    record: logging.LogRecord


class _ToParent(logging.Handler):
    """Hands lines to the parent, so that one process alone writes them."""

    def __init__(self, send: Callable[[object], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        record.msg, record.args, record.exc_info = record.getMessage(), None, None
        try:
            self._send(Logged(record))
        except Exception:
            self.handleError(record)


def work(pipe: Connection, parent: int, memory: int, log_level: int) -> None:
    """Do what comes through the pipe; the whole life of a worker process.

    Parameters
    ----------
    pipe : Connection
    parent : int
        The parent's process id: when it is gone, this process goes too.
    memory : int
        Bytes it may use.
    log_level : int
        Of our own lines.
    """
    _live_with(parent)
    for name in _ONE_THREAD:
        os.environ[name] = "1"
    os.nice(_NICE)
    _limit(memory)
    sending = threading.Lock()

    def send(message: object) -> None:
        with sending:  # lines of other threads of the task go the same way
            pipe.send(message)

    _log_to(send, log_level)
    tasks: queue.SimpleQueue[Begin | Do | Stop] = queue.SimpleQueue()
    cancelled = threading.Event()
    threading.Thread(target=_listen, args=(pipe, tasks, cancelled), daemon=True).start()
    craft: Craft[Any, Any] | None = None
    bench: Bench[Any, Any] | None = None
    while True:
        match tasks.get():
            case Begin(craft=new):
                if bench is not None:
                    bench.close()
                craft, bench = new, None
                with contextlib.suppress(Exception):  # tried again, and told, at a task
                    bench = craft.begin()
            case Do(task=task):
                assert craft is not None, "a task came before its craft"
                send(Started())
                try:
                    bench = bench or craft.begin()
                    answer: Done | Failed = Done(bench.do(task, cancelled.is_set))
                except MemoryError:
                    answer = Failed("memory ran out", is_memory=True)
                except Exception as error:  # the one broad catch: neighbours go on
                    answer = _failed(error)
                try:
                    send(answer)
                except Exception as error:  # a result that cannot be pickled: nothing was sent yet
                    send(_failed(error))
            case Stop():
                # Without the interpreter's own end, in which threads of libraries may hang.
                pipe.close()
                sys.stderr.flush()
                os._exit(0)


def _listen(
    pipe: Connection,
    tasks: queue.SimpleQueue[Begin | Do | Stop],
    cancelled: threading.Event,
) -> None:
    while True:
        try:
            message = pipe.recv()
        except (EOFError, OSError):
            os._exit(1)  # the parent is gone
        if isinstance(message, Cancel):
            cancelled.set()
        else:
            if isinstance(message, Do):
                cancelled.clear()  # what came too late for the last task is not for this one
            tasks.put(message)


def _failed(error: Exception) -> Failed:
    from whydrift.discovery.errors import WhydriftError

    if isinstance(error, WhydriftError):
        return Failed(str(error))
    return Failed(f"{type(error).__name__}: {error}", traceback=traceback.format_exc())


def _live_with(parent: int) -> None:
    """Leave signals to the parent, and die when it dies, however that is."""
    # A service manager, or Ctrl-C, signals the whole group; the parent lets tasks end.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before it could be told
        os._exit(1)


def _limit(memory: int) -> None:
    """Let one allocation that can never fit fail at once, instead of taking the machine along."""
    if sys.platform == "linux":
        import resource

        most = resource.getrlimit(resource.RLIMIT_DATA)[1]
        wanted = memory + _RESERVED
        allowed = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(resource.RLIMIT_DATA, (allowed, most))


def _log_to(send: Callable[[object], None], level: int) -> None:
    from whydrift.monitor.service.logs import with_context

    handler = _ToParent(send)
    handler.addFilter(with_context)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("whydrift").setLevel(level)
    if level > logging.DEBUG:  # numerical warnings of libraries are no message to the user
        warnings.simplefilter("ignore")
    logging.captureWarnings(True)
