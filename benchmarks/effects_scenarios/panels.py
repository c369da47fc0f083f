"""Panels: units differ, periods differ, errors last, and effects grow and differ by beginning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from effects_scenarios.base import Scenario

_PERIODS, _EFFECT = 8, 1.0
_STARTS = np.array([3, 5, _PERIODS])  # the last: never
_SHARES = np.array([0.3, 0.3, 0.4])
_SIZES = np.array([2.0, 0.5])  # of the two cohorts' effects, in their first period
_GROWTH = 0.5  # a period


def _noise(generator: np.random.Generator, units: int, periods: int = _PERIODS) -> Any:
    """Errors that last: each is half of the one before."""
    shocks = generator.normal(size=(units, periods))
    for t in range(1, periods):
        shocks[:, t] += 0.5 * shocks[:, t - 1]
    return shocks


def _panel(
    start: Any, outcome: Any, generator: np.random.Generator, lost: float = 0.0, **more: Any
) -> dict[str, Any]:
    units, periods = outcome.shape
    unit, time = np.repeat(np.arange(units), periods), np.tile(np.arange(periods), units)
    data = {
        "unit": unit,
        "time": time,
        "treat": (time >= start[unit]).astype(int),
        "y": outcome.ravel(),
        **{name: values[unit] for name, values in more.items()},
    }
    kept = generator.random(len(unit)) >= lost
    return {name: values[kept] for name, values in data.items()}


def _at_once(
    generator: np.random.Generator,
    units: int = 60,
    treated: int | None = None,
    trend: float = 0.0,
    lost: float = 0.0,
) -> dict[str, Any]:
    count = units // 2 if treated is None else treated
    start = np.where(np.arange(units) < count, 4, _PERIODS)
    time = np.arange(_PERIODS)
    outcome = generator.normal(size=(units, 1)) + 0.3 * time + _noise(generator, units)
    outcome = outcome + (start[:, None] < _PERIODS) * trend * time
    return _panel(start, outcome + _EFFECT * (time >= start[:, None]), generator, lost)


def _staggered(
    generator: np.random.Generator, *, with_never: bool = True, by_covariate: bool = False
) -> dict[str, Any]:
    units = 200
    x = generator.normal(size=units)
    time = np.arange(_PERIODS)
    if by_covariate:  # who begins depends on x, and so does the trend
        early = generator.random(units) < 1 / (1 + np.exp(-x))
        cohort = np.where(early, generator.integers(0, 2, units), 2)
    else:
        cohort = generator.choice(3, units, p=_SHARES)
    if not with_never:
        cohort = np.where(cohort == 2, 1, cohort)
    start = _STARTS[cohort][:, None]
    effect = np.append(_SIZES, 0.0)[cohort][:, None] + _GROWTH * (time - start)
    outcome = generator.normal(size=(units, 1)) + 0.3 * time + _noise(generator, units)
    outcome = outcome + 0.5 * x[:, None] * time * by_covariate
    return _panel(start[:, 0], outcome + effect * (time >= start), generator, x=x)


def _truth(shares: Any = _SHARES, last: int = _PERIODS) -> float:
    """The mean effect over treated units and periods before ``last``."""
    total, mass = 0.0, 0.0
    for share, start, size in zip(shares, _STARTS, _SIZES, strict=False):
        for t in range(start, last):
            total, mass = total + share * (size + _GROWTH * (t - start)), mass + share
    return total / mass


def _samples(generator: np.random.Generator, groups: int | None = None) -> dict[str, Any]:
    """Other people each time; with groups, all of one group share shocks."""
    rows = 400
    after = generator.integers(0, 2, rows)
    group = generator.integers(0, groups or 2, rows)
    treat = (group < (groups or 2) // 2).astype(int)
    outcome = treat + 0.5 * after + _EFFECT * treat * after
    outcome = outcome + (1 + after) * generator.normal(size=rows)
    if groups is not None:
        shocks = generator.normal(size=(groups, 2))
        outcome = outcome + 0.7 * shocks[group, after]
    return {"treat": treat, "time": after, "y": outcome, "group": group}


def _regions(generator: np.random.Generator, *, by_covariate: bool = False) -> dict[str, Any]:
    """Regions that begin at several times, with other people in them each time."""
    regions, rows = 80, 6000
    cohort = generator.choice(3, regions, p=_SHARES)
    shocks = _noise(generator, regions) * 0.3
    region, time = generator.integers(0, regions, rows), generator.integers(0, _PERIODS, rows)
    start = _STARTS[cohort][region]
    x = generator.normal(size=rows) + by_covariate * (cohort[region] == 0)
    effect = np.append(_SIZES, 0.0)[cohort][region] + _GROWTH * (time - start)
    outcome = 0.2 * region + 0.3 * time + shocks[region, time] + effect * (time >= start)
    outcome = outcome + by_covariate * 0.3 * x * time + generator.normal(size=rows)
    return {
        "region": region, "time": time, "treat": (time >= start).astype(int), "x": x, "y": outcome,
        "effect": effect,
    }  # fmt: skip


def _of_rows(data: Mapping[str, Any]) -> float:
    """The mean effect over cohorts and periods, cohorts by their rows."""
    # Cells count by the rows of their cohort over all periods.
    total, mass = 0.0, 0.0
    started = np.array([data["time"][(data["region"] == r) & (data["treat"] == 1)].min(initial=99)
                        for r in range(int(data["region"].max()) + 1)])[data["region"]]  # fmt: skip
    for start, size in zip(_STARTS[:-1], _SIZES, strict=True):
        share = float((started == start).mean())
        for t in range(start, _PERIODS):
            total, mass = total + share * (size + _GROWTH * (t - start)), mass + share
    return total / mass


def _ask(**given: Any) -> dict[str, Any]:
    asked = {"treatment": "treat", "outcome": "y", "method": "did", "time": "time"}
    return {**asked, "unit": "unit", **given}


SCENARIOS = (
    Scenario("panels.two_groups", _samples, _EFFECT, _ask(unit=None)),
    Scenario("panels.fixed_effects", _at_once, _EFFECT, _ask()),
    Scenario(
        "panels.fixed_effects_with_gaps", lambda g: _at_once(g, lost=0.15), _EFFECT, _ask()
    ),
    Scenario(
        "panels.ten_clusters", lambda g: _samples(g, groups=10), _EFFECT,
        _ask(unit=None, cluster="group"),
    ),
    Scenario("panels.twelve_units", lambda g: _at_once(g, units=12), _EFFECT, _ask()),
    Scenario(
        "panels.group_time_at_once", _at_once, _EFFECT, _ask(estimator="group_time")
    ),
    Scenario("panels.staggered_never_treated", _staggered, _truth(), _ask()),
    Scenario("panels.staggered_not_yet", _staggered, _truth(), _ask(controls="not_yet")),
    Scenario(
        "panels.staggered_all_treated", lambda g: _staggered(g, with_never=False),
        _truth(last=5), _ask(),
    ),
    Scenario(
        "panels.staggered_doubly_robust", lambda g: _staggered(g, by_covariate=True),
        _truth((0.5, 0.5)), _ask(adjustment=("x",)),
    ),
    Scenario(
        "panels.staggered_outcome_regression", lambda g: _staggered(g, by_covariate=True),
        _truth((0.5, 0.5)), _ask(adjustment=("x",), model="outcome_regression"),
    ),
    Scenario(
        "panels.staggered_samples", _regions, _of_rows, _ask(unit=None, cluster="region")
    ),
    Scenario(
        "panels.staggered_samples_doubly_robust", lambda g: _regions(g, by_covariate=True),
        _of_rows, _ask(unit=None, cluster="region", adjustment=("x",)),
    ),
    # Where it must not be believed.
    Scenario(
        "panels.slope_where_staggered", _staggered, _truth(), _ask(estimator="fixed_effects"),
        holds=False, fires="forbidden_comparisons",
    ),
    Scenario(
        "panels.sides_diverge", lambda g: _at_once(g, trend=0.5), _EFFECT, _ask(), holds=False,
        fires="parallel_trends",
    ),
    Scenario(
        "panels.staggered_without_the_covariate", lambda g: _staggered(g, by_covariate=True),
        _truth((0.5, 0.5)), _ask(), holds=False, fires="parallel_trends",
    ),
    Scenario(
        "panels.one_treated_unit", lambda g: _at_once(g, treated=1), _EFFECT, _ask(),
        holds=False, fires="treated_clusters",
    ),
)  # fmt: skip
