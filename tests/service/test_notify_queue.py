"""Messages reach receivers over real HTTP: at least once, in order, nobody waits for another."""

from __future__ import annotations

import hashlib
import hmac
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from tests.service.notices import DAY, NOW, FakeClock, notice
from tests.service.receiver import Receiver, receiver
from whydrift.monitor.config import Config, parse_config
from whydrift.monitor.diagnosis.alert import AlertKind
from whydrift.monitor.service.notify.base import Attempt, Outcome, Request
from whydrift.monitor.service.notify.messages import messages
from whydrift.monitor.service.notify.notice import Notice, NoticeStep
from whydrift.monitor.service.notify.notifications import Notifications
from whydrift.monitor.service.notify.post import Post
from whydrift.monitor.store import Store, open_store
from whydrift.monitor.store.state import Message

OPENED, RESOLVED = NoticeStep.OPENED, NoticeStep.RESOLVED


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/w.db", clock=clock) as opened:
        yield opened


def config(*notify: str, web: str = "") -> Config:
    items = "".join(f"  - {item}\n" for item in notify)
    return parse_config(
        "version: 1\nmonitors: [{name: house-price, source: {files: x.csv}}]\n"
        f"{web}notify:\n{items}",
        environment={},
    )


def hook(told: Receiver, name: str = "hook", extra: str = "") -> str:
    return f"{{name: {name}, webhook: {{url: '{told.url}'{extra}}}}}"


class Daemon:
    """Ticks as the daemon does, on a clock that is moved."""

    def __init__(self, store: Store, settings: Config, clock: FakeClock) -> None:
        self.attempts: list[Attempt] = []
        self.store, self.config, self.clock = store, settings, clock
        self.sender = Notifications(
            settings, store, clock=clock, told=self.attempts.append, random=Random(7)
        )

    def put(self, *notices: Notice) -> None:
        for found in notices:
            self.store.put_messages(messages(self.config, found))

    def tick(self, **passed: float) -> list[str]:
        """Let time pass, send what is due, and return how each attempt ended."""
        self.clock.move(**passed)
        before = len(self.attempts)
        self.sender.tick()
        assert self.sender.wait(60)
        return [attempt.outcome.value for attempt in self.attempts[before:]]

    def until_quiet(self, hours: float = 1) -> list[str]:
        """Tick each ten seconds, or each hour, until nothing waits."""
        ended = self.tick()
        for _ in range(400):
            if not self.store.outbox_pending():
                return ended
            ended += self.tick(hours=hours)
        raise AssertionError(self.store.outbox_pending())


@pytest.fixture
def daemon(store: Store, clock: FakeClock):
    made: list[Daemon] = []

    def make(settings: Config) -> Daemon:
        made.append(Daemon(store, settings, clock))
        return made[-1]

    yield make
    for one in made:
        one.sender.close()


def test_a_webhook_is_told_once_and_can_tell_that_it_was_us(daemon):
    with receiver() as told:
        settings = config(
            hook(told, extra=", secret: shared"), web="web: {external_url: https://w.example/}\n"
        )
        one = daemon(settings)
        one.put(notice())
        one.put(notice())  # the same check again, after a crash
        assert one.tick() == ["ok"] and one.tick(hours=1) == []
        (got,) = told.taken
    stamp = got.headers["X-Whydrift-Timestamp"]
    assert int(stamp) == NOW.timestamp()
    mine = hmac.new(b"shared", stamp.encode() + b"." + got.body, hashlib.sha256).hexdigest()
    assert got.headers["X-Whydrift-Signature"] == f"sha256={mine}"
    assert got.headers["Content-Type"] == "application/json"
    assert got.headers["User-Agent"].startswith("whydrift/")
    said = Notice.from_dict(got.json)
    assert said.step is OPENED and said.columns == ("income", "rooms")
    assert said.dashboard_url == "https://w.example/monitors/house-price"
    assert said.runbook_url is not None and said.runbook_url.endswith("/WhydriftMechanismShift.md")


@pytest.mark.parametrize("trouble", [500, 503, 408, 425, 429, "reset", "drip"])
def test_a_receiver_that_fails_is_tried_again_until_it_takes_the_message(daemon, trouble):
    with receiver(trouble, trouble) as told:
        one = daemon(config(hook(told)))
        one.put(notice())
        assert one.tick() == ["error"]
        assert one.tick() == []  # not at once
        assert one.tick(seconds=3) == ["error"] and one.tick(seconds=5) == ["ok"]
        assert len(set(told.keys())) == 1
    assert one.store.outbox_pending() == {}
    assert "hush" not in str(one.attempts)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413, 422])
def test_what_is_refused_for_good_is_not_sent_again(daemon, status):
    with receiver(status) as told:
        one = daemon(config(hook(told)))
        one.put(notice(), notice(RESOLVED, day=2))
        assert one.tick() == ["dead", "ok"]  # the next message may be a better one
        assert len(told.received) == 2
    assert f"HTTP {status}: no: *** is not taken" in (one.attempts[0].error or "")


def test_a_redirect_is_not_followed_for_the_secret_is_for_one_host_alone(daemon):
    with receiver() as elsewhere, receiver((307, {"Location": elsewhere.url})) as told:
        one = daemon(config(hook(told)))
        one.put(notice())
        assert one.tick() == ["dead"]
        assert "redirects" in (one.attempts[0].error or "") and not elsewhere.received


def test_a_receiver_that_names_a_time_is_left_alone_until_then(daemon):
    with receiver((429, {"Retry-After": "120"})) as told:
        one = daemon(config(hook(told)))
        one.put(notice(), notice(kind=AlertKind.FAULT))
        assert one.tick() == ["error"]
        assert one.tick(seconds=119) == []  # neither this message nor another
        assert one.tick(seconds=2) == ["ok", "ok"]


def test_a_time_may_be_named_as_a_date(daemon):
    with receiver((503, {"Retry-After": "Mon, 01 Jun 2026 12:05:00 GMT"})) as told:
        one = daemon(config(hook(told)))
        one.put(notice())
        assert one.tick() == ["error"]
        assert one.tick(seconds=299) == [] and one.tick(seconds=2) == ["ok"]


def test_of_one_alert_the_end_is_never_told_before_the_begin(daemon):
    with receiver(500) as told:
        one = daemon(config(hook(told)))
        one.put(notice(), notice(NoticeStep.CHANGED, day=1), notice(RESOLVED, day=3))
        one.put(notice(kind=AlertKind.FAULT))
        assert one.tick() == ["error"]
        one.tick(hours=1)
        steps = [(r.json["kind"], r.json["step"]) for r in told.taken]
    assert [s for k, s in steps if k == "mechanism"] == ["opened", "changed", "resolved"]
    assert ("fault", "opened") in steps


def test_a_receiver_that_hangs_delays_nobody_else(store, clock):
    with receiver(always="hang") as hanging, receiver() as quick:
        attempts: list[Attempt] = []
        settings = config(hook(hanging, "slow"), hook(quick, "quick"))
        sender = Notifications(settings, store, clock=clock, told=attempts.append)
        try:
            for day in range(3):
                store.put_messages(messages(settings, notice(day=day)))
                began = time.monotonic()
                sender.tick()
                assert time.monotonic() - began < 15
                deadline = time.monotonic() + 60
                while len(quick.taken) < day + 1 and time.monotonic() < deadline:
                    time.sleep(0.01)
                    sender.tick()
            assert len(quick.taken) == 3 and not hanging.taken
            assert len(hanging.received) == 1  # one at a time, and no thread more
            assert sum(t.name == "notify-slow" for t in threading.enumerate()) == 1
        finally:
            hanging.leave.set()
            sender.close()


def test_what_was_being_sent_when_a_process_died_is_sent_again_with_the_same_key(store, clock):
    with receiver() as told:
        settings = config(hook(told))
        store.put_messages(messages(settings, notice()))
        # Another process took it, sent it, and died before it could note so.
        (taken,) = store.outbox_due(clock(), notifier="hook", limit=1, claim=timedelta(seconds=60))
        one = Daemon(store, settings, clock)
        assert one.tick(seconds=30) == []  # it may still be at it
        assert one.tick(seconds=31) == ["ok"]
        assert told.keys() == [taken.message.key]
        one.sender.close()


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_two_daemons_on_one_store_do_not_both_send(request, engine, tmp_path, clock):
    url = f"sqlite:///{tmp_path}/two.db"
    if engine == "postgresql":
        url = request.getfixturevalue("postgres").new_schema()
    with open_store(url, clock=clock) as store, receiver() as told:
        settings = config(hook(told))
        for day in range(20):
            store.put_messages(messages(settings, notice(day=day, monitor=f"m{day}")))
        both = [Daemon(store, settings, clock) for _ in range(2)]
        for one in both:
            one.sender.tick()
        assert all(one.sender.wait(60) for one in both)
        assert len(told.taken) == 20 and len(set(told.keys())) == 20
        for one in both:
            one.sender.close()


def test_a_day_without_an_answer_and_a_message_is_given_up(daemon):
    with receiver(always=500) as told:
        one = daemon(config(hook(told)))
        one.put(notice())
        ended = one.until_quiet()
        assert ended[-1] == "dead" and set(ended[:-1]) == {"error"}
        assert 12 <= len(ended) <= 30 and one.clock() - NOW > DAY
    assert "given up after a day" in (one.attempts[-1].error or "")


def test_a_message_that_waited_for_us_all_day_is_tried_all_the_same(daemon):
    with receiver(500) as told:
        one = daemon(config(hook(told)))
        one.put(notice())
        assert one.tick(days=3) == ["error"]  # the daemon was down
        assert one.tick(seconds=2) == ["ok"] and len(told.taken) == 1


def test_a_receiver_that_is_not_there_is_tried_with_one_message_at_a_time(daemon):
    one = daemon(config("{name: gone, webhook: {url: 'http://127.0.0.1:9/hush'}}"))
    one.put(*(notice(monitor=f"m{n}") for n in range(50)))
    assert one.tick() == ["error"]
    tried = sum(len(one.tick(seconds=1)) for _ in range(60))
    assert 5 <= tried <= 12  # and not fifty each second
    assert "no connection" in (one.attempts[0].error or "") and "hush" not in str(one.attempts)


def test_slack_is_told_once_a_second_in_text_that_calls_nobody(store, clock):
    with receiver() as told:
        settings = config(
            f"slack: {{url: '{told.url}'}}", web="web: {external_url: https://w.example}\n"
        )
        one = Daemon(store, settings, clock)
        waited: list[float] = []
        (queue,) = one.sender._lanes
        queue.wait = lambda seconds: waited.append(seconds)  # type: ignore[attr-defined]
        begun = replace(notice(columns=("<!channel>", "rooms")), also=("conditional", "graph"))
        one.put(begun, notice(RESOLVED, day=2))
        assert one.tick() == ["ok", "ok"] and waited == [1.0]
        first, last = (r.json["text"] for r in told.taken)
        one.sender.close()
    assert first.startswith("*FIRING: house-price: mechanism shift (price)* (warning)")
    assert "Also: what the model learned no longer holds; the graph changed" in first
    assert "&lt;!channel&gt;, rooms" in first and "Remedy: Retrain on windows" in first
    assert "<https://w.example/monitors/house-price|Monitor>" in first
    assert last.startswith("*RESOLVED: house-price") and "Remedy" not in last
    assert "Since: 2026-05-31 00:00Z" in last


def test_pagerduty_has_one_incident_for_one_alert(daemon):
    with receiver(always=202) as told:
        one = daemon(config(f"pagerduty: {{routing_key: hush-key, url: '{told.url}'}}"))
        one.put(notice(), notice(NoticeStep.CHANGED, day=1), notice(RESOLVED, day=3))
        one.put(notice(segment="country=DE"))
        assert one.tick() == ["ok"] * 4
        events = [r.json for r in told.taken if "DE" not in r.body.decode()]
        other = next(r.json for r in told.taken if "DE" in r.body.decode())
    assert [e["event_action"] for e in events] == ["trigger", "trigger", "resolve"]
    assert len({e["dedup_key"] for e in events}) == 1
    assert other["dedup_key"] != events[0]["dedup_key"]
    first = events[0]
    assert first["routing_key"] == "hush-key" and len(first["dedup_key"]) <= 255
    assert first["payload"]["severity"] == "warning"
    assert first["payload"]["summary"].endswith("mechanism shift (price) in income, rooms")
    assert datetime.fromisoformat(first["payload"]["timestamp"]) == datetime(
        2026, 5, 31, tzinfo=UTC
    )
    assert first["links"][0]["href"].endswith("/WhydriftMechanismShift.md")


def test_a_certificate_is_checked_and_one_of_ones_own_authority_can_be_named(
    daemon, certificate: tuple[Path, Path]
):
    with receiver(certificate=certificate) as told:
        distrusting = daemon(config(hook(told, "plain")))
        distrusting.put(notice())
        assert distrusting.tick() == ["error"]
        assert "CERTIFICATE_VERIFY_FAILED" in (distrusting.attempts[0].error or "")
        trusting = daemon(config(hook(told, "own", f", ca: '{certificate[0]}'")))
        trusting.put(notice())
        assert trusting.tick() == ["ok"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost, signed by itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


def test_a_message_that_waited_through_an_upgrade_is_sent(daemon):
    old = notice().to_dict()
    del old["also"]
    with receiver() as told:
        one = daemon(config(hook(told)))
        one.store.put_messages([Message("hook", "k", old)])
        assert one.tick() == ["ok"]
        assert Notice.from_dict(told.taken[0].json).also == ()


def test_what_is_no_notice_is_given_up_and_holds_nothing_up(daemon):
    with receiver() as told:
        one = daemon(config(hook(told)))
        one.store.put_messages([Message("hook", "k", {"schema": "whydrift/notice/9"})])
        one.put(notice())
        assert one.tick() == ["dead", "ok"]


def test_messages_for_a_notifier_that_is_gone_are_given_up_after_a_day(daemon):
    with receiver() as told:
        one = daemon(config(hook(told)))
        one.store.put_messages([Message("old", "k", notice().to_dict())])
        assert one.tick() == [] and one.tick(hours=23) == []
        assert one.tick(hours=2) == ["dead"]
    assert one.store.outbox_pending() == {}


def test_closing_while_a_receiver_hangs_takes_no_longer_than_is_granted(store, clock):
    with receiver(always="hang") as told:
        settings = config(hook(told))
        store.put_messages(messages(settings, notice()))
        sender = Notifications(settings, store, clock=clock, told=lambda _: None)
        sender.tick()
        while not told.received:
            time.sleep(0.01)
        began = time.monotonic()
        sender.close(seconds=0.2)
        assert time.monotonic() - began < 15
        told.leave.set()
        assert sender.wait(60)
    (waiting,) = store.outbox_due(clock() + timedelta(hours=2), notifier="hook")
    assert waiting.done_at is None  # the next start sends it


def test_an_answer_that_does_not_come_is_not_waited_for_forever():
    with receiver("hang") as told:
        post = Post(timeout=0.2)
        began = time.monotonic()
        answer = post.send(Request(told.url, b"{}"), NOW)
        told.leave.set()
        post.close()
    assert answer.outcome is Outcome.ERROR and answer.error == "no answer within 0.2 s"
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("is_warm", [False, True])
def test_a_head_that_drips_is_not_waited_for_either(is_warm: bool):
    with receiver(*([200] if is_warm else []), "drip head") as told:
        post = Post(timeout=0.5)
        if is_warm:
            assert post.send(Request(told.url, b"{}"), NOW).outcome is Outcome.OK
        began = time.monotonic()
        answer = post.send(Request(told.url, b"{}"), NOW)
        assert time.monotonic() - began < 15  # it drips on for as long as it is listened to
        assert answer.outcome is Outcome.ERROR and answer.error == "no answer within 0.5 s"
        assert post.send(Request(told.url, b"{}"), NOW).outcome is Outcome.OK
        post.close()


def test_a_name_that_is_none_is_told_and_no_bug():
    answer = Post().send(Request("http://a..b/hush-hush", b"{}"), NOW)
    assert answer.outcome is Outcome.DEAD and "hush" not in str(answer.error)


def test_the_proxy_of_the_environment_is_used_and_one_that_is_none_is_told(monkeypatch):
    request = Request("http://nowhere.invalid/hush-hush", b"{}")
    with receiver() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        post = Post()
        assert post.send(request, NOW).outcome is Outcome.OK
        post.close()
        assert proxy.received[0].path == "http://nowhere.invalid/hush-hush"
    monkeypatch.setenv("HTTP_PROXY", "gopher://x")
    told = Post().send(request, NOW)
    assert told.outcome is Outcome.ERROR and "proxy cannot be used" in (told.error or "")


def test_a_clock_that_is_put_back_does_not_make_a_pause_longer(daemon):
    with receiver(500) as told:
        one = daemon(config(hook(told)))
        one.put(notice())
        assert one.tick() == ["error"]
        one.put(notice(kind=AlertKind.FAULT))
        one.clock.now = NOW - timedelta(hours=1)
        one.put(notice(kind=AlertKind.GRAPH))
        # What was not tried yet goes at once; what was refused, when its time comes.
        assert one.tick() == ["ok", "ok"] and one.tick() == []
        one.clock.now = NOW + timedelta(seconds=2)
        assert one.tick() == ["ok"]


def test_a_clock_that_was_far_ahead_holds_no_message_up(daemon):
    with receiver(500) as told:
        one = daemon(config(hook(told)))
        one.put(notice())
        assert one.tick() == ["error"]
        one.clock.now = NOW - timedelta(days=30)
        assert one.tick() == ["ok"] and one.tick() == []
        assert len(told.taken) == 1
