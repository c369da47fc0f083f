"""The demo profile: rows that come as a live model's would, with drifts that are found."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import whydrift as wd
from tests.deploy.manifests import DEPLOY
from whydrift.monitor.config import Config, load_config

sys.path.insert(0, str(DEPLOY / "compose" / "demo"))
import replay

LIVE = datetime(2026, 5, 4, tzinfo=UTC)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day of past windows, and eight hours that were written as they came."""
    folder = tmp_path_factory.mktemp("data")
    wines = replay.Wines()
    assert replay.write_due(wines, folder, LIVE, LIVE) == 144
    assert replay.write_due(wines, folder, LIVE, LIVE + timedelta(hours=8)) == 48
    assert replay.write_due(wines, folder, LIVE, LIVE + timedelta(hours=8)) == 0
    return folder


def configuration(data: Path, tmp_path: Path) -> Config:
    text = (DEPLOY / "compose" / "config" / "monitors.yaml").read_text()
    (tmp_path / "w.yaml").write_text(text.replace("/data/", f"{data}/"))
    return load_config(tmp_path / "w.yaml")


def test_what_is_written_twice_is_the_same():
    start = LIVE + timedelta(hours=3)
    assert replay.Wines().window(start, "sweeter").equals(replay.Wines().window(start, "sweeter"))


def test_windows_that_were_over_before_it_began_are_ordinary(data, tmp_path):
    late = LIVE + timedelta(days=1)
    written = replay.write_due(replay.Wines(), tmp_path, late, late)
    assert written == 144  # among them those that drifted when they were written live
    name = replay.path_of(tmp_path, LIVE + replay.EVERY * replay.DRIFTS["new_jury"][0])
    live = pq.read_table(replay.path_of(data, LIVE + replay.EVERY * replay.DRIFTS["new_jury"][0]))
    assert not pq.read_table(name).equals(live)


@pytest.mark.parametrize(
    ("scene", "verdict", "column"),
    [
        ("new_jury", "mechanism", "quality"),
        ("sweeter", "covariate", "residual_sugar"),
        ("lab_export", "none", "residual_sugar"),  # a fault
    ],
)
def test_the_monitor_of_the_demo_finds_what_drifts(data, tmp_path, scene, verdict, column):
    found = next(diagnoses(data, tmp_path, replay.DRIFTS[scene][:1]))
    assert found.verdict == verdict
    assert found.ranking[:1] == (column,)
    assert found.fault == (scene == "lab_export")


def test_the_monitor_of_the_demo_is_quiet_before_the_first_drift(data, tmp_path):
    found = list(diagnoses(data, tmp_path, range(12)))
    assert not any(each.ranking or each.fault for each in found)
    # A distribution may seem to have moved in one window of twenty, and is undetermined then.
    assert sum(each.verdict == "none" for each in found) >= 10
    assert {each.verdict for each in found} <= {"none", "undetermined"}


def diagnoses(data: Path, tmp_path: Path, windows: range) -> Iterator[wd.Diagnosis]:
    """Compare windows of the live rows with the four hours before them."""
    monitor = configuration(data, tmp_path).monitors[0]
    past = str(data / "wine" / "dt=2026-05-03" / "2*.parquet")
    reference = wd.read_snapshot(past, time_column="at")
    for window in windows:
        name = str(replay.path_of(data, LIVE + replay.EVERY * window))
        current = wd.read_snapshot(name, time_column="at", schema=reference.schema)
        yield wd.compare(
            reference, current, target=monitor.columns.target,
            prediction=monitor.columns.prediction, knowledge=monitor.graph.knowledge,
            loss=monitor.loss,
        )  # fmt: skip
