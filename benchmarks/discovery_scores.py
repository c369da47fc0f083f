"""How fast, how right and how like causal-learn the searches by score are.

python benchmarks/discovery_scores.py            # ten minutes: causal-learn is slow
python benchmarks/discovery_scores.py --quick    # a minute or two: without its slowest runs

One thread for both, and seconds of its processor time, which do not depend on what else runs.
Ours is the median of three calls after a first one that may compile or load compiled code (timed
apart); causal-learn is called once. The same penalty for both: 1 is BIC, and causal-learn's BOSS
has 4 by default.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy is loaded

import argparse
import contextlib
import io
import platform
import random
import resource
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

sys.path[:0] = [str(Path(__file__).parent)]

from discovery_cases import (
    Array,
    Case,
    Marks,
    linear_gaussian,
    marks_of_causal_learn,
    marks_of_ours,
    true_cpdag,
)

from whydrift.discovery import Graph, Snapshot
from whydrift.discovery.graph import Edge
from whydrift.discovery.orientation import cpdag_to_dag, dag_to_cpdag
from whydrift.discovery.scores.base import Score
from whydrift.discovery.scores.registry import score_named
from whydrift.discovery.search.by_score import learn_by_score

ROWS = 10_000
REPEATS = 3
DATA_SETS = 30


# ---- ours and theirs --------------------------------------------------------------------------
def our_ges(snapshot: Snapshot, names: tuple[str, ...], score: str = "bic") -> Marks:
    return marks_of_ours(learn_by_score("ges", (snapshot,), names, score=score)[0], names)


def our_boss(
    snapshot: Snapshot, names: tuple[str, ...], score: str = "bic", penalty: float = 1.0
) -> Marks:
    found, _ = learn_by_score("boss", (snapshot,), names, score=score, penalty=penalty)
    return marks_of_ours(found, names)


def our_windows(snapshot: Snapshot, names: tuple[str, ...]) -> Marks:
    """Return what four quarters of the rows tell as four windows."""
    quarters = np.array_split(np.arange(len(snapshot.sample)), 4)
    found, _ = learn_by_score(
        "boss", tuple(snapshot.take(rows) for rows in quarters), names, score="spline_ebic"
    )
    return marks_of_ours(found, names)


def their_ges(data: Array) -> Marks:
    from causallearn.search.ScoreBased.GES import ges

    return marks_of_causal_learn(ges(data)["G"].graph)


def our_grasp(
    snapshot: Snapshot, names: tuple[str, ...], score: str = "bic", penalty: float = 1.0
) -> Marks:
    found, _ = learn_by_score("grasp", (snapshot,), names, score=score, penalty=penalty)
    return marks_of_ours(found, names)


def their_grasp(data: Array, penalty: float = 1.0) -> Marks:
    from causallearn.search.PermutationBased.GRaSP import grasp

    random.seed(0)  # it shuffles by the generator that everyone shares
    found = grasp(data, parameters={"lambda_value": penalty / 2}, verbose=False)
    return marks_of_causal_learn(found.graph)


def their_boss(data: Array, penalty: float = 1.0) -> Marks:
    from causallearn.search.PermutationBased.BOSS import boss

    found = boss(data, parameters={"lambda_value": penalty / 2}, verbose=False)
    return marks_of_causal_learn(found.graph)


CASES = (
    Case("GES, p=100, degree 2", lambda: linear_gaussian(100, 2, ROWS, 100), our_ges, their_ges,
         same="marks", target=0.15, slow=True, truth=true_cpdag),
    Case("BOSS (EBIC), p=100, degree 4", lambda: linear_gaussian(100, 4, ROWS, 100),
         lambda s, n: our_boss(s, n, "ebic"), None, target=1.0, truth=true_cpdag),
    Case("BOSS (penalty 4), p=100, degree 4", lambda: linear_gaussian(100, 4, ROWS, 100),
         lambda s, n: our_boss(s, n, penalty=4.0), lambda d: their_boss(d, 4.0), same="marks",
         target=1.0, slow=True, truth=true_cpdag),
    Case("BOSS (EBIC), p=1,000, degree 2", lambda: linear_gaussian(1_000, 2, ROWS, 100),
         lambda s, n: our_boss(s, n, "ebic"), None, target=180.0),
    Case("GRaSP (penalty 4), p=40, degree 4", lambda: linear_gaussian(40, 4, ROWS, 100),
         lambda s, n: our_grasp(s, n, penalty=4.0), lambda d: their_grasp(d, 4.0), same="marks",
         slow=True),
    Case("GRaSP (EBIC), p=100, degree 4", lambda: linear_gaussian(100, 4, ROWS, 100),
         lambda s, n: our_grasp(s, n, "ebic"), None),
    Case("BOSS (splines), p=50, degree 3, n=5,000", lambda: linear_gaussian(50, 3, 5_000, 100),
         lambda s, n: our_boss(s, n, "spline_ebic"), None),
    Case("BOSS (splines), p=200, degree 3, n=5,000", lambda: linear_gaussian(200, 3, 5_000, 100),
         lambda s, n: our_boss(s, n, "spline_ebic"), None, slow=True),
    Case("BOSS (splines, 4 windows), p=50, degree 3, n=5,000",
         lambda: linear_gaussian(50, 3, 5_000, 100), our_windows, None),
)  # fmt: skip


def snapshot_of(data: Array) -> tuple[Snapshot, tuple[str, ...]]:
    names = tuple(f"v{i:04}" for i in range(data.shape[1]))
    frame = pa.table(dict(zip(names, data.T, strict=True)))
    return Snapshot.from_frame(frame, sample_rows=len(data)), names


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),  # causal-learn prints its progress
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        found = work()
    return time.process_time() - began, found


def true_marks(dag: Array, names: tuple[str, ...]) -> Marks:
    pairs = [(names[i], names[j]) for i, j in np.argwhere(dag).tolist()]
    return marks_of_ours(dag_to_cpdag(Graph.from_pairs(pairs, nodes=names)), names)


def errors(found: Marks, truth: Marks) -> int:
    """Return the pairs that carry another edge, or none, than in truth."""
    return sum(found.get(pair) != truth.get(pair) for pair in found.keys() | truth.keys())


# ---- speed ------------------------------------------------------------------------------------
def speed(quick: bool) -> None:
    print("## Speed, seconds of one core, and pairs that differ from the true class\n")
    print("| case | ours (range) | first call | causal-learn | ratio | to reach | ours wrong | "
          "theirs | empty | pairs that differ |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|")
    for case in CASES:
        if quick and case.slow and case.peer is None:
            continue
        world = case.world()
        snapshot, names = snapshot_of(world.data)
        truth = true_marks(world.dag, names)
        first, mine = timed(lambda c=case, s=snapshot, n=names: c.ours(s, n))
        repeats = REPEATS if first < 20 else 1
        taken = [timed(lambda c=case, s=snapshot, n=names: c.ours(s, n))[0] for _ in range(repeats)]
        middle = statistics.median(taken)
        peer, ratio, wrong, differ = "–", "–", "–", "–"
        if case.peer is not None and not (quick and case.slow):
            seconds, theirs = timed(lambda c=case, w=world: c.peer(w.data))
            peer, ratio = f"{seconds:.2f}", f"{seconds / middle:,.0f}"
            wrong, differ = str(errors(theirs, truth)), str(errors(theirs, mine))
        print(
            f"| {case.name} | {middle:.3f} ({min(taken):.3f}–{max(taken):.3f}) | {first:.2f} | "
            f"{peer} | {ratio} | {'–' if case.target is None else case.target} | "
            f"{errors(mine, truth)} | {wrong} | {len(truth)} | {differ} |",
            flush=True,
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\nLargest memory of this process: {peak:.2f} GiB.\n")


# ---- the same graphs? -------------------------------------------------------------------------
def total(score: Score, marks: Marks) -> float:
    """Return the score of a class of graphs, by one of its DAGs."""
    names = score.names
    edges = {(names[i], names[j]): "-->" if ends == "->" else "---" if ends == "--" else "<--"
             for (i, j), ends in marks.items()}  # fmt: skip
    graph = Graph(names, tuple(Edge.of(a, mark, b) for (a, b), mark in edges.items()))
    dag = cpdag_to_dag(graph)
    if dag is None:
        return float("nan")
    place = {name: i for i, name in enumerate(names)}
    return sum(
        float(score.local(place[n], [tuple(place[p] for p in dag.parents(n))])[0]) for n in names
    )


def sameness(sets: int) -> None:
    print(f"## The same graphs? {sets} data sets, 15 columns, 2,000 rows, penalty 1\n")
    print("| search | degree | same class | ours scores higher | theirs | ours wrong | theirs | "
          "empty |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|")
    for search, ours, theirs in (
        ("GES", our_ges, their_ges),
        ("BOSS", our_boss, their_boss),
        ("GRaSP", our_grasp, their_grasp),
    ):
        for degree in (2, 3):
            same = higher = lower = 0
            wrong: list[tuple[int, int, int]] = []
            for seed in range(100, 100 + sets):
                world = linear_gaussian(15, degree, 2_000, seed)
                snapshot, names = snapshot_of(world.data)
                truth = true_marks(world.dag, names)
                mine = ours(snapshot, names)
                _, other = timed(lambda t=theirs, w=world: t(w.data))
                score, _ = score_named("bic", (snapshot,), names)
                gap = total(score, mine) - total(score, other)
                same += mine == other
                higher += gap > 1e-3
                lower += gap < -1e-3
                wrong.append((errors(mine, truth), errors(other, truth), len(truth)))
            means = [f"{m:.2f} ± {s:.2f}" for m, s in zip(np.mean(wrong, axis=0),
                     np.std(wrong, axis=0) / np.sqrt(sets), strict=True)]  # fmt: skip
            print(f"| {search} | {degree} | {same} | {higher} | {lower} | {' | '.join(means)} |",
                  flush=True)  # fmt: skip
    print()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="without the peer's slowest runs")
    quick = parser.parse_args().quick
    packages = ("causal-learn", "numpy", "scipy", "numba")
    print(", ".join(f"{name} {version(name)}" for name in packages), end="; ")
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores\n")
    speed(quick)
    sameness(5 if quick else DATA_SETS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
