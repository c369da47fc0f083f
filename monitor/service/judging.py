"""Judges one stage of a window: the whole and its segments, each beside its past windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from statistics import fmean, median
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from whydrift.discovery.arrays import read_only
from whydrift.discovery.errors import SchemaError
from whydrift.discovery.graph import Graph
from whydrift.discovery.snapshot.schema import ColumnKind
from whydrift.discovery.snapshot.segments import REST
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.alarm_budget import DAYS_PER_MONTH, WHOLE, AlarmBudget, Purpose
from whydrift.monitor.diagnosis.column_p_values import column_p_values
from whydrift.monitor.diagnosis.compare import compare
from whydrift.monitor.diagnosis.diagnosis import Diagnosis, Window, told_slow
from whydrift.monitor.diagnosis.faults.registry import DETECTORS, FAULT_LEVEL
from whydrift.monitor.diagnosis.mechanism.between_windows import LEAST_WINDOWS
from whydrift.monitor.diagnosis.slow_drift import slow_kind, told_slowly
from whydrift.monitor.diagnosis.slow_scale import SLOW_SCALES, slow_scale
from whydrift.monitor.history import History
from whydrift.monitor.service.graphs import MonitorGraph, monitor_graph
from whydrift.monitor.service.references import (
    Accepted,
    LastUsed,
    Usual,
    accepted_for,
    kept_windows,
    usual,
)
from whydrift.monitor.service.schedule import stages_of
from whydrift.monitor.source.reading import Cancelled, never
from whydrift.monitor.store.records import ResultRecord, SnapshotRecord
from whydrift.monitor.store.state import VisitKind
from whydrift.monitor.window.by_rows import RowWindows
from whydrift.monitor.window.calendar import TimeWindows
from whydrift.monitor.window.interval import Interval
from whydrift.monitor.window.local_time import local_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from whydrift.monitor.config.monitor import Monitor

__all__ = ["Judged", "SlowDrift", "alarm_budget", "compared", "judge_window", "level_of_faults"]

_GAPS: Final = 1.5  # as many windows are looked back for the slow scales, should some be missing
_DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class SlowDrift:
    """What many windows in a row show that none of them does alone.

    Parameters
    ----------
    scales : mapping of str to int
        By column, the windows over which its p-values add up to a rejection.
    told : mapping of str to int
        Of these, the columns that reach the target: of which people are told.
    p_values : mapping of str to float
        Of this window beside the anchor, of columns that it does not name by itself.
    anchor : tuple of Interval
        The past windows that all are judged beside; empty where there are too few yet.
    combined : mapping of str to float
        By column of ``scales``, the p-value of all its windows together.
    """

    scales: Mapping[str, int] = field(default_factory=dict)
    p_values: Mapping[str, float] = field(default_factory=dict)
    anchor: tuple[Interval, ...] = ()
    told: Mapping[str, int] = field(default_factory=dict)
    combined: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return it as results keep it, under the key ``slow``."""
        return {
            "scales": dict(self.scales),
            "told": dict(self.told),
            "combined": dict(self.combined),
            "p_values": dict(self.p_values),
            "anchor": [[w.start.isoformat(), w.end.isoformat()] for w in self.anchor],
        }

    @classmethod
    def of(cls, result: Mapping[str, Any]) -> SlowDrift:
        """Read what a result says of it; nothing where it says nothing."""
        said = result.get("slow") or {}
        anchor = tuple((start, end) for start, end in said.get("anchor", ()))
        told = told_slow(result) or {}
        return cls(
            said.get("scales", {}),
            said.get("p_values", {}),
            _intervals(anchor),
            told,
            said.get("combined", {}),
        )


_MOST_TOLD: Final = 300_000  # p-values kept in one process, in some 30 MB
_TOLD: Final = LastUsed[SlowDrift](_MOST_TOLD)  # by the id of the result, which never changes


@dataclass(frozen=True, slots=True)
class Judged:
    """What a stage of a window says.

    Parameters
    ----------
    diagnoses : mapping of str to Diagnosis
        Of the window alone, by segment, empty for the whole; without the whole nothing could be
        judged.
    slow : SlowDrift
        Of the whole.
    graph : MonitorGraph, optional
    budget : AlarmBudget
    reason : str
        Why nothing could be judged, as a sentence.
    acceptance : int
        Number of the latest acceptance that was known, 0 where there was none.
    """

    diagnoses: Mapping[str, Diagnosis]
    budget: AlarmBudget
    slow: SlowDrift = field(default_factory=SlowDrift)
    graph: MonitorGraph | None = None
    reason: str = ""
    acceptance: int = 0

    @property
    def whole(self) -> Diagnosis | None:
        """That of the whole, with what the windows before show together with it."""
        found = self.diagnoses.get(WHOLE)
        return None if found is None else told_slowly(found, self.slow.told, self.slow.combined)

    def results(self) -> dict[str, dict[str, Any]]:
        """Return the diagnoses as the store keeps them.

        That of the whole says more than ``compare`` writes: in ``slow``, and in
        ``graph_learned``, what its graph was learned on.
        """
        found = {name: diagnosis.to_dict() for name, diagnosis in self.diagnoses.items()}
        if self.whole is not None:
            found[WHOLE] = self.whole.to_dict()
            found[WHOLE]["slow"] = self.slow.to_dict()
            if self.graph is not None and self.graph.learned is not None:
                found[WHOLE]["graph_learned"] = self.graph.learned.to_dict()
        return found


def alarm_budget(
    monitor: Monitor, segments: Sequence[str] = (), past: Sequence[Interval] = ()
) -> AlarmBudget:
    """Return how many false alarms a monitor may give, shared out among its decisions.

    Parameters
    ----------
    monitor : Monitor
    segments : sequence of str
        That are judged beside the whole.
    past : sequence of Interval
        Past windows, that tell how often one of so many rows comes; one a day without any.
    """
    windows = monitor.window.cut()
    if isinstance(windows, TimeWindows):
        seconds = float(windows.every.least_seconds)
    elif past:
        seconds = _usual_step(windows, past, is_sparse=monitor.reference.same is not None)
    else:
        seconds = _DAY
    return AlarmBudget(
        windows_per_month=DAYS_PER_MONTH * _DAY / seconds,
        false_alarms_per_month=monitor.false_alarms_per_month,
        stages=len(stages_of(monitor)),
        segments=tuple(segments),
        slow_scales=len(SLOW_SCALES),
    )


def _usual_step(windows: RowWindows, past: Sequence[Interval], *, is_sparse: bool) -> float:
    """Return the seconds from one window by rows to the next.

    A reference leaves windows out, and their time is not to count as that of the others: fewer
    windows a month would be granted a larger level each.
    """
    gaps = [(b.end - a.end).total_seconds() for a, b in pairwise(past)]
    if gaps and not is_sparse:
        return median(gaps)
    share = 1.0 if windows.step is None else windows.step / windows.rows
    return share * fmean(w.length.total_seconds() for w in past)


def judge_window(
    history: History,
    interval: Interval,
    stage: VisitKind,
    records: Sequence[SnapshotRecord],
    *,
    cancel: Callable[[], bool] = never,
) -> Judged:
    """Judge a window that was recorded.

    Parameters
    ----------
    history : History
    interval : Interval
    stage : VisitKind
        ``features``: the target is hidden, should it be there already; or ``labels``.
    records : sequence of SnapshotRecord
        What was kept of the window.
    cancel : callable
        Asked between segments whether to stop.

    Raises
    ------
    StoreError
        If the store cannot be read or written.
    WhydriftError
        What ``compare`` raises.
    Cancelled
    """
    monitor, store = history.monitor, history.store
    acceptances = store.list_events(monitor=monitor.name, kinds=("accept",))
    latest = max((event.id for event in acceptances), default=0)
    accepted = accepted_for(interval, acceptances)
    version = _commonest_version(records)
    whole = usual(history, interval, segment=WHOLE, version=version, accepted=accepted)
    names = sorted({r.key.segment for r in records} - {WHOLE, REST})
    budget = alarm_budget(monitor, names, whole.intervals)
    if not whole.intervals:
        reason = "nothing to compare with yet: no past window counts"
        return Judged({}, budget, reason=reason, acceptance=latest)
    graph = _graph(history, interval, whole)
    current = history.window(interval)
    diagnoses = {}
    judged = compared(
        monitor, whole.snapshots, current, stage, graph.graph, budget.level(),
        fault_level=level_of_faults(budget, WHOLE),
    )  # fmt: skip
    diagnoses[WHOLE] = _named(judged, monitor, WHOLE, interval, whole)
    sizes = _rows(records)
    least = 0 if monitor.segments is None else monitor.segments.min_rows
    for name in names:
        if cancel():
            raise Cancelled
        if not sizes.get(name):
            continue
        past = usual(history, interval, segment=name, version=version, accepted=accepted)
        if sum(window.rows for window in past.snapshots) < max(1, least):
            continue
        window = history.window(interval, segment=name)
        judged = compared(
            monitor, past.snapshots, window, stage, graph.graph, budget.level(segment=name),
            fault_level=level_of_faults(budget, name),
        )  # fmt: skip
        diagnoses[name] = _named(judged, monitor, name, interval, past)
    slow = _slow(
        history, interval, stage, current, diagnoses[WHOLE], whole, graph.graph, accepted, budget
    )
    return Judged(MappingProxyType(diagnoses), budget, slow, graph, acceptance=latest)


# ---- comparing ----------------------------------------------------------------------------------
def compared(
    monitor: Monitor,
    past: Sequence[Snapshot],
    current: Snapshot,
    stage: VisitKind,
    graph: Graph | None,
    level: float,
    *,
    fault_level: float = FAULT_LEVEL,
) -> Diagnosis:
    """Compare windows as the monitor's configuration says.

    Parameters
    ----------
    monitor : Monitor
    past : sequence of Snapshot
        In the order of time.
    current : Snapshot
    stage : VisitKind
        ``features`` hides the target, should it be there already.
    graph : Graph, optional
        Learned from the windows themselves where there is none.
    level : float
        Chance of any false alarm.
    fault_level : float
        Chance of a false fault, of each detector.

    Raises
    ------
    WhydriftError
        What ``compare`` raises.
    """
    windows, current, target = _with_target(monitor, past, current, stage)
    hidden = {monitor.columns.target} - {target}
    return compare(
        windows,
        current,
        graph=None
        if graph is None
        else graph.with_nodes(n for n in graph.nodes if n not in hidden),
        knowledge=monitor.graph.knowledge if graph is None else None,
        target=target,
        prediction=monitor.columns.prediction,
        loss=monitor.loss,
        cluster=monitor.columns.cluster,
        floor=monitor.floor,
        level=level,
        fault_level=fault_level,
        random_state=0,
        local=local_time(monitor.window.timezone),
    )


def level_of_faults(budget: AlarmBudget, segment: str) -> float:
    """Return what a detector may spend at one stage: a fault may be first seen at either."""
    granted = budget.level(Purpose.FAULT, segment) / (budget.stages * len(DETECTORS))
    return min(FAULT_LEVEL, granted)


def _with_target(
    monitor: Monitor, windows: Sequence[Snapshot], current: Snapshot, stage: VisitKind
) -> tuple[tuple[Snapshot, ...], Snapshot, str | None]:
    """Return the windows as far as their target can be used, and the target where it can be.

    Labels come later than the rest: some past windows may have been read before any were there.
    """
    target = monitor.columns.target
    if target is None:
        return tuple(windows), current, None
    labelled = tuple(w for w in windows if w.schema[target].kind.is_modelled)
    if stage is VisitKind.FEATURES:
        current = _without(current, target)
        if len(labelled) == len(windows):
            return tuple(windows), current, target
        return tuple(_unlabelled(w, target) for w in windows), _unlabelled(current, target), None
    if labelled and current.schema[target].kind.is_modelled:
        return labelled, current, target
    return tuple(_unlabelled(w, target) for w in windows), _unlabelled(current, target), None


def _without(window: Snapshot, name: str) -> Snapshot:
    """Return a window as if it had no such column."""
    if not window.has(name):
        return window
    rest = tuple(n for n in window.sampled if n != name)
    sample = read_only(window.columns(rest))
    absent = tuple(dict.fromkeys((*window.absent, name)))
    return replace(window, sample=sample, sampled=rest, absent=absent)


def _unlabelled(window: Snapshot, target: str) -> Snapshot:
    """Return a window whose target takes no part in anything."""
    columns = tuple(
        replace(c, kind=ColumnKind.IGNORED) if c.name == target else c
        for c in window.schema.columns
    )
    hidden = _without(window, target)
    return replace(hidden, schema=replace(window.schema, columns=columns))


def _named(
    diagnosis: Diagnosis, monitor: Monitor, segment: str, interval: Interval, past: Usual
) -> Diagnosis:
    """Return a diagnosis that says which window it is about, and beside which."""
    first, last = past.intervals[0], past.intervals[-1]
    return replace(
        diagnosis,
        monitor=monitor.name,
        segment=segment or None,
        reference=Window(diagnosis.reference.rows, _written(first.start), _written(last.end)),
        current=Window(
            diagnosis.current.rows, _written(interval.start), _written(interval.end)
        ),
    )  # fmt: skip


def _written(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def _commonest_version(records: Sequence[SnapshotRecord]) -> str | None:
    """Return the version of the model that has most of a window's rows."""
    rows = {r.part: r.rows for r in records if not r.key.segment and r.part}
    return max(rows, key=lambda part: (rows[part], part), default=None)


def _rows(records: Sequence[SnapshotRecord]) -> dict[str, int]:
    rows: dict[str, int] = {}
    for record in records:
        rows[record.key.segment] = rows.get(record.key.segment, 0) + record.rows
    return rows


def _graph(history: History, interval: Interval, reference: Usual) -> MonitorGraph:
    """Return the graph to judge by: that of the window's own results, where it has some.

    A later stage, and a window judged again, is judged by the graph that it was judged by first.
    """
    return monitor_graph(
        history.monitor, history.store, reference,
        own=_last_result(history, interval.start, interval.end),
        previous=_last_result(history, reference.intervals[0].start, interval.start),
    )  # fmt: skip


def _last_result(history: History, start: datetime, end: datetime) -> dict[str, Any] | None:
    """Return the last result of the whole of the windows between two moments."""
    for record in reversed(_results(history, start, end)):
        result = history.store.get_result(record.id)
        if result is not None:
            return result
    return None


def _results(
    history: History, start: datetime, end: datetime, stage: str | None = None
) -> list[ResultRecord]:
    """Return what is known of the results of the whole of windows, by their end."""
    records = history.store.list_results(
        monitor=history.monitor.name, segment=WHOLE, stage=stage, start=start, end=end
    )
    return sorted(records, key=lambda r: (r.key.interval.end, r.stage))


# ---- slowly -------------------------------------------------------------------------------------
def _slow(
    history: History,
    interval: Interval,
    stage: VisitKind,
    current: Snapshot,
    diagnosis: Diagnosis,
    reference: Usual,
    graph: Graph,
    accepted: Accepted | None,
    budget: AlarmBudget,
) -> SlowDrift:
    """Return what the last windows together say, each beside the same old ones.

    The anchor is the first reference, since judging began or since something was accepted, of
    enough windows that it is known how much ordinary ones differ. Each column is decided on at one
    stage only: the target when labels are in, all others as early as can be.
    """
    monitor = history.monitor
    back = timedelta(seconds=_GAPS * max(SLOW_SCALES) * interval.length.total_seconds())
    since = interval.start - back
    if accepted is not None:
        since = max(since, accepted.until)
    told = (
        _told(history, since, interval.start, diagnosis.stage.value)
        if since < interval.start
        else []
    )
    anchor = next((slow.anchor for slow in reversed(told) if slow.anchor), ())
    beside = kept_windows(history.store, monitor.name, anchor) if anchor else None
    if beside is None:
        if len(reference.intervals) < LEAST_WINDOWS:
            return SlowDrift()
        anchor, beside = reference.intervals, reference
    told = [slow for slow in told if slow.anchor == anchor]
    if anchor == reference.intervals:
        p_values = {n: c.p_value for n, c in diagnosis.columns.items() if c.p_value is not None}
    else:
        p_values = _beside_anchor(monitor, beside, current, stage, graph)
    target = monitor.columns.target
    if len(stages_of(monitor)) == 2:
        is_late = stage is VisitKind.LABELS
        p_values = {n: p for n, p in p_values.items() if (n == target) == is_late}
    quiet = {n: p for n, p in p_values.items() if n not in diagnosis.ranking}
    # The target too, where this stage does not know it: the other one decides on it.
    columns = {*diagnosis.columns, *(() if target is None else (target,))}
    level = budget.level(Purpose.SLOW) / max(1, len(columns))
    scales, combined = {}, {}
    for name, p_value in quiet.items():
        series = [slow.p_values[name] for slow in told if name in slow.p_values]
        for windows in SLOW_SCALES:
            found = slow_scale([*series, p_value], windows, anchor=len(anchor))
            if found is not None and found <= level:
                scales[name], combined[name] = windows, found
                break
    reaching = {n: w for n, w in scales.items() if slow_kind(n, diagnosis, target or "")}
    return SlowDrift(scales, quiet, tuple(anchor), reaching, combined)


def _beside_anchor(
    monitor: Monitor, beside: Usual, current: Snapshot, stage: VisitKind, graph: Graph
) -> dict[str, float]:
    windows, current, target = _with_target(monitor, beside.snapshots, current, stage)
    hidden = {monitor.columns.target} - {target}
    try:
        return column_p_values(
            windows,
            current,
            graph=graph.with_nodes(n for n in graph.nodes if n not in hidden),
            target=target,
            prediction=monitor.columns.prediction,
            cluster=monitor.columns.cluster,
            local=local_time(monitor.window.timezone),
        )
    except SchemaError:  # of columns that changed so much, nothing is said over many windows
        return {}


def _told(history: History, start: datetime, end: datetime, stage: str) -> list[SlowDrift]:
    """Return what was told of the whole of windows between two moments; each is read once."""
    told = []
    for record in _results(history, start, end, stage):
        slow = _TOLD.get(record.id)
        if slow is None:
            result = history.store.get_result(record.id)
            if result is None:
                continue
            slow = SlowDrift.of(result)
            _TOLD.put(record.id, slow, 1 + len(slow.p_values))
        told.append(slow)
    return told


@lru_cache(maxsize=1_024)
def _intervals(written: tuple[tuple[str, str], ...]) -> tuple[Interval, ...]:
    """Return the windows of an anchor, which many results in a row name."""
    return tuple(
        Interval(datetime.fromisoformat(start), datetime.fromisoformat(end))
        for start, end in written
    )
