"""Interrupted time series: the day of the release."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from whydrift.discovery.errors import unknown_name
from whydrift.effects.chart import Chart, Rule, Series, Shape, Side
from whydrift.effects.effect import Effect
from whydrift.effects.estimand import ALWAYS, Estimand
from whydrift.effects.question import Question
from whydrift.effects.series.calendar import seasons
from whydrift.effects.series.falsification import (
    concurrent_events,
    controls_stand_still,
    memory_checks,
    placebo_dates,
    points_check,
)
from whydrift.effects.series.fit import ERRORS
from whydrift.effects.series.segments import Segments, fit_segments
from whydrift.effects.series.timeline import Timeline, read_timeline
from whydrift.effects.study import Study
from whydrift.effects.table import Table

__all__ = ["InterruptedTimeSeries"]

_ASSUMPTIONS: Final = (
    "Without the event the series would have gone on along its line (and season, and with what is "
    "adjusted for)",
    "Nothing else that moves the outcome began at the same time, and nobody acted on the event "
    "before it came",
    "What is recorded, and of whom, did not change with the event",
    ALWAYS[0],
)
_SYMBOLS: Final = {
    "average": "mean over t ≥ T₀ of Yₜ(1) − Yₜ(0)",
    "level": "Yₜ(1) − Yₜ(0) at t = T₀",
    "slope": "d/dt (Yₜ(1) − Yₜ(0)), t ≥ T₀",
}


@dataclass(frozen=True)
class InterruptedTimeSeries:
    """A line before an event, carried on, against what came.

    Segmented regression: level and slope may change at the event. The estimand ``average`` is the
    mean of both changes over the points from the event on, ``level`` the change at once, ``slope``
    that of each step after. Columns that are adjusted for, such as a series that the event did not
    touch, move the line.

    Parameters
    ----------
    season : str, int or tuple of str
        What recurs: ``weekday``, ``hour``, ``month``, a number of points, ``none``; ``auto`` takes
        what the times are fine and long enough to show.
    trend_change : bool
        Whether the slope may change too.
    errors : str
        ``ar1`` (errors remember the one before) or ``newey_west`` (any memory that fades; for long
        series).
    events : tuple of str
        Columns that say what else happened: values that change near the event are reported.

    References
    ----------
    Wagner, Soumerai, Zhang & Ross-Degnan (2002), Segmented regression analysis of interrupted time
    series studies in medication use research.
    Bernal, Cummins & Gasparrini (2017), Interrupted time series regression for the evaluation of
    public health interventions: a tutorial.
    """

    season: str | int | tuple[str, ...] = "auto"
    trend_change: bool = True
    errors: str = "ar1"
    events: str | tuple[str, ...] = ()

    def estimate(self, study: Study, question: Question) -> Effect:
        """Return the effect; see `Method`."""
        if self.errors not in ERRORS:
            known = ERRORS
            raise unknown_name(
                "kind of errors", str(self.errors), known=known, where="interrupted_time_series"
            )
        # A slope that is asked for must be allowed to change.
        changes = self.trend_change or question.estimand == "slope"
        events = (self.events,) if isinstance(self.events, str) else tuple(self.events)
        timeline = read_timeline(study, events)
        season = seasons(timeline.days, len(timeline), self.season)
        extra = (
            np.column_stack([season[0], timeline.covariates]),
            (*season[1], *timeline.covariate_names),
        )
        segments = fit_segments(timeline, timeline.outcome, self.errors, extra, changes=changes)
        value, error = segments.fit.contrast(segments.weights(question.estimand))
        placebo, elsewhere = placebo_dates(timeline, self.errors, extra, changes=changes)
        quantile = question.quantile(segments.fit.freedom)
        details = {
            "changes": _changes(segments, quantile),
            "coefficients": _coefficients(segments),
            "placebo_dates": elsewhere,
        }
        return question.answer(
            study,
            _estimand(study, question.estimand, timeline),
            method="interrupted_time_series",
            value=value,
            standard_error=error,
            freedom=segments.fit.freedom,
            n=len(timeline),
            assumptions=_ASSUMPTIONS,
            checks=(
                points_check(timeline),
                *memory_checks(segments, self.errors),
                placebo,
                *controls_stand_still(timeline, self.errors, season, changes=changes),
                *concurrent_events(timeline),
            ),
            warnings=timeline.notes,
            details={name: table for name, table in details.items() if table is not None},
            charts=(_chart(study, timeline, segments, quantile),),
        )


def _estimand(study: Study, name: str, timeline: Timeline) -> Estimand:
    first, last = timeline.names[timeline.before], timeline.names[-1]
    when = {
        "average": f"on average from {first} to {last}",
        "level": f"at once, at {first}",
        "slope": f"with each step of time after {first}",
    }[name]
    words = f"change of {study.roles.outcome} by {study.treatment.contrast}, {when}"
    return Estimand(name, words, _SYMBOLS[name])


def _changes(segments: Segments, quantile: float) -> Table:
    names = ("average", "level", *(("slope",) if segments.changes else ()))
    found = [segments.fit.contrast(segments.weights(name)) for name in names]
    return Table.of(
        "What changed at the event",
        {
            "change": names,
            "value": [value for value, _ in found],
            "standard error": [error for _, error in found],
            "low": [value - quantile * error for value, error in found],
            "high": [value + quantile * error for value, error in found],
        },
    )


def _coefficients(segments: Segments) -> Table:
    return Table.of(
        "The regression, time in steps since the event",
        {
            "term": segments.names,
            "coefficient": segments.fit.coefficients,
            "standard error": np.sqrt(np.diag(segments.fit.covariance)),
        },
    )


def _chart(study: Study, timeline: Timeline, segments: Segments, quantile: float) -> Chart:
    when, before = timeline.axis, timeline.before
    expected, reach = segments.counterfactual(quantile)
    outcome = study.roles.outcome
    points, line = Shape.POINTS, Shape.LINE
    return Chart(
        "series",
        f"{outcome} over time, and what it would have been without the event",
        "year" if timeline.days is not None else str(study.roles.time),
        outcome,
        (
            Series.of("observed", when, timeline.outcome, shape=points, side=Side.NEUTRAL),
            Series.of("", when[:before], segments.path[:before], shape=line, side=Side.CONTROL),
            Series.of("fitted", when[before:], segments.path[before:], shape=line),
            Series.of(
                "without the event", when[before:], expected,
                low=expected - reach, high=expected + reach, shape=line, side=Side.CONTROL,
            ),
        ),
        (Rule("x", float(when[before]), timeline.names[before]),),
    )  # fmt: skip
