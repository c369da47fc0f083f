"""The BDeu score of categories: how well counts fit, averaged over a Dirichlet prior.

References
----------
Buntine (1991), Theory refinement on Bayesian networks.
Heckerman, Geiger & Chickering (1995), Learning Bayesian networks: the combination of knowledge
and statistical data.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.special import gammaln

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.scores.base import CountArrays
from whydrift.discovery.scores.cache import CachedScore

__all__ = ["BDeu"]

_MOST_PARENTS = 6


class BDeu(CachedScore):
    """Log marginal likelihood of a column's counts, from each combination of its parents' levels.

    The same in all graphs of a Markov equivalence class. With several windows a column may have
    tables of its own in each: the two are taken to be as likely beforehand.

    Parameters
    ----------
    codes : ndarray of int, shape (n_rows, n_columns)
        Levels 0, 1, … without gaps; rows of all windows, one window after the other.
    bounds : ndarray of int, shape (n_windows + 1,)
        The rows at which each window begins, and the end of the last.
    names : tuple of str
        The columns.
    prior : float
        The equivalent sample size: how many rows the belief in equal shares is worth. With 10,
        columns of rare levels are joined by chance; with 1, weak edges are lost (both tried on
        published networks and on random tables).
    penalty : float
        Multiplies a structure prior: each parent costs ``(penalty − 1) · log(rows) / 2`` for each
        level of the column but one, so that 1 is plain BDeu.
    """

    def __init__(
        self,
        codes: IntArray,
        bounds: IntArray,
        names: tuple[str, ...],
        *,
        prior: float = 5.0,
        penalty: float = 1.0,
    ) -> None:
        super().__init__(names, min(_MOST_PARENTS, len(names) - 1))
        self.codes = np.ascontiguousarray(codes.T.astype(np.int32))
        self.bounds = bounds.astype(np.int64)
        self.levels: IntArray = codes.max(axis=0, initial=0).astype(np.int64) + 1
        self.prior = float(prior)
        self.penalty = float(penalty)

    def moved(self, column: int, parents: tuple[int, ...]) -> tuple[int, ...]:
        """Return all windows where a column has tables of its own in each; see `Score`."""
        same, own = self._both(column, parents)
        return tuple(range(len(self.bounds) - 1)) if own > same else ()

    def _evaluate(self, column: int, parent_sets: list[tuple[int, ...]]) -> FloatArray:
        extra = (self.penalty - 1) * 0.5 * np.log(max(2, self.codes.shape[1]))
        extra *= self.levels[column] - 1.0
        return np.array(
            [max(self._both(column, parents)) - extra * len(parents) for parents in parent_sets]
        )

    def _both(self, column: int, parents: tuple[int, ...]) -> tuple[float, float]:
        """Return the log likelihood with one table for all windows, and with a table for each."""
        stratum = np.zeros(self.codes.shape[1], dtype=np.int64)
        strata = 1
        for parent in sorted(parents):
            stratum = stratum * self.levels[parent] + self.codes[parent]
            strata *= int(self.levels[parent])
        levels = int(self.levels[column])
        cell = stratum * levels + self.codes[column]
        same = self._likelihood(cell, strata, levels)
        if len(self.bounds) == 2:
            return same, same
        own = sum(
            self._likelihood(cell[start:stop], strata, levels)
            for start, stop in pairwise(self.bounds.tolist())
        )
        return same, own

    def _likelihood(self, cell: IntArray, strata: int, levels: int) -> float:
        cells, counts = np.unique(cell, return_counts=True)
        _, first = np.unique(cells // levels, return_index=True)
        of_stratum = np.add.reduceat(counts, first) if len(counts) else counts
        for_stratum, for_cell = self.prior / strata, self.prior / (strata * levels)
        return float(
            (gammaln(counts + for_cell) - gammaln(for_cell)).sum()
            - (gammaln(of_stratum + for_stratum) - gammaln(for_stratum)).sum()
        )

    def arrays(self) -> CountArrays:
        """Return what a compiled search reads."""
        return CountArrays(self.codes, self.bounds, self.levels, self.prior, self.penalty)
