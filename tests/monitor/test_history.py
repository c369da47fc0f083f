"""The whole way: files of a configuration, windows in a store, references, a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import whydrift as wd
from tests.monitor.conftest import diagnosis
from whydrift.discovery.errors import ConfigError, NoRows, SourceError
from whydrift.monitor import history as history_module
from whydrift.monitor import past_windows
from whydrift.monitor.config.load import parse_config
from whydrift.monitor.config.monitor import Reference
from whydrift.monitor.diagnosis.alert import AlertKey, AlertKind
from whydrift.monitor.diagnosis.episode import Episode, Step
from whydrift.monitor.history import History
from whydrift.monitor.store import Store, WindowKey
from whydrift.monitor.store.state import (
    AlertChange,
    CheckOutcome,
    Settlement,
    Visit,
    VisitKind,
)
from whydrift.monitor.window.interval import Interval
from whydrift.monitor.window.late import Arrival

PARIS = ZoneInfo("Europe/Paris")
FIRST = datetime(2026, 3, 20, tzinfo=PARIS)
CONFIG = """
version: 1
sources:
  rows:
    files: "{folder}/rows-*.parquet"
    time_column: at
  labels: {{files: "{folder}/labels.parquet"}}
monitors:
  - name: prices
    source: rows
    columns: {{target: y, ignore: [id]{columns}}}
    window: {{{window}, timezone: Europe/Paris}}
    late: {{allow: 3d}}
    reference: {{last: 5d}}
{more}
"""


def rows(day: int, count: int = 480, shift: float = 0.0, version: str = "1") -> pa.Table:
    """Rows of one local day, spread over its hours, in no order."""
    rng = np.random.default_rng(day)
    start = (FIRST + timedelta(days=day)).astimezone(UTC)
    seconds = ((FIRST + timedelta(days=day + 1)).astimezone(UTC) - start).total_seconds()
    times = [start + timedelta(seconds=s) for s in rng.uniform(0, seconds, count)]
    x = rng.normal(size=count) + shift
    return pa.table(
        {
            "id": pa.array(day * 10_000 + np.arange(count)),
            "at": pa.array(times, pa.timestamp("us", tz="UTC")),
            "x": x,
            "land": rng.choice(["DE", "FR", "a|b"], count, p=[0.5, 0.4, 0.1]),
            "version": [version] * count,
            "y": x + rng.normal(size=count),
        }
    )


def history(
    folder: Path, store: Store, window: str = "every: 1d", columns: str = "", more: str = ""
) -> History:
    text = CONFIG.format(folder=folder, window=window, columns=columns, more=more)
    return History.of(parse_config(text), None, store)


def write(folder: Path, day: int, table: pa.Table) -> None:
    pq.write_table(table, folder / f"rows-{day:02}.parquet")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for day in range(12):
        write(tmp_path, day, rows(day))
    return tmp_path


def days(found: History, upto: int) -> tuple[Interval, ...]:
    return found.pending(FIRST, FIRST + timedelta(days=upto))


def test_local_days_are_read_kept_and_found_as_a_reference(folder: Path, store: Store) -> None:
    write(folder, 11, rows(11, shift=2.0))
    found = history(folder, store)
    windows = days(found, 12)
    assert len(windows) == 12
    assert all(a.end == b.start for a, b in pairwise(windows))
    assert min(w.length for w in windows) == timedelta(hours=23)  # 29 March
    for window in windows:
        (record,) = found.record(window)
        assert record.rows == 480
    reference, past = found.reference(windows[-1])
    assert [w.rows for w in reference.windows] == [480] * 5
    result = wd.compare(list(past), found.window(windows[-1]), target="y", graph=[("x", "y")])
    assert result.ranking == ("x",)
    assert result.columns["y"].verdict == "inherited"


def test_reading_twice_changes_nothing(folder: Path, store: Store) -> None:
    found = history(folder, store)
    (window,) = days(found, 1)
    assert found.record(window) == found.record(window)


def test_late_rows_are_taken_up_while_they_are_allowed(folder: Path, store: Store) -> None:
    found = history(folder, store)
    (window,) = days(found, 1)
    found.record(window)
    assert found.refresh(window, window.end).arrival is Arrival.NOTHING
    write(folder, 20, rows(0, count=30))
    late = found.refresh(window, window.end + timedelta(days=1))
    assert (late.arrival, late.change) == (Arrival.RECOMPUTE, 30)
    assert found.window(window).rows == 510
    write(folder, 21, rows(0, count=7))
    late = found.refresh(window, window.end + timedelta(days=4))
    assert (late.arrival, late.change) == (Arrival.TOO_LATE, 7)
    assert found.window(window).rows == 510


def test_late_rows_that_were_read_and_not_judged_are_told_once_more(
    folder: Path, store: Store
) -> None:
    found = history(folder, store)
    (window,) = days(found, 1)
    found.record(window)
    rules = store.put_config("prices", "floor: 0.1")

    def judge(rows: int) -> None:
        said = diagnosis(f"of {rows}") | {"windows": {"current": {"rows": rows}}}
        store.put_result(WindowKey("prices", window), said, config_hash=rules)

    judge(480)
    write(folder, 0, pa.concat_tables([rows(0), rows(0, 20)]))
    soon = window.end + timedelta(days=1)
    for _ in range(2):  # the process may be killed after each time
        late = found.refresh(window, soon)
        assert (late.arrival, late.change) == (Arrival.RECOMPUTE, 20)
    judge(500)
    assert found.refresh(window, soon).arrival is Arrival.NOTHING


def test_rows_of_an_empty_window_that_were_read_and_not_judged_are_told_once_more(
    folder: Path, store: Store
) -> None:
    found = history(folder, store)
    first, window = days(found, 2)
    (folder / "rows-01.parquet").unlink()
    found.record(first)
    found.record(window)
    store.put_visits(
        [Visit("prices", window, VisitKind.FEATURES, CheckOutcome.NO_DATA, window.end)]
    )
    soon = window.end + timedelta(days=1)
    assert found.refresh(window, soon).arrival is Arrival.NOTHING
    write(folder, 1, rows(1))
    for _ in range(2):
        late = found.refresh(window, soon)
        assert (late.arrival, late.change) == (Arrival.RECOMPUTE, 480)


def test_labels_that_come_later_make_a_revision_with_the_same_rows(
    folder: Path, store: Store
) -> None:
    for day in range(12):
        write(folder, day, rows(day).drop_columns(["y"]))
    table = rows(0)
    some = table.select(["id", "y"])
    pq.write_table(some.slice(0, 100), folder / "labels.parquet")
    found = history(folder, store, more="    labels: {source: labels, join: [id]}")
    (window,) = days(found, 1)
    (first,) = found.record(window)
    before = found.window(window)
    pq.write_table(some, folder / "labels.parquet")
    (second,) = found.record(window)
    after = found.window(window)
    assert (first.revision, second.revision) == (1, 2)
    assert (before.summaries["y"].missing, after.summaries["y"].missing) == (380, 0)
    np.testing.assert_array_equal(before.column("x"), after.column("x"))


def test_segments_are_chosen_once_and_add_up_to_the_whole(folder: Path, store: Store) -> None:
    more = "    segments: {by: [land], top: 2, min_rows: 100}"
    found = history(folder, store, more=more)
    windows = days(found, 3)
    for window in windows:
        kept = {r.key.segment: r.rows for r in found.record(window)}
        assert set(kept) == {"", "DE", "FR", r"\rest"}
        assert kept[""] == 480 == kept["DE"] + kept["FR"] + kept[r"\rest"]
    assert found.window(windows[2], segment="DE").rows > 200
    assert len(found.reference(windows[2], segment="FR")[1]) == 2


def test_each_version_of_the_model_is_a_part_of_its_own(folder: Path, store: Store) -> None:
    write(folder, 2, pa.concat_tables([rows(2, 300), rows(2, 180, version="2")]))
    more = "    segments: {by: [land], top: 2, min_rows: 100}"
    found = history(folder, store, columns=", version: version", more=more)
    windows = days(found, 3)
    for window in windows:
        found.record(window)
    kept = store.list_snapshots(monitor="prices", segment="", start=windows[2].start)
    assert {r.part: r.rows for r in kept} == {"1": 300, "2": 180}
    assert found.window(windows[2]).rows == 480
    parts = store.list_snapshots(monitor="prices", segment="DE", start=windows[2].start)
    assert {r.part for r in parts} == {"1", "2"}
    # A part whose rows are gone when the window is read again is empty, not what it was.
    write(folder, 2, rows(2, 300))
    found.record(windows[2])
    assert found.window(windows[2]).rows == 300


def test_a_gap_is_kept_as_an_empty_window_and_is_no_reference(folder: Path, store: Store) -> None:
    (folder / "rows-03.parquet").unlink()
    found = history(folder, store)
    windows = days(found, 5)
    kept = [found.record(window)[0] for window in windows]
    assert [r.rows for r in kept] == [480, 480, 480, 0, 480]
    reference, past = found.reference(windows[4])
    assert len(past) == 3
    assert [reason for _, reason in reference.left_out] == ["it has no rows"]
    with pytest.raises(NoRows, match="no rows"):
        wd.compare(list(past), found.window(windows[3]))


def test_windows_of_so_many_rows_follow_each_other(folder: Path, store: Store) -> None:
    found = history(folder, store, window="rows: 1000")
    windows = found.pending(FIRST, FIRST + timedelta(days=12))
    assert len(windows) == 5
    assert [found.record(w)[0].rows for w in windows] == [1_000] * 5
    assert found.pending(windows[-1].end, FIRST + timedelta(days=12)) == ()


def test_faults_and_drift_keep_a_window_out_of_references(folder: Path, store: Store) -> None:
    found = history(folder, store)
    windows = days(found, 5)
    for window in windows:
        found.record(window)
    digest = store.put_config("prices", "version: 1")
    told = {"schema": "whydrift/diagnosis/1", "stage": "features", "columns": {},
            "seconds": {"total": 0.1}, "whydrift": {"version": "0"}}  # fmt: skip
    for k, (verdict, fault) in enumerate([("none", False), ("none", True), ("mechanism", False)]):
        diagnosis = {**told, "id": f"d{k}", "verdict": verdict, "fault": fault}
        key = next(r.key for r in store.list_snapshots() if r.key.interval == windows[k])
        store.put_result(key, diagnosis, config_hash=digest)
    reference, _ = found.reference(windows[4])
    assert [windows.index(w.interval) for w in reference.windows] == [0, 3]
    assert len(reference.left_out) == 2


def test_a_window_that_was_never_read_is_said_to_be_none(folder: Path, store: Store) -> None:
    found = history(folder, store)
    (window,) = days(found, 1)
    with pytest.raises(SourceError, match="Record it first"):
        found.window(window)
    with pytest.raises(SourceError, match="Record it first"):
        found.refresh(window, window.end)


def test_what_later_windows_brought_does_not_change_one_that_is_read_again(
    folder: Path, store: Store
) -> None:
    table = rows(2)
    new = pa.array(["XX"] * len(table))
    table = table.set_column(table.schema.get_field_index("land"), "land", new)
    write(folder, 2, table.append_column("new", new))
    found = history(folder, store)
    windows = days(found, 3)
    kept = [found.record(window) for window in windows]
    assert [found.record(window) for window in windows] == kept


def test_windows_of_rows_that_slide_go_on_sliding(folder: Path, store: Store) -> None:
    """Asked one by one, or many at once: the same windows."""
    found = history(folder, store, window="rows: 1000, step: 400")
    now = FIRST + timedelta(days=12)
    at_once = found.pending(FIRST, now)
    since, one_by_one = FIRST.astimezone(UTC), []
    while windows := found.pending(since, now, most=1):
        assert found.record(windows[0])[0].rows == 1_000
        one_by_one += windows
        since = windows[0].end
    assert tuple(one_by_one) == at_once
    assert len(at_once) == 12


def test_segments_are_looked_for_until_one_is_large_enough(folder: Path, store: Store) -> None:
    found = history(folder, store)
    windows = days(found, 3)
    found.record(windows[0])  # before anybody asked for segments
    found = history(folder, store, more="    segments: {by: [land], top: 2, min_rows: 300}")
    assert {r.key.segment for r in found.record(windows[0])} == {"", r"\rest"}
    assert {r.key.segment for r in found.record(windows[1])} == {"", "DE", "FR", r"\rest"}


def test_the_last_windows_are_counted_once_for_all_versions(folder: Path, store: Store) -> None:
    for day in range(4):
        write(folder, day, pa.concat_tables([rows(day, 300), rows(day, 180, version="2")]))
    found = history(folder, store, columns=", version: version")
    reference = Reference(last=2)
    found = replace(found, monitor=found.monitor.model_copy(update={"reference": reference}))
    windows = days(found, 4)
    for window in windows:
        found.record(window)
    chosen, past = found.reference(windows[3])
    assert {w.interval for w in chosen.windows} == {*windows[1:3]}
    assert [snapshot.rows for snapshot in past] == [480, 480]


def test_a_column_that_was_never_there_is_told(folder: Path, store: Store) -> None:
    found = history(folder, store, columns=", prediction: versio")
    (window,) = days(found, 1)
    with pytest.raises(SourceError, match=r"no column 'versio'\. Did you mean 'version'"):
        found.record(window)


@pytest.mark.parametrize("kind", ["continuous", "binary"])
def test_a_target_that_had_no_value_in_the_first_windows_is_taken_up_with_its_labels(
    folder: Path, store: Store, kind: str
) -> None:
    """As always where windows are judged on their features first."""
    labels = pa.concat_tables([rows(day).select(["id", "y"]) for day in range(12)])
    if kind == "binary":
        signs = pa.array(["yes" if y.as_py() > 0 else "no" for y in labels["y"]])
        labels = labels.set_column(1, "y", signs)
    for day in range(12):
        write(folder, day, rows(day).drop_columns(["y"]))
    pq.write_table(labels.slice(11 * 480), folder / "labels.parquet")  # of none of the windows
    found = history(folder, store, more="    labels: {source: labels, join: [id]}")
    windows = days(found, 4)
    first = [found.record(window) for window in windows]
    assert found.window(windows[0]).schema["y"].kind == "ignored"
    assert [found.record(window) for window in windows] == first
    pq.write_table(labels, folder / "labels.parquet")
    for window in windows:
        assert found.record(window)[0].revision == 2
    kept = [found.window(window) for window in windows]
    assert {str(s.schema["y"].kind) for s in kept} == {kind}
    assert {s.schema["y"].role for s in kept} == {"target"}
    assert len({s.schema["y"].categories for s in kept}) == 1
    assert [s.summaries["y"].missing for s in kept] == [0, 0, 0, 0]
    result = wd.compare(kept[:3], kept[3], target="y", graph=[("x", "y")])
    assert result.columns["y"].verdict == "stable"


def test_segments_by_a_column_of_too_many_values_are_refused_beside_versions(
    folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each version has a part of each value, known or not: they would fill the memory."""
    monkeypatch.setattr(history_module, "_MOST_PIECES", 100)
    more = "    segments: {by: [id], top: 2, min_rows: 1}"
    found = history(folder, store, columns=", version: version", more=more)
    (window,) = days(found, 1)
    with pytest.raises(ConfigError, match="more than 100 segments"):
        found.record(window)


def test_the_last_good_windows_are_found_however_far_back_they_lie(
    folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = history(folder, store)
    reference = Reference(last=3)
    found = replace(found, monitor=found.monitor.model_copy(update={"reference": reference}))
    windows = days(found, 12)
    for window in windows:
        found.record(window)
    rules = store.put_config("prices", "floor: 0.1")
    for number, window in enumerate(windows[4:11]):
        store.put_result(
            WindowKey("prices", window), diagnosis(f"d{number}", "mechanism"), config_hash=rules
        )
    store.put_result(
        WindowKey("prices", windows[3]), diagnosis("f") | {"fault": True}, config_hash=rules
    )
    chosen = {}
    for spare in (2, 4, 1000):
        monkeypatch.setattr(past_windows, "_SPARE", spare)
        chosen[spare], past = found.reference(windows[-1])
        assert [w.interval for w in chosen[spare].windows] == list(windows[:3]) and len(past) == 3
    assert chosen[2] == chosen[4] == chosen[1000]
    assert len(chosen[2].left_out) == 8


# ---- alerts over past windows -------------------------------------------------------------------
def firing(
    store: Store, window: Interval, *, last: Interval | None = None, segment: str = ""
) -> None:
    """Keep an alert that a window opened; with ``last`` one that this window resolved."""
    key = AlertKey("y", AlertKind.MECHANISM, segment)
    end = window.end.timestamp()
    episode = Episode(end, end, counted=end, is_firing=True, columns=frozenset({"p"}))
    changes = [AlertChange(key, Step.OPENED, episode, window.end, "o", {"summary": "p changed"})]
    if last is not None:
        changes.append(AlertChange(key, Step.CLOSED, None, last.end, "c", {"summary": "nothing"}))
    digest = store.put_config("prices", "version: 1")
    for n, change in enumerate(changes):
        kind = (VisitKind.FEATURES, VisitKind.LABELS)[n]
        outcome = CheckOutcome.DRIFT
        store.settle(Settlement("prices", window, kind, outcome, digest, alerts=(change,)), None)


def chosen(found: History, windows: Sequence[Interval], **how: object) -> list[int]:
    reference, _ = found.reference(windows[-1], **how)  # type: ignore[arg-type]
    return [windows.index(window.interval) for window in reference.windows]


def test_windows_within_an_alert_are_no_reference_whatever_they_show_by_themselves(
    folder: Path, store: Store
) -> None:
    """As of a model that changed, a slow drift, or a window that could not be decided."""
    found = history(folder, store)
    windows = days(found, 6)
    for window in windows:
        found.record(window)
    firing(store, windows[3])
    assert chosen(found, windows) == [0, 1, 2]
    reference, _ = found.reference(windows[-1])
    assert [reason for _, reason in reference.left_out] == [
        "it lies within an alert that nobody accepted (mechanism)"
    ] * 2
    accepted = {"accepted_from": windows[3].start, "accepted_until": windows[4].end}
    assert chosen(found, windows, **accepted) == [3, 4]


def test_what_came_after_an_alert_is_a_reference_again(folder: Path, store: Store) -> None:
    found = history(folder, store)
    windows = days(found, 6)
    for window in windows:
        found.record(window)
    firing(store, windows[1], last=windows[3])
    assert chosen(found, windows) == [0, 3, 4]


def test_an_alert_of_a_segment_leaves_the_whole_alone_and_one_of_the_whole_no_segment(
    folder: Path, store: Store
) -> None:
    found = history(folder, store, more="    segments: {by: [land], top: 2, min_rows: 100}")
    windows = days(found, 5)
    for window in windows:
        found.record(window)
    firing(store, windows[3], segment="DE")
    assert chosen(found, windows) == [0, 1, 2, 3]
    assert chosen(found, windows, segment="DE") == [0, 1, 2]
    firing(store, windows[2])
    assert chosen(found, windows, segment="FR") == [0, 1]


def test_an_alert_as_long_as_the_reference_does_not_starve_it(folder: Path, store: Store) -> None:
    """What shows nothing by itself counts then: else no window would be judged ever again."""
    found = history(folder, store)
    windows = days(found, 8)
    for window in windows:
        found.record(window)
    firing(store, windows[1])
    rules = store.put_config("prices", "floor: 0.1")
    loud = diagnosis("loud", "covariate")
    store.put_result(WindowKey("prices", windows[4]), loud, config_hash=rules)
    assert chosen(found, windows[:6]) == [0]  # of the last five days
    assert chosen(found, windows) == [2, 3, 5, 6]
    reference, _ = found.reference(windows[-1])
    assert [reason for _, reason in reference.left_out] == ["it shows a drift that nobody accepted"]


def test_a_window_within_an_alert_that_was_mended_is_a_reference_again(
    folder: Path, store: Store
) -> None:
    found = history(folder, store)
    windows = days(found, 6)
    for window in windows:
        found.record(window)
    firing(store, windows[2])
    rules = store.put_config("prices", "floor: 0.1")
    whole = {"fault": False, "conditional_shift": None, "prediction": None, "graph_change": []}
    for number, window in enumerate(windows[2:5]):
        said = {**diagnosis(f"d{number}", "mechanism" if number == 0 else "none"), **whole}
        store.put_result(WindowKey("prices", window), said, config_hash=rules)
    assert chosen(found, windows) == [0, 1]
    mended = {**diagnosis("again"), **whole}
    store.put_result(WindowKey("prices", windows[2]), mended, config_hash=rules)
    assert chosen(found, windows) == [0, 1, 2]
