"""Rows come batch by batch: bounded memory, each row once, whatever breaks on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.service.served import until
from whydrift import Snapshot, compare, read_snapshot
from whydrift.discovery.errors import SchemaError, SourceError
from whydrift.monitor.source import delimited
from whydrift.monitor.source.base import Rows
from whydrift.monitor.source.reading import Cancelled, stream
from whydrift.monitor.source.retry import Retry
from whydrift.monitor.source.snapshots import snapshot_of
from whydrift.monitor.source.times import Times
from whydrift.monitor.source.trouble import Interrupted

TABLE = pa.table({"a": np.arange(10.0), "b": ["x", "y"] * 5})


@dataclass
class Breaking:
    """A part of ten rows that breaks off before the rows that ``breaks`` names, one time each."""

    breaks: list[int] = field(default_factory=list)
    repeats: bool = True
    error: type[SourceError] = Interrupted
    where: str = "breaking"
    rows: int | None = 10
    opened: int = 0

    def batches(self, tell: object = None) -> Iterator[pa.RecordBatch]:
        self.opened += 1
        for row in range(10):
            if row in self.breaks:
                self.breaks.remove(row)
                raise self.error("it broke", where=self.where, remedy="Mend it")
            yield TABLE.slice(row, 1).to_batches()[0]


@dataclass
class Single:
    """A source of one part, or of several."""

    parted: list[Breaking]
    where: str = "single"
    time_column: str | None = None

    def schema(self) -> pa.Schema:
        return TABLE.schema

    def parts(self, rows: Rows, tell: object = None) -> list[Breaking]:
        return self.parted


def retry(waits: list[float] | None = None, attempts: int = 5) -> Retry:
    told: list[float] = [] if waits is None else waits
    return Retry(attempts=attempts, sleep=told.append, spread=lambda: 0.0)


def test_what_breaks_off_goes_on_where_it_was_and_no_row_counts_twice():
    parts = [Breaking([4, 7]), Breaking(), Breaking([0])]
    waits: list[float] = []
    snapshot = snapshot_of(Single(parts), Rows(), retry=retry(waits))
    assert snapshot.rows == 30 and snapshot.summaries["a"].mean == 4.5
    assert [part.opened for part in parts] == [3, 1, 2]
    assert waits == [0.5, 0.5, 0.5]  # each failure gave something new before


def test_waits_double_and_the_last_error_is_told():
    waits: list[float] = []
    part = Breaking([4, 4, 4, 4, 4, 4])
    part.breaks = [4] * 6
    with pytest.raises(Interrupted, match="it broke"):
        list(stream(Single([part]), Rows(), retry=retry(waits, attempts=5)))
    assert waits == [0.5, 1.0, 2.0, 4.0]


def test_rows_that_come_in_another_order_each_time_are_read_from_the_start():
    first, second = Breaking(), Breaking([5], repeats=False)
    snapshot = snapshot_of(Single([first, second]), Rows(), retry=retry())
    assert snapshot.rows == 20 and snapshot.summaries["a"].mean == 4.5
    assert (first.opened, second.opened) == (2, 2)


def test_what_is_wrong_for_good_is_told_at_once():
    part, waits = Breaking([5], error=SourceError), []
    with pytest.raises(SourceError, match="it broke"):
        list(stream(Single([part]), Rows(), retry=retry(waits)))
    assert part.opened == 1 and waits == []


def test_reading_can_be_given_up_between_batches():
    part = Breaking()
    asked = iter([False] * 3 + [True])
    with pytest.raises(Cancelled):
        snapshot_of(Single([part]), Rows(), cancel=lambda: next(asked))


def test_progress_tells_rows_their_number_in_all_and_the_speed():
    told: list[tuple[str, int, int]] = []
    ticks = iter(np.arange(100.0))
    list(stream(Single([Breaking(), Breaking()]), Rows(), clock=lambda: next(ticks),
                progress=lambda *step: told.append(step)))  # fmt: skip
    assert told[-1] == ("reading single: 1 rows/s", 20, 20)


# ---- the same answer ---------------------------------------------------------------------------
def frame(rows: int, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    income = rng.normal(50, 10, rows)
    at = pd.Timestamp("2026-05-01") + pd.to_timedelta(rng.integers(0, 86_400, rows), unit="s")
    return pd.DataFrame(
        {"at": at, "income": income, "price": 2 * income + rng.normal(size=rows),
         "region": rng.choice(["north", "south"], rows)}
    )  # fmt: skip


@pytest.mark.parametrize("written", ["parquet", "csv"])
def test_small_files_give_the_very_answer_of_the_frame(tmp_path, written):
    reference, current = frame(900), frame(700, seed=2)
    files = []
    for name, window in (("reference", reference), ("current", current)):
        files.append(tmp_path / f"{name}.{written}")
        if written == "csv":
            window.to_csv(files[-1], index=False)
        else:
            window.to_parquet(files[-1], row_group_size=100)
    options = {"target": "price", "time_column": "at"}
    of_files = compare(*files, **options).to_dict()
    of_frames = compare(reference, current, **options).to_dict()
    for answer in (of_files, of_frames):
        for name in ("id", "seconds"):
            del answer[name]
    assert of_files == of_frames


def test_a_window_of_several_batches_is_the_window(tmp_path):
    window = frame(200_000)
    window.to_parquet(tmp_path / "w.parquet", row_group_size=30_000)
    read = read_snapshot(tmp_path / "w.parquet", time_column="at")
    whole = Snapshot.from_frame(
        window, schema=read.schema, kinds={"at": "timestamp"}, roles={"at": "time"}
    )
    assert (read.rows, read.start, read.end) == (whole.rows, whole.start, whole.end)
    assert np.array_equal(read.sample, whole.sample, equal_nan=True)
    assert read.timeline == whole.timeline
    assert read.summaries["region"] == whole.summaries["region"]
    assert read.summaries["income"].mean == pytest.approx(whole.summaries["income"].mean, rel=1e-12)


def test_a_value_that_does_not_fit_late_in_a_large_file_is_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(delimited, "_BLOCK_BYTES", 100_000)
    rows = "\n".join(f"{i % 7}.5,{i}" for i in range(100_000))
    (tmp_path / "t.csv").write_text(f"a,n\n{rows}\noops,2.5\n7.5,3\n")
    snapshot = read_snapshot(tmp_path / "t.csv", kinds={"n": "continuous"})
    assert snapshot.rows == 100_002
    assert (snapshot.summaries["a"].misfit, snapshot.summaries["a"].high) == (1, 7.5)
    assert snapshot.summaries["n"].mean == pytest.approx((sum(range(100_000)) + 5.5) / 100_002)
    assert [n.column for n in snapshot.notes if n.code == "mixed_types"] == ["a"]


def test_the_unit_of_numbers_that_are_times_is_settled_once():
    times = Times("at", "data")
    early = times.read(pa.chunked_array([pa.array([None, None], pa.int64())]))
    assert early.null_count == 2
    assert times.read(pa.chunked_array([[1_777_852_800_000]]))[0].as_py().year == 2026
    assert times.read(pa.chunked_array([[0]]))[0].as_py().year == 1970
    with pytest.raises(SchemaError, match="holds no times"):
        Times("at", "data").read(pa.chunked_array([[7]]))


# ---- memory, and leaving early -----------------------------------------------------------------
_PEAK = """
import resource, sys
from whydrift import read_snapshot
read_snapshot(sys.argv[1])
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
base = peak()
rows = read_snapshot(sys.argv[2], time_column="t").rows
print(rows, peak() - base)
"""


def test_memory_does_not_grow_with_the_rows(tmp_path):
    """A million rows of 50 columns are 400 MB: held as a whole they would take a few times that."""
    rng = np.random.default_rng(0)
    rows = 250_000
    block = {f"c{i}": rng.integers(0, 50, rows) / 2.0 for i in range(49)}
    parquet.write_table(pa.table({"a": [1.0, 2.0], "t": ["x", "y"]}), tmp_path / "small.parquet")
    schema = pa.schema([*((n, pa.float64()) for n in block), ("t", pa.timestamp("us"))])
    with parquet.ParquetWriter(tmp_path / "large.parquet", schema) as sink:
        for start in range(0, 1_000_000, rows):
            seconds = pa.array(np.arange(start, start + rows) * 1_000_000, pa.timestamp("us"))
            sink.write_table(pa.table({**block, "t": seconds}, schema=schema), rows)
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, tmp_path / "small.parquet", tmp_path / "large.parquet"],
        capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    count, megabytes = done.stdout.split()
    assert int(count) == 1_000_000
    assert float(megabytes) < 500, megabytes


def test_an_interrupt_while_reading_leaves_at_once_with_130_and_writes_nothing(tmp_path):
    path = tmp_path / "long.csv"
    row = ",".join(f"{i}.25" for i in range(50)) + "\n"
    with path.open("w") as sink:
        sink.write(",".join(f"c{i}" for i in range(50)) + "\n")
        for _ in range(400):
            sink.write(row * 1_000)
    running = subprocess.Popen(
        [sys.executable, "-m", "whydrift", "compare", path, path, "--json", tmp_path / "d.json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    opened = Path(f"/proc/{running.pid}/fd")
    until(lambda: any(Path(os.path.realpath(fd)) == path for fd in opened.iterdir()))
    running.send_signal(signal.SIGINT)
    asked = time.monotonic()
    _, told = running.communicate(timeout=120)
    assert running.returncode == 130, told
    assert told.strip() == "error: interrupted"
    assert time.monotonic() - asked < 15
    assert not (tmp_path / "d.json").exists()
