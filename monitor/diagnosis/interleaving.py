"""Finds dependence between rows that are no neighbours: series side by side, in order or not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy.special import ndtri

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.scores.features import category_features
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.discovery.steps import without_steps

__all__ = ["rows_alike_nearby", "series_after_series", "series_side_by_side"]

_MOST_SERIES = 50
_LEAST_EACH = 8  # rows of a series
_NOTABLE = 5.0  # standard errors
_LEVEL = 0.0005  # over all columns and lags


def series_side_by_side(window: Snapshot, names: tuple[str, ...]) -> int:
    """Return how many series take turns in the rows of a window; 1 where none are seen to.

    That is the lag k > 1 of the largest autocorrelation that remains once the mean of every k-th
    row is taken out (a weekday or a store that always differs is no dependence), if it is notably
    above those at other lags, and more than twice the one at lag 1.
    """
    best, largest = 1, 0.0
    limit = max(_NOTABLE, float(-ndtri(_LEVEL / (max(1, len(names)) * _MOST_SERIES))))
    for score, most in _scores(window, names):
        plain = _in_errors(*_products(score, most))
        for lag in np.flatnonzero(plain > limit) + 1:
            if lag > 1:
                within = _in_errors(*_products(_without_turn_means(score, int(lag)), most))
                own = float(within[lag - 1])
                # All rows of an evening resemble each other a little: then one lag of many is far
                # above the first by chance, and not above the others.
                between = within[np.arange(1, most + 1) % lag > 0]
                stands_out = own - float(np.median(between)) > limit and own > 2 * within[0]
                # Of a lag and its multiples, hardly weaker where rows change slowly, the smallest.
                if stands_out and own > 1.25 * largest:
                    best, largest = int(lag), own
    return best


def series_after_series(window: Snapshot, series: int) -> Snapshot | None:
    """Return a window with each of the series that take turns in its rows by itself.

    Of a sample it is known by the places of its rows in the window whose turn each was, and which
    ones follow each other in their series. None where the places tell nothing: rows came in
    another order than that of time, or were chosen again.
    """
    if len(window.sample) == window.rows:
        number = np.arange(window.rows)
        return window.take(np.lexsort((number, number % series)))
    draw = window.draw
    if draw is None:
        return None
    goes_on = draw.run[1:] == draw.run[:-1]
    if (np.diff(draw.place)[goes_on] < 0).any():
        return None
    order = np.lexsort((draw.place, draw.place % series, draw.run))
    run, place = draw.run[order], draw.place[order]
    adjacent = np.zeros(len(order), dtype=bool)
    adjacent[1:] = (run[1:] == run[:-1]) & (np.diff(place) == series)
    return replace(window.take(order), adjacent=adjacent)


def rows_alike_nearby(window: Snapshot, names: tuple[str, ...]) -> bool:
    """Whether rows resemble others up to 50 rows away, at whatever distance.

    So do rows of some stores that stand in another order every day: no single lag shows it, the
    sum over all lags does.
    """
    limit = max(_NOTABLE, float(-ndtri(_LEVEL / max(1, len(names)))))
    for score, most in _scores(window, names):
        present = np.isfinite(score)
        if _nearby_in_errors(_centred(score), most) <= limit or not present.any():
            continue
        rest = np.zeros(len(score))  # a break within the window is no resemblance of its rows
        rest[present] = without_steps(score[present])
        if _nearby_in_errors(rest, most) > limit:
            return True
    return False


def _nearby_in_errors(centred: FloatArray, most: int) -> float:
    sums = np.array([_nearby(centred, most), _nearby(centred**2, most)])
    return float(_in_errors(sums[:1], sums[1:])[0])


def _scores(window: Snapshot, names: tuple[str, ...]) -> Iterator[tuple[FloatArray, int]]:
    """Yield each column's first feature, and the most series that its rows could hold."""
    for name in names:
        most = min(_MOST_SERIES, len(window.sample) // _LEAST_EACH)
        if most < 2:
            continue
        if not window.schema[name].kind.is_discrete:
            yield window.rank_scores(name), most
            continue
        indicators = category_features(window.column(name)).linear
        if indicators.shape[1]:
            yield indicators[:, 0], most


def _products(score: FloatArray, most: int) -> tuple[FloatArray, FloatArray]:
    """Return sums of products at lags 1 to ``most``, and their variance were rows independent."""
    centred = _centred(score)
    return _lagged(centred, most), _lagged(centred**2, most)


def _centred(score: FloatArray) -> FloatArray:
    """Return scores about their mean, 0 where missing."""
    present = np.isfinite(score)
    centred = np.where(present, score, 0.0)
    out: FloatArray = np.where(present, centred - centred.sum() / max(1, present.sum()), 0.0)
    return out


def _lagged(values: FloatArray, most: int) -> FloatArray:
    """Return sums of products with the values so many rows on: few lags, faster than spectra."""
    return np.correlate(np.append(values, np.zeros(most)), values)[1:]


def _nearby(values: FloatArray, most: int) -> float:
    """Return the sum of products with the values up to so many rows on, as differences of sums."""
    sums = np.cumsum(np.append(values, np.zeros(most)))
    return float(values @ (sums[most:] - sums[:-most]))


def _in_errors(cross: FloatArray, error: FloatArray) -> FloatArray:
    out: FloatArray = cross / np.sqrt(np.maximum(error, 1e-9))
    return out


def _without_turn_means(score: FloatArray, series: int) -> FloatArray:
    turn = np.arange(len(score)) % series
    present = np.isfinite(score)
    sums = np.bincount(turn[present], score[present], minlength=series)
    counts = np.bincount(turn[present], minlength=series)
    out: FloatArray = score - (sums / np.maximum(counts, 1))[turn]
    return out
