"""Takes what came as the new normal: references begin there, open alerts end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from whydrift.discovery.errors import OptionError, Overtaken
from whydrift.monitor.diagnosis.alarm_budget import WHOLE
from whydrift.monitor.diagnosis.episode import Step
from whydrift.monitor.service.notices import messages_of
from whydrift.monitor.service.one_page import one_page
from whydrift.monitor.store.state import AlertChange, AlertState, EventRecord
from whydrift.monitor.window.interval import Interval

if TYPE_CHECKING:
    from whydrift.monitor.config import Config
    from whydrift.monitor.config.monitor import Monitor
    from whydrift.monitor.store import Store

__all__ = ["accept"]


def accept(
    config: Config,
    name: str | None,
    store: Store,
    reason: str,
    *,
    actor: str,
    at: datetime,
    window: datetime | None = None,
) -> EventRecord:
    """Say that what came is usual from a window on; its alerts end, and whom they told is told.

    Parameters
    ----------
    config : Config
    name : str, optional
        Of the monitor; may be left out where there is only one.
    store : Store
    reason : str
        Why; kept.
    actor : str
        Who says so.
    at : datetime
    window : datetime, optional
        A moment in the first window that is usual, or its start. By default that in which the
        oldest alert that fires began; the newest one judged where none does.

    Raises
    ------
    ConfigError
        If there is no such monitor.
    OptionError
        If no window was judged yet, none then, or no reason is given.
    StoreError
    """
    monitor = config.monitor_named(name)
    if not reason.strip():
        raise OptionError(
            "no reason is given",
            where=f"monitor {monitor.name!r}",
            remedy="Say why: it is kept, and shown to others",
        )
    while True:
        try:
            return _accept(config, monitor, store, reason, actor, at, window)
        except Overtaken:  # a check opened or ended an alert meanwhile: it is accepted too
            continue


def _accept(
    config: Config,
    monitor: Monitor,
    store: Store,
    reason: str,
    actor: str,
    at: datetime,
    window: datetime | None,
) -> EventRecord:
    where = f"monitor {monitor.name!r}"
    judged = sorted(
        {r.key.interval for r in store.list_results(monitor=monitor.name, segment=WHOLE)},
        key=lambda interval: (interval.end, interval.start),
    )
    if not judged:
        raise OptionError(
            "no window was judged yet",
            where=where,
            remedy="Wait for the first verdict: until then nothing is unusual",
        )
    states = {AlertState.FIRING, AlertState.PENDING}
    alerts = store.list_alerts(monitor=monitor.name, states=states)
    if window is None:
        opened = [a.episode.opened for a in alerts if a.state is AlertState.FIRING]
        first = judged[-1]
        if opened:
            ended = datetime.fromtimestamp(min(opened), UTC)
            first = next((w for w in judged if w.end >= ended), judged[-1])
    else:
        first = next((w for w in reversed(judged) if window in w), judged[0])
        if window not in first:
            raise OptionError(
                f"no window was judged that holds {window.isoformat()}",
                where=where,
                remedy=f"Judged are {judged[0].start.isoformat()} to {judged[-1].end.isoformat()}",
            )
    stretch = Interval(first.start, judged[-1].end)
    details = {"summary": f"Accepted as the new normal: {reason}", "accepted": reason}
    changes = tuple(
        AlertChange(a.key, Step.CLOSED, None, stretch.end, a.result, {**a.details, **details})
        for a in alerts
    )
    before = {a.key: a.episode for a in alerts}
    page = one_page(changes, alerts, stretch.end)
    messages = messages_of(config, monitor, page.told, before, judged[-1], "accepted")
    closing = tuple(replace(change, details=details) for change in page.changes)
    return store.accept(
        monitor.name, reason, at=at, actor=actor, window=stretch, alerts_seen=alerts,
        changes=closing, messages=messages,
    )  # fmt: skip
