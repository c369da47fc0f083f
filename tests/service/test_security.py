"""The gate: who may ask, by which name, from where, and in which form."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.service.asking import Served, served
from tests.service.watched import FakeDaemon, auth, empty, settings
from whydrift.discovery.errors import ConfigError
from whydrift.monitor.config.load import parse_config

JSON = {"Content-Type": "application/json"}
PROBLEM = "application/problem+json"
EVENTS = "/api/v1/monitors/prices/events"
EVENT = {"kind": "release", "text": "model 12"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A daemon that asks for tokens, behind a proxy at a sub-path."""
    web = auth() + ", lifecycle: true, hosts: [drift.example]"
    web += ", external_url: 'https://seen.example/whydrift/'"
    with served(empty(tmp_path_factory.mktemp("guarded"), web=web)) as found:
        yield found


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A daemon on loopback that asks for no token."""
    with served(empty(tmp_path_factory.mktemp("local"), web=", lifecycle: true")) as found:
        yield found


def problem(answer: httpx.Response, status: int) -> dict[str, str]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    told: dict[str, str] = answer.json()
    assert told["status"] == status
    assert told["type"].startswith("urn:whydrift:problem:")
    assert told["title"]
    assert told["detail"]
    return told


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


# ---- who ---------------------------------------------------------------------------------------
def test_off_loopback_nobody_is_let_in_without_a_word_on_who_may(tmp_path: Path):
    with pytest.raises(ConfigError, match="auth"):
        parse_config(settings(tmp_path).replace("127.0.0.1:9464", "0.0.0.0:9464"))


@pytest.mark.parametrize(
    ("token", "path", "status"),
    [
        (None, "/metrics", 401), (None, "/", 401), (None, "/api/v1/status", 401),
        ("wrong", "/api/v1/status", 401), ("", "/api/v1/status", 401),
        ("scrape", "/metrics", 200), ("scrape", "/api/v1/status", 403), ("scrape", "/", 403),
        ("reader", "/metrics", 200), ("reader", "/api/v1/status", 200),
        ("oncall", "/api/v1/status", 200), ("oncall", "/nothing", 404), (None, "/nothing", 401),
    ],
)  # fmt: skip
def test_each_token_opens_what_its_role_says(guarded: Served, token: str, path: str, status: int):
    with guarded.as_(token) as client:
        assert client.get(path).status_code == status


def test_who_may_only_read_writes_nothing(guarded: Served):
    with guarded.as_("reader") as client:
        told = problem(client.post(EVENTS, json=EVENT), 403)
        assert "operate" in told["detail"]
        problem(client.post("/-/reload", json={}), 403)
    with guarded.as_("oncall") as client:
        made = client.post(EVENTS, json=EVENT)
        assert made.status_code == 201
        assert made.json()["actor"] == "oncall"


def test_a_browser_is_asked_for_a_password_and_the_token_is_one(guarded: Served):
    asked = guarded.client.get("/")
    assert "Basic" in asked.headers["www-authenticate"]
    given = guarded.client.get("/", auth=httpx.BasicAuth("anybody", "reader"))
    assert given.status_code == 200


@pytest.mark.parametrize(
    "value",
    [
        "Bearer", "Basic", "Basic !!!", "Basic " + base64.b64encode(b"\xff\xfe").decode(),
        "Basic " + base64.b64encode(b"reader").decode(), "Digest reader", "reader", "Bearer réader",
        "Bearer reader extra",
    ],
)  # fmt: skip
def test_what_is_no_token_is_refused(guarded: Served, value: str):
    head = {"Authorization": value.encode("latin-1")}
    assert guarded.client.get("/api/v1/status", headers=head).status_code == 401


def test_two_tokens_are_none(guarded: Served):
    pairs = [("Authorization", "Bearer wrong"), ("Authorization", "Bearer reader")]
    assert guarded.client.get("/api/v1/status", headers=pairs).status_code == 401


def test_probes_need_no_token_and_learn_nothing(guarded: Served):
    assert guarded.client.get("/-/healthy").text == "healthy\n"
    assert guarded.client.get("/-/ready").text == "ready\n"
    guarded.daemon.alive = False
    try:
        assert guarded.client.get("/-/healthy").status_code == 503
    finally:
        guarded.daemon.alive = True


# ---- by which name -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LOCALHOST:1", "localhost.", "127.0.0.1", "127.0.0.1:80", "[::1]:9464",
        "[::1]", "drift.example", "drift.example:443", "Drift.Example.", "seen.example",
        "10.0.0.7:9464",
    ],
)  # fmt: skip
def test_names_of_ours_and_bare_addresses_are_answered(guarded: Served, host: str):
    with guarded.as_("reader", Host=host) as client:
        assert client.get("/api/v1/status").status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 421), ("localhost.evil.example", 421), ("drift.example.evil", 421),
        ("127.0.0.1.evil.example", 421), ("", 400), ("[::1", 400), ("localhost:x", 400),
        ("evil.example@localhost", 400), ("localhost/evil", 400), ("[evil]:1", 400), (":9464", 400),
        ("localhost localhost", 400), ("2130706433", 421), ("0x7f.1", 421),
    ],
)  # fmt: skip
def test_a_page_of_another_name_reaches_nothing(guarded: Served, host: str, status: int):
    request = f"GET /api/v1/status HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    assert status_of(guarded.raw(request.encode())) == status


@pytest.mark.parametrize("host", [b"[", b"[::1", b"a]b", b"//", b"?"])
def test_an_odd_host_on_an_open_path_is_no_bug(
    local: Served, host: bytes, caplog: pytest.LogCaptureFixture
):
    head = b"POST /-/healthy HTTP/1.1\r\nHost: " + host + b"\r\nContent-Length: 0\r\n"
    answer = local.raw(head + b"Connection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert not caplog.records


def test_two_hosts_or_none_are_refused(guarded: Served):
    for hosts in (b"", b"Host: localhost\r\nHost: evil.example\r\n"):
        answer = guarded.raw(b"GET / HTTP/1.1\r\n" + hosts + b"Connection: close\r\n\r\n")
        assert status_of(answer) == 400


def test_no_link_is_made_of_the_host_that_was_asked(guarded: Served):
    with guarded.as_("reader", Host="10.0.0.7", **{"X-Forwarded-Host": "evil.example"}) as client:
        text = client.get("/").text + client.get("/api/v1/monitors").text
    assert "evil" not in text
    assert "10.0.0.7" not in text
    assert "https://seen.example/whydrift/api/v1/monitors/prices" in text
    assert 'href="/whydrift/alerts"' in text


# ---- from where --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 201),
        ({"Origin": "http://localhost:{port}"}, 201),
        ({"Origin": "https://seen.example"}, 201),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:1"}, 403),
        ({"Origin": "https://seen.example.evil"}, 403),
        ({"Origin": "http://seen.example"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 201),
    ],
)
def test_a_page_of_another_site_writes_nothing(
    guarded: Served, headers: dict[str, str], status: int
):
    given = {name: value.format(port=guarded.port) for name, value in headers.items()}
    with guarded.as_("oncall") as client:
        assert client.post(EVENTS, json=EVENT, headers=given).status_code == status


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; a=b"]
)
def test_what_a_form_can_send_changes_nothing(local: Served, kind: str | None):
    headers = {} if kind is None else {"Content-Type": kind}
    body = json.dumps(EVENT)
    told = problem(local.client.post(EVENTS, content=body, headers=headers), 415)
    assert "application/json" in told["detail"]
    problem(local.client.post("/-/reload", headers=headers), 415)
    assert local.daemon.reloads == 0


def test_no_other_site_is_told_that_it_may_ask(local: Served):
    head = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = local.client.request("OPTIONS", EVENTS, headers=head)
    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]


# ---- in which form -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"http://evil.example/api/v1/status", 400), (b"*", 400), (b"/a%00b", 400),
        (b"/api/v1/monitors?x=%0d%0aSet-Cookie:a=b", 422), (b"/" + b"a" * 2000, 414),
        (b"/?" + b"q" * 10_000, 414), (b"/..%2f..%2fetc/passwd", 404), (b"/%2e%2e/etc/passwd", 404),
        (b"//evil.example/", 404), (b"/api/v1/diagnoses/..%2f..%2fx", 404), (b"/%ff%fe", 404),
        (b"/api/v1/monitors/%f0%9f%98%80", 404), (b"/static/../app.py", 404),
    ],
)  # fmt: skip
def test_odd_addresses_lead_nowhere(local: Served, target: bytes, status: int):
    request = b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = local.raw(request)
    assert status_of(answer) == status
    assert b"set-cookie" not in answer.lower()
    assert b"\r\nlocation" not in answer.lower()


def test_a_large_body_is_refused_before_it_is_read(local: Served):
    head = {**JSON, "Content-Length": str(1 << 40)}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    request = f"POST {EVENTS} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n"
    assert status_of(local.raw(request.encode())) == 413


def test_a_body_that_grows_is_cut_off(local: Served):
    def pieces() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * 65_536

    kept = len(local.daemon.store.list_events())
    try:
        answer = local.client.post(EVENTS, content=pieces(), headers=JSON)
    except httpx.TransportError:  # it hung up while we were still sending
        pass
    else:
        problem(answer, 413)
    assert len(local.daemon.store.list_events()) == kept


def test_a_question_has_no_body_that_could_go_on_for_ever(local: Served):
    for length in ("Content-Length: 100000", "Transfer-Encoding: chunked"):
        request = f"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n"
        answer = local.raw(request.encode(), seconds=20)
        assert status_of(answer) == 400
        assert b"connection: close" in answer.lower()
    assert local.client.request("GET", "/-/healthy", content=b"").status_code == 200


def test_a_compressed_body_is_not_unpacked(local: Served):
    head = {**JSON, "Content-Encoding": "gzip"}
    problem(local.client.post(EVENTS, content=b"\x1f\x8b", headers=head), 415)


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Transfer-Encoding: xchunked\r\n", b"Content-Length: -1\r\n", b"Content-Length: +5\r\n",
        b" Content-Length: 5\r\n", b"Content-Length : 5\r\n",
    ],
)  # fmt: skip
def test_no_second_request_is_smuggled_in(local: Served, head: bytes):
    kept = len(local.daemon.store.list_events())
    hidden = b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\r\n"
    request = b"POST " + EVENTS.encode() + b" HTTP/1.1\r\nHost: localhost\r\n"
    request += b"Content-Type: application/json\r\n" + head + b"\r\n0\r\n\r\n" + hidden
    answer = local.raw(request, seconds=2)
    assert status_of(answer) in {400, 415, 501}, answer
    assert len(local.daemon.store.list_events()) == kept
    assert local.daemon.reloads == 0


def test_bodies_that_are_no_json_are_told_so(local: Served):
    for body in (b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"kind": NaN}', b"null", b'"x"', b"[1]"):
        answer = local.client.post(EVENTS, content=body, headers=JSON)
        assert answer.status_code in {400, 422}, body[:20]
        assert answer.headers["content-type"] == PROBLEM


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "accept"}, {"text": ""}, {"text": "a\u0000b"}, {"text": "x" * 3000},
        {"at": "yesterday"}, {"at": 0}, {"extra": 1}, {"text": None},
        {"at": "9999-99-99T00:00:00Z"},
    ],
)  # fmt: skip
def test_what_is_no_event_is_not_kept(local: Served, change: dict[str, object]):
    kept = len(local.daemon.store.list_events())
    told = problem(local.client.post(EVENTS, json={**EVENT, **change}), 422)
    assert told["field"] == next(iter(change))
    assert len(local.daemon.store.list_events()) == kept


def test_half_a_character_is_no_text(local: Served):
    body = b'{"kind": "release", "text": "a\\ud800"}'
    problem(local.client.post(EVENTS, content=body, headers=JSON), 422)


# ---- what a browser is told --------------------------------------------------------------------
@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/metrics", "/api/v1/status", "/-/healthy", "/api/v1/alerts?state=x"]
)
def test_every_answer_says_what_a_browser_must_not_do(local: Served, path: str):
    answer = local.client.get(path, headers={"Accept": "text/html"})
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "server" not in answer.headers
    assert "set-cookie" not in answer.headers


def test_a_bug_of_ours_tells_a_stranger_nothing(local: Served, caplog: pytest.LogCaptureFixture):
    def broken(accept: str | None = None) -> tuple[bytes, str]:
        raise RuntimeError("secret path /srv/whydrift")

    before, local.daemon.metrics = local.daemon.metrics, broken  # type: ignore[method-assign]
    try:
        answer = local.client.get("/metrics")
    finally:
        local.daemon.metrics = before  # type: ignore[method-assign]
    told = problem(answer, 500)
    assert "secret" not in json.dumps(told)
    assert "request_failed" in caplog.text
    assert "secret path" in caplog.text


def test_heads_are_answered_without_a_body(local: Served):
    head = local.client.head("/api/v1/status")
    assert head.status_code == 200
    assert not head.content
    answer = local.raw(b"HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert answer.endswith(b"\r\n\r\n")


def test_a_store_that_is_down_is_told_without_its_address(local: Served, tmp_path: Path):
    daemon = empty(tmp_path)
    daemon.store.database.path.unlink()  # type: ignore[union-attr]
    daemon.store.close()
    (tmp_path / "watched.db").mkdir()
    with served(FakeDaemon(daemon.settings, daemon.store)) as broken:
        told = problem(broken.client.get("/api/v1/alerts"), 503)
        assert str(tmp_path) not in json.dumps(told)
        assert broken.client.get("/-/healthy").status_code == 200
        assert broken.client.get("/-/ready").status_code == 503
