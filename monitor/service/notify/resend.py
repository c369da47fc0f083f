"""Tells one Alertmanager again and again what fires, and for a while what was resolved."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Final

from whydrift.monitor.service.clock import Clock
from whydrift.monitor.service.notify.alertmanager import (
    RESOLVED_FOR,
    AlertmanagerAlert,
    alerts_of,
    alerts_request,
)
from whydrift.monitor.service.notify.base import Attempt, Delivered, Outcome
from whydrift.monitor.service.notify.patience import Pause, seconds_to_wait
from whydrift.monitor.service.notify.post import Post, host_of
from whydrift.monitor.store.state import AlertState

if TYPE_CHECKING:
    from whydrift.monitor.config.model import Config
    from whydrift.monitor.store.store import Store

__all__ = ["Resender"]

_LOOK: Final = timedelta(seconds=5)  # how soon a new alert is seen
_MOST_AT_ONCE: Final = 200  # alerts in one request
_BAD_REQUEST: Final = 400

_Identity = frozenset[tuple[str, str]]


@dataclass(slots=True)
class Resender:
    """Keeps one Alertmanager up to date; each of a cluster has its own, and all are told.

    What it is told comes from the store alone: after a restart, or on another replica, it goes on
    where it stood, and to be told twice changes nothing.

    Parameters
    ----------
    name : str
        Of the notifier.
    url, token : str
    resend : timedelta
        After which what fires is told again.
    config : Config
    store : Store
    clock : Clock
    random : Random
    told : callable
        Called with each Attempt.
    stop : Event
    post : Post
    """

    name: str
    url: str
    token: str | None
    resend: timedelta
    config: Config
    store: Store
    clock: Clock
    random: Random
    told: Callable[[Attempt], None]
    stop: threading.Event
    post: Post
    _looked_at: datetime | None = field(default=None, init=False)
    _sent_at: datetime | None = field(default=None, init=False)
    _said: frozenset[tuple[_Identity, bool]] = field(default=frozenset(), init=False)
    _failures: int = field(default=0, init=False)
    _pause: Pause = field(default_factory=Pause, init=False)
    _refused: set[_Identity] = field(default_factory=set, init=False)

    def work(self) -> None:
        """Tell what there is to tell, where something changed or it is time again.

        Raises
        ------
        StoreError
            If the store cannot be read.
        """
        now = self.clock()
        if self._pause.lasts(now):
            return
        if self._looked_at is not None and timedelta() <= now - self._looked_at < _LOOK:
            return
        self._looked_at = now
        alerts = self._alerts(now)
        said = frozenset((_identity(a), a.ends_at <= now) for a in alerts)
        is_time = self._sent_at is None or not timedelta() <= now - self._sent_at < self.resend
        if not alerts or (said <= self._said and not is_time):
            return
        if self._told_all(alerts, now):
            self._said, self._sent_at = said, now
            self._failures, self._pause = 0, Pause()
        else:
            self._failures += 1
            longest = self.resend.total_seconds()
            wait = seconds_to_wait(self._failures, self.random, longest=longest)
            self._pause = Pause.of(now, wait)

    def close(self) -> None:
        """Close the connection."""
        self.post.close()

    def _alerts(self, now: datetime) -> list[AlertmanagerAlert]:
        resolved = self.store.list_alerts(states={AlertState.RESOLVED}, since=now - RESOLVED_FOR)
        firing = self.store.list_alerts(states={AlertState.FIRING})
        lapses = self.store.list_lapses()
        found = alerts_of(self.config, (*resolved, *firing), now, self.resend, lapses)
        return [alert for alert in found if _identity(alert) not in self._refused]

    def _told_all(self, alerts: Sequence[AlertmanagerAlert], now: datetime) -> bool:
        """Send all; whether each was taken or refused for good."""
        batches = [
            alerts[start : start + _MOST_AT_ONCE] for start in range(0, len(alerts), _MOST_AT_ONCE)
        ]
        while batches:
            if self.stop.is_set():
                return False
            batch = batches.pop()
            answer = self.post.send(alerts_request(self.url, batch, self.token), now)
            if answer.status == _BAD_REQUEST:
                # The good ones were taken. Which one was bad is not said: halves tell.
                if len(batch) == 1:
                    self._refused.add(_identity(batch[0]))
                    self._say(batch, Delivered(Outcome.DEAD, answer.error))
                else:
                    middle = len(batch) // 2
                    batches += [batch[:middle], batch[middle:]]
                continue
            if answer.outcome is not Outcome.OK:
                self._say(batch, Delivered(Outcome.ERROR, answer.error))
                return False
            self._say(batch, answer)
        return True

    def _say(self, batch: Sequence[AlertmanagerAlert], answer: Delivered) -> None:
        first = batch[0].labels
        what = f"{first['alertname']} {first['monitor']}"
        more = f" and {len(batch) - 1} more" if len(batch) > 1 else ""
        self.told(Attempt(self.name, answer.outcome, what + more, host_of(self.url), answer.error))


def _identity(alert: AlertmanagerAlert) -> _Identity:
    return frozenset(alert.labels.items())
