"""Whose turn it is: one check of a monitor at a time, the monitors one after the other."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

__all__ = ["Turns"]

_Task = TypeVar("_Task")


class Turns(Generic[_Task]):
    """What waits, and what is being done; from any thread.

    Monitors whose last task failed share all workers but one, so that a source that hangs until
    its time is up, again and again, leaves room for its neighbours.

    Parameters
    ----------
    workers : int
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[_Task]] = {}
        self._order: deque[str] = deque()  # of the monitors that wait
        self._running: set[str] = set()
        self._suspects: set[str] = set()

    @property
    def running(self) -> frozenset[str]:
        """Monitors a task of which is being done."""
        with self._lock:
            return frozenset(self._running)

    @property
    def waiting(self) -> int:
        """How many tasks wait."""
        with self._lock:
            return sum(len(tasks) for tasks in self._waiting.values())

    def waiting_of(self, monitor: str) -> int:
        """Return how many tasks of a monitor wait."""
        with self._lock:
            return len(self._waiting.get(monitor, ()))

    def has(self, monitor: str) -> bool:
        """Whether a task of the monitor waits or is being done."""
        with self._lock:
            return monitor in self._running or bool(self._waiting.get(monitor))

    def offer(self, monitor: str, tasks: Iterable[_Task]) -> None:
        """Let these wait, in this order, instead of what waited of the monitor."""
        with self._lock:
            self._waiting[monitor] = deque(tasks)
            if not self._waiting[monitor]:
                del self._waiting[monitor]
            elif monitor not in self._order:
                self._order.append(monitor)

    def add_first(self, monitor: str, tasks: Sequence[_Task]) -> None:
        """Let these wait before what waits of the monitor."""
        with self._lock:
            before = self._waiting.setdefault(monitor, deque())
            before.extendleft(task for task in reversed(tasks) if task not in before)
            if monitor not in self._order:
                self._order.append(monitor)

    def drop(self, monitor: str) -> None:
        """Forget what waits of a monitor; what is being done goes on."""
        with self._lock:
            self._waiting.pop(monitor, None)

    def next(self) -> tuple[str, _Task] | None:
        """Return the monitor whose turn it is, and its task; None where nothing may begin."""
        with self._lock:
            for _ in range(len(self._order)):
                monitor = self._order.popleft()
                tasks = self._waiting.get(monitor)
                if not tasks:
                    self._waiting.pop(monitor, None)
                    continue
                if monitor in self._running or not self._has_room(monitor):
                    self._order.append(monitor)
                    continue
                task = tasks.popleft()
                if tasks:
                    self._order.append(monitor)
                else:
                    del self._waiting[monitor]
                self._running.add(monitor)
                return monitor, task
            return None

    def over(self, monitor: str, *, failed: bool) -> None:
        """Note that the monitor's task ended."""
        with self._lock:
            self._running.discard(monitor)
            if failed:
                self._suspects.add(monitor)
                self._waiting.pop(monitor, None)  # whether they are due is asked again
            else:
                self._suspects.discard(monitor)

    def _has_room(self, monitor: str) -> bool:
        if monitor not in self._suspects:
            return True
        return len(self._running & self._suspects) < max(1, self.workers - 1)
