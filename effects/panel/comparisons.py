"""What a two-way fixed-effects slope compares with what, where treatment began at several times."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.effects.check import Check, Outcome
from whydrift.effects.panel.layout import Layout
from whydrift.effects.table import Table
from whydrift.effects.words import percent

__all__ = ["comparison_table", "forbidden_share", "negative_weight", "weight_check"]

_WARN, _FAIL = 0.01, 0.5
_NEVER, _LATER, _FORBIDDEN = "never treated", "treated later", "treated already"


def negative_weight(left: FloatArray, treated_now: BoolArray) -> float:
    """Return the sum of the negative weights, as a positive number; all weights sum to one.

    Parameters
    ----------
    left : ndarray of shape (n_rows,)
        What is left of the treatment once units and periods are out.
    treated_now : ndarray of bool, shape (n_rows,)

    References
    ----------
    de Chaisemartin & D'Haultfœuille (2020), Two-way fixed effects estimators with heterogeneous
    treatment effects, theorem 1.
    """
    weights = left[treated_now] / left[treated_now].sum()
    return float(-weights[weights < 0].sum()) + 0.0


def forbidden_share(layout: Layout, outcome: FloatArray) -> float | None:
    """Return the weight of comparisons with units treated already; None in an unbalanced panel."""
    table = comparison_table(layout, outcome)
    if table is None:
        return None
    by_kind = dict(zip(table["controls"], table["weight"], strict=True))
    return float(by_kind.get(_FORBIDDEN) or 0.0)


def weight_check(layout: Layout, outcome: FloatArray, left: FloatArray, *, is_plain: bool) -> Check:
    """Judge the slope by what it compares, and by its negative weights.

    Parameters
    ----------
    layout : Layout
    outcome, left : ndarray of shape (n_rows,)
        ``left`` is what is left of the treatment once all else is out.
    is_plain : bool
        Whether units and periods alone were taken out, so that the comparisons are known.
    """
    negative = negative_weight(left, layout.treated_now)
    share = forbidden_share(layout, outcome) if is_plain else None
    way_out = "where effects grow or differ the slope mixes them up (estimator=group_time does not)"
    weights = f"{percent(negative)} of the weight of effects is negative"
    if share is None:
        said = f"units treated already may serve as controls; {weights}; {way_out}"
        outcome_of = Outcome.FAIL if negative > _FAIL else Outcome.WARN
        return Check("forbidden_comparisons", outcome_of, said, negative, 0.0)
    said = (
        f"units treated already serve as controls with {percent(share)} of the weight; {weights}; "
        f"{way_out}"
    )
    return Check.at_most(
        "forbidden_comparisons", max(share, negative), said, warn=_WARN, fail=_FAIL
    )


def comparison_table(layout: Layout, outcome: FloatArray) -> Table | None:
    """Return the two-by-two comparisons of the slope, by kind.

    None in an unbalanced panel, and where rows are different people each time. Their mean by weight
    is the two-way fixed-effects slope without covariates.

    References
    ----------
    Goodman-Bacon (2021), Difference-in-differences with variation in treatment timing.
    """
    is_plain = layout.unit is not None and not layout.samples and not layout.turns_back
    if not is_plain or layout.share_missing > 0:
        return None
    never = layout.never
    starts = np.unique(layout.unit_starts)
    share = {int(g): float((layout.unit_starts == g).mean()) for g in starts}
    means = np.array(
        [
            np.bincount(layout.period[layout.start == g], outcome[layout.start == g], never)
            / (share[int(g)] * len(layout.units))
            for g in starts
        ]
    )
    path = {int(g): means[i] for i, g in enumerate(starts)}
    treated_share = {g: 1 - g / never for g in share}
    found: dict[str, list[tuple[float, float]]] = {}
    for k in layout.cohorts:
        for other in share:
            if other == k:
                continue
            own, theirs = treated_share[k], treated_share[other]
            size = share[k] * share[other]
            if other == never:
                kind, first, last, weight = _NEVER, 0, never, own * (1 - own)
            elif other > k:
                kind, first, last = _LATER, 0, other
                weight = (own - theirs) * (1 - own)
            else:  # the forbidden kind: theirs is the larger share
                kind, first, last = _FORBIDDEN, other, never
                weight = own * (theirs - own)
            change = path[k] - path[other]
            gap = float(change[k:last].mean() - change[first:k].mean())
            found.setdefault(kind, []).append((size * weight, gap))
    total = sum(weight for parts in found.values() for weight, _ in parts)
    rows = []
    for kind in (_NEVER, _LATER, _FORBIDDEN):
        parts = found.get(kind, [])
        mass = sum(weight for weight, _ in parts)
        if mass > 0:
            rows.append((kind, mass / total, sum(w * gap for w, gap in parts) / mass))
    return Table(
        "What a slope with unit and period effects compares the newly treated with",
        ("controls", "weight", "effect by them"),
        tuple(rows),
    )
