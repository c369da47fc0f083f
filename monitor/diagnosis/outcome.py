"""Columns that are made of the target and the prediction: errors, losses, hits and misses.

They are known when the target is, and follow from it. Beside the prediction, which is in no graph,
such a column looks like a cause: it tells the target to the last digit. A broken mechanism of the
target would be called one of the error, and the target itself sound.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.stats import rankdata

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["made_of_outcome"]

_SAME = (
    0.999  # rank correlation from which on one column is a function of another, but for rounding
)
_LEAST_ROWS = 20
_MOST_ROWS = 2_000


def made_of_outcome(
    reference: Snapshot, target: str, prediction: str, names: Sequence[str]
) -> tuple[str, ...]:
    """Return the columns that follow from the target and the prediction together.

    Any increasing or decreasing function of their difference, its size, their ratio, its size, or
    of whether they agree.

    Parameters
    ----------
    reference : Snapshot
        Where both are.
    target, prediction : str
        Columns.
    names : sequence of str
        Columns that may be made of them.
    """
    truth, guess = _numbers(reference, target), _numbers(reference, prediction)
    if truth is None or guess is None:
        return ()
    out = []
    for name in names:
        values = reference.column(name)
        known = np.flatnonzero(np.isfinite(values) & np.isfinite(truth) & np.isfinite(guess))
        if known.size < _LEAST_ROWS:
            continue
        if known.size > _MOST_ROWS:
            known = known[np.linspace(0, known.size - 1, _MOST_ROWS).astype(np.int64)]
        ranks = _ranks(values[known])
        if ranks is None:
            continue
        both = truth[known], guess[known]
        # A copy of one of them is another matter: a leak, or a second model.
        if any(_agrees(ranks, one) for one in both):
            continue
        if any(_agrees(ranks, made) for made in _made(*both)):
            out.append(name)
    return tuple(out)


def _made(truth: FloatArray, guess: FloatArray) -> Iterator[FloatArray]:
    error = truth - guess
    yield error
    yield np.abs(error)
    with np.errstate(divide="ignore", invalid="ignore"):
        yield error / truth
        yield np.abs(error / truth)
        yield error / guess
        yield np.abs(error / guess)
        yield np.abs(error) / (np.abs(truth) + np.abs(guess))
    yield (error > 0).astype(np.float64)
    yield (truth == guess).astype(np.float64)
    yield (truth == np.round(guess)).astype(np.float64)


def _agrees(ranks: FloatArray, other: FloatArray) -> bool:
    used = np.isfinite(other)
    if used.mean() < _SAME:
        return False
    known = _ranks(other[used])
    own = ranks[used]
    own = own - own.mean()
    size = float(np.sqrt(own @ own))
    return known is not None and size > 0 and abs(float(own @ known)) >= _SAME * size


def _ranks(values: FloatArray) -> FloatArray | None:
    """Return ranks with mean 0 and length 1, None where all are the same."""
    ranks = rankdata(values)
    ranks -= ranks.mean()
    size = float(np.sqrt(ranks @ ranks))
    return None if size == 0 else ranks / size


def _numbers(window: Snapshot, name: str) -> FloatArray | None:
    """Return a column as numbers, also classes that are named by numbers."""
    values, column = window.column(name), window.schema[name]
    if not column.kind.is_discrete:
        return values
    try:
        table = np.array([float(c) for c in column.categories])
    except ValueError:
        table = np.arange(len(column.categories), dtype=np.float64)  # whether they agree is left
    out = np.full(values.shape, np.nan)
    known = np.isfinite(values) & (values >= 0) & (values < len(table))
    out[known] = table[values[known].astype(np.int64)]
    return out
