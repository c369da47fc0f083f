"""The mechanism of a category, or of a number of few values: chances given its causes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.effects.propensity import expit
from whydrift.monitor.diagnosis.counterfactual.base import Rows
from whydrift.monitor.diagnosis.counterfactual.design import Causes, Layout
from whydrift.monitor.diagnosis.counterfactual.logistic import fit_logistic
from whydrift.monitor.diagnosis.counterfactual.ridge import window_signs

__all__ = ["CategoryMechanism", "fit_category"]

_MOST_LEVELS = 12
_LIMIT = 30.0


@dataclass(frozen=True)
class CategoryMechanism:
    """P(level | causes).

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
        Pooled codes, NaN where missing.
    design : ndarray of shape (n_rows, f)
        Features of the causes as recorded.
    levels : ndarray of shape (n_levels,)
        Codes, the commonest first; grades ascending.
    logits : ndarray of shape (2, 1 + n_groups, n_levels - 1, f)
        Against the commonest level, or of a grade above each but the last, in each window, all
        rows and each group left out.
    is_ordered : bool
        Whether it is a grade.
    """

    values: FloatArray
    design: FloatArray
    levels: FloatArray
    logits: FloatArray
    is_ordered: bool = False

    def outcomes(
        self, rows: Rows, causes: Causes, switched: BoolArray
    ) -> list[tuple[FloatArray, FloatArray]]:
        """Return all levels with what one-hot codes of each row become, shape (n_fits, n).

        The row's own level less its old chances plus its new ones: as a number's noise is kept,
        so is a category's. Sums to one; single entries may lie outside [0, 1].
        """
        old, new = self._both(rows, causes, switched)
        own = self.values[rows.index][:, None] == self.levels
        chances = own + new - old
        return [(np.array(level), chances[..., k]) for k, level in enumerate(self.levels)]

    def rerun(self, rows: Rows, causes: Causes, switched: BoolArray) -> FloatArray:
        """See `Mechanism`; a row keeps its level as often as the new chances allow."""
        old, new = self._both(rows, causes, switched)
        values = self.values[rows.index]
        own = np.argmax(values[:, None] == self.levels, axis=1)
        at = (slice(None), np.arange(len(own)), own)
        known = np.isin(values, self.levels)
        leaves = (rows.luck[:, 0] * old[at] > new[at]) & known
        out = np.broadcast_to(values, leaves.shape).copy()
        gained = np.cumsum(np.maximum(new - old, 0.0)[leaves], axis=-1)
        if len(gained):
            luck = np.broadcast_to(rows.luck[:, 1], leaves.shape)[leaves]
            level = (gained < (luck * gained[:, -1])[:, None]).sum(axis=-1)
            out[leaves] = self.levels[np.minimum(level, len(self.levels) - 1)]
        return out

    def _both(
        self, rows: Rows, causes: Causes, switched: BoolArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return the old and the new chances, each of shape (n_fits, n, n_levels)."""
        if not rows.kept:
            weights = self.logits[rows.side, rows.fits]  # (R, L - 1, f)
            rows.kept.append(self._link(self.design[rows.index] @ weights.transpose(0, 2, 1)))
        (old,) = rows.kept
        if (switched == switched[0]).all():
            side = 1 - rows.side if switched[0] else rows.side
            return old, self._chances(side, rows, causes)
        new = np.where(
            switched[:, None],
            self._chances(1 - rows.side, rows, causes),
            self._chances(rows.side, rows, causes),
        )
        return old, new

    def _chances(self, side: int, rows: Rows, causes: Causes) -> FloatArray:
        eta = causes.times(self.logits[side, rows.fits].swapaxes(0, 1))
        return self._link(np.moveaxis(eta, 0, -1))

    def _link(self, eta: FloatArray) -> FloatArray:
        return _between(eta) if self.is_ordered else _softmax(eta)


def _softmax(eta: FloatArray) -> FloatArray:
    """Return chances by the log odds of all levels but the first, shape (..., n_levels - 1)."""
    eta = np.concatenate([np.zeros((*eta.shape[:-1], 1)), np.clip(eta, -_LIMIT, _LIMIT)], -1)
    eta -= eta.max(axis=-1, keepdims=True)
    weight = np.exp(eta)
    out: FloatArray = weight / weight.sum(axis=-1, keepdims=True)
    return out


def _between(eta: FloatArray) -> FloatArray:
    """Return chances by the log odds of being above each grade, shape (..., n_levels - 1)."""
    above = expit(np.clip(eta, -_LIMIT, _LIMIT))
    np.minimum.accumulate(above, axis=-1, out=above)  # fitted one by one, they might cross
    ends = np.ones((*above.shape[:-1], 1))
    out: FloatArray = -np.diff(np.concatenate([ends, above, 0 * ends], axis=-1), axis=-1)
    return out


def fit_category(
    values: FloatArray,
    design: FloatArray,
    layout: Layout,
    is_current: FloatArray,
    groups: IntArray,
    count: int,
) -> CategoryMechanism:
    """Fit a category's mechanism: each level against the commonest by a ridge logistic regression.

    Parameters are those of `fit_number`. Levels beyond the twelve commonest keep their rows as
    they are.

    References
    ----------
    Begg & Gray (1984), Calculation of polychotomous logistic regression parameters using
    individualized regressions.
    """
    found, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    levels = found[np.argsort(-counts, kind="stable")][:_MOST_LEVELS]
    logits = np.zeros((2, 1 + count, max(0, len(levels) - 1), design.shape[1]))
    signs = window_signs(layout.differs)
    signed = design[:, layout.source] * signs[is_current.astype(np.int64)]
    for position, level in enumerate(levels[1:]):
        rows = (values == levels[0]) | (values == level)
        label = (values[rows] == level).astype(np.float64)
        weights = _without_each(signed[rows], label, groups[rows], count, layout.kinds)
        logits[:, :, position] = layout.on_design(weights * signs[:, None, :])
    return CategoryMechanism(values, design, levels, logits)


def _without_each(
    design: FloatArray, label: FloatArray, groups: IntArray, count: int, kinds: IntArray
) -> FloatArray:
    """Return logistic coefficients for all rows and, by one Newton step, each group left out."""
    beta, penalty = fit_logistic(design, label, kinds)
    out = np.tile(beta, (1 + count, 1))
    chance = expit(design @ beta)
    slack, residual = chance * (1 - chance), label - chance
    hessian = design.T @ (design * slack[:, None]) + np.diag(penalty)
    for g in np.unique(groups):
        inside = groups == g
        block = design[inside]
        without = hessian - block.T @ (block * slack[inside][:, None])
        without[np.diag_indices(len(beta))] += 1e-6
        out[1 + g] -= np.linalg.solve(without, block.T @ residual[inside])
    return out
