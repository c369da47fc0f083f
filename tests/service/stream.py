"""A stream of small files, and a monitor over it whose clock is put where a test wants it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from whydrift.monitor.config import Config
from whydrift.monitor.config.load import parse_config
from whydrift.monitor.service.check import perform
from whydrift.monitor.service.schedule import due_checks
from whydrift.monitor.service.work import Check, CheckReport
from whydrift.monitor.store import Store, open_store

FIRST = datetime(2026, 3, 1, tzinfo=UTC)
CONFIG = """
version: 1
store: {{url: "sqlite:///{folder}/w.db"}}
sources:
  rows: {{files: "{folder}/{files}", time_column: at}}
  labels: {{files: "{folder}/labels-*.parquet"}}
monitors:
  - name: m
    source: rows
    since: {since}
    columns: {{target: y{columns}}}
    window: {{{window}}}
    reference: {{{reference}}}
    graph: {{knowledge: {{tiers: [[a, b], [y]]}}}}
{more}
notify:
  - webhook: {{url: "http://127.0.0.1:9/hook"}}
"""


def rows(
    day: int, count: int = 150, shift: float = 0.0, slope: float = 1.0, start: datetime = FIRST,
    zone: str = "UTC",
) -> pa.Table:  # fmt: skip
    """Rows of one local day: y follows from a and b."""
    rng = np.random.default_rng(day)
    local = start.replace(tzinfo=ZoneInfo(zone))
    begin = (local + timedelta(days=day)).astimezone(UTC)
    end = (local + timedelta(days=day + 1)).astimezone(UTC)
    seconds = np.sort(rng.uniform(0, (end - begin).total_seconds(), count))
    a, b = rng.normal(size=count) + shift, rng.normal(size=count)
    return pa.table(
        {
            "id": day * 100_000 + np.arange(count),
            "at": pa.array([begin + timedelta(seconds=s) for s in seconds],
                           pa.timestamp("us", tz="UTC")),
            "a": a,
            "b": b,
            "land": rng.choice(["DE", "FR"], count),
            "y": slope * a + b + rng.normal(size=count),
        }
    )  # fmt: skip


@dataclass
class Stream:
    """Files, a configuration, a store, and a clock that stands."""

    folder: Path
    config: Config
    store: Store
    now: datetime = FIRST
    reports: list[CheckReport] = field(default_factory=list)

    @property
    def monitor(self):
        return self.config.monitors[0]

    def write(self, day: int, table: pa.Table | None = None, name: str = "") -> Path:
        path = self.folder / f"rows-{day:03}{name}.parquet"
        pq.write_table(rows(day) if table is None else table, path)
        return path

    def due(self) -> tuple[Check, ...]:
        return due_checks(self.monitor, self.store, self.now, most=self.config.checks.catch_up)

    def until(self, day: float) -> list[CheckReport]:
        """Do all that is due so many days after the first one."""
        self.now = FIRST + timedelta(days=day)
        found = []
        while checks := self.due():
            found += [self.perform(check) for check in checks]
        self.reports += found
        return found

    def perform(self, check: Check) -> CheckReport:
        return perform(self.config, check, self.store, clock=lambda: self.now, lease=None)

    def result(self, day: int, stage: str = "labels", segment: str = ""):
        """Return the diagnosis that counts of a day, if it was judged."""
        start = FIRST + timedelta(days=day)
        for record in self.store.list_results(monitor="m", segment=segment, stage=stage):
            if record.key.interval.start == start:
                return self.store.get_result(record.id)
        return None

    def alerts(self) -> list[tuple[str, str, str]]:
        return [(a.key.segment, a.key.kind.value, a.state.value) for a in self.store.list_alerts()]

    def steps(self) -> list[tuple[str, str]]:
        """Return what people are told: step and kind, in the order in which it was written."""
        far = self.now + timedelta(days=1000)
        kept = []
        while found := self.store.outbox_due(far):
            for record in found:
                kept.append((record.id, record.message.body["step"], record.message.body["kind"]))
                self.store.outbox_done(record.id, "ok")
        return [(step, kind) for _, step, kind in sorted(kept)]


@contextmanager
def stream(
    folder: Path,
    days: int = 0,
    *,
    since: str = "2026-03-07",
    window: str = "every: 1d, delay: 1h",
    reference: str = "last: 6d",
    columns: str = ", ignore: [id, land]",
    more: str = "",
    files: str = "rows-*.parquet",
    url: str | None = None,
) -> Iterator[Stream]:
    text = CONFIG.format(
        folder=folder,
        files=files,
        since=since,
        window=window,
        reference=reference,
        columns=columns,
        more=more,
    )
    config = parse_config(text)
    address = url or config.store.url.get_secret_value()
    with open_store(address, clock=lambda: made.now) as store:
        made = Stream(folder, config, store)
        for day in range(days):
            made.write(day)
        yield made


LATE = {
    "window": "every: 1d, delay: 1h, label_delay: 3d",
    "more": "    labels: {source: labels, join: [id]}",
}


@contextmanager
def late_labels(folder: Path) -> Iterator[Stream]:
    """Twelve days whose labels come three days later; from the eighth on y follows another rule."""
    with stream(folder, **LATE) as made:
        for day in range(12):
            table = rows(day, slope=4.0 if day >= 7 else 1.0)
            made.write(day, table.drop_columns(["y"]))
            pq.write_table(table.select(["id", "y"]), folder / f"labels-{day:03}.parquet")
        made.until(12.1)
        yield made
