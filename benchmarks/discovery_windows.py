"""Learning from several windows: how right, how many edges oriented, how fast; beside causal-learn.

python benchmarks/discovery_windows.py                  # quick, under two minutes
python benchmarks/discovery_windows.py --full           # more seeds, p = 200

Each world is a random DAG whose relations are partly bent. From the second window on, some
mechanisms are others: their level, their slopes or their noise. Truth is the class of DAGs that the
windows leave open (each window a cause of the mechanisms that moved in it). *SHD*: pairs of columns
with another edge, or none, than in truth. *skeleton*: F1 of the adjacencies. *direction*: F1 of the
directed edges against the DAG. *oriented*: the share of the adjacencies found that are directed.
*right*: the share of those that point the right way (of true adjacencies). causal-learn's CD-NOD is
given the number of the window as its time index; it takes one test for all columns, Fisher's z.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from whydrift.discovery import Graph, Knowledge, Snapshot
from whydrift.discovery.discover import learn_graph
from whydrift.discovery.graph import Edge
from whydrift.discovery.orientation import dag_to_cpdag

Marks = dict[tuple[str, str], str]  # names in the order of the alphabet, to the mark between them


@dataclass(frozen=True)
class World:
    """Windows of one system, and the truth about it."""

    frames: tuple[pd.DataFrame, ...]
    dag: Graph
    truth: Graph  # the class that the windows leave open


@dataclass(frozen=True)
class Case:
    """How many columns, windows and rows a window, and the share of mechanisms that move."""

    columns: int
    windows: int
    rows: int
    moved: float = 0.15
    degree: float = 3.0
    # Whether a mechanism that moves is another one in every window, else in one of them.
    everywhere: bool = False

    def __str__(self) -> str:
        return f"p={self.columns}, K={self.windows}, n={self.rows:,} a window"


QUICK = (
    (Case(10, 2, 2_000), 5),
    (Case(10, 4, 2_000), 5),
    (Case(10, 12, 500, 0.4, everywhere=True), 5),
    (Case(30, 4, 2_000), 1),
)
FULL = (
    (Case(10, 2, 2_000), 30),
    (Case(10, 4, 2_000), 30),
    (Case(10, 12, 500, 0.4, everywhere=True), 30),
    (Case(50, 4, 5_000), 5),
    (Case(200, 2, 5_000), 2),
    (Case(200, 4, 5_000), 2),
)
_MOST_BY_TESTS = 50  # columns; more take tests many minutes


# ---- worlds -----------------------------------------------------------------------------------
def world(case: Case, seed: int) -> World:
    rng = np.random.default_rng([seed, case.columns, case.windows])
    count = case.columns
    above = np.triu(rng.random((count, count)) < case.degree / (count - 1), 1)
    order = rng.permutation(count)
    names = tuple(f"c{i:03d}" for i in range(count))
    causes = [[names[order[i]] for i in np.flatnonzero(above[:, j])] for j in range(count)]
    slopes = [rng.uniform(0.5, 1.0, len(c)) * rng.choice([-1, 1], len(c)) for c in causes]
    bent = [rng.random(len(c)) < 0.4 for c in causes]
    apart: dict[str, list[int]] = {}
    for j in np.flatnonzero(rng.random(count) < case.moved):
        where = range(case.windows) if case.everywhere else [int(rng.integers(1, case.windows))]
        apart[names[order[j]]] = list(where)
    frames = []
    for k in range(case.windows):
        values: dict[str, Any] = {}
        for j in range(count):
            name = names[order[j]]
            level, scale, turn = 0.0, 1.0, np.ones(len(causes[j]))
            if k in apart.get(name, ()):
                kind = rng.integers(3 if causes[j] else 2)
                if kind == 0:
                    level = rng.choice([-1, 1]) * rng.uniform(0.4, 1.2)
                elif kind == 1:
                    scale = rng.choice([0.5, 1.8])
                else:
                    turn = rng.uniform(-0.6, 0.4, len(causes[j]))
            total = level + scale * rng.normal(size=case.rows)
            for cause, slope, bends, factor in zip(
                causes[j], slopes[j], bent[j], turn, strict=True
            ):
                x = values[cause]
                x = x / (1 + np.abs(x).mean())  # no scale grows along the order
                total = total + 1.6 * slope * factor * (np.abs(x) - 0.5 + x if bends else x)
            values[name] = total
        frames.append(pd.DataFrame({name: values[name] for name in names}))
    edges = [(c, names[order[j]]) for j in range(count) for c in causes[j]]
    dag = Graph.from_pairs(edges, nodes=names)
    return World(tuple(frames), dag, open_class(dag, apart))


def open_class(dag: Graph, apart: dict[str, list[int]]) -> Graph:
    """Return what the windows leave open: each is a cause of the mechanisms that are its own."""
    contexts = tuple(f"window {k}" for k in sorted({k for ks in apart.values() for k in ks}))
    edges = [Edge.of(f"window {k}", "-->", n) for n, ks in apart.items() for k in ks]
    widened = Graph((*dag.nodes, *contexts), (*dag.edges, *edges))
    known = Knowledge(forbidden=[(n, context) for n in dag.nodes for context in contexts])
    return dag_to_cpdag(widened, known).with_nodes(dag.nodes)


# ---- methods ----------------------------------------------------------------------------------
Method = Callable[[World], Marks | None]


def ours(method: str) -> Method:
    def learn(world: World) -> Marks | None:
        if method == "cd-nod" and len(world.dag.nodes) > _MOST_BY_TESTS:
            return None
        first = Snapshot.from_frame(world.frames[0])
        rest = [Snapshot.from_frame(f, schema=first.schema) for f in world.frames[1:]]
        return marks(learn_graph([first, *rest], method).graph)

    return learn


def pooled(method: str) -> Method:
    def learn(world: World) -> Marks:
        return marks(learn_graph(pd.concat(world.frames, ignore_index=True), method).graph)

    return learn


def their_cdnod(world: World) -> Marks | None:
    from causallearn.search.ConstraintBased.CDNOD import cdnod

    names = world.dag.nodes
    if len(names) > _MOST_BY_TESTS:
        return None
    rows = [len(frame) for frame in world.frames]
    index = np.repeat(np.arange(len(rows), dtype=float), rows)[:, None]
    data = np.concatenate([frame[list(names)].to_numpy() for frame in world.frames])
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        found = cdnod(data, index, 0.05, "fisherz", show_progress=False)
    matrix = found.G.graph  # [i, j] stands at i: −1 a tail, 1 an arrow
    out: Marks = {}
    for i, a in enumerate(names):
        for j in range(i + 1, len(names)):
            if matrix[i, j] or matrix[j, i]:
                ends = (int(matrix[i, j]), int(matrix[j, i]))
                out[a, names[j]] = {(-1, 1): "-->", (1, -1): "<--", (-1, -1): "---"}.get(
                    ends, "<->"
                )
    return out


def nothing(world: World) -> Marks:
    del world
    return {}


METHODS: dict[str, Method] = {
    "whydrift boss": ours("boss"),
    "whydrift boss, windows pooled": pooled("boss"),
    "whydrift cd-nod": ours("cd-nod"),
    "causal-learn cdnod": their_cdnod,
    "empty graph": nothing,
}


# ---- the table --------------------------------------------------------------------------------
def marks(graph: Graph) -> Marks:
    turned = {"-->": "<--"}
    return {
        (e.a, e.b) if e.a < e.b else (e.b, e.a): e.mark if e.a < e.b else turned.get(e.mark, e.mark)
        for e in graph
    }


def judged(found: Marks, world: World) -> dict[str, float | None]:
    truth, dag = marks(world.truth), marks(world.dag)
    shared = found.keys() & dag.keys()
    directed = [pair for pair, mark in found.items() if mark in {"-->", "<--"}]
    right = sum(found[pair] == dag.get(pair) for pair in directed)
    on_true = sum(pair in dag for pair in directed)
    return {
        "SHD": float(sum(found.get(p) != truth.get(p) for p in found.keys() | truth.keys())),
        "skeleton": 2 * len(shared) / max(1, len(found) + len(dag)),
        "direction": 2 * right / max(1, len(directed) + len(dag)),
        "oriented": len(directed) / len(found) if found else None,
        "right": right / on_true if on_true else None,
    }


def table(cases: tuple[tuple[Case, int], ...], first_seed: int, methods: dict[str, Method]) -> None:
    columns = ("SHD", "skeleton", "direction", "oriented", "right", "seconds")
    for case, seeds in cases:
        worlds = [world(case, seed) for seed in range(first_seed, first_seed + seeds)]
        known = [sum(e.is_directed for e in w.truth) / max(1, len(w.truth)) for w in worlds]
        print(f"\n{case}; {seeds} worlds; directed in truth: {statistics.mean(known):.2f}")
        print(f"{'':32}" + "".join(f"{c:>15}" for c in columns))
        for name, method in methods.items():
            rows = []
            for one in worlds:
                began = time.process_time()
                found = method(one)
                seconds = time.process_time() - began
                if found is not None:
                    rows.append({**judged(found, one), "seconds": seconds})
            print(f"{name:32}" + "".join(_cell([row[c] for row in rows], c) for c in columns))


def _cell(values: list[float | None], column: str) -> str:
    present = [value for value in values if value is not None]
    if not present:
        return f"{'–':>15}"
    spread = statistics.stdev(present) if len(present) > 1 else 0.0
    digits = 1 if column == "SHD" else 2
    return f"{f'{statistics.mean(present):.{digits}f} ± {spread:.{digits}f}':>15}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--full", action="store_true", help="more worlds, and p = 200")
    parser.add_argument("--first-seed", type=int, default=100, help="tuning used 0 to 9")
    parser.add_argument("--only", default="", help="methods whose name holds this")
    given = parser.parse_args()
    names = ("whydrift", "numpy", "causal-learn")
    packages = ", ".join(f"{name} {version(name)}" for name in names)
    print(f"{packages}; Python {platform.python_version()}; {os.cpu_count()} processors, one used")
    methods = {name: m for name, m in METHODS.items() if given.only in name}
    # What is compiled is compiled before the clock runs.
    for windows in (2, 4):
        for method in methods.values():
            method(world(Case(25, windows, 200), 0))
    table(FULL if given.full else QUICK, given.first_seed, methods)


if __name__ == "__main__":
    sys.exit(main())
