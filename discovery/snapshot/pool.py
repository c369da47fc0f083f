"""Several windows as one: counts and moments added up, samples one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from whydrift.discovery.arrays import BoolArray, IntArray, read_only
from whydrift.discovery.errors import OptionError, SchemaError
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.recode import in_common_codes
from whydrift.discovery.snapshot.schema import Schema
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.discovery.snapshot.summary import merged_summary
from whydrift.discovery.snapshot.timeline import Timeline

__all__ = ["Pooled", "pool"]

_BLOCK_ROWS = 16  # neighbours kept together when a sample is thinned
_LEAST_TO_COMPARE = 3  # of two lengths neither is the usual one


@dataclass(frozen=True)
class Pooled:
    """Several windows joined, and which sampled row came from which.

    Parameters
    ----------
    snapshot : Snapshot
        Counts over the rows of all windows; the sample in the order of the windows.
    parts : ndarray of shape (n_sampled,)
        Number of the window that each sampled row came from, ascending.
    count : int
        Windows.
    """

    snapshot: Snapshot
    parts: IntArray
    count: int


def pool(
    windows: Sequence[Snapshot],
    *,
    most_rows: int | None = None,
    most_times: float | None = None,
    importance: Sequence[float] | None = None,
) -> Pooled:
    """Join windows of the same columns.

    Parameters
    ----------
    windows : sequence of Snapshot
        At least one, in the order of time. Categories may stand in any order in each.
    most_rows : int, optional
        Most rows of the joined sample: each window's is thinned to an equal share, by whole
        blocks of neighbouring rows.
    most_times : float, optional
        Of three windows or more, one counts for at most so many times the rows of the middle one,
        in counts and sample, so that it does not stand for all of them; a note says so.
    importance : sequence of float, optional
        What a row of each window counts for beside one of another: more than 0. Alike by default.

    Raises
    ------
    SchemaError
        If there is no window, or one has other columns or kinds.
    OptionError
        If the importance does not fit the windows.
    """
    if not windows:
        raise SchemaError("there are no windows", where="reference", remedy="Give at least one")
    windows = in_common_codes(windows)
    schema = _common_schema(windows)
    for number, window in enumerate(windows, start=1):
        lost = [n for n in window.absent if n not in windows[0].absent]
        if lost:
            raise SchemaError(
                f"column {lost[0]!r} is not in it",
                where=f"reference window {number}",
                remedy="Give past windows with the same columns, or leave that window out",
            )
    caps = _weights(windows, most_times)
    shares = _shares(len(windows), importance)
    weights = [cap * part for cap, part in zip(caps, shares, strict=True)]
    sampled = tuple(n for n in windows[0].sampled if all(w.has(n) for w in windows))
    share = None if most_rows is None else max(_BLOCK_ROWS, most_rows // len(windows))
    kept = [
        _thinned(len(w.sample), _most(w, share, cap, part))
        for w, cap, part in zip(windows, caps, shares, strict=True)
    ]
    samples = [w.columns(sampled)[rows] for w, rows in zip(windows, kept, strict=True)]
    absent = tuple(n for n in schema.names if any(n in w.absent for w in windows))
    present = [n for n in windows[0].summaries if all(n in w.summaries for w in windows)]
    starts = [w.start for w in windows if w.start is not None]
    ends = [w.end for w in windows if w.end is not None]
    notes: tuple[Note, ...] = (
        *dict.fromkeys(note for w in windows for note in w.notes),
        *_uneven(windows, caps),
    )
    snapshot = Snapshot(
        schema,
        sum(round(w.rows * weight) for w, weight in zip(windows, weights, strict=True)),
        {
            n: merged_summary(
                [
                    w.summaries[n] if weight == 1 else w.summaries[n].scaled(weight)
                    for w, weight in zip(windows, weights, strict=True)
                ]
            )
            for n in present
        },
        read_only(np.asfortranarray(np.concatenate(samples))),
        sampled,
        absent,
        min(starts, default=None),
        max(ends, default=None),
        notes,
        # Rows of one window that came in an earlier one too are not counted.
        sum(round(w.repeats * weight) for w, weight in zip(windows, weights, strict=True)),
        _repeated(windows, kept),
        Timeline.merged([w.timeline for w in windows if w.timeline is not None]),
        adjacent=np.concatenate(
            [w.adjacent_among(rows) for w, rows in zip(windows, kept, strict=True)]
        ),
    )
    parts = np.repeat(np.arange(len(windows)), [len(s) for s in samples])
    return Pooled(snapshot, parts, len(windows))


def _weights(windows: Sequence[Snapshot], most_times: float | None) -> list[float]:
    """Return what each row of each window counts for: less than 1 in a window far too long."""
    if most_times is None or len(windows) < _LEAST_TO_COMPARE:
        return [1.0] * len(windows)
    most = most_times * float(np.median([w.rows for w in windows]))
    return [min(1.0, most / w.rows) for w in windows]


def _shares(count: int, importance: Sequence[float] | None) -> list[float]:
    """Return what each window's rows count for: 1 in those that count most."""
    if importance is None:
        return [1.0] * count
    if len(importance) != count or not all(0 < part < np.inf for part in importance):
        raise OptionError(
            f"{list(importance)} does not weigh {count} windows",
            where="reference_weights",
            remedy="Give one positive number for each past window",
        )
    return [part / max(importance) for part in importance]


def _uneven(windows: Sequence[Snapshot], weights: Sequence[float]) -> tuple[Note, ...]:
    far = [
        f"{number} ({window.rows:,} rows, counted as {window.rows * weight:,.0f})"
        for number, (window, weight) in enumerate(zip(windows, weights, strict=True), start=1)
        if weight < 1
    ]
    if not far:
        return ()
    text = (
        f"past windows are of very different length: {', '.join(far[:5])}"
        f"{' …' if len(far) > 5 else ''} would stand for all of them; give windows of one length"
    )
    return (Note("windows_uneven", None, text),)


def _most(window: Snapshot, share: int | None, cap: float, part: float) -> int | None:
    """Return how many rows of a window's sample stand for it; None for all."""
    if cap == part == 1:
        return share
    rows = len(window.sample) if share is None else min(share, len(window.sample))
    return max(_BLOCK_ROWS, round(min(rows, window.rows * cap) * part))


def _common_schema(windows: Sequence[Snapshot]) -> Schema:
    """Return the schema with the longest list of categories of each column."""
    columns = list(windows[0].schema)
    for number, window in enumerate(windows[1:], start=2):
        for place, column in enumerate(columns):
            where = f"reference window {number}"
            if column.name not in window.schema:
                raise SchemaError(
                    f"column {column.name!r} is not in its schema",
                    where=where,
                    remedy="Build it with Snapshot.from_frame(…, schema=first.schema)",
                )
            other = window.schema[column.name]
            if other.kind is not column.kind:
                raise SchemaError(
                    f"column {column.name!r} is of another kind",
                    where=where,
                    remedy="Build each window with the schema of the one before it: "
                    "Snapshot.from_frame(…, schema=previous.schema)",
                )
            if len(other.categories) > len(column.categories):
                columns[place] = other
    return replace(windows[0].schema, columns=tuple(columns))


def _repeated(windows: Sequence[Snapshot], kept: Sequence[IntArray]) -> BoolArray | None:
    if all(w.repeated is None for w in windows):
        return None
    return np.concatenate(
        [
            np.zeros(len(rows), dtype=bool) if w.repeated is None else w.repeated[rows]
            for w, rows in zip(windows, kept, strict=True)
        ]
    )


def _thinned(rows: int, most: int | None) -> IntArray:
    """Return evenly spaced blocks of rows, at most so many rows."""
    if most is None or rows <= most:
        return np.arange(rows)
    blocks = rows // _BLOCK_ROWS
    kept = np.linspace(0, blocks - 1, max(1, most // _BLOCK_ROWS)).round().astype(np.int64)
    out: IntArray = (np.unique(kept)[:, None] * _BLOCK_ROWS + np.arange(_BLOCK_ROWS)).ravel()
    return out
