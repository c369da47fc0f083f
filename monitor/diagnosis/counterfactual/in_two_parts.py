"""The mechanism of a number that is often at its end: whether it is there, and how much it is else.

What causes do to the chance of a claim is another thing than what they do to its size. One curve
with one noise takes the one for the other as soon as the two are exchanged.

References
----------
Cragg (1971), Some statistical models for limited dependent variables with application to the
demand for durable goods, Econometrica 39, 829-844.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.scores.density_features import atom_at_an_end
from whydrift.monitor.diagnosis.counterfactual.base import Rows
from whydrift.monitor.diagnosis.counterfactual.category import CategoryMechanism, fit_category
from whydrift.monitor.diagnosis.counterfactual.design import Causes, Layout
from whydrift.monitor.diagnosis.counterfactual.number import NumberMechanism, fit_number

__all__ = ["TwoPartMechanism", "fit_in_two_parts"]

_LEAST_ROWS: Final = 50  # of each part in each window
_MOST_LIKE_IT: Final = 1 / 3  # of the rows at the end, that have another value: else it is a count


@dataclass(frozen=True)
class TwoPartMechanism:
    """P(away from the end | causes), and the number's own mechanism there.

    Parameters
    ----------
    end : float
        The value that many rows have.
    presence : CategoryMechanism
        Of 0 at the end, and 1 elsewhere.
    amount : NumberMechanism
        Rows at the end have an amount of some luck, which shows once they leave it.
    """

    end: float
    presence: CategoryMechanism
    amount: NumberMechanism

    def rerun(self, rows: Rows, causes: Causes, switched: BoolArray) -> FloatArray:
        """See `Mechanism`."""
        whether, how_much = self._parts(rows)
        there = self.presence.rerun(whether, causes, switched)
        return self._either(there, self.amount.rerun(how_much, causes, switched))

    def outcomes(
        self, rows: Rows, causes: Causes, switched: BoolArray
    ) -> list[tuple[FloatArray, FloatArray]]:
        """See `CategoryMechanism.outcomes`."""
        whether, how_much = self._parts(rows)
        amount = self.amount.rerun(how_much, causes, switched)
        return [
            (np.full(amount.shape, self.end) if level == 0 else amount, chance)
            for level, chance in self.presence.outcomes(whether, causes, switched)
        ]

    def _either(self, there: FloatArray, amount: FloatArray) -> FloatArray:
        out = np.where(there == 0, self.end, amount)
        return np.where(np.isnan(there), np.nan, out)

    def _parts(self, rows: Rows) -> tuple[Rows, Rows]:
        """Return the rows for each of the parts, which keep things of their own."""
        if not rows.parts:
            rows.parts.extend(replace(rows, kept=[], parts=[]) for _ in range(2))
        whether, how_much = rows.parts
        return whether, how_much


def fit_in_two_parts(
    values: FloatArray,
    design: FloatArray,
    layout: Layout,
    is_current: FloatArray,
    groups: IntArray,
    count: int,
    luck: FloatArray,
) -> TwoPartMechanism | None:
    """Fit a number's mechanism in two parts; None where it is not often at an end.

    Parameters are those of `fit_number`, and

    luck : ndarray of shape (n_rows,)
        Uniform numbers: the ranks of amounts that rows at the end would have.
    """
    at_end = _at_end(values, is_current)
    if at_end is None:
        return None
    there = np.where(np.isfinite(values), ~at_end, np.nan).astype(np.float64)
    presence = fit_category(there, design, layout, is_current, groups, count)
    seen = np.where(at_end, np.nan, values)
    amount = fit_number(seen, design, layout, is_current, groups, count)
    end = float(values[np.flatnonzero(at_end)[0]])
    return TwoPartMechanism(end, presence, amount.filled(at_end, is_current, luck))


def _at_end(values: FloatArray, is_current: FloatArray) -> BoolArray | None:
    """Return which pooled rows are at an end where many are, and by far the most."""
    present = np.isfinite(values)
    if not present.any():
        return None
    found = atom_at_an_end(values[present])
    if found is None:
        return None
    at_end = np.zeros(len(values), dtype=np.bool_)
    at_end[present] = found
    away = present & ~at_end
    for side in (0, 1):
        inside = is_current == side
        if min((at_end & inside).sum(), (away & inside).sum()) < _LEAST_ROWS:
            return None
    most = int(np.unique(values[away], return_counts=True)[1].max())
    return at_end if most <= _MOST_LIKE_IT * at_end.sum() else None
