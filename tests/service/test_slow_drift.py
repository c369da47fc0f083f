"""A drift that no window shows alone is told wherever people look, as its alert tells it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path

import pytest

from tests.service.asking import served
from tests.service.stream import rows, stream
from tests.service.watched import FakeDaemon
from whydrift.monitor.cli.entry import run as whydrift
from whydrift.monitor.config import load_config
from whydrift.monitor.diagnosis.diagnosis import Diagnosis
from whydrift.monitor.diagnosis.headline import headline
from whydrift.monitor.store import open_store

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
DAYS = 23
SAID = "Slowly, over the last 7 windows: a ("
CONFIG = """
version: 1
store: {{url: "sqlite:///{folder}/w.db"}}
monitors:
  - name: m
    source: {{files: "{folder}/rows-*.parquet", time_column: at}}
    since: {since}
    columns: {{target: y, ignore: [id, land]}}
    window: {{every: 1d}}
    reference: {{last: 14}}
    graph: {{knowledge: {{tiers: [[a, b], [y]]}}}}
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A monitor whose column a moved a little, for good, nine days ago; all windows judged."""
    folder = tmp_path_factory.mktemp("slow")
    start = TODAY - timedelta(days=DAYS)
    with stream(folder) as made:
        for day in range(DAYS):
            shift = 0.23 if day >= 14 else 0.0
            made.write(day, rows(day, count=500, shift=shift, start=start))
    (folder / "w.db").unlink()
    path = folder / "w.yaml"
    path.write_text(CONFIG.format(folder=folder, since=(start + timedelta(days=14)).isoformat()))
    assert whydrift(["run", "-c", str(path), "--json", str(folder / "run.json"), "-q"]) == 0
    return path


def told(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    assert whydrift([str(word) for word in words]) == 0
    return capsys.readouterr().out


def test_a_run_says_of_each_window_that_it_lasts(config: Path) -> None:
    checks = json.loads(config.with_name("run.json").read_text())["checks"]
    slow = [c for c in checks if SAID in c["summary"]]
    assert [c["window"]["start"] for c in slow] == [
        (TODAY - timedelta(days=day)).isoformat() for day in (2, 1)
    ]
    assert {c["outcome"] for c in slow} == {"drift"}
    assert all("Of the last one alone: Nothing changed" in c["summary"] for c in slow)


def test_the_status_says_it(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = told(capsys, "status", "-c", config)
    assert "slow drift" in out and SAID in out and "no shift" not in out
    (found,) = json.loads(told(capsys, "status", "-c", config, "--json", "-"))["monitors"]
    assert found["headline"] == "slow drift" and SAID in found["summary"]


def test_a_report_of_a_judged_window_says_what_was_found_with_it(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = json.loads(told(capsys, "report", "-c", config, "--json", "-"))
    assert found["slow"]["scales"] == {"a": 7}
    assert 0 < found["slow"]["combined"]["a"] < 0.01
    assert SAID in found["summary"] and found["remedy"]["action"] == "investigate"
    assert [word.text for word in headline(Diagnosis.from_dict(found))] == ["slow drift"]
    two = f"{TODAY - timedelta(days=2):%Y-%m-%d}..{TODAY:%Y-%m-%d}"
    other = json.loads(told(capsys, "report", "-c", config, "--current", two, "--json", "-"))
    assert other["slow"] is None and SAID not in other["summary"]


@pytest.fixture
def there(config: Path) -> Iterator[FakeDaemon]:
    settings = load_config(config)
    store = open_store(settings.store.url.get_secret_value())
    yield FakeDaemon(settings, store, now=TODAY)


def test_all_pages_say_it_and_the_alert_leads_to_one_that_does(there: FakeDaemon) -> None:
    with served(there) as site:
        for path in ("/monitors/m", "/alerts", "/monitors/m/report?kind=covariate&target=y"):
            answer = site.client.get(path, headers={"Accept": "text/html"}, follow_redirects=True)
            assert answer.status_code == 200
            assert SAID in unescape(answer.text), path
        assert "Nothing to mend" not in answer.text and "slow drift" in answer.text
        assert re.search(r"<b>a</b> over the last 7 windows: p = [\d.e<\u2009 −-]+; ", answer.text)
        assert '"/monitors/m#windows"' in answer.text
        course = site.client.get("/monitors/m", headers={"Accept": "text/html"}).text
        assert 'id="windows"' in course
        days = [f"{TODAY - timedelta(days=day):%Y-%m-%d}T00:00:00Z/" for day in (2, 1)]
        assert all(f"a: slow drift, {day}" in course for day in days)
        assert course.count('class="t-slow"') == 2 + 1  # and the key
        (found,) = site.client.get("/api/v1/monitors").json()["monitors"]
        assert found["slow"] == {"a": 7} and SAID in found["summary"]
