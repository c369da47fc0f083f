"""What a worker of the daemon holds, and how it does a check."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Final

from whydrift.monitor.service.logs import about
from whydrift.monitor.service.work import Check, CheckReport

if TYPE_CHECKING:
    from whydrift.monitor.config.model import Config
    from whydrift.monitor.service.worker import Cancelled
    from whydrift.monitor.store.collect import Collected
    from whydrift.monitor.store.state import Lease
    from whydrift.monitor.store.store import Store

__all__ = ["CheckBench", "CheckTask", "Checking", "CleanTask"]

# Loaded while a worker waits, or the seconds that it takes would be those of its first check.
_LOADED_LATE: Final = (
    "pyarrow.parquet",
    "whydrift.discovery.search.boss",
    "whydrift.discovery.search.by_score",
    "whydrift.monitor.building.build",
    "whydrift.monitor.diagnosis.compare",
)


@dataclass(frozen=True, slots=True)
class CheckTask:
    """A check for a worker.

    Parameters
    ----------
    check : Check
    lease : Lease
        By which it may be done.
    at : datetime
        What time it was by the daemon's clock when it was handed over.
    """

    check: Check
    lease: Lease
    at: datetime


@dataclass(frozen=True, slots=True)
class CleanTask:
    """Delete what was kept long enough.

    Parameters
    ----------
    at : datetime
        What time it is.
    """

    at: datetime


@dataclass(frozen=True, slots=True)
class Checking:
    """How workers check windows: by this configuration, with a store of their own.

    Parameters
    ----------
    config : Config
    """

    config: Config

    def begin(self) -> CheckBench:
        """Open the store.

        Raises
        ------
        StoreError
            If it cannot be.
        """
        return CheckBench(self.config)


class CheckBench:
    """A worker's store, and what time it is: the daemon's time, and what passed since.

    Parameters
    ----------
    config : Config

    Raises
    ------
    StoreError
        If the store cannot be opened.
    """

    def __init__(self, config: Config) -> None:
        from whydrift.monitor.service.check import perform
        from whydrift.monitor.store.store import open_store

        for name in _LOADED_LATE:
            import_module(name)

        self._config, self._perform = config, perform
        self._clock: Callable[[], datetime] | None = None
        url = config.store.url.get_secret_value()
        self._store: Store = open_store(url, create=False, clock=self._now)

    def do(self, task: CheckTask | CleanTask, cancelled: Cancelled) -> CheckReport | Collected:
        """Do a check, or clean up."""
        self._clock = _from(task.at)
        if isinstance(task, CleanTask):
            from whydrift.monitor.service.cleaning import clean

            return clean(self._config, self._store, task.at)
        check = task.check
        with about(monitor=check.monitor, window=check.interval or "by rows", kind=check.kind):
            return self._perform(
                self._config, check, self._store, clock=self._now, lease=task.lease,
                cancel=cancelled,
            )  # fmt: skip

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def _now(self) -> datetime:
        assert self._clock is not None, "asked before the first task"
        return self._clock()


def _from(at: datetime) -> Callable[[], datetime]:
    began = time.monotonic()
    return lambda: at + timedelta(seconds=time.monotonic() - began)
