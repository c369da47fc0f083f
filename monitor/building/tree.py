"""Joins many results, some at a time: a tree whose shape depends on their number alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

__all__ = ["fold"]

T = TypeVar("T")

_WIDTH: Final = 4  # more at once would be fewer joins, and more results that wait in memory


def fold(results: Iterable[T], join: Callable[[Sequence[T]], T]) -> T | None:
    """Join results, neighbours first, four at a time; None of none.

    At most three of each height wait, 3 · log4(n) + 1 in all. They may be values, or stand for what
    a worker holds.

    Parameters
    ----------
    results : iterable
        In a fixed order.
    join : callable
        Of two to four neighbours, in their order.
    """
    # Each stands for 4**height results; heights fall from left to right, as digits of a counter.
    waiting: list[tuple[int, T]] = []
    for result in results:
        height = 0
        waiting.append((height, result))
        while [h for h, _ in waiting[-_WIDTH:]] == [height] * _WIDTH:
            joined = join([r for _, r in waiting[-_WIDTH:]])
            height += 1
            waiting[-_WIDTH:] = [(height, joined)]
    while len(waiting) > 1:
        joined = join([r for _, r in waiting[-_WIDTH:]])
        waiting[-_WIDTH:] = [(0, joined)]
    return waiting[0][1] if waiting else None
