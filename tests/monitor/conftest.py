"""Stores on both engines, and small windows to keep in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from whydrift import Snapshot
from whydrift.monitor.store import Store, WindowKey, open_store
from whydrift.monitor.window.interval import Interval

START = datetime(2026, 5, 4, tzinfo=UTC)
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def window(seed: int = 0, rows: int = 60, columns: int = 2, schema: Snapshot | None = None):
    """A window of numbers; of 2,000 rows and 80 columns it takes more than 1 MiB."""
    rng = np.random.default_rng(seed)
    table = pa.table({f"x{i}": rng.normal(size=rows) for i in range(columns)})
    return Snapshot.from_frame(table, schema=None if schema is None else schema.schema)


def key(hour: int = 0, monitor: str = "m", segment: str = "", hours: int = 1) -> WindowKey:
    start = START + timedelta(hours=hour)
    return WindowKey(monitor, Interval(start, start + timedelta(hours=hours)), segment)


def diagnosis(identity: str = "d1", verdict: str = "none", stage: str = "features"):
    return {
        "schema": "whydrift/diagnosis/1", "id": identity, "stage": stage, "verdict": verdict,
        "seconds": {"total": 0.1}, "whydrift": {"version": "0.1.0"}, "columns": {},
    }  # fmt: skip


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/w.db"
    address: str = request.getfixturevalue("postgres").new_schema()
    return address


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url, clock=lambda: NOW) as opened:
        yield opened


@pytest.fixture
def reopened(url: str) -> Iterator[Callable[[], Store]]:
    """Opens the same store once more, as another process would."""
    stores: list[Store] = []

    def again() -> Store:
        stores.append(open_store(url, clock=lambda: NOW))
        return stores[-1]

    yield again
    for opened in stores:
        opened.close()
