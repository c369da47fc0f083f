"""A real Alertmanager holds one alert for each of ours: resent, resolved, through restarts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from tests.servers import free_port, wait_until
from tests.service.alertmanager import Alertmanager
from tests.service.notices import KEY, NOW, FakeClock, alert, notice
from tests.service.receiver import Receiver, receiver
from whydrift.monitor.config import Config, parse_config
from whydrift.monitor.diagnosis.alert import AlertKey, AlertKind
from whydrift.monitor.diagnosis.episode import Episode, Step
from whydrift.monitor.service.alert_names import alert_labels
from whydrift.monitor.service.notify.alertmanager import alerts_of
from whydrift.monitor.service.notify.base import Attempt
from whydrift.monitor.service.notify.deliverer import Deliverer
from whydrift.monitor.service.notify.notice import NoticeStep
from whydrift.monitor.service.notify.notifications import Notifications
from whydrift.monitor.service.notify.registry import rendering_of
from whydrift.monitor.store import Store, open_store
from whydrift.monitor.store.state import (
    AlertChange,
    AlertState,
    CheckOutcome,
    Settlement,
    VisitKind,
)
from whydrift.monitor.window.interval import Interval

MINUTE = timedelta(minutes=1)
FAULT = AlertKey("", AlertKind.FAULT, "country=DE")


def config(*urls: str) -> Config:
    return parse_config(
        "version: 1\nweb: {external_url: https://w.example}\nmonitors:\n"
        "  - {name: house-price, source: {files: x.csv}, alert: {team: pricing}}\n"
        f"notify:\n  - alertmanager: {{urls: {list(urls)}}}\n",
        environment={},
    )


class Watched:
    """A monitor whose alerts fire and are resolved, and the daemon that tells of them."""

    def __init__(self, folder: Path, clock: FakeClock, *urls: str) -> None:
        self.clock = clock
        self.store: Store = open_store(f"sqlite:///{folder}/w.db", clock=clock)
        self.hash = self.store.put_config("house-price", "name: house-price\n")
        self.config = config(*urls)
        self.attempts: list[Attempt] = []
        self.windows = 0
        self.begin()

    def begin(self) -> None:
        """Start the daemon, or start it again."""
        self.sender = Notifications(
            self.config, self.store, clock=self.clock, told=self.attempts.append, random=Random(7)
        )

    def tick(self, **passed: float) -> list[str]:
        self.clock.move(**passed)
        before = len(self.attempts)
        self.sender.tick()
        assert self.sender.wait(60)
        return [attempt.outcome.value for attempt in self.attempts[before:]]

    def settle(self, *changes: AlertChange) -> None:
        self.windows += 1
        interval = Interval(self.clock() - self.windows * MINUTE, self.clock())
        outcome = CheckOutcome.DRIFT
        self.store.settle(
            Settlement(
                "house-price", interval, VisitKind.FEATURES, outcome, self.hash, alerts=changes
            ),
            None,
        )

    def fire(self, key: AlertKey = KEY) -> None:
        end = self.clock()
        episode = Episode(end.timestamp(), end.timestamp(), counted=end.timestamp(), is_firing=True)
        details = {"summary": "Income moved", "columns": ["income"], "remedy": "Retrain"}
        self.settle(AlertChange(key, Step.OPENED, episode, end, "d-1", details))

    def resolve(self, key: AlertKey = KEY) -> None:
        self.settle(AlertChange(key, Step.CLOSED, None, self.clock()))

    def close(self) -> None:
        self.sender.close()
        self.store.close()


@pytest.fixture
def paged() -> Iterator[Receiver]:
    """Whom Alertmanager pages."""
    with receiver() as told:
        yield told


@pytest.fixture
def server(tmp_path: Path, paged: Receiver) -> Iterator[Alertmanager]:
    made = Alertmanager(tmp_path / "am", paged.url)
    yield made
    made.stop()


def pages(paged: Receiver) -> list[tuple[str, str]]:
    """(status, alertname) of each notification of Alertmanager's, in order."""
    return [(r.json["status"], r.json["commonLabels"]["alertname"]) for r in list(paged.taken)]


def test_an_alert_fires_once_survives_a_restart_of_both_sides_and_is_resolved(
    tmp_path, server, paged
):
    clock = FakeClock(datetime.now(UTC) - timedelta(minutes=10))
    server.start()
    one = Watched(tmp_path, clock, server.url)
    assert one.tick() == []  # nothing to tell
    clock.now = datetime.now(UTC)
    one.fire()
    assert one.tick() == ["ok"]
    (held,) = server.alerts()
    assert held["labels"] == alert_labels("house-price", KEY, severity="warning", team="pricing")
    asked = "segment=&target=price&kind=mechanism"  # as the rules link too
    assert held["annotations"]["report_url"] == (
        f"https://w.example/monitors/house-price/report?{asked}"
    )
    assert held["annotations"]["summary"] == "house-price: mechanism shift (price)"
    assert "It began in income." in held["annotations"]["description"]
    # It ends by itself where we are gone for four times.
    assert datetime.fromisoformat(held["endsAt"]) - clock() > timedelta(minutes=3.9)
    assert one.tick(seconds=20) == [] and one.tick(seconds=41) == ["ok"]
    wait_until("a page", lambda: pages(paged))

    server.stop()
    assert one.tick(seconds=61) == ["error"]
    server.start()
    one.sender.close()
    one.begin()  # the daemon too, which remembers nothing but the store
    assert one.tick() == ["ok"]
    assert len(server.alerts()) == 1 and "WhydriftMechanismShift" in server.amtool("alert")

    clock.now = datetime.now(UTC)
    one.resolve()
    assert one.tick() == ["ok"]
    wait_until("the end", lambda: not server.alerts())
    wait_until("its page", lambda: len(pages(paged)) >= 2)
    assert one.tick(minutes=5) == ["ok"] and one.tick(minutes=11) == []  # fifteen minutes long
    name = "WhydriftMechanismShift"
    assert pages(paged) == [("firing", name), ("resolved", name)]  # one page, whatever was sent
    one.close()


def test_an_hour_without_alertmanager_loses_no_alert_and_pages_for_none_that_is_over(
    tmp_path, server, paged
):
    clock = FakeClock(datetime.now(UTC) - timedelta(hours=1))
    one = Watched(tmp_path, clock, server.url)
    one.fire()
    one.fire(FAULT)
    ended: list[str] = []
    for _ in range(30):
        ended += one.tick(minutes=1)
    one.resolve()
    for _ in range(29):
        ended += one.tick(minutes=1)
    assert set(ended) == {"error"} and len(ended) <= 70
    clock.now = datetime.now(UTC)
    server.start()
    assert one.tick(minutes=2) == ["ok"]
    (held,) = server.alerts()
    assert held["labels"]["alertname"] == "WhydriftDataFault"
    assert held["labels"]["segment"] == "country=DE" and "target" not in held["labels"]
    wait_until("a page", lambda: pages(paged))
    assert pages(paged) == [("firing", "WhydriftDataFault")]
    one.close()


def test_a_pair_of_alertmanagers_is_told_by_two_daemons_and_pages_once(tmp_path, server, paged):
    server.start()
    second = Alertmanager(tmp_path / "am2", paged.url, peer=server.cluster)
    second.start()
    try:
        clock = FakeClock(datetime.now(UTC))
        one = Watched(tmp_path, clock, server.url, second.url)
        other = Notifications(one.config, one.store, clock=clock, told=one.attempts.append)
        wait_until("the cluster of two", lambda: server.peers() == 2)
        one.fire()
        assert one.tick() == ["ok", "ok"]
        other.tick()
        assert other.wait(60)
        assert len(server.alerts()) == len(second.alerts()) == 1
        wait_until("a page", lambda: pages(paged))
        second.stop()  # one of the pair away: the other one is told as before
        assert sorted(one.tick(seconds=61)) == ["error", "ok"]
        one.resolve()
        one.tick(seconds=5)
        clock.now = datetime.now(UTC)
        other.close()
        one.close()
        assert len([p for p in pages(paged) if p[0] == "firing"]) == 1
    finally:
        second.stop()


def test_an_alert_of_the_rules_and_ours_are_one(tmp_path, server, paged):
    """What Prometheus sends has the labels of the rule, which are ours."""
    server.start()
    clock = FakeClock(datetime.now(UTC))
    one = Watched(tmp_path, clock, server.url)
    one.fire()
    assert one.tick() == ["ok"]
    labels = alert_labels("house-price", KEY, severity="warning", team="pricing")
    server.amtool("alert", "add", *(f"{k}={v}" for k, v in labels.items()))
    assert len(server.alerts()) == 1
    wait_until("a page", lambda: pages(paged))
    assert pages(paged) == [("firing", "WhydriftMechanismShift")]
    one.close()


def test_a_test_reaches_every_alertmanager_and_says_what_it_is(server):
    server.start()
    deliverer = Deliverer.of(config(server.url).notify[0])
    sent = deliverer.send(notice(NoticeStep.TEST), "k", datetime.now(UTC))
    deliverer.close()
    assert sent.outcome.value == "ok"
    assert [a["labels"]["alertname"] for a in server.alerts()] == ["WhydriftTest"]


def test_one_alert_that_is_refused_does_not_take_the_others_with_it(tmp_path):
    clock = FakeClock()
    with receiver(400, 400, 200, 400, always=200) as told:
        one = Watched(tmp_path, clock, told.url)
        for segment in ("a", "b", "c"):
            one.fire(AlertKey("price", AlertKind.MECHANISM, f"country={segment}"))
        ended = one.tick()
        sizes = [len(r.json) for r in told.received]
        assert sizes[0] == 3 and max(sizes[1:]) < 3  # halves, and never the same again
        assert ended.count("dead") == 1
        before = len(told.received)
        one.tick(seconds=61)
        assert len(told.received) == before + 1
        assert len(told.received[-1].json) == 2  # the bad one is known by now
        one.close()


def test_an_alert_that_fires_again_is_not_told_as_resolved():
    again = [alert(AlertState.RESOLVED, number=1), alert(AlertState.FIRING, number=2)]
    (only,) = alerts_of(config("http://x"), again, NOW, MINUTE)
    assert only.ends_at == NOW + 4 * MINUTE
    (same,) = alerts_of(config("http://x"), reversed(again), NOW, MINUTE)
    assert same == only


def test_all_columns_that_an_alert_reached_are_named_those_of_the_newest_window_first():
    one = alert()
    reached = replace(one.episode, columns=frozenset({"p", "y"}))
    details = {**one.details, "columns": ["p"]}  # of features, judged after older windows' labels
    (told,) = alerts_of(config("http://x"), [replace(one, episode=reached, details=details)], NOW,
                        MINUTE)  # fmt: skip
    assert told.annotations["columns"] == "p, y"


def test_alerts_of_a_monitor_that_is_gone_end_by_themselves_and_old_ones_are_not_told():
    gone = alert(monitor="old")
    long_ago = alert(AlertState.RESOLVED, at=NOW - timedelta(minutes=16))
    assert alerts_of(config("http://x"), [gone, long_ago], NOW, MINUTE) == ()


def test_an_alertmanager_may_stand_behind_a_path_and_a_token():
    settings = parse_config(
        "version: 1\nmonitors: [{name: a, source: {files: x.csv}}]\nnotify:\n"
        f"  - alertmanager: {{urls: ['http://127.0.0.1:{free_port()}/am/'], token: hush}}\n"
    )
    (request,) = rendering_of(settings.notify[0]).requests(notice(), "k", NOW)
    assert request.url.endswith("/am/api/v2/alerts")
    assert request.headers["Authorization"] == "Bearer hush"
