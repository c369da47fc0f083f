"""Columns that are made of the target and the prediction: errors, losses, hits and misses.

They are known when the target is, and follow from it. Beside the prediction, which is in no graph,
such a column looks like a cause: it tells the target to the last digit. A broken mechanism of the
target would be called one of the error, and the target itself sound.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.scores.features import rank_normal
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.faults.loss_identity import as_numbers

__all__ = ["made_of_outcome"]

_SAME = (
    0.999  # rank correlation from which on one column is a function of another, but for rounding
)
_LIKE = 0.9  # the same on a few rows: what is below it is not looked at closely
_USED = 0.99  # share of the rows in which a ratio exists
_LEAST_SIDE = 0.02  # of the errors are above, and below
_LEAST_ROWS = 20
_PROBES, _MOST_ROWS = 40, 2_000


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
    truth, guess = (_values(reference, name) for name in (target, prediction))
    known = np.flatnonzero(np.isfinite(truth) & np.isfinite(guess))
    if known.size < _LEAST_ROWS:
        return ()
    # A part that the prediction leaves out on purpose is of one sign, and an input.
    error = truth[known] - guess[known]
    if min(float((error > 0).mean()), float((error < 0).mean())) < _LEAST_SIDE:
        return ()
    probe, some = (_spaced(known, most) for most in (_PROBES, _MOST_ROWS))
    ways = [_ranks(np.nan_to_num(made)) for made in _made(truth[probe], guess[probe])]
    seen = np.array([way for way in ways if way is not None])
    return tuple(
        name
        for name in names
        if _may_follow(reference.column(name)[probe], seen)
        and _follows(reference.column(name), truth, guess, some)
    )


def _may_follow(values: FloatArray, seen: FloatArray) -> bool:
    """Whether a few values have about the order of one of some; seen : (n_ways, n_rows)."""
    ranks = _ranks(values) if np.isfinite(values).all() else None
    return ranks is None or not seen.size or bool(np.abs(seen @ ranks).max() >= _LIKE)


def _spaced(rows: IntArray, most: int) -> IntArray:
    if rows.size <= most:
        return rows
    return rows[np.linspace(0, rows.size - 1, most).astype(np.int64)]


def _follows(values: FloatArray, truth: FloatArray, guess: FloatArray, rows: IntArray) -> bool:
    """Whether a column has the order of something made of both, and of neither alone."""
    rows = rows[np.isfinite(values[rows])]
    if rows.size < _LEAST_ROWS:
        return False
    ranks, both = _ranks(values[rows]), (truth[rows], guess[rows])
    # A copy of one of them is another matter: a leak, or a second model.
    if ranks is None or any(_agrees(ranks, one) for one in both):
        return False
    return any(_agrees(ranks, made) for made in _made(*both))


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
    if used.mean() < _USED:
        return False
    known, own = _ranks(other[used]), ranks[used]
    own = own - own.mean()
    size = float(np.sqrt(own @ own))
    return known is not None and size > 0 and abs(float(own @ known)) >= _SAME * size


def _ranks(values: FloatArray) -> FloatArray | None:
    """Return ranks with mean 0 and length 1, None where all are the same."""
    ranks = rank_normal(values)
    ranks -= ranks.mean()
    size = float(np.sqrt(ranks @ ranks))
    return None if size == 0 else ranks / size


def _values(window: Snapshot, name: str) -> FloatArray:
    """Return numbers, also of classes named by them; of others their codes."""
    values = as_numbers(window, name)
    return window.column(name) if values is None else values
