"""How long `compare` works, and how long start-up and import take.

python benchmarks/speed.py
python benchmarks/speed.py --quick

*work* is the CPU time of one process that has compared before: imports and compiling are apart
(`first_call.py` has those). The rest is wall time of whole processes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: threads would count twice

import numpy as np
import pandas as pd

import whydrift as wd

REPEATS = 5
BACK = ((1, 0.5), (2, 0.4), (4, 0.3))  # each column's causes: so many before it, and their slopes
# Rows, columns, graph given; seconds to reach in all, and for the contributions alone.
WORK = (
    (3_000, 10, True, 0.15, None),
    (3_000, 10, False, 1.0, None),
    (10_000, 10, True, None, 1.0),
    (10_000, 50, True, None, 10.0),
)


def window(seed: int, shift: float, rows: int, columns: int) -> pd.DataFrame:
    """Return columns that are each caused by up to three before them."""
    rng = np.random.default_rng(seed)
    values = np.zeros((rows, columns))
    for j in range(columns):
        values[:, j] = rng.normal(size=rows)
        for back, slope in BACK:
            if j >= back:
                values[:, j] += slope * values[:, j - back]
    values[:, 4] += shift
    return pd.DataFrame(values, columns=[f"c{j}" for j in range(columns)])


def edges(columns: int) -> list[tuple[str, str]]:
    """Return the causes and effects of `window`."""
    return [(f"c{j - b}", f"c{j}") for j in range(columns) for b, _ in BACK if j >= b]


def work(rows: int, columns: int, *, is_given: bool, repeats: int) -> tuple[float, float, float]:
    """Return CPU seconds of a comparison, and shares of them: the tests' and the contributions'."""
    reference, current = window(0, 0.0, rows, columns), window(1, 0.3, rows, columns)
    graph = edges(columns) if is_given else None
    options = {"graph": graph, "target": f"c{columns - 1}"}
    wd.compare(reference.head(200), current.head(200), **options)
    runs = []
    for _ in range(repeats):
        started = time.process_time()
        stages = wd.compare(reference, current, **options).seconds
        taken = time.process_time() - started
        runs.append(
            (taken, stages["tests"] / stages["total"], stages["attribution"] / stages["total"])
        )
    return min(runs)


def seconds(command: list[str]) -> float:
    """Return the median wall time of a command."""
    taken = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        subprocess.run(command, check=False, capture_output=True)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def print_work(most_columns: int) -> None:
    """Print the table of comparisons inside a process."""
    print("| rows × columns | graph | CPU seconds | target | tests | contributions | target |")
    print("|---|---|---|---|---|---|---|")
    for rows, columns, is_given, target, for_contributions in WORK:
        if columns > most_columns:
            continue
        taken, tests, attribution = work(
            rows, columns, is_given=is_given, repeats=REPEATS if columns <= 10 else 1
        )
        goals = [f"{goal:g}" if goal else "–" for goal in (target, for_contributions)]
        graph = "given" if is_given else "learned"
        parts = f"{taken * tests:.2f} | {taken * attribution:.2f}"
        print(
            f"| {rows:,} × {columns} | {graph} | {taken:.2f} | {goals[0]} | {parts} | {goals[1]} |"
        )


def print_processes() -> None:
    """Print the table of whole processes."""
    python = sys.executable
    rows, columns = 5_000, 10
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        window(0, 0.0, rows, columns).to_parquet(folder / "reference.parquet")
        window(1, 0.3, rows, columns).to_parquet(folder / "current.parquet")
        (folder / "graph.json").write_text(json.dumps(edges(columns)))
        compare = [python, "-m", "whydrift", "compare", str(folder / "reference.parquet"),
                   str(folder / "current.parquet"), "--target", "c9"]  # fmt: skip
        given = [*compare, "--graph", str(folder / "graph.json")]
        seconds(given)  # the first run fills the file cache
        table: tuple[tuple[str, Callable[[], float], str], ...] = (
            ("compare, graph given", lambda: seconds(given), "2.5"),
            ("compare, graph learned", lambda: seconds(compare), "–"),
            ("whydrift --help", lambda: seconds([python, "-m", "whydrift", "--help"]), "0.4"),
            ("import whydrift", lambda: seconds([python, "-c", "import whydrift"]), "0.15"),
            ("import numpy, pandas", lambda: seconds([python, "-c", "import numpy, pandas"]), "–"),
        )
        print(
            f"\n{rows:,} rows × {columns} columns a window, whole processes with Python's start\n"
        )
        print("| what | seconds | target |\n|---|---|---|")
        for what, taken, target in table:
            print(f"| {what} | {taken():.2f} | {target} |")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="ten columns, inside one process")
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}, "
          f"{os.cpu_count()} cores, one thread; least of {REPEATS}\n")  # fmt: skip
    print_work(10 if options.quick else 50)
    if not options.quick:
        print_processes()
    return 0


if __name__ == "__main__":
    sys.exit(main())
