"""Labels that are still on their way: fewer towards the end of the current window."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.discovery.scores.features import rank_normal
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.diagnosis import FaultKind
from whydrift.monitor.diagnosis.faults.base import Finding
from whydrift.monitor.diagnosis.sides import Sides
from whydrift.monitor.diagnosis.words import joined

__all__ = ["late_labels"]

_MATURE = 0.01  # share of the reference's labels that may be missing for good
_LATE = 0.02  # share of the current window's beyond which labels are said to be late
_LEVEL = 1e-6  # of "labels are as rare at the end as at the start"
_DIFFERS = 0.01


def late_labels(
    side: Sides, current: Snapshot, findings: tuple[Finding, ...], target: str | None
) -> tuple[tuple[Finding, ...], tuple[Note, ...]]:
    """Return the faults without that of labels which are merely late, and what to say of them.

    Labels that arrive row by row are missing towards the end of the window, in the order of its
    rows; a null spike strikes anywhere. Tests and metric use the rows with labels alone. Whether a
    row has its label yet may depend on its inputs: P(target | inputs) is the same among the rows
    that have one, P(target) and the mean loss need not be, so that difference is named.

    Parameters
    ----------
    side : Sides
        The windows as they are compared; their rows may have been put in another order.
    current : Snapshot
        The current window as it was given.
    findings : tuple of Finding
        Faults found.
    target : str, optional
        The column of labels.
    """
    if target is None or not side.has_labels or side.reference.missing_share(target) > _MATURE:
        return findings, ()
    share = side.current.missing_share(target)
    there = np.isfinite(side.current.column(target))
    # Of rows sorted by a column the order tells nothing of time.
    is_sorted = any(note.code == "rows_sorted" for note in side.notes)
    in_order = side.current if is_sorted else current
    if share < _LATE or not _fades(np.isfinite(in_order.column(target))):
        return findings, ()
    standing = tuple(
        f
        for f in findings
        if f.fault.kind is not FaultKind.NULL_SPIKE or target not in f.fault.columns
    )
    text = (
        f"labels of {target!r} are in for {100 * (1 - share):.0f} % of the current window, and "
        "for fewer towards its end: what needs labels is judged on the rows that have one"
    )
    unlike = _unlike(side, target, there)
    if unlike:
        text += (
            f"; these differ from the rest in {joined(unlike)}, so that the distribution of "
            f"{target!r} and the loss are theirs, not the window's: compare again when all are in"
        )
    return standing, (Note("labels_immature", target, text),)


def _fades(there: BoolArray) -> bool:
    """Whether labels are rarer towards the end (rank-sum test of the rows' positions)."""
    return _rank_sum(np.arange(len(there), dtype=np.float64), there) < _LEVEL


def _unlike(side: Sides, target: str, there: BoolArray) -> list[str]:
    """Return the columns of numbers in which rows with and without a label differ."""
    names = [n for n in side.names if n != target and side.reference.schema[n].kind.is_numeric]
    out = []
    for name in names:
        values = side.current.column(name)
        seen = np.isfinite(values)
        one = _rank_sum(values[seen], there[seen])
        if 2 * min(one, 1 - one) < _DIFFERS / len(names):
            out.append(name)
    return out


def _rank_sum(values: FloatArray, there: BoolArray) -> float:
    """Return the one-sided p-value that rows with a label have no smaller values."""
    count = int(there.sum())
    if not 0 < count < len(there):
        return 1.0
    score = rank_normal(values)
    spread = float(score.std()) * np.sqrt(1 / count + 1 / (len(there) - count))
    if spread == 0:
        return 1.0
    return float(ndtr((score[there].mean() - score[~there].mean()) / spread))
