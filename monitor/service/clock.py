"""What time it is: handed in everywhere, so that tests and simulations never wait."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

__all__ = ["Clock", "utc_now"]

Clock = Callable[[], datetime]  # an instant in UTC


def utc_now() -> datetime:
    """Return the time now."""
    return datetime.now(UTC)
