"""Measures false alarms of the mechanism test where only the parents moved, and how far.

python benchmarks/size_under_shift.py --quick
python benchmarks/size_under_shift.py --rows 1000 --trials 2000
python benchmarks/size_under_shift.py --rows 100000,1000000 --trials 400
python benchmarks/size_under_shift.py --counts benchmarks/size_counts.csv --rows 1000 --trials 20000

P(y | parents) is the same in both windows; the parents move by 0, ½, 1 or 2 sd, spread twice as
far, or become a mixture (`size_worlds.py`). The test is given both windows' Snapshots (above 16,384
rows: their sample; with ``--parts`` joined from so many parts) and the true parents. A rate whose
one-sided 99 % lower limit exceeds the level is in bold.

*all* is over all moves of a family, or all families of a move: where a level or a length needs more
pairs than a cell has, these have them.

With ``--counts`` what was counted is kept in a file: pairs are numbered, those that it has are not
drawn again, a run that is cut short loses nothing, and the tables are of all that is there.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import re
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass, fields
from functools import partial, reduce
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from scipy.special import betaincinv
from size_worlds import FAMILIES, MOVES, Family

from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.interleaving import series_after_series
from whydrift.monitor.diagnosis.mechanism.residual_scores import ResidualScores
from whydrift.monitor.diagnosis.pair import WindowPair

LEVELS = (0.05, 0.01, 0.001)
LEAST_PAIRS = {0.05: 40, 0.01: 400, 0.001: 5000}  # with fewer a level is not shown
PAGE = Path(__file__).parents[1] / "docs" / "calibration.md"
BEGIN, END = "<!-- size: begin -->", "<!-- size: end -->"
ALL = "all"
CHUNK = 200  # pairs of windows between two lines of the file


@dataclass(frozen=True)
class Cell:
    """One kind of data, its rows, and how its parents move."""

    family: str
    rows: int
    parts: int
    move: str
    seed: int


@dataclass(frozen=True)
class Count:
    """How often the test rejected at `LEVELS` in so many pairs of windows."""

    pairs: int = 0
    tested: int = 0
    at_05: int = 0
    at_01: int = 0
    at_001: int = 0

    @classmethod
    def of(cls, p_values: list[float | None]) -> Count:
        """Count p-values; None could not be tested."""
        tested = np.array([p for p in p_values if p is not None])
        return cls(len(p_values), tested.size, *(int((tested <= level).sum()) for level in LEVELS))

    def __add__(self, other: Count) -> Count:
        return Count(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def rate(self, level: float) -> str:
        """Return the share rejected, in bold where it is above the level."""
        if self.pairs < LEAST_PAIRS[level]:
            return ""
        if not self.tested:
            return "–"
        count = astuple(self)[2 + LEVELS.index(level)]
        digits = f"{count / self.tested:.{4 if level < 0.01 else 3}f}".removeprefix("0")
        return f"**{digits}**" if self.exceeds(level) else digits

    def exceeds(self, level: float) -> bool:
        """Whether the rate's one-sided 99 % lower limit is above the level."""
        count = astuple(self)[2 + LEVELS.index(level)]
        return lower_limit(count, self.tested) > level


def p_value(cell: Cell, pair: int) -> float | None:
    """Return the p-value of "P(y | parents) is the same" for one pair in which it is."""
    number = [f.name for f in FAMILIES].index(cell.family)
    family = FAMILIES[number]
    rng = np.random.default_rng([cell.seed, number, list(MOVES).index(cell.move), cell.rows, pair])
    reference = pd.DataFrame(family.draw(rng, cell.rows, MOVES["0 sd"]))
    few = max(20, round(cell.rows * family.current_share))
    current = pd.DataFrame(family.draw(rng, few, MOVES[cell.move]))
    first = window(family, reference, cell.parts, None)
    second = window(family, current, cell.parts, first)
    parents = tuple(c for c in reference if str(c).startswith("x"))
    turns = family.series, family.series
    both = WindowPair(first, second, (*parents, "y"), family.cluster, turns=turns)
    return ResidualScores()(both, "y", parents).p_value


def window(family: Family, frame: pd.DataFrame, parts: int, before: Snapshot | None) -> Snapshot:
    """Return the Snapshot of a frame, joined from parts of neighbouring rows."""
    roles = {family.cluster: "cluster", family.time: "time"}
    roles = {name: role for name, role in roles.items() if name is not None}
    schema = None if before is None else before.schema
    if parts == 1:
        whole = Snapshot.from_frame(frame, schema=schema, roles=roles)
        if family.series == 1:
            return whole
        return series_after_series(whole, family.series) or whole  # as `compare` does
    if schema is None:
        schema = Snapshot.from_frame(frame[: len(frame) // parts], roles=roles).schema
    bounds = np.linspace(0, len(frame), parts + 1).astype(int)
    read = [Snapshot.from_frame(frame[a:b], schema=schema) for a, b in pairwise(bounds)]
    return reduce(Snapshot.merge, read)


def lower_limit(count: int, trials: int) -> float:
    """Return the one-sided 99 % lower limit of a rate (Clopper & Pearson 1934)."""
    return float(betaincinv(count, trials - count + 1, 0.01)) if count else 0.0


class Counts:
    """What was counted so far, kept in a file where one is named."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._head = [f.name for f in (*fields(Cell), *fields(Count))]
        self.of: dict[Cell, Count] = {}
        if file is not None and file.exists():
            with file.open(newline="") as lines:
                for row in csv.DictReader(lines):
                    own = {n: v if n in {"family", "move"} else int(v) for n, v in row.items()}
                    cell = Cell(**{f.name: own[f.name] for f in fields(Cell)})
                    self._count(cell, Count(**{f.name: own[f.name] for f in fields(Count)}))

    def add(self, cell: Cell, count: Count) -> None:
        """Count, and write it down."""
        self._count(cell, count)
        if self._file is None:
            return
        rows = [(*astuple(c), *astuple(n)) for c, n in self.of.items()]
        scratch = self._file.with_suffix(".new")
        with scratch.open("w", newline="") as lines:
            writer = csv.writer(lines, lineterminator="\n")
            writer.writerow(self._head)
            writer.writerows(rows)
        scratch.replace(self._file)

    def _count(self, cell: Cell, count: Count) -> None:
        self.of[cell] = self.of.get(cell, Count()) + count


def tables(counts: dict[Cell, Count]) -> Iterator[str]:
    """Yield a table for each level and number of rows: families by moves."""
    for level in LEVELS:
        for rows, parts in sorted({(c.rows, c.parts) for c in counts}):
            here = {c: n for c, n in counts.items() if (c.rows, c.parts) == (rows, parts)}
            most = sum(n.pairs for n in here.values())
            if most < LEAST_PAIRS[level]:
                continue
            joined = f", joined from {parts} parts" if parts > 1 else ""
            yield f"Level {level:g}, {rows:,} rows{joined}:\n\n" + _table(here, level)


def _table(counts: dict[Cell, Count], level: float) -> str:
    """Return families by moves, with a margin for either; what too few pairs say is left out."""
    names = [f.name for f in FAMILIES if any(c.family == f.name for c in counts)]
    rates: dict[str, list[str]] = {}
    for name in [*names, ALL]:
        own = [
            [n for c, n in counts.items() if name in (c.family, ALL) and c.move == m] for m in MOVES
        ]
        cells = [sum(n, Count()) for n in own]
        pairs = sorted({n.pairs for n in cells})
        several = f"{pairs[0]:,}" + (f" to {pairs[-1]:,}" if len(pairs) > 1 else "")
        rates[name] = [n.rate(level) for n in (*cells, sum(cells, Count()))] + [several]
    head = [*MOVES, ALL, "pairs a cell"]
    shown = [k for k in range(len(head)) if any(row[k] for row in rates.values())]
    lines = [["family", *(head[k] for k in shown)], ["---"] * (1 + len(shown))]
    lines += [[name, *(row[k] for k in shown)] for name, row in rates.items() if any(row[:-1])]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Count, and print the tables and what they were measured on."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows", default="1000", help="rows of a window, such as 1000,20000")
    parser.add_argument("--trials", type=int, default=2000, help="pairs of windows a cell")
    parser.add_argument("--parts", type=int, default=1, help="parts that a window is joined from")
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--family", default="", help="only families with one of these words, a,b")
    parser.add_argument("--move", default="", help="only moves with one of these words, a,b")
    parser.add_argument("--counts", type=Path, help="go on from what this file has, and add to it")
    parser.add_argument(
        "--write", action="store_true", help="put the tables into docs/calibration.md"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--quick", action="store_true", help="300 rows, 40 pairs a cell")
    options = parser.parse_args()
    if options.quick:
        options.rows, options.trials = "300", 40
    began, counts = time.perf_counter(), Counts(options.counts)
    cells = [
        Cell(family.name, rows, options.parts, move, options.seed)
        for rows in map(int, options.rows.split(","))
        for family in FAMILIES
        for move in MOVES
        if any(word in family.name for word in options.family.split(","))
        and any(word in move for word in options.move.split(","))
    ]
    with ProcessPoolExecutor(options.jobs) as pool:
        for done, cell in enumerate(cells):
            if sys.stderr.isatty():
                print(
                    f"\r{done}/{len(cells)} {cell.family}, {cell.move}\x1b[K",
                    end="",
                    file=sys.stderr,
                )
            first = counts.of.get(cell, Count()).pairs
            for start in range(first, options.trials, CHUNK):
                pairs = range(start, min(start + CHUNK, options.trials))
                found = list(pool.map(partial(p_value, cell), pairs, chunksize=10))
                counts.add(cell, Count.of(found))
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr)
    text = "\n\n".join(tables(counts.of))
    shown = len(re.findall(r"\| \**[01]?\.\d", text))
    above = text.count("**") // 2
    text += (
        f"\n\n{above} of {shown} rates are above their level (bold); were all right, about one in "
        "a hundred would be."
    )
    print(
        f"{text}\n\nSeed {options.seed}; {time.perf_counter() - began:.0f} s on {options.jobs} of "
        f"{os.cpu_count()} cores; Python {platform.python_version()}, numpy {version('numpy')}, "
        f"whydrift {version('whydrift')}."
    )
    if options.write:
        before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
        page = f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}"
        PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
