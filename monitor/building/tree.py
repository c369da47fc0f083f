"""Joins many results in pairs: a tree whose shape depends on their number alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

__all__ = ["fold"]

T = TypeVar("T")


def fold(results: Iterable[T], join: Callable[[T, T], T]) -> T | None:
    """Join results, neighbours first; None of none.

    At most log2(n) + 1 are held at once. They may be values, or stand for what a worker holds.

    Parameters
    ----------
    results : iterable
        In a fixed order.
    join : callable
        Of two neighbours, the earlier first.
    """
    # Each stands for 2**height results; heights fall from left to right, as in a binary counter.
    waiting: list[tuple[int, T]] = []
    for result in results:
        height = 0
        while waiting and waiting[-1][0] == height:
            result = join(waiting.pop()[1], result)
            height += 1
        waiting.append((height, result))
    if not waiting:
        return None
    whole = waiting.pop()[1]
    while waiting:
        whole = join(waiting.pop()[1], whole)
    return whole
