"""What the daemon remembers: written once, fenced, on both engines."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.monitor.conftest import NOW, START, diagnosis, key
from whydrift.discovery.errors import LeaseLost, Overtaken, StoreError
from whydrift.monitor.diagnosis.alarm_budget import Purpose
from whydrift.monitor.diagnosis.alert import AlertKey, AlertKind
from whydrift.monitor.diagnosis.episode import Episode, Step
from whydrift.monitor.store.state import (
    AlertChange,
    AlertState,
    CheckOutcome,
    Decision,
    Message,
    Settlement,
    Spending,
    Visit,
    VisitKind,
)

SHIFT = AlertKey("price", AlertKind.MECHANISM)


def episode(hour: int = 0, **other) -> Episode:
    end = key(hour).interval.end.timestamp()
    return Episode(**({"opened": end, "last": end, "counted": end, "is_firing": True} | other))


def opened(hour: int = 0, **other) -> AlertChange:
    return AlertChange(
        SHIFT, Step.OPENED, episode(hour, **other), key(hour).interval.end, f"d{hour}",
        {"summary": "income moved"},
    )  # fmt: skip


def closed(hour: int) -> AlertChange:
    return AlertChange(SHIFT, Step.CLOSED, None, key(hour).interval.end)


def message(name: str = "a", subject: str | None = None, notifier: str = "hook") -> Message:
    return Message(notifier, name, {"monitor": "m", "fingerprint": subject, "said": name})


def settlement(store, hour: int = 0, verdict: str = "mechanism", **other) -> Settlement:
    said = {
        "results": {"": diagnosis(f"d{hour}-{verdict}", verdict)},
        "spent": (Spending("", Purpose.DRIFT, "features", 0.01),),
        "alerts": (opened(hour),),
        "messages": (message(f"opened {hour}"),),
        "rows": 60,
        "last_row": key(hour).interval.end - timedelta(seconds=1),
    }
    return Settlement(
        "m", key(hour).interval, VisitKind.FEATURES, CheckOutcome.DRIFT,
        store.put_config("m", "floor: 0.1"), **(said | other),
    )  # fmt: skip


def everything(store):
    return (
        store.list_results(current=None), store.list_visits("m"), store.get_state("m"),
        store.list_alerts(), store.spent("m", START), store.outbox_due(NOW),
    )  # fmt: skip


# ---- accepting ---------------------------------------------------------------------------------
def accept(store, seen, reason: str = "new prices"):
    changes = [closed(2)] if seen else []
    return store.accept(
        "m", reason, at=NOW, actor="ann", window=key().interval, alerts_seen=seen,
        changes=changes, messages=[message(reason)],
    )  # fmt: skip


def test_what_was_judged_before_an_acceptance_is_not_written_after_it(store):
    store.settle(settlement(store, acceptance=0), None)
    event = accept(store, store.list_alerts())
    before = everything(store)
    for stale in (0, event.id + 1):
        with pytest.raises(Overtaken, match="while this window was judged"):
            store.settle(settlement(store, 1, acceptance=stale), None)
    assert everything(store) == before
    other = replace(settlement(store, 1, acceptance=0), monitor="n", config_hash="")
    with pytest.raises(StoreError, match="configuration"):  # of another monitor it is no matter
        store.settle(other, None)
    store.settle(settlement(store, 1, acceptance=event.id), None)
    assert [a.state for a in store.list_alerts()] == [AlertState.RESOLVED, AlertState.FIRING]


def test_alerts_that_changed_since_they_were_read_are_not_accepted(store):
    store.settle(settlement(store), None)
    before = everything(store)
    with pytest.raises(Overtaken, match="changed alerts"):
        accept(store, ())
    assert everything(store) == before and store.list_events() == ()


# ---- leases ------------------------------------------------------------------------------------
def test_a_monitor_has_one_holder_and_its_own_lease_lasts_on_with_the_same_token(store, reopened):
    mine = store.take_lease("m", "a", seconds=60)
    assert mine is not None and mine.token == 1
    assert reopened().take_lease("m", "b", seconds=60) is None
    again = store.take_lease("m", "a", seconds=90)
    assert again is not None and again.token == 1 and again.expires_at > mine.expires_at
    assert store.list_leases() == (again,)


def test_a_lease_that_ran_out_is_taken_with_a_larger_token_and_the_old_one_is_lost(store):
    old = store.take_lease("m", "a", seconds=0)
    assert store.list_leases() == ()
    new = store.take_lease("m", "b", seconds=60)
    assert new is not None and new.token == old.token + 1
    assert store.renew_lease(old, seconds=60) is None
    store.release_lease(old)  # of no effect
    assert store.list_leases() == (new,)


def test_a_released_lease_is_free_at_once(store):
    old = store.take_lease("m", "a", seconds=60)
    store.release_lease(old)
    new = store.take_lease("m", "b", seconds=60)
    assert new is not None and new.token == 2
    # Nor does its former holder write with it, though nobody may have taken it.
    store.release_lease(new)
    with pytest.raises(LeaseLost, match="taken over"):
        store.settle(settlement(store), new)


def test_a_paused_leader_writes_nothing(store):
    old = store.take_lease("m", "a", seconds=0)
    store.take_lease("m", "b", seconds=60)
    before = everything(store)
    interval = key().interval
    for write in (
        lambda: store.settle(settlement(store), old),
        lambda: store.put_visits(
            [Visit("m", interval, VisitKind.RECORD, CheckOutcome.OK, NOW)], old
        ),
        lambda: store.fail("m", interval, VisitKind.RECORD, "-", next_at=NOW, lease=old),
        lambda: store.fail_source("m", "-", next_at=NOW, lease=old),
    ):
        with pytest.raises(LeaseLost):
            write()
    assert everything(store) == before


def test_a_lease_that_ran_out_but_was_not_taken_still_writes(store):
    lease = store.take_lease("m", "a", seconds=0)
    store.settle(settlement(store), lease)
    assert len(store.list_visits("m")) == 1


# ---- settling ----------------------------------------------------------------------------------
def test_a_check_leaves_all_it_found(store):
    lease = store.take_lease("m", "a", seconds=60)
    store.settle(settlement(store), lease)
    (result,) = store.list_results()
    assert (result.id, result.verdict, result.fault) == ("d0-mechanism", "mechanism", False)
    (visit,) = store.list_visits("m")
    assert visit == Visit("m", key().interval, VisitKind.FEATURES, CheckOutcome.DRIFT, NOW)
    state = store.get_state("m")
    assert (state.source_rows, state.last_success, state.consecutive_failures) == (60, NOW, 0)
    (alert,) = store.list_alerts()
    assert (alert.key, alert.state, alert.fired) == (SHIFT, AlertState.FIRING, key().interval.end)
    assert alert.details == {"summary": "income moved"} and alert.episode == episode()
    assert store.spent("m", START).spent == {key().interval.end.timestamp(): 0.01}
    assert store.decided("m", key().interval) == {Decision("", Purpose.DRIFT, "features")}
    (waiting,) = store.outbox_due(NOW)
    assert waiting.message == message("opened 0") and store.outbox_pending() == {"hook": 1}


def test_the_same_settlement_again_changes_nothing(store):
    lease = store.take_lease("m", "a", seconds=60)
    store.settle(settlement(store), lease)
    before = everything(store)
    again = settlement(store)
    again.results[""].update(id="another", seconds={"total": 9.0})
    store.settle(again, lease)
    assert everything(store) == before


def test_a_recomputation_replaces_the_result_and_counts_its_rows_and_level_once(store):
    store.settle(settlement(store), None)
    late = settlement(store, verdict="none", alerts=(), messages=(), rows=70)
    store.settle(replace(late, outcome=CheckOutcome.OK), None)
    assert [(r.verdict, r.current) for r in store.list_results(current=None)] == [
        ("mechanism", False), ("none", True),
    ]  # fmt: skip
    assert store.get_state("m").source_rows == 60
    assert list(store.spent("m", START).spent.values()) == [0.01]
    (visit,) = store.list_visits("m")
    assert visit.outcome is CheckOutcome.OK


def test_a_settlement_that_fails_leaves_nothing(store):
    store.begin("m", START)
    before = everything(store)
    with pytest.raises(StoreError, match="not stored"):
        store.settle(replace(settlement(store), config_hash="0" * 64), None)
    with pytest.raises(StoreError, match="no diagnosis"):
        store.settle(settlement(store, results={"": diagnosis(), "fr": {}}), None)
    assert everything(store) == before


def test_an_episode_is_one_row_from_its_first_rejection_to_its_end(store):
    pending = opened(0, is_firing=False)
    store.settle(settlement(store, 0, alerts=(replace(pending, step=Step.PENDING),)), None)
    (alert,) = store.list_alerts(states=[AlertState.PENDING])
    assert alert.fired is None and not alert.episode.is_firing
    store.settle(settlement(store, 1, alerts=(opened(1, rejections=2),)), None)
    quiet = AlertChange(SHIFT, Step.NONE, episode(1, quiet=1), key(2).interval.end)
    store.settle(settlement(store, 2, alerts=(quiet,)), None)
    (alert,) = store.list_alerts()
    assert alert.result == "d1" and alert.episode.quiet == 1
    store.settle(settlement(store, 3, alerts=(closed(3),)), None)
    assert not store.list_alerts(states=[AlertState.PENDING, AlertState.FIRING])
    (past,) = store.list_alerts()
    assert (past.id, past.state) == (alert.id, AlertState.RESOLVED)
    assert (past.fired, past.resolved) == (key(1).interval.end, key(3).interval.end)
    store.settle(settlement(store, 4), None)
    assert [a.state for a in store.list_alerts(monitor="m")] == [
        AlertState.RESOLVED, AlertState.FIRING,
    ]  # fmt: skip
    assert store.list_alerts(since=NOW + timedelta(seconds=1)) == ()


def test_an_episode_given_up_before_it_fired_leaves_no_trace(store):
    pending = replace(opened(0, is_firing=False), step=Step.PENDING)
    store.settle(settlement(store, 0, alerts=(pending,)), None)
    store.settle(settlement(store, 1, alerts=(replace(closed(1), step=Step.NONE),)), None)
    assert store.list_alerts() == ()


# ---- visits and states -------------------------------------------------------------------------
def test_errors_in_a_row_are_counted_until_a_check_succeeds(store):
    interval, kind = key().interval, VisitKind.FEATURES
    for count in (1, 2):
        visit = store.fail("m", interval, kind, "gone", next_at=NOW, lease=None)
        assert (visit.failures, visit.outcome, visit.error) == (count, CheckOutcome.ERROR, "gone")
    store.fail("m", key(1).interval, kind, "gone too", next_at=NOW, lease=None)
    state = store.get_state("m")
    assert (state.consecutive_failures, state.last_error) == (3, "gone too")
    assert store.fail_source("m", "away", next_at=NOW, lease=None).next_at == NOW
    store.settle(settlement(store), None)
    state = store.get_state("m")
    assert (state.consecutive_failures, state.last_error, state.next_at) == (0, None, None)
    assert [v.failures for v in store.list_visits("m")] == [0, 1]


def test_a_recomputation_that_fails_leaves_the_visit_final(store):
    store.settle(settlement(store), None)
    before = store.list_visits("m")
    assert (
        store.fail("m", key().interval, VisitKind.FEATURES, "gone", next_at=NOW, lease=None)
        == before[0]
    )
    assert store.list_visits("m") == before
    assert store.get_state("m").consecutive_failures == 1


def test_windows_that_were_skipped_are_no_longer_due_but_can_be_judged(store):
    skipped = [
        Visit("m", key(hour).interval, VisitKind.FEATURES, CheckOutcome.SKIPPED, NOW)
        for hour in (0, 1)
    ]
    store.put_visits(skipped)
    assert store.list_visits("m", start=key(1).interval.start) == (skipped[1],)
    store.settle(settlement(store), None)
    store.put_visits(skipped)
    assert [v.outcome for v in store.list_visits("m")] == [
        CheckOutcome.DRIFT, CheckOutcome.SKIPPED,
    ]  # fmt: skip
    assert store.get_state("m").source_rows == 60


def test_a_monitor_begins_once_and_stays_paused(store, reopened):
    assert store.begin("m", START).began == START
    assert store.begin("m", NOW).began == START
    store.set_paused("m", True)
    assert reopened().get_state("m").is_paused
    assert store.get_state("unknown").began is None


# ---- messages ----------------------------------------------------------------------------------
def test_a_message_is_kept_once_by_its_key_and_is_tried_until_it_is_done(store):
    store.put_messages([message("a"), message("a"), message("a", notifier="slack")])
    first, second = store.outbox_due(NOW)
    later = NOW + timedelta(minutes=5)
    store.outbox_retry(first.id, later, "500")
    assert store.outbox_due(NOW, notifier="hook") == ()
    (again,) = store.outbox_due(later, notifier="hook")
    assert (again.attempts, again.error, again.next_at) == (1, "500", later)
    store.outbox_done(first.id, "ok")
    store.outbox_done(second.id, "dead", "404")
    store.put_messages([message("a")])
    assert store.outbox_due(later) == () and store.outbox_pending() == {}


def test_no_notifier_hears_of_an_end_before_its_begin(store):
    store.put_messages([message("begin", "x"), message("end", "x"), message("other", "y")])
    due = store.outbox_due(NOW)
    assert [r.message.key for r in due] == ["begin", "other"]
    store.outbox_retry(due[0].id, NOW + timedelta(hours=1), "500")
    assert [r.message.key for r in store.outbox_due(NOW)] == ["other"]
    store.outbox_done(due[0].id, "dead", "404")
    assert [r.message.key for r in store.outbox_due(NOW)] == ["end", "other"]


def test_a_claimed_message_is_given_to_nobody_else_for_a_while(store, reopened):
    store.put_messages([message("a"), message("b")])
    claim = timedelta(minutes=1)
    (mine,) = store.outbox_due(NOW, limit=1, claim=claim)
    assert [r.message.key for r in reopened().outbox_due(NOW, claim=claim)] == ["b"]
    assert store.outbox_due(NOW) == ()
    assert mine in [replace(r, next_at=mine.next_at) for r in store.outbox_due(NOW + claim)]


# ---- events ------------------------------------------------------------------------------------
def test_equal_events_are_kept_once(store):
    said = {"at": START, "actor": "config", "monitor": "m", "window": key().interval}
    first = store.put_event("release", "v2", **said)
    assert store.put_event("release", "v2", **said) == first
    assert first.window == key().interval and first.at == START
    of_all = store.put_event("fix", "pipeline", at=NOW, actor="ann")
    store.put_event("fix", "other", at=NOW, actor="ann", monitor="n")
    assert store.list_events(monitor="m") == (first, of_all)
    assert store.list_events(kinds=["release"]) == (first,)
    assert store.list_events(monitor="m", since=START, until=NOW) == (first,)


# ---- results -----------------------------------------------------------------------------------
def test_the_newest_result_of_each_segment_and_stage_is_found_at_once(store):
    rules = store.put_config("m", "floor: 0.1")
    for number, (monitor, segment, stage, hour) in enumerate(
        (m, s, g, h) for m in "mn" for s in ("", "fr") for g in ("features", "labels")
        for h in (0, 2, 1)
    ):  # fmt: skip
        store.put_result(
            key(hour, monitor, segment), diagnosis(f"r{number}", stage=stage), config_hash=rules
        )
    latest = store.latest_results()
    assert [(r.key.monitor, r.key.segment, r.stage) for r in latest] == [
        (m, s, g) for m in "mn" for s in ("", "fr") for g in ("features", "labels")
    ]
    assert {r.key.interval for r in latest} == {key(2).interval}
    assert store.latest_results("n") == latest[4:] and store.latest_results("x") == ()


def test_results_are_paged_newest_first_without_gaps_or_repeats(store):
    rules = store.put_config("m", "floor: 0.1")
    for number in range(7):
        key_of_two = key(number // 2, segment="fr" if number % 2 else "")
        verdict = "none" if number < 5 else "both"
        store.put_result(key_of_two, diagnosis(f"r{number}", verdict), config_hash=rules)
    pages, after = [], None
    while page := store.page_results(monitor="m", limit=3, after=after):
        pages.append([r.id for r in page])
        after = (page[-1].key.interval.end, page[-1].id)
    assert pages == [["r6", "r5", "r4"], ["r3", "r2", "r1"], ["r0"]]
    assert [r.id for r in store.page_results(verdict="both", segment="fr")] == ["r5"]
    assert [r.id for r in store.page_results(end=key(0).interval.end)] == ["r1", "r0"]
    assert store.get_result_record("r5") == store.page_results(verdict="both")[1]
    assert store.get_result_record("r9") is None
