"""What ``init`` guesses, and what it writes of a database."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pandas as pd

from whydrift.monitor.config.load import load_config


def table(rows: int = 3_000, users: int = 200) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "ts": pd.date_range("2026-05-01", periods=rows, freq="min"),
            "device": ["ios", "android", "web"] * (rows // 3),
            "user_id": [f"u{k % users}" for k in range(rows)],
            "x": [(k * 37 % 101) / 10 for k in range(rows)],
        }
    )


def test_three_devices_are_no_clusters_and_two_hundred_users_are(tmp_path: Path, call) -> None:
    table().drop(columns="user_id").to_parquet(tmp_path / "a.parquet")
    assert "looks like the cluster" not in call("init", tmp_path / "a.parquet").out
    table().to_parquet(tmp_path / "b.parquet")
    assert "looks like the cluster: user_id" in call("init", tmp_path / "b.parquet").out


def test_a_database_is_looked_at_through_a_query(tmp_path: Path, call) -> None:
    with sqlite3.connect(tmp_path / "prices.sqlite") as connection:
        table().to_sql("prices", connection, index=False)
    url, written = f"sqlite:///{tmp_path}/prices.sqlite", tmp_path / "whydrift.yaml"
    query = "select * from prices where device <> 'w:x'"
    look = call("init", url, "--query", query, "-o", written)
    assert look.status == 0, look.err
    assert "3,000 rows" in look.out
    (source,) = load_config(written).sources.values()
    assert source.sql is not None
    assert source.sql.query == query
    assert source.sql.url.get_secret_value() == url
