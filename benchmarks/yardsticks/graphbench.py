# whydrift yardsticks 1.0: unchanged below this header.
# SPDX-License-Identifier: Apache-2.0
#!/usr/bin/env python3
"""graphbench - a benchmark generator and scorer for graph discovery.

A case is a table of rows from a random directed acyclic graph (DAG).  The
question put to a method is the graph, up to Markov equivalence (the CPDAG).
There are no hidden common causes.

Only numpy, pandas and pyarrow are needed.  Everything is deterministic given
``(suite, seed)``.

Command line::

    python graphbench.py make  --suite small --seed 0 --out DIR
    python graphbench.py score --cases DIR --answers DIR [--by family,p,n]

Files per case (``DIR/<case_id>/``): ``data.parquet``, ``meta.json`` (public:
columns, discrete columns) and ``truth.json`` (hidden: DAG and CPDAG).

Answer file ``ANSWERS/<case_id>.json``::

    {"edges": [["a", "-->", "b"], ["a", "---", "b"], ["a", "o->", "b"],
               ["a", "<->", "b"], ["a", "o-o", "b"]], "seconds": float}

The reversed marks ``<--`` and ``<-o`` are read too.
"""
from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterable, List, Optional, Sequence, Set, Tuple

import numpy as np
import pandas as pd

__all__ = ["GRAPH_FAMILIES", "SUITES", "MARKS", "GraphSpec", "GraphCase", "random_dag", "dag_to_cpdag",
           "suite_specs", "make_case", "write_case", "load_case", "parse_edges",
           "score_case", "score_answers", "summarise"]

GRAPH_FAMILIES = ("linear-gauss", "linear-nongauss", "nonlinear-additive", "discrete", "mixed", "missing")
#: mark -> (end at the first column, end at the second): tail, arrow or circle
MARKS = {"-->": ("tail", "arrow"), "<--": ("arrow", "tail"), "---": ("tail", "tail"),
         "o->": ("circle", "arrow"), "<-o": ("arrow", "circle"), "<->": ("arrow", "arrow"),
         "o-o": ("circle", "circle")}
#: suite -> (cases, numbers of columns, numbers of rows)
SUITES = {"tiny": (12, [10], [500]), "small": (36, [10, 20, 30], [500, 2000]),
          "mid": (60, [10, 20, 50, 100], [500, 2000, 5000]), "large": (24, [100, 200], [2000, 10000])}

Edge = Tuple[int, int]


# --------------------------------------------------------------------------
# Graphs
# --------------------------------------------------------------------------
def random_dag(p: int, degree: float, max_parents: int, rng: np.random.Generator) -> np.ndarray:
    """Random DAG with an expected number of neighbours; ``B[i, j]`` is the
    edge ``i -> j``.  The order of the columns says nothing about causes."""
    b = np.triu(rng.random((p, p)) < min(1.0, degree / max(1, p - 1)), 1)
    for j in range(p):
        pa = np.flatnonzero(b[:, j])
        if len(pa) > max_parents:
            b[:, j] = False
            b[rng.choice(pa, max_parents, replace=False), j] = True
    perm = rng.permutation(p)
    out = np.zeros((p, p), bool)
    out[np.ix_(perm, perm)] = b
    return out


def _topological(b: np.ndarray) -> List[int]:
    """Columns with every cause before its effects."""
    left = b.sum(axis=0)
    todo = [int(i) for i in np.flatnonzero(left == 0)]
    out: List[int] = []
    while todo:
        i = todo.pop(0)
        out.append(i)
        for j in np.flatnonzero(b[i]):
            left[j] -= 1
            if left[j] == 0:
                todo.append(int(j))
    if len(out) != len(b):
        raise ValueError("the graph has a cycle")
    return out


def dag_to_cpdag(b: np.ndarray) -> Tuple[Set[Edge], Set[Edge]]:
    """Exact CPDAG of a DAG: ``(directed, undirected)`` edges, the undirected
    ones as ``(i, j)`` with ``i < j``.

    The unshielded colliders are directed first; then Meek's rules 1-3 are
    applied until nothing changes (rule 4 is only needed with background
    knowledge)."""
    p = len(b)
    adj = [set(np.flatnonzero(b[i] | b[:, i]).tolist()) for i in range(p)]
    into: List[Set[int]] = [set() for _ in range(p)]      # directed parents
    free: List[Set[int]] = [set(s) for s in adj]          # undirected neighbours

    def direct(i: int, j: int) -> None:
        into[j].add(i)
        free[i].discard(j)
        free[j].discard(i)

    for k in range(p):
        pa = np.flatnonzero(b[:, k]).tolist()
        for x in pa:
            if any(y != x and y not in adj[x] for y in pa):
                direct(x, k)
    changed = True
    while changed:
        changed = False
        for i in range(p):
            for j in sorted(free[i]):
                # 1: k -> i, k and j not adjacent   2: i -> k -> j
                # 3: i - k -> j, i - l -> j, k and l not adjacent
                two = sorted(free[i] & into[j])
                if (any(k not in adj[j] for k in into[i])
                        or any(i in into[k] for k in into[j])
                        or any(l not in adj[k] for a, k in enumerate(two) for l in two[a + 1:])):
                    direct(i, j)
                    changed = True
    directed = {(i, j) for j in range(p) for i in into[j]}
    return directed, {(i, j) for i in range(p) for j in free[i] if i < j}


# --------------------------------------------------------------------------
# Data
# --------------------------------------------------------------------------
@dataclass(frozen=True)
class GraphSpec:
    """Everything that determines a case."""

    case_id: str
    family: str
    p: int
    degree: float
    n: int
    seed: Tuple[int, ...]


@dataclass
class GraphCase:
    """A generated case; ``meta`` and ``truth`` are JSON-able."""

    spec: GraphSpec
    frame: pd.DataFrame
    meta: dict
    truth: dict


def _noise(family: str, n: int, rng: np.random.Generator) -> np.ndarray:
    if family == "linear-nongauss":
        if rng.random() < 0.5:
            return rng.uniform(-math.sqrt(3), math.sqrt(3), n)
        return rng.laplace(scale=1 / math.sqrt(2), size=n)
    return rng.normal(size=n)


def _shape(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random smooth function of a standardised cause, standardised."""
    k = int(rng.integers(4))
    w, c = rng.uniform(1.0, 2.0), rng.uniform(-0.7, 0.7)
    y = (np.sin(w * x + c) if k == 0 else np.tanh(w * x + c) if k == 1 else
         np.clip(x, -3, 3) ** 2 + c * x if k == 2 else np.abs(x - c))
    return (y - y.mean()) / (y.std() or 1.0)


def _simulate(b: np.ndarray, family: str, levels: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Rows of a model on the DAG.  Continuous columns are standardised one by
    one, so that scales do not reveal the order."""
    p = len(b)
    x = np.zeros((n, p))
    for j in _topological(b):
        pa = np.flatnonzero(b[:, j])
        k = int(levels[j])
        if k and all(levels[q] for q in pa):                     # table of probabilities
            code = np.zeros(n, np.int64)
            for q in pa:
                code = code * int(levels[q]) + x[:, q].astype(np.int64)
            rows = int(np.prod(levels[pa])) if len(pa) else 1
            table = rng.dirichlet(np.full(k, 0.8 if len(pa) else 4.0), rows).cumsum(axis=1)
            x[:, j] = np.minimum((rng.random(n)[:, None] > table[code]).sum(axis=1), k - 1)
            continue
        parts = []
        for q in pa:
            if levels[q]:
                eff = rng.normal(size=int(levels[q]))
                eff[0], eff[-1] = eff[0] - 1.0, eff[-1] + 1.0
                z = eff[x[:, q].astype(int)]
                parts.append((z - z.mean()) / (z.std() or 1.0))
            elif family in ("nonlinear-additive", "mixed") and (family != "mixed" or rng.random() < 0.5):
                parts.append(_shape(x[:, q], rng))
            else:
                parts.append(x[:, q])
        if k:                                                    # softmax of the causes
            f = np.tile(rng.normal(scale=0.3, size=k), (n, 1))
            for z in parts:
                w = rng.normal(size=k)
                w -= w.mean()
                f += np.outer(z, w / (np.linalg.norm(w) or 1.0) * rng.uniform(1.2, 2.0))
            x[:, j] = np.argmax(f + rng.gumbel(size=(n, k)), axis=1)
            continue
        y = np.zeros(n)
        for z in parts:
            y += z * rng.uniform(0.5, 1.0) * (1 if rng.random() < 0.5 else -1)
        y += _noise(family, n, rng) * (0.7 if family == "nonlinear-additive" else 1.0)
        x[:, j] = (y - y.mean()) / y.std()
    return x


def make_case(spec: GraphSpec) -> GraphCase:
    """Generate one case, deterministically from its spec."""
    rng = np.random.default_rng(list(spec.seed) + [17])
    fam, p = spec.family, spec.p
    b = random_dag(p, spec.degree, 3 if fam == "discrete" else 6, rng)
    levels = np.zeros(p, int)
    if fam == "discrete":
        levels = rng.integers(2, 5, size=p)
    elif fam == "mixed":
        levels = np.where(rng.random(p) < 0.4, rng.integers(2, 5, size=p), 0)
    x = _simulate(b, fam, levels, spec.n, rng)
    rates: Dict[str, float] = {}
    names = [f"v{i}" for i in range(p)]
    if fam == "missing":                       # completely at random or given another column
        full = x.copy()
        for j in range(p):
            if rng.random() < 0.3:
                continue
            rate = float(rng.uniform(0.05, 0.15))
            pr = np.full(spec.n, rate)
            if rng.random() < 0.5:
                d = int(rng.integers(p - 1))
                pr = 2 * rate / (1 + np.exp(-1.5 * full[:, d + (d >= j)]))
            x[rng.random(spec.n) < pr, j] = np.nan
            rates[names[j]] = rate
    cols: Dict[str, object] = {}
    for j, c in enumerate(names):
        cols[c] = np.array([f"L{int(v)}" for v in x[:, j]], dtype=object) if levels[j] else x[:, j]
    directed, free = dag_to_cpdag(b)
    meta = {"case_id": spec.case_id, "columns": names, "discrete": [c for c, k in zip(names, levels) if k],
            "p": p, "n": spec.n}
    truth = {"case_id": spec.case_id, "family": fam, "p": p, "n": spec.n, "degree": spec.degree,
             "columns": names, "missing_rates": rates,
             "dag": [[names[i], names[j]] for i, j in zip(*(a.tolist() for a in np.nonzero(b)))],
             "cpdag": [[names[i], "-->", names[j]] for i, j in sorted(directed)]
             + [[names[i], "---", names[j]] for i, j in sorted(free)]}
    return GraphCase(spec, pd.DataFrame(cols), meta, truth)


def suite_specs(suite: str, seed: int) -> List[GraphSpec]:
    """Specs of the suite ``tiny`` (12), ``small`` (36), ``mid`` (60) or
    ``large`` (24); families rotate, the mean degree is 2 to 4."""
    size, ps, ns = SUITES[suite]
    rng = np.random.default_rng([seed, 15_485_863])
    return [GraphSpec(f"g{i:04d}", GRAPH_FAMILIES[i % len(GRAPH_FAMILIES)], int(rng.choice(ps)),
                      float(rng.choice([2.0, 3.0, 4.0])), int(rng.choice(ns)), (seed, i)) for i in range(size)]


def write_case(case: GraphCase, out: Path) -> None:
    """Write a case's files under ``out/<case_id>``."""
    d = Path(out) / case.spec.case_id
    d.mkdir(parents=True, exist_ok=True)
    case.frame.to_parquet(d / "data.parquet", index=False)
    (d / "meta.json").write_text(json.dumps(case.meta, indent=1))
    (d / "truth.json").write_text(json.dumps(case.truth, indent=1))


def load_case(path: Path) -> Tuple[pd.DataFrame, dict]:
    """Read ``(frame, meta)`` of a case folder (the public part)."""
    return pd.read_parquet(Path(path) / "data.parquet"), json.loads((Path(path) / "meta.json").read_text())


# --------------------------------------------------------------------------
# Scoring
# --------------------------------------------------------------------------
Ends = Dict[Tuple[str, str], Tuple[str, str]]


def parse_edges(edges: Iterable[object], columns: Sequence[str]) -> Tuple[Ends, int]:
    """Edges as ``{(a, b): (end at a, end at b)}`` with ``a < b``, and the
    number of invalid entries (unknown mark or column, a column with itself,
    a pair given again); invalid entries are left out."""
    known, out, bad = set(columns), {}, 0
    for e in edges:
        if (not isinstance(e, (list, tuple)) or len(e) != 3 or not all(isinstance(v, str) for v in e)
                or e[1] not in MARKS or e[0] == e[2] or not {e[0], e[2]} <= known
                or tuple(sorted((e[0], e[2]))) in out):
            bad += 1
            continue
        a, m, b = e
        ends = MARKS[m]
        out[(a, b) if a < b else (b, a)] = ends if a < b else ends[::-1]
    return out, bad


def _arrows(ends: Ends) -> Set[Tuple[str, str]]:
    """Arrowheads as ``(other column, column with the arrowhead)``."""
    return ({(a, b) for (a, b), e in ends.items() if e[1] == "arrow"}
            | {(b, a) for (a, b), e in ends.items() if e[0] == "arrow"})


def _distance(x: Ends, y: Ends) -> int:
    """Number of pairs whose edge differs (a circle counts as a tail: with no
    hidden common causes both mean 'no arrowhead here')."""
    def key(g: Ends, k: Tuple[str, str]) -> Optional[Tuple[bool, bool]]:
        return (g[k][0] == "arrow", g[k][1] == "arrow") if k in g else None
    return sum(key(x, k) != key(y, k) for k in set(x) | set(y))


def score_case(truth: dict, ans: Optional[dict]) -> dict:
    """Counts for one case; ``ans=None`` is a missing answer."""
    r: dict = {k: truth[k] for k in ("case_id", "family", "p", "n", "degree")}
    r["answered"] = ans is not None
    if ans is None:
        return r
    got, bad = parse_edges(ans.get("edges", []), truth["columns"])
    want, _ = parse_edges(truth["cpdag"], truth["columns"])
    dag, _ = parse_edges([[a, "-->", b] for a, b in truth["dag"]], truth["columns"])
    r.update(invalid=bad, skel_tp=len(set(got) & set(want)), skel_got=len(got), skel_want=len(want),
             shd=_distance(got, want), shd_dag=_distance(got, dag))
    ga = _arrows(got)
    for name, wa in (("arrow", _arrows(want)), ("arrow_dag", _arrows(dag))):
        r.update({f"{name}_tp": len(ga & wa), f"{name}_got": len(ga), f"{name}_want": len(wa)})
    if ans.get("seconds") is not None:
        r["seconds"] = float(ans["seconds"])
    return r


def summarise(rows: pd.DataFrame) -> dict:
    """Pool per-case rows into the suite metrics."""
    a = rows[rows["answered"]]
    if not len(a):
        return {"cases": len(rows), "answered": 0}

    def ratio(x: str, y: str) -> float:
        return float(a[x].sum() / a[y].sum()) if a[y].sum() else float("nan")

    both = a["skel_got"].sum() + a["skel_want"].sum()
    out = {"cases": len(rows), "answered": len(a),
           "skeleton_precision": ratio("skel_tp", "skel_got"), "skeleton_recall": ratio("skel_tp", "skel_want"),
           "skeleton_f1": float(2 * a["skel_tp"].sum() / both) if both else float("nan")}
    for name in ("arrow", "arrow_dag"):
        out[f"{name}_precision"] = ratio(f"{name}_tp", f"{name}_got")
        out[f"{name}_recall"] = ratio(f"{name}_tp", f"{name}_want")
    out.update(shd_mean=float(a["shd"].mean()), shd_per_edge=ratio("shd", "skel_want"),
               shd_dag_mean=float(a["shd_dag"].mean()), invalid_marks=int(a["invalid"].sum()),
               seconds_mean=float(a["seconds"].mean()) if "seconds" in a else float("nan"),
               seconds_max=float(a["seconds"].max()) if "seconds" in a else float("nan"))
    return out


def score_answers(cases: Path, answers: Path) -> pd.DataFrame:
    """Per-case score rows for a folder of answers."""
    rows = []
    for d in sorted(Path(cases).iterdir()):
        if (d / "truth.json").exists():
            f = Path(answers) / f"{d.name}.json"
            rows.append(score_case(json.loads((d / "truth.json").read_text()),
                                   json.loads(f.read_text()) if f.exists() else None))
    return pd.DataFrame(rows)


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Command line entry point."""
    ap = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    sub = ap.add_subparsers(dest="cmd", required=True)
    m = sub.add_parser("make", help="write the cases of a suite")
    m.add_argument("--suite", default="small", choices=list(SUITES))
    m.add_argument("--seed", type=int, default=0)
    m.add_argument("--out", required=True)
    m.add_argument("--family", default=None, help="comma-separated filter")
    s = sub.add_parser("score", help="score a folder of answers")
    s.add_argument("--cases", required=True)
    s.add_argument("--answers", required=True)
    s.add_argument("--by", default="", help="comma-separated breakdown columns")
    s.add_argument("--json", default=None)
    a = ap.parse_args(argv)
    if a.cmd == "make":
        specs = [x for x in suite_specs(a.suite, a.seed) if not a.family or x.family in a.family.split(",")]
        for spec in specs:
            write_case(make_case(spec), Path(a.out))
        print(f"{len(specs)} cases in {a.out}")
        return 0
    rows = score_answers(Path(a.cases), Path(a.answers))
    res: dict = {"total": summarise(rows)}
    print(json.dumps(res["total"], indent=1))
    for col in [c for c in a.by.split(",") if c]:
        res[col] = {str(k): summarise(g) for k, g in rows.groupby(col)}
        keep = ["answered", "skeleton_precision", "skeleton_recall", "skeleton_f1", "arrow_precision",
                "arrow_recall", "shd_mean", "seconds_mean"]
        print(pd.DataFrame(res[col]).T.reindex(columns=keep).round(3).to_string())
    if a.json:
        Path(a.json).write_text(json.dumps(res, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
