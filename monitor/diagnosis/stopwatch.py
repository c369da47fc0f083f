"""How long a comparison took, in all and in parts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Stopwatch"]


class Stopwatch:
    """Seconds spent since it was made, and in named parts."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._parts: dict[str, float] = {}

    @contextmanager
    def measure(self, part: str) -> Iterator[None]:
        """Count what is done within to a part; parts may come again."""
        started = time.perf_counter()
        yield
        spent = time.perf_counter() - started
        self._parts[part] = self._parts.get(part, 0.0) + spent

    def seconds(self) -> dict[str, float]:
        """Return the seconds in all (``total``) and in each part."""
        return {"total": time.perf_counter() - self._started, **self._parts}
