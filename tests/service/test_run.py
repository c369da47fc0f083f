"""`whydrift run` and its neighbours on the command line, over real files and a real store."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.compute as pc
import pytest

from tests.service.receiver import receiver
from tests.service.stream import FIRST, rows, stream
from whydrift.monitor.cli.entry import run as whydrift
from whydrift.monitor.config.load import parse_config
from whydrift.monitor.service.run import put_events, run_checks
from whydrift.monitor.store import open_store
from whydrift.monitor.store.lock import only_one
from whydrift.monitor.store.state import CheckOutcome

CONFIG = """
version: 1
store: {{url: "sqlite:///{folder}/w.db"}}
sources: {{rows: {{files: "{folder}/rows-*.parquet", time_column: at}}}}
monitors:
  - name: m
    source: rows
    columns: {{target: y, ignore: [id, land]}}
    window: {{every: 1d}}
    reference: {{last: 6d}}
    graph: {{knowledge: {{tiers: [[a, b], [y]]}}}}
{more}
"""


def midnight() -> datetime:
    """Return when today began: asked by each test, since a long run may see two of them."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Eight days up to today's midnight; column a moved in the last one."""
    start = midnight() - timedelta(days=8)
    with stream(tmp_path) as made:
        for day in range(8):
            made.write(day, rows(day, shift=3.0 if day == 7 else 0.0, start=start))
    (tmp_path / "w.db").unlink()
    (tmp_path / "w.yaml").write_text(CONFIG.format(folder=tmp_path, more=""))
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    status = whydrift([str(word) for word in words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_the_first_run_records_what_is_usual_and_judges_the_newest_window(files, capsys) -> None:
    config = files / "w.yaml"
    status, out, _ = told(capsys, "run", "-c", config, "--dry-run")
    assert status == 0
    assert out.count(" record\n") == 6 and out.count(" labels\n") == 1
    status, out, err = told(capsys, "run", "-c", config, "--fail-on", "any")
    assert (status, err) == (1, "")
    assert "Covariate shift upstream of y, beginning at a" in out
    assert "6 windows were recorded as what is usual" in out
    status, out, _ = told(capsys, "run", "-c", config, "--fail-on", "any")
    assert (status, out) == (0, "nothing is due\n")
    status, out, _ = told(capsys, "status", "-c", config)
    assert status == 0
    assert "covariate" in out and "of 0.2 a month" in out
    status, out, _ = told(capsys, "status", "-c", config, "--json", "-")
    (found,) = json.loads(out)["monitors"]
    assert found["verdict"] == "covariate" and found["alerts"][0]["columns"] == ["a"]
    assert found["window"]["end"] == midnight().isoformat()
    assert found["next_result_due"] == (midnight() + timedelta(days=1)).isoformat()


def test_a_run_fails_on_what_a_comparison_of_the_same_windows_would(tmp_path, capsys) -> None:
    """Of an input that leads to predictions, not to the target: that opens an alert as well."""
    start = midnight() - timedelta(days=8)
    with stream(tmp_path) as made:
        for day in range(8):
            table = rows(day, shift=3.0 if day == 7 else 0.0, slope=0.0, start=start)
            made.write(day, table.append_column("p", pc.add(table["a"], table["b"])))
    (tmp_path / "w.db").unlink()
    text = CONFIG.format(folder=tmp_path, more="").replace("target: y", "target: y, prediction: p")
    text = text.replace("[y]]", "[y]], forbidden: [[a, y]]")
    (tmp_path / "w.yaml").write_text(text)
    command = ("run", "-c", tmp_path / "w.yaml", "--fail-on", "covariate", "--json", "-")
    status, out, _ = told(capsys, *command)
    (check,) = (c for c in json.loads(out)["checks"] if c["kind"] != "record")
    assert check["outcome"] == "drift" and "a moved; p follows that" in check["summary"]
    assert status == 1


def test_a_stretch_of_the_past_is_judged_beside_what_lies_before(files, capsys) -> None:
    start = midnight() - timedelta(days=2)
    words = ("run", "-c", files / "w.yaml", "--from", start.isoformat(), "--json", "-")
    status, out, _ = told(capsys, *words)
    found = json.loads(out)
    assert status == 0 and found["schema"] == "whydrift/run/1"
    judged = [c for c in found["checks"] if c["kind"] == "labels"]
    assert [c["outcome"] for c in judged] == ["ok", "drift"]
    assert len(found["checks"]) == 6 + 2
    status, out, _ = told(capsys, *words)
    assert json.loads(out)["checks"] == []
    status, out, _ = told(capsys, *words, "--recompute")
    again = json.loads(out)["checks"]
    assert [(c["outcome"], c["recomputed"]) for c in again] == [("ok", True), ("drift", True)]


@pytest.mark.parametrize(("since", "days"), [("", [2]), (3, [3, 2])])
def test_the_end_of_a_stretch_alone_judges_what_is_due_up_to_then(files, capsys, since, days):
    """From where judging begins by the configuration, of a monitor that nobody looked at yet."""
    more = f"    since: {(midnight() - timedelta(days=since)).isoformat()}" if since else ""
    config = files / "w.yaml"
    config.write_text(CONFIG.format(folder=files, more=more))
    end = midnight() - timedelta(days=1)
    status, out, _ = told(capsys, "run", "-c", config, "--to", end.isoformat(), "--json", "-")
    checks = json.loads(out)["checks"]
    judged = [c["window"]["start"] for c in checks if c["kind"] == "labels"]
    assert status == 0
    assert judged == [(midnight() - timedelta(days=day)).isoformat() for day in days]
    status, out, _ = told(capsys, "run", "-c", config, "--json", "-")  # and then the rest
    judged = [c["window"]["start"] for c in json.loads(out)["checks"] if c["kind"] == "labels"]
    assert judged == [end.isoformat()]


def test_a_run_says_when_an_alert_opens_widens_and_is_resolved(tmp_path: Path, capsys) -> None:
    start = midnight() - timedelta(days=12)
    with stream(tmp_path) as made:
        for day in range(12):
            table = rows(day, shift=3.0 if day in (7, 8) else 0.0, start=start)
            if day == 8:
                place = table.schema.get_field_index("b")
                table = table.set_column(place, "b", pc.add(table["b"], 3.0))
            made.write(day, table)
    (tmp_path / "w.db").unlink()
    late = f"    since: {(start + timedelta(days=6)).isoformat()}\n    late: {{allow: 1d}}"
    (tmp_path / "w.yaml").write_text(CONFIG.format(folder=tmp_path, more=late))
    words = ("run", "-c", tmp_path / "w.yaml", "--json", tmp_path / "run.json")
    status, out, err = told(capsys, *words)
    assert (status, err) == (0, "")
    for day, said in ((7, "Alerts opened: covariate"), (8, "Alerts widened: covariate by b"),
                      (10, "Alerts resolved: covariate")):  # fmt: skip
        begins = f"{start + timedelta(days=day):%Y-%m-%d %H:%M}Z–"
        (line,) = [line for line in out.splitlines() if begins in line]
        assert line.endswith(said)
    # The newest one is looked at from six in the morning on.
    assert "late_" not in out and re.search("no rows came late for [56] windows\n", out)
    checks = json.loads((tmp_path / "run.json").read_text())["checks"]
    steps = [(news["step"], news["kind"], news["columns"]) for c in checks for news in c["alerts"]]
    assert steps == [
        ("opened", "covariate", ["a"]),
        ("widened", "covariate", ["b"]),
        ("resolved", "covariate", ["a", "b"]),
    ]


def test_what_came_is_accepted_and_events_are_noted(files, capsys) -> None:
    config = files / "w.yaml"
    told(capsys, "run", "-c", config, "-q")
    status, _, err = told(capsys, "accept", "-c", config)
    assert status == 2 and "no reason is given" in err
    status, _, err = told(capsys, "accept", "-c", config, "--reason", "x", "--window", "2001-01-01")
    assert status == 2 and "no window was judged that holds" in err
    status, out, _ = told(capsys, "accept", "-c", config, "--reason", "new prices")
    assert status == 0 and "on this is normal" in out
    status, out, _ = told(capsys, "status", "-c", config, "--json", "-")
    assert json.loads(out)["monitors"][0]["alerts"] == []
    for _ in range(2):
        status, _, _ = told(
            capsys, "event", "-c", config, "--kind", "release", "--text", "model 12",
            "--at", "2026-05-04T09:00:00Z",
        )  # fmt: skip
        assert status == 0
    status, _, err = told(capsys, "event", "-c", config, "--kind", "releas", "--text", "x")
    assert status == 2 and "Did you mean 'release'" in err
    with open_store(f"sqlite:///{files}/w.db") as store:
        kinds = [e.kind for e in store.list_events()]
        assert sorted(kinds) == ["accept", "release"]
        (accepted,) = store.list_events(kinds=("accept",))
        assert accepted.text == "new prices" and accepted.actor


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run"], "no configuration is named"),
        (["status"], "no configuration is named"),
        (["run", "-c", "{config}", "--monitor", "n"], "there is no monitor 'n'"),
        (["run", "-c", "{config}", "--from", "yesterday"], "'yesterday' is no date or time"),
        (["run", "-c", "{config}", "--fail-on", "drift"], "unknown finding 'drift'"),
        (["status", "-c", "{config}"], "there is no store yet"),
        (["accept", "-c", "{config}", "--reason", "x"], "there is no store yet"),
    ],
)
def test_what_is_wrong_with_the_words_is_said_in_one_line(files, capsys, words, said) -> None:
    words = [word.format(config=files / "w.yaml") for word in words]
    status, out, err = told(capsys, *words)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_while_another_process_works_on_the_file_a_run_is_refused(files, capsys) -> None:
    with only_one(files / "w.db"):
        status, _, err = told(capsys, "run", "-c", files / "w.yaml")
    assert status == 2 and "works on this store" in err


def test_monitors_that_fail_are_told_and_the_others_go_on(files, capsys) -> None:
    text = (files / "w.yaml").read_text()
    broken = text.partition("monitors:\n")[2].replace("name: m", "name: broken")
    broken = broken.replace("source: rows", 'source: {files: "/nowhere/*.csv", time_column: at}')
    (files / "w.yaml").write_text(text.rstrip() + "\n" + broken)
    status, out, err = told(capsys, "run", "-c", files / "w.yaml")
    assert status == 3
    assert "/nowhere/*.csv" in err
    assert "Covariate shift upstream of y" in out
    status, out, _ = told(capsys, "status", "-c", files / "w.yaml")
    assert "broken: failed 7 times in a row" in out


def test_a_run_tells_those_who_are_to_be_told_before_it_ends(files, capsys) -> None:
    with receiver() as hook:
        more = f'notify:\n  - webhook: {{url: "{hook.url}"}}'
        (files / "w.yaml").write_text(CONFIG.format(folder=files, more=more))
        status, _, err = told(capsys, "run", "-c", files / "w.yaml")
        assert (status, err) == (0, "")
        (message,) = hook.taken
        assert message.json["step"] == "opened" and message.json["columns"] == ["a"]
        told(capsys, "run", "-c", files / "w.yaml")
        assert len(hook.taken) == 1


def test_windows_by_rows_are_told_one_by_one_with_what_opened_and_was_resolved(tmp_path, capsys):
    """All are complete at once; the drift is over when the newest one comes."""
    text = CONFIG.replace("every: 1d", "rows: 150").replace("last: 6d", "last: 6")
    text = text.replace("    source: rows", "    source: rows\n    since: 2026-03-08")
    (tmp_path / "w.yaml").write_text(text.format(folder=tmp_path, more=""))
    with stream(tmp_path) as s:
        for day in range(13):
            s.write(day, rows(day, shift=3.0 if day in (8, 9) else 0.0))
    (tmp_path / "w.db").unlink()
    command = ("run", "-c", tmp_path / "w.yaml", "--fail-on", "covariate", "--json", "-")
    status, out, _ = told(capsys, *command)
    checks = [c for c in json.loads(out)["checks"] if c["window"] and c["kind"] != "record"]
    assert status == 1  # whichever window it was
    assert [c["rows"] for c in checks] == [150] * 5
    found = [c["outcome"] for c in checks]
    assert found.count("drift") == 2 and found[-1] == "ok"
    news = [(c["window"]["end"][:10], a["step"]) for c in checks for a in c["alerts"]]
    assert news == [("2026-03-09", "opened"), ("2026-03-12", "resolved")]
    assert "Alerts resolved: covariate" in checks[3]["summary"]
    assert all(c["seconds"] > 0 for c in checks)


# ---- leases, and events of the configuration ----------------------------------------------------
def test_a_dead_process_s_monitor_is_taken_over_and_a_living_one_s_is_left(tmp_path, postgres):
    url = postgres.new_schema()
    with stream(tmp_path, 8, url=url) as s:
        s.now = FIRST + timedelta(days=7.1)
        s.store.take_lease("m", "dead", seconds=1)
        done = run_checks(s.config, s.store, clock=lambda: s.now)
        assert done.failed == () and len(done.reports) == 7
        assert s.store.list_leases() == ()


def test_events_of_the_configuration_are_kept_once(tmp_path: Path) -> None:
    more = 'events:\n  - {at: 2026-05-04T09:00:00Z, kind: release, text: "model 12", monitor: m}'
    config = parse_config(CONFIG.format(folder=tmp_path, more=more))
    with open_store(f"sqlite:///{tmp_path}/w.db") as store:
        put_events(config, store)
        put_events(config, store)
        (event,) = store.list_events()
    assert (event.kind, event.text, event.actor) == ("release", "model 12", "configuration")


def test_a_check_that_could_not_be_written_is_not_tried_for_ever(tmp_path: Path) -> None:
    with stream(tmp_path, 8) as s:
        s.now = FIRST + timedelta(days=7.1)
        for path in tmp_path.glob("rows-*"):
            path.unlink()
        done = run_checks(s.config, s.store, clock=lambda: s.now)
        assert {r.outcome for r in done.reports} == {CheckOutcome.ERROR}
        assert len(done.reports) == 7


# ---- kill -9 ------------------------------------------------------------------------------------
def test_a_backfill_that_is_killed_again_and_again_leaves_the_same_and_tells_the_same() -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "kill.py"
    words = ["--kills", "3", "--windows", "4", "--engines", "sqlite"]
    found = subprocess.run(
        [sys.executable, script, *words], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
    kills, _, same = found.stdout.splitlines()[-1].split(" | ")[1:4]
    assert int(kills) >= 1 and same == "yes"
