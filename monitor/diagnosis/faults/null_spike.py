"""More missing values than the reference has, beyond what the other columns explain."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from whydrift.discovery.scores.features import category_features, number_features
from whydrift.effects.propensity import fit_propensity
from whydrift.monitor.diagnosis.diagnosis import Fault, FaultKind
from whydrift.monitor.diagnosis.faults.base import Finding, Suspects, share_rises

__all__ = ["null_spike"]

_LEAST_RISE = 0.02
_LEAST_RATIO = 1.3
_MOST_DRIVERS = 30


def null_spike(suspects: Suspects) -> list[Finding]:
    """Find columns whose share of missing values rose.

    The rise is judged on the counts of all rows; where other columns moved and missingness depends
    on them, a rise that they explain is no fault.
    """
    found = []
    for name in suspects.names:
        before, after = suspects.reference.summaries[name], suspects.current.summaries[name]
        missing_before, missing_after = before.missing - before.misfit, after.missing - after.misfit
        share_before = missing_before / suspects.reference.rows
        share = missing_after / suspects.current.rows
        if share - share_before < _LEAST_RISE or share < _LEAST_RATIO * share_before:
            continue
        p_value = share_rises(
            missing_before, suspects.reference.rows, missing_after, suspects.current.rows
        )
        limit = suspects.level / len(suspects.names)
        if p_value >= limit or _explained(suspects, name) >= limit:
            continue
        evidence = f"missing in {share:.1%} of the rows; in the reference {share_before:.1%}"
        # Missing rows drop out of every test that needs the column: nothing else to undo.
        found.append(Finding(Fault(FaultKind.NULL_SPIKE, (name,), share, evidence)))
    return found


def _explained(suspects: Suspects, name: str) -> float:
    """Return the p-value of "missing as before, given the other columns" (0: no overlap)."""
    reference, current = suspects.reference, suspects.current
    window = np.r_[np.zeros(len(reference.sample)), np.ones(len(current.sample))]
    columns = [np.ones(len(window))]
    for other in suspects.names[:_MOST_DRIVERS]:
        if other == name:
            continue
        values = np.concatenate([reference.column(other), current.column(other)])
        build = category_features if reference.schema[other].kind.is_discrete else number_features
        columns += list(np.nan_to_num(build(values).linear).T)
    if len(columns) == 1:
        return 0.0
    design = np.column_stack(columns)
    propensity = fit_propensity(design, window)
    if propensity.overlap < 0.35:
        return 0.0
    gone = ~np.isfinite(np.concatenate([reference.column(name), current.column(name)]))
    gram = design.T @ design + np.eye(design.shape[1])
    residual = gone - design @ np.linalg.solve(gram, design.T @ gone)
    score = residual * (window - propensity.chance)
    spread = float(np.sqrt(score @ score))
    return 2 * float(ndtr(-abs(score.sum()) / spread)) if spread > 0 else 1.0
