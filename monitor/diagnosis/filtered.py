"""Columns computed from other ones of some rows before: rolling means and sums, decaying averages.

Such a column is a linear filter of another: its present value follows, row by row, from its own
last one and from present and earlier values of the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray

__all__ = ["Filtered", "find_filtered"]

# A month of days, two days of hours; then weeks and more of days, of hours and of half hours.
_NEAR: Final = 49
_FAR: Final = (56, 60, 61, 72, 73, 84, 85, 90, 91, 96, 97, 120, 121, 144, 145, 168, 169, 336, 337)
_ROWS_PER_LAG: Final = 5
_LEAST_ROWS: Final = 100
_EXACT: Final = 0.01  # of what a column's own last value leaves open, in the reference
_EXACT_NOW: Final = 0.02  # the same by the same weights in the current window
_MOST: Final = 0.6  # of the rows: the first of each of several series follow from none before
_ENOUGH: Final = 0.3  # of the rows, for those to be left out that are far off
_MOST_ASKED: Final = 5  # of a column: those that tell most of its steps
_TRIMS: Final = 5
_FAR_OFF: Final = 5.0  # times the middle one of what is left
_LEAST_HINT: Final = 0.1  # share of a step that the other column's last values tell


@dataclass(frozen=True, slots=True)
class Filtered:
    """What a column is computed from.

    Parameters
    ----------
    of : str
    with_present : bool
        Whether the same row's value is among them.
    """

    of: str
    with_present: bool


def find_filtered(
    before: Mapping[str, FloatArray], after: Mapping[str, FloatArray]
) -> dict[str, Filtered]:
    """Return which of some columns are filters of others, by the same weights in both windows.

    Parameters
    ----------
    before, after : mapping of str to ndarray of shape (n_rows,)
        Numbers in the order of time.
    """
    found: dict[str, Filtered] = {}
    known = {n: v for n, v in before.items() if np.isfinite(v).sum() >= _LEAST_ROWS}
    if len(known) < 2:
        return {}
    names, hints = list(known), _hints(known)
    for name, own in zip(names, hints, strict=True):
        order = np.argsort(-own, kind="stable")
        hinted = [names[i] for i in order if own[i] > _LEAST_HINT]
        for of in hinted[:_MOST_ASKED]:
            filtered = _filter(before, after, name, of)
            if filtered is not None:
                found[name] = filtered
                break
    # Of a total and its steps either is computed from the other.
    mutual = {n for n, f in found.items() if f.of in found and found[f.of].of == n}
    return {n: f for n, f in found.items() if n not in mutual}


def _hints(values: Mapping[str, FloatArray]) -> FloatArray:
    """Return how much of each column's steps another one tells, as a filter would.

    The other's last value given the column's own last one; or the column's own last one given the
    other's present one, where that tells of it as well. A quick look at all of them at once: of
    nearly all pairs of columns nothing is left to ask.
    """
    table = np.column_stack(list(values.values()))
    table = np.nan_to_num(table - np.nanmean(table, axis=0))
    spread = table.std(axis=0)
    table = np.divide(table, spread, where=spread > 0, out=np.zeros_like(table))
    last, now = table[:-1], table[1:]
    rows = len(last)
    own = np.einsum("ij,ij->j", now, last) / rows  # A with its own last value
    before = now.T @ last / rows  # [A, B]: A with B's last
    beside = now.T @ now / rows  # A with B
    back = last.T @ now / rows  # [A, B]: A's last with B
    with_last = _partial(before, own[:, None], last.T @ last / rows)
    with_present = np.minimum(
        _partial(np.broadcast_to(own[:, None], beside.shape), beside, back),
        _partial(beside, own[:, None], back),
    )
    shares = np.maximum(with_last, with_present)
    np.fill_diagonal(shares, 0.0)
    return shares


def _partial(ab: FloatArray, ac: FloatArray, bc: FloatArray) -> FloatArray:
    """Return the squared partial correlations of a and b given c, by those of each two."""
    left = np.maximum((1 - ac**2) * (1 - bc**2), 1e-12)
    out: FloatArray = (ab - ac * bc) ** 2 / left
    return out


def _filter(
    before: Mapping[str, FloatArray], after: Mapping[str, FloatArray], name: str, of: str
) -> Filtered | None:
    lags = _lags(min(len(before[name]), len(after[name])))
    if not lags.size:
        return None
    design, y, open_ = _rows(before, name, of, lags)
    if len(y) < _ROWS_PER_LAG * design.shape[1] or not open_ > 0:
        return None
    if not _follows(y - design @ _least_squares(design, y), open_, _EXACT, _ENOUGH):
        return None
    weights = _weights(design, y)
    if not _follows(y - design @ weights, open_, _EXACT):
        return None
    now, y_now, open_now = _rows(after, name, of, lags)
    if len(y_now) < _LEAST_ROWS // 2 or not _follows(y_now - now @ weights, open_now, _EXACT_NOW):
        return None
    present = design[:, [0, 2]]  # it alone: another unit, or a copy
    if _follows(y - present @ _weights(present, y), open_, _EXACT):
        return None
    earlier = np.delete(design, 2, axis=1)
    rest = y - earlier @ _weights(earlier, y)
    return Filtered(of, with_present=not _follows(rest, open_, _EXACT))


def _weights(design: FloatArray, y: FloatArray) -> FloatArray:
    """Return least squares without rows that are far off, if any are.

    The first rows of each of several series follow from no rows before.
    """
    weights = _least_squares(design, y)
    for _ in range(_TRIMS):
        left = np.abs(y - design @ weights)
        near = left <= max(_FAR_OFF * float(np.median(left)), 1e-9 * float(np.abs(y).max()))
        if near.all():
            break
        weights = _least_squares(design[near], y[near])
    return weights


def _least_squares(design: FloatArray, y: FloatArray) -> FloatArray:
    """Return weights by the normal equations: exact enough here, and in a fifth of the time."""
    scale = np.sqrt(np.einsum("ij,ij->j", design, design))
    scale[scale == 0] = 1.0
    scaled = design / scale
    gram = scaled.T @ scaled
    gram[np.diag_indices_from(gram)] += 1e-12
    return np.asarray(np.linalg.solve(gram, scaled.T @ y) / scale, dtype=np.float64)


def _follows(residuals: FloatArray, open_: float, most: float, share: float = _MOST) -> bool:
    """Whether hardly anything is left in most rows, of what a column's last value leaves open."""
    return bool((residuals**2 <= most * open_).mean() >= share)


def _lags(rows: int) -> IntArray:
    """Return by how many rows earlier values are asked, present ones first."""
    lags = np.array([*range(_NEAR + 1), *_FAR])
    return lags[(lags < rows // 4) & (np.arange(len(lags)) < rows // (2 * _ROWS_PER_LAG))]


def _rows(
    values: Mapping[str, FloatArray], name: str, of: str, lags: IntArray
) -> tuple[FloatArray, FloatArray, float]:
    """Return 1, the last value and the other column's, the present ones, and what is open then."""
    first, rows = max(1, int(lags.max())), len(values[name])
    earlier = [values[of][first - k : rows - k] for k in lags.tolist()]
    design = np.column_stack([np.ones(rows - first), values[name][first - 1 : -1], *earlier])
    y = values[name][first:]
    there = np.isfinite(y) & np.isfinite(design).all(axis=1)
    design, y = design[there], y[there]
    if not len(y):
        return design, y, 0.0
    own = design[:, :2]
    left = y - own @ _least_squares(own, y)
    return design, y, float((left**2).mean())
