"""How long `compare`, start-up and import take.

python benchmarks/speed.py
"""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

ROWS, COLUMNS, REPEATS = 5_000, 10, 5


def window(seed: int, shift: float) -> pd.DataFrame:
    """Return ten columns, each caused by up to three before it."""
    rng = np.random.default_rng(seed)
    values = np.zeros((ROWS, COLUMNS))
    for j in range(COLUMNS):
        values[:, j] = rng.normal(size=ROWS)
        for back, slope in ((1, 0.5), (2, 0.4), (4, 0.3)):
            if j >= back:
                values[:, j] += slope * values[:, j - back]
    values[:, 4] += shift
    return pd.DataFrame(values, columns=[f"c{j}" for j in range(COLUMNS)])


def seconds(command: list[str]) -> float:
    """Return the median wall time of a command."""
    taken = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        subprocess.run(command, check=False, capture_output=True)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def main() -> int:
    python = sys.executable
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        window(0, 0.0).to_parquet(folder / "reference.parquet")
        window(1, 0.3).to_parquet(folder / "current.parquet")
        edges = [[f"c{j - b}", f"c{j}"] for j in range(COLUMNS) for b in (1, 2, 4) if j >= b]
        (folder / "graph.json").write_text(json.dumps(edges))
        compare = [python, "-m", "whydrift", "compare", str(folder / "reference.parquet"),
                   str(folder / "current.parquet"), "--target", "c9"]  # fmt: skip
        given = [*compare, "--graph", str(folder / "graph.json")]
        seconds(given)  # the first run fills the file cache
        report = json.loads(
            subprocess.run([*given, "--json", "-"], check=False, capture_output=True).stdout
        )
        learned = json.loads(
            subprocess.run([*compare, "--json", "-"], check=False, capture_output=True).stdout
        )
        peers = seconds([python, "-c", "import numpy, pandas"])
        rows = [
            ("compare, graph given: work", report["seconds"]["total"], "0.3"),
            ("compare, graph given: whole process", seconds(given), "2.5"),
            ("compare, graph learned: work", learned["seconds"]["total"], "–"),
            ("whydrift --help", seconds([python, "-m", "whydrift", "--help"]), "0.4"),
            (
                "import whydrift (with Python's start)",
                seconds([python, "-c", "import whydrift"]),
                "0.15",
            ),
            ("import numpy, pandas (with Python's start)", peers, "–"),
        ]
    print(f"{ROWS} rows x {COLUMNS} columns a window, median of {REPEATS}; Python "
          f"{platform.python_version()}, {platform.machine()}\n")  # fmt: skip
    print("| what | seconds | target |\n|---|---|---|")
    for what, taken, target in rows:
        print(f"| {what} | {taken:.2f} | {target} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
