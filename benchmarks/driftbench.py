"""Verdicts on generated windows with known truth, beside other methods.

python benchmarks/driftbench.py --suite small --seeds 100-109

*false alarms* is the share of windows without any shift in which a column was said to have
changed; *inherited blamed* the share of columns that inherited a change and were said to have
changed themselves; *top-1* how often, where something shifted, the first column of the method's
order of evidence is one that changed, whether or not it was found. Methods see the two windows
and the case's public description only.
With ``--onset .5`` the change begins in the middle of the current window: its first half is rows
from the end of the reference, which then lacks them.
Suite ``multi`` asks how much each of several strong changes contributes to the change of the
target's mean or of a model's loss: errors are shares of the sum of the true sizes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import binomtest

sys.path.insert(0, str(Path(__file__).parent))

from methods import conditional, dowhy, ours, root_cause, univariate
from methods.base import Method
from seeds import seeds_of
from yardsticks import driftbench as yardstick

METHODS = (
    *ours.METHODS,
    *univariate.METHODS,
    *conditional.METHODS,
    *root_cause.METHODS,
    *dowhy.METHODS,
)
COLUMNS = {
    "f1": "F1",
    "precision": "precision",
    "recall": "recall",
    "fwer_mech": "false alarms",
    "fwer_any": "any verdict, no shift",
    "inherited_as_mech": "inherited blamed",
    "top1": "top-1",
    "top3": "top-3",
    "target_acc": "target",
    "verdict_acc_lenient": "columns right",
    "undetermined": "undetermined",
    "answered": "answered",
    "seconds_mean": "s/case",
    "seconds_max": "s max",
}
# Suite multi: errors, leaks and widths are shares of the sum of the true contributions' sizes.
CONTRIBUTIONS = {
    "contrib_err_median": "median error",
    "contrib_coverage": "90 % interval covers",
    "contrib_sign": "sign right",
    "contrib_rank": "rank correlation",
    "contrib_width_median": "median width",
    "contrib_leak_median": "to unchanged columns",
    "contrib_coverage_clean": "covers 0 there",
    "contrib_n": "scored",
    "recall": "recall",
    "answered": "answered",
    "seconds_mean": "s/case",
    "seconds_max": "s max",
}
CONFIDENCES = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1.01)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Stop the block after so many seconds (compiled code is left to return first)."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"more than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def answer_cases(
    method: Method, cases: Path, answers: Path, floor: float, limit: float, onset: float = 0.0
) -> None:
    """Answer every case of a folder; a failure leaves no answer, which is scored as such."""
    answers.mkdir(parents=True, exist_ok=True)
    folders = sorted(cases.iterdir())[: method.most_cases]
    for done, folder in enumerate(folders):
        if sys.stderr.isatty():
            print(f"\r{method.name}: {done}/{len(folders)}\x1b[K", end="", file=sys.stderr)
        # Not load_case: it reads the truth as well.
        reference, current = (pd.read_parquet(folder / f"{w}.parquet") for w in ("ref", "cur"))
        reference, current = with_onset(reference, current, onset)
        meta = json.loads((folder / "meta.json").read_text())
        started = time.perf_counter()
        try:
            with time_limit(limit):
                answer = method.answer(reference, current, meta, floor)
        except Exception as error:  # a peer's failure is a result: it counts as not answered
            print(f"\n{method.name} gave no answer to {folder.name}: {error!r}", file=sys.stderr)
            continue
        answer["seconds"] = time.perf_counter() - started
        (answers / f"{folder.name}.json").write_text(json.dumps(answer))
    print("\r\x1b[K" if sys.stderr.isatty() else f"{method.name}: {cases.name} done",
          end="" if sys.stderr.isatty() else "\n", file=sys.stderr)  # fmt: skip


def with_onset(
    reference: pd.DataFrame, current: pd.DataFrame, share: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the windows had the change begun after this share of the current one."""
    before = round(share * len(current))
    if not before:
        return reference, current
    parts = [reference.iloc[-before:], current.iloc[before:]]
    return reference.iloc[:-before], pd.concat(parts, ignore_index=True)


def scored(cases: Path, answers: Path, most: int | None = None) -> pd.DataFrame:
    """Return a row for each case, or for the first so many.

    The yardstick takes silence about a column that did not change for right; a column about which
    a method says that it cannot tell is not right here.
    """
    rows = yardstick.score_answers(cases, answers).head(most or 10**9)
    shares, unsaid = [], []
    for case in rows["case_id"]:
        file = answers / f"{case}.json"
        nodes = json.loads(file.read_text())["nodes"] if file.exists() else {}
        truth = json.loads((cases / case / "truth.json").read_text())
        open_ = [name for name, node in nodes.items() if node.get("undetermined")]
        shares.append(len(open_) / len(nodes) if nodes else np.nan)
        unsaid.append(
            sum("none" in truth["accept"][c] for c in open_ if c not in truth["ambiguous"])
        )
    if "lenient" in rows:
        rows = rows.assign(lenient=rows["lenient"] - unsaid)
    return rows.assign(undetermined=shares)


def summary(rows: pd.DataFrame) -> dict[str, Any]:
    """Return the yardstick's summary and the share of columns left undetermined."""
    return {**yardstick.summarise(rows), "undetermined": float(rows["undetermined"].mean())}


def table(rows: dict[str, list[pd.DataFrame]]) -> str:
    """Return a markdown table: means over seeds, their standard errors, and the worst family."""
    head = ["method", *COLUMNS.values(), "worst family F1", "worst family false alarms"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name, seeds in rows.items():
        summaries = [summary(part) for part in seeds]
        cells = [name]
        for key in COLUMNS:
            values = np.array([s.get(key, np.nan) for s in summaries], dtype=float)
            if key == "answered":
                cells.append(f"{int(values.sum())}/{sum(s['cases'] for s in summaries)}")
                continue
            values = values[np.isfinite(values)]
            if not values.size:
                cells.append("–")
                continue
            error = f" ± {values.std(ddof=1) / np.sqrt(len(values)):.2f}" if len(values) > 1 else ""
            value = values.max() if key == "seconds_max" else values.mean()
            cells.append(f"{value:.2f}" + (error if key in {"f1", "fwer_mech"} else ""))
        families = dict(list(pd.concat(seeds).groupby("family")))
        for key, pick in (("f1", min), ("fwer_mech", max)):
            found = {f: yardstick.summarise(part).get(key, np.nan) for f, part in families.items()}
            known = {f: value for f, value in found.items() if np.isfinite(value)}
            if not known:
                cells.append("–")
                continue
            worst = pick(known, key=known.__getitem__)
            part = families[worst]
            count = len(part) if key == "f1" else int((part["noshift"] == True).sum())  # noqa: E712
            cells.append(f"{known[worst]:.2f} ({worst}, {count} windows)")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def contribution_table(rows: dict[str, list[pd.DataFrame]]) -> str:
    """Return a markdown table of the contributions, all seeds pooled, and the worst family.

    The change of a mean and that of a loss are not to be averaged: each has its own row.
    """
    head = ["method", "measure", *CONTRIBUTIONS.values(), "worst family: error", "coverage"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name, seeds in rows.items():
        for measure, part in pd.concat(seeds).groupby("measure"):
            found = yardstick.summarise(part)
            families = {f: yardstick.summarise(g) for f, g in part.groupby("family")}
            cells = [name, str(measure)]
            for key in CONTRIBUTIONS:
                if key == "answered":
                    cells.append(f"{found[key]}/{found['cases']}")
                elif key == "contrib_n":
                    cells.append(str(found.get(key, 0)))
                else:
                    cells.append(f"{found.get(key, np.nan):.3f}")
            for key, badness in (
                ("contrib_err_median", lambda value: value),
                ("contrib_coverage", lambda value: abs(value - 0.9)),
            ):
                known = {f: s[key] for f, s in families.items() if np.isfinite(s.get(key, np.nan))}
                if not known:
                    cells.append("–")
                    continue
                worst = max(known, key=lambda f: badness(known[f]))
                cells.append(f"{known[worst]:.3f} ({worst}, {len(part[part.family == worst])})")
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def confidences(cases: Path, answers: Path) -> Iterator[tuple[float, bool]]:
    """Yield the confidence of every verdict that has one, and whether the verdict is right.

    To leave it open whether a column changed is no verdict.
    """
    for file in sorted(answers.glob("*.json")):
        truth = json.loads((cases / file.stem / "truth.json").read_text())
        for name, node in json.loads(file.read_text())["nodes"].items():
            unsaid = node.get("confidence") is None or node.get("undetermined")
            if unsaid or name in truth["ambiguous"]:
                continue
            yield float(node["confidence"]), node["verdict"] in truth["accept"][name]


def edge_confidences(cases: Path, answers: Path) -> Iterator[tuple[float, bool]]:
    """Yield the confidence of every learned edge, and whether the true graph has it."""
    for file in sorted(answers.glob("*.json")):
        true = {
            tuple(e) for e in json.loads((cases / file.stem / "meta.json").read_text())["edges"]
        }
        for cause, effect, confidence in json.loads(file.read_text()).get("edges", ()):
            yield float(confidence), (cause, effect) in true


def reliability_table(stated: dict[str, list[tuple[float, bool]]], what: str) -> str:
    """Return a markdown table: what is right of verdicts or edges of about the same confidence."""
    lines = [f"| method | confidence | {what} | mean confidence | right | 95 % interval | off by |"]
    lines.append("|" + "---|" * 7)
    for name, pairs in stated.items():
        confidence, right = np.array(pairs, dtype=float).T
        for low, high in pairwise(CONFIDENCES):
            inside = (confidence >= low) & (confidence < high)
            if not inside.any():
                continue
            mean, share = confidence[inside].mean(), right[inside].mean()
            sure = binomtest(int(right[inside].sum()), int(inside.sum())).proportion_ci()
            cells = (f"{low:g} to {min(high, 1.0):g}", f"{inside.sum():,}", f"{mean:.3f}",
                     f"{share:.3f}", f"{sure.low:.2f} to {sure.high:.2f}",
                     f"{share - mean:+.3f}")  # fmt: skip
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def log_odds_line(pairs: list[tuple[float, bool]]) -> str:
    """Return the logistic regression of "it is right" on the stated log odds, as a sentence.

    0 + 1 × stated where confidences are right. A slope below 1: too sure at both ends.

    References
    ----------
    Cox (1958), Two further applications of a model for binary regression.
    """
    confidence, right = np.array(pairs, dtype=float).T
    confidence = np.clip(confidence, 1e-3, 1 - 1e-3)  # a weight of all graphs is no certainty
    design = np.column_stack([np.ones(len(right)), np.log(confidence / (1 - confidence))])
    beta = minimize(lambda b: _log_loss(b, design, right), [0.0, 1.0]).x
    chance = expit(design @ beta)
    inverse = np.linalg.pinv((design.T * (chance * (1 - chance))) @ design)
    error = np.sqrt(np.diag(inverse))
    return (
        f"log odds of being right = {beta[0]:.2f} ± {error[0]:.2f} "
        f"+ ({beta[1]:.2f} ± {error[1]:.2f}) × stated"
    )


def _log_loss(beta: np.ndarray, design: np.ndarray, right: np.ndarray) -> float:
    """Return a logistic regression's mean loss; of Newton's steps some would overshoot."""
    logit = design @ beta
    return float(np.mean(np.logaddexp(0.0, logit) - right * logit))


def chosen(names: Iterable[str]) -> list[Method]:
    """Return the methods whose name contains one of the given words, or all joined by a plus."""
    words = [name.split("+") for name in names]
    return [m for m in METHODS if not words or any(all(w in m.name for w in ws) for ws in words)]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--suite", default="small", choices=["tiny", "small", "mid", "hard", "null", "multi"]
    )
    parser.add_argument("--seeds", default="100-102", help="such as 100-109 or 100,103")
    parser.add_argument(
        "--methods",
        default="",
        help="words that name methods, comma-separated; whydrift+true: those with both",
    )
    parser.add_argument(
        "--floor", type=float, default=0.0, help="smallest change worth knowing, sd"
    )
    parser.add_argument(
        "--onset", type=float, default=0.0, help="share of the current window before the change"
    )
    parser.add_argument(
        "--limit", type=float, default=120.0, help="seconds a method has for a case"
    )
    parser.add_argument(
        "--quick", action="store_true", help="suite tiny, seed 100: a look in half a minute"
    )
    parser.add_argument("--by", default="", help="breakdowns such as family,kind,strength")
    parser.add_argument("--json", type=Path, help="write all numbers here")
    options = parser.parse_args()
    if options.quick:
        options.suite, options.seeds = "tiny", "100"
    if not 0 <= options.onset < 1:
        parser.error("--onset is a share of the window, below 1")
    methods = chosen(filter(None, options.methods.split(",")))
    if not methods:
        parser.error(f"no method is named so; there are: {', '.join(m.name for m in METHODS)}")
    seeds = seeds_of(options.seeds, most=149 if options.suite == "null" else 109)
    rows: dict[str, list[pd.DataFrame]] = {}
    stated: dict[str, list[tuple[float, bool]]] = {}
    joined: dict[str, list[tuple[float, bool]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for seed in seeds:
            cases = Path(scratch) / f"cases-{seed}"
            for spec in yardstick.suite_specs(options.suite, seed):
                yardstick.write_case(yardstick.make_case(spec), cases)
            for method in methods:
                answers = Path(scratch) / f"answers-{seed}-{method.name}"
                answer_cases(method, cases, answers, options.floor, options.limit, options.onset)
                rows.setdefault(method.name, []).append(scored(cases, answers, method.most_cases))
                stated.setdefault(method.name, []).extend(confidences(cases, answers))
                joined.setdefault(method.name, []).extend(edge_confidences(cases, answers))
    print(f"suite {options.suite}, seeds {options.seeds}, floor {options.floor:g}, "
          f"onset {options.onset:g}; whydrift {version('whydrift')}, numpy {np.__version__}, "
          f"pandas {pd.__version__}{dowhy.dowhy_version()}, Python {platform.python_version()}, "
          f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores\n")  # fmt: skip
    show = contribution_table if options.suite == "multi" else table
    columns = CONTRIBUTIONS if options.suite == "multi" else COLUMNS
    print(show(rows))
    slow = [m for m in methods if m.most_cases]
    most = min((m.most_cases or 0 for m in slow), default=0)
    if slow and len(slow) < len(methods) and most < max(len(p) for ps in rows.values() for p in ps):
        names = " and ".join(m.name for m in slow)
        print(f"\nOnly the first {most} cases of each seed: {names}. All methods on those cases:\n")
        print(show({name: [part.head(most) for part in parts] for name, parts in rows.items()}))
    for what, found in (("verdicts", stated), ("edges", joined)):
        known = {name: pairs for name, pairs in found.items() if pairs}
        if known and options.suite != "multi":
            print(f"\nHow often {what} are right, by the confidence they state\n")
            print(reliability_table(known, what) + "\n")
            for name, pairs in known.items():
                print(f"{name}: {log_odds_line(pairs)}")
    if not dowhy.dowhy_is_installed():
        print("\nDoWhy is not installed here and was not measured.")
    for column in filter(None, options.by.split(",")):
        for name, parts in rows.items():
            print(f"\n{name}, by {column}")
            groups = {k: summary(g) for k, g in pd.concat(parts).groupby(column)}
            keep = [c for c in columns if c in next(iter(groups.values()))]
            print(pd.DataFrame(groups).T.reindex(columns=keep).round(3).to_string())
    if options.json:
        results = {name: [summary(part) for part in parts] for name, parts in rows.items()}
        options.json.write_text(json.dumps(results, indent=1, default=float))
    return 0


if __name__ == "__main__":
    sys.exit(main())
