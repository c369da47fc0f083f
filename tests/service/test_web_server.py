"""The server on a real socket: patient with people, not with those who hold it; behind a proxy."""

from __future__ import annotations

import select
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import quantiles

import httpx
import pytest

from tests.servers import free_port, program
from tests.service.asking import Served, served
from tests.service.served import until
from tests.service.told import config as told_config
from tests.service.told import settle
from tests.service.watched import NOW, FakeDaemon, empty
from whydrift.monitor.diagnosis.alert import AlertKey, AlertKind
from whydrift.monitor.service.listening import settled_memory
from whydrift.monitor.service.web import connection as connection_module
from whydrift.monitor.service.web.security import crowd as crowd_module
from whydrift.monitor.store import open_store


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Served]:
    with served(empty(tmp_path)) as found:
        yield found


LARGE = b"a" * (8 << 20)
HELD = {
    "unread": b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "unread and closed": b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "silent": b"",
    "half a head": b"GET /metrics HTTP/1.1\r\nHost: loc",
    "half a body": b"POST /api/v1/reports HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
}


def ask(local: Served, asking: ExitStack, request: bytes) -> socket.socket:
    """Ask in a way that is not read, from a socket that takes little by itself."""
    other = asking.enter_context(socket.socket())
    other.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    other.settimeout(20)
    other.connect(("127.0.0.1", local.port))
    other.sendall(request)
    return other


def is_ended(other: socket.socket) -> bool:
    """Whether the server has hung up, without reading what it said."""
    look = select.poll()
    look.register(other, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
    return bool(look.poll(0))


# ---- those who hold it -------------------------------------------------------------------------
def test_who_sends_a_head_byte_by_byte_is_hung_up_on(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(connection_module, "_SECONDS_FOR_HEAD", 1.0)
    with served(empty(tmp_path)) as local:
        with (
            socket.create_connection(("127.0.0.1", local.port), 5) as slow,
            pytest.raises(OSError),
        ):
            for byte in b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"a" * 200:
                slow.sendall(bytes([byte]))
                time.sleep(0.02)
        with socket.create_connection(("127.0.0.1", local.port), 30) as silent:
            assert silent.recv(1) == b""
        # Somebody who asks, waits and asks again is not.
        with httpx.Client(base_url=f"http://localhost:{local.port}") as client:
            for _ in range(2):
                assert client.get("/-/healthy").status_code == 200
                time.sleep(1.2)


def test_heads_have_a_size(local: Served):
    head = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"a" * 100_000 + b"\r\n\r\n"
    with socket.create_connection(("127.0.0.1", local.port), 30) as other:
        other.sendall(head)
        assert other.recv(13) in {b"HTTP/1.1 431 ", b"HTTP/1.1 400 "}
    assert local.client.get("/-/healthy").status_code == 200


def test_bytes_that_are_no_request_do_no_harm(local: Served):
    for junk in (
        b"\x16\x03\x01\x02\x00\x01",
        b"\0" * 100,
        b"GET\r\n\r\n",
        b"\r\n" * 50,
        b"\xff" * 9,
    ):
        local.raw(junk, seconds=0.2)
    assert local.client.get("/-/healthy").status_code == 200


def test_a_slow_question_keeps_nobody_from_probing(local: Served):
    before = local.daemon.metrics

    let_go = threading.Event()

    def slow(accept: str | None = None) -> tuple[bytes, str]:
        assert let_go.wait(60)
        return before(accept)

    local.daemon.metrics = slow  # type: ignore[method-assign]
    with socket.create_connection(("127.0.0.1", local.port), 30) as other:
        other.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        try:
            assert local.client.get("/-/healthy").status_code == 200
        finally:
            let_go.set()
        assert other.recv(12) == b"HTTP/1.1 200"


def test_questions_that_all_wait_delay_neither_probes_nor_scrapes(local: Served):
    let_go, begun = threading.Event(), threading.Semaphore(0)

    def waits() -> None:
        begun.release()
        assert let_go.wait(60)

    local.daemon.reload_error = waits  # type: ignore[method-assign]
    with ExitStack() as asking:
        asking.callback(let_go.set)
        for _ in range(160):  # more than there are threads for them, and more than may wait
            ask(local, asking, b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for _ in range(crowd_module._THREADS):
            assert begun.acquire(timeout=60)
        for path in ("/-/healthy", "/-/ready", "/metrics"):
            assert local.client.get(path).status_code == 200
        told = local.client.get("/api/v1/monitors")
        assert (told.status_code, told.headers["retry-after"]) == (503, "5")
        assert not begun.acquire(blocking=False)
    assert until(lambda: local.client.get("/api/v1/monitors").status_code == 200)


def test_who_reads_no_answer_is_hung_up_on(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(connection_module, "_SECONDS_TO_READ", 0.5)
    monkeypatch.setattr(connection_module, "_LEAST_RATE", 64 << 20)
    monkeypatch.setattr(connection_module, "_SECONDS_BETWEEN_LOOKS", 0.1)
    with served(empty(tmp_path)) as local, ExitStack() as asking:
        local.daemon.metrics = lambda accept=None: (LARGE, "text/plain")  # type: ignore[method-assign]
        # One that keeps its connection, and one whose connection uvicorn has closed for its part.
        for held in ("unread", "unread and closed"):
            other = ask(local, asking, HELD[held])
            until(lambda other=other: is_ended(other))
        assert local.client.get("/metrics").content == LARGE


@pytest.mark.parametrize("held", HELD)
def test_connections_that_are_held_keep_nobody_from_probing(local: Served, held: str):
    small = local.daemon.metrics
    local.daemon.metrics = lambda accept=None: (LARGE, "text/plain")  # type: ignore[method-assign]
    with ExitStack() as asking:
        for _ in range(300):  # more than there may be
            ask(local, asking, HELD[held])
        local.daemon.metrics = small  # type: ignore[method-assign]
        for path in ("/-/healthy", "/-/ready", "/metrics", "/api/v1/monitors"):
            with httpx.Client(base_url=f"http://localhost:{local.port}", timeout=20) as client:
                assert client.get(path).status_code == 200


def test_questions_that_are_lined_up_are_not_all_answered(local: Served):
    answer = local.raw(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100, seconds=20)
    assert answer.count(b"HTTP/1.1 200 ") == 1
    # One after the other, on one connection, they are.
    with socket.create_connection(("127.0.0.1", local.port), 20) as other:
        for _ in range(3):
            other.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert other.recv(12) == b"HTTP/1.1 200"
            until(lambda: other.recv(4096).endswith(b"healthy\n"))


# ---- behind a proxy ----------------------------------------------------------------------------
NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{
    listen 127.0.0.1:{port};
    location /kept/ {{ proxy_pass http://127.0.0.1:{kept}; proxy_set_header Host $host; }}
    location /taken/ {{ proxy_pass http://127.0.0.1:{taken}/; }}
  }}
}}
"""


@contextmanager
def nginx(folder: Path, **ports: int) -> Iterator[None]:
    file = folder / "nginx.conf"
    file.write_text(NGINX.format(folder=folder, **ports))
    process = subprocess.Popen([program("nginx"), "-c", str(file), "-p", str(folder)])
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", ports["port"])) == 0:
                    break
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize("way", ["kept", "taken"])
def test_behind_a_proxy_at_a_path_all_links_lead_through_it(tmp_path: Path, way: str):
    port = free_port()
    base = f"http://localhost:{port}/{way}"
    with (
        served(empty(tmp_path, web=f", external_url: '{base}/'")) as inner,
        nginx(tmp_path, port=port, kept=inner.port, taken=inner.port),
        httpx.Client() as client,
    ):
        front = client.get(f"{base}/", headers={"Accept": "text/html"})
        assert front.status_code == 200
        assert f'href="/{way}/monitors/prices"' in front.text
        page = client.get(f"http://localhost:{port}/{way}/monitors/prices")
        assert page.status_code == 200
        (found,) = client.get(f"{base}/api/v1/monitors").json()["monitors"]
        assert found["url"] == f"{base}/api/v1/monitors/prices"
        assert client.get(found["url"]).status_code == 200
        assert client.get(found["page"]).status_code == 200
        body = {"kind": "fix", "text": "the join"}
        # A page of ours writes through the proxy, whatever Host the proxy sends on.
        head = {"Origin": f"http://localhost:{port}"}
        made = client.post(f"{base}/api/v1/monitors/prices/events", json=body, headers=head)
        assert made.status_code == 201
        assert client.get(made.headers["location"]).json()["events"] == [made.json()]
        assert client.get(f"{base}/-/healthy").text == "healthy\n"


# ---- how long it takes -------------------------------------------------------------------------
def test_two_hundred_monitors_are_shown_within_fifty_milliseconds(tmp_path: Path):
    names = [f"monitor-{n:03}" for n in range(210)]
    config = told_config(*names)
    store = open_store(f"sqlite:///{tmp_path}/w.db")
    for number, name in enumerate(names):
        firing = [AlertKey("y", AlertKind.MECHANISM)] if number % 7 == 0 else []
        settle(store, name, 1, {"": "mechanism" if firing else "none"}, firing=firing)
    with served(FakeDaemon(config, store, now=NOW)) as found:
        settled_memory()  # as `serve` does
        for path in ("/", "/metrics", "/api/v1/monitors"):
            seconds = []
            found.client.get(path)  # templates are compiled once
            for _ in range(80):  # so that the few in which memory is collected are few
                # Of the processor, for both ends: whatever else this machine does is not counted.
                begun = time.process_time()
                assert found.client.get(path).status_code == 200
                seconds.append(time.process_time() - begun)
            assert quantiles(seconds, n=20)[-1] < 0.05, (path, sorted(seconds)[-5:])
