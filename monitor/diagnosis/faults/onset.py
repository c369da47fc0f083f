"""Since when a fault shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from whydrift.discovery.arrays import BoolArray
from whydrift.discovery.snapshot.schema import Role
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.faults.base import Finding
from whydrift.monitor.diagnosis.moment import iso

__all__ = ["dated", "onset"]

_LEAST = 1e-4


def dated(finding: Finding, current: Snapshot) -> Finding:
    """Return the finding with the first time at which the fault is present, where times are known.

    Parameters
    ----------
    finding : Finding
        Its ``rows`` are rows of this window's sample.
    current : Snapshot
        As it was when the fault was looked for.
    """
    column = current.schema.with_role(Role.TIME)
    if finding.fault.first_seen is not None or column is None or not current.has(column):
        return finding
    times = finding.repairs.get(column, current.column(column))
    known = np.flatnonzero(np.isfinite(times))
    if not known.size:
        return finding
    order = known[np.argsort(times[known], kind="stable")]
    if finding.rows is None:
        moment = current.start if current.start is not None else float(times[order[0]])
    elif finding.rows[order].any():
        moment = float(times[order[onset(finding.rows[order], finding.usual)]])
    else:  # it shows only in rows without a time
        return finding
    return replace(finding, fault=replace(finding.fault, first_seen=iso(moment)))


def onset(shows: BoolArray, usual: float) -> int:
    """Return the row from which on a fault is present.

    The stretch of rows that speaks most for the raised share against the usual one, by the
    likelihood ratio (Page 1954, Continuous inspection schemes, Biometrika 41, 100-115); it begins
    with a row in which the fault shows.

    Parameters
    ----------
    shows : ndarray of bool, shape (n_rows,)
        In the order of time; true in at least one row.
    usual : float
        Share of such rows without the fault.
    """
    usual = float(np.clip(usual, _LEAST, 1 - _LEAST))
    raised = float(np.clip(shows.mean(), usual + 0.5 * (1 - usual) * _LEAST, 1 - _LEAST))
    begin = 0
    for _ in range(3):  # the raised share is that of the stretch, which it decides on
        gain = np.where(shows, np.log(raised / usual), np.log((1 - raised) / (1 - usual)))
        total = np.concatenate([[0.0], np.cumsum(gain)])
        lowest = np.minimum.accumulate(total)
        end = int(np.argmax(total - lowest))
        begin = int(np.flatnonzero(total[: end + 1] == lowest[end])[-1]) if end else 0
        stretch = shows[begin : max(end, begin + 1)]
        raised = float(np.clip(stretch.mean(), usual + (1 - usual) * _LEAST, 1 - _LEAST))
    return begin + int(np.argmax(shows[begin:]))
