"""The real servers that tests talk to: found, started on free ports, stopped.

Where one is not installed a test skips and says so; under ``WHYDRIFT_REQUIRE_SERVERS=1``, as in
``.ci/run``, that is a failure.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

REQUIRE = "WHYDRIFT_REQUIRE_SERVERS"
SECONDS = 120  # that a machine may be busy with something else

# Below those that Linux gives to outgoing connections (from 32,768 on).
_PORTS = (10_000 + (os.getpid() * 509 + k) % 20_000 for k in itertools.count())

# Debian's package of each program.
PACKAGES = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
    "nginx": "nginx-light",
    "caddy": "caddy",
    "kubectl": "kubernetes-client",
    "systemd-analyze": "systemd",
    "openssl": "openssl",
    "chromium": "chromium",
}


def absent(reason: str) -> NoReturn:
    """Skip the test, or fail it where the servers are required."""
    if os.environ.get(REQUIRE) == "1":
        pytest.fail(f"{reason}; {REQUIRE}=1 says that it must be there")
    pytest.skip(reason)


def program(name: str) -> str:
    """Return the path of an installed program; without it the test is skipped."""
    # Debian keeps some in /usr/sbin, where an ordinary user's PATH does not lead.
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        absent(f"{name} is not installed (on Debian: apt-get install {PACKAGES.get(name, name)})")
    return found


def free_port() -> int:
    """Return a port of the loopback that nobody listens on.

    None that the system gives to others of itself before a server takes it, nor soon twice, in this
    process of pytest's or in one beside it.
    """
    for port in _PORTS:
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
    raise AssertionError


def fetch(url: str, *, timeout: float = 60) -> bytes:
    """Return what a server answers."""
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        body: bytes = answer.read()
        return body


def fetch_json(url: str) -> Any:
    """Return what a server answers, parsed."""
    return json.loads(fetch(url))


def wait_until(what: str, holds: Callable[[], Any], *, seconds: float = SECONDS) -> Any:
    """Return the first answer that is true; servers that do not answer yet are asked again."""
    deadline = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = holds()
        except (urllib.error.URLError, OSError) as error:
            last = error
        else:
            if last:
                return last
        time.sleep(0.1)
    pytest.fail(f"{what} did not come about within {seconds} s; last: {last!r:.500}")


@contextlib.contextmanager
def running(command: list[str], log: Path, **more: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; then it is asked to stop, and killed if it does not."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, **more)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(SECONDS)


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    url: str
    log: Path

    def query(self, expr: str) -> list[dict[str, Any]]:
        """Return the series that an expression has now."""
        asked = urllib.parse.urlencode({"query": expr})
        try:
            answer = fetch_json(f"{self.url}/api/v1/query?{asked}")
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{expr}: {error.read().decode()}") from error
        assert answer["status"] == "success" and not answer.get("warnings"), (expr, answer)
        found = answer["data"]["result"]
        assert isinstance(found, list)
        return found

    def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts that are pending or fire."""
        found = fetch_json(f"{self.url}/api/v1/alerts")["data"]["alerts"]
        assert isinstance(found, list)
        return found


@dataclass(frozen=True)
class Alertmanager:
    """A running Alertmanager."""

    url: str

    def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts that it holds and that were not resolved."""
        found = fetch_json(f"{self.url}/api/v2/alerts")
        assert isinstance(found, list)
        return found


@contextlib.contextmanager
def alertmanager(folder: Path, config: str | None = None) -> Iterator[Alertmanager]:
    """Run an Alertmanager of its own, that tells nobody unless a configuration says so."""
    binary, port = program("prometheus-alertmanager"), free_port()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "alertmanager.yml"
    file.write_text(
        config
        or "route: {receiver: nobody, group_wait: 1s, group_interval: 1s}\n"
        "receivers: [{name: nobody}]\n"
    )
    command = [
        binary, f"--config.file={file}", f"--storage.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
    ]  # fmt: skip
    with running(command, folder / "log"):
        url = f"http://127.0.0.1:{port}"
        wait_until("Alertmanager", lambda: fetch(f"{url}/-/ready"))
        yield Alertmanager(url)


@contextlib.contextmanager
def prometheus(folder: Path, config: str, **files: str) -> Iterator[Prometheus]:
    """Run a Prometheus of its own.

    Parameters
    ----------
    folder : Path
    config : str
        Its configuration.
    **files : str
        More files beside it, by name without ``.yml``.
    """
    binary, port = program("prometheus"), free_port()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prometheus.yml").write_text(config)
    for name, text in files.items():
        (folder / f"{name}.yml").write_text(text)
    command = [
        binary, f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    log = folder / "log"
    with running(command, log):
        url = f"http://127.0.0.1:{port}"
        wait_until("Prometheus", lambda: fetch(f"{url}/-/ready"))
        yield Prometheus(url, log)


def promtool(*arguments: str | Path, text: bytes | None = None) -> str:
    """Run promtool, and return what it prints; a complaint fails the test."""
    command = [program("promtool"), *map(str, arguments)]
    done = subprocess.run(
        command, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    said = done.stdout.decode()
    assert done.returncode == 0, said
    return said
