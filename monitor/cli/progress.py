"""Shows on standard error how far long work is."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from whydrift.discovery.plain_text import clean
from whydrift.discovery.progress import Progress, silent

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

__all__ = ["shown_progress"]

_SECONDS_BEFORE = 1.0  # shorter work ends before anybody has read what it was
_SECONDS_BETWEEN_LINES = 60.0


@contextmanager
def shown_progress(quiet: bool, *, in_logs: bool = False) -> Iterator[Progress]:
    """Give a callable that shows progress: on a terminal, once work lasts longer than a second.

    Parameters
    ----------
    quiet : bool
        Show nothing at all.
    in_logs : bool
        Where there is no terminal, write a line a minute instead.
    """
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield _Lines().tell if in_logs and not quiet and sys.stderr is not None else silent
        return
    display = _Display()
    try:
        yield display.tell
    finally:
        display.close()


class _Lines:
    """A line on standard error once a minute, for whoever reads the log of a long run."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def tell(self, stage: str, done: int, total: int) -> None:
        """Take a step."""
        now = time.monotonic()
        if now - self._last >= _SECONDS_BETWEEN_LINES:
            self._last = now
            print(f"{clean(stage)}: {done} of {total}", file=sys.stderr, flush=True)


class _Display:
    """A bar that appears late, and goes without a trace."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._last = ("reading", 0, 1)
        self._timer = threading.Timer(_SECONDS_BEFORE, self._show)
        self._timer.daemon = True
        self._timer.start()

    def tell(self, stage: str, done: int, total: int) -> None:
        """Take a step."""
        with self._lock:
            self._last = (stage, done, total)
            self._draw()

    def close(self) -> None:
        """Take the bar away."""
        self._timer.cancel()
        with self._lock:
            if self._bar is not None:
                self._bar.stop()
                self._bar = None

    def _show(self) -> None:
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        from whydrift.monitor.cli.terminal import console

        with self._lock:
            if self._timer.finished.is_set():
                return  # the work ended in the meantime
            self._bar = Bar(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=30),
                TimeElapsedColumn(),
                console=console(sys.stderr),
                transient=True,
            )
            self._task = self._bar.add_task("", total=None)
            self._draw()
            self._bar.start()

    def _draw(self) -> None:
        if self._bar is not None and self._task is not None:
            stage, done, total = self._last
            self._bar.update(
                self._task,
                description=clean(stage),
                completed=done,
                total=total if total > 1 else None,  # one step, or who knows how many
            )
