"""Faults put into halves of public tables, where these lie beside the repository."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.diagnosis import FaultKind
from whydrift.monitor.diagnosis.faults.registry import find_faults

DATA = Path(__file__).parents[2].parent / "shared" / "data"

Break = Callable[[pd.DataFrame, np.ndarray], pd.DataFrame]


def halves(table: str, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    path = DATA / table
    if not path.exists():
        pytest.skip(f"the public table {table} is not beside the repository")
    frame = pd.read_parquet(path)
    order = np.random.default_rng(seed).permutation(len(frame))
    middle = len(order) // 2
    a, b = (frame.iloc[np.sort(part)] for part in (order[:middle], order[middle:]))
    return a.reset_index(drop=True), b.reset_index(drop=True)


def faults_of(reference: pd.DataFrame, current: pd.DataFrame) -> list[tuple[FaultKind, tuple]]:
    a = Snapshot.from_frame(reference)
    b = Snapshot.from_frame(current, schema=a.schema)
    found = find_faults(a, b, a.schema.modelled)
    return [(f.fault.kind, f.fault.columns) for f in found.findings]


@pytest.mark.parametrize(
    "table",
    [
        "nannyml_california_housing/reference.parquet",
        "abalone/data.parquet",
        "wine_quality/white.parquet",
        "bn_sachs/reference.parquet",
    ],
)
def test_halves_of_a_table_have_no_fault(table):
    assert faults_of(*halves(table, 1)) == []


@pytest.mark.parametrize(
    ("kind", "break_"),
    [
        (
            FaultKind.UNIT_CHANGE,
            lambda t, rows: t.assign(ph=t["ph"].where(~rows, 1_000 * t["ph"])),
        ),
        (FaultKind.DEFAULT_VALUE, lambda t, rows: t.assign(ph=t["ph"].where(~rows, -999.0))),
        (FaultKind.NULL_SPIKE, lambda t, rows: t.assign(ph=t["ph"].mask(rows))),
    ],
)
def test_a_fault_in_a_tenth_of_the_rows_of_a_table_is_found(kind: FaultKind, break_: Break):
    reference, current = halves("wine_quality/white.parquet", 2)
    rows = np.random.default_rng(3).random(len(current)) < 0.1
    assert faults_of(reference, break_(current, rows)) == [(kind, ("ph",))]


def test_wines_with_little_alcohol_that_are_gone_are_a_changed_filter():
    reference, current = halves("wine_quality/white.parquet", 2)
    kept = current[current["alcohol"] > 9.5]
    assert faults_of(reference, kept) == [(FaultKind.FILTER_CHANGED, ())]
