"""Months of a daemon in under an hour: right, quick, and as small at the end as before.

python benchmarks/soak.py
python benchmarks/soak.py --quick

The daemon is the one that `whydrift serve` runs, with its workers, ticks and web interface; only
its clock is the benchmark's: it goes on by a day when all that is due is done. Nothing changes in
the rows, so that every alert is a false one. *Growth* compares the last quarter of the time with
the quarter before, each by its median.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import queue
import resource
import socket
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from whydrift.monitor.service.daemon import Daemon
from whydrift.monitor.service.logs import LogFormat, Secrets, set_up_logs
from whydrift.monitor.service.reload import read_whole
from whydrift.monitor.service.serve import begin
from whydrift.monitor.service.systemd import Manager
from whydrift.monitor.store.state import AlertState

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
ROWS, COLUMNS = 1_000, 6
DAYS_PER_MONTH = 365.25 / 12
MOST_GROWTH, MOST_SECONDS = 0.05, 0.05
SECONDS_BETWEEN_SCRAPES, SECONDS_BETWEEN_LOOKS_AT_MEMORY = 1.0, 2.0


@dataclass(frozen=True)
class Fleet:
    """So many monitors, each with so many windows; the first ones are the reference."""

    monitors: int
    windows: int
    reference: int

    @property
    def name(self) -> str:
        """Begins the names of its monitors."""
        return f"of{self.windows}"


FULL = (Fleet(200, 25, 7), Fleet(10, 500, 28))
QUICK = (Fleet(20, 12, 5), Fleet(2, 60, 28))


def write_rows(folder: Path, seed: int, windows: int) -> None:
    """Write the rows of a monitor, a file a day: columns that each follow from the one before."""
    folder.mkdir()
    draws = np.random.default_rng(seed)
    seconds = np.linspace(0, 86_399, ROWS)
    for day in range(windows):
        values = draws.normal(size=(ROWS, COLUMNS))
        for j in range(1, COLUMNS):
            values[:, j] += 0.6 * values[:, j - 1]
        at = (BEGIN + day * DAY).timestamp() + seconds
        times = pa.array((at * 1e6).astype("int64")).cast(pa.timestamp("us", "UTC"))
        table = {"ts": times, **{f"x{j}": values[:, j] for j in range(COLUMNS)}}
        pq.write_table(pa.table(table), folder / f"{BEGIN + day * DAY:%Y-%m-%d}.parquet")


def write_all_rows(folder: Path, fleets: tuple[Fleet, ...]) -> None:
    """Write the rows of all monitors, each of a world of its own."""
    for place, fleet in enumerate(fleets):
        for number in range(fleet.monitors):
            write_rows(folder / f"{fleet.name}-{number}", 1_000 * place + number, fleet.windows)


def configure(path: Path, fleets: tuple[Fleet, ...], port: int) -> None:
    """Write the configuration of these monitors."""
    folder = path.parent
    chain = [[f"x{j}", f"x{j + 1}"] for j in range(COLUMNS - 1)]
    monitors = []
    for fleet in fleets:
        for number in range(fleet.monitors):
            name = f"{fleet.name}-{number}"
            monitors.append(
                {
                    "name": name,
                    "source": {"files": f"{folder}/{name}/{{date}}.parquet", "time_column": "ts"},
                    "columns": {"target": f"x{COLUMNS - 1}"},
                    "window": {"every": "1d"},
                    "since": (BEGIN + fleet.reference * DAY).isoformat(),
                    "reference": {"last": f"{fleet.reference}d"},
                    "graph": {"knowledge": {"required": chain}},
                }
            )
    value = {
        "version": 1,
        "store": {"url": f"sqlite:///{folder}/whydrift.db"},
        "web": {"listen": f"127.0.0.1:{port}"},
        "checks": {"workers": os.cpu_count() or 1},
        "monitors": monitors,
    }
    path.write_text(json.dumps(value))  # JSON is YAML


@dataclass
class Watch:
    """What is seen of the daemon from outside while it works."""

    port: int
    daemon: Daemon
    ended: threading.Event = field(default_factory=threading.Event)
    scrapes: list[float] = field(default_factory=list)  # seconds
    parent: list[tuple[float, int]] = field(default_factory=list)  # when, bytes
    workers: list[tuple[float, int]] = field(default_factory=list)

    def scrape(self) -> None:
        """Ask for all metrics once a second."""
        while not self.ended.wait(SECONDS_BETWEEN_SCRAPES):
            began = time.perf_counter()
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics") as answer:
                answer.read()
            self.scrapes.append(time.perf_counter() - began)

    def weigh(self) -> None:
        """Look at the memory of all processes."""
        while not self.ended.wait(SECONDS_BETWEEN_LOOKS_AT_MEMORY):
            now = time.monotonic()
            self.parent.append((now, resident(os.getpid())))
            self.workers += [(now, r) for p in self.daemon.worker_processes if (r := resident(p))]


def resident(pid: int) -> int:
    """Return the bytes that a process holds; 0 where it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def processor_seconds() -> float:
    """Return what this process, and those of its children that have ended, took."""
    used = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def growth(seen: list[tuple[float, int]]) -> float:
    """Return by how much the last quarter of the time is above the one before."""
    first, last = seen[0][0], seen[-1][0]
    span = (last - first) / 4
    quarters = [
        statistics.median([held for at, held in seen if low <= at <= low + span])
        for low in (first + 2 * span, first + 3 * span)
    ]
    return quarters[1] / quarters[0] - 1


def pass_days(
    daemon: Daemon, clock: list[datetime], path: Path, fleets: tuple[Fleet, ...], port: int
) -> tuple[int, int]:
    """Let the time pass, a day whenever all is done; return the checks, and how many failed.

    Monitors whose rows are at an end are taken out of the configuration, which is read again.
    """
    told = time.monotonic()
    ended = failed = 0
    while True:
        daemon.look()
        while daemon.running or daemon.waiting:
            time.sleep(0.02)
            daemon.look()
        daemon.look()
        if daemon.running or daemon.waiting:
            continue
        if time.monotonic() - told > 30:
            told = time.monotonic()
            print(f"  {clock[0]:%Y-%m-%d}: {ended + counted(daemon):,} checks", file=sys.stderr)
        left = tuple(f for f in fleets if BEGIN + f.windows * DAY > clock[0])
        if not left:
            return ended + counted(daemon), failed + counted(daemon, errors=True)
        if left != fleets:
            gone = {f.name for f in fleets} - {f.name for f in left}
            ended += counted(daemon, gone)
            failed += counted(daemon, gone, errors=True)
            configure(path, left, port)
            daemon.reload()
            daemon.keep_leases()
            fleets = left
        clock[0] += DAY


def counted(daemon: Daemon, fleets: set[str] | None = None, *, errors: bool = False) -> int:
    """Return how many checks ended (with an error) since these monitors began."""
    return sum(
        c.outcomes[-1] if errors else sum(c.outcomes)
        for name, c in daemon.counters.read().checks.items()
        if fleets is None or name.rpartition("-")[0] in fleets
    )


def soak(folder: Path, fleets: tuple[Fleet, ...]) -> dict[str, float | int | bool]:
    """Run it all; return what was measured."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    began = time.monotonic()
    path = folder / "whydrift.yaml"
    write_all_rows(folder, fleets)
    configure(path, fleets, port)
    wrote = time.monotonic() - began
    hidden = Secrets()
    set_up_logs(LogFormat.TEXT, "error", hidden)
    clock = [BEGIN + min(fleet.reference for fleet in fleets) * DAY]
    config = read_whole(path)
    used = processor_seconds()
    with ExitStack() as open_things:
        daemon, stop = begin(
            config, open_things, read_config=lambda: read_whole(path), hidden=hidden,
            signals=queue.SimpleQueue(), manager=Manager({}), clock=lambda: clock[0],
        )  # fmt: skip
        watch = Watch(port, daemon)
        threads = [threading.Thread(target=do) for do in (watch.scrape, watch.weigh)]
        for thread in threads:
            thread.start()
        began = time.monotonic()
        checks, failed = pass_days(daemon, clock, path, fleets, port)
        seconds = time.monotonic() - began
        watch.ended.set()
        for thread in threads:
            thread.join()
        alerts = daemon.store.list_alerts()
        fired = sum(alert.state is not AlertState.PENDING for alert in alerts)
        stop()
    used = processor_seconds() - used  # workers have ended by now
    months = sum(f.monitors * (f.windows - f.reference) for f in fleets) / DAYS_PER_MONTH
    scrapes = sorted(watch.scrapes)
    return {
        "rows written in s": wrote,
        "checks": checks,
        "errors": failed,
        "seconds": seconds,
        "checks/s": checks / seconds,
        "processor s/check": used / checks,
        "parent MiB": watch.parent[-1][1] / 2**20,
        "parent growth": growth(watch.parent),
        "worker MiB": statistics.median([held for _, held in watch.workers]) / 2**20,
        "worker growth": growth(watch.workers),
        "scrapes": len(scrapes),
        "/metrics p99 s": scrapes[int(0.99 * (len(scrapes) - 1))],
        "false alarms": fired,
        "false alarms allowed": 0.2 * months,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="some minutes")
    parser.add_argument("--json", action="store_true", help="print JSON alone")
    arguments = parser.parse_args()
    fleets = QUICK if arguments.quick else FULL
    with tempfile.TemporaryDirectory(prefix="whydrift-soak-") as folder:
        found = soak(Path(folder), fleets)
    kept = {
        "memory": max(found["parent growth"], found["worker growth"]) < MOST_GROWTH,
        "scrapes": found["/metrics p99 s"] < MOST_SECONDS,
        "alarms": found["false alarms"] <= found["false alarms allowed"],
        "errors": not found["errors"],
    }
    if arguments.json:
        print(json.dumps({**found, "kept": kept}))
    else:
        said = " and ".join(f"{f.monitors} monitors x {f.windows} windows" for f in fleets)
        print(f"{said} of {ROWS:,} rows x {COLUMNS} columns")
        print(f"Python {platform.python_version()}, {os.cpu_count()} processors")
        for name, value in found.items():
            print(f"  {name:<22} {value:>10,.3f}" if isinstance(value, float) else
                  f"  {name:<22} {value:>10,}")  # fmt: skip
        for name, is_kept in kept.items():
            print(f"  {name:<22} {'as promised' if is_kept else 'NOT AS PROMISED'}")
    sys.exit(0 if all(kept.values()) else 1)


if __name__ == "__main__":
    main()
