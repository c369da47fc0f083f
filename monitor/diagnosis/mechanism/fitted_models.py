"""Both models fitted on the rows of one design, and on what each row adds to the one before.

References
----------
Cochrane & Orcutt (1949), Application of least squares regression to relationships containing
auto-correlated error terms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.scores.features import rank_normal
from whydrift.effects.cholesky import solved
from whydrift.effects.propensity import fit_propensity
from whydrift.monitor.diagnosis.mechanism.dependence import Rows
from whydrift.monitor.diagnosis.mechanism.design import (
    Design,
    ridge_factor,
    trusted,
    window_residual,
)
from whydrift.monitor.diagnosis.mechanism.neighbours import Neighbours
from whydrift.monitor.diagnosis.mechanism.rare_levels import NONE_RARE
from whydrift.monitor.diagnosis.mechanism.regression import Regression, residual_spread
from whydrift.monitor.diagnosis.side_by_side import side_by_side

__all__ = ["FittedModels"]

_LEAST_LAG = 2.0  # lag-1 correlation × √n of a residual that is taken out
_MOST_RHO = 0.998  # a walk without an anchor has no level that could move


class FittedModels:
    """The window model's residual and the outcome model, and how the rows depend on each other.

    Parameters
    ----------
    design : Design
        The parents' features.
    current : ndarray of shape (n_rows,)
        1 or 0.
    split : int
        Number of reference rows.
    clusters : ndarray of int, shape (n_rows,), optional
    strangers : ndarray of shape (n_rows, n_strangers)
        Features of columns that are no parents.
    parts : ndarray of int, shape (n_reference_rows,), optional
        Past window of each reference row.
    in_order : bool
        Whether neighbouring rows may still resemble each other.
    steps : ndarray of int, shape (n_rows,), optional
        When each row was in its window, where series took turns.
    """

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
        steps: IntArray | None = None,
    ) -> None:
        self.matrix = design.matrix
        self.calendar = design.matrix[:, design.telling :]
        self.linear = design.linear
        self.names = design.names
        self.current = current
        self.strangers = strangers
        self.parts = parts
        self.plain = design  # not differenced: what spreads follow
        self._before: _Before | None = None
        self.tells_spread = True
        chance = design.propensity.chance
        window = design.beside_calendar(window_residual(current, chance))
        fitted = design.matrix.shape[1] + design.rare.count
        has_past = parts is not None
        self.rows = Rows(window, chance, split, fitted, in_order, clusters, has_past, steps)
        self.plain_window = window  # by the row's own parents, where the others are differenced
        self._gram = design.gram
        self._regression = Regression(design)

    @property
    def takes_nothing_out(self) -> bool:
        """Whether residuals are responses less their mean."""
        return self.matrix.shape[1] == 1 and self._before is None

    @property
    def is_in_order(self) -> bool:
        """Whether rows are what each adds to the one before."""
        return self._before is not None

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

    def on_own_parents(self) -> Regression:
        """Return the regression on the row's own parents, where ``self`` differences them."""
        return self._regression if self._before is None else Regression(self.plain)

    def on_both_rows(self) -> Regression:
        """Return the regression on the parents of the row and, in order, of the one before.

        How far what is new in a row spreads depends on both: on how either one's noise spreads, and
        on what the features leave of either one's mean.
        """
        b = self._before
        if b is None or not b.rho:
            return self.on_own_parents()
        both = side_by_side([b.design.matrix[b.here], b.design.matrix[b.before][:, 1:]])
        return Regression(replace(self.plain, matrix=both, gram=both.T @ both))

    def evenly_spread(self) -> FloatArray | None:
        """Return the residual whose squares tell of the spread where rows are in order.

        Innovations of the residual divided by how far it spreads given the row's own parents: of
        the residual as it is, what stays of the row before spreads as that row's parents have it.
        """
        if self._before is None:
            return None
        residual = self._before.residual[:, 0]
        even = residual / residual_spread(Regression(self._before.design), residual)
        return rank_normal(self._before.differenced(even))

    def innovations(
        self, response: FloatArray, near: Neighbours
    ) -> tuple[FittedModels, FloatArray, float]:
        """Return the models, the response and ρ, each row being what it adds to ρ × the one before.

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
        steps = None if self.rows.steps is None else self.rows.steps[here]
        models = FittedModels(
            design, current, old, None, strangers, parts, in_order=True, steps=steps
        )
        beta = solved(factor, matrix.T @ differenced)
        residual = response - self.matrix @ beta
        models._before = _Before(here, before, rho, self.plain, residual - residual.mean(axis=0))
        models.tells_spread = near.tell_spread
        own = self.matrix[here]
        models.plain = replace(
            self.plain, matrix=own, linear=self.linear[here], gram=own.T @ own, rare=NONE_RARE
        )
        models.plain_window = self.rows.window[here]
        return models, differenced, rho


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
