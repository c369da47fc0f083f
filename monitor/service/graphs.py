"""The graph that a monitor's windows are judged by: learned on its reference, kept in the store."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from whydrift.discovery.errors import DataWarning, SchemaError, TooFewRows
from whydrift.discovery.graph import Graph
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.snapshot.pool import pool
from whydrift.discovery.snapshot.schema import Role
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.after_target import after_target, with_after
from whydrift.monitor.diagnosis.assumed import with_assumed
from whydrift.monitor.diagnosis.class_chances import class_chances
from whydrift.monitor.diagnosis.clocks import calendar_names
from whydrift.monitor.diagnosis.derived import with_derived
from whydrift.monitor.diagnosis.how_many import how_much, with_how_many_first
from whydrift.monitor.diagnosis.lags import find_lags, with_time_order
from whydrift.monitor.diagnosis.outcome import made_of_outcome
from whydrift.monitor.diagnosis.read_by_model import read_by_model
from whydrift.monitor.diagnosis.structural_gaps import (
    structural_gaps,
    with_gaps_filled,
    with_gaps_known,
)
from whydrift.monitor.service.references import Usual
from whydrift.monitor.window.interval import Interval

if TYPE_CHECKING:
    from whydrift.monitor.config.monitor import Monitor
    from whydrift.monitor.store import Store

__all__ = ["Learned", "MonitorGraph", "monitor_graph"]

_MOST_STRETCHES: Final = 4  # the reference as so many windows: what moved between them orients
_MOST_ROWS: Final = 16_384
_CONTRADICTS: Final = "graph_contradicts_data"


@dataclass(frozen=True, slots=True)
class Learned:
    """What a graph was learned on.

    Parameters
    ----------
    version : int
        Of the graph in the store.
    start, end : datetime
        Of the reference then.
    windows : int
    """

    version: int
    start: datetime
    end: datetime
    windows: int

    def to_dict(self) -> dict[str, Any]:
        """Return it as results keep it, under the key ``graph_learned``."""
        start, end = self.start.isoformat(), self.end.isoformat()
        return {"version": self.version, "start": start, "end": end, "windows": self.windows}

    @classmethod
    def of(cls, result: Mapping[str, Any] | None) -> Learned | None:
        """Read what a result says of its graph, if it does."""
        value = None if result is None else result.get("graph_learned")
        if value is None:
            return None
        start, end = (datetime.fromisoformat(value[name]) for name in ("start", "end"))
        return cls(int(value["version"]), start, end, int(value["windows"]))


@dataclass(frozen=True, slots=True)
class MonitorGraph:
    """A graph, and what it was learned on (None where nothing could be learned yet)."""

    graph: Graph
    learned: Learned | None


def monitor_graph(
    monitor: Monitor,
    store: Store,
    reference: Usual,
    *,
    own: Mapping[str, Any] | None,
    previous: Mapping[str, Any] | None,
) -> MonitorGraph:
    """Return the graph to judge a window by; learn it where that is due, and keep it.

    It is learned on the reference, never on the window under judgement; again where the columns
    are others, where ``graph.relearn`` has passed since, or where the data contradict it and at
    least half of the reference is younger than what it was learned on. All of that goes by the time
    of windows and by what results say, so that whoever judges a window again gets the same graph.

    Parameters
    ----------
    monitor : Monitor
    store : Store
    reference : Usual
        Of the whole; not empty.
    own : mapping, optional
        A result of the whole of this window, which was judged before: its graph stays.
    previous : mapping, optional
        The latest result of the whole before this window.

    Raises
    ------
    StoreError
        If the store cannot be read or written.
    """
    columns = _columns(monitor, reference.snapshots)
    for result, is_own in ((own, True), (previous, False)):
        learned = Learned.of(result)
        if result is None or learned is None:
            continue
        known = store.get_graph(monitor.name, version=learned.version)
        if known is None:  # deleted since
            continue
        fits = set(known[1].nodes) == set(columns)
        if is_own or (fits and not _is_due(monitor, reference, learned, result)):
            return MonitorGraph(known[1], learned)
    graph = _learn(monitor, reference.snapshots, columns)
    if graph is None:
        return MonitorGraph(Graph(columns), None)
    start, end = reference.intervals[0].start, reference.intervals[-1].end
    count = len(reference.intervals)
    span = Interval(start, end)
    is_broken = any(a.end < b.start for a, b in pairwise(reference.intervals))
    text = f"{count} windows, {span}"
    if is_broken:
        text = f"{count} windows within {span}, the others left out"
    record = store.put_graph(monitor.name, graph, learned_from=text)
    return MonitorGraph(graph, Learned(record.version, start, end, count))


def _is_due(
    monitor: Monitor, reference: Usual, learned: Learned, previous: Mapping[str, Any]
) -> bool:
    relearn, zone = monitor.graph.relearn, monitor.window.timezone
    end = reference.intervals[-1].end
    if relearn is not None and relearn.after(learned.end, zone) <= end:
        return True
    fits = all(note["code"] != _CONTRADICTS for note in previous.get("warnings", ()))
    fresh = sum(interval.start >= learned.end for interval in reference.intervals)
    return not fits and 2 * fresh >= len(reference.intervals)


def _columns(monitor: Monitor, windows: Sequence[Snapshot]) -> tuple[str, ...]:
    """Return the columns that a graph is over: what the newest window of the reference has.

    Without those that are made of target and prediction, which `compare` leaves out too.
    """
    newest = windows[-1]
    there = [n for n in newest.schema.modelled if newest.has(n) and n not in newest.absent]
    target, prediction = monitor.columns.target, monitor.columns.prediction
    made: tuple[str, ...] = ()
    if target in there and prediction is not None and newest.has(prediction):
        others = [n for n in there if newest.schema[n].role is Role.FEATURE]
        made = made_of_outcome(newest, target, prediction, others)
    if prediction is not None and newest.has(prediction):
        others = [n for n in there if newest.schema[n].role is Role.FEATURE and n != target]
        made += class_chances(newest, prediction, others)
    return tuple(n for n in there if n not in made)


def _learn(monitor: Monitor, windows: Sequence[Snapshot], columns: tuple[str, ...]) -> Graph | None:
    """Return the graph over the reference; None where there is too little to learn from."""
    from whydrift.discovery.discover import discover

    method = monitor.graph.method
    stretches = _stretches(windows) if method in {"auto", "boss"} else (_pooled(windows),)
    knowledge = _known(monitor, windows, stretches, columns)
    gaps = structural_gaps(stretches, columns)
    stretches, knowledge = with_gaps_filled(stretches, gaps), with_gaps_known(knowledge, gaps)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)
            return discover(
                list(stretches), method, knowledge=knowledge, columns=columns, random_state=0
            )
    except (TooFewRows, SchemaError):
        return None


def _known(
    monitor: Monitor,
    windows: Sequence[Snapshot],
    stretches: Sequence[Snapshot],
    columns: tuple[str, ...],
) -> Knowledge:
    """Return what is known of the graph, and what `compare` too takes for known of itself.

    A model's target comes after what it is predicted from, where nobody says otherwise.
    """
    target, given = monitor.columns.target, monitor.graph.knowledge
    features = tuple(n for n in columns if n != target)
    calendar = calendar_names(stretches[0], stretches[-1], features)
    known = (given or Knowledge()).checked(windows[-1].schema.names).within(columns)
    last = target if given is None else None
    after = _after(monitor, stretches[0], features) if target in columns else ()
    before = tuple(n for n in features if n not in after)
    known, _ = with_assumed(known, columns, last, before, calendar)
    if target is not None:
        known, _ = with_after(known, target, after)
    known = with_how_many_first(known, how_much(stretches[0], columns))
    known = with_time_order(known, find_lags(stretches[0], stretches[-1], columns))
    varying = tuple(n for n in columns if not all(w.is_constant(n) for w in windows))
    return with_derived(stretches[-1], varying, known)[0]


def _after(monitor: Monitor, window: Snapshot, features: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns that tell the target outright, which its prediction does not follow."""
    target, prediction = monitor.columns.target, monitor.columns.prediction
    assert target is not None
    has_prediction = prediction is not None and window.has(prediction)
    read = (
        read_by_model(window, prediction, features)
        if prediction is not None and has_prediction
        else frozenset()
    )
    return after_target(window, features, target, read, has_prediction=has_prediction)


def _stretches(windows: Sequence[Snapshot]) -> tuple[Snapshot, ...]:
    """Return the reference as a few windows, so that what moved between them tells directions."""
    count = min(_MOST_STRETCHES, len(windows))
    bounds = [len(windows) * k // count for k in range(count + 1)]
    return tuple(_pooled(windows[a:b], count) for a, b in pairwise(bounds))


def _pooled(windows: Sequence[Snapshot], shares: int = 1) -> Snapshot:
    if len(windows) == 1:
        return windows[0]
    return pool(windows, most_rows=_MOST_ROWS // shares).snapshot
