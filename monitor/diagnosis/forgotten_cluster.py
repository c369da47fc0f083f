"""Finds a column that names whose rows they are, and was not named as the cluster.

A category, or a whole number that is called an id. What a number measures goes up and down with
it: users with neighbouring numbers have no more in common than others. So have prices of a list,
and lengths of texts, which are no ids.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from scipy.special import fdtrc, ndtr

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.whole_numbers import are_whole

__all__ = ["Forgotten", "forgotten_cluster"]

_LEAST_LEVELS = 10  # in each window
_MANY_LEVELS = 30
_MOST_LEVELS = 0.5  # of the rows, of a number: several have the same
_SOME = 50  # rows that tell most numbers
_LEAST_NEW = 0.2  # share of current rows: what comes and goes names users, not kinds
_ID = re.compile(
    r"(^|[^a-z])(id|ids|uid|guid|key|user|users|customer|client|account|member|session|device|patient|"
    r"driver|merchant|store|shop|site|machine|household|company)($|[^a-z]|id$|key$|no$|nr$)|[a-z]Id$|ID$",
)
# Mean square of the step to the next level, beside the variance between levels: 2 where the order
# of the levels means nothing, and less the more it does.
_STEPS_APART = 1.0
_SAME = 1e-12  # of the variance: what rounding leaves of none
_LEVEL = 1e-6  # at which rows of one level are alike, over all pairs of columns


@dataclass(frozen=True)
class Forgotten:
    """A column that may say whose rows they are.

    Parameters
    ----------
    name : str
        The column.
    is_clear : bool
        Whether it has many values, and they go as well as come: new countries or campaigns come,
        users come and go.
    """

    name: str
    is_clear: bool


def forgotten_cluster(
    reference: Snapshot, current: Snapshot, names: tuple[str, ...]
) -> Forgotten | None:
    """Return the column whose values come and go and whose rows are alike in some other column.

    In a number; of what is called an id, in a category too.

    Parameters
    ----------
    reference, current : Snapshot
        With the same meaning of category codes.
    names : tuple of str
        Columns that both have.
    """
    numbers = [n for n in names if reference.schema[n].kind.is_numeric]
    categories = [n for n in names if reference.schema[n].kind.is_discrete]
    for name in names:
        is_number = not reference.schema[name].kind.is_discrete
        before, after = reference.column(name), current.column(name)
        seen = np.isfinite(before)
        now = after[np.isfinite(after)]
        if is_number and not (_ID.search(name) and _may_be_names(before[seen][:_SOME])):
            continue
        levels, code = np.unique(before[seen], return_inverse=True)
        levels_now = np.unique(now)
        fewest = min(len(levels), len(levels_now))
        if fewest < _LEAST_LEVELS:
            continue
        if is_number and not (len(levels) <= _MOST_LEVELS * len(code) and are_whole(levels)):
            continue
        if np.isin(now, levels, invert=True).mean() < _LEAST_NEW:
            continue
        alike = _apart if is_number else _alike
        # What is called an id has no kinds: a device that all rows of one have in common is theirs.
        asked = [*numbers, *(categories if _ID.search(name) else ())]
        others = [n for n in asked if n != name]
        limit = _LEVEL / max(1, len(asked) * len(names))
        if any(alike(_score(reference, n)[seen], code) < limit for n in others):
            gone = float(np.isin(before[seen], levels_now, invert=True).mean())
            return Forgotten(name, fewest >= _MANY_LEVELS and gone >= _LEAST_NEW)
    return None


def _score(reference: Snapshot, name: str) -> FloatArray:
    """Return a number's rank, or where a category's commonest level is, as a number."""
    if not reference.schema[name].kind.is_discrete:
        return reference.rank_scores(name)
    codes = reference.column(name)
    seen = np.isfinite(codes)
    if not seen.any():
        return codes
    commonest = int(np.bincount(codes[seen].astype(np.int64)).argmax())
    return np.where(seen, codes == commonest, np.nan)


def _may_be_names(values: FloatArray) -> bool:
    """Whether the first values are whole numbers, not all of them small."""
    return bool(values.size and are_whole(values) and values.max() > _LEAST_LEVELS)


def _apart(score: FloatArray, level: IntArray) -> float:
    """Return the p-value of "neighbouring levels differ by chance alone" (von Neumann 1941).

    Where the number of a level means something, means of neighbours differ by little more than
    their errors.
    """
    seen = np.isfinite(score)
    value, number = score[seen], np.unique(level[seen], return_inverse=True)[1]
    rows = np.bincount(number)
    freedom = len(value) - len(rows)
    if len(rows) < _LEAST_LEVELS or freedom < 1:
        return 1.0
    means = np.bincount(number, value) / rows
    variance = float(((value - means[number]) ** 2).sum()) / freedom
    squares = np.diff(means) ** 2
    if variance <= _SAME * value.var():  # all rows of one level have the same
        is_apart = squares.mean() > _STEPS_APART * means.var()
        return 0.0 if is_apart else 1.0
    steps = squares / (variance * (1 / rows[1:] + 1 / rows[:-1]))
    error = np.sqrt(3 / len(steps) + 2 / freedom)  # neighbouring steps share a mean
    return float(ndtr(-(steps.mean() - 1) / error))


def _alike(score: FloatArray, level: IntArray) -> float:
    """Return the p-value of "rows of one level are as different as any" (analysis of variance)."""
    seen = np.isfinite(score)
    value, number = score[seen], np.unique(level[seen], return_inverse=True)[1]
    if not value.size:
        return 1.0
    rows = np.bincount(number)
    means = np.bincount(number, value) / rows
    between = float(rows @ (means - value.mean()) ** 2)
    within = float(((value - means[number]) ** 2).sum())
    freedom = len(rows) - 1, len(value) - len(rows)
    if min(freedom) < 1 or within <= 0:
        return 1.0
    return float(fdtrc(*freedom, between / freedom[0] / (within / freedom[1])))
