"""What `compare` says about public data sets whose truth is known, at least in part.

    python benchmarks/real_data.py --data FOLDER
    python benchmarks/real_data.py --data FOLDER --parts weeks --seed 100

FOLDER holds one folder per data set, with Parquet windows and a `truth.json`. Three tables are
written into docs/real-data.md, each between its two markers: *splits* (ten tables split at random,
and one change made in one half), *weeks* (the electricity market, each week judged by the 52 before
it) and *windows* (windows that differ by themselves, beside a ranking of columns by their own
population stability index). What FOLDER lacks is skipped, and said to be.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))

from methods.univariate import population_stability
from real_splits import MARKET, TABLES, Found, split_cases, week_cases

import whydrift as wd

SETS = (
    "nannyml_california_housing",
    "algerian_fires",
    "sachs",
    "bn_asia",
    "bn_cancer",
    "bn_survey",
    "bn_sachs",
    "bn_alarm",
    "nannyml_car_loan",
    "wine_quality",
)
# Windows of five rows: nothing can be tested by fewer than twenty.
TOO_SHORT = "petshop"
PAGE = Path(__file__).parent.parent / "docs" / "real-data.md"


def given_graph(truth: dict[str, Any], columns: list[str]) -> wd.Graph | str | None:
    """Return the published graph, why it cannot be used, or None where there is none."""
    if not truth.get("edges"):
        return None
    edges = [(a, b) for a, b in truth["edges"] if a in columns and b in columns]
    try:
        return wd.Graph.from_pairs(edges, nodes=columns)
    except wd.GraphError as error:
        return str(error)


def row(
    name: str, window: dict[str, Any], folder: Path, graph: wd.Graph | None, how: str
) -> list[str]:
    """Compare one window and return its line of the table."""
    reference = pd.read_parquet(folder / window["reference"])
    current = pd.read_parquet(folder / window["current"])
    started = time.perf_counter()
    diagnosis = wd.compare(reference, current, graph=graph, target=window.get("target"))
    taken = time.perf_counter() - started
    named = list(diagnosis.ranking)
    truth = window["shifted"]
    is_exact = "NOT generator truth" not in window.get("note", "") and "no exact truth" not in (
        window.get("note", "")
    )
    alone = {c: population_stability(reference[c], current[c]) for c in diagnosis.columns}
    naive = sorted(alone, key=lambda c: -alone[c])
    count = len(diagnosis.columns)
    unsure = sum(c.verdict.value == "undetermined" for c in diagnosis.columns.values())
    if not is_exact:
        first = by_size = "no exact truth"
    elif not truth:
        first, by_size = "no alarm: right" if not named else f"{len(named)} columns named", "–"
    else:
        first, by_size = _place(named, truth), _place(naive, truth)
        if set(named) == set(truth):
            first = "first, exactly these"
    return [
        name,
        window["current"].removesuffix(".parquet"),
        how,
        _listed(truth) if is_exact else "–",
        ("fault, " if diagnosis.fault else "") + diagnosis.verdict.value,
        _listed(named),
        first,
        by_size,
        f"{unsure}/{count}",
        f"{taken:.1f}",
    ]


def _listed(names: list[str], most: int = 4) -> str:
    more = f" +{len(names) - most}" if len(names) > most else ""
    return (", ".join(names[:most]) + more) if names else "–"


def _place(ranked: list[str], truth: list[str]) -> str:
    """Return where the first right column stands."""
    place = next((k for k, name in enumerate(ranked) if name in truth), None)
    return "not named" if place is None else "first" if place == 0 else f"place {place + 1}"


def windows(data: Path) -> list[str]:
    """Compare the windows of all sets."""
    head = ["data", "window", "graph", "truth", "verdict", "named, first to last",
            "right column", "by its own PSI", "undetermined", "s"]  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name in SETS:
        folder = data / name
        if not (folder / "truth.json").exists():
            print(f"{name}: not in {data}, skipped", file=sys.stderr)
            continue
        truth = json.loads((folder / "truth.json").read_text())
        for window in truth["windows"]:
            columns = list(pd.read_parquet(folder / window["reference"]).columns)
            graph = given_graph(truth, columns)
            variants: list[tuple[wd.Graph | None, str]] = [(None, "learned")]
            if isinstance(graph, wd.Graph):
                variants.append((graph, "published"))
            elif graph:
                print(f"{name}: {graph}", file=sys.stderr)
            for used, how in variants:
                lines.append("| " + " | ".join(row(name, window, folder, used, how)) + " |")
                print(lines[-1], flush=True)
    return lines


def _counted(cases: Iterable[Found], by: Callable[[Found], str]) -> list[str]:
    """Return a table of how often the right column was named, by kind and in all."""
    head = ["", "no change: alarms", "changes", "found", "named first", "others named", "F1"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    groups: dict[str, list[Found]] = {"all": []}
    for case in cases:
        print(case.data, case.change, case.column, case.named, file=sys.stderr, flush=True)
        groups["all"].append(case)
        groups.setdefault(by(case), []).append(case)
    for name, group in groups.items():
        quiet = [c for c in group if c.column is None]
        changed = [c for c in group if c.column is not None]
        found = sum(c.column in c.named for c in changed)
        others = sum(len(set(c.named) - {c.column}) for c in changed)
        first = sum(c.named[:1] == (c.column,) for c in changed)
        f1 = 2 * found / max(1, found + others + len(changed))
        cells = [
            f"{sum(bool(c.named) for c in quiet)} of {len(quiet)}" if quiet else "–",
            *(map(str, (len(changed), found, first, others)) if changed else "––––"),
            f"{f1:.2f}" if changed else "–",
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def splits(data: Path, seed: int, repeats: int) -> list[str]:
    """Split tables at random."""
    missing = [t.file for t in TABLES if not (data / f"{t.file}.parquet").exists()]
    if missing:
        raise SystemExit(f"splits: {', '.join(missing)} not in {data}")
    cases = (case for k in range(repeats) for case in split_cases(data, seed + k))
    return _counted(cases, lambda case: case.change)


def weeks(data: Path, seed: int, count: int) -> list[str]:
    """Judge weeks of the electricity market."""
    if not (data / MARKET).exists():
        raise SystemExit(f"weeks: {MARKET} not in {data}")
    return _counted(week_cases(data, seed, count), lambda case: case.change)


def write(part: str, lines: list[str]) -> None:
    """Put a table between its markers."""
    begin, end = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    before, rest = PAGE.read_text(encoding="utf-8").split(begin)
    text = f"{before}{begin}\n{chr(10).join(lines)}\n{end}{rest.split(end)[1]}"
    PAGE.write_text(text, encoding="utf-8")


def main() -> int:
    """Run the parts asked for and write the page's tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--parts", default="splits,weeks,windows")
    parser.add_argument("--seed", type=int, default=100, help="of the splits and of the weeks")
    parser.add_argument("--repeats", type=int, default=1, help="random splits of each table")
    parser.add_argument("--weeks", type=int, default=12, help="how many weeks are judged")
    options = parser.parse_args()
    run = {
        "splits": lambda: splits(options.data, options.seed, options.repeats),
        "weeks": lambda: weeks(options.data, options.seed, options.weeks),
        "windows": lambda: windows(options.data),
    }
    for part in options.parts.split(","):
        lines = run[part]()
        write(part, lines)
        print("\n".join(lines))
    if (options.data / TOO_SHORT).exists() and "windows" in options.parts:
        print(f"{TOO_SHORT}: its windows have five rows, of which nothing can be said",
              file=sys.stderr)  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
