"""The mechanism of a number: a curve of its causes, a spread of its causes, and a noise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.monitor.diagnosis.counterfactual.base import ALL_ROWS, Rows
from whydrift.monitor.diagnosis.counterfactual.design import Causes, Layout
from whydrift.monitor.diagnosis.counterfactual.ridge import Folds

__all__ = ["NumberMechanism", "fit_number"]

_LOG_CHI2_VARIANCE = 4.9348  # of the log of a squared standard normal
_LARGEST_SPREAD = 2.0  # of log sd about its mean
_NOISE_POINTS = 401


@dataclass(frozen=True)
class NumberMechanism:
    """x = curve(causes) + spread(causes) · noise, with the row's own noise kept.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
        Pooled, NaN where missing.
    design : ndarray of shape (n_rows, f)
        Features of the causes as recorded.
    curve : ndarray of shape (2, 1 + n_groups, f)
        Coefficients in each window, all rows and each group left out.
    log_sd : ndarray of shape (2, 1 + n_groups, f)
        Coefficients of the log of the spread.
    residual, spread : ndarray of shape (n_rows,)
        What the curve of its window leaves of each row, and the log of its spread.
    rank : ndarray of shape (n_rows,)
        Rank of each row's noise within its window, in (0, 1).
    noise : ndarray of shape (2, 1 + n_groups, n_points)
        Quantiles of the noise.
    is_shared, is_even : bool
        Whether the mechanism is the same in both windows, and whether its spread never varies.
    """

    values: FloatArray
    design: FloatArray
    curve: FloatArray
    log_sd: FloatArray
    residual: FloatArray
    spread: FloatArray
    rank: FloatArray
    noise: FloatArray
    is_shared: bool
    is_even: bool

    def rerun(self, rows: Rows, causes: Causes, switched: BoolArray) -> FloatArray:
        """See `Mechanism`."""
        is_exchanged = not self.is_shared and bool(switched.any())
        drawn = self._drawn(rows, causes) if is_exchanged else None
        if drawn is not None and switched.all():
            return drawn
        noise, before = self._recorded(rows)
        out, log_sd = self._shape(rows.side, rows, causes)
        if log_sd is None:
            out += noise
        else:
            log_sd -= before
            out += np.exp(log_sd, out=log_sd) * noise
        return out if drawn is None else np.where(switched, drawn, out)

    def filled(self, rows: BoolArray, is_current: FloatArray, luck: FloatArray) -> NumberMechanism:
        """Return the mechanism with values of such luck in rows that have none.

        Parameters
        ----------
        rows : ndarray of bool, shape (n_rows,)
        is_current : ndarray of shape (n_rows,)
            0 or 1.
        luck : ndarray of shape (n_rows,)
            Ranks of their noise within their window, in (0, 1).
        """
        values, residual, spread = self.values.copy(), self.residual.copy(), self.spread.copy()
        rank = np.where(rows, luck, self.rank)
        for side in (0, 1):
            some = np.flatnonzero(rows & (is_current == side))
            features = self.design[some].T
            spread[some] = _limited(self.log_sd[side, 0] @ features)
            noise = self.noise[side, :1]
            if self.is_shared:  # none was asked for
                own = np.isfinite(self.residual) & (is_current == side)
                noise = _quantiles(np.sort(self.residual[own] / np.exp(self.spread[own])))[None]
            residual[some] = np.exp(spread[some]) * _at_ranks(noise, rank[some])[0]
            values[some] = self.curve[side, 0] @ features + residual[some]
        return replace(self, values=values, residual=residual, spread=spread, rank=rank)

    def _drawn(self, rows: Rows, causes: Causes) -> FloatArray:
        """Return the values had all rows the other window's mechanism, and their rank in it."""
        other, index = 1 - rows.side, rows.index
        out = _at_ranks(self.noise[other, rows.fits], self.rank[index])
        level, log_sd = self._shape(other, rows, causes)
        if log_sd is not None:
            out *= np.exp(log_sd, out=log_sd)
        out += level
        out[:, ~np.isfinite(self.values[index])] = np.nan
        return out

    def _recorded(self, rows: Rows) -> tuple[FloatArray, FloatArray]:
        """Return what the curve leaves of the rows as recorded, and the log of their spread."""
        if not rows.kept and rows.fits == ALL_ROWS:
            rows.kept.extend((self.residual[None, rows.index], self.spread[None, rows.index]))
        elif not rows.kept:
            before = self.design[rows.index].T
            noise = self.values[rows.index] - self.curve[rows.side, rows.fits] @ before
            rows.kept.extend((noise, _limited(self.log_sd[rows.side, rows.fits] @ before)))
        noise, spread = rows.kept
        return noise, spread

    def _shape(self, side: int, rows: Rows, causes: Causes) -> tuple[FloatArray, FloatArray | None]:
        """Return what the causes make of the value and, where it varies, of its log spread."""
        curve = self.curve[side, rows.fits]
        if self.is_even:
            return causes.times(curve[None])[0], None
        level, log_sd = causes.times(np.stack([curve, self.log_sd[side, rows.fits]]))
        return level, _limited(log_sd)


def _at_ranks(table: FloatArray, rank: FloatArray) -> FloatArray:
    """Return quantiles of noise at some ranks, shape (n_tables, n)."""
    place = rank * (_NOISE_POINTS - 1)
    low = np.minimum(place.astype(np.int64), _NOISE_POINTS - 2)
    out: FloatArray = table[:, low]
    out += (table[:, low + 1] - out) * (place - low)
    return out


def _limited(log_sd: FloatArray) -> FloatArray:
    return np.clip(log_sd, -_LARGEST_SPREAD, _LARGEST_SPREAD, out=log_sd)


def fit_number(
    values: FloatArray,
    design: FloatArray,
    layout: Layout,
    is_current: FloatArray,
    groups: IntArray,
    count: int,
) -> NumberMechanism:
    """Fit a number's mechanism.

    Parameters
    ----------
    values, design
        As in `NumberMechanism`.
    layout : Layout
        What its features are.
    is_current : ndarray of shape (n_rows,)
        0 or 1.
    groups : ndarray of int, shape (n_rows,)
        To be left out in turn, below ``count``.
    count : int
        Number of groups.
    """
    present, is_shared = np.isfinite(values), not layout.differs.any()
    side = is_current[present].astype(np.int64)
    x, own = values[present], groups[present]
    features = design if present.all() else design[present]
    # On the scale of its own sd, so that penalties of free features mean the same everywhere.
    scale = float(x.std()) or 1.0
    kinds, differs, source = layout.kinds, layout.differs, layout.source
    if is_shared:
        # A change of level that went unseen must not bend the curve; it stays in the noise.
        kinds, differs = np.append(kinds, kinds.max() + 1), np.append(differs, True)
        source = np.append(source, 0)
    folds = Folds.of(features, side, own, count, source, differs)
    curve = layout.on_design(scale * folds.fit(x / scale, kinds)[..., : len(layout.kinds)])
    residual = x - _by_window(features, curve[:, 0], side)
    is_even = len(layout.for_spread) == 1
    if is_even:
        log_sd, spread = np.zeros_like(curve), np.zeros(len(x))
    else:
        log_sd = _fit_log_sd(residual, folds, layout)
        spread = _by_window(features, log_sd[:, 0], side)
        spread = np.clip(spread, -_LARGEST_SPREAD, _LARGEST_SPREAD)
    rank = np.full(values.shape, 0.5)
    tables = np.zeros((2, 1 + count, _NOISE_POINTS))
    if not is_shared:
        noise, ranks = residual / np.exp(spread), np.empty(len(x))
        for s in (0, 1):
            inside = np.flatnonzero(side == s)
            if not inside.size:
                continue
            order = np.argsort(noise[inside], kind="stable")
            ranks[inside[order]] = (np.arange(inside.size) + 0.5) / inside.size
            ordered, belongs = noise[inside][order], own[inside][order]
            tables[s, 0] = _quantiles(ordered)
            for g in range(count):
                left = ordered[belongs != g]
                tables[s, 1 + g] = _quantiles(left) if left.size else tables[s, 0]
        rank[present] = ranks
    left, log_spread = np.full(values.shape, np.nan), np.zeros(values.shape)
    left[present], log_spread[present] = residual, spread
    return NumberMechanism(
        values, design, curve, log_sd, left, log_spread, rank, tables, is_shared, is_even
    )


def _quantiles(ordered: FloatArray) -> FloatArray:
    low, high, share = _places(len(ordered))
    below = ordered[low]
    out: FloatArray = below + (ordered[high] - below) * share
    return out


@lru_cache(maxsize=8)
def _places(count: int) -> tuple[IntArray, IntArray, FloatArray]:
    """Return between which of so many values each quantile lies, and how far from the lower one."""
    place = np.linspace(0.0, 1.0, _NOISE_POINTS) * count - 0.5
    place = np.minimum(np.maximum(place, 0.0), count - 1)
    low = place.astype(np.int64)
    return low, np.minimum(low + 1, count - 1), place - low


def _by_window(design: FloatArray, weights: FloatArray, side: IntArray) -> FloatArray:
    """Return each row's fit by the weights of its window, of shape (2, f)."""
    both = design @ weights.T
    return np.where(side == 1, both[:, 1], both[:, 0])


def _fit_log_sd(residual: FloatArray, folds: Folds, layout: Layout) -> FloatArray:
    """Return coefficients of the log sd, about its mean in each window.

    References
    ----------
    Harvey (1976), Estimating regression models with multiplicative heteroscedasticity.
    """
    square = residual**2
    floor = 1e-4 * max(float(square.mean()), 1e-300)
    features = layout.for_spread
    part = folds.part(features)
    some = 0.5 * part.fit(np.log(square + floor), layout.kinds[features], _LOG_CHI2_VARIANCE)
    weights = np.zeros((*some.shape[:-1], len(layout.kinds)))
    weights[..., features] = some
    out = layout.on_design(weights)
    sums = folds.sums if layout.differs.any() else folds.sums.sum(axis=0)[None]
    for weights, own in zip(out, np.broadcast_to(sums, folds.sums.shape), strict=True):
        weights[:, 0] -= weights @ own / max(1.0, own[0])  # that of the intercept counts rows
    return out
