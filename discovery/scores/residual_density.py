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
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.scores.category_likelihood import MOST_LEVELS, CategoryLikelihood
from whydrift.discovery.scores.density_features import atom_at_an_end, density_features
from whydrift.discovery.scores.features import category_features, number_features
from whydrift.discovery.scores.kernel_density import leave_one_out_log_likelihood
from whydrift.discovery.scores.memory import common_worth, memory_costs, pair_worths
from whydrift.discovery.scores.moments import LEAST_COMPLETE
from whydrift.discovery.scores.window_regression import (
    Fit,
    Groupings,
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
_LEAST_SCALE = 0.25  # of the mean scale: as in the mechanism test
# Of its price that a varying scale must promise. On tuning seeds (driftbench mid and hard, 3) none
# of 13,800 that promised less was worth it.
_WORTH_TRYING = 0.3


class ResidualDensity:
    """``Σ log f(residual / scale) − Σ log scale − parameters · log(rows)/2`` of a number.

    Location and scale are linear in features of the parents, and f is a kernel estimate without
    the row itself. The number is modelled as it is, by its rank and by its log, whichever explains
    more. Of a category it is the likelihood of a multinomial logistic regression. Causes may act
    together: sums of logs are products, products of two are tried, and those of whatever bends each
    cause has by itself.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
        Rows of all windows, one window after the other. Columns with missing values (NaN) explain,
        and are not explained.
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
    is_part : bool
        Whether these are the rows in which a number is not at an end where many are: of such a
        number, whether it is there and how much it is else are also modelled one by one.

    References
    ----------
    Tukey (1949), One degree of freedom for non-additivity.
    Cragg (1971), Some statistical models for limited dependent variables.
    """

    def __init__(
        self,
        values: FloatArray,
        discrete: Sequence[bool],
        bounds: IntArray,
        carries: Sequence[float] | None = None,
        follows: BoolArray | None = None,
        *,
        is_part: bool = False,
    ) -> None:
        self.discrete = tuple(discrete)
        given, missing = values, np.isnan(values)
        self._incomplete = frozenset(np.flatnonzero(missing.any(axis=0)).tolist())
        values = _filled(values, missing)
        of = [
            (category_features if is_discrete else number_features)(column)
            for column, is_discrete in zip(values.T, discrete, strict=True)
        ]
        stacked, self._places = density_features(values, missing, discrete, of)
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
            if place not in self._incomplete
        }
        self._parts = (
            {}
            if carries is not None or is_part
            else {
                place: part
                for place, is_discrete in enumerate(self.discrete)
                if not (is_discrete or place in self._incomplete)
                and (part := self._in_two_parts(place, given, bounds, groupings)) is not None
            }
        )
        self._units: dict[int, list[float]] = {}
        self._known: dict[tuple[int, tuple[int, ...]], float] = {}

    @classmethod
    def of(
        cls,
        windows: Sequence[Snapshot],
        names: tuple[str, ...],
        carries: Sequence[float] | None = None,
    ) -> ResidualDensity | None:
        """Return the score over some columns, or None where it has nothing to go by.

        That is where all columns are categories of one level, and where windows are short. Rows
        are those in which all columns have a value but such that miss many: sets of parents would
        else be compared on different rows.

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
        kept = np.flatnonzero(_complete(np.isfinite(values)))
        if carries is None and len(kept) > _MOST_ROWS:
            kept = kept[np.linspace(0, len(kept) - 1, _MOST_ROWS).astype(np.int64)]
        bounds = np.searchsorted(window[kept], np.arange(len(windows) + 1)).astype(np.int64)
        if np.diff(bounds).min() < (2 if carries is None else _LEAST_REMEMBERED):
            return None
        follows = np.diff(kept, prepend=-2) == 1
        density = cls(values[kept], discrete, bounds, carries, follows)
        return density if any(map(density.serves, range(len(names)))) else None

    @property
    def rows(self) -> FloatArray:
        """How many independent rows each column counts for, shape (n_columns,)."""
        return np.full(len(self.discrete), self._rows * self._worth)

    def serves(self, column: int) -> bool:
        """Whether a column has a score: one with all values, and a category with two of them."""
        if self.discrete[column]:
            return column in self._categories
        return column not in self._incomplete

    def local(self, column: int, parents: tuple[int, ...]) -> float:
        """Return the score of a column given parents (positions, in ascending order)."""
        key = column, parents
        if key not in self._known:
            explained = self._of_category if self.discrete[column] else self._of_number
            costs = float(self._costs[column, list(parents)].sum())
            self._known[key] = explained(column, parents) - costs
        return self._known[key]

    def _of_category(self, column: int, parents: tuple[int, ...]) -> float:
        return self._logistic(self._categories[column], parents)

    def _logistic(self, category: CategoryLikelihood, parents: tuple[int, ...]) -> float:
        ways = (True,) if all(self.discrete[p] for p in parents) else (True, False)
        return category.local(
            [
                np.concatenate([np.zeros(0, np.int64), *(self._of(p, bent) for p in parents)])
                for bent in ways
            ]
        )

    def _of_number(self, column: int, parents: tuple[int, ...]) -> float:
        ways = self._log_densities(column, parents)
        best = max(v + unit for v, unit in zip(ways, self._per_rank(column), strict=True))
        if column not in self._parts or not parents:
            return best
        return max(best, self.local(column, ()) + self._parts[column](parents))

    def _in_two_parts(
        self, place: int, values: FloatArray, bounds: IntArray, groupings: Groupings
    ) -> Callable[[tuple[int, ...]], float] | None:
        """Return what parents add to the score of being at an end and of all that is not there."""
        atom = atom_at_an_end(values[:, place])
        if atom is None:
            return None
        others = np.flatnonzero(~atom)
        inner = np.searchsorted(others, bounds).astype(np.int64)
        if np.diff(inner).min() < _LEAST_REMEMBERED or np.ptp(values[others, place]) == 0:
            return None
        whether = CategoryLikelihood(
            self._plain.features.T,
            atom.astype(np.int64),
            bounds,
            groupings,
            self._unit,
            self._worth,
        )
        how_much = ResidualDensity(values[others], self.discrete, inner, is_part=True)

        def score(parents: tuple[int, ...]) -> float:
            return self._logistic(whether, parents) + how_much.local(place, parents)

        alone = score(())
        return lambda parents: score(parents) - alone

    def _of(self, parent: int, bent: bool) -> IntArray:
        """Return the features by which a category may follow a parent: a number's by its rank."""
        straight, whole = self._places.straight[parent], self._places.bent[parent]
        block = (
            np.arange(whole.start, whole.stop) if bent else np.arange(straight.start, straight.stop)
        )
        as_it_is = straight.start + 1
        return block if self.discrete[parent] else block[block != as_it_is]

    def _per_rank(self, column: int) -> list[float]:
        """Return what turns densities per unit of each response into those per unit of rank score.

        It is the same for all parents: what they differ by when there are none. Between a number
        and its log it is known: a kernel as wide everywhere tells a skewed number badly.
        """
        if column not in self._units:
            values = self._log_densities(column, (), moved=False)
            units = [values[0] - value for value in values]
            rise = self._places.log_rises[column]
            if rise is not None:
                units[1] = units[2] + self._worth * self._rows * rise
            self._units[column] = units
        return self._units[column]

    def _log_densities(
        self, column: int, parents: tuple[int, ...], *, moved: bool = True
    ) -> list[float]:
        """Return the log-likelihood of each response, less the price of its parameters."""
        places = self._places
        straight, logged, bent, stepped = (
            tuple(of[p] for p in parents)
            for of in (places.straight, places.logged, places.bent, places.stepped)
        )
        pairs = combinations(parents, 2)
        products = [places.products[p] for p in pairs if p in places.products]
        ways = [bent]
        for other in (straight, logged):
            if other not in ways:
                ways.append(other)
        if products:
            ways.append((*straight, *products))
        # Steps alone may promise little, and much once they act together: asked by themselves.
        asked = [ways, [stepped]] if stepped != bent else [ways]
        found = []
        for some in asked:
            fits = self._regressions[column].best(
                some, places.responses[column], self._worth, self._unit, moved=moved
            )
            found.append(self._shaped(column, fits, straight))
        return [max(values) for values in zip(*found, strict=True)]

    def _shaped(self, column: int, fits: list[Fit], straight: tuple[slice, ...]) -> list[float]:
        """Return the log-likelihoods by the residuals' own density, with even or varying scale."""
        worth, regression = self._worth, self._regressions[column]
        first = self._places.responses[column].start
        standard = np.empty((len(fits), self._rows))
        log_spreads = [
            regression.residuals(fit, first + number, standard[number])
            for number, fit in enumerate(fits)
        ]
        prices = [
            fit.price + self._acting_together(column, first + number, fit, standard[number])
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
        return [worth * value - price for value, price in zip(values, prices, strict=True)]

    def _acting_together(self, column: int, response: int, fit: Fit, standard: FloatArray) -> float:
        """Take off residuals what the square of the fit explains, and return what that costs.

        Causes that multiply have bends each by itself, and leave the products of these, all in one
        proportion. Nothing where it is not worth its parameter.

        Parameters
        ----------
        response : int
            Which feature is explained.
        standard : ndarray of shape (n_rows,)
            The residuals, in sd of their group; changed in place.
        """
        if len(fit.blocks) < 2:
            return 0.0
        regression = self._regressions[column]
        square = regression.features[response].copy()
        for rows, spread in zip(fit.groups, fit.spreads.tolist(), strict=True):
            square[rows] -= spread * standard[rows]
        square -= square.mean()
        square *= square
        price = self._unit / self._worth
        left = float(standard @ standard)
        if _gain(standard, square - square.mean(), left) < _WORTH_TRYING * price:
            return 0.0
        index = np.concatenate([[0], *(np.arange(b.start, b.stop) for b in fit.blocks)])
        design = regression.features[index]
        inner = regression.gram[index[:, None], index]
        square -= ridge(inner, (design @ square)[:, None], _RIDGE * self._rows)[:, 0] @ design
        if _gain(standard, square, left) <= price:
            return 0.0
        square *= float(standard @ square) / float(square @ square)
        standard -= square
        return self._unit

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


def _gain(residuals: FloatArray, feature: FloatArray, left: float) -> float:
    """Return by how much a feature raises the normal log-likelihood of residuals of size `left`."""
    size = float(feature @ feature)
    if size <= _LEAST_SPREAD or left <= _LEAST_SPREAD:
        return 0.0
    shared = float(residuals @ feature) ** 2 / (size * left)
    return -0.5 * len(residuals) * math.log1p(-min(shared, 1 - _LEAST_SPREAD))


def _complete(there: BoolArray) -> BoolArray:
    """Return the rows that have all values of as many columns as most rows have them of.

    Parameters
    ----------
    there : ndarray of bool, shape (n_rows, n_columns)
    """
    by_gaps = np.argsort(there.mean(axis=0), kind="stable")
    for left_out in range(len(by_gaps)):
        rows: BoolArray = np.logical_and.reduce(there[:, by_gaps[left_out:]], axis=1)
        if rows.mean() >= LEAST_COMPLETE:
            return rows
    return np.ones(len(there), dtype=np.bool_)


def _filled(values: FloatArray, missing: BoolArray) -> FloatArray:
    """Return columns with their median of present values (a level, of a category) where missing."""
    if not missing.any():
        return values
    out = values.copy()
    for place in np.flatnonzero(missing.any(axis=0)):
        there = np.sort(values[~missing[:, place], place])
        out[missing[:, place], place] = there[len(there) // 2] if len(there) else 0.0
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
    """Return features of some rows less a share of the row before, transposed; the constant stays.

    Shape (n_features, n_rows).
    """
    out = np.ascontiguousarray(features[rows].T)
    if carry:
        out -= carry * features[rows - 1].T
        out[0] = 1.0
    return out


def _deviation(values: FloatArray) -> float:
    """Return the standard deviation of values that lie around 0."""
    mean = float(values.mean())
    return math.sqrt(max(float(values @ values) / len(values) - mean * mean, 0.0))
