"""Root-cause reports on demand: any kept windows against any others, without the raw data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from typing import TYPE_CHECKING, Any, Final

from whydrift.discovery.errors import OptionError, nearest
from whydrift.discovery.snapshot.schema import Role
from whydrift.discovery.snapshot.segments import REST
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.alarm_budget import WHOLE
from whydrift.monitor.diagnosis.diagnosis import Window, slow_p_values, told_slow
from whydrift.monitor.diagnosis.faults.registry import FAULT_LEVEL
from whydrift.monitor.diagnosis.slow_drift import told_slowly
from whydrift.monitor.store.records import SnapshotRecord
from whydrift.monitor.store.state import VisitKind
from whydrift.monitor.window.interval import Interval

if TYPE_CHECKING:
    from whydrift.discovery.graph import Graph
    from whydrift.monitor.config.model import Config
    from whydrift.monitor.config.monitor import Monitor
    from whydrift.monitor.diagnosis.diagnosis import Diagnosis
    from whydrift.monitor.store.store import Store

__all__ = ["ReportRequest", "Side", "make_report", "with_pictures"]

_NEWEST: Final = 28  # windows of a version, where nobody says which
_LEVEL: Final = 0.05  # of a comparison that nobody is paged for
_MOST_NAMES: Final = 10
_MOST_DRAWN: Final = 16_384  # rows of the past windows together


@dataclass(frozen=True, slots=True)
class Side:
    """Which kept windows make one side of a report.

    Parameters
    ----------
    start, end : datetime, optional
        Between which windows lie wholly.
    segment : str, optional
        Empty for the whole, as is None on the current side; None on the reference side is the
        segment of the current one.
    version : str, optional
        Of the model; all by default.

    Raises
    ------
    OptionError
        If the end does not come after the start.
    """

    start: datetime | None = None
    end: datetime | None = None
    segment: str | None = None
    version: str | None = None

    def __post_init__(self) -> None:
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise OptionError(
                f"the end {self.end.isoformat()} does not come after the start",
                where="report",
                remedy="Write the earlier one first",
            )

    @property
    def has_range(self) -> bool:
        """Whether it says when."""
        return self.start is not None or self.end is not None


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """What is to be compared: by default the newest judged window, with its reference."""

    monitor: str
    reference: Side = Side()
    current: Side = Side()


@dataclass(frozen=True, slots=True)
class _Windows:
    """Kept windows of one segment, in the order of time, none overlapping another."""

    segment: str
    parts: dict[Interval, list[SnapshotRecord]]

    def window(self, rows: int) -> Window:
        """Return what a diagnosis says of them."""
        spans = list(self.parts)
        first, last = (
            t.isoformat().replace("+00:00", "Z") for t in (spans[0].start, spans[-1].end)
        )
        return Window(rows, first, last)

    def snapshots(self, store: Store) -> list[Snapshot]:
        """Read them."""
        return [
            reduce(Snapshot.merge, (store.get_snapshot(part) for part in parts))
            for parts in self.parts.values()
        ]


def make_report(config: Config, store: Store, request: ReportRequest) -> Diagnosis:
    """Tell why the windows of one side differ from those of the other.

    A single judged window with no other reference named is judged as it was in its time: by the
    same graph and levels, against its reference.

    Parameters
    ----------
    config : Config
    store : Store
    request : ReportRequest

    Raises
    ------
    ConfigError
        If there is no such monitor.
    OptionError
        If no such windows are kept; the message says which there are.
    StoreError, SchemaError
        If they cannot be read, or not be compared.
    """
    from whydrift.monitor.service.judging import compared
    from whydrift.monitor.service.references import CachedStore

    monitor, store = config.monitor_named(request.monitor), CachedStore.of(store)
    current = _current(store, monitor, request.current)
    told = _told(store, monitor, current)
    chosen = _reference(store, monitor, request, current)
    mine, theirs = current.snapshots(store), chosen.snapshots(store)
    window, past = reduce(Snapshot.merge, mine), _alike(theirs, len(mine))
    graph = _graph(store, monitor, told)
    if monitor.segments is not None and chosen.segment != current.segment:
        # What the sides were chosen by differs between them, and is no finding.
        roles = {name: Role.VERSION for name in monitor.segments.by if name in window.schema}
        window, past = window.with_roles(roles), [w.with_roles(roles) for w in past]
        graph = (
            None if graph is None else graph.with_nodes(n for n in graph.nodes if n not in roles)
        )
    own = told.get(current.segment)
    found = compared(
        monitor,
        past,
        window,
        VisitKind.LABELS if own is None else VisitKind(own["stage"]),
        graph,
        _LEVEL if own is None else float(own["error_control"]["level"]),
        fault_level=FAULT_LEVEL
        if own is None
        else _level_of_faults(store, monitor, current, chosen),
    )
    if own is not None and not current.segment and request.current.version is None:
        # Other windows than these show it; what was found then is all that can be known.
        slow = told_slow(own)
        found = found if slow is None else told_slowly(found, slow, slow_p_values(own))
    return replace(
        found,
        monitor=monitor.name,
        segment=current.segment or None,
        reference=chosen.window(found.reference.rows),
        current=current.window(found.current.rows),
    )


def with_pictures(config: Config, store: Store, diagnosis: Diagnosis) -> Diagnosis:
    """Return a stored diagnosis with the windows behind it, as far as they are kept, to draw.

    Raises
    ------
    OptionError
        If its window, or all before it, are gone.
    StoreError, SchemaError
        If they cannot be read.
    """
    from whydrift.discovery.snapshot.pool import pool
    from whydrift.discovery.snapshot.recode import in_common_codes
    from whydrift.monitor.diagnosis.evidence import Evidence
    from whydrift.monitor.service.references import CachedStore

    record = store.get_result_record(diagnosis.id)
    if record is None or diagnosis.monitor is None:
        raise OptionError(
            "this diagnosis is of no stored window",
            where="pictures",
            remedy="Look at it without pictures",
        )
    reading, key = CachedStore.of(store), record.key
    monitor = config.monitor_named(key.monitor)
    side = Side(key.interval.start, key.interval.end, key.segment)
    current = _kept(store, monitor, side, key.segment)
    found = _by_rule(store, monitor, side, current, judged_at=record.at)
    past = found.snapshots(reading)
    window = reduce(Snapshot.merge, current.snapshots(reading))
    reference = pool([w for w in past if w.has_sample] or past, most_rows=_MOST_DRAWN).snapshot
    return replace(diagnosis, evidence=Evidence(*in_common_codes((reference, window))))


# ---- which windows -----------------------------------------------------------------------------
def _current(store: Store, monitor: Monitor, side: Side) -> _Windows:
    segment = side.segment or ""
    if not side.has_range and side.version is None:
        told = [r for r in store.latest_results(monitor.name) if r.key.segment == segment]
        if told:
            newest = max(told, key=lambda r: r.key.interval.end).key.interval
            return _kept(store, monitor, replace(side, start=newest.start, end=newest.end), segment)
    found = _kept(store, monitor, side, segment)
    if side.has_range:
        return found
    return _newest(found, _NEWEST if side.version is not None else 1)


def _reference(
    store: Store, monitor: Monitor, request: ReportRequest, current: _Windows
) -> _Windows:
    side = request.reference
    segment = current.segment if side.segment is None else side.segment
    if side.has_range or side.version is not None:
        found = _kept(store, monitor, side, segment)
        found = found if side.has_range else _newest(found, _NEWEST)
        are_others = segment != current.segment or (
            None not in (side.version, request.current.version)
            and side.version != request.current.version
        )
        return found if are_others else _beside(found, current, monitor, side)
    if segment != current.segment:
        spans = tuple(current.parts)
        return _kept(
            store, monitor, Side(spans[0].start, spans[-1].end, segment, request.current.version),
            segment,
        )  # fmt: skip
    judged_at = _judged_at(store, monitor, next(iter(current.parts)))
    return _by_rule(store, monitor, request.current, current, judged_at=judged_at)


def _beside(found: _Windows, current: _Windows, monitor: Monitor, side: Side) -> _Windows:
    """Return the windows without those of the current side, whose rows would stand on both.

    Raises
    ------
    OptionError
        If there are no others.
    """
    others = {
        w: parts
        for w, parts in found.parts.items()
        if not any(w.overlaps(mine) for mine in current.parts)
    }
    if not others:
        raise OptionError(
            "both sides are the same windows",
            where=f"monitor {monitor.name!r}, {_range(side)}",
            remedy="Name two stretches of time that do not overlap",
        )
    return _Windows(found.segment, others)


def _by_rule(
    store: Store,
    monitor: Monitor,
    side: Side,
    current: _Windows,
    *,
    judged_at: datetime | None,
) -> _Windows:
    """Return the past windows that the first one of the current side is judged against."""
    from whydrift.monitor.past_windows import PastWindows
    from whydrift.monitor.service.references import accepted_for

    first = next(iter(current.parts))
    acceptances = store.list_events(monitor=monitor.name, kinds=("accept",))
    accepted = accepted_for(first, acceptances, judged_at=judged_at)
    found, records = PastWindows(monitor, store).choice(
        first,
        segment=current.segment,
        version=side.version or _commonest_version(current.parts[first]),
        accepted_from=None if accepted is None else accepted.start,
        accepted_until=None if accepted is None else accepted.until,
    )
    if not found.windows:
        raise OptionError(
            f"there is no usable past window before {first}",
            where=f"monitor {monitor.name!r}, reference",
            remedy=f"Name a range; {_there_are(store, monitor)}",
        )
    parts: dict[Interval, list[SnapshotRecord]] = {}
    for past, record in zip(found.windows, records, strict=True):
        parts.setdefault(past.interval, []).append(record)
    return _Windows(current.segment, parts)


def _judged_at(store: Store, monitor: Monitor, window: Interval) -> datetime | None:
    """Return when a window was judged last; None where it never was."""
    records = store.list_results(
        monitor=monitor.name, segment="", start=window.start, end=window.end
    )
    return max((r.at for r in records if r.key.interval == window), default=None)


def _commonest_version(parts: Iterable[SnapshotRecord]) -> str | None:
    """Return the version of the model that has most of a window's rows."""
    rows = {r.part: r.rows for r in parts if r.part}
    return max(rows, key=lambda part: (rows[part], part), default=None)


def _kept(store: Store, monitor: Monitor, side: Side, segment: str) -> _Windows:
    """Return the windows with rows that lie in a range.

    Raises
    ------
    OptionError
        If there are none; the message says which there are.
    """
    parts: dict[Interval, list[SnapshotRecord]] = {}
    for record in store.list_snapshots(
        monitor=monitor.name, segment=segment, part=side.version, start=side.start, end=side.end
    ):
        if record.rows:
            parts.setdefault(record.key.interval, []).append(record)
    if not parts:
        what = f"segment {segment!r} " if segment else ""
        what += f"version {side.version!r} " if side.version is not None else ""
        raise OptionError(
            f"no window {f'of {what}' if what else ''}with rows lies there",
            where=f"monitor {monitor.name!r}, {_range(side)}",
            remedy=_there_are(store, monitor, segment, side.version),
        )
    return _Windows(segment, {w: parts[w] for w in _apart(parts)})


def _apart(windows: Iterable[Interval]) -> list[Interval]:
    """Return those that do not overlap, the latest first chosen: rows count once."""
    chosen: list[Interval] = []
    for window in sorted(windows, reverse=True):
        if not chosen or not window.overlaps(chosen[-1]):
            chosen.append(window)
    return chosen[::-1]


def _newest(found: _Windows, most: int) -> _Windows:
    return _Windows(found.segment, dict(list(found.parts.items())[-most:]))


def _range(side: Side) -> str:
    if not side.has_range:
        return "any time"
    return "..".join("…" if t is None else _written(t) for t in (side.start, side.end))


def _written(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _there_are(
    store: Store, monitor: Monitor, segment: str = "", version: str | None = None
) -> str:
    """Return in a sentence which windows there are, and what else could have been meant."""
    records = [r for r in store.list_snapshots(monitor=monitor.name) if r.rows]
    if not records:
        return "Nothing is kept of it yet"
    spans = {r.key.interval for r in records}
    first, last = min(w.start for w in spans), max(w.end for w in spans)
    parts = [f"{len(spans):,} windows are kept, from {Interval(first, last)}".replace("/", " to ")]
    segments = sorted({r.key.segment for r in records} - {""})
    if segment and segment not in segments:
        guess = nearest(segment, segments)
        listed = ", ".join(segments[:_MOST_NAMES]) or "none"
        parts.append(f"Did you mean {guess!r}?" if guess else f"Segments: {listed}")
    versions = sorted({r.part for r in records} - {""})
    if version is not None:
        parts.append(f"Versions: {', '.join(versions[:_MOST_NAMES]) or 'none'}")
    return ". ".join(parts)


# ---- how they are judged -----------------------------------------------------------------------
def _told(store: Store, monitor: Monitor, current: _Windows) -> dict[str, dict[str, Any]]:
    """Return the last word on the current side, where it is one judged window, by segment.

    Of the whole too, whose result says which graph was in force.
    """
    if len(current.parts) != 1:
        return {}
    span = next(iter(current.parts))
    told = {}
    # Labels come after features, in the alphabet too.
    for record in store.list_results(monitor=monitor.name, start=span.start, end=span.end):
        if record.key.segment in {"", current.segment}:
            told[record.key.segment] = store.get_result(record.id) or {}
    return {segment: result for segment, result in told.items() if result}


def _graph(store: Store, monitor: Monitor, told: Mapping[str, Mapping[str, Any]]) -> Graph | None:
    """Return the graph that was in force when the window was judged, else the latest."""
    learned = told.get("", {}).get("graph_learned")
    found = None if learned is None else store.get_graph(monitor.name, version=learned["version"])
    found = found or store.get_graph(monitor.name)
    return None if found is None else found[1]


def _level_of_faults(
    store: Store, monitor: Monitor, current: _Windows, reference: _Windows
) -> float:
    """Return what each detector might spend when the window was judged."""
    from whydrift.monitor.service.judging import alarm_budget, level_of_faults

    span = next(iter(current.parts))
    kept = store.list_snapshots(monitor=monitor.name, start=span.start, end=span.end)
    segments = {r.key.segment for r in kept if r.key.interval == span} - {WHOLE, REST}
    budget = alarm_budget(monitor, sorted(segments), tuple(reference.parts))
    return level_of_faults(budget, current.segment)


def _alike(windows: list[Snapshot], size: int) -> list[Snapshot]:
    """Return past windows as long as the current side: days that differ are told from drift so."""
    if size == 1:
        return windows
    # What does not fill another one goes to the oldest.
    whole = max(1, len(windows) // size)
    ends = [len(windows) - size * (whole - 1 - k) for k in range(whole)]
    groups = [windows[a:b] for a, b in zip([0, *ends], ends, strict=False)]
    return [reduce(Snapshot.merge, group) for group in groups]
