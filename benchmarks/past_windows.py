"""What past windows tell about the graph: verdicts with and without them as environments.

python benchmarks/past_windows.py --seeds 100-101

Worlds of driftbench with twenty past windows of 300 rows. *wander*: in every other past window one
mechanism is another one, by half a standard deviation; *alike*: nothing ever moved. In the current
window of 600 rows one mechanism changed by a quarter. The graph is learned from the current window
and the pooled past, and again with stretches of the past as windows of their own; the tests are
the same in both.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

sys.path[:0] = [str(Path(__file__).parent / "yardsticks"), str(Path(__file__).parent)]

from seeds import seeds_of
from yardsticks import driftbench as yardstick

import whydrift as wd
from whydrift.monitor.diagnosis import window_graph

FAMILIES = ("linear-gauss", "nonlinear-additive", "mixed", "heteroscedastic", "linear-nongauss")
PAST, ROWS, WORLDS = 20, 300, 10
MOVES = {True: ("root-mean", "root-scale"), False: ("coef", "intercept", "noise", "soft")}


def moved(world: yardstick.SCM, strength: str, rng: np.random.Generator) -> tuple:
    """Return the world with one mechanism changed, and its column."""
    column = world.observed[int(rng.integers(len(world.observed)))]
    kind = str(rng.choice(MOVES[not world[column].terms]))
    node, _ = yardstick.shift_mechanism(world, column, kind, strength, rng)
    nodes = [node if v.name == column else v for v in world.nodes]
    return replace(world, nodes=nodes), column


def windows(world: yardstick.SCM, past: str, rng: np.random.Generator) -> list[pd.DataFrame]:
    """Return the past windows."""
    out = []
    for _ in range(PAST):
        day = world
        if past == "wander" and rng.random() < 0.5:
            day, _ = moved(world, "medium", rng)
        out.append(yardstick._frame(day, day.simulate(ROWS, rng)))
    return out


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", default="100", help="such as 100-109 or 100,103")
    options = parser.parse_args()
    most = window_graph._MOST_STRETCHES
    head = ("past", "graph from", "edges right", "edges turned", "cause first", "cause named",
            "others named", "s/case")  # fmt: skip
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    for past in ("alike", "wander"):
        found = {k: np.zeros(6) for k in (1, most)}
        count = 0
        for seed in seeds_of(options.seeds):
            for number in range(WORLDS):
                rng = np.random.default_rng([seed, number, 11])
                world = yardstick.random_scm(FAMILIES[number % 5], int(rng.integers(5, 10)), rng)
                frames = windows(world, past, rng)
                changed, column = moved(world, "subtle", rng)
                now = yardstick._frame(changed, changed.simulate(2 * ROWS, rng))
                count += 1
                for stretches, sums in found.items():
                    window_graph._MOST_STRETCHES = stretches
                    began = time.process_time()
                    diagnosis = wd.compare(frames, now, target=world.target, floor=0)
                    taken, named = time.process_time() - began, diagnosis.ranking
                    edges = world.edges()
                    parents = {n: set(diagnosis.graph.parents(n)) for n in world.observed}
                    sums += (
                        sum(cause in parents[effect] for cause, effect in edges) / len(edges),
                        sum(effect in parents[cause] for cause, effect in edges) / len(edges),
                        named[:1] == (column,),
                        column in named,
                        len(set(named) - {column}),
                        taken,
                    )
        for stretches, sums in found.items():
            how = "two windows" if stretches == 1 else f"{stretches + 1} windows"
            cells = " | ".join(f"{x:.2f}" for x in sums / count)
            print(f"| {past} ({count}) | {how} | {cells} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
