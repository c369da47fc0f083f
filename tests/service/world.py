"""A small world to watch: files of rows by the hour, and a configuration that reads them."""

from __future__ import annotations

import re
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from whydrift.monitor.store import Store

FINAL = {"ok", "drift", "undetermined"}
BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)


def lately(hours: int = 8) -> datetime:
    """Return the full hour so many hours ago: where the real clock is what counts."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - hours * HOUR


def write_hours(
    folder: Path,
    first: int,
    last: int,
    *,
    rows: int = 60,
    shift: float = 0.0,
    begin: datetime = BEGIN,
) -> None:
    """Write the rows of these hours, each in a file; ``shift`` moves the column ``income``."""
    folder.mkdir(parents=True, exist_ok=True)
    for hour in range(first, last):
        draws = np.random.default_rng([7, hour])
        start = begin + hour * HOUR
        income = draws.normal(shift, 1, rows)
        seconds = np.sort(draws.uniform(0, 3599, rows))
        table = pa.table(
            {
                "ts": pa.array(
                    [start + timedelta(seconds=float(s)) for s in seconds],
                    pa.timestamp("us", "UTC"),
                ),
                "income": income,
                "price": 2 * income + draws.normal(0, 1, rows),
            }
        )
        whole = folder / f"{hour:05}.part"
        pq.write_table(table, whole)
        whole.rename(folder / f"{hour:05}.parquet")


def monitor(
    name: str,
    folder: Path,
    *,
    reference: int = 2,
    since: int = 4,
    begin: datetime = BEGIN,
    more: str = "",
) -> str:
    """Return the configuration of one monitor, of windows of an hour."""
    moment = (begin + since * HOUR).isoformat()
    return (
        f"  - name: {name}\n"
        f"    source: {{files: '{folder}/*.parquet', time_column: ts}}\n"
        f"    window: {{every: 1h}}\n"
        f"    since: {moment}\n"
        f"    reference: {{last: {reference}}}\n"
        f"{more}"
    )


def querying(name: str, folder: Path, query: str, *, begin: datetime = BEGIN) -> str:
    """Return the configuration of a monitor whose rows are those of a query."""
    sqlite3.connect(folder / "empty.db").close()
    said = monitor(name, folder, begin=begin)
    source = f"{{sql: {{url: 'sqlite:///{folder}/empty.db', query: '{query}'}}, time_column: ts}}"
    return re.sub("source: .*", lambda _: f"source: {source}", said)


def hanging(name: str, folder: Path, *, begin: datetime = BEGIN) -> str:
    """Return the configuration of a monitor whose source never answers: a query without end."""
    query = (
        "with recursive n(x) as (select 1 union all select x + 1 from n) "
        "select max(x) as x, :start as ts from n where x <> :end"
    )
    return querying(name, folder, query, begin=begin)


def devouring(name: str, folder: Path, *, begin: datetime = BEGIN) -> str:
    """Return the configuration of a monitor whose rows take more memory than there is."""
    query = (
        "with recursive n(x) as (select 1 union all select x + 1 from n limit 100) "
        "select x, zeroblob(300000000) as y, :start as ts from n where x <> :end"
    )
    return querying(name, folder, query, begin=begin)


def slow(name: str, folder: Path, *, begin: datetime = BEGIN) -> str:
    """Return the configuration of a monitor whose source takes some seconds for each window."""
    query = (
        "with recursive n(x) as (select 1 union all select x + 1 from n limit 3000000) "
        "select x / 50000 % 7 as income, :start as ts from n where x % 50000 = 0 and x <> :end"
    )
    return querying(name, folder, query, begin=begin)


def configuration(
    store: str, monitors: str, *, listen: str = "127.0.0.1:9464", more: str = ""
) -> str:
    """Return a whole configuration."""
    return (
        f"version: 1\nstore: {{url: '{store}'}}\nweb: {{listen: '{listen}', lifecycle: true}}\n"
        f"{more}monitors:\n{monitors}"
    )


def written(folder: Path, url: str, names: list[str], hours: int = 6) -> Path:
    """Write files of the last hours, and a configuration of monitors that look at them."""
    begin = lately(hours)
    for name in names:
        write_hours(folder / name, 2, hours, begin=begin)
    monitors = "".join(monitor(name, folder / name, begin=begin) for name in names)
    path = folder / "whydrift.yaml"
    path.write_text(
        configuration(url, monitors, more="checks: {workers: 1, timeout: 60s, lease: 5s}\n")
    )
    return path


def done(store: Store, names: list[str]) -> int:
    """Return how many windows of theirs are judged, or recorded."""
    return sum(v.outcome.value in FINAL for name in names for v in store.list_visits(name))


def assert_whole(store: Store, names: list[str], hours: int = 6) -> None:
    """Each window was visited, and judged once."""
    for name in names:
        visits = store.list_visits(name)
        assert len(visits) >= hours - 2 and all(v.outcome.value in FINAL for v in visits), visits
        results = store.list_results(monitor=name, current=None)
        judged = [(r.key.interval, r.key.segment, r.stage) for r in results]
        assert len(judged) == len({*judged}), judged
