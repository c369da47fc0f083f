"""Whether what goes with a number went with it as it is recorded: then it moved in the world."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.discovery.snapshot.schema import Role
from whydrift.monitor.diagnosis.faults.base import MOST_COLUMNS, Suspects
from whydrift.monitor.diagnosis.faults.conversion import LEAST_ROWS, fitting

__all__ = ["has_followed"]

# A prediction is made from what was recorded, be it right or wrong.
_SAYS_NOTHING = frozenset({Role.PREDICTION, Role.LOSS})
_LEAST_SHARE, _LEAST_CHI2 = 0.03, 25.0  # of its variance, and that times rows, to go with it
_MOST_SHARE = 0.98  # beyond it, it is computed from the record
_MOST_ERROR = 0.12  # of the way that it should have gone, to say anything
_FOLLOWED, _STAYED = 0.5, 0.25  # of that way
_SURELY = 2.5  # standard errors


def has_followed(
    suspects: Suspects,
    name: str,
    undone: FloatArray,
    rows: BoolArray | None = None,
    rows_before: BoolArray | None = None,
) -> bool:
    """Whether other columns went where a number would have taken them had it really moved.

    The target's word counts before the others': a cause of the number stays where it was, whether
    or not the number moved. Columns that look converted themselves say nothing, as they may come
    from the same broken feed, and neither do those that are computed from the number.

    Parameters
    ----------
    suspects : Suspects
        The windows.
    name : str
        The number.
    undone : ndarray of shape (n_current_sampled,)
        It, as it would be had only the record changed.
    rows, rows_before : ndarray of bool, optional
        In which rows of either window; None for all.
    """
    schema = suspects.reference.schema
    x, x_before = suspects.current.column(name), suspects.reference.column(name)
    here = np.ones(x.size, dtype=bool) if rows is None else rows
    there = np.ones(x_before.size, dtype=bool) if rows_before is None else rows_before
    any_followed = False
    others = [n for n in suspects.names_of_numbers if schema[n].role not in _SAYS_NOTHING]
    for other in sorted(others[:MOST_COLUMNS], key=lambda n: schema[n].role is not Role.TARGET):
        if other == name:
            continue
        y, y_before = suspects.current.column(other), suspects.reference.column(other)
        now = here & np.isfinite(x) & np.isfinite(y)
        then = there & np.isfinite(x_before) & np.isfinite(y_before)
        if min(now.sum(), then.sum()) < LEAST_ROWS:
            continue
        way = _way(x_before[then], y_before[then], x[now], undone[now], y[now])
        if way is None or fitting(y[now], y_before[then]) is not None:
            continue
        if schema[other].role is Role.TARGET and (way.is_gone or way.is_stayed):
            return way.is_gone
        any_followed = any_followed or way.is_gone
    return any_followed


@dataclass(frozen=True)
class _Way:
    """What part a column went of the way that the number as recorded would have taken it."""

    part: float
    error: float

    @property
    def is_gone(self) -> bool:
        return self.part - _SURELY * self.error > _FOLLOWED

    @property
    def is_stayed(self) -> bool:
        return abs(self.part) < _STAYED + self.error


def _way(
    x_before: FloatArray, y_before: FloatArray, recorded: FloatArray, undone: FloatArray,
    y: FloatArray,
) -> _Way | None:  # fmt: skip
    """Return it by the straightest line that the reference has, of logs or as they are."""
    best: _Way | None = None
    share = _LEAST_SHARE
    for log_x in (False, True):
        if log_x and min(v.min() for v in (x_before, recorded, undone)) <= 0:
            continue
        for log_y in (False, True):
            if log_y and min(y_before.min(), y.min()) <= 0:
                continue
            xs = [np.log(v) if log_x else v for v in (x_before, recorded, undone)]
            ys = [np.log(v) if log_y else v for v in (y_before, y)]
            if not (xs[0].std() > 0 and ys[0].std() > 0):
                return None
            r = float(np.corrcoef(xs[0], ys[0])[0, 1])
            if r**2 <= max(share, _LEAST_CHI2 / ys[0].size):
                continue
            slope = r * float(ys[0].std() / xs[0].std())
            full = slope * float(xs[1].mean() - xs[2].mean())
            gone = float(ys[1].mean() - ys[0].mean()) - slope * float(xs[2].mean() - xs[0].mean())
            left = [ys[0] - slope * xs[0], ys[1] - slope * xs[2]]
            error = float(np.hypot(*(v.std() / np.sqrt(v.size) for v in left)))
            share, best = r**2, _Way(gone / full, error / abs(full)) if full else None
    if share > _MOST_SHARE or best is None or best.error > _MOST_ERROR:
        return None
    return best
