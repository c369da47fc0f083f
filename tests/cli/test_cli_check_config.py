"""``whydrift check-config``: every mistake at once, what is to be expected, and real tries."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.service.receiver import receiver
from whydrift.monitor.cli import main
from whydrift.monitor.cli.trials import try_source
from whydrift.monitor.config import parse_config


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    now = datetime.now(UTC)
    times = [now - timedelta(hours=h) for h in range(1, 72)]
    rng = np.random.default_rng(0)
    table = pa.table(
        {"at": times, "price": rng.normal(size=71), "rooms": rng.integers(1, 5, size=71)}
    )
    pq.write_table(table, tmp_path / "rows.parquet")
    return tmp_path


GOOD = """version: 1
web: {external_url: https://w.example}
sources: {rows: {files: rows.parquet, time_column: at}}
monitors:
  - name: prices
    source: rows
    columns: {target: price}
    window: {every: 1d, delay: 2h}
    reference: {last: 28d}
"""


def checked(folder: Path, text: str, *more: str, status: int = 0):
    (folder / "w.yaml").write_text(text)
    assert main(["check-config", "w.yaml", "--json", "out.json", *more]) == status
    return json.loads((folder / "out.json").read_text())


def test_what_a_monitor_will_do_is_said_in_words_and_numbers(folder, capsys):
    (folder / "w.yaml").write_text(GOOD)
    assert main(["check-config", "w.yaml"]) == 0
    said = capsys.readouterr().out
    for words in [
        "prices\n",
        "A window is 1d long (UTC).",
        "It is judged 2h after its end, with price.",
        "It is compared with the last 28d, without those with a fault or an unaccepted drift.",
        "30 decisions a month at level 0.0039 each",
        "together at most 0.2 false alarms a month",
        "assumed; nothing is stored yet",
    ]:
        assert words in said, words
    assert "warning" not in said


def test_the_level_is_that_of_the_alarm_budget_and_more_rows_show_smaller_changes(folder):
    few = checked(folder, GOOD)
    many = checked(folder, GOOD, "--rows", "100000")
    (one,), (other,) = few["monitors"], many["monitors"]
    assert one["level"] == pytest.approx(0.6 * 0.2 / (365.25 / 12))
    assert other["level"] == one["level"]
    assert 0.15 < one["detectable_effect"] < 0.25
    assert other["detectable_effect"] < one["detectable_effect"] / 2
    assert other["assumption"]["basis"] == "as --rows says"


def test_budgets_of_all_monitors_add_up(folder):
    second = GOOD + "  - {name: b, source: rows, false_alarms_per_month: 1, window: {delay: 1h}}\n"
    assert checked(folder, second)["false_alarms_per_month"] == pytest.approx(1.2)


def test_all_mistakes_are_told_at_once_in_the_order_of_their_lines(folder, capsys):
    wrong = """version: 1
chekcs: {workers: 2}
checks: {workers: 0, timeout: 5x}
store: {url: "${NO_SUCH_VARIABLE}"}
monitors:
  - {name: A B, source: {files: x.csv}, flor: 1}
notify:
  - slak: {url: hush}
"""
    found = checked(folder, wrong, status=2)
    assert not found["valid"]
    places = [p["where"] for p in found["problems"]]
    assert [int(p.split("line ")[1].split(",")[0]) for p in places] == [2, 3, 3, 4, 6, 6, 8]
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("error:") == 7
    assert "unknown key 'chekcs'. Did you mean 'checks'?" in told.err
    assert "'5x' is no duration" in told.err and "NO_SUCH_VARIABLE is not set" in told.err
    assert "Did you mean 'slack'?" in told.err and "hush" not in told.err


def test_a_file_that_is_no_yaml_is_told_with_its_line(folder):
    found = checked(folder, "version: 1\nmonitors: [\n", status=2)
    assert "line 3" in found["problems"][0]["where"]


def test_a_folder_of_files_is_one_configuration_and_names_the_file(folder, capsys):
    (folder / "config").mkdir()
    (folder / "config" / "a.yaml").write_text(GOOD)
    (folder / "config" / "b.yaml").write_text(
        "version: 1\nmonitors:\n  - {name: prices, source: rows}\n  - {name: c, surce: rows}\n"
    )
    assert main(["check-config", "config"]) == 2
    assert "config/b.yaml, line 4, monitors[1].surce" in capsys.readouterr().err


def test_each_file_of_a_folder_that_is_no_yaml_is_told(folder, capsys):
    (folder / "config").mkdir()
    for name, text in (("a", "version: [\n"), ("b", GOOD), ("c", "a: 1\na: 2\n")):
        (folder / "config" / f"{name}.yaml").write_text(text)
    assert main(["check-config", "config"]) == 2
    told = capsys.readouterr().err
    assert "config/a.yaml, line 2" in told and "config/c.yaml, line 2" in told
    assert told.count("error:") == 2


def test_what_the_daemon_would_refuse_is_refused_here(folder, capsys):
    text = GOOD + (
        "  - {name: lake, source: {plugin: {name: lakke}}}\n"
        "notify: [{webhook: {url: 'https://x.example/hush', ca: gone.pem}}]\n"
    )
    found = checked(folder, text, status=2)
    lake, hook = found["problems"]
    assert lake["where"] == "w.yaml, line 10, monitors[1].source" and "'lakke'" in lake["what"]
    assert hook["where"] == "w.yaml, line 11, notify[0].webhook" and "gone.pem" in hook["what"]
    assert "hush" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("delay: 2h", "delay: 0s", "rows written later are never seen"),
        ("delay: 2h", "delay: 2h, label_delay: 1h", "labels are waited for 1h, rows longer (2h)"),
        ("last: 28d", "last: 7d", "has 7 windows"),
        ("last: 28d", "last: 8w, same: weekday", "has 8 windows"),
        (", time_column: at", "", "no window of it can be judged"),
        ("rows.parquet", "rowz.parquet", "there is no such file"),
        ("    columns: {target: price}\n", "", ""),
        (
            "version: 1\n",
            "version: 1\nmetrics: {max_columns: 500, max_series: 100}\n",
            "may come to 3,000 series",
        ),
        (
            "version: 1\n",
            "version: 1\nnotify: [{alertmanager: {urls: ['http://am:9093']}}]\n",
            "only if no external_labels differ",
        ),
        (
            "web: {external_url: https://w.example}\n",
            "notify: [{webhook: {url: 'https://x.example'}}]\n",
            "will not link to reports",
        ),
        (
            "version: 1\n",
            "version: 1\nnotify: [{webhook: {url: 'https://x.example', secret: hush}}]\n",
            "this secret stands in the file",
        ),
        (
            "version: 1\n",
            "version: 1\nnotify: [{slack: {url: 'https://hooks.example/hush'}}]\n",
            "this secret stands in the file",
        ),
        (
            "version: 1\n",
            "version: 1\nstore: {url: 'postgresql+psycopg://me:hush@db/w'}\n",
            "this secret stands in the file",
        ),
    ],
)
def test_what_is_seldom_meant_is_warned_of(folder, before, after, says):
    assert before in GOOD
    found = checked(folder, GOOD.replace(before, after))
    told = [f"{w['where']}: {w['what']}" for w in found["warnings"]]
    assert any(says in text for text in told) if says else not told, told
    assert "hush" not in json.dumps(found) and all("w.yaml, line " in text for text in told)


def test_a_secret_from_a_variable_is_not_warned_of(folder, monkeypatch):
    monkeypatch.setenv("SLACK_URL", "https://hooks.example/hush")
    found = checked(folder, GOOD + 'notify: [{slack: {url: "${SLACK_URL}"}}]\n')
    assert found["warnings"] == []


def test_connect_reads_a_row_of_each_source_and_tries_all(folder):
    text = GOOD + (
        "  - {name: typo, source: rows, columns: {target: prise}, window: {delay: 1h}}\n"
        "  - {name: gone, source: {files: no/*.csv, time_column: at}, window: {delay: 1h}}\n"
    )
    found = checked(folder, text, "--connect", status=2)
    assert found["valid"] and not found["good"]
    trials = {trial["name"]: trial for trial in found["trials"]}
    assert trials["store"]["good"] and "is made at the first start" in trials["store"]["text"]
    good = trials["source of prices"]
    assert good["good"] and "has 3 columns; a row of the newest window" in good["text"]
    assert (
        "no column 'prise' (columns.target); did you mean 'price'?"
        in (trials["source of typo"]["text"])
    )
    assert not trials["source of gone"]["good"]
    assert not (folder / "whydrift.db").exists()
    assert found["monitors"][0]["assumption"]["columns"] == 3


def test_a_source_that_hangs_is_left_after_a_while():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"postgresql+psycopg://me:hush@127.0.0.1:{silent.getsockname()[1]}/d"
        config = parse_config(
            f"version: 1\nmonitors:\n  - name: a\n    source: {{sql: {{url: '{url}', query: "
            "'select 1 as x, now() as at'}, time_column: at}\n"
        )
        trial = try_source(config, config.monitors[0], datetime.now(UTC), seconds=0.3)
    assert not trial.is_good and "no answer within 0.3 s" in trial.told


def test_send_test_tells_each_notifier_that_it_is_one(folder):
    with receiver() as told, receiver(403) as closed:
        text = GOOD + (
            f"notify:\n  - slack: {{url: '{told.url}'}}\n"
            f"  - webhook: {{url: '{closed.url}'}}\n"
            f"  - pagerduty: {{routing_key: hush, url: '{told.url}'}}\n"
        )
        found = checked(folder, text, "--send-test", status=2)
    good = {trial["name"]: trial["good"] for trial in found["trials"]}
    assert good == {"notifier slack": True, "notifier webhook": False, "notifier pagerduty": True}
    slack, trigger, resolve = (r.json for r in told.received)
    assert slack["text"].startswith("*TEST: whydrift can reach you*")
    assert trigger["event_action"] == "trigger" and trigger["payload"]["severity"] == "info"
    assert resolve["event_action"] == "resolve"  # nobody is left with an incident
    assert "HTTP 403" in found["trials"][1]["text"] and "hush" not in json.dumps(found)
