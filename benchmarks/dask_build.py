"""How much faster more workers build a Snapshot, and that a lost one changes nothing.

python benchmarks/dask_build.py window.parquet          # or a folder, glob or address
python benchmarks/dask_build.py --rows 3e6               # makes a file of 20 columns first

The best of ``--repeats``, without the start of processes, each of which computes in one thread. The
speed-up is that of the busiest process in seconds of the processor, so that a machine that does
other work beside it tells the same.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from whydrift import Snapshot
from whydrift.discovery.progress import silent
from whydrift.discovery.snapshot.stream import infer_schema
from whydrift.monitor.building import (
    Cluster,
    DaskSettings,
    OneProcess,
    connected,
    processes,
    snapshot_on,
)
from whydrift.monitor.building.recipe import OfWhole
from whydrift.monitor.building.share import shares_of
from whydrift.monitor.building.tree import fold
from whydrift.monitor.source.base import Rows
from whydrift.monitor.source.opening import as_source

WORKERS = 2
_STEP = 262_144
# As deploy/Dockerfile has it: with Dask's own, each column of a batch is mapped anew.
_WORKER_ENVIRONMENT = {
    "MALLOC_TRIM_THRESHOLD_": 134_217_728, "MALLOC_MMAP_THRESHOLD_": 33_554_432,
    "OMP_NUM_THREADS": 1, "MKL_NUM_THREADS": 1, "OPENBLAS_NUM_THREADS": 1,
}  # fmt: skip


def write_window(path: Path, rows: int) -> None:
    """Write 16 numbers, 3 categories and a time, in row groups of 262,144 rows."""
    writer = None
    for start in range(0, rows, _STEP):
        rng = np.random.default_rng(start)
        count = min(_STEP, rows - start)
        columns: dict[str, Any] = {f"x{k}": rng.normal(size=count).round(4) for k in range(16)}
        columns |= {f"c{k}": rng.choice(["a", "b", "c", "d"], count) for k in range(3)}
        seconds = (1_777_852_800 + (start + np.arange(count)) / 20) * 1e6
        columns["at"] = pa.array(seconds.astype(np.int64), pa.timestamp("us"))
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


@contextmanager
def dask_workers(count: int) -> Iterator[Cluster]:
    import dask.config
    from distributed import LocalCluster

    with (
        dask.config.set({"distributed.nanny.pre-spawn-environ": _WORKER_ENVIRONMENT}),
        LocalCluster(
            n_workers=count, threads_per_worker=1, processes=True, host="127.0.0.1",
            dashboard_address="127.0.0.1:0", silence_logs=50,
        ) as cluster,
        connected(DaskSettings(cluster.scheduler_address)) as workers,
    ):  # fmt: skip
        yield workers


class Killing:
    """Kills one worker as soon as some rows were read."""

    def __init__(self, workers: Cluster) -> None:
        self.workers = workers
        self.killed: int | None = None

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Hear of progress."""
        if self.killed is None:
            self.killed = next(iter(self.workers.map(_pid, [0])))
            os.kill(self.killed, signal.SIGKILL)


def _pid(_: int) -> int:
    return os.getpid()


def in_threads(data: str) -> Snapshot:
    """Read shares in threads of one process: what the interpreter's lock leaves of two cores."""
    shares = shares_of(as_source(data).parts(Rows()))
    head = next(shares[0].tables(lambda note: None))
    recipe = OfWhole(infer_schema(head), 0)
    with ThreadPoolExecutor(WORKERS) as pool:
        found = fold(pool.map(recipe.read, shares), recipe.join)
    assert found is not None
    return found


def is_same(one: Snapshot, other: Snapshot) -> bool:
    """Whether counts and sample are identical, and moments to 1e-9."""
    return (
        one.rows == other.rows
        and np.array_equal(one.sample, other.sample, equal_nan=True)
        and all(
            (a.missing, a.count, a.low, a.high, a.category_counts)
            == ((b := other.summaries[n]).missing, b.count, b.low, b.high, b.category_counts)
            and (a.mean is None or abs(a.mean - b.mean) <= 1e-9 * max(1.0, abs(b.mean)))
            and (a.sd is None or abs(a.sd - b.sd) <= 1e-9 * b.sd)
            for n, a in one.summaries.items()
        )
    )


@dataclass(frozen=True)
class Cost:
    """Seconds of the clock, and of the processor: of all processes, and of the busiest."""

    clock: float
    all: float
    busiest: float


def processor_seconds() -> dict[int, float]:
    """Return what each process of ours has used."""
    import psutil

    me = psutil.Process()
    found = {}
    for process in (me, *me.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            used = process.cpu_times()
            found[process.pid] = used.user + used.system
    return found


def timed(work: Callable[[], Snapshot], repeats: int) -> tuple[Cost, Snapshot]:
    costs = []
    for _ in range(repeats):
        before, began = processor_seconds(), time.perf_counter()
        found = work()
        clock = time.perf_counter() - began
        used = [now - before.get(pid, 0.0) for pid, now in processor_seconds().items()]
        costs.append(Cost(clock, sum(used), max(used)))
    return min(costs, key=lambda cost: cost.busiest), found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", nargs="?")
    parser.add_argument("--rows", type=float, default=3e6)
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    with ExitStack() as stack:
        data = options.data
        if data is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            data = str(Path(folder) / "window.parquet")
            write_window(Path(data), int(options.rows))
        data = data if "://" in data else str(Path(data).resolve())
        measure(data, options.repeats)
    return 0


def measure(data: str, repeats: int) -> None:
    """Print the table."""
    import distributed

    print(f"distributed {distributed.__version__}, pyarrow {pa.__version__}, Python "
          f"{platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n"
          "\n| where | s | processor s, all | processor s, busiest | rows/s of it | speed-up | "
          "same result |\n|---|---|---|---|---|---|---|", flush=True)  # fmt: skip
    source = as_source(data)

    def built(on: Cluster, progress: Any = silent) -> Snapshot:
        return snapshot_on(source, Rows(), on=on, progress=progress)

    first, whole = timed(lambda: built(OneProcess()), repeats)

    def row(name: str, cost: Cost, found: Snapshot) -> None:
        same = "yes" if is_same(found, whole) else "NO"
        print(f"| {name} | {cost.clock:.1f} | {cost.all:.1f} | {cost.busiest:.1f} | "
              f"{found.rows / cost.busiest:,.0f} | {first.busiest / cost.busiest:.2f} | {same} |",
              flush=True)  # fmt: skip

    row("this process", first, whole)
    cost, found = timed(lambda: in_threads(data), repeats)
    print(f"| {WORKERS} threads | {cost.clock:.1f} | {cost.all:.1f} | – | – | – | "
          f"{'yes' if is_same(found, whole) else 'NO'} |", flush=True)  # fmt: skip
    with processes(WORKERS) as on:
        list(on.map(_pid, range(2 * WORKERS)))
        row(f"{WORKERS} processes", *timed(lambda: built(on), repeats))
    with dask_workers(1) as on:
        row("Dask, 1 worker", *timed(lambda: built(on), repeats))
    with dask_workers(WORKERS) as on:
        row(f"Dask, {WORKERS} workers", *timed(lambda: built(on), repeats))
        killing = Killing(on)
        cost, found = timed(lambda: built(on, killing), 1)
        assert killing.killed is not None
        row(f"Dask, {WORKERS} workers, one killed in the middle", cost, found)


if __name__ == "__main__":
    sys.exit(main())
