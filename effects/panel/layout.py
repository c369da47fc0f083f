"""Who was treated, and from when on: the shape of a panel, or of samples over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import BoolArray, IntArray
from whydrift.discovery.errors import OptionError, SchemaError, unknown_name
from whydrift.discovery.snapshot.note import Note
from whydrift.effects.study import Study

__all__ = ["Layout", "begins_within_clusters", "read_layout"]


@dataclass(frozen=True)
class Layout:
    """Periods, units and when each was first treated.

    Parameters
    ----------
    period : ndarray of int, shape (n_rows,)
        Places in ``periods``.
    periods : tuple of str
        In order of time.
    start : ndarray of int, shape (n_rows,)
        First treated period of the row's unit (or group); ``len(periods)`` for never.
    unit : ndarray of int, shape (n_rows,), optional
        Codes from 0; None where every row is somebody else.
    units : tuple of str
        With ``samples`` the groups (regions, shops), of which other rows are seen each time.
    turns_back : bool
        Whether a unit is untreated again later.
    treated_now : ndarray of bool, shape (n_rows,)
    samples : bool
        Whether a unit is a group with rows of different people each time (repeated cross-sections).
    """

    period: IntArray
    periods: tuple[str, ...]
    start: IntArray
    unit: IntArray | None
    units: tuple[str, ...]
    turns_back: bool
    treated_now: BoolArray
    samples: bool = False

    @property
    def never(self) -> int:
        """The start of those never treated."""
        return len(self.periods)

    @property
    def ever_treated(self) -> BoolArray:
        """Whether each row belongs to those treated some time, shape (n_rows,)."""
        found: BoolArray = self.start < self.never
        return found

    @property
    def cohorts(self) -> tuple[int, ...]:
        """The periods in which somebody was first treated, in order."""
        return tuple(int(g) for g in np.unique(self.start) if g < self.never)

    @property
    def is_staggered(self) -> bool:
        """Whether not all who were treated began at the same time."""
        return len(self.cohorts) > 1

    @property
    def share_missing(self) -> float:
        """Share of unit-periods that are not in the data; 0 without units."""
        if self.unit is None:
            return 0.0
        seen = len(np.unique(self.unit * len(self.periods) + self.period))
        return 1 - seen / (len(self.units) * len(self.periods))

    @property
    def unit_starts(self) -> IntArray:
        """First treated period of each unit, shape (n_units,)."""
        assert self.unit is not None
        found = np.empty(len(self.units), dtype=np.int64)
        found[self.unit] = self.start
        return found

    def unit_codes(self, per_row: IntArray) -> IntArray:
        """Return for each unit what its rows share, as codes from 0 without gaps."""
        assert self.unit is not None
        found = np.empty(len(self.units), dtype=np.int64)
        found[self.unit] = per_row
        return np.unique(found, return_inverse=True)[1].astype(np.int64)


def read_layout(study: Study, start: object = None) -> tuple[Study, Layout, tuple[Note, ...]]:
    """Return the rows to be used, their layout, and what is said of others.

    The treatment column either says who is treated in each period, or marks those who are treated
    some time; then ``start`` says from when on (of two periods, the second). Units treated from
    their first period on are left out: nothing is known of them before. Without a unit, rows are
    different people each time; clusters that began to be treated then take the place of units.

    Raises
    ------
    SchemaError
        If there is one period, a unit is seen twice in one, or nobody is seen before and after.
    OptionError
        If ``start`` is absent where it is needed, or no period.
    """
    period, periods = study.time
    if len(periods) < 2:
        raise SchemaError(
            f"{study.roles.time!r} has one value in all usable rows",
            where="time",
            remedy="Without a before and an after there is no change to compare",
        )
    treated = study.treatment.is_treated == 1
    unit, units = study.unit if study.roles.unit is not None else (None, ())
    samples = unit is None and begins_within_clusters(study)
    if samples:
        unit, units = study.codes(str(study.roles.cluster), "cluster")
    elif unit is None:
        return study, _of_groups(study, treated, period, periods, start), ()
    else:
        _check_once(study, unit, units, period, periods)
    first, last = _extremes(treated.astype(np.int64), unit, len(units))
    if (first == last).all():
        began = _place(study, periods, start)
        starts = np.where(first == 1, began, len(periods))[unit]
    else:
        if start is not None:
            raise OptionError(
                f"treatment {study.roles.treatment!r} says itself from when on each unit is "
                "treated, and start is given too",
                where="did, start",
                remedy="Leave start out, or name a column that is the same in all periods of a "
                "unit",
            )
        seen = np.where(treated, period, len(periods))
        starts = _extremes(seen, unit, len(units))[0][unit]
    treated_now = treated if not (first == last).all() else treated & (period >= starts)
    turns_back = bool((treated_now != (period >= starts)).any())
    layout = Layout(period, periods, starts, unit, units, turns_back, treated_now, samples)
    return _without_always_treated(study, layout, start)


def begins_within_clusters(study: Study) -> bool:
    """Whether the rows of a cluster are treated alike in each period, and not in all periods."""
    if study.cluster is None or study.roles.time is None:
        return False
    treated, period = study.treatment.values, study.time[0]
    cell = study.cluster * (int(period.max()) + 1) + period
    by_cell, by_cluster = (
        _extremes(treated.astype(np.int64), each, int(each.max()) + 1)
        for each in (np.unique(cell, return_inverse=True)[1], study.cluster)
    )
    is_alike = bool((by_cell[0] == by_cell[1]).all())
    return is_alike and bool((by_cluster[0] != by_cluster[1]).any())


def _of_groups(
    study: Study, treated: BoolArray, period: IntArray, periods: tuple[str, ...], start: object
) -> Layout:
    began = _place(study, periods, start)
    after = period >= began
    for is_treated in (False, True):
        for is_after in (False, True):
            rows = int(((treated == is_treated) & (after == is_after)).sum())
            if rows < 2:
                level = study.treatment.levels[int(is_treated)]
                when = f"from {periods[began]} on" if is_after else f"before {periods[began]}"
                raise SchemaError(
                    f"{rows} rows have {study.roles.treatment} = {level} {when}",
                    where="did",
                    remedy=f"{study.roles.treatment!r} must mark the same group before and after; "
                    "if it says who is treated at the time, name the unit too",
                )
    starts = np.where(treated, began, len(periods))
    return Layout(period, periods, starts, None, (), False, treated & after)


def _check_once(
    study: Study, unit: IntArray, units: tuple[str, ...], period: IntArray, periods: tuple[str, ...]
) -> None:
    cell = unit * len(periods) + period
    found, counts = np.unique(cell, return_counts=True)
    if (counts > 1).any():
        who, when = divmod(int(found[np.argmax(counts > 1)]), len(periods))
        raise SchemaError(
            f"{study.roles.unit} {units[who]} is seen {counts.max()} times in {periods[when]}",
            where="unit, time",
            remedy="Average these rows first; or, where rows are different people, leave unit out "
            "and name it as cluster",
        )


def _place(study: Study, periods: tuple[str, ...], start: object) -> int:
    """Return which period is the first treated one."""
    if start is None:
        if len(periods) == 2:
            return 1
        raise OptionError(
            f"treatment {study.roles.treatment!r} marks who is treated, and nothing says from when "
            f"on; there are {len(periods)} periods",
            where="did, start",
            remedy=f"Give start= (--option start={periods[len(periods) // 2]}), the first treated "
            "period",
        )
    word = f"{start:g}" if isinstance(start, float) else str(start)
    alike = [i for i, name in enumerate(periods) if name == word]
    # A day stands for its midnight.
    alike = alike or [i for i, name in enumerate(periods) if name.startswith(f"{word} ")]
    if not alike:
        raise unknown_name("period", word, known=periods[:30], where="did, start")
    if alike[0] == 0:
        raise OptionError(
            f"{word} is the first period: nothing is known of before",
            where="did, start",
            remedy="Give earlier data too",
        )
    return alike[0]


def _without_always_treated(
    study: Study, layout: Layout, start: object
) -> tuple[Study, Layout, tuple[Note, ...]]:
    assert layout.unit is not None
    seen_first = _extremes(layout.period, layout.unit, len(layout.units))[0]
    always = layout.unit_starts <= seen_first
    if not always.any():
        if not layout.cohorts or (layout.never not in layout.start and not layout.is_staggered):
            raise SchemaError(
                "all units are treated from the same period on, and nobody stays untreated",
                where="did",
                remedy="Add units that were left alone; or ask interrupted_time_series, which "
                "compares with before alone",
            )
        return study, layout, ()
    kept = ~always[layout.unit]
    if not layout.ever_treated[kept].any() or kept.sum() < 2:
        raise SchemaError(
            "no unit is seen both before it was treated and after",
            where="did",
            remedy="Give earlier periods too, or compare the groups as they are",
        )
    count = int(always.sum())
    text = f"{count} of {len(layout.units)} units left out: treated from their first period on"
    rest, again, notes = read_layout(study.only(kept), start)
    return rest, again, (Note("always_treated", study.roles.unit, text), *notes)


def _extremes(values: IntArray, unit: IntArray, units: int) -> tuple[IntArray, IntArray]:
    """Return the smallest and the largest value of each unit."""
    low = np.full(units, np.iinfo(np.int64).max)
    high = np.full(units, np.iinfo(np.int64).min)
    np.minimum.at(low, unit, values)
    np.maximum.at(high, unit, values)
    return low, high
