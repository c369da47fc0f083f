"""The proxies' examples: what they let through, and what stays on the machine."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.proxies import HOST, PROXIES, ask


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with what it was asked."""

    def do_GET(self) -> None:
        body = f"{self.path} {self.headers['Host']} {self.headers.get('Authorization', '-')}"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module", params=PROXIES)
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A proxy with our example before a server that echoes."""
    folder: Path = tmp_path_factory.mktemp(request.param)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo) as behind:
        threading.Thread(target=behind.serve_forever, daemon=True).start()
        with PROXIES[request.param](folder, behind.server_port) as found:
            yield found
        behind.shutdown()


def test_a_proxy_takes_the_prefix_off_and_passes_name_and_token_on(port):
    assert ask(port, "/whydrift/api/v1/monitors?limit=1") == (
        200, f"/api/v1/monitors?limit=1 {HOST} Bearer t"
    )  # fmt: skip
    assert ask(port, "/whydrift")[0] == 308


def test_reloading_and_metrics_stay_on_the_machine(port):
    for path in ("/-/reload", "/metrics", "/%2D/reload", "/x/../metrics", "//metrics", "/Metrics"):
        status, body = ask(port, f"/whydrift{path}")
        # What is written otherwise than it is known is no path of ours.
        assert status in {403, 404} or "/Metrics" in body, path
        assert "/metrics" not in body, path
