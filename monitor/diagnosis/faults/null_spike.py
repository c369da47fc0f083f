"""More missing values than the reference has, beyond what the other columns explain."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.discovery.scores.features import category_features, number_features
from whydrift.effects.propensity import fit_propensity
from whydrift.monitor.diagnosis.bunching import Bunching, share_rises_by_itself, sum_by_itself
from whydrift.monitor.diagnosis.diagnosis import Fault, FaultKind
from whydrift.monitor.diagnosis.faults.base import Finding, Suspects, share_rises
from whydrift.monitor.diagnosis.faults.category_of import category_of, only_in
from whydrift.monitor.diagnosis.faults.presence import Presence

__all__ = ["null_spike"]

_LEAST_RISE = 0.02
_LEAST_RATIO = 1.3
_MOST_DRIVERS = 10
_LEAST_NEW = 10  # rows
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
    limit, presence = suspects.level / len(names), Presence(suspects)
    found = []
    for name in names:
        finding = _rise(suspects, presence, name, limit)
        finding = finding or _where_none_were(suspects, presence, name, limit)
        if finding is not None:
            found.append(finding)
    return found


def _rise(suspects: Suspects, presence: Presence, name: str, limit: float) -> Finding | None:
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
    if share_rises_by_itself(_unexcused(suspects, presence, name), usual, now) >= limit:
        return None
    evidence = f"missing in {share:.1%} of the rows; in the reference {share_before:.1%}"
    # Missing rows drop out of every test that needs the column: nothing else to undo.
    rows = ~np.isfinite(suspects.current.column(name))
    where = category_of(suspects, rows, np.ones(len(rows), dtype=bool))
    if where is not None:
        evidence = f"missing where {where}: in {evidence.removeprefix('missing in ')}"
    elif (place := only_in(suspects, name, rows)) is not None:
        where = place.where
        evidence = f"missing {place}: in {evidence.removeprefix('missing in ')}"
    fault = Fault(FaultKind.NULL_SPIKE, (name,), share, evidence, where=where)
    return Finding(fault, rows=rows, usual=share_before)


def _where_none_were(
    suspects: Suspects, presence: Presence, name: str, limit: float
) -> Finding | None:
    """Return missing values in categories of another column that never had any.

    A discount is missing where there is no coupon. Where there is one it always was there: so few
    of all rows may lack it now that over all of them it is not seen.
    """
    gone, gone_before = (
        ~np.isfinite(w.column(name)) for w in (suspects.current, suspects.reference)
    )
    is_read = suspects.current.summaries[name].misfit == 0  # what cannot be read is not missing
    if not is_read or not _LEAST_RISE <= gone_before.mean() < 1 or not gone.any():
        return None
    usual, now = _bunching(suspects, name)
    others = presence.others(name)
    excused: BoolArray | None = None
    for other in others:
        here_before, here = presence.always(other, gone_before, usual.near)
        if not here_before.any() or not (gone & here).any():
            continue
        if excused is None:
            excused = presence.never(name)[1]
        new = gone & here & ~excused
        counts = (
            int((gone_before & here_before).sum()),
            int(here_before.sum()),
            int(new.sum()),
            int(here.sum()),
        )
        share_before, share = counts[0] / counts[1], counts[2] / max(1, counts[3])
        if share - share_before < _LEAST_RISE or counts[2] < _LEAST_NEW:
            continue
        # There may as well be rows more in which the other column, wrongly, says so.
        if here.mean() - here_before.mean() > gone.mean() - gone_before.mean():
            continue
        if share_rises_by_itself(counts, usual, now) >= limit / len(others):
            continue
        evidence = (
            f"missing in {share:.1%} of the rows in which {other} says that there is a value; in "
            f"the reference {share_before:.1%}"
        )
        fault = Fault(FaultKind.NULL_SPIKE, (name,), float(new.mean()), evidence)
        return Finding(fault, rows=new)
    return None


def _unexcused(suspects: Suspects, presence: Presence, name: str) -> tuple[int, int, int, int]:
    """Return missing values and rows of both windows where no column says that there is none."""
    counts = []
    windows = suspects.reference, suspects.current
    for window, never in zip(windows, presence.never(name), strict=True):
        gone = ~np.isfinite(window.column(name))
        counts += [int((gone & ~never).sum()), max(1, int((~never).sum()))]
    before, before_rows, now, rows = counts
    return before, before_rows, now, rows


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
