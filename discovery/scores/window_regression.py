"""Straight-line fits to rows of several windows, in the ways in which windows may differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray

__all__ = ["Fit", "Groupings", "WindowRegression", "ridge", "window_groupings"]

Groupings = tuple[tuple[tuple[int, ...], ...], ...]

_RIDGE = 1e-6
_LEAST_VARIANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Fit:
    """A number given features, in one or several groups of rows.

    Parameters
    ----------
    value : float
        The normal log-likelihood less the price.
    price : float
        Of the parameters.
    blocks : tuple of slice
        Features that it is explained by.
    groups : tuple of slice
        The rows of each group.
    slopes : ndarray of shape (1 or n_groups, n_features)
        One row where all groups share them.
    intercepts, spreads : ndarray of shape (n_groups,)
    """

    value: float
    price: float
    blocks: tuple[slice, ...]
    groups: tuple[slice, ...]
    slopes: FloatArray
    intercepts: FloatArray
    spreads: FloatArray


class WindowRegression:
    """Regressions of features on others, from second moments of groups of windows.

    Parameters
    ----------
    features : ndarray of shape (n_features, n_rows)
        C-contiguous, each around 0 and of a spread near 1; all windows' rows in turn.
    bounds : ndarray of int, shape (n_windows + 1,)
        The rows at which each window begins, and the end of the last.
    groupings : tuple of tuples of tuples of int
        See `window_groupings`.
    """

    def __init__(self, features: FloatArray, bounds: IntArray, groupings: Groupings) -> None:
        self.features = features
        groups = [group for grouping in groupings for group in grouping]
        self._slices = [slice(int(bounds[g[0]]), int(bounds[g[-1] + 1])) for g in groups]
        self._rows = np.array([s.stop - s.start for s in self._slices], dtype=np.float64)
        self._ridge = _RIDGE * features.shape[1]
        windows = [features[:, a:b] for a, b in pairwise(bounds.tolist())]
        grams = [window @ window.T for window in windows]
        sums = [window.sum(axis=1) for window in windows]
        self.gram: FloatArray = np.sum(grams, axis=0)
        self._sums = np.stack([np.sum([sums[w] for w in g], axis=0) for g in groups])
        centred = [
            np.sum([grams[w] for w in g], axis=0) - np.outer(total, total) / count
            for g, total, count in zip(groups, self._sums, self._rows, strict=True)
        ]
        # Fits with everything of their own to each group; then, where there are several groups,
        # fits with the slopes that all groups of a grouping share.
        self._fits: list[tuple[range, int]] = []  # groups, and whose slopes: −1 is each its own
        weights: list[FloatArray] = []
        parameters: list[tuple[int, int]] = []
        owner: list[int] = []
        start, count = 0, len(groups)
        for grouping in groupings:
            size = len(grouping)
            here = range(start, start + size)
            own, shared = np.zeros((2, 2 * count - 1))
            own[start : start + size] = self._rows[start : start + size]
            self._fits.append((here, -1))
            weights.append(own)
            parameters.append((2 * size + (size > 1), size))
            if size > 1:
                shared[count - 1 + start : count - 1 + start + size] = self._rows[here]
                self._fits.append((here, len(centred)))
                weights.append(shared)
                parameters.append((2 * size + 1, 1))
                owner += [len(centred)] * size
                centred.append(np.sum(centred[start : start + size], axis=0))
            start += size
        self._centred = np.stack(centred)
        self._weights = np.stack(weights)
        self._parameters = np.array(parameters, dtype=np.float64)
        self._owner = np.array(owner, dtype=np.int64)
        self._counts = np.concatenate([self._rows, self._rows[1:]])[:, None]

    def best(
        self,
        ways: Sequence[tuple[slice, ...]],
        responses: slice,
        worth: float,
        unit: float,
        *,
        moved: bool,
    ) -> list[Fit]:
        """Return, for each response, the fit of the greatest value.

        Parameters
        ----------
        ways : sequence of tuples of slice
            Features to explain by; each way is tried. At least one.
        responses : slice
            Features to explain.
        worth : float
            What a row counts for.
        unit : float
            The price of a parameter.
        moved : bool
            Whether windows may differ.
        """
        several = responses.stop - responses.start
        asked = [_numbers(way) for way in ways]
        features = asked[0] if len(asked) == 1 else np.unique(np.concatenate(asked))
        size = len(features)
        index = np.concatenate([features, np.arange(responses.start, responses.stop)])
        every = self._centred.take(index, axis=1).take(index, axis=2)
        inner, cross = every[:, :size, :size], every[:, :size, size:]
        outer = np.diagonal(every[:, size:, size:], axis1=1, axis2=2)
        # Each way's responses beside the others', the slopes of what it leaves out being 0.
        places = [np.searchsorted(features, own) for own in asked]
        slopes = np.zeros((*cross.shape[:2], several * len(ways)))
        for number, some in enumerate(places):
            part = slice(number * several, (number + 1) * several)
            if len(some) == size:
                slopes[:, some, part] = ridge(inner, cross, self._ridge)
            else:
                own = inner.take(some, axis=1).take(some, axis=2)
                slopes[:, some, part] = ridge(own, cross[:, some], self._ridge)
        cross, outer = np.tile(cross, len(ways)), np.tile(outer, len(ways))
        sizes = np.repeat([len(own) for own in asked], several)
        variances = self._variances(inner, cross, outer, slopes)
        prices = unit * (self._parameters @ np.array([np.ones(len(sizes)), sizes]))
        values = (-worth / 2) * (self._weights @ np.log(variances)) - prices
        out = []
        for number in range(several):
            own_values = values[: None if moved else 1, number::several].T
            which, grouping = divmod(int(own_values.argmax()), own_values.shape[1])
            column = which * several + number
            here, shares = self._fits[grouping]
            groups = slice(here.start, here.stop)
            chosen = slopes[groups if shares < 0 else slice(shares, shares + 1), :, column]
            sums = self._sums[groups]
            met = sums[:, index[size + number]] - (sums[:, features] * chosen).sum(axis=1)
            first = here.start + (0 if shares < 0 else len(self._rows) - 1)
            out.append(
                Fit(
                    float(values[grouping, column]),
                    float(prices[grouping, column]),
                    ways[which],
                    tuple(self._slices[groups]),
                    chosen[:, places[which]],
                    met / self._rows[groups],
                    np.sqrt(variances[first : first + len(here), column]),
                )
            )
        return out

    def _variances(
        self, inner: FloatArray, cross: FloatArray, outer: FloatArray, slopes: FloatArray
    ) -> FloatArray:
        """Return what slopes leave of each response in each group: by its own, then by shared ones.

        Shape (2 n_groups − 1, n_responses): the first group is all rows, which share nothing.
        """
        count = len(self._rows)
        own = outer[:count] - (slopes[:count] * cross[:count]).sum(axis=1)
        common = slopes[self._owner]
        shared = common * (inner[1:count] @ common - 2 * cross[1:count])
        left = np.concatenate([own, outer[1:count] + shared.sum(axis=1)])
        out: FloatArray = np.maximum(left / self._counts, _LEAST_VARIANCE)
        return out

    def residuals(self, fit: Fit, response: int, out: FloatArray) -> float:
        """Write what a fit leaves, in sd of its group, to ``out``; return the sum of log sd."""
        shared = len(fit.slopes) < len(fit.groups)
        if shared:
            self._leave(fit.blocks, fit.slopes[0], response, slice(None), out)
        log_spread = 0.0
        for number, rows in enumerate(fit.groups):
            part, spread = out[rows], float(fit.spreads[number])
            if not shared:
                self._leave(fit.blocks, fit.slopes[number], response, rows, part)
            part -= fit.intercepts[number]
            part /= spread
            log_spread += len(part) * float(np.log(spread))
        return log_spread

    def _leave(
        self,
        blocks: Sequence[slice],
        slopes: FloatArray,
        response: int,
        rows: slice,
        out: FloatArray,
    ) -> None:
        out[:] = self.features[response, rows]
        start = 0
        # Block by block: features of one column lie together, so that none is copied.
        for block in blocks:
            stop = start + block.stop - block.start
            out -= slopes[start:stop] @ self.features[block, rows]
            start = stop


def _numbers(blocks: Sequence[slice]) -> IntArray:
    """Return the numbers of the features in some blocks."""
    return np.concatenate([np.zeros(0, np.int64), *(np.arange(b.start, b.stop) for b in blocks)])


def window_groupings(count: int) -> Groupings:
    """Return the ways in which windows may differ: not at all, the last one, each from all.

    Each is groups of windows that are alike; the windows of a group follow each other.
    """
    windows = tuple(range(count))
    alike = (windows,)
    if count == 1:
        return (alike,)
    last = (windows[:-1], windows[-1:])
    return (alike, last) if count == 2 else (alike, last, tuple((w,) for w in windows))


def ridge(inner: FloatArray, cross: FloatArray, penalty: float) -> FloatArray:
    """Return slopes from cross products of features, and of them with responses, batched."""
    penalised = np.array(inner, order="C")  # so that its diagonal is a view
    size = inner.shape[-1]
    penalised.reshape(*inner.shape[:-2], size * size)[..., :: size + 1] += penalty
    return np.asarray(np.linalg.solve(penalised, cross), dtype=np.float64)
