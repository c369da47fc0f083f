"""Which columns a prediction follows: those were there before what it predicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.special import fdtrc

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.scores.features import category_features, number_features
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["MOST_COLUMNS", "read_by_model", "share_told"]

_MOST_ROWS, _LEAST_ROWS = 4_000, 100
MOST_COLUMNS = 60
_LEAST_SHARE = 0.03  # of what else the others leave of the prediction
_LEVEL = 1e-3
_LEAST_LEFT = 1e-6  # of the prediction's variance
_ROWS_PER_FEATURE = 5
_RIDGE = 1e-6


def read_by_model(reference: Snapshot, prediction: str, names: Sequence[str]) -> frozenset[str]:
    """Return the columns without which a prediction cannot be told as well.

    A function of its inputs depends on each of them given the others, and on nothing else given
    all. Each column's features are left out of a regression in turn, of the prediction as it is and
    of its rank: what a bend or a product lacks in one of them, a column that goes with the
    prediction (an effect of the target, say) may stand in for.

    Parameters
    ----------
    reference : Snapshot
        Where the prediction was made.
    prediction : str
        Its column.
    names : sequence of str
        Columns asked about, the target not among them; of very many the first.
    """
    names = list(names)[:MOST_COLUMNS]
    fit = _fit(reference, prediction, names)
    if fit is None:
        return frozenset()
    freedom = fit.rows - len(fit.slopes)
    found = set()
    for k, name in enumerate(names):
        own = np.array([place for place, of in enumerate(fit.owners) if k in of], dtype=np.int64)
        if not own.size:
            continue
        # What leaving it out adds to the sum of squares (Wald).
        slopes, block_of = fit.slopes[own], fit.inverse[np.ix_(own, own)]
        added = np.einsum("kr,kr->r", slopes, np.linalg.solve(block_of, slopes))
        share = added / fit.left
        is_needed = (share >= _LEAST_SHARE) & (
            fdtrc(own.size, freedom, share / own.size * freedom) <= _LEVEL / len(names)
        )
        if is_needed.any() if fit.is_class else is_needed.all():
            found.add(name)
    return frozenset(found)


def share_told(reference: Snapshot, prediction: str, names: Sequence[str]) -> float | None:
    """Return how much of a number's variance the columns tell; None where that is not known.

    Parameters are those of `read_by_model`.
    """
    fit = _fit(reference, prediction, list(names)[:MOST_COLUMNS])
    if fit is None or fit.is_class:
        return None
    return 1 - float(fit.left.min()) / fit.rows


@dataclass(frozen=True)
class _Fit:
    """A prediction regressed on columns: as it is and by its rank, or the levels of a class.

    Parameters
    ----------
    owners : list of frozenset of int
        Which column each feature is of: two for a product.
    inverse : ndarray of shape (f, f)
    slopes : ndarray of shape (f, n_responses)
    left : ndarray of shape (n_responses,)
        Sum of squares that is left.
    rows : int
    is_class : bool
    """

    owners: list[frozenset[int]]
    inverse: FloatArray
    slopes: FloatArray
    left: FloatArray
    rows: int
    is_class: bool


def _fit(reference: Snapshot, prediction: str, names: list[str]) -> _Fit | None:
    """Return the regression; None where the rows are too few for it."""
    block = np.column_stack([reference.column(n) for n in (*names, prediction)])
    rows = np.flatnonzero(np.isfinite(block).all(axis=1))
    if len(rows) < _LEAST_ROWS or not names:
        return None
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), _MOST_ROWS)).astype(np.int64)]
    is_discrete = [reference.schema[n].kind.is_discrete for n in (*names, prediction)]
    parts = [_features(values, c) for values, c in zip(block[rows].T, is_discrete, strict=True)]
    last = parts.pop() if is_discrete[-1] else parts.pop()[:, :2]
    owners = [frozenset({k}) for k, part in enumerate(parts) for _ in range(part.shape[1])]
    design = np.column_stack([*parts, np.ones(len(rows))])
    if design.shape[1] > len(rows) // _ROWS_PER_FEATURE:
        return None
    numbers = [k for k in range(len(names)) if not is_discrete[k]]
    pairs = list(combinations(numbers, 2))
    if design.shape[1] + len(pairs) <= len(rows) // _ROWS_PER_FEATURE:
        products = [parts[a][:, 1] * parts[b][:, 1] for a, b in pairs]
        design = np.column_stack([*parts, *products, np.ones(len(rows))])
        owners += [frozenset(pair) for pair in pairs]
    gram = design.T @ design + _RIDGE * len(rows) * np.eye(design.shape[1])
    inverse = np.asarray(np.linalg.inv(gram), dtype=np.float64)
    slopes = inverse @ (design.T @ last)
    # Of a function that is met exactly rounding alone is left.
    left = np.maximum(((last - design @ slopes) ** 2).sum(axis=0), _LEAST_LEFT * len(rows))
    return _Fit(owners, inverse, slopes, left, len(rows), is_discrete[-1])


def _features(values: FloatArray, is_discrete: bool) -> FloatArray:
    """Return indicators of levels, or a number's rank, the number itself and the bends of its rank.

    The number in sd around its mean.
    """
    if is_discrete:
        return category_features(values).linear
    spread = float(values.std())
    itself = (values - values.mean()) / (spread if spread > 0 else 1.0)
    basis = number_features(values).basis
    return np.column_stack([basis[:, :1], itself, basis[:, 1:]])
