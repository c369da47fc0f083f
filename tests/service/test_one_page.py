"""Of one drift one page: what is told directly, what is held back, and for how long."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.service.stream import rows, stream
from whydrift.monitor.diagnosis.alert import AlertKey, AlertKind
from whydrift.monitor.diagnosis.episode import Episode, Step
from whydrift.monitor.service.one_page import HELD_BY, OnePage, one_page
from whydrift.monitor.store.state import AlertChange, AlertRecord, AlertState

END = datetime(2026, 5, 5, tzinfo=UTC)
MECHANISM, CONDITIONAL, GRAPH = AlertKind.MECHANISM, AlertKind.CONDITIONAL, AlertKind.GRAPH
EPISODE = Episode(END.timestamp(), END.timestamp(), counted=END.timestamp(), is_firing=True)
NAMED = {GRAPH: ["a → y"], AlertKind.COVARIATE: ["a"], AlertKind.FAULT: ["b"]}  # else the target


def key(kind: AlertKind, segment: str = "", target: str = "y") -> AlertKey:
    return AlertKey(target, kind, segment)


def episode(one: AlertKey, columns: str = "") -> Episode:
    named = columns.split() or NAMED.get(one.kind, [one.target])
    return replace(EPISODE, columns=frozenset(named))


def change(
    which: AlertKind | AlertKey, step: Step = Step.OPENED, said: str = "now", columns: str = ""
) -> AlertChange:
    one = which if isinstance(which, AlertKey) else key(which)
    after = None if step is Step.CLOSED else episode(one, columns)
    details = {} if step is Step.NONE else {"summary": said}
    return AlertChange(one, step, after, END, None, details)


def lasting(
    which: AlertKind | AlertKey,
    *,
    held: bool = False,
    state: AlertState = AlertState.FIRING,
    columns: str = "",
) -> AlertRecord:
    one = which if isinstance(which, AlertKey) else key(which)
    details = {"summary": "before"} | ({HELD_BY: "mechanism"} if held else {})
    return AlertRecord(1, "m", one, episode(one, columns), state, END, None, "d", details, END)


def told(page: OnePage) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(t.step.value, t.change.key.kind.value, tuple(a.value for a in t.also))
            for t in page.told]  # fmt: skip


def marks(page: OnePage) -> dict[AlertKind, bool]:
    return {c.key.kind: HELD_BY in c.details for c in page.changes}


def test_what_opens_together_is_told_once_by_the_mechanism() -> None:
    page = one_page([change(MECHANISM), change(CONDITIONAL), change(GRAPH)], [], END)
    assert told(page) == [("opened", "mechanism", ("conditional", "graph"))]
    assert marks(page) == {MECHANISM: False, CONDITIONAL: True, GRAPH: True}


def test_the_order_in_which_changes_come_does_not_matter() -> None:
    page = one_page([change(GRAPH), change(MECHANISM)], [], END)
    assert told(page) == [("opened", "mechanism", ("graph",))]


@pytest.mark.parametrize("kind", [CONDITIONAL, GRAPH])
def test_without_a_mechanism_each_is_told_by_itself(kind) -> None:
    assert told(one_page([change(kind)], [], END)) == [("opened", kind.value, ())]


def test_an_alert_of_another_segment_or_target_holds_nothing_back() -> None:
    others = [change(key(MECHANISM, "DE")), change(key(MECHANISM, target="z"))]
    page = one_page([*others, change(CONDITIONAL)], [], END)
    assert [(step, kind) for step, kind, _ in told(page)].count(("opened", "conditional")) == 1


@pytest.mark.parametrize("kind", [CONDITIONAL, GRAPH])
def test_an_alert_of_the_predictions_holds_nothing_back_that_is_about_the_target(kind) -> None:
    of_the_model = lasting(MECHANISM, columns="p")
    assert told(one_page([change(kind)], [of_the_model], END)) == [("opened", kind.value, ())]
    # Once it reaches the target, its message speaks for both.
    wider = change(MECHANISM, Step.WIDENED, columns="p y")
    page = one_page([wider, change(kind)], [of_the_model], END)
    assert told(page) == [("changed", "mechanism", (kind.value,))]


def test_covariate_shifts_and_faults_are_never_held_back() -> None:
    page = one_page([change(AlertKind.FAULT), change(AlertKind.COVARIATE)],
                    [lasting(MECHANISM)], END)  # fmt: skip
    assert [kind for _, kind, _ in told(page)] == ["fault", "covariate"]


def test_a_mechanism_that_only_waits_for_a_second_window_holds_nothing_back() -> None:
    pending = lasting(MECHANISM, state=AlertState.PENDING)
    assert told(one_page([change(GRAPH)], [pending], END)) == [("opened", "graph", ())]


def test_what_opens_later_while_the_mechanism_lasts_is_not_told_and_marked() -> None:
    page = one_page([change(CONDITIONAL)], [lasting(MECHANISM)], END)
    assert told(page) == [] and marks(page) == {CONDITIONAL: True}
    widened = one_page(
        [change(MECHANISM, Step.WIDENED)], [lasting(MECHANISM), lasting(GRAPH, held=True)], END
    )
    assert told(widened) == [("changed", "mechanism", ("graph",))]


@pytest.mark.parametrize("step", [Step.UPDATED, Step.WIDENED])
def test_what_is_held_stays_so_while_it_changes(step) -> None:
    page = one_page(
        [change(CONDITIONAL, step)], [lasting(MECHANISM), lasting(CONDITIONAL, held=True)], END
    )
    assert told(page) == [] and marks(page) == {CONDITIONAL: True}


def test_what_lasts_when_the_mechanism_is_resolved_is_told_then() -> None:
    before = [lasting(MECHANISM), lasting(CONDITIONAL, held=True), lasting(GRAPH, held=True)]
    page = one_page([change(MECHANISM, Step.CLOSED), change(GRAPH, Step.UPDATED)], before, END)
    assert told(page) == [
        ("resolved", "mechanism", ()), ("opened", "graph", ()), ("opened", "conditional", ()),
    ]  # fmt: skip
    assert marks(page) == {MECHANISM: False, GRAPH: False, CONDITIONAL: False}
    # Of one that this window says nothing of, what was said before is told.
    assert [t.change.details["summary"] for t in page.told[1:]] == ["now", "before"]
    assert all(c.episode == episode(c.key) for c in page.changes[1:])


def test_what_ends_while_it_is_held_back_is_told_to_nobody() -> None:
    before = [lasting(MECHANISM), lasting(GRAPH, held=True)]
    assert told(one_page([change(GRAPH, Step.CLOSED)], before, END)) == []
    both = one_page([change(MECHANISM, Step.CLOSED), change(GRAPH, Step.CLOSED)], before, END)
    assert told(both) == [("resolved", "mechanism", ())]


def test_of_what_people_know_already_they_hear_the_end() -> None:
    before = [lasting(MECHANISM), lasting(CONDITIONAL)]
    assert told(one_page([change(CONDITIONAL, Step.WIDENED)], before, END)) == []
    end = one_page([change(CONDITIONAL, Step.CLOSED)], before, END)
    assert told(end) == [("resolved", "conditional", ())]
    # Nor is it told again when the mechanism ends.
    over = one_page([change(MECHANISM, Step.CLOSED)], before, END)
    assert told(over) == [("resolved", "mechanism", ())]


def test_what_nobody_was_told_of_has_no_end_either() -> None:
    pending = lasting(GRAPH, state=AlertState.PENDING)
    assert told(one_page([change(GRAPH, Step.CLOSED)], [pending], END)) == []


def test_a_changed_mechanism_pages_once_and_is_resolved_once(tmp_path: Path) -> None:
    with stream(tmp_path, 14) as s:
        for day in (8, 9):
            s.write(day, rows(day, slope=-3.0))
        s.until(13.1)
        kinds = {kind for _, kind, _ in s.alerts()}
        assert "mechanism" in kinds and kinds & {"conditional", "graph"}
        bodies = [r.message.body for r in s.store.outbox_due(s.now + timedelta(days=9))]
        opened = [b for b in bodies if b["step"] == "opened"]
        assert [b["kind"] for b in opened] == ["mechanism"]
        assert opened[0]["also"] and set(opened[0]["also"]) <= {"conditional", "graph"}
        assert s.steps() == [("opened", "mechanism"), ("resolved", "mechanism")]
