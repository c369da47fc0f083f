"""Faults put into tables as teams have them: which are told rightly, and what else is named.

python benchmarks/ordinary_faults.py --seeds 100-104
python benchmarks/ordinary_faults.py --seeds 100-104 --only "stands still" --cases

Into the current window of each of the tables of `ordinary_tables.py`, where nothing else changed,
one fault is put at a time, into a column chosen at random among those that can have it (neither the
target nor a prediction). The graph is learned, and nothing is known but the target. A constant that
was added to all values may have been added in the world: there the number, named alone, is right.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from ordinary_tables import TABLES, Table
from seeds import seeds_of

import whydrift as wd
from whydrift.monitor.diagnosis.diagnosis import FaultKind

Change = Callable[..., pd.DataFrame]
_STEADY = 0.98  # share of one value from which on a column has too little else to tell anything by


@dataclass(frozen=True)
class Injection:
    """A fault.

    Parameters
    ----------
    kinds : tuple of FaultKind
        That say what happened.
    inject : callable
        From a random generator, a table and the names of its columns to the table with the fault.
    is_of_numbers : bool or None
        Which columns can have it: numbers, categories, or any.
    columns : int
        How many have it.
    """

    kinds: tuple[FaultKind, ...]
    inject: Change
    is_of_numbers: bool | None = True
    columns: int = 1


def _some(values: pd.Series, rows: np.ndarray, other: object) -> pd.Series:
    """Return the values with others in some of the rows, as floats where they are no whole ones."""
    if pd.api.types.is_numeric_dtype(values):
        return values.astype(float).where(~rows, other)
    return values.where(~rows, other)


def _gaps(rng: np.random.Generator, table: pd.DataFrame, name: str) -> pd.DataFrame:
    rows = rng.random(len(table)) < 0.15
    return table.assign(**{name: _some(table[name], rows, np.nan)})


def _times(factor: float) -> Change:
    return lambda rng, table, name: table.assign(**{name: table[name] * factor})


def _in_one_category(factor: float) -> Change:
    def inject(rng: np.random.Generator, table: pd.DataFrame, name: str) -> pd.DataFrame:
        labels = [
            (column, label)
            for column in _categories(table)
            for label, rows in table[column].value_counts().head(12).items()
            if 100 <= rows < 0.9 * len(table)
        ]
        if not labels:
            return table
        column, label = labels[rng.integers(len(labels))]
        rows = (table[column] == label).to_numpy()
        return table.assign(**{name: _some(table[name], rows, table[name] * factor)})

    return inject


def _added(rng: np.random.Generator, table: pd.DataFrame, name: str) -> pd.DataFrame:
    added = float(f"{table[name].std():.1g}")
    return table.assign(**{name: np.round(table[name] + added, 6)})


def _still(rng: np.random.Generator, table: pd.DataFrame, name: str) -> pd.DataFrame:
    start = 3 * len(table) // 4
    known = table[name].iloc[:start].dropna()
    rows = np.arange(len(table)) >= start
    return table.assign(**{name: _some(table[name], rows, known.iloc[-1])})


def _placeholder(rng: np.random.Generator, table: pd.DataFrame, name: str) -> pd.DataFrame:
    rows = rng.random(len(table)) < 0.08
    value = -1.0 if table[name].min() >= 0 else 0.0
    return table.assign(**{name: _some(table[name], rows, value)})


def _renamed(rng: np.random.Generator, table: pd.DataFrame, name: str) -> pd.DataFrame:
    labels = table[name].value_counts().index
    return table.assign(**{name: table[name].replace({labels[1]: f"{labels[1]}_v2"})})


def _exchanged(rng: np.random.Generator, table: pd.DataFrame, name: str) -> pd.DataFrame:
    a, b = table[name].value_counts().index[:2]
    return table.assign(**{name: table[name].replace({a: b, b: a})})


def _swapped(rng: np.random.Generator, table: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    return table.assign(**{a: table[b], b: table[a]})


def _twice(rng: np.random.Generator, table: pd.DataFrame, name: str) -> pd.DataFrame:
    return pd.concat([table, table[rng.random(len(table)) < 0.25]], ignore_index=True)


INJECTIONS = {
    "missing, 15 % of the rows": Injection((FaultKind.NULL_SPIKE,), _gaps, None),
    "× 1,000": Injection((FaultKind.UNIT_CHANGE,), _times(1_000.0)),
    "÷ 60": Injection((FaultKind.UNIT_CHANGE,), _times(1 / 60)),
    "× 1,000 in one category": Injection((FaultKind.UNIT_CHANGE,), _in_one_category(1_000.0)),
    "a constant added (about 1 sd)": Injection((FaultKind.OFFSET, FaultKind.UNIT_CHANGE), _added),
    "the last quarter stands still": Injection((FaultKind.STUCK_VALUE,), _still),
    "-1 (or 0) in 8 % of the rows": Injection((FaultKind.DEFAULT_VALUE,), _placeholder),
    "a category renamed": Injection((FaultKind.RECODE, FaultKind.CATEGORY_SET), _renamed, False),
    "two categories exchanged": Injection((FaultKind.RECODE,), _exchanged, False),
    "two numbers exchanged": Injection((FaultKind.SWAP,), _swapped, columns=2),
    "a quarter of the rows twice": Injection((FaultKind.ROWS_DUPLICATED,), _twice, None),
}


def _numbers(table: pd.DataFrame) -> list[str]:
    """Return columns of numbers of more than two values."""
    return [c for c in table if pd.api.types.is_numeric_dtype(table[c]) and table[c].nunique() > 2]


def _categories(table: pd.DataFrame) -> list[str]:
    return [
        c
        for c in table
        if not pd.api.types.is_numeric_dtype(table[c])
        and not pd.api.types.is_datetime64_any_dtype(table[c])
        and 2 < table[c].nunique() <= 40
    ]


def _columns(injection: Injection, table: pd.DataFrame, spared: Sequence[str]) -> list[str]:
    """Return the columns that can have a fault."""
    both = _numbers(table), _categories(table)
    chosen = [*both[0], *both[1]] if injection.is_of_numbers is None else both[
        0 if injection.is_of_numbers else 1
    ]  # fmt: skip
    return [
        c for c in chosen
        if c not in spared and table[c].value_counts(normalize=True).iloc[0] < _STEADY
    ]  # fmt: skip


def outcome(table: Table, injection: Injection, rng: np.random.Generator) -> tuple[str, str] | None:
    """Return what came of one fault, and the case in words; None where no column can have it."""
    reference, current = table.windows(rng, False)
    spared = (table.target, *(table.options.get(o) for o in ("prediction", "time_column")))
    names = _columns(injection, current, spared)
    if len(names) < injection.columns:
        return None
    chosen = [str(n) for n in rng.choice(names, injection.columns, replace=False)]
    broken = injection.inject(rng, current, *chosen)
    if broken is current:
        return None
    changed = {c for c in current if not broken[c].equals(current[c])}
    is_of_rows = len(broken) != len(current)
    found = wd.compare(reference, broken, target=table.target, **table.options)
    told = [
        f for f in found.faults
        if f.kind in injection.kinds and (is_of_rows or changed & {*f.columns})
    ]  # fmt: skip
    named = {*found.ranking}
    innocent = named if is_of_rows else named - changed
    if innocent:
        result = "innocent"
    elif told:
        result = "told"
    elif any(changed & {*f.columns} for f in found.faults):
        result = "other fault"
    else:
        result = "named" if named else "nothing"
    faults = ", ".join(f"{f.kind.value} of {'+'.join(f.columns)}" for f in found.faults)
    named_ones = ", ".join(found.ranking) or "nothing"
    return result, f"{' and '.join(chosen)}: {named_ones} named; faults: {faults or 'none'}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", default="100-104")
    parser.add_argument("--only", default="", help="a word of the faults' names")
    parser.add_argument("--cases", action="store_true", help="tell each that is not told rightly")
    options = parser.parse_args()
    seeds = seeds_of(options.seeds, most=149)
    print("| fault | tables | told | named, as no fault | told as another | nothing named |"
          " an innocent one named |\n|---|---|---|---|---|---|---|")  # fmt: skip
    began, cases = time.monotonic(), []
    for number, (title, injection) in enumerate(INJECTIONS.items()):
        if options.only not in title:
            continue
        counts: Counter[str] = Counter()
        for name, table in TABLES.items():
            for seed in seeds:
                found = outcome(table, injection, np.random.default_rng([seed, number]))
                if found is None:
                    continue
                counts[found[0]] += 1
                if found[0] != "told":
                    cases.append(f"- {title}, {name}, seed {seed}: {found[1]}")
        of = counts.total()
        cells = (counts[k] for k in ("told", "named", "other fault", "nothing", "innocent"))
        print(f"| {title} | {of} | {' | '.join(map(str, cells))} |", flush=True)
    if options.cases:
        print("\n" + "\n".join(cases))
    print(f"\n{time.monotonic() - began:.0f} s, seeds {options.seeds}, whydrift {wd.__version__}")


if __name__ == "__main__":
    main()
