"""What `compare` says about public data sets whose truth is known, at least in part.

    python benchmarks/real_data.py --data FOLDER

FOLDER holds one folder per data set, with Parquet windows and a `truth.json`. The table is written
into docs/real-data.md, between its two markers.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd

import whydrift as wd

SETS = (
    "nannyml_california_housing",
    "algerian_fires",
    "sachs",
    "bn_asia",
    "bn_alarm",
    "wine_quality",
)
PAGE = Path(__file__).parent.parent / "docs" / "real-data.md"
MARKS = ("<!-- table: begin -->", "<!-- table: end -->")


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
    count = len(diagnosis.columns)
    unsure = sum(c.verdict.value == "undetermined" for c in diagnosis.columns.values())
    if not is_exact:
        first = "no exact truth"
    elif not truth:
        first = "no alarm: right" if not named else f"{len(named)} columns named"
    else:
        first = "yes" if named and named[0] in truth else "no"
        if set(named) == set(truth):
            first = "yes, exactly these"
    return [
        name,
        window["current"].removesuffix(".parquet"),
        how,
        _listed(truth) if is_exact else "–",
        ("fault, " if diagnosis.fault else "") + diagnosis.verdict.value,
        _listed(named),
        first,
        f"{unsure}/{count}",
        f"{taken:.1f}",
    ]


def _listed(names: list[str], most: int = 4) -> str:
    more = f" +{len(names) - most}" if len(names) > most else ""
    return (", ".join(names[:most]) + more) if names else "–"


def main() -> int:
    """Run all sets and write the page's table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    head = ["data", "window", "graph", "truth", "verdict", "named, first to last",
            "first one right?", "undetermined", "s"]  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name in SETS:
        folder = options.data / name
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
                print(lines[-1])
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    PAGE.write_text(
        f"{before}{MARKS[0]}\n{chr(10).join(lines)}\n{MARKS[1]}{after}", encoding="utf-8"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
