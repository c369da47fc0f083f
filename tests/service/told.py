"""A store with what real checks leave behind, for tests of those who tell it."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

import whydrift as wd
from whydrift.monitor.config import Config
from whydrift.monitor.config.load import parse_config
from whydrift.monitor.diagnosis.alarm_budget import Purpose
from whydrift.monitor.diagnosis.alert import AlertKey, AlertKind
from whydrift.monitor.diagnosis.episode import Episode, Step
from whydrift.monitor.store import Store
from whydrift.monitor.store.state import (
    AlertChange,
    CheckOutcome,
    Settlement,
    Spending,
    VisitKind,
)
from whydrift.monitor.window.interval import Interval

DAY = timedelta(days=1)
FIRST = datetime(2026, 5, 4, tzinfo=UTC)  # the first window that is judged begins then
SHIFT = AlertKey("y", AlertKind.MECHANISM)


def config(*names: str, more: str = "", monitor: str = "") -> Config:
    """Monitors over files, whose windows are days."""
    listed = "".join(
        f"""
  - name: {name}
    source: {{files: "rows.parquet", time_column: at}}
    columns: {{target: y, prediction: p}}
    window: {{every: 1d}}
    since: {FIRST:%Y-%m-%d}
    {monitor}"""
        for name in names
    )
    return parse_config(f"version: 1\n{more}\nmonitors:{listed}\n")


def day(number: int) -> Interval:
    return Interval(FIRST + number * DAY, FIRST + (number + 1) * DAY)


@cache
def _judged(change: str) -> Mapping[str, Any]:
    """What compare says of 800 rows where y = x + z: at rest, or after a change."""
    rng = np.random.default_rng(3)

    def rows(count: int, slope: float = 1.0, shift: float = 0.0) -> pa.Table:
        x, z = rng.normal(size=count) + shift, rng.normal(size=count)
        return pa.table({"x": x, "z": z, "y": slope * x + z + rng.normal(size=count), "p": x + z})

    slope = -2.0 if change == "mechanism" else 1.0
    shift = 1.5 if change == "covariate" else 0.0
    found = wd.compare(
        rows(2000), rows(800, slope, shift), target="y", prediction="p",
        graph=[("x", "y"), ("z", "y")],
    )  # fmt: skip
    return found.to_dict()


def diagnosis(identity: str, change: str = "none", **other: Any) -> dict[str, Any]:
    """What compare says of a change, under an id; the rest replaces what it says."""
    return {**copy.deepcopy(dict(_judged(change))), "id": identity, **other}


def settle(
    store: Store,
    monitor: str,
    number: int,
    changes: Mapping[str, str] | None = None,
    *,
    results: Mapping[str, Mapping[str, Any]] | None = None,
    kind: VisitKind = VisitKind.LABELS,
    outcome: CheckOutcome = CheckOutcome.OK,
    firing: Iterable[AlertKey] = (),
    resolved: Iterable[AlertKey] = (),
    level: float = 0.004,
) -> None:
    """Write what a check of a day leaves behind; ``changes`` are by segment."""
    window = day(number)
    end = window.end.timestamp()
    if results is None:
        stage = kind.value
        results = {
            segment: diagnosis(f"{monitor}-{segment}-{stage}-{number}", change, stage=stage)
            for segment, change in (changes or {"": "none"}).items()
        }
    episode = Episode(end, end, counted=end, is_firing=True, columns=frozenset({"x"}))
    alerts = [
        *(AlertChange(key, Step.OPENED, episode, window.end) for key in firing),
        *(AlertChange(key, Step.CLOSED, None, window.end) for key in resolved),
    ]
    said = Settlement(
        monitor, window, kind, outcome, store.put_config(monitor, "floor: 0.1"), results,
        (Spending("", Purpose.DRIFT, kind.value, level),), tuple(alerts), (), 800,
        window.end - timedelta(minutes=1),
    )  # fmt: skip
    store.settle(said, None)
