"""Work done here and now, one item after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from whydrift.monitor.building.cluster import Cancel, Recipe, Told, called_off, where_of
from whydrift.monitor.building.share import Share
from whydrift.monitor.building.tree import fold
from whydrift.monitor.source.reading import never

__all__ = ["OneProcess"]

T = TypeVar("T")
R = TypeVar("R")
W = TypeVar("W")


class OneProcess:
    """The process that asks; it holds one share at a time, and can stop between two batches."""

    def map(
        self, function: Callable[[T], R], items: Sequence[T], *, cancel: Cancel = never
    ) -> Iterator[R]:
        """Yield the function's result for each item."""
        for item in items:
            called_off(cancel, where_of(item))
            yield function(item)

    def reduce(
        self, recipe: Recipe[W], shares: Sequence[Share], *, told: Told, cancel: Cancel = never
    ) -> W | None:
        """Read all shares and join them."""

        def read(share: Share) -> W | None:
            def seen(rows: int) -> None:
                told(rows)
                called_off(cancel, share.where)

            called_off(cancel, share.where)
            return recipe.read(share, seen)

        return fold((w for w in map(read, shares) if w is not None), recipe.join)
