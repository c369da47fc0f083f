"""What the parents say: features of theirs, and a window model that is checked before it is used.

References
----------
Robinson (1988), Root-N-consistent semiparametric regression.
Hosmer & Lemeshow (1980), Goodness of fit tests for the multiple logistic regression model: groups
by fitted chance show where a window model is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.special import chdtrc

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.effects.cholesky import cholesky
from whydrift.effects.propensity import Propensity, fit_propensity
from whydrift.monitor.diagnosis.mechanism.combination import chi_square
from whydrift.monitor.diagnosis.mechanism.left_out import Candidates, is_number
from whydrift.monitor.diagnosis.mechanism.rare_levels import NONE_RARE, RareLevels
from whydrift.monitor.diagnosis.pair import WindowPair
from whydrift.monitor.diagnosis.side_by_side import chosen_rows, side_by_side

__all__ = [
    "ALIKE",
    "RARE",
    "ROWS_PER_FEATURE",
    "Design",
    "build_design",
    "level_names",
    "product_count",
    "ridge_factor",
    "trusted",
    "window_residual",
    "with_left_out",
]

SmallIntArray = NDArray[np.int8]

# Rows whose chance, were the windows equally long, lies outside tell nothing about the other one.
_TRUSTED = (0.02, 0.98)
ALIKE = 0.97  # overlap above which the parents hardly moved, and a misfit does no harm
RARE = "(rare)"  # levels of a category that share an indicator
ROWS_PER_FEATURE: Final = 15  # of a design of all inputs
# Parents' linear features up to which all products are formed, and beyond which none are.
_FEW_PAIR_COLUMNS, _MOST_PAIR_COLUMNS = 12, 24
_BINS = 16  # of each parent, and of the fitted chance, in the check of the window model
_DETERMINED, _NO_RIDGE = 1e-4, 1e-6  # of a variance; of rows
_MISFIT = 1e-3  # level of that check
_AT_ONCE = 1_000  # rows, so that their products stay in the processor's cache
_LEAST_KNOWN = 0.05  # share of a step's variance that the model leaves it, to be counted
_ROWS_PER_FINER = 10  # a finer design needs them
# Between the hinges that a column has anyway, and beyond them.
_FINER = (-2.4, -1.8, -0.9, -0.3, 0.3, 0.9, 1.8, 2.4)
# And between these: a misfit stays what it is while errors shrink. What the coarser ones leave of a
# bent curve looks like another spread in series of some thousand rows.
_FINEST = (-2.7, -2.1, -1.5, -1.05, -0.75, -0.45, -0.15, 0.15, 0.45, 0.75, 1.05, 1.5, 2.1, 2.7)
_MANY_ROWS = 2_500  # of both windows
_HINGE_PAIRS = (-0.6, 0.6)
_MOST_CELLS = 250  # of categories that act together
_ROUNDS = 3  # of looking for what both models lack: what is taken in shows what else is
_MOST_LEFT_OUT = 250  # features that each of them adds


@dataclass(frozen=True)
class Design:
    """Everything that depends on the parents alone; shared by columns with the same parents.

    Parameters
    ----------
    rows : ndarray of bool, shape (n_pooled,)
        Pooled rows that are complete in the parents.
    matrix : ndarray of shape (n_rows, n_features)
        First column the intercept.
    linear : ndarray of shape (n_rows, n_linear)
        Numbers as rank-normal scores within ±3, categories as indicators.
    names : tuple of str
        One for each column of ``linear``.
    propensity : Propensity
        The window model.
    gram : ndarray of shape (n_features, n_features)
        Cross products of the features: both models are fitted from them.
    telling : int
        Features that the window model is fitted on. The others, last in the matrix, are the
        calendar's. They belong to the outcome model alone: no window overlaps in time with another.
    rare : RareLevels
        Of parents that have more levels than indicators.
    """

    rows: BoolArray
    matrix: FloatArray
    linear: FloatArray
    names: tuple[str, ...]
    propensity: Propensity
    gram: FloatArray
    telling: int
    rare: RareLevels = NONE_RARE

    @classmethod
    def fitted(
        cls,
        rows: BoolArray,
        matrix: FloatArray,
        linear: FloatArray,
        names: tuple[str, ...],
        current: FloatArray,
        telling: int,
        start: FloatArray | None = None,
        rare: RareLevels = NONE_RARE,
    ) -> Design:
        """Fit the window model; ``current`` is 1 or 0 for each row of the matrix.

        ``start`` has the coefficients of a window model with only the first of the features.
        """
        gram = matrix.T @ matrix
        propensity = fit_propensity(matrix[:, :telling], current, gram[:telling, :telling], start)
        if rare.numbers:
            chance, share = rare.chance(propensity.chance, current), float(current.mean())
            overlap = float((chance * (1 - chance)).mean()) / (share * (1 - share))
            propensity = replace(propensity, chance=chance, overlap=overlap)
        return cls(rows, matrix, linear, names, propensity, gram, telling, rare)

    def beside_calendar(self, window: FloatArray) -> FloatArray:
        """Return the window's residual less what the calendar says of it, 0 where it is 0.

        A window of one weekday is compared with past ones of that day, and the outcome's fit on
        that day is partly its own: without this, effects would come out too small.

        Parameters
        ----------
        window : ndarray of shape (n_rows,)
            w − e.
        """
        if self.telling == self.matrix.shape[1]:
            return window
        told, gram = self._calendar
        where = window != 0
        if not where.all():
            told = told * where[:, None]
            gram = told.T @ told
        ridge = np.diag([1e-8, *np.ones(len(gram) - 1)])
        out: FloatArray = window - told @ np.linalg.solve(gram + ridge, told.T @ window)
        return out

    def is_calendar(self, response: FloatArray) -> bool:
        """Whether the calendar's columns alone say what a response is, in rows of both windows.

        Such a column, a weekday, has no distribution of its own: what a fit leaves of it is the
        fit's.

        Parameters
        ----------
        response : ndarray of shape (n_rows, n_columns)
        """
        if self.matrix.shape[1] == self.telling:
            return False
        told, gram = self._calendar
        beta = np.linalg.solve(gram + _NO_RIDGE * np.eye(len(gram)), told.T @ response)
        left = response - told @ beta
        return bool((left.var(axis=0) <= _DETERMINED * response.var(axis=0)).all())

    @cached_property
    def ridge_factor(self) -> FloatArray:
        """The Cholesky factor that outcome models are solved with."""
        return ridge_factor(self.gram)

    @cached_property
    def candidates(self) -> Candidates:
        """Further features of the parents, of which some may be needed."""
        return Candidates(self.linear)

    @cached_property
    def _calendar(self) -> tuple[FloatArray, FloatArray]:
        """Intercept and columns of the calendar, and their cross products."""
        told = side_by_side([np.ones(len(self.matrix)), self.matrix[:, self.telling :]])
        return told, told.T @ told

    def within(self, rows: BoolArray, current: FloatArray) -> Design:
        """Return the design on some of its rows, with a window model of their own.

        Parameters
        ----------
        rows : ndarray of bool, shape (n_pooled,)
            Among those that are complete in the parents.
        current : ndarray of shape (n_pooled,)
        """
        inside = rows[self.rows]
        if inside.all():
            return self
        matrix, linear = self.matrix[inside], self.linear[inside]
        return Design.fitted(
            rows, matrix, linear, self.names, current[rows], self.telling,
            rare=self.rare.within(inside),
        )  # fmt: skip

    def with_features(self, columns: list[FloatArray], current: FloatArray) -> Design | None:
        """Return the design with more features of the parents; None where rows are too few."""
        own, calendar = self.matrix[:, : self.telling], self.matrix[:, self.telling :]
        matrix = side_by_side([own, *columns, calendar])
        if matrix.shape[1] * _ROWS_PER_FINER > len(matrix):
            return None
        telling = matrix.shape[1] - calendar.shape[1]
        begun = self.propensity.coefficients
        return Design.fitted(
            self.rows, matrix, self.linear, self.names, current, telling, begun, self.rare
        )


def ridge_factor(gram: FloatArray) -> FloatArray:
    """Return the Cholesky factor of a regression that shrinks all but the intercept, the first."""
    ridge = np.ones(len(gram))
    ridge[0] = 1e-8
    return cholesky(gram + np.diag(ridge))


def build_design(pair: WindowPair, parents: tuple[str, ...], rows: BoolArray) -> Design:
    """Return the design of these parents on rows that are complete in them.

    Where the window model is seen to be wrong, both models get finer hinges, and products of them.
    """
    current = pair.is_current[rows]
    parts = [pair.features(p) for p in parents]
    linear = [chosen_rows(f.linear, rows) for f in parts]
    names = tuple(
        name
        for parent, part in zip(parents, parts, strict=True)
        for name in (
            [f"{parent} = {level}" for level in level_names(pair, parent)]
            if part.is_discrete
            else [parent] * part.linear.shape[1]  # none of a category of one level
        )
    )
    stacked = side_by_side([np.empty((int(rows.sum()), 0)), *linear])
    owner = [i for i, block in enumerate(linear) for _ in range(block.shape[1])]
    columns = [np.ones(len(stacked)), *(chosen_rows(f.basis, rows) for f in parts)]
    width = 1 + sum(f.basis.shape[1] for f in parts)
    multiplied = range(stacked.shape[1] if product_count(len(owner), width, len(stacked)) else 0)
    pairs = [(a, b) for a, b in combinations(multiplied, 2) if owner[a] != owner[b]]
    columns += [stacked[:, a] * stacked[:, b] for a, b in pairs]
    calendar = [] if pair.calendar is None else [chosen_rows(pair.calendar, rows)]
    matrix = side_by_side([*columns, *calendar])
    telling = matrix.shape[1] - sum(block.shape[1] for block in calendar)
    rare, bounded = RareLevels.of(pair, parents, rows), np.clip(stacked, -3, 3)
    design = Design.fitted(rows, matrix, bounded, names, current, telling, rare=rare)
    numbers = [k for k, name in enumerate(names) if name in parents]
    # Rows in order resemble each other, and with them the windows' misfit: no such check is known.
    if not numbers or design.propensity.overlap >= ALIKE:
        return design
    if not pair.is_autocorrelated and _misfit(design, stacked[:, numbers], current) >= _MISFIT:
        return design
    finer = _finer(stacked, numbers, pairs)
    if len(stacked) >= _MANY_ROWS:
        finest = design.with_features([*finer, *_hinges(stacked, numbers, _FINEST)], current)
        if finest is not None:  # of many parents these may be too many features
            return finest
    return design.with_features(finer, current) or design


def product_count(linear: int, features: int, rows: int) -> int:
    """Return how many products of two linear features a design of them has; 0: none.

    Of many parents they are too many, of a good many so where rows are few. A rejection has to
    hold with those that matter all the same (`with_left_out`).

    Parameters
    ----------
    linear : int
        Numbers, and levels of categories.
    features : int
        All other features of the design.
    rows : int
        Of both windows.
    """
    pairs = linear * (linear - 1) // 2
    if linear > _MOST_PAIR_COLUMNS:
        return 0
    if linear > _FEW_PAIR_COLUMNS and rows < ROWS_PER_FEATURE * (features + pairs):
        return 0
    return pairs


def with_left_out(
    design: Design, current: FloatArray, residuals: Callable[[Design], FloatArray]
) -> tuple[Design | None, float]:
    """Return the design with steps, as a tree has them, and with what both models lack.

    None where that says nothing new: parents that are alike in both windows, or categories alone,
    and nothing along which both models err. Beside it stands what harm is left, in standard errors
    of a score: much where the rows are too few for the features that are needed.

    Parameters
    ----------
    design : Design
    current : ndarray of shape (n_rows,)
    residuals : callable
        Returns what a design leaves of that of which the scores are made, shape (n_rows, k).
    """
    steps = _steps_along(design) if design.propensity.overlap < ALIKE else []
    room = len(current) // _ROWS_PER_FINER - design.matrix.shape[1]
    too_many = sum(block.shape[1] for block in steps) > room
    candidates = design.candidates.with_single(steps) if too_many else design.candidates
    added = [] if too_many else steps
    fitted = (design.with_features(added, current) if added else None) or design
    for again in range(_ROUNDS + 1):
        window = window_residual(current, fitted.propensity.chance)
        most = min(room - sum(block.shape[1] for block in added), _MOST_LEFT_OUT)
        found, harm = candidates.strongest(window, residuals(fitted), most)
        if not found or again == _ROUNDS:
            break
        added = [*added, side_by_side(found)]
        fitted = design.with_features(added, current) or fitted
    return None if fitted is design else fitted, harm


def _steps_along(design: Design) -> list[FloatArray]:
    """Return steps along each parent that is a number, and along the chance; cells without any."""
    linear = design.linear
    numbers = [k for k in range(linear.shape[1]) if is_number(linear[:, k])]
    if not numbers:
        return _cells(linear)
    steps = [_steps(*_bins(linear[:, k])).T for k in numbers]
    # Both models err together where the chance is far from the truth: steps along it see that.
    steps.append(_steps(*_bins(design.propensity.chance)).T)
    return steps


def _cells(indicators: FloatArray) -> list[FloatArray]:
    """Return indicators of all cells of categories that act together.

    None where products of two say all, nor where cells are so many that each has few rows.
    """
    cells, at = np.unique(indicators, axis=0, return_inverse=True)
    told_by_pairs = 1 + indicators.shape[1] * (indicators.shape[1] + 1) // 2
    if not told_by_pairs < len(cells) <= min(_MOST_CELLS, len(indicators) // _ROWS_PER_FINER):
        return []
    return [(at.ravel() == np.arange(1, len(cells))[:, None]).T.astype(np.float64)]


def _finer(
    stacked: FloatArray, numbers: list[int], pairs: list[tuple[int, int]]
) -> list[FloatArray]:
    columns = _hinges(stacked, numbers, _FINER)
    number = set(numbers)
    for a, b in pairs:
        first = [stacked[:, a]] if a not in number else _hinges(stacked, [a], _HINGE_PAIRS)
        second = [stacked[:, b]] if b not in number else _hinges(stacked, [b], _HINGE_PAIRS)
        if a in number or b in number:
            columns += [x * y for x in first for y in second]
    return columns


def _hinges(stacked: FloatArray, numbers: list[int], knots: tuple[float, ...]) -> list[FloatArray]:
    return [np.maximum(stacked[:, k] - knot, 0.0) for k in numbers for knot in knots]


def _misfit(design: Design, scores: FloatArray, current: FloatArray) -> float:
    """Return the p-value of Rao's score test for steps of each parent and of the chance."""
    matrix, chance = design.matrix[:, : design.telling], design.propensity.chance
    hazard, residual = chance * (1 - chance), current - chance
    binned = [_bins(s) for s in (*scores.T, chance)]
    total = np.concatenate([np.bincount(at, residual, count)[1:] for at, count in binned])
    root = np.sqrt(hazard)
    gram = 1e-6 * np.eye(matrix.shape[1])
    cross = np.zeros((matrix.shape[1], len(total)))
    for start in range(0, len(matrix), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        weighted = matrix.T[:, some] * root[some]
        gram += weighted @ weighted.T  # of one array with itself numpy computes one half only
        weighted *= root[some]
        cross += weighted @ np.concatenate([_steps(at[some], count) for at, count in binned]).T
    told = solve_triangular(cholesky(gram), cross, lower=True, check_finite=False)
    variance = _information(binned, hazard) - told.T @ told
    spread = np.sqrt(np.maximum(np.diag(variance), 1e-12))
    statistic, rank = chi_square(total / spread, variance / np.outer(spread, spread), _LEAST_KNOWN)
    return float(chdtrc(rank, statistic))


def _information(binned: list[tuple[SmallIntArray, int]], weight: FloatArray) -> FloatArray:
    """Return cross products of weighted steps, the first of each variable left out.

    Every row has one of a variable's steps: they are counts in two-way tables.
    """
    starts = np.cumsum([0, *(count - 1 for _, count in binned)])
    out = np.zeros((int(starts[-1]), int(starts[-1])))
    wide = [at.astype(np.int64) for at, _ in binned]
    for i, (row, (_, rows)) in enumerate(zip(wide, binned, strict=True)):
        down = slice(starts[i], starts[i + 1])
        at = np.arange(starts[i], starts[i + 1])
        out[at, at] = np.bincount(row, weight, rows)[1:]
        above = row * _BINS
        for j in range(i + 1, len(binned)):
            columns = binned[j][1]
            across = slice(starts[j], starts[j + 1])
            cells = np.bincount(above + wide[j], weight, rows * _BINS).reshape(rows, _BINS)
            out[down, across] = cells[1:, 1:columns]
            out[across, down] = out[down, across].T
    return out


def _bins(score: FloatArray) -> tuple[SmallIntArray, int]:
    """Return each row's bin of equal size, and how many there are."""
    bins = max(2, min(_BINS, len(score) // 30))
    places = np.arange(1, bins) / bins * (len(score) - 1)
    below = places.astype(np.int64)
    above = np.minimum(below + 1, len(score) - 1)
    ordered = np.sort(score)
    edges = ordered[below] + (ordered[above] - ordered[below]) * (places - below)
    edges = edges[np.append(edges[1:] != edges[:-1], True)]
    bin_of = np.zeros(len(score), dtype=np.int8)
    for edge in edges:  # a search for each row would be guessed wrong by the processor
        bin_of += score > edge
    return bin_of, len(edges) + 1


def _steps(bin_of: SmallIntArray, count: int) -> FloatArray:
    """Return indicators of all bins but the first, shape (n_bins − 1, n_rows)."""
    out: FloatArray = (bin_of == np.arange(1, count, dtype=np.int8)[:, None]).astype(np.float64)
    return out


def window_residual(current: FloatArray, chance: FloatArray) -> FloatArray:
    """Return w − e, and 0 where the parents tell the window nearly for certain."""
    return np.where(trusted(current, chance), current - chance, 0.0)


def trusted(current: FloatArray, chance: FloatArray) -> BoolArray:
    """Return which rows lie where both windows have some."""
    share = float(current.mean())
    fair = chance * (1 - share) / (chance * (1 - share) + (1 - chance) * share)
    out: BoolArray = (fair > _TRUSTED[0]) & (fair < _TRUSTED[1])
    return out


def level_names(pair: WindowPair, column: str) -> list[str]:
    """Return names of the levels that a column's indicators stand for; none for a number."""
    categories = pair.current.schema[column].categories
    return [
        RARE if code < 0 else categories[code] if code < len(categories) else str(code)
        for code in pair.features(column).levels
    ]
