"""Labels that are still on their way: fewer towards the end of the current window."""

from __future__ import annotations

from dataclasses import dataclass, replace

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

__all__ = ["LateLabels", "late_labels"]

_MATURE = 0.01  # share of the reference's labels that may be missing for good
_SPARED = 0.04  # of the rarest class: were so many more missing, all of it, it would not matter
_LEVEL = 1e-6  # of "labels are as rare at the end as at the start"
_DIFFERS = 0.01
_LEAST_ROWS = 50  # of fewer a mean loss says nothing


@dataclass(frozen=True)
class LateLabels:
    """What is left to judge where labels are on their way.

    Parameters
    ----------
    findings : tuple of Finding
        Faults, without that of labels which are merely late.
    notes : tuple of Note
        What to say of them.
    column : str, optional
        The column of labels, where they are late.
    judged : ndarray of bool, shape (n_sampled,), optional
        Rows of the current window whose labels count; None for all that are there.
    """

    findings: tuple[Finding, ...]
    notes: tuple[Note, ...] = ()
    column: str | None = None
    judged: BoolArray | None = None

    @property
    def leaves_any(self) -> bool:
        """Whether any label counts."""
        return self.judged is None or bool(self.judged.any())

    def without(self, window: Snapshot) -> Snapshot:
        """Return the current window without the labels that do not count."""
        if self.column is None or self.judged is None:
            return window
        labels = np.where(self.judged, window.column(self.column), np.nan)
        return window.with_sample({self.column: labels})

    def left_of(self, side: Sides) -> Sides:
        """Return the windows without the labels that do not count.

        Without one that does they are compared as if there were no target yet: beside a column
        without values the others can be told no better, and an alert of it must stay.
        """
        side = replace(side, current=self.without(side.current))
        if self.leaves_any:
            return side
        inputs = tuple(n for n in side.names if n != self.column)
        return replace(side, has_labels=False, names=inputs or side.names)


def late_labels(
    side: Sides, current: Snapshot, findings: tuple[Finding, ...], target: str | None
) -> LateLabels:
    """Tell labels that are merely late from lost ones, and which of them can be judged.

    Labels that arrive row by row are missing towards the end of the window, in the order of its
    rows; a null spike strikes anywhere. Whether a row has its label yet may depend on its inputs,
    which leaves P(target | inputs) as it is, or on what the label says (frauds are told late),
    which does not. So the rows are judged from before labels begin to lack, at the reference's
    maturity, be they few: a test that sees nothing in the others' labels proves nothing of them.

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
        return LateLabels(findings)
    share = side.current.missing_share(target)
    there = np.isfinite(side.current.column(target))
    # Of rows sorted by a column the order tells nothing of time.
    is_sorted = any(note.code == "rows_sorted" for note in side.notes)
    in_order = np.isfinite((side.current if is_sorted else current).column(target))
    spared = _SPARED * _rarest(side.reference, target)
    if share < spared or not _fades(in_order):
        return LateLabels(findings)
    standing = tuple(
        f
        for f in findings
        if f.fault.kind is not FaultKind.NULL_SPIKE or target not in f.fault.columns
    )
    judged, said = there, "is judged on the rows that have one"
    if np.array_equal(in_order, there):  # not where series stand one after the other
        ripe = _ripe_rows(there, side.reference.missing_share(target) + spared)
        rows = np.arange(len(there)) < ripe
        judged = there & rows
        said = (
            f"is judged on the first {100 * rows.mean():.0f} % of its rows, as mature as the "
            "reference"
        )
        if judged.sum() < _LEAST_ROWS:
            judged = np.zeros_like(there)
            said = (
                "is not judged, since hardly a row is as mature as the reference, and labels may "
                "come late for what they say"
            )
    text = (
        f"labels of {target!r} are in for {100 * (1 - share):.0f} % of the current window, and "
        f"for fewer towards its end: what needs labels {said}"
    )
    unlike = _unlike(side, target, judged) if judged.any() else []
    if unlike:
        text += (
            f"; these differ from the rest in {joined(unlike)}, so that the distribution of "
            f"{target!r} and the loss are theirs, not the window's"
        )
    if judged is there:
        text += "; should labels come late for what they say, these are not like the rest"
    text += "; compare again when all are in"
    return LateLabels(
        standing,
        (Note("labels_immature", target, text),),
        target,
        None if judged is there else judged,
    )


def _rarest(reference: Snapshot, target: str) -> float:
    """Return the share of the rarest class; of numbers, as of two classes alike."""
    if not reference.schema[target].kind.is_discrete:
        return 0.5
    counts = np.array([c for c in reference.summaries[target].category_counts if c])
    return float(counts.min() / counts.sum()) if counts.size else 0.5


def _ripe_rows(there: BoolArray, share: float) -> int:
    """Return after how many rows more than a share of the labels begins to lack."""
    ahead = np.cumsum(share - ~there)
    return int(np.argmax(ahead)) + 1 if ahead.max() > 0 else 0


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
