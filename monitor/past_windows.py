"""The windows of a monitor that are kept, and which of them one is judged against.

The store alone is asked, never the source.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from functools import reduce
from typing import TYPE_CHECKING, Final

from whydrift.discovery.errors import SourceError
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.past_alerts import alerts_over
from whydrift.monitor.store.records import SnapshotRecord, WindowKey
from whydrift.monitor.store.store import Store
from whydrift.monitor.window.duration import Duration
from whydrift.monitor.window.interval import Interval
from whydrift.monitor.window.reference import (
    FixedReference,
    LastWindows,
    PastWindow,
    Reference,
    ReferenceRule,
    choose_reference,
)

if TYPE_CHECKING:
    from whydrift.monitor.config.monitor import Monitor

__all__ = ["PastWindows"]

_DRIFTED: Final = frozenset({"covariate", "mechanism", "both"})
_SPARE: Final = 4  # times as many windows are looked at, as some of them may not count
_INSTANT: Final = timedelta(microseconds=1)


@dataclass(frozen=True)
class PastWindows:
    """The windows of one monitor, as far as they are kept.

    Parameters
    ----------
    monitor : Monitor
        Its configuration.
    store : Store
    """

    monitor: Monitor
    store: Store

    def reference(
        self,
        interval: Interval,
        *,
        segment: str = "",
        version: str | None = None,
        accepted_from: datetime | None = None,
        accepted_until: datetime | None = None,
    ) -> tuple[Reference, tuple[Snapshot, ...]]:
        """Return the past windows that a window is judged against, read; see :meth:`choice`."""
        found, records = self.choice(
            interval, segment=segment, version=version, accepted_from=accepted_from,
            accepted_until=accepted_until,
        )  # fmt: skip
        by_window: dict[Interval, list[Snapshot]] = {}
        for window, record in zip(found.windows, records, strict=True):
            by_window.setdefault(window.interval, []).append(self.store.get_snapshot(record))
        return found, tuple(reduce(Snapshot.merge, parts) for parts in by_window.values())

    def choice(
        self,
        interval: Interval,
        *,
        segment: str = "",
        version: str | None = None,
        accepted_from: datetime | None = None,
        accepted_until: datetime | None = None,
    ) -> tuple[Reference, tuple[SnapshotRecord, ...]]:
        """Return the past windows that a window is judged against, by the monitor's rule.

        Where an alert lasts so long that no other window is left, those within it count that show
        nothing by themselves.

        Parameters
        ----------
        interval : Interval
            The window under judgement.
        segment : str
        version : str, optional
            The model's version in that window.
        accepted_from : datetime, optional
            From when on what came was said to be the new normal.
        accepted_until : datetime, optional
            When that was said: windows before it count, though they drifted.
        """
        rule = self.monitor.reference.rule(self.monitor.window.timezone)
        accepted = (
            None
            if accepted_from is None or accepted_until is None
            else Interval(accepted_from, max(accepted_until, accepted_from + _INSTANT))
        )
        for since in self._back(rule, interval, segment):
            records, past = self._past(rule, interval, segment, since, accepted)
            found = choose_reference(
                rule, interval, past, zone=self.monitor.window.timezone, version=version,
                accepted_from=accepted_from,
            )  # fmt: skip
            if not isinstance(rule, LastWindows) or rule.last == len(
                {window.interval for window in found.windows}
            ):
                break  # all that the rule wants, or it does not count windows
        if not found.windows:  # an alert as long as the reference: nobody would be judged again
            past = [replace(window, alerts=()) for window in past]
            found = choose_reference(
                rule, interval, past, zone=self.monitor.window.timezone, version=version,
                accepted_from=accepted_from,
            )  # fmt: skip
        return found, tuple(records[w.interval, w.version or ""] for w in found.windows)

    def window(self, interval: Interval, *, segment: str = "") -> Snapshot:
        """Return a window that was kept, all versions of the model together.

        Raises
        ------
        StoreError
            If it cannot be read.
        SourceError
            If it was never kept.
        """
        key = WindowKey(self.monitor.name, interval, segment)
        parts = [r for r in self._kept(interval, interval, segment) if r.key == key]
        if not parts:
            raise SourceError(
                "this window was not read yet", where=str(key), remedy="Record it first"
            )
        return reduce(Snapshot.merge, (self.store.get_snapshot(r) for r in parts))

    # ---- inside --------------------------------------------------------------------------------
    def _back(
        self, rule: ReferenceRule, interval: Interval, segment: str
    ) -> Iterator[datetime | None]:
        """Yield from when on past windows are looked at: ever earlier where their number counts.

        Years of windows need not be read for the last 28, unless most of them do not count.
        """
        if isinstance(rule, LastWindows) and isinstance(rule.last, int):
            most = rule.last * _SPARE
            while since := self.store.start_of_last(
                self.monitor.name, segment, end=interval.start, count=most
            ):
                yield since
                most *= _SPARE
        yield _since(rule, interval, self.monitor.window.timezone)

    def _past(
        self,
        rule: ReferenceRule,
        interval: Interval,
        segment: str,
        since: datetime | None,
        accepted: Interval | None,
    ) -> tuple[dict[tuple[Interval, str], SnapshotRecord], list[PastWindow]]:
        """Return the windows from a moment on up to one, and what was said of them."""
        kept = self.store.list_snapshots(
            monitor=self.monitor.name, segment=segment, start=since, end=interval.start
        )
        records = {(r.key.interval, r.part): r for r in kept}
        spans = {span for span, _ in records}
        told = {} if isinstance(rule, FixedReference) else self._told(segment, since, interval)
        over = {}
        if not isinstance(rule, FixedReference):
            over = alerts_over(self.store, self.monitor.name, segment, spans)
        known = {
            span: replace(told.get(span, PastWindow(span, 0)), alerts=over.get(span, ()))
            for span in spans
        }
        if accepted is not None:
            known |= {
                span: replace(past, has_drift=False, alerts=())
                for span, past in known.items()
                if accepted.start <= span.start and span.end <= accepted.end
            }
        past = [
            replace(known[span], rows=r.rows, version=part or None)
            for (span, part), r in records.items()
        ]
        return records, past

    def _kept(self, first: Interval, last: Interval, segment: str = "") -> list[SnapshotRecord]:
        return list(
            self.store.list_snapshots(
                monitor=self.monitor.name, segment=segment, start=first.start, end=last.end
            )
        )

    def _told(
        self, segment: str, since: datetime | None, until: Interval
    ) -> dict[Interval, PastWindow]:
        """Return what results say of windows before one: whether they had faults, or drifted."""
        told: dict[Interval, PastWindow] = {}
        for record in self.store.list_results(
            monitor=self.monitor.name, segment=segment, start=since, end=until.start
        ):
            before = told.get(record.key.interval, PastWindow(record.key.interval, 0))
            told[record.key.interval] = replace(
                before,
                has_fault=before.has_fault or record.fault,
                has_drift=before.has_drift or record.verdict in _DRIFTED,
            )
        return told


def _since(rule: ReferenceRule, interval: Interval, zone: tzinfo) -> datetime | None:
    """Return from when on windows may count; None where only their number says so."""
    match rule:
        case FixedReference(stretch):
            return stretch.start
        case LastWindows(Duration() as last, _, _):
            return last.before(interval.start, zone)
        case _:
            return None
