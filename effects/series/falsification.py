"""What would be seen if a break at the event were something else than the event."""

from __future__ import annotations

import numpy as np
from scipy import stats

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.errors import TooFewRows
from whydrift.effects.check import Check, Outcome
from whydrift.effects.multiple import holm
from whydrift.effects.series.segments import Segments, fit_segments
from whydrift.effects.series.timeline import Timeline
from whydrift.effects.table import Table
from whydrift.effects.words import joined, number_text, p_text

__all__ = [
    "concurrent_events",
    "controls_stand_still",
    "memory_checks",
    "placebo_dates",
    "points_check",
]

_WARN_P, _FAIL_P = 0.05, 0.01
_WARN_WHITE_P, _FAIL_WHITE_P = 0.02, 0.001  # where many terms are fitted small p-values are common
_FEW_POINTS = 8  # on a side; Penfold & Zhang (2013) ask for as many
_MOST_LAGS = 10
_LEAST_PART = 4  # points on either side of a made-up event
_NEAR = 0.05  # of the series: events nearer to each other than that are hard to tell apart


def points_check(timeline: Timeline) -> Check:
    """Judge whether there are enough points on both sides."""
    after = len(timeline) - timeline.before
    return Check.at_least(
        "points_of_time",
        min(timeline.before, after),
        f"{timeline.before} points of time before the event, {after} from it on",
        warn=_FEW_POINTS,
    )


def memory_checks(segments: Segments, errors: str) -> tuple[Check, ...]:
    """Judge what the errors remember, and whether the fit has taken it into account."""
    memory = segments.fit.memory
    strong = "; a series that wanders by itself makes breaks of its own" if memory > 0.8 else ""
    kept = Check.at_most(
        "memory",
        memory,
        f"neighbouring errors correlate by {number_text(memory)}{strong}",
        warn=0.5 if errors == "newey_west" else 0.8,
        fail=0.8 if errors == "newey_west" else 0.95,
    )
    if errors == "newey_west":  # the residuals may remember: their errors allow for it
        return (kept,)
    p = _ljung_box(segments.fit.innovations)
    said = (
        f"the errors remember more than the one before ({p_text(p)}, Ljung–Box): a season or a "
        "curved trend is not in the model, and intervals are too short"
        if p < _WARN_WHITE_P
        else f"nothing is left that the past foretells ({p_text(p)}, Ljung–Box)"
    )
    white = Check.at_least(
        "residual_autocorrelation", p, said, warn=_WARN_WHITE_P, fail=_FAIL_WHITE_P
    )
    return kept, white


def _ljung_box(innovations: FloatArray) -> float:
    """Ljung & Box (1978), one degree of freedom less for the memory that was fitted."""
    points = len(innovations)
    lags = max(min(_MOST_LAGS, points // 5), 2)
    centred = innovations - innovations.mean()
    size = float(centred @ centred)
    if not size > 0:
        return 1.0
    correlation = np.array([float(centred[k:] @ centred[:-k]) / size for k in range(1, lags + 1)])
    spare = points - np.arange(1, lags + 1)
    statistic = points * (points + 2) * float((correlation**2 / spare).sum())
    return float(stats.chi2.sf(statistic, lags - 1))


def placebo_dates(
    timeline: Timeline, errors: str, extra: tuple[FloatArray, tuple[str, ...]], *, changes: bool
) -> tuple[Check, Table | None]:
    """Judge whether the level breaks where nothing happened: at three times before the event."""
    places: list[int] = []
    found: list[tuple[float, float, float]] = []
    for share in (0.25, 0.5, 0.75):
        at = round(share * timeline.before)
        if not _LEAST_PART <= at <= timeline.before - _LEAST_PART or at in places:
            continue
        try:
            there = fit_segments(
                timeline, timeline.outcome, errors, extra,
                changes=changes, at=at, points=timeline.before,
            )  # fmt: skip
        except TooFewRows:
            continue
        weights = there.weights("level")
        places.append(at)
        found.append((*there.fit.contrast(weights), there.fit.p_value(weights)))
    if not places:
        said = "too few points before the event to look for breaks where nothing happened"
        return Check("placebo_dates", Outcome.WARN, said), None
    adjusted = holm([p for _, _, p in found])
    worst = min(adjusted)
    where = [timeline.names[at] for at, p in zip(places, adjusted, strict=True) if p < _WARN_P]
    said = (
        f"the level breaks at {joined(where)} too ({p_text(worst)}), before the event"
        if where
        else f"no break at {len(places)} times before the event (smallest {p_text(worst)})"
    )
    table = Table.of(
        "Level changes at times when nothing happened",
        {
            "time": [timeline.names[at] for at in places],
            "level change": [value for value, _, _ in found],
            "standard error": [error for _, error, _ in found],
            "p (Holm)": adjusted,
        },
    )
    return Check.at_least("placebo_dates", worst, said, warn=_WARN_P, fail=_FAIL_P), table


def controls_stand_still(
    timeline: Timeline,
    errors: str,
    season: tuple[FloatArray, tuple[str, ...]],
    *,
    changes: bool,
) -> tuple[Check, ...]:
    """Judge whether what is adjusted for breaks at the event itself."""
    if not timeline.covariate_names:
        return ()
    p_values: list[float] = []
    for column in timeline.covariates.T:
        there = fit_segments(timeline, column, errors, season, changes=changes)
        p_values.append(there.fit.p_value(there.weights("average")))
    adjusted = holm(p_values)
    worst = min(adjusted)
    moved = [n for n, p in zip(timeline.covariate_names, adjusted, strict=True) if p < _WARN_P]
    said = (
        f"{joined(moved)} changed at the event too ({p_text(worst)}): adjusting may take a part "
        "of the effect away, or bring another cause in"
        if moved
        else f"what is adjusted for did not change at the event (smallest {p_text(worst)})"
    )
    return (Check.at_least("controls_moved", worst, said, warn=_WARN_P, fail=_FAIL_P),)


def concurrent_events(timeline: Timeline) -> tuple[Check, ...]:
    """Judge whether something else began or ended near the event."""
    if not timeline.events:
        return ()
    near: list[str] = []
    nearest = len(timeline)
    for name, values in timeline.events.items():
        for change in np.flatnonzero(np.diff(values)) + 1:
            apart = abs(int(change) - timeline.before)
            nearest = min(nearest, apart)
            if apart <= _NEAR * len(timeline):
                near.append(f"{name} at {timeline.names[change]}")
    said = (
        f"{joined(near)} came at nearly the same time: what each did cannot be told apart"
        if near
        else f"no other event within {nearest} points of time"
    )
    at_once = Outcome.FAIL if nearest <= 1 else Outcome.WARN
    outcome = at_once if near else Outcome.PASS
    return (Check("concurrent_events", outcome, said, float(nearest), _NEAR * len(timeline)),)
