"""Months of windows with known episodes: false alarms, detection, delay.

python benchmarks/streambench.py --suite small --seeds 100-102

Each stream is watched as a monitor watches it. The reference is as many windows as the stream
starts with, none of them younger than fourteen windows, so that a change that comes slowly is not
learned as usual, and none of a time with an open episode. One window after another is judged at
the level that an alarm budget of one false alarm a month leaves; the last 7 and the last 30
together at the level of the slow scales. An episode of a column is announced once, when it opens.
Season and trend are benign; on a slow trend alarms are counted apart (*benign*).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

# The yardsticks import each other by name.
sys.path[:0] = [str(Path(__file__).parent / "yardsticks"), str(Path(__file__).parent)]

from seeds import seeds_of
from yardsticks import streambench as yardstick

import whydrift as wd
from whydrift.monitor.diagnosis.alarm_budget import DAYS_PER_MONTH, AlarmBudget, Purpose
from whydrift.monitor.diagnosis.compare import compare
from whydrift.monitor.diagnosis.episode import Episode, Outcome, Step, advance
from whydrift.monitor.diagnosis.slow_scale import SLOW_SCALES, slow_scale

KINDS = {"source": "covariate", "mechanism": "mechanism", "fault": "data_fault"}
LAG = 14  # windows between the reference and the window judged
COLUMNS = {
    "false_alarms_per_month": "false alarms a month",
    "benign": "benign a month",
    "null_streams_alarmed": "quiet streams alarmed",
    "detection_rate": "episodes found",
    "detection_rate_column": "by the right column",
    "detection_rate_abrupt": "abrupt",
    "detection_rate_gradual": "gradual",
    "detection_rate_transient": "one window",
    "delay_median": "median delay",
    "column_accuracy": "first names it",
    "verdict_accuracy": "right kind",
    "extra_columns_per_episode": "columns too many",
    "seconds_mean": "s/stream",
}


def watch(frame: pd.DataFrame, meta: Mapping[str, Any], setting: float, graph: str) -> list[dict]:
    """Return the alerts of a monitor over one stream."""
    baseline, target = meta["baseline_windows"], meta["target"]
    roles = {meta["time_column"]: "time"}
    if meta["group_column"]:
        roles[meta["group_column"]] = "cluster"
    windows: list[wd.Snapshot] = []
    for _, rows in frame.groupby(meta["window_column"], sort=True):
        table = rows.drop(columns=meta["window_column"])
        schema = windows[-1].schema if windows else None
        kinds = dict.fromkeys(meta["discrete"], "categorical") if schema is None else None
        windows.append(wd.Snapshot.from_frame(table, schema=schema, kinds=kinds, roles=roles))
    edges = wd.Graph.from_pairs([tuple(e) for e in meta["edges"]], nodes=meta["columns"])
    if graph == "learned":
        features = [c for c in meta["columns"] if c != target]
        start = frame[frame[meta["window_column"]] < baseline]
        edges = wd.discover(
            start[meta["columns"]],
            knowledge=wd.Knowledge(tiers=(features, (target,))),
        )
    budget = AlarmBudget(
        windows_per_month=DAYS_PER_MONTH * 24 / meta["window_hours"],
        false_alarms_per_month=setting,
    )
    good = list(windows[:baseline])
    episodes: dict[str, Episode | None] = dict.fromkeys(meta["columns"])
    quiet: dict[str, list[float]] = {c: [] for c in meta["columns"]}
    alerts = []
    for number, window in enumerate(windows[baseline:], start=baseline):
        last = max(baseline, len(good) - LAG)
        diagnosis = compare(
            good[last - baseline : last],
            window,
            graph=edges,
            target=target,
            cluster=meta["group_column"],
            level=budget.level(),
            floor=0.0,
        )
        named = {c: KINDS[diagnosis.columns[c].verdict.value] for c in diagnosis.ranking}
        for column, result in diagnosis.columns.items():
            if column not in named and result.p_value is not None:
                quiet[column].append(result.p_value)
        slow = budget.level(Purpose.SLOW) / len(quiet)
        for column, p_values in quiet.items():
            found = [slow_scale(p_values, scale) for scale in SLOW_SCALES]
            if any(p is not None and p <= slow for p in found):
                kind = "mechanism" if edges.parents(column) else "covariate"
                named.setdefault(column, kind)
        for column in episodes:
            outcome = Outcome.REJECTED if column in named else Outcome.QUIET
            episodes[column], step = advance(episodes[column], outcome, float(number))
            if step is Step.OPENED:
                alerts.append({"window": number, "column": column, "verdict": named[column]})
        if not any(episodes.values()):
            good.append(window)
    return alerts


def table(rows: list[dict[str, Any]], by: str) -> str:
    """Return a markdown table of all streams and of each family."""
    groups = {"all": rows}
    for row in rows:
        groups.setdefault(row[by], []).append(row)
    lines = ["| streams | " + " | ".join(COLUMNS.values()) + " |"]
    lines.append("|" + "---|" * (len(COLUMNS) + 1))
    for name, part in groups.items():
        found = yardstick.summarise(part)
        months = sum(r.get("months", 0.0) for r in part)
        found["benign"] = sum(r.get("benign_alarms", 0) for r in part) / max(months, 1e-9)
        cells = [f"{found[k]:.2f}" if np.isfinite(found.get(k, np.nan)) else "–" for k in COLUMNS]
        lines.append(f"| {name} ({found['answered']}/{len(part)}) | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--suite", default="tiny", choices=["tiny", "small", "full"])
    parser.add_argument("--seeds", default="100", help="such as 100-109 or 100,103")
    parser.add_argument("--graph", default="true", choices=["true", "learned"])
    parser.add_argument("--setting", type=float, default=1.0, help="false alarms a month allowed")
    parser.add_argument("--families", default="", help="such as iid,trend; default all")
    options = parser.parse_args()
    families = set(filter(None, options.families.split(",")))
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for seed in seeds_of(options.seeds):
            streams = Path(scratch) / f"streams-{seed}"
            answers = Path(scratch) / f"answers-{seed}"
            answers.mkdir()
            for spec in yardstick.suite_specs(options.suite, seed):
                if families and spec.family not in families:
                    continue
                yardstick.write_stream(yardstick.make_stream(spec), streams)
                frame, meta = yardstick.load_stream(streams / spec.stream_id)
                began = time.process_time()
                alerts = watch(frame, meta, options.setting, options.graph)
                answer = {"alerts": alerts, "seconds": time.process_time() - began}
                (answers / f"{spec.stream_id}.json").write_text(json.dumps(answer))
                print(f"{seed} {spec.stream_id} {spec.family} {spec.freq}: {len(alerts)} alerts, "
                      f"{answer['seconds']:.0f} s", file=sys.stderr)  # fmt: skip
            rows += yardstick.score_answers(streams, answers)
    print(f"suite {options.suite}, seeds {options.seeds}, graph {options.graph}, "
          f"{options.setting:g} false alarms a month allowed; whydrift {version('whydrift')}, "
          f"numpy {np.__version__}, Python {platform.python_version()}\n")  # fmt: skip
    print(table(rows, "family"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
