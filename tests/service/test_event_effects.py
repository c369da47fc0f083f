"""What an event did to the loss: rows that changed are no effect, and no number without grounds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.config.load import parse_config
from whydrift.monitor.config.monitor import Monitor
from whydrift.monitor.service import window_losses
from whydrift.monitor.service.event_effects import (
    EventEffect,
    effect_of_windows,
    effects_of_events,
)
from whydrift.monitor.store import open_store
from whydrift.monitor.store.records import WindowKey
from whydrift.monitor.store.state import EventRecord
from whydrift.monitor.window.interval import Interval

EVENT = EventRecord(
    1, datetime(2026, 5, 10, tzinfo=UTC), "prices", "release", "tests", "model 12"
)  # fmt: skip


def monitor(columns: str = "target: price, prediction: said") -> Monitor:
    text = f"""
version: 1
store: {{url: "sqlite:///none.db"}}
monitors:
  - name: prices
    source: {{files: "none/*.parquet", time_column: at}}
    columns: {{{columns}}}
    window: {{every: 1d}}
    loss: absolute_error
"""
    return parse_config(text).monitors[0]


def windows(
    seed: int, *, shift: float = 0.0, effect: float = 0.0, before: int = 10, after: int = 10,
    rows: int = 300, trend: float = 0.0, wobble: float = 0.02, missing: float = 0.0,
) -> tuple[list[Snapshot], list[Snapshot]]:  # fmt: skip
    """Return windows whose error grows with ``income``, and by ``effect`` after the event."""
    rng = np.random.default_rng(seed)
    schema, found = None, []
    for number in range(before + after):
        is_after = number >= before
        income = rng.normal(shift * is_after, 1, rows)
        country = rng.choice(["DE", "FR"], rows, p=[0.3, 0.7] if is_after else [0.6, 0.4])
        mean = 3 + 0.8 * income + 0.5 * (country == "FR") + effect * is_after + trend * number
        error = mean + rng.normal(0, wobble) + rng.normal(0, 0.3, rows)
        income[rng.random(rows) < missing] = np.nan
        said = rng.normal(0, 1, rows)
        frame = {"income": income, "country": country, "said": said, "price": said + error}
        window = Snapshot.from_frame(
            pa.table(frame), schema=schema, roles={"price": "target", "said": "prediction"},
        )  # fmt: skip
        schema = window.schema
        found.append(window)
    return found[:before], found[before:]


def refused(answer: EventEffect) -> str:
    assert answer.effect is None
    assert answer.refused is not None and answer.refused.endswith(".")
    return answer.refused


def test_rows_that_changed_are_no_effect_of_the_event():
    found = effect_of_windows(EVENT, monitor(), *windows(1, shift=0.8))
    assert found.effect is not None
    assert found.loss_before is not None and found.loss_after is not None
    assert found.loss_after - found.loss_before > 0.5
    assert found.effect.low is not None and found.effect.high is not None
    assert found.effect.low < 0 < found.effect.high
    assert abs(found.effect.value or 0) < 0.05
    assert "said" not in found.effect.adjustment


def test_an_effect_is_found_beneath_rows_that_changed():
    found = effect_of_windows(EVENT, monitor(), *windows(2, shift=0.8, effect=-0.4))
    assert found.effect is not None
    assert found.loss_after > found.loss_before  # what the lines on a dashboard say
    assert found.effect.value == pytest.approx(-0.4, abs=0.05)
    assert found.effect.high < 0
    assert found.effect.check("placebo").outcome.value == "pass"


def test_a_loss_that_moved_before_is_told():
    found = effect_of_windows(EVENT, monitor(), *windows(3, trend=0.1))
    assert found.effect is not None
    assert found.effect.check("placebo").outcome.value == "warn"


def test_missing_values_cost_no_rows():
    found = effect_of_windows(EVENT, monitor(), *windows(4, effect=0.3, missing=0.3))
    assert found.effect is not None
    assert found.effect.n == 20 * 300
    assert found.effect.value == pytest.approx(0.3, abs=0.06)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"after": 2}, "Too few windows after the event: 2, and 3 are needed."),
        ({"before": 0}, "Too few windows before the event: 0, and 3 are needed."),
        ({"shift": 6.0}, "counterpart"),
    ],
)  # fmt: skip
def test_there_is_no_number_without_windows_or_overlap(given, words):
    assert words in refused(effect_of_windows(EVENT, monitor(), *windows(5, **given)))


def test_windows_without_labels_do_not_count():
    before, after = windows(6)
    bare = [
        Snapshot.from_frame(
            pa.table({"income": np.arange(9.0), "country": ["DE"] * 9, "said": np.arange(9.0)})
        )
        for _ in after
    ]  # fmt: skip
    found = effect_of_windows(EVENT, monitor(), before, [*bare, *after[:1]])
    assert refused(found) == (
        "Too few windows after the event: 1 (10 without labels), and 3 are needed."
    )


def test_a_monitor_without_a_loss_has_no_effects():
    found = effect_of_windows(EVENT, monitor("target: price"), *windows(7))
    assert "no target and prediction" in refused(found)


def test_names_of_columns_do_not_get_in_the_way():
    before, after = windows(8, effect=0.2)
    taken = {"income": "window", "country": "absolute_error"}

    def renamed(window: Snapshot) -> Snapshot:
        columns = {taken.get(n, n): window.column(n) for n in window.sampled}
        roles = {"price": "target", "said": "prediction"}
        kinds = {"absolute_error": "categorical"}
        return Snapshot.from_frame(pa.table(columns), roles=roles, kinds=kinds)

    found = effect_of_windows(EVENT, monitor(), *(list(map(renamed, s)) for s in (before, after)))
    assert found.effect is not None, found.refused
    assert {"window", "absolute_error"} <= set(found.effect.adjustment)


def test_few_windows_on_one_side_make_a_wide_interval():
    def width(before: int, after: int) -> float:
        found = effect_of_windows(
            EVENT, monitor(), *windows(9, before=before, after=after, wobble=0.2)
        )
        assert found.effect is not None and found.effect.low is not None
        return found.effect.high - found.effect.low

    assert width(20, 3) > 2 * width(20, 20)


def test_intervals_hold_the_truth_as_often_as_they_say():
    held = 0
    for seed in range(40):
        given = windows(
            100 + seed, shift=0.6, effect=0.2, before=12, after=4, rows=100, wobble=0.05
        )
        effect = effect_of_windows(EVENT, monitor(), *given).effect
        assert effect is not None and effect.low is not None
        held += effect.low <= 0.2 <= effect.high
    assert held >= 35


def test_windows_are_read_from_the_event_outwards_within_a_bound_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    before, after = windows(10, before=8, after=6)
    with open_store(f"sqlite:///{tmp_path}/w.db") as store:
        for number, window in enumerate([*before, *after]):
            start = EVENT.at + timedelta(days=number - 8)
            interval = Interval(start, start + timedelta(days=1))
            store.put_snapshot(WindowKey("prices", interval), window)
        store.put_event("release", "12", at=EVENT.at, monitor="prices", actor="tests")
        monkeypatch.setattr(window_losses, "_MOST_BYTES", 4 * before[0].sample.nbytes)
        events = store.list_events(monitor="prices")
        found = effects_of_events(store, monitor(), events)[events[0].id]
        assert [len(found.before), len(found.after)] == [4, 4]
        assert found.before[-1].end == found.after[0].start == EVENT.at
        assert found.before[0].end < found.before[-1].end
