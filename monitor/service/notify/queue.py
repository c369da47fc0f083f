"""The messages of one notifier: each is sent at least once, those of one alert in their order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Final

from whydrift.discovery.errors import StoreError
from whydrift.monitor.service.clock import Clock
from whydrift.monitor.service.notify.base import Attempt, Delivered, Outcome
from whydrift.monitor.service.notify.deliverer import Deliverer
from whydrift.monitor.service.notify.notice import Notice
from whydrift.monitor.service.notify.patience import Pause, is_given_up, seconds_to_wait

if TYPE_CHECKING:
    from whydrift.monitor.store.state import OutboxRecord
    from whydrift.monitor.store.store import Store

__all__ = ["Queue"]

# A process that dies while it sends has the message sent again after this; longer than any attempt.
_CLAIM: Final = timedelta(seconds=60)
_LONGEST_PAUSE: Final = 60.0  # seconds between two attempts at a receiver that is down


@dataclass(slots=True)
class Queue:
    """Sends what waits for one notifier.

    A receiver that does not answer is tried with one message at a time, and left alone in between;
    what waits keeps its place in the store, so that a restart forgets nothing but the pause.

    Parameters
    ----------
    deliverer : Deliverer
    store : Store
    clock : Clock
    random : Random
        For the jitter of pauses.
    told : callable
        Called with each Attempt.
    stop : Event
        Ends a pass after the message that is being sent.
    wait : callable
        Waits for so many seconds.
    """

    deliverer: Deliverer
    store: Store
    clock: Clock
    random: Random
    told: Callable[[Attempt], None]
    stop: threading.Event
    wait: Callable[[float], object]
    _failures: int = field(default=0, init=False)
    _pause: Pause = field(default_factory=Pause, init=False)
    _sent_at: datetime | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        """Of the notifier."""
        return self.deliverer.name

    def work(self) -> None:
        """Send all that is due, until there is nothing left or the receiver fails.

        Raises
        ------
        StoreError
            If the store cannot be read or written.
        """
        while not self.stop.is_set():
            now = self.clock()
            if self._pause.lasts(now):
                return
            if not self.store.outbox_due(now, notifier=self.name, limit=1):
                return  # most often: to look does not lock what to claim does
            waiting = self.store.outbox_due(now, notifier=self.name, limit=1, claim=_CLAIM)
            if not waiting:
                return
            self._leave_alone(now)
            if not self._settle(waiting[0]):
                return

    def close(self) -> None:
        """Close the connection."""
        self.deliverer.close()

    def _leave_alone(self, now: datetime) -> None:
        if self._sent_at is not None:
            passed = (now - self._sent_at).total_seconds()
            if 0 <= passed < self.deliverer.seconds_between:
                self.wait(self.deliverer.seconds_between - passed)

    def _settle(self, record: OutboxRecord) -> bool:
        """Send one message and write how it ended; whether the receiver may get the next one."""
        message = record.message
        try:
            notice = Notice.from_dict(message.body)
        except StoreError as error:
            self._write(record, Delivered(Outcome.DEAD, error.what), "unreadable")
            return True
        answer = self.deliverer.send(notice, message.key, self.clock())
        self._sent_at = self.clock()
        if answer.outcome is Outcome.ERROR and is_given_up(record, self._sent_at):
            answer = Delivered(Outcome.DEAD, f"given up after a day: {answer.error}")
            self._leave_until_later(answer)
            self._write(record, answer, _what(notice))
            return False
        self._write(record, answer, _what(notice))
        if answer.outcome is Outcome.ERROR:
            self._leave_until_later(answer)
            return False
        self._failures, self._pause = 0, Pause()
        return True

    def _leave_until_later(self, answer: Delivered) -> None:
        self._failures += 1
        seconds = seconds_to_wait(
            self._failures, self.random, retry_after=answer.retry_after, longest=_LONGEST_PAUSE
        )
        self._pause = Pause.of(self.clock(), seconds)

    def _write(self, record: OutboxRecord, answer: Delivered, what: str) -> None:
        self.told(Attempt(self.name, answer.outcome, what, self.deliverer.where, answer.error))
        if answer.outcome is not Outcome.ERROR:
            self.store.outbox_done(record.id, answer.outcome.value, answer.error)
            return
        seconds = seconds_to_wait(record.attempts + 1, self.random, retry_after=answer.retry_after)
        next_at = self.clock() + timedelta(seconds=seconds)
        self.store.outbox_retry(record.id, next_at, answer.error or "")


def _what(notice: Notice) -> str:
    return f"{notice.step.value} {notice.monitor} {notice.alert_name}"
