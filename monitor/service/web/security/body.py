"""Bodies of requests: read whole before anything is done, small, plain, and in time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from whydrift.monitor.service.web.problems import Problem
from whydrift.monitor.service.web.security.head import Head

if TYPE_CHECKING:
    from starlette.types import Message, Receive

__all__ = ["LARGEST_BODY", "is_small", "read_body", "refused_body", "replayed"]

LARGEST_BODY: Final = 1 << 20  # bytes
_SMALL_BODY: Final = 64 << 10
_SECONDS: Final = 10.0  # for all of it

_TOO_LARGE: Final = Problem(413, "body", f"A body has at most {LARGEST_BODY:,} bytes.")


def refused_body(head: Head) -> Problem | None:
    """Return why a body is not read, by what its headers say of it."""
    if any(word.lower() != "identity" for word in head.all("content-encoding")):
        return Problem(415, "content-encoding", "Send it as it is, not compressed.")
    length = head.one("content-length")
    if length is not None and length.isdigit() and int(length[:20]) > LARGEST_BODY:
        return _TOO_LARGE
    if head.has_body and not head.is_write:
        # Nobody would read it: it could go on for as long as somebody likes.
        return Problem(400, "body", f"A {head.method} has no body: leave it out.")
    return None


def is_small(head: Head) -> bool:
    """Whether a body follows that costs little to read, even to be thrown away."""
    length = head.one("content-length") or ""
    return head.has_body and length.isdigit() and int(length[:20]) <= _SMALL_BODY


async def read_body(receive: Receive) -> bytes | Problem:
    """Read all of a body, or say why not."""
    try:
        return await asyncio.wait_for(_all_of(receive), _SECONDS)
    except TimeoutError:
        return Problem(408, "body", f"The body did not come within {_SECONDS:g} seconds.")


async def _all_of(receive: Receive) -> bytes | Problem:
    parts = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return Problem(400, "body", "The body ends too early.")
        parts += message.get("body", b"")
        if len(parts) > LARGEST_BODY:
            return _TOO_LARGE
        if not message.get("more_body", False):
            return bytes(parts)


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that was read already, then what the client does next."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again
