"""Real tables with one known change: split at random, and a market by weeks.

A table that is split at random has no drift; whatever is found there is a false alarm. One change
is then made in one half, and the column it was made in is the right answer, whatever the graph.
Used by real_data.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import whydrift as wd

__all__ = ["TABLES", "Found", "Table", "split_cases", "week_cases"]

MOST_ROWS = 6_000  # of a table, both halves together
WEEK, PAST_WEEKS = 336, 52  # half hours; weeks, so that the past has a whole year
MARKET = Path("elec2", "after_interconnect.parquet")


@dataclass(frozen=True)
class Table:
    """A table, and the columns that changes are made in.

    Parameters
    ----------
    file : str
    target : str
    exogenous : str
        A number that nothing else in the table causes: tilted.
    unit : str
        A number whose unit changes, and of which values go missing.
    recoded : str, optional
        A category.
    left_out : tuple of str
        Row numbers, clocks, and copies of other columns.
    """

    file: str
    target: str
    exogenous: str
    unit: str
    recoded: str | None = None
    left_out: tuple[str, ...] = ()


TABLES = (
    Table("wine_quality/white", "quality", "fixed_acidity", "sulphates"),
    Table("wine_quality/red", "quality", "fixed_acidity", "sulphates"),
    Table("sachs/baseline_cd3cd28", "akt", "pkc", "p38"),
    Table("abalone/data", "rings", "length", "shell", "sex"),
    Table("auto_mpg/data", "mpg", "modelyear", "weight", "origin"),
    Table("nhefs/nhefs", "wt82_71", "age", "wt71", "education", ("seqn",)),
    Table("lalonde/cps_controls", "re78", "age", "re75", "marr", ("data_id", "treat")),
    Table(
        "nannyml_california_housing/reference",
        "clf_target",
        "HouseAge",
        "Population",
        None,
        ("timestamp",),
    ),
    Table(
        "nannyml_car_loan/reference",
        "repaid",
        "car_value",
        "debt_to_income_ratio",
        "salary_range",
        ("timestamp",),
    ),
    Table(
        "card_college/card",
        "lwage",
        "age",
        "iq",
        "black",
        (
            "id",
            "wage",
            "expersq",
            "exper",
            "kww",
            "weight",
            "fatheduc",
            "motheduc",
            "libcrd14",
            "sinmom14",
            "step14",
            "reg661",
            "reg662",
            "reg663",
            "reg664",
            "reg665",
            "reg666",
            "reg667",
            "reg668",
            "reg669",
            "smsa66",
            "south66",
        ),
    ),
)


@dataclass(frozen=True)
class Found:
    """What was said of one comparison.

    Parameters
    ----------
    data, change : str
        ``none`` where nothing was changed.
    column : str, optional
        Where the change was made.
    named : tuple of str
        First to last.
    """

    data: str
    change: str
    column: str | None
    named: tuple[str, ...]


Change = Callable[[pd.DataFrame, Table, np.random.Generator], tuple[pd.DataFrame, str]]


def mechanism(
    rows: pd.DataFrame, table: Table, rng: np.random.Generator
) -> tuple[pd.DataFrame, str]:
    """Change the target where the exogenous column is large: half an sd, or four labels in ten."""
    y, where = rows[table.target], rows[table.exogenous] > rows[table.exogenous].median()
    if y.nunique() == 2:
        low, high = sorted(y.unique())
        turned = where & (rng.random(len(rows)) < 0.4)
        return rows.assign(**{table.target: y.where(~turned, low + high - y)}), table.target
    step = 0.5 * y.std()
    if pd.api.types.is_integer_dtype(y):
        step = max(1, round(step))
    return rows.assign(**{table.target: y + step * where}), table.target


def unit(rows: pd.DataFrame, table: Table, rng: np.random.Generator) -> tuple[pd.DataFrame, str]:
    """Write a number in thousandths."""
    return rows.assign(**{table.unit: rows[table.unit] * 1000.0}), table.unit


def nulls(rows: pd.DataFrame, table: Table, rng: np.random.Generator) -> tuple[pd.DataFrame, str]:
    """Lose three values in ten."""
    lost = rng.random(len(rows)) < 0.3
    return rows.assign(**{table.unit: rows[table.unit].astype(float).mask(lost)}), table.unit


def tilt(rows: pd.DataFrame, table: Table, rng: np.random.Generator) -> tuple[pd.DataFrame, str]:
    """Keep half of the rows, those with a large exogenous column more often."""
    x = rows[table.exogenous].astype(float)
    score = (x.rank(pct=True) - 0.5).fillna(0.0)
    weight = np.exp(3.0 * score)
    chosen = rng.choice(len(rows), len(rows) // 2, replace=False, p=weight / weight.sum())
    return rows.iloc[np.sort(chosen)], table.exogenous


def recode(rows: pd.DataFrame, table: Table, rng: np.random.Generator) -> tuple[pd.DataFrame, str]:
    """Exchange the two commonest levels of a category."""
    assert table.recoded is not None
    first, second = rows[table.recoded].value_counts().index[:2]
    return rows.assign(
        **{table.recoded: rows[table.recoded].replace({first: second, second: first})}
    ), table.recoded


CHANGES: dict[str, Change] = {
    "target's mechanism": mechanism,
    "unit": unit,
    "nulls": nulls,
    "tilt": tilt,
    "recode": recode,
}


def split_cases(data: Path, seed: int) -> Iterator[Found]:
    """Split each table at random, twice without a change and once with each."""
    for number, table in enumerate(TABLES):
        frame = pd.read_parquet(data / f"{table.file}.parquet").drop(columns=list(table.left_out))
        rng = np.random.default_rng([seed, number])
        features = [c for c in frame.columns if c != table.target]
        knowledge = wd.Knowledge(tiers=(features, (table.target,)))
        for name in ("none", "none", *CHANGES):
            if name == "recode" and table.recoded is None:
                continue
            rows = frame.iloc[rng.permutation(len(frame))[:MOST_ROWS]]
            reference, current = rows[: len(rows) // 2], rows[len(rows) // 2 :]
            column = None
            if name != "none":
                current, column = CHANGES[name](current, table, rng)
            kinds = {table.recoded: "categorical"} if table.recoded else None
            first = wd.Snapshot.from_frame(reference, kinds=kinds)
            diagnosis = wd.compare(first, current, target=table.target, knowledge=knowledge)
            yield Found(table.file, name, column, diagnosis.ranking)


def week_cases(data: Path, seed: int, weeks: int) -> Iterator[Found]:
    """Judge weeks of the market by the 52 before each: as they were, and with a change."""
    rows = pd.read_parquet(data / MARKET).drop(columns=["date", "day", "period"])
    clock = pd.Timestamp("1997-05-02") + pd.to_timedelta(np.arange(len(rows)) * 30, unit="min")
    rows = rows.assign(at=clock)
    split = [rows[k : k + WEEK] for k in range(0, len(rows) - WEEK + 1, WEEK)]
    market = Table(MARKET.stem, "price_up", "vicdemand", "nswdemand")
    features = [c for c in rows.columns if c not in ("price_up", "at")]
    knowledge = wd.Knowledge(tiers=(features, ("price_up",)))
    rng = np.random.default_rng(seed)
    for number in np.sort(rng.permutation(np.arange(PAST_WEEKS, len(split)))[:weeks]):
        for name in ("none", "level", "target turned", "unit", "nulls"):
            current, column = split[number], None
            if name == "level":
                column = market.exogenous
                current = current.assign(**{column: current[column] + rows[column].std()})
            elif name == "target turned":
                column = market.target
                large = current[market.unit] > current[market.unit].median()
                current = current.assign(
                    **{column: current[column].where(~large, 1 - current[column])}
                )
            elif name != "none":
                current, column = CHANGES[name](current, market, rng)
            diagnosis = wd.compare(
                split[number - PAST_WEEKS : number],
                current,
                target=market.target,
                time_column="at",
                knowledge=knowledge,
            )
            yield Found("electricity market", name, column, diagnosis.ranking)
