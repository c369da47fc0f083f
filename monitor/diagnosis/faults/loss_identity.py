"""A recorded loss that is no longer the loss of the recorded prediction and target."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.errors import WhydriftError
from whydrift.discovery.snapshot.schema import Role
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.diagnosis import Fault, FaultKind
from whydrift.monitor.diagnosis.faults.base import Finding, Suspects
from whydrift.monitor.diagnosis.metric import LOSSES, RowMeasure, row_measure

__all__ = ["loss_identity"]

_ROUNDING = 1e-5  # of a loss, and of its usual size: stored in single precision
_HELD = 0.99  # share of reference rows in which an identity has to hold to be one
_BROKEN = 0.01  # share of current rows beyond which it is broken
_LEAST_ROWS = 20


def loss_identity(suspects: Suspects) -> list[Finding]:
    """Check loss = L(prediction, target), for the L that holds in the reference.

    Which of the three columns broke is not known; the loss is, for the repair, computed anew.
    """
    reference, current = suspects.reference, suspects.current
    loss, target, prediction = (
        reference.schema.with_role(role) for role in (Role.LOSS, Role.TARGET, Role.PREDICTION)
    )
    if loss is None or target is None or prediction is None:
        return []
    if not all(w.has(n) for w in (reference, current) for n in (loss, target, prediction)):
        return []
    recorded = [_numbers(w, loss) for w in (reference, current)]
    if recorded[0] is None or recorded[1] is None:
        return []
    # Of classes written as 0 and 1 the squared error is the 0-1 loss: it is called the latter.
    names = sorted(LOSSES, key=lambda n: n != "zero_one")
    for name in (*names, *_quantile(reference, target, prediction, recorded[0])):
        measure = _measure(reference, current, target, prediction, name)
        before = None if measure is None else _share_off(recorded[0], measure.reference)
        if measure is None or before is None or before > 1 - _HELD:
            continue
        share = _share_off(recorded[1], measure.current)
        if share is None or share <= max(_BROKEN, 2 * before):
            return []
        text = (
            f"{loss} was the {name.replace('_', ' ')} of {prediction} and {target} in the "
            f"reference, and is not in {100 * share:.0f} % of the current rows"
        )
        fault = Fault(FaultKind.IDENTITY_BROKEN, (loss,), share, text, repaired=True)
        return [Finding(fault, {loss: _stored(current, loss, measure.current)})]
    return []


def _measure(
    reference: Snapshot, current: Snapshot, target: str, prediction: str, name: str
) -> RowMeasure | None:
    try:
        return row_measure(reference, current, target=target, prediction=prediction, loss=name)
    except WhydriftError:  # this loss has no meaning for such columns
        return None


def _quantile(
    reference: Snapshot, target: str, prediction: str, loss: FloatArray
) -> tuple[str, ...]:
    """Return the quantile loss that fits rows above their prediction, if any does."""
    if any(reference.schema[n].kind.is_discrete for n in (target, prediction)):
        return ()
    above = reference.column(target) - reference.column(prediction)
    used = np.isfinite(loss) & (above > 0)
    if used.sum() < _LEAST_ROWS:
        return ()
    level = round(float(np.median(loss[used] / above[used])), 6)
    return (f"quantile:{level:g}",) if 0 < level < 1 else ()


def _share_off(recorded: FloatArray, computed: FloatArray) -> float | None:
    """Return the share of rows in which the two differ, or None where too few have both."""
    both = np.isfinite(recorded) & np.isfinite(computed)
    if both.sum() < _LEAST_ROWS:
        return None
    a, b = recorded[both], computed[both]
    usual = float(np.median(np.abs(b)))
    return float(np.mean(np.abs(a - b) > _ROUNDING * (np.abs(b) + usual)))


def _numbers(window: Snapshot, name: str) -> FloatArray | None:
    """Return a loss as numbers, also one that was read as classes named 0 and 1."""
    values, column = window.column(name), window.schema[name]
    if not column.kind.is_discrete:
        return values
    try:
        table = np.array([float(c) for c in column.categories])
    except ValueError:
        return None
    known = np.isfinite(values) & (values < len(table))
    out = np.full(values.shape, np.nan)
    out[known] = table[values[known].astype(np.int64)]
    return out


def _stored(window: Snapshot, name: str, numbers: FloatArray) -> FloatArray:
    """Return numbers as the window's sample holds the column: as they are, or as codes."""
    column = window.schema[name]
    if not column.kind.is_discrete:
        return numbers
    code = {float(c): float(i) for i, c in enumerate(column.categories)}
    return np.array([code.get(v, np.nan) for v in numbers.tolist()])
