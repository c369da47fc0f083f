"""False alarms in ordinary windows that are judged beside twenty past ones, at level .05.

python benchmarks/size_beside_past.py --seeds 100-102
python benchmarks/size_beside_past.py --seeds 100 --rows 1500
python benchmarks/size_beside_past.py --seeds 100-109 --days

A hundred pairs a seed, the true graph a → y ← b given. *memory*: half of each column's variance
resembles the rows before by ρ a row, half is noise of each row. *gaps*: a tenth of b is missing, in
runs of twenty rows, or more on some days than on others; told is then any verdict on b but stable.
The second number is how often b is named where it moved by one sd in the current window, and where
three more of ten of its values are missing. Of more than 16,384 rows in all past windows together
blocks are kept. *days*: rows are independent, and the levels of a root x and of its child y differ
by .3 sd from day to day; told is the share of p-values below each level, alarm budgets' among them.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from scipy.signal import lfilter
from scipy.stats import binomtest

sys.path.insert(0, str(Path(__file__).parent))

from seeds import seeds_of

import whydrift as wd

GRAPH = [("a", "y"), ("b", "y")]
WINDOWS, PAIRS, RUN = 21, 100, 20
UNEVEN = 0.4  # sd of the log of a day's share of gaps
APART = 0.3  # sd of days' levels
LEVELS = (0.05, 0.01, 0.002, 0.0005)


def memory(rng: np.random.Generator, rows: int, rho: float) -> np.ndarray:
    """Return all windows of one column, one after the other."""
    noise = rng.normal(size=WINDOWS * rows + 2000)
    slow = lfilter([np.sqrt(1 - rho**2)], [1, -rho], noise)[2000:]
    out: np.ndarray = (slow + rng.normal(size=WINDOWS * rows)) / np.sqrt(2)
    return out


def gaps(rng: np.random.Generator, rows: int, kind: str, more: float) -> np.ndarray:
    """Return where b is missing; ``more`` is the share by which the last window has more."""
    shares = np.full(WINDOWS, 0.1)
    if kind == "by day":
        shares *= np.exp(UNEVEN * rng.normal(size=WINDOWS))
    shares[-1] += more
    run = RUN if kind == "in runs" else 1
    missing = rng.random((WINDOWS, rows // run)) < shares[:, None]
    out: np.ndarray = np.repeat(missing, run, axis=1).ravel()
    return out


def worlds(
    rows: int, rho: float, kind: str, shifted: bool, seed: int
) -> Iterator[list[pd.DataFrame]]:
    """Yield twenty past windows and a current one, again and again."""
    for pair in range(PAIRS):
        rng = np.random.default_rng([seed, pair, 5])
        a, b, own = (memory(rng, rows, rho) for _ in range(3))
        y = a + b + own
        if shifted and not kind:
            b[-rows:] += 1.0
        if kind:
            b[gaps(rng, rows, kind, 0.3 if shifted else 0.0)] = np.nan
        frame = pd.DataFrame({"a": a, "b": b, "y": y})
        yield [frame[k * rows : (k + 1) * rows].reset_index(drop=True) for k in range(WINDOWS)]


def share_told(rows: int, rho: float, kind: str, shifted: bool, seeds: list[int]) -> str:
    """Return the share of windows about which something is said, with its 95 % interval."""
    told = count = 0
    for seed in seeds:
        for *past, now in worlds(rows, rho, kind, shifted, seed):
            found = wd.compare(past, now, graph=GRAPH, target="y", floor=0)
            count += 1
            if kind:
                told += found.columns["b"].verdict in {"fault", "undetermined", "source"}
            else:
                told += "b" in found.ranking if shifted else bool(found.ranking)
    sure = binomtest(told, count).proportion_ci()
    return f"{told / count:.3f} ({sure.low:.3f} to {sure.high:.3f})"


def print_days(rows: int, seeds: list[int]) -> None:
    """Print how often days that differ in their level are rejected at each of `LEVELS`."""
    p_values: dict[str, list[float]] = {"x": [], "y": []}
    for seed in seeds:
        for pair in range(PAIRS):
            rng = np.random.default_rng([seed, pair, 6])
            days = []
            for _ in range(WINDOWS):
                x = APART * rng.normal() + rng.normal(size=rows)
                y = x + APART * rng.normal() + rng.normal(size=rows)
                days.append(pd.DataFrame({"x": x, "y": y}))
            found = wd.compare(days[:-1], days[-1], graph=[("x", "y")], target="y", floor=0)
            for name, values in p_values.items():
                values.append(found.columns[name].p_value)
    print("| column | " + " | ".join(f"below {level:g}" for level in LEVELS) + " |")
    print("|---" * (1 + len(LEVELS)) + "|")
    for name, values in p_values.items():
        shares = [f"{np.mean(np.array(values) < level):.4f}" for level in LEVELS]
        print(f"| {name} | " + " | ".join(shares) + " |", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", default="100-102", help="such as 100-109 or 100,103")
    parser.add_argument("--rows", type=int, default=300, help="of a window")
    parser.add_argument("--days", action="store_true", help="days that differ in level alone")
    options = parser.parse_args()
    seeds, rows = list(seeds_of(options.seeds)), options.rows
    print(f"{PAIRS * len(seeds)} windows of {rows:,} rows a number\n")
    if options.days:
        print_days(rows, seeds)
        return 0
    print("| windows | told without a change | told with one |\n|---|---|---|")
    kinds = [(rho, "", f"memory {rho:g}") for rho in (0.0, 0.9, 0.97, 0.99)]
    kinds += [(0.0, kind, f"gaps {kind}") for kind in ("of single rows", "in runs", "by day")]
    for rho, kind, name in kinds:
        quiet, moved = (
            share_told(rows, rho, kind, s, seeds[: 1 if s else None]) for s in (False, True)
        )
        print(f"| {name} | {quiet} | {moved} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
