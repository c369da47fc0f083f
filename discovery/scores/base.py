"""What a score is, and the arrays that compiled searches read it from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray

__all__ = ["BLOCKS", "COUNTS", "NUMBERS", "Score", "ScoreArrays"]

# How a kernel computes a local score: from the covariance of one number per column, from Gram
# matrices of one block of features per column, or by counting codes.
NUMBERS: Final = 0
BLOCKS: Final = 1
COUNTS: Final = 2


class ScoreArrays(NamedTuple):
    """A score as plain arrays, so that a compiled search needs no Python object.

    Parameters
    ----------
    kind : int
        ``NUMBERS``, ``BLOCKS`` or ``COUNTS``; the arrays that the kind does not need are empty.
    grams : ndarray of shape (n_windows, n_features, n_features)
        For ``NUMBERS`` one correlation matrix; for ``BLOCKS`` second moments of an intercept
        (feature 0) and the features.
    rows : ndarray of shape (n_columns, n_windows)
        Rows that count, by column: fewer where neighbours are alike.
    start : ndarray of int, shape (n_columns + 1,)
        First feature of each column, and the end of the last.
    linear : ndarray of int, shape (n_columns,)
        How many of a column's features are the column itself; the others are its hinges.
    penalty : float
        What one parameter costs, in units of log(rows) / 2.
    cost : ndarray of shape (n_columns + 1,)
        For ``NUMBERS``: what so many parents cost.
    codes : ndarray of int32, shape (n_columns, n_rows)
        For ``COUNTS``: levels 0, 1, …
    bounds : ndarray of int, shape (n_windows + 1,)
        For ``COUNTS``: the rows at which each window begins, and the end of the last.
    levels : ndarray of int, shape (n_columns,)
        Levels of each column.
    prior : float
        For ``COUNTS``: the equivalent sample size.
    """

    kind: int
    grams: FloatArray
    rows: FloatArray
    start: IntArray
    linear: IntArray
    penalty: float
    cost: FloatArray
    codes: np.ndarray[tuple[int, int], np.dtype[np.int32]]
    bounds: IntArray
    levels: IntArray
    prior: float


class Score(Protocol):
    """Local scores ``score(column | parents)``, higher is better, many parent sets at once.

    A score is built from Snapshots and column names (see ``registry.py``); the column numbers
    below are positions in those names. The score of a graph is the sum over its columns.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """Columns, by number."""
        ...

    @property
    def most_parents(self) -> int:
        """The most parents that a column may be given: beyond, the rows carry no more."""
        ...

    def local(self, column: int, parent_sets: Sequence[tuple[int, ...]]) -> FloatArray:
        """Return the local scores of a column for several parent sets.

        Parameters
        ----------
        column : int
            Position of the column.
        parent_sets : sequence of tuple of int
            Positions of its parents, in any order.

        Returns
        -------
        ndarray of shape (n_sets,)
        """
        ...

    def arrays(self) -> ScoreArrays:
        """Return what a compiled search reads."""
        ...
