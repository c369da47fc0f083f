"""Measures the fault detectors: false alarms on sound windows, and which injected faults are found.

    python benchmarks/faults.py --seeds 100-102 --data FOLDER

*False alarms*: pairs of generated windows without any change (suite `null`), pairs with a genuine
shift and no fault (suite `mid`), and, where FOLDER holds public tables, random halves of these. A
window counts once, however many faults are said to be in it. *Power*: each kind of fault is put
into a share of the rows of tables of four kinds, and counts as found where a fault of that kind
names the column (rows: the kind alone); *also* counts faults said of anything else.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from scipy.special import betaincinv

sys.path.insert(0, str(Path(__file__).parent))

from driftbench import seeds_of
from yardsticks import driftbench as yardstick

from whydrift.discovery.snapshot.schema import Role
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.diagnosis import Fault, FaultKind
from whydrift.monitor.diagnosis.faults.registry import find_faults

SHARES = (1.0, 0.5, 0.2, 0.05)
TABLES = (
    "abalone/data.parquet",
    "nannyml_california_housing/reference.parquet",
    "nannyml_car_loan/reference.parquet",
    "wine_quality/white.parquet",
    "nhefs/nhefs.parquet",
    "sachs/baseline_cd3cd28.parquet",
    "bn_alarm/reference.parquet",
    "bn_sachs/reference.parquet",
    "lalonde/cps_controls.parquet",
    "card_college/card.parquet",
)


def faults_in(
    reference: pd.DataFrame, current: pd.DataFrame, roles: dict[str, Role] | None = None
) -> tuple[list[Fault], float]:
    """Return the faults said to be in the current window, and the seconds it took."""
    roles = {n: r for n, r in (roles or {}).items() if n in reference}
    a = Snapshot.from_frame(reference, roles=roles)
    b = Snapshot.from_frame(current, schema=a.schema)
    began = time.process_time()
    found = find_faults(a, b, a.schema.modelled)
    return [f.fault for f in found.findings], time.process_time() - began


# ---- sound windows


def generated(suite: str, seeds: list[int]) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """Yield a family's name and two windows, for each case without a fault."""
    for seed in seeds:
        for spec in yardstick.suite_specs(suite, seed):
            if not spec.kind.startswith("fault"):
                case = yardstick.make_case(spec, n_mc=100)
                if not any(c["kind"].startswith("fault") for c in case.truth.get("changes", ())):
                    yield spec.family, case.ref, case.cur


def halves(
    data: Path, seeds: list[int], times: int
) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """Yield a table's name and two random halves of it."""
    for name in TABLES:
        if not (data / name).exists():
            print(f"{name} is not in {data}: left out", file=sys.stderr)
            continue
        table = pd.read_parquet(data / name)
        for seed in seeds:
            for split in range(times):
                order = np.random.default_rng([seed, split]).permutation(len(table))[:10_000]
                middle = len(order) // 2
                yield (
                    name.split("/")[0],
                    table.iloc[order[:middle]].reset_index(drop=True),
                    table.iloc[order[middle:]].reset_index(drop=True),
                )


def false_alarms(title: str, windows: Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]) -> None:
    """Print how many windows, by family, are said to have a fault."""
    total: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    said: list[str] = []
    seconds = 0.0
    for family, reference, current in windows:
        found, taken = faults_in(reference, current)
        seconds += taken
        total[family] += 1
        wrong[family] += bool(found)
        said += [f"{family}: {f.kind} {', '.join(f.columns)}: {f.evidence}" for f in found]
    rows, alarms = sum(total.values()), sum(wrong.values())
    if not rows:
        return
    upper = 1.0 if alarms == rows else float(betaincinv(alarms + 1, rows - alarms, 0.95))
    print(f"\n### {title}\n\n| windows | {' | '.join(total)} | all | at most (95 %) | s/window |")
    print("|---" * (len(total) + 4) + "|")
    cells = [f"{wrong[f]} of {total[f]}" for f in total]
    print(
        f"| with a fault said | {' | '.join(cells)} | {alarms} of {rows} ({alarms / rows:.2%}) "
        f"| {upper:.2%} | {seconds / rows:.3f} |"
    )
    for line in said:
        print(f"- {line}")
    sys.stdout.flush()


# ---- columns that are gone


def renames(title: str, windows: Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]) -> None:
    """Print how often a renamed column is asked about, and how often another one is.

    Two columns of each window get new names. Beside it, one column is dropped and its own values,
    in another order, come as a new column that has nothing to do with the others.
    """
    asked: Counter[str] = Counter()
    cases = 0
    for number, (_, reference, current) in enumerate(windows):
        rng = np.random.default_rng(number)
        first, second = (str(c) for c in rng.choice(reference.columns, 2, replace=False))
        new = {first: "new_1", second: "new_2"}
        said = _asked(reference, current.rename(columns=new))
        for name, other in new.items():
            asked["right"] += other in said.get(name, ())
            asked["wrong"] += bool(said.get(name, frozenset()) - {other})
        shuffled = rng.permutation(current[first].to_numpy())
        unrelated = current.drop(columns=first).assign(new_1=shuffled)
        asked["unrelated"] += bool(_asked(reference, unrelated).get(first))
        cases += 1
    if cases:
        print(
            f"\n### {title}: renamed columns\n\nOf {2 * cases} renamed columns "
            f"{asked['right'] / (2 * cases):.3f} are asked about by their new name, "
            f"{asked['wrong'] / (2 * cases):.3f} by another's; an unrelated column in place of one "
            f"that is gone is asked about in {asked['unrelated'] / cases:.3f} of {cases} windows.",
            flush=True,
        )


def _asked(reference: pd.DataFrame, current: pd.DataFrame) -> dict[str, frozenset[str]]:
    """Return which new name each column that is gone is asked about by."""
    a = Snapshot.from_frame(reference)
    b = Snapshot.from_frame(current, schema=a.schema)
    names = tuple(n for n in a.schema.modelled if n not in b.absent)
    found = find_faults(a, b, names, whole=Snapshot.from_frame(current)).findings
    return {
        f.fault.columns[0]: frozenset(n for n in ("new_1", "new_2") if repr(n) in f.fault.evidence)
        for f in found
        if f.fault.kind is FaultKind.COLUMN_MISSING
    }


# ---- injected faults

Table = Callable[[np.random.Generator, int], pd.DataFrame]


def _shop(rng: np.random.Generator, rows: int) -> pd.DataFrame:
    """Orders: skewed amounts, sums and products of others, long names, times of the day."""
    region = rng.choice(["north side", "south side", "west bank"], rows, p=[0.5, 0.3, 0.2])
    day = 4 * 86_400 * rng.random(rows)
    hour = 24 * rng.beta(3, 2, rows)
    when = np.sort(np.floor(day / 86_400) * 86_400 + 3_600 * hour)
    income = 20 + 5 * (region == "north side") + np.exp(0.4 * rng.normal(size=rows) + 1)
    count = 1 + rng.poisson(3, rows)
    price = np.round(np.exp(0.5 * rng.normal(size=rows) + 0.02 * income), 2)
    fee = np.round(0.1 * income + rng.random(rows), 2)
    goods = np.round(count * price, 2)
    return pd.DataFrame(
        {
            "when": pd.Timestamp("2026-03-02") + pd.to_timedelta(when, unit="s"),
            "region": region,
            "x": income,
            "count": count,
            "price": price,
            "fee": fee,
            "goods": goods,
            "total": goods + fee,
            "hour": np.floor(when % 86_400 / 3_600).astype(int),
            "temperature": np.round(12 + 6 * rng.normal(size=rows), 1),
            "brand": rng.choice(["acme works", "bolt brothers", "cogs", "dynamo inc"], rows),
        }
    )


def _gauss(rng: np.random.Generator, rows: int) -> pd.DataFrame:
    table = _shop(rng, rows)
    x = (table["region"] == "north side") + rng.normal(size=rows)
    return table.assign(x=x, price=5 + 0.8 * x + rng.normal(size=rows)).assign(
        goods=lambda t: t["count"] * t["price"], total=lambda t: t["goods"] + t["fee"]
    )


def _wide(rng: np.random.Generator, rows: int) -> pd.DataFrame:
    """Amounts over five orders of magnitude: a factor of ten hides in them."""
    table = _shop(rng, rows)
    x = np.exp(2 * rng.normal(size=rows) + 0.5 * (table["region"] == "north side"))
    return table.assign(x=x)


def _heavy(rng: np.random.Generator, rows: int) -> pd.DataFrame:
    table = _shop(rng, rows)
    x = 10 + rng.standard_t(3, size=rows) + (table["region"] == "north side")
    gaps = np.where(rng.random(rows) < 0.1, np.nan, x)
    return table.assign(x=gaps)


FAMILIES: dict[str, Table] = {"skewed": _shop, "normal": _gauss, "wide": _wide, "heavy": _heavy}


@dataclass(frozen=True)
class Injection:
    """A fault put into the rows chosen; columns are those that have to be named."""

    name: str
    kind: str
    columns: tuple[str, ...]
    inject: Callable[[pd.DataFrame, np.ndarray, np.random.Generator], pd.DataFrame]
    shares: tuple[float, ...] = SHARES
    rows: str = "random"  # random, last (from some time on), or a share that inject makes itself


def _set(column: str, change: Callable[[pd.Series], object]) -> Callable[..., pd.DataFrame]:
    def inject(table: pd.DataFrame, rows: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
        column_values = table[column]
        changed = change(column_values)
        if not isinstance(changed, pd.Series):
            changed = pd.Series([changed] * len(table), index=table.index)
        return table.assign(**{column: column_values.where(~rows, changed)})

    return inject


def _swap(table: pd.DataFrame, rows: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    x, price = table["x"], table["fee"]
    return table.assign(x=x.where(~rows, price), fee=price.where(~rows, x))


def _duplicate(table: pd.DataFrame, rows: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    return pd.concat([table, table[rows]], ignore_index=True)


def _lose(table: pd.DataFrame, rows: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Lose a span of time with about that share of the rows, from the middle on."""
    lost = int(rows.sum())
    first = (len(table) - lost) // 2
    return pd.concat([table[:first], table[first + lost :]], ignore_index=True)


def _filter(table: pd.DataFrame, rows: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    return table[table["x"] >= table["x"].quantile(rows.mean())]


def _filter_category(
    table: pd.DataFrame, rows: np.ndarray, rng: np.random.Generator
) -> pd.DataFrame:
    return table[table["region"] != "west bank"]


def _segment_unit(table: pd.DataFrame, rows: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    return table.assign(x=table["x"].where(table["region"] != "west bank", 1_000 * table["x"]))


def _merge(table: pd.DataFrame, rows: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    return table.assign(region=table["region"].replace("west bank", "south side"))


def _hours_later(table: pd.DataFrame, rows: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    return table.assign(hour=(table["hour"] + 2 * rows) % 24)


_EXCHANGED = {"north side": "south side", "south side": "north side"}
INJECTIONS = (
    Injection("missing values", "null_spike", ("x",), _set("x", lambda v: np.nan)),
    Injection(
        "stands still", "stuck_value", ("x",), _set("x", lambda v: v.dropna().iloc[0]), rows="last"
    ),
    Injection("0 in place of values", "default_value", ("x",), _set("x", lambda v: 0.0)),
    Injection("-999 in place of values", "default_value", ("x",), _set("x", lambda v: -999.0)),
    Injection("the mean for values", "default_value", ("x",), _set("x", lambda v: v.mean())),
    Injection("'unknown'", "default_value", ("brand",), _set("brand", lambda v: "unknown")),
    Injection("× 1,000", "unit_change", ("x",), _set("x", lambda v: 1_000 * v)),
    Injection("÷ 100", "unit_change", ("x",), _set("x", lambda v: v / 100)),
    Injection("× 60", "unit_change", ("x",), _set("x", lambda v: 60 * v)),
    Injection(
        "× 1,000 in one region", "unit_change", ("x",), _segment_unit, shares=(0.2,), rows="own"
    ),
    Injection(
        "°C → °F", "unit_change", ("temperature",), _set("temperature", lambda v: 1.8 * v + 32)
    ),
    Injection(
        "the logarithm", "unit_change", ("price",),
        _set("price", lambda v: np.log(v.clip(lower=0.01))), shares=(1.0,),
    ),
    Injection(
        "the square root", "unit_change", ("price",),
        _set("price", lambda v: np.sqrt(v.clip(lower=0))), shares=(1.0,),
    ),
    Injection(
        "standardised", "unit_change", ("temperature",),
        _set("temperature", lambda v: (v - 12) / 6), shares=(1.0,),
    ),
    Injection("the sign turned", "unit_change", ("total",), _set("total", np.negative),
              shares=(1.0,)),
    Injection(
        "2 hours later", "offset", ("when",), _set("when", lambda v: v + pd.Timedelta("2h"))
    ),
    Injection("hour column + 2", "offset", ("hour",), _hours_later),
    Injection("count + 0.5", "offset", ("count",), _set("count", lambda v: v + 0.5)),
    Injection("names cut to 6", "truncated", ("brand",), _set("brand", lambda v: v.str[:6])),
    Injection("names in capitals", "recode", ("brand",), _set("brand", lambda v: v.str.upper())),
    Injection(
        "two names exchanged", "recode", ("region",),
        _set("region", lambda v: v.replace(_EXCHANGED)),
    ),
    Injection("a name merged", "category_set", ("region",), _merge, shares=(0.2,), rows="own"),
    Injection("a new name", "category_set", ("brand",), _set("brand", lambda v: "espresso co")),
    Injection("columns exchanged", "swap", ("x", "fee"), _swap),
    Injection("× 1,000 from some row on", "unit_change", ("x",), _set("x", lambda v: 1_000 * v),
              shares=SHARES[1:], rows="last"),
    Injection("two names exchanged from some row on", "recode", ("region",),
              _set("region", lambda v: v.replace(_EXCHANGED)), shares=SHARES[1:], rows="last"),
    Injection("columns exchanged from some row on", "swap", ("x", "fee"), _swap,
              shares=SHARES[1:], rows="last"),
    Injection("numbers as words", "type_change", ("x",),
              lambda t, rows, rng: t.assign(x=t["x"].astype(str).where(~rows, "see note"))),
    Injection("total + 5", "identity_broken", ("total",), _set("total", lambda v: v + 5)),
    Injection("fee of total changed", "identity_broken", ("fee",), _set("fee", lambda v: v + 40)),
    Injection("rows twice", "rows_duplicated", (), _duplicate),
    Injection("rows lost", "rows_missing", (), _lose, shares=SHARES[1:]),
    Injection("x below a limit gone", "filter_changed", (), _filter, shares=SHARES[1:]),
    Injection(
        "a region gone", "filter_changed", (), _filter_category, shares=(0.2,), rows="own"
    ),
)  # fmt: skip


def power(rows: int, seeds: list[int], words: str) -> None:
    """Print the share of injected faults that are found, in all families and in each."""
    print(f"\n### Injected faults, {rows} rows a window\n")
    print("| fault | " + " | ".join(f"share {s:g}" for s in SHARES) + " | also | worst family |")
    print("|---" * (len(SHARES) + 3) + "|")
    for injection in INJECTIONS:
        if words and words not in f"{injection.name} {injection.kind}":
            continue
        cells, also, tries = [], 0, 0
        by_family: Counter[str] = Counter()
        for share in SHARES:
            if share not in injection.shares:
                cells.append("–")
                continue
            found = 0
            for family, draw in FAMILIES.items():
                for seed in seeds:
                    hit, others = one(injection, share, draw, rows, seed)
                    found, also, tries = found + hit, also + others, tries + 1
                    by_family[family] += hit
            cells.append(f"{found / (len(FAMILIES) * len(seeds)):.2f}")
        each = len(injection.shares) * len(seeds)
        worst = min(FAMILIES, key=lambda family: by_family[family])
        print(
            f"| {injection.kind}: {injection.name} | {' | '.join(cells)} | {also} of {tries} "
            f"| {worst} {by_family[worst] / each:.2f} |",
            flush=True,
        )


def one(injection: Injection, share: float, draw: Table, rows: int, seed: int) -> tuple[bool, bool]:
    """Return whether the fault is found, and whether anything else is said to be faulty."""
    rng = np.random.default_rng([seed, 17])
    reference, current = draw(rng, rows), draw(rng, rows)
    chosen = rng.random(rows) < share
    if injection.rows == "last":
        chosen = np.arange(rows) >= round((1 - share) * rows)
    broken = injection.inject(current, chosen, rng)
    found, _ = faults_in(reference, broken, {"when": Role.TIME})
    wanted = [
        f for f in found if f.kind == injection.kind and set(injection.columns) <= {*f.columns}
    ]
    return bool(wanted), len(found) > len(wanted)


def main() -> None:
    """Print the tables and what they were measured on."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", default="0-1", help="of the generated windows")
    parser.add_argument("--trials", type=int, default=5, help="windows of a family and a share")
    parser.add_argument("--rows", type=int, default=3_000)
    parser.add_argument("--splits", type=int, default=20, help="of each public table and seed")
    parser.add_argument("--data", type=Path, help="folder of public tables")
    parser.add_argument("--only", choices=["null", "mid", "real", "renamed", "power"])
    parser.add_argument("--fault", default="", help="inject only faults with this in their name")
    options = parser.parse_args()
    seeds = seeds_of(options.seeds)
    if options.only in {None, "null"}:
        false_alarms("Windows without a change", generated("null", seeds))
    if options.only in {None, "mid"}:
        false_alarms("Windows with a shift and no fault", generated("mid", seeds))
    if options.data and options.only in {None, "real"}:
        false_alarms("Random halves of public tables", halves(options.data, seeds, options.splits))
    if options.only in {None, "renamed"}:
        renames("Windows without a change", generated("null", seeds))
        renames("Windows with a shift and no fault", generated("mid", seeds))
    if options.only in {None, "power"}:
        power(options.rows, list(range(seeds[0], seeds[0] + options.trials)), options.fault)
    print(
        f"\nSeeds {options.seeds}; Python {platform.python_version()}, numpy {version('numpy')}, "
        f"pandas {version('pandas')}, whydrift {version('whydrift')}."
    )


if __name__ == "__main__":
    main()
