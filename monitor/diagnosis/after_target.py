"""Columns that tell a target outright, and so came after it: what was paid beside who bought.

Such a column leaves nothing of the target for its causes to tell: given it the target never
changes, and a graph can have the two either way round. What is predicted is not known yet, though,
and a model that could have read the answer would follow it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["after_target", "with_after"]

_MOST_LEVELS = 50
_LEAST_ROWS = 20  # of the rarer answer
_MOST_AGAINST = 0.02  # of the rows with another answer than the commonest


def after_target(
    reference: Snapshot,
    names: Sequence[str],
    target: str,
    read: Collection[str],
    *,
    has_prediction: bool,
) -> tuple[str, ...]:
    """Return the columns that tell what a category is, in nearly every row.

    Parameters
    ----------
    reference : Snapshot
        Where it is looked at: what broke in the current window is another matter.
    names : sequence of str
        Columns asked about.
    target : str
        The column told; of a number, or one of many levels, nothing is said.
    read : collection of str
        What the prediction follows: that was there before.
    has_prediction : bool
        Without one only numbers are looked at that are nothing where the target is one thing, and
        something where it is the other: whether comes before how much. A category that tells
        another may as well be its cause.
    """
    if not reference.schema[target].kind.is_discrete:
        return ()
    answers = reference.column(target)
    found = []
    for name in names:
        if name == target or name in read:
            continue
        levels = _levels(reference, name, has_prediction=has_prediction)
        if levels is not None and _tells(levels, answers):
            found.append(name)
    return tuple(found)


def with_after(
    known: Knowledge, target: str, after: Sequence[str]
) -> tuple[Knowledge, tuple[str, ...]]:
    """Return what is known, and that some columns cause neither a target nor what came before it.

    Parameters
    ----------
    known : Knowledge
        What contradicts it is not assumed.
    target : str
        The target.
    after : sequence of str
        See `after_target`.

    Returns
    -------
    known : Knowledge
    taken : tuple of str
        Those of which it is assumed.
    """
    taken = tuple(
        n for n in after if known.allows(target, n) and (n, target) not in {*known.required}
    )
    before = [n for cause, n in known.forbidden if cause == target]
    edges = ((n, other) for n in taken for other in (target, *before) if other != n)
    new = tuple(edge for edge in edges if edge not in {*known.required})
    return replace(known, forbidden=tuple(dict.fromkeys((*known.forbidden, *new)))), taken


def _levels(reference: Snapshot, name: str, *, has_prediction: bool) -> FloatArray | None:
    """Return a category's codes, or whether a number is at its end; None where it is neither."""
    values = reference.column(name)
    present = np.isfinite(values)
    if reference.schema[name].kind.is_discrete:
        if not has_prediction or np.unique(values[present]).size > _MOST_LEVELS:
            return None
        return np.where(present, values, -1.0)
    if not present.all():
        return None
    ends = (values == values.min(), values == values.max())
    at_end: FloatArray = max(ends, key=np.count_nonzero).astype(np.float64)
    return at_end


def _tells(levels: FloatArray, answers: FloatArray) -> bool:
    """Whether nearly all rows of a level have one and the same answer, and not all rows do."""
    present = np.isfinite(answers)
    if not present.any():
        return False
    _, level = np.unique(levels[present], return_inverse=True)
    _, answer = np.unique(answers[present], return_inverse=True)
    table = _crossed(level, answer)
    rarer = int(table.sum() - table.sum(axis=0).max())
    against = int(table.sum() - table.max(axis=1).sum())
    return rarer >= _LEAST_ROWS and against <= _MOST_AGAINST * rarer


def _crossed(level: IntArray, answer: IntArray) -> IntArray:
    shape = int(level.max()) + 1, int(answer.max()) + 1
    flat = np.bincount(level * shape[1] + answer, minlength=shape[0] * shape[1])
    out: IntArray = flat.reshape(shape)
    return out
