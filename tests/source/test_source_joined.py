"""Rows and their labels lie in two places; labels come late, twice, or never. And plug-ins."""

from __future__ import annotations

import pickle
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from whydrift import read_snapshot
from whydrift.discovery.errors import OptionError, SourceError
from whydrift.discovery.snapshot.note import Note
from whydrift.monitor.source import joined as joined_module
from whydrift.monitor.source.base import Rows
from whydrift.monitor.source.files import Files
from whydrift.monitor.source.joined import Joined
from whydrift.monitor.source.reading import stream
from whydrift.monitor.source.registry import Plugin, names, open_source
from whydrift.monitor.source.sql import Sql

DAY = datetime(2026, 5, 4, tzinfo=UTC)


def placed(folder: Path, name: str, **columns: object) -> Files:
    parquet.write_table(pa.table(columns), folder / name)
    at = "ts" if "ts" in columns else "labelled" if "labelled" in columns else None
    return Files(str(folder / name), at)


def joined(rows: Files, labels: Files, keys: tuple[str, ...] = ("id",), **options: object):
    source = open_source(Joined(rows, labels, keys, **options))
    told: list[Note] = []
    return pa.concat_tables(stream(source, Rows(), tell=told.append)), {
        n.code: n.text for n in told
    }


@pytest.fixture(params=["in memory", "on disk"])
def either(request, monkeypatch):
    """Labels held in memory, and labels that do not fit there."""
    if request.param == "on disk":
        monkeypatch.setattr(joined_module, "_HELD_BYTES", 0)


@pytest.mark.usefixtures("either")
def test_each_row_comes_once_in_its_order_with_its_label_or_without(tmp_path):
    rows = placed(tmp_path, "rows", id=[3, 1, 2, None, 5], x=[1.0, 2.0, 3.0, 4.0, 5.0])
    labels = placed(tmp_path, "labels", id=[1, 3, 9, None], price=[10.0, 30.0, 90.0, 0.0])
    table, told = joined(rows, labels)
    assert table.to_pydict() == {
        "id": [3, 1, 2, None, 5], "x": [1.0, 2.0, 3.0, 4.0, 5.0],
        "price": [30.0, 10.0, None, None, None],
    }  # fmt: skip
    assert "2 of 5 rows (40.0%)" in told["labels_partly"]
    assert "1 rows have no id" in told["labels_without_key"]


@pytest.mark.parametrize("name", ["labels", "labels.csv"])
def test_a_table_of_labels_that_has_no_row_yet_leaves_all_rows_without(tmp_path, name):
    rows = placed(tmp_path, "rows", id=[3, 1], x=[1.0, 2.0])
    labels = placed(tmp_path, name, id=pa.array([], pa.int64()), price=pa.array([], pa.float64()))
    if name.endswith(".csv"):
        (tmp_path / name).write_text("id,price\n")
    table, told = joined(rows, labels)
    assert table.to_pydict() == {"id": [3, 1], "x": [1.0, 2.0], "price": [None, None]}
    assert "0 of 2 rows" in told["labels_partly"]


@pytest.mark.usefixtures("either")
def test_of_several_labels_the_last_in_time_counts_and_a_note_says_so(tmp_path):
    rows = placed(tmp_path, "rows", id=["a", "b"])
    times = pa.array([3, 1, 2], pa.timestamp("s"))
    labels = placed(tmp_path, "labels", id=["a", "a", "b"], price=[3, 1, 2], labelled=times)
    table, told = joined(rows, labels)
    assert table.to_pydict() == {"id": ["a", "b"], "price": [3, 2]}
    assert "1 values of id have several labels; the last counts" in told["labels_repeated"]
    assert "labels_partly" not in told


@pytest.mark.usefixtures("either")
def test_without_a_time_the_label_that_is_read_last_counts(tmp_path):
    rows = placed(tmp_path, "rows", id=["a"])
    labels = placed(tmp_path, "labels", id=["a", "a"], price=[1, 2])
    assert joined(rows, labels)[0]["price"].to_pylist() == [2]


@pytest.mark.usefixtures("either")
def test_a_key_of_several_columns_and_of_other_widths(tmp_path):
    rows = placed(tmp_path, "rows", a=pa.array([1, 1, 2], pa.int32()), b=["x", "y", None])
    labels = placed(tmp_path, "labels", a=[1, 1], b=["y", "x"], price=[10, 20], other=[0, 0])
    table, _ = joined(rows, labels, ("a", "b"), label_columns=("price",))
    assert table["price"].to_pylist() == [20, 10, None]
    assert "other" not in table.column_names


def test_many_rows_through_the_disk_are_those_through_memory(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    keys = rng.permutation(200_000)
    rows = placed(tmp_path, "rows", id=keys, x=rng.normal(size=200_000))
    some = rng.choice(keys, 150_000)
    labels = placed(tmp_path, "labels", id=some, price=some * 2.0)
    held, told = joined(rows, labels)
    monkeypatch.setattr(joined_module, "_HELD_BYTES", 100_000)
    spilled, told_of_spilled = joined(rows, labels)
    assert spilled.equals(held) and told_of_spilled == told
    known = held.filter(held["price"].is_valid())
    assert known["price"].to_pylist() == [2.0 * i for i in known["id"].to_pylist()]


def test_keys_that_cannot_be_compared_are_told(tmp_path):
    rows = placed(tmp_path, "rows", id=[1])
    labels = placed(tmp_path, "labels", id=["one"], price=[1])
    with pytest.raises(SourceError, match="'id' is int64 in the rows and string in the labels"):
        joined(rows, labels)


def test_a_key_or_label_that_is_not_there_is_told(tmp_path):
    rows, labels = placed(tmp_path, "rows", id=[1]), placed(tmp_path, "labels", ids=[1], price=[2])
    with pytest.raises(SourceError, match=r"no column 'id'\. Did you mean 'ids'"):
        joined(rows, labels)


def window_of(folder: Path, known: float, rows: int = 40_000):
    """A window of which a share of the labels is in."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=rows)
    seconds = int(DAY.timestamp()) + np.sort(rng.integers(0, 86_400, rows))
    placed(folder, "rows.parquet", id=np.arange(rows), x=x, ts=pa.array(seconds, pa.timestamp("s")))
    there = rng.random(rows) < known
    labelled = pa.array(seconds[there] + 3 * 86_400, pa.timestamp("s"))
    placed(folder, "labels.parquet", id=np.arange(rows)[there], price=2 * x[there],
           labelled=labelled)  # fmt: skip
    settings = Joined(
        Files(str(folder / "rows.parquet"), "ts"),
        Files(str(folder / "labels.parquet"), "labelled"),
        ("id",),
        label_delay=timedelta(days=7),
    )
    return read_snapshot(
        settings, start=DAY, end=DAY + timedelta(days=1),
        kinds={"price": "continuous", "id": "id"}, roles={"price": "target"},
    )  # fmt: skip


def test_labels_that_come_late_give_the_same_window_again_now_with_labels(tmp_path):
    early, late = window_of(tmp_path, 0.3), window_of(tmp_path, 1.0)
    assert early.rows == late.rows == 40_000 and len(early.sample) == 16_384
    assert 0.29 < 1 - early.missing_share("price") < 0.31 and late.missing_share("price") == 0
    for name in ("x", "ts"):
        assert np.array_equal(early.column(name), late.column(name))
    there = np.isfinite(early.column("price"))
    assert np.array_equal(early.column("price")[there], late.column("price")[there])
    assert "labels_partly" in {n.code for n in early.notes}
    assert "labels_partly" not in {n.code for n in late.notes}


def test_labels_are_looked_for_as_long_as_the_delay_and_no_longer(tmp_path):
    rows = placed(tmp_path, "rows", id=[1, 2], ts=pa.array([DAY, DAY]))
    came = pa.array([DAY + timedelta(days=1), DAY + timedelta(days=4)])
    labels = placed(tmp_path, "labels", id=[1, 2], price=[1, 2], labelled=came)
    for days, found in ((0, [None, None]), (2, [1, None]), (4, [1, 2])):
        settings = Joined(rows, labels, ("id",), label_delay=timedelta(days=days))
        source = open_source(settings)
        window = Rows(None, "ts", DAY, DAY + timedelta(days=1))
        assert pa.concat_tables(stream(source, window))["price"].to_pylist() == found


def test_parts_of_every_source_can_be_sent_to_another_process(tmp_path):
    rows = placed(tmp_path, "rows", id=[1], x=[2.0])
    labels = placed(tmp_path, "labels", id=[1], price=[3.0])
    for settings in (rows, Joined(rows, labels, ("id",))):
        part = pickle.loads(pickle.dumps(open_source(settings).parts(Rows())[0]))
        assert [batch.num_rows for batch in part.batches()] == [1]


# ---- plug-ins ----------------------------------------------------------------------------------
_PLUGIN = """
import pyarrow as pa
class Part:
    where, rows, repeats = "lake", 2, True
    def batches(self, tell=None):
        yield pa.record_batch({"a": [1, 2]})
class Lake:
    where, time_column = "lake", None
    def __init__(self, options): self.options = options
    def schema(self): return pa.schema([("a", pa.int64())])
    def parts(self, rows, tell=None): return [Part()] * self.options.get("times", 1)
def broken(options): raise KeyError("bucket")
def half(options): return 7
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A tiny distribution on the path, as pip would have put it there."""
    (tmp_path / "acme_lake.py").write_text(_PLUGIN)
    info = tmp_path / "acme_lake-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-lake\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[whydrift.sources]\nlake = acme_lake:Lake\n"
        "broken = acme_lake:broken\nhalf = acme_lake:half\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("acme_lake", None)


@pytest.mark.usefixtures("installed")
def test_a_package_adds_a_source_by_an_entry_point():
    assert names() == ("files", "sql", "warehouse", "broken", "half", "lake")
    assert read_snapshot(Plugin("lake", {"times": 3})).rows == 6


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("laek", OptionError, "Did you mean 'lake'"),
        ("broken", SourceError, "the plug-in failed .KeyError"),
        ("half", SourceError, "gave a int, which has no 'where'"),
    ],
)
def test_a_plug_in_that_is_missing_or_broken_is_told(name, kind, says):
    with pytest.raises(kind, match=says):
        open_source(Plugin(name))


def test_all_settings_are_offered_by_one_package_which_loads_none_before_it_is_used():
    import subprocess

    script = (
        "import sys, whydrift.monitor.source as s; before = 'whydrift.monitor.source.sql' in "
        "sys.modules; [getattr(s, name) for name in s.__all__]; s.Sql('sqlite://', 'select 1'); "
        "print(before, 'sqlalchemy' in sys.modules, 'ibis' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False", "False"]


def test_labels_of_a_database_are_asked_for_the_window_and_the_delay(tmp_path):
    import sqlite3

    path = tmp_path / "labels.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table labels (id int, price real, ts text)")
        connection.executemany(
            "insert into labels values (?, ?, ?)",
            [(1, 10.0, "2026-05-04 12:00:00"), (2, 20.0, "2026-05-06 12:00:00"),
             (3, 30.0, "2026-05-20 12:00:00")],
        )  # fmt: skip
    connection.close()
    rows = placed(tmp_path, "rows", id=[3, 2, 1], ts=pa.array([DAY] * 3))
    query = "select id, price from labels where ts >= :start and ts < :end"
    for days, found in ((0, [None, None, 10.0]), (7, [None, 20.0, 10.0])):
        settings = Joined(rows, Sql(f"sqlite:///{path}", query), ("id",), None, timedelta(days))
        table = pa.concat_tables(
            stream(open_source(settings), Rows(None, "ts", DAY, DAY + timedelta(days=1)))
        )
        assert table["price"].to_pylist() == found
