"""What the store says now of all monitors: numbers in memory, so that a scrape asks no database."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from whydrift.discovery.errors import StoreError
from whydrift.monitor.diagnosis.alarm_budget import DAYS_PER_MONTH, WHOLE, AlarmBudget
from whydrift.monitor.diagnosis.alert import AlertKey
from whydrift.monitor.diagnosis.diagnosis import ESTIMATED, ColumnVerdict, Stage, told_slow
from whydrift.monitor.diagnosis.headline import has_other_model
from whydrift.monitor.service.schedule import next_due, stages_of
from whydrift.monitor.store.information import size
from whydrift.monitor.store.state import AlertState, CheckOutcome, MonitorState, VisitKind

if TYPE_CHECKING:
    from whydrift.monitor.config.model import Config
    from whydrift.monitor.config.monitor import Monitor
    from whydrift.monitor.config.service import Metrics
    from whydrift.monitor.store.records import ResultRecord
    from whydrift.monitor.store.store import Store

__all__ = [
    "Board",
    "BoardView",
    "ColumnNumbers",
    "LossNumbers",
    "MonitorView",
    "ResultNumbers",
]

# What other daemons did without a result (an error, a window without rows) is seen so late.
_ASK_AGAIN: Final = timedelta(seconds=30)
_READ_AGAIN: Final = timedelta(hours=1)  # decisions leave the month that the budget is of
_MEASURE_AGAIN: Final = timedelta(seconds=60)  # the store's size: files beside SQLite are counted

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ColumnNumbers:
    """What a diagnosis says of one column.

    Parameters
    ----------
    name : str
    verdict : ColumnVerdict
    effect : float, optional
        Size of the change of its own mechanism, in reference standard deviations or probability.
    q_value, contribution : float, optional
    """

    name: str
    verdict: ColumnVerdict
    effect: float | None
    q_value: float | None
    contribution: float | None


@dataclass(frozen=True, slots=True)
class LossNumbers:
    """The loss on both sides, of rows with labels, and its change with a 90 % interval."""

    reference: float
    current: float
    change: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class ResultNumbers:
    """What one diagnosis says, without its evidence.

    Parameters
    ----------
    id : str
    segment : str
    stage : Stage
    start, end : datetime
        Of the window.
    target : str
        Empty where none is named.
    verdict : str
    fault : bool
    conditional_shift : bool, optional
    model_changed : bool
        Whether the same inputs get other predictions.
    summary : str
    reference_rows, current_rows : int
    columns : tuple of ColumnNumbers
        Those with a verdict other than stable first, then as the diagnosis orders them.
    columns_omitted : int
        Left out, of more than ``metrics.max_columns``.
    loss : LossNumbers, optional
    edges : int
        Of the graph.
    edges_changed : mapping of str to int
        By kind of change.
    slow : mapping of str to int
        Columns that moved slowly, by themselves in none of the windows, and over how many.
    """

    id: str
    segment: str
    stage: Stage
    start: datetime
    end: datetime
    target: str
    verdict: str
    fault: bool
    conditional_shift: bool | None
    model_changed: bool
    summary: str
    reference_rows: int
    current_rows: int
    columns: tuple[ColumnNumbers, ...]
    columns_omitted: int
    loss: LossNumbers | None
    edges: int
    edges_changed: Mapping[str, int]
    slow: Mapping[str, int] = field(default_factory=dict)

    @property
    def order(self) -> tuple[datetime, bool]:
        """Sorts by window, and within one the stage with labels last."""
        return self.end, self.stage is Stage.LABELS


@dataclass(frozen=True, slots=True)
class MonitorView:
    """What is known of one monitor.

    Parameters
    ----------
    name, target, severity, team : str
        As configured; target and team are empty where none is named.
    results : mapping of str to tuple of ResultNumbers
        By segment (empty for the whole, which is first), the newest window of each stage, the
        latest last. Segments that the newest window lacks are not there.
    segments_omitted : int
        Left out, of more than ``metrics.max_segments``.
    firing : frozenset of AlertKey
    state : MonitorState
    holder : str, optional
        Who has the lease.
    is_held : bool
        Whether that is us.
    budget_ratio : float
        Of a month's false alarms, what the last month's decisions spent.
    next_due : datetime, optional
        When the next result is due; a past time where one is late.
    empty : datetime, optional
        End of the newest window, where it had no rows.
    named : mapping of AlertKey to tuple of str
        Which columns each alert that fires is about.
    """

    name: str
    target: str
    severity: str
    team: str
    results: Mapping[str, tuple[ResultNumbers, ...]] = field(default_factory=dict)
    segments_omitted: int = 0
    firing: frozenset[AlertKey] = frozenset()
    state: MonitorState = field(default_factory=lambda: MonitorState(""))
    holder: str | None = None
    is_held: bool = False
    budget_ratio: float = 0.0
    next_due: datetime | None = None
    empty: datetime | None = None
    named: Mapping[AlertKey, tuple[str, ...]] = field(default_factory=dict)

    def newest(self, segment: str = WHOLE) -> ResultNumbers | None:
        """Return the latest finished stage of the newest window of a segment."""
        found = self.results.get(segment, ())
        return found[-1] if found else None

    def labelled(self, segment: str = WHOLE) -> ResultNumbers | None:
        """Return the newest result with labels, where the newest of all is of a later window.

        Labels come later, and speak of what features cannot show.
        """
        results = self.results.get(segment, ())
        found = next((r for r in results if r.stage is Stage.LABELS), None)
        return None if found is None or found.end == results[-1].end else found

    def newest_with_loss(self, segment: str = WHOLE) -> ResultNumbers | None:
        """Return the newest result that knows the loss: where labels are late, an older window."""
        found = (r for r in reversed(self.results.get(segment, ())) if r.loss is not None)
        return next(found, None)

    def newest_with_conditional(self, segment: str = WHOLE) -> ResultNumbers | None:
        """Return the newest result that knows whether the target moved given its inputs."""
        found = reversed(self.results.get(segment, ()))
        return next((r for r in found if r.conditional_shift is not None), None)


@dataclass(frozen=True, slots=True)
class BoardView:
    """All monitors at one moment.

    Parameters
    ----------
    monitors : mapping of str to MonitorView
        Those of the configuration, in its order.
    limits : Metrics, optional
        The configuration's ``metrics``; None before the first refresh.
    at : datetime, optional
        When the store was last read.
    is_store_up : bool
        Whether the last attempt to read it succeeded.
    store_bytes : int, optional
    pending : mapping of str to int
        Messages that wait, by notifier.
    """

    monitors: Mapping[str, MonitorView] = field(default_factory=dict)
    limits: Metrics | None = None
    at: datetime | None = None
    is_store_up: bool = False
    store_bytes: int | None = None
    pending: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_loaded(self) -> bool:
        """Whether the store was read at least once: before, a scrape must not be answered."""
        return self.at is not None


@dataclass(slots=True)
class _Read:
    """What was read of a monitor beside its results, and when; ``asked``: whether it changed."""

    monitor: Monitor
    state: MonitorState
    budget_ratio: float
    next_due: datetime | None
    empty: datetime | None
    at: datetime
    asked: datetime


class Board:
    """Keeps the newest view; any thread may read it while another refreshes.

    Parameters
    ----------
    holder : str
        Our name among the holders of leases.
    """

    def __init__(self, holder: str = "") -> None:
        self._holder = holder
        self._refreshing = threading.Lock()
        self._view = BoardView()
        self._results: dict[str, ResultNumbers] = {}
        self._read: dict[str, _Read] = {}
        self._unreadable: set[str] = set()
        self._measured: datetime | None = None
        self._limits: Metrics | None = None

    @property
    def view(self) -> BoardView:
        """The newest view: a value that never changes."""
        return self._view

    def refresh(
        self, store: Store, config: Config, now: datetime, *, touched: Collection[str] = ()
    ) -> bool:
        """Read what changed and show it; where the store is down the last view stays.

        Parameters
        ----------
        store : Store
        config : Config
            Its monitors are shown, and no others.
        now : datetime
        touched : collection of str
            Monitors of which something was written since the last time: what is known of them
            beside results is read again at once; all others are asked twice a minute whether
            anything changed.

        Returns
        -------
        bool
            Whether the store answered.
        """
        with self._refreshing:
            try:
                view = self._seen(store, config, now, touched)
            except StoreError as error:
                _LOG.warning("the store does not answer: %s", error)
                self._view = replace(self._view, is_store_up=False)
                return False
            self._view = view
            return True

    def _seen(
        self, store: Store, config: Config, now: datetime, touched: Collection[str]
    ) -> BoardView:
        names = {monitor.name for monitor in config.monitors}
        if config.metrics != self._limits:  # other columns may have to be kept
            self._results, self._limits = {}, config.metrics
        records = [r for r in store.latest_results() if r.key.monitor in names]
        fresh = self._parsed(store, records, config.metrics)
        by_monitor: dict[str, list[ResultNumbers]] = {name: [] for name in names}
        for record in records:
            if record.id in self._results:
                by_monitor[record.key.monitor].append(self._results[record.id])
        firing: dict[str, dict[AlertKey, tuple[str, ...]]] = {}
        for alert in store.list_alerts(states=[AlertState.FIRING]):
            named = tuple(sorted(alert.episode.columns))
            firing.setdefault(alert.monitor, {})[alert.key] = named
        leases = {lease.monitor: lease for lease in store.list_leases()}
        monitors = {}
        for monitor in config.monitors:
            name = monitor.name
            before = self._view.monitors.get(name)
            keys = frozenset(firing.get(name, ()))
            shown, omitted = _segments(
                _of_stages(by_monitor[name], stages_of(monitor)),
                {key.segment for key in keys},
                before,
                config.metrics,
            )
            known = self._known(
                store, config, monitor, shown, now, is_touched=name in touched or name in fresh
            )
            lease = leases.get(name)
            view = MonitorView(
                name,
                monitor.columns.target or "",
                monitor.alert.severity,
                monitor.alert.team or "",
                shown,
                omitted,
                keys,
                known.state,
                None if lease is None else lease.holder,
                lease is not None and lease.holder == self._holder,
                known.budget_ratio,
                known.next_due,
                known.empty,
                firing.get(name, {}),
            )
            # The same object where nothing changed: what was written of it is used again.
            monitors[name] = before if before == view else view
        self._read = {name: known for name, known in self._read.items() if name in names}
        # Who has nothing to be told has a series too: at zero.
        pending = dict.fromkeys((notifier.name for notifier in config.notify), 0)
        pending.update(store.outbox_pending())
        return BoardView(monitors, config.metrics, now, True, self._size(store, now), pending)

    def _parsed(
        self, store: Store, records: Iterable[ResultRecord], limits: Metrics
    ) -> frozenset[str]:
        """Read the diagnoses that are new; return the monitors that they are of."""
        ids, fresh = set(), set()
        for record in records:
            ids.add(record.id)
            if record.id in self._results:
                continue
            fresh.add(record.key.monitor)
            try:
                diagnosis = store.get_result(record.id)
                if diagnosis is not None:  # else it was deleted since
                    self._results[record.id] = _numbers(record, diagnosis, limits)
            except StoreError as error:
                # Its neighbours are shown; a store that is down fails at the next question.
                if record.id not in self._unreadable:
                    _LOG.warning("a result is left out: %s", error)
                self._unreadable.add(record.id)
        self._results = {name: kept for name, kept in self._results.items() if name in ids}
        self._unreadable &= ids
        return frozenset(fresh)

    def _known(
        self,
        store: Store,
        config: Config,
        monitor: Monitor,
        results: Mapping[str, tuple[ResultNumbers, ...]],
        now: datetime,
        *,
        is_touched: bool,
    ) -> _Read:
        known = self._read.get(monitor.name)
        if known is not None and known.monitor is monitor and not is_touched:
            is_read = timedelta() <= now - known.at < _READ_AGAIN
            has_come = known.next_due is not None and known.at < known.next_due <= now
            if is_read and not has_come:
                if timedelta() <= now - known.asked < _ASK_AGAIN:
                    return known
                if store.get_state(monitor.name) == known.state:
                    known.asked = now
                    return known
        month = timedelta(days=DAYS_PER_MONTH)
        ledger = store.spent(monitor.name, now - month)
        # A ratio is of what was granted; how it is shared out does not matter.
        budget = AlarmBudget(1.0, monitor.false_alarms_per_month)
        self._read[monitor.name] = _Read(
            monitor,
            store.get_state(monitor.name),
            ledger.ratio(now.timestamp(), budget),
            next_due(monitor, store, now, most=config.checks.catch_up),
            _empty_window(store, monitor.name, results),
            now,
            now,
        )
        return self._read[monitor.name]

    def _size(self, store: Store, now: datetime) -> int | None:
        since = self._measured
        if since is not None and timedelta() <= now - since < _MEASURE_AGAIN:
            return self._view.store_bytes
        self._measured = now
        return size(store)


def _empty_window(
    store: Store, monitor: str, results: Mapping[str, tuple[ResultNumbers, ...]]
) -> datetime | None:
    """Return the end of the newest window that was looked at, where it had no rows.

    Such a window has no diagnosis: the last one with rows must not speak for it.
    """
    whole = results.get(WHOLE, ())
    visits = [
        visit
        for visit in store.list_visits(monitor, start=whole[-1].start if whole else None)
        if visit.outcome.is_final
        and visit.outcome is not CheckOutcome.SKIPPED
        and not (whole and visit.interval.end <= whole[-1].end)
    ]
    if not visits:
        return None
    newest = max(visits, key=lambda visit: (visit.interval.end, visit.at))
    return newest.interval.end if newest.outcome is CheckOutcome.NO_DATA else None


def _of_stages(
    results: Iterable[ResultNumbers], stages: Collection[VisitKind]
) -> list[ResultNumbers]:
    """Leave out old results of a stage that the configuration no longer has."""
    found = list(results)
    newest = max((r.end for r in found), default=None)
    words = {kind.value for kind in stages}
    return [r for r in found if r.stage.value in words or r.end == newest]


def _segments(
    results: Iterable[ResultNumbers],
    firing: Collection[str],
    before: MonitorView | None,
    limits: Metrics,
) -> tuple[dict[str, tuple[ResultNumbers, ...]], int]:
    """Return the results by segment, and how many segments are left out.

    Those that were shown stay, so that series do not come and go; then those with most rows.
    """
    by_segment: dict[str, list[ResultNumbers]] = {}
    for found in sorted(results, key=lambda r: r.order):
        by_segment.setdefault(found.segment, []).append(found)
    whole = by_segment.pop(WHOLE, [])
    ends = {found.stage: found.end for found in whole}
    present = {
        # What the newest window has no rows of is unknown now.
        name: tuple(r for r in found if name in firing or r.end == ends.get(r.stage))
        for name, found in by_segment.items()
    }
    shown_before = () if before is None else before.results
    order = sorted(
        (name for name, found in present.items() if found),
        key=lambda name: (
            name not in firing,
            name not in shown_before,
            -present[name][-1].reference_rows,
            name,
        ),
    )
    chosen = order[: limits.max_segments]
    shown = {WHOLE: tuple(whole)} if whole else {}
    shown.update((name, present[name]) for name in sorted(chosen))
    return shown, len(order) - len(chosen)


def _numbers(record: ResultRecord, diagnosis: Mapping[str, Any], limits: Metrics) -> ResultNumbers:
    """Return the numbers of a diagnosis.

    Raises
    ------
    StoreError
        If it is none: a store checks what it takes, so that it was changed.
    """
    segment = record.key.segment
    try:
        wanted = segment == WHOLE or limits.segment_columns
        columns = [_column(name, row) for name, row in diagnosis["columns"].items()]
        columns.sort(key=lambda column: column.verdict is ColumnVerdict.STABLE)
        kept = columns[: limits.max_columns] if wanted else []
        changed: dict[str, int] = {}
        for edge in diagnosis["graph_change"]:
            changed[edge["change"]] = changed.get(edge["change"], 0) + 1
        windows = diagnosis["windows"]
        return ResultNumbers(
            record.id,
            segment,
            Stage(record.stage),
            record.key.interval.start,
            record.key.interval.end,
            diagnosis["target"] or "",
            str(diagnosis["verdict"]),
            bool(diagnosis["fault"]),
            diagnosis["conditional_shift"],
            has_other_model(diagnosis),
            str(diagnosis["summary"]),
            int(windows["reference"]["rows"]),
            int(windows["current"]["rows"]),
            tuple(kept),
            len(columns) - len(kept) if wanted else 0,
            _loss(diagnosis["metric"]),
            len(diagnosis["graph"]["edges"]),
            changed,
            told_slow(diagnosis) or {},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StoreError(
            f"this is no diagnosis ({type(error).__name__}: {error})",
            where=f"result {record.id}",
            remedy="Judge the window again: whydrift run --recompute",
        ) from error


def _column(name: str, row: Mapping[str, Any]) -> ColumnNumbers:
    effect, contribution = row["effect"], row["contribution"]
    return ColumnNumbers(
        name,
        ColumnVerdict(row["verdict"]),
        None if effect is None else effect["value"],
        row["q_value"],
        None if contribution is None else contribution["value"],
    )


def _loss(metric: Mapping[str, Any] | None) -> LossNumbers | None:
    if metric is None or metric["reference"] is None or metric["current"] is None:
        return None
    if metric["name"].endswith(ESTIMATED):
        return None  # without labels: no number to draw or alert on beside one that was measured
    change = metric["change"] or {"value": None, "low": None, "high": None}
    return LossNumbers(
        metric["reference"], metric["current"], change["value"], change["low"], change["high"]
    )
