"""What ``init`` guesses, and what it writes of a database."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from whydrift.monitor.config.load import load_config
from whydrift.monitor.store import open_store
from whydrift.monitor.window.calendar import TimeWindows


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


def recent(days: int, a_day: int, path: Path) -> None:
    """Rows up to now, evenly spread."""
    rows = days * a_day
    frame = pd.DataFrame(
        {
            "ts": pd.date_range(end=pd.Timestamp.now(UTC), periods=rows, freq=f"{86_400 / a_day}s"),
            "x": [(k * 37 % 101) / 10 for k in range(rows)],
            "z": [(k * 53 % 97) / 10 for k in range(rows)],
        }
    )
    frame.to_parquet(path)


@pytest.mark.parametrize(
    ("days", "a_day", "every", "since", "reference"),
    [
        (50, 400, "1d", True, 28),
        (20, 400, "1d", True, 14),
        (2, 24_000, "1h", True, 28),
        (150, 20, "1w", True, 14),
        (5, 20, "1d", False, 28),
        (0.5, 40_000, "10m", True, 28),
    ],
)
def test_windows_are_guessed_that_the_rows_fill(
    tmp_path, call, days, a_day, every, since, reference
):
    rows = int(days * a_day)
    frame = pd.DataFrame(
        {
            "ts": pd.date_range("2026-03-02T03:04", periods=rows, freq=f"{86_400 / a_day}s"),
            "x": [(k * 37 % 101) / 10 for k in range(rows)],
        }
    )
    frame.to_parquet(tmp_path / "a.parquet")
    assert call("init", tmp_path / "a.parquet", "-o", tmp_path / "w.yaml").status == 0
    (monitor,) = load_config(tmp_path / "w.yaml").monitors
    assert str(monitor.window.every) == every
    assert (monitor.since_instant is not None) == since
    assert monitor.reference.last == reference
    if monitor.since_instant is not None:
        windows = monitor.window.cut()
        assert isinstance(windows, TimeWindows)
        first = windows.earlier_end(monitor.since_instant, reference)
        assert windows.last_end(monitor.since_instant) == monitor.since_instant  # on the grid
        assert first >= frame["ts"].iloc[0].tz_localize(UTC)  # all of the reference has rows


def test_what_init_writes_passes_its_check_and_runs(tmp_path, call, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recent(20, 300, tmp_path / "rows.parquet")
    assert "next: whydrift check-config w.yaml" in call("init", "rows.parquet", "-o", "w.yaml").out
    look = call("check-config", "w.yaml", "--connect", "--json", "-")
    assert look.status == 0, look.err
    found = json.loads(look.out)
    assert found["warnings"] == [] and found["monitors"][0]["assumption"]["columns"] == 3
    ran = call("run", "-c", "w.yaml")
    assert ran.status == 0, ran.err
    with open_store("sqlite:///whydrift.db", create=False) as store:
        kinds = {visit.kind.value for visit in store.list_visits("rows")}
        assert kinds >= {"record", "features"}
        assert store.latest_results("rows")
    # Now it is known how many rows a window has.
    again = json.loads(call("check-config", "w.yaml", "--json", "-").out)
    assert 250 < again["monitors"][0]["assumption"]["rows"] <= 300
    assert "stored" in again["monitors"][0]["assumption"]["basis"]


@pytest.mark.parametrize(
    ("names", "written"),
    [
        (["dt=2026-05-01.parquet", "dt=2026-05-02.parquet"], "dt={date}.parquet"),
        (["2026-05-01/a.parquet", "2026-05-02/b.parquet"], "{date}/*.parquet"),
        (["2026-05-01.parquet", "rest.parquet"], None),
        (["2026-05-01.parquet"], None),
    ],
)
def test_files_with_a_day_in_their_names_are_offered_with_a_date(
    tmp_path: Path, call, names: list[str], written: str | None
) -> None:
    for name in names:
        (tmp_path / "log" / name).parent.mkdir(parents=True, exist_ok=True)
        table().to_parquet(tmp_path / "log" / name)
    text = call("init", tmp_path / "log", "-o", "-").out
    offered = [line for line in text.splitlines() if "read faster with" in line]
    assert len(offered) == (written is not None)
    assert all(f"{tmp_path.name}/log/{written}" in line for line in offered)


def test_the_version_of_a_model_is_no_change_of_its_data(tmp_path: Path, call) -> None:
    frame = table()
    frame["model_version"] = ["7"] * 1_500 + ["8"] * 1_500
    frame.to_parquet(tmp_path / "a.parquet")
    look = call("init", tmp_path / "a.parquet").out
    assert "looks like the version: model_version" in look
    assert "model_version" not in look.split("A first verdict")[1]


def test_the_weekend_of_a_single_week_is_no_first_verdict(tmp_path: Path, call) -> None:
    rng = np.random.default_rng(0)
    at = pd.date_range("2026-09-14", periods=14 * 240, freq="6min")
    weekend = at.day_of_week >= 5
    table = pd.DataFrame({"at": at, "items": 2 + 2.0 * weekend + rng.normal(size=len(at))})
    table["y"] = table["items"] + rng.normal(size=len(at))
    table.head(7 * 240).to_parquet(tmp_path / "week.parquet")
    table.to_parquet(tmp_path / "weeks.parquet")
    said = call("init", str(tmp_path / "week.parquet")).out
    assert "no first verdict: items" in " ".join(said.split())
    assert "SHIFT" not in said
    assert "NO SHIFT" in call("init", str(tmp_path / "weeks.parquet")).out
