"""What can be reached step by step: the ancestors of a column, or its descendants."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

__all__ = ["reached"]

T = TypeVar("T")


def reached(start: Iterable[T], step: Callable[[T], Iterable[T]]) -> set[T]:
    """Return all that is reached from some nodes, these included.

    Parameters
    ----------
    start : iterable
        The first nodes.
    step : callable
        From a node to those one step further: its parents, say.
    """
    seen: set[T] = set()
    todo = list(start)
    while todo:
        node = todo.pop()
        if node not in seen:
            seen.add(node)
            todo += step(node)
    return seen
