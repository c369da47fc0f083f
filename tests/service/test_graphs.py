"""The graph that a daemon learns knows what a comparison by hand takes for known."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.service.stream import FIRST, Stream
from whydrift.monitor.config.load import parse_config
from whydrift.monitor.store import open_store

CONFIG = """
version: 1
store: {{url: "sqlite:///{folder}/w.db"}}
sources:
  rows: {{files: "{folder}/rows-*.parquet", time_column: at}}
monitors:
  - name: m
    source: rows
    since: 2026-03-07
    columns: {{target: y}}
    window: {{every: 1d, delay: 1h}}
    reference: {{last: 6d}}
"""


def orders(day: int, elasticity: float) -> pa.Table:
    rng = np.random.default_rng(day)
    seconds = np.sort(rng.uniform(0, 86_400, 500))
    price = np.round(np.exp(rng.normal(2, 0.4, 500)), 2)
    quantity = 1 + rng.poisson(np.exp(3 + elasticity * (np.log(price) - 2)))
    total = np.round(price * quantity, 2)
    at = [FIRST + timedelta(days=day, seconds=s) for s in seconds]
    return pa.table(
        {
            "at": pa.array(at, pa.timestamp("us", tz="UTC")),
            "hour": np.array([a.hour for a in at]),
            "price": price,
            "quantity": quantity,
            "total": total,
            "y": 0.02 * total + rng.normal(size=500),
        }
    )


def test_a_changed_elasticity_is_told_of_the_quantity_and_not_of_the_total(tmp_path: Path) -> None:
    for day in range(9):
        table = orders(day, -1.5 if day < 8 else -2.0)
        pq.write_table(table, tmp_path / f"rows-{day:03}.parquet")
    config = parse_config(CONFIG.format(folder=tmp_path))
    address = config.store.url.get_secret_value()
    with open_store(address, clock=lambda: s.now) as store:
        s = Stream(tmp_path, config, store)
        s.until(9.1)
        known = store.get_graph("m")
        assert known is not None
        graph = known[1]
        assert set(graph.parents("total")) == {"price", "quantity"}
        assert not graph.parents("hour")
        assert not graph.children("y")
        before, changed = s.result(7), s.result(8)
        assert before["ranking"] == []
        assert changed["ranking"] == ["quantity"]


def forecasts(days: int) -> list[pa.Table]:
    """What is sold every three minutes, by what was sold before, and the profit."""
    rng = np.random.default_rng(5)
    y = np.zeros(days * 480)
    for i in range(1, len(y)):
        y[i] = 0.6 * y[i - 1] + rng.normal()
    profit = y + rng.normal(size=len(y))
    late = np.concatenate([[0.0], y[:-1]])
    mean = np.convolve(late, np.full(7, 1 / 7))[: len(late)]
    at = [FIRST + timedelta(minutes=3 * i) for i in range(len(y))]
    columns = {"sales": y, "late": late, "mean": mean, "y": profit}
    table = pa.table(
        {"at": pa.array(at, pa.timestamp("us", tz="UTC"))}
        | {name: np.round(v, 3) for name, v in columns.items()}
    )
    return [table.slice(480 * day, 480) for day in range(days)]


def test_in_the_graph_of_a_forecast_nothing_causes_what_was_before_it(tmp_path: Path) -> None:
    for day, table in enumerate(forecasts(9)):
        pq.write_table(table, tmp_path / f"rows-{day:03}.parquet")
    config = parse_config(CONFIG.format(folder=tmp_path))
    with open_store(config.store.url.get_secret_value(), clock=lambda: s.now) as store:
        s = Stream(tmp_path, config, store)
        s.until(9.1)
        known = store.get_graph("m")
        assert known is not None
        assert {"late", "mean"} & {*known[1].parents("sales")}
        assert not {"late", "mean"} & known[1].descendants("sales")
