"""Finds series that stand side by side: rows that resemble those k before, not their neighbours."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.scores.features import category_features, number_features
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["series_after_series", "series_side_by_side"]

_MOST_SERIES = 50
_LEAST_EACH = 8  # rows of a series
_NOTABLE = 5.0  # standard errors
_LEVEL = 0.0005  # over all columns and lags


def series_side_by_side(window: Snapshot, names: tuple[str, ...]) -> int:
    """Return how many series take turns in the rows of a window; 1 where none are seen to.

    That is the lag k > 1 of the largest autocorrelation that remains once the mean of every k-th
    row is taken out (a weekday or a store that always differs is no dependence), if it is notable
    and more than twice the one at lag 1.
    """
    best, largest = 1, 0.0
    limit = max(_NOTABLE, float(-ndtri(_LEVEL / (max(1, len(names)) * _MOST_SERIES))))
    for name in names:
        build = category_features if window.schema[name].kind.is_discrete else number_features
        score = build(window.column(name)).linear
        most = min(_MOST_SERIES, len(score) // _LEAST_EACH)
        if not score.shape[1] or most < 2:
            continue
        plain = _correlations(score[:, 0], most)
        for lag in np.flatnonzero(plain > limit) + 1:
            if lag > 1:
                within = _correlations(_without_turn_means(score[:, 0], int(lag)), most)
                own = float(within[lag - 1])
                # Of a lag and its multiples, hardly weaker where rows change slowly, the smallest.
                if own > max(limit, 2 * within[0]) and own > 1.25 * largest:
                    best, largest = int(lag), own
    return best


def series_after_series(rows: int, series: int) -> IntArray:
    """Return the order of rows in which each of the series that take turns stands by itself."""
    number = np.arange(rows)
    return np.lexsort((number, number % series))


def _correlations(score: FloatArray, most: int) -> FloatArray:
    """Return the autocorrelations at lags 1 to ``most`` in standard errors; missing rows are 0."""
    present = np.isfinite(score)
    centred = np.where(present, score, 0.0)
    centred = np.where(present, centred - centred.sum() / max(1, present.sum()), 0.0)
    size = 2 ** int(np.ceil(np.log2(len(score) + most)))
    series = np.stack([centred, centred**2])
    spectrum = np.fft.rfft(series, size, axis=1)
    cross, error = np.fft.irfft(spectrum * spectrum.conj(), size, axis=1)[:, 1 : most + 1]
    out: FloatArray = cross / np.sqrt(np.maximum(error, 1e-12 * max(1.0, float(len(score)))))
    return out


def _without_turn_means(score: FloatArray, series: int) -> FloatArray:
    turn = np.arange(len(score)) % series
    present = np.isfinite(score)
    sums = np.bincount(turn[present], score[present], minlength=series)
    counts = np.bincount(turn[present], minlength=series)
    out: FloatArray = score - (sums / np.maximum(counts, 1))[turn]
    return out
