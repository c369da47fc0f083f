"""What a window costs behind a thousand rows or fifty million.

python benchmarks/scale.py --folder /tmp/scale                # everything; needs 25 GB of disk
python benchmarks/scale.py --folder /tmp/scale --only rows --rows 1e6,1e7
python benchmarks/scale.py --folder /tmp/scale --only columns,compare,workers

*rows*     20 columns, more and more rows: rows a second and peak memory of a Snapshot, beside
           pyarrow merely reading the file, and beside Evidently and whylogs.
*columns*  3,000,000 rows × 1,000 columns: Snapshot and full check.
*compare*  a check of stored Snapshots of windows of very different length.
*workers*  the same Snapshot on one and two Dask workers, one of which is killed in the middle.

Each figure is of a process of its own, on one core where nothing else is said: its seconds without
imports, its peak memory as the kernel counts it, with imports. Files are made once and kept in the
folder. The peers may live in another environment (``--peers PYTHON``).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: one core is one core

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SMALL = 20_000  # rows of the shortest window in *compare*
WIDE_ROWS, WIDE_COLUMNS = 3_000_000, 1_000
STEPS = 65_536  # rows made at once
MOVED = 0.3  # sd; what the current window's first number differs by
ROWS_TO_REACH, MEMORY_TO_REACH, WIDE_MEMORY_TO_REACH = 4.0, 500, 4_000
COUNTRIES = np.array(["DE", "FR", "US", "GB", "IN", "BR", "JP", "PL", "ES", "IT"])
FORMATS = np.array([f"{w}x{h}" for w in (120, 300, 320, 728, 970) for h in (50, 90, 250, 600)])


# ---- data ----------------------------------------------------------------------------------------
def narrow(rows: int, seed: int, shift: float) -> Iterator[pa.Table]:
    """Yield a window of 20 columns: numbers that cause each other, counts, categories, a time."""
    rng = np.random.default_rng(seed)
    countries = pa.DictionaryArray.from_arrays
    for begin in range(0, rows, STEPS):
        n = min(STEPS, rows - begin)
        columns: dict[str, Any] = {
            "ts": pa.array((1_780_000_000_000_000 + 2_000 * np.arange(begin, begin + n)).astype(
                "datetime64[us]"))
        }  # fmt: skip
        values: list[np.ndarray] = []
        for j in range(14):
            value = rng.standard_normal(n) + (shift if j == 0 else 0.0)
            for back, slope in ((1, 0.5), (3, 0.4)):
                if j >= back:
                    value += slope * values[j - back]
            values.append(value)
            columns[f"x{j}"] = np.round(value, 3)
        columns["visits"] = rng.poisson(3.0, n)
        columns["age"] = rng.integers(18, 80, n)
        columns["country"] = countries(
            pa.array(rng.choice(10, n, p=_weights(10)).astype("int32")), pa.array(COUNTRIES)
        )
        columns["format"] = pa.array(FORMATS[rng.choice(20, n, p=_weights(20))])
        columns["is_new"] = rng.random(n) < 0.2
        yield pa.table(columns)


def wide(rows: int, seed: int, shift: float) -> Iterator[pa.Table]:
    """Yield a window of 1,000 columns of coarse values, so that the file stays small."""
    rng = np.random.default_rng(seed)
    levels = pa.array(np.round(np.linspace(-3, 3, 32), 2))
    for begin in range(0, rows, STEPS):
        n = min(STEPS, rows - begin)
        columns: dict[str, Any] = {}
        last = rng.integers(0, 32, n, dtype=np.int8)
        for j in range(WIDE_COLUMNS):
            # Every fifth column has no cause; the others take half of their level from the last.
            level = rng.integers(0, 32, n, dtype=np.int8)
            if j % 5:
                level = (level >> 1) + (last >> 1)
            if shift and j == 0:
                level = np.minimum(level + round(shift * 9.2), 31).astype(np.int8)  # sd 9.2
            columns[f"x{j}"] = pa.DictionaryArray.from_arrays(pa.array(level), levels)
            last = level
        yield pa.table(columns)


def _weights(count: int) -> np.ndarray:
    found = 1.0 / np.arange(1, count + 1)
    return found / found.sum()


def made(path: Path, tables: Iterator[pa.Table], group: int) -> Path:
    """Write a file once; rows are grouped as writers do."""
    if path.exists():
        return path
    began = time.perf_counter()
    part = path.with_suffix(".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    writer, held, rows = None, [], 0
    for table in tables:
        table = table.cast(_plain(table.schema))
        writer = writer or pq.ParquetWriter(part, table.schema)
        held.append(table)
        rows += table.num_rows
        if rows >= group:
            writer.write_table(pa.concat_tables(held))
            held, rows = [], 0
    assert writer is not None
    if held:
        writer.write_table(pa.concat_tables(held))
    writer.close()
    part.rename(path)
    print(f"made {path.name}: {path.stat().st_size / 1e9:.2f} GB, "
          f"{time.perf_counter() - began:.0f} s", file=sys.stderr)  # fmt: skip
    return path


def _plain(schema: pa.Schema) -> pa.Schema:
    """Return columns as a user's file has them: values, not codes."""
    kinds = [f.type.value_type if pa.types.is_dictionary(f.type) else f.type for f in schema]
    return pa.schema(list(zip(schema.names, kinds, strict=True)))


# ---- what is measured, each in a process of its own --------------------------------------------
def base(_: list[str]) -> dict[str, Any]:
    """Import what is needed, and nothing more."""
    import pyarrow.dataset

    import whydrift.discovery.snapshot.stream

    return {"imported": bool(pyarrow.dataset and whydrift)}


def merely_read(paths: list[str]) -> dict[str, Any]:
    """Decode all columns of a file on one core."""
    pa.set_cpu_count(1)
    began = time.perf_counter()
    rows = sum(b.num_rows for b in pq.ParquetFile(paths[0]).iter_batches(STEPS))
    return {"seconds": time.perf_counter() - began, "rows": rows}


def snapshot(paths: list[str]) -> dict[str, Any]:
    """Summarise a file on one core, and keep it."""
    import whydrift as wd

    pa.set_cpu_count(1)
    schema = wd.Snapshot.from_bytes(Path(paths[2]).read_bytes()).schema if len(paths) > 2 else None
    wd.read_snapshot  # noqa: B018 - imports what it needs
    began = time.perf_counter()
    found = wd.read_snapshot(paths[0], schema=schema)
    stored = found.to_bytes()
    taken = time.perf_counter() - began
    Path(paths[1]).write_bytes(stored)
    return {"seconds": taken, "rows": found.rows, "bytes": len(stored)}


def snapshot_on_two(paths: list[str]) -> dict[str, Any]:
    """Summarise a file on two cores."""
    import whydrift as wd
    from whydrift.monitor.building import processes

    with processes(2) as workers:
        wd.read_snapshot(paths[0], columns=["ts"], workers=workers)  # starts and imports
        began = time.perf_counter()
        found = wd.read_snapshot(paths[0], workers=workers)
        return {"seconds": time.perf_counter() - began, "rows": found.rows}


def check(paths: list[str]) -> dict[str, Any]:
    """Compare two stored Snapshots."""
    import whydrift as wd

    windows = [wd.Snapshot.from_bytes(Path(path).read_bytes()) for path in paths]
    began = time.perf_counter()
    found = wd.compare(windows[0], windows[1])
    return {"seconds": time.perf_counter() - began, "ranking": list(found.ranking)[:3]}


def whylogs(paths: list[str]) -> dict[str, Any]:
    """Profile a file with whylogs, batch by batch."""
    from whylogs.core import DatasetProfile

    began = time.perf_counter()
    profile = DatasetProfile()
    for batch in pq.ParquetFile(paths[0]).iter_batches(STEPS):
        profile.track(batch.to_pandas())
    size = len(profile.view().serialize())
    return {"seconds": time.perf_counter() - began, "bytes": size}


def evidently(paths: list[str]) -> dict[str, Any]:
    """Let Evidently say which columns of two files drifted."""
    import pandas as pd
    from evidently import Dataset, Report
    from evidently.presets import DataDriftPreset

    began = time.perf_counter()
    windows = [Dataset.from_pandas(pd.read_parquet(p).drop(columns="ts")) for p in paths]
    Report([DataDriftPreset()]).run(windows[1], windows[0])
    return {"seconds": time.perf_counter() - began}


MEASURED: dict[str, Callable[[list[str]], dict[str, Any]]] = {
    f.__name__: f for f in (base, merely_read, snapshot, snapshot_on_two, check, whylogs, evidently)
}


@dataclass(frozen=True)
class Figure:
    """What a process took, and what it said.

    Parameters
    ----------
    seconds : float, optional
        None where it gave up.
    megabytes : float
        Its peak memory.
    told : dict
    why : str
        What kept it from an answer.
    """

    seconds: float | None
    megabytes: float
    told: dict[str, Any]
    why: str = ""

    def __str__(self) -> str:
        return self.why if self.seconds is None else f"{self.seconds:.1f}"


def measure(name: str, *paths: Path, python: str = sys.executable, limit: float = 3_600) -> Figure:
    """Run one measurement in a process of its own."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [python, __file__, "--measure", name, *map(str, paths)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, _resident(process.pid))
        if time.perf_counter() - began > limit:
            process.kill()
            process.wait()
            return Figure(None, peak, {}, f"not done in {limit:.0f} s")
        time.sleep(0.02)
    said, complaint = process.communicate()
    if process.returncode:
        last = complaint.decode().strip().splitlines()
        return Figure(None, peak, {}, last[-1][:120] if last else f"exit {process.returncode}")
    told = json.loads(said.splitlines()[-1])
    return Figure(told.get("seconds"), peak, told)


def _resident(pid: int) -> float:
    """Return the megabytes of a process and its children."""
    total = 0.0
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                total += int(line.split()[1]) / 1e3
    except OSError:  # it has just ended
        return total
    return total + sum(_resident(int(child)) for child in children)


# ---- tables ----------------------------------------------------------------------------------
def narrow_file(folder: Path, rows: int, moved: bool) -> Path:
    """Return a window of 20 columns; the reference, or one whose first number moved."""
    name = f"narrow-{rows}{'' if moved else '-reference'}.parquet"
    return made(folder / name, narrow(rows, int(moved), MOVED * moved), 1 << 20)


def print_rows(folder: Path, sizes: list[int], peers: str) -> None:
    """Print the tables of more and more rows."""
    nothing = measure("base").megabytes
    print("## Rows\n\n20 columns: 14 numbers, 2 counts, 3 categories, a time; Parquet, snappy.\n")
    print(f"| rows | pyarrow reads, s | Snapshot, s | ratio (≤ {ROWS_TO_REACH:g}) | rows a second "
          f"| MB over the base (≤ {MEMORY_TO_REACH}) | stored, kB | on two cores, s |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|")
    for rows in sizes:
        path = narrow_file(folder, rows, moved=True)
        read = measure("merely_read", path)
        ours = measure("snapshot", path, path.with_suffix(".snapshot"))
        two = measure("snapshot_on_two", path)
        ratio, speed, size = "–", "–", "–"
        if read.seconds and ours.seconds:
            ratio, speed = f"{ours.seconds / read.seconds:.1f}", f"{rows / ours.seconds:,.0f}"
            size = f"{ours.told['bytes'] / 1e3:,.0f}"
        memory = f"{ours.megabytes - nothing:.0f}"
        print(f"| {rows:,} | {read} | {ours} | {ratio} | {speed} | {memory} | {size} | {two} |",
              flush=True)  # fmt: skip
    print("\nThe peers on the same files, as far as they come in seven minutes:\n")
    print("| rows | whydrift: two Snapshots and the check, s | MB | whylogs: one profile, s | MB | "
          "Evidently: drift of columns, s | MB |\n|---|---|---|---|---|---|---|")  # fmt: skip
    stopped: set[str] = set()
    for rows in sizes:
        reference, path = (narrow_file(folder, rows, moved=moved) for moved in (False, True))
        kept = reference.with_suffix(".snapshot"), path.with_suffix(".snapshot")
        ours = [
            measure("snapshot", reference, kept[0]),
            measure("snapshot", path, kept[1], kept[0]),
            measure("check", *kept),
        ]
        total = sum(f.seconds or 0.0 for f in ours)
        cells = [f"{total:.1f}", f"{max(f.megabytes for f in ours):.0f}"]
        for name, paths in (("whylogs", [path]), ("evidently", [reference, path])):
            if name in stopped:
                cells += ["–", "–"]
                continue
            found = measure(name, *paths, python=peers, limit=420)
            cells += [str(found), f"{found.megabytes:.0f}"]
            if found.seconds is None:
                stopped.add(name)
        print(f"| {rows:,} | {' | '.join(cells)} |", flush=True)


def print_columns(folder: Path, rows: int) -> None:
    """Print the table of a thousand columns."""
    print(f"\n## Columns\n\n{rows:,} rows × {WIDE_COLUMNS:,} columns.\n")
    paths = [
        made(folder / f"wide-{k}-{rows}.parquet", wide(rows, k, MOVED * k), STEPS) for k in (0, 1)
    ]
    kept = [p.with_suffix(".snapshot") for p in paths]
    steps = (
        ("pyarrow merely reads one window", measure("merely_read", paths[1])),
        ("Snapshot of the reference", measure("snapshot", paths[0], kept[0])),
        ("Snapshot of the current window", measure("snapshot", paths[1], kept[1], kept[0])),
        ("check of both", measure("check", *kept)),
    )
    print(f"| step | s | peak memory, MB (< {WIDE_MEMORY_TO_REACH:,}) | |\n|---|---|---|---|")
    for name, figure in steps:
        said = ""
        if "bytes" in figure.told:
            said = f"{figure.told['bytes'] / 1e6:.0f} MB stored"
        elif "ranking" in figure.told:
            said = f"named first: {', '.join(figure.told['ranking'])}"
        print(f"| {name} | {figure} | {figure.megabytes:,.0f} | {said} |")
    sizes = " and ".join(f"{p.stat().st_size / 1e9:.1f}" for p in paths)
    print(f"\nFiles of {sizes} GB.", flush=True)


def print_compare(folder: Path, largest: int) -> None:
    """Print how long a check of stored Snapshots takes, whatever the rows behind them."""
    print("\n## A check of stored Snapshots\n")
    print("| rows of each window | s (median of 5) | named first |\n|---|---|---|")
    medians = []
    for rows in (SMALL, largest):
        paths = [narrow_file(folder, rows, moved=moved) for moved in (False, True)]
        kept = [p.with_suffix(".snapshot") for p in paths]
        measure("snapshot", paths[0], kept[0])
        measure("snapshot", paths[1], kept[1], kept[0])
        found = [measure("check", *kept) for _ in range(5)]
        medians.append(sorted(f.seconds or 0.0 for f in found)[2])
        named = ", ".join(found[0].told.get("ranking", [found[0].why]))
        print(f"| {rows:,} | {medians[-1]:.2f} | {named} |", flush=True)
    print(f"\nRatio {medians[1] / medians[0]:.2f} (to reach: 0.8 to 1.2).")


def print_workers(folder: Path, rows: int) -> None:
    """Print what Dask workers make of it."""
    path = narrow_file(folder, rows, moved=True)
    print("\n## Dask workers\n", flush=True)
    subprocess.run(
        [sys.executable, str(Path(__file__).with_name("dask_build.py")), str(path)], check=False
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path("scale-data"))
    parser.add_argument("--rows", default="1e6,1e7,5e7")
    parser.add_argument("--wide-rows", type=float, default=WIDE_ROWS)
    parser.add_argument("--only", default="rows,columns,compare,workers")
    parser.add_argument("--peers", default=sys.executable, help="Python of Evidently and whylogs")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(MEASURED[options.measure[0]](options.measure[1:])))
        return 0
    sizes = [int(float(text)) for text in options.rows.split(",")]
    only = options.only.split(",")
    print(f"numpy {np.__version__}, pyarrow {pa.__version__}, Python {platform.python_version()}, "
          f"{platform.machine()}, {os.cpu_count()} cores\n", flush=True)  # fmt: skip
    if "rows" in only:
        print_rows(options.folder, sizes, options.peers)
    if "columns" in only:
        print_columns(options.folder, int(options.wide_rows))
    if "compare" in only:
        print_compare(options.folder, sizes[-1])
    if "workers" in only:
        print_workers(options.folder, sizes[0])
    return 0


if __name__ == "__main__":
    sys.exit(main())
