"""Things done again and again, each on a thread of its own, so that none waits for another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from whydrift.discovery.errors import WhydriftError
from whydrift.monitor.service.clock import Clock, utc_now
from whydrift.monitor.service.logs import EventLog, error_fields

if TYPE_CHECKING:
    from apscheduler.schedulers.background import BackgroundScheduler

__all__ = ["Tick", "ticking"]

_SECONDS_BETWEEN_LOOKS: Final = 1.0  # at the machine's clock
_PUT_BACK: Final = timedelta(seconds=2)  # less is what clocks are trimmed by
_log = EventLog("ticks")


@dataclass
class Tick:
    """Something to do again and again.

    Parameters
    ----------
    name : str
    seconds : float
        From one beginning to the next; a turn that takes longer drops those it overlaps.
    do : callable
    wait : float
        Seconds before the first turn.
    """

    name: str
    seconds: float
    do: Callable[[], object]
    wait: float = 0.0
    _failures: int = field(default=0, init=False)

    def turn(self) -> None:
        """Do it once; what goes wrong is told once, and does not keep it from the next turn."""
        try:
            self.do()
        except WhydriftError as error:
            self._failures += 1
            if self._failures == 1:
                _log.error("tick_failed", tick=self.name, **error_fields(error))
        except Exception as error:  # a bug must not end the daemon: it has other things to do
            self._failures += 1
            if self._failures == 1:
                _log.bug("tick_failed", tick=self.name, **error_fields(error))
        else:
            if self._failures:
                _log.info("tick_works_again", tick=self.name, failed=self._failures)
            self._failures = 0


@contextmanager
def ticking(ticks: Sequence[Tick], *, wall: Clock = utc_now) -> Iterator[None]:
    """Do all of them within; turns that have begun are left to end.

    What is due is never kept here: that is read from the store, so that nothing is lost with the
    process.

    Parameters
    ----------
    ticks : sequence of Tick
    wall : callable
        The clock of the machine.
    """
    from apscheduler.executors.pool import ThreadPoolExecutor
    from apscheduler.schedulers.background import BackgroundScheduler

    # By default it drops a turn that begins a second late, and one that is late for its next.
    scheduler = BackgroundScheduler(
        executors={tick.name: ThreadPoolExecutor(1) for tick in ticks},
        job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        timezone=UTC,
    )
    for tick in ticks:
        scheduler.add_job(
            tick.turn, "interval", seconds=tick.seconds, executor=tick.name, id=tick.name,
            next_run_time=datetime.now(UTC) + timedelta(seconds=tick.wait),
        )  # fmt: skip
    scheduler.start()
    ended = threading.Event()
    watch = threading.Thread(target=_watch, args=(scheduler, ended, wall), daemon=True)
    watch.start()
    try:
        yield
    finally:
        ended.set()
        watch.join()
        scheduler.shutdown(wait=False)


def _watch(scheduler: BackgroundScheduler, ended: threading.Event, wall: Clock) -> None:
    """Let no turn wait for a clock that was put back to come there again, an hour perhaps."""
    told, passed = wall(), time.monotonic()
    while not ended.wait(_SECONDS_BETWEEN_LOOKS):
        now, here = wall(), time.monotonic()
        back = timedelta(seconds=here - passed) - (now - told)
        told, passed = now, here
        if back > _PUT_BACK:
            _log.warning("clock_put_back", seconds=back.total_seconds())
            jobs: list[Any] = scheduler.get_jobs()
            for job in jobs:
                job.modify(next_run_time=datetime.now(UTC))
