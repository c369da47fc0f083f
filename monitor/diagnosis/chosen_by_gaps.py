"""Rows chosen by their gaps: of a change among those that are complete, what is sure.

Who gets a blood test may follow from the very column that was learned to follow from its result.
Rows in which the result is known are then chosen by the column that is tested: when they come to be
chosen otherwise, P(column | result) among them moves, and the column did not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import chdtrc

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.effects.propensity import expit, logistic_ridge
from whydrift.monitor.diagnosis.gaps import ThinnedPair
from whydrift.monitor.diagnosis.mechanism.base import MechanismTest, MechanismTestResult
from whydrift.monitor.diagnosis.pair import WindowPair
from whydrift.monitor.diagnosis.side_by_side import side_by_side

__all__ = ["ChosenByGaps"]

_LOW = 0.05  # p-values above it need no second look
_FEW = 0.02  # share of missing values in either window, up to which they choose nothing
_LEAST_ROWS = 20  # with gaps, and without, to say what these follow
_ROWS_PER_FEATURE = 10
_MOST_BESIDE = 5  # columns beside one with gaps that may tell where they are
_FOLLOWS = 0.05  # level of "it says where the gaps are"
_MOST_BINS, _LEAST_BINS, _ROWS_PER_BIN = 40, 12, 100
_SEED = 0


@dataclass(frozen=True)
class ChosenByGaps:
    """A mechanism test whose rejections hold where gaps choose alike rows in both windows, too.

    That the parents with gaps have values may follow from the column X itself beside its other
    parents W: a row that has them is then kept with the chance min(π₀, π₁)/π, where π₀ and π₁ are
    the chances in the two windows that such a row has them, given X and W, and π that of its own.
    Rows kept are chosen alike in both windows, and P(X | parents) among them is the same if it is
    the same among all. X's own gaps may follow from columns that are none of its parents, so that
    rows that have X are thinned likewise, given W and those.

    If gaps follow from the parents alone, or from values that are missing, complete rows need no
    such thing, and thinned ones would mislead. Which of the two holds is not known: the larger
    p-value counts. Where neither X nor another column says where the gaps are, given W, the first
    answer stands.

    Parameters
    ----------
    make : callable
        Makes the test; another one for each choice of rows.

    References
    ----------
    Little & Rubin (2019), Statistical Analysis with Missing Data, section 3.2: complete rows serve
    where gaps do not depend on the outcome given the covariates.
    Bareinboim, Tian & Pearl (2014), Recovering from selection bias in causal and statistical
    inference.
    """

    make: Callable[[], MechanismTest]

    @cached_property
    def _first(self) -> MechanismTest:
        return self.make()

    def __call__(
        self,
        pair: WindowPair,
        column: str,
        parents: tuple[str, ...],
        others: tuple[str, ...] = (),
    ) -> MechanismTestResult:
        """Test one column given its parents, and others that it should not depend on besides."""
        result = self._first(pair, column, parents, others)
        if result.p_value is None or result.p_value > _LOW:
            return result
        kept = _chosen_alike(pair, column, parents)
        if kept is None:
            return result
        second = self.make()(ThinnedPair.of(pair, kept), column, parents, others)
        if second.p_value is not None and second.p_value < result.p_value:
            return result
        return second


def _chosen_alike(pair: WindowPair, column: str, parents: tuple[str, ...]) -> BoolArray | None:
    """Return the rows to keep, of those that are complete; None for all of them."""
    gappy = tuple(p for p in parents if _has_gaps(pair, p))
    given = tuple(p for p in parents if p not in gappy)
    rows = pair.complete(given)
    kept = None
    if _has_gaps(pair, column):
        beside = _telling_of_gaps(pair, column, {column, *parents})
        kept = _thinned(pair, rows, pair.observed(column), given, beside)
    if gappy:
        rows = rows & pair.observed(column)
        own = _thinned(pair, rows, pair.complete(gappy), given, (column,))
        kept = _both(kept, own)
    return kept


def _both(one: BoolArray | None, other: BoolArray | None) -> BoolArray | None:
    if one is None or other is None:
        return one if other is None else other
    return one & other


def _has_gaps(pair: WindowPair, name: str) -> bool:
    there = pair.observed(name)
    if there.all():
        return False
    return bool(min(there[: pair.split].mean(), there[pair.split :].mean()) < 1 - _FEW)


def _telling_of_gaps(pair: WindowPair, column: str, named: set[str]) -> tuple[str, ...]:
    """Return the columns with hardly a gap that say most of which rows lack a value of another."""
    mark = pair.observed(column) - pair.observed(column).mean()
    told: dict[str, float] = {}
    for name in pair.names:
        if name not in named and not _has_gaps(pair, name):
            linear = np.nan_to_num(pair.features(name).linear)
            spread = linear.std(axis=0)
            r = np.divide(mark @ linear, spread, where=spread > 0, out=0.0 * spread)
            told[name] = float(np.abs(r).max(initial=0.0))
    return tuple(sorted(told, key=lambda n: -told[n])[:_MOST_BESIDE])


def _thinned(
    pair: WindowPair,
    rows: BoolArray,
    known: BoolArray,
    given: tuple[str, ...],
    telling: tuple[str, ...],
) -> BoolArray | None:
    """Return the rows to keep so that values are known as often in both windows.

    None where that says nothing of them beside what is given.

    Parameters
    ----------
    pair : WindowPair
    rows : ndarray of bool, shape (n_pooled,)
        Of which it is asked.
    known : ndarray of bool, shape (n_pooled,)
        Which of them have these values.
    given, telling : tuple of str
        Columns, the former without gaps in these rows.
    """
    label, current = known[rows].astype(np.float64), pair.is_current[rows]
    if min(label.sum(), (1 - label).sum()) < _LEAST_ROWS:
        return None
    plain = _features(pair, given, rows)
    full = side_by_side([plain, _features(pair, telling, rows)[:, 1:]])
    width = full.shape[1]
    if width == plain.shape[1] or 2 * width * _ROWS_PER_FEATURE > len(label):
        return None
    with_it, beta = _fitted(full, label, current)
    without, _ = _fitted(plain, label, current)
    if chdtrc(2 * (width - plain.shape[1]), max(0.0, 2 * (with_it - without))) > _FOLLOWS:
        return None
    steps = _steps(pair, telling, rows)
    if steps.shape[1]:
        full = side_by_side([full, steps])
        width = full.shape[1]
        _, beta = _fitted(full, label, current)
    before, after = expit(full @ beta[:width]), expit(full @ (beta[:width] + beta[width:]))
    keep = np.minimum(before, after) / np.where(current == 1, after, before)
    out = np.ones(len(rows), dtype=bool)
    out[rows] = np.random.default_rng(_SEED).random(len(keep)) < keep
    return out


def _features(pair: WindowPair, names: tuple[str, ...], rows: BoolArray) -> FloatArray:
    """Return an intercept and the features of columns; a few gaps have the middle of all values."""
    basis = (np.nan_to_num(pair.features(n).basis[rows]) for n in names)
    return side_by_side([np.ones(int(rows.sum())), *basis])


def _steps(pair: WindowPair, names: tuple[str, ...], rows: BoolArray) -> FloatArray:
    """Return in which of some equal bins the first number lies: gaps may begin at a limit.

    No columns where rows are few: what the share of a bin is off by chance would thin, too.
    """
    count, numbers = int(rows.sum()), [n for n in names if not pair.is_discrete(n)]
    bins = min(_MOST_BINS, count // _ROWS_PER_BIN)
    if not numbers or bins < _LEAST_BINS:
        return np.empty((count, 0))
    score = np.nan_to_num(pair.features(numbers[0]).linear[rows, 0])
    edges = np.quantile(score, np.arange(1, bins) / bins)
    bin_of = np.searchsorted(edges, score, side="right")
    out: FloatArray = (bin_of[:, None] == np.arange(1, bins)).astype(np.float64)
    return out


def _fitted(
    features: FloatArray, label: FloatArray, current: FloatArray
) -> tuple[float, FloatArray]:
    """Return the log likelihood of a logistic model of each window, and its coefficients."""
    design = side_by_side([features, features * current[:, None]])
    beta = logistic_ridge(design, label)
    eta = design @ beta
    return float(label @ eta - np.logaddexp(0.0, eta).sum()), beta
