"""The proxies' examples: what they let through, and what stays on the machine."""

from __future__ import annotations

import http.client
import http.server
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.manifests import DEPLOY
from tests.servers import free_port, program, running, wait_until

CADDY = DEPLOY / "proxy" / "Caddyfile"


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with what it was asked."""

    def do_GET(self) -> None:
        body = f"{self.path} {self.headers['Host']} {self.headers.get('Authorization', '-')}"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[str]:
    """Nginx with our example before a server that echoes."""
    nginx, openssl = program("nginx"), program("openssl")
    behind = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=behind.serve_forever, daemon=True).start()
    port = free_port()
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=monitoring.example", "-keyout",
         tmp_path / "privkey.pem", "-out", tmp_path / "fullchain.pem"],
        check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    text = (DEPLOY / "proxy" / "nginx.conf").read_text()
    for ours, here in (
        ("127.0.0.1:9464", f"127.0.0.1:{behind.server_port}"),
        ("/etc/ssl/whydrift/", f"{tmp_path}/"),
        ("listen 80;", f"listen 127.0.0.1:{free_port()};"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("    listen [::]:80;\n", ""),
        ("    listen [::]:443 ssl;\n", ""),
    ):
        assert ours in text
        text = text.replace(ours, here)
    (tmp_path / "site.conf").write_text(text)
    folders = " ".join(
        f"{kind}_temp_path {tmp_path}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {tmp_path}/pid; error_log {tmp_path}/log;\n"
        f"events {{}}\nhttp {{ access_log off; {folders} include {tmp_path}/site.conf; }}\n"
    )
    command = [nginx, "-p", tmp_path, "-e", tmp_path / "log", "-c", tmp_path / "nginx.conf"]
    tested = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stderr
    address = f"127.0.0.1:{port}"
    try:
        with running([*map(str, command)], tmp_path / "out"):
            wait_until("nginx", lambda: ask(address, "/"))
            yield address
    finally:
        behind.shutdown()
        behind.server_close()


def ask(address: str, path: str) -> tuple[int, str]:
    """Return status and body of an answer; nothing is followed."""
    anyone = ssl._create_unverified_context()
    connection = http.client.HTTPSConnection(address, context=anyone, timeout=10)
    connection.request(
        "GET", path, headers={"Host": "monitoring.example", "Authorization": "Bearer t"}
    )
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body


def test_nginx_takes_the_prefix_off_and_passes_name_and_token_on(proxied):
    assert ask(proxied, "/whydrift/api/v1/monitors?limit=1") == (
        200, "/api/v1/monitors?limit=1 monitoring.example Bearer t"
    )  # fmt: skip
    assert ask(proxied, "/whydrift")[0] == 308


def test_reloading_and_metrics_stay_on_the_machine(proxied):
    for path in ("/-/reload", "/metrics", "/%2D/reload", "/x/../metrics", "//metrics"):
        assert ask(proxied, f"/whydrift{path}")[0] == 403, path


def test_caddy_takes_its_example():
    done = subprocess.run(
        [program("caddy"), "validate", "--adapter", "caddyfile", "--config", CADDY],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
