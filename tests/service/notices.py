"""Notices, alerts and a clock, for tests of those who are told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from whydrift.monitor.diagnosis.alert import AlertKey, AlertKind
from whydrift.monitor.diagnosis.episode import Episode
from whydrift.monitor.service.notify.notice import Notice, NoticeStep
from whydrift.monitor.store.state import AlertRecord, AlertState
from whydrift.monitor.window.interval import Interval

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
KEY = AlertKey("price", AlertKind.MECHANISM)


@dataclass
class FakeClock:
    """A clock that stands until it is moved."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def move(self, **passed: float) -> None:
        self.now += timedelta(**passed)


def notice(
    step: NoticeStep = NoticeStep.OPENED,
    *,
    monitor: str = "house-price",
    kind: AlertKind = AlertKind.MECHANISM,
    segment: str = "",
    day: int = 0,
    columns: tuple[str, ...] = ("income", "rooms"),
) -> Notice:
    """A notice of a window of one day; the alert began with the first."""
    start = datetime(2026, 5, 30, tzinfo=UTC)
    return Notice(
        step,
        monitor,
        AlertKey("price", kind, segment),
        "warning",
        start + DAY,
        Interval(start + day * DAY, start + (day + 1) * DAY),
        "labels",
        columns,
        "mechanism",
        "What price follows from income has changed",
        "Retrain on windows since 2026-05-30",
        team="pricing",
    )


def alert(
    state: AlertState = AlertState.FIRING,
    *,
    monitor: str = "house-price",
    key: AlertKey = KEY,
    at: datetime = NOW,
    number: int = 1,
) -> AlertRecord:
    """An alert that has fired for a day."""
    fired = NOW - DAY
    return AlertRecord(
        number,
        monitor,
        key,
        Episode(fired.timestamp(), fired.timestamp(), counted=fired.timestamp(), is_firing=True),
        state,
        fired,
        at if state is AlertState.RESOLVED else None,
        "d-1",
        {
            "summary": "What price follows from income has changed",
            "columns": ["income"],
            "remedy": "Retrain",
        },
        at,
    )
