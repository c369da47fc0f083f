"""What `compare` says about public data sets whose truth is known, at least in part.

    python benchmarks/real_data.py --data FOLDER
    python benchmarks/real_data.py --data FOLDER --parts weeks --seed 100

FOLDER holds one folder per data set, with Parquet windows and a `truth.json`. Tables are written
into docs/real-data.md, each between its two markers: *splits* (ten tables split at random, and one
change made in one half), *weeks* (the electricity market, each week judged by the 52 before it) and
*windows* (windows that differ by themselves, beside columns on their own: the networks' F1, the
first suspects of each set, and every window). What FOLDER lacks is skipped, and said to be.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

sys.path.insert(0, str(Path(__file__).parent))

from real_splits import MARKET, TABLES, Found, split_cases, week_cases
from real_windows import SETS, by_set, judged_windows, listing, networks

PAGE = Path(__file__).parent.parent / "docs" / "real-data.md"


def windows(data: Path) -> dict[str, list[str]]:
    """Compare the windows of all sets."""
    judged = []
    for name in SETS:
        if not (data / name / "truth.json").exists():
            print(f"{name}: not in {data}, skipped", file=sys.stderr)
            continue
        for window in judged_windows(data, name):
            judged.append(window)
            print(listing([window])[-1], file=sys.stderr, flush=True)
    return {"networks": networks(judged), "sets": by_set(judged), "windows": listing(judged)}


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
    run: dict[str, Callable[[], dict[str, list[str]]]] = {
        "splits": lambda: {"splits": splits(options.data, options.seed, options.repeats)},
        "weeks": lambda: {"weeks": weeks(options.data, options.seed, options.weeks)},
        "windows": lambda: windows(options.data),
    }
    for part in options.parts.split(","):
        for name, lines in run[part]().items():
            write(name, lines)
            print("\n".join(lines), end="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
