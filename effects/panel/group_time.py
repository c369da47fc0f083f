"""Effects by who began when and by period, each against units that are not treated yet.

No unit that is treated already serves as a control: these comparisons are the ones that go wrong
where effects grow or differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.errors import TooFewRows
from whydrift.effects.panel.layout import Layout
from whydrift.effects.propensity import expit, logistic_ridge

__all__ = ["Aggregate", "GroupTime", "group_time"]

# A cell: effect, influence values of the units, largest chance of treatment of a treated one.
_CellFound = tuple[float, FloatArray, float]
# Treated units, others, base period and period; None where there are too few.
_Compare = Callable[[BoolArray, BoolArray, int, int], _CellFound | None]
_PENALTY = 1e-6  # of the propensity model: it keeps a separated fit finite


@dataclass(frozen=True)
class GroupTime:
    """Effects on the treated by cohort and period, and what each unit adds to their errors.

    Parameters
    ----------
    cohort, period : ndarray of int, shape (n_cells,)
        First treated period, and the period of the outcome, as places in time.
    effects : ndarray of shape (n_cells,)
        Against the last period before treatment, which has no cell.
    influence : ndarray of shape (n_units, n_cells)
        Each effect's error is about the mean of its column.
    members : ndarray of int, shape (n_units,)
        First treated period of each unit.
    mass : ndarray of shape (n_units,)
        What each unit counts, on average 1: more where it is a group with more rows.
    without_controls : int
        Cells left out since nobody was untreated any more, or too few of them were.
    worst_chance : float
        The largest chance of treatment of a treated unit, by the propensity models; 0 without.
    """

    cohort: IntArray
    period: IntArray
    effects: FloatArray
    influence: FloatArray
    members: IntArray
    mass: FloatArray
    without_controls: int
    worst_chance: float

    @property
    def relative(self) -> IntArray:
        """Periods since the first treated one, of each cell."""
        return self.period - self.cohort

    def _belongs(self, cohorts: IntArray) -> FloatArray:
        """Return what each unit counts in each cohort, shape (n_units, n_cohorts)."""
        found: FloatArray = self.mass[:, None] * (self.members[:, None] == cohorts)
        return found

    def average(self, cells: BoolArray) -> Aggregate:
        """Return the mean effect over some cells, cohorts by their size.

        References
        ----------
        Callaway & Sant'Anna (2021), section 4: the weights are estimated, and count.
        """
        chosen = np.flatnonzero(cells)
        belongs = self._belongs(self.cohort[chosen])
        share = belongs.mean(axis=0)
        total = share.sum()
        weights = share / total
        effects = self.effects[chosen]
        value = float(weights @ effects)
        off = belongs - self.mass[:, None] * share
        influence = self.influence[:, chosen] @ weights
        influence = influence + (off @ effects - off.sum(axis=1) * value) / total
        return Aggregate(value, influence)

    def by_relative(self) -> tuple[IntArray, tuple[Aggregate, ...]]:
        """Return the mean effect at each distance from the first treated period."""
        places = np.unique(self.relative)
        return places, tuple(self.average(self.relative == e) for e in places)

    def by_cohort(self) -> tuple[IntArray, tuple[Aggregate, ...]]:
        """Return the mean effect of each cohort over its treated periods."""
        after = self.relative >= 0
        starts = np.unique(self.cohort[after])
        return starts, tuple(self.average(after & (self.cohort == g)) for g in starts)

    def overall(self, how: str) -> Aggregate:
        """Return one number: over cells (simple), distances (dynamic) or cohorts (group)."""
        if how == "simple":
            return self.average(self.relative >= 0)
        if how == "dynamic":
            places, parts = self.by_relative()
            later = [part for e, part in zip(places, parts, strict=True) if e >= 0]
            return Aggregate(
                float(np.mean([part.value for part in later])),
                np.mean([part.influence for part in later], axis=0),
            )
        starts, parts = self.by_cohort()
        belongs = self._belongs(starts)
        share = belongs.mean(axis=0)
        weights = share / share.sum()
        effects = np.array([part.value for part in parts])
        value = float(weights @ effects)
        off = belongs - self.mass[:, None] * share
        influence = np.column_stack([part.influence for part in parts]) @ weights
        influence = influence + (off @ effects - off.sum(axis=1) * value) / share.sum()
        return Aggregate(value, influence)


@dataclass(frozen=True)
class Aggregate:
    """A mean of effects, and what each unit adds to its error, shape (n_units,)."""

    value: float
    influence: FloatArray


def group_time(
    layout: Layout,
    outcome: FloatArray,
    covariates: FloatArray,
    *,
    controls: str,
    model: str,
    anticipation: int,
) -> GroupTime:
    """Estimate every cohort in every period.

    Parameters
    ----------
    layout : Layout
        With units; whoever is treated stays so. Of samples, two periods are two comparisons of
        groups, each adjusted by its own rows, and the effect is their difference.
    outcome : ndarray of shape (n_rows,)
    covariates : ndarray of shape (n_rows, n_features)
        Without an intercept; their values in the base period are used.
    controls : str
        ``never``: those never treated; ``not_yet``: those untreated in both periods too.
    model : str
        ``doubly_robust``, or ``outcome_regression``; the same without covariates.
    anticipation : int
        Periods before treatment in which it may show already: the base lies before them.

    Raises
    ------
    TooFewRows
        If no cell has both treated units and controls.

    References
    ----------
    Callaway & Sant'Anna (2021), Difference-in-differences with multiple time periods.
    Sant'Anna & Zhao (2020), Doubly robust difference-in-differences estimators.
    """
    assert layout.unit is not None
    periods = len(layout.periods)
    compare = (
        _compare_samples(layout, outcome, covariates, model)
        if layout.samples
        else (_compare_units(layout, outcome, covariates, model))
    )
    starts = layout.unit_starts
    cohort, period, effects, influences = [], [], [], []
    lost, worst = 0, 0.0
    for g in layout.cohorts:
        base = g - 1 - anticipation
        for t in range(periods):
            if base < 0 or t == base:
                continue
            free = starts == layout.never
            if controls == "not_yet":
                free = free | (starts > max(t, base) + anticipation)
            found = compare(starts == g, free & (starts != g), base, t)
            if found is None:
                lost += 1
                continue
            value, influence, chance = found
            cohort.append(g)
            period.append(t)
            effects.append(value)
            influences.append(influence)
            worst = max(worst, chance)
    after = [t >= g for g, t in zip(cohort, period, strict=True)]
    if not any(after):
        raise TooFewRows(
            "no cohort has enough units that are not treated yet beside it",
            where="did",
            remedy="Add units that were left alone, or adjust for fewer columns",
        )
    return GroupTime(
        np.array(cohort), np.array(period), np.array(effects), np.column_stack(influences),
        starts, _mass(layout), lost, worst,
    )  # fmt: skip


def _mass(layout: Layout) -> FloatArray:
    if not layout.samples:
        return np.ones(len(layout.units))
    assert layout.unit is not None
    rows: FloatArray = np.bincount(layout.unit) * len(layout.units) / len(layout.unit)
    return rows


def _compare_units(
    layout: Layout, outcome: FloatArray, covariates: FloatArray, model: str
) -> _Compare:
    """Return how changes of treated units are compared with those of others."""
    assert layout.unit is not None
    shape = (len(layout.units), len(layout.periods))
    seen = np.full(shape, np.nan)
    seen[layout.unit, layout.period] = outcome
    place = np.full(shape, -1, dtype=np.int64)
    place[layout.unit, layout.period] = np.arange(len(outcome))

    def compare(treated: BoolArray, others: BoolArray, base: int, t: int) -> _CellFound | None:
        there = ~np.isnan(seen[:, t]) & ~np.isnan(seen[:, base])
        treated, others = treated & there, others & there
        if not treated.any() or others.sum() < covariates.shape[1] + 2:
            return None
        rows = np.flatnonzero(treated | others)
        change = seen[rows, t] - seen[rows, base]
        design = np.column_stack([np.ones(len(rows)), covariates[place[rows, base]]])
        value, own, chance = _cell(change, treated[rows], design, model)
        influence = np.zeros(shape[0])
        influence[rows] = own * shape[0] / len(rows)
        return value, influence, chance

    return compare


def _compare_samples(
    layout: Layout, outcome: FloatArray, covariates: FloatArray, model: str
) -> _Compare:
    """Return how the gap between groups in a period is compared with that in the base period."""
    assert layout.unit is not None
    unit, units = layout.unit, len(layout.units)

    def compare(treated: BoolArray, others: BoolArray, base: int, t: int) -> _CellFound | None:
        value, influence, worst = 0.0, np.zeros(units), 0.0
        asked = treated | others
        for period, sign in ((t, 1.0), (base, -1.0)):
            rows = np.flatnonzero((layout.period == period) & asked[unit])
            ours = treated[unit[rows]]
            if ours.sum() < 2 or (~ours).sum() < covariates.shape[1] + 2:
                return None
            design = np.column_stack([np.ones(len(rows)), covariates[rows]])
            gap, own, chance = _cell(outcome[rows], ours, design, model)
            value += sign * gap
            # Groups are few where rows are many: it is their deviations that are too small.
            own = own * np.where(
                ours,
                _small(int(treated.sum())) / _small(int(ours.sum())),
                _small(int(others.sum())) / _small(int((~ours).sum())),
            )
            influence += sign * np.bincount(unit[rows], own, units) * units / len(rows)
            worst = max(worst, chance)
        return value, influence, worst

    return compare


def _cell(
    change: FloatArray, treated: BoolArray, design: FloatArray, model: str
) -> tuple[float, FloatArray, float]:
    """Return the effect in one cell, influence values and the largest chance of a treated unit."""
    rows = len(change)
    share = float(treated.mean())
    if design.shape[1] == 1:
        ours, theirs = float(change[treated].mean()), float(change[~treated].mean())
        scale = _small(int(treated.sum()))
        scale_of_others = _small(int((~treated).sum()))
        influence = np.where(
            treated,
            scale * (change - ours) / share,
            -scale_of_others * (change - theirs) / (1 - share),
        )
        return ours - theirs, influence, 0.0
    # Scaled, so that a penalty and a condition number mean the same for every column.
    spread = design[:, 1:].std(axis=0)
    design = np.column_stack(
        [design[:, 0], (design[:, 1:] - design[:, 1:].mean(axis=0))[:, spread > 0]
         / spread[spread > 0]]
    )  # fmt: skip
    inside = design[~treated]
    inverse = np.linalg.pinv(inside.T @ inside / rows)
    slopes = inverse @ (inside.T @ change[~treated]) / rows
    left = change - design @ slopes
    # Residuals are smaller than errors, by what each row adds to its own fit (HC2).
    leverage = np.where(treated, 0.0, np.einsum("ij,jk,ik->i", design, inverse, design) / rows)
    wide = left / np.sqrt(np.maximum(1 - leverage, 0.01))
    linear = (np.where(treated, 0.0, wide)[:, None] * design) @ inverse  # of the outcome model
    scale = _small(int(treated.sum()))
    if model == "outcome_regression":
        value = float(left[treated].mean())
        towards = design[treated].mean(axis=0)
        influence = np.where(treated, scale * (left - value), 0.0) / share - linear @ towards
        return value, influence, 0.0
    weights = logistic_ridge(design, treated.astype(np.float64), penalty=_PENALTY)
    chance = np.minimum(expit(design @ weights), 1 - 1e-6)
    odds = np.where(treated, 0.0, chance / (1 - chance))
    mass = float(odds.mean())
    ours, theirs = float(left[treated].mean()), float((odds * left).mean()) / mass
    curvature = (design * (chance * (1 - chance))[:, None]).T @ design / rows
    score = ((treated - chance)[:, None] * design) @ np.linalg.pinv(curvature)
    of_treated = np.where(treated, scale * (left - ours), 0.0)
    of_treated = of_treated - linear @ (treated[:, None] * design).mean(axis=0)
    of_others = odds * (wide - theirs)
    of_others = of_others + score @ ((odds * (left - theirs))[:, None] * design).mean(axis=0)
    of_others = of_others - linear @ (odds[:, None] * design).mean(axis=0)
    influence = of_treated / share - of_others / mass
    return ours - theirs, influence, float(chance[treated].max())


def _small(count: int) -> float:
    """Return by how much deviations from a mean of so few are too small."""
    return float(np.sqrt(count / (count - 1))) if count > 1 else 1.0
