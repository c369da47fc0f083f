"""Are edges of confidence .9 right nine times in ten? Bootstrap shares against the true CPDAG.

python benchmarks/edge_confidence.py --suite tiny --seeds 100-109

An edge of the learned graph is *right* where the true CPDAG has the same edge with the same marks,
and *joined* right where it has any edge there. The standard error is over cases, since the edges of
one graph stand and fall together.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))

from seeds import seeds_of
from yardsticks import graphbench as yardstick

from whydrift.discovery import Edge, discover

BINS = (0.0, 0.3, 0.5, 0.7, 0.85, 0.95, 1.0 + 1e-9)


def edges_of_case(spec: yardstick.GraphSpec, method: str, draws: int) -> list[dict[str, object]]:
    """Return a row for each edge that was learned: its share, the pair's share, and the truth."""
    case = yardstick.make_case(spec)
    truth = {frozenset((a, b)): Edge.of(a, mark, b) for a, mark, b in case.truth["cpdag"]}
    graph = discover(case.frame, method, bootstrap=draws)
    rows = []
    for edge in graph:
        true = truth.get(frozenset((edge.a, edge.b)))
        rows.append(
            {
                "method": method,
                "family": spec.family,
                "case": f"{spec.seed[0]}-{spec.case_id}",
                "share": edge.confidence,
                "right": true is not None and (true.a, true.mark) == (edge.a, edge.mark),
                "joined_share": graph.stability.share(edge.a, edge.b),
                "joined": true is not None,
            }
        )
    return rows


def reliability(rows: pd.DataFrame, share: str, right: str) -> str:
    """Return a table: edges by share, how many of them are right, and how sure that is."""
    lines = ["| share | edges | mean share | right | s.e. |", "|---|---|---|---|---|"]
    for low, high in pairwise(BINS):
        part = rows[(rows[share] >= low) & (rows[share] < high)]
        if len(part):
            hits = part[right].mean()
            gap = (part[right] - hits).groupby(part["case"]).sum()
            error = np.sqrt((gap**2).sum()) / len(part)
            lines.append(
                f"| {low:.2f} to {min(high, 1):.2f} | {len(part)} | {part[share].mean():.2f} "
                f"| {hits:.2f} | {error:.02f} |"
            )
    off = (rows[share] - rows[right]) ** 2
    lines.append(f"Brier score {off.mean():.3f}; of a constant, {rows[right].var(ddof=0):.3f}")
    return "\n".join(lines)


def monotone(rows: pd.DataFrame, share: str, right: str) -> list[tuple[float, float]]:
    """Return the monotone map from share to how often it was right (pool adjacent violators)."""
    blocks: list[tuple[float, int, float]] = []
    for at, part in rows.groupby(rows[share].round(2))[right]:
        hits, count, last = float(part.sum()), len(part), float(at)
        while blocks and blocks[-1][0] / blocks[-1][1] >= hits / count:
            before, many, _ = blocks.pop()
            hits, count = hits + before, count + many
        blocks.append((hits, count, last))
    return [(last, hits / count) for hits, count, last in blocks]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", default="tiny", choices=sorted(yardstick.SUITES))
    parser.add_argument("--seeds", default="100-109")
    parser.add_argument("--methods", default="boss,pc")
    parser.add_argument("--draws", type=int, default=50)
    parser.add_argument("--most", type=int, default=10**9, help="cases of each seed")
    parser.add_argument("--fit", action="store_true", help="print the monotone map (tuning seeds)")
    parser.add_argument("--save", type=Path, help="write a row for each edge, as CSV")
    options = parser.parse_args()
    seeds = seeds_of(options.seeds)
    print(f"whydrift {version('whydrift')}, numpy {np.__version__}, {platform.processor()}, "
          f"suite {options.suite}, seeds {options.seeds}, {options.draws} draws")  # fmt: skip
    for method in options.methods.split(","):
        rows, began = [], time.perf_counter()
        for seed in seeds:
            for spec in yardstick.suite_specs(options.suite, seed)[: options.most]:
                rows += edges_of_case(spec, method, options.draws)
        table = pd.DataFrame(rows)
        if options.save:
            table.to_csv(options.save, mode="a", index=False, header=not options.save.exists())
        print(f"\n{method}: {table['case'].nunique()} graphs, {time.perf_counter() - began:.0f} s")
        print(f"\nedge with its marks\n{reliability(table, 'share', 'right')}")
        print(f"\nedge with any marks\n{reliability(table, 'joined_share', 'joined')}", flush=True)
        if options.fit:
            print("map:", [(a, round(b, 3)) for a, b in monotone(table, "share", "right")])


if __name__ == "__main__":
    main()
