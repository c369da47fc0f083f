"""A score that remembers the parent sets it was asked about."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from whydrift.discovery.arrays import FloatArray

__all__ = ["CachedScore"]


class CachedScore(ABC):
    """Evaluates each parent set of a column once; a set is a bit mask inside.

    Parameters
    ----------
    names : tuple of str
        Columns; their positions are the numbers used below.
    most_parents : int
        The most parents that a column may be given.
    """

    def __init__(self, names: tuple[str, ...], most_parents: int) -> None:
        self.names = names
        self.most_parents = most_parents
        self.evaluations = 0
        self._cache: dict[tuple[int, int], float] = {}

    def local(self, column: int, parent_sets: Sequence[tuple[int, ...]]) -> FloatArray:
        """Return the local scores of a column for several parent sets; see `Score`."""
        masks = [sum(1 << p for p in parents) for parents in parent_sets]
        fresh = {
            mask: parents
            for mask, parents in zip(masks, parent_sets, strict=True)
            if (column, mask) not in self._cache
        }
        if fresh:
            scores = self._evaluate(column, list(fresh.values()))
            self.evaluations += len(fresh)
            for mask, score in zip(fresh, scores.tolist(), strict=True):
                self._cache[column, mask] = score
        return np.array([self._cache[column, mask] for mask in masks])

    def moved(self, column: int, parents: tuple[int, ...]) -> tuple[int, ...]:
        """Return the windows in which a column pays for a mechanism of its own; see `Score`."""
        del column, parents
        return ()

    @abstractmethod
    def _evaluate(self, column: int, parent_sets: list[tuple[int, ...]]) -> FloatArray:
        """Return the scores of parent sets that were not asked for before."""
