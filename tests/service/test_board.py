"""The board: what the store says now, read once, shown until something changes."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from tests.service.told import DAY, FIRST, SHIFT, config, day, diagnosis, settle
from whydrift.discovery.errors import StoreError
from whydrift.monitor.diagnosis.alert import AlertKey, AlertKind
from whydrift.monitor.diagnosis.diagnosis import ColumnVerdict, Stage
from whydrift.monitor.service.board import Board
from whydrift.monitor.store import results as results_table
from whydrift.monitor.store.state import CheckOutcome, Message, VisitKind

NOW = FIRST + 3 * DAY + timedelta(hours=1)


def test_it_shows_the_newest_window_of_each_stage_with_what_belongs_to_the_monitor(store):
    settle(store, "a", 0, {"": "none"})
    settle(store, "a", 1, {"": "mechanism"}, outcome=CheckOutcome.DRIFT, firing=[SHIFT])
    store.put_messages([Message("hook", "k", {"said": "x"})])
    lease = store.take_lease("a", "me", seconds=60)
    board = Board("me")
    assert not board.view.is_loaded
    assert board.refresh(store, config("a", "b"), NOW)
    view = board.view
    assert view.is_loaded and view.is_store_up and view.store_bytes > 0
    assert view.pending == {"hook": 1}
    a, b = view.monitors["a"], view.monitors["b"]
    newest = a.newest()
    assert (newest.end, newest.verdict, newest.stage) == (day(1).end, "mechanism", Stage.LABELS)
    assert newest.columns[0].verdict is not ColumnVerdict.STABLE
    assert newest.loss.low > 0
    assert a.firing == {SHIFT}
    assert (a.holder, a.is_held) == (lease.holder, True)
    assert a.budget_ratio == pytest.approx(2 * 0.004 / 0.2)
    assert a.next_due == day(2).end
    assert (b.newest(), b.firing, b.is_held) == (None, frozenset(), False)


def test_results_are_parsed_once_and_a_monitor_at_rest_stays_the_same_object(store, monkeypatch):
    settle(store, "a", 0)
    settle(store, "b", 0)
    board, asked = Board(), []
    get = results_table.get
    monkeypatch.setattr(
        results_table, "get", lambda connection, name: asked.append(name) or get(connection, name)
    )
    board.refresh(store, config("a", "b"), NOW)
    before = board.view.monitors
    settle(store, "a", 1)
    board.refresh(store, config("a", "b"), NOW + timedelta(seconds=1))
    assert sorted(asked) == ["a--labels-0", "a--labels-1", "b--labels-0"]
    assert board.view.monitors["b"] is before["b"]
    assert board.view.monitors["a"] is not before["a"]


def test_a_store_that_is_down_keeps_the_last_view_and_says_so(store, monkeypatch, caplog):
    settle(store, "a", 0, firing=[SHIFT])
    board = Board()
    board.refresh(store, config("a"), NOW)
    before = board.view

    def gone(*_, **__):
        raise StoreError("no answer", where="store", remedy="Start it")

    monkeypatch.setattr(type(store), "latest_results", gone)
    assert not board.refresh(store, config("a"), NOW + DAY)
    assert not board.view.is_store_up
    assert board.view.monitors is before.monitors and board.view.at == NOW
    assert "no answer" in caplog.text
    monkeypatch.undo()
    assert board.refresh(store, config("a"), NOW + DAY) and board.view.is_store_up


def test_a_damaged_result_is_left_out_and_its_neighbours_are_shown(store, caplog):
    settle(store, "a", 0)
    settle(store, "b", 0)
    with store.database.writing() as connection:
        connection.exec_driver_sql("update result set json = '{}' where monitor = 'a'")
    board = Board()
    for second in range(3):
        assert board.refresh(store, config("a", "b"), NOW + timedelta(seconds=second))
    assert board.view.monitors["a"].newest() is None
    assert board.view.monitors["b"].newest() is not None
    assert caplog.text.count("is left out") == 1


def test_errors_and_pauses_of_other_daemons_are_seen_within_half_a_minute(store):
    board, settings = Board(), config("a")
    board.refresh(store, settings, NOW)
    store.fail("a", day(0), VisitKind.LABELS, "gone", next_at=NOW, lease=None)
    board.refresh(store, settings, NOW + timedelta(seconds=5))
    assert board.view.monitors["a"].state.consecutive_failures == 0
    board.refresh(store, settings, NOW + timedelta(seconds=6), touched={"a"})
    assert board.view.monitors["a"].state.consecutive_failures == 1
    store.fail("a", day(0), VisitKind.LABELS, "gone", next_at=NOW, lease=None)
    board.refresh(store, settings, NOW + timedelta(seconds=40))
    assert board.view.monitors["a"].state.consecutive_failures == 2


def test_a_monitor_at_rest_is_asked_one_question_a_time(store, monkeypatch):
    settle(store, "a", 0)
    board, settings, asked = Board(), config("a"), []
    board.refresh(store, settings, NOW)
    monkeypatch.setattr(type(store), "list_visits", lambda *_, **__: asked.append("visits") or ())
    for seconds in (5, 40, 80):
        board.refresh(store, settings, NOW + timedelta(seconds=seconds))
    assert not asked
    board.refresh(store, config("a"), NOW + timedelta(seconds=81))  # another configuration
    assert asked


def test_what_is_due_is_read_again_when_its_time_has_come(store):
    settings, board = config("a"), Board()
    for number in range(3):
        settle(store, "a", number)
    board.refresh(store, settings, NOW)
    due = board.view.monitors["a"].next_due
    assert due == day(3).end
    board.refresh(store, settings, due)
    assert board.view.monitors["a"].next_due == due  # it is late now
    settle(store, "a", 3)
    board.refresh(store, settings, due + timedelta(seconds=1))
    assert board.view.monitors["a"].next_due == day(4).end


def test_an_empty_newest_window_is_known_though_it_has_no_result(store):
    settle(store, "a", 0)
    settle(store, "a", 1, results={}, outcome=CheckOutcome.NO_DATA)
    board = Board()
    board.refresh(store, config("a"), NOW)
    assert board.view.monitors["a"].empty == day(1).end
    settle(store, "a", 2)
    board.refresh(store, config("a"), NOW + timedelta(seconds=1))
    assert board.view.monitors["a"].empty is None


def test_a_monitor_that_the_configuration_lost_is_gone(store):
    settle(store, "a", 0, firing=[SHIFT])
    board = Board()
    board.refresh(store, config("a", "b"), NOW)
    board.refresh(store, config("b"), NOW)
    assert list(board.view.monitors) == ["b"]


def test_segments_that_are_shown_stay_and_those_that_fire_come_first(store):
    few = "metrics: {max_segments: 2}"
    sizes = {"small": 10, "big": 900, "middle": 500}

    def results(number, sizes):
        rows = {
            name: diagnosis(
                f"{name}-{number}", stage="labels",
                windows={"reference": {"rows": n}, "current": {"rows": n}},
            )
            for name, n in sizes.items()
        }  # fmt: skip
        return {"": diagnosis(f"w-{number}", stage="labels"), **rows}

    board = Board()
    settle(store, "a", 0, results=results(0, sizes))
    board.refresh(store, config("a", more=few), NOW)
    assert list(board.view.monitors["a"].results) == ["", "big", "middle"]
    assert board.view.monitors["a"].segments_omitted == 1
    fires = AlertKey("y", AlertKind.COVARIATE, "small")
    settle(store, "a", 1, results=results(1, sizes | {"huge": 5000}), firing=[fires])
    board.refresh(store, config("a", more=few), NOW)
    assert list(board.view.monitors["a"].results) == ["", "big", "small"]
    settle(store, "a", 2, results=results(2, {"huge": 5000}), resolved=[fires])
    board.refresh(store, config("a", more=few), NOW)
    # What the newest window has no rows of is unknown now.
    assert list(board.view.monitors["a"].results) == ["", "huge"]


def test_features_of_a_newer_window_stand_beside_labels_of_an_older_one(store):
    late = "labels: {source: {files: l.parquet}, join: x}"
    settle(store, "a", 0, {"": "mechanism"}, kind=VisitKind.LABELS)
    newer = diagnosis("f", "covariate", stage="features", metric=None)
    settle(store, "a", 1, results={"": newer}, kind=VisitKind.FEATURES)
    board = Board()
    board.refresh(store, config("a", monitor=late), NOW)
    a = board.view.monitors["a"]
    assert [r.stage for r in a.results[""]] == [Stage.LABELS, Stage.FEATURES]
    assert a.newest().verdict == "covariate"
    assert a.newest_with_loss().verdict == "mechanism"
    # A stage that the configuration gave up does not speak on.
    settle(store, "a", 2, kind=VisitKind.LABELS)
    board.refresh(store, config("a"), NOW)
    assert [r.stage for r in board.view.monitors["a"].results[""]] == [Stage.LABELS]


def test_columns_with_a_verdict_are_kept_before_stable_ones(store):
    settle(store, "a", 0, {"": "covariate"})
    board = Board()
    board.refresh(store, config("a", more="metrics: {max_columns: 1}"), NOW)
    newest = board.view.monitors["a"].newest()
    assert [c.name for c in newest.columns] == ["x"] and newest.columns_omitted >= 2
    board.refresh(store, config("a"), NOW)
    assert board.view.monitors["a"].newest().columns_omitted == 0


def test_readers_see_whole_views_while_another_thread_refreshes(tmp_path, store):
    settle(store, "a", 0)
    settle(store, "b", 0)
    board, stop, seen = Board(), threading.Event(), set()
    board.refresh(store, config("a", "b"), NOW)

    def read():
        while not stop.is_set():
            view = board.view
            seen.add(tuple(m.newest().end for m in view.monitors.values()))

    reader = threading.Thread(target=read)
    reader.start()
    settle(store, "a", 1)
    board.refresh(store, config("a", "b"), NOW)
    stop.set()
    reader.join()
    assert seen <= {(day(0).end, day(0).end), (day(1).end, day(0).end)}
