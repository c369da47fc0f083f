"""Columns that go on by themselves: months, weeks, counters, releases, weekdays, hours.

What they say is what time it is, or how many came before. Where their values in the current window
are new they tell the windows apart and nothing else: no test given them has rows of both, and to
call them broken, or moved, is to cry wolf on the first of every month. A weekday that the reference
has too is a cause like others, but no window of a Saturday is to be told that its weekday moved.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.scores.features import rank_normal
from whydrift.discovery.snapshot.schema import ColumnKind, Role
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.local_time import UTC, LocalTime
from whydrift.monitor.diagnosis.whole_numbers import are_whole

__all__ = [
    "DAY_NAMES",
    "MONTH_NAMES",
    "calendar_names",
    "clock",
    "counts_rows",
    "goes_up",
    "is_day_of_month",
]

_DAY, _HALF_HOUR, _WEEK = 86_400, 1_800, 604_800
_EPOCH_WEEKDAY = 3  # 1 January 1970 was a Thursday; Monday is 0
_SATURDAY = 5
_MONTHS = 12
DAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTH_NAMES = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_BY_MODE = 0.1  # of the rows without the commonest value may be otherwise
_RISES = 0.9  # correlation of ranks with the rows' order
_LEAST_NEW = 0.01  # share of rows with a value that the reference lacks
_LEAST_EDGE = 0.03  # of the rows, at either end: time runs evenly, sizes thin out
_EDGE = 0.1  # of the range
_DENSE = 0.5  # share of the whole numbers of a range that come
_LEAST_ROWS = 20
_SOME = 50  # rows that tell most columns of numbers from whole ones
_MOST_PER_DAY = 3  # values of a calendar's column on one day
_DETERMINED = 0.995  # of a window's rows
_REPEATED = 0.5  # of the rows have another one at the same time of the day or week
_SEEN = 0.95  # of the current rows lie at times that the reference has
_STEP_ERROR, _STEP_ALIKE, _FIRST_STEPS = 1e-6, 0.1, 5
_EVENLY = 0.99  # correlation with the rows' number
_LONGER = 1.05  # times the rows
_MONTH_LENGTHS = {28, 29, 30, 31}
_DAY_OF_MONTH = re.compile(r"(m?day|dom|day_?of_?(the_?)?month)", re.IGNORECASE)
_NUMBER = re.compile(r"\d+")
_RELEASE = re.compile(
    r"^(v\.? ?\d+|v?\d+(\.\d+)+|(19|20)\d\d[-/ ]?(w|q|kw)?\d*)([-_ ].*)?$", re.IGNORECASE
)
_UNIT = re.compile(
    r"(^|[^a-z])(years?|quarters?|months?|weeks?|days?|dates?)([^a-z]|no|nr|$)", re.IGNORECASE
)


def clock(
    reference: Snapshot,
    current: Snapshot,
    name: str,
    *,
    is_named: bool = False,
    local: LocalTime = UTC,
) -> str | None:
    """Return what makes a column a clock whose values are new, or None.

    Without a time column that says so, what a column is called has to, or the way it is written,
    or that it rises row by row: a promotion that began, a dial that was set from 3 to 4, a scale
    that got another grade are changes.

    Parameters
    ----------
    reference, current : Snapshot
        With the same meaning of category codes.
    name : str
        A column that both have.
    is_named : bool
        Whether a graph has it: what it causes is then not to be judged without it, unless it says
        what the time column says.
    local : LocalTime
        The clocks that are meant.

    Returns
    -------
    str or None
        For a note: what its values are.
    """
    before, after = (w.column(name) for w in (reference, current))
    some = after[:_SOME]
    is_text = reference.schema[name].kind.is_discrete
    if not is_text and not are_whole(some):
        return None  # most columns of numbers; a missing value counts as one
    known = np.isfinite(before), np.isfinite(after)
    old, new = before[known[0]], after[known[1]]
    if min(old.size, new.size) < _LEAST_ROWS:
        return None
    values, now = np.unique(old), np.unique(new)
    if np.isin(new, values, invert=True).mean() < _LEAST_NEW:
        return None
    if _says_the_time((reference, current), name, local):
        return "as the time column says"
    if is_named or np.isin(now, values).any():
        return None
    if is_text:
        labels = current.schema[name].categories
        ends = [labels[int(v)] for v in (values[-1], now[-1])]
        is_next = len(values) == len(now) == 1 and _comes_next(*ends)
        return f"{ends[0]!r}, and then {ends[1]!r}" if is_next else None
    if reference.schema[name].kind is ColumnKind.TIMESTAMP or not _goes_on(old, new, name):
        return None
    if not _UNIT.search(name) and not (
        len(values) > 1
        and len(now) > 1
        and all(
            _rises(w, v, k)
            for w, v, k in zip((reference, current), (before, after), known, strict=True)
        )
    ):
        return None
    return f"{_range(values)}, and then {_range(now)}"


def counts_rows(reference: Snapshot, current: Snapshot, name: str) -> bool:
    """Whether a column counts the rows of each window, or runs on evenly with them.

    A longer window then has larger values, and a shorter one lacks them. Both begin at one value;
    of windows as long as each other there is nothing to explain.

    Parameters
    ----------
    reference, current : Snapshot
        The windows.
    name : str
        A column that both have.
    """
    if reference.schema[name].kind.is_discrete:
        return False
    windows = [w.column(name) for w in (reference, current)]
    whole = all(len(v) == w.rows for v, w in zip(windows, (reference, current), strict=True))
    lengths = sorted(len(v) for v in windows)
    if not whole or lengths[0] < _LEAST_ROWS or lengths[1] < _LONGER * lengths[0]:
        return False
    steps, starts = [], []
    for values in windows:
        if np.unique(values[:_SOME]).size < _LEAST_ROWS or not np.isfinite(values).all():
            return False
        ordered = np.sort(values)
        gaps = np.diff(ordered)
        is_count = gaps[0] > 0 and np.ptp(gaps) <= _STEP_ERROR * gaps[0]
        if not is_count and not (
            goes_up(values) and np.corrcoef(values, np.arange(len(values)))[0, 1] >= _EVENLY
        ):
            return False
        steps.append(float(gaps.mean()))
        starts.append(float(ordered[0]))
    is_alike = abs(steps[1] - steps[0]) <= _STEP_ALIKE * max(steps)
    return is_alike and abs(starts[1] - starts[0]) <= _FIRST_STEPS * max(steps)


def goes_up(values: FloatArray) -> bool:
    """Whether each row has at least what the one before has, as a clock does."""
    return bool((np.diff(values) >= 0).all())


def is_day_of_month(reference: Snapshot, current: Snapshot, name: str) -> bool:
    """Whether a column says the day of the month, in months of which one is longer.

    What a column is called has to say so.

    Parameters
    ----------
    reference, current : Snapshot
        The windows.
    name : str
        A column that both have.
    """
    if reference.schema[name].kind.is_discrete or not _DAY_OF_MONTH.fullmatch(name):
        return False
    days = [np.unique(v[np.isfinite(v)]) for v in (w.column(name) for w in (reference, current))]
    lengths = {len(d) for d in days}
    are_whole = all(np.array_equal(d, np.arange(1, len(d) + 1)) for d in days)
    return are_whole and len(lengths) == 2 and lengths <= _MONTH_LENGTHS


def _rises(window: Snapshot, values: FloatArray, known: BoolArray) -> bool:
    """Whether values go up with the rows, or with their time."""
    time = window.schema.with_role(Role.TIME)
    at = np.arange(len(values)) if time is None else window.column(time)
    known = known & np.isfinite(at)
    ranks = rank_normal(at[known].astype(np.float64)), rank_normal(values[known])
    return bool(known.sum() >= _LEAST_ROWS and np.corrcoef(*ranks)[0, 1] >= _RISES)


def calendar_names(
    reference: Snapshot, current: Snapshot, names: Sequence[str], local: LocalTime = UTC
) -> frozenset[str]:
    """Return the columns of which the time of the row says what they are, in both windows.

    Those that say its month, weekday or the like, and those that the reference has alike at each
    time of the day or week, if the current rows have them so too. A clock that was set otherwise,
    or a column that stands still, is none.

    Parameters
    ----------
    reference, current : Snapshot
        With the same meaning of category codes.
    names : sequence of str
        Columns to look at.
    local : LocalTime
        The clocks that are meant.
    """
    time = reference.schema.with_role(Role.TIME)
    if time is None or not (reference.has(time) and current.has(time)):
        return frozenset()
    moments = [local(w.column(time)) for w in (reference, current)]
    cells = [[_cells(m, period) for m in moments] for period in (_DAY, _WEEK)]
    found = set()
    for name in names:
        if name == time:
            continue
        values = [w.column(name) for w in (reference, current)]
        present = [float(np.isfinite(v).mean()) for v in values]
        if present[1] < present[0] - (1 - _DETERMINED):
            continue  # values are missing
        if any(_is_periodic(values, times) for times in cells) or (
            np.unique(values[1][np.isfinite(values[1])][:_MOST_PER_DAY]).size < _MOST_PER_DAY
            and _says_the_time((reference, current), name, local)
        ):
            found.add(name)
    return frozenset(found)


def _cells(moments: FloatArray, period: int) -> IntArray:
    """Return the half hour of the day or week of each row, −1 where it has no time."""
    known = np.isfinite(moments)
    whole = np.where(known, moments, 0.0).astype(np.int64)
    return np.where(known, (whole + _EPOCH_WEEKDAY * _DAY) % period // _HALF_HOUR, -1)


def _is_periodic(values: Sequence[FloatArray], cells: Sequence[IntArray]) -> bool:
    """Whether a column has one value at each time of the day or week, and has it still."""
    known = [np.isfinite(v) & (c >= 0) for v, c in zip(values, cells, strict=True)]
    (before, now), (cell, cell_now) = (
        [part[k] for part, k in zip(of, known, strict=True)] for of in (values, cells)
    )
    if min(before.size, now.size) < _LEAST_ROWS:
        return False
    value_at = np.full(_WEEK // _HALF_HOUR, np.nan)
    value_at[cell] = before  # the last one stands
    seen = np.isfinite(value_at)
    if np.unique(value_at[seen]).size < 2 or seen.sum() > (1 - _REPEATED) * before.size:
        return False
    commonest = np.unique(before, return_counts=True)[1].max() / before.size
    most = min(1 - _DETERMINED, _BY_MODE * (1 - commonest))
    if (value_at[cell] != before).mean() > most or seen[cell_now].mean() < _SEEN:
        return False
    return bool((value_at[cell_now] == now)[seen[cell_now]].mean() >= _DETERMINED)


def _range(values: FloatArray) -> str:
    return f"{values[0]:g}" + (f" to {values[-1]:g}" if len(values) > 1 else "")


def _says_the_time(windows: tuple[Snapshot, Snapshot], name: str, local: LocalTime) -> bool:
    """Whether a column says the month, the week, the date or the like of the row's time.

    In each window, and in more rows than the commonest value has by itself: a flag that is mostly
    0 is no weekend, and a column of ones in January no month.
    """
    time = windows[0].schema.with_role(Role.TIME)
    if time is None or time == name or not all(w.has(time) for w in windows):
        return False
    schema = windows[1].schema[name]
    ways: set[int] | None = None
    rows: dict[str, int] = {}
    wrong: dict[int, int] = {}
    for window in windows:
        moments, values = local(window.column(time)), window.column(name)
        known = np.isfinite(moments) & np.isfinite(values)
        days = np.floor(moments[known] / _DAY)
        if np.unique(values[known]).size > _MOST_PER_DAY * np.unique(days).size:
            return False
        both, counts = np.unique(np.stack([days, values[known]]), axis=1, return_counts=True)
        hits: dict[int, int] = {}
        for (day, value), count in zip(both.T.tolist(), counts.tolist(), strict=True):
            label = schema.categories[int(value)] if schema.kind.is_discrete else f"{value:g}"
            rows[label] = rows.get(label, 0) + count
            for way in (k for k, said in enumerate(_ways(day)) if said == label):
                hits[way] = hits.get(way, 0) + count
        size = int(counts.sum())
        right = {way for way, n in hits.items() if n >= _DETERMINED * size}
        ways = right if ways is None else ways & right
        for way in ways:
            wrong[way] = wrong.get(way, 0) + size - hits[way]
    others = sum(rows.values()) - max(rows.values(), default=0)
    return any(wrong[way] <= _BY_MODE * others for way in ways or ()) and others > 0


def _ways(day: float) -> tuple[str, ...]:
    """Return how a day since 1970 may be called, always in the same order."""
    date = np.datetime64(int(day), "D")
    year, month, of_month = (int(part) for part in str(date).rsplit("-", 2))
    of_year = int((date - date.astype("datetime64[Y]")) / np.timedelta64(1, "D")) + 1
    # The week, and the year that it counts for, are those of its Thursday (ISO 8601).
    weekday = (int(day) + _EPOCH_WEEKDAY) % 7
    thursday = date + (3 - weekday)
    week_year = int(str(thursday).rsplit("-", 2)[0])
    week = int((thursday - thursday.astype("datetime64[Y]")) / np.timedelta64(7, "D")) + 1
    quarter = (month + 2) // 3
    name = MONTH_NAMES[month - 1]
    return (
        *(f"{year}-{month:02d}", f"{year}/{month:02d}", f"{year}{month:02d}", f"{month:02d}"),
        *(str(date), str(date).replace("-", ""), f"{of_month:02d}.{month:02d}.{year}"),
        *(name, name[:3]),
        *(str(n) for n in (year, month, month - 1, of_month, week, quarter, of_year)),
        *(f"{week_year}-W{week:02d}", f"{week_year}W{week:02d}", f"{week_year}{week:02d}"),
        *(f"{year}Q{quarter}", f"{year}-Q{quarter}", f"Q{quarter}"),
        *(DAY_NAMES[weekday], DAY_NAMES[weekday][:3]),
        *(str(n) for n in (weekday, weekday + 1, (weekday + 1) % 7, (weekday + 1) % 7 + 1)),
        *(
            str(weekday >= _SATURDAY),
            str(weekday >= _SATURDAY).lower(),
            str(int(weekday >= _SATURDAY)),
        ),
    )


def _comes_next(one: str, other: str) -> bool:
    """Whether one release, year or month is the other a step on.

    v12 and v13, 9.9 and 9.10, 3.1.4 and 3.2.0, 2025-12 and 2026-01: what stands before the number
    is the same, what stands after it begins anew.
    """
    if not (_RELEASE.match(one) and _RELEASE.match(other)):
        return False
    if _NUMBER.split(one) != _NUMBER.split(other):
        return False
    old, new = ([int(n) for n in _NUMBER.findall(text)] for text in (one, other))
    differing = [k for k, (a, b) in enumerate(zip(old, new, strict=True)) if a != b]
    if not differing or new[differing[0]] != old[differing[0]] + 1:
        return False
    return all(new[k] <= 1 for k in differing[1:])


def _goes_on(before: FloatArray, after: FloatArray, name: str) -> bool:
    """Whether whole numbers go on above those of the reference, evenly as time runs."""
    if not are_whole(before, after):
        return False
    still = [bool(v.min() == v.max()) for v in (before, after)]
    if all(still) and (before[0], after[0]) == (_MONTHS, 1):
        return "month" in name.lower()
    if after.min() - before.max() != 1:
        return False
    return all(s or _is_even(v) for s, v in zip(still, (before, after), strict=True))


def _is_even(values: FloatArray) -> bool:
    low, high = float(values.min()), float(values.max())
    if np.unique(values).size < _DENSE * (high - low + 1):
        return False
    reach = max(0.5, _EDGE * (high - low))
    edges = float((values <= low + reach).mean()), float((values >= high - reach).mean())
    return min(edges) >= _LEAST_EDGE
