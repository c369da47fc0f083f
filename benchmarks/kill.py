"""A backfill killed at random moments leaves the same store as if nothing had happened.

python benchmarks/kill.py                          50 kills in 100 windows, SQLite and PostgreSQL
python benchmarks/kill.py --kills 5 --windows 20 --engines sqlite

Daily files with three short drifts are backfilled by `whydrift run --from --to`, once undisturbed
and once killed with SIGKILL, each time a random while (seeded) after it began to work, or before,
and started again until it ends. Alerts go to a real HTTP receiver. Shown: whether `whydrift store
check --digest` is the same (all but ids, clock times, durations and lease tokens), whether the same
notifications arrived, told by their idempotency keys, and how often one was sent again.
"""

from __future__ import annotations

import argparse
import multiprocessing
import multiprocessing.context
import multiprocessing.process
import os
import platform
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from whydrift.monitor.store import Store, open_store
from whydrift.monitor.store.digest import digest

# Loaded once and for all: what is killed is the work, not the start of Python.
PRELOADED = [
    "whydrift.monitor.cli.app", "whydrift.monitor.config", "whydrift.monitor.service.run",
    "whydrift.monitor.store.opening", "whydrift.monitor.service.notify.notifications",
]  # fmt: skip
EARLY = 0.1  # of the kills come before the work has begun
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
REFERENCE = 16  # windows; from 14 on it is learned how much ordinary ones differ
ROWS = 120
CONFIG = """
version: 1
store: {{url: "{url}"}}
checks: {{lease: 5s}}
sources: {{rows: {{files: "{folder}/rows-*.parquet", time_column: at}}}}
monitors:
  - name: killed
    source: rows
    columns: {{target: y}}
    window: {{every: 1d}}
    reference: {{last: {reference}d}}
    graph: {{relearn: 7d}}
notify:
  - webhook: {{url: "{hook}"}}
"""


@dataclass(frozen=True)
class Told:
    """What a backfill led to: the store's digest, its parts, and messages by idempotency key."""

    digest: str
    parts: dict[str, str]
    keys: Counter[str]
    starts: int
    kills: int
    seconds: float
    start_seconds: float  # of a run that finds nothing to do

    @property
    def work_seconds(self) -> float:
        """What remains without start and end."""
        return max(0.1, self.seconds - self.start_seconds)


def write_files(folder: Path, windows: int) -> None:
    """Write a file a day; in three stretches of two days one column moved."""
    drifts = {windows * k // 4 + d for k in (1, 2, 3) for d in (0, 1)}
    for day in range(REFERENCE + windows):
        rng = np.random.default_rng(day)
        seconds = np.sort(rng.uniform(0, 86_400, ROWS))
        a = rng.normal(size=ROWS) + 3.0 * (day - REFERENCE in drifts)
        b = rng.normal(size=ROWS)
        times = [FIRST + timedelta(days=day, seconds=s) for s in seconds]
        table = {"at": pa.array(times, pa.timestamp("us", tz="UTC")), "a": a, "b": b}
        table["y"] = a + b + rng.normal(size=ROWS)
        pq.write_table(pa.table(table), folder / f"rows-{day:04}.parquet")


@contextmanager
def receiver() -> Iterator[tuple[str, Counter[str]]]:
    """Receive messages on the loopback; yields the address and what came, by key."""
    keys: Counter[str] = Counter()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            keys[self.headers["Idempotency-Key"]] += 1
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", keys
        server.shutdown()


def whydrift(words: list[str]) -> None:
    """Run a command line in a process of its own."""
    from whydrift.monitor.cli.entry import run

    sys.exit(run(words))


def backfill(
    folder: Path, url: str, windows: int, kills: int, rng: random.Random, usual: Told | None
) -> Told:
    """Backfill, killed so many times; ``usual`` is what came of the undisturbed one."""
    processes = multiprocessing.get_context("forkserver")
    with receiver() as (hook, keys):
        file = folder / f"kill-{len(list(folder.glob('kill-*.yaml')))}.yaml"
        file.write_text(CONFIG.format(url=url, folder=folder, hook=hook, reference=REFERENCE))
        start, end = (FIRST + timedelta(days=REFERENCE + d) for d in (0, windows))
        words = ["run", "-c", str(file), "--from", start.isoformat(), "--to", end.isoformat(), "-q"]
        began, starts, done = time.perf_counter(), 0, 0
        with open_store(url) as store:
            while True:
                starts += 1
                process = processes.Process(target=whydrift, args=(words,))
                process.start()
                if usual is not None and done < kills:
                    if rng.random() < EARLY:
                        process.join(rng.uniform(0, usual.start_seconds))
                    else:
                        wait_for_work(process, store)
                        process.join(rng.uniform(0, 1.5 * usual.work_seconds / kills))
                    if process.exitcode is None:
                        process.kill()
                        done += 1
                process.join()
                if process.exitcode == 0:
                    break
                if process.exitcode != -signal.SIGKILL:
                    raise SystemExit(f"the run ended with status {process.exitcode}")
        seconds = time.perf_counter() - began
        began = time.perf_counter()
        nothing = processes.Process(target=whydrift, args=(words,))  # is left to do
        nothing.start()
        nothing.join()
        start_seconds = time.perf_counter() - began
        with open_store(url) as store:
            wait_for_messages(processes, words, store)
            found = digest(store)
    parts = dict(found.parts)
    return Told(found.total, parts, Counter(keys), starts, done, seconds, start_seconds)


def wait_for_work(process: multiprocessing.process.BaseProcess, store: Store) -> None:
    """Wait until a process holds its monitor, and so reads and judges."""
    while process.is_alive():
        if any(lease.holder.split(":")[1] == str(process.pid) for lease in store.list_leases()):
            return
        time.sleep(0.02)


def wait_for_messages(
    processes: multiprocessing.context.BaseContext, words: list[str], store: Store
) -> None:
    """Run again until no message waits.

    One that a process had taken on when it was killed is free for others a minute later.
    """
    until = time.monotonic() + 120
    while any(store.outbox_pending().values()) and time.monotonic() < until:
        time.sleep(2)
        again = processes.Process(target=whydrift, args=(words,))
        again.start()
        again.join()


def try_engine(
    folder: Path, addresses: tuple[str, str], windows: int, kills: int, seed: int
) -> tuple[Told, Told]:
    """Return what the undisturbed backfill led to, and the disturbed one."""
    rng = random.Random(seed)
    still = backfill(folder, addresses[0], windows, 0, rng, None)
    disturbed = backfill(folder, addresses[1], windows, kills, rng, still)
    return still, disturbed


def line(engine: str, still: Told, disturbed: Told) -> str:
    same = "yes" if still.digest == disturbed.digest else "NO: " + ", ".join(
        name for name, part in still.parts.items() if disturbed.parts[name] != part
    )  # fmt: skip
    lost = len(still.keys.keys() - disturbed.keys.keys())
    more = len(disturbed.keys.keys() - still.keys.keys())
    again = sum(n - 1 for n in disturbed.keys.values())
    return (
        f"| {engine} | {disturbed.kills} | {disturbed.starts} | {same} | {len(still.keys)} | "
        f"{lost} | {more} | {again} | {still.seconds:.0f} | {disturbed.seconds:.0f} |"
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--windows", type=int, default=100)
    parser.add_argument("--engines", default="sqlite,postgresql")
    parser.add_argument("--seed", type=int, default=100)
    options = parser.parse_args()
    multiprocessing.set_forkserver_preload(PRELOADED)
    print(
        f"{options.windows} windows of {ROWS} rows, killed {options.kills} times, seed "
        f"{options.seed}; whydrift {version('whydrift')}, Python {platform.python_version()}\n\n"
        "| store | kills | starts | same digest | notifications | lost | too many | sent again | "
        "undisturbed s | disturbed s |\n|---|---|---|---|---|---|---|---|---|---|",
        flush=True,
    )
    is_whole = True
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_files(folder, options.windows)
        for engine in options.engines.split(","):
            if engine == "sqlite":
                served = nullcontext()
            else:
                from tests.postgres import running_postgres

                served = running_postgres()
            with served as server:
                addresses = tuple(
                    f"sqlite:///{folder}/{name}.db" if server is None else server.new_schema()
                    for name in ("still", "disturbed")
                )
                found = try_engine(folder, addresses, options.windows, options.kills, options.seed)
            print(line(engine, *found), flush=True)
            still, disturbed = found
            is_whole &= still.digest == disturbed.digest
            is_whole &= still.keys.keys() == disturbed.keys.keys() and bool(still.keys)
    return 0 if is_whole else 1


if __name__ == "__main__":
    sys.exit(main())
