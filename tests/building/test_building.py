"""Snapshots of parts: the same wherever, and in whatever order, the parts were read."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from functools import partial
from operator import mul

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.building.parts import ParquetPart, parts_of, window
from whydrift.discovery import ClusterError, OptionError, SchemaError, Snapshot, SourceError
from whydrift.discovery.snapshot.segments import Segments
from whydrift.monitor.building import (
    OneProcess,
    build,
    build_segments,
    choose_segments,
    processes,
    snapshot_on,
)
from whydrift.monitor.building.tree import fold
from whydrift.monitor.source.base import Rows
from whydrift.monitor.source.files import Files, FilesSource
from whydrift.monitor.source.reading import Cancelled
from whydrift.monitor.source.snapshots import snapshot_of

ROLES = {"at": "time"}
TABLE = window(30_000)


@pytest.fixture(scope="module")
def parts(tmp_path_factory) -> tuple[ParquetPart, ...]:
    return parts_of(TABLE, tmp_path_factory.mktemp("parts"), 7)


@pytest.fixture(scope="module")
def once(parts) -> Snapshot:
    return build(parts, roles=ROLES)


@pytest.fixture(scope="module")
def two():
    with processes(2) as on:
        yield on


@pytest.fixture(params=["one", "two"])
def on(request):
    return request.getfixturevalue("two") if request.param == "two" else OneProcess()


def assert_same(one: Snapshot, other: Snapshot) -> None:
    """Counts and sample identical, moments to 1e-9 of their scale."""
    assert (one.schema, one.rows, one.repeats, one.start, one.end, one.timeline) == (
        other.schema, other.rows, other.repeats, other.start, other.end, other.timeline,
    )  # fmt: skip
    np.testing.assert_array_equal(one.sample, other.sample)
    for name, a in one.summaries.items():
        b = other.summaries[name]
        assert (a.missing, a.count, a.low, a.high, a.category_counts) == (
            b.missing, b.count, b.low, b.high, b.category_counts,
        )  # fmt: skip
        if a.mean is not None:
            assert a.mean == pytest.approx(b.mean, rel=1e-9)
            assert a.sd == pytest.approx(b.sd, rel=1e-9)
    a, b = one.totals, other.totals
    np.testing.assert_array_equal(a.co_missing.rows, b.co_missing.rows)
    scale = np.sqrt(np.outer(np.diag(b.moments.cross), np.diag(b.moments.cross)))
    assert (np.abs(a.moments.cross - b.moments.cross) <= 1e-9 * scale).all()


# ---- the tree ---------------------------------------------------------------------------------
@pytest.mark.parametrize("count", range(70))
def test_the_tree_has_one_shape_and_holds_few_results(count):
    held = peak = 0

    def results():
        nonlocal held, peak
        for k in range(count):
            held += 1
            peak = max(peak, held)
            yield str(k)

    def join(some):
        nonlocal held
        held -= len(some) - 1
        return f"({''.join(some)})"

    found = fold(results(), join)
    assert peak <= 3 * (len(np.base_repr(count, 4)) + 1)
    if count == 0:
        assert found is None
    elif count == 7:
        assert found == "((0123)456)"
    else:
        assert found.replace("(", "").replace(")", "") == "".join(map(str, range(count)))


# ---- what comes out ---------------------------------------------------------------------------
def test_parts_build_the_window_that_the_whole_table_is(parts, once):
    assert_same(once, Snapshot.from_batches(TABLE.to_batches(), roles=ROLES))


def test_processes_build_what_one_process_builds(parts, once, two):
    told = []
    found = build(parts, roles=ROLES, on=two, progress=lambda *step: told.append(step))
    assert_same(found, once)
    assert len(told) == 7
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert told[-1][1:] == (30_000, 0)


def test_segments_are_built_wherever_the_whole_is(parts, once, on):
    rule = Segments(("country",), top=2, min_rows=10)
    choice = choose_segments(parts, rule, on=on)
    assert choice.chosen == ("fr", "de")
    found = build_segments(parts, choice, schema=once.schema, on=on)
    assert_same(found.whole, once)
    rows = {key: int(sum(v == key for v in TABLE["country"].to_pylist())) for key in choice.chosen}
    assert {key: segment.rows for key, segment in found.segments.items()} == rows
    assert found.rest.rows == TABLE.num_rows - sum(rows.values())


def test_a_part_without_rows_changes_nothing(parts, once, on):
    empty = replace(parts[0], groups=())
    assert_same(build([empty, *parts, empty], roles=ROLES, on=on), once)
    with pytest.raises(SchemaError, match=r"june: there are no rows"):
        build([empty, empty], where="june", on=on)
    with pytest.raises(SchemaError, match=r"june: there are no rows"):
        build([empty, empty], schema=once.schema, where="june", on=on)


@pytest.mark.parametrize("coarse", [False, True], ids=["any rows", "rows that repeat each other"])
@pytest.mark.parametrize("time", [None, "at"])
def test_a_source_gives_the_same_in_parts_as_in_one_stream(tmp_path, time, coarse, monkeypatch):
    monkeypatch.setattr("whydrift.monitor.source.files._PART_ROWS", 5_000)
    monkeypatch.setattr("whydrift.monitor.building.share._ROWS", 9_000)
    table = window(40_000)
    if coarse:
        table = table.select(["country"]) if time is None else table.select(["at", "country"])
        table = table.set_column(0, table.column_names[0], table.column(0).take([0] * 40_000))
    for day, rows in enumerate((table[:22_000], table[22_000:])):
        pq.write_table(rows, tmp_path / f"{day}.parquet", row_group_size=2_500)
    source = FilesSource(Files(str(tmp_path)))
    rows = Rows(time_column=time)
    roles = {time: "time"} if time else {}
    told = []
    found = snapshot_on(
        source, rows, roles=roles, on=OneProcess(), progress=lambda *step: told.append(step)
    )
    assert_same(found, snapshot_of(source, rows, roles=roles))
    assert told[-1][1:] == (40_000, 40_000)


# ---- what can go wrong ------------------------------------------------------------------------
def test_an_error_names_the_part(parts, once, on):
    gone = [*parts[:2], replace(parts[2], fault="gone"), *parts[3:]]
    with pytest.raises(SourceError, match=r"window.parquet\[2\]: there is no such file"):
        build(gone, schema=once.schema, on=on)
    broken = [*parts[:2], replace(parts[2], fault="bug"), *parts[3:]]
    with pytest.raises(ZeroDivisionError) as caught:
        build(broken, schema=once.schema, on=on)
    assert "while reading window.parquet[2]" in caught.value.__notes__


def test_a_process_that_dies_is_told_with_its_part_and_the_next_work_goes_on(two):
    with pytest.raises(ClusterError, match=r"3: a process ended.*Memory"):
        list(two.map(_exit, [3, 4]))
    assert list(two.map(abs, [-1])) == [1]


def _exit(status: int) -> None:
    import os

    os._exit(status)


def test_work_stops_when_it_is_called_off(parts, once, on):
    slow = [replace(part, seconds=0.2) for part in parts]
    told = []
    with pytest.raises(Cancelled, match=r"window\.parquet"):
        build(
            slow, schema=once.schema, on=on,
            progress=lambda *step: told.append(step), cancel=lambda: len(told) >= 2,
        )  # fmt: skip
    assert len(told) == 2


def test_results_come_in_order_and_few_wait(two):
    held = list(two.map(partial(mul, 3), range(9)))
    assert held == [0, 3, 6, 9, 12, 15, 18, 21, 24]
    asked = []

    class Counted(list):
        def __iter__(self):
            for item in list.__iter__(self):
                asked.append(item)
                yield item

    results = two.map(partial(mul, 3), Counted(range(9)))
    assert next(results) == 0
    assert len(asked) <= 5
    results.close()


def test_a_script_without_a_guard_may_use_processes(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from whydrift.monitor.building import processes\n"
        "with processes(2) as on: print(list(on.map(abs, [-1, -2])))\n"
    )
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.returncode) == ("[1, 2]\n", 0), done.stderr


def test_no_processes_are_refused():
    with pytest.raises(OptionError, match="number of processes"), processes(0):
        pass
