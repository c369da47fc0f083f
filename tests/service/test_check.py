"""The life of a check, over real files: what it leaves behind, and whom it tells."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.service.stream import FIRST, rows, stream
from tests.service.world import BEGIN, HOUR, configuration, querying
from whydrift.monitor.config.load import parse_config
from whydrift.monitor.history import History
from whydrift.monitor.service.accepting import accept
from whydrift.monitor.service.check import perform
from whydrift.monitor.service.graphs import monitor_graph
from whydrift.monitor.service.references import kept_windows
from whydrift.monitor.service.run import Asked, plan_run
from whydrift.monitor.service.schedule import due_checks, next_due
from whydrift.monitor.service.status import monitor_status
from whydrift.monitor.store import Store, open_store
from whydrift.monitor.store.state import AlertState, CheckOutcome, VisitKind
from whydrift.monitor.window.interval import Interval

NOW = BEGIN + 6 * HOUR


def outcomes(reports) -> list[str]:
    return [r.outcome.value for r in reports if r.check.kind is not VisitKind.RECORD]


def test_drift_opens_an_alert_once_and_two_quiet_windows_close_it(tmp_path: Path) -> None:
    with stream(tmp_path, 13) as s:
        for day in (8, 9):
            s.write(day, rows(day, shift=3.0))
        reports = s.until(13.1)
        assert [r.check.kind for r in reports[:6]] == [VisitKind.RECORD] * 6
        assert outcomes(reports) == ["ok", "ok", "drift", "drift", "ok", "ok", "ok"]
        assert s.alerts() == [("", "covariate", "resolved")]
        assert s.steps() == [("opened", "covariate"), ("resolved", "covariate")]
        (alert,) = s.store.list_alerts()
        assert alert.fired == FIRST + timedelta(days=9)
        assert alert.resolved == FIRST + timedelta(days=12)
        first, last = reports[8], reports[11]
        assert first.summary.endswith("Alerts opened: covariate")
        assert last.summary.endswith("Alerts resolved: covariate")
        told = {"kind": "covariate", "target": "y", "segment": "", "columns": ["a"]}
        assert [news.to_dict() for r in reports for news in r.alerts] == [
            {"step": "opened", **told},
            {"step": "resolved", **told},
        ]
        assert alert.episode.columns == {"a"}
        # It keeps what it was about, and leads to the last window that showed it.
        assert "beginning at a" in alert.details["summary"]
        assert alert.details["verdict"] == "covariate" and alert.details["columns"] == ["a"]
        assert alert.result == s.result(9)["id"]
        assert "Nothing changed" in alert.details["closed"]["summary"]
        assert alert.details["closed"]["diagnosis"] == s.result(11)["id"]
        result = s.result(8)
        assert result["verdict"] == "covariate" and result["monitor"] == "m"
        assert result["segment"] is None
        assert result["windows"]["current"] == {
            "rows": 150, "start": "2026-03-09T00:00:00Z", "end": "2026-03-10T00:00:00Z",
        }  # fmt: skip
        assert result["windows"]["reference"]["start"] == "2026-03-03T00:00:00Z"
        assert result["error_control"]["level"] < 0.005  # what the alarm budget leaves
        # What drifted is no part of later references, nor is what came until it was over.
        assert s.result(11)["windows"]["reference"]["rows"] == 3 * 150
        assert s.result(12)["windows"]["reference"]["rows"] == 3 * 150
        status = monitor_status(s.monitor, s.store, s.now, most=100)
        assert (status.verdict, status.alerts) == ("none", ())
        assert status.headline == "no shift"
        assert 0 < status.spent < 1
        # Of the six days before the next window; all thirteen are kept.
        assert (status.reference_windows, status.reference_left_out) == (3, 3)
        assert status.to_dict()["kept_windows"] == 13
        assert status.next_due == FIRST + timedelta(days=14, hours=1)


def test_a_graph_says_that_its_windows_are_no_unbroken_span(tmp_path: Path) -> None:
    with stream(tmp_path, 6) as s:
        one = timedelta(days=1)
        days = [Interval(FIRST + day * one, FIRST + (day + 1) * one) for day in range(6)]
        for day in days:
            History.of(s.config, "m", s.store).record(day)
        reference = kept_windows(s.store, "m", [*days[:2], *days[4:]])
        assert reference is not None
        monitor_graph(s.monitor, s.store, reference, own=None, previous=None)
        record, _ = s.store.get_graph("m") or (None, None)
        assert record is not None
        assert record.learned_from == (
            "4 windows within 2026-03-01T00:00:00Z/2026-03-07T00:00:00Z, the others left out"
        )


def test_the_graph_is_learned_on_the_reference_and_again_when_it_is_due(tmp_path: Path) -> None:
    with stream(tmp_path, 14) as s:
        settings = s.monitor.graph.model_copy(update={"relearn": s.monitor.window.delay})
        s.until(8.1)
        (record,) = s.store.list_graphs("m")
        assert record.learned_from == "6 windows, 2026-03-01T00:00:00Z/2026-03-07T00:00:00Z"
        learned = s.result(7)["graph_learned"]
        assert (learned["version"], learned["windows"]) == (1, 6)
        assert learned["end"] == "2026-03-07T00:00:00+00:00"
        monitor = s.monitor.model_copy(update={"graph": settings})
        s.config = s.config.model_copy(update={"monitors": (monitor,)})
        s.until(9.1)
        assert s.result(8)["graph_learned"]["end"] == "2026-03-09T00:00:00+00:00"


def test_nothing_can_be_said_before_anything_is_known(tmp_path: Path) -> None:
    with stream(tmp_path, since="2026-03-01") as s:
        s.write(0)
        s.write(1)
        reports = s.until(2.1)
        judged = [r for r in reports if r.check.kind is not VisitKind.RECORD]
        assert outcomes(reports) == ["undetermined", "ok"]
        assert "nothing to compare with yet" in judged[0].summary
        assert outcomes(r for r in reports if r not in judged) == []
        assert s.result(0) is None


# ---- stages -------------------------------------------------------------------------------------
def labelled(tmp_path: Path, **settings):
    return stream(
        tmp_path,
        window="every: 1d, delay: 1h, label_delay: 3d",
        more="    labels: {source: labels, join: [id]}",
        **settings,
    )


def test_a_window_is_judged_on_its_features_and_again_when_its_labels_are_in(
    tmp_path: Path,
) -> None:
    def write(s, day: int, **how) -> None:
        table = rows(day, **how)
        s.write(day, table.drop_columns(["y"]))

    def label(day: int, **how) -> None:
        pq.write_table(rows(day, **how).select(["id", "y"]), tmp_path / f"labels-{day:03}.parquet")

    with labelled(tmp_path) as s:
        for day in range(14):
            write(s, day)
        for day in range(6):
            label(day)
        for day in range(6, 11):
            write(s, day)
        s.until(7.1)
        assert s.result(6, "features")["verdict"] in {"none", "undetermined"}
        assert s.result(6, "labels") is None
        for day in range(6, 14):
            label(day, slope=4.0 if day in (7, 8) else 1.0)
        reports = s.until(13.1)
        features = [r for r in reports if r.check.kind is VisitKind.FEATURES]
        assert {r.outcome.value for r in features} <= {"ok", "undetermined"}
        assert s.result(7, "labels")["verdict"] == "mechanism"
        assert s.result(7, "labels")["stage"] == "labels"
        # At the first stage the target is hidden, should it be there already.
        assert "y" not in s.result(9, "features")["columns"]
        steps = s.steps()
        assert ("opened", "mechanism") in steps
        assert {kind for _, kind in steps} <= {"mechanism", "conditional", "graph"}
        assert len([step for step in steps if step == ("opened", "mechanism")]) == 1


def test_a_window_whose_labels_never_came_is_undetermined_and_holds_alerts(tmp_path: Path) -> None:
    with labelled(tmp_path) as s:
        for day in range(12):
            s.write(day, rows(day).drop_columns(["y"]))
            if day < 6:
                table = rows(day).select(["id", "y"])
                pq.write_table(table, tmp_path / f"labels-{day:03}.parquet")
        reports = s.until(10.1)
        late = [r for r in reports if r.check.kind is VisitKind.LABELS
                and r.check.interval.start >= FIRST + timedelta(days=6)]  # fmt: skip
        assert [r.outcome.value for r in late] == ["undetermined"]
        assert "no labels have come" in late[0].summary


# ---- late rows, and judging again ---------------------------------------------------------------
def test_late_rows_are_judged_again_without_a_word(tmp_path: Path) -> None:
    with stream(tmp_path, 9, more="    late: {allow: 2d}") as s:
        s.until(8.1)
        first = s.result(7)
        assert first["verdict"] == "none"
        late = rows(7, count=300, shift=6.0)
        s.write(7, late.set_column(0, "id", pa.array(range(900_000, 900_300))), "-late")
        reports = s.until(8.6)
        assert any("300 rows came late" in r.summary for r in reports)
        again = s.result(7)
        assert again["windows"]["current"]["rows"] == 450
        assert again["verdict"] != "none" or again["fault"]
        assert s.alerts() == [] and s.steps() == []
        kinds = {v.kind for v in s.store.list_visits("m") if v.interval.start.day == 8}
        assert VisitKind.LATE_1 in kinds


def test_windows_judged_again_after_the_data_were_mended_change_silently(tmp_path: Path) -> None:
    with stream(tmp_path, 10) as s:
        s.write(8, rows(8, shift=4.0))
        s.until(9.1)
        assert s.result(8)["verdict"] == "covariate"
        told = s.steps()
        s.write(8)
        asked = Asked(FIRST + timedelta(days=8), FIRST + timedelta(days=9), recompute=True)
        (check,) = plan_run(s.monitor, s.store, s.now, asked, most=100)
        assert s.perform(check).outcome is CheckOutcome.OK
        assert s.result(8)["verdict"] == "none"
        assert told == [("opened", "covariate")] and s.steps() == []


def test_doing_a_check_twice_leaves_the_same(tmp_path: Path) -> None:
    with stream(tmp_path, 9) as s:
        s.write(8, rows(8, shift=4.0))
        s.until(9.1)
        before = s.store.list_results(monitor="m"), s.store.list_alerts(), s.store.outbox_due(s.now)
        for report in s.reports[-2:]:
            s.perform(report.check)
        after = s.store.list_results(monitor="m"), s.store.list_alerts(), s.store.outbox_due(s.now)
        assert after == before


# ---- accepted -----------------------------------------------------------------------------------
def test_what_is_accepted_becomes_usual_and_its_alerts_end(tmp_path: Path) -> None:
    with stream(tmp_path, 8, reference="last: 4") as s:
        for day in range(8, 13):
            s.write(day, rows(day, shift=3.0))
        s.until(10.1)
        assert s.alerts() == [("", "covariate", "firing")]
        event = accept(s.config, None, s.store, "new price list", actor="ann", at=s.now)
        assert event.window.start == FIRST + timedelta(days=8)
        assert s.alerts() == [("", "covariate", "resolved")]
        assert s.steps() == [("opened", "covariate"), ("resolved", "covariate")]
        (alert,) = s.store.list_alerts()
        assert "beginning at a" in alert.details["summary"]
        assert alert.details["accepted"] == "new price list"
        assert alert.details["closed"]["summary"] == "Accepted as the new normal: new price list"
        reports = s.until(12.1)
        assert outcomes(reports) == ["ok", "ok"]
        assert s.result(10)["windows"]["reference"]["start"] == "2026-03-09T00:00:00Z"
        assert s.steps() == []


def test_a_window_that_was_being_judged_knows_what_was_accepted_meanwhile(tmp_path: Path) -> None:
    more = "    segments: {by: [land], min_rows: 50}\n    alert: {after: 2}"
    with stream(tmp_path, columns=", ignore: [id]", reference="last: 4", more=more) as s:
        for day in range(10):
            s.write(day, rows(day, count=400, shift=3.0 if day in (8, 9) else 0.0))
        s.until(9.1)
        assert {state for _, _, state in s.alerts()} == {"pending"}
        s.now = FIRST + timedelta(days=10.1)
        (check,) = s.due()
        accepted = []

        def accept_once() -> bool:  # asked between segments too, after the references were chosen
            span = check.interval
            if not accepted and s.store.list_snapshots(start=span.start, end=span.end):
                event = accept(s.config, None, s.store, "new prices", actor="ann", at=s.now)
                accepted.append(event)
            return False

        report = perform(
            s.config, check, s.store, clock=lambda: s.now, lease=None, cancel=accept_once
        )
        assert len(accepted) == 1 and accepted[0].window.start == FIRST + timedelta(days=8)
        assert s.result(9)["windows"]["reference"]["start"] == "2026-03-09T00:00:00Z"
        assert s.alerts() == [] and s.steps() == []
        assert report.outcome is CheckOutcome.OK


def test_an_alert_that_opens_while_somebody_accepts_is_accepted_too(tmp_path: Path) -> None:
    with stream(tmp_path, 8, reference="last: 4") as s:
        for day in (8, 9):
            s.write(day, rows(day, shift=3.0))
        s.until(8.1)
        s.now = FIRST + timedelta(days=9.1)
        (check,) = s.due()

        class Late(Store):
            """A check ends between what is read and what is written."""

            def accept(self, *args, **settings):
                if s.store.list_alerts() == ():
                    s.perform(check)
                    assert s.alerts() == [("", "covariate", "firing")]
                return super().accept(*args, **settings)

        late = Late(s.store.database, s.store.clock)
        event = accept(s.config, None, late, "new prices", actor="ann", at=s.now)
        assert s.alerts() == [("", "covariate", "resolved")]
        assert s.steps() == [("opened", "covariate"), ("resolved", "covariate")]
        assert event.window.start == FIRST + timedelta(days=8)
        assert len(s.store.list_events(kinds=("accept",))) == 1


# ---- segments -----------------------------------------------------------------------------------
def test_a_segment_alerts_only_where_the_whole_does_not(tmp_path: Path) -> None:
    more = "    segments: {by: [land], min_rows: 50}"
    with stream(tmp_path, 8, columns=", ignore: [id]", more=more) as s:
        table = rows(8, count=400)
        is_french = np.array([v == "FR" for v in table["land"].to_pylist()])
        moved = np.where(is_french, table["a"].to_numpy() + 3.0, table["a"].to_numpy() - 3.0)
        for day in range(8):
            s.write(day, rows(day, count=400))
        s.write(8, table.set_column(2, "a", pa.array(moved)))
        s.until(9.1)
        segments = {r.key.segment for r in s.store.list_results(monitor="m")}
        assert segments == {"", "DE", "FR"}
        level = s.result(8)["error_control"]["level"]
        assert s.result(8, segment="FR")["error_control"]["level"] == pytest.approx(level / 2)
        firing = {(segment, kind) for segment, kind, state in s.alerts() if state == "firing"}
        wholes = {kind for segment, kind in firing if not segment}
        assert firing
        assert not any(kind in wholes for segment, kind in firing if segment)


# ---- by rows ------------------------------------------------------------------------------------
def test_windows_by_rows_are_looked_for_now_and_then(tmp_path: Path) -> None:
    with stream(tmp_path, 8, window="rows: 150", reference="last: 5") as s:
        (check,) = s.due()
        assert check.interval is None
        s.until(8.1)
        assert s.due() == ()
        assert next_due(s.monitor, s.store, s.now) is None
        done = [v.kind for v in s.store.list_visits("m")]
        assert done.count(VisitKind.RECORD) >= 5 and VisitKind.LABELS in done
        s.write(8, rows(8, count=150, shift=4.0))
        s.until(9.1)
        assert [kind for _, kind, _ in s.alerts()] == ["covariate"]


# ---- bad input ----------------------------------------------------------------------------------
def test_an_empty_window_says_so_and_holds_alerts(tmp_path: Path) -> None:
    with stream(tmp_path, 8) as s:
        s.write(8, rows(8, shift=4.0))
        for day in (11, 12):
            s.write(day)
        reports = s.until(13.1)
        assert outcomes(reports)[-5:] == ["drift", "no_data", "no_data", "ok", "ok"]
        assert s.alerts() == [("", "covariate", "resolved")]
        assert s.store.list_alerts()[0].resolved == FIRST + timedelta(days=13)


def test_a_file_that_came_twice_is_a_fault_and_no_drift(tmp_path: Path) -> None:
    with stream(tmp_path, 9) as s:
        s.write(8, rows(8), "-again")
        s.until(9.1)
        result = s.result(8)
        assert [f["kind"] for f in result["faults"]] == ["rows_duplicated"]
        assert result["verdict"] == "none"
        assert s.alerts() == [("", "fault", "firing")]


def test_a_column_that_went_is_a_fault_and_later_windows_are_judged(tmp_path: Path) -> None:
    with stream(tmp_path, 11) as s:
        s.write(8, rows(8).drop_columns(["b"]))
        reports = s.until(11.1)
        assert CheckOutcome.ERROR not in {r.outcome for r in reports}
        # The other files still have it: to the reader of them all it is a column of nulls.
        assert [f["columns"] for f in s.result(8)["faults"]] == [["b"]]
        assert s.result(10)["fault"] is False


def test_a_half_written_file_is_tried_again_and_its_neighbours_are_judged(tmp_path: Path) -> None:
    """Where paths name windows; of files without dates nobody knows which windows they hold."""
    with stream(tmp_path, files="rows-{date}.parquet") as s:

        def path(day: int) -> Path:
            return tmp_path / f"rows-{FIRST + timedelta(days=day):%Y-%m-%d}.parquet"

        for day in range(10):
            pq.write_table(rows(day), path(day))
        whole = path(8).read_bytes()
        path(8).write_bytes(whole[: len(whole) // 2])
        reports = s.until(10.1)
        assert outcomes(reports) == ["ok", "ok", "error", "ok"]
        failed = next(r for r in reports if r.outcome is CheckOutcome.ERROR)
        assert f"{path(8).name}: the file is damaged or cut short" in failed.summary
        path(8).write_bytes(whole)
        s.until(10.3)
        assert s.result(8)["verdict"] == "none"
        assert s.store.get_state("m").consecutive_failures == 0


def test_a_column_of_another_type_is_a_fault(tmp_path: Path) -> None:
    with stream(tmp_path, 8) as s:
        table = rows(8)
        words = pa.array([f"x{v}" for v in table["a"].to_pylist()])
        s.write(8, table.set_column(2, "a", words))
        s.until(9.1)
        assert [f["kind"] for f in s.result(8)["faults"]] == ["type_change"]
        assert s.alerts() == [("", "fault", "firing")]


def test_a_source_that_is_gone_is_asked_again_less_and_less_often(tmp_path: Path) -> None:
    with stream(tmp_path, 8) as s:
        s.until(7.1)
        files = list(tmp_path.glob("rows-*.parquet"))
        for path in files:
            path.rename(path.with_suffix(".gone"))
        waits = []
        s.now = FIRST + timedelta(days=8.1)
        for _ in range(4):
            (check,) = s.due()
            assert s.perform(check).outcome is CheckOutcome.ERROR
            assert s.due() == ()
            (visit,) = [v for v in s.store.list_visits("m") if v.outcome is CheckOutcome.ERROR]
            waits.append(visit.next_at - s.now)
            s.now = visit.next_at
        assert waits == sorted(waits) and waits[-1] > 4 * waits[0]
        for path in files:
            path.with_suffix(".gone").rename(path)
        s.until(8.5)
        assert s.result(7)["verdict"] == "none"


@pytest.mark.parametrize(
    ("zone", "start"), [("Europe/Paris", "2026-03-22"), ("Asia/Kolkata", "2026-03-22")]
)
def test_local_days_are_judged_where_clocks_change_and_in_half_hour_zones(
    tmp_path: Path, zone: str, start: str
) -> None:
    window = f"every: 1d, delay: 1h, timezone: {zone}"
    with stream(tmp_path, since="2026-03-28", window=window) as s:
        for day in range(20, 31):
            s.write(day, rows(day, zone=zone))
        reports = s.until(31.2)
        judged = [r for r in reports if r.check.kind is VisitKind.LABELS]
        assert [r.rows for r in judged] == [150] * len(judged)
        assert [r.outcome.value for r in judged] == ["ok"] * 4
        hours = [r.check.interval.length / timedelta(hours=1) for r in judged]
        assert hours == ([24, 23, 24, 24] if zone == "Europe/Paris" else [24] * 4)


def test_ten_thousand_categories_are_judged(tmp_path: Path) -> None:
    def write(s, day: int) -> None:
        table = rows(day, count=2_000)
        names = [f"user {day % 3}-{k}" for k in range(2_000)]
        s.write(day, table.set_column(4, "land", pa.array(names)))

    with stream(tmp_path, columns=", ignore: [id]") as s:
        for day in range(8):
            write(s, day)
        reports = s.until(8.1)
        assert CheckOutcome.ERROR not in {r.outcome for r in reports}


def test_a_clock_put_back_judges_nothing_twice(tmp_path: Path) -> None:
    with stream(tmp_path, 9) as s:
        s.until(9.1)
        visits = s.store.list_visits("m")
        assert s.until(4.0) == [] and s.until(9.1) == []
        assert s.store.list_visits("m") == visits


def test_a_monitor_that_left_the_configuration_fails_its_check_and_no_other(
    tmp_path: Path,
) -> None:
    with stream(tmp_path, 7) as s:
        s.now = FIRST + timedelta(days=7.1)
        check = s.due()[0]
        renamed = s.monitor.model_copy(update={"name": "n"})
        s.config = s.config.model_copy(update={"monitors": (renamed,)})
        report = s.perform(check)
        assert report.outcome is CheckOutcome.ERROR
        assert "no monitor 'm'" in report.summary
        assert s.due()[0].monitor == "n"


def test_segments_are_chosen_on_all_of_the_first_reference(tmp_path: Path) -> None:
    """Not on its oldest window alone, in which no segment has rows enough."""
    more = "    segments: {by: [land], min_rows: 300}"
    with stream(tmp_path, 7, columns=", ignore: [id]", more=more) as s:
        s.until(7.1)
        kept = s.store.list_snapshots(monitor="m")
        assert {r.key.segment for r in kept} >= {"", "DE", "FR"}
        assert len([r for r in kept if r.key.segment == "FR" and r.rows]) == 7
        assert s.result(6, segment="FR") is not None


# ---- slowly -------------------------------------------------------------------------------------
def test_a_faint_change_that_stays_is_told_over_many_windows(tmp_path: Path) -> None:
    """None of its windows rejects, and the rolling reference learns it: the anchor does not."""
    with stream(tmp_path, since="2026-03-15", reference="last: 14") as s:
        for day in range(22):
            s.write(day, rows(day, count=500, shift=0.23 if day >= 14 else 0.0))
        reports = s.until(22.1)
        assert [s.result(day)["verdict"] for day in range(14, 22)] == ["none"] * 8
        slow = [s.result(day)["slow"] for day in range(14, 22)]
        assert [found["scales"] for found in slow] == [{}] * 7 + [{"a": 7}]
        assert len(slow[0]["anchor"]) == 14
        assert slow[-1]["anchor"] == slow[0]["anchor"]
        assert s.result(21)["columns"]["a"]["p_value"] > 0.3
        assert [r.outcome.value for r in reports[-2:]] == ["ok", "drift"]
        (alert,) = s.store.list_alerts()
        assert (alert.key.kind.value, alert.state.value) == ("covariate", "firing")
        assert alert.details["columns"] == ["a"] and alert.details["slow"] == {"a": 7}
        assert "Slowly, over the last 7 windows: a" in alert.details["summary"]
        assert s.steps() == [("opened", "covariate")]


def test_windows_of_a_slow_drift_are_no_reference_until_it_is_accepted(tmp_path: Path) -> None:
    with stream(tmp_path, since="2026-03-15", reference="last: 14") as s:
        for day in range(25):
            s.write(day, rows(day, count=500, shift=0.23 if day >= 14 else 0.0))
        s.until(24.1)
        assert s.alerts() == [("", "covariate", "firing")]
        opened = FIRST + timedelta(days=21)
        history = History.of(s.config, "m", s.store)
        window = Interval(FIRST + timedelta(days=24), FIRST + timedelta(days=25))
        found, _ = history.choice(window)
        assert max(w.interval.end for w in found.windows) == opened
        assert len(found.windows) == 14
        assert [(w.interval.start, reason) for w, reason in found.left_out] == [
            (
                opened + timedelta(days=day),
                "it lies within an alert that nobody accepted (covariate)",
            )
            for day in range(3)
        ]


def test_a_model_that_stays_changed_stays_an_alert(tmp_path: Path) -> None:
    """Its windows have no verdict that says so: a reference must not learn them all the same."""
    with stream(tmp_path, columns=", prediction: p, ignore: [id, land]") as s:
        for day in range(14):
            table = rows(day)
            bias = 1.0 if day >= 8 else 0.0
            noise = np.random.default_rng([1, day]).normal(0, 0.3, len(table))
            said = table["a"].to_numpy() + table["b"].to_numpy() + noise + bias
            s.write(day, table.append_column("p", pa.array(said)))
        s.until(14.1)
        assert [s.result(day)["verdict"] for day in range(8, 14)] == ["none"] * 6
        assert s.alerts() == [("", "mechanism", "firing")]
        assert s.result(13)["windows"]["reference"]["end"] == "2026-03-09T00:00:00Z"


def test_a_model_that_stays_changed_hides_no_target_whose_labels_come_late(tmp_path: Path) -> None:
    """Features, judged long before the labels, keep the alert of the predictions going."""
    columns = ", prediction: p, ignore: [id, land]"
    with labelled(tmp_path, columns=columns, reference="last: 9d") as s:
        for day in range(16):
            table = rows(day)
            noise = np.random.default_rng([1, day]).normal(0, 0.3, len(table))
            said = table["a"].to_numpy() + table["b"].to_numpy() + noise + (day >= 8)
            told = table["y"].to_numpy() + (2.0 if day >= 10 else 0.0)
            features = table.drop_columns(["y"]).append_column("p", pa.array(said))
            s.write(day, features)
            labels = table.select(["id"]).append_column("y", pa.array(told))
            pq.write_table(labels, tmp_path / f"labels-{day:03}.parquet")
        s.until(12.5)
        assert s.steps() == [("opened", "mechanism")]
        (alert,) = s.store.list_alerts(states={AlertState.FIRING})
        assert alert.episode.columns == {"p"}
        s.until(14.1)
        bodies = [r.message.body for r in s.store.outbox_due(s.now + timedelta(days=9))]
        (wider,) = (b for b in bodies if b["kind"] == "mechanism")
        assert wider["step"] == "changed" and "y" in wider["columns"]
        assert "what leads to y has changed" in wider["summary"]
        s.until(16.1)
        told = s.steps()
        assert told == [("changed", "mechanism")]  # labels of later windows say nothing new
        # The features of newer windows show the predictions alone; the target is still told of.
        firing = s.store.list_alerts(states={AlertState.FIRING})
        (alert,) = (a for a in firing if a.key.kind.value == "mechanism")
        assert alert.episode.last == (FIRST + timedelta(days=16)).timestamp()
        assert "what leads to y has changed" in alert.details["summary"]
        assert "y" in alert.details["columns"]


# ---- other references, other windows ------------------------------------------------------------
def test_a_new_version_of_the_model_is_judged_beside_the_one_before(tmp_path: Path) -> None:
    columns = ", ignore: [id, land], version: model"
    with stream(tmp_path, columns=columns, reference="version: previous") as s:
        for day in range(10):
            name = "2" if day >= 8 else "1"
            table = rows(day, shift=3.0 if day >= 8 else 0.0)
            s.write(day, table.append_column("model", pa.array([name] * len(table))))
        reports = s.until(10.1)
        assert CheckOutcome.ERROR not in {r.outcome for r in reports}
        # Of the first version none came before.
        assert outcomes(reports) == ["undetermined", "undetermined", "drift", "drift"]
        assert s.result(9)["windows"]["reference"]["start"] == "2026-03-01T00:00:00Z"
        assert s.result(9)["windows"]["reference"]["end"] == "2026-03-09T00:00:00Z"


def test_windows_that_slide_are_judged_beside_those_that_do_not_overlap(tmp_path: Path) -> None:
    window = "every: 1d, length: 2d"
    with stream(tmp_path, 12, window=window, since="2026-03-09", reference="last: 8d") as s:
        reports = s.until(12.0)
        judged = [r for r in reports if r.check.kind is VisitKind.LABELS]
        assert [r.rows for r in judged] == [300] * 3
        assert s.result(10)["windows"]["reference"]["rows"] == 4 * 300
        assert [r.outcome.value for r in judged] == ["ok"] * 3


def test_a_window_far_back_that_is_judged_again_pages_nobody(tmp_path: Path) -> None:
    """Though what was spent on it is not kept any more."""
    with stream(tmp_path, 9) as s:
        s.until(9.1)
        s.write(8, rows(8, shift=4.0))
        with s.store.database.writing() as connection:
            connection.exec_driver_sql("delete from ledger")
        asked = Asked(FIRST + timedelta(days=8), FIRST + timedelta(days=9), recompute=True)
        (check,) = plan_run(s.monitor, s.store, s.now, asked, most=100)
        s.perform(check)
        assert s.result(8)["verdict"] == "covariate"
        assert s.alerts() == [] and s.steps() == []


def test_windows_too_far_behind_are_skipped_with_an_event_and_still_judged_on_their_labels(
    tmp_path: Path,
) -> None:
    more = "    labels: {source: labels, join: [id]}\nchecks: {catch_up: 2}"
    window = "every: 1d, delay: 1h, label_delay: 3d"
    with stream(tmp_path, window=window, more=more) as s:
        for day in range(13):
            s.write(day, rows(day).drop_columns(["y"]))
        labels = pa.concat_tables([rows(day).select(["id", "y"]) for day in range(13)])
        pq.write_table(labels, tmp_path / "labels-0.parquet")
        s.until(7.1)
        s.until(13.1)
        skipped = [v for v in s.store.list_visits("m") if v.outcome is CheckOutcome.SKIPPED]
        days = {(v.interval.start.day - 1, v.kind.value) for v in skipped}
        assert days == {(d, "features") for d in (7, 8, 9, 10)} | {(6, "labels"), (7, "labels")}
        (event,) = s.store.list_events(kinds=("skip",))
        assert event.text.startswith("5 windows up to 2026-03-12")
        assert s.result(9, "features") is None
        assert s.result(9, "labels") is not None
        assert s.result(12, "features") is not None


def test_an_error_is_kept_without_any_secret_of_the_configuration(tmp_path: Path) -> None:
    # The source quotes what its query names; here that is the secret of a notifier.
    query = "select hunter2secret as x, :start as ts where :start <> :end"
    notify = "notify: [{webhook: {url: 'http://127.0.0.1:9/', secret: hunter2secret}}]\n"
    told = configuration(f"sqlite:///{tmp_path}/w.db", querying("m", tmp_path, query), more=notify)
    config = parse_config(told)
    with open_store(config.store.url.get_secret_value(), clock=lambda: NOW) as store:
        check = due_checks(config.monitors[0], store, NOW)[0]
        report = perform(config, check, store, clock=lambda: NOW, lease=None)
        assert report.outcome is CheckOutcome.ERROR
        (visit,) = [v for v in store.list_visits("m") if v.error]
        for text in (report.summary, visit.error, store.get_state("m").last_error):
            assert "no such column: ***" in text
            assert "hunter2" not in text
