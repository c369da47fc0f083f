"""Sites without Prometheus hear when the watching itself lapses, once, and when it is over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.service.alertmanager import Alertmanager
from tests.service.receiver import receiver
from tests.service.told import FIRST, config, day, settle
from whydrift.monitor.config import Config
from whydrift.monitor.service.board import Board
from whydrift.monitor.service.lapse_watch import LapseWatch, tell_lapses
from whydrift.monitor.service.lapses import LAPSES, LapseKey
from whydrift.monitor.service.notify.alertmanager import alerts_of
from whydrift.monitor.service.notify.notice import Notice
from whydrift.monitor.service.notify.notifications import Notifications
from whydrift.monitor.service.notify.pagerduty import PagerDutyRendering
from whydrift.monitor.service.notify.words import facts, title
from whydrift.monitor.service.rules import rules
from whydrift.monitor.store import Store, open_store
from whydrift.monitor.store.state import CheckOutcome, LapseKind, VisitKind

MINUTE = timedelta(minutes=1)
NOTIFY = "notify: [{name: hook, webhook: {url: 'http://127.0.0.1:9/hook'}}]"
NOON = day(0).end + timedelta(hours=12)  # the first day is judged, the second is not over


class Watch:
    """A daemon's watch over one monitor, on a clock of the test's."""

    def __init__(self, store: Store, settings: Config | None = None) -> None:
        self.store = store
        self.config = settings or config("a", more=NOTIFY, monitor="alert: {team: pricing}")
        self.board, self.watch = Board(), LapseWatch(store)

    def turn(self, now: datetime, held: frozenset[str] = frozenset({"a"})) -> list[tuple[str, str]]:
        """Look, and return what people were told of."""
        assert self.board.refresh(self.store, self.config, now, touched={"a"})
        self.watch.turn(self.config, self.board.view.monitors, held, now)
        return told(self.store)


def bodies(store: Store) -> list[dict[str, Any]]:
    found = []
    while records := store.outbox_due(datetime(2100, 1, 1, tzinfo=UTC)):
        for record in records:
            found.append((record.id, dict(record.message.body)))
            store.outbox_done(record.id, "ok")
    return [body for _, body in sorted(found, key=lambda one: one[0])]


def told(store: Store) -> list[tuple[str, str]]:
    return [(body["step"], body["kind"]) for body in bodies(store)]


def fail(store: Store, times: int = 1) -> None:
    for _ in range(times):
        store.fail(
            "a", day(1), VisitKind.LABELS, "rows.parquet: gone. Bring it back", next_at=NOON,
            lease=None,
        )  # fmt: skip


def test_three_checks_that_fail_are_told_once_and_the_first_that_does_not_ends_it(store):
    settle(store, "a", 0)
    one = Watch(store)
    fail(store, 2)
    assert one.turn(NOON) == []
    fail(store)
    one.board.refresh(store, one.config, NOON, touched={"a"})
    one.watch.turn(one.config, one.board.view.monitors, {"a"}, NOON)
    (body,) = bodies(store)
    assert (body["step"], body["kind"], body["alert"]) == (
        "opened", "check_failing", "WhydriftCheckFailing",
    )  # fmt: skip
    assert body["summary"].startswith("The last 3 checks ended in an error: rows.parquet: gone")
    assert (body["severity"], body["team"], body["window"]) == ("warning", "pricing", None)
    assert body["runbook_url"].endswith("/WhydriftCheckFailing.md")
    fail(store)
    assert one.turn(NOON + MINUTE) == []
    settle(store, "a", 1)
    assert one.turn(NOON + 2 * MINUTE) == [("resolved", "check_failing")]
    assert one.turn(NOON + 3 * MINUTE) == []
    assert [e.kind for e in store.list_events()] == ["check_failing", "check_failing_over"]


def test_a_result_is_late_when_it_was_so_for_a_quarter_of_an_hour_and_until_none_is(store):
    settle(store, "a", 0)
    one, due = Watch(store), day(1).end
    assert one.turn(due - MINUTE) == []
    start = due + timedelta(hours=6)  # the daemon was away, and makes up for it
    assert one.turn(start) == [] and one.turn(start + 14 * MINUTE) == []
    assert one.turn(start + 15 * MINUTE) == [("opened", "check_overdue")]
    settle(store, "a", 1)
    assert one.turn(day(2).end + MINUTE) == []  # the next one is late by now: it lasts
    settle(store, "a", 2)
    assert one.turn(day(2).end + 2 * MINUTE) == [("resolved", "check_overdue")]


def test_lateness_that_ended_in_between_is_counted_anew(store):
    settle(store, "a", 0)
    one, due = Watch(store), day(1).end
    assert one.turn(due + MINUTE) == []
    settle(store, "a", 1)
    assert one.turn(due + 10 * MINUTE) == []
    assert one.turn(day(2).end + MINUTE) == []
    assert one.turn(day(2).end + 10 * MINUTE) == []
    assert one.turn(day(2).end + 16 * MINUTE) == [("opened", "check_overdue")]


def test_a_window_without_rows_is_told_until_one_has_some(store):
    def find_nothing(number: int) -> None:
        then = Store(store.database, lambda: day(number).end)
        settle(then, "a", number, results={}, outcome=CheckOutcome.NO_DATA)

    settle(store, "a", 0)
    find_nothing(1)
    one = Watch(store)
    assert one.turn(day(1).end + MINUTE) == [("opened", "no_data")]
    find_nothing(2)
    assert one.turn(day(2).end + MINUTE) == []
    settle(store, "a", 3)
    assert one.turn(day(3).end + MINUTE) == [("resolved", "no_data")]


def test_another_daemon_tells_nothing_twice_and_tells_the_end(store):
    settle(store, "a", 0)
    fail(store, 3)
    one, other = Watch(store), Watch(store)
    assert other.turn(NOON, frozenset()) == []  # it judges nothing
    assert one.turn(NOON) == [("opened", "check_failing")]
    assert other.turn(NOON + MINUTE) == []
    settle(store, "a", 1)
    assert other.turn(NOON + 2 * MINUTE) == [("resolved", "check_failing")]
    # The first, whose lease ran out unnoticed, believes that it lasts.
    assert one.turn(NOON + 3 * MINUTE) == []
    fail(store, 3)
    assert one.turn(NOON + 4 * MINUTE) == [("opened", "check_failing")]
    assert other.turn(NOON + 5 * MINUTE) == []


def test_the_same_lapse_later_is_a_message_of_its_own(store):
    settle(store, "a", 0)
    one = Watch(store)
    for number in (1, 2):
        fail(store, 3)
        assert one.turn(NOON + number * MINUTE) == [("opened", "check_failing")]
        settle(store, "a", number)
        later = NOON + number * MINUTE + MINUTE / 2
        assert one.turn(later) == [("resolved", "check_failing")]


def test_where_nobody_is_told_nothing_is_written(store):
    settle(store, "a", 0)
    fail(store, 3)
    assert Watch(store, config("a")).turn(NOON) == []
    assert store.list_events() == ()


def test_a_run_of_cron_tells_after_its_checks_what_is_late_since_it_was_due(store):
    settings = config("a", more=NOTIFY)
    settle(store, "a", 0)
    tell_lapses(settings, store, {"a"}, lambda: day(1).end + 14 * MINUTE)
    assert told(store) == []
    tell_lapses(settings, store, {"b"}, lambda: day(1).end + 16 * MINUTE)
    assert told(store) == []
    for _ in range(2):
        tell_lapses(settings, store, {"a"}, lambda: day(1).end + 16 * MINUTE)
    assert told(store) == [("opened", "check_overdue")]


@pytest.mark.parametrize("kind", list(LapseKind))
def test_alertmanager_is_told_with_the_labels_of_the_rule(store, kind):
    settings = config("a", monitor="alert: {team: pricing, severity: error}", more=NOTIFY)
    settle(store, "a", 0)
    fail(store, 3)
    settle(store, "a", 1, results={}, outcome=CheckOutcome.NO_DATA)
    fail(store, 3)
    tell_lapses(settings, store, {"a"}, lambda: day(3).end)
    sent = alerts_of(settings, (), day(3).end, MINUTE, store.list_lapses())
    (one,) = [a for a in sent if a.labels["alertname"] == LAPSES[kind].alert]
    written = [r for g in rules(settings)["groups"] for r in g["rules"]]
    rule = next(r for r in written if r.get("alert") == LAPSES[kind].alert and "=~" in r["expr"])
    assert one.labels == {"alertname": rule["alert"], "monitor": "a", **rule["labels"]}
    assert one.ends_at == day(3).end + 4 * MINUTE
    for number in (1, 2, 3):
        settle(store, "a", number)
    over = day(3).end + MINUTE
    tell_lapses(settings, store, {"a"}, lambda: over)
    for later, ends in ((MINUTE, over), (16 * MINUTE, None)):
        sent = alerts_of(settings, (), over + later, MINUTE, store.list_lapses())
        assert {a.ends_at for a in sent} == ({ends} if ends else set())


def test_alertmanager_holds_one_alert_where_a_rule_tells_it_too(tmp_path: Path):
    now = datetime.now(UTC)
    with receiver() as paged:
        server = Alertmanager(tmp_path / "am", paged.url)
        server.start()
        try:
            settings = config("a", more=f"notify: [{{alertmanager: {{urls: ['{server.url}']}}}}]")
            with open_store(f"sqlite:///{tmp_path}/w.db", clock=lambda: now) as store:
                settle(store, "a", 0)
                settle(store, "a", 1, results={}, outcome=CheckOutcome.NO_DATA)
                sender = Notifications(
                    settings, store, clock=lambda: now, told=lambda attempt: None
                )
                tell_lapses(settings, store, {"a"}, lambda: now)
                sender.tick()
                assert sender.wait(60)
                held = {a["labels"]["alertname"]: a["labels"] for a in server.alerts()}
                assert held["WhydriftNoData"] == {
                    "alertname": "WhydriftNoData", "monitor": "a", "severity": "critical",
                }  # fmt: skip
                server.amtool("alert", "add", "WhydriftNoData", "monitor=a", "severity=critical")
                names = [a["labels"]["alertname"] for a in server.alerts()]
                assert names.count("WhydriftNoData") == 1
                assert store.outbox_pending() == {}
                sender.close()
        finally:
            server.stop()


def test_a_lapse_reads_well_and_pagerduty_knows_it_by_one_key(store):
    settle(store, "a", 0)
    fail(store, 3)
    one = Watch(store)
    one.board.refresh(store, one.config, NOON, touched={"a"})
    one.watch.turn(one.config, one.board.view.monitors, {"a"}, NOON)
    (body,) = bodies(store)
    notice = Notice.from_dict(body)
    assert notice.key == LapseKey(LapseKind.CHECK_FAILING) and notice.to_dict() == body
    assert title(notice) == "FIRING: a: checks fail"
    assert [name for name, _ in facts(notice)] == ["What"]
    (request,) = PagerDutyRendering("http://pd.example", "k").requests(notice, "key", NOON)
    assert b'"timestamp": "2026-05-05T12:00:00+00:00"' in request.body
    assert FIRST < notice.since == NOON
