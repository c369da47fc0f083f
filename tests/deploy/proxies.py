"""The proxies' examples, run as they stand but for addresses and certificates."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.deploy.manifests import DEPLOY
from tests.servers import free_port, program, running, wait_until

__all__ = ["HOST", "PROXIES", "ask"]

HOST = "monitoring.example"
_FOLDER = DEPLOY / "proxy"


def _replaced(text: str, *changes: tuple[str, str]) -> str:
    for ours, here in changes:
        assert ours in text, ours
        text = text.replace(ours, here)
    return text


@contextlib.contextmanager
def _nginx(folder: Path, behind: int) -> Iterator[int]:
    binary, port = program("nginx"), free_port()
    subprocess.run(
        [program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={HOST}",
         "-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    site = _replaced(
        (_FOLDER / "nginx.conf").read_text(),
        ("127.0.0.1:9464", f"127.0.0.1:{behind}"),
        ("/etc/ssl/whydrift/", f"{folder}/"),
        ("listen 80;", f"listen 127.0.0.1:{free_port()};"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("    listen [::]:80;\n", ""),
        ("    listen [::]:443 ssl;\n", ""),
    )
    (folder / "site.conf").write_text(site)
    kept = " ".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/log;\n"
        f"events {{}}\nhttp {{ access_log off; {kept} include {folder}/site.conf; }}\n"
    )
    command = [binary, "-p", str(folder), "-e", str(folder / "log"), "-c",
               str(folder / "nginx.conf")]  # fmt: skip
    tested = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stderr
    with running(command, folder / "out"):
        yield port


@contextlib.contextmanager
def _caddy(folder: Path, behind: int) -> Iterator[int]:
    binary, port = program("caddy"), free_port()
    site = _replaced((_FOLDER / "Caddyfile").read_text(), ("127.0.0.1:9464", f"127.0.0.1:{behind}"))
    options = (
        f"{{\n\tadmin off\n\tlocal_certs\n\tskip_install_trust\n\thttp_port {free_port()}\n"
        f"\thttps_port {port}\n}}\n"
    )
    (folder / "Caddyfile").write_text(options + site)
    command = [binary, "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]
    homes = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with running(command, folder / "out", env={**os.environ, **homes}):
        yield port


PROXIES = {"nginx": _nginx, "caddy": _caddy}


def ask(port: int, path: str, authorization: str = "Bearer t") -> tuple[int, str]:
    """Return status and body of a proxy's answer; nothing is followed."""

    def answer() -> tuple[int, str]:
        anyone = ssl._create_unverified_context()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        with contextlib.closing(connection):
            plain = socket.create_connection(("127.0.0.1", port), timeout=60)
            connection.sock = anyone.wrap_socket(plain, server_hostname=HOST)
            connection.request("GET", path, headers={"Host": HOST, "Authorization": authorization})
            found = connection.getresponse()
            return found.status, found.read().decode()

    result: tuple[int, str] = wait_until(f"an answer to {path}", answer)
    return result
