"""How far totals of series vary, by what their slowest waves show.

A few lags see that a row resembles the one before. What stays a little alike for hundreds of rows
hides there in the noise of each of them, and still decides how far a mean wanders. It shows in
cosines of half a turn over the window, of a whole one, of one and a half … Each of these carries
as much of the total's variance as the next as long as they are slow enough: their number is the
degrees of freedom. How many are slow enough differs, so twice as many are taken until the faster
half clearly carries less.

A break within the current window fills its slow waves as well, and would hide itself behind the
variance that they tell, the better the larger it is. What is ordinary the reference shows: where
its slow waves carry no more than near rows explain, clear steps are taken from the current window
first.

References
----------
Müller (2007), A theory of robust long-run variance estimation: cosines as weights.
Lazarus, Lewis, Stock & Watson (2018), HAR inference: recommendations for practice: how many.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.special import fdtri

from whydrift.discovery.arrays import BoolArray, FloatArray, read_only
from whydrift.discovery.steps import without_steps

__all__ = ["by_slow_waves"]

_FIRST, _MOST = 4, 64  # waves of each window
_MORE = 0.05  # level at which slow waves carry more than near rows explain
_FALLS = 0.1  # level at which faster waves carry less than slower ones
_MANY = 1e6  # degrees of freedom of what is taken as known


def by_slow_waves(
    columns: FloatArray, split: int, near: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the variance of the totals of two windows' series, and its degrees of freedom.

    Whatever the windows' means.

    Parameters
    ----------
    columns : ndarray of shape (n_rows, n_columns)
        In order, the ``split`` rows of the first window first.
    split : int
    near : ndarray of shape (2, n_columns)
        The variance of each window's total by what near rows have in common. It stands where slow
        waves do not clearly carry more: a few waves tell of it worse than all rows do.

    Returns
    -------
    variance, freedom : ndarray of shape (n_columns,)
        Degrees of freedom are infinite where ``near`` stands.
    """
    count = columns.shape[1]
    known = np.full(count, np.inf)
    reference, current = columns[:split], columns[split:]
    most = min(_MOST, int(0.4 * min(len(reference), len(current)) ** (2 / 3)))
    if most < _FIRST:
        return near.sum(axis=0), known
    of_reference = _power(reference, most)
    quiet = ~_carries_more(of_reference, near[0])
    power = np.stack([of_reference, _power(_without_breaks(current, quiet, near[1]), most)])
    near = near.sum(axis=0)
    together = power.sum(axis=0)  # (n_waves, n_columns): both windows' waves of one number
    carry_more, even = np.zeros(count, dtype=bool), np.ones(count, dtype=bool)
    waves, kept = _FIRST, np.full(count, _FIRST)
    while True:
        freedom = 2 * waves
        slower = together[:waves].mean(axis=0)
        carry_more |= slower > fdtri(freedom, _MANY, 1 - _MORE) * near
        if 2 * waves > most:
            break
        faster = together[waves : 2 * waves].mean(axis=0)
        even &= slower <= fdtri(freedom, freedom, 1 - _FALLS) * faster
        waves *= 2
        kept[even] = waves
    chosen = np.arange(most)[:, None] < kept
    own = (power * chosen).sum(axis=1) / kept  # (2, n_columns): of each window
    variance = own.sum(axis=0)
    carry_more &= variance > near
    # Satterthwaite's, of a sum of two variances.
    square = (own**2).sum(axis=0)
    freedom_of = np.divide(kept * variance**2, square, out=known.copy(), where=square > 0)
    return np.where(carry_more, variance, near), np.where(carry_more, freedom_of, known)


def _power(series: FloatArray, most: int) -> FloatArray:
    """Return how much each wave carries, shape (n_waves, n_columns)."""
    out: FloatArray = 2 * (_waves(len(series), most) @ series) ** 2
    return out


def _carries_more(power: FloatArray, near: FloatArray) -> BoolArray:
    """Return in which columns slow waves of one window clearly carry more than near rows tell."""
    out = np.zeros(power.shape[1], dtype=bool)
    waves = _FIRST
    while waves <= len(power):
        out |= power[:waves].mean(axis=0) > fdtri(waves, _MANY, 1 - _MORE) * near
        waves *= 2
    return out


def _without_breaks(series: FloatArray, chosen: BoolArray, near: FloatArray) -> FloatArray:
    """Return a window's series, chosen columns less the levels between clear steps."""
    square = np.einsum("nk,nk->k", series, series)
    longer = np.divide(near, square, out=np.ones_like(near), where=square > 0)
    out = series.copy()
    for k in np.flatnonzero(chosen):
        out[:, k] = without_steps(series[:, k], max(1.0, float(longer[k])))
    return out


@lru_cache(maxsize=4)
def _waves(rows: int, count: int) -> FloatArray:
    """Return cosines of 1, 2, … half turns, shape (count, rows): all tests of a pair share them."""
    turns = np.arange(1, count + 1)[:, None] * ((np.arange(rows) + 0.5) / rows)
    return read_only(np.cos(np.pi * turns))
