"""A number that never varied in the reference, and does now: what it means, and how sure that is.

Whatever its causes did in the reference, it stood still: where they lie as they did then, nothing
upstream can have set it moving. Its mechanism changed, or the reference was too short to see what
happens rarely; of that the chance is counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, ndtri

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.monitor.diagnosis.mechanism.base import (
    Component,
    MechanismTest,
    MechanismTestResult,
    Untestable,
)
from whydrift.monitor.diagnosis.pair import WindowPair

__all__ = ["FirstVariation"]

_LEAST_ROWS = 20
_SURE = 0.001  # that there is something to tell, if rows were independent
_STILL = 0.001  # share of rows in a stretch that may hold the old value and not end it


@dataclass(frozen=True)
class FirstVariation:
    """A mechanism test that answers for numbers which were constant in the reference.

    The p-value is twice the chance that all rows with another value fall into the current window,
    had they been dealt to the two at random (Fisher 1935); of rows in which all parents have values
    that the reference has too. A stretch of rows that lasts to the end of the window is a change;
    one that ended may be a rare event of some length: stretches are counted instead of rows, and
    where these are too few, the answer is `TOO_DEPENDENT`.

    Parameters
    ----------
    otherwise : MechanismTest
        Answers for all other columns.
    """

    otherwise: MechanismTest

    def __call__(
        self,
        pair: WindowPair,
        column: str,
        parents: tuple[str, ...],
        others: tuple[str, ...] = (),
    ) -> MechanismTestResult:
        """Test one column given its parents, and others that it should not depend on besides."""
        before = pair.values(column)[: pair.split]
        before = before[np.isfinite(before)]
        now = pair.values(column)[pair.split :]
        if (
            pair.is_discrete(column)
            or before.size < _LEAST_ROWS
            or not pair.reference.is_constant(column)
            or np.allclose(now[np.isfinite(now)], before[0], rtol=1e-12, atol=0.0)
        ):
            return self.otherwise(pair, column, parents, others)
        return _judged(pair, column, parents, float(before[0]))


def _judged(
    pair: WindowPair, column: str, parents: tuple[str, ...], usual: float
) -> MechanismTestResult:
    known = pair.complete((column, *parents))
    for parent in parents:
        known &= _seen_before(pair, parent, known)
    now = pair.is_current == 1
    rows = int((known & ~now).sum()), int((known & now).sum())
    if rows[0] < _LEAST_ROWS:
        return MechanismTestResult(None, Untestable.TOO_FEW_ROWS, 1.0, sum(rows))
    there = max(1, int((pair.complete((column, *parents)) & now).sum()))
    overlap = rows[1] / there
    if rows[1] < _LEAST_ROWS:
        return MechanismTestResult(None, Untestable.NO_OVERLAP, overlap, sum(rows))
    varies = known & now & (pair.values(column) != usual)
    share = float(varies.sum()) / rows[1]
    untestable = None
    if pair.clusters is not None:
        units = [len(np.unique(pair.clusters[r])) for r in (known & ~now, known & now, varies)]
        p_value = _all_in_current(units[2], units[0], units[1])
    else:
        count = _independent(varies[known & now])
        p_value = _all_in_current(count, *rows)
        if _all_in_current(float(varies.sum()), *rows) < _SURE < p_value:
            untestable = Untestable.TOO_DEPENDENT
    pooled = varies.sum() / sum(rows)
    name = f"share of values other than {usual:.6g}"
    if pair.current.is_constant(column) and varies.any():
        name += f" (all are {pair.values(column)[pair.split :][varies[pair.split :]][0]:.6g} now)"
    component = Component(
        name,
        share,
        float(np.sqrt((share * (1 - share) + 1 / rows[1]) / rows[1])),
        "probability",
        float(-ndtri(max(p_value, 1e-300) / 2)),
        float(np.sqrt(pooled * (1 - pooled))),
    )
    tested = p_value if untestable is None else None
    return MechanismTestResult(tested, untestable, overlap, sum(rows), (component,))


def _seen_before(pair: WindowPair, parent: str, known: BoolArray) -> BoolArray:
    """Return in which pooled rows a parent has a value of the reference's, or within its range."""
    values = pair.values(parent)
    before = values[: pair.split][known[: pair.split]]
    if not before.size:
        return np.zeros(len(values), dtype=bool)
    if pair.is_discrete(parent):
        return np.isin(values, np.unique(before))
    inside: BoolArray = (before.min() <= values) & (values <= before.max())
    return inside


def _independent(varies: BoolArray) -> float:
    """Return how many independent rows the rows with another value are worth."""
    count = int(varies.sum())
    if not count:
        return 0.0
    first = int(np.argmax(varies))
    if varies[first:].mean() >= 1 - _STILL:
        return float(count)
    stretches = int(varies[0]) + int((varies[1:] & ~varies[:-1]).sum())
    # Scattered rows stand alone unless another one happens to follow.
    return min(float(count), stretches / (1 - float(varies.mean())))


def _all_in_current(count: float, before: int, now: int) -> float:
    """Return twice the chance that so many rows, dealt at random, all lie in the current window.

    Twice, since a number that ceases to vary is looked for as well.
    """
    if not count:
        return 1.0
    terms = np.array([now + 1.0, now - count + 1, before + now - count + 1, before + now + 1.0])
    signs: FloatArray = np.array([1.0, -1.0, 1.0, -1.0])
    return min(1.0, 2 * float(np.exp(min(0.0, float((gammaln(terms) * signs).sum())))))
