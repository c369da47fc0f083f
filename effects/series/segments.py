"""Segmented regression: a line before an event, and how level and slope change with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.discovery.errors import TooFewRows
from whydrift.effects.series.fit import SeriesFit, fit_series
from whydrift.effects.series.timeline import Timeline

__all__ = ["Segments", "fit_segments"]


@dataclass(frozen=True)
class Segments:
    """The fitted lines.

    Parameters
    ----------
    fit : SeriesFit
    design : ndarray of shape (n_points, n_terms)
    names : tuple of str
        The first four are ``intercept``, ``slope``, ``level change`` and ``slope change`` (the
        last where it is allowed for).
    before : int
        Points before the event.
    changes : bool
        Whether the slope may change.
    """

    fit: SeriesFit
    design: FloatArray
    names: tuple[str, ...]
    before: int
    changes: bool

    def weights(self, estimand: str) -> FloatArray:
        """Return the weights of the coefficients that make the average, level or slope change."""
        found = np.zeros(self.design.shape[1])
        if estimand == "slope":
            found[3] = 1.0
        else:
            found[2] = 1.0
            if estimand == "average" and self.changes:
                found[3] = float(self.design[self.before :, 3].mean())
        return found

    @property
    def path(self) -> FloatArray:
        """What the lines say at each point."""
        found: FloatArray = self.design @ self.fit.coefficients
        return found

    def counterfactual(self, quantile: float) -> tuple[FloatArray, FloatArray]:
        """Return what would have been after the event, and how far its interval reaches."""
        without = self.design[self.before :].copy()
        without[:, 2 : 4 if self.changes else 3] = 0.0
        spread = np.sqrt(np.einsum("ij,jk,ik->i", without, self.fit.covariance, without))
        return without @ self.fit.coefficients, quantile * spread


def fit_segments(
    timeline: Timeline,
    y: FloatArray,
    errors: str,
    extra: tuple[FloatArray, tuple[str, ...]],
    *,
    changes: bool = True,
    at: int | None = None,
    points: int | None = None,
) -> Segments:
    """Fit the lines.

    Parameters
    ----------
    timeline : Timeline
    y : ndarray of shape (n_points,)
        The outcome, or another series.
    errors : str
    extra : (ndarray of shape (n_points, n_features), names)
        Seasons and covariates.
    changes : bool
        Whether the slope may change.
    at : int, optional
        Points before another event than the real one.
    points : int, optional
        How many of the points to use, from the first.

    Raises
    ------
    TooFewRows
        If there are not more points than terms.
    """
    before = timeline.before if at is None else at
    last = len(timeline) if points is None else points
    place = timeline.place[:last] - timeline.place[before]
    after = (np.arange(last) >= before).astype(np.float64)
    columns = [np.ones(last), place, after, *([place * after] if changes else [])]
    names = ["intercept", "slope", "level change", *(["slope change"] if changes else [])]
    block, labels = extra
    kept = _adds(np.column_stack(columns), block[:last])
    design = np.column_stack([*columns, block[:last][:, kept]])
    names += [label for label, keep in zip(labels, kept, strict=True) if keep]
    if last < design.shape[1] + 3:
        raise TooFewRows(
            f"{last} points of time for {design.shape[1]} terms ({', '.join(names[:6])} …)",
            where="interrupted_time_series",
            remedy="Give more of the series, or season='none' and fewer columns to adjust for",
        )
    return Segments(fit_series(design, y[:last], errors), design, tuple(names), before, changes)


def _adds(base: FloatArray, block: FloatArray) -> BoolArray:
    """Return which further columns say something that those before them do not."""
    kept = np.zeros(block.shape[1], dtype=bool)
    for column in range(block.shape[1]):
        values = block[:, column]
        rest = values - base @ np.linalg.lstsq(base, values, rcond=None)[0]
        if np.linalg.norm(rest) > 1e-8 * max(float(np.linalg.norm(values)), 1e-300):
            kept[column] = True
            base = np.column_stack([base, values])
    return kept
