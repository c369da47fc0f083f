# whydrift yardsticks 1.0: unchanged below this header.
# SPDX-License-Identifier: Apache-2.0
#!/usr/bin/env python3
"""check_answers - check the format of a folder of answers before scoring.

Command line::

    python check_answers.py {drift,stream,graph} --cases DIR --answers DIR

Prints one line per problem (file: what is wrong) and exits with 1 if there is
any, else prints a count and exits with 0.  It reads only ``meta.json``.
"""
from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import List, Optional, Sequence

from graphbench import parse_edges

__all__ = ["check_answer", "check_folder"]


def _is_number(x: object) -> bool:
    return isinstance(x, (int, float)) and not isinstance(x, bool) and math.isfinite(x)


def check_answer(bench: str, meta: dict, ans: object) -> List[str]:
    """Problems of one answer, as short sentences."""
    if not isinstance(ans, dict):
        return ["the answer is not an object"]
    out: List[str] = []
    sec = ans.get("seconds")
    if sec is not None and not (_is_number(sec) and sec >= 0):
        out.append(f"seconds is {sec!r}, not a number >= 0")
    cols = set(meta["columns"])
    if bench == "drift":
        nodes = ans.get("nodes")
        if not isinstance(nodes, dict):
            return out + ["nodes is missing or not an object"]
        out += [f"nodes: unknown column {c!r}" for c in sorted(set(nodes) - cols)]
        out += [f"nodes: column {c!r} is missing" for c in sorted(cols - set(nodes))]
        for c, v in nodes.items():
            if not isinstance(v, dict):
                out.append(f"nodes[{c!r}] is not an object")
                continue
            if v.get("verdict") not in ("none", "inherited", "mechanism"):
                out.append(f"nodes[{c!r}].verdict is {v.get('verdict')!r}")
            for k in ("score", "contribution", "contribution_low", "contribution_high"):
                if v.get(k) is not None and not _is_number(v[k]):
                    out.append(f"nodes[{c!r}].{k} is {v[k]!r}, not a finite number or null")
            lo, hi = v.get("contribution_low"), v.get("contribution_high")
            if (lo is None) != (hi is None):
                out.append(f"nodes[{c!r}]: only one of contribution_low and contribution_high")
            elif _is_number(lo) and _is_number(hi) and lo > hi:  # type: ignore[operator]
                out.append(f"nodes[{c!r}]: contribution_low > contribution_high")
        if ans.get("target_verdict") not in (None, "none", "covariate", "mechanism", "both"):
            out.append(f"target_verdict is {ans['target_verdict']!r}")
        rank = ans.get("ranking")
        if rank is not None and not isinstance(rank, list):
            out.append("ranking is not a list")
        elif rank is not None:
            out += [f"ranking: unknown column {c!r}" for c in rank if not isinstance(c, str) or c not in cols]
            if len({str(c) for c in rank}) < len(rank):
                out.append("ranking: a column is given twice")
    elif bench == "stream":
        alerts = ans.get("alerts")
        if not isinstance(alerts, list):
            return out + ["alerts is missing or not a list"]
        for i, a in enumerate(alerts):
            if not isinstance(a, dict):
                out.append(f"alerts[{i}] is not an object")
                continue
            w = a.get("window")
            if not isinstance(w, int) or isinstance(w, bool) or not 0 <= w < meta["windows"]:
                out.append(f"alerts[{i}].window is {w!r}, not an integer in 0..{meta['windows'] - 1}")
            if not isinstance(a.get("column"), str) or a["column"] not in cols:
                out.append(f"alerts[{i}]: unknown column {a.get('column')!r}")
            if a.get("verdict") not in ("covariate", "mechanism", "data_fault"):
                out.append(f"alerts[{i}].verdict is {a.get('verdict')!r}")
    else:
        edges = ans.get("edges")
        if not isinstance(edges, list):
            return out + ["edges is missing or not a list"]
        seen: list = []
        for i, e in enumerate(edges):
            if parse_edges([e], sorted(cols))[1]:
                out.append(f"edges[{i}] is invalid: {e!r}")
            elif {e[0], e[2]} in seen:
                out.append(f"edges[{i}]: the pair {e[0]!r}, {e[2]!r} is given again")
            else:
                seen.append({e[0], e[2]})
    return out


def check_folder(bench: str, cases: Path, answers: Path) -> List[str]:
    """Problems of all answers of a folder, as ``file: problem``."""
    out: List[str] = []
    metas = {d.name: d / "meta.json" for d in sorted(Path(cases).iterdir()) if (d / "meta.json").exists()}
    if not metas:
        out.append(f"no cases in {cases}")
    for f in sorted(Path(answers).glob("*.json")):
        if f.stem not in metas:
            out.append(f"{f.name}: there is no such case")
    for name, m in metas.items():
        f = Path(answers) / f"{name}.json"
        if not f.exists():
            out.append(f"{name}.json: missing (scored as not answered)")
            continue
        try:
            ans = json.loads(f.read_text())
        except ValueError as err:
            out.append(f"{f.name}: not JSON ({err})")
            continue
        out += [f"{f.name}: {x}" for x in check_answer(bench, json.loads(m.read_text()), ans)]
    return out


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Command line entry point."""
    ap = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    ap.add_argument("bench", choices=["drift", "stream", "graph"])
    ap.add_argument("--cases", required=True, help="folder written by make")
    ap.add_argument("--answers", required=True)
    a = ap.parse_args(argv)
    problems = check_folder(a.bench, Path(a.cases), Path(a.answers))
    for line in problems:
        print(line)
    if not problems:
        print("all answers are well formed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
