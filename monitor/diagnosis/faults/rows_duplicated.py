"""Rows that came twice."""

from __future__ import annotations

import numpy as np
from scipy.special import pdtrc, stdtr

from whydrift.discovery.arrays import FloatArray
from whydrift.monitor.diagnosis.diagnosis import Fault, FaultKind
from whydrift.monitor.diagnosis.faults.base import Finding, Suspects

__all__ = ["rows_duplicated"]

_LEAST_SHARE = 0.01
_LEAST_ROWS = 10
# Where many rows of the reference repeat each other, the table is coarse: whether more of them do
# depends on what the rows are, and is a shift.
_MOST_USUAL = 0.1
_LEAST_RATIO = 2.0
_LEAST_WINDOWS, _LEAST_OF_A_WINDOW = 3, 50  # past windows that tell how days differ, and rows
_COMMON = 0.02  # share of a value
_COMMONER = 1.2  # times as likely that two rows share one, which many columns may be by chance


def rows_duplicated(suspects: Suspects) -> list[Finding]:
    """Find rows equal in every column to one before them, beyond what the reference has of them.

    By chance n rows hold about n² θ / 2 pairs that are equal; repeats of other origin grow as n.
    The larger of both, as the reference has it, is what is usual. Where single values became
    commoner, θ grew with the chance that two rows share them in each column.
    """
    reference, current = suspects.reference, suspects.current
    share, share_before = current.repeats / current.rows, reference.repeats / reference.rows
    if (
        current.repeats < _LEAST_ROWS
        or share - share_before < _LEAST_SHARE
        or share_before > _MOST_USUAL
        or share < _LEAST_RATIO * share_before
    ):
        return []
    size = current.rows / reference.rows
    usual = (reference.repeats + 3 * np.sqrt(reference.repeats + 1)) * max(size, size**2)
    for name in suspects.names:
        before, now = (_shared(w.column(name)) for w in (reference, current))
        if before and now > _COMMONER * before:
            usual *= now / before
    if usual > 0.5 * current.repeats or pdtrc(current.repeats - 1, usual) >= suspects.level:
        return []
    if _is_usual_for_a_window(suspects, share):
        return []
    evidence = (
        f"{current.repeats} of {current.rows} rows ({share:.1%}) are equal in every column to one "
        f"before them; in the reference {reference.repeats} of {reference.rows}"
    )
    repeated = current.repeated
    # Of a long window only a sample is here; of those that came twice one may be.
    is_whole = len(current.sample) == current.rows
    fault = Fault(FaultKind.ROWS_DUPLICATED, (), share, evidence, repaired=is_whole)
    assert repeated is not None
    kept = np.flatnonzero(~repeated) if is_whole else None
    rows = repeated if repeated.any() else None
    return [Finding(fault, rows=rows, usual=share_before, kept_current=kept)]


def _is_usual_for_a_window(suspects: Suspects, share: float) -> bool:
    """Whether such a share of repeats comes about between ordinary windows, where these tell."""
    repeated, parts = suspects.reference.repeated, suspects.parts
    if repeated is None or parts is None:
        return False
    rows = np.bincount(parts)
    some = rows >= _LEAST_OF_A_WINDOW
    if some.sum() < _LEAST_WINDOWS:
        return False
    # One row more in each: shares differ as amounts do, by factors, and may be none.
    usual = np.log((np.bincount(parts, repeated)[some] + 1) / rows[some])
    spread = float(usual.std(ddof=1)) * np.sqrt(1 + 1 / len(usual))
    farther = np.log(share) - float(usual.mean())
    return bool(stdtr(len(usual) - 1, -farther / max(spread, 1e-9)) >= suspects.level)


def _shared(values: FloatArray) -> float:
    """Return the chance that two rows share one of the common values; missing is one, too."""
    codes = np.where(np.isfinite(values), values, np.inf)
    shares = np.unique(codes, return_counts=True)[1] / max(1, codes.size)
    return float((shares[shares >= _COMMON] ** 2).sum())
