"""The proxies' examples: what they let through, and what stays on the machine."""

from __future__ import annotations

import http.client
import http.server
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.manifests import DEPLOY

CADDY = DEPLOY / "proxy" / "Caddyfile"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


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
    nginx, openssl = shutil.which("nginx"), shutil.which("openssl")
    if nginx is None or openssl is None:
        pytest.skip("nginx is not installed (on Debian: apt-get install nginx-light openssl)")
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
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as asked:
                if not asked.connect_ex(("127.0.0.1", port)):
                    break
            time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        running.terminate()
        running.wait(10)
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


@pytest.mark.skipif(
    shutil.which("caddy") is None,
    reason="caddy is not installed (on Debian: apt-get install caddy)",
)
def test_caddy_takes_its_example():
    done = subprocess.run(
        ["caddy", "validate", "--adapter", "caddyfile", "--config", CADDY],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
