"""What would be seen if a jump at the threshold were something else than the treatment."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from whydrift.effects.check import Check, Outcome
from whydrift.effects.covariates import Covariates
from whydrift.effects.discontinuity.density import density_jump
from whydrift.effects.discontinuity.jump import Jump, Recipe, estimate_jump
from whydrift.effects.discontinuity.sample import Sample
from whydrift.effects.multiple import holm
from whydrift.effects.table import Table
from whydrift.effects.words import interval_text, joined, number_text, p_text

__all__ = [
    "bandwidth_sensitivity",
    "continuity",
    "density_check",
    "donut",
    "placebo_cutoffs",
    "rows_checks",
]

_WARN_P, _FAIL_P = 0.05, 0.01
# Made-up cutoffs have fewer rows than the real one, at which small p-values come too often.
_WARN_PLACEBO_P, _FAIL_PLACEBO_P = 0.01, 0.001
_FEW_ROWS, _TOO_FEW_ROWS = 50, 20
_FEW_VALUES = 20  # different values of the running variable that count, both sides together
_HOLES = (0.05, 0.1, 0.2)  # radii of donuts, in bandwidths
_SCALES = (0.5, 0.75, 1.5, 2.0)  # bandwidths tried, in those used


def rows_checks(sample: Sample, jump: Jump) -> tuple[Check, ...]:
    """Judge whether there is enough to see near the threshold."""
    fewest = min(jump.rows)
    near = np.abs(sample.x) <= jump.bandwidths[0]
    values = len(np.unique(sample.x[near]))
    said = f"the running variable has {values} different values within the bandwidth" + (
        "; with so few, the estimate rests on the shape of the curve between them"
        if values < _FEW_VALUES
        else ""
    )
    return (
        Check.at_least(
            "rows_near_cutoff", fewest,
            f"{jump.rows[0]:,} rows below and {jump.rows[1]:,} above the cutoff are within the "
            f"bandwidth {number_text(jump.bandwidths[0])}",
            warn=_FEW_ROWS, fail=_TOO_FEW_ROWS,
        ),
        Check.at_least("distinct_values", values, said, warn=_FEW_VALUES, fail=4),
    )  # fmt: skip


def density_check(sample: Sample, recipe: Recipe) -> Check:
    """Judge whether rows bunch on one side: somebody may have chosen it."""
    below, above, p = density_jump(sample, recipe.kernel)
    gap = f"density {number_text(below)} just below the cutoff, {number_text(above)} just above"
    said = (
        f"rows bunch on one side of the cutoff ({gap}, {p_text(p)}): who is on it may have been "
        "chosen, and then the sides differ in more than the treatment"
        if p < _WARN_P
        else f"rows do not bunch on one side of the cutoff ({gap}, {p_text(p)})"
    )
    return Check.at_least("density", p, said, warn=_WARN_P, fail=_FAIL_P)


def continuity(
    sample: Sample, recipe: Recipe, covariates: Covariates
) -> tuple[tuple[Check, ...], Table | None]:
    """Judge whether columns that the treatment cannot have moved jump at the threshold too."""
    if not len(covariates):
        return (), None
    free = replace(recipe, bandwidths=None)
    jumps = [estimate_jump(sample.of(column), free) for column in covariates.design.T]
    adjusted = holm([jump.p_value for jump in jumps])
    found = [name for name, p in zip(covariates.names, adjusted, strict=True) if p < _WARN_P]
    worst = float(min(adjusted))
    many = len(covariates) > 1
    said = (
        f"{joined(found)} {'jump' if len(found) > 1 else 'jumps'} at the cutoff too "
        f"({p_text(worst)}): the sides differ in more than the treatment"
        if found
        else f"no covariate jumps at the cutoff (smallest {p_text(worst)}"
        f"{', corrected for their number' if many else ''})"
    )
    table = Table.of(
        "Jumps of columns that the treatment cannot have moved",
        {
            "covariate": covariates.names,
            "jump": [jump.value for jump in jumps],
            "standard error": [jump.standard_error for jump in jumps],
            "p (Holm)": adjusted,
        },
    )
    check = Check.at_least("covariate_continuity", worst, said, warn=_WARN_P, fail=_FAIL_P)
    return (check,), table


def placebo_cutoffs(
    sample: Sample, recipe: Recipe, cutoff: float
) -> tuple[tuple[Check, ...], Table | None]:
    """Judge whether the outcome jumps where nothing happens.

    Three places on each side, at its quartiles, each with rows of that side alone: the jump at the
    threshold itself must not touch them.
    """
    free = replace(recipe, bandwidths=None)
    places: list[float] = []
    jumps: list[Jump] = []
    for side in (~sample.above, sample.above):
        part = sample.only(side)
        for place in np.unique(np.quantile(part.x, [0.25, 0.5, 0.75])):
            moved = part.cut_at(float(place))
            values = [len(np.unique(moved.x[half])) for half in (moved.above, ~moved.above)]
            if min(values) < max(_TOO_FEW_ROWS, recipe.order + 4):
                continue
            places.append(cutoff + float(place))
            jumps.append(estimate_jump(moved, free))
    if not jumps:
        said = "too few rows on either side to look for jumps where nothing happens"
        return (Check("placebo_cutoffs", Outcome.WARN, said),), None
    adjusted = holm([jump.p_value for jump in jumps])
    worst = int(np.argmin(adjusted))
    found = [number_text(c) for c, p in zip(places, adjusted, strict=True) if p < _WARN_PLACEBO_P]
    said = (
        f"the outcome jumps at {joined(found)} too ({p_text(adjusted[worst])}), where nothing "
        "happens: it is less smooth than the method takes for granted"
        if found
        else f"no jump at {len(places)} other places (smallest {p_text(adjusted[worst])}, "
        "corrected for their number)"
    )
    table = Table.of(
        "Jumps of the outcome at cutoffs where nothing happens",
        {
            "cutoff": places,
            "jump": [jump.value for jump in jumps],
            "standard error": [jump.standard_error for jump in jumps],
            "p (Holm)": adjusted,
        },
    )
    check = Check.at_least(
        "placebo_cutoffs", adjusted[worst], said, warn=_WARN_PLACEBO_P, fail=_FAIL_PLACEBO_P
    )
    return (check,), table


def donut(
    sample: Sample, recipe: Recipe, jump: Jump, reach: float
) -> tuple[tuple[Check, ...], Table | None]:
    """Judge whether the answer hangs on the rows right at the threshold, where sorting would sit.

    Parameters
    ----------
    reach : float
        Standard errors to either side of an interval.
    """
    same = replace(recipe, bandwidths=jump.bandwidths)
    radii, jumps, gone = [], [], []
    for share in _HOLES:
        radius = share * jump.bandwidths[0]
        kept = np.abs(sample.x) >= radius
        part = sample.only(kept)
        near = np.abs(part.x) <= jump.bandwidths[0]
        if min(int((near & part.above).sum()), int((near & ~part.above).sum())) < _TOO_FEW_ROWS:
            continue
        radii.append(radius)
        gone.append(int((~kept).sum()))
        jumps.append(estimate_jump(part, same))
    if not jumps:
        return (), None
    outside = [
        number_text(radius)
        for radius, other in zip(radii, jumps, strict=True)
        if abs(other.value - jump.value) > reach * other.standard_error
    ]
    said = (
        f"without rows nearer than {joined(outside)} the estimate lies far from the one with them: "
        "it hangs on those right at the cutoff"
        if outside
        else f"the estimate stays where it is without rows nearer than {number_text(radii[-1])}"
    )
    table = Table.of(
        "Without the rows nearest to the cutoff",
        {
            "radius": radii,
            "rows left out": gone,
            "estimate": [other.value for other in jumps],
            "standard error": [other.standard_error for other in jumps],
        },
    )
    outcome = Outcome.WARN if outside else Outcome.PASS
    return (Check("donut", outcome, said, float(len(outside)), 0.0),), table


def bandwidth_sensitivity(
    sample: Sample, recipe: Recipe, jump: Jump, reach: float
) -> tuple[Check, Table]:
    """Judge whether the answer hangs on the bandwidth."""
    scales, jumps = [1.0], [jump]
    for scale in _SCALES:
        main, pilot = (scale * bandwidth for bandwidth in jump.bandwidths)
        near = np.abs(sample.x) <= main
        if min(int((near & sample.above).sum()), int((near & ~sample.above).sum())) < _TOO_FEW_ROWS:
            continue
        scales.append(scale)
        jumps.append(estimate_jump(sample, replace(recipe, bandwidths=(main, pilot))))
    order = np.argsort(scales)
    scales, jumps = [scales[i] for i in order], [jumps[i] for i in order]
    off = [
        f"{scale:g} times"
        for scale, other in zip(scales, jumps, strict=True)
        if abs(other.value - jump.value) > reach * max(other.standard_error, jump.standard_error)
    ]
    values = [other.value for other in jumps]
    span = interval_text(min(values), max(values))
    said = (
        f"at {joined(off)} the bandwidth the estimate is another one ({span} over all tried)"
        if off
        else f"from {scales[0]:g} to {scales[-1]:g} times the bandwidth estimates lie in {span}"
    )
    table = Table.of(
        "The estimate at other bandwidths",
        {
            "bandwidth": [other.bandwidths[0] for other in jumps],
            "times the one used": scales,
            "estimate": values,
            "standard error": [other.standard_error for other in jumps],
            "rows below": [other.rows[0] for other in jumps],
            "rows above": [other.rows[1] for other in jumps],
        },
    )
    outcome = Outcome.WARN if off else Outcome.PASS
    return Check("bandwidth_sensitivity", outcome, said, float(len(off)), 0.0), table
