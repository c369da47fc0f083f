"""Reports on demand: from what is kept alone, and the same as the daemon's own verdicts."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from tests.service.asking import Served, served
from tests.service.stream import FIRST as STREAM_BEGINS
from tests.service.stream import stream
from tests.service.watched import FIRST, NOW, SHIFT, FakeDaemon, settings, watched
from whydrift.discovery.errors import ConfigError, OptionError, SourceError
from whydrift.monitor.cli.entry import run
from whydrift.monitor.diagnosis.diagnosis import Diagnosis, ReasonCode, Verdict
from whydrift.monitor.service.accepting import accept
from whydrift.monitor.service.busy import Busy
from whydrift.monitor.service.event_effects import (
    EVENT_KINDS,
    EffectsRequest,
    effects_of_events,
)
from whydrift.monitor.service.references import chosen_for
from whydrift.monitor.service.report_queue import Effects, ReportQueue, ReportState
from whydrift.monitor.service.reports import ReportRequest, Side, make_report, with_pictures
from whydrift.monitor.service.web import effects as effects_module
from whydrift.monitor.store.collect import collect
from whydrift.monitor.window.duration import Duration
from whydrift.monitor.window.interval import Interval

DAY = timedelta(days=1)
PASSING = ("id", "seconds", "whydrift", "slow", "graph_learned")  # differ each time, or by checks
BEFORE = Side(FIRST, FIRST + SHIFT * DAY)
AFTER = Side(FIRST + SHIFT * DAY, None)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeDaemon]:
    found = watched(tmp_path_factory.mktemp("reports"))
    # Only what is kept may be asked: the data are gone.
    for file in Path(found.store.database.path).parent.glob("*.parquet"):  # type: ignore[arg-type]
        file.unlink()
    yield found
    found.close()


def made(daemon: FakeDaemon, **sides: Side) -> Diagnosis:
    return make_report(daemon.config(), daemon.store, ReportRequest("prices", **sides))


def said(value: dict[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in value.items() if name not in PASSING}


@pytest.mark.parametrize("segment", ["", "DE", "FR"])
def test_the_newest_window_is_judged_as_the_daemon_judged_it(daemon: FakeDaemon, segment: str):
    records = daemon.store.list_results(monitor="prices", segment=segment)
    stored = daemon.store.get_result(records[-1].id)
    assert stored is not None
    assert said(made(daemon, current=Side(segment=segment)).to_dict()) == said(stored)


def test_an_older_window_is_judged_as_the_daemon_judged_it(daemon: FakeDaemon):
    record = daemon.store.list_results(monitor="prices", segment="")[1]
    stored = daemon.store.get_result(record.id)
    span = record.key.interval
    assert stored is not None
    assert said(made(daemon, current=Side(span.start, span.end)).to_dict()) == said(stored)


def test_any_windows_are_compared_with_any_others(daemon: FakeDaemon):
    found = made(daemon, reference=BEFORE, current=AFTER)
    assert found.verdict is Verdict.BOTH
    assert found.ranking[0] == "price"
    assert found.current.rows == 600
    assert found.current.start == "2026-05-12T00:00:00Z"
    assert found.reference.rows == SHIFT * 300


def test_what_came_is_compared_backwards_too(daemon: FakeDaemon):
    found = made(daemon, reference=AFTER, current=BEFORE)
    assert found.verdict is Verdict.BOTH
    effect = found.columns["income"].effect
    assert effect is not None
    assert effect.value < 0


def test_segments_are_told_apart_by_what_they_hold_not_by_their_name(daemon: FakeDaemon):
    found = made(daemon, reference=Side(segment="FR"), current=Side(segment="DE"))
    assert found.segment == "DE"
    assert found.verdict is Verdict.COVARIATE
    assert found.ranking == ("income",)
    assert "country" not in found.columns
    quiet = Side(FIRST, FIRST + SHIFT * DAY, "DE"), Side(FIRST, FIRST + SHIFT * DAY, "FR")
    assert made(daemon, current=quiet[0], reference=quiet[1]).verdict is Verdict.NONE


def test_versions_of_the_model_are_compared(daemon: FakeDaemon):
    found = made(daemon, reference=Side(version="11"), current=Side(version="12"))
    assert found.reference.rows == 5 * 300
    assert found.current.rows == 8 * 300
    assert found.verdict is Verdict.MECHANISM


def test_without_samples_the_counts_still_speak(daemon: FakeDaemon, tmp_path: Path):
    own = watched(tmp_path)
    try:
        keep = own.config().store.keep.model_copy(update={"samples": Duration(1, "d")})
        collect(own.store, keep, now=NOW + timedelta(days=30))
        found = make_report(
            own.config(), own.store, ReportRequest("prices", reference=BEFORE, current=AFTER)
        )
    finally:
        own.close()
    codes = {column.reason_code for column in found.columns.values()}
    assert codes == {ReasonCode.SAMPLE_EXPIRED}
    assert found.verdict is Verdict.UNDETERMINED
    assert found.current.rows == 600


@pytest.mark.parametrize(
    ("sides", "words"),
    [
        ({"current": Side(NOW, None)}, ["13 windows are kept", "2026-05-01", "2026-05-14"]),
        ({"current": Side(segment="DEU")}, ["Did you mean 'DE'"]),
        ({"current": Side(version="13")}, ["Versions: 11, 12"]),
        ({"current": Side(FIRST, FIRST + DAY)}, ["no usable past window", "Name a range"]),
        ({"reference": AFTER, "current": AFTER}, ["the same windows"]),
    ],
)
def test_what_is_not_kept_is_told_with_what_is(
    daemon: FakeDaemon, sides: dict[str, Side], words: list[str]
):
    with pytest.raises(OptionError) as told:
        made(daemon, **sides)
    for word in words:
        assert word in str(told.value)


def test_ends_in_the_wrong_order_and_unknown_monitors_are_told(daemon: FakeDaemon):
    with pytest.raises(OptionError, match="does not come after"):
        Side(NOW, FIRST)
    with pytest.raises(ConfigError, match="prices"):
        make_report(daemon.config(), daemon.store, ReportRequest("price"))


def test_reports_ask_no_source_and_need_none_that_can_be_opened(daemon: FakeDaemon, monkeypatch):
    def refuse(*_: object) -> None:
        raise SourceError("its driver is not here", where="source", remedy="Install it")

    monkeypatch.setattr("whydrift.monitor.history.open_source", refuse)
    assert made(daemon).verdict is Verdict.BOTH


def test_a_stored_diagnosis_is_drawn_with_the_windows_behind_it(daemon: FakeDaemon):
    record = daemon.store.list_results(monitor="prices", segment="")[-1]
    stored = daemon.store.get_result(record.id)
    assert stored is not None
    drawn = with_pictures(daemon.config(), daemon.store, Diagnosis.from_dict(stored))
    assert drawn.evidence is not None
    assert drawn.evidence.current.rows == 300
    assert drawn.evidence.reference.rows == SHIFT * 300  # but for the day that had drifted


def test_what_is_accepted_afterwards_changes_no_report_of_a_window(tmp_path: Path):
    own = watched(tmp_path)
    try:
        records = own.store.list_results(monitor="prices", segment="")
        stored = [own.store.get_result(record.id) for record in records]
        accept(own.config(), "prices", own.store, "new prices", actor="ann", at=own.now)
        for record, told in zip(records[-2:], stored[-2:], strict=True):  # both are accepted
            span = record.key.interval
            assert told is not None and told["verdict"] == "both"
            assert said(made(own, current=Side(span.start, span.end)).to_dict()) == said(told)
            drawn = with_pictures(own.config(), own.store, Diagnosis.from_dict(told))
            assert drawn.evidence is not None
            assert drawn.evidence.reference.rows == told["windows"]["reference"]["rows"]
        # What nobody has judged yet is held against what was accepted.
        monitor, last = own.config().monitors[0], records[-1].key.interval
        following = Interval(last.end, last.end + DAY)
        assert chosen_for(monitor, own.store, following).windows[-1] == last
        judged_at = records[-1].at
        assert last not in chosen_for(monitor, own.store, last, judged_at=judged_at).windows
        assert chosen_for(monitor, own.store, last, judged_at=judged_at).windows
    finally:
        own.close()


def hour(number: int, missing: int) -> pa.Table:
    """Rows of one hour, so many of them without ``a``."""
    rng, count = np.random.default_rng([4, number]), 150
    a, b, noise = rng.normal(size=(3, count))
    lost = np.zeros(count, bool)
    lost[rng.choice(count, missing, replace=False)] = True
    seconds = np.sort(rng.uniform(0, 3_599, count))
    at = [STREAM_BEGINS + timedelta(hours=number, seconds=float(s)) for s in seconds]
    return pa.table(
        {
            "id": np.arange(count),
            "at": pa.array(at, pa.timestamp("us", "UTC")),
            "a": pa.array(a, mask=lost),
            "b": b,
            "land": ["DE"] * count,
            "y": a + b + noise,
        }
    )


@pytest.mark.parametrize(("missing", "is_fault"), [(28, False), (40, True)])
def test_faults_are_looked_for_as_strictly_as_the_daemon_does(tmp_path, missing, is_fault):
    """An hourly monitor grants each detector less than a comparison that pages nobody does."""
    hourly = {"window": "every: 1h", "reference": "last: 14h", "since": "2026-03-01T14:00:00Z"}
    with stream(tmp_path, **hourly) as s:
        for number in range(15):
            s.write(number, hour(number, missing if number == 14 else 4))
        s.until(15 / 24)
        (record,) = s.store.list_results(monitor="m", segment="")
        stored = s.store.get_result(record.id)
        found = make_report(s.config, s.store, ReportRequest("m"))
    assert stored is not None and stored["fault"] is is_fault
    assert said(found.to_dict()) == said(stored)


# ---- asked for over the web --------------------------------------------------------------------
@pytest.fixture(scope="module")
def there(daemon: FakeDaemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(watched(tmp_path_factory.mktemp("asked"))) as found:
        yield found


def waited_for(there: Served, address: str) -> dict[str, Any]:
    for _ in range(400):
        found: dict[str, Any] = there.client.get(address).json()
        if found["state"] in {"done", "failed"}:
            return found
        time.sleep(0.1)
    raise AssertionError("it takes too long")


def test_a_report_is_asked_for_and_then_read(there: Served):
    body = {
        "monitor": "prices",
        "reference": {"to": "2026-05-12"},
        "current": {"from": "2026-05-12T00:00:00Z"},
    }
    asked = there.client.post("/api/v1/reports", json=body)
    assert asked.status_code == 202
    again = there.client.post("/api/v1/reports", json=body)
    assert again.json()["id"] == asked.json()["id"]  # while it is made it is the same
    waiting = there.client.get(f"/reports/{asked.json()['id']}")
    assert "asks again by itself" in waiting.text
    assert waiting.headers["refresh"] == "1"
    found = waited_for(there, asked.headers["location"])
    assert found["state"] == "done", found["error"]
    assert found["diagnosis"]["verdict"] == "both"
    page = there.client.get(found["html"])
    assert "Distribution of income" in page.text  # with pictures
    assert "unsafe" not in page.headers["content-security-policy"]
    assert there.client.get(f"/reports/{found['id']}").text == page.text


def test_a_report_that_cannot_be_made_says_why(there: Served):
    body = {"monitor": "prices", "current": {"segment": "Mars"}}
    asked = there.client.post("/api/v1/reports", json=body)
    found = waited_for(there, asked.headers["location"])
    assert found["state"] == "failed"
    assert "Segments: DE, FR" in found["error"]
    page = there.client.get(f"/reports/{found['id']}")
    assert "Segments: DE, FR" in page.text
    assert "refresh" not in page.headers


def test_what_is_asked_for_wrongly_is_told_at_once(there: Served):
    body = {"monitor": "prices", "current": {"from": "2026-05-12", "to": "2026-05-11"}}
    assert there.client.post("/api/v1/reports", json=body).json()["field"] == "current"
    answer = there.client.post("/api/v1/reports", json={"monitor": "price"})
    assert answer.status_code == 404
    assert "prices" in answer.json()["detail"]


def test_a_report_that_is_gone_can_be_asked_for_again(there: Served):
    for path in ("/api/v1/reports/", "/reports/"):
        answer = there.client.get(path + "0" * 32, headers={"Accept": "text/html"})
        assert answer.status_code == 404
        assert "POST /api/v1/reports" in answer.text
        assert "until that restarts" in answer.text


def test_more_than_may_wait_is_refused_and_old_reports_go(daemon: FakeDaemon):
    now = [NOW]
    queue = ReportQueue(daemon.config, lambda: now[0])
    queue._drive = lambda: None  # type: ignore[method-assign]  # nothing is made
    most = daemon.config().web.reports.waiting + daemon.config().web.reports.running
    jobs = [queue.submit(ReportRequest("prices", current=Side(FIRST + k * DAY, None)))
            for k in range(most)]  # fmt: skip
    with pytest.raises(Busy, match="wait already"):
        queue.submit(ReportRequest("prices"))
    assert queue.find(jobs[0].id) is not None
    queue._jobs[jobs[0].id] = replace(jobs[0], state=ReportState.FAILED, error="…")
    now[0] += timedelta(days=2)
    assert queue.find(jobs[0].id) is None
    assert queue.submit(ReportRequest("prices")).state is ReportState.WAITING


def test_a_report_that_takes_too_long_is_ended(daemon: FakeDaemon):
    config = daemon.config()
    short = config.web.reports.model_copy(update={"timeout": Duration(0, "s")})
    web = config.web.model_copy(update={"reports": short})
    hasty = config.model_copy(update={"web": web})
    queue = ReportQueue(lambda: hasty, lambda: NOW)
    try:
        job = queue.submit(ReportRequest("prices"))
        for _ in range(200):
            found = queue.find(job.id)
            assert found is not None
            if found.state.is_over:
                break
            time.sleep(0.1)
    finally:
        queue.close()
    assert found.state is ReportState.FAILED
    assert "web.reports.timeout" in (found.error or "")


# ---- on the command line -----------------------------------------------------------------------
@pytest.fixture
def file(daemon: FakeDaemon, tmp_path: Path) -> Path:
    folder = Path(daemon.store.database.path).parent  # type: ignore[arg-type]
    shutil.copytree(folder, tmp_path / "kept")
    file = tmp_path / "whydrift.yaml"
    file.write_text(settings(tmp_path / "kept"))
    return file


def test_the_command_line_tells_why(file: Path, capsys: pytest.CaptureFixture[str]):
    page = file.with_name("why.html")
    given = ["report", "-c", str(file), "--segment", "FR..DE", "-o", str(page), "--json", "-"]
    assert run(given) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ranking"] == ["income"]
    assert "Distribution of income" in page.read_text()


def test_the_command_line_shows_a_table_of_a_stretch(
    file: Path, capsys: pytest.CaptureFixture[str]
):
    given = ["--reference", "2026-05-01..2026-05-12", "--current", "2026-05-12.."]
    assert run(["report", "-c", str(file), *given]) == 0
    assert "current 600 rows" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--reference", "2026-05-01"], "is no stretch of time"),
        (["--current", ".."], "is no stretch of time"),
        (["--reference", "May..June"], "is no date or time"),
        (["--reference", "2026-05-03..2026-05-01"], "does not come after"),
        (["--segment", "..DE"], "names one side only"),
        (["--segment", "DEU"], "Did you mean 'DE'"),
        (["--monitor", "price"], "Did you mean 'prices'"),
    ],
)
def test_the_command_line_says_what_is_wrong(
    file: Path, capsys: pytest.CaptureFixture[str], given: list[str], words: str
):
    assert run(["report", "-c", str(file), *given]) == 2
    assert words in " ".join(capsys.readouterr().err.split())


# ---- effects of events -------------------------------------------------------------------------
def test_effects_are_estimated_once_until_something_new_is_kept(daemon: FakeDaemon):
    store, (settings,) = daemon.store, daemon.config().monitors
    events = store.list_events(monitor="prices", kinds=EVENT_KINDS)
    assert events
    request = EffectsRequest.of(store, "prices", events)
    answer = daemon.reports.effects(request)
    assert daemon.reports.effects(EffectsRequest.of(store, "prices", events)) is answer
    found = answer.result(300)
    assert found.keys() == {e.id for e in events}
    own = effects_of_events(store, settings, events)
    assert [(e.refused, e.before, e.after) for e in found.values()] == [
        (e.refused, e.before, e.after) for e in own.values()
    ]
    assert daemon.reports.effects(request) is answer
    # Late rows of an old window count too.
    record = store.list_snapshots(monitor="prices", segment="")[0]
    window = store.get_snapshot(store.list_snapshots(monitor="prices", segment="")[1])
    assert EffectsRequest.of(store, "prices", events) == request
    store.put_snapshot(record.key, window, part=record.part)
    assert EffectsRequest.of(store, "prices", events) != request


def test_effects_that_many_ask_for_leave_places_for_reports(daemon: FakeDaemon):
    queue = ReportQueue(daemon.config, daemon.clock)
    asked = [queue.effects(EffectsRequest("prices", (1,), (n, 0))) for n in range(2)]
    with pytest.raises(Busy, match="for somebody else"):
        queue.effects(EffectsRequest("prices", (1,), (2, 0)))
    assert queue.effects(EffectsRequest("prices", (1,), (0, 0))) is asked[0]
    job = queue.submit(ReportRequest("prices"))
    assert queue.find(job.id) is not None
    queue.close()
    for answer in asked:  # nobody waits for ever
        assert answer.done()


def test_who_waits_for_effects_keeps_nobody_waiting(there: Served, monkeypatch: pytest.MonkeyPatch):
    asked: Future[Effects] = Future()
    monkeypatch.setattr(there.daemon.reports, "effects", lambda _request: asked)
    monkeypatch.setattr(effects_module, "_SECONDS", 300)
    path = "/api/v1/monitors/prices/events?effects=yes"
    with ThreadPoolExecutor(20) as pool:
        waiting = [pool.submit(httpx.get, f"http://localhost:{there.port}{path}", timeout=300)
                   for _ in range(20)]  # fmt: skip
        for beyond in islice(as_completed(waiting), 4):  # the others wait
            refused = beyond.result()
            assert (refused.status_code, refused.json()["type"]) == (
                429,
                "urn:whydrift:problem:busy",
            )
        assert there.client.get("/api/v1/monitors").status_code == 200
        asked.set_result({})
        codes = sorted(done.result().status_code for done in waiting)
    assert codes == [200] * 16 + [429] * 4
