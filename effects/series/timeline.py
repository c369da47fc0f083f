"""One series around an event, a value for each point of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.errors import SchemaError, TooFewRows
from whydrift.discovery.snapshot.note import Note
from whydrift.effects.columns import is_category
from whydrift.effects.words import joined

if TYPE_CHECKING:
    from whydrift.effects.study import Study

__all__ = ["Timeline", "read_timeline"]

_FEWEST = 3  # points on each side: a level and a slope, and something to judge them by
_UNEVEN = 1.5  # of the usual step, from which on a step is a gap


@dataclass(frozen=True)
class Timeline:
    """A series in order of time.

    Parameters
    ----------
    names : tuple of str
        The points of time, as the data write them.
    days : ndarray of shape (n_points,), optional
        Days since 1970, where time is a date or time of day.
    place : ndarray of shape (n_points,)
        Time in steps since the event: 0 at the first point after it.
    outcome : ndarray of shape (n_points,)
        Means of the rows of each point.
    before : int
        Points before the event.
    covariates : ndarray of shape (n_points, n_features)
        Means, less their mean over all points.
    covariate_names : tuple of str
    events : mapping of str to ndarray of shape (n_points,)
        What else happened.
    rows : ndarray of int, shape (n_points,)
    notes : tuple of Note
    """

    names: tuple[str, ...]
    days: FloatArray | None
    place: FloatArray
    outcome: FloatArray
    before: int
    covariates: FloatArray
    covariate_names: tuple[str, ...]
    events: dict[str, FloatArray]
    rows: IntArray
    notes: tuple[Note, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def axis(self) -> FloatArray:
        """Time for a picture: numbers as they are, dates as years, else places."""
        if self.days is not None:
            return 1970 + self.days / 365.2425
        try:
            return np.array([float(name) for name in self.names])
        except ValueError:
            return np.arange(len(self.names), dtype=np.float64)


def read_timeline(study: Study, events: tuple[str, ...]) -> Timeline:
    """Read a study once; several rows at one time become their mean.

    Raises
    ------
    SchemaError
        If the treatment differs between rows of one time, or does not begin once and last.
    TooFewRows
        If there are fewer than three points before or after.
    """
    code, written = study.time
    names = tuple(name.removesuffix(" 00:00:00") for name in written)
    count = np.bincount(code, minlength=len(names))

    def mean(values: FloatArray) -> FloatArray:
        return np.bincount(code, weights=values, minlength=len(names)) / count

    treated = mean(study.treatment.values)
    mixed = np.flatnonzero((treated > 0) & (treated < 1))
    if len(mixed):
        raise SchemaError(
            f"{study.roles.treatment} differs between rows of {names[mixed[0]]}",
            where="interrupted_time_series",
            remedy="The event must come for all rows at one time; where some rows were left alone, "
            "take method 'did'",
        )
    before = int(np.argmax(treated == 1))
    if before == 0 or not (treated[before:] == 1).all():
        raise SchemaError(
            f"{study.roles.treatment} does not begin once and last: it is "
            f"{study.treatment.levels[1]} at {names[0] if treated[0] else names[before]}, and "
            f"{study.treatment.levels[0]} later",
            where="interrupted_time_series",
            remedy="Give a column that is 0 before the event and 1 from it on",
        )
    for number, words in ((before, "before"), (len(names) - before, "from the event on")):
        if number < _FEWEST:
            raise TooFewRows(
                f"{number} points of time {words}, and a line that is to be judged needs {_FEWEST}",
                where="interrupted_time_series",
                remedy="Give more of the series, or finer times",
            )
    days, steps, notes = _steps(study, code, names, before)
    design = np.empty((len(names), len(study.covariates)))
    for column, values in enumerate(study.covariates.design.T):
        design[:, column] = mean(values)
    if count.max() > 1:
        text = f"{study.n:,} rows at {len(names):,} points of time: means of the rows are compared"
        notes = (*notes, Note("rows_averaged", study.roles.time, text))
    return Timeline(
        names, days, steps, mean(study.outcome), before, design - design.mean(axis=0),
        study.covariates.names, {name: mean(study.numbers(name, "events")) for name in events},
        count, notes,
    )  # fmt: skip


def _steps(
    study: Study, code: IntArray, names: tuple[str, ...], before: int
) -> tuple[FloatArray | None, FloatArray, tuple[Note, ...]]:
    """Return days, time in usual steps since the event, and a note where points are uneven."""
    import pyarrow.types as t

    name = str(study.roles.time)
    places = np.arange(len(names), dtype=np.float64) - before
    if is_category(study.table, name):
        return None, places, ()
    values = np.zeros(len(names))
    values[code] = study.numbers(name, "time")
    kind = study.table.schema.field(name).type
    days = values if t.is_timestamp(kind) or t.is_date(kind) else None
    gaps = np.diff(values)
    usual = float(np.median(gaps))
    if days is not None and 27 < usual < 32 and gaps.min() > 27 and gaps.max() < 32:
        return days, places, ()  # months are as long as they are
    wide = np.flatnonzero(gaps > _UNEVEN * usual)
    notes: tuple[Note, ...] = ()
    if len(wide):
        first = joined([names[i] for i in wide], most=3)
        text = f"points of time are missing after {first}: what follows counts as next in memory"
        notes = (Note("gaps_in_time", name, text),)
    return days, (values - values[before]) / usual, notes
