"""The life of a check: read, keep, learn, compare, decide, and leave it all in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from whydrift.discovery.errors import LeaseLost, NoRows, Overtaken, WhydriftError
from whydrift.monitor.building.one_process import OneProcess
from whydrift.monitor.config.redact import monitor_text
from whydrift.monitor.diagnosis.alarm_budget import WHOLE
from whydrift.monitor.diagnosis.alert import AlertKey
from whydrift.monitor.diagnosis.diagnosis import Diagnosis, Verdict
from whydrift.monitor.diagnosis.episode import Step
from whydrift.monitor.diagnosis.words import joined
from whydrift.monitor.history import History
from whydrift.monitor.service.alerting import Alerting, decide, rejected
from whydrift.monitor.service.clock import Clock
from whydrift.monitor.service.judging import Judged, judge_window
from whydrift.monitor.service.notices import messages_of
from whydrift.monitor.service.one_page import one_page
from whydrift.monitor.service.references import CachedStore
from whydrift.monitor.service.reload import masked_by
from whydrift.monitor.service.schedule import (
    LATE,
    LOOK_EVERY,
    Plan,
    back_off,
    began_at,
    left_behind,
    stages_of,
)
from whydrift.monitor.service.work import NOTHING_LATE, AlertNews, Check, CheckReport
from whydrift.monitor.source.reading import never
from whydrift.monitor.store.records import SnapshotRecord, WindowKey
from whydrift.monitor.store.state import (
    AlertRecord,
    AlertState,
    CheckOutcome,
    Settlement,
    Visit,
    VisitKind,
)
from whydrift.monitor.threads import one_blas_thread
from whydrift.monitor.window.by_rows import RowWindows
from whydrift.monitor.window.interval import Interval
from whydrift.monitor.window.late import Arrival

if TYPE_CHECKING:
    from whydrift.monitor.building import Cluster
    from whydrift.monitor.config import Config
    from whydrift.monitor.config.monitor import Monitor
    from whydrift.monitor.store import Store
    from whydrift.monitor.store.state import Lease

__all__ = ["perform"]

_INSTANT: Final = timedelta(microseconds=1)
_MOST_BY_ROWS: Final = 100  # windows by rows that one check looks at; the next ones come after
_NEWS: Final = MappingProxyType(
    {
        Step.OPENED: "Alerts opened",
        Step.WIDENED: "Alerts widened",
        Step.CLOSED: "Alerts resolved",
    }
)
_GRAVEST: Final = (
    CheckOutcome.ERROR, CheckOutcome.DRIFT, CheckOutcome.UNDETERMINED, CheckOutcome.OK,
    CheckOutcome.NO_DATA, CheckOutcome.SKIPPED,
)  # fmt: skip


def perform(
    config: Config,
    check: Check,
    store: Store,
    *,
    clock: Clock,
    lease: Lease | None,
    cancel: Callable[[], bool] = never,
) -> CheckReport:
    """Do a check: what it found is in the store when it returns.

    What it leaves behind is one transaction, fenced by the lease; done again, after it was killed
    anywhere, it leaves the same. An error of the source, the data or the configuration is written
    with the moment at which it is tried again, and told in the report.

    Parameters
    ----------
    config : Config
    check : Check
    store : Store
    clock : callable
    lease : Lease, optional
        None where no other process can judge the monitor.
    cancel : callable
        Asked now and then whether to stop.

    Returns
    -------
    CheckReport

    Raises
    ------
    Cancelled
        Where it was told to stop; then nothing is left behind.
    """
    began = time.perf_counter()
    try:
        monitor = config.monitor_named(check.monitor)
        with one_blas_thread(), _place(config) as on:
            history = History.of(config, monitor.name, CachedStore.of(store), on)
            work = _Work(config, monitor, history, store, clock, lease, cancel)
            report = work.perform(check)
    except LeaseLost as error:
        said = masked_by(config, str(error))
        report = CheckReport(check, CheckOutcome.ERROR, 0.0, summary=said)
    except MemoryError:
        text = f"monitor {check.monitor!r}: there was not enough memory. Raise checks.memory"
        report = _failed(check, text, store, clock, lease)
    except WhydriftError as error:
        report = _failed(check, masked_by(config, str(error)), store, clock, lease)
        report = replace(report, summary=masked_by(config, report.summary))
    return replace(report, seconds=time.perf_counter() - began)


@contextmanager
def _place(config: Config) -> Iterator[Cluster]:
    """Give the place where windows are read: here, or the workers that the configuration names."""
    if config.dask is None:
        yield OneProcess()
        return
    from whydrift.monitor.building import connected

    with connected(config.dask.settings()) as workers:
        yield workers


def _failed(
    check: Check, error: str, store: Store, clock: Clock, lease: Lease | None
) -> CheckReport:
    """Write that a check ended in an error, as far as the store can be written, and report it."""
    try:
        now = clock()
        if check.interval is None:
            failures = store.get_state(check.monitor).consecutive_failures + 1
            wait = back_off(check.monitor, _NO_WINDOW, check.kind, failures)
            store.fail_source(check.monitor, error, next_at=now + wait, lease=lease)
        else:
            span = check.interval
            visits = store.list_visits(check.monitor, start=span.start, end=span.end)
            before = [v for v in visits if (v.interval, v.kind) == (span, check.kind)]
            failures = (before[0].failures if before else 0) + 1
            wait = back_off(check.monitor, span, check.kind, failures)
            store.fail(check.monitor, span, check.kind, error, next_at=now + wait, lease=lease)
    except WhydriftError as again:
        if str(again) != error:
            error = f"{error} Nor could that be written: {again}"
    return CheckReport(check, CheckOutcome.ERROR, 0.0, summary=error)


_NO_WINDOW: Final = Interval(datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 2, tzinfo=UTC))


@dataclass(frozen=True)
class _Work:
    """What a check is done with."""

    config: Config
    monitor: Monitor
    history: History
    store: Store
    clock: Clock
    lease: Lease | None
    cancel: Callable[[], bool]

    def perform(self, check: Check) -> CheckReport:
        """Do a check, whatever its kind."""
        now = self.clock()
        state = self.store.get_state(self.monitor.name)
        if state.began is None:
            self.store.begin(self.monitor.name, began_at(self.monitor, now))
        if check.interval is None:
            return self._by_rows(check, now)
        if check.kind is not VisitKind.RECORD:
            self._skip(check, now)
        if check.kind in LATE:
            return self._late(check, check.interval)
        records = self._read(check.interval)
        return self._judge(check, check.interval, records)

    # ---- reading -------------------------------------------------------------------------------
    def _read(self, interval: Interval) -> tuple[SnapshotRecord, ...]:
        """Read a window and keep it; empty where neither it nor one before it has rows."""
        try:
            return self.history.record(interval, cancel=self.cancel)
        except NoRows:
            return ()

    def _skip(self, check: Check, now: datetime) -> None:
        """Write which windows are too old to be caught up with, and tell it as an event.

        Who looks at one of these was asked to look at the past, and goes on with it.
        """
        most = self.config.checks.catch_up
        behind = left_behind(self.monitor, self.store, now, most=most)
        if not behind or check.interval in {c.interval for c in behind}:
            return
        at = self.clock()
        visits = [
            Visit(c.monitor, c.interval, c.kind, CheckOutcome.SKIPPED, at)
            for c in behind
            if c.interval is not None
        ]
        first, last = visits[0].interval, visits[-1].interval
        count = len({v.interval for v in visits})
        self.store.put_event(
            "skip",
            f"{count} windows up to {last.end.isoformat()} are more than {most} behind: they were "
            "not judged",
            at=last.end,
            actor="whydrift",
            monitor=self.monitor.name,
            window=Interval(first.start, last.end),
        )
        self.store.put_visits(visits, self.lease)

    # ---- windows by rows -----------------------------------------------------------------------
    def _by_rows(self, check: Check, now: datetime) -> CheckReport:
        """Look at the windows by rows that are complete and not known yet, oldest first."""
        state = self.store.get_state(self.monitor.name)
        assert state.began is not None
        judged = [
            v for v in self.store.list_visits(self.monitor.name)
            if v.kind in {VisitKind.RECORD, check.kind} and v.outcome.is_final
        ]  # fmt: skip
        since = max((v.interval.end for v in judged), default=_NO_WINDOW.start)
        windows = self.history.pending(since, now, most=_MOST_BY_ROWS)
        reports = []
        # Without `since` all but the newest complete window are the first reference.
        is_first = self.monitor.since is None and not judged
        for place, window in enumerate(windows):
            is_past = window.start < state.began or (is_first and place < len(windows) - 1)
            kind = VisitKind.RECORD if is_past else check.kind
            one = Check(check.monitor, window, kind)
            began = time.perf_counter()
            report = self._judge(one, window, self._read(window))
            reports.append(replace(report, seconds=time.perf_counter() - began))
        if not windows:
            self.store.put_next_look(self.monitor.name, now + LOOK_EVERY)
            return CheckReport(check, CheckOutcome.OK, 0.0, summary="no more windows are complete")
        worst = min(reports, key=lambda r: _GRAVEST.index(r.outcome))
        return replace(
            worst,
            rows=sum(r.rows for r in reports),
            alerts=tuple(news for report in reports for news in report.alerts),
            windows=tuple(reports),
        )

    # ---- late rows -----------------------------------------------------------------------------
    def _late(self, check: Check, interval: Interval) -> CheckReport:
        """Look for late rows; where there are some, judge the stages again that were judged."""
        windows = self.monitor.window.cut()
        assert not isinstance(windows, RowWindows)
        plan = Plan.of(self.monitor, windows)
        # As at the moment when it was to be done, or just before the allowance has passed.
        found = self.history.refresh(interval, plan.ready(interval, check.kind) - _INSTANT)
        report = CheckReport(check, CheckOutcome.OK, 0.0, summary=NOTHING_LATE)
        if found.arrival is Arrival.RECOMPUTE:
            records = self._kept(interval)
            news: list[AlertNews] = []
            for kind in self._judged_stages(interval):
                report = self._judge(Check(check.monitor, interval, kind, True), interval, records)
                news += report.alerts
            summary = f"{found.text}: {report.summary}"
            report = replace(report, check=check, summary=summary, alerts=tuple(news))
        self._settle(check, interval, report.outcome)
        return report

    def _judged_stages(self, interval: Interval) -> tuple[VisitKind, ...]:
        """Return the stages at which a window was looked at."""
        visits = self.store.list_visits(
            self.monitor.name, start=interval.start, end=interval.end
        )  # fmt: skip
        done = {
            v.kind for v in visits
            if v.interval == interval and v.outcome.is_final
            and v.outcome is not CheckOutcome.SKIPPED
        }  # fmt: skip
        return tuple(kind for kind in stages_of(self.monitor) if kind in done)

    def _visits(self, interval: Interval) -> tuple[Visit, ...]:
        visits = self.store.list_visits(self.monitor.name, start=interval.start, end=interval.end)
        return tuple(v for v in visits if v.interval == interval)

    def _kept(self, interval: Interval) -> tuple[SnapshotRecord, ...]:
        records = self.store.list_snapshots(
            monitor=self.monitor.name, start=interval.start, end=interval.end
        )
        return tuple(r for r in records if r.key.interval == interval)

    # ---- judging -------------------------------------------------------------------------------
    def _judge(
        self, check: Check, interval: Interval, records: Sequence[SnapshotRecord]
    ) -> CheckReport:
        """Judge a window that was read, and write what that leads to."""
        rows = sum(r.rows for r in records if r.key.segment == WHOLE)
        if not rows:
            self._settle(check, interval, CheckOutcome.NO_DATA)
            return CheckReport(check, CheckOutcome.NO_DATA, 0.0, summary="the window has no rows")
        last_row = self._last_row(interval)
        if self._is_reference(check, interval):
            self._settle(check, interval, CheckOutcome.OK, rows=rows, last_row=last_row)
            return CheckReport(
                check, CheckOutcome.OK, 0.0, rows, "recorded, as a part of the first reference"
            )
        while True:
            try:
                return self._judge_once(check, interval, records, rows, last_row)
            except Overtaken:  # accepted meanwhile: references begin elsewhere, alerts have ended
                continue

    def _judge_once(
        self,
        check: Check,
        interval: Interval,
        records: Sequence[SnapshotRecord],
        rows: int,
        last_row: datetime | None,
    ) -> CheckReport:
        """Judge a window by what was accepted until now.

        Raises
        ------
        Overtaken
            If somebody accepted what came before it was written.
        """
        judged = judge_window(self.history, interval, check.kind, records, cancel=self.cancel)
        whole = judged.whole
        lacks_labels = whole is not None and whole.stage.value != check.kind.value
        if whole is None or (lacks_labels and len(stages_of(self.monitor)) == 2):
            summary = judged.reason or "no labels have come for it: judged on its features alone"
            outcome = CheckOutcome.UNDETERMINED
            self._settle(check, interval, outcome, rows=rows, last_row=last_row)
            return CheckReport(check, outcome, 0.0, rows, summary)
        lasting = self.store.list_alerts(
            monitor=self.monitor.name, states={AlertState.FIRING, AlertState.PENDING}
        )
        alerting = decide(
            self.monitor,
            judged,
            interval,
            {alert.key: alert.episode for alert in lasting},
            self.store.decided(self.monitor.name, interval),
            is_silent=check.is_recomputed and self._has_result(interval, whole.stage.value),
            said=self._said_before(check, interval),
        )
        outcome = _outcome(whole, alerting)
        self._settle(
            check, interval, outcome, rows=rows, last_row=last_row, judged=judged,
            alerting=alerting, lasting=lasting, stage=whole.stage.value,
        )  # fmt: skip
        news = alerting.news
        return CheckReport(check, outcome, 0.0, rows, _summary(whole, news), news)

    def _said_before(self, check: Check, interval: Interval) -> dict[AlertKey, frozenset[str]]:
        """Return what the first stage of a window rejected already: the second says it not anew."""
        said: dict[AlertKey, frozenset[str]] = {}
        if check.kind is not VisitKind.LABELS or len(stages_of(self.monitor)) == 1:
            return said
        for record in self.store.list_results(
            monitor=self.monitor.name, stage="features", start=interval.start, end=interval.end
        ):
            result = self.store.get_result(record.id)
            if record.key.interval == interval and result is not None:
                said |= rejected(self.monitor, Diagnosis.from_dict(result), record.key.segment)
        return said

    def _has_result(self, interval: Interval, stage: str) -> bool:
        """Whether a stage of a window was decided on; who deleted its ledger changes nothing."""
        key = WindowKey(self.monitor.name, interval)
        return self.store.find_result(key, stage=stage) is not None

    def _is_reference(self, check: Check, interval: Interval) -> bool:
        """Whether a window belongs to the first reference, and is not judged."""
        if check.kind is VisitKind.RECORD:
            return True
        if check.kind is VisitKind.FEATURES or len(stages_of(self.monitor)) == 1:
            return False
        # One that was skipped at its first stage, or failed there, is judged at the second.
        return all(v.kind is not VisitKind.FEATURES for v in self._visits(interval))

    def _last_row(self, interval: Interval) -> datetime | None:
        end = self.history.window(interval).end
        return None if end is None else datetime.fromtimestamp(end, UTC)

    def _settle(
        self,
        check: Check,
        interval: Interval,
        outcome: CheckOutcome,
        *,
        rows: int = 0,
        last_row: datetime | None = None,
        judged: Judged | None = None,
        alerting: Alerting | None = None,
        lasting: Sequence[AlertRecord] = (),
        stage: str = "",
    ) -> None:
        """Write all that a check leaves behind."""
        text = monitor_text(self.config, self.monitor.name)
        config_hash = self.store.put_config(self.monitor.name, text)
        page = one_page(() if alerting is None else alerting.changes, lasting, interval.end)
        before = {} if alerting is None else alerting.before
        messages = messages_of(self.config, self.monitor, page.told, before, interval, stage)
        settlement = Settlement(
            self.monitor.name,
            interval,
            check.kind,
            outcome,
            config_hash,
            results={} if judged is None else judged.results(),
            spent=() if alerting is None else alerting.spent,
            alerts=page.changes,
            messages=messages,
            rows=rows,
            last_row=last_row,
            acceptance=None if judged is None else judged.acceptance,
        )
        self.store.settle(settlement, self.lease)


def _outcome(whole: Diagnosis, alerting: Alerting) -> CheckOutcome:
    if whole.found or whole.slow or alerting.opened:
        return CheckOutcome.DRIFT
    if whole.verdict is Verdict.UNDETERMINED:
        return CheckOutcome.UNDETERMINED
    return CheckOutcome.OK


def _summary(whole: Diagnosis, news: Sequence[AlertNews]) -> str:
    """Return what a window says, and what that does to alerts."""
    said = [whole.summary]
    for step, words in _NEWS.items():
        done = [one for one in news if one.step is step]
        if done:
            said.append(f"{words}: {', '.join(_alert_words(one) for one in done)}")
    return " ".join(said)


def _alert_words(news: AlertNews) -> str:
    kind = news.key.kind.value
    if news.step is Step.WIDENED:
        kind = f"{kind} by {joined(news.columns)}"
    return f"{kind} ({news.key.segment})" if news.key.segment else kind
