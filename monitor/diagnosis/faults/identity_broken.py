"""Columns that no longer are the sum, product, ratio, copy or loss of others that they were."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.discovery.snapshot.schema import Role
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.diagnosis import Fault, FaultKind
from whydrift.monitor.diagnosis.faults.base import Finding, Suspects, ks_distance, share_rises
from whydrift.monitor.diagnosis.faults.identity import Identity, Linear, find_identities
from whydrift.monitor.diagnosis.faults.loss_identity import LossIdentity, loss_identity

__all__ = ["identity_broken"]

_LEAST_SHARE = 0.005
_LEAST_ROWS = 5
_MOST_COLUMNS = 120
_HELD = 0.995  # of the rows
_ALIKE, _MOSTLY = 0.05, 0.9  # ratios to the middle one; the rows in which they are
_YEARS, _MOST_YEARS = (1900, 2100), 10
_CLEARLY = 0.1  # by so much has one column to be the better culprit than the computed one


def identity_broken(suspects: Suspects) -> list[Finding]:
    """Find identities of the reference that do not hold in some of the current rows.

    Which column broke is told by which one, computed from the others, comes nearer to the
    reference's distribution; in doubt it is the one that was computed from the others.
    """
    loss = loss_identity(suspects.reference)
    known: tuple[Identity, ...] = () if loss is None else (loss,)
    names = tuple(n for n in _numbers(suspects) if loss is None or n != loss.result)
    identities = (*find_identities(suspects.reference, names), *known)
    found: list[Finding] = []
    blamed: set[str] = set()
    follows: set[str] = set()
    for usual, identity in sorted(
        ((_share(suspects.reference, i), i) for i in identities), key=lambda pair: pair[0]
    ):
        if not blamed.isdisjoint(identity.names):
            continue  # it fails for the sake of a column that is known to be broken
        if usual == 0 and _share(suspects.current, identity) == 0:
            follows.add(identity.names[0])
        elif identity.names[0] in follows:
            continue  # it holds in most rows only; by one that holds in all the column is sound
        finding = _check(suspects, identity, len(identities))
        if finding is not None:
            found.append(finding)
            blamed.update(finding.fault.columns)
    return found


def _share(window: Snapshot, identity: Identity) -> float:
    """Return the share of the rows in which an identity does not hold."""
    if not all(window.has(n) and window.summaries[n].count for n in identity.names):
        return 1.0
    known = np.isfinite(window.columns(identity.names)).all(axis=1)
    return float((identity.broken(window) & known).sum() / max(1, known.sum()))


def _numbers(suspects: Suspects) -> tuple[str, ...]:
    """Return numbers of both windows, also predictions and losses, which are in no graph."""
    schema = suspects.reference.schema
    extra = {schema.with_role(role) for role in (Role.PREDICTION, Role.LOSS)}
    return tuple(
        c.name
        for c in schema
        if c.kind.is_numeric
        and (c.name in suspects.names or c.name in extra)
        and suspects.reference.has(c.name)
        and suspects.current.has(c.name)
    )[:_MOST_COLUMNS]


def _check(suspects: Suspects, identity: Identity, count: int) -> Finding | None:
    reference, current = suspects.reference, suspects.current
    if not all(current.has(n) and current.summaries[n].count for n in identity.names):
        return None
    known, rows = (np.isfinite(w.columns(identity.names)).all(axis=1) for w in (reference, current))
    if rows.sum() < _LEAST_ROWS:
        return None
    broken = identity.broken(current) & rows
    usual = int((identity.broken(reference) & known).sum())
    share, share_before = broken.sum() / rows.sum(), usual / known.sum()
    p_value = share_rises(usual, int(known.sum()), int(broken.sum()), int(rows.sum()))
    if (
        broken.sum() < _LEAST_ROWS
        or share - share_before < _LEAST_SHARE
        or p_value >= suspects.level / count
    ):
        return None
    if isinstance(identity, Linear) and _counts_years(current, identity, np.asarray(rows)):
        return None
    culprit, values = _culprit(suspects, identity, broken)
    is_predicted = reference.schema[culprit].role is Role.PREDICTION
    if is_predicted and not (isinstance(identity, LossIdentity) or _is_copy(reference, identity)):
        return None  # another model, of another formula
    evidence = (
        f"{identity} fails in {share:.1%} of the rows; in the reference in {share_before:.1%}"
    )
    is_undone = values is not None
    column = current.column(culprit)
    if values is not None:
        evidence += _as_factor(culprit, column[broken], values[broken])
    repaired = np.where(broken, np.nan if values is None else values, column)
    fault = Fault(FaultKind.IDENTITY_BROKEN, (culprit,), float(share), evidence, repaired=is_undone)
    return Finding(fault, {culprit: repaired}, broken, float(share_before))


def _is_copy(window: Snapshot, identity: Identity) -> bool:
    """Whether the identity says that two columns are the same."""
    if len(identity.names) != 2:
        return False
    one, other = (window.column(n) for n in identity.names)
    return bool(np.nanmax(np.abs(one - other), initial=0.0) <= 1e-6 * np.nanmax(np.abs(one)))


def _as_factor(name: str, recorded: FloatArray, values: FloatArray) -> str:
    """Return how many times too large broken values are, where they all are alike, as words."""
    with np.errstate(all="ignore"):
        ratio = recorded / values
    ratio = ratio[np.isfinite(ratio)]
    if not ratio.size:
        return ""
    middle = float(np.median(ratio))
    is_alike = np.abs(ratio - middle) <= _ALIKE * abs(middle)
    if is_alike.mean() < _MOSTLY or abs(middle - 1) <= _ALIKE or not middle:
        return ""
    return f"; there {name} is {middle:.3g} times what the others say"


def _counts_years(window: Snapshot, identity: Linear, rows: BoolArray) -> bool:
    """Whether a sum with a year for a constant holds as before in another year: an age does."""
    if not _YEARS[0] <= abs(identity.constant) <= _YEARS[1]:
        return False
    gap = (window.column(identity.result) - identity.solved(window, identity.result))[rows]
    passed = float(np.median(gap)) * np.sign(identity.constant)
    is_same = np.abs(gap - np.median(gap)) <= 2 * identity.tolerance
    return bool(is_same.mean() >= _HELD and 0 < passed <= _MOST_YEARS)


def _culprit(
    suspects: Suspects, identity: Identity, broken: BoolArray
) -> tuple[str, FloatArray | None]:
    """Return the column that broke, and what it should have been (None: not determined)."""
    gains: dict[str, float] = {}
    solutions: dict[str, FloatArray | None] = {}
    for name in identity.names:
        values = identity.solved(suspects.current, name)
        solutions[name] = values
        if values is None:
            continue
        usual = suspects.reference.column(name)
        recorded = suspects.current.column(name)[broken]
        gains[name] = ks_distance(recorded, usual) - ks_distance(values[broken], usual)
    best = max(gains, key=lambda name: gains[name])
    result = identity.names[0]
    if gains[best] < gains[result] + _CLEARLY:
        best = result
    return best, solutions[best]
