"""How fast graphs are learned beside causal-learn, and whether they are the same graphs.

python benchmarks/discovery.py            # about half an hour: causal-learn is slow
python benchmarks/discovery.py --quick    # a few minutes: without its slowest runs

One thread for both, and seconds of its processor time, which do not depend on what else runs.
Ours is the median of five calls after a first one that may compile or load compiled code (timed
apart); causal-learn is called once. `whole` adds the reading of the matrix into a Snapshot.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy is loaded

import argparse
import contextlib
import io
import platform
import resource
import statistics
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.stats import wishart

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

from discovery_cases import (
    Array,
    Case,
    Marks,
    World,
    linear_gaussian,
    marks_of_causal_learn,
    marks_of_ours,
    true_cpdag,
)

from whydrift.discovery import Covariance, Snapshot, discover
from whydrift.discovery.search.fci import fci, fci_from_test
from whydrift.discovery.search.pc import pc

ALPHA = 0.05
ROWS = 10_000
REPEATS = 5


# ---- ours and theirs --------------------------------------------------------------------------
def our_pc(snapshot: Snapshot, names: tuple[str, ...], **options: Any) -> Marks:
    return marks_of_ours(pc(snapshot, names, test="fisher_z", **options)[0], names)


def our_fci(snapshot: Snapshot, names: tuple[str, ...], **options: Any) -> Marks:
    return marks_of_ours(fci(snapshot, names, test="fisher_z", **options)[0], names)


def their_pc(data: Array, alpha: float = ALPHA) -> Marks:
    from causallearn.search.ConstraintBased.PC import pc as run

    found = run(data, alpha, "fisherz", stable=True, show_progress=False)
    return marks_of_causal_learn(found.G.graph)


def their_fci(data: Array, alpha: float = ALPHA) -> Marks:
    from causallearn.search.ConstraintBased.FCI import fci as run

    found, _ = run(data, "fisherz", alpha, show_progress=False, verbose=False)
    return marks_of_causal_learn(found.graph)


def true_pag(world: World) -> Marks:
    """Return the PAG that the rules give when every test is right (m-separation)."""
    from tests.discovery.mixed_graphs import OracleTest, Separations

    kinds = {
        (min(i, j), max(i, j)): ("-", ">") if i < j else (">", "-")
        for i, j in np.argwhere(world.dag).tolist()
    }
    names = tuple(f"v{i:04}" for i in range(world.data.shape[1]))
    oracle = OracleTest(Separations(kinds, len(world.dag)))
    return marks_of_ours(fci_from_test(oracle, names, alpha=0.5)[0], names)


CASES = (
    Case("PC, p=100, degree 4", lambda: linear_gaussian(100, 4, ROWS, 100), our_pc, their_pc,
         target=0.05),
    Case("PC, p=200, degree 4", lambda: linear_gaussian(200, 4, ROWS, 100), our_pc, their_pc,
         target=0.25, slow=True),
    Case("PC, p=1,000, degree 2", lambda: linear_gaussian(1_000, 2, ROWS, 100), our_pc, None,
         target=180.0),
    Case("FCI, p=50, degree 2, tests right", lambda: linear_gaussian(
             50, 2, ROWS, 101, hidden=5, exact=True),
         lambda s, n: our_fci(s, n, alpha=0.9999), lambda d: their_fci(d, 0.9999), same="marks",
         target=0.1, truth=true_pag),
    Case("FCI, p=50, degree 2", lambda: linear_gaussian(50, 2, ROWS, 100, hidden=5), our_fci,
         their_fci, same="marks", target=0.1, truth=true_pag),
    Case("FCI, p=50, degree 2, alpha 0.01", lambda: linear_gaussian(50, 2, ROWS, 100, hidden=5),
         lambda s, n: our_fci(s, n, alpha=0.01), lambda d: their_fci(d, 0.01), same="marks",
         target=0.1, truth=true_pag),
)  # fmt: skip


def all_cases() -> tuple[Case, ...]:
    """Return the cases here, and those of searches by score where they are present."""
    try:
        import discovery_scores
    except ImportError:
        return CASES
    return (*CASES, *discovery_scores.CASES)


# ---- speed ------------------------------------------------------------------------------------
def snapshot_of(data: Array) -> tuple[Snapshot, tuple[str, ...]]:
    names = tuple(f"v{i:04}" for i in range(data.shape[1]))
    frame = pa.table(dict(zip(names, data.T, strict=True)))
    return Snapshot.from_frame(frame, sample_rows=len(data)), names


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),  # causal-learn prints edges
    ):
        warnings.simplefilter("ignore")
        found = work()
    return time.process_time() - began, found


def speed(quick: bool, word: str) -> None:
    print("## Speed, seconds of one core\n")
    print("| case | ours (range) | first call | whole | causal-learn | ratio | to reach | same |")
    print("|---|---|---|---|---|---|---|---|")
    for case in (c for c in all_cases() if word in c.name):
        world = case.world()
        data = world.data
        reading, (snapshot, names) = timed(lambda data=data: snapshot_of(data))
        first, mine = timed(lambda c=case, s=snapshot, n=names: c.ours(s, n))
        repeats = REPEATS if first < 5 else 1
        taken = [timed(lambda c=case, s=snapshot, n=names: c.ours(s, n))[0] for _ in range(repeats)]
        middle = statistics.median(taken)
        peer, ratio, same = "–", "–", "–"
        if case.peer is not None and not (quick and case.slow):
            seconds, theirs = timed(lambda c=case, d=data: c.peer(d))
            peer, ratio = f"{seconds:.2f}", f"{seconds / middle:,.0f}"
            same = compared(mine, theirs, case.same)
        if case.truth is not None:
            truth = case.truth(world)
            wrong = f"wrong {errors(mine, truth)}"
            same = wrong if peer == "–" else f"{same}; {wrong}, theirs {errors(theirs, truth)}"
        print(
            f"| {case.name} | {middle:.3f} ({min(taken):.3f}–{max(taken):.3f}) | {first:.2f} | "
            f"{reading + middle:.2f} | {peer} | {ratio} | "
            f"{'–' if case.target is None else case.target} | {same} |",
            flush=True,
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\nLargest memory of this process: {peak:.2f} GiB.\n")


def covariance_speed() -> None:
    """Print what PC takes on covariance matrices of few and of many rows."""
    print("## PC from a covariance matrix, p=100, average degree 4, seconds of one core\n")
    print("The matrix is drawn from the Wishart distribution of so many rows of the same world.\n")
    print("| rows | seconds (range) | edges | edges not in truth, or missing |")
    print("|---|---|---|---|")
    columns = 100
    world = linear_gaussian(columns, 4, 2, 100)
    slopes, names = world.slopes, tuple(f"v{i:04}" for i in range(columns))
    total = np.linalg.inv(np.eye(columns) - slopes)
    truth = true_skeleton(world)
    for rows in (10_000, 10_000_000):
        drawn = wishart(rows - 1, total.T @ total, seed=100).rvs() / (rows - 1)
        matrix = Covariance(drawn, names, rows=rows)
        discover(matrix, "pc", alpha=ALPHA)
        taken = []
        for _ in range(REPEATS):
            seconds, graph = timed(lambda m=matrix: discover(m, "pc", alpha=ALPHA))
            taken.append(seconds)
        found = marks_of_ours(graph, names).keys()
        print(
            f"| {rows:,} | {statistics.median(taken):.3f} ({min(taken):.3f}–{max(taken):.3f}) | "
            f"{len(found)} | {len(found ^ truth)} |",
            flush=True,
        )
    print()


def true_skeleton(world: World) -> set[tuple[int, int]]:
    return {(min(i, j), max(i, j)) for i, j in np.argwhere(world.dag).tolist()}


def compared(mine: Marks, theirs: Marks, what: str) -> str:
    """Return in words what differs."""
    edges = len(mine.keys() ^ theirs.keys())
    marks = sum(mine[pair] != theirs[pair] for pair in mine.keys() & theirs.keys())
    if what == "skeleton":
        return f"yes ({len(mine)} edges)" if not edges else f"{edges} edges differ"
    if not edges and not marks:
        return f"yes ({len(mine)} edges)"
    return f"{edges} edges and {marks} marks of {len(mine)} differ"


# ---- the same graphs? -------------------------------------------------------------------------
def errors(found: Marks, truth: Marks) -> int:
    """Return the pairs that carry another edge, or none, than in truth."""
    return sum(found.get(pair) != truth.get(pair) for pair in found.keys() | truth.keys())


def sameness() -> None:
    print("## The same graphs? 20 columns (FCI: 12 and 3 hidden), degree 2 and 3\n")
    print("`exact` data have the correlations of the population and are tested at alpha 0.9999, so")
    print(
        "that only what is zero to rounding counts as independent: every test is right, and truth"
    )
    print("(for FCI that of an m-separation oracle) is the only right answer. `sampled` data have")
    print("2,000 rows, alpha 0.01. PC's colliders by the separating sets found (`standard`), as")
    print("causal-learn does, and by ours (`max`).\n")
    print("| search | data | sets | same skeleton | same graph | wrong pairs ours | theirs |")
    print("|---|---|---|---|---|---|---|")
    differing: list[str] = []
    for exact in (True, False):
        for orientation in ("standard", "max"):
            _same_row("PC", orientation, exact, differing)
    for exact in (True, False):
        _same_row("FCI", "max", exact, differing)
    print("\nWhere graphs differ (seed, degree; pairs wrong: ours, theirs):\n")
    for line, times in Counter(differing).items():
        print(f"- {line}" + (f" ({times} times)" if times > 1 else ""))
    print()


def _same_row(search: str, orientation: str, exact: bool, differing: list[str]) -> None:
    alpha = 0.9999 if exact else 0.01
    skeletons = graphs = total = 0
    wrong: list[list[int]] = [[], []]
    for seed in range(100, 116):
        for degree in (2, 3):
            total += 1
            hidden = 3 if search == "FCI" else 0
            world = linear_gaussian(
                12 if hidden else 20, degree, 2_000, seed, hidden=hidden, exact=exact
            )
            snapshot, names = snapshot_of(world.data)
            if search == "PC":
                truth = true_cpdag(world)
                mine = our_pc(snapshot, names, alpha=alpha, orientation=orientation)
                _, theirs = timed(lambda d=world.data: their_pc(d, alpha))
            else:
                truth = true_pag(world)
                mine = our_fci(snapshot, names, alpha=alpha, orientation=orientation)
                _, theirs = timed(lambda d=world.data: their_fci(d, alpha))
            skeletons += mine.keys() == theirs.keys()
            graphs += mine == theirs
            both = errors(mine, truth), errors(theirs, truth)
            for own, value in zip(wrong, both, strict=True):
                own.append(value)
            if mine != theirs and (exact or search == "FCI" or mine.keys() != theirs.keys()):
                kind = "exact" if exact else "sampled"
                what = "skeleton" if mine.keys() != theirs.keys() else "marks"
                differing.append(
                    f"{search} ({orientation}), {kind}, seed {seed}, degree {degree}, {what}: "
                    f"{both[0]}, {both[1]}"
                )
    print(
        f"| {search}, {orientation} | {'exact' if exact else 'sampled'} | {total} | {skeletons} | "
        f"{graphs} | {statistics.mean(wrong[0]):.2f} ± {statistics.stdev(wrong[0]):.2f} | "
        f"{statistics.mean(wrong[1]):.2f} ± {statistics.stdev(wrong[1]):.2f} |",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="leave out causal-learn's slow runs")
    parser.add_argument("--cases", default="", help="only cases with this word in their name")
    parser.add_argument("--only", choices=("speed", "sameness"), help="one part alone")
    chosen = parser.parse_args()
    names = ("numpy", "scipy", "numba", "causal-learn")
    print(
        f"whydrift {version('whydrift')}, {', '.join(f'{n} {version(n)}' for n in names)}; Python "
        f"{platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores seen, one "
        f"used; load {os.getloadavg()[0]:.1f}; n = {ROWS:,}, alpha {ALPHA}\n"
    )
    if chosen.only != "sameness":
        speed(chosen.quick, chosen.cases)
        if not chosen.cases:
            covariance_speed()
    if chosen.only != "speed":
        sameness()
    return 0


if __name__ == "__main__":
    sys.exit(main())
