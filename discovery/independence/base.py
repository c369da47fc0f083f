"""What a conditional-independence test is."""

from __future__ import annotations

from typing import Protocol

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.snapshot.note import Note

__all__ = ["Built", "IndependenceTest"]


class IndependenceTest(Protocol):
    """P-values of X ⊥ Y | Z, many triples at once.

    A test is built from a Snapshot and column names (see ``registry.py``); the column numbers
    below are positions in those names.
    """

    def __call__(self, x: IntArray, y: IntArray, given: IntArray) -> FloatArray:
        """Return the p-value of each triple.

        Parameters
        ----------
        x, y, given : ndarray of int, shapes (n_tests,), (n_tests,), (n_tests, n_given)
            Column numbers, all different within a triple; ``n_given`` may be 0.

        Returns
        -------
        ndarray of shape (n_tests,)
            In [0, 1]. NaN where there is no answer: too few rows have all the columns, or Z
            determines X or Y, so that nothing of it is left to depend on the other. Never read
            NaN as independence.
        """
        ...


# A test, and what a reader should know about how it treats some columns or rows.
Built = tuple[IndependenceTest, tuple[Note, ...]]
