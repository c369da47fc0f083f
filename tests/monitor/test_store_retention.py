"""What is kept how long, and that collecting twice does no more than once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.monitor.conftest import NOW, START, diagnosis, key, window
from tests.monitor.test_store_memory import closed, opened, settlement
from whydrift import Snapshot
from whydrift.monitor.store import SnapshotRecord, WindowKey
from whydrift.monitor.store.check import check
from whydrift.monitor.store.collect import Collected, Live, collect
from whydrift.monitor.store.retention import Keep, plan, superseded
from whydrift.monitor.store.state import AlertState, CheckOutcome, Visit, VisitKind
from whydrift.monitor.window.duration import Duration
from whydrift.monitor.window.interval import Interval

PARIS = ZoneInfo("Europe/Paris")
LONG = Duration(400, "d")
KEEP = Keep(LONG, LONG, Duration(3, "y"))


def record(number: int, interval: Interval, **other) -> SnapshotRecord:
    fields = {
        "part": "", "revision": 1, "current": True, "rows": 1, "bytes": 1, "format": "parquet",
        "sha256": "", "has_sample": True, "file": None, "at": interval.end,
    }  # fmt: skip
    return SnapshotRecord(number, WindowKey("m", interval), **(fields | other))


def hours(first: datetime, count: int, length: int = 1) -> list[SnapshotRecord]:
    starts = [first + timedelta(hours=i) for i in range(count)]
    return [
        record(i, Interval(start, start + timedelta(hours=length)))
        for i, start in enumerate(starts)
    ]


def test_ages_are_counted_from_a_windows_end_on_the_monitors_calendar():
    first = Interval(datetime(2025, 4, 26, 22, tzinfo=UTC), datetime(2025, 4, 27, 22, tzinfo=UTC))
    keep = Keep(Duration(1, "y"), LONG, LONG)
    # Midnight in Paris is 22:00 in UTC in summer: the last moment before it, and it.
    for now, expected in (("2026-04-27T21:59:59Z", 0), ("2026-04-27T22:00:00Z", 1)):
        found = plan([record(1, first)], keep, now=datetime.fromisoformat(now), zone=PARIS)
        assert len(found.delete) == expected


def test_what_a_live_reference_needs_stays_whatever_its_age():
    windows = hours(START, 48)
    keep = Keep(Duration(1, "d"), Duration(1, "d"), LONG, hourly=Duration(1, "d"))
    second_day = Interval(START + timedelta(hours=30), START + timedelta(hours=31))
    found = plan(windows, keep, now=NOW, zone=UTC, needed=[second_day])
    assert {w.id for w in found.delete} == set(range(48)) - {30}
    found = plan(windows, replace(keep, snapshots=LONG), now=NOW, zone=UTC, needed=[second_day])
    assert [len(day.windows) for day in found.days] == [24]  # the other day is left alone
    assert {w.id for w in found.strip} == set(range(24, 48)) - {30}


@pytest.mark.parametrize(
    ("day", "length"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-05-04", 24)]
)
def test_a_day_of_hours_is_that_of_the_monitors_clock(day, length):
    start = datetime.fromisoformat(day).replace(tzinfo=PARIS).astimezone(UTC)
    windows = hours(start - timedelta(hours=24), 72)
    keep = Keep(LONG, LONG, LONG, hourly=Duration(2, "d"))
    found = plan(windows, keep, now=start + timedelta(days=5), zone=PARIS)
    (this,) = [d for d in found.days if d.key.interval.start == start]
    assert len(this.windows) == length
    assert this.key.interval.length == timedelta(hours=length)


def test_windows_that_slide_are_never_added_up():
    keep = Keep(LONG, LONG, LONG, hourly=Duration(1, "d"))
    assert plan(hours(START, 24, length=3), keep, now=NOW, zone=UTC).days == ()
    assert plan(hours(START, 24, length=24), keep, now=NOW, zone=UTC).days == ()
    two_days = record(1, Interval(START, START + timedelta(days=2)))
    assert plan([two_days], keep, now=NOW, zone=UTC).days == ()


def test_days_that_are_not_over_long_enough_keep_their_hours():
    keep = Keep(LONG, LONG, LONG, hourly=Duration(1, "d"))
    now = START + timedelta(hours=47, minutes=59)
    assert plan(hours(START, 24), keep, now=now, zone=UTC).days == ()
    assert len(plan(hours(START, 24), keep, now=START + timedelta(days=2), zone=UTC).days) == 1


def test_a_replaced_revision_has_a_days_grace():
    one, two = record(1, key().interval, current=False, at=NOW), record(2, key().interval)
    assert superseded([one, two], now=NOW + timedelta(hours=23)) == ()
    assert superseded([one, two], now=NOW + timedelta(hours=24)) == (one,)


def test_hours_become_a_day_that_holds_all_their_rows(store):
    whole = window(0, rows=600)
    parts = [window(hour, rows=30, schema=whole) for hour in range(24)]
    for hour, part in enumerate(parts):
        store.put_snapshot(key(hour), part)
        store.put_snapshot(key(hour, segment="fr"), part)
    store.put_snapshot(key(24), parts[0])
    keep = replace(KEEP, hourly=Duration(27, "d"))
    would = collect(store, keep, now=NOW, live={"m": Live(UTC)}, dry_run=True)
    assert len(store.list_snapshots()) == 49
    done = collect(store, keep, now=NOW, live={"m": Live(UTC)})
    assert done == would
    assert (done.days, done.joined, done.kept) == (2, 48, [])
    assert [w.key for w in store.list_snapshots(segment="")] == [key(0, hours=24), key(24)]
    (day,) = store.list_snapshots(segment="fr")
    joined = store.get_snapshot(day)
    assert joined.rows == day.rows == 24 * 30
    assert joined.summaries["x0"].mean == pytest.approx(
        sum(p.summaries["x0"].mean for p in parts) / 24
    )
    assert check(store) == []
    assert collect(store, keep, now=NOW, live={"m": Live(UTC)}) == Collected()
    # An hour that comes late joins the day that is there.
    store.put_snapshot(key(3), window(99, rows=7, schema=whole))
    assert collect(store, keep, now=NOW, live={"m": Live(UTC)}).days == 1
    found = store.find_snapshot(key(0, hours=24))
    assert found is not None and found.rows == 24 * 30 + 7


def test_hours_that_cannot_be_joined_stay_and_are_told(store):
    store.put_snapshot(key(0), window(1, columns=2))
    store.put_snapshot(key(1), window(1, columns=3))
    done = collect(store, replace(KEEP, hourly=Duration(1, "d")), now=NOW)
    assert done.days == 0 and len(done.kept) == 1 and "was not joined" in done.kept[0]
    assert len(store.list_snapshots()) == 2
    assert check(store) == []


def test_an_expired_sample_leaves_the_counts(store):
    snapshot = window(1, rows=2000, columns=80)
    store.put_snapshot(key(), snapshot)
    keep = Keep(LONG, Duration(7, "d"), LONG)
    done = collect(store, keep, now=NOW)
    assert done.samples == 1
    (left,) = store.list_snapshots()
    assert not left.has_sample and left.revision == 1
    found = store.get_snapshot(left)
    assert not found.has_sample and found.rows == 2000
    assert found.summaries == snapshot.summaries
    assert found.quantiles("x0", [0.5])[0] == pytest.approx(
        snapshot.quantiles("x0", [0.5])[0], abs=0.1
    )
    assert store.content.files() == ([left.file] if left.file else [])
    assert check(store) == []
    assert collect(store, keep, now=NOW) == Collected()


def test_a_window_without_rows_has_no_sample_to_expire_and_is_joined_like_any_other(store):
    whole = window(0)
    store.put_snapshot(key(0), Snapshot.empty(whole.schema))
    keep = Keep(LONG, Duration(7, "d"), LONG)
    assert collect(store, keep, now=NOW) == Collected()
    store.put_snapshot(key(1), whole)
    assert collect(store, replace(KEEP, hourly=Duration(7, "d")), now=NOW).joined == 2
    (day,) = store.list_snapshots()
    assert day.rows == whole.rows and check(store) == []


def test_windows_results_and_revisions_go_when_they_are_old_and_files_with_them(store):
    rules = store.put_config("m", "")
    store.put_snapshot(key(0), window(1, rows=2000, columns=80))
    store.put_snapshot(key(0), window(2, rows=2000, columns=80))
    store.put_snapshot(key(1000), window(3, rows=2000, columns=80))
    store.put_result(key(0), diagnosis("d1"), config_hash=rules)
    store.put_result(key(0), diagnosis("d2", "both"), config_hash=rules)
    store.put_result(key(1000), diagnosis("d3"), config_hash=rules)
    keep = Keep(Duration(20, "d"), LONG, Duration(20, "d"))
    would = collect(store, keep, now=NOW + timedelta(days=3), dry_run=True)
    assert len(store.list_snapshots(current=None)) == 3
    done = collect(store, keep, now=NOW + timedelta(days=3))
    assert done == would
    assert (done.superseded, done.snapshots, done.results) == (1, 1, 2)
    assert [w.key for w in store.list_snapshots(current=None)] == [key(1000)]
    assert [r.id for r in store.list_results(current=None)] == ["d3"]
    assert len(store.content.files()) == store.database.is_sqlite
    assert collect(store, keep, now=NOW + timedelta(days=3)) == Collected()


def test_what_is_deleted_makes_the_file_of_sqlite_smaller(tmp_path):
    from whydrift.monitor.store import open_store

    path = tmp_path / "w.db"
    with open_store(f"sqlite:///{path}") as store:
        for hour in range(60):
            store.put_snapshot(key(hour), window(hour, rows=400))
    before = path.stat().st_size
    with open_store(f"sqlite:///{path}") as store:
        assert collect(store, Keep(Duration(1, "d"), LONG, LONG), now=NOW).snapshots == 60
    assert path.stat().st_size < before / 3


def test_what_the_daemon_remembers_goes_with_the_results(store):
    for hour in range(5):
        change = opened(hour) if hour != 1 else closed(hour)
        store.settle(settlement(store, hour, alerts=(change,)), None)
    store.put_visits([Visit("m", key(0).interval, VisitKind.RECORD, CheckOutcome.OK, NOW)])
    for waiting in store.outbox_due(NOW)[:4]:
        store.outbox_done(waiting.id, "ok")
    for kind in ("release", "accept", "forget"):
        store.put_event(kind, "v2", at=START, actor="ann", monitor="m")
    now = NOW + timedelta(days=31)
    keep = Keep(LONG, LONG, Duration((now - key(2).interval.end) // timedelta(hours=1), "h"))
    would = collect(store, keep, now=now, dry_run=True)
    done = collect(store, keep, now=now)
    assert done == would
    # Of the first window the visit that recorded it stays, and what was found of it with it.
    assert (done.visits, done.decisions, done.alerts) == (2, 3, 1)
    assert (done.messages, done.events, done.results) == (4, 1, 3)
    assert [(v.interval, v.kind) for v in store.list_visits("m")] == [
        (key(0).interval, VisitKind.FEATURES), (key(0).interval, VisitKind.RECORD),
        (key(3).interval, VisitKind.FEATURES), (key(4).interval, VisitKind.FEATURES),
    ]  # fmt: skip
    assert [e.kind for e in store.list_events()] == ["accept", "forget"]
    assert store.outbox_pending() == {"hook": 1}
    assert collect(store, keep, now=now) == Collected()


def test_what_an_alert_that_lasts_rests_on_stays(store):
    store.settle(settlement(store, 0, results={"": diagnosis("d0", "mechanism")}), None)
    done = collect(store, KEEP, now=NOW + timedelta(days=4000))
    assert (done.results, done.alerts, done.visits) == (0, 0, 0)
    assert store.get_result("d0") is not None
    (alert,) = store.list_alerts()
    assert alert.state is AlertState.FIRING


def test_a_configuration_that_nothing_was_judged_by_goes_after_a_day(store):
    store.put_config("m", "floor: 0.1")
    unused = store.put_config("m", "floor: 0.2")
    store.put_config("m", "floor: 0.3")
    collect(store, KEEP, now=NOW + timedelta(hours=23))
    assert store.get_config(unused) is not None
    collect(store, KEEP, now=NOW + timedelta(hours=25))
    assert store.get_config(unused) is None
