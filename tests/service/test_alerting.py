"""Which alerts open, last and close, and what is spent: by values alone."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from whydrift.discovery.graph import Graph
from whydrift.monitor.config.load import parse_config
from whydrift.monitor.diagnosis.alarm_budget import DAYS_PER_MONTH, WHOLE, AlarmBudget, Purpose
from whydrift.monitor.diagnosis.alert import AlertFinding, AlertKey, AlertKind, Outcome
from whydrift.monitor.diagnosis.diagnosis import (
    Action,
    ColumnResult,
    ColumnVerdict,
    Diagnosis,
    ErrorControl,
    Fault,
    FaultKind,
    Remedy,
    Stage,
    TargetResult,
    Verdict,
    Window,
)
from whydrift.monitor.diagnosis.episode import Episode, Step
from whydrift.monitor.diagnosis.faults.registry import DETECTORS, FAULT_LEVEL
from whydrift.monitor.service.alerting import decide, details_of, rejected
from whydrift.monitor.service.judging import Judged, SlowDrift, alarm_budget, level_of_faults
from whydrift.monitor.service.notices import messages_of, notice_of
from whydrift.monitor.service.notify.notice import NoticeStep
from whydrift.monitor.service.one_page import Told, one_page
from whydrift.monitor.store.state import AlertChange, Decision
from whydrift.monitor.window.interval import Interval

START = datetime(2026, 5, 4, tzinfo=UTC)
WINDOW = Interval(START, START + timedelta(days=1))
CONFIG = parse_config("""
version: 1
web: {external_url: https://drift.example/}
sources: {rows: {files: "/nowhere/*.parquet", time_column: at}}
monitors:
  - name: m
    source: rows
    columns: {target: y}
    window: {label_delay: 7d}
    segments: {by: [land]}
    alert: {severity: error, team: pricing}
notify:
  - webhook: {url: "https://hook.example/secret"}
  - slack: {url: "https://slack.example/secret"}
  - alertmanager: {urls: ["http://am.example:9093"]}
""")
MONITOR = CONFIG.monitors[0]
GRAPH = Graph.from_pairs([("a", "b"), ("b", "y")], nodes=("a", "b", "c", "y"))


def diagnosis(
    *moved: str, verdict: str | None = None, p_value: float = 1e-9, fault: bool = False,
    stage: Stage = Stage.LABELS,
) -> Diagnosis:  # fmt: skip
    found = Verdict(verdict or ("covariate" if moved else "none"))
    columns = {
        name: ColumnResult(
            ColumnVerdict.SOURCE if name in moved else ColumnVerdict.STABLE,
            "continuous",
            p_value=p_value if name in moved else 0.6,
        )
        for name in GRAPH.nodes
    }
    faults = (Fault(FaultKind.NULL_SPIKE, ("c",), 0.5, "half of it is missing"),) if fault else ()
    return Diagnosis(
        id="0" * 32, stage=stage, reference=Window(100), current=Window(100), target="y",
        prediction=None, targets={"y": TargetResult(found)}, verdict=found, faults=faults,
        conditional_shift=False, shift_type=None, summary="It moved.", columns=columns,
        ranking=tuple(moved), metric=None, remedy=Remedy(Action.NONE, text="Wait."), graph=GRAPH,
        error_control=ErrorControl(tests=4), warnings=(), seconds={}, version="0",
    )  # fmt: skip


def decided(
    whole: Diagnosis,
    episodes=None,
    before=(),
    is_silent: bool = False,
    slow=None,
    **segments,
):
    names = ("DE", "FR")
    judged = Judged({"": whole, **segments}, alarm_budget(MONITOR, names), slow or SlowDrift())
    return decide(MONITOR, judged, WINDOW, episodes or {}, before, is_silent=is_silent)


def opened(alerting) -> list[tuple[str, str]]:
    return [(key.segment, key.kind.value) for key in alerting.opened]


def firing(kind: AlertKind, segment: str = "", columns=("a",)) -> dict[AlertKey, Episode]:
    end = START.timestamp()
    return {
        AlertKey("y", kind, segment): Episode(
            end, end, counted=end, is_firing=True, columns=frozenset(columns)
        )
    }


def test_a_segment_opens_no_alert_where_the_whole_fires() -> None:
    both = decided(diagnosis("a"), FR=diagnosis("a"))
    assert opened(both) == [("", "covariate")]
    lasting = decided(diagnosis(), firing(AlertKind.COVARIATE), FR=diagnosis("a"))
    assert opened(lasting) == []
    alone = decided(diagnosis(), FR=diagnosis("a"), DE=diagnosis())
    assert opened(alone) == [("FR", "covariate")]


def test_a_segment_that_waits_for_a_second_window_opens_none_either_where_the_whole_does() -> None:
    alert = MONITOR.alert.model_copy(update={"after": 2})
    patient = MONITOR.model_copy(update={"alert": alert})
    both = {"": diagnosis("a"), "DE": diagnosis("a")}
    judged = Judged(both, alarm_budget(patient, ("DE",)), SlowDrift())
    first = decide(patient, judged, WINDOW, {}, ())
    pending = {c.key: c.episode for c in first.changes if c.episode is not None}
    assert opened(first) == [] and {key.segment for key in pending} == {"", "DE"}
    later = Interval(WINDOW.end, WINDOW.end + timedelta(days=1))
    assert opened(decide(patient, judged, later, pending, ())) == [("", "covariate")]


def test_a_segment_that_fires_goes_on_where_the_whole_begins_to() -> None:
    found = decided(diagnosis("a"), firing(AlertKind.COVARIATE, "FR"), FR=diagnosis("a"))
    steps = {(c.key.segment, c.step) for c in found.changes}
    assert steps == {("", Step.OPENED), ("FR", Step.UPDATED)}


def test_a_segment_needs_the_monitor_to_reject_but_a_fault_shows_itself() -> None:
    weak = diagnosis("a", p_value=0.01)
    assert opened(decided(diagnosis(), FR=weak)) == []
    broken = decided(diagnosis(), FR=diagnosis(fault=True))
    assert opened(broken) == [("FR", "fault")]


def test_only_the_first_decision_of_a_stage_can_page() -> None:
    taken = {Decision("", Purpose.DRIFT, "labels")}
    assert opened(decided(diagnosis("a"), before=taken)) == []
    other = {Decision("", Purpose.DRIFT, "features")}
    assert opened(decided(diagnosis("a"), before=other)) == [("", "covariate")]
    assert opened(decided(diagnosis("a"), is_silent=True)) == []


def test_what_a_window_s_features_said_its_labels_do_not_say_once_more() -> None:
    said = rejected(MONITOR, diagnosis("a", stage=Stage.FEATURES), "")
    assert said == {AlertKey("y", AlertKind.COVARIATE): {"a"}}
    both = diagnosis("a", "y", verdict="both")
    judged = Judged({"": both}, alarm_budget(MONITOR))
    assert opened(decide(MONITOR, judged, WINDOW, {}, (), said=said)) == [("", "mechanism")]


def test_labels_tell_of_columns_that_the_features_of_their_window_did_not_name() -> None:
    said = {AlertKey("y", AlertKind.MECHANISM): frozenset({"p"})}
    changed = with_prediction(diagnosis("y", verdict="mechanism"), ColumnVerdict.MECHANISM)
    judged = Judged({"": changed}, alarm_budget(MONITOR))
    # The alert of the predictions has ended meanwhile: that of the target is another matter.
    alone = decide(MONITOR, judged, WINDOW, {}, (), said=said)
    assert opened(alone) == [("", "mechanism")]
    assert alone.changes[0].episode.columns == {"y"}
    known = {AlertKey("y", AlertKind.MECHANISM): frozenset({"p", "y"})}
    assert opened(decide(MONITOR, judged, WINDOW, {}, (), said=known)) == []


def test_an_alert_of_the_predictions_reaches_the_target_when_its_labels_say_so() -> None:
    lasting = firing(AlertKind.MECHANISM, columns=("p",))
    ahead = WINDOW.end + timedelta(days=7)  # the features of newer windows were judged before
    lasting = {key: replace(e, last=ahead.timestamp()) for key, e in lasting.items()}
    late = decided(diagnosis("y", verdict="mechanism"), lasting)
    (change,) = late.changes
    assert change.step is Step.WIDENED and change.episode.columns == {"p", "y"}
    assert change.episode.last == ahead.timestamp()
    assert [(n.step, n.columns) for n in late.news] == [(Step.WIDENED, ("y",))]
    # Once: the next window's labels say nothing new.
    assert decided(diagnosis("y", verdict="mechanism"), {change.key: change.episode}).changes == ()


def test_what_labels_said_of_the_target_outlasts_newer_windows_that_have_none() -> None:
    """Their features show the predictions alone, and would put these in the target's place."""
    lasting = firing(AlertKind.MECHANISM, columns=("p", "y"))
    features = with_prediction(diagnosis(stage=Stage.FEATURES), ColumnVerdict.MECHANISM)
    (change,) = decided(features, lasting).changes
    assert (change.step, change.details, change.result) == (Step.UPDATED, {}, None)


def test_what_cannot_be_told_holds_an_alert() -> None:
    unsure = decided(diagnosis(verdict="undetermined"), firing(AlertKind.COVARIATE))
    assert unsure.changes == ()
    unlabelled = decided(diagnosis(stage=Stage.FEATURES), firing(AlertKind.MECHANISM))
    assert unlabelled.changes == ()


def with_prediction(
    found: Diagnosis,
    verdict: ColumnVerdict,
    detectable: float = 0.2,
    kind: str = "continuous",
    **other,
) -> Diagnosis:
    row = ColumnResult(verdict, kind, p_value=0.6, detectable_effect=detectable)
    return replace(found, prediction="p", columns={**found.columns, "p": row}, **other)


@pytest.mark.parametrize("target", ["y", None])
def test_a_changed_model_opens_the_mechanism_alert_and_ends_it_without_labels(target) -> None:
    features = diagnosis(stage=Stage.FEATURES)
    broken = with_prediction(features, ColumnVerdict.MECHANISM, target=target)
    found = decided(broken)
    assert opened(found) == [("", "mechanism")]
    key = AlertKey("y", AlertKind.MECHANISM)
    assert found.changes[0].episode.columns == {"p"}

    lasting = firing(AlertKind.MECHANISM, columns=("p",))
    sound = with_prediction(features, ColumnVerdict.STABLE, target=target)
    after = {c.key: c.episode for c in decided(sound, lasting).changes}
    assert after[key].quiet == 1
    untold = decided(with_prediction(features, ColumnVerdict.UNDETERMINED, target=target), lasting)
    assert not untold.changes
    few_rows = with_prediction(features, ColumnVerdict.STABLE, detectable=2.0, target=target)
    assert not decided(few_rows, lasting).changes
    # Of classes it is a change of a probability, which has half an sd at most.
    of_classes = with_prediction(features, ColumnVerdict.STABLE, 0.4, "binary", target=target)
    assert not decided(of_classes, lasting).changes
    of_the_target = decided(sound, firing(AlertKind.MECHANISM, columns=("p", "y")))
    assert not of_the_target.changes


def test_a_slow_change_opens_an_alert_that_names_the_column() -> None:
    found = decided(diagnosis(), slow=SlowDrift({"a": 30}))
    assert opened(found) == [("", "covariate")]
    (change,) = found.changes
    assert change.details["slow"] == {"a": 30}
    assert "Slowly, over the last 30 windows: a" in change.details["summary"]
    assert opened(decided(diagnosis(), slow=SlowDrift({"c": 7}))) == []  # does not reach y
    assert opened(decided(diagnosis(), slow=SlowDrift({"y": 7}))) == [("", "mechanism")]


def test_an_alert_of_drift_speaks_of_it_where_the_window_is_broken_too() -> None:
    both = decided(diagnosis("a", fault=True))
    said = {change.key.kind: change.details["summary"] for change in both.changes}
    assert said == {
        AlertKind.COVARIATE: "a: its own distribution moved. In the same window: It moved.",
        AlertKind.FAULT: "It moved.",
    }


def test_an_alert_of_many_columns_names_a_few_in_its_sentence_and_all_in_its_list() -> None:
    named = [f"c{k}" for k in range(9)]
    found = AlertFinding(Outcome.REJECTED, frozenset(named))
    key = AlertKey("y", AlertKind.COVARIATE)
    details = details_of(diagnosis("a", fault=True), key, found, SlowDrift())
    assert details["columns"] == named
    said = details["summary"]
    assert said.startswith("c0, c1, c2, c3 and 5 more: their own distributions moved.")


@pytest.mark.parametrize("segments", [(), ("DE", "FR")])
def test_a_month_of_decisions_spends_no_more_than_was_granted(segments) -> None:
    budget = alarm_budget(MONITOR, segments)
    spent, taken = 0.0, set()
    for stage in (Stage.FEATURES, Stage.LABELS):
        each = {"": diagnosis(stage=stage), **{s: diagnosis(stage=stage) for s in segments}}
        slow = SlowDrift(anchor=(WINDOW,))
        found = decide(MONITOR, Judged(each, budget, slow), WINDOW, {}, taken)
        spent += sum(s.level for s in found.spent)
        taken |= {Decision(s.segment, s.purpose, s.stage) for s in found.spent}
    month = spent * budget.windows_per_month
    assert 0.5 * MONITOR.false_alarms_per_month < month <= MONITOR.false_alarms_per_month * 1.0001


@pytest.mark.parametrize(("every", "segments"), [(24, ()), (1, ()), (1, ("DE", "FR"))])
def test_all_detectors_of_faults_together_keep_their_share_at_both_stages(every, segments) -> None:
    budget = AlarmBudget(DAYS_PER_MONTH * 24 / every, 0.2, stages=2, segments=segments)
    levels = [level_of_faults(budget, unit) for unit in (WHOLE, *segments)]
    month = sum(levels) * len(DETECTORS) * budget.stages * budget.windows_per_month
    assert month <= 0.2 * Purpose.FAULT.share * 1.0001
    assert all(0 < level <= FAULT_LEVEL for level in levels)


@pytest.mark.parametrize("same", [None, "weekday"])
def test_windows_by_rows_that_a_reference_leaves_out_count_all_the_same(same) -> None:
    reference = {"last": 30} if same is None else {"last": 30, "same": same}
    config = {"version": 1, "monitors": [
        {"name": "m", "source": {"files": "x/*.parquet", "time_column": "t"},
         "window": {"rows": 100}, "reference": reference}
    ]}  # fmt: skip
    monitor = parse_config(json.dumps(config)).monitors[0]
    days = range(0, 210, 7) if same else [*range(3), *range(20, 27)]
    past = [Interval(START + timedelta(d), START + timedelta(d + 1)) for d in days]
    found = alarm_budget(monitor, past=past).windows_per_month
    assert found == pytest.approx(DAYS_PER_MONTH)


def test_whoever_is_told_once_gets_a_message_with_links_and_its_own_key() -> None:
    found = decided(diagnosis("a"))
    told = one_page(found.changes, (), WINDOW.end).told
    messages = messages_of(CONFIG, MONITOR, told, found.before, WINDOW, "labels")
    assert [m.notifier for m in messages] == ["webhook", "slack"]
    assert len({m.key for m in messages}) == 2
    body = messages[0].body
    assert (body["step"], body["kind"], body["columns"]) == ("opened", "covariate", ["a"])
    assert (body["severity"], body["team"]) == ("error", "pricing")
    assert body["dashboard_url"] == "https://drift.example/monitors/m"
    again = messages_of(CONFIG, MONITOR, told, found.before, WINDOW, "labels")
    assert [m.key for m in again] == [m.key for m in messages]


def test_an_end_is_told_with_what_the_alert_was_about() -> None:
    before = firing(AlertKind.FAULT, columns=("a", "c"))
    (key,) = before
    change = AlertChange(key, Step.CLOSED, None, WINDOW.end)
    notice = notice_of(MONITOR, Told(change, NoticeStep.RESOLVED), before[key], WINDOW, "labels")
    assert (notice.step.value, notice.severity) == ("resolved", "critical")
    assert notice.columns == ("a", "c")
