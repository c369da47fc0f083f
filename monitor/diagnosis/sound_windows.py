"""Two windows as they can be compared: past ones pooled, faults found and undone, labels ripe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from whydrift.discovery.arrays import IntArray
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.pool import Pooled, pool
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.copied_rows import each_row_once
from whydrift.monitor.diagnosis.faults.base import Finding
from whydrift.monitor.diagnosis.faults.registry import (
    DETECTORS_OF_VALUES,
    Faults,
    find_faults,
)
from whydrift.monitor.diagnosis.late_labels import LateLabels, late_labels
from whydrift.monitor.diagnosis.mechanism.between_windows import LEAST_WINDOWS
from whydrift.monitor.diagnosis.metric import RowMeasure, row_measure
from whydrift.monitor.diagnosis.question import Question
from whydrift.monitor.diagnosis.sides import Sides, prepare, unusable
from whydrift.monitor.diagnosis.window_graph import said_to_cause
from whydrift.monitor.diagnosis.words import measure_words

__all__ = ["SoundWindows", "sound_windows"]

_MOST_TIMES = 2.0  # the rows of the middle one that a past window may count for
_LEAST_UNREAD = 0.01  # of the labels: so few that cannot be read move no mean
_MOST_PAST_ROWS = 16_384  # of all past windows together, as many as of a single one


@dataclass(frozen=True)
class SoundWindows:
    """The windows of a comparison once what broke in them is known.

    Parameters
    ----------
    past : Pooled
        The reference: all past windows, and which of them each row is from.
    recorded : Sides
        Roles set, rows as recorded.
    side : Sides
        Without rows that came twice or whose like the current window no longer gets, and without
        labels that do not count yet.
    repaired : Snapshot
        The current window with everything undone that can be undone.
    findings : tuple of Finding
        Faults.
    late : LateLabels
        Which labels are merely on their way.
    parts : ndarray of int, shape (n_reference_rows,)
        The past window of each of the reference's rows that are left.
    measure : RowMeasure, optional
        The loss, or the target where there is no prediction; None without labels.
    usable : tuple of str
        Columns that faults leave fit to be compared.
    counted_notes : tuple of Note
        What counting each row once had to leave out.
    notes : tuple of Note
        What to say of the measure and of how many past windows there are.
    """

    past: Pooled
    recorded: Sides
    side: Sides
    repaired: Snapshot
    findings: tuple[Finding, ...]
    late: LateLabels
    parts: IntArray
    measure: RowMeasure | None
    usable: tuple[str, ...]
    counted_notes: tuple[Note, ...]
    notes: tuple[Note, ...]

    @property
    def knows_days(self) -> bool:
        """Whether there are enough past windows to tell how much ordinary ones differ."""
        return self.past.count >= LEAST_WINDOWS


def sound_windows(
    references: tuple[Snapshot, ...],
    weights: Sequence[float] | None,
    current: Snapshot,
    question: Question,
    whole: Snapshot | None,
    *,
    are_past: bool,
) -> SoundWindows:
    """Get the windows of a comparison ready.

    Parameters
    ----------
    references : tuple of Snapshot
        Past windows with rows.
    weights : sequence of float, optional
        What a row of each counts for.
    current : Snapshot
        With the same meaning of category codes.
    question : Question
        Roles, loss and level of faults.
    whole : Snapshot, optional
        The current window read with a schema of its own.
    are_past : bool
        Whether the references are past windows, as one alone may be; else it is one table, of
        which nobody asks how days differ.

    Raises
    ------
    SchemaError
        If a named column is absent or unfit, or nothing can be compared.
    OptionError
        If the loss does not fit the columns.
    """
    target, prediction = question.target, question.prediction
    counted = each_row_once(references, current)
    past = _pooled(counted.references, weights)
    named = said_to_cause(question.graph, question.knowledge)
    recorded = prepare(
        past.snapshot,
        counted.current,
        target,
        prediction,
        question.cluster,
        past.count > 1,
        named,
        question.local,
    )
    # A window of a Saturday lacks six weekdays, and nothing is broken.
    timeless = tuple(n for n in recorded.names if n not in recorded.calendar)
    broken = find_faults(
        recorded.reference,
        recorded.current,
        timeless,
        level=question.fault_level,
        whole=whole,
        parts=past.parts if past.count >= LEAST_WINDOWS else None,
    )
    side = replace(recorded, reference=broken.reference, current=broken.current)
    late = late_labels(side, counted.current, broken.findings, target)
    of_labels = _of_late_labels(late, side, broken, question.fault_level)
    side = late.left_of(side)
    # A loss that does not fit is a mistake to be told before the graph is learned.
    measure = row_measure(
        side.reference, side.current, target=target, prediction=prediction, loss=question.loss
    )
    notes = () if measure is None else (*measure.notes, *_unmeasured(side, measure, question))
    if measure is not None and not np.isfinite(measure.current).any():
        measure = None
    findings = (*late.findings, *of_labels.findings)
    lost = unusable(findings, side)
    return SoundWindows(
        past=past,
        recorded=recorded,
        side=side,
        repaired=late.without(of_labels.repaired),
        findings=findings,
        late=late,
        parts=past.parts[broken.kept],
        measure=measure,
        usable=tuple(n for n in side.names if n not in lost),
        counted_notes=counted.notes,
        notes=(*notes, *(_few(past.count) if are_past else ())),
    )


def _of_late_labels(late: LateLabels, side: Sides, broken: Faults, level: float) -> Faults:
    """Return what broke in labels that are merely late: they were taken for lost, and not asked."""
    name = late.column
    if name is None or any(name in f.fault.columns for f in late.findings):
        return replace(broken, findings=())
    return find_faults(
        side.reference, broken.repaired, (name,), level=level, detectors=DETECTORS_OF_VALUES
    )


def _unmeasured(side: Sides, measure: RowMeasure, question: Question) -> tuple[Note, ...]:
    """Return why the current window, or some of it, has no loss, nor a mean of the target."""
    target, prediction = question.target, question.prediction
    assert target is not None
    labels, measured = side.current.column(target), np.isfinite(measure.current)
    there = np.isfinite(labels)
    classes = len(side.reference.schema[target].categories) or np.inf
    unread = there & (labels >= classes) & ~measured
    name, share = measure_words(measure.name), unread.sum() / there.sum()
    known = f"a class of {target!r} that the reference knows"
    if measured.any():
        if share < _LEAST_UNREAD:
            return ()
        text = f"the {name} is that of the {1 - share:.1%} of the current labels that are {known}"
        return (Note("partly_measured", target, f"{text}; {_mend(target)}"),)
    is_read = share < 1 and prediction is not None
    lacks, column = (
        (f"a usable {prediction!r} with a label", prediction) if is_read else (known, target)
    )
    text = f"the {name} of the current window is not computed: no row has {lacks}; {_mend(column)}"
    return (Note("no_measure", column, text),)


def _mend(column: str | None) -> str:
    return f"mend what writes {column!r}, and compare again"


def _pooled(windows: tuple[Snapshot, ...], weights: Sequence[float] | None) -> Pooled:
    if len(windows) != 1:
        return pool(windows, most_rows=_MOST_PAST_ROWS, most_times=_MOST_TIMES, importance=weights)
    return Pooled(windows[0], np.zeros(len(windows[0].sample), dtype=np.int64), 1)


def _few(windows: int) -> tuple[Note, ...]:
    if windows >= LEAST_WINDOWS:
        return ()
    counted = "1 past window" if windows == 1 else f"{windows} past windows"
    text = (
        f"{counted}: from {LEAST_WINDOWS} on it is known how much ordinary ones differ; "
        "until then what differs by more than sampling looks like drift"
    )
    return (Note("few_past_windows", None, text),)
