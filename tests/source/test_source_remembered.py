"""Of thousands of past files a check opens those that may hold rows of its window, not others."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from whydrift.discovery.snapshot.note import Note
from whydrift.monitor.source import files as files_module
from whydrift.monitor.source.base import Rows
from whydrift.monitor.source.files import Files, FilesSource
from whydrift.monitor.source.remembered import KnownFiles
from whydrift.monitor.source.storage import Stored

FIRST = datetime(2026, 5, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> KnownFiles:
    """Nothing is known yet; and what was written for this test was so a minute ago."""
    made = KnownFiles(clock=lambda: time.time() + 60)
    monkeypatch.setattr(files_module, "_KNOWN", made)
    return made


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of files that are opened."""
    names: list[str] = []
    original = Stored.open

    def noted(self: Stored) -> object:
        names.append(Path(self.address).name)
        return original(self)

    monkeypatch.setattr(Stored, "open", noted)
    yield names


def write(folder: Path, hour: int, value: float = 0.0, rows: int = 4) -> Path:
    at = [FIRST + hour * HOUR + timedelta(minutes=m) for m in range(rows)]
    times = pa.array(at, pa.timestamp("us", tz="UTC"))
    path = folder / f"{hour:03}.parquet"
    parquet.write_table(pa.table({"at": times, "x": [value] * rows}), path)
    return path


def window(folder: Path, hour: int, pattern: str = "*.parquet") -> list[float]:
    source = FilesSource(Files(str(folder / pattern), "at"))
    start = FIRST + hour * HOUR
    parts = source.parts(Rows(("x",), "at", start, start + HOUR))
    return [value for p in parts for batch in p.batches() for value in batch["x"].to_pylist()]


def test_a_second_window_opens_its_own_file_alone(tmp_path, opened):
    for hour in range(30):
        write(tmp_path, hour, float(hour))
    assert window(tmp_path, 7) == [7.0] * 4 and len(set(opened)) == 30
    opened.clear()
    assert window(tmp_path, 21) == [21.0] * 4
    assert set(opened) == {"021.parquet"}
    opened.clear()
    assert FilesSource(Files(str(tmp_path / "*.parquet"), "at")).schema().names == ["at", "x"]
    assert opened == []


def test_a_file_that_came_is_read_and_one_that_went_is_missed(tmp_path, opened):
    for hour in range(3):
        write(tmp_path, hour)
    assert window(tmp_path, 3) == []
    opened.clear()
    write(tmp_path, 3, 3.0)
    assert window(tmp_path, 3) == [3.0] * 4 and set(opened) == {"003.parquet"}
    (tmp_path / "003.parquet").unlink()
    assert window(tmp_path, 3) == []


def test_a_file_that_was_written_anew_under_its_name_with_its_size_and_its_time_is_read(tmp_path):
    write(tmp_path, 0)
    path = write(tmp_path, 1)
    assert window(tmp_path, 5) == [] and window(tmp_path, 1) == [0.0] * 4
    before = path.stat()
    other = tmp_path / "other"
    other.mkdir()
    write(other, 5, 5.0).rename(path)  # another window's rows, and as many bytes
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert window(tmp_path, 5) == [5.0] * 4 and window(tmp_path, 1) == []


def test_what_was_written_a_moment_ago_is_looked_into_each_time(tmp_path, opened, monkeypatch):
    now = time.time()
    monkeypatch.setattr(files_module, "_KNOWN", KnownFiles(clock=lambda: now))  # it stands
    for hour in (0, 1):
        write(tmp_path, hour)
    for _ in range(2):
        opened.clear()
        window(tmp_path, 0)
        assert set(opened) == {"000.parquet", "001.parquet"}


def test_what_had_to_be_mended_is_told_each_time(tmp_path, opened):
    for day in range(2):
        (tmp_path / f"{day}.csv").write_text(f"at,x,x\n2026-05-0{day + 4}T00:10:00Z,1,2\n")
    source = FilesSource(Files(str(tmp_path / "*.csv"), "at"))
    told: list[list[Note]] = []
    for _ in range(2):
        notes: list[Note] = []
        source.parts(Rows(None, "at", FIRST, FIRST + HOUR), notes.append)
        told.append(notes)
        opened.append("-")
    assert told[0] == told[1] and {n.code for n in told[0]} == {"duplicate_name"}
    assert opened[opened.index("-") + 1 :] == ["-"]  # heads of text are remembered too


def test_times_of_another_column_are_not_mixed_up(tmp_path):
    both = pa.table(
        {
            "at": pa.array([FIRST], pa.timestamp("us", tz="UTC")),
            "seen": pa.array([FIRST + 9 * HOUR], pa.timestamp("us", tz="UTC")),
        }
    )
    for name in ("a", "b"):
        parquet.write_table(both, tmp_path / f"{name}.parquet")
    source = FilesSource(Files(str(tmp_path / "*.parquet")))
    for column, hour in (("at", 0), ("seen", 9), ("at", 0)):
        start = FIRST + hour * HOUR
        assert len(source.parts(Rows(None, column, start, start + HOUR))) == 2
        assert not source.parts(Rows(None, column, start + HOUR, start + 2 * HOUR))


def test_when_it_is_full_what_is_known_stays_known(tmp_path, opened, monkeypatch):
    small = KnownFiles(most=10, clock=lambda: time.time() + 60)
    monkeypatch.setattr(files_module, "_KNOWN", small)
    for hour in range(20):
        write(tmp_path, hour)
    for _ in range(2):
        opened.clear()
        assert window(tmp_path, 19) == [0.0] * 4
    # A file and its one row group are two: five are known, and not pushed out by the others.
    assert len(set(opened)) == 15
