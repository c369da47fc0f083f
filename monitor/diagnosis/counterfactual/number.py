"""The mechanism of a number: a curve of its causes, a spread of its causes, and a noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.monitor.diagnosis.counterfactual.base import Rows
from whydrift.monitor.diagnosis.counterfactual.design import Layout
from whydrift.monitor.diagnosis.counterfactual.ridge import fit_curves

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
    spread_of : ndarray of int, shape (f_spread,)
        Features that the spread depends on.
    log_sd : ndarray of shape (2, 1 + n_groups, f_spread)
        Coefficients of the log of the spread.
    rank : ndarray of shape (n_rows,)
        Rank of each row's noise within its window, in (0, 1).
    noise : ndarray of shape (2, 1 + n_groups, n_points)
        Quantiles of the noise.
    """

    values: FloatArray
    design: FloatArray
    curve: FloatArray
    spread_of: IntArray
    log_sd: FloatArray
    rank: FloatArray
    noise: FloatArray
    is_shared: bool

    def rerun(self, rows: Rows, design: FloatArray, switched: BoolArray) -> FloatArray:
        """See `Mechanism`."""
        own, other = rows.side, 1 - rows.side
        index = rows.index
        before = self.design[index]
        curve = self.curve[own, rows.fits]
        noise = self.values[index] - curve @ before.T  # (R, n)
        spread = self._log_sd(own, rows, design) - self._log_sd(own, rows, before[None])
        out: FloatArray = _times(design, curve) + np.exp(spread) * noise
        if self.is_shared or not switched.any():
            return out
        theirs = design[:, switched]
        place = self.rank[index[switched]] * (_NOISE_POINTS - 1)
        low = np.minimum(place.astype(np.int64), _NOISE_POINTS - 2)
        table = self.noise[other, rows.fits]
        drawn = table[:, low] + (table[:, low + 1] - table[:, low]) * (place - low)
        moved = _times(theirs, self.curve[other, rows.fits])
        moved = moved + np.exp(self._log_sd(other, rows, theirs)) * drawn
        out[:, switched] = np.where(np.isfinite(self.values[index[switched]]), moved, np.nan)
        return out

    def _log_sd(self, side: int, rows: Rows, design: FloatArray) -> FloatArray:
        if len(self.spread_of) == 1:
            return np.zeros((1, 1))
        out = _times(design[..., self.spread_of], self.log_sd[side, rows.fits])
        return np.clip(out, -_LARGEST_SPREAD, _LARGEST_SPREAD)


def _times(design: FloatArray, weights: FloatArray) -> FloatArray:
    """Return (R or 1, n, f) @ (R, f), shape (R, n)."""
    return np.asarray((design @ weights[..., None])[..., 0])


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
    x, features, own = values[present], design[present], groups[present]
    # On the scale of its own sd, so that penalties of free features mean the same everywhere.
    scale = float(x.std()) or 1.0
    fitted, kinds, differs = features, layout.kinds, layout.differs
    if is_shared:
        # A change of level that went unseen must not bend the curve; it stays in the noise.
        fitted = np.column_stack([features, np.ones(len(x))])
        kinds, differs = np.append(kinds, kinds.max() + 1), np.append(differs, True)
    curve = scale * fit_curves(fitted, x / scale, side, own, count, kinds, differs)
    curve = curve[..., : features.shape[1]]
    residual = x - np.einsum("nf,nf->n", features, curve[side, 0])
    log_sd = np.zeros((2, 1 + count, 1))
    spread_of = layout.for_spread
    plain = features[:, spread_of]
    if len(spread_of) > 1:
        log_sd = _fit_log_sd(residual, plain, side, own, count, layout.part(spread_of))
    spread = np.einsum("nf,nf->n", plain, log_sd[side, 0])
    noise = residual / np.exp(np.clip(spread, -_LARGEST_SPREAD, _LARGEST_SPREAD))
    rank = np.full(values.shape, 0.5)
    tables = np.zeros((2, 1 + count, _NOISE_POINTS))
    if not is_shared:
        ranks = np.empty(len(x))
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
    return NumberMechanism(values, design, curve, spread_of, log_sd, rank, tables, is_shared)


def _quantiles(ordered: FloatArray) -> FloatArray:
    grid = np.linspace(0.0, 1.0, _NOISE_POINTS)
    return np.interp(grid * len(ordered), np.arange(len(ordered)) + 0.5, ordered)


def _fit_log_sd(
    residual: FloatArray,
    design: FloatArray,
    side: IntArray,
    groups: IntArray,
    count: int,
    layout: Layout,
) -> FloatArray:
    """Return coefficients of the log sd, about its mean in each window.

    References
    ----------
    Harvey (1976), Estimating regression models with multiplicative heteroscedasticity.
    """
    square = residual**2
    floor = 1e-4 * max(float(square.mean()), 1e-300)
    weights = 0.5 * fit_curves(
        design, np.log(square + floor), side, groups, count, layout.kinds, layout.differs,
        variance=_LOG_CHI2_VARIANCE,
    )  # fmt: skip
    for s in (0, 1):
        rows = side == s if layout.differs.any() else slice(None)
        weights[s, :, 0] -= weights[s] @ design[rows].mean(axis=0)
    return weights
