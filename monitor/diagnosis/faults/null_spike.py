"""More missing values than the reference has, beyond what the other columns explain."""

from __future__ import annotations

import numpy as np
from scipy.special import bdtr, ndtri

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.scores.features import category_features, number_features
from whydrift.effects.propensity import fit_propensity
from whydrift.monitor.diagnosis.bunching import Bunching, share_rises_by_itself, sum_by_itself
from whydrift.monitor.diagnosis.diagnosis import Fault, FaultKind
from whydrift.monitor.diagnosis.faults.base import MOST_COLUMNS, Finding, Suspects, share_rises

__all__ = ["null_spike"]

_LEAST_RISE = 0.02
_LEAST_RATIO = 1.3
_MOST_DRIVERS = 10
_NEARLY_NONE, _LEAST_NEW = 0.005, 10
_LEAST_CHANCE = 1e-4  # of as few missing values in a category as it has
_LEAST_OVERLAP = 0.35
# A column that never had a missing value needs less evidence: by itself it would not begin to.
_NEVER_BEFORE = 10.0  # times the level


def null_spike(suspects: Suspects) -> list[Finding]:
    """Find columns whose share of missing values rose.

    The rise is judged on the counts of all rows; where other columns moved and missingness depends
    on them, a rise that they explain is no fault. A named time, prediction and cluster key are
    asked too: they are in no graph, but rows without them are not judged as they should be.
    """
    names = (*suspects.names, *suspects.with_roles)
    limit = suspects.level / len(names)
    return [
        finding
        for name in names
        if (finding := _rise(suspects, name, limit) or _where_none_were(suspects, name, limit))
    ]


def _rise(suspects: Suspects, name: str, limit: float) -> Finding | None:
    """Return a rise of the share over all rows."""
    before, after = suspects.reference.summaries[name], suspects.current.summaries[name]
    missing_before, missing_after = before.missing - before.misfit, after.missing - after.misfit
    share_before = missing_before / suspects.reference.rows
    share = missing_after / suspects.current.rows
    if share - share_before < _LEAST_RISE or share < _LEAST_RATIO * share_before:
        return None
    if not missing_before:
        limit *= _NEVER_BEFORE
    counts = missing_before, suspects.reference.rows, missing_after, suspects.current.rows
    if share_rises(*counts) >= limit:
        return None
    usual, now = _bunching(suspects, name)
    if share_rises_by_itself(counts, usual, now) >= limit:
        return None
    if _explained(suspects, name, usual, now) >= limit:
        return None
    evidence = f"missing in {share:.1%} of the rows; in the reference {share_before:.1%}"
    # Missing rows drop out of every test that needs the column: nothing else to undo.
    rows = ~np.isfinite(suspects.current.column(name))
    fault = Fault(FaultKind.NULL_SPIKE, (name,), share, evidence)
    return Finding(fault, rows=rows, usual=share_before)


def _where_none_were(suspects: Suspects, name: str, limit: float) -> Finding | None:
    """Return missing values in categories of another column that never had any.

    A discount is missing where there is no coupon. Where there is one it always was there: so few
    of all rows may lack it now that over all of them it is not seen.
    """
    gone, gone_before = (
        ~np.isfinite(w.column(name)) for w in (suspects.current, suspects.reference)
    )
    if not _LEAST_RISE <= gone_before.mean() < 1 or not gone.any():
        return None
    others = [n for n in suspects.names[:MOST_COLUMNS] if n != name]
    for other in others:
        here_before, here = _where_always(suspects, other, gone_before)
        if not here_before.any():
            continue
        new = gone & here
        counts = tuple(
            int(part.sum()) for part in (gone_before & here_before, here_before, new, here)
        )
        share_before, share = counts[0] / counts[1], counts[2] / max(1, counts[3])
        if share - share_before < _LEAST_RISE or counts[2] < _LEAST_NEW:
            continue
        # There may as well be rows more in which the other column, wrongly, says so.
        if here.mean() - here_before.mean() > gone.mean() - gone_before.mean():
            continue
        if share_rises(*counts) >= limit / len(others):
            continue
        evidence = (
            f"missing in {share:.1%} of the rows in which {other} says that there is a value; in "
            f"the reference {share_before:.1%}"
        )
        fault = Fault(FaultKind.NULL_SPIKE, (name,), float(new.mean()), evidence)
        return Finding(fault, rows=new)
    return None


def _where_always(suspects: Suspects, other: str, gone: BoolArray) -> tuple[BoolArray, BoolArray]:
    """Return the rows of both windows in which another column says that there is a value.

    By a category with which the reference always has one, or, of a number, by being there.

    Parameters
    ----------
    suspects : Suspects
    other : str
        That column.
    gone : ndarray of bool, shape (n_reference_sampled,)
        Where the reference has no value.
    """
    before, after = (w.column(other) for w in (suspects.reference, suspects.current))
    known = np.isfinite(before)
    if suspects.reference.schema[other].kind.is_discrete:
        code = np.where(known, before, -1).astype(np.int64)
        levels = int(code.max(initial=0)) + 1
        rows = np.bincount(code[known], minlength=levels)
        missing = np.bincount(code[known & gone], minlength=levels)
        # The last is that of rows without a category, or with one that is new.
        is_whole = np.append(_hardly_any(missing, rows, float(gone.mean())), False)
        now = np.where(np.isfinite(after) & (after < levels), after, -1).astype(np.int64)
        return is_whole[code], is_whole[now]
    lacking = np.array([(gone & known).sum()]), np.array([known.sum()])
    if not _hardly_any(*lacking, float(gone.mean())).all():
        return np.zeros_like(known), np.zeros(len(after), dtype=np.bool_)
    return known, np.isfinite(after)


def _hardly_any(missing: IntArray, rows: IntArray, usual: float) -> BoolArray:
    """Return which categories lack (nearly) no value, and not by being small."""
    by_chance = bdtr(missing, rows, usual) < _LEAST_CHANCE / max(1, len(rows))
    return np.asarray((missing <= _NEARLY_NONE * rows) & by_chance)


def _bunching(suspects: Suspects, name: str) -> tuple[Bunching, Bunching]:
    """Return how a column's gaps come together in the reference, and in the current window."""
    before, after = suspects.reference, suspects.current
    clusters = suspects.clusters or (None, None)
    usual = Bunching.of(~np.isfinite(before.column(name)), clusters[0], suspects.parts)
    return usual, Bunching.of(~np.isfinite(after.column(name)), clusters[1])


def _explained(suspects: Suspects, name: str, usual: Bunching, now: Bunching) -> float:
    """Return the p-value of "missing as before, given the columns that missingness goes with"."""
    reference, current = suspects.reference, suspects.current
    window = np.r_[np.zeros(len(reference.sample)), np.ones(len(current.sample))]
    gone = ~np.isfinite(np.concatenate([reference.column(name), current.column(name)]))
    drivers = _drivers(suspects, name, gone, window)
    design = np.column_stack([np.ones(len(window)), *drivers])
    propensity = fit_propensity(design, window)
    if propensity.overlap < _LEAST_OVERLAP:
        # What missingness goes with moved out of the reference's range: it may explain the rise.
        return 1.0
    gram = design.T @ design + np.eye(design.shape[1])
    residual = gone - design @ np.linalg.solve(gram, design.T @ gone)
    score = residual * (window - propensity.chance)
    split = len(reference.sample)
    squares = score**2
    return sum_by_itself(
        float(score.sum()),
        (float(squares[:split].sum()), float(squares[split:].sum())),
        (split, len(current.sample)),
        usual,
        now,
    )


def _drivers(
    suspects: Suspects, name: str, gone: BoolArray, window: FloatArray
) -> list[FloatArray]:
    """Return the features of other columns that missingness goes with inside the windows."""
    reference, current = suspects.reference, suspects.current
    found: list[tuple[float, FloatArray]] = []
    within = gone - np.where(window == 1, gone[window == 1].mean(), gone[window == 0].mean())
    spread = float(np.sqrt((within**2).mean()))
    others = [other for other in suspects.names if other != name]
    limit = -float(ndtri(0.01 / (2 * max(1, len(others))))) / np.sqrt(len(window))
    for other in others if spread > 0 else ():
        values = np.concatenate([reference.column(other), current.column(other)])
        build = category_features if reference.schema[other].kind.is_discrete else number_features
        block = np.nan_to_num(build(values).linear)
        if not block.shape[1]:
            continue
        centred = block - block.mean(axis=0)
        scale = np.maximum(np.sqrt((centred**2).mean(axis=0)), 1e-12)
        r = float(np.max(np.abs(within @ centred) / len(window) / scale / spread))
        if r > limit:
            found.append((r, block))
    found.sort(key=lambda pair: -pair[0])
    return [column for _, block in found[:_MOST_DRIVERS] for column in block.T]
