"""Spans of time without rows."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import IntArray
from whydrift.discovery.snapshot.timeline import Timeline
from whydrift.monitor.diagnosis.diagnosis import Fault, FaultKind
from whydrift.monitor.diagnosis.faults.base import Finding, Suspects
from whydrift.monitor.diagnosis.moment import iso

__all__ = ["rows_missing"]

_LEAST_ROWS = 30.0  # expected in the gap
_LEAST_BINS = 20  # with rows, in the reference
# A reference this many times as long as the gap has seen the nights and weekends that are as long.
_LEAST_SPAN = 4.0
_LONGER = 3.0  # than the reference's longest gap


def rows_missing(suspects: Suspects) -> list[Finding]:
    """Find a span of the current window without rows, such as the reference has none of.

    The gap has to be three times as long as the longest of a reference that is long enough to have
    had its like, and long enough for 30 rows at the reference's busy or quiet rate and at the
    window's own. Rows before the first and after the last of the window are not missed: where the
    window was meant to begin and end is not known here.
    """
    before, after = suspects.reference.timeline, suspects.current.timeline
    if before is None or after is None:
        return []
    seconds = max(before.seconds, after.seconds)
    before, after = before.coarsened(seconds), after.coarsened(seconds)
    counts_before, counts = np.array(before.counts), np.array(after.counts)
    if (counts_before > 0).sum() < _LEAST_BINS:
        return []
    begin, length = _longest_gap(counts)
    usual = _longest_gap(counts_before)[1]
    # Rows may come in bursts: what is missed is counted in spans as long as the gap.
    rate = min(_quiet(counts_before, length), float(counts.sum()) / (len(counts) - length))
    expected = rate * length
    if (
        length < _LONGER * max(1, usual)
        or len(counts_before) < _LEAST_SPAN * length
        or expected < _LEAST_ROWS
    ):
        return []
    start, end = ((after.first + b) * seconds for b in (begin, begin + length))
    share = length / len(counts)
    evidence = (
        f"no row from {_shown(after, begin)} to {_shown(after, begin + length)}, where about "
        f"{expected:,.0f} were to be expected; the longest gap of the reference is "
        f"{_duration(usual * seconds) if usual else 'less than ' + _duration(seconds)}, this one "
        f"{_duration(end - start)}"
    )
    fault = Fault(FaultKind.ROWS_MISSING, (), share, evidence, first_seen=iso(float(start)))
    return [Finding(fault)]


def _longest_gap(counts: IntArray) -> tuple[int, int]:
    """Return where the longest run of empty bins begins, and its length."""
    filled = np.flatnonzero(counts)
    gaps = np.diff(filled) - 1
    if not gaps.size:
        return 0, 0
    longest = int(np.argmax(gaps))
    return int(filled[longest]) + 1, int(gaps[longest])


def _quiet(counts: IntArray, length: int) -> float:
    """Return rows a bin in the quietest span of this length that the counts have."""
    total = np.concatenate([[0], np.cumsum(counts)])
    width = max(1, min(length, len(counts)))
    return float((total[width:] - total[:-width]).min()) / width


def _shown(timeline: Timeline, number: int) -> str:
    return iso(float((timeline.first + number) * timeline.seconds))[:-5] + "Z"


def _duration(seconds: float) -> str:
    for size, word in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {word}"
    return f"{seconds:.3g} seconds"
