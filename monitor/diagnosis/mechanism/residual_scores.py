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
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.monitor.diagnosis.mechanism.base import MechanismTestResult, Untestable
from whydrift.monitor.diagnosis.mechanism.category_scores import category_scores, without_rare
from whydrift.monitor.diagnosis.mechanism.dependence import Rows
from whydrift.monitor.diagnosis.mechanism.design import (
    ALIKE,
    RARE,
    Design,
    build_design,
    level_names,
    with_left_out,
)
from whydrift.monitor.diagnosis.mechanism.fitted_models import FittedModels
from whydrift.monitor.diagnosis.mechanism.level_of_windows import level_p_value
from whydrift.monitor.diagnosis.mechanism.neighbours import Neighbours
from whydrift.monitor.diagnosis.mechanism.new_dependence import stranger_features
from whydrift.monitor.diagnosis.mechanism.number_scores import EXTREMES, number_scores
from whydrift.monitor.diagnosis.mechanism.regression import Regression
from whydrift.monitor.diagnosis.mechanism.root_effects import root_effects
from whydrift.monitor.diagnosis.mechanism.score_test import score_test
from whydrift.monitor.diagnosis.mechanism.unit_size import of_unit_size, sd_of
from whydrift.monitor.diagnosis.mechanism.value_sizes import is_far_apart, resized, told_spread
from whydrift.monitor.diagnosis.pair import WindowPair
from whydrift.monitor.diagnosis.resemblance import SEEN, SUSPECTED, resemblance
from whydrift.monitor.diagnosis.side_by_side import chosen_rows

__all__ = ["ResidualScores"]

_LEAST_OVERLAP = 0.35
_LEAST_ROWS = 20  # complete rows in each window
_CONFIRMED_BELOW = 0.05
_WEIGHT_OF_FAR = 0.1
_HARMFUL = 1.0  # standard errors that what the models lack may bring a score off by


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
            response, levels = without_rare(response, levels, min(counts) / sum(counts))
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
        if pair.parts is not None and (not parents or design.propensity.overlap >= ALIKE):
            values, features = pair.values(column)[rows], design.matrix
            own = pair.parts[rows[: pair.split]]
            far = level_p_value(values, own, features, features[:, design.telling :])
            result = replace(result, p_value=_with_far(result.p_value, far))
        return question.sized(result, design, is_root=not parents)

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
        strangers, dependence = stranger_features(pair, self.others, rows)
        clusters = None if pair.clusters is None else pair.clusters[rows]
        parts = None if pair.parts is None else pair.parts[rows[: pair.split]]
        steps = None if pair.steps is None else pair.steps[rows]
        models = FittedModels(design, current, counts[0], clusters, strangers, parts, steps=steps)
        response, rho = self.response, 0.0
        raw = models.residual(response)
        alike = self._resemblance(raw, parts)
        in_order = clusters is None and (pair.is_autocorrelated or alike > self.seen)
        if in_order:
            near = Neighbours.of(pair, rows)
            fresh = [int((near.rows & (current == side)).sum()) for side in (0, 1)]
            if min(fresh) < _LEAST_ROWS:  # every other row is missing: nothing tells of the spread
                return MechanismTestResult(None, Untestable.TOO_FEW_ROWS, 1.0, sum(counts))
            models, response, rho = models.innovations(response, near)
            raw = models.residual(response)
        if not models.rows.window.any():
            return MechanismTestResult(None, Untestable.NO_OVERLAP, overlap, sum(counts))
        if pair.is_discrete(self.column):
            spread = np.sqrt(np.maximum(self.response.var(axis=0), 1e-12))
            scores = category_scores(models, raw, self.levels, rho, spread)
        else:
            # In order what varies is what is new in each row; effects are of the column itself.
            sds = sd_of(self.response[: counts[0], 0]), sd_of(self.response[:, 0])
            scores = number_scores(models, response[:, 0], raw[:, 0], rho, sds)
        judged = score_test(models, scores, dependence, overlap)
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
        if result.components[0].name == EXTREMES:
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

    def sized(
        self, result: MechanismTestResult, design: Design, *, is_root: bool
    ) -> MechanismTestResult:
        """Return a number's result with the sizes of its changes as the values themselves say.

        Of a root, those of level and spread; else that of the spread, where levels are far apart
        and parents alike.
        """
        # In order spreads are those of what is new in each row, which the values do not show.
        is_far = is_far_apart(result) and not result.in_order
        if not is_root and not (is_far and design.propensity.overlap >= ALIKE):
            return result
        pair, rows, split = self.pair, self.rows, self.counts[0]
        current = pair.is_current[rows]
        clusters = None if pair.clusters is None else pair.clusters[rows]
        has_past = pair.parts is not None
        steps = None if pair.steps is None else pair.steps[rows]
        by_rows = Rows(current, current, split, 1, result.in_order, clusters, has_past, steps)
        values = pair.values(self.column)[rows]
        if not is_root:
            values = Regression(design).residual(values[:, None])[:, 0]
        sizes = root_effects(values, split, by_rows.spread_of)
        if not is_root:
            return replace(result, components=told_spread(result, sizes.get("spread")))
        return replace(
            result,
            components=tuple(
                resized(c, sizes.get(c.name), in_order=result.in_order) for c in result.components
            ),
        )

    def _left(self, design: Design) -> FloatArray:
        """Return what a design leaves of the response and, of a number, of its squares."""
        regression = Regression(design)
        level = regression.residual(self.response)
        if self.pair.is_discrete(self.column):
            return level
        even = np.clip(of_unit_size(level[:, 0]), -4, 4)
        return np.column_stack([level, regression.residual(even**2)])


def _with_far(p_value: float, far: float | None) -> float:
    """Return a test's p-value beside that of how far out the level is, which seldom is the less."""
    if far is None:
        return p_value
    return min(1.0, p_value / (1 - _WEIGHT_OF_FAR), far / _WEIGHT_OF_FAR)
