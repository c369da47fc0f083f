"""Parts of windows for tests, and a cluster: importable, since workers import them too."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from whydrift.discovery import SourceError
from whydrift.monitor.source.base import Tell, untold


@dataclass(frozen=True)
class ParquetPart:
    """Row groups of a file; slow, broken or gone where a test wants it so."""

    path: str
    groups: tuple[int, ...] = ()
    seconds: float = 0.0  # before the first batch
    fault: str = ""  # "gone": cannot be read; "bug": raises what is no error of ours

    @property
    def where(self) -> str:
        return f"{Path(self.path).name}[{','.join(map(str, self.groups))}]"

    @property
    def rows(self) -> int | None:
        return None  # so that none is read together with another

    @property
    def repeats(self) -> bool:
        return True

    def batches(self, tell: Tell = untold) -> Iterator[pa.RecordBatch]:
        time.sleep(self.seconds)
        if self.fault == "gone":
            raise SourceError("there is no such file", where=self.where, remedy="Look again")
        if self.fault == "bug":
            raise ZeroDivisionError("one part too many")
        yield from pq.ParquetFile(self.path).iter_batches(65_536, row_groups=list(self.groups))


def window(rows: int, seed: int = 0) -> pa.Table:
    """Rows of one day, with all that a Snapshot counts."""
    rng = np.random.default_rng(seed)
    start = np.datetime64("2026-05-04", "us")
    x = rng.normal(size=rows)
    return pa.table(
        {
            "at": start + np.sort(rng.integers(0, 86_400_000_000, rows)).astype("timedelta64[us]"),
            "user": [f"u{k}" for k in rng.integers(0, 300, rows)],
            "country": rng.choice(["fr", "de", "it", "es"], rows, p=[0.6, 0.3, 0.07, 0.03]),
            "x": x,
            "big": 1e9 + rng.normal(size=rows),
            "gappy": pa.array(rng.normal(size=rows), mask=rng.random(rows) < 0.2),
            "y": 0.7 * x + rng.normal(size=rows),
        }
    )


def parts_of(table: pa.Table, folder: Path, count: int) -> tuple[ParquetPart, ...]:
    """Write a table in row groups, and return one part for each."""
    path = folder / "window.parquet"
    pq.write_table(table, path, row_group_size=-(-table.num_rows // count))
    return tuple(ParquetPart(str(path), (k,)) for k in range(count))


@contextmanager
def workers(count: int = 2, **options: object) -> Iterator[str]:
    """Run a scheduler and worker processes on this machine; gives the scheduler's address."""
    from distributed import LocalCluster

    settings = {
        "n_workers": count, "threads_per_worker": 1, "processes": True, "host": "127.0.0.1",
        "dashboard_address": "127.0.0.1:0", "silence_logs": 50, "scheduler_port": 0, **options,
    }  # fmt: skip
    with LocalCluster(**settings) as cluster:
        yield cluster.scheduler_address
