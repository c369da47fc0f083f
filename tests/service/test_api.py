"""The API: what was found is read as it is kept; what is odd is told, and never a bug."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.service.asking import Served, served
from tests.service.watched import DAYS, FIRST, NOW, SHIFT, auth, watched
from whydrift.discovery.graph import Graph
from whydrift.monitor.diagnosis.alert import AlertKey, AlertKind
from whydrift.monitor.diagnosis.episode import Episode
from whydrift.monitor.service.web.api.views import alert_view
from whydrift.monitor.service.web.links import Links
from whydrift.monitor.store.state import AlertRecord, AlertState
from whydrift.monitor.window.interval import Interval

DAY = timedelta(days=1)
API = "/api/v1"
PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(watched(tmp_path_factory.mktemp("api"), web=", lifecycle: true")) as found:
        yield found


def read(there: Served, path: str, **query: Any) -> dict[str, Any]:
    answer = there.client.get(API + path, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def refused(answer: httpx.Response, status: int, field: str | None = None) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    told: dict[str, Any] = answer.json()
    assert told["status"] == status
    assert told.get("field") == field
    return told


# ---- the daemon --------------------------------------------------------------------------------
def test_status_says_how_the_service_is(there: Served):
    found = read(there, "/status")
    assert found["ready"]
    assert found["alive"]
    assert found["monitors"] == 1
    assert found["alerts"]["firing"] == len(read(there, "/alerts", state="firing")["alerts"])
    assert found["reload"] == {"successful": True, "error": None}


def test_a_reload_that_is_refused_is_told_and_shown(there: Served):
    there.daemon.reload_fails = "'1x' is no duration"
    try:
        told = refused(there.client.post("/-/reload", json={}), 422)
        assert told["detail"] == "whydrift.yaml, line 3: '1x' is no duration. Mend it."
        assert read(there, "/status")["reload"]["error"] == "'1x' is no duration"
        assert "no duration" in there.client.get("/").text
    finally:
        there.daemon.reload_fails = None
    assert there.client.post("/-/reload", json={}).status_code == 200


def test_without_lifecycle_nobody_reloads(there: Served):
    config = there.daemon.settings
    off = config.web.model_copy(update={"lifecycle": False})
    there.daemon.settings = config.model_copy(update={"web": off})
    try:
        refused(there.client.post("/-/reload", json={}), 403)
    finally:
        there.daemon.settings = config


def test_metrics_are_not_told_before_the_last_results_are_loaded(there: Served):
    assert b"whydrift_alert_firing" in there.client.get("/metrics").content
    loaded, there.daemon.views = there.daemon.views, type(there.daemon.views)()
    try:
        refused(there.client.get("/metrics"), 503)
        assert there.client.get("/-/ready").status_code == 503
        assert "not loaded yet" in there.client.get("/").text
    finally:
        there.daemon.views = loaded


def test_the_configuration_is_shown_without_secrets(there: Served):
    found = read(there, "/config")
    assert found["monitors"][0]["name"] == "prices"
    Draft202012Validator.check_schema(read(there, "/config/schema"))


def test_the_api_describes_itself(there: Served):
    found = read(there, "/openapi.json")
    assert found["openapi"].startswith("3.1")
    paths = set(found["paths"])
    assert {"/metrics", f"{API}/diagnoses", f"{API}/monitors/{{monitor}}:accept"} <= paths
    assert "/" not in paths  # pages are for people


# ---- reading -----------------------------------------------------------------------------------
def test_a_monitor_shows_its_newest_verdict_and_what_fires(there: Served):
    (found,) = read(there, "/monitors")["monitors"]
    assert found == read(there, "/monitors/prices")
    assert found["verdict"] == "both"
    assert {"segment": "", "target": "price", "kind": "mechanism"} in found["firing"]
    assert set(found["segments"]) == {"DE", "FR"}
    assert found["newest"]["window"]["end"] == "2026-05-14T00:00:00Z"
    assert found["next_due"] == "2026-05-15T01:00:00Z"


def test_a_name_that_nobody_has_is_told_with_the_nearest(there: Served):
    for path in ("", "/windows", "/graph", "/schema", "/columns/income/history"):
        told = refused(there.client.get(f"{API}/monitors/price{path}"), 404)
        assert "Did you mean 'prices'?" in told["detail"]


def test_windows_come_newest_first_with_rows_and_verdicts(there: Served):
    found = read(there, "/monitors/prices/windows")
    ends = [w["window"]["end"] for w in found["windows"]]
    assert ends == sorted(ends, reverse=True)
    assert len(ends) == DAYS
    assert found["next"] is None
    newest = found["windows"][0]
    assert newest["rows"] == 300
    assert newest["versions"] == ["12"]
    assert newest["diagnoses"]["labels"]["verdict"] == "both"
    german = read(there, "/monitors/prices/windows", segment="DE")["windows"][0]
    assert german["rows"] < 300


@pytest.mark.parametrize(
    "path",
    ["/monitors/prices/windows", "/diagnoses", "/monitors/prices/columns/income/history",
     "/alerts", "/events", "/monitors/prices/events"],
)  # fmt: skip
def test_pages_of_a_list_hold_each_thing_once(there: Served, path: str):
    kind = path.rpartition("/")[2]
    for number in range(6):  # of which three are at one moment
        at = FIRST + (2 + number // 3) * DAY
        there.daemon.store.put_event("other", f"no. {number}", at=at, actor="x", monitor="prices")
    whole = read(there, path, limit=1000)[kind]
    parts = []
    address = f"{API}{path}?limit=3"
    while address:
        found = there.client.get(address).json()
        assert len(found[kind]) <= 3
        parts += found[kind]
        address = found["next"]
    assert parts == whole
    assert len(whole) >= 3


def test_a_forged_cursor_is_told_as_one(there: Served):
    for end, name in (
        ("2026-05-12", "a\ud800"),
        ("2026-05-12", "\0"),
        ("0001-01-01", "a"),
        ("x", "a"),
    ):
        text = base64.urlsafe_b64encode(json.dumps([end, name]).encode()).decode().rstrip("=")
        for path in ("/diagnoses", "/alerts", "/events", "/monitors/prices/windows"):
            refused(there.client.get(f"{API}{path}", params={"cursor": text}), 422, "cursor")


def test_a_moment_at_the_end_of_the_calendar_is_none(there: Served):
    # It cannot be told in every time zone: the page of the monitor would be gone for good.
    for at in ("9999-12-31T23:30:00Z", "0001-01-01"):
        body = {"kind": "fix", "text": "x", "at": at}
        told = refused(there.client.post(f"{API}/monitors/prices/events", json=body), 422, "at")
        assert told["detail"] == "Write a time as 2026-05-04T09:00:00Z, or a day as 2026-05-04."


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"segment": "", "stage": "labels"}, 5), ({"segment": "DE"}, 5), ({"stage": "features"}, 0),
        ({"segment": "", "verdict": "both"}, 2), ({"monitor": "other"}, 0),
        ({"segment": "", "from": "2026-05-12"}, 2),
        ({"segment": "", "to": "2026-05-11T00:00:00Z"}, 2),
        ({"segment": "", "to": "2026-05-11T02:00:00+02:00"}, 2),
        ({"segment": "", "from": "2026-05-11", "to": "2026-05-12"}, 1),
    ],
)  # fmt: skip
def test_diagnoses_are_found_by_what_they_are(there: Served, query: dict[str, str], count: int):
    assert len(read(there, "/diagnoses", **query)["diagnoses"]) == count


def test_a_diagnosis_is_read_as_it_was_kept_and_never_again(there: Served):
    (listed,) = read(there, "/diagnoses", segment="", limit=1)["diagnoses"]
    answer = there.client.get(listed["url"])
    assert answer.json() == there.daemon.store.get_result(listed["id"])
    assert "immutable" in answer.headers["cache-control"]
    again = there.client.get(listed["url"], headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    assert not again.content


def test_large_answers_are_compressed_where_the_client_takes_it(there: Served):
    (listed,) = read(there, "/diagnoses", limit=1)["diagnoses"]
    plain = there.client.get(listed["url"], headers={"Accept-Encoding": "identity"})
    packed = there.client.get(listed["url"], headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content
    request = f"GET {listed['url']} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n"
    raw = there.raw((request + "Connection: close\r\n\r\n").encode())
    assert json.loads(gzip.decompress(raw[raw.index(b"\x1f\x8b") :].split(b"\r\n0\r\n")[0]))


def test_the_graph_of_a_moment_is_the_one_in_force_then(there: Served):
    found = read(there, "/monitors/prices/graph")
    graph = Graph.from_dict(found["graph"])
    assert "price" in graph.nodes
    assert read(there, "/monitors/prices/graph", at=NOW.isoformat()) == found
    refused(there.client.get(f"{API}/monitors/prices/graph?at=2020-01-01"), 404)


def test_the_schema_says_what_each_column_is(there: Served):
    found = {c["name"]: c for c in read(there, "/monitors/prices/schema")["columns"]}
    assert found["price"]["role"] == "target"
    assert found["income"]["kind"] == "continuous"


def test_the_history_of_a_column_shows_when_it_moved(there: Served):
    rows = read(there, "/monitors/prices/columns/income/history")["history"]
    verdicts = {row["window"]["start"][:10]: row["verdict"] for row in rows}
    assert verdicts["2026-05-13"] == "source"
    assert verdicts["2026-05-09"] != "source"
    told = refused(there.client.get(f"{API}/monitors/prices/columns/nothing/history"), 404)
    assert "nothing" in told["detail"]


def test_names_with_slashes_and_line_breaks_can_be_asked_for(there: Served):
    for column in ("a/b", "price / m²", "a%2Fb", "a\nb", "history"):
        address = f"{API}/monitors/prices/columns/{quote(column, safe='')}/history"
        told = refused(there.client.get(address), 404)
        assert told["type"] == "urn:whydrift:problem:column"
    assert read(there, "/diagnoses", segment="a\nb")["diagnoses"] == []
    assert there.client.get("/monitors/prices", params={"segment": "a\nb"}).status_code == 404


def test_alerts_lead_to_their_diagnoses(there: Served):
    found = read(there, "/alerts", state="firing")["alerts"]
    kinds = {alert["kind"]: alert for alert in found}
    alert = kinds["mechanism"]
    assert alert["alert"] == "WhydriftMechanismShift"
    assert alert["since"] == "2026-05-13T00:00:00Z"
    assert alert["columns"] == ["price"]
    assert there.client.get(alert["diagnosis"]).status_code == 200
    assert read(there, "/alerts", state="resolved")["alerts"] == []


@pytest.mark.parametrize(
    ("kind", "severity"), [("fault", "critical"), ("graph", "info"), ("mechanism", "warning")]
)
def test_an_alert_is_as_grave_as_the_rules_for_prometheus_say(there: Served, kind, severity):
    end = FIRST.timestamp()
    key = AlertKey("price", AlertKind(kind))
    record = AlertRecord(
        1, "prices", key, Episode(end, end), AlertState.FIRING, FIRST, None, None, {}, FIRST
    )
    links = Links.of(there.daemon.config().web)
    assert alert_view(record, "warning", links)["severity"] == severity
    assert alert_view(record, None, links)["severity"] is None  # no longer configured


# ---- asking for something ----------------------------------------------------------------------
def test_a_pause_is_kept_and_audited(there: Served):
    for word, is_paused in (("pause", True), ("pause", True), ("resume", False)):
        answer = there.client.post(f"{API}/monitors/prices:{word}", json={})
        assert answer.json() == {"monitor": "prices", "paused": is_paused}
        assert there.daemon.store.get_state("prices").is_paused is is_paused
    kinds = [e["kind"] for e in read(there, "/events", monitor="prices")["events"]]
    assert kinds.count("pause") == kinds.count("resume") == 1


def test_only_a_window_that_was_judged_can_be_accepted(there: Served):
    body = {"window": "2020-05-12", "reason": "it was so"}
    answer = there.client.post(f"{API}/monitors/prices:accept", json=body)
    assert "2026-05-09" in refused(answer, 422)["detail"]
    answer = there.client.post(f"{API}/monitors/prices:accept", json={"reason": " "})
    refused(answer, 422, "reason")


def test_an_event_that_is_told_twice_is_kept_once(there: Served):
    body = {"kind": "fix", "text": "the join", "at": "2026-05-13T10:00:00+02:00"}
    first, second = (
        there.client.post(f"{API}/monitors/prices/events", json=body).json() for _ in range(2)
    )
    assert first == second
    assert first["at"] == "2026-05-13T08:00:00Z"


def test_what_a_release_did_to_the_loss_is_told_when_asked_for(tmp_path: Path):
    with served(watched(tmp_path)) as own:
        path = "/monitors/prices/events"
        (event,) = (e for e in read(own, path)["events"] if e["kind"] == "release")
        assert "effect_on_loss" not in event
        for _ in range(2):  # the second time it is remembered
            (event,) = (
                e for e in read(own, path, effects="yes")["events"] if e["kind"] == "release"
            )
            told = event["effect_on_loss"]
            assert told["loss"] == "squared_error"
            assert (told["before"]["windows"], told["after"]["windows"]) == (10, 3)
            assert told["before"]["to"] == told["after"]["from"] == "2026-05-11T00:00:00Z"
            assert told["after"]["mean_loss"] > told["before"]["mean_loss"]
            assert (told["effect"] is None) != (told["refused"] is None)
            assert "No other monitor has a loss" in told["beside_others"]["refused"]
        own.client.post(API + path, json={"kind": "retrain", "text": "13", "at": "2026-05-13"})
        found = read(own, path, effects="yes")["events"]
        told = {e["kind"]: e["effect_on_loss"] for e in found}
        assert "Too few windows after the event: 2" in told["release"]["refused"]
        assert "Too few windows before the event: 2" in told["retrain"]["refused"]
        own.client.post(f"{API}/monitors/prices:pause", json={})
        found = read(own, path, effects="yes")["events"]
        assert [e["effect_on_loss"] for e in found if e["kind"] == "pause"] == [None]
        refused(own.client.get(API + path, params={"effects": "maybe"}), 422, "effects")


def test_a_check_is_asked_for_and_not_waited_for(there: Served):
    window = {"from": "2026-05-12", "to": "2026-05-13"}
    body = {"window": window, "recompute": True}
    answer = there.client.post(f"{API}/monitors/prices/checks", json=body)
    assert answer.status_code == 202
    interval = Interval(FIRST + SHIFT * DAY, FIRST + (SHIFT + 1) * DAY)
    assert there.daemon.asked[-1] == ("prices", interval, True)
    there.client.post(f"{API}/monitors/prices/checks", json={})
    assert there.daemon.asked[-1] == ("prices", None, False)


def test_too_much_at_once_is_told_as_that(there: Served):
    there.daemon.is_busy = True
    try:
        answer = there.client.post(f"{API}/monitors/prices/checks", json={})
    finally:
        there.daemon.is_busy = False
    refused(answer, 429)
    assert int(answer.headers["retry-after"]) > 0


def test_what_is_accepted_is_kept_with_a_reason_and_its_alerts_end(
    tmp_path_factory: pytest.TempPathFactory,
):
    daemon = watched(tmp_path_factory.mktemp("accepted"), web=auth())
    with served(daemon) as own, own.as_("oncall") as client:
        body = {"window": "2026-05-12T06:00:00Z", "reason": "new price list"}
        answer = client.post(f"{API}/monitors/prices:accept", json=body)
        assert answer.status_code == 201, answer.text
        (event,) = own.daemon.store.list_events(monitor="prices", kinds=("accept",))
        assert event.window is not None
        assert event.window.start == FIRST + SHIFT * DAY
        assert (event.text, event.actor) == ("new price list", "oncall")
        assert answer.json() in client.get(answer.headers["location"]).json()["events"]
        assert client.get(f"{API}/alerts?state=firing").json()["alerts"] == []


# ---- what is odd -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/alerts?stat=firing", "stat"), ("/alerts?state=fire", "state"),
        ("/diagnoses?limit=0", "limit"), ("/diagnoses?limit=1001", "limit"),
        ("/diagnoses?limit=x", "limit"), ("/diagnoses?stage=x", "stage"),
        ("/diagnoses?verdict=drift", "verdict"), ("/diagnoses?from=yesterday", "from"),
        ("/diagnoses?to=2026-13-01", "to"), ("/diagnoses?from=0001-01-01T00:00:00%2B14:00", "from"),
        ("/diagnoses?cursor=x", "cursor"), ("/diagnoses?cursor=WzEsMl0", "cursor"),
        ("/diagnoses?cursor=bnVsbA", "cursor"), ("/diagnoses?cursor=%C3%A9", "cursor"),
        ("/monitors/prices/windows?path=/etc/passwd", "path"),
        ("/monitors/prices/graph?at=now", "at"), ("/monitors/prices?url=http://10.0.0.1", "url"),
    ],
)  # fmt: skip
def test_what_is_not_offered_is_named(there: Served, path: str, field: str):
    refused(there.client.get(API + path), 422, field)


def test_errors_of_every_kind_are_problems(there: Served):
    refused(there.client.get("/nothing"), 404)
    refused(there.client.get(f"{API}/diagnoses/" + "0" * 32), 404)
    refused(there.client.get(f"{API}/diagnoses/" + "0" * 32 + ".html"), 404)
    refused(there.client.get(f"{API}/reports/" + "0" * 32), 404)
    answer = there.client.delete(f"{API}/alerts", headers={"Content-Type": "application/json"})
    refused(answer, 405)
    assert answer.headers["allow"] == "GET"


PATHS = (
    "/diagnoses", "/alerts", "/events", "/monitors/prices/windows", "/monitors/prices/graph",
    "/monitors/prices/columns/income/history", "/monitors/prices/events", "/monitors", "/status",
)  # fmt: skip
WORDS = st.sampled_from(
    (
        "monitor",
        "segment",
        "stage",
        "verdict",
        "from",
        "to",
        "limit",
        "cursor",
        "at",
        "state",
        "effects",
    )
)
VALUES = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        ("", "0", "-1", "1e9", "null", "[]", "' or 1=1 --", "%", "2026-05-12",
         "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "prices", "features",
         "WyIyMDI2LTA1LTEyVDAwOjAwOjAwWiIsICJhIl0")
    ),
    st.datetimes().map(str),
    st.integers().map(str),
)  # fmt: skip


@hypothesis_settings(
    max_examples=60, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(path=st.sampled_from(PATHS), query=st.lists(st.tuples(WORDS, VALUES), max_size=3))
def test_no_query_is_a_bug(there: Served, path: str, query: list[tuple[str, str]]):
    answer = there.client.get(API + path, params=query)
    assert answer.status_code in {200, 400, 404, 414, 422}, (answer.request.url, answer.text)


@hypothesis_settings(
    max_examples=60, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(
    body=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
        | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(("monitor", "reference", "from", "to", "segment", "window", "reason",
                             "kind", "text", "at", "x")), inner, max_size=4,
        ),
        max_leaves=8,
    ),
    path=st.sampled_from(("/reports", "/monitors/prices:accept", "/monitors/prices/events",
                          "/monitors/prices/checks", "/monitors/x:pause")),
)  # fmt: skip
def test_no_body_is_a_bug(there: Served, path: str, body: object):
    head = {"Content-Type": "application/json"}
    answer = there.client.post(API + path, content=json.dumps(body), headers=head)
    assert answer.status_code in {201, 202, 400, 404, 422, 429}, (body, answer.text)
