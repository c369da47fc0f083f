# whydrift yardsticks 1.0: unchanged below this header.
# SPDX-License-Identifier: Apache-2.0
#!/usr/bin/env python3
"""streambench - long streams of windows for the error control of a monitor.

A stream is about 120 consecutive windows of rows from one structural causal
model.  Half of the streams have no change at all; the others have one or two
known episodes.  The question put to a monitor: raise few alarms while nothing
changes, and name the column and the kind of change soon after an onset.

Only numpy, pandas and pyarrow are needed (and ``driftbench.py`` next to this
file).  Everything is deterministic given ``(suite, seed)``.

Command line::

    python streambench.py make  --suite small --seed 0 --out DIR
    python streambench.py score --streams DIR --answers DIR [--by family,freq]

Files per stream (``DIR/<stream_id>/``): ``stream.parquet`` (the columns,
``timestamp``, ``window`` and, for clustered streams, ``user``), ``meta.json``
(public) and ``truth.json`` (hidden).

Answer file ``ANSWERS/<stream_id>.json``::

    {"alerts": [{"window": int, "column": str,
                 "verdict": "covariate|mechanism|data_fault"}, ...],
     "seconds": float}

The first ``baseline_windows`` windows hold no episode; a monitor may learn
from them, and alerts there are not scored.
"""
from __future__ import annotations

import argparse
import copy
import json
import math
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np
import pandas as pd

from driftbench import SCM, Node, apply_fault, random_scm, shift_mechanism

__all__ = ["STREAM_FAMILIES", "SUITES", "StreamSpec", "Stream", "suite_specs",
           "make_stream", "write_stream", "load_stream", "score_stream", "score_answers", "summarise"]

#: how rows depend on each other and on time while nothing changes
STREAM_FAMILIES = ("iid", "autocorrelated", "clustered", "seasonal", "trend")
BASE_FAMILIES = ("linear-gauss", "nonlinear-additive", "mixed", "heteroscedastic", "linear-nongauss")
EPISODE_KINDS = ("covariate", "mechanism", "mechanism", "covariate", "data_fault")
SHAPES = ("abrupt", "gradual", "transient")
VERDICTS = ("covariate", "mechanism", "data_fault")
#: window length in hours, and the length of the clean start in windows
#: (whole cycles: two days, two weeks, four weeks)
FREQS = {"1h": (1, 48), "6h": (6, 56), "1D": (24, 28)}
#: suite -> (streams, windows, smallest and largest number of rows per window)
SUITES = {"tiny": (10, 80, 300, 400), "small": (20, 120, 300, 800), "full": (60, 120, 300, 2000)}
#: windows after the end of an episode that are neither null nor late
GRACE = 2


@dataclass(frozen=True)
class StreamSpec:
    """Everything that determines a stream."""

    stream_id: str
    family: str
    base: str
    freq: str
    windows: int
    n: int
    p: int
    episodes: Tuple[Tuple[str, str, str], ...]     # (kind, shape, strength)
    seed: Tuple[int, ...]


@dataclass
class Stream:
    """A generated stream; ``meta`` and ``truth`` are JSON-able."""

    spec: StreamSpec
    frame: pd.DataFrame
    meta: dict
    truth: dict


def suite_specs(suite: str, seed: int) -> List[StreamSpec]:
    """Specs of the suite ``tiny`` (10 streams), ``small`` (20) or ``full``
    (60).  Families rotate; every second round of families has episodes."""
    size, windows, low, high = SUITES[suite]
    rng = np.random.default_rng([seed, 104_729])
    out = []
    shapes: List[str] = []
    kinds: List[str] = []
    for i in range(size):
        fam = STREAM_FAMILIES[i % 5]
        # an hourly stream of 120 windows is too short to show a week
        freq = str(rng.choice(["1h", "6h", "1D"]))
        if windows < 100 and freq != "1D":
            freq = "1D"
        eps = []
        if (i // 5) % 2:
            for _ in range(int(rng.integers(1, 3)) if windows > 100 else 1):
                shapes = shapes or [str(x) for x in rng.permutation(SHAPES)]
                kinds = kinds or [str(x) for x in rng.permutation(EPISODE_KINDS)]
                eps.append((kinds.pop(), shapes.pop(), str(rng.choice(["medium", "strong"]))))
        out.append(StreamSpec(f"s{i:04d}", fam, str(rng.choice(BASE_FAMILIES)), freq, windows,
                              int(rng.integers(low, high + 1)), int(rng.integers(5, 11)),
                              tuple(eps), (seed, i)))
    return out


def _user_noise(v: Node, z: dict, user: np.ndarray, icc: float, rng: np.random.Generator) -> dict:
    """Noise with a part shared by the rows of a user; the marginal law of a
    row is unchanged."""
    count = int(user.max()) + 1
    if v.levels or v.noise_kind != "gauss":
        own = v.draw_noise(count, rng)["e"][user]
        take = rng.random(len(user)) < math.sqrt(icc)
        e = np.where(take[:, None] if v.levels else take, own, z["e"])
    else:
        e = math.sqrt(icc) * rng.normal(size=count)[user] + math.sqrt(1 - icc) * z["e"]
    return {**z, "e": e}


def _sample(v: Node, data: Dict[str, np.ndarray], noise: dict, offset: Optional[np.ndarray]) -> np.ndarray:
    """A node's values with a per-row benign offset (in sd; logit of the last
    level for a discrete node)."""
    if offset is None:
        return v.sample(data, noise)
    if not v.levels:
        return v.sample(data, noise) + offset
    f = v.signal(data, len(offset))
    f[:, -1] += offset
    return np.argmax(f + noise["e"], axis=1).astype(float)


def _episode_node(ref: SCM, kind: str, rng: np.random.Generator, used: set) -> str:
    """Column of an episode: a root for ``covariate``, else a column with
    parents; any but the target for ``data_fault``."""
    free = [c for c in ref.observed if c not in used]
    if kind == "data_fault":
        pool = [c for c in free if c != ref.target]
    else:
        pool = [c for c in free if bool(ref[c].terms) == (kind == "mechanism")]
    pool = pool or [c for c in ref.observed if bool(ref[c].terms) == (kind == "mechanism")]
    return pool[int(rng.integers(len(pool)))]


def make_stream(spec: StreamSpec) -> Stream:
    """Generate one stream, deterministically from its spec."""
    rng = np.random.default_rng(list(spec.seed) + [5])
    ref = random_scm(spec.base, spec.p, rng)
    hours, baseline = FREQS[spec.freq]
    # ---- rows: window, time, user
    jitter = rng.uniform(0.85, 1.15, size=spec.windows)
    if spec.family == "seasonal":
        jitter *= 1 + 0.2 * np.sin(2 * np.pi * np.arange(spec.windows) * hours / 168)
    sizes = np.maximum(300, (spec.n * jitter).astype(int))
    window = np.repeat(np.arange(spec.windows), sizes)
    n = len(window)
    clock = np.sort(window + rng.random(n)) * hours                # hours since the start
    user: Optional[np.ndarray] = None
    if spec.family == "clustered":
        per = int(rng.integers(5, 21))
        user = rng.integers(0, np.maximum(1, sizes[window] // per))    # users of one window
        user = user + np.concatenate([[0], np.cumsum(np.maximum(1, sizes // per))[:-1]])[window]
    # ---- exogenous noise
    rho = {v.name: float(rng.choice([0.4, 0.6, 0.8])) for v in ref.nodes}
    noise: Dict[str, dict] = {}
    for v in ref.nodes:
        r = np.random.default_rng([*spec.seed, 6, len(noise)])
        z = (replace(v, rho=rho[v.name]) if spec.family == "autocorrelated" else v).draw_noise(n, r)
        noise[v.name] = z if user is None else _user_noise(v, z, user, 0.4, r)
    # ---- benign movement of roots
    roots = [c for c in ref.observed if not ref[c].terms]
    offset: Dict[str, np.ndarray] = {}
    benign: List[dict] = []
    if spec.family == "seasonal":
        for c in roots:
            day, week = rng.uniform(0.3, 0.8, size=2)
            week = 0.0 if spec.freq == "1h" else week
            ph = rng.uniform(0, 2 * np.pi, size=2)
            offset[c] = (day * np.sin(2 * np.pi * clock / 24 + ph[0])
                         + week * np.sin(2 * np.pi * clock / 168 + ph[1]))
            benign.append({"column": c, "kind": "season", "day": float(day), "week": float(week)})
    if spec.family == "trend":
        c = roots[int(rng.integers(len(roots)))]
        size = float(rng.uniform(0.4, 0.8)) * (1 if rng.random() < 0.5 else -1)
        offset[c] = size * clock / clock[-1]
        benign.append({"column": c, "kind": "trend", "total": size})
    # ---- episodes: weight of the changed mechanism in each row's window
    episodes: List[dict] = []
    changed: Dict[str, List[Tuple[np.ndarray, Node]]] = {}
    faults: List[Tuple[str, dict, np.ndarray]] = []
    live = spec.windows - baseline
    step = live // max(1, len(spec.episodes))
    used: set = {b["column"] for b in benign}
    for k, (kind, shape, strength) in enumerate(spec.episodes):
        c = _episode_node(ref, kind, rng, used)
        used.add(c)
        length = 1 if shape == "transient" else int(rng.integers(12, max(13, step - 8)))
        first = baseline + k * step
        on = first + int(rng.integers(3, max(4, step - length - GRACE)))
        end = on + length - 1
        w = ((np.arange(spec.windows) >= on) & (np.arange(spec.windows) <= end)).astype(float)
        ramp = 0
        if shape == "gradual":
            ramp = max(4, length // 2)
            w *= np.clip((np.arange(spec.windows) - on + 1) / ramp, 0, 1)
        take = rng.random(n) < w[window]
        if kind == "data_fault":
            fk = str(rng.choice(["null", "stuck"] if ref[c].levels else ["null", "stuck", "unit"]))
            med = float(np.median(ref.simulate(2000, rng)[c]))
            fault = {"null": {"kind": "null", "fraction": 0.5},
                     "stuck": {"kind": "stuck", "fraction": 0.6, "value": med},
                     "unit": {"kind": "unit", "factor": 100.0}}[fk]
            faults.append((c, fault, take))
            what = f"fault {fk}"
        else:
            kinds = (["root-mean", "root-scale"] if not ref[c].terms else
                     ["coef", "form", "intercept", "soft", "edge-removed", "noise"])
            node, what = shift_mechanism(ref, c, str(rng.choice(kinds)), strength, rng)
            changed.setdefault(c, []).append((take, node))
        episodes.append({"onset": on, "end": end, "kind": kind, "shape": shape, "ramp": ramp,
                         "strength": strength, "columns": [c], "what": what,
                         "downstream": [v for v in ref.observed if c in ref.ancestors(v)]})
    # ---- rows
    data: Dict[str, np.ndarray] = {}
    for v in ref.nodes:
        x = _sample(v, data, noise[v.name], offset.get(v.name))
        for take, node in changed.get(v.name, []):
            x = np.where(take, _sample(copy.copy(node), data, noise[v.name], offset.get(v.name)), x)
        data[v.name] = x
    for c, fault, take in faults:
        data[c] = np.where(take, apply_fault(data[c], fault, noise[c]["u"]), data[c])
    cols: Dict[str, object] = {}
    for c in sorted(ref.observed, key=lambda c: (c == "y", int(c[1:] or 0))):
        if ref[c].levels and c != ref.target:
            lab = np.array([f"L{i}" for i in range(ref[c].levels)] + [None], dtype=object)
            cols[c] = lab[np.where(np.isnan(data[c]), ref[c].levels, data[c]).astype(int)]
        else:
            cols[c] = data[c]
    frame = pd.DataFrame(cols)
    start = np.datetime64("2025-01-06T00:00:00", "us")             # a Monday
    frame["timestamp"] = start + (clock * 3.6e9).astype("int64").astype("timedelta64[us]")
    frame["window"] = window.astype("int64")
    if user is not None:
        frame["user"] = user.astype("int64")
    touched = {b["column"] for b in benign}
    touched |= {v for v in ref.observed for b in list(touched) if b in ref.ancestors(v)}
    meta = {"stream_id": spec.stream_id, "target": ref.target, "columns": list(cols),
            "edges": [list(e) for e in ref.edges()],
            "discrete": [c for c in cols if ref[c].levels], "time_column": "timestamp",
            "window_column": "window", "group_column": "user" if user is not None else None,
            "freq": spec.freq, "window_hours": hours, "windows": spec.windows,
            "baseline_windows": baseline}
    truth = {"stream_id": spec.stream_id, "family": spec.family, "base": spec.base,
             "freq": spec.freq, "window_hours": hours, "windows": spec.windows,
             "baseline_windows": baseline, "n": spec.n, "p": spec.p, "columns": list(cols),
             "benign": benign, "benign_columns": sorted(touched), "episodes": episodes}
    return Stream(spec, frame, meta, truth)


def write_stream(stream: Stream, out: Path) -> None:
    """Write a stream's files under ``out/<stream_id>``."""
    d = Path(out) / stream.spec.stream_id
    d.mkdir(parents=True, exist_ok=True)
    stream.frame.to_parquet(d / "stream.parquet", index=False)
    (d / "meta.json").write_text(json.dumps(stream.meta, indent=1))
    (d / "truth.json").write_text(json.dumps(stream.truth, indent=1))


def load_stream(path: Path) -> Tuple[pd.DataFrame, dict]:
    """Read ``(frame, meta)`` of a stream folder (the public part)."""
    return (pd.read_parquet(Path(path) / "stream.parquet"),
            json.loads((Path(path) / "meta.json").read_text()))


# --------------------------------------------------------------------------
# Scoring
# --------------------------------------------------------------------------
def score_stream(truth: dict, ans: Optional[dict], grace: int = GRACE) -> dict:
    """Counts for one stream; ``ans=None`` is a missing answer."""
    r: dict = {k: truth[k] for k in ("stream_id", "family", "base", "freq", "n", "p")}
    r["answered"] = ans is not None
    if ans is None:
        return r
    eps, first = truth["episodes"], truth["baseline_windows"]
    owner = np.full(truth["windows"], -1)
    for k, e in enumerate(eps):
        owner[e["onset"]: e["end"] + 1 + grace] = k
    alerts = [a for a in ans.get("alerts", []) if isinstance(a.get("window"), int)
              and first <= a["window"] < truth["windows"]]
    false = [a for a in alerts if owner[a["window"]] < 0]
    benign = [a for a in false if a.get("verdict") == "covariate" and a.get("column") in truth["benign_columns"]]
    null = int((owner[first:] < 0).sum())
    r.update(null_windows=null, months=null * truth["window_hours"] / 720.0,
             false_alarms=len(false), benign_alarms=len(benign),
             false_windows=len({a["window"] for a in false}),
             null_stream=not eps, any_false=bool(false), episodes=[])
    for k, e in enumerate(eps):
        mine = sorted((a for a in alerts if owner[a["window"]] == k), key=lambda a: a["window"])
        right = [a for a in mine if a.get("column") in e["columns"]]
        q = {"kind": e["kind"], "shape": e["shape"], "strength": e["strength"],
             "detected": bool(mine), "detected_column": bool(right)}
        if mine:
            head = [a for a in mine if a["window"] == mine[0]["window"]]
            q["delay"] = mine[0]["window"] - e["onset"]
            q["column_ok"] = any(a.get("column") in e["columns"] for a in head)
            q["column_precision"] = len(right) / len(mine)
            q["duplicates"] = len(mine) - len({a.get("column") for a in mine})
            q["extra_columns"] = len({a.get("column") for a in mine} - set(e["columns"]))
        if right:
            q["delay_column"] = right[0]["window"] - e["onset"]
            q["verdict_ok"] = right[0].get("verdict") == e["kind"]
        r["episodes"].append(q)
    if ans.get("seconds") is not None:
        r["seconds"] = float(ans["seconds"])
    return r


def summarise(rows: Sequence[dict]) -> dict:
    """Pool per-stream rows into the suite metrics."""
    a = [r for r in rows if r["answered"]]
    if not a:
        return {"streams": len(rows), "answered": 0}

    def total(key: str) -> float:
        return float(sum(r[key] for r in a))

    def mean(values: Sequence[float]) -> float:
        return float(np.mean(values)) if len(values) else float("nan")

    eps = [q for r in a for q in r["episodes"]]
    null = max(1.0, total("null_windows"))

    def over(key: str) -> List[float]:
        return [float(q[key]) for q in eps if key in q]

    out = {
        "streams": len(rows), "answered": len(a), "null_windows": int(total("null_windows")),
        "false_alarms_per_100": 100 * total("false_alarms") / null,
        "false_windows_per_100": 100 * total("false_windows") / null,
        "benign_alarms_per_100": 100 * total("benign_alarms") / null,
        "false_alarms_per_month": total("false_alarms") / max(1e-9, total("months")),
        "null_streams_alarmed": mean([float(r["any_false"]) for r in a if r["null_stream"]]),
        "episodes": len(eps), "detection_rate": mean(over("detected")),
        "detection_rate_column": mean(over("detected_column")),
        "delay_median": float(np.median(over("delay"))) if over("delay") else float("nan"),
        "delay_mean": mean(over("delay")), "delay_column_mean": mean(over("delay_column")),
        "column_accuracy": mean(over("column_ok")), "column_precision": mean(over("column_precision")),
        "verdict_accuracy": mean(over("verdict_ok")),
        "duplicates_per_episode": mean(over("duplicates")),
        "extra_columns_per_episode": mean(over("extra_columns")),
        "seconds_mean": mean([r["seconds"] for r in a if "seconds" in r]),
    }
    for key, names in (("shape", SHAPES), ("kind", VERDICTS)):
        for name in names:
            sub = [float(q["detected"]) for q in eps if q[key] == name]
            if sub:
                out[f"detection_rate_{name}"] = mean(sub)
    return out


def score_answers(streams: Path, answers: Path, grace: int = GRACE) -> List[dict]:
    """Per-stream score rows for a folder of answers."""
    rows = []
    for d in sorted(Path(streams).iterdir()):
        if (d / "truth.json").exists():
            f = Path(answers) / f"{d.name}.json"
            rows.append(score_stream(json.loads((d / "truth.json").read_text()),
                                     json.loads(f.read_text()) if f.exists() else None, grace))
    return rows


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Command line entry point."""
    ap = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    sub = ap.add_subparsers(dest="cmd", required=True)
    m = sub.add_parser("make", help="write the streams of a suite")
    m.add_argument("--suite", default="small", choices=list(SUITES))
    m.add_argument("--seed", type=int, default=0)
    m.add_argument("--out", required=True)
    s = sub.add_parser("score", help="score a folder of answers")
    s.add_argument("--streams", required=True)
    s.add_argument("--answers", required=True)
    s.add_argument("--grace", type=int, default=GRACE, help="windows after an end that are not scored as null")
    s.add_argument("--by", default="", help="comma-separated breakdown columns")
    s.add_argument("--json", default=None)
    a = ap.parse_args(argv)
    if a.cmd == "make":
        specs = suite_specs(a.suite, a.seed)
        for spec in specs:
            write_stream(make_stream(spec), Path(a.out))
        print(f"{len(specs)} streams in {a.out}")
        return 0
    rows = score_answers(Path(a.streams), Path(a.answers), a.grace)
    res: dict = {"total": summarise(rows)}
    print(json.dumps(res["total"], indent=1))
    for col in [c for c in a.by.split(",") if c]:
        res[col] = {str(k): summarise([r for r in rows if r[col] == k]) for k in sorted({r[col] for r in rows})}
        keep = ["answered", "false_alarms_per_100", "false_windows_per_100", "benign_alarms_per_100",
                "detection_rate", "delay_median", "column_accuracy", "verdict_accuracy"]
        print(pd.DataFrame(res[col]).T.reindex(columns=keep).to_string())
    if a.json:
        Path(a.json).write_text(json.dumps(res, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
