"""The windows of a monitor: read from its source, kept in the store, found again as references."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

import numpy as np

from whydrift.discovery.arrays import IntArray
from whydrift.discovery.errors import ConfigError, NoRows, SourceError
from whydrift.discovery.progress import Progress, silent
from whydrift.discovery.snapshot.infer import NO_VALUE
from whydrift.discovery.snapshot.schema import ColumnKind, Role, Schema
from whydrift.discovery.snapshot.segment_counts import split_key
from whydrift.discovery.snapshot.segments import REST, SegmentChoice, Segments
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.building.build import build, build_segments, count_values
from whydrift.monitor.building.cluster import Cancel, Cluster
from whydrift.monitor.building.one_process import OneProcess
from whydrift.monitor.past_windows import PastWindows
from whydrift.monitor.source.base import Part, Rows, Source
from whydrift.monitor.source.reading import batches_of, in_tables, never
from whydrift.monitor.source.registry import open_source
from whydrift.monitor.source.retry import Retry, StartAgain
from whydrift.monitor.source.selected import require_columns
from whydrift.monitor.store.records import SnapshotRecord
from whydrift.monitor.store.state import CheckOutcome, VisitKind
from whydrift.monitor.store.store import Store
from whydrift.monitor.window.by_rows import RowWindows
from whydrift.monitor.window.calendar import Stage
from whydrift.monitor.window.duration import Duration
from whydrift.monitor.window.interval import Interval
from whydrift.monitor.window.late import Arrival, LateRows, late_rows
from whydrift.monitor.window.reference import FixedReference, LastWindows

if TYPE_CHECKING:
    import pyarrow as pa

    from whydrift.monitor.config.model import Config

__all__ = ["History"]

_JUDGED: Final = frozenset({VisitKind.FEATURES, VisitKind.LABELS})
_MOST_VERSIONS: Final = 10  # of the model in one window; the rows of others are kept together
_MOST_PIECES: Final = 2_000  # read apart and held at once
_OTHER_VERSIONS: Final = "(other)"
_TO_MICROSECONDS: Final = {"s": 1_000_000, "ms": 1_000, "us": 1}


@dataclass(frozen=True)
class History(PastWindows):
    """The windows of one monitor: those that are kept, and those that can be read.

    Parameters
    ----------
    monitor : Monitor
        Its configuration.
    store : Store
    source : Source
        Where its rows, with their labels, come from.
    on : Cluster
        Where rows are read: in this process by default.
    """

    source: Source
    on: Cluster = field(default_factory=OneProcess)

    @classmethod
    def of(
        cls, config: Config, name: str | None, store: Store, on: Cluster | None = None
    ) -> History:
        """Return that of a monitor of a configuration.

        Raises
        ------
        ConfigError
            If there is no such monitor.
        SourceError
            If what its source needs is not installed.
        """
        monitor = config.monitor_named(name)
        source = open_source(config.reader_of(monitor))
        return cls(monitor, store, source, on or OneProcess())

    # ---- reading -------------------------------------------------------------------------------
    def record(
        self, interval: Interval, *, progress: Progress = silent, cancel: Cancel = never
    ) -> tuple[SnapshotRecord, ...]:
        """Read a window, and keep it and its segments; one without rows is kept as empty.

        A window that is there already and has other rows or labels now gets its next revision;
        else nothing changes.

        Raises
        ------
        NoRows
            If it has none, nor had any window before, so that no columns are known.
        SourceError, SchemaError, StoreError, ClusterError, Cancelled
            Whatever is raised: nothing of the window is kept.
        """
        windows = self._read(interval, progress, cancel)
        return self.store.put_window(self.monitor.name, interval, windows)

    def pending(self, since: datetime, now: datetime, *, most: int = 100) -> tuple[Interval, ...]:
        """Return the windows that end after ``since`` and can be read now, oldest first.

        Parameters
        ----------
        since : datetime
            The end of the last one that is known.
        now : datetime
        most : int
            Windows to return at most.
        """
        plan, zone = self.monitor.window.cut(), self.monitor.window.timezone
        if isinstance(plan, RowWindows):
            until = self.monitor.window.delay.before(now, zone)
            start = self._last_start(since) if plan.slides else since
            again = plan.rows // (plan.step or plan.rows)  # those that may end by then
            found = Retry().call(
                lambda: plan.cut(self._times(start, until), start, until, most=most + again),
                of=StartAgain,
            )
            return tuple(window for window in found if window.end > since)[:most]
        due = plan.due(since, now, Stage.FEATURES)
        return tuple(window for window, _ in zip(due, range(most), strict=False))

    def refresh(self, interval: Interval, now: datetime) -> LateRows:
        """Read a window again where rows came late, as far as its monitor allows.

        Rows that were read late, and not judged since, as the process was killed in between, are
        told once more.

        Raises
        ------
        SourceError, StoreError
            If it cannot be read, or was never kept.
        """
        known = [r for r in self._kept(interval, interval) if r.key.interval == interval]
        if not known:
            raise SourceError(
                f"the window {interval} was not read before",
                where=f"monitor {self.monitor.name!r}",
                remedy="Record it first",
            )
        settings, late = self.monitor.window, self.monitor.late
        plan = settings.cut()
        ready = (
            settings.delay.after(interval.end, settings.timezone)
            if isinstance(plan, RowWindows)
            else plan.ready(interval, Stage.FEATURES)
        )
        allow = late.allow if late.then == "recompute" else Duration(0, "s")
        rows = Retry().call(
            lambda: sum(len(batch) for batch in self._times(interval.start, interval.end)),
            of=StartAgain,
        )
        kept = sum(r.rows for r in known)
        found = late_rows(kept, rows, ready=ready, now=now, allow=allow, zone=settings.timezone)
        if found.arrival is Arrival.RECOMPUTE:
            self.record(interval)
        elif found.arrival is Arrival.NOTHING:
            return late_rows(
                self._judged_rows(interval, kept), rows,
                ready=ready, now=now, allow=allow, zone=settings.timezone,
            )  # fmt: skip
        return found

    # ---- inside --------------------------------------------------------------------------------
    def _judged_rows(self, interval: Interval, kept: int) -> int:
        """Return of how many rows a window was when it was judged, if not of those kept now."""
        for record in self.store.list_results(
            monitor=self.monitor.name, segment="", start=interval.start, end=interval.end
        ):
            if record.key.interval == interval:
                said = self.store.get_result(record.id) or {}
                rows = int(said["windows"]["current"]["rows"])
                if rows != kept:
                    return rows
        was_empty = any(
            visit.outcome is CheckOutcome.NO_DATA and visit.kind in _JUDGED
            for visit in self.store.list_visits(
                self.monitor.name, start=interval.start, end=interval.end
            )
            if visit.interval == interval
        )
        return 0 if was_empty else kept

    def _last_start(self, end: datetime) -> datetime:
        """Return where the latest kept window that ends then begins; that moment if none does."""
        kept = self.store.list_snapshots(monitor=self.monitor.name, segment="", end=end)
        return max((r.key.interval.start for r in kept if r.key.interval.end == end), default=end)

    def _read(
        self, interval: Interval, progress: Progress, cancel: Cancel
    ) -> dict[tuple[str, str], Snapshot]:
        """Return the window by segment (empty for the whole) and version of the model."""
        time = self._time_column()
        parts = self.source.parts(Rows(None, time, interval.start, interval.end))
        schema = self._schema(interval)
        kinds, roles = self._kinds_and_roles(schema)
        settings = {
            "schema": schema, "kinds": kinds, "roles": roles, "on": self.on,
            "progress": progress, "cancel": cancel, "where": f"{self.source.where}, {interval}",
        }  # fmt: skip
        version = self.monitor.columns.version
        by = self.monitor.segments.by if self.monitor.segments else ()
        if not by and version is None:
            try:
                return {("", ""): build(parts, **settings)}  # type: ignore[arg-type]
            except NoRows:
                return self._empty(schema, ())
        chosen = self._segments(interval)
        columns = (*by, *(() if version is None else (version,)))
        choice = self._choice(parts, columns, chosen)
        try:
            found = build_segments(parts, choice, **settings)  # type: ignore[arg-type]
        except NoRows:
            return self._empty(schema, chosen)
        pieces = {**found.segments, REST: found.rest}
        return _sorted_out(pieces, chosen, has_segments=bool(by), has_versions=version is not None)

    def _choice(
        self, parts: Sequence[Part], columns: tuple[str, ...], chosen: tuple[str, ...]
    ) -> SegmentChoice:
        """Return which pieces are read apart: each segment, or what each version has of it."""
        if self.monitor.columns.version is None:
            return SegmentChoice(columns, chosen, None)
        counts = count_values(parts, columns, on=self.on)
        versions: dict[str, int] = {}
        for key, rows in counts.rows.items():
            version = split_key(key)[-1]
            versions[version] = versions.get(version, 0) + rows
        common = sorted(versions, key=lambda name: (-versions[name], name))[:_MOST_VERSIONS]
        keys = tuple(k for k, _ in counts.commonest() if split_key(k)[-1] in common)
        if counts.error or len(keys) > _MOST_PIECES:
            raise ConfigError(
                f"a window has more than {_MOST_PIECES:,} segments and versions of the model",
                where=f"monitor {self.monitor.name!r}, segments.by",
                remedy="Name columns of fewer values, or leave out columns.version",
            )
        return SegmentChoice(columns, keys, None)

    def _segments(self, interval: Interval) -> tuple[str, ...]:
        """Return the segments: those that are kept already, else chosen on the reference's rows.

        As long as none was large enough, they are looked for again.
        """
        rule = self.monitor.segments
        if rule is None:
            return ()
        known = set(self.store.list_segments(self.monitor.name)) - {"", REST}
        if known:
            return tuple(sorted(known))
        stretch = self._reference_stretch(interval)
        rows = Rows(rule.by, self._time_column(), stretch.start, stretch.end)
        counts = count_values(self.source.parts(rows), rule.by, on=self.on)
        segments = Segments(rule.by, rule.top, rule.min_rows)
        return tuple(sorted(segments.choose(counts).chosen))

    def _reference_stretch(self, interval: Interval) -> Interval:
        """Return from when on rows tell which segments are large, up to the end of a window.

        Of a window before judging began that is all of the first reference: it is read one window
        after the other, the oldest of which has few rows behind it.
        """
        zone = self.monitor.window.timezone
        rule = self.monitor.reference.rule(zone)
        if isinstance(rule, FixedReference):
            return rule.stretch
        began = self.store.get_state(self.monitor.name).began
        if began is not None and interval.end <= began:
            interval = Interval(began - interval.length, began)
        if isinstance(rule, LastWindows):
            back = rule.last if isinstance(rule.last, Duration) else None
            start = (
                interval.start - rule.last * interval.length
                if isinstance(rule.last, int)
                else (back or Duration(0, "s")).before(interval.start, zone)
            )
            return Interval(start, interval.end)
        return interval

    def _empty(
        self, schema: Schema | None, segments: tuple[str, ...]
    ) -> dict[tuple[str, str], Snapshot]:
        if schema is None:
            raise NoRows(
                "the first window has no rows, so that its columns are not known",
                where=self.source.where,
                remedy="Begin with a window that has data",
            )
        names = ("", *segments, *((REST,) if self.monitor.segments else ()))
        return {(name, ""): Snapshot.empty(schema) for name in names}

    def _schema(self, interval: Interval) -> Schema | None:
        """Return the schema to read a window with; None at the beginning.

        It is that of the latest; where the window was read before, the one that it was read with
        then, so that the same rows give the same content, whatever later windows brought.
        """
        found = self.store.ends(self.monitor.name)
        if found is None:
            return None
        oldest, newest = found
        own = [r for r in self._kept(interval, interval) if r.key.interval == interval and r.rows]
        schema = (
            _before(self.store.get_snapshot(own[-1]).schema)
            if own
            else self.store.get_snapshot(newest).schema
        )
        return self._with_what_came(schema, oldest, interval)

    def _with_what_came(self, schema: Schema, oldest: SnapshotRecord, interval: Interval) -> Schema:
        """Return the schema with the kinds of columns that had no value yet, as labels at first.

        The kind is the one in the oldest window, whose labels come first; else it is read off the
        rows, where they have values now.
        """
        blank = {c.name for c in schema.columns if c.why == NO_VALUE}
        blank -= {*self.monitor.columns.ignore}
        if not blank:
            return schema
        found = {
            c.name: c
            for c in _before(self.store.get_snapshot(oldest).schema).columns
            if c.name in blank and c.why != NO_VALUE
        }
        there = self.source.schema().names
        rest = [name for name in there if name in blank and name not in found]
        for table in self._tables(tuple(rest), interval.start, interval.end) if rest else ():
            if not rest:
                break
            for column in Snapshot.from_frame(table.select(rest)).schema.columns:
                if column.why != NO_VALUE:
                    found[column.name] = column
                    rest.remove(column.name)
        columns = (
            replace(found[c.name], role=c.role) if c.name in found else c for c in schema.columns
        )
        return replace(schema, columns=tuple(columns))

    def _kinds_and_roles(
        self, schema: Schema | None
    ) -> tuple[Mapping[str, ColumnKind], Mapping[str, Role]]:
        """Return what the configuration says of columns.

        Raises
        ------
        SourceError
            If the source has no column of a name, nor had it before.
        """
        columns, time = self.monitor.columns, self._time_column()
        there = self.source.schema().names
        roles = {
            columns.target: Role.TARGET, columns.prediction: Role.PREDICTION,
            columns.cluster: Role.CLUSTER, columns.version: Role.VERSION,
        }  # fmt: skip
        named = {name: role for name, role in roles.items() if name is not None}
        known = [*there, *(() if schema is None else schema.names)]
        require_columns(named, known, self.source.where)
        kinds = {name: ColumnKind.IGNORED for name in columns.ignore if name in there}
        return (
            {**kinds, time: ColumnKind.TIMESTAMP},
            {time: Role.TIME, **{name: role for name, role in named.items() if name in there}},
        )

    def _time_column(self) -> str:
        if self.source.time_column is None:
            raise ConfigError(
                "its source has no time column, so that no row belongs to a window",
                where=f"monitor {self.monitor.name!r}",
                remedy="Write time_column: COLUMN under its source",
            )
        return self.source.time_column

    def _times(self, start: datetime, end: datetime) -> Iterator[IntArray]:
        """Yield the times of the rows, in microseconds since 1970; none where there are none."""
        name = self._time_column()
        for table in self._tables((name,), start, end):
            yield _microseconds(table.column(name))

    def _tables(
        self, columns: tuple[str, ...], start: datetime, end: datetime
    ) -> Iterator[pa.Table]:
        """Yield some columns of the rows; none where there are none."""
        rows = Rows(columns, self._time_column(), start, end)
        yield from in_tables(batches_of(self.source, rows, retry=Retry()), self.source.where)


def _before(schema: Schema) -> Schema:
    """Return the schema that a window was read with: without the categories that it brought."""
    columns = (replace(c, categories=c.categories[: c.known]) for c in schema.columns)
    return replace(schema, columns=tuple(columns))


def _sorted_out(
    pieces: Mapping[str, Snapshot],
    chosen: tuple[str, ...],
    *,
    has_segments: bool,
    has_versions: bool,
) -> dict[tuple[str, str], Snapshot]:
    """Return what was read apart by segment and version, and the whole as the sum of all."""
    found: dict[tuple[str, str], Snapshot] = {}

    def add(key: tuple[str, str], piece: Snapshot) -> None:
        found[key] = found[key].merge(piece) if key in found else piece

    for key, piece in pieces.items():
        *values, version = split_key(key) if has_versions and key != REST else [key, ""]
        if has_versions and key == REST:
            version = _OTHER_VERSIONS
        if has_versions and not piece.rows:
            continue
        add(("", version), piece)
        if has_segments:
            name = key if not has_versions else "|".join(values)
            add((name if name in chosen else REST, version), piece)
    return found


def _microseconds(column: pa.ChunkedArray) -> IntArray:
    import pyarrow as pa

    times = column.drop_null().cast(pa.timestamp("us", tz=column.type.tz), safe=False)
    found: IntArray = np.asarray(times.cast(pa.int64()).to_numpy(), dtype=np.int64)
    return found
