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
from itertools import combinations

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.scores.category_likelihood import MOST_LEVELS, CategoryLikelihood
from whydrift.discovery.scores.features import (
    Features,
    category_features,
    number_features,
    rank_normal,
)
from whydrift.discovery.scores.kernel_density import leave_one_out_log_likelihood
from whydrift.discovery.scores.memory import common_worth, memory_costs, pair_worths
from whydrift.discovery.scores.moments import LEAST_COMPLETE
from whydrift.discovery.scores.window_regression import (
    Fit,
    WindowRegression,
    ridge,
    window_groupings,
)
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["ResidualDensity"]

_LEAST_REMEMBERED = 20  # rows of a window of which some have no row before them
_MOST_ROWS = 6000  # what a direction shows at all shows in so many
_RIDGE = 1e-6
_LEAST_SPREAD = 1e-12
_NORMAL_QUARTILES = 1.349  # between a normal's quartiles, in sd
_MOST_ALIKE = 0.01  # of the rows with one value, of a number that has a density
_LEAST_SCALE = 0.25  # of the mean scale: as in the mechanism test
# Of its price that a varying scale must promise. On tuning seeds (driftbench mid and hard, 3) none
# of 13,800 that promised less was worth it.
_WORTH_TRYING = 0.3
# Sums of logs are products: a bill is a price times an amount.
_LEAST_FACTORS = 2
_MOST_PRODUCTS = 300  # of two columns each
_WIDE = 1.5  # times the tenth percentile is the ninetieth, at least, of a number that has a log


class ResidualDensity:
    """``Σ log f(residual / scale) − Σ log scale − parameters · log(rows)/2`` of a number.

    Location and scale are linear in features of the parents, and f is a kernel estimate without
    the row itself. The number is modelled as it is and by its rank, whichever explains more. Of a
    category it is the likelihood of a multinomial logistic regression. Causes may act together:
    products of two of them are tried, and of several numbers above 0 (sums of their logs).

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
        is new in a row is then modelled. By default none. Where rows still resemble their
        neighbours, all count for less.
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
        self._linear: list[slice] = []  # features by column: straight lines only
        self._all: list[slice] = []
        self._responses: list[slice] = []  # as a number is to be explained: by rank, and as it is
        apart: dict[int, FloatArray] = {}
        of: list[Features] = []
        for place, is_discrete in enumerate(self.discrete):
            column = values[:, place]
            of.append((category_features if is_discrete else number_features)(column))
            block, straight = of[-1].basis, of[-1].linear.shape[1]
            if not is_discrete:
                block = np.column_stack([block[:, :1], _robust(column), block[:, 1:]])
                straight = 2
                smooth = _without_atoms(column)
                if smooth is not None:
                    apart[place] = np.column_stack([rank_normal(smooth), _robust(smooth)])
            self._responses.append(slice(start, start + 2))
            self._linear.append(slice(start, start + straight))
            self._all.append(slice(start, start + block.shape[1]))
            columns.append(block)
            start += block.shape[1]
        self._products: dict[tuple[int, int], slice] = {}
        for pair, block in _products(self.discrete, of, columns[1:]):
            self._products[pair] = slice(start, start + block.shape[1])
            columns.append(block)
            start += block.shape[1]
        for place, block in apart.items():
            self._responses[place] = slice(start, start + 2)
            columns.append(block)
            start += 2
        stacked = np.column_stack(columns)
        stacked[:, 1:] -= stacked[:, 1:].mean(axis=0)
        spread = stacked.std(axis=0)
        stacked /= np.where(spread > 0, spread, 1.0)
        own = [0.0] * len(self.discrete) if carries is None else list(carries)
        worths = pair_worths(of, bounds, own)
        kept, bounds = _kept(bounds, carries, follows)
        self._rows = len(kept)
        groupings = window_groupings(len(bounds) - 1)
        self._worth = common_worth(worths)
        self._unit = 0.5 * math.log(max(self._worth * self._rows, 2.0))
        lines = [f.linear.shape[1] for f in of]
        self._costs = memory_costs(worths, self._unit, lines)
        distinct = {
            carry: WindowRegression(_news(stacked, kept, carry), bounds, groupings)
            for carry in {0.0, *own}
        }
        self._plain = distinct[0.0]
        self._regressions = [distinct[carry] for carry in own]
        self._categories = {
            place: CategoryLikelihood(
                self._plain.features.T,
                codes,
                bounds,
                groupings,
                self._unit,
                self._worth,
            )
            for place, codes in _codes(values[kept], self.discrete).items()
        }
        self._units: dict[int, float] = {}
        self._known: dict[tuple[int, tuple[int, ...]], float] = {}
        self._logged: ResidualDensity | None = None
        self._wide: frozenset[int] = frozenset()

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
        rows = values[kept]
        density = cls(rows, discrete, bounds, carries, follows)
        wide = _wide(rows, discrete)
        if len(wide) > _LEAST_FACTORS:
            rows[:, wide] = np.log(rows[:, wide])
            density._logged = cls(rows, discrete, bounds, carries, follows)
            density._wide = frozenset(wide)
        return density

    @property
    def rows(self) -> FloatArray:
        """How many independent rows each column counts for, shape (n_columns,)."""
        return np.full(len(self.discrete), self._rows * self._worth)

    def serves(self, column: int) -> bool:
        """Whether a column has a score: a number, or a category of few levels."""
        return not self.discrete[column] or column in self._categories

    def local(self, column: int, parents: tuple[int, ...]) -> float:
        """Return the score of a column given parents (positions, in ascending order)."""
        key = column, parents
        if key not in self._known:
            explained = self._of_category if self.discrete[column] else self._of_number
            costs = float(self._costs[column, list(parents)].sum())
            score = explained(column, parents) - costs
            factors = self._wide.intersection(parents)
            if self._logged is not None and column in self._wide and len(factors) >= _LEAST_FACTORS:
                score = max(score, self._logged.local(column, parents))
            self._known[key] = score
        return self._known[key]

    def _of_category(self, column: int, parents: tuple[int, ...]) -> float:
        ways = (True,) if all(self.discrete[p] for p in parents) else (True, False)
        return self._categories[column].local(
            [
                np.concatenate([np.zeros(0, np.int64), *(self._of(p, bent) for p in parents)])
                for bent in ways
            ]
        )

    def _of_number(self, column: int, parents: tuple[int, ...]) -> float:
        by_rank, as_it_is = self._log_densities(column, parents)
        return max(by_rank, as_it_is + self._per_rank(column))

    def _of(self, parent: int, bent: bool) -> IntArray:
        """Return the features by which a category may follow a parent: a number's by its rank."""
        block = np.arange(self._all[parent].start, self._all[parent].stop)
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
        bent = tuple(self._all[p] for p in parents)
        straight = tuple(self._linear[p] for p in parents)
        ways = [bent, straight] if bent != straight else [bent]
        products = [self._products[pair] for pair in combinations(parents, 2)
                    if pair in self._products]  # fmt: skip
        if products:
            ways.append((*straight, *products))
        best = self._regressions[column].best(
            ways, self._responses[column], self._worth, self._unit, moved=moved
        )
        by_rank, as_it_is = self._shaped(column, best, straight)
        return by_rank, as_it_is

    def _shaped(self, column: int, fits: list[Fit], straight: tuple[slice, ...]) -> list[float]:
        """Return the log-likelihoods by the residuals' own density, with even or varying scale."""
        worth, regression = self._worth, self._regressions[column]
        standard = np.empty((len(fits), self._rows))
        log_spreads = [
            regression.residuals(fit, self._responses[column].start + number, standard[number])
            for number, fit in enumerate(fits)
        ]
        values = [
            leave_one_out_log_likelihood(row, _deviation(row)) - log_spread
            for row, log_spread in zip(standard, log_spreads, strict=True)
        ]
        if straight:
            size = sum(block.stop - block.start for block in straight)
            price = self._unit / worth * size
            for number, scale in self._scales(np.abs(standard), straight, price):
                log_scale = float(np.log(scale).sum())
                again = np.divide(standard[number], scale, out=scale)
                spread = max(_deviation(again), _LEAST_SPREAD)
                even = leave_one_out_log_likelihood(again, _deviation(again) / spread, spread)
                cost = log_scale + self._rows * math.log(spread) + log_spreads[number]
                values[number] = max(values[number], even - cost - price)
        return [worth * value - fit.price for value, fit in zip(values, fits, strict=True)]

    def _scales(
        self, sizes: FloatArray, straight: tuple[slice, ...], price: float
    ) -> Iterator[tuple[int, FloatArray]]:
        """Yield the conditional scales of residuals of such sizes that may be worth their price.

        To vary by a small share δ gains ``n var(δ)`` where residuals are normal. Where that is far
        below the price, as of most sets of parents, two densities need not be estimated.

        Yields
        ------
        number : int
            Which residuals.
        scale : ndarray of shape (n_rows,)
        """
        index = np.concatenate([[0], *(np.arange(b.start, b.stop) for b in straight)])
        design = self._plain.features[index]
        inner = self._plain.gram[index[:, None], index]
        slopes = ridge(inner, design @ sizes.T, _RIDGE * self._rows).T
        means = sizes.mean(axis=1)
        fitted = inner[0] @ slopes.T / self._rows
        varied = ((slopes @ inner) * slopes).sum(axis=1) - self._rows * fitted**2
        for number in np.flatnonzero(varied >= _WORTH_TRYING * price * means**2).tolist():
            scale: FloatArray = slopes[number] @ design
            yield number, np.maximum(scale, _LEAST_SCALE * means[number], out=scale)


def _products(
    discrete: Sequence[bool], features: Sequence[Features], blocks: Sequence[FloatArray]
) -> Iterator[tuple[tuple[int, int], FloatArray]]:
    """Yield products of numbers as they are with each other, and with indicators of categories.

    Nothing where there are many columns.

    Yields
    ------
    pair : tuple of int
        The columns, in ascending order.
    block : ndarray of shape (n_rows, n_products)
    """
    parts = [
        f.linear if is_discrete else block[:, 1:2]
        for f, block, is_discrete in zip(features, blocks, discrete, strict=True)
    ]
    sizes = np.array([part.shape[1] for part in parts])
    if sizes.sum() ** 2 > 2 * _MOST_PRODUCTS:
        return
    for one, other in combinations(range(len(parts)), 2):
        if not (discrete[one] and discrete[other]):
            yield (
                (one, other),
                np.einsum("ri,rj->rij", parts[one], parts[other]).reshape(len(parts[one]), -1),
            )


def _wide(values: FloatArray, discrete: Sequence[bool]) -> list[int]:
    """Return the numbers above 0 whose logs are no straight line of them."""
    numbers = np.flatnonzero(~np.array(discrete)).tolist()
    positive = [place for place in numbers if values[:, place].min() > 0]
    ends = [np.quantile(values[:, place], [0.1, 0.9]) for place in positive]
    return [p for p, (low, high) in zip(positive, ends, strict=True) if high > _WIDE * low]


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
    """Return features of some rows less a share of the row before, transposed; the constant stays.

    Shape (n_features, n_rows).
    """
    out = np.ascontiguousarray(features[rows].T)
    if carry:
        out -= carry * features[rows - 1].T
        out[0] = 1.0
    return out


def _without_atoms(values: FloatArray) -> FloatArray | None:
    """Return a number of which many rows are equal, each spread over its place; None for others.

    The density of counts, or of many zeros, is as high as a kernel is narrow: whatever blurs them,
    such as taking off what a cause says, would seem to explain less than nothing. Values lie
    anywhere between the middles to their neighbours (dequantization; Theis, van den Oord & Bethge
    2016, A note on the evaluation of generative models).
    """
    distinct, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    if len(distinct) < 2 or counts.max() <= _MOST_ALIKE * len(values):
        return None
    middles = (distinct[1:] + distinct[:-1]) / 2
    low = np.append(2 * distinct[0] - middles[0], middles)
    high = np.append(middles, 2 * distinct[-1] - middles[-1])
    share = np.random.default_rng(0).random(len(values))
    out: FloatArray = low[place] + share * (high - low)[place]
    return out


def _robust(values: FloatArray) -> FloatArray:
    """Return a number less its median, in robust sd."""
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    # Where half of the rows are alike, their quartiles say nothing of the spread.
    spread = max((high - low) / _NORMAL_QUARTILES, 0.2 * float(values.std())) or 1.0
    out: FloatArray = (values - middle) / spread
    return out


def _deviation(values: FloatArray) -> float:
    """Return the standard deviation of values that lie around 0."""
    mean = float(values.mean())
    return math.sqrt(max(float(values @ values) / len(values) - mean * mean, 0.0))
