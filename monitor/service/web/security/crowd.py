"""How many requests are worked on at once: more only wait for each other, and take memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from anyio import to_thread

from whydrift.monitor.service.web.problems import Problem
from whydrift.monitor.service.web.security.access import OPEN_PATHS
from whydrift.monitor.service.web.security.head import Head

__all__ = ["Crowd", "Place"]

_MOST: Final = 128
# Each may hold one of the store's 15 connections, of which the daemon itself needs some; and where
# many compute, the loop that answers probes has to wait for each of them in turn.
_THREADS: Final = 6
# Quick, and asked for by those who tell whether we live: they wait for nobody.
_FIRST: Final = OPEN_PATHS | {"/metrics"}

_FULL: Final = Problem(
    503, "busy", "Too many requests are waiting: ask again in a while.",
    headers={"Retry-After": "5"},
)  # fmt: skip


@dataclass
class Crowd:
    """Counts the requests that are worked on; of one server, whose loop alone calls it."""

    count: int = 0

    def refused(self, head: Head) -> Problem | None:
        """Return why a request is not worked on now, None where it may go on."""
        return _FULL if self.count >= _MOST and head.path not in _FIRST else None

    def place(self, head: Head) -> Place:
        """Count a request, until its place is left."""
        # Of the loop, which did not run yet when the application was made.
        to_thread.current_default_thread_limiter().total_tokens = _THREADS
        if head.path in _FIRST:
            return Place(None)
        self.count += 1
        return Place(self)


@dataclass
class Place:
    """Of one request, until its answer begins: from then on it waits for its reader alone."""

    crowd: Crowd | None

    def leave(self) -> None:
        """Give it up; doing it twice does no more than once."""
        if self.crowd is not None:
            self.crowd.count -= 1
            self.crowd = None
