"""Which columns a prediction follows: those were there before what it predicts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import fdtrc

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.scores.features import category_features, number_features, rank_normal
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["read_by_model"]

_MOST_ROWS, _LEAST_ROWS = 4_000, 100
_MOST_COLUMNS = 60
_LEAST_SHARE = 0.03  # of what else the others leave of the prediction
_LEVEL = 1e-3
_RIDGE = 1e-6


def read_by_model(reference: Snapshot, prediction: str, names: Sequence[str]) -> frozenset[str]:
    """Return the columns without which a prediction cannot be told as well.

    A function of its inputs depends on each of them given the others, and on nothing else given
    all. Each column's features are left out of a regression in turn.

    Parameters
    ----------
    reference : Snapshot
        Where the prediction was made.
    prediction : str
        Its column.
    names : sequence of str
        Columns asked about, the target not among them; of very many the first.
    """
    names = list(names)[:_MOST_COLUMNS]
    block = np.column_stack([reference.column(n) for n in (*names, prediction)])
    rows = np.flatnonzero(np.isfinite(block).all(axis=1))
    if len(rows) < _LEAST_ROWS or not names:
        return frozenset()
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), _MOST_ROWS)).astype(np.int64)]
    parts = [_features(reference, n, block[rows, k]) for k, n in enumerate(names)]
    last = _features(reference, prediction, block[rows, -1], is_result=True)
    design = np.column_stack([np.ones(len(rows)), *parts])
    if design.shape[1] > len(rows) // 5:
        return frozenset()
    gram = design.T @ design + _RIDGE * len(rows) * np.eye(design.shape[1])
    inverse = np.linalg.inv(gram)
    slopes = inverse @ (design.T @ last)
    left = ((last - design @ slopes) ** 2).sum(axis=0)
    freedom = len(rows) - design.shape[1]
    found, start = set(), 1
    for name, part in zip(names, parts, strict=True):
        own = slice(start, start + part.shape[1])
        start += part.shape[1]
        if not part.shape[1]:
            continue
        # What leaving it out adds to the sum of squares (Wald).
        added = np.einsum("kr,kr->r", slopes[own], np.linalg.solve(inverse[own, own], slopes[own]))
        share = added / np.maximum(left, 1e-12 * len(rows))
        f_value = share / part.shape[1] * freedom
        if (share >= _LEAST_SHARE).any() and (
            fdtrc(part.shape[1], freedom, f_value).min() <= _LEVEL / len(names)
        ):
            found.add(name)
    return frozenset(found)


def _features(
    window: Snapshot, name: str, values: FloatArray, *, is_result: bool = False
) -> FloatArray:
    if window.schema[name].kind.is_discrete:
        return category_features(values).linear
    return rank_normal(values)[:, None] if is_result else number_features(values).basis
