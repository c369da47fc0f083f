"""Dates are not compared; where one that describes rows moved, that is told."""

from __future__ import annotations

import numpy as np
import pandas as pd

import whydrift as wd

START = pd.Timestamp("2024-01-01")


def members(rng: np.random.Generator, later: int, name: str = "signup") -> pd.DataFrame:
    day, x = rng.integers(0, 700, 1000) + later, rng.normal(size=1000)
    y = day / 200 + x + rng.normal(size=1000)
    return pd.DataFrame({name: START + pd.to_timedelta(day, unit="D"), "x": x, "y": y})


def noted(before: pd.DataFrame, after: pd.DataFrame) -> list[str | None]:
    found = wd.compare(before, after, target="y")
    return [note.column for note in found.warnings if note.code == "date_not_compared"]


def test_a_date_on_which_the_target_may_depend_is_named_where_it_moved():
    rng = np.random.default_rng(0)
    assert noted(members(rng, 0), members(rng, 120)) == ["signup"]
    assert noted(members(rng, 0), members(rng, 0)) == []


def test_dates_of_when_rows_came_go_on_and_are_no_news():
    rng = np.random.default_rng(1)
    assert noted(members(rng, 0, "entered"), members(rng, 700, "entered")) == []
