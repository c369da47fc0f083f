"""All who are told: each in a thread of its own, so that one who does not answer delays nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Final, Protocol

from whydrift.discovery.errors import WhydriftError
from whydrift.monitor.service.clock import Clock
from whydrift.monitor.service.logs import EventLog
from whydrift.monitor.service.notify.base import Attempt, Outcome
from whydrift.monitor.service.notify.deliverer import Deliverer
from whydrift.monitor.service.notify.post import Post
from whydrift.monitor.service.notify.queue import Queue
from whydrift.monitor.service.notify.registry import secrets_of
from whydrift.monitor.service.notify.resend import Resender

if TYPE_CHECKING:
    from whydrift.monitor.config.model import Config
    from whydrift.monitor.config.service import Notifier
    from whydrift.monitor.store.store import Store

__all__ = ["Notifications", "deliver_due"]

_LOG: Final = EventLog("notify")
_SWEEP: Final = timedelta(minutes=10)
_ORPHANED: Final = timedelta(hours=24)


def deliver_due(
    config: Config,
    store: Store,
    *,
    clock: Clock,
    told: Callable[[Attempt], None],
    seconds: float = 30.0,
) -> bool:
    """Tell all who are to be told now, once; whether it ended in time.

    For a process that does not stay: what fails is tried again by the next one.

    Raises
    ------
    ConfigError
        If a file that a notifier names cannot be read.
    StoreError
        If the store cannot be read or written.
    """
    if not config.notify:
        return True
    sender = Notifications(config, store, clock=clock, told=told)
    try:
        sender.tick()
        return sender.wait(seconds)
    finally:
        sender.close(0.0)


class _Lane(Protocol):
    @property
    def name(self) -> str: ...
    def work(self) -> None: ...
    def close(self) -> None: ...


class Notifications:
    """Whom a configuration tells. :meth:`tick` starts what is due and returns at once.

    Parameters
    ----------
    config : Config
    store : Store
        Used from several threads.
    clock : Clock
    told : callable
        Called with each Attempt, from any thread: for metrics and logs.
    random : Random, optional
        For the jitter of pauses.

    Raises
    ------
    ConfigError
        If a file that a notifier names cannot be read.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        *,
        clock: Clock,
        told: Callable[[Attempt], None],
        random: Random | None = None,
    ) -> None:
        self._config, self._store, self._clock, self._told = config, store, clock, told
        self._random = random or Random()  # noqa: S311 - jitter is no secret
        self._stop = threading.Event()
        self._lanes: list[_Lane] = [
            lane for notifier in config.notify for lane in self._lanes_of(notifier)
        ]
        self._busy: dict[int, threading.Thread] = {}
        self._swept_at: datetime | None = None

    def tick(self) -> None:
        """Start what is due, each in its thread; one that is still busy is left to it.

        Raises
        ------
        StoreError
            If the store cannot be read or written.
        """
        if self._stop.is_set():
            return
        for place, lane in enumerate(self._lanes):
            thread = self._busy.get(place)
            if thread is None or not thread.is_alive():
                # As a daemon: a receiver that hangs must not keep the process from leaving.
                thread = threading.Thread(
                    target=self._work, args=(lane,), name=f"notify-{lane.name}", daemon=True
                )
                self._busy[place] = thread
                thread.start()
        self._sweep()

    def wait(self, seconds: float) -> bool:
        """Wait until nothing is being sent; whether it came to that in time."""
        deadline = time.monotonic() + seconds
        for thread in self._busy.values():
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._busy.values())

    def close(self, seconds: float = 5.0) -> None:
        """Let what is being sent end, for a while; the rest waits in the store."""
        self._stop.set()
        if self.wait(seconds):
            for lane in self._lanes:
                lane.close()

    def _lanes_of(self, notifier: Notifier) -> Iterator[_Lane]:
        settings = notifier.alertmanager
        if settings is None:
            yield Queue(
                Deliverer.of(notifier), self._store, self._clock, self._random, self._told,
                self._stop, self._stop.wait,
            )  # fmt: skip
            return
        for url in settings.urls:
            yield Resender(
                notifier.name,
                url.get_secret_value(),
                None if settings.token is None else settings.token.get_secret_value(),
                timedelta(seconds=settings.resend.least_seconds),
                self._config, self._store, self._clock, self._random, self._told, self._stop,
                Post(secrets_of(notifier), settings.ca),
            )  # fmt: skip

    def _work(self, lane: _Lane) -> None:
        try:
            lane.work()
        except WhydriftError as error:  # of the store: at the next tick it is tried again
            self._told(Attempt(lane.name, Outcome.ERROR, "nothing", error.where, error.what))
        except Exception:  # a bug: its thread would end with what it knows on standard error
            _LOG.bug("notifier_failed", notifier=lane.name)
            self._told(Attempt(lane.name, Outcome.ERROR, "nothing", "whydrift", "a bug of ours"))

    def _sweep(self) -> None:
        """Give up what is for notifiers that the configuration has had no longer for a day."""
        now = self._clock()
        if self._swept_at is not None and timedelta() <= now - self._swept_at < _SWEEP:
            return
        self._swept_at = now
        known = {notifier.name for notifier in self._config.notify}
        for name in self._store.outbox_pending():
            if name in known:
                continue
            for record in self._store.outbox_due(now, notifier=name, limit=1000):
                if now - record.created > _ORPHANED:
                    error = "the configuration has no such notifier"
                    self._store.outbox_done(record.id, Outcome.DEAD.value, error)
                    self._told(Attempt(name, Outcome.DEAD, "a message", "configuration", error))
