"""How pieces of work are spread over processes, or other machines: whoever asks hands that in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

__all__ = ["Spread"]

T = TypeVar("T")
R = TypeVar("R")


class Spread(Protocol):
    """Runs a function on each item, somewhere, and gives the results in the order of the items."""

    def __call__(self, function: Callable[[T], R], items: Sequence[T], /) -> Iterable[R]:
        """Yield the result of each item."""
