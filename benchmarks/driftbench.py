"""Verdicts on generated windows with known truth, beside other methods.

python benchmarks/driftbench.py --suite small --seeds 100-109
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))

from methods import ours, peers
from methods.base import Method
from yardsticks import driftbench as yardstick

METHODS = (*ours.METHODS, *peers.METHODS)
COLUMNS = {
    "f1": "F1",
    "precision": "precision",
    "recall": "recall",
    "fwer_mech": "false alarms",
    "inherited_as_mech": "inherited blamed",
    "top1": "top-1",
    "target_acc": "target",
    "undetermined": "undetermined",
    "answered": "answered",
    "seconds_mean": "s/case",
    "seconds_max": "s max",
}


def seeds_of(text: str) -> list[int]:
    """Return the seeds of ``100-102,105``, refusing those that are kept for acceptance."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    outside = [s for s in found if not (0 <= s <= 9 or 100 <= s <= 109)]
    if outside:
        raise SystemExit(
            f"seeds {outside} are neither for tuning (0-9) nor for reporting (100-109)"
        )
    return found


def answer_cases(method: Method, cases: Path, answers: Path, floor: float) -> None:
    """Answer every case of a folder; a failure leaves no answer, which is scored as such."""
    answers.mkdir(parents=True, exist_ok=True)
    folders = sorted(cases.iterdir())[: method.most_cases]
    for done, folder in enumerate(folders):
        if sys.stderr.isatty():
            print(f"\r{method.name}: {done}/{len(folders)}   ", end="", file=sys.stderr)
        reference, current, meta, _ = yardstick.load_case(folder)
        started = time.perf_counter()
        try:
            answer = method.answer(reference, current, meta, floor)
        except Exception as error:  # a peer's failure is a result, told below the table
            print(f"\n{method.name} failed on {folder.name}: {error!r}", file=sys.stderr)
            continue
        answer["seconds"] = time.perf_counter() - started
        (answers / f"{folder.name}.json").write_text(json.dumps(answer))
    if sys.stderr.isatty():
        print("\r" + " " * 60 + "\r", end="", file=sys.stderr)


def undetermined_share(answers: Path) -> float:
    """Return the share of columns that a method left undetermined."""
    nodes = [n for f in answers.glob("*.json") for n in json.loads(f.read_text())["nodes"].values()]
    return float(np.mean([bool(n.get("undetermined")) for n in nodes])) if nodes else float("nan")


def scored(method: Method, cases: Path, answers: Path) -> tuple[dict[str, Any], pd.DataFrame]:
    """Return the summary and the rows of one folder, over the cases the method was asked."""
    rows = yardstick.score_answers(cases, answers).head(method.most_cases or 10**9)
    summary = yardstick.summarise(rows)
    summary["undetermined"] = undetermined_share(answers)
    return summary, rows


def table(results: dict[str, list[dict[str, Any]]], rows: dict[str, pd.DataFrame]) -> str:
    """Return a markdown table: means over seeds, their standard errors, and the worst family."""
    head = ["method", *COLUMNS.values(), "worst family F1", "worst family false alarms"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name, summaries in results.items():
        cells = [name]
        for key in COLUMNS:
            values = np.array([s.get(key, np.nan) for s in summaries], dtype=float)
            if key == "answered":
                asked = sum(s["cases"] for s in summaries)
                cells.append(f"{int(values.sum())}/{asked}")
                continue
            values = values[np.isfinite(values)]
            if not values.size:
                cells.append("–")
                continue
            error = f" ± {values.std(ddof=1) / np.sqrt(len(values)):.2f}" if len(values) > 1 else ""
            cells.append(f"{values.mean():.2f}" + (error if key in {"f1", "fwer_mech"} else ""))
        families = {f: yardstick.summarise(g) for f, g in rows[name].groupby("family")}
        for key, pick in (("f1", min), ("fwer_mech", max)):
            known = {f: s[key] for f, s in families.items() if np.isfinite(s.get(key, np.nan))}
            worst = pick(known, key=known.__getitem__) if known else None
            cells.append("–" if worst is None else f"{known[worst]:.2f} ({worst})")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def chosen(names: Iterable[str]) -> list[Method]:
    """Return the methods whose name contains one of the given words."""
    words = list(names)
    return [m for m in METHODS if not words or any(w in m.name for w in words)]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--suite", default="small", choices=["tiny", "small", "mid", "hard", "null"]
    )
    parser.add_argument("--seeds", default="100-102", help="such as 100-109 or 100,103")
    parser.add_argument("--methods", default="", help="words that name methods, comma-separated")
    parser.add_argument(
        "--floor", type=float, default=0.0, help="smallest change worth knowing, sd"
    )
    parser.add_argument("--by", default="", help="breakdowns such as family,kind,strength")
    parser.add_argument("--json", type=Path, help="write all numbers here")
    options = parser.parse_args()
    seeds = seeds_of(options.seeds)
    results: dict[str, list[dict[str, Any]]] = {}
    rows: dict[str, list[pd.DataFrame]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for seed in seeds:
            cases = Path(scratch) / f"cases-{seed}"
            for spec in yardstick.suite_specs(options.suite, seed):
                yardstick.write_case(yardstick.make_case(spec), cases)
            for method in chosen(filter(None, options.methods.split(","))):
                answers = Path(scratch) / f"answers-{seed}-{method.name}"
                answer_cases(method, cases, answers, options.floor)
                summary, scores = scored(method, cases, answers)
                results.setdefault(method.name, []).append(summary)
                rows.setdefault(method.name, []).append(scores)
    pooled = {name: pd.concat(parts) for name, parts in rows.items()}
    print(f"suite {options.suite}, seeds {options.seeds}, floor {options.floor:g}; "
          f"whydrift {version('whydrift')}, numpy {np.__version__}, Python "
          f"{platform.python_version()}, {platform.machine()}\n")  # fmt: skip
    print(table(results, pooled))
    for method in METHODS:
        if method.most_cases and method.name in results:
            print(f"\n{method.name}: the first {method.most_cases} cases of each seed only.")
    if not peers.dowhy_is_installed():
        print("\nDoWhy is not installed here and was not measured.")
    for column in filter(None, options.by.split(",")):
        for name, part in pooled.items():
            print(f"\n{name}, by {column}")
            groups = {k: yardstick.summarise(g) for k, g in part.groupby(column)}
            keep = [c for c in COLUMNS if c in next(iter(groups.values()))]
            print(pd.DataFrame(groups).T.reindex(columns=keep).round(3).to_string())
    if options.json:
        options.json.write_text(json.dumps(results, indent=1, default=float))
    return 0


if __name__ == "__main__":
    sys.exit(main())
