"""Prices watched for some days by real checks, and the daemon as the web side sees it."""

from __future__ import annotations

import atexit
import hashlib
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from whydrift.discovery.errors import ConfigError
from whydrift.monitor.config.load import parse_config
from whydrift.monitor.config.model import Config
from whydrift.monitor.service.board import Board, BoardView
from whydrift.monitor.service.busy import Busy
from whydrift.monitor.service.check import perform
from whydrift.monitor.service.clock import Clock
from whydrift.monitor.service.collector import MetricsCollector
from whydrift.monitor.service.counters import Counters
from whydrift.monitor.service.report_queue import ReportQueue
from whydrift.monitor.service.schedule import due_checks
from whydrift.monitor.store import Store, open_store
from whydrift.monitor.window.interval import Interval

DAY = timedelta(days=1)
FIRST = datetime(2026, 5, 1, tzinfo=UTC)  # of the files
SINCE = FIRST + 8 * DAY  # judged from here on
SHIFT = 11  # the day on which the new normal comes
DAYS = 13
NOW = FIRST + DAYS * DAY + timedelta(hours=3)
TOKENS = {"scrape": "metrics", "reader": "read", "oncall": "operate"}


def settings(folder: Path, *, web: str = "", more: str = "") -> str:
    """A monitor of prices by day, with segments and versions of the model."""
    return f"""
version: 1
store: {{url: "sqlite:///{folder}/watched.db"}}
web: {{listen: "127.0.0.1:9464"{web}}}
monitors:
  - name: prices
    source: {{files: "{folder}/*.parquet", time_column: at}}
    columns: {{target: price, prediction: predicted, version: model}}
    window: {{every: 1d, delay: 1h}}
    since: {SINCE:%Y-%m-%d}
    reference: {{last: 14d}}
    segments: {{by: [country], top: 3, min_rows: 100}}
    false_alarms_per_month: 2
    alert: {{team: pricing}}
{more}"""


def auth() -> str:
    """Tokens whose hashes are known: ``scrape``, ``reader`` and ``oncall``."""
    tokens = ", ".join(
        f"{{name: {name}, role: {role}, sha256: {hashlib.sha256(name.encode()).hexdigest()}}}"
        for name, role in TOKENS.items()
    )
    return f", auth: {{tokens: [{tokens}]}}"


def write_files(folder: Path) -> None:
    """Write a file a day: incomes rise in Germany, and prices follow another rule."""
    for day in range(DAYS):
        rng = np.random.default_rng([5, day])
        count, start = 300, FIRST + day * DAY
        country = rng.choice(["DE", "FR"], count)
        is_new = day >= SHIFT
        income = rng.normal(size=count) + (1.2 if is_new else 0.0) * (country == "DE")
        rooms = 0.5 * income + rng.normal(size=count)
        price = (2.0 if is_new else 1.0) * income + rooms + rng.normal(0, 0.5, count)
        seconds = np.sort(rng.uniform(0, 86_399, count))
        table = pa.table(
            {
                "at": pa.array(
                    [start + timedelta(seconds=float(s)) for s in seconds],
                    pa.timestamp("us", "UTC"),
                ),
                "country": country,
                "income": income,
                "rooms": rooms,
                "predicted": income + rooms,
                "price": price,
                "model": ["11" if day < 5 else "12"] * count,
            }
        )
        pq.write_table(table, folder / f"{day:02}.parquet")


@cache
def _written() -> Path:
    """A folder with files, and a store of what the checks of all days left; made once."""
    folder = Path(mkdtemp(prefix="watched-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    write_files(folder)
    config = parse_config(settings(folder))
    now = FIRST

    def clock() -> datetime:
        return now

    with open_store(config.store.url.get_secret_value(), clock=clock) as store:
        for day in range(9, DAYS + 1):
            now = FIRST + day * DAY + timedelta(hours=2)
            for check in due_checks(config.monitors[0], store, now):
                report = perform(config, check, store, clock=clock, lease=None)
                assert report.outcome != "error", report.summary
        now = NOW
        store.put_event(
            "release", "model <12>", at=FIRST + 10 * DAY, actor="tests", monitor="prices"
        )
    return folder


def copied(folder: Path) -> Path:
    """Return a folder of one's own with the files and the store."""
    own = folder / "watched"
    shutil.copytree(_written(), own)
    return own


@dataclass
class FakeDaemon:
    """The daemon without its loop: what the web side asks of it, and what was asked."""

    settings: Config
    store: Store
    now: datetime = NOW
    alive: bool = True
    reload_fails: str | None = None
    is_busy: bool = False
    asked: list[tuple[str, Interval | None, bool]] = field(default_factory=list)
    reloads: int = 0
    views: Board = field(default_factory=Board)

    def __post_init__(self) -> None:
        self.clock: Clock = lambda: self.now
        self.reports = ReportQueue(self.config, self.clock)
        self._metrics = MetricsCollector(self.views, Counters())
        self.refresh()

    def refresh(self) -> None:
        names = [m.name for m in self.settings.monitors]
        self.views.refresh(self.store, self.settings, self.now, touched=names)

    def config(self) -> Config:
        return self.settings

    def board(self) -> BoardView:
        return self.views.view

    def is_alive(self) -> bool:
        return self.alive

    def why_not_ready(self) -> str | None:
        return None if self.board().is_loaded else "the last results are not loaded"

    def reload(self) -> None:
        self.reloads += 1
        if self.reload_fails is not None:
            raise ConfigError(self.reload_fails, where="whydrift.yaml, line 3", remedy="Mend it")

    def reload_error(self) -> str | None:
        return self.reload_fails

    def metrics(self, accept: str | None = None) -> tuple[bytes, str]:
        return self._metrics.metrics_text(accept)

    def submit_check(self, monitor: str, interval: Interval | None, *, recompute: bool) -> None:
        if self.is_busy:
            raise Busy("10 checks wait already", where="checks", remedy="Ask again in a while")
        self.asked.append((monitor, interval, recompute))

    def close(self) -> None:
        self.reports.close()
        self.store.close()


def watched(folder: Path, *, web: str = "", more: str = "") -> FakeDaemon:
    """Return the daemon over some days of prices."""
    config = parse_config(settings(copied(folder), web=web, more=more))
    return FakeDaemon(config, open_store(config.store.url.get_secret_value(), clock=lambda: NOW))


def empty(folder: Path, *, web: str = "", more: str = "") -> FakeDaemon:
    """Return the daemon before anything was read."""
    config = parse_config(settings(folder, web=web, more=more))
    return FakeDaemon(config, open_store(config.store.url.get_secret_value(), clock=lambda: NOW))
