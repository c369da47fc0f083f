"""Calendars: what recurs in a series, as columns of a regression."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.errors import OptionError, unknown_name

__all__ = ["seasons", "seasons_that_show"]

_HOURS, _MINUTE = 24, 1 / 1440  # in days


def _weekday(days: FloatArray) -> IntArray:
    return (np.floor(days + _MINUTE / 2).astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday


def _hour(days: FloatArray) -> IntArray:
    return np.floor((days + _MINUTE / 2) % 1 * _HOURS).astype(np.int64)


def _month(days: FloatArray) -> IntArray:
    months = np.floor(days + _MINUTE / 2).astype("datetime64[D]").astype("datetime64[M]")
    return months.astype(np.int64) % 12


_CYCLES: Final[dict[str, Callable[[FloatArray], IntArray]]] = {
    "weekday": _weekday,
    "hour": _hour,
    "month": _month,
}
_SPANS: Final = {"hour": 3.0, "weekday": 21.0, "month": 3 * 365.0}  # days, before one can be told
_STEPS: Final = {"hour": 1 / 24, "weekday": 1.0, "month": 31.0}  # days, the largest between points


def seasons_that_show(days: FloatArray) -> tuple[str, ...]:
    """Return the cycles that a series of times is fine and long enough to show.

    Parameters
    ----------
    days : ndarray of shape (n_points,)
        In order, since 1970.
    """
    step, span = float(np.median(np.diff(days))), float(days[-1] - days[0])
    return tuple(
        name
        for name, least in _SPANS.items()
        if span >= least and step <= _STEPS[name] * 1.01 and len(np.unique(_CYCLES[name](days))) > 1
    )


def seasons(
    days: FloatArray | None, count: int, season: str | int | tuple[str, ...]
) -> tuple[FloatArray, tuple[str, ...]]:
    """Return 0/1 columns for the places in each cycle, and what they are called.

    Parameters
    ----------
    days : ndarray of shape (n_points,), optional
        Times in days since 1970; None where time is no calendar time.
    count : int
        Points.
    season : str, int or tuple of str
        ``auto``, ``none``, names of cycles, or the number of points after which it recurs.

    Raises
    ------
    OptionError
        If there is no such cycle, or time is no calendar time.
    """
    if isinstance(season, int):
        if not 2 <= season <= count // 2:
            raise OptionError(
                f"a season of {season} points does not recur within {count}",
                where="interrupted_time_series, season",
                remedy=f"Give a number from 2 to {count // 2}, or 'none'",
            )
        return _dummies(np.arange(count) % season, f"{season}-point season")
    named = (season,) if isinstance(season, str) else tuple(season)
    if named == ("none",):
        return np.empty((count, 0)), ()
    if named == ("auto",):
        named = () if days is None else seasons_that_show(days)
    elif days is None:
        raise OptionError(
            "the time column holds no dates or times, so that nothing is known of weekdays",
            where="interrupted_time_series, season",
            remedy="Give dates, or the number of points after which the season recurs",
        )
    columns: list[FloatArray] = []
    labels: list[str] = []
    for name in named:
        if name not in _CYCLES:
            known = ("auto", "none", *_CYCLES)
            raise unknown_name("season", name, known=known, where="interrupted_time_series")
        assert days is not None
        block, words = _dummies(_CYCLES[name](days), name)
        columns.append(block)
        labels += words
    return (np.column_stack(columns) if columns else np.empty((count, 0))), tuple(labels)


def _dummies(codes: IntArray, name: str) -> tuple[FloatArray, tuple[str, ...]]:
    """Return a column for each place but the first, less its mean: the level stays the level's."""
    places = np.unique(codes)[1:]
    block = (codes[:, None] == places).astype(np.float64)
    return block - block.mean(axis=0), tuple(f"{name} {place}" for place in places)
