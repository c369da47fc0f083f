"""Many windows at once: segments judged, past days read, wherever the work is done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tests.building.parts import window, workers
from whydrift import compare
from whydrift.discovery.snapshot.segments import REST, Segments, read_segments
from whydrift.monitor.building import (
    DaskSettings,
    OneProcess,
    choose_segments,
    connected,
    judge_each,
    segment_pairs,
    snapshots_of_each,
)
from whydrift.monitor.building.build import build, build_segments
from whydrift.monitor.source.base import Rows
from whydrift.monitor.source.files import Files, FilesSource

DAY = datetime(2026, 5, 4, tzinfo=UTC)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> FilesSource:
    """Two days and, after a day without rows, a third: on it y moved in one country alone."""
    folder = tmp_path_factory.mktemp("days")
    for day in (0, 1, 3):
        table = window(2_400, seed=day)
        times = table.column("at").cast(pa.int64()).to_numpy() + day * 86_400_000_000
        y = table.column("y").to_numpy()
        if day == 3:
            y = y + 2.0 * (np.array(table.column("country").to_pylist()) == "de")
        for name, values in (("at", pa.array(times, pa.timestamp("us"))), ("y", pa.array(y))):
            table = table.set_column(table.column_names.index(name), name, values)
        pq.write_table(table, folder / f"{day}.parquet")
    return FilesSource(Files(str(folder)))


def day(number: int) -> Rows:
    start = DAY + timedelta(days=number)
    return Rows(None, "at", start, start + timedelta(days=1))


@pytest.fixture(scope="module")
def dask():
    with workers(1) as address, connected(DaskSettings(address)) as on:
        yield on


@pytest.fixture(params=["here", "dask"])
def on(request):
    return request.getfixturevalue("dask") if request.param == "dask" else OneProcess()


def test_the_segment_that_moved_is_found_among_those_that_did_not(source, on):
    parts = source.parts(day(0))
    choice = choose_segments(parts, Segments(("country",), top=2, min_rows=100))
    kinds = dict.fromkeys(("user", "big", "gappy"), "ignored")
    before = build_segments(parts, choice, kinds=kinds, roles={"at": "time"})
    after = build_segments(source.parts(day(3)), choice, schema=before.whole.schema)
    pairs = segment_pairs([before], after)
    assert [pair.name for pair in pairs] == ["", "fr", "de", REST]
    judge = partial(compare, graph=[("x", "y")], target="y")
    found = dict(judge_each(pairs, judge, on=on))
    verdicts = {name: diagnosis.columns["y"].verdict.value for name, diagnosis in found.items()}
    assert verdicts[""] == verdicts["de"] == "mechanism"
    assert verdicts["fr"] == "stable"
    here = judge(list(pairs[2].reference), pairs[2].current)
    there = found["de"].to_dict()
    assert {k: v for k, v in there.items() if k not in {"id", "seconds"}} == {
        k: v for k, v in here.to_dict().items() if k not in {"id", "seconds"}
    }


def test_a_segment_without_rows_on_one_side_is_not_judged(source):
    parts = source.parts(day(0))
    choice = choose_segments(parts, Segments(("country",), top=4, min_rows=1))
    before = build_segments(parts, choice)
    table = window(500)
    table = table.filter(pc.not_equal(table.column("country"), "es"))
    after = read_segments([table], choice, schema=before.whole.schema)
    assert before.segments["es"].rows > 0
    assert [p.name for p in segment_pairs([before], after)] == ["", "fr", "de", "it"]


def test_past_days_are_read_each_by_one_worker(source, on):
    first = build(source.parts(day(0)), roles={"at": "time"})
    days = [day(k) for k in range(4)]
    found = list(snapshots_of_each(source, days, schema=first.schema, on=on))
    assert [w.rows for w in found] == [2_400, 2_400, 0, 2_400]
    alone = build(source.parts(day(1)), schema=first.schema)
    np.testing.assert_array_equal(found[1].sample, alone.sample)
