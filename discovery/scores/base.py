"""What a score is, and the arrays that compiled searches read it from.

A compiled search takes plain arrays, no Python objects; which of the three kinds it is given
decides, when it is compiled, how it computes a local score.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from whydrift.discovery.arrays import FloatArray, IntArray

__all__ = ["BlockArrays", "CountArrays", "NumberArrays", "Score", "ScoreArrays"]

CodeArray = NDArray[np.int32]


class NumberArrays(NamedTuple):
    """A score of one number per column, read off correlations.

    Parameters
    ----------
    correlation : ndarray of shape (n_columns, n_columns)
    rows : float
        Rows that count.
    cost : ndarray of shape (n_columns + 1,)
        What so many parents cost.
    """

    correlation: FloatArray
    rows: float
    cost: FloatArray


class BlockArrays(NamedTuple):
    """A score of a block of features per column, read off covariances.

    Parameters
    ----------
    covs : ndarray of shape (n_windows, n_features, n_features)
        Covariances of the features in each window.
    means : ndarray of shape (n_windows, n_features)
        Less those over all windows.
    within, total : ndarray of shape (n_features, n_features)
        The mean of the covariances, and the covariance over all windows together.
    rows : ndarray of shape (n_columns, n_windows)
        Rows that count, by column: fewer where neighbours are alike.
    choices : ndarray of shape (n_windows + 2,)
        Log of the number of sets of 0, 1, … windows.
    start : ndarray of int, shape (n_columns + 1,)
        First feature of each column, and the end of the last.
    linear : ndarray of int, shape (n_columns,)
        How many of a column's features are the column itself; the others are its hinges.
    penalty : float
        What one parameter costs, in units of log(rows) / 2.
    extra : ndarray of shape (n_columns + 1,)
        What so many parents cost beside their parameters.
    rare : ndarray of shape (n_columns, n_columns)
        What each parent costs each column beside that, as both have rare values.
    """

    covs: FloatArray
    means: FloatArray
    within: FloatArray
    total: FloatArray
    rows: FloatArray
    choices: FloatArray
    start: IntArray
    linear: IntArray
    penalty: float
    extra: FloatArray
    rare: FloatArray


class CountArrays(NamedTuple):
    """A score of categories, from the codes that it counts.

    Parameters
    ----------
    codes : ndarray of int32, shape (n_columns, n_rows)
        Levels 0, 1, …
    bounds : ndarray of int, shape (n_windows + 1,)
        The rows at which each window begins, and the end of the last.
    levels : ndarray of int, shape (n_columns,)
        Levels of each column.
    prior : float
        The equivalent sample size.
    penalty : float
        Above 1, what a parent costs beside the prior.
    """

    codes: CodeArray
    bounds: IntArray
    levels: IntArray
    prior: float
    penalty: float


ScoreArrays = NumberArrays | BlockArrays | CountArrays


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

    def moved(self, column: int, parents: tuple[int, ...]) -> tuple[int, ...]:
        """Return the windows in which a column, given these parents, pays for its own mechanism.

        None where one mechanism serves all windows; all of them where each has its own.
        """
        ...

    def arrays(self) -> ScoreArrays:
        """Return what a compiled search reads."""
        ...
