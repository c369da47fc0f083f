"""Judges the same pairs of windows by all their rows, and through Snapshots.

python benchmarks/raw_and_snapshot.py                 # windows of 200,000 rows, some minutes
python benchmarks/raw_and_snapshot.py --small         # windows that fit into the sample

Windows are drawn by the yardstick's suites ``mid`` and ``hard``, of up to ten columns, and judged
with the true graph. Small ones (as the suite has them) are read as frames, in batches, in three
parts that are merged, and from stored bytes: every word and number of the four diagnoses has to be
the same. Their rows have a time: without one nobody knows which part came first, and what is
measured of the dependence between neighbours differs a little, which a last line shows.

Large ones (the same worlds, more rows) are judged once with all rows in the sample, and once
through a Snapshot of default size. A column counts as found where the verdict says that it changed
itself; F1 is over columns against the known truth, as in driftbench.py. *Within the interval* is
how often the effect that all rows give lies in the interval that the Snapshot's diagnosis states.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import sys
import time
from collections.abc import Callable, Iterator
from functools import reduce
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))

from seeds import seeds_of
from yardsticks import driftbench as yardstick

import whydrift as wd

MOST_COLUMNS = 10
SUITES = ("mid", "hard")


def cases(seeds: list[int], count: int, rows: int | None) -> Iterator[yardstick.Case]:
    """Yield so many cases of each suite and seed, of so many rows each."""
    for suite in SUITES:
        for seed in seeds:
            specs = [s for s in yardstick.suite_specs(suite, seed) if s.p <= MOST_COLUMNS]
            for spec in specs[:count]:
                asked = spec if rows is None else dataclasses.replace(spec, n=rows)
                case = yardstick.make_case(dataclasses.replace(asked, case_id=f"{suite} {seed}"))
                yield case


def judged(
    case: yardstick.Case, read: Callable[..., wd.Snapshot], *, timed: bool = False
) -> wd.Diagnosis:
    """Read both windows in one way, and compare them with the true graph."""
    before, after = (_timed(f) if timed else f for f in (case.ref, case.cur))
    schema = wd.Snapshot.from_frame(before, roles={"at": "time"} if timed else {}).schema
    reference = read(before, schema=schema)
    current = read(after, schema=schema)
    edges = [tuple(edge) for edge in case.meta["edges"]]
    return wd.compare(reference, current, target=case.meta["target"], graph=edges)


def _timed(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(at=pd.date_range("2026-05-01", periods=len(frame), freq="s"))


def in_batches(frame: pd.DataFrame, schema: wd.Schema) -> wd.Snapshot:
    return wd.Snapshot.from_batches((frame[k : k + 97] for k in range(0, len(frame), 97)),
                                    schema=schema)  # fmt: skip


def in_parts(frame: pd.DataFrame, schema: wd.Schema) -> wd.Snapshot:
    """Read three runs of rows, each on its own, and join them."""
    cuts = np.array_split(np.arange(len(frame)), 3)
    return reduce(
        wd.Snapshot.merge, (wd.Snapshot.from_frame(frame.iloc[k], schema=schema) for k in cuts)
    )


def from_bytes(frame: pd.DataFrame, schema: wd.Schema) -> wd.Snapshot:
    return wd.Snapshot.from_bytes(wd.Snapshot.from_frame(frame, schema=schema).to_bytes())


def told(diagnosis: wd.Diagnosis) -> str:
    """Return all that a diagnosis says, without what differs from run to run."""
    found = {k: v for k, v in diagnosis.to_dict().items() if k not in {"id", "seconds"}}
    return json.dumps(found, sort_keys=True)


def small(seeds: list[int], count: int) -> None:
    """Print in how many cases other ways to read a window give another diagnosis."""
    ways = {
        "batches": (in_batches, True),
        "three parts, merged": (in_parts, True),
        "stored bytes": (from_bytes, True),
        "three parts, merged, of rows without a time": (in_parts, False),
    }
    other, verdicts, total = dict.fromkeys(ways, 0), dict.fromkeys(ways, 0), 0
    for case in cases(seeds, count, None):
        of_rows = {
            timed: judged(case, wd.Snapshot.from_frame, timed=timed) for timed in (True, False)
        }
        total += 1
        for name, (read, timed) in ways.items():
            found, raw = judged(case, read, timed=timed), of_rows[timed]
            other[name] += told(found) != told(raw)
            verdicts[name] += _verdicts(found) != _verdicts(raw)
    print("| read as | pairs of windows | another verdict | any other word or number |")
    print("|---" * 4 + "|")
    for name in ways:
        print(f"| {name} | {total} | {verdicts[name]} | {other[name]} |")


def _verdicts(diagnosis: wd.Diagnosis) -> list[str]:
    return [diagnosis.verdict, *(c.verdict for c in diagnosis.columns.values())]


def large(seeds: list[int], count: int, rows: int) -> None:
    """Print how verdicts and effects through the sample agree with those of all rows."""
    found: dict[str, list[dict[str, Any]]] = {}
    for case in cases(seeds, count, rows):
        began = time.process_time()
        raw = judged(
            case, lambda frame, **told: wd.Snapshot.from_frame(frame, sample_rows=rows, **told)
        )
        middle = time.process_time()
        sampled = judged(case, wd.Snapshot.from_frame)
        row = compared(case, raw, sampled)
        row |= {"raw_s": middle - began, "sampled_s": time.process_time() - middle}
        found.setdefault(case.spec.case_id.split()[0], []).append(row)
    print(
        "| suite | pairs | columns judged alike | F1, all rows | F1, Snapshot | gap of effects, sd "
        "| within the interval | seconds, all rows | seconds, Snapshot |"
    )
    print("|---" * 9 + "|")
    for suite, entries in found.items():
        table = pd.DataFrame(entries)
        total = table[["columns", "alike", "effects", "within"]].sum()
        scores = [
            2 * table[f"{way}_tp"].sum() / max(1, 2 * table[f"{way}_tp"].sum()
                                               + table[f"{way}_wrong"].sum())
            for way in ("raw", "sampled")
        ]  # fmt: skip
        gaps = np.concatenate(table["gaps"].to_numpy())
        print(
            f"| {suite} | {len(table)} | {total['alike']} of {total['columns']} | {scores[0]:.3f} "
            f"| {scores[1]:.3f} | {np.median(gaps):.3f} (90 %: {np.quantile(gaps, 0.9):.3f}) | "
            f"{total['within'] / max(1, total['effects']):.3f} | {table['raw_s'].mean():.1f} | "
            f"{table['sampled_s'].mean():.1f} |"
        )


def compared(case: yardstick.Case, raw: wd.Diagnosis, sampled: wd.Diagnosis) -> dict[str, Any]:
    """Return the counts of one pair of windows."""
    row: dict[str, Any] = {"columns": 0, "alike": 0, "effects": 0, "within": 0, "gaps": []}
    for name in case.truth["labels"]:
        one, other = raw.columns[name], sampled.columns[name]
        row["columns"] += 1
        row["alike"] += one.verdict == other.verdict
        if one.effect is not None and other.effect is not None and one.effect.unit == "sd":
            row["effects"] += 1
            row["within"] += other.effect.low <= one.effect.value <= other.effect.high
            row["gaps"].append(abs(one.effect.value - other.effect.value))
    for way, diagnosis in (("raw", raw), ("sampled", sampled)):
        judged_here = [n for n in case.truth["labels"] if n not in case.truth["ambiguous"]]
        changed = {n for n in judged_here if case.truth["labels"][n] in ("mechanism", "root")}
        said = set(diagnosis.ranking) & set(judged_here)
        row |= {f"{way}_tp": len(said & changed), f"{way}_wrong": len(said ^ changed)}
    return row


def main() -> None:
    """Print the tables and what they were measured on."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", default="100-101")
    parser.add_argument("--cases", type=int, default=2, help="of each suite and seed")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--small", action="store_true", help="windows that fit into the sample")
    options = parser.parse_args()
    began = time.perf_counter()
    seeds = seeds_of(options.seeds)
    if options.small:
        small(seeds, options.cases)
    else:
        large(seeds, options.cases, options.rows)
    print(
        f"\nSeeds {options.seeds}, {options.cases} cases each"
        + ("" if options.small else f", {options.rows:,} rows a window")
        + f"; {time.perf_counter() - began:.0f} s; Python {platform.python_version()}, "
        f"numpy {version('numpy')}, whydrift {version('whydrift')}."
    )


if __name__ == "__main__":
    main()
