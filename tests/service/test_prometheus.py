"""End to end, with real servers: files grow, drift, Prometheus, Alertmanager, and back to rest."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.servers import (
    Alertmanager,
    Prometheus,
    alertmanager,
    fetch,
    fetch_json,
    free_port,
    program,
    prometheus,
    running,
    wait_until,
)
from tests.service.panels import annotations, expressions
from whydrift.monitor.service.rules import ALERTS, RECORDINGS

EVERY = 4  # seconds of a window
PATIENCE = 90  # seconds for each step, on a machine that does much else
ROWS = 300
BEFORE = 8  # windows of the first reference
NAME = "prices"
LABELS = {
    "monitor": NAME, "target": "y", "kind": "mechanism", "severity": "error", "team": "pricing",
}  # fmt: skip
CHOSEN = {"monitor": NAME, "segment": "^$", "target": ".*"}

# What has an answer only where there is nothing to ask.
WITHOUT_DATA = {"WhydriftDown": "absent() answers where no whydrift is scraped"}

CONFIG = """
version: 1
store: {{url: "{store}"}}
web:
  listen: 127.0.0.1:{port}
  external_url: http://127.0.0.1:{port}
checks: {{workers: 1, lease: 5s}}
sources:
  rows: {{files: "{rows}/rows-*.parquet", time_column: at}}
monitors:
  - name: prices
    source: rows
    columns: {{target: y, prediction: p}}
    window: {{every: {every}s, delay: 1s}}
    since: "{since}"
    reference: {{last: {before}}}
    graph: {{knowledge: {{tiers: [[x, z], [y]]}}}}
    loss: squared_error
    false_alarms_per_month: 2000
    alert: {{after: 1, resolve_after: 2, severity: error, team: pricing}}
notify:
  - alertmanager: {{urls: ["{alertmanager}"], resend: 5s}}
"""

PROMETHEUS = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [whydrift-rules.yml]
scrape_configs:
  - job_name: whydrift
    static_configs: [{{targets: [{targets}]}}]
alerting:
  alertmanagers: [{{static_configs: [{{targets: ["{alertmanager}"]}}]}}]
"""


@dataclass
class Pipeline:
    """Writes a file for each window, a little before it ends; after ``has_drifted``, others."""

    folder: Path
    since: datetime
    has_drifted: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)
    written: set[int] = field(default_factory=set)

    def write(self, number: int) -> None:
        """Write the rows of a window: y = x + z, or another way."""
        rng = np.random.default_rng(number + 1000)
        start = self.since + timedelta(seconds=EVERY * number)
        slope = -3.0 if self.has_drifted.is_set() else 1.0
        x, z = rng.normal(size=(2, ROWS))
        at = [start + timedelta(seconds=s) for s in np.sort(rng.uniform(0, EVERY - 0.01, ROWS))]
        table = pa.table(
            {
                "at": pa.array(at, pa.timestamp("us", tz="UTC")),
                "x": x,
                "z": z,
                "y": slope * x + z + 0.5 * rng.normal(size=ROWS),
                "p": x + z,
            }
        )
        part = self.folder / f".part-{number}"
        pq.write_table(table, part)
        part.rename(self.folder / f"rows-{number + BEFORE:05}.parquet")
        self.written.add(number)

    def run(self) -> None:
        while not self.stop.wait(0.2):
            passed = (datetime.now(UTC) - self.since).total_seconds()
            reached = int(passed // EVERY)
            if passed - reached * EVERY > EVERY / 2 and reached not in self.written:
                for number in range(max(self.written) + 1, reached + 1):
                    self.write(number)


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    (tmp_path / "rows").mkdir()
    # Some seconds from now: the daemon has to begin first.
    since = datetime.fromtimestamp((int(time.time()) // EVERY + 1) * EVERY, UTC)
    made = Pipeline(tmp_path / "rows", since)
    for number in range(-BEFORE, 0):
        made.write(number)
    writer = threading.Thread(target=made.run)
    writer.start()
    yield made
    made.stop.set()
    writer.join()


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "whydrift", *map(str, arguments)]


def firing(found: Alertmanager) -> list[dict[str, Any]]:
    return [a for a in found.alerts() if a["labels"]["alertname"] == "WhydriftMechanismShift"]


def by_rule(found: Prometheus) -> dict[str, Any] | None:
    """Return the alert as the rule gives it, once it fires."""
    fires = (
        alert
        for alert in found.alerts()
        if alert["labels"]["alertname"] == "WhydriftMechanismShift" and alert["state"] == "firing"
    )
    return next(fires, None)


def test_drift_is_found_told_once_with_its_report_and_resolves(
    tmp_path: Path, pipeline: Pipeline, postgres
) -> None:
    for name in ("prometheus", "prometheus-alertmanager"):
        program(name)
    address = postgres.new_schema()
    ports = free_port(), free_port()
    with ExitStack() as servers:
        told = servers.enter_context(alertmanager(tmp_path / "alertmanager"))
        files = []
        for number, port in enumerate(ports):
            file = tmp_path / f"whydrift-{number}.yaml"
            file.write_text(
                CONFIG.format(
                    store=address, port=port, rows=pipeline.folder, every=EVERY, before=BEFORE,
                    since=pipeline.since.isoformat(), alertmanager=told.url,
                )
            )  # fmt: skip
            files.append(file)
        daemons = [
            servers.enter_context(
                running(command("serve", "-c", file), tmp_path / f"log-{file.stem}", env=lean())
            )
            for file in files
        ]
        wait_until("the daemons", lambda: [fetch(f"http://127.0.0.1:{p}/-/ready") for p in ports])
        exported = subprocess.run(
            command("export", "rules", "-c", files[0]), capture_output=True, text=True, check=True
        ).stdout
        folder = tmp_path / "prometheus"
        watching = servers.enter_context(
            prometheus(
                folder,
                PROMETHEUS.format(
                    targets=", ".join(f"'127.0.0.1:{p}'" for p in ports),
                    alertmanager=told.url.removeprefix("http://"),
                ),
                **{"whydrift-rules": exported},
            )
        )
        try:
            life_of_an_alert(watching, told, pipeline, daemons, ports)
        except BaseException:
            for log in (*tmp_path.glob("log-*"), watching.log):
                print(f"---- {log.name}", log.read_text()[-6000:], sep="\n")
            raise


def life_of_an_alert(
    watching: Prometheus,
    told: Alertmanager,
    pipeline: Pipeline,
    daemons: list[subprocess.Popen[bytes]],
    ports: tuple[int, int],
) -> None:
    wait_until(
        "a quiet verdict",
        lambda: watching.query(f'whydrift_verdict{{monitor="{NAME}", verdict="none"}} == 1'),
        seconds=PATIENCE,
    )
    assert not firing(told)
    daemons[0].send_signal(signal.SIGHUP)

    pipeline.has_drifted.set()
    wait_until("the alert", lambda: firing(told), seconds=PATIENCE)
    rule = wait_until("the rule's word of it", lambda: by_rule(watching), seconds=PATIENCE)
    assert rule["labels"] == {**LABELS, "alertname": "WhydriftMechanismShift"}
    every_query_has_an_answer(watching)

    # The rules and the daemon both tell it: Alertmanager holds one.
    (alert,) = firing(told)
    assert alert["labels"] == rule["labels"]
    notes = alert["annotations"]
    assert notes["runbook_url"].endswith("/WhydriftMechanismShift.md")
    the_link_leads_to_the_report(notes["report_url"])

    # Who holds the monitor dies; the other takes over, and nobody hears of it twice.
    (held,) = (
        s["metric"]["instance"]
        for s in watching.query(f'whydrift_lease_held{{monitor="{NAME}"}} == 1')
    )
    number = [f"127.0.0.1:{p}" for p in ports].index(held)
    daemons[number].kill()
    wait_until(
        "the take-over",
        lambda: watching.query(f'whydrift_lease_held{{monitor="{NAME}", instance!="{held}"}} == 1'),
    )
    (after,) = firing(told)
    assert after["fingerprint"] == alert["fingerprint"]
    # Of two who tell it the earlier begin counts, and the daemon's is the window's end.
    assert after["startsAt"] <= alert["startsAt"]

    pipeline.has_drifted.clear()
    wait_until(
        "the end of the alert", lambda: not (by_rule(watching) or firing(told)), seconds=PATIENCE
    )
    # The rule fired once, without a gap: neither the take-over nor a scrape that failed ended it.
    (began,) = watching.query(
        'changes(max(ALERTS_FOR_STATE{alertname="WhydriftMechanismShift"})[5m:1s])'
    )
    assert began["value"][1] == "0"


def every_query_has_an_answer(watching: Prometheus) -> None:
    """Ask all that dashboards and rules ask; what has no answer is named with the reason."""
    asked = dict(expressions(CHOSEN))
    asked |= {f"rule {a.name}": a.value.replace("%(only)s", "") for a in ALERTS}
    asked |= {f"record {row.name}": row.expr for row in RECORDINGS}
    for name in WITHOUT_DATA:
        del asked[f"rule {name}"]
    deadline = time.monotonic() + PATIENCE  # rates need two scrapes of all that is counted
    missing = dict(asked)
    while missing and time.monotonic() < deadline:
        missing = {
            where: expr
            for where, expr in missing.items()
            if not any(s["value"][1] != "NaN" for s in watching.query(expr))
        }
        time.sleep(0.2)
    assert not missing, json.dumps(missing, indent=1)
    # Annotations mark moments: that each has one is seen over the time of the test, which on a
    # machine that does much else is more than the minute that it is by itself.
    for where, expr in annotations(CHOSEN):
        asked_over = urllib.parse.urlencode(
            {"query": expr, "start": time.time() - 5 * PATIENCE, "end": time.time(), "step": 1}
        )
        found = fetch_json(f"{watching.url}/api/v1/query_range?{asked_over}")
        assert found["data"]["result"], where


def the_link_leads_to_the_report(url: str) -> None:
    page = fetch(url).decode()
    assert "mechanism" in page and "<html" in page
    assert NAME in page


def lean() -> dict[str, str]:
    """The environment of daemons that share a small machine."""
    return os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
