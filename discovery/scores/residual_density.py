"""A score of a column's parents by likelihoods, row by row: of a number's residuals, or of levels.

Second moments tell no direction within an equivalence class. The shape of the residuals does: with
additive noise that is not normal, or whose spread follows the causes, only the true direction
leaves residuals that are alike wherever the parents are.

References
----------
Shimizu, Hoyer, Hyvärinen & Kerminen (2006), A linear non-Gaussian acyclic model for causal
discovery.
Peters, Mooij, Janzing & Schölkopf (2014), Causal discovery with continuous additive noise models.
Immer et al. (2023), On the identifiability and estimation of causal location-scale noise models.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.scores.category_likelihood import MOST_LEVELS, CategoryLikelihood
from whydrift.discovery.scores.environment import row_worth
from whydrift.discovery.scores.features import category_features, number_features
from whydrift.discovery.scores.moments import LEAST_COMPLETE
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["ResidualDensity"]

_LEAST_REMEMBERED = 20  # rows of a window of which some have no row before them
_MOST_ROWS = 6000  # what a direction shows at all shows in so many
_RIDGE = 1e-6
_LEAST_VARIANCE = 1e-9
_NORMAL_QUARTILES = 1.349  # between a normal's quartiles, in sd
_LEAST_SCALE = 0.25  # of the mean scale: as in the mechanism test
# The density is estimated on a grid of robust sd; what lies outside counts as lying on its edge,
# where the wide component holds.
_GRID, _HALF_WIDTH = 512, 8.0
_WIDE_SHARE, _WIDE_SCALE = 0.03, 2.0


@dataclass(frozen=True, slots=True)
class _Fit:
    """Location of a column given parents, in one or several groups of windows."""

    value: float  # normal log-likelihood less the price of the parameters
    price: float
    features: IntArray
    groups: tuple[tuple[int, ...], ...]
    slopes: tuple[FloatArray, ...]  # per group, the intercept first
    spread: tuple[float, ...]  # per group


@dataclass(frozen=True)
class _Regression:
    """Features of all columns, and their moments in all rows and in groups of windows.

    Parameters
    ----------
    features : ndarray of shape (n_rows, n_features)
        The first is 1.
    pooled : ndarray of shape (n_features, n_features)
    grams : ndarray of shape (n_groups, n_features, n_features)
        Of all groups of windows, one way to group them after the other.
    """

    features: FloatArray
    pooled: FloatArray
    grams: FloatArray

    @classmethod
    def of(
        cls,
        features: FloatArray,
        windows: list[slice],
        groupings: tuple[tuple[tuple[int, ...], ...], ...],
    ) -> _Regression:
        """Return features, shape (n_rows, n_features), with their moments."""
        grams = [features[w].T @ features[w] for w in windows]
        pooled: FloatArray = np.sum(grams, axis=0)
        of_groups = [np.sum([grams[w] for w in g], axis=0) for groups in groupings for g in groups]
        return cls(features, pooled, np.stack(of_groups))


class ResidualDensity:
    """``Σ log f(residual / scale) − Σ log scale − parameters · log(rows)/2`` of a number.

    Location and scale are linear in features of the parents, and f is a kernel estimate without
    the row itself. The number is modelled as it is and by its rank, whichever explains more. Of a
    category it is the likelihood of a multinomial logistic regression.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
        Complete rows of all windows, one window after the other.
    discrete : sequence of bool
        Which columns are categories.
    bounds : ndarray of int, shape (n_windows + 1,)
        The rows at which each window begins, and the end of the last.
    carries : sequence of float, optional
        The share of the row before that each column's noise carries on, where rows remember: what
        is new in a row is then modelled. By default none. Rows that still resemble their
        neighbours count for less.
    follows : ndarray of bool, shape (n_rows,), optional
        Rows just before which there is the row before in time; all but the first of each window.
    """

    def __init__(
        self,
        values: FloatArray,
        discrete: Sequence[bool],
        bounds: IntArray,
        carries: Sequence[float] | None = None,
        follows: BoolArray | None = None,
    ) -> None:
        self.discrete = tuple(discrete)
        columns, start = [np.ones((len(values), 1))], 1
        self._linear: list[IntArray] = []  # features by column: straight lines only
        self._all: list[IntArray] = []
        self._worth: list[float] = []
        for place, is_discrete in enumerate(self.discrete):
            column = values[:, place]
            features = (category_features if is_discrete else number_features)(column)
            block, straight = features.basis, features.linear.shape[1]
            if not is_discrete:
                block = np.column_stack([block[:, :1], _robust(column), block[:, 1:]])
                straight = 2
            self._linear.append(np.arange(start, start + straight))
            self._all.append(np.arange(start, start + block.shape[1]))
            self._worth.append(
                row_worth(features, bounds, 0.0 if carries is None else carries[place])
            )
            columns.append(block)
            start += block.shape[1]
        stacked = np.column_stack(columns)
        stacked[:, 1:] -= stacked[:, 1:].mean(axis=0)
        spread = stacked.std(axis=0)
        stacked /= np.where(spread > 0, spread, 1.0)
        kept, bounds = _kept(bounds, carries, follows)
        self._rows = len(kept)
        self._windows = [slice(a, b) for a, b in pairwise(bounds.tolist())]
        self._counts = np.diff(bounds).astype(np.float64)
        self._groupings = _groupings(len(self._windows))
        own = [0.0] * len(self.discrete) if carries is None else list(carries)
        distinct = {
            carry: _Regression.of(_news(stacked, kept, carry), self._windows, self._groupings)
            for carry in {0.0, *own}
        }
        self._plain = distinct[0.0]
        self._regressions = [distinct[carry] for carry in own]
        self._counts_of = {
            groups: np.array([self._counts[list(g)].sum() for g in groups])
            for groups in self._groupings
        }
        self._categories = {
            place: CategoryLikelihood(
                self._plain.features,
                codes,
                bounds,
                self._groupings,
                self._unit(place),
                self._worth[place],
            )
            for place, codes in _codes(values[kept], self.discrete).items()
        }
        self._units: dict[int, float] = {}
        self._known: dict[tuple[int, tuple[int, ...]], float] = {}

    @classmethod
    def of(
        cls,
        windows: Sequence[Snapshot],
        names: tuple[str, ...],
        carries: Sequence[float] | None = None,
    ) -> ResidualDensity | None:
        """Return the score over some columns, or None where it has nothing to go by.

        That is where all columns are categories of many levels, and where many rows have missing
        values: sets of parents would be compared on different rows.

        Parameters
        ----------
        windows, names
            As in `ResidualDensity`.
        carries : sequence of float, optional
            See `ResidualDensity`.
        """
        discrete = [windows[0].schema[name].kind.is_discrete for name in names]
        values = np.concatenate([w.columns(names) for w in windows])
        window = np.repeat(np.arange(len(windows)), [len(w.sample) for w in windows])
        complete = np.isfinite(values).all(axis=1)
        if complete.mean() < LEAST_COMPLETE:
            return None
        kept = np.flatnonzero(complete)
        if carries is None and len(kept) > _MOST_ROWS:
            kept = kept[np.linspace(0, len(kept) - 1, _MOST_ROWS).astype(np.int64)]
        bounds = np.searchsorted(window[kept], np.arange(len(windows) + 1)).astype(np.int64)
        if np.diff(bounds).min() < (2 if carries is None else _LEAST_REMEMBERED):
            return None
        if all(discrete) and not _codes(values[kept], discrete):
            return None
        follows = np.diff(kept, prepend=-2) == 1
        return cls(values[kept], discrete, bounds, carries, follows)

    def serves(self, column: int) -> bool:
        """Whether a column has a score: a number, or a category of few levels."""
        return not self.discrete[column] or column in self._categories

    def local(self, column: int, parents: tuple[int, ...]) -> float:
        """Return the score of a column given parents (positions, in ascending order)."""
        key = column, parents
        if key not in self._known and self.discrete[column]:
            ways = (True,) if all(self.discrete[p] for p in parents) else (True, False)
            self._known[key] = self._categories[column].local(
                [
                    np.concatenate([np.zeros(0, np.int64), *(self._of(p, bent) for p in parents)])
                    for bent in ways
                ]
            )
        if key not in self._known:
            by_rank, as_it_is = self._log_densities(column, parents)
            self._known[key] = max(by_rank, as_it_is + self._per_rank(column))
        return self._known[key]

    def _of(self, parent: int, bent: bool) -> IntArray:
        """Return the features by which a category may follow a parent: a number's by its rank."""
        block = self._all[parent]
        if self.discrete[parent]:
            return block
        return np.delete(block, 1) if bent else block[:1]

    def _per_rank(self, column: int) -> float:
        """Return what turns a density per unit of the number into one per unit of its rank score.

        It is the same for all parents: what the two differ by when there are none.
        """
        if column not in self._units:
            by_rank, as_it_is = self._log_densities(column, (), moved=False)
            self._units[column] = by_rank - as_it_is
        return self._units[column]

    def _log_densities(
        self, column: int, parents: tuple[int, ...], *, moved: bool = True
    ) -> tuple[float, float]:
        """Return the log-likelihood less the price of its parameters, by rank and as it is."""
        groupings = self._groupings if moved else self._groupings[:1]
        responses = self._all[column][:2]
        best: list[_Fit] = []
        for blocks in (self._all, self._linear) if parents else (self._linear,):
            features = np.concatenate([np.zeros(0, np.int64), *(blocks[p] for p in parents)])
            for found in self._located(column, features, groupings):
                if not best:
                    best = found
                best = [max(pair, key=_value) for pair in zip(best, found, strict=True)]
        by_rank, as_it_is = (
            self._shaped(column, int(response), fit, parents)
            for response, fit in zip(responses, best, strict=True)
        )
        return by_rank, as_it_is

    def _unit(self, column: int) -> float:
        """Return the price of a parameter."""
        return float(0.5 * np.log(max(self._worth[column] * self._rows, 2.0)))

    def _shaped(self, column: int, response: int, fit: _Fit, parents: tuple[int, ...]) -> float:
        """Return the log-likelihood by the residuals' own density, with even or varying scale."""
        worth = self._worth[column]
        standard, log_spread = self._standardised(self._regressions[column], response, fit)
        value = _log_density(standard).sum() - log_spread
        if parents:
            straight = np.concatenate([self._linear[p] for p in parents])
            scale = self._scale(np.abs(standard), straight)
            again = standard / scale
            spread = max(float(again.std()), 1e-12)
            log_scale = np.log(scale).sum() + self._rows * np.log(spread) + log_spread
            price = self._unit(column) / worth * len(straight)
            value = max(value, _log_density(again / spread).sum() - log_scale - price)
        return float(worth * value - fit.price)

    def _located(
        self,
        column: int,
        features: IntArray,
        groupings: tuple[tuple[tuple[int, ...], ...], ...],
    ) -> Iterator[list[_Fit]]:
        """Yield, for both responses, fits with own everything and with shared slopes."""
        responses, worth, unit = self._all[column][:2], self._worth[column], self._unit(column)
        size = len(features)
        index = np.concatenate([[0], features, responses]).astype(np.int64)
        every = self._regressions[column].grams[:, index[:, None], index]
        inner, outer = slice(0, size + 1), slice(size + 1, None)
        cross = every[:, inner, outer]
        slopes = _ridge(every[:, inner, inner], cross, self._rows)
        left = _diagonal(every[:, outer, outer]) - (slopes * cross).sum(axis=1)
        start = 0
        for groups in groupings:
            count, rows = len(groups), self._counts_of[groups]
            here = slice(start, start + count)
            start += count
            price = unit * (count * (size + 2) + (count > 1))
            yield _fits(slopes[here], left[here], rows, worth, price, features, groups)
            if count > 1:
                price = unit * (size + 2 * count + 1)
                shared = self._shared(every[here], rows)
                yield _fits(*shared, rows, worth, price, features, groups)

    def _shared(self, blocks: FloatArray, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return slopes that all groups share, intercepts of their own, and what these leave.

        Parameters
        ----------
        blocks : ndarray of shape (n_groups, 1 + n_features + 2, 1 + n_features + 2)
            Cross products of intercept, features and responses.
        rows : ndarray of shape (n_groups,)
        """
        inner, outer = slice(1, -2), slice(-2, None)
        sums = blocks[:, 0]
        centred = blocks - sums[:, :, None] * sums[:, None, :] / rows[:, None, None]
        pooled: FloatArray = centred.sum(axis=0)
        slopes = _ridge(pooled[inner, inner], pooled[inner, outer], self._rows)
        left = _diagonal(centred[:, outer, outer])
        left = left - 2 * (slopes * centred[:, inner, outer]).sum(axis=1)
        left = left + (slopes * (centred[:, inner, inner] @ slopes)).sum(axis=1)
        intercepts = (sums[:, outer] - sums[:, inner] @ slopes) / rows[:, None]
        both = np.broadcast_to(slopes, (len(blocks), *slopes.shape))
        return np.concatenate([intercepts[:, None], both], axis=1), left

    def _standardised(
        self, regression: _Regression, response: int, fit: _Fit
    ) -> tuple[FloatArray, float]:
        """Return residuals in sd of their group, and the sum of the logs of those sd."""
        rows, out, log_spread = regression.features, np.empty(self._rows), 0.0
        for group, slopes, spread in zip(fit.groups, fit.slopes, fit.spread, strict=True):
            for window in (self._windows[w] for w in group):
                fitted = slopes[0] + rows[window][:, fit.features] @ slopes[1:]
                out[window] = (rows[window, response] - fitted) / spread
                log_spread += (window.stop - window.start) * np.log(spread)
        return out, log_spread

    def _scale(self, size: FloatArray, features: IntArray) -> FloatArray:
        """Return the conditional scale of residuals of so much size."""
        index = np.concatenate([[0], features])
        design = self._plain.features[:, index]
        inner = self._plain.pooled[index[:, None], index]
        fitted = design @ _ridge(inner, design.T @ size, self._rows)
        out: FloatArray = np.maximum(fitted, _LEAST_SCALE * size.mean())
        return out


def _codes(values: FloatArray, discrete: Sequence[bool]) -> dict[int, IntArray]:
    """Return the levels, from 0 on, of the categories that have two or a few of them."""
    found = {}
    for place in np.flatnonzero(discrete).tolist():
        levels, codes = np.unique(values[:, place], return_inverse=True)
        if 2 <= len(levels) <= MOST_LEVELS:
            found[place] = codes.astype(np.int64)
    return found


def _kept(
    bounds: IntArray, carries: Sequence[float] | None, follows: BoolArray | None
) -> tuple[IntArray, IntArray]:
    """Return the rows modelled, and where each window begins among them.

    Where rows remember, those that have a row before them, and of these not more than are needed.
    """
    rows = np.arange(int(bounds[-1]))
    if carries is None:
        return rows, bounds
    has_one = np.ones(len(rows), dtype=bool) if follows is None else follows.copy()
    has_one[bounds[:-1]] = False
    rows = rows[has_one]
    if len(rows) > _MOST_ROWS:
        rows = rows[np.linspace(0, len(rows) - 1, _MOST_ROWS).astype(np.int64)]
    return rows, np.searchsorted(rows, bounds).astype(np.int64)


def _news(features: FloatArray, rows: IntArray, carry: float) -> FloatArray:
    """Return features of some rows less a share of the row before; the constant stays 1."""
    out = np.asfortranarray(features[rows])
    if carry:
        out -= carry * features[rows - 1]
        out[:, 0] = 1.0
    return out


def _groupings(count: int) -> tuple[tuple[tuple[int, ...], ...], ...]:
    """Return the ways in which windows may differ: not at all, the last one, each from all."""
    windows = tuple(range(count))
    alike = (windows,)
    if count == 1:
        return (alike,)
    last = (windows[:-1], windows[-1:])
    return (alike, last) if count == 2 else (alike, last, tuple((w,) for w in windows))


def _fits(
    slopes: FloatArray,
    left: FloatArray,
    rows: FloatArray,
    worth: float,
    price: float,
    features: IntArray,
    groups: tuple[tuple[int, ...], ...],
) -> list[_Fit]:
    """Return a fit for each response.

    Parameters
    ----------
    slopes : ndarray of shape (n_groups, 1 + n_features, 2)
    left : ndarray of shape (n_groups, 2)
        Sums of squares that they leave.
    rows : ndarray of shape (n_groups,)
    worth, price, features, groups
        See `_Fit`.
    """
    variance = np.maximum(left / rows[:, None], _LEAST_VARIANCE)
    values = (-worth / 2 * (rows @ np.log(variance)) - price).tolist()
    spread = np.sqrt(variance).T.tolist()
    return [
        _Fit(values[k], price, features, groups, tuple(slopes[:, :, k]), tuple(spread[k]))
        for k in range(2)
    ]


def _value(fit: _Fit) -> float:
    return fit.value


def _ridge(inner: FloatArray, cross: FloatArray, rows: int) -> FloatArray:
    penalised: FloatArray = inner + _RIDGE * rows * np.eye(inner.shape[-1])
    return np.asarray(np.linalg.solve(penalised, cross), dtype=np.float64)


def _diagonal(blocks: FloatArray) -> FloatArray:
    return np.diagonal(blocks, axis1=-2, axis2=-1)


def _robust(values: FloatArray) -> FloatArray:
    """Return a number less its median, in robust sd."""
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    # Where half of the rows are alike, their quartiles say nothing of the spread.
    spread = max((high - low) / _NORMAL_QUARTILES, 0.2 * float(values.std())) or 1.0
    out: FloatArray = (values - middle) / spread
    return out


def _log_density(residuals: FloatArray) -> FloatArray:
    """Return the log of a kernel estimate of the density at each row, without that row.

    Rows are binned on a grid, each shared by its two neighbours, which costs no accuracy that
    matters (Silverman 1986, section 3.5). A little of a wide density is mixed in: without it a
    lone outlier has the density 0.
    """
    rows = residuals.size
    step = 2 * _HALF_WIDTH / (_GRID - 1)
    place = (np.clip(residuals, -_HALF_WIDTH, _HALF_WIDTH) + _HALF_WIDTH) / step
    left = np.minimum(place.astype(np.int64), _GRID - 2)
    to_right = place - left
    inside = np.bincount(left, minlength=_GRID)
    on_right = np.bincount(left, to_right, _GRID)
    counts = inside - on_right
    counts[1:] += on_right[:-1]
    mean = float(residuals.sum()) / rows
    spread = math.sqrt(max(float(residuals @ residuals) / rows - mean**2, 0.0))
    until = np.cumsum(inside)
    quarter = rows // 4
    low, high = (_ranked(residuals, left, until, k) for k in (quarter, rows - 1 - quarter))
    spread = min(spread, (high - low) / _NORMAL_QUARTILES) if high > low else spread
    bandwidth = max(0.9 * spread * rows**-0.2, 2 * step)
    reach = min(int(np.ceil(4 * bandwidth / step)), _GRID - 1)
    offsets = step * np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * (offsets / bandwidth) ** 2) / (bandwidth * np.sqrt(2 * np.pi))
    smooth = np.convolve(counts, kernel)[reach : reach + _GRID]
    # What each row's two shares add to the density at the row itself.
    own = kernel[reach] - 2 * (kernel[reach] - kernel[reach + 1]) * to_right * (1 - to_right)
    others = smooth[left] + to_right * np.diff(smooth)[left] - own
    np.maximum(others, 0.0, out=others)
    others *= (1 - _WIDE_SHARE) / (rows - 1)
    wide = residuals / _WIDE_SCALE
    others += _WIDE_SHARE / (np.pi * _WIDE_SCALE) / (1 + wide * wide)
    out: FloatArray = np.log(others)
    return out


def _ranked(values: FloatArray, cell: IntArray, until: IntArray, rank: int) -> float:
    """Return the value of a rank, from 0, by sorting the cell of the grid that it lies in alone."""
    at = int(np.searchsorted(until, rank, "right"))
    before = int(until[at - 1]) if at else 0
    return float(np.sort(values[cell == at])[rank - before])
