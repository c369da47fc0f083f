"""Columns that are another one as it was some rows before: what moves that one moves them.

A forecast reads what it forecasts: yesterday's sales stand beside today's. By the graph yesterday's
are a cause and not an effect, so that a change of the sales themselves seems to begin there. What
was before tells directions, too: nothing causes what was earlier than itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Final

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.graph import Graph
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.diagnosis import ColumnVerdict
from whydrift.monitor.diagnosis.filtered import find_filtered
from whydrift.monitor.diagnosis.groups import Group
from whydrift.monitor.diagnosis.judgement import Judged
from whydrift.monitor.diagnosis.words import any_of, joined

__all__ = ["Lag", "find_lags", "told_of_lags", "with_time_order"]

_MOST_ROWS: Final = 2_000
_MOST_COLUMNS: Final = 100
_PROBES: Final = 12
_FEW: Final = 4
_LEAST_STEPS, _NEARLY_ALL = 20, 0.95  # rows at which the earlier column is not what it was before
# Of values that hardly come twice: at the first rows of each of several series a lag is no other.
_MOST, _DISTINCT = 0.6, 0.5


@dataclass(frozen=True, slots=True)
class Lag:
    """A column that is another one some rows before.

    Parameters
    ----------
    of : str
        The other column, no lag itself.
    rows : int
        0 where the present row's value is among those that it is computed from.
    is_computed : bool
        Whether it is a rolling mean or the like of that column up to there.
    """

    of: str
    rows: int
    is_computed: bool = False

    @property
    def text(self) -> str:
        """What it is."""
        if self.is_computed:
            now = " and the present one" if not self.rows else ""
            return f"computed from {self.of} of the rows before{now}"
        return f"{self.of} {'in the row before' if self.rows == 1 else f'{self.rows} rows before'}"


def find_lags(reference: Snapshot, current: Snapshot, names: Iterable[str]) -> dict[str, Lag]:
    """Return which of some columns are others of some rows before, or computed from these.

    Parameters
    ----------
    reference, current : Snapshot
        Windows in the order of time; of several series, one after the other or taking turns.
    names : iterable of str
    """
    numbers = [n for n in names if not reference.schema[n].kind.is_discrete][:_MOST_COLUMNS]
    if len(numbers) < 2:
        return {}
    windows = [{n: w.column(n)[:_MOST_ROWS] for n in numbers} for w in (reference, current)]
    found = _same_values(*windows)
    # Of all others, since one may be a mean of another one's decaying mean.
    rest = [{n: v for n, v in window.items() if n not in found} for window in windows]
    filtered = find_filtered(*rest)
    for name in filtered:
        of, rows, passed = name, 0, set()
        while of in filtered and of not in passed:
            passed.add(of)
            rows += 0 if filtered[of].with_present else 1
            of = filtered[of].of
        found[name] = Lag(of, min(rows, 1), is_computed=True)
    return found


def _same_values(
    before: Mapping[str, FloatArray], after: Mapping[str, FloatArray]
) -> dict[str, Lag]:
    """Return which columns are others as they were some rows before."""
    table, names = np.column_stack(list(before.values())), list(before)
    found: dict[str, Lag] = {}
    for name in names:
        lags = {
            other: rows
            for other in (names[i] for i in _alike(before[name], table))
            if other != name
            and (rows := _rows_between(before[name], before[other]))
            and _is_lag(after[name], after[other], rows)
        }
        if lags:  # of y two rows before, and of that column, the one farthest back is y itself
            of = max(lags, key=lambda n: lags[n])
            found[name] = Lag(of, lags[of])
    return found


def told_of_lags(
    lags: Mapping[str, Lag],
    judged: Mapping[str, Judged],
    graph: Graph,
    groups: Sequence[Group] = (),
) -> dict[str, Judged]:
    """Return the verdicts on lags where the change began at another column.

    Where none is found, the column was elsewhere before the window began: the lag stays what it is,
    the place where the change shows first.

    Parameters
    ----------
    lags : mapping of str to Lag
    judged : mapping of str to Judged
    graph : Graph
        By which changes reach other columns.
    groups : sequence of Group
        Columns of which one moved, while the data cannot tell which.
    """
    origins = {n for n, found in judged.items() if found.verdict.is_origin and n not in lags}
    out = {}
    for name, lag in lags.items():
        if not {name, lag.of} <= set(judged) or not judged[name].verdict.is_origin:
            continue
        above = sorted(origins.intersection({lag.of, *graph.ancestors(lag.of)}))
        beside = {n: lags[n].of if n in lags else n for n in graph.parents(name)}
        other = next((n for n, of in beside.items() if of in origins), None)
        either = next((g.columns for g in groups if lag.of in g.columns), ())
        if above:
            text = f"It is {lag.text}, which moved; the change began at {joined(above)}."
        elif either:
            text = f"It is {lag.text}; the change began at {any_of(either)}."
        elif other is not None:  # a lag of what broke goes otherwise with the lags of its causes
            text = f"It is {lag.text}: as {beside[other]} changed, so did {other} beside it."
        else:
            continue
        out[name] = replace(
            judged[name], verdict=ColumnVerdict.INHERITED, reason_code=None, reason=text
        )
    return out


def with_time_order(known: Knowledge, lags: Mapping[str, Lag]) -> Knowledge:
    """Return what is known, and that no column causes one that is known to be of earlier rows.

    Of a column that is no lag and has none it is not known: it may say what always was so, or what
    was announced.

    Parameters
    ----------
    known : Knowledge
        An edge that it requires is not forbidden.
    lags : mapping of str to Lag
    """
    age = {lag.of: 0 for lag in lags.values()} | {name: lag.rows for name, lag in lags.items()}
    edges = tuple(
        (cause, effect)
        for cause, effect in permutations(age, 2)
        if age[cause] < age[effect] and (cause, effect) not in known.required
    )
    return replace(known, forbidden=tuple(dict.fromkeys((*known.forbidden, *edges))))


def _alike(late: FloatArray, table: FloatArray) -> IntArray:
    """Return the columns of a table in which values of another one are, at a few places at least.

    A quick look: of nearly all pairs of columns it leaves nothing to ask.
    """
    probes = late[np.linspace(len(late) // 2, len(late) - 1, _PROBES).astype(np.int64)]
    probes = probes[np.isfinite(probes)][:_FEW]
    return np.flatnonzero(sum((table == p).any(axis=0) for p in probes))


def _rows_between(late: FloatArray, early: FloatArray) -> int:
    """Return by how many rows the first column is behind the second; 0: by none."""
    votes: Counter[int] = Counter()
    for row in np.linspace(len(late) // 2, len(late) - 1, _PROBES).astype(np.int64):
        same: IntArray = np.flatnonzero(early[: row + 1] == late[row])
        if same.size <= _PROBES:  # a value that is everywhere tells nothing
            votes.update((row - same).tolist())
    for rows, _ in votes.most_common(2):
        if rows > 0 and _is_lag(late, early, rows):
            return int(rows)
    return 0


def _is_lag(late: FloatArray, early: FloatArray, rows: int) -> bool:
    """Whether it is so in nearly all rows in which the second column is not as before."""
    if rows > len(early) // 2:  # the end of a window that is like the begin of another column
        return False
    now, then = late[rows:], early[:-rows]
    steps = np.isfinite(now) & np.isfinite(then) & (early[rows:] != then)
    if steps.sum() < _LEAST_STEPS:
        return False
    same = float((now[steps] == then[steps]).mean())
    if same >= _NEARLY_ALL:
        return True
    return same >= _MOST and len(np.unique(then[steps])) >= _DISTINCT * steps.sum()
