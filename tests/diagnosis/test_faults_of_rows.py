"""Rows that came twice, not at all, or are no longer let through; since when a fault shows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import whydrift as wd
from tests.diagnosis.worlds import EDGES, houses
from whydrift.discovery.graph import Graph
from whydrift.discovery.snapshot.infer import read_content
from whydrift.discovery.snapshot.row_hash import repeated_rows, row_hashes
from whydrift.discovery.snapshot.schema import Role
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.discovery.snapshot.timeline import Timeline
from whydrift.monitor.diagnosis.compare import compare
from whydrift.monitor.diagnosis.diagnosis import ColumnVerdict, Diagnosis, FaultKind, Verdict
from whydrift.monitor.diagnosis.faults.onset import onset
from whydrift.monitor.diagnosis.faults.registry import Faults, find_faults


def timed(frame: pd.DataFrame, days: float, seed: int) -> pd.DataFrame:
    seconds = np.sort(np.random.default_rng(seed).random(len(frame))) * 86_400 * days
    return frame.assign(when=pd.Timestamp("2026-03-02") + pd.to_timedelta(seconds, unit="s"))


def faults_of(reference: pd.DataFrame, current: pd.DataFrame) -> Faults:
    roles = {"when": Role.TIME} if "when" in reference else {}
    a = Snapshot.from_frame(reference, roles=roles)
    return find_faults(a, Snapshot.from_frame(current, schema=a.schema), a.schema.modelled)


def test_rows_that_came_twice_are_found_and_counted_once():
    current = houses(1_000, 2)
    found = faults_of(houses(1_000, 1), pd.concat([current, current[:150]]))
    (fault,) = (f.fault for f in found.findings)
    assert (fault.kind, fault.columns, fault.repaired) == (FaultKind.ROWS_DUPLICATED, (), True)
    assert fault.share == pytest.approx(150 / 1_150)
    np.testing.assert_array_equal(found.repaired.column("income"), current["income"])


def test_coarse_tables_repeat_rows_by_chance():
    rng = np.random.default_rng(0)
    made = [pd.DataFrame(rng.integers(0, 9, (rows, 4)), columns=list("abcd"))
            for rows in (1_000, 4_000)]  # fmt: skip
    assert Snapshot.from_frame(made[1]).repeats > 500
    assert faults_of(*made).findings == ()


def test_equal_rows_are_those_equal_in_every_column_missing_values_included():
    import pyarrow as pa

    columns = [
        pa.chunked_array([pa.array([1.0, 1.0, -0.0, 0.0, None, None])]),
        pa.chunked_array([pa.array(["a", "b", "c", "c", None, None])]),
    ]
    contents = {str(k): read_content(c) for k, c in enumerate(columns)}
    repeated = repeated_rows(row_hashes(contents, 6), 6)
    assert repeated.tolist() == [False, False, False, True, False, True]


def test_a_timeline_counts_every_row_once_however_coarse():
    times = np.sort(np.random.default_rng(0).random(500)) * 50_000 + 1e9
    fine = Timeline.of(np.r_[times, 1e140])
    assert fine is not None
    assert fine.seconds == 60
    for seconds in (60, 900, 86_400):
        coarse = fine.coarsened(seconds)
        assert sum(coarse.counts) == 500
        assert coarse.first == int(times[0] // seconds)


def test_a_span_without_rows_is_found_with_its_beginning():
    reference, current = timed(houses(3_000, 1), 7, 1), timed(houses(3_000, 2), 7, 2)
    lost = current["when"].between("2026-03-05 06:00", "2026-03-05 20:00")
    found = faults_of(reference, current[~lost])
    (fault,) = (f.fault for f in found.findings)
    assert (fault.kind, fault.columns) == (FaultKind.ROWS_MISSING, ())
    assert fault.first_seen is not None
    began = pd.Timestamp(fault.first_seen).tz_localize(None)
    assert abs(began - pd.Timestamp("2026-03-05 06:00")) < pd.Timedelta("1h")


def test_nights_and_a_first_weekend_are_no_missing_rows():
    def by_day(days: list[int], seed: int) -> pd.DataFrame:
        frame = houses(500 * len(days), seed)
        rng = np.random.default_rng(seed)
        hours = np.sort(np.repeat(days, 500) * 24 + 8 + 10 * rng.random(len(frame)))
        return frame.assign(when=pd.Timestamp("2026-03-02") + pd.to_timedelta(hours, unit="h"))

    week = by_day([0, 1, 2, 3, 4], 1)
    assert faults_of(week, by_day([9, 10, 11, 14, 15], 2)).findings == ()


def test_rows_below_a_limit_that_are_gone_are_a_changed_filter_and_no_shift():
    reference, current = houses(2_000, 1), houses(2_500, 2)
    current = current[current["income"] > -0.5]
    a = Snapshot.from_frame(reference)
    b = Snapshot.from_frame(current, schema=a.schema)
    graph = Graph.from_pairs(EDGES, nodes=a.schema.modelled)
    diagnosis = compare(a, b, graph=graph, target="price")
    assert [f.kind for f in diagnosis.faults] == [FaultKind.FILTER_CHANGED]
    assert "'income' below" in diagnosis.faults[0].evidence
    # No column shows it: the evidence stands among the warnings.
    assert diagnosis.faults[0].evidence in {w.text for w in diagnosis.warnings}
    assert diagnosis.verdict is Verdict.NONE
    assert {c.verdict for c in diagnosis.columns.values()} <= {
        ColumnVerdict.STABLE,
        ColumnVerdict.INHERITED,
    }
    assert diagnosis.remedy.text.startswith("Mend the pipeline: restore the filter of rows.")
    assert Diagnosis.from_dict(diagnosis.to_dict()).faults == diagnosis.faults


def test_a_category_that_is_gone_while_all_else_stays_is_a_changed_filter():
    current = houses(2_500, 2)
    found = faults_of(houses(2_000, 1), current[current["region"] != "west"])
    (fault,) = (f.fault for f in found.findings)
    assert fault.kind is FaultKind.FILTER_CHANGED
    assert "'region' = 'west'" in fault.evidence
    west = found.reference.schema["region"].categories.index("west")
    assert not (found.reference.column("region") == west).any()


@pytest.mark.parametrize("shift", [-2.0, -1.0, 1.0, 2.0])
def test_a_shift_to_one_side_is_no_changed_filter(shift):
    found = faults_of(houses(2_000, 1), houses(2_000, 2, income_shift=shift))
    assert FaultKind.FILTER_CHANGED not in {f.fault.kind for f in found.findings}


def test_a_fault_is_seen_from_the_row_on_from_which_it_is_more_than_usual():
    rng = np.random.default_rng(0)
    shows = rng.random(1_000) < np.where(np.arange(1_000) < 600, 0.05, 0.5)
    assert abs(onset(shows, 0.05) - 600) < 15
    passed = np.zeros(1_000, dtype=bool)
    passed[300:350] = True
    assert onset(passed, 0.0) == 300


def test_missing_values_are_dated_where_a_time_column_is_known():
    reference, current = timed(houses(1_000, 1), 3, 1), timed(houses(1_000, 2), 3, 2)
    current.loc[700:, "rooms"] = np.nan
    (fault,) = (f.fault for f in faults_of(reference, current).findings)
    assert fault.kind is FaultKind.NULL_SPIKE
    assert fault.first_seen is not None
    seen = pd.Timestamp(fault.first_seen).tz_localize(None)
    assert abs(seen - current["when"][700]) < pd.Timedelta("1s")


def test_without_a_time_column_no_date_is_made_up():
    current = houses(500, 2)
    current.loc[::4, "rooms"] = np.nan
    (fault,) = (f.fault for f in faults_of(houses(500, 1), current).findings)
    assert fault.first_seen is None


def test_nanoseconds_are_read_to_the_microsecond():
    stamps = pd.Series(pd.to_datetime([1_772_410_926_143_573_947, 1_772_410_926_143_573_000]))
    window = Snapshot.from_frame(pd.DataFrame({"t": stamps, "x": [1.5, 2.5]}))
    assert window.column("t")[0] == window.column("t")[1]


@pytest.mark.parametrize(("moved", "suspected"), [(1, False), (5, True)])
def test_where_most_columns_move_another_population_is_suspected(moved, suspected):
    rng = np.random.default_rng(0)
    names = [f"c{i}" for i in range(6)]
    before = pd.DataFrame(rng.normal(size=(800, 6)), columns=names)
    after = pd.DataFrame(rng.normal(size=(800, 6)), columns=names)
    after.iloc[:, :moved] += 0.8
    a = Snapshot.from_frame(before)
    graph = Graph.from_pairs([], nodes=tuple(names))
    diagnosis = compare(a, Snapshot.from_frame(after, schema=a.schema), graph=graph)
    assert ("selection_suspected" in {w.code for w in diagnosis.warnings}) is suspected


def test_more_rows_that_are_0_in_every_column_did_not_come_twice():
    rng = np.random.default_rng(3)

    def parked(rows: int, share: float) -> pd.DataFrame:
        return pd.DataFrame(
            {
                name: np.where(rng.random(rows) < share, 0.0, rng.lognormal(size=rows))
                for name in ("speed", "load")
            }
        )

    reference, current = parked(4_000, 0.2), parked(2_000, 0.6)
    schema = Snapshot.from_frame(reference).schema
    windows = [Snapshot.from_frame(table, schema=schema) for table in (reference, current)]
    assert not find_faults(*windows, schema.modelled).findings
    sound = Snapshot.from_frame(parked(2_000, 0.2), schema=schema)
    again = pd.concat([parked(2_000, 0.2)] * 2, ignore_index=True)
    found = find_faults(sound, Snapshot.from_frame(again, schema=schema), schema.modelled)
    assert [f.fault.kind for f in found.findings] == [FaultKind.ROWS_DUPLICATED]


def test_as_many_rows_twice_as_on_some_past_days_are_usual():
    """Copies of 1 to 6 % of the rows, by the day: one more such day is none that loaded twice."""

    def day(seed: int, copies: float) -> pd.DataFrame:
        rows = houses(600, seed)
        return pd.concat([rows, rows[: int(600 * copies)]], ignore_index=True)

    shares = np.random.default_rng(0).lognormal(np.log(0.02), 0.6, 20)
    past = [day(seed, share) for seed, share in enumerate(shares, start=10)]
    kinds = [{f.kind for f in wd.compare(past, day(99, copies)).faults} for copies in (0.06, 0.6)]
    assert FaultKind.ROWS_DUPLICATED not in kinds[0]
    assert FaultKind.ROWS_DUPLICATED in kinds[1]
