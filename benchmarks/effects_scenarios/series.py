"""An event in one series: a line, a weekday season, errors that remember the one before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from effects_scenarios.base import Scenario

_POINTS, _BEFORE, _LEVEL, _SLOPE = 120, 80, -1.5, 0.02
_AVERAGE = _LEVEL + _SLOPE * (_POINTS - _BEFORE - 1) / 2


def _series(
    memory: float = 0.4,
    points: int = _POINTS,
    before: int = _BEFORE,
    earlier: float = 0.0,
    cycle: float = 0.0,
) -> Callable[[np.random.Generator], dict[str, Any]]:
    def draw(generator: np.random.Generator) -> dict[str, Any]:
        noise = generator.normal(size=points + 100)
        for t in range(1, len(noise)):
            noise[t] += memory * noise[t - 1]
        time = np.arange(points)
        after = (time >= before).astype(int)
        outcome = (
            10 + 0.02 * time + 2.0 * (time % 7 >= 5) + noise[100:]
            + after * (_LEVEL + _SLOPE * (time - before))
            + earlier * (time >= before // 2) + cycle * np.sin(time * 2 * np.pi / 5)
        )  # fmt: skip
        day = np.datetime64("2026-01-05") + time
        return {"day": day.astype("datetime64[D]"), "after": after, "y": outcome}

    return draw


def _with_control(moves: float) -> Callable[[np.random.Generator], dict[str, Any]]:
    def draw(generator: np.random.Generator) -> dict[str, Any]:
        data = _series()(generator)
        shared = 2 * generator.normal(size=_POINTS)
        data["y"] = data["y"] + shared
        data["others"] = shared + 5.0 + moves * data["after"]
        return data

    return draw


def _random_walk(generator: np.random.Generator) -> dict[str, Any]:
    return _series(memory=1.0)(generator)


def _ask(**given: Any) -> dict[str, Any]:
    asked = {"treatment": "after", "outcome": "y", "time": "day"}
    return {**asked, "method": "interrupted_time_series", **given}


SCENARIOS = (
    Scenario("series.average", _series(), _AVERAGE, _ask()),
    Scenario("series.level", _series(), _LEVEL, _ask(estimand="level")),
    Scenario("series.slope", _series(), _SLOPE, _ask(estimand="slope")),
    Scenario("series.no_memory", _series(memory=0.0), _LEVEL, _ask(estimand="level")),
    Scenario(
        "series.newey_west_long", _series(memory=0.2, points=2000, before=1000), _LEVEL,
        _ask(estimand="level", errors="newey_west"),
    ),
    Scenario("series.control_series", _with_control(0.0), _AVERAGE, _ask(adjustment="others")),
    # Where it must not be believed.
    Scenario(
        "series.broke_before", _series(earlier=6.0), _AVERAGE, _ask(), holds=False,
        fires="placebo_dates",
    ),
    Scenario("series.random_walk", _random_walk, _AVERAGE, _ask(), holds=False, fires="memory"),
    Scenario(
        "series.cycle_left_out", _series(cycle=3.0), _AVERAGE, _ask(), holds=False,
        fires="residual_autocorrelation",
    ),
    Scenario(
        "series.control_moved", _with_control(4.0), _AVERAGE, _ask(adjustment="others"),
        holds=False, fires="controls_moved",
    ),
)  # fmt: skip
