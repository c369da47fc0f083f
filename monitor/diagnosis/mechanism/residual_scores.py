"""The residual-score test of P(X | parents): recipe, reasons and limits in docs/verdict.md.

A window model e = P(current | parents) and an outcome model of X given the parents are both
fitted on the pooled rows; the product of their residuals has mean zero when P(X | parents) is the
same in both windows, and stays near zero when either model is a little wrong (its error is the
product of both models' errors). Products with the parents see changed slopes, squares see
changed spreads, products with columns that are no parents see new dependence.

References
----------
Robinson (1988), Root-N-consistent semiparametric regression.
Shah & Peters (2020), The hardness of conditional independence testing and the generalised
covariance measure.
Chernoff & Savage (1958), Asymptotic normality and efficiency of certain nonparametric test
statistics: normal scores of residuals lose nothing where these are normal and gain elsewhere.
Cochrane & Orcutt (1949), Application of least squares regression to relationships containing
auto-correlated error terms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.scores.features import rank_normal
from whydrift.effects.cholesky import solved
from whydrift.effects.propensity import fit_propensity
from whydrift.monitor.diagnosis.mechanism.base import (
    CLEAR,
    FROM_ROW_TO_ROW,
    OUTER_QUANTILES,
    POOLED_SD,
    Component,
    MechanismTestResult,
    NewDependence,
    Power,
    Untestable,
)
from whydrift.monitor.diagnosis.mechanism.between_windows import between_windows
from whydrift.monitor.diagnosis.mechanism.combination import (
    cauchy_combination,
    largest,
    wald,
)
from whydrift.monitor.diagnosis.mechanism.dependence import Moments, Rows
from whydrift.monitor.diagnosis.mechanism.design import (
    ALIKE,
    RARE,
    Design,
    build_design,
    level_names,
    ridge_factor,
    trusted,
    window_residual,
    with_left_out,
)
from whydrift.monitor.diagnosis.mechanism.level_of_windows import level_p_value
from whydrift.monitor.diagnosis.mechanism.neighbours import Neighbours
from whydrift.monitor.diagnosis.mechanism.rare_levels import NONE_RARE
from whydrift.monitor.diagnosis.mechanism.root_effects import root_effects
from whydrift.monitor.diagnosis.pair import WindowPair
from whydrift.monitor.diagnosis.resemblance import SEEN, SUSPECTED, resemblance
from whydrift.monitor.diagnosis.side_by_side import chosen_rows, side_by_side

__all__ = ["ResidualScores"]

_LEAST_OVERLAP = 0.35
_LEAST_ROWS = 20  # complete rows in each window
_CONFIRMED_BELOW = 0.05
_LEAST_EXPECTED = 5.0  # rows of a category in the smaller window (Cochran 1954)
_MOST_SCORES = 60
_MOST_OTHERS = 200  # scores of new dependence
_REPORTED = 5  # of the strongest components
_LEAST_PRODUCTS, _ROWS_PER_PRODUCT = 6, 20
_LEAST_LAG = 2.0  # lag-1 correlation × √n of a residual that is taken out
_MOST_RHO = 0.998  # a walk without an anchor has no level that could move
_LEAST_TELLING = 8.0  # rows of equal weight that a score must rest on: fewer are not normal
_INTERVAL = 1.959964  # 95 %
_EXTREMES = "share of extreme values"
_MOST_LEANING = 3.0  # sd: the cube of one row far out would be that of all
# By how many sd the 5 % and 95 % quantiles move with the mean third Hermite polynomial
# (Cornish & Fisher 1937): (1.645² - 1) / 6.
_OUTER_PER_LEAN = 0.284
_FAR_OUT, _LEAST_FAR_OUT = 0.01, 20  # share of the rows, and rows, that are called far out
_KNOWN_BEFORE = 2.5  # standard errors of a dependence that the reference has already
# How much each way to look counts: level and spread alone, all scores, the largest one.
_WEIGHTS = {"short": 0.45, "all": 0.25, "largest": 0.3}
# These three are tests of the same scores: of independent normal ones the combination rejects up
# to 1.08 times as often as it says; fitted models on some hundred rows take as much again.
_CAUTION = 1.25
_WEIGHT_OF_FAR = 0.1
_HARMFUL = 1.0  # standard errors that what the models lack may bring a score off by
_FAR_APART = 0.5  # sd between the windows' levels, from which on spreads are told by the values


@dataclass
class ResidualScores:
    """The test with the window models it has fitted so far (one per set of parents)."""

    _designs: dict[tuple[str, ...], Design] = field(default_factory=dict)

    def __call__(
        self,
        pair: WindowPair,
        column: str,
        parents: tuple[str, ...],
        others: tuple[str, ...] = (),
    ) -> MechanismTestResult:
        """Test one column given its parents.

        Parameters
        ----------
        pair : WindowPair
            The windows; the same object (or one with the same parents' values) for all calls.
        column : str
            The column tested.
        parents : tuple of str
            Its parents; empty for a root, whose own distribution is then compared.
        others : tuple of str
            Columns on which, by the graph, it does not depend given its parents: neither parents
            nor descendants. The result says how far it came to (`MechanismTestResult.counting`);
            what the reference depends on already is left out, since there the graph is wrong.

        Returns
        -------
        MechanismTestResult
        """
        rows = pair.complete((column, *parents))
        current = pair.is_current
        counts = int((rows & (current == 0)).sum()), int((rows & (current == 1)).sum())
        if min(counts) < _LEAST_ROWS:
            return MechanismTestResult(None, Untestable.TOO_FEW_ROWS, 1.0, sum(counts))
        response = chosen_rows(pair.features(column).linear, rows)
        if not response.size or np.all(response == response[0]):
            return MechanismTestResult(None, Untestable.CONSTANT, 1.0, sum(counts))
        levels = level_names(pair, column)
        if pair.is_discrete(column):
            response, levels = _without_rare(response, levels, min(counts) / sum(counts))
            if not levels:
                return MechanismTestResult(None, Untestable.TOO_RARE, 1.0, sum(counts))
        question = _Question(pair, column, response, levels, rows, counts, others)
        design = self._design(pair, parents).within(rows, current)
        if design.is_calendar(response):
            return MechanismTestResult(None, Untestable.CALENDAR, 1.0, sum(counts))
        result = question.answer(design)
        if result.p_value is not None and result.p_value <= _CONFIRMED_BELOW:
            result = question.as_series(result, design)
        if parents and result.p_value is not None and result.p_value <= _CONFIRMED_BELOW:
            result = question.confirm(result, design, current[rows])
        if pair.is_discrete(column) or result.p_value is None:
            return result
        values = pair.values(column)[rows]
        if pair.parts is not None and (not parents or design.propensity.overlap >= ALIKE):
            features, own = design.matrix, pair.parts[rows[: pair.split]]
            far = level_p_value(values, own, features, features[:, design.telling :])
            result = replace(result, p_value=_with_far(result.p_value, far))
        # In order spreads are those of what is new in each row, which the values do not show.
        is_far = _is_far_apart(result) and not result.in_order
        if parents and not (is_far and design.propensity.overlap >= ALIKE):
            return result
        clusters = None if pair.clusters is None else pair.clusters[rows]
        has_past = pair.parts is not None
        by_rows = Rows(
            current[rows], current[rows], counts[0], 1, result.in_order, clusters, has_past
        )
        if parents:
            values = _Regression(design).residual(values[:, None])[:, 0]
        sizes = root_effects(values, counts[0], by_rows.spread_of)
        if parents:
            return replace(result, components=_told_spread(result, sizes.get("spread")))
        return replace(
            result,
            components=tuple(
                _resized(c, sizes.get(c.name), in_order=result.in_order) for c in result.components
            ),
        )

    def _design(self, pair: WindowPair, parents: tuple[str, ...]) -> Design:
        if parents not in self._designs:
            self._designs[parents] = build_design(pair, parents, pair.complete(parents))
        return self._designs[parents]


@dataclass(frozen=True)
class _Question:
    """A column to be tested on the rows where it and its parents are complete."""

    pair: WindowPair
    column: str
    response: FloatArray  # (n_rows, 1), or (n_rows, n_levels)
    levels: list[str]
    rows: BoolArray
    counts: tuple[int, int]
    others: tuple[str, ...]
    seen: float = SEEN  # resemblance from which on rows count as a series

    def answer(self, design: Design) -> MechanismTestResult:
        """Test by one design of the parents."""
        pair, rows, counts = self.pair, self.rows, self.counts
        overlap = design.propensity.overlap
        if overlap < _LEAST_OVERLAP:
            return MechanismTestResult(None, Untestable.NO_OVERLAP, overlap, sum(counts))
        current = pair.is_current[rows]
        strangers, dependence = _strangers(pair, self.others, rows)
        clusters = None if pair.clusters is None else pair.clusters[rows]
        parts = None if pair.parts is None else pair.parts[rows[: pair.split]]
        work = _Work(design, current, counts[0], clusters, strangers, parts)
        response, rho = self.response, 0.0
        raw = work.residual(response)
        alike = self._resemblance(raw, parts)
        in_order = clusters is None and (pair.is_autocorrelated or alike > self.seen)
        if in_order:
            near = Neighbours.of(pair, rows)
            fresh = [int((near.rows & (current == side)).sum()) for side in (0, 1)]
            if min(fresh) < _LEAST_ROWS:  # every other row is missing: nothing tells of the spread
                return MechanismTestResult(None, Untestable.TOO_FEW_ROWS, 1.0, sum(counts))
            work, response, rho = work.innovations(response, near)
            raw = work.residual(response)
        if not work.rows.window.any():
            return MechanismTestResult(None, Untestable.NO_OVERLAP, overlap, sum(counts))
        if pair.is_discrete(self.column):
            spread = np.sqrt(np.maximum(self.response.var(axis=0), 1e-12))
            scores = _category_scores(work, raw, self.levels, rho, spread)
        else:
            # In order what varies is what is new in each row; effects are of the column itself.
            sds = _sd(self.response[: counts[0], 0]), _sd(self.response[:, 0])
            scores = _number_scores(work, response[:, 0], raw[:, 0], rho, sds)
        judged = _judge(work, scores, dependence, overlap)
        return replace(judged, rows=sum(counts), in_order=in_order, resemblance=alike)

    def _resemblance(self, residual: FloatArray, parts: IntArray | None) -> float:
        if self.pair.clusters is not None:
            return 0.0
        # Codes in turn make runs of those that are pooled, and are no series for that.
        own = [k for k, level in enumerate(self.levels) if level != RARE]
        return resemblance(residual[:, own] if own else residual, self.counts[0], parts)

    def as_series(self, result: MechanismTestResult, design: Design) -> MechanismTestResult:
        """Return a rejection as it stands where rows that may be a series are taken for one.

        Noise of which a little stays alike for long moves a mean far before it can be seen to. Past
        windows, where there are some, show how far. Of rows far out series are not asked.
        """
        if result.in_order or result.resemblance <= SUSPECTED or self.pair.parts is not None:
            return result
        if result.components[0].name == _EXTREMES:
            return result
        second = replace(self, seen=SUSPECTED).answer(design)
        if second.p_value is None:
            return result
        assert result.p_value is not None
        return replace(result, p_value=max(result.p_value, second.p_value))

    def confirm(
        self, result: MechanismTestResult, design: Design, current: FloatArray
    ) -> MechanismTestResult:
        """Return a rejection as it stands by other models too: the larger p-value counts.

        Where the parents moved, what one kind of model fits badly looks like a change of the
        mechanism, the more so the more rows there are.
        """
        other, harm = with_left_out(design, current, self._left)
        if harm >= _HARMFUL:
            rows = sum(self.counts)
            return MechanismTestResult(None, Untestable.TOO_FEW_ROWS, result.overlap, rows)
        if other is None:
            return result
        second = self.answer(other)
        if second.p_value is None:
            return second
        assert result.p_value is not None
        return replace(result, p_value=max(result.p_value, second.p_value))

    def _left(self, design: Design) -> FloatArray:
        """Return what a design leaves of the response and, of a number, of its squares."""
        regression = _Regression(design)
        level = regression.residual(self.response)
        if self.pair.is_discrete(self.column):
            return level
        even = np.clip(_of_unit_size(level[:, 0]), -4, 4)
        return np.column_stack([level, regression.residual(even**2)])


def _is_far_apart(result: MechanismTestResult) -> bool:
    """Whether the levels of the two windows are, so that ranks do not tell of either's spread.

    Those of the shorter window lie closer together the farther out they are.
    """
    levels = [c for c in result.components if c.name == "level" and c.unit == "sd"]
    return any(abs(c.value) >= _FAR_APART for c in levels)


def _told_spread(
    result: MechanismTestResult, size: tuple[float, float] | None
) -> tuple[Component, ...]:
    """Return the components with the spread as the values have it about each window's own level."""
    if size is None:
        return result.components
    value, error = size
    return tuple(
        replace(c, value=value, error=c.wider * error) if c.name == "spread" else c
        for c in result.components
    )


def _with_far(p_value: float, far: float | None) -> float:
    """Return a test's p-value beside that of how far out the level is, which seldom is the less."""
    if far is None:
        return p_value
    return min(1.0, p_value / (1 - _WEIGHT_OF_FAR), far / _WEIGHT_OF_FAR)


def _without_rare(
    indicators: FloatArray, levels: list[str], smaller: float
) -> tuple[FloatArray, list[str]]:
    """Return the indicators of levels with enough rows, the others pooled or left out.

    Where the smaller window expects a row or two of a level its share is far from normal.
    """
    expected = indicators.sum(axis=0) * smaller
    common = expected >= _LEAST_EXPECTED
    kept = [name for name, is_common in zip(levels, common, strict=True) if is_common]
    if common.all():
        return indicators, kept
    rest = indicators[:, ~common].sum(axis=1)
    if rest.sum() * smaller < _LEAST_EXPECTED:
        return indicators[:, common], kept
    return np.column_stack([indicators[:, common], rest]), [*kept, RARE]


def _strangers(
    pair: WindowPair, others: tuple[str, ...], rows: BoolArray
) -> tuple[FloatArray, list[tuple[str, str]]]:
    """Return features of columns that are no parents, 0 where missing; column and name of each."""
    columns: list[FloatArray] = [np.empty((int(rows.sum()), 0))]
    names: list[tuple[str, str]] = []
    for other in others[:_MOST_OTHERS]:
        part = chosen_rows(pair.features(other).linear, rows)
        seen = np.isfinite(part)
        centre = np.where(seen, part, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
        columns.append(np.clip(np.where(seen, part - centre, 0.0), -3, 3))
        levels = level_names(pair, other)
        names += [(other, f"{other} = {level}") for level in levels] or [(other, other)]
    return side_by_side(columns)[:, :_MOST_OTHERS], names[:_MOST_OTHERS]


class _Work:
    """The regression on the parents' features, and how the rows depend on each other."""

    def __init__(
        self,
        design: Design,
        current: FloatArray,
        split: int,
        clusters: IntArray | None,
        strangers: FloatArray,
        parts: IntArray | None,
        *,
        in_order: bool = False,
    ) -> None:
        self.matrix = design.matrix
        self.calendar = design.matrix[:, design.telling :]
        self.linear = design.linear
        self.names = design.names
        self.current = current
        self.strangers = strangers
        self.parts = parts  # past window of each reference row
        self.plain = design  # not differenced: what spreads follow
        self._before: _Before | None = None
        self.tells_spread = True
        chance = design.propensity.chance
        window = design.beside_calendar(window_residual(current, chance))
        fitted = design.matrix.shape[1] + design.rare.count
        has_past = parts is not None
        self.rows = Rows(window, chance, split, fitted, in_order, clusters, has_past)
        self.plain_window = window  # by the row's own parents, where the others are differenced
        self._gram = design.gram
        self._regression = _Regression(design)

    @property
    def takes_nothing_out(self) -> bool:
        """Whether residuals are responses less their mean."""
        return self.matrix.shape[1] == 1 and self._before is None

    def fitted(self, response: FloatArray) -> FloatArray:
        """Return the ridge fit of responses, shape (n,) or (n, k), on the parents' features."""
        return self._regression.fitted(response)

    def residual(self, response: FloatArray) -> FloatArray:
        """Return response minus its ridge fit."""
        return self._regression.residual(response)

    def apart(self, response: FloatArray) -> FloatArray:
        """Return fits on the parents' features, level and slopes of each window its own."""
        own = side_by_side([self.current, self.linear * self.current[:, None]])
        cross = self.matrix.T @ own
        factor = ridge_factor(np.block([[self._gram, cross], [cross.T, own.T @ own]]))
        moment = np.concatenate([self.matrix.T @ response, own.T @ response])
        beta = solved(factor, moment).T
        shared = self.matrix.shape[1]
        fit: FloatArray = (beta[:, :shared] @ self.matrix.T + beta[:, shared:] @ own.T).T
        return fit

    def about_own_level(self, values: FloatArray) -> FloatArray:
        """Return values less the mean of their window, beside past windows: of each of these too.

        Where ordinary days differ in their level, a day far out would spread wide about the level
        of all, by the square of how far: such squares are no sample of a normal distribution, as
        the test takes what past windows differ by to be.
        """
        # Of few users the spread has heavy tails itself, which their levels cover.
        if self.parts is None or self.rows.clusters is not None:
            return values
        own = np.append(self.parts, np.full(len(values) - len(self.parts), self.parts.max() + 1))
        rows = np.bincount(own)[own]
        means = np.bincount(own, values)[own] / rows
        out: FloatArray = (values - means) * np.sqrt(rows / np.maximum(1, rows - 1))
        return out

    def feature(self, build: Callable[[FloatArray], FloatArray]) -> FloatArray:
        """Return a feature built from the parents' linear ones, differenced where those are."""
        if self._before is None:
            return build(self.linear)
        return self._before.differenced(build(self._before.design.linear))

    def on_own_parents(self) -> _Regression:
        """Return the regression on the row's own parents, where ``self`` differences them."""
        return self._regression if self._before is None else _Regression(self.plain)

    def on_both_rows(self) -> _Regression:
        """Return the regression on the parents of the row and, in order, of the one before.

        How far what is new in a row spreads depends on both: on how either one's noise spreads, and
        on what the features leave of either one's mean.
        """
        b = self._before
        if b is None or not b.rho:
            return self.on_own_parents()
        both = side_by_side([b.design.matrix[b.here], b.design.matrix[b.before][:, 1:]])
        return _Regression(replace(self.plain, matrix=both, gram=both.T @ both))

    def evenly_spread(self) -> FloatArray | None:
        """Return the residual whose squares tell of the spread where rows are in order.

        Innovations of the residual divided by how far it spreads given the row's own parents: of
        the residual as it is, what stays of the row before spreads as that row's parents have it.
        """
        if self._before is None:
            return None
        residual = self._before.residual[:, 0]
        even = residual / _scale(_Regression(self._before.design), residual)
        return rank_normal(self._before.differenced(even))

    def innovations(
        self, response: FloatArray, near: Neighbours
    ) -> tuple[_Work, FloatArray, float]:
        """Return the work, the response and ρ where each row is what it adds to ρ × the one before.

        Response and features alike, so that slopes stay what they are and neighbouring residuals
        no longer resemble each other. Rows without a predecessor are left out.
        """
        rho, split, adjacent = 0.0, self.rows.split, near.rows
        before = np.flatnonzero(adjacent) - 1
        here = before + 1
        matrix, factor, differenced = self.matrix, self.plain.ridge_factor, response
        for _ in range(2):  # the second time with slopes that the first ρ made sharper
            beta = solved(factor, matrix.T @ differenced)
            residual = response - self.matrix @ beta
            residual -= residual.mean(axis=0)  # innovations have an intercept of their own
            spread = float((residual[before] ** 2).sum())
            rho = float((residual[before] * residual[here]).sum()) / spread if spread > 0 else 0.0
            if abs(rho) * np.sqrt(len(here)) < _LEAST_LAG:
                rho = 0.0
            rho = float(np.clip(rho, -_MOST_RHO, _MOST_RHO))
            matrix = self.matrix[here] - rho * self.matrix[before]
            matrix[:, 0] = 1.0
            gram = matrix.T @ matrix
            factor = ridge_factor(gram)
            differenced = response[here] - rho * response[before]
        current = self.current[here]
        telling = self.plain.telling
        propensity = fit_propensity(matrix[:, :telling], current, gram[:telling, :telling])
        # Rows of rare levels tell nothing here: to difference their means is not worth its while.
        inside = trusted(self.current, self.plain.propensity.chance)
        inside &= ~self.plain.rare.any(len(inside))
        chance = np.where(inside[here] & inside[before], propensity.chance, 0.0)
        design = Design(
            adjacent,
            matrix,
            self.linear[here] - rho * self.linear[before],
            self.names,
            replace(propensity, chance=chance),
            gram,
            telling,
        )
        strangers = self.strangers[here] - rho * self.strangers[before]
        parts = None if self.parts is None else self.parts[adjacent[:split]]
        old = int(adjacent[:split].sum())
        work = _Work(design, current, old, None, strangers, parts, in_order=True)
        beta = solved(factor, matrix.T @ differenced)
        residual = response - self.matrix @ beta
        work._before = _Before(here, before, rho, self.plain, residual - residual.mean(axis=0))
        work.tells_spread = near.tell_spread
        own = self.matrix[here]
        work.plain = replace(
            self.plain, matrix=own, linear=self.linear[here], gram=own.T @ own, rare=NONE_RARE
        )
        work.plain_window = self.rows.window[here]
        return work, differenced, rho


@dataclass(frozen=True)
class _Before:
    """The rows that innovations were made of."""

    here: IntArray
    before: IntArray
    rho: float
    design: Design
    residual: FloatArray  # of the response, by the slopes of the innovations, (n, k)

    def differenced(self, values: FloatArray) -> FloatArray:
        """Return what each row adds to ρ × the one before."""
        out: FloatArray = values[self.here] - self.rho * values[self.before]
        return out


@dataclass
class _Scores:
    """Score columns (without the window's residual) and what each means.

    The first ``leading`` form the short test.
    """

    leading: int
    main: FloatArray  # residuals whose dependence on other columns would be new, (n, k)
    main_raw: FloatArray  # the same in reported units
    main_unit: str
    main_names: list[str]
    residuals: list[FloatArray] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    raw: list[FloatArray] = field(default_factory=list)  # the residual in reported units
    by: list[FloatArray] = field(default_factory=list)  # what it is multiplied by
    units: list[str] = field(default_factory=list)
    scale: list[float] = field(default_factory=list)  # sd of what each change is measured in
    windows: list[FloatArray] = field(default_factory=list)  # w − e that each is multiplied by

    def add(
        self,
        residual: FloatArray,
        raw: FloatArray,
        by: FloatArray,
        name: str,
        unit: str,
        window: FloatArray,
        scale: float = 1.0,
    ) -> None:
        """Add the score residual × by × window."""
        self.residuals.append(residual)
        self.names.append(name)
        self.raw.append(raw)
        self.by.append(by)
        self.units.append(unit)
        self.scale.append(scale)
        self.windows.append(window)

    @property
    def columns(self) -> FloatArray:
        """The score columns, shape (n_rows, n_scores), each contiguous in memory."""
        out = np.empty((len(self.by), len(self.main)))
        for column, residual, by in zip(out, self.residuals, self.by, strict=True):
            np.multiply(residual, by, out=column)
        return out.T

    def window(self) -> FloatArray:
        """Return the window residuals of the scores; one column where all share it."""
        first = self.windows[0]
        if all(w is first for w in self.windows):
            return first[:, None]
        return side_by_side(self.windows)


def _number_scores(
    work: _Work, score: FloatArray, raw: FloatArray, rho: float, sds: tuple[float, float]
) -> _Scores:
    """Return the scores of a number; ``sds`` are the column's, of the reference and of all rows."""
    plain = work.on_own_parents()
    # Where nothing is taken out but the mean, ranks stay what they are.
    ranked = score if work.takes_nothing_out else rank_normal(raw / _scale(plain, raw))
    u = _of_unit_size(work.residual(ranked))
    unit, (reference_sd, pooled) = "sd", sds
    if reference_sd <= 1e-9 * pooled:
        unit, reference_sd = POOLED_SD, max(pooled, 1e-12)
    in_sd = raw / reference_sd
    lin, one = work.linear, np.ones(len(raw))
    spreads, lean = _shape(work, u) if work.tells_spread else ([], None)
    out = _Scores(2 if spreads else 1, u[:, None], in_sd[:, None], unit, [""])
    # A spread is weighted by w − e given the row's own parents alone. How far innovations spread
    # follows from how long ago the row before was; so would weights that know its parents, or
    # differences, and the two together would look like a change.
    new, own = work.rows.window, work.plain_window
    out.add(u, in_sd, (1 - rho) * one, "level", unit, new)
    for v in spreads[:1]:
        out.add(v, v / 2, one, "spread", "log sd", own)
    for extreme in spreads[1:]:
        sd = max(_sd(extreme), 1e-12)
        out.add(extreme, extreme, one, _EXTREMES, "probability", own, sd)
    if lean is not None:
        out.add(lean, _OUTER_PER_LEAN * _sd(in_sd) * lean, one, OUTER_QUANTILES, unit, own)
    few = lin.shape[1] <= _MOST_SCORES // 4
    for k, name in enumerate(work.names):
        out.add(u, in_sd, lin[:, k], f"slope of {name}", unit, new)
    for v in spreads[:1] if few else ():
        for k, name in enumerate(work.names):
            out.add(v, v / 2, work.plain.linear[:, k], f"spread along {name}", "log sd", own)
    for k, name in enumerate(work.names if few else ()):
        original = work.plain.linear[:, k]
        if np.any((original != 0) & (original != 1)):  # the square of an indicator is itself
            bent = work.feature(partial(_bent, k=k))
            out.add(u, in_sd, bent, f"curvature of {name}", unit, new)
    for a, b in _pairs(work, len(out.names)) if few else ():
        product = work.feature(partial(_product, a=a, b=b))
        out.add(u, in_sd, product, f"{work.names[a]} × {work.names[b]}", unit, new)
    return out


def _shape(work: _Work, u: FloatArray) -> tuple[list[FloatArray], FloatArray]:
    """Return what tells of the spread, and of rows far out; and what of asymmetry.

    Each less what the parents tell of it.

    References
    ----------
    Neyman (1937), "Smooth test" for goodness of fit: of a normal score the third Hermite
    polynomial tells of asymmetry whatever level and spread are.
    """
    innovations = work.evenly_spread()
    even = u if innovations is None else _of_unit_size(innovations)
    # What a few rows bring from far out hardly moves the spread of ranks. Not of innovations:
    # beside the others it costs a twentieth of what is found in driftbench's series.
    sees_extremes = innovations is None
    even, u = (work.about_own_level(values) for values in (even, u))
    spreads = [np.clip(even, -4, 4) ** 2, *([_far_out(u)] if sees_extremes else [])]
    inside = np.clip(even, -_MOST_LEANING, _MOST_LEANING)
    lean = inside**3 - 3 * inside
    *spreads, lean = work.on_both_rows().residual(side_by_side([*spreads, lean])).T
    return spreads, lean


def _of_unit_size(values: FloatArray) -> FloatArray:
    out: FloatArray = values / max(_sd(values), 1e-12)
    return out


def _sd(values: FloatArray) -> float:
    centred = values - values.mean()
    return float(np.sqrt(centred @ centred / len(values)))


def _bent(linear: FloatArray, k: int) -> FloatArray:
    out: FloatArray = np.minimum(linear[:, k] ** 2 - 1, 4.0)
    return out


def _product(linear: FloatArray, a: int, b: int) -> FloatArray:
    out: FloatArray = linear[:, a] * linear[:, b]
    return out


def _far_out(score: FloatArray) -> FloatArray:
    """Return which rows are the most extreme hundredth, or the twenty most extreme, as 0 and 1."""
    size = np.abs(score)
    share = max(_FAR_OUT, _LEAST_FAR_OUT / len(size))
    place = max(0.0, 1 - share) * (len(size) - 1)
    below = int(place)
    # As numpy's quantile has it, to the last bit and for half of its time.
    low, high = np.partition(size, (below, below + 1))[below : below + 2]
    past, left = place - below, 1 - (place - below)
    limit = low + (high - low) * past if past < 0.5 else high - (high - low) * left
    out: FloatArray = (size > limit).astype(np.float64)
    return out


class _Regression:
    """Regression on the parents' features of a design."""

    def __init__(self, design: Design) -> None:
        self._matrix = design.matrix
        self._factor = design.ridge_factor
        self._rare = design.rare

    def fitted(self, response: FloatArray) -> FloatArray:
        """Return the ridge fit, shape (n,) or (n, k), each column contiguous in memory."""
        if self._matrix.shape[1] == 1:
            return np.broadcast_to(response.mean(axis=0), response.shape)
        beta = solved(self._factor, self._matrix.T @ response)
        fit: FloatArray = (beta.T @ self._matrix.T).T
        return fit

    def residual(self, response: FloatArray) -> FloatArray:
        """Return response minus its ridge fit, and minus what a rare level has in common."""
        return self._rare.centred(response - self.fitted(response))


def _scale(regression: _Regression, residual: FloatArray) -> FloatArray:
    """Return how far a residual spreads given the parents, shape (n,)."""
    absolute = np.abs(residual)
    out: FloatArray = np.maximum(regression.fitted(absolute), 0.25 * float(absolute.mean()))
    return out


def _pairs(work: _Work, taken: int) -> list[tuple[int, int]]:
    """Return the pairs of parents' features whose products become scores, as many as rows allow."""
    smaller = min(work.rows.split, len(work.matrix) - work.rows.split)
    room = max(_LEAST_PRODUCTS, min(_MOST_SCORES - taken, smaller // _ROWS_PER_PRODUCT))
    return list(combinations(range(work.linear.shape[1]), 2))[:room]


def _category_scores(
    work: _Work, residual: FloatArray, levels: list[str], rho: float, spread: FloatArray
) -> _Scores:
    """Return the scores of categories; ``spread`` is the sd of each level's indicator."""
    names = [f"share of {level}" for level in levels]
    out = _Scores(len(levels), residual, residual, "probability", names)
    lin, one = work.linear, np.ones(len(residual))

    def add(k: int, by: FloatArray, name: str) -> None:
        own = residual[:, k]
        out.add(own, own, by, name, "probability", work.rows.window, float(spread[k]))

    for k, name in enumerate(names):
        add(k, (1 - rho) * one, name)
    along = [(lin[:, j], work.names[j]) for j in range(lin.shape[1])]
    along += [
        (
            work.feature(partial(_product, a=a, b=b)),
            f"{work.names[a]} × {work.names[b]}",
        )
        for a, b in _pairs(work, len(out.names) + len(along))
    ]
    for by, other in along:
        for k, name in enumerate(names):
            if len(out.names) >= _MOST_SCORES:
                return out
            add(k, by, f"{name} along {other}")
    return out


def _judge(
    work: _Work, scores: _Scores, strangers: list[tuple[str, str]], overlap: float
) -> MechanismTestResult:
    rows = len(work.matrix)
    stacked = scores.columns
    own = work.rows.moments(stacked, scores.window())
    moments, wider = _with_between(work, scores, stacked, own)
    spread = np.sqrt(np.maximum(np.diag(moments.variance), 0.0))
    usable = spread > 1e-10 * max(1.0, float(spread.max(initial=0.0)))
    usable &= (moments.telling >= _LEAST_TELLING) | (np.arange(len(spread)) < scores.leading)
    if not usable.any():
        # A cluster's total is nothing where it has the same values as often in both windows.
        has_clusters = work.rows.clusters is not None
        why = Untestable.ALIKE_IN_CLUSTERS if has_clusters else Untestable.CONSTANT
        return MechanismTestResult(None, why, overlap, rows)
    divisor = np.where(usable, spread, 1.0)
    z = np.where(usable, moments.standardised(divisor), 0.0)
    correlation = moments.variance / np.outer(divisor, divisor)
    freedom = moments.freedom
    leading = usable & (np.arange(len(z)) < scores.leading)
    p_values = {
        "short": wald(z[leading], correlation[np.ix_(leading, leading)], freedom),
        "largest": largest(z[usable], freedom),
    }
    if leading.sum() < usable.sum():
        p_values["all"] = wald(z[usable], correlation[np.ix_(usable, usable)], freedom)
    components = _components(work, scores, z, usable, wider)
    level = [c for c in components[: scores.leading] if c.unit != "log sd"]
    components.sort(key=lambda c: -abs(c.z))
    weights = [_WEIGHTS[name] for name in p_values]
    return MechanismTestResult(
        min(1.0, _CAUTION * cauchy_combination(list(p_values.values()), weights)),
        None,
        overlap,
        rows,
        tuple(components),
        max(level, key=lambda c: c.error / c.scale, default=None),
        Power(scores.leading, freedom, _CAUTION * sum(weights) / _WEIGHTS["short"]),
        _new_dependence(work, scores, strangers),
    )


def _new_dependence(
    work: _Work, scores: _Scores, strangers: list[tuple[str, str]]
) -> tuple[NewDependence, ...]:
    """Return how far the column came to depend on others that are no parents of its."""
    if not strangers:
        return ()
    # Apart in each window: another column that moved itself must not meet a misfit of this one.
    features = work.strangers - work.apart(work.strangers)
    split = work.rows.split
    own = features[:split].T @ scores.main[:split]
    error = np.sqrt((features[:split] ** 2).T @ scores.main[:split] ** 2)
    unknown = np.abs(own) <= _KNOWN_BEFORE * error
    places = np.argwhere(unknown & (error > 0))[:_MOST_OTHERS]
    if not len(places):
        return ()
    at, level = places.T
    columns = features[:, at] * scores.main[:, level]
    moments = work.rows.moments(columns, work.rows.window[:, None], jointly=False)
    spread = np.sqrt(np.maximum(np.diag(moments.variance), 1e-300))
    z = np.abs(moments.standardised(spread))
    out = []
    owners = np.array([owner for owner, _ in strangers])[at]
    is_telling = moments.telling >= _LEAST_TELLING
    for other in dict.fromkeys(owners[is_telling].tolist()):
        mine = np.flatnonzero((owners == other) & is_telling)
        best = mine[np.argmax(z[mine])]
        k = int(level[best])
        leverage = features[:, at[best]] * work.rows.window
        information = max(float(leverage @ leverage), 1e-300)
        raw = leverage * scores.main_raw[:, k]
        feature = strangers[at[best]][1]
        own_name = scores.main_names[k]
        component = Component(
            f"{own_name} along {feature}" if own_name else f"dependence on {feature}",
            float(raw.sum()) / information,
            float(np.sqrt(work.rows.spread_of(raw[:, None])[0, 0])) / information,
            scores.main_unit,
            float(np.copysign(z[best], moments.total[best])),
            scores.scale[k],
        )
        out.append(NewDependence(other, component, mine.size))
    return tuple(out)


def _with_between(
    work: _Work, scores: _Scores, stacked: FloatArray, moments: Moments
) -> tuple[Moments, FloatArray]:
    """Add what ordinary windows differ by; return also by how much that widens each error."""
    own = np.diag(moments.variance)
    if work.parts is None:
        return moments, np.ones(len(own))
    window = scores.window()
    alone = ((stacked * window) ** 2).sum(axis=0)
    inflation = np.divide(own, alone, out=np.ones_like(own), where=alone > 0)
    extra, freedom = between_windows(
        stacked, side_by_side(scores.by), window, work.parts, inflation,
        work.calendar[: len(work.parts)],
    )  # fmt: skip
    variance = moments.variance + np.diag(extra)
    wider = np.sqrt(np.divide(own + extra, own, out=np.ones_like(own), where=own > 0))
    skewness = moments.skewness / wider**3
    freedom = min(moments.freedom, freedom)
    return replace(moments, variance=variance, skewness=skewness, freedom=freedom), wider


def _components(
    work: _Work, scores: _Scores, z: FloatArray, usable: BoolArray, wider: FloatArray
) -> list[Component]:
    """Return the size of the leading and strongest changes, each with an error of its own.

    In reported units. The error is not value / z: the score is scaled row by row where the spread
    varies, so the two need not cross zero together.
    """
    strongest = np.argsort(-np.abs(z), kind="stable")[:_REPORTED].tolist()
    chosen = [k for k in sorted({*range(scores.leading), *strongest}) if usable[k]]
    raw = np.empty((len(chosen), len(work.matrix)))
    information = []
    for row, k in zip(raw, chosen, strict=True):
        np.multiply(scores.windows[k], scores.by[k], out=row)
        information.append(float(row @ row))
        row *= scores.raw[k]
    values = raw.sum(axis=1)
    errors = wider[chosen] * np.sqrt(np.diag(work.rows.spread_of(raw.T)))
    return [
        Component(
            scores.names[k],
            float(values[place] / information[place]),
            float(errors[place] / information[place]),
            scores.units[k],
            float(z[k]),
            scores.scale[k],
            float(wider[k]),
        )
        for place, k in enumerate(chosen)
        if information[place] > 0
    ]


def _resized(
    component: Component, size: tuple[float, float] | None, *, in_order: bool
) -> Component:
    """Return a root's component with the size of the change in its values, where they show it.

    The evidence is of ranks or, in order, of what each row adds to the one before: a machine that
    shakes more at the same load spreads no wider over a day. Then the size is that of the evidence.
    """
    if size is None:
        return component
    value, error = size[0], component.wider * size[1]
    if in_order:  # what slow waves add is in both factors
        error = max(component.error, size[1])
    if abs(component.z) >= CLEAR and value * np.sign(component.z) < _INTERVAL * error:
        told = FROM_ROW_TO_ROW if in_order and component.name == "spread" else component.name
        return replace(component, name=told)
    return replace(component, value=value, error=error)
