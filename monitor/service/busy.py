"""Too much was asked for at once."""

from __future__ import annotations

from whydrift.discovery.errors import WhydriftError

__all__ = ["Busy"]


class Busy(WhydriftError):  # noqa: N818 - the name says the matter better than "...Error"
    """A queue is full: what was asked for is not begun, and may be asked for again later."""
