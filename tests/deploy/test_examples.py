"""The five shipped configurations: each finds the drift that was put into data of its kind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.deploy.cases import CASES, Case, feature_table
from tests.deploy.manifests import DEPLOY
from whydrift.monitor.cli.entry import run
from whydrift.monitor.config import load_config
from whydrift.monitor.service.check import perform
from whydrift.monitor.service.schedule import due_checks
from whydrift.monitor.store import open_store
from whydrift.monitor.store.state import CheckOutcome

CONFIG = DEPLOY.parent / "config"
OTHERS = {"whydrift.yaml", "two-windows.yaml", "whydrift.schema.json"}  # tested elsewhere


def test_every_example_is_tried():
    examples = {path.name for path in CONFIG.iterdir()} - OTHERS
    assert examples == {case.file for case in (*CASES, feature_table(None))}


@pytest.mark.parametrize("case", (*CASES, feature_table(None)), ids=lambda case: case.file)
def test_an_example_has_nothing_wrong_in_it(case, capsys):
    assert run(["check-config", str(CONFIG / case.file), "--json", "-"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert not told["problems"]
    assert {w["what"] for w in told["warnings"]} <= {"no file matches this pattern"}


def find_drift(case: Case, folder: Path, variables: dict[str, str]) -> None:
    """Watch the data of a case as the daemon does, from the day of the drift on."""
    url = f"sqlite:///{folder}/w.db"
    config = load_config(CONFIG / case.file, environment={**variables, "WHYDRIFT_STORE": url})
    (monitor,) = config.monitors
    waits = dict.fromkeys((monitor.window.delay, monitor.window.label_delay))
    moments = [case.end + timedelta(seconds=wait.least_seconds) for wait in waits if wait.count]
    reports = []
    with open_store(url, clock=lambda: moments[-1]) as store:
        for now in moments:
            clock = partial(datetime.fromtimestamp, now.timestamp(), UTC)
            due = [c for c in due_checks(monitor, store, now) if case.has_rows(c.interval)]
            reports += [perform(config, c, store, clock=clock, lease=None) for c in due]
        (found,) = (
            store.get_result(record.id)
            for record in store.latest_results(monitor.name)
            if (record.key.segment, record.stage) == (case.expected.segment, case.expected.stage)
        )
        alerts = store.list_alerts(monitor=monitor.name)
    assert not [r.summary for r in reports if r.outcome is CheckOutcome.ERROR]
    assert reports[-1].outcome is CheckOutcome.DRIFT, reports[-1]
    assert found is not None
    assert found["verdict"] == case.expected.window
    assert found["ranking"][0] == case.expected.column
    assert found["columns"][case.expected.column]["verdict"] == case.expected.verdict
    assert alerts


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.file)
def test_an_example_finds_where_its_data_drifted(case, tmp_path):
    find_drift(case, tmp_path, case.write(tmp_path))


def test_a_feature_table_in_postgresql_is_watched(tmp_path, postgres):
    case = feature_table(postgres)
    find_drift(case, tmp_path, case.write(tmp_path))


def test_an_example_runs_as_it_stands_from_the_command_line(tmp_path):
    (case,) = (case for case in CASES if case.file == "online-model.yaml")
    variables = {**case.write(tmp_path), "WHYDRIFT_STORE": f"sqlite:///{tmp_path}/w.db"}
    done = subprocess.run(
        [sys.executable, "-m", "whydrift", "run", "-c", CONFIG / case.file, "--json", "-",
         "--from", case.start.isoformat(), "--to", case.end.isoformat()],
        env={**os.environ, **variables}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    features, labels = json.loads(done.stdout)["checks"][-2:]
    assert (features["kind"], features["outcome"]) == ("features", "ok")
    assert (labels["kind"], labels["outcome"]) == ("labels", "drift")
