"""How right learned graphs are, beside causal-learn, an empty graph and chance.

python benchmarks/graph_accuracy.py --seeds 100-109
python benchmarks/graph_accuracy.py --seeds 100 --data FOLDER     # bnlearn networks too

Cases are those of `yardsticks/graphbench.py`; truth is the CPDAG. *SHD*: pairs of columns with
another edge, or none, than in truth. *chance* is the true graph with its columns shuffled. FOLDER
holds a folder for each network with `reference.parquet` and `truth.json` (key `edges`).

*var-sortability* (Reisach, Seiler & Weichwald 2021, Beware of the simulated DAG!) is the share of
causal paths whose end varies more than their start: where it is near 1, sorting columns by their
variance would do; near 0.5 it tells nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))

from discovery_cases import marks_of_causal_learn
from seeds import seeds_of
from yardsticks import graphbench as yardstick

from whydrift.discovery import Snapshot
from whydrift.discovery.discover import learn_graph

Edges = list[list[str]]
Method = Callable[[pd.DataFrame, set[str]], Edges | None]
_TURNED = {"->": "-->", "--": "---", ">>": "<->", ">-": "<--"}


# ---- methods ----------------------------------------------------------------------------------
def ours(method: str, **options: Any) -> Method:
    def learn(frame: pd.DataFrame, discrete: set[str]) -> Edges:
        kinds = {
            name: "categorical" if name in discrete else "continuous" for name in frame.columns
        }
        snapshot = Snapshot.from_frame(frame, kinds=kinds)
        graph = learn_graph(snapshot, method, columns=list(frame.columns), **options).graph
        return [[e.a, e.mark, e.b] for e in graph]

    return learn


def their_pc(frame: pd.DataFrame, discrete: set[str]) -> Edges | None:
    from causallearn.search.ConstraintBased.PC import pc

    data, complete = coded(frame, discrete)
    if discrete and len(discrete) < frame.shape[1]:
        test = "fisherz"  # it has no test for mixed columns but KCI, which takes hours
    else:
        test = "gsq" if discrete else "fisherz" if complete else "mv_fisherz"
    if discrete and not complete:
        return None
    found = pc(data, 0.05, test, stable=True, show_progress=False)
    return edges_of(found.G.graph, list(frame.columns))


def their_boss(frame: pd.DataFrame, discrete: set[str]) -> Edges | None:
    from causallearn.search.PermutationBased.BOSS import boss

    data, complete = coded(frame, discrete)
    if not complete:
        return None  # it would hang
    found = boss(data, verbose=False)
    return edges_of(found.graph, list(frame.columns))


def coded(frame: pd.DataFrame, discrete: set[str]) -> tuple[Any, bool]:
    """Return numbers, categories as codes, and whether no value is missing."""
    parts = []
    for name in frame.columns:
        if name in discrete:
            codes, _ = pd.factorize(frame[name], sort=True)
            parts.append(np.where(codes < 0, np.nan, codes))
        else:
            parts.append(frame[name].to_numpy(dtype=float))
    data = np.column_stack(parts)
    return data, bool(np.isfinite(data).all())


def edges_of(matrix: Any, names: list[str]) -> Edges:
    marks = marks_of_causal_learn(np.asarray(matrix))
    return [[names[i], _TURNED[ends], names[j]] for (i, j), ends in marks.items()]


def nothing(frame: pd.DataFrame, discrete: set[str]) -> Edges:
    return []


METHODS: dict[str, Method] = {
    "whydrift boss": ours("boss"),
    "whydrift pc": ours("pc"),
    "whydrift pc, alpha 0.01": ours("pc", alpha=0.01),
    "whydrift pc, standard": ours("pc", orientation="standard"),
    "whydrift pc, conservative": ours("pc", orientation="conservative"),
    "whydrift pc, max": ours("pc", orientation="max"),
    "causal-learn pc": their_pc,
    "causal-learn boss": their_boss,
    "empty graph": nothing,
}


# ---- cases ------------------------------------------------------------------------------------
def simulated(suite: str, seeds: list[int]) -> Iterator[tuple[pd.DataFrame, set[str], dict]]:
    for seed in seeds:
        for spec in yardstick.suite_specs(suite, seed):
            case = yardstick.make_case(spec)
            yield case.frame, set(case.meta["discrete"]), case.truth


def published(folder: Path) -> Iterator[tuple[pd.DataFrame, set[str], dict]]:
    for path in sorted(folder.glob("*bn_*/truth.json")):
        frame = pd.read_parquet(path.parent / "reference.parquet")
        dag = json.loads(path.read_text())["edges"]
        columns = list(frame.columns)
        place = {name: i for i, name in enumerate(columns)}
        matrix = np.zeros((len(columns), len(columns)), dtype=bool)
        for cause, effect in dag:
            matrix[place[cause], place[effect]] = True
        directed, undirected = yardstick.dag_to_cpdag(matrix)
        cpdag = [[columns[i], "-->", columns[j]] for i, j in sorted(directed)]
        cpdag += [[columns[i], "---", columns[j]] for i, j in sorted(undirected)]
        discrete = {n for n in columns if not pd.api.types.is_numeric_dtype(frame[n])}
        yield frame, discrete, {
            "case_id": path.parent.name, "family": path.parent.name, "p": len(columns),
            "n": len(frame), "degree": 2 * len(dag) / len(columns), "columns": columns,
            "dag": dag, "cpdag": cpdag,
        }  # fmt: skip


def shuffled(truth: dict) -> Edges:
    names = np.array(truth["columns"], dtype=object)
    other = np.random.default_rng(len(names)).permutation(names)
    new = dict(zip(names.tolist(), other.tolist(), strict=True))
    return [[new[a], mark, new[b]] for a, mark, b in truth["cpdag"]]


def var_sortability(frame: pd.DataFrame, truth: dict) -> float | None:
    """Return the share of causal paths along which the variance rises."""
    names = truth["columns"]
    variance = frame[names].var(numeric_only=True)
    if len(variance) < len(names):
        return None
    place = {name: i for i, name in enumerate(names)}
    step = np.zeros((len(names), len(names)))
    for cause, effect in truth["dag"]:
        step[place[cause], place[effect]] = 1
    own = variance.to_numpy()
    rises, power = 0.5 * (own[:, None] == own) + (own[:, None] < own), step
    good = total = 0.0
    for _ in names:
        good, total, power = (
            good + (rises * (power > 0)).sum(),
            total + (power > 0).sum(),
            power @ step,
        )
    return float(good / total) if total else None


# ---- the table --------------------------------------------------------------------------------
def answered(method: Method, frame: pd.DataFrame, discrete: set[str]) -> dict | None:
    began = time.process_time()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            found = method(frame, discrete)
    except Exception as error:  # a peer that stops has not answered
        print(f"  stopped: {type(error).__name__}: {str(error)[:80]}", file=sys.stderr)
        return None
    if found is None:
        return None
    return {"edges": found, "seconds": time.process_time() - began}


def table(cases: list[tuple[pd.DataFrame, set[str], dict]], methods: dict[str, Method]) -> None:
    rows = []
    for frame, discrete, truth in cases:
        chance: Method = lambda _f, _d, t=truth: shuffled(t)  # noqa: E731
        for name, method in {**methods, "chance": chance}.items():
            score = yardstick.score_case(truth, answered(method, frame, discrete))
            rows.append({**score, "method": name, "sortable": var_sortability(frame, truth)})
    scores = pd.DataFrame(rows)
    print("| family | method | answered | skeleton F1 | arrow F1 | SHD (sd) | of edges | s/case |")
    print("|---|---|---|---|---|---|---|---|")
    for family, own in [("all", scores), *scores.groupby("family", sort=True)]:
        for name in [*methods, "chance"]:
            part = own[own.method == name]
            there = part[part.answered]
            if there.empty:
                print(f"| {family} | {name} | 0/{len(part)} | | | | | |")
                continue
            spread = f" ({there.shd.std():.1f})" if len(there) > 1 else ""
            print(
                f"| {family} | {name} | {len(there)}/{len(part)} | {f1(there, 'skel')} | "
                f"{f1(there, 'arrow')} | {there.shd.mean():.2f}{spread} | "
                f"{there.skel_want.mean():.1f} | {there.seconds.mean():.2f} |"
            )
    print()
    for family, own in scores.groupby("family", sort=True):
        known = own[own.method == "empty graph"].sortable.dropna()
        if len(known):
            spread = statistics.stdev(known) if len(known) > 1 else 0.0
            print(f"var-sortability of {family}: {known.mean():.2f} ± {spread:.2f}")
    print(flush=True)


def f1(rows: pd.DataFrame, what: str) -> str:
    right, got, want = (rows[f"{what}_{part}"].sum() for part in ("tp", "got", "want"))
    return f"{2 * right / (got + want):.3f}" if got + want else "–"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", default="small", choices=yardstick.SUITES)
    parser.add_argument("--seeds", default="100-109", help="such as 100-109")
    parser.add_argument("--data", type=Path, help="folder of published networks")
    parser.add_argument("--methods", help="comma-separated; by default all")
    chosen = parser.parse_args()
    wanted = chosen.methods.split(",") if chosen.methods else list(METHODS)
    methods = {name: METHODS[name] for name in dict.fromkeys([*wanted, "empty graph"])}
    print(
        f"whydrift {version('whydrift')}, numpy {version('numpy')}, causal-learn "
        f"{version('causal-learn')}; Python {platform.python_version()}, {platform.machine()}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n"
    )
    seeds = seeds_of(chosen.seeds)
    print(f"## graphbench, suite {chosen.suite}, seeds {chosen.seeds}\n", flush=True)
    table(list(simulated(chosen.suite, seeds)), methods)
    if chosen.data is not None:
        print("## Published networks (bnlearn), one window each\n", flush=True)
        table(list(published(chosen.data)), methods)
    return 0


if __name__ == "__main__":
    sys.exit(main())
