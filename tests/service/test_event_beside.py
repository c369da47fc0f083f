"""Events beside monitors left alone: what moved all of them is no effect of a release of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.service.asking import served
from tests.service.watched import FakeDaemon
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.config.load import parse_config
from whydrift.monitor.config.model import Config
from whydrift.monitor.service import event_beside
from whydrift.monitor.service.event_beside import BesideOthers, others_of
from whydrift.monitor.service.event_effects import (
    EffectsRequest,
    EventEffect,
    effects_of_events,
)
from whydrift.monitor.store import open_store
from whydrift.monitor.store.records import WindowKey
from whydrift.monitor.store.store import Store
from whydrift.monitor.window.interval import Interval

AT = datetime(2026, 5, 10, tzinfo=UTC)
BEFORE, AFTER = 10, 8
SHOCK, EFFECT = 0.5, 0.3


def settings(
    names: Sequence[str], *, targets: dict[str, str] | None = None, more: str = "",
    url: str = "sqlite:///none.db",
) -> Config:  # fmt: skip
    monitors = "".join(
        f"""
  - name: {name}
    source: {{files: "{name}/*.parquet", time_column: at}}
    columns: {{target: {(targets or {}).get(name, "price")}, prediction: said}}
    loss: absolute_error
"""
        for name in names
    )
    return parse_config(
        f"""
version: 1
store: {{url: "{url}"}}
monitors:{monitors}{more}
"""
    )


def put(
    store: Store, name: str, seed: int, *, effect: float = 0.0, scale: float = 1.0,
    target: str = "price", days: Sequence[int] = range(-BEFORE, AFTER),
) -> None:  # fmt: skip
    """Keep windows whose loss all monitors' shock raises after the event, and its effect too."""
    rng = np.random.default_rng(seed)
    schema = None
    for day in days:
        mean = 3 + seed % 3 + (SHOCK + effect) * (day >= 0) + rng.normal(0, 0.03)
        loss = scale * (mean + rng.normal(0, 0.3, 200))
        said = rng.normal(0, 1, 200)
        frame = {"income": rng.normal(0, 1, 200), "said": said, target: said + loss}
        roles = {target: "target", "said": "prediction"}
        window = Snapshot.from_frame(pa.table(frame), schema=schema, roles=roles)
        schema = window.schema
        start = AT + timedelta(days=day)
        store.put_snapshot(WindowKey(name, Interval(start, start + timedelta(days=1))), window)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/w.db") as opened:
        yield opened


def found(store: Store, config: Config, name: str = "a") -> EventEffect:
    """Return what the oldest event did."""
    own = config.monitor_named(name)
    events = store.list_events(monitor=name, kinds=("release",))
    effects = effects_of_events(store, own, events, others_of(own, config.monitors))
    return effects[events[0].id]


def beside(store: Store, config: Config) -> BesideOthers:
    answer = found(store, config).beside
    assert answer is not None
    return answer


def refused(answer: BesideOthers) -> str:
    assert answer.effect is None
    assert answer.refused is not None and answer.refused.endswith(".")
    return answer.refused


def test_a_shock_of_all_misleads_before_and_after_and_not_the_comparison_beside_others(
    store: Store,
):
    put(store, "a", 1, effect=EFFECT)
    put(store, "b", 2)
    put(store, "c", 3)
    store.put_event("release", "12", at=AT, monitor="a", actor="tests")
    told = found(store, settings("abc"))
    assert told.effect is not None and told.effect.low is not None
    assert told.effect.low > EFFECT + 0.1  # the shock is put down to the release
    assert told.effect.value == pytest.approx(EFFECT + SHOCK, abs=0.1)
    answer = told.beside
    assert answer is not None and answer.effect is not None
    assert answer.others == ("b", "c") and not answer.is_relative
    assert answer.effect.low < EFFECT < answer.effect.high < EFFECT + SHOCK
    assert answer.effect.low > 0
    assert answer.effect.check("others").outcome.value == "warn"  # two are few


def test_a_release_that_did_nothing_is_not_blamed_for_a_shock_of_all(store: Store):
    for seed, name in enumerate("abcdef"):
        put(store, name, seed)
    store.put_event("release", "12", at=AT, monitor="a", actor="tests")
    answer = beside(store, settings("abcdef"))
    assert answer.effect is not None
    assert answer.effect.low < 0 < answer.effect.high


def test_losses_of_different_targets_are_compared_in_shares(store: Store):
    put(store, "a", 3, effect=EFFECT)
    put(store, "b", 6, scale=1000, target="clicks")
    put(store, "c", 9, scale=10)
    store.put_event("release", "12", at=AT, monitor="a", actor="tests")
    answer = beside(store, settings("abc", targets={"b": "clicks"}))
    assert answer.is_relative and answer.effect is not None
    assert answer.effect.value == pytest.approx(EFFECT / 3, abs=0.03)


def test_others_with_an_event_of_their_own_or_without_the_windows_are_left_out_and_named(
    store: Store,
):
    put(store, "a", 1, effect=EFFECT)
    put(store, "b", 2)
    put(store, "c", 3, effect=5.0)
    put(store, "d", 4, days=range(-BEFORE, 2))
    put(store, "e", 5)
    store.put_event("release", "12", at=AT, monitor="a", actor="tests")
    store.put_event("fix", "join", at=AT + timedelta(days=1), monitor="c", actor="tests")
    store.put_event("release", "old", at=AT - timedelta(days=40), monitor="b", actor="tests")
    store.put_event("other", "a sale", at=AT, monitor="e", actor="tests")
    answer = beside(store, settings("abcde"))
    assert answer.others == ("b", "e")
    assert {o.monitor: o.reason for o in answer.left_out} == {
        "c": "it had an event of its own meanwhile",
        "d": "it has no loss in some of the windows",
    }


def test_no_more_others_are_read_than_the_bound_and_those_left_are_named(
    store: Store, monkeypatch: pytest.MonkeyPatch
):
    for seed, name in enumerate("abcd"):
        put(store, name, seed)
    store.put_event("release", "12", at=AT, monitor="a", actor="tests")
    monkeypatch.setattr(event_beside, "_MOST_OTHERS", 2)
    answer = beside(store, settings("abcd"))
    assert answer.others == ("b", "c")
    assert [(o.monitor, o.reason) for o in answer.left_out] == [("d", "2 others are enough")]


def test_there_is_no_number_without_somebody_left_alone(store: Store):
    put(store, "a", 1)
    put(store, "b", 2)
    store.put_event("release", "12", at=AT, monitor="a", actor="tests")
    assert "No other monitor has a loss" in refused(beside(store, settings("a")))
    assert "c: it has no loss in some" in refused(beside(store, settings("ac")))
    store.put_event("release", "13", at=AT + timedelta(days=2), actor="tests", monitor="b")
    assert "b: it had an event of its own" in refused(beside(store, settings("ab")))


def test_the_nearest_windows_on_either_side_are_compared(
    store: Store, monkeypatch: pytest.MonkeyPatch
):
    put(store, "a", 1, effect=EFFECT)
    put(store, "b", 2, days=range(-5, 4))
    store.put_event("release", "12", at=AT, monitor="a", actor="tests")
    assert "b: it has no loss in some" in refused(beside(store, settings("ab")))
    monkeypatch.setattr(event_beside, "_MOST_WINDOWS", 4)
    answer = beside(store, settings("ab"))
    assert answer.effect is not None and answer.effect.n == 8


def test_an_event_of_all_monitors_has_nobody_beside_it(store: Store):
    put(store, "a", 1)
    put(store, "b", 2)
    store.put_event("release", "12", at=AT, monitor=None, actor="tests")
    assert refused(beside(store, settings("ab"))) == (
        "It is about all monitors: none was left alone."
    )


def test_too_few_windows_are_refused_before_others_are_read(store: Store):
    put(store, "a", 1, days=range(-BEFORE, 2))
    store.put_event("release", "12", at=AT, monitor="a", actor="tests")
    assert refused(beside(store, settings("ab"))) == (
        "Too few windows after the event: 2, and 3 are needed."
    )


def test_only_monitors_of_the_same_calendar_with_a_loss_and_a_model_of_their_own_compare():
    config = settings(
        "ab",
        more="""
  - {name: same, source: {files: "a/*.parquet", time_column: at},
     columns: {target: paid, prediction: said}}
  - {name: hourly, source: {files: "h/*.parquet", time_column: at}, window: {every: 1h},
     columns: {target: price, prediction: said}}
  - {name: counted, source: {files: "n/*.parquet", time_column: at}, window: {rows: 100},
     columns: {target: price, prediction: said}}
  - {name: lossless, source: {files: "l/*.parquet", time_column: at}, columns: {target: price}}
  - {name: late, source: {files: "t/*.parquet", time_column: at},
     window: {every: 1d, length: 1d, label_delay: 3d}, columns: {target: price, prediction: said}}
""",
    )
    assert [m.name for m in others_of(config.monitors[0], config.monitors)] == ["b", "late"]
    counted = config.monitor_named("counted")
    assert others_of(counted, config.monitors) == ()


def test_a_new_window_of_another_monitor_is_a_new_question(store: Store):
    put(store, "a", 1)
    put(store, "b", 2, days=range(-BEFORE, 7))
    store.put_event("release", "12", at=AT, monitor="a", actor="tests")
    events = store.list_events(monitor="a")
    asked = EffectsRequest.of(store, "a", events, ["b"])
    assert EffectsRequest.of(store, "a", events, ["b"]) == asked
    put(store, "b", 2, days=[7])
    assert EffectsRequest.of(store, "a", events, ["b"]) != asked


def test_the_page_and_the_api_tell_both_estimates(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/w.db"
    with open_store(url) as store:
        put(store, "a", 1, effect=EFFECT)
        put(store, "b", 4, scale=1000, target="clicks")
        put(store, "c", 7)
        store.put_event("release", "12", at=AT, monitor="a", actor="tests")
    config = settings("abc", targets={"b": "clicks"}, url=url)
    with served(FakeDaemon(config, open_store(url), now=AT + timedelta(days=AFTER))) as there:
        answer = there.client.get("/api/v1/monitors/a/events", params={"effects": "yes"})
        assert answer.status_code == 200, answer.text
        told = answer.json()["events"][0]["effect_on_loss"]
        assert told["effect"]["low"] > EFFECT
        found = told["beside_others"]
        assert (found["others"], found["relative"], found["refused"]) == (["b", "c"], True, None)
        assert found["effect"]["low"] < EFFECT / 4 < found["effect"]["high"]
        shown = there.client.get("/monitors/a", params={"effects": "yes"})
        assert "It raised the absolute error by" in shown.text
        assert "Beside b and c, left alone meanwhile, the absolute error rose by" in shown.text
        assert "% of its mean before" in shown.text
