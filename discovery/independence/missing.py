"""Fisher's z where whether a value is missing depends on other columns.

Rows that lack a value are left out, and the rest is no fair draw where that depends on a common
effect of X and Y: the two look dependent. Weighting each row by one over its chance of being
complete brings back the full population.

References
----------
Tu, Zhang, Ackermann, Mohan, Kjellström & Zhang (2019), Causal discovery in the presence of
missing data: the density-ratio weighted correction.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from scipy.special import expit, stdtr

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.independence.base import Built
from whydrift.discovery.independence.evidence import ALIKE, Evidence, row_evidence
from whydrift.discovery.independence.fisher_z import FisherZ
from whydrift.discovery.scores.features import rank_normal
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["CorrectedFisherZ", "mc_fisher_z"]

_LEAST_MISSING = 10  # values; of fewer no cause can be seen
_LEVEL = 0.01  # of the tests for what missing values depend on
_MOST_CAUSES = 5  # of one column's missing values, the strongest
_LEAST_CHANCE = 0.05  # a row never stands for more than twenty
_LEAST_ROWS = 20
_RIDGE = 1.0
_STEPS = 25
_DETERMINED = 1e-9


class CorrectedFisherZ:
    """Fisher's z, with weights where leaving out incomplete rows would make X and Y dependent.

    What a column's missing values depend on is found by tests of its missingness indicator. A
    test is corrected when the missing values of its columns depend on a column outside it, or on
    both X and Y; it is then a weighted regression on Z with a variance that is right for weights.
    All others are plain Fisher z on the complete rows.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
        NaN where missing.
    evidence : Evidence
        Weights and clusters.

    Attributes
    ----------
    causes : dict of int to tuple of int
        Columns with missing values, and the columns that these depend on.
    """

    def __init__(self, values: FloatArray, evidence: Evidence = ALIKE) -> None:
        self._plain = FisherZ(values, evidence)
        self._seen = np.isfinite(values)
        self._values = np.where(self._seen, values, 0.0)
        count = len(values)
        self._weights = np.ones(count) if evidence.weights is None else evidence.weights
        self._clusters = evidence.clusters
        self.causes = _causes(values, evidence)
        self._inverse = {
            column: _inverse_chances(self._seen[:, column], values[:, list(causes)], self._weights)
            for column, causes in self.causes.items()
        }

    def __call__(self, x: IntArray, y: IntArray, given: IntArray) -> FloatArray:
        """Return two-sided p-values; see `IndependenceTest`."""
        out = self._plain(x, y, given)
        if not self.causes:
            return out
        for place, (a, b, others) in enumerate(zip(x.tolist(), y.tolist(), given, strict=True)):
            involved = self._involved(a, b, others)
            if involved is not None:
                out[place] = self._corrected(a, b, others, involved)
        return out

    def _involved(self, x: int, y: int, given: IntArray) -> set[int] | None:
        """Return the columns that must be seen for a corrected test; None if it needs none."""
        own = {x, y, *given.tolist()}
        involved, todo = set(own), list(own)
        causes: set[int] = set()
        while todo:
            for cause in self.causes.get(todo.pop(), ()):
                causes.add(cause)
                if cause not in involved:
                    involved.add(cause)
                    todo.append(cause)
        return involved if involved != own or {x, y} <= causes else None

    def _corrected(self, x: int, y: int, given: IntArray, involved: set[int]) -> float:
        rows = self._seen[:, sorted(involved)].all(axis=1) & (self._weights > 0)
        weights = self._weights[rows]
        for column in involved & self._inverse.keys():
            weights = weights * self._inverse[column][rows]
        if rows.sum() < _LEAST_ROWS:
            return float("nan")
        root = np.sqrt(weights / weights.mean())[:, None]
        design = np.column_stack([np.ones(len(root)), self._values[rows][:, given]])
        both = self._values[rows][:, [x, y]]
        both = both - np.average(both, axis=0, weights=weights)
        slopes = np.linalg.lstsq(design * root, both * root, rcond=None)[0]
        rest = (both - design @ slopes) * root
        if ((rest**2).sum(axis=0) <= _DETERMINED * ((both * root) ** 2).sum(axis=0)).any():
            return float("nan")
        products = rest[:, 0] * rest[:, 1]
        if self._clusters is not None:
            products = np.bincount(self._clusters[rows], products)
            products = products[np.bincount(self._clusters[rows]) > 0]
        rows_left = min(len(products), weights.sum() ** 2 / (weights**2).sum())
        freedom = rows_left - design.shape[1] - 1
        if freedom < 1:
            return float("nan")
        t = products.sum() / np.sqrt((products**2).sum()) * np.sqrt(freedom / rows_left)
        return float(2 * stdtr(freedom, -abs(t)))


def _causes(values: FloatArray, evidence: Evidence) -> dict[int, tuple[int, ...]]:
    """Return what each column's missing values depend on, where anything.

    A column is a cause if no one or two others make it independent of the missingness indicator.
    """
    missing = ~np.isfinite(values)
    enough = missing.sum(axis=0) >= _LEAST_MISSING
    enough &= missing.sum(axis=0) <= len(values) - _LEAST_MISSING
    columns = np.flatnonzero(enough)
    if not columns.size:
        return {}
    width = values.shape[1]
    test = FisherZ(np.column_stack([values, missing[:, columns].astype(np.float64)]), evidence)
    out = {}
    for place, column in enumerate(columns.tolist()):
        others = np.delete(np.arange(width), column)
        indicator = width + place
        p_values = _ask(test, indicator, others, ())
        order = others[np.argsort(p_values, kind="stable")]
        left = [int(o) for o in order[np.sort(p_values) < _LEVEL]][: 2 * _MOST_CAUSES]
        for size in (1, 2):
            left = [
                candidate
                for candidate in left
                if all(
                    not _ask(test, indicator, np.array([candidate]), subset)[0] > _LEVEL
                    for subset in combinations([o for o in left if o != candidate], size)
                )
            ]
        if left:
            out[column] = tuple(sorted(left[:_MOST_CAUSES]))
    return out


def _ask(test: FisherZ, x: int, others: IntArray, given: tuple[int, ...]) -> FloatArray:
    count = len(others)
    conditions = np.tile(np.array(given, dtype=np.int64), (count, 1))
    return test(np.full(count, x), others, conditions)


def _inverse_chances(seen: BoolArray, causes: FloatArray, weights: FloatArray) -> FloatArray:
    """Return one over each row's chance of being seen given the causes; NaN where they are not."""
    scores = np.column_stack([rank_normal(cause) for cause in causes.T])
    present = np.isfinite(scores).all(axis=1)
    scores = scores[present]
    design = np.column_stack([np.ones(len(scores)), scores, scores**2 - 1])
    slopes = _logistic(design, seen[present].astype(np.float64), weights[present])
    out = np.full(len(seen), np.nan)
    out[present] = 1 / np.maximum(expit(design @ slopes), _LEAST_CHANCE)
    return out


def _logistic(design: FloatArray, outcome: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the slopes of a ridge logistic regression, by Newton steps."""
    slopes = np.zeros(design.shape[1])
    ridge = np.full(design.shape[1], _RIDGE)
    ridge[0] = 1e-6
    for _ in range(_STEPS):
        chance = expit(design @ slopes)
        gradient = design.T @ (weights * (outcome - chance)) - ridge * slopes
        curvature = (design.T * (weights * chance * (1 - chance))) @ design + np.diag(ridge)
        step = np.linalg.solve(curvature, gradient)
        slopes = slopes + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-8:
            break
    return slopes


def mc_fisher_z(snapshot: Snapshot, names: tuple[str, ...]) -> Built:
    """Build the test on the values as they are; a note names what missing values depend on."""
    evidence, notes = row_evidence(snapshot)
    test = CorrectedFisherZ(snapshot.columns(names), evidence)
    return test, (*notes, *_told(test.causes, names))


def _told(causes: dict[int, tuple[int, ...]], names: Sequence[str]) -> list[Note]:
    return [
        Note(
            "missingness_corrected",
            names[column],
            f"whether {names[column]!r} is missing depends on "
            f"{', '.join(repr(names[c]) for c in those)}; tests that lose rows so are reweighted",
        )
        for column, those in causes.items()
    ]
