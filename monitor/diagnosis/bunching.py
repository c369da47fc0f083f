"""How little a share of rows tells where they come in runs, by cluster, or by day.

A share of missing values is counted on thousands of rows. Where a sensor drops out for minutes at
a time, where some customers never fill in a field, or where some days are worse than others, the
rows are few independent looks, and shares of ordinary windows differ far more than the counts say.

References
----------
Kish (1965), Survey sampling, §5.4: the design effect.
Cox (1962), Renewal theory, §8.3: the variance of the time spent in runs.
DerSimonian & Laird (1986), Meta-analysis in clinical trials: the variance between days.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtri, ndtr, ndtri, stdtr

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.independence.dependence import lag_one
from whydrift.monitor.diagnosis.faults.base import share_rises
from whydrift.monitor.diagnosis.mechanism.between_windows import LEAST_WINDOWS

__all__ = ["Bunching", "share_rises_by_itself", "sum_by_itself"]

# Runs, clusters and days tell of how they vary as if that had been seen so much more often: of
# five runs alone hardly anything could be said.
_PRIOR = 10.0
_DIFFER = 0.05  # level at which days differ by more than their rows explain


@dataclass(frozen=True, slots=True)
class Bunching:
    """By how much the shares of ordinary windows vary more than those of independent rows do.

    Parameters
    ----------
    near : float
        Factor by which runs or clusters raise the variance of a share; 1 for independent rows.
    between : float
        Variance of the windows' own shares p, in units of p(1 − p); 0 with one past window.
    freedom : float
        Degrees of freedom of the two; infinite for independent rows.
    windows : int
        How many past windows the reference is made of.
    """

    near: float = 1.0
    between: float = 0.0
    freedom: float = math.inf
    windows: int = 1

    @classmethod
    def of(
        cls, cases: BoolArray, clusters: FloatArray | None = None, parts: IntArray | None = None
    ) -> Bunching:
        """Return how bunched the rows of a window, or of several, are.

        Parameters
        ----------
        cases : ndarray of bool, shape (n_rows,)
            In order.
        clusters : ndarray of shape (n_rows,), optional
            Equal values mark rows that belong together, NaN a row by itself. Without, rows that
            follow each other do, where they show it.
        parts : ndarray of int, shape (n_rows,), optional
            The past window of each row, ascending.
        """
        share = float(cases.mean()) if cases.size else 0.0
        if not 0.0 < share < 1.0:
            return cls()
        starts: IntArray = np.zeros(1, dtype=np.int64)
        if parts is not None:
            starts = np.r_[starts, np.flatnonzero(np.diff(parts)) + 1]
        sizes = np.diff(np.r_[starts, cases.size])
        shares = np.add.reduceat(cases.astype(np.float64), starts) / sizes
        rest = cases - np.repeat(shares, sizes)
        variance = float(rest @ rest)
        if variance <= 0.0:
            return cls()
        near, freedom = 1.0, math.inf
        units = _units(cases, rest, clusters, starts)
        if units is not None:
            sums = np.bincount(units, rest)
            count = len(sums)
            found = float(sums @ sums) / variance * count / max(1, count - 1)
            if found > 1.0:
                near, freedom = found, count - 1 + _PRIOR
        between = 0.0
        if len(starts) >= LEAST_WINDOWS:
            scatter = float(sizes @ (shares - share) ** 2) / (share * (1 - share) * near)
            spare = len(starts) - 1
            if scatter > chdtri(spare, _DIFFER):
                told = cases.size - float(sizes @ sizes) / cases.size
                between = near * (scatter - spare) / told
                freedom = min(freedom, spare + _PRIOR)
        return cls(near, between, freedom, len(starts))

    @property
    def is_none(self) -> bool:
        """Whether rows are as good as independent."""
        return math.isinf(self.freedom)


def share_rises_by_itself(
    counts: tuple[int, int, int, int], usual: Bunching, now: Bunching | None = None
) -> float:
    """Return the one-sided p-value that a share did not rise, for rows that come together.

    Parameters
    ----------
    counts : (int, int, int, int)
        Cases and rows before, cases and rows after, as `share_rises` takes them.
    usual : Bunching
        Of the window that says what is ordinary.
    now : Bunching, optional
        Of the other window by itself. Where it is given, the more telling of two answers counts,
        twice: runs as long as they were show an outage, which is a long run; runs as short as
        they are show many of them where there were a few.
    """
    before, before_rows, after, after_rows = counts
    if usual.is_none:
        return share_rises(*counts)
    p_values = []
    for first, second, freedom in _raised(usual, now, before_rows, after_rows):
        # Rounded so that the rise is none the larger for it.
        rows = max(1, math.floor(before_rows / first)), math.ceil(after_rows / second)
        cases = min(rows[0], math.ceil(before / first)), math.floor(after / second)
        p_value = share_rises(cases[0], rows[0], cases[1], rows[1])
        p_values.append(_with_freedom(p_value, freedom))
    return min(1.0, len(p_values) * min(p_values))


def sum_by_itself(
    total: float,
    squares: tuple[float, float],
    rows: tuple[int, int],
    usual: Bunching,
    now: Bunching | None = None,
) -> float:
    """Return the two-sided p-value of a sum of scores, whose rows come together as cases do.

    Parameters
    ----------
    total : float
        The sum; 0 is expected.
    squares : (float, float)
        Of the scores before and after: the variance of the sum of independent rows.
    rows : (int, int)
    usual, now : Bunching
        As `share_rises_by_itself` takes them.
    """
    ways = ((1.0, 1.0, math.inf),) if usual.is_none else _raised(usual, now, *rows)
    p_values = []
    for first, second, freedom in ways:
        spread = math.sqrt(squares[0] * first + squares[1] * second)
        if spread <= 0:
            return 1.0
        p_values.append(2 * _with_freedom(float(ndtr(-abs(total) / spread)), freedom))
    return min(1.0, len(p_values) * min(p_values))


def _raised(
    usual: Bunching, now: Bunching | None, before_rows: int, after_rows: int
) -> tuple[tuple[float, float, float], ...]:
    """Return the factors of both windows' variances, and degrees of freedom, of each answer."""
    first = usual.near + usual.between * before_rows / usual.windows
    return tuple(
        (
            first,
            of.near + usual.between * after_rows,
            min(of.freedom, usual.freedom) if usual.between else of.freedom,
        )
        for of in ((usual,) if now is None else (usual, now))
    )


def _with_freedom(p_value: float, freedom: float) -> float:
    """Return the tail of t where a small tail of the normal was taken."""
    if p_value >= 0.5 or math.isinf(freedom):
        return p_value
    return float(stdtr(freedom, float(ndtri(p_value))))


def _units(
    cases: BoolArray, rest: FloatArray, clusters: FloatArray | None, starts: IntArray
) -> IntArray | None:
    """Return numbers from 0 of what comes together in each row, or None where nothing does."""
    if clusters is not None:
        alone = np.isnan(clusters)
        _, units = np.unique(np.where(alone, 0.0, clusters), return_inverse=True)
        units = units.astype(np.int64)
        units[alone] = units.max(initial=-1) + 1 + np.arange(int(alone.sum()))
        return np.unique(units, return_inverse=True)[1]
    if lag_one(rest[:, None]) <= 0.0:
        return None
    # A run of cases and the run of others that follows it: what comes next owes them nothing.
    begins = cases & ~np.r_[False, cases[:-1]]
    begins[starts] = True
    return np.cumsum(begins) - 1
