"""One connection: hung up on where its other end holds it, so that nobody takes all there are."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Impatient"]

_CONNECTIONS: Final = 256
_MOST_CONNECTIONS: Final = 512  # where we owe all of them an answer, which takes moments
_SECONDS_FOR_HEAD: Final = 10.0
# For an answer: so long, and so fast at least. A page comes in time over the slowest of lines.
_SECONDS_TO_READ: Final = 10.0
_LEAST_RATE: Final = 32 << 10  # bytes a second
_MOST_UNREAD: Final = 64 << 20  # bytes of answers that wait to be read, of all connections
_SECONDS_BETWEEN_LOOKS: Final = 1.0
_NO_LINGERING: Final = struct.pack("ii", 1, 0)


class Impatient(H11Protocol):
    """Hangs up on who does not send a head in time, or does not read an answer in time.

    uvicorn (0.54) waits for both without end, so that some hundred connections which send a byte
    now and then, or read none, would be all there are:
    https://github.com/encode/uvicorn/discussions/2020. Where there are too many all the same, or
    too much lies unread, those that have waited for their other end the longest make room: a probe
    is answered whatever others hold.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_timer: asyncio.TimerHandle | None = None
        self._look_timer: asyncio.TimerHandle | None = None
        self._last_request = 0.0
        self._unread = 0  # at the last look
        self._read_by = 0.0  # all of that

    # ---- what the other end owes -------------------------------------------------------------
    @property
    def unread(self) -> int:
        """Bytes of answers that wait to be read."""
        return self.transport.get_write_buffer_size()

    @property
    def is_their_turn(self) -> bool:
        """Whether the other end has to send or to read before anything more happens."""
        if self.cycle is None or self.cycle.response_complete or self.flow.write_paused:
            return True
        return self.cycle.more_body

    def hang_up(self) -> None:
        """End the connection at once, whatever was still to be sent."""
        if self.unread:
            # What lies in the system's own buffer would keep it open there until it is read.
            self.transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGERING
            )
        self.transport.abort()

    # ---- what uvicorn calls ------------------------------------------------------------------
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request; where there are too many, make room for this one."""
        super().connection_made(transport)
        self._last_request = self.loop.time()
        self._head_timer = self.loop.call_later(_SECONDS_FOR_HEAD, self.hang_up)
        self._look_timer = self.loop.call_later(_SECONDS_BETWEEN_LOOKS, self._look)
        if len(self.connections) > _CONNECTIONS:
            held = [c for c in self._all() if c is not self and c.is_their_turn]
            if held:
                min(held, key=lambda c: c._last_request).hang_up()
            elif len(self.connections) > _MOST_CONNECTIONS:
                self.hang_up()

    def data_received(self, data: bytes) -> None:
        """Take what was sent; a head has to be whole in time."""
        if self._head_timer is None and self.conn.their_state is h11.IDLE:
            self._head_timer = self.loop.call_later(_SECONDS_FOR_HEAD, self.hang_up)
        super().data_received(data)

    def handle_events(self) -> None:
        """Begin what has come in whole; uvicorn calls it after an answer too."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._last_request = self.loop.time()
            self._make_room()
        if self.conn.their_state is not h11.IDLE:
            _stop(self._head_timer)
            self._head_timer = None
        if self.conn.their_state is h11.DONE and self.conn.trailing_data[0]:
            # No browser and no scrape asks again before it is answered; what does could line up
            # hundreds of questions on each connection. This one is answered, and no other.
            self.cycle.keep_alive = False

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        for timer in (self._head_timer, self._look_timer):
            _stop(timer)
        super().connection_lost(exc)

    # ---- inside ------------------------------------------------------------------------------
    def _all(self) -> Iterable[Impatient]:
        return (c for c in self.connections if isinstance(c, Impatient))

    def _make_room(self) -> None:
        """Hang up on who lets the most lie unread, until what all let lie is little enough."""
        unread = {c: c.unread for c in self._all() if not c.transport.is_closing() or c.unread}
        while sum(unread.values()) > _MOST_UNREAD:
            most = max(unread, key=lambda c: unread[c])
            most.hang_up()
            del unread[most]

    def _look(self) -> None:
        """See whether the other end reads; what uvicorn has closed is open until it has."""
        now, unread = self.loop.time(), self.unread
        if not self._unread:
            self._read_by = now + _SECONDS_TO_READ
        self._read_by += max(unread - self._unread, 0) / _LEAST_RATE
        self._unread = unread
        if unread and now > self._read_by:
            self.hang_up()
            return
        self._look_timer = self.loop.call_later(_SECONDS_BETWEEN_LOOKS, self._look)


def _stop(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
