"""What a fitted mechanism can do: say what a row's value would have been."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.monitor.diagnosis.counterfactual.design import Causes

__all__ = ["ALL_ROWS", "Mechanism", "Rows"]

ALL_ROWS: Final = slice(0, 1)  # the fit to all rows


@dataclass(frozen=True)
class Rows:
    """Rows of one window that are run again.

    Parameters
    ----------
    side : int
        0 for rows of the reference, 1 for the current window's.
    index : ndarray of int, shape (n,)
        Their numbers among the pooled rows.
    luck : ndarray of shape (n, 2)
        Uniform numbers of the column at hand: the same in every run, so that runs differ by the
        mechanisms alone.
    fits : slice
        0:1 for the fit to all rows, 1: for those with each group left out.
    kept : list of ndarray
        What the mechanism found out about the rows as recorded: the same in every run.
    parts : list of Rows
        The rows once more for each part of a mechanism that has several.
    """

    side: int
    index: IntArray
    luck: FloatArray
    fits: slice
    kept: list[FloatArray] = field(default_factory=list, compare=False)
    parts: list[Rows] = field(default_factory=list, compare=False)


class Mechanism(Protocol):
    """P(column | causes), fitted in each window or in both together."""

    def rerun(self, rows: Rows, causes: Causes, switched: BoolArray) -> FloatArray:
        """Return the column's values had its causes and its mechanism been these.

        Parameters
        ----------
        rows : Rows
            Which rows.
        causes : Causes
            The causes' new values.
        switched : ndarray of bool, shape (n,)
            Rows whose mechanism is the other window's.

        Returns
        -------
        ndarray of shape (n_fits, n)
            The row's own value where neither causes nor mechanism differ.
        """
        ...
